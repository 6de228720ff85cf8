/* pixel_unshuffle: squares of factor x factor pixels become channels; the inverse of pixel_shuffle.
 * y[c * r * r + a * r + b, i, j] = x[c, i * r + a, j * r + b], r = factor. H and W must be multiples of r. Equals torch
 * pixel_unshuffle. */
#include "row.h"

struct params {
    ptrdiff_t factor;
};
// clang-format off
static const struct convd_param params[] = {
    {AT(factor), .type = CONVD_P_INT, .lo = 1, .hi = 64, .summary = "side of the squares, pixels",
     .aliases = "downscale_factor blocksize block_size r"},
    CONVD_PARAM_END,
};
// clang-format on

static bool shape(struct convd_site *s, struct convd_faults *f)
{
    const ptrdiff_t r = ((const struct params *)s->params)->factor;
    const struct convd_shape *x = &s->x[0];
    s->y = (struct convd_shape){s->y.n, 0, x->h / r, x->w / r};
    if (x->h % r || x->w % r) {
        convd_fault_expected(f, CONVD_BAD_SHAPE, "factor", "a factor that divides height and width",
                             "%tdx%td does not make squares of %tdx%td", x->h, x->w, r, r);
        return false;
    }
    if (__builtin_mul_overflow(x->c, r * r, &s->y.c)) {
        convd_fault(f, CONVD_BAD_SHAPE, "factor", "the result has too many channels");
        return false;
    }
    return true;
}

static void window(const struct convd_site *s, struct convd_window *w)
{
    const ptrdiff_t r = ((const struct params *)s->params)->factor;
    *w = (struct convd_window){r, r, r, r, 1, 1, 0, 0, false};
}

static bool rows(const struct convd_site *s, size_t i, struct convd_rows y, struct convd_rows *x)
{
    const ptrdiff_t r = ((const struct params *)s->params)->factor;
    (void)i;
    *x = (struct convd_rows){y.y0 * r, y.y1 * r};
    return true;
}

static void forward(const struct convd_call *call)
{
    const ptrdiff_t r = ((const struct params *)call->site->params)->factor;
    const struct convd_view *x = call->x, *y = call->y;
    for (ptrdiff_t c = 0; c < y->c; c++)
        for (ptrdiff_t i = y->y0; i < y->y1; i++) {
            const float *from = convd_row(x, c / (r * r), i * r + c / r % r) + c % r;
            float *to = convd_row(y, c, i);
            for (ptrdiff_t j = 0; j < y->w; j++) to[j] = from[j * r];
        }
}

static void backward(const struct convd_back *call)
{
    const ptrdiff_t r = ((const struct params *)call->site->params)->factor;
    const struct convd_view *dx = call->dx, *dy = call->dy;
    const struct convd_rows own = part_rows(call, dx);
    for (ptrdiff_t n = own.y0; n < own.y1; n++)
        for (ptrdiff_t k = 0; k < r; k++) {
            const ptrdiff_t c = n / dx->h, i = n % dx->h;
            const float *from = convd_row(dy, c * r * r + i % r * r + k, i / r);
            float *to = convd_row(dx, c, i) + k;
            for (ptrdiff_t j = 0; j < dy->w; j++) to[j * r] += from[j];
        }
}

static void look(const struct convd_site *s, struct convd_place at, struct convd_look *l)
{
    const ptrdiff_t r = ((const struct params *)s->params)->factor;
    *l = (struct convd_look){.c = at.c / (r * r),
                             .channels = 1,
                             .y = at.i * r + at.c / r % r,
                             .x = at.j * r + at.c % r,
                             .kh = 1,
                             .kw = 1,
                             .mixed = true};
}

const struct convd_op convd_op_pixel_unshuffle = {
    .name = "pixel_unshuffle",
    .group = CONVD_CHANNELS,
    .summary = "pixels become channels: smaller and more maps",
    .aliases = "PixelUnshuffle",
    .example = "pixel_unshuffle:2/pixel_shuffle:2",
    .source = "torch.nn.functional.pixel_unshuffle",
    .params = params,
    .params_size = sizeof(struct params),
    .algorithm = "copy",
    .shape = shape,
    .window = window,
    .rows = rows,
    .forward = forward,
    .backward = backward,
    .look = look,
    .torch = "F.pixel_unshuffle({x}, {factor})",
    .opencv = "{x}.reshape({y.h}, {factor}, {y.w}, {factor}, {x.c})"
              ".transpose(0, 2, 4, 1, 3).reshape({y.h}, {y.w}, {y.c})",
};
