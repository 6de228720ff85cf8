/* sub: the first input less all others, left to right. Broadcasts. NaN propagates. Equals torch.sub. */
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

const struct convd_op convd_op_sub = {
    .name = "sub",
    MERGE_ROW,
    .summary = "the first input less the others",
    .aliases = "Sub subtract minus",
    .source = "torch.sub",
    .torch = "{join: - }",
    .opencv = "{join: - }",
};
