/* threshold: y = above where x > value, else below. NaN stays NaN. Equals cv::threshold THRESH_BINARY with maxval =
 * above. */
#include "pointwise.h"

struct params {
    double value, above, below;
};
// clang-format off
static const struct convd_param params[] = {
    {AT(value), .type = CONVD_P_NUMBER, .def = NULL, .lo = -3e38, .hi = 3e38,
     .summary = "the level", .aliases = "thresh level"},
    {AT(above), .type = CONVD_P_NUMBER, .def = "255", .lo = -3e38, .hi = 3e38,
     .summary = "the answer above the level", .aliases = "maxval"},
    {AT(below), .type = CONVD_P_NUMBER, .def = "0", .lo = -3e38, .hi = 3e38,
     .summary = "the answer at and below the level"},
    CONVD_PARAM_END,
};
// clang-format on

static inline float f(float x, const struct params *p)
{
    float y = x > (float)p->value ? (float)p->above : (float)p->below;
    return x != x ? x : y;
}
POINTWISE_FORWARD_WITH(f)
POINTWISE_BACK_FLAT

const struct convd_op convd_op_threshold = {
    .name = "threshold",
    POINTWISE_ROW,
    .summary = "two values: above the level and not",
    .aliases = "binary_threshold binarize",
    .example = "grayscale/threshold:128",
    .source = "cv::threshold THRESH_BINARY",
    .params = params,
    .params_size = sizeof(struct params),
    .torch = "torch.where({x}.isnan(), {x}, torch.where({x} > {value}, {above}, {below}))",
    .opencv = "np.where(np.isnan({x}), {x}, np.where({x} > {value}, {above}, {below}))",
};
