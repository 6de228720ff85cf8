/* global_sum_pool: one number a channel, the sum of its pixels.
 * x [c,h,w] -> y [c,1,1]. Summed in double. NaN propagates. Equals x.sum((2, 3), keepdim=True) in torch. */
#include "global.h"

static void forward(const struct convd_call *call)
{
    const struct convd_view *x = call->x;
    for (ptrdiff_t c = 0; c < x->c; c++) *convd_row(call->y, c, 0) = (float)convd_global_sum(call->site->simd, x, c);
}

static void backward(const struct convd_back *call)
{
    convd_global_spread(call, 1);
}

static void look(const struct convd_site *s, struct convd_place at, struct convd_look *l)
{
    convd_global_look(s, at, l);
    l->kind = CONVD_LOOK_SUM;
}

static double weigh(const struct convd_site *s, struct convd_place at, ptrdiff_t q, ptrdiff_t a,
                    ptrdiff_t b)
{
    (void)s, (void)at, (void)q, (void)a, (void)b;
    return 1;
}

const struct convd_op convd_op_global_sum_pool = {
    .name = "global_sum_pool",
    GLOBAL_ROW,
    .back_writes = true,
    .by_channel = true,
    .back_by_channel = true,
    .summary = "sum of each channel",
    .aliases = "GlobalSumPool",
    .example = "grayscale/global_sum_pool",
    .source = "torch.sum over (2, 3)",
    .look = look,
    .weigh = weigh,
    .torch = "{x}.double().sum((2, 3), keepdim=True).float()",
    .opencv = "{x}.sum((0, 1), keepdims=True, dtype=np.float64)",
};
