/* global_avg_pool: one number a channel, the mean of its pixels.
 * x [c,h,w] -> y [c,1,1], y[c] = sum of x[c,i,j] / (h * w). Summed in double: planes of 100 megapixels keep full float
 * precision. NaN propagates. Equals torch.nn.AdaptiveAvgPool2d(1).
 * Source: Lin, Chen, Yan 2013, "Network in network", 3.2. */
#include "global.h"

static void forward(const struct convd_call *call)
{
    const struct convd_view *x = call->x;
    for (ptrdiff_t c = 0; c < x->c; c++)
        *convd_row(call->y, c, 0) = (float)(convd_global_sum(call->site->simd, x, c) / ((double)x->h * (double)x->w));
}

static void backward(const struct convd_back *call)
{
    convd_global_spread(call, 1 / ((double)call->dx->h * (double)call->dx->w));
}

static void look(const struct convd_site *s, struct convd_place at, struct convd_look *l)
{
    convd_global_look(s, at, l);
    l->kind = CONVD_LOOK_SUM;
}

static double weigh(const struct convd_site *s, struct convd_place at, ptrdiff_t q, ptrdiff_t a,
                    ptrdiff_t b)
{
    (void)at, (void)q, (void)a, (void)b;
    return 1 / ((double)s->x[0].h * (double)s->x[0].w);
}

const struct convd_op convd_op_global_avg_pool = {
    .name = "global_avg_pool",
    GLOBAL_ROW,
    .back_writes = true,
    .back_skips_x = true,
    .back_skips_y = true,
    .by_channel = true,
    .back_by_channel = true,
    .summary = "mean of each channel",
    .aliases = "GlobalAveragePool GlobalAvgPool GlobalAveragePooling2D gap",
    .example = "grayscale/global_avg_pool",
    .source = "torch.nn.AdaptiveAvgPool2d(1)",
    .look = look,
    .weigh = weigh,
    .torch = "{x}.double().mean((2, 3), keepdim=True).float()",
    .opencv = "{x}.mean((0, 1), keepdims=True, dtype=np.float64)",
};
