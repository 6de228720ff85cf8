/* hard_swish: y = x * min(max(x + 3, 0), 6) / 6. NaN stays NaN. Equals torch.nn.functional.hardswish.
 * Source: Howard et al. 2019, "Searching for MobileNetV3". */
#include "pointwise.h"

static inline float f(float x)
{
    float y = x + 3;
    y = y < 0 ? 0 : y;
    return x * (y > 6 ? 6 : y) / 6;
}
static inline float back(struct at v)
{
    const float slope = v.x <= 3 ? v.x / 3 + 0.5F : 1;
    return v.x < -3 ? 0 : v.dy * slope;
}
POINTWISE(f, back)

const struct convd_op convd_op_hard_swish = {
    .name = "hard_swish",
    POINTWISE_ROW,
    .summary = "x times its hard_sigmoid",
    .aliases = "hardswish Hardswish HardSwish",
    .example = "grayscale/scale:0.05,-6/hard_swish",
    .source = "torch.nn.functional.hardswish",
    .torch = "F.hardswish({x})",
    .opencv = "{x} * np.clip({x} + 3, 0, 6) / 6",
};
