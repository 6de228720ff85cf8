/* csp: the first floor(split * C) channels pass untouched, the rest goes through steps, then both are concatenated.
 * A split that leaves either part without a channel is a fault.
 * Source: Wang et al. 2019, "CSPNet: a new backbone that can enhance learning capability of CNN". */
#include "block.h"

struct params {
    struct convd_steps steps;
    double split;
};
// clang-format off
static const struct convd_param params[] = {
    {AT(steps), .type = CONVD_P_STEPS, .summary = "the steps that the rest goes through"},
    {AT(split), .type = CONVD_P_NUMBER, .def = "0.5", .lo = 0, .hi = 1,
     .summary = "share of the channels that pass untouched"},
    CONVD_PARAM_END,
};
// clang-format on

/* Channels [lo,hi). Without memory or channels none are left, which select refuses. */
static void channels(void *select, ptrdiff_t lo, ptrdiff_t hi, struct convd_arena *mem)
{
    struct convd_ints *list = convd_block_field("select", select, "channels");
    ptrdiff_t *v = hi > lo ? convd_arena_array(mem, (size_t)(hi - lo), sizeof *v) : NULL;
    *list = (struct convd_ints){v ? (size_t)(hi - lo) : 0, v};
    for (size_t c = 0; c < list->n; c++) v[c] = lo + (ptrdiff_t)c;
}

static ptrdiff_t first(const void *block, ptrdiff_t c)
{
    return (ptrdiff_t)floor(((const struct params *)block)->split * (double)c);
}

static void settle_first(void *select, const struct convd_shape *of, const void *block,
                         struct convd_arena *mem)
{
    channels(select, 0, first(block, of[0].c), mem);
}

static void settle_rest(void *select, const struct convd_shape *of, const void *block,
                        struct convd_arena *mem)
{
    channels(select, first(block, of[0].c), of[0].c, mem);
}

static int expand(struct convd_expand *e)
{
    const struct params *p = e->params;
    int x = e->inputs[0];
    int pass = convd_expand_step(e, "first", "select", "channels=0", &x, 1);
    int rest = convd_expand_step(e, "rest", "select", "channels=0", &x, 1);
    convd_expand_late(e, pass, settle_first, &x, 1);
    convd_expand_late(e, rest, settle_rest, &x, 1);
    int y = rest < 0 ? -1 : convd_expand_steps(e, &p->steps, rest, 0);
    return pass < 0 || y < 0 ? -1
                             : convd_expand_step(e, "concat", "concat", "", (int[]){pass, y}, 2);
}

const struct convd_op convd_op_csp = {
    .name = "csp",
    .group = CONVD_BLOCKS,
    .summary = "steps on one part of the channels, the other part passes",
    .example = "[{\"op\":\"csp\",\"steps\":[{\"op\":\"filter\",\"kernel\":\"gaussian\"}]}]",
    .aliases = "csp_block cross_stage_partial",
    .source = "Wang et al. 2019, arXiv 1911.11929",
    .params = params,
    .params_size = sizeof(struct params),
    .expand = expand,
};
