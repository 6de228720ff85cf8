/* sign: -1, 0 or 1. sign(NaN) is NaN (torch.sign answers 0 there; the contract lets NaN through every op). */
#include "pointwise.h"

static inline float f(float x)
{
    return x != x ? x : (float)(x > 0) - (float)(x < 0);
}
POINTWISE_FORWARD(f)
POINTWISE_BACK_FLAT

const struct convd_op convd_op_sign = {
    .name = "sign",
    POINTWISE_ROW,
    .rising = true,
    .summary = "-1 below 0, 0 at 0, 1 above",
    .aliases = "Sign sgn",
    .example = "grayscale/sobel_x/sign",
    .source = "torch.sign",
    .torch = "torch.where({x}.isnan(), {x}, {x}.sign())",
    .opencv = "np.sign({x})",
};
