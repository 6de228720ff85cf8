/* exp: y = e to the x; +inf from about 88.7 on. NaN stays NaN. Equals torch.exp. */
#include "pointwise.h"

static inline float f(float x)
{
    return expf(x);
}
static inline float back(struct at v)
{
    return v.dy * v.y;
}
POINTWISE(f, back)

const struct convd_op convd_op_exp = {
    .name = "exp",
    POINTWISE_ROW,
    .back_skips_x = true,
    .summary = "e to the power of x",
    .aliases = "Exp",
    .example = "grayscale/scale:0.01/exp",
    .source = "torch.exp",
    .torch = "{x}.exp()",
    .opencv = "np.exp({x})",
    .ns = 6,
};
