/* residual: y = steps(x) + x, or + a 1x1 convolution of x where channels or size change (projection).
 * The projection has as many outputs as steps(x) has channels, he_normal, and the stride that leads to its size.
 * Source: He, Zhang, Ren, Sun 2015, "Deep residual learning for image recognition". */
#include "block.h"

struct params {
    struct convd_steps steps;
    bool projection;
};
// clang-format off
static const struct convd_param params[] = {
    {AT(steps), .type = CONVD_P_STEPS, .summary = "the steps that x goes through"},
    {AT(projection), .type = CONVD_P_BOOL, .def = "false",
     .summary = "x goes through a 1x1 convolution before it is added"},
    CONVD_PARAM_END,
};
// clang-format on

/* The stride of a 1x1 window that makes `to` numbers of `from`. */
static ptrdiff_t stride(ptrdiff_t from, ptrdiff_t to)
{
    return most((from + to - 1) / to, 1);
}

static void settle(void *conv, const struct convd_shape *of, const void *block,
                   struct convd_arena *mem)
{
    const struct convd_shape *y = &of[0], *x = &of[1];
    struct convd_pair *step = convd_block_field("conv", conv, "stride");
    (void)block;
    convd_block_init(convd_block_field("conv", conv, "weight"), "out_channels", y->c, 0, mem);
    *step = (struct convd_pair){stride(x->h, y->h), stride(x->w, y->w)};
}

static int expand(struct convd_expand *e)
{
    const struct params *p = e->params;
    int x = e->inputs[0], skip = x, y = convd_expand_steps(e, &p->steps, x, 0);
    if (y < 0) return -1;
    if (p->projection) {
        skip = convd_expand_step(e, "projection", "conv", LATE_CONV, &x, 1);
        convd_expand_late(e, skip, settle, (int[]){y, x}, 2);
    }
    return skip < 0 ? -1 : convd_expand_step(e, "add", "add", "", (int[]){y, skip}, 2);
}

const struct convd_op convd_op_residual = {
    .name = "residual",
    .group = CONVD_BLOCKS,
    .summary = "steps, and their input added to their result",
    .example = "[{\"op\":\"residual\",\"steps\":[{\"op\":\"filter\",\"kernel\":\"laplacian\"}]}]",
    .aliases = "res_block",
    .source = "He et al. 2015, arXiv 1512.03385",
    .params = params,
    .params_size = sizeof(struct params),
    .expand = expand,
};
