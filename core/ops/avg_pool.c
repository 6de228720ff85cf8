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

static void look(const struct convd_site *s, struct convd_place at, struct convd_look *l)
{
    convd_window_look(s, at, l);
    l->kind = CONVD_LOOK_SUM;
}

/* True for a tap that counts as one of those the sum is divided by. */
static bool counts(const struct convd_window_axis *a, ptrdiff_t at, bool padded)
{
    return padded ? at >= -a->before && at < a->n + a->after : at >= 0 && at < a->n;
}

static double weigh(const struct convd_site *s, struct convd_place at, ptrdiff_t q, ptrdiff_t a,
                    ptrdiff_t b)
{
    const struct convd_window_params *p = s->params;
    const struct convd_window_axes w = convd_window_axes(s);
    const bool padded = p->divisor_override || p->count_include_pad;
    const double taps = (double)convd_window_taps(&w.y, at.i, padded) *
                        (double)convd_window_taps(&w.x, at.j, padded);
    (void)q;
    if (!counts(&w.y, convd_window_start(&w.y, at.i) + a * w.y.dilation, padded) ||
        !counts(&w.x, convd_window_start(&w.x, at.j) + b * w.x.dilation, padded))
        return 0;
    return 1 / (p->divisor_override ? (double)p->divisor_override : taps);
}

const struct convd_op convd_op_avg_pool = {
    .name = "avg_pool",
    WINDOW_ROW,
    .summary = "mean of each window",
    .aliases =
        "avg_pool2d avgpool2d avgpool AvgPool AvgPool2d AveragePool AveragePooling2D mean_pool",
    .example = "grayscale/avg_pool:2",
    .source = "torch.nn.functional.avg_pool2d",
    .look = look,
    .weigh = weigh,
};
