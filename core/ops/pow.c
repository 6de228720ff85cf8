/* pow: y = x to the exponent, by C powf: pow(x, 0) is 1 even for NaN, a negative x with a broken exponent is NaN, as
 * torch.pow. */
#include "pointwise.h"

struct params {
    double exponent;
};
// clang-format off
static const struct convd_param params[] = {
    {AT(exponent), .type = CONVD_P_NUMBER, .def = NULL, .lo = -1000, .hi = 1000,
     .summary = "the power", .aliases = "power p"},
    CONVD_PARAM_END,
};
// clang-format on

static inline float f(float x, const struct params *p)
{
    return powf(x, (float)p->exponent);
}
static inline float back(struct at v, const struct params *p)
{
    const float e = (float)p->exponent;
    return e == 0 ? 0 : v.dy * (e * powf(v.x, e - 1));
}
POINTWISE_WITH(f, back)

const struct convd_op convd_op_pow = {
    .name = "pow",
    POINTWISE_ROW,
    .summary = "x to the power of exponent",
    .aliases = "Pow power",
    .example = "grayscale/pow:0.5",
    .source = "torch.pow",
    .params = params,
    .params_size = sizeof(struct params),
    .torch = "{x}.pow({exponent})",
    .opencv = "np.power({x}, np.float32({exponent}))",
    .ns = 4,
};
