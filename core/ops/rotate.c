/* rotate: quarter turns, clockwise; negative ones turn the other way.
 * One turn: y[i, j] = x[h - 1 - j, i]. Equals cv::rotate ROTATE_90_CLOCKWISE and torch.rot90(x, -turns, (2, 3)). */
#include "row.h"

struct params {
    ptrdiff_t turns;
};
// clang-format off
static const struct convd_param params[] = {
    {AT(turns), .type = CONVD_P_INT, .def = "1", .lo = -3, .hi = 3,
     .summary = "quarter turns, clockwise",
     .aliases = "k"},
    CONVD_PARAM_END,
};
// clang-format on

static ptrdiff_t turns(const struct convd_site *s)
{
    return (((const struct params *)s->params)->turns + 4) % 4;
}

static bool shape(struct convd_site *s, struct convd_faults *f)
{
    const struct convd_shape *x = &s->x[0];
    (void)f;
    s->y = turns(s) % 2 ? (struct convd_shape){s->y.n, x->c, x->w, x->h}
                        : (struct convd_shape){s->y.n, x->c, x->h, x->w};
    return true;
}

static bool rows(const struct convd_site *s, size_t i, struct convd_rows y, struct convd_rows *x)
{
    ptrdiff_t t = turns(s);
    (void)i;
    *x = t == 2 ? (struct convd_rows){s->x[0].h - y.y1, s->x[0].h - y.y0} : y;
    return t % 2 == 0;
}

/* What is written, or added. */
static inline float put(float to, float from, bool add)
{
    return add ? to + from : from;
}

static void straight(const struct convd_view *x, const struct convd_view *y, ptrdiff_t c,
                     ptrdiff_t t, bool add)
{
    for (ptrdiff_t i = y->y0; i < y->y1; i++) {
        const float *from = convd_row(x, c, t ? y->h - 1 - i : i);
        float *to = convd_row(y, c, i);
        for (ptrdiff_t j = 0; j < y->w; j++) to[j] = put(to[j], from[t ? y->w - 1 - j : j], add);
    }
}

enum { TILE = 32 }; /* rows and columns worked on together, so that both pictures stay in cache */

/* Column i of x, upwards (one turn) or downwards from the other side (three), becomes row i. */
static void quarter(const struct convd_view *x, const struct convd_view *y, ptrdiff_t c,
                    ptrdiff_t t, bool add)
{
    for (ptrdiff_t i0 = y->y0; i0 < y->y1; i0 += TILE)
        for (ptrdiff_t j0 = 0; j0 < y->w; j0 += TILE)
            for (ptrdiff_t i = i0; i < least(i0 + TILE, y->y1); i++) {
                float *to = convd_row(y, c, i);
                ptrdiff_t column = t == 1 ? i : x->w - 1 - i;
                for (ptrdiff_t j = j0; j < least(j0 + TILE, y->w); j++)
                    to[j] = put(to[j], convd_row(x, c, t == 1 ? x->h - 1 - j : j)[column], add);
            }
}

static void forward(const struct convd_call *call)
{
    ptrdiff_t t = turns(call->site);
    for (ptrdiff_t c = 0; c < call->y->c; c++)
        (t % 2 ? quarter : straight)(call->x, call->y, c, t, false);
}

/* Turned the rest of the way round. */
static void backward(const struct convd_back *call)
{
    const ptrdiff_t t = (4 - turns(call->site)) % 4;
    const struct convd_view dx =
        rows_of(call->dx, convd_share(call->dx->h, call->part, call->parts));
    for (ptrdiff_t c = 0; c < dx.c; c++) (t % 2 ? quarter : straight)(call->dy, &dx, c, t, true);
}

static void look(const struct convd_site *s, struct convd_place at, struct convd_look *l)
{
    ptrdiff_t i = at.i, j = at.j;
    for (ptrdiff_t t = turns(s), h = s->y.h, w = s->y.w; t > 0; t--) { /* turned back, one by one */
        ptrdiff_t row = w - 1 - j, side = h;
        j = i;
        i = row;
        h = w;
        w = side;
    }
    *l = (struct convd_look){.c = at.c, .channels = 1, .y = i, .x = j, .kh = 1, .kw = 1};
}

const struct convd_op convd_op_rotate = {
    .name = "rotate",
    .group = CONVD_GEOMETRY,
    .summary = "quarter turns, clockwise",
    .aliases = "Rotate",
    .example = "rotate:1",
    .source = "cv::rotate",
    .params = params,
    .params_size = sizeof(struct params),
    .algorithm = "copy",
    .shape = shape,
    .rows = rows,
    .forward = forward,
    .backward = backward,
    .look = look,
    .torch = "torch.rot90({x}, -{turns}, (2, 3))",
    .opencv = "np.ascontiguousarray(np.rot90({x}, -{turns}))",
    .ns = 3.6,
};
