/* avg_pool: the mean of each window, summed in double. It divides by the taps inside the padded picture
 * (count_include_pad; a last window of ceil_mode may stick out of that), by the taps inside the picture (not
 * count_include_pad), or by divisor_override. A window of border alone is 0. NaN propagates. Equals torch avg_pool2d. */
#include "window.h"

// clang-format off
static const struct convd_param params[] = {
    WINDOW_PARAMS,
    {OF(convd_window_params, count_include_pad), .type = CONVD_P_BOOL, .def = "true",
     .summary = "the border counts as numbers that are 0"},
    {OF(convd_window_params, divisor_override), .type = CONVD_P_INT, .def = "", .lo = 1, .hi = 1e9,
     .summary = "divide by this instead of the number of taps", .aliases = "divisor"},
    CONVD_PARAM_END,
};
// clang-format on

static double finish(double sum, double padded, double inside, const struct convd_window_params *p)
{
    double taps = p->divisor_override    ? (double)p->divisor_override
                  : p->count_include_pad ? padded
                                         : inside;
    return taps > 0 ? sum / taps : 0;
}

static void forward(const struct convd_call *call)
{
    convd_window_sum(call, NULL, finish);
}

const struct convd_op convd_op_avg_pool = {
    .name = "avg_pool",
    WINDOW_ROW,
    .summary = "mean of each window",
    .aliases =
        "avg_pool2d avgpool2d avgpool AvgPool AvgPool2d AveragePool AveragePooling2D mean_pool",
    .example = "grayscale/avg_pool:2",
    .source = "torch.nn.functional.avg_pool2d",
};
