/* minimum: the smallest of the inputs. Broadcasts. NaN wins. Equals torch.minimum. */
#include "merge.h"

MERGE(smaller)

static void back(struct merge_back *m)
{
    convd_merge_back_best(m, false);
}
MERGE_BACK(back)

const struct convd_op convd_op_minimum = {
    .name = "minimum",
    MERGE_ROW,
    .summary = "smallest of the inputs",
    .aliases = "Min Minimum",
    .source = "torch.minimum",
    .torch = "functools.reduce(torch.minimum, [{xs}])",
    .opencv = "functools.reduce(np.minimum, [{xs}])",
};
