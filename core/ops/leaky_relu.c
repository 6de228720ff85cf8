/* leaky_relu: y = x above 0, negative_slope * x below. NaN stays NaN. Equals torch.nn.functional.leaky_relu.
 * Source: Maas, Hannun, Ng 2013, "Rectifier nonlinearities improve neural network acoustic models". */
#include "pointwise.h"

struct params {
    double negative_slope;
};
// clang-format off
static const struct convd_param params[] = {
    {AT(negative_slope), .type = CONVD_P_NUMBER, .def = "0.01", .lo = -1000, .hi = 1000,
     .summary = "slope below 0", .aliases = "alpha slope"},
    CONVD_PARAM_END,
};
// clang-format on

static inline float f(float x, const struct params *p)
{
    return x > 0 ? x : x * (float)p->negative_slope;
}
static inline float back(struct at v, const struct params *p)
{
    return v.x > 0 ? v.dy : v.dy * (float)p->negative_slope;
}
POINTWISE_WITH(f, back)

const struct convd_op convd_op_leaky_relu = {
    .name = "leaky_relu",
    POINTWISE_ROW,
    .summary = "negative numbers are scaled by negative_slope",
    .aliases = "LeakyReLU LeakyRelu",
    .example = "grayscale/sobel_x/leaky_relu:0.1",
    .source = "torch.nn.functional.leaky_relu",
    .params = params,
    .params_size = sizeof(struct params),
    .torch = "F.leaky_relu({x}, {negative_slope})",
    .opencv = "np.where({x} > 0, {x}, {x} * {negative_slope})",
};
