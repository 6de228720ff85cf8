/* avg_pool: the mean of each window, summed in double. It divides by the taps inside the padded picture
 * (count_include_pad; a last window of ceil_mode may stick out of that), by the taps inside the picture (not
 * count_include_pad), or by divisor_override. A window of border alone is 0. NaN propagates. Equals torch avg_pool2d. */
#include "window.h"
#include "window_int.h"

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

static void share(const struct convd_window_share *s)
{
    for (ptrdiff_t o = 0; o < s->n; o++)
        s->sum[o] += finish((double)s->dy[o], s->row_padded * s->padded[o],
                            s->row_inside * s->inside[o], s->p);
}

static void backward(const struct convd_back *call)
{
    convd_window_sum_back(call, share, NULL);
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

/* The arguments that say what a sum is divided by, for helpers of both libraries. */
static const char *divided(const struct convd_site *s, struct convd_arena *mem)
{
    const struct convd_window_params *p = s->params;
    const struct convd_window_axes a = convd_window_axes(s);
    const struct convd_pair cover = convd_window_cover(s);
    return convd_arena_printf(mem,
                              "(%td, %td), (%td, %td), (%td, %td), {count_include_pad}, %td",
                              a.y.before, a.x.before, a.y.after, a.x.after, cover.h, cover.w,
                              p->divisor_override);
}

static const char *torch(const struct convd_site *s, struct convd_arena *mem)
{
    const struct convd_window_params *p = s->params;
    const struct convd_window_axes a = convd_window_axes(s);
    const char *by = divided(s, mem);
    if (!by) return NULL;
    if (!convd_window_plain(s) || p->dilation.h != 1 || p->dilation.w != 1)
        return convd_arena_printf(mem, "$avg_pool({x}, {kernel_size}, {stride}, {dilation}, %s)", by);
    return p->divisor_override
               ? convd_arena_printf(mem,
                                    "F.avg_pool2d({x}, {kernel_size}, {stride}, (%td, %td), "
                                    "{ceil_mode}, divisor_override={divisor_override})",
                                    a.y.before, a.x.before)
               : convd_arena_printf(mem,
                                    "F.avg_pool2d({x}, {kernel_size}, {stride}, (%td, %td), "
                                    "{ceil_mode}, {count_include_pad})",
                                    a.y.before, a.x.before);
}

static const char *opencv(const struct convd_site *s, struct convd_arena *mem)
{
    const char *by = divided(s, mem);
    return by ? convd_arena_printf(mem,
                                   "$mean_windows({x}, {kernel_size}, {stride}, {dilation}, %s)", by)
              : NULL;
}

static const struct convd_helper helpers[] = {
    {"avg_pool",
     "def avg_pool(x, kernel, stride, dilation, before, after, cover, include, divisor):\n"
     "    \"\"\"F.avg_pool2d with dilation and any padding; cover reaches the last window's end.\"\"\"\n"
     "    around = (before[1], cover[1], before[0], cover[0])\n"
     "    sums = $window_sums(F.pad(x, around), kernel, stride, dilation)\n"
     "    if divisor:\n"
     "        return (sums / divisor).float()\n"
     "    ones = torch.ones(1, 1, *x.shape[2:])\n"
     "    if include:  # the padding counts, what sticks out of it does not\n"
     "        ones = F.pad(ones, (before[1], after[1], before[0], after[0]), value=1.0)\n"
     "        around = (0, cover[1] - after[1], 0, cover[0] - after[0])\n"
     "    taps = $window_sums(F.pad(ones, around), kernel, stride, dilation)\n"
     "    return (sums / taps.clamp(min=1)).float()"},
    {"mean_windows",
     "def mean_windows(x, kernel, stride, dilation, before, after, cover, include, divisor):\n"
     "    \"\"\"The mean of each window; cover reaches the last window's end.\"\"\"\n"
     "    sums = $windows(x, kernel, stride, dilation, before, cover, 0).sum((3, 4), dtype=np.float64)\n"
     "    if divisor:\n"
     "        return sums / divisor\n"
     "    ones = np.ones(x.shape[:2] + (1,))\n"
     "    if include:  # the padding counts, what sticks out of it does not\n"
     "        ones = np.pad(ones, ((before[0], after[0]), (before[1], after[1]), (0, 0)), constant_values=1)\n"
     "        before, cover = (0, 0), (cover[0] - after[0], cover[1] - after[1])\n"
     "    taps = $windows(ones, kernel, stride, dilation, before, cover, 0).sum((3, 4))\n"
     "    return sums / np.maximum(taps, 1)"},
    {NULL, NULL},
};

const struct convd_op convd_op_avg_pool = {
    .name = "avg_pool",
    WINDOW_ROW,
    .fixed = convd_window_mean_fixed,
    .forward_fixed = convd_window_mean_rows,
    .back_scratch = convd_window_sum_back_scratch,
    .summary = "mean of each window",
    .aliases =
        "avg_pool2d avgpool2d avgpool AvgPool AvgPool2d AveragePool AveragePooling2D mean_pool",
    .example = "grayscale/avg_pool:2",
    .source = "torch.nn.functional.avg_pool2d",
    .look = look,
    .weigh = weigh,
    .torch_of = torch,
    .opencv_of = opencv,
    .helpers = helpers,
    .ns = 5,
};
