/* multiply: the product of the inputs, left to right. Broadcasts: Cx1x1 weighs channels, 1xHxW is a mask. NaN
 * propagates. Equals torch.mul. */
#include "merge.h"

static inline float op(float a, float b)
{
    return a * b;
}
MERGE(op)

const struct convd_op convd_op_multiply = {
    .name = "multiply",
    MERGE_ROW,
    .summary = "product of the inputs",
    .aliases = "Mul mul Multiply times",
    .source = "torch.mul",
};
