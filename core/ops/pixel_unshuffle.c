/* pixel_unshuffle: squares of factor x factor pixels become channels; the inverse of pixel_shuffle.
 * y[c * r * r + a * r + b, i, j] = x[c, i * r + a, j * r + b], r = factor. H and W must be multiples of r. Equals torch
 * pixel_unshuffle. */
#include "squares.h"

FACTOR("side of the squares, pixels", "downscale_factor")

static bool shape(struct convd_site *s, struct convd_faults *f)
{
    const ptrdiff_t r = factor_of(s);
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
    const ptrdiff_t r = factor_of(s);
    *w = (struct convd_window){r, r, r, r, 1, 1, 0, 0, false};
}

static bool rows(const struct convd_site *s, size_t i, struct convd_rows y, struct convd_rows *x)
{
    const ptrdiff_t r = factor_of(s);
    (void)i;
    *x = (struct convd_rows){y.y0 * r, y.y1 * r};
    return true;
}

static void forward(const struct convd_call *call)
{
    squares_forward(call, row_from_large);
}

static void backward(const struct convd_back *call)
{
    squares_backward(call, row_from_small);
}

static void look(const struct convd_site *s, struct convd_place at, struct convd_look *l)
{
    const ptrdiff_t r = factor_of(s);
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
