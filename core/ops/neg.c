/* neg: y = -x. NaN stays NaN. Equals torch.neg. */
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

const struct convd_op convd_op_neg = {
    .name = "neg",
    POINTWISE_ROW,
    .summary = "the number with the other sign",
    .aliases = "Neg negate negative",
    .example = "grayscale/sobel_x/neg",
    .source = "torch.neg",
    .torch = "-{x}",
    .opencv = "-{x}",
};
