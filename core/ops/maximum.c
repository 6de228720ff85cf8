/* maximum: the largest of the inputs. Broadcasts. NaN wins. Equals torch.maximum. */
#include "merge.h"

MERGE(larger)

static void back(struct merge_back *m)
{
    convd_merge_back_best(m, true);
}
MERGE_BACK(back)

const struct convd_op convd_op_maximum = {
    .name = "maximum",
    MERGE_ROW,
    .summary = "largest of the inputs",
    .aliases = "Max Maximum",
    .source = "torch.maximum",
    .torch = "functools.reduce(torch.maximum, [{xs}])",
    .opencv = "functools.reduce(np.maximum, [{xs}])",
};
