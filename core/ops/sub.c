/* sub: the first input less all others, left to right. Broadcasts. NaN propagates. Equals torch.sub. */
#include "integer.h"
#include "merge.h"

static inline float op(float a, float b)
{
    return a - b;
}
MERGE(op)

static void back(struct merge_back *m)
{
    for (ptrdiff_t j = 0; j < m->n && m->k > 0; j++) m->g[j] = -m->g[j];
}
MERGE_BACK(back)

static bool fixed(const struct convd_site *s, const struct convd_fixed *x, struct convd_fixed_ask *a,
                  struct convd_fixed *y)
{
    if (!convd_int_merges(s, x, a, y)) return false;
    for (size_t i = 1; i < s->n; i++) {
        y->lo -= x[i].hi;
        y->hi -= x[i].lo;
        y->error += x[i].error;
        if (!convd_int_fit(y, y->frac)) return false;
    }
    return true;
}
static void forward_fixed(const struct convd_fixed_call *c)
{
    convd_int_merge_rows(c, c->site->simd->sub_i16);
}

const struct convd_op convd_op_sub = {
    .name = "sub",
    MERGE_ROW,
    .fixed = fixed,
    .forward_fixed = forward_fixed,
    .summary = "the first input less the others",
    .example = "[{\"id\":\"blur\",\"op\":\"filter\",\"kernel\":{\"name\":\"gaussian\","
               "\"size\":9}},{\"op\":\"sub\",\"inputs\":[\"image\",\"blur\"]}]",
    .aliases = "Sub subtract minus",
    .source = "torch.sub",
    .torch = "{join: - }",
    .opencv = "{join: - }",
};
