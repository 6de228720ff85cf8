/* reduce: one number from all along an axis: sum, mean, max, min or l2 (the root of the sum of squares).
 * The axis stays, with size 1. Sums in double. NaN propagates; it wins in max and min. Equals torch.sum, mean, amax, amin
 * and linalg.vector_norm with keepdim=True; but the gradient of max and min goes to the first of equal numbers, where amax
 * and amin share it out. */
#include "dim.h"
#include "winner.h"
#include <string.h>

enum { SUM, MEAN, MAX, MIN, L2 };
static const char *const fn_words[] = {"sum", "mean", "max", "min", "l2", NULL};

struct params {
    int fn, dim;
};
// clang-format off
static const struct convd_param params[] = {
    {AT(fn), .type = CONVD_P_WORD, .words = fn_words, .summary = "what becomes of the numbers",
     .aliases = "function reduction"},
    DIM_PARAM,
    CONVD_PARAM_END,
};
// clang-format on

static bool shape(struct convd_site *s, struct convd_faults *f)
{
    const struct params *p = s->params;
    struct convd_shape y = {s->y.n, s->x[0].c, s->x[0].h, s->x[0].w};
    (void)f;
    *(p->dim == DIM_CHANNEL ? &y.c : p->dim == DIM_HEIGHT ? &y.h : &y.w) = 1;
    s->y = y;
    return true;
}

static bool rows(const struct convd_site *s, size_t i, struct convd_rows y, struct convd_rows *x)
{
    (void)i;
    return dim_rows(((const struct params *)s->params)->dim, y, x);
}

static void window(const struct convd_site *s, struct convd_window *w)
{
    dim_window(((const struct params *)s->params)->dim, &s->x[0], w);
}

static void cost(const struct convd_site *s, struct convd_cost *c)
{
    c->macs = (double)s->x[0].c * (double)s->x[0].h * (double)s->x[0].w;
}

static size_t scratch(const struct convd_site *s, ptrdiff_t n)
{
    (void)n;
    return (size_t)s->x[0].w * sizeof(double);
}

/* acc[j] takes x[j] in; the first row begins it. */
static void take(double *restrict acc, const float *restrict x, ptrdiff_t n, int fn, bool first)
{
    if (first)
        for (ptrdiff_t j = 0; j < n; j++)
            acc[j] = fn == L2 ? (double)x[j] * (double)x[j] : (double)x[j];
    else if (fn == L2)
        for (ptrdiff_t j = 0; j < n; j++) acc[j] += (double)x[j] * (double)x[j];
    else if (fn == MAX)
        for (ptrdiff_t j = 0; j < n; j++) acc[j] = (double)larger((float)acc[j], x[j]);
    else if (fn == MIN)
        for (ptrdiff_t j = 0; j < n; j++) acc[j] = (double)smaller((float)acc[j], x[j]);
    else
        for (ptrdiff_t j = 0; j < n; j++) acc[j] += (double)x[j];
}

static float finish(double acc, int fn, ptrdiff_t count)
{
    return (float)(fn == MEAN ? acc / (double)count : fn == L2 ? sqrt(acc) : acc);
}

static void along_width(float *y, const float *x, ptrdiff_t w, int fn)
{
    double acc;
    take(&acc, x, 1, fn, true);
    for (ptrdiff_t j = 1; j < w; j++) take(&acc, x + j, 1, fn, false);
    *y = finish(acc, fn, w);
}

static void forward(const struct convd_call *call)
{
    const struct params *p = call->site->params;
    const struct convd_view *x = call->x, *y = call->y;
    double *acc = (double *)(void *)call->scratch;
    ptrdiff_t count = p->dim == DIM_CHANNEL ? x->c : x->h;
    for (ptrdiff_t c = 0; c < y->c; c++)
        for (ptrdiff_t i = y->y0; i < y->y1; i++) {
            if (p->dim == DIM_WIDTH) {
                along_width(convd_row(y, c, i), convd_row(x, c, i), x->w, p->fn);
                continue;
            }
            for (ptrdiff_t k = 0; k < count; k++)
                take(acc, p->dim == DIM_CHANNEL ? convd_row(x, k, i) : convd_row(x, c, k), x->w,
                     p->fn, k == 0);
            float *out = convd_row(y, c, i);
            for (ptrdiff_t j = 0; j < x->w; j++) out[j] = finish(acc[j], p->fn, count);
        }
}

/* Which rows one reduction runs over, all columns at once: channels of row i, or rows of channel c. */
static ptrdiff_t lines(int dim, const struct convd_view *x)
{
    return dim == DIM_CHANNEL ? x->c : x->h;
}
static float *line(int dim, const struct convd_view *v, ptrdiff_t at, ptrdiff_t k)
{
    return dim == DIM_CHANNEL ? convd_row(v, k, at) : convd_row(v, at, k);
}

/* dx of a line: x and y (in steps of 0 or 1), dy. The norm of nothing but zeros gives nothing back, as torch. */
static void give(const struct params *p, float *dx, const float *x, const float *y, const float *dy,
                 ptrdiff_t n, ptrdiff_t step, ptrdiff_t count)
{
    if (p->fn == L2)
        for (ptrdiff_t j = 0; j < n; j++)
            dx[j] += y[j * step] == 0 ? 0 : dy[j * step] * (x[j] / y[j * step]);
    else if (p->fn == MEAN)
        for (ptrdiff_t j = 0; j < n; j++) dx[j] += dy[j * step] / (float)count;
    else
        for (ptrdiff_t j = 0; j < n; j++) dx[j] += dy[j * step];
}

static void claim_line(float *restrict dx, const float *restrict x, const float *restrict y,
                       float *restrict left, ptrdiff_t n)
{
    for (ptrdiff_t j = 0; j < n; j++) dx[j] += claim(x[j], y[j], &left[j]);
}

static void back_along_width(const struct convd_back *call)
{
    const struct params *p = call->site->params;
    const struct convd_view *dx = call->dx;
    const struct convd_rows own = part_rows(call, dx);
    for (ptrdiff_t r = own.y0; r < own.y1; r++) {
        const ptrdiff_t c = r / dx->h, i = r % dx->h;
        const float *x = convd_row(call->x, c, i), *y = convd_row(call->y, c, i),
                    *dy = convd_row(call->dy, c, i);
        if (p->fn == MAX || p->fn == MIN)
            convd_row(dx, c, i)[first_winner(x, dx->w, *y)] += *dy;
        else
            give(p, convd_row(dx, c, i), x, y, dy, dx->w, 0, dx->w);
    }
}

/* A part has rows where channels are reduced, channels where rows are. */
static void backward(const struct convd_back *call)
{
    const struct params *p = call->site->params;
    const struct convd_view *dx = call->dx;
    const int dim = p->dim;
    const struct convd_rows own =
        convd_share(dim == DIM_CHANNEL ? dx->h : dx->c, call->part, call->parts);
    const ptrdiff_t count = lines(dim, dx);
    if (dim == DIM_WIDTH) {
        back_along_width(call);
        return;
    }
    for (ptrdiff_t at = own.y0; at < own.y1; at++) {
        const float *y = line(dim, call->y, at, 0), *dy = line(dim, call->dy, at, 0);
        memcpy(call->scratch, dy, (size_t)dx->w * sizeof(float));
        for (ptrdiff_t k = 0; k < count; k++)
            if (p->fn == MAX || p->fn == MIN)
                claim_line(line(dim, dx, at, k), line(dim, call->x, at, k), y, call->scratch,
                           dx->w);
            else
                give(p, line(dim, dx, at, k), line(dim, call->x, at, k), y, dy, dx->w, 1, count);
    }
}

/* What is still to be given away of a row of dy. */
static size_t back_scratch(const struct convd_site *s)
{
    return (size_t)s->x[0].w * sizeof(float);
}

static void look(const struct convd_site *s, struct convd_place at, struct convd_look *l)
{
    const struct params *p = s->params;
    dim_look(p->dim, &s->x[0], at, l);
    l->kind = p->fn == SUM || p->fn == MEAN                             ? CONVD_LOOK_SUM
              : (p->fn == MAX || p->fn == MIN) && p->dim != DIM_CHANNEL ? CONVD_LOOK_WINNER
                                                                        : CONVD_LOOK_WINDOW;
}

static double weigh(const struct convd_site *s, struct convd_place at, ptrdiff_t q, ptrdiff_t a,
                    ptrdiff_t b)
{
    const struct params *p = s->params;
    const struct convd_shape *x = &s->x[0];
    const ptrdiff_t n = p->dim == DIM_CHANNEL ? x->c : p->dim == DIM_HEIGHT ? x->h : x->w;
    (void)at, (void)q, (void)a, (void)b;
    return p->fn == MEAN ? 1 / (double)n : 1;
}

static const char *torch(const struct convd_site *s, struct convd_arena *mem)
{
    static const char *const words[] = {
        [SUM] = "{x}.double().sum(%d, keepdim=True).float()",
        [MEAN] = "{x}.double().mean(%d, keepdim=True).float()",
        [MAX] = "{x}.amax(%d, keepdim=True)",
        [MIN] = "{x}.amin(%d, keepdim=True)",
        [L2] = "{x}.double().square().sum(%d, keepdim=True).sqrt().float()",
    };
    const struct params *p = s->params;
    return convd_arena_printf(mem, words[p->fn], p->dim + 1);
}

static const char *opencv(const struct convd_site *s, struct convd_arena *mem)
{
    static const char *const words[] = {
        [SUM] = "{x}.sum(%d, keepdims=True, dtype=np.float64)",
        [MEAN] = "{x}.mean(%d, keepdims=True, dtype=np.float64)",
        [MAX] = "{x}.max(%d, keepdims=True)",
        [MIN] = "{x}.min(%d, keepdims=True)",
        [L2] = "np.sqrt(np.square({x}, dtype=np.float64).sum(%d, keepdims=True))",
    };
    const struct params *p = s->params;
    return convd_arena_printf(mem, words[p->fn], p->dim == DIM_CHANNEL ? 2 : p->dim - 1);
}

const struct convd_op convd_op_reduce = {
    .name = "reduce",
    .group = CONVD_CHANNELS,
    .summary = "one number from all along an axis",
    .aliases = "Reduce",
    .example = "reduce:mean",
    .source = "torch.sum, mean, amax, amin, linalg.vector_norm with keepdim",
    .params = params,
    .params_size = sizeof(struct params),
    .algorithm = "direct",
    .shape = shape,
    .cost = cost,
    .window = window,
    .rows = rows,
    .scratch = scratch,
    .forward = forward,
    .backward = backward,
    .back_scratch = back_scratch,
    .look = look,
    .weigh = weigh,
    .torch_of = torch,
    .opencv_of = opencv,
};
