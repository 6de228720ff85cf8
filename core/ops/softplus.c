/* softplus: y = ln(1 + exp(x)); x itself above 20, where float sees no difference and exp would overflow. NaN stays
 * NaN. Equals torch.nn.functional.softplus with beta 1 and threshold 20. */
#include "pointwise.h"

static inline float f(float x)
{
    return x > 20 ? x : log1pf(expf(x));
}
static inline float back(struct at v)
{
    return v.x > 20 ? v.dy : v.dy / (1 + expf(-v.x));
}
POINTWISE(f, back)

const struct convd_op convd_op_softplus = {
    .name = "softplus",
    POINTWISE_ROW,
    .summary = "ln(1 + e^x), a smooth relu",
    .aliases = "Softplus",
    .example = "grayscale/scale:0.05,-6/softplus",
    .source = "torch.nn.functional.softplus",
    .torch = "F.softplus({x})",
    .opencv = "np.logaddexp(0, {x})",
    .ns = 2.5,
};
