/* tanh: hyperbolic tangent, -1..1. NaN stays NaN. Equals torch.tanh. */
#include "pointwise.h"

static inline float f(float x)
{
    return tanhf(x);
}
static inline float back(struct at v)
{
    return v.dy * (1 - v.y * v.y);
}
POINTWISE(f, back)

const struct convd_op convd_op_tanh = {
    .name = "tanh",
    POINTWISE_ROW,
    .back_skips_x = true,
    .summary = "hyperbolic tangent: -1 to 1",
    .aliases = "Tanh",
    .example = "grayscale/sobel_x/scale:0.01/tanh",
    .source = "torch.tanh",
    .torch = "{x}.tanh()",
    .opencv = "np.tanh({x})",
    .ns = 5,
};
