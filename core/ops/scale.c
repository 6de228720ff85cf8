/* scale: y = x * mul + add, in float, rounded after each. NaN stays NaN. Equals cv::Mat::convertTo(alpha, beta). */
#include "pointwise.h"

struct params {
    double mul, add;
};
// clang-format off
static const struct convd_param params[] = {
    {AT(mul), .type = CONVD_P_NUMBER, .def = "1", .lo = -3e38, .hi = 3e38,
     .summary = "factor", .aliases = "alpha factor"},
    {AT(add), .type = CONVD_P_NUMBER, .def = "0", .lo = -3e38, .hi = 3e38,
     .summary = "added after", .aliases = "beta offset bias"},
    CONVD_PARAM_END,
};
// clang-format on

static inline float f(float x, const struct params *p)
{
    return x * (float)p->mul + (float)p->add;
}
static inline float back(struct at v, const struct params *p)
{
    return v.dy * (float)p->mul;
}
POINTWISE_WITH(f, back)

const struct convd_op convd_op_scale = {
    .name = "scale",
    POINTWISE_ROW,
    .back_skips_x = true,
    .back_skips_y = true,
    .summary = "x * mul + add",
    .aliases = "affine Rescaling convertTo",
    .example = "grayscale/scale:0.5,64",
    .source = "cv::Mat::convertTo",
    .params = params,
    .params_size = sizeof(struct params),
    .torch = "{x} * {mul} + {add}",
    .opencv = "{x} * {mul} + {add}",
};
