/* sum_pool: the sum of each window, in double. The border counts as 0; NaN propagates.
 * Equals avg_pool times kh * kw where no window is cut. */
#include "window.h"

// clang-format off
static const struct convd_param params[] = {
    WINDOW_PARAMS,
    CONVD_PARAM_END,
};
// clang-format on

static double finish(double sum, double padded, double inside, const struct convd_window_params *p)
{
    (void)padded, (void)inside, (void)p;
    return sum;
}

static void forward(const struct convd_call *call)
{
    convd_window_sum(call, NULL, finish);
}

static void share(const struct convd_window_share *s)
{
    for (ptrdiff_t o = 0; o < s->n; o++) s->sum[o] += (double)s->dy[o];
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

static double weigh(const struct convd_site *s, struct convd_place at, ptrdiff_t q, ptrdiff_t a,
                    ptrdiff_t b)
{
    (void)s, (void)at, (void)q, (void)a, (void)b;
    return 1;
}

static const char *torch(const struct convd_site *s, struct convd_arena *mem)
{
    const struct convd_window_axes a = convd_window_axes(s);
    const struct convd_pair cover = convd_window_cover(s);
    return convd_arena_printf(mem,
                              "$window_sums(F.pad({x}, (%td, %td, %td, %td)), {kernel_size}, "
                              "{stride}, {dilation}).float()",
                              a.x.before, cover.w, a.y.before, cover.h);
}

static const char *opencv(const struct convd_site *s, struct convd_arena *mem)
{
    const struct convd_window_axes a = convd_window_axes(s);
    const struct convd_pair cover = convd_window_cover(s);
    return convd_arena_printf(mem,
                              "$windows({x}, {kernel_size}, {stride}, {dilation}, (%td, %td), "
                              "(%td, %td), 0).sum((3, 4), dtype=np.float64)",
                              a.y.before, a.x.before, cover.h, cover.w);
}

const struct convd_op convd_op_sum_pool = {
    .name = "sum_pool",
    WINDOW_ROW,
    .back_scratch = convd_window_sum_back_scratch,
    .summary = "sum of each window",
    .aliases = "sum_pool2d sumpool2d sumpool SumPool",
    .example = "grayscale/sum_pool:2",
    .source = "torch.nn.functional.avg_pool2d, times kernel_size",
    .look = look,
    .weigh = weigh,
    .torch_of = torch,
    .opencv_of = opencv,
    .ns = 5,
};
