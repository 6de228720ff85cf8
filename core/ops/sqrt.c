/* sqrt: y = the square root of x; NaN below 0, as torch.sqrt. */
#include "pointwise.h"

static inline float f(float x)
{
    return sqrtf(x);
}
static inline float back(struct at v)
{
    return v.dy / (2 * v.y);
}
POINTWISE(f, back)

const struct convd_op convd_op_sqrt = {
    .name = "sqrt",
    POINTWISE_ROW,
    .back_skips_x = true,
    .summary = "square root; not a number below 0",
    .aliases = "Sqrt",
    .example = "grayscale/sqrt",
    .source = "torch.sqrt",
    .torch = "{x}.sqrt()",
    .opencv = "np.sqrt({x})",
};
