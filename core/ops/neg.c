/* neg: y = -x. NaN stays NaN. Equals torch.neg. */
#include "integer.h"
#include "pointwise.h"

static inline float f(float x)
{
    return -x;
}
static inline float back(struct at v)
{
    return -v.dy;
}
POINTWISE(f, back)

static bool fixed(const struct convd_site *s, const struct convd_fixed *x, struct convd_fixed_ask *a,
                  struct convd_fixed *y)
{
    (void)s, (void)a;
    return convd_int_affine(x, -1, 0, -INFINITY, INFINITY, y);
}
static void forward_fixed(const struct convd_fixed_call *c)
{
    convd_int_affine_rows(c, -1, 0, -INFINITY, INFINITY);
}

const struct convd_op convd_op_neg = {
    .name = "neg",
    POINTWISE_ROW,
    .back_skips_x = true,
    .back_skips_y = true,
    .fixed = fixed,
    .forward_fixed = forward_fixed,
    .summary = "the number with the other sign",
    .aliases = "Neg negate negative",
    .example = "grayscale/sobel_x/neg",
    .source = "torch.neg",
    .torch = "-{x}",
    .opencv = "-{x}",
};
