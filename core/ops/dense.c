/* dense: layers times x <- concat(x, steps(x)): each repetition sees the channels of all before it. In repetition i an
 * init's seed is seed + i.
 * Source: Huang, Liu, van der Maaten, Weinberger 2016, "Densely connected convolutional networks". */
#include "block.h"

struct params {
    struct convd_steps steps;
    ptrdiff_t layers;
};
// clang-format off
static const struct convd_param params[] = {
    {AT(steps), .type = CONVD_P_STEPS, .summary = "the steps of one layer"},
    {AT(layers), .type = CONVD_P_INT, .def = "2", .lo = 1, .hi = 64,
     .summary = "how often they are repeated"},
    CONVD_PARAM_END,
};
// clang-format on

static int expand(struct convd_expand *e)
{
    const struct params *p = e->params;
    int x = e->inputs[0];
    for (ptrdiff_t i = 0; i < p->layers && x >= 0; i++) {
        int y = convd_expand_steps(e, &p->steps, x, (size_t)i);
        x = y < 0 ? -1 : convd_expand_step(e, "concat", "concat", "", (int[]){x, y}, 2);
    }
    return x;
}

const struct convd_op convd_op_dense = {
    .name = "dense",
    .group = CONVD_BLOCKS,
    .summary = "steps, repeated on all channels made so far",
    .example = "[{\"op\":\"dense\",\"steps\":[\"grayscale\",{\"op\":\"filter\","
               "\"kernel\":\"sobel_x\"}],\"layers\":2}]",
    .aliases = "dense_block",
    .source = "Huang et al. 2016, arXiv 1608.06993",
    .params = params,
    .params_size = sizeof(struct params),
    .expand = expand,
};
