/* pixel_shuffle: factor^2 channels become one that is factor times as high and wide.
 * y[c, i, j] = x[c * r * r + i % r * r + j % r, i / r, j / r], r = factor. C must be a multiple of r^2. Equals torch
 * pixel_shuffle (ONNX DepthToSpace in mode CRD).
 * Source: Shi et al. 2016, "Real-time single image and video super-resolution". */
#include "squares.h"

FACTOR("times as high and wide", "upscale_factor")

static bool shape(struct convd_site *s, struct convd_faults *f)
{
    const ptrdiff_t r = factor_of(s);
    const struct convd_shape *x = &s->x[0];
    s->y = (struct convd_shape){s->y.n, x->c / (r * r), 0, 0};
    if (x->c % (r * r)) {
        convd_fault_expected(f, CONVD_BAD_SHAPE, "factor",
                             "a factor whose square divides the channels",
                             "%td channels do not make squares of %tdx%td", x->c, r, r);
        return false;
    }
    if (__builtin_mul_overflow(x->h, r, &s->y.h) || __builtin_mul_overflow(x->w, r, &s->y.w)) {
        convd_fault(f, CONVD_BAD_SHAPE, "factor", "the result is too large");
        return false;
    }
    return true;
}

static bool rows(const struct convd_site *s, size_t i, struct convd_rows y, struct convd_rows *x)
{
    const ptrdiff_t r = factor_of(s);
    (void)i;
    *x = (struct convd_rows){y.y0 / r, (y.y1 + r - 1) / r};
    return true;
}

static void forward(const struct convd_call *call)
{
    squares_forward(call, row_from_small);
}

static void backward(const struct convd_back *call)
{
    squares_backward(call, row_from_large);
}

static void look(const struct convd_site *s, struct convd_place at, struct convd_look *l)
{
    const ptrdiff_t r = factor_of(s);
    *l = (struct convd_look){.c = at.c * r * r + at.i % r * r + at.j % r,
                             .channels = 1,
                             .y = at.i / r,
                             .x = at.j / r,
                             .kh = 1,
                             .kw = 1,
                             .mixed = true};
}

const struct convd_op convd_op_pixel_shuffle = {
    .name = "pixel_shuffle",
    .group = CONVD_CHANNELS,
    .summary = "channels become pixels: larger and fewer maps",
    .aliases = "PixelShuffle",
    .example = "pixel_unshuffle:2/pixel_shuffle:2",
    .source = "torch.nn.functional.pixel_shuffle",
    .params = params,
    .params_size = sizeof(struct params),
    .algorithm = "copy",
    .shape = shape,
    .rows = rows,
    .forward = forward,
    .backward = backward,
    .look = look,
    .torch = "F.pixel_shuffle({x}, {factor})",
    .opencv = "{x}.reshape({x.h}, {x.w}, {y.c}, {factor}, {factor})"
              ".transpose(0, 3, 1, 4, 2).reshape({y.h}, {y.w}, {y.c})",
};
