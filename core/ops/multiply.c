/* multiply: the product of the inputs, left to right. Broadcasts: Cx1x1 weighs channels, 1xHxW is a mask. NaN
 * propagates. Equals torch.mul. */
#include "merge.h"

static inline float op(float a, float b)
{
    return a * b;
}
MERGE(op)

static void back(struct merge_back *m)
{
    float spare[MERGE_BLOCK];
    for (size_t q = 0; q < m->inputs; q++) {
        if (q == m->k) continue;
        const float *x = merge_input(m, q, spare);
        for (ptrdiff_t j = 0; j < m->n; j++) m->g[j] *= x[j];
    }
}
MERGE_BACK(back)

const struct convd_op convd_op_multiply = {
    .name = "multiply",
    MERGE_ROW,
    .summary = "product of the inputs",
    .example = "[\"grayscale\",{\"id\":\"mask\",\"op\":\"threshold\",\"value\":128,\"above\":1},"
               "{\"op\":\"multiply\",\"inputs\":[\"image\",\"mask\"]}]",
    .aliases = "Mul mul Multiply times",
    .source = "torch.mul",
    .torch = "{join: * }",
    .opencv = "{join: * }",
};
