/* softmax: exp(x - largest) / sum of them, along channels (default), rows or columns; the results add up to 1.
 * Sums in double. A NaN along the axis makes all of it NaN. Equals torch.softmax(x, dim). */
#include "dim.h"

struct params {
    int dim;
};
// clang-format off
static const struct convd_param params[] = {
    DIM_PARAM,
    CONVD_PARAM_END,
};
// clang-format on

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
    c->macs = 3 * (double)s->y.c * (double)s->y.h * (double)s->y.w;
}

/* Along the channels: a row each of sums and of largest numbers, for all columns at once. */
static size_t scratch(const struct convd_site *s, ptrdiff_t n)
{
    (void)n;
    return (size_t)s->x[0].w * (sizeof(double) + sizeof(float));
}

/* Along the height: the same two rows for each channel, all sums first. */
static size_t digest_bytes(const struct convd_site *s)
{
    const struct params *p = s->params;
    size_t columns = (size_t)s->x[0].c * (size_t)s->x[0].w;
    return p->dim == DIM_HEIGHT ? columns * (sizeof(double) + sizeof(float)) : 0;
}

/* Which rows one softmax runs over, for all columns at once: channels of row i, or rows of channel c. */
struct lines {
    ptrdiff_t c, i;
    int dim;
};

static float *line(const struct lines *l, const struct convd_view *v, ptrdiff_t k)
{
    return l->dim == DIM_CHANNEL ? convd_row(v, k, l->i) : convd_row(v, l->c, k);
}

/* Largest number and sum of exponentials of each column over `count` lines of x. */
static void gather(const struct lines *l, const struct convd_view *x, ptrdiff_t count, float *top,
                   double *sum)
{
    for (ptrdiff_t j = 0; j < x->w; j++) {
        top[j] = -INFINITY;
        sum[j] = 0;
    }
    for (ptrdiff_t k = 0; k < count; k++) {
        const float *v = line(l, x, k);
        for (ptrdiff_t j = 0; j < x->w; j++) top[j] = larger(top[j], v[j]);
    }
    for (ptrdiff_t k = 0; k < count; k++) {
        const float *v = line(l, x, k);
        for (ptrdiff_t j = 0; j < x->w; j++) sum[j] += (double)expf(v[j] - top[j]);
    }
}

static void write(float *y, const float *x, const float *top, const double *sum, ptrdiff_t w)
{
    for (ptrdiff_t j = 0; j < w; j++) y[j] = (float)((double)expf(x[j] - top[j]) / sum[j]);
}

static void along_width(float *y, const float *x, ptrdiff_t w)
{
    float top = -INFINITY;
    double sum = 0;
    for (ptrdiff_t j = 0; j < w; j++) top = larger(top, x[j]);
    for (ptrdiff_t j = 0; j < w; j++) sum += (double)expf(x[j] - top);
    for (ptrdiff_t j = 0; j < w; j++) y[j] = (float)((double)expf(x[j] - top) / sum);
}

static void digest(const struct convd_call *call)
{
    const struct convd_view *x = call->x;
    double *sum = call->digest;
    float *top = (float *)(sum + x->c * x->w);
    for (ptrdiff_t c = 0; c < x->c; c++)
        gather(&(struct lines){c, 0, DIM_HEIGHT}, x, x->h, top + c * x->w, sum + c * x->w);
}

static void forward_channel(const struct convd_call *call)
{
    const struct convd_view *x = call->x, *y = call->y;
    double *sum = (double *)(void *)call->scratch;
    float *top = (float *)(sum + x->w);
    for (ptrdiff_t i = y->y0; i < y->y1; i++) {
        gather(&(struct lines){0, i, DIM_CHANNEL}, x, x->c, top, sum);
        for (ptrdiff_t c = 0; c < x->c; c++)
            write(convd_row(y, c, i), convd_row(x, c, i), top, sum, x->w);
    }
}

static void forward(const struct convd_call *call)
{
    const int dim = ((const struct params *)call->site->params)->dim;
    const struct convd_view *x = call->x, *y = call->y;
    const double *sum = call->digest;
    const float *top = (const float *)(dim == DIM_HEIGHT ? sum + x->c * x->w : NULL);
    if (dim == DIM_CHANNEL) {
        forward_channel(call);
        return;
    }
    for (ptrdiff_t c = 0; c < x->c; c++)
        for (ptrdiff_t i = y->y0; i < y->y1; i++)
            if (dim == DIM_WIDTH)
                along_width(convd_row(y, c, i), convd_row(x, c, i), x->w);
            else
                write(convd_row(y, c, i), convd_row(x, c, i), top + c * x->w, sum + c * x->w, x->w);
}

/* dL/dx = y * (dL/dy - sum of dL/dy * y along the axis). */
static void back_lines(const struct convd_back *call, const struct lines *l, ptrdiff_t count)
{
    const ptrdiff_t w = call->dx->w;
    double *sum = (double *)(void *)call->scratch;
    for (ptrdiff_t j = 0; j < w; j++) sum[j] = 0;
    for (ptrdiff_t k = 0; k < count; k++) {
        const float *y = line(l, call->y, k), *dy = line(l, call->dy, k);
        for (ptrdiff_t j = 0; j < w; j++) sum[j] += (double)dy[j] * (double)y[j];
    }
    for (ptrdiff_t k = 0; k < count; k++) {
        const float *y = line(l, call->y, k), *dy = line(l, call->dy, k);
        float *dx = line(l, call->dx, k);
        for (ptrdiff_t j = 0; j < w; j++) dx[j] += (float)((double)y[j] * ((double)dy[j] - sum[j]));
    }
}

static void back_along_width(float *dx, const float *y, const float *dy, ptrdiff_t w)
{
    double sum = 0;
    for (ptrdiff_t j = 0; j < w; j++) sum += (double)dy[j] * (double)y[j];
    for (ptrdiff_t j = 0; j < w; j++) dx[j] += (float)((double)y[j] * ((double)dy[j] - sum));
}

static void backward(const struct convd_back *call)
{
    const int dim = ((const struct params *)call->site->params)->dim;
    const struct convd_view *dx = call->dx;
    const ptrdiff_t units = dim == DIM_CHANNEL ? dx->h : dim == DIM_HEIGHT ? dx->c : dx->c * dx->h;
    const struct convd_rows own = convd_share(units, call->part, call->parts);
    for (ptrdiff_t u = own.y0; u < own.y1; u++)
        if (dim == DIM_CHANNEL)
            back_lines(call, &(struct lines){0, u, dim}, dx->c);
        else if (dim == DIM_HEIGHT)
            back_lines(call, &(struct lines){u, 0, dim}, dx->h);
        else
            back_along_width(convd_row(dx, u / dx->h, u % dx->h),
                             convd_row(call->y, u / dx->h, u % dx->h),
                             convd_row(call->dy, u / dx->h, u % dx->h), dx->w);
}

static size_t back_scratch(const struct convd_site *s)
{
    return (size_t)s->x[0].w * sizeof(double);
}

static void look(const struct convd_site *s, struct convd_place at, struct convd_look *l)
{
    dim_look(((const struct params *)s->params)->dim, &s->x[0], at, l);
}

static const char *torch(const struct convd_site *s, struct convd_arena *mem)
{
    return convd_arena_printf(mem, "{x}.softmax(%d)", ((const struct params *)s->params)->dim + 1);
}

const struct convd_op convd_op_softmax = {
    .name = "softmax",
    .group = CONVD_POINTWISE,
    .summary = "exponentials that add up to 1 along an axis",
    .aliases = "Softmax",
    .example = "scale:0.02/softmax",
    .source = "torch.softmax",
    .params = params,
    .params_size = sizeof(struct params),
    .algorithm = "direct",
    .cost = cost,
    .window = window,
    .rows = rows,
    .scratch = scratch,
    .digest_bytes = digest_bytes,
    .digest = digest,
    .forward = forward,
    .backward = backward,
    .back_scratch = back_scratch,
    .look = look,
    .torch_of = torch,
    .ns = 19,
};
