/* gelu: y = x * P(N <= x) = x/2 * erfc(-x/sqrt 2), the exact form and not the tanh one. In double: the tail of
 * erf cancels in float. -inf gives NaN (inf * 0), as torch. Equals torch.nn.functional.gelu.
 * Source: Hendrycks and Gimpel 2016, "Gaussian error linear units". */
#include "pointwise.h"

static inline float f(float x)
{
    return (float)(0.5 * (double)x * erfc(-(double)x * 0.70710678118654752440));
}
static inline float back(struct at v)
{
    const double x = (double)v.x, below = 0.5 * erfc(-x * 0.70710678118654752440);
    return (float)((double)v.dy * (below + x * exp(-0.5 * x * x) * 0.39894228040143267794));
}
POINTWISE(f, back)

const struct convd_op convd_op_gelu = {
    .name = "gelu",
    POINTWISE_ROW,
    .summary = "x times the share of a normal distribution below x",
    .aliases = "GELU Gelu",
    .example = "grayscale/scale:0.02,-2.5/gelu",
    .source = "torch.nn.functional.gelu",
    .torch = "F.gelu({x})",
    .ns = 5,
};
