/* log: y = ln x; -inf at 0, NaN below, as torch.log. Where a kernel is expected `log` is the Laplacian of Gaussian. */
#include "pointwise.h"

static inline float f(float x)
{
    return logf(x);
}
static inline float back(struct at v)
{
    return v.dy / v.x;
}
POINTWISE(f, back)

const struct convd_op convd_op_log = {
    .name = "log",
    POINTWISE_ROW,
    .summary = "natural logarithm; -inf at 0, not a number below",
    .aliases = "Log ln",
    .example = "grayscale/scale:1,1/log",
    .source = "torch.log",
    .torch = "{x}.log()",
    .opencv = "np.log({x})",
    .ns = 3.3,
};
