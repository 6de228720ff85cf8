/* min_pool: the smallest number of each window: -max_pool(-x). The border never wins; NaN wins. */
#include "window.h"
#include "window_int.h"

// clang-format off
static const struct convd_param params[] = {
    WINDOW_PARAMS,
    CONVD_PARAM_END,
};
// clang-format on

static void forward(const struct convd_call *call)
{
    convd_window_extreme(call, false);
}

static void backward(const struct convd_back *call)
{
    convd_window_extreme_back(call, false);
}

static void look(const struct convd_site *s, struct convd_place at, struct convd_look *l)
{
    convd_window_look(s, at, l);
    l->kind = CONVD_LOOK_WINNER;
    l->mode = CONVD_MODE_CONSTANT;
    l->value = INFINITY;
}

static const char *torch(const struct convd_site *s, struct convd_arena *mem)
{
    const struct convd_window_axes a = convd_window_axes(s);
    const struct convd_pair cover = convd_window_cover(s);
    if (convd_window_plain(s))
        return convd_arena_printf(mem,
                                  "-F.max_pool2d(-{x}, {kernel_size}, {stride}, (%td, %td), "
                                  "{dilation}, ceil_mode={ceil_mode})",
                                  a.y.before, a.x.before);
    return convd_arena_printf(
        mem, "-$max_pool(-{x}, {kernel_size}, {stride}, {dilation}, (%td, %td), (%td, %td))",
        a.y.before, a.x.before, cover.h, cover.w);
}

static const char *opencv(const struct convd_site *s, struct convd_arena *mem)
{
    const struct convd_window_axes a = convd_window_axes(s);
    const struct convd_pair cover = convd_window_cover(s);
    return convd_arena_printf(mem,
                              "$windows({x}, {kernel_size}, {stride}, {dilation}, (%td, %td), "
                              "(%td, %td), np.inf).min((3, 4))",
                              a.y.before, a.x.before, cover.h, cover.w);
}

static void forward_fixed(const struct convd_fixed_call *c)
{
    convd_window_best_rows(c, false);
}

const struct convd_op convd_op_min_pool = {
    .name = "min_pool",
    WINDOW_ROW,
    .fixed = convd_window_best_fixed,
    .forward_fixed = forward_fixed,
    .back_scratch = convd_window_extreme_back_scratch,
    .summary = "smallest number of each window",
    .aliases = "min_pool2d minpool2d minpool MinPool MinPool2d",
    .example = "grayscale/min_pool:2",
    .source = "-torch.nn.functional.max_pool2d(-x)",
    .look = look,
    .torch_of = torch,
    .opencv_of = opencv,
};
