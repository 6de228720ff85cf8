/* hard_sigmoid: y = min(max(x + 3, 0), 6) / 6. NaN stays NaN. Equals torch.nn.functional.hardsigmoid (the slope
 * is 1/6; ONNX HardSigmoid has 0.2 unless told otherwise, so its name is no alias).
 * Source: Howard et al. 2019, "Searching for MobileNetV3". */
#include "pointwise.h"

static inline float f(float x)
{
    float y = x + 3;
    y = y < 0 ? 0 : y;
    return (y > 6 ? 6 : y) / 6;
}
static inline float back(struct at v)
{
    return ((v.x > -3) & (v.x < 3)) ? v.dy / 6 : 0;
}
POINTWISE(f, back)

const struct convd_op convd_op_hard_sigmoid = {
    .name = "hard_sigmoid",
    POINTWISE_ROW,
    .summary = "sigmoid made of three straight lines",
    .aliases = "hardsigmoid Hardsigmoid",
    .example = "grayscale/scale:0.05,-6/hard_sigmoid/scale:255",
    .source = "torch.nn.functional.hardsigmoid",
    .torch = "F.hardsigmoid({x})",
    .opencv = "np.clip({x} + 3, 0, 6) / 6",
};
