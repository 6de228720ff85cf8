/* elu: y = x above 0, alpha * (exp(x) - 1) below. NaN stays NaN. Equals torch.nn.functional.elu.
 * Source: Clevert, Unterthiner, Hochreiter 2015, "Exponential linear units". */
#include "pointwise.h"

struct params {
    double alpha;
};
// clang-format off
static const struct convd_param params[] = {
    {AT(alpha), .type = CONVD_P_NUMBER, .def = "1", .lo = -1000, .hi = 1000,
     .summary = "the value far below 0 is -alpha"},
    CONVD_PARAM_END,
};
// clang-format on

static inline float f(float x, const struct params *p)
{
    return x > 0 ? x : (float)p->alpha * expm1f(x);
}
static inline float back(struct at v, const struct params *p)
{
    return v.x <= 0 ? v.dy * (float)p->alpha * expf(v.x) : v.dy;
}
POINTWISE_WITH(f, back)

const struct convd_op convd_op_elu = {
    .name = "elu",
    POINTWISE_ROW,
    .summary = "alpha * (e^x - 1) below 0",
    .aliases = "ELU Elu",
    .example = "grayscale/sobel_x/scale:0.01/elu",
    .source = "torch.nn.functional.elu",
    .params = params,
    .params_size = sizeof(struct params),
    .torch = "F.elu({x}, {alpha})",
    .opencv = "np.where({x} > 0, {x}, {alpha} * np.expm1(np.minimum({x}, 0)))",
};
