/* mean: the sum of the inputs, in double, divided by how many they are. Broadcasts. NaN propagates. Equals
 * torch.stack(inputs).mean(0). */
#include "merge.h"

static inline double op(double a, double b)
{
    return a + b;
}
#define WIDEN(X)           ((double)(X))
#define SHARE(SUM, INPUTS) ((SUM) / (double)(INPUTS))
MERGE_ENDS(double, WIDEN, op, SHARE)

static void back(struct merge_back *m)
{
    for (ptrdiff_t j = 0; j < m->n; j++) m->g[j] /= (float)m->inputs;
}
MERGE_BACK(back)

const struct convd_op convd_op_mean = {
    .name = "mean",
    MERGE_ROW,
    .summary = "mean of the inputs",
    .example = "[{\"id\":\"mirror\",\"op\":\"flip\",\"axis\":\"x\"},{\"op\":\"mean\","
               "\"inputs\":[\"image\",\"mirror\"]}]",
    .aliases = "Mean average Average",
    .source = "torch.mean over a stack",
    .torch = "({join: + }) / {n}",
    .opencv = "({join: + }) / {n}",
};
