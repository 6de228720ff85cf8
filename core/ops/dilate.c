/* dilate: the largest number of each window; the size is kept.
 * With the default border (replicate) the outside never wins, as in cv::dilate with a rectangle. NaN wins. */
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
    convd_rank_extreme(call, true);
}

static const char *torch(const struct convd_site *s, struct convd_arena *mem)
{
    const char *padded = convd_rank_padded(s, mem);
    return padded ? convd_arena_printf(mem, "F.max_pool2d(%s, {kernel_size}, 1)", padded) : NULL;
}

static const char *opencv(const struct convd_site *s, struct convd_arena *mem)
{
    return convd_rank_opencv(s, "dilate", mem);
}

static void backward(const struct convd_back *call)
{
    convd_rank_back(call, true, convd_rank_award);
}

static void forward_fixed(const struct convd_fixed_call *c)
{
    convd_rank_best_fixed(c, true);
}

const struct convd_op convd_op_dilate = {
    .name = "dilate",
    RANK_ROW,
    .fixed = convd_rank_fixed,
    .forward_fixed = forward_fixed,
    .summary = "largest number around each pixel",
    .aliases = "dilation max_filter maximum_filter",
    .example = "grayscale/dilate:3",
    .source = "cv::dilate",
    .algorithm = "running",
    .cost = convd_rank_extreme_cost,
    .scratch = convd_rank_extreme_scratch,
    .back_scratch = convd_rank_extreme_back_scratch,
    .look = convd_rank_look,
    .torch_of = torch,
    .opencv_of = opencv,
};
