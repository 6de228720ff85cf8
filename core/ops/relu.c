/* relu: y = max(x, 0). NaN stays NaN. Equals torch.nn.functional.relu.
 * Source: Nair and Hinton 2010, "Rectified linear units improve restricted Boltzmann machines". */
#include "pointwise.h"

static inline float f(float x)
{
    return x < 0 ? 0 : x;
}
static inline float back(struct at v)
{
    return v.y <= 0 ? 0 : v.dy;
}
POINTWISE(f, back)

const struct convd_op convd_op_relu = {
    .name = "relu",
    POINTWISE_ROW,
    .summary = "negative numbers become 0",
    .aliases = "ReLU Relu",
    .example = "grayscale/sobel_x/relu",
    .source = "torch.nn.functional.relu",
    .torch = "F.relu({x})",
    .opencv = "np.maximum({x}, 0)",
};
