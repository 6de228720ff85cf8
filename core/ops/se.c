/* se: every channel is weighed by a number that all channels decide:
 * y = x * sigmoid(linear_C(relu(linear_R(global_avg_pool(x))))), R = max(1, C / reduction), he_normal, seeds 1 and 2.
 * Source: Hu, Shen, Albanie, Sun, Wu 2017, "Squeeze-and-excitation networks". */
#include "block.h"

struct params {
    ptrdiff_t reduction;
};
// clang-format off
static const struct convd_param params[] = {
    {AT(reduction), .type = CONVD_P_INT, .def = "16", .lo = 1, .hi = 65536,
     .summary = "channels to one number in the middle",
     .aliases = "ratio r"},
    CONVD_PARAM_END,
};
// clang-format on

static void settle_squeeze(void *linear, const struct convd_shape *of, const void *block,
                           struct convd_arena *mem)
{
    const struct params *p = block;
    convd_block_init(convd_block_field("linear", linear, "weight"), "out_features",
                     most(of[0].c / p->reduction, 1), 1, mem);
}

static void settle_excite(void *linear, const struct convd_shape *of, const void *block,
                          struct convd_arena *mem)
{
    (void)block;
    convd_block_init(convd_block_field("linear", linear, "weight"), "out_features", of[0].c, 2,
                     mem);
}

static int expand(struct convd_expand *e)
{
    int x = e->inputs[0];
    int y = convd_expand_step(e, "pool", "global_avg_pool", "", &x, 1);
    y = y < 0 ? -1 : convd_expand_step(e, "squeeze", "linear", LATE_LINEAR, &y, 1);
    convd_expand_late(e, y, settle_squeeze, &x, 1);
    y = y < 0 ? -1 : convd_expand_step(e, "relu", "relu", "", &y, 1);
    y = y < 0 ? -1 : convd_expand_step(e, "excite", "linear", LATE_LINEAR, &y, 1);
    convd_expand_late(e, y, settle_excite, &x, 1);
    y = y < 0 ? -1 : convd_expand_step(e, "gate", "sigmoid", "", &y, 1);
    return y < 0 ? -1 : convd_expand_step(e, "multiply", "multiply", "", (int[]){x, y}, 2);
}

const struct convd_op convd_op_se = {
    .name = "se",
    .group = CONVD_BLOCKS,
    .summary = "squeeze and excitation: channels weighed by what all of them say",
    .example = "se:1",
    .aliases = "squeeze_excitation SqueezeExcitation se_block",
    .source = "Hu et al. 2017, arXiv 1709.01507",
    .params = params,
    .params_size = sizeof(struct params),
    .expand = expand,
};
