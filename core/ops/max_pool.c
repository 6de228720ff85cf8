/* max_pool: the largest number of each window.
 * x [c,h,w] -> y [c,oh,ow], oh = floor((h + top + bottom - dilation * (kh - 1) - 1) / stride) + 1, or the ceiling.
 * The border never wins; a window that holds only border is -inf; NaN wins. Equals torch max_pool2d.
 * Source: Ranzato, Huang, Boureau, LeCun 2007, "Unsupervised learning of invariant feature hierarchies". */
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
    convd_window_extreme(call, true);
}

static void backward(const struct convd_back *call)
{
    convd_window_extreme_back(call, true);
}

static void look(const struct convd_site *s, struct convd_place at, struct convd_look *l)
{
    convd_window_look(s, at, l);
    l->kind = CONVD_LOOK_WINNER;
    l->mode = CONVD_MODE_CONSTANT;
    l->value = -INFINITY;
}

static const char *torch(const struct convd_site *s, struct convd_arena *mem)
{
    const struct convd_window_axes a = convd_window_axes(s);
    const struct convd_pair cover = convd_window_cover(s);
    if (convd_window_plain(s))
        return convd_arena_printf(mem,
                                  "F.max_pool2d({x}, {kernel_size}, {stride}, (%td, %td), "
                                  "{dilation}, ceil_mode={ceil_mode})",
                                  a.y.before, a.x.before);
    return convd_arena_printf(
        mem, "$max_pool({x}, {kernel_size}, {stride}, {dilation}, (%td, %td), (%td, %td))",
        a.y.before, a.x.before, cover.h, cover.w);
}

static const char *opencv(const struct convd_site *s, struct convd_arena *mem)
{
    const struct convd_window_axes a = convd_window_axes(s);
    const struct convd_pair cover = convd_window_cover(s);
    return convd_arena_printf(mem,
                              "$windows({x}, {kernel_size}, {stride}, {dilation}, (%td, %td), "
                              "(%td, %td), -np.inf).max((3, 4))",
                              a.y.before, a.x.before, cover.h, cover.w);
}

static void forward_fixed(const struct convd_fixed_call *c)
{
    convd_window_best_rows(c, true);
}

const struct convd_op convd_op_max_pool = {
    .name = "max_pool",
    WINDOW_ROW,
    .fixed = convd_window_best_fixed,
    .forward_fixed = forward_fixed,
    .back_scratch = convd_window_extreme_back_scratch,
    .summary = "largest number of each window",
    .aliases = "max_pool2d maxpool2d maxpool MaxPool MaxPool2d MaxPooling2D",
    .example = "grayscale/max_pool:2",
    .source = "torch.nn.functional.max_pool2d",
    .look = look,
    .torch_of = torch,
    .opencv_of = opencv,
};
