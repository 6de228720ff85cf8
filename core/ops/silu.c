/* silu: y = x * sigmoid(x) = x / (1 + exp(-x)). -inf gives NaN, as torch. Equals torch.nn.functional.silu.
 * Source: Elfwing, Uchibe, Doya 2018, "Sigmoid-weighted linear units". */
#include "pointwise.h"

static inline float f(float x)
{
    return x / (1 + expf(-x));
}
static inline float back(struct at v)
{
    const float s = 1 / (1 + expf(-v.x));
    return v.dy * (s * (1 + v.x * (1 - s)));
}
POINTWISE(f, back)

const struct convd_op convd_op_silu = {
    .name = "silu",
    POINTWISE_ROW,
    .summary = "x times its sigmoid",
    .aliases = "SiLU swish Swish",
    .example = "grayscale/scale:0.02,-2.5/silu",
    .source = "torch.nn.functional.silu",
    .torch = "F.silu({x})",
    .opencv = "{x} / (1 + np.exp(-{x}))",
    .ns = 10,
};
