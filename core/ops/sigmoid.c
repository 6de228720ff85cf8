/* sigmoid: y = 1 / (1 + exp(-x)), 0..1. exp overflows to +inf below about -88.7, which gives the right 0. NaN stays
 * NaN. Equals torch.sigmoid. */
#include "pointwise.h"

static inline float f(float x)
{
    return 1 / (1 + expf(-x));
}
static inline float back(struct at v)
{
    return v.dy * (v.y * (1 - v.y));
}
POINTWISE(f, back)

const struct convd_op convd_op_sigmoid = {
    .name = "sigmoid",
    POINTWISE_ROW,
    .back_skips_x = true,
    .summary = "the logistic function: 0 to 1",
    .aliases = "Sigmoid logistic",
    .example = "grayscale/scale:0.05,-6/sigmoid/scale:255",
    .source = "torch.sigmoid",
    .torch = "{x}.sigmoid()",
    .opencv = "1 / (1 + np.exp(-{x}))",
    .ns = 10,
};
