/* flatten: all numbers become channels of 1x1, channel by channel, row by row.
 * x [c,h,w] -> y [c * h * w,1,1]. Equals torch.flatten(x, 1), but for the two trailing ones. */
#include "row.h"

static bool shape(struct convd_site *s, struct convd_faults *f)
{
    const struct convd_shape *x = &s->x[0];
    ptrdiff_t n;
    if (__builtin_mul_overflow(x->c, x->h, &n) || __builtin_mul_overflow(n, x->w, &n)) {
        convd_fault(f, CONVD_BAD_SHAPE, NULL, "%tdx%tdx%td has too many numbers", x->c, x->h, x->w);
        return false;
    }
    s->y = (struct convd_shape){s->y.n, n, 1, 1};
    return true;
}

static bool rows(const struct convd_site *s, size_t i, struct convd_rows y, struct convd_rows *x)
{
    (void)s, (void)i, (void)y, (void)x;
    return false;
}

static void forward(const struct convd_call *call)
{
    const struct convd_view *x = call->x;
    ptrdiff_t k = 0;
    for (ptrdiff_t c = 0; c < x->c; c++)
        for (ptrdiff_t i = 0; i < x->h; i++) {
            const float *from = convd_row(x, c, i);
            for (ptrdiff_t j = 0; j < x->w; j++) *convd_row(call->y, k++, 0) = from[j];
        }
}

static void backward(const struct convd_back *call)
{
    const struct convd_view *dx = call->dx;
    const struct convd_rows own = part_rows(call, dx);
    for (ptrdiff_t r = own.y0; r < own.y1; r++) {
        float *to = convd_row(dx, r / dx->h, r % dx->h);
        for (ptrdiff_t j = 0; j < dx->w; j++) to[j] += *convd_row(call->dy, r * dx->w + j, 0);
    }
}

static void look(const struct convd_site *s, struct convd_place at, struct convd_look *l)
{
    const ptrdiff_t h = s->x[0].h, w = s->x[0].w;
    *l = (struct convd_look){.c = at.c / w / h,
                             .channels = 1,
                             .y = at.c / w % h,
                             .x = at.c % w,
                             .kh = 1,
                             .kw = 1,
                             .mixed = true};
}

const struct convd_op convd_op_flatten = {
    .name = "flatten",
    .group = CONVD_CHANNELS,
    .summary = "all numbers become channels of 1x1",
    .aliases = "Flatten",
    .example = "resize:4/flatten",
    .source = "torch.flatten",
    .algorithm = "copy",
    .shape = shape,
    .rows = rows,
    .forward = forward,
    .backward = backward,
    .look = look,
    .torch = "{x}.flatten(1)[:, :, None, None]",
    .opencv = "{x}.transpose(2, 0, 1).reshape(1, 1, -1)",
};
