/* square: y = x * x. NaN stays NaN. Equals torch.square. */
#include "pointwise.h"

static inline float f(float x)
{
    return x * x;
}
static inline float back(struct at v)
{
    return v.dy * (2 * v.x);
}
POINTWISE(f, back)

const struct convd_op convd_op_square = {
    .name = "square",
    POINTWISE_ROW,
    .summary = "the number times itself",
    .aliases = "Square sqr",
    .example = "grayscale/sobel_x/square",
    .source = "torch.square",
    .torch = "{x}.square()",
    .opencv = "np.square({x})",
};
