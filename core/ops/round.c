/* round: to the nearest integer, halves to the even one (IEEE 754 roundTiesToEven, the default mode). Equals torch.round. */
#include "pointwise.h"

static inline float f(float x)
{
    return rintf(x);
}
POINTWISE_FORWARD(f)
POINTWISE_BACK_FLAT

const struct convd_op convd_op_round = {
    .name = "round",
    POINTWISE_ROW,
    .rising = true,
    .summary = "nearest integer, halves to the even one",
    .aliases = "Round rint",
    .example = "grayscale/scale:0.1/round",
    .source = "torch.round",
    .torch = "{x}.round()",
    .opencv = "np.rint({x})",
};
