/* add: the sum of the inputs, left to right, in float. Broadcasts. NaN propagates. Equals torch.add. */
#include "merge.h"

static inline float op(float a, float b)
{
    return a + b;
}
MERGE(op)

static void back(struct merge_back *m)
{
    (void)m; /* all of it goes to every input */
}
MERGE_BACK(back)

const struct convd_op convd_op_add = {
    .name = "add",
    MERGE_ROW,
    .summary = "sum of the inputs",
    .aliases = "Add Sum plus",
    .source = "torch.add",
    .torch = "{join: + }",
    .opencv = "{join: + }",
};
