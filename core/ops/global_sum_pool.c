/* global_sum_pool: one number a channel, the sum of its pixels.
 * x [c,h,w] -> y [c,1,1]. Summed in double. NaN propagates. Equals x.sum((2, 3), keepdim=True) in torch. */
#include "global.h"

static void forward(const struct convd_call *call)
{
    const struct convd_view *x = call->x;
    for (ptrdiff_t c = 0; c < x->c; c++) *convd_row(call->y, c, 0) = (float)convd_global_sum(x, c);
}

const struct convd_op convd_op_global_sum_pool = {
    .name = "global_sum_pool",
    GLOBAL_ROW,
    .summary = "sum of each channel",
    .aliases = "GlobalSumPool",
    .example = "grayscale/global_sum_pool",
    .source = "torch.sum over (2, 3)",
};
