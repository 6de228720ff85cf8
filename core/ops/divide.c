/* divide: the first input divided by all others, left to right; x / 0 is +-inf, 0 / 0 NaN, as torch.div. Broadcasts. */
#include "merge.h"

static inline float op(float a, float b)
{
    return a / b;
}
MERGE(op)

/* To the first what it is divided by, to the others -y / x. */
static void back(struct merge_back *m)
{
    float spare[MERGE_BLOCK];
    for (size_t q = 1; q < m->inputs && m->k == 0; q++) {
        const float *x = merge_input(m, q, spare);
        for (ptrdiff_t j = 0; j < m->n; j++) m->g[j] /= x[j];
    }
    if (m->k == 0) return;
    const float *x = merge_input(m, m->k, spare), *y = merge_result(m);
    for (ptrdiff_t j = 0; j < m->n; j++) m->g[j] *= -(y[j] / x[j]);
}
MERGE_BACK(back)

const struct convd_op convd_op_divide = {
    .name = "divide",
    MERGE_ROW,
    .summary = "the first input divided by the others",
    .example = "[{\"op\":\"filter\",\"kernel\":{\"name\":\"box\",\"size\":31}},{\"id\":\"light\","
               "\"op\":\"scale\",\"mul\":0.01,\"add\":0.1},{\"op\":\"divide\","
               "\"inputs\":[\"image\",\"light\"]}]",
    .aliases = "Div div Divide",
    .source = "torch.div",
    .torch = "{join: / }",
    .opencv = "{join: / }",
};
