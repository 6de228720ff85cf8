/* relu6: y = min(max(x, 0), 6). NaN stays NaN. Equals torch.nn.functional.relu6.
 * Source: Howard et al. 2017, "MobileNets". */
#include "pointwise.h"

static inline float f(float x)
{
    float y = x < 0 ? 0 : x;
    return y > 6 ? 6 : y;
}
static inline float back(struct at v)
{
    return ((v.x <= 0) | (v.x >= 6)) ? 0 : v.dy;
}
POINTWISE(f, back)

const struct convd_op convd_op_relu6 = {
    .name = "relu6",
    POINTWISE_ROW,
    .summary = "clamped to 0..6",
    .aliases = "ReLU6",
    .example = "grayscale/scale:0.05/relu6",
    .source = "torch.nn.functional.relu6",
    .torch = "F.relu6({x})",
    .opencv = "np.clip({x}, 0, 6)",
};
