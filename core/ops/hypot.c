/* hypot: the root of the sum of squares of the inputs, in double, so that nothing overflows on the way: the length of
 * a gradient from its parts. Broadcasts. NaN propagates, even beside inf (C hypot answers inf there). Equals torch.hypot. */
#include "merge.h"

static inline double op(double a, double b)
{
    return a + b;
}
#define SQUARED(X)        ((double)(X) * (double)(X))
#define ROOT(SUM, INPUTS) sqrt(SUM)
MERGE_ENDS(double, SQUARED, op, ROOT)

/* x / y, which is 0 / 0 where all inputs are 0, as in torch. */
static void back(struct merge_back *m)
{
    float spare[MERGE_BLOCK];
    const float *x = merge_input(m, m->k, spare), *y = merge_result(m);
    for (ptrdiff_t j = 0; j < m->n; j++) m->g[j] *= x[j] / y[j];
}
MERGE_BACK(back)

const struct convd_op convd_op_hypot = {
    .name = "hypot",
    MERGE_ROW,
    .summary = "root of the sum of squares",
    .example = "[\"grayscale\",{\"op\":\"filter\",\"kernel\":\"sobel_x\"},{\"id\":\"x\","
               "\"op\":\"abs\"},{\"op\":\"filter\",\"kernel\":\"sobel_y\",\"input\":\"s0\"},"
               "{\"id\":\"y\",\"op\":\"abs\"},{\"op\":\"hypot\",\"inputs\":[\"x\",\"y\"]}]",
    .aliases = "Hypot",
    .source = "torch.hypot",
    .torch = "sum(v.double().square() for v in [{xs}]).sqrt().float()",
    .opencv = "np.sqrt(sum(np.square(v, dtype=np.float64) for v in [{xs}]))",
};
