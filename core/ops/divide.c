/* divide: the first input divided by all others, left to right; x / 0 is +-inf, 0 / 0 NaN, as torch.div. Broadcasts. */
#include "merge.h"

static inline float op(float a, float b)
{
    return a / b;
}
MERGE(op)

const struct convd_op convd_op_divide = {
    .name = "divide",
    MERGE_ROW,
    .summary = "the first input divided by the others",
    .aliases = "Div div Divide",
    .source = "torch.div",
};
