/* erode: the smallest number of each window; the size is kept.
 * With the default border (replicate) the outside never wins, as in cv::erode with a rectangle. NaN wins. */
#include "rank.h"
#include "rank_int.h"

// clang-format off
static const struct convd_param params[] = {
    RANK_PARAMS(1023, 0),
    CONVD_PARAM_END,
};
// clang-format on

static void forward(const struct convd_call *call)
{
    convd_rank_extreme(call, false);
}

static const char *torch(const struct convd_site *s, struct convd_arena *mem)
{
    const char *padded = convd_rank_padded(s, mem);
    return padded ? convd_arena_printf(mem, "-F.max_pool2d(-%s, {kernel_size}, 1)", padded) : NULL;
}

static const char *opencv(const struct convd_site *s, struct convd_arena *mem)
{
    return convd_rank_opencv(s, "erode", mem);
}

static void backward(const struct convd_back *call)
{
    convd_rank_back(call, false, convd_rank_award);
}

static void forward_fixed(const struct convd_fixed_call *c)
{
    convd_rank_best_fixed(c, false);
}

const struct convd_op convd_op_erode = {
    .name = "erode",
    RANK_ROW,
    .fixed = convd_rank_fixed,
    .forward_fixed = forward_fixed,
    .summary = "smallest number around each pixel",
    .aliases = "erosion min_filter minimum_filter",
    .example = "grayscale/erode:3",
    .source = "cv::erode",
    .algorithm = "running",
    .cost = convd_rank_extreme_cost,
    .scratch = convd_rank_extreme_scratch,
    .back_scratch = convd_rank_extreme_back_scratch,
    .look = convd_rank_look,
    .torch_of = torch,
    .opencv_of = opencv,
};
