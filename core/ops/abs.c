/* abs: y = |x|. NaN stays NaN. Equals torch.abs. */
#include "fused.h"
#include "pointwise.h"

static void forward(const struct convd_call *call)
{
    const struct convd_view *x = call->x, *y = call->y;
    for (ptrdiff_t c = 0; c < y->c; c++)
        for (ptrdiff_t i = y->y0; i < y->y1; i++)
            call->site->simd->abs(convd_row(y, c, i), convd_row(x, c, i), (size_t)y->w);
}
static inline float back(struct at v)
{
    return v.dy * ((float)(v.x > 0) - (float)(v.x < 0));
}
POINTWISE_BACK(back)

static bool fixed(const struct convd_site *s, const struct convd_fixed *x, struct convd_fixed_ask *a,
                  struct convd_fixed *y)
{
    (void)s, (void)a;
    y->hi = fmax(fabs(x->lo), fabs(x->hi));
    y->lo = x->lo <= 0 && x->hi >= 0 ? 0 : fmin(fabs(x->lo), fabs(x->hi));
    y->algorithm = "integer i16";
    return convd_int_fit(y, x->frac);
}
static void forward_fixed(const struct convd_fixed_call *c)
{
    const struct convd_fixed_view *y = c->y;
    const struct convd_simd *simd = c->site->simd;
    for (ptrdiff_t p = 0; p < y->format->planes; p++)
        for (ptrdiff_t i = y->y0; i < y->y1; i++) {
            int16_t *to = convd_fixed_row(y, p, i);
            simd->abs_i16(to, convd_int_row(c->x, p, i, y->format->frac, simd, to), (size_t)y->n);
        }
}

const struct convd_op convd_op_abs = {
    .name = "abs",
    POINTWISE_ROW,
    .fixed = fixed,
    .forward_fixed = forward_fixed,
    .fused = convd_fused_abs,
    .summary = "the number without its sign",
    .aliases = "Abs absolute fabs",
    .example = "grayscale/sobel_x/abs",
    .source = "torch.abs",
    .torch = "{x}.abs()",
    .opencv = "np.abs({x})",
};
