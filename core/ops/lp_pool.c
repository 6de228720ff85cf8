/* lp_pool: y = (sum of |x|^p)^(1/p) over each window, in double; p = norm_type > 0. A window that ceil_mode cuts
 * counts as a whole one: its sum is scaled up by taps / taps inside, as torch lp_pool2d does through avg_pool2d. (For
 * negative x and odd p torch sums signed powers; the contract has absolute ones.) NaN propagates.
 * Source: Sermanet, Chintala, LeCun 2012, "Convolutional neural networks applied to house numbers". */
#include "window.h"

// clang-format off
static const struct convd_param params[] = {
    WINDOW_PARAMS,
    {OF(convd_window_params, norm_type), .type = CONVD_P_NUMBER, .def = "2", .lo = 0.001, .hi = 1e3,
     .summary = "p, above 0",
     .aliases = "p norm"},
    CONVD_PARAM_END,
};
// clang-format on

static double term(double x, const struct convd_window_params *p)
{
    double a = fabs(x);
    return p->norm_type == 1 ? a : p->norm_type == 2 ? a * a : pow(a, p->norm_type);
}

static double finish(double sum, double padded, double inside, const struct convd_window_params *p)
{
    (void)inside;
    double taps = (double)p->kernel_size.h * (double)p->kernel_size.w;
    double whole = padded < taps && padded > 0 ? sum * (taps / padded) : sum;
    return p->norm_type == 1   ? whole
           : p->norm_type == 2 ? sqrt(whole)
                               : pow(whole, 1 / p->norm_type);
}

static void forward(const struct convd_call *call)
{
    convd_window_sum(call, term, finish);
}

const struct convd_op convd_op_lp_pool = {
    .name = "lp_pool",
    WINDOW_ROW,
    .summary = "p-norm of each window",
    .aliases = "lp_pool2d LpPool LPPool2d l2_pool",
    .example = "grayscale/lp_pool:2",
    .source = "torch.nn.functional.lp_pool2d",
    .look = convd_window_look,
};
