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

/* dy/dx = whole * y^(1-p) * |x|^(p-1) * sign(x), whole being what cut windows are scaled by. A window of zeros gives nothing
 * back, nor does a 0 get anything, as in torch for p >= 1. */
static void share(const struct convd_window_share *s)
{
    const double p = s->p->norm_type,
                 taps = (double)s->p->kernel_size.h * (double)s->p->kernel_size.w;
    for (ptrdiff_t o = 0; o < s->n; o++) {
        const double padded = s->row_padded * s->padded[o], y = (double)s->y[o],
                     dy = (double)s->dy[o];
        const double g = padded < taps && padded > 0 ? dy * (taps / padded) : dy;
        if (y != 0) s->sum[o] += p == 1 ? g : p == 2 ? g / y : g * pow(y, 1 - p);
    }
}

static double slope(double x, const struct convd_window_params *p)
{
    const double sign = (double)(x > 0) - (double)(x < 0);
    if (p->norm_type == 1 || x == 0) return sign;
    return p->norm_type == 2 ? x : sign * pow(fabs(x), p->norm_type - 1);
}

static void backward(const struct convd_back *call)
{
    convd_window_sum_back(call, share, slope);
}

static const char *torch(const struct convd_site *s, struct convd_arena *mem)
{
    const struct convd_window_axes a = convd_window_axes(s);
    const struct convd_pair cover = convd_window_cover(s);
    return convd_arena_printf(mem,
                              "$lp_pool({x}, {kernel_size}, {stride}, {dilation}, (%td, %td), "
                              "(%td, %td), (%td, %td), {norm_type})",
                              a.y.before, a.x.before, a.y.after, a.x.after, cover.h, cover.w);
}

static const struct convd_helper helpers[] = {
    {"lp_pool",
     "def lp_pool(x, kernel, stride, dilation, before, after, cover, p):\n"
     "    \"\"\"F.lp_pool2d of absolute numbers, with padding; a window that is cut counts as a whole one.\"\"\"\n"
     "    around = (before[1], cover[1], before[0], cover[0])\n"
     "    sums = $window_sums(F.pad(x.double().abs() ** p, around), kernel, stride, dilation)\n"
     "    ones = torch.ones(1, 1, x.shape[2] + before[0] + after[0], x.shape[3] + before[1] + after[1])\n"
     "    ones = F.pad(ones, (0, cover[1] - after[1], 0, cover[0] - after[0]))\n"
     "    taps = $window_sums(ones, kernel, stride, dilation).clamp(min=1)\n"
     "    return (sums * (kernel[0] * kernel[1] / taps)).pow(1 / p).float()"},
    {NULL, NULL},
};

const struct convd_op convd_op_lp_pool = {
    .name = "lp_pool",
    WINDOW_ROW,
    .back_scratch = convd_window_sum_back_scratch,
    .summary = "p-norm of each window",
    .aliases = "lp_pool2d LpPool LPPool2d l2_pool",
    .example = "grayscale/lp_pool:2",
    .source = "torch.nn.functional.lp_pool2d",
    .look = convd_window_look,
    .torch_of = torch,
    .helpers = helpers,
    .ns = 12,
};
