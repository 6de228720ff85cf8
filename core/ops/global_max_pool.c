/* global_max_pool: one number a channel, its largest.
 * x [c,h,w] -> y [c,1,1]. NaN wins. Equals torch.nn.AdaptiveMaxPool2d(1). */
#include "global.h"
#include "winner.h"

static void forward(const struct convd_call *call)
{
    const struct convd_view *x = call->x;
    for (ptrdiff_t c = 0; c < x->c; c++) *convd_row(call->y, c, 0) = convd_global_max(call->site->simd, x, c);
}

static void backward(const struct convd_back *call)
{
    const struct convd_rows own = convd_share(call->x->c, call->part, call->parts);
    for (ptrdiff_t c = own.y0; c < own.y1; c++) {
        const struct winner at =
            find_winner(call->x, c, (struct convd_rows){0, call->x->h},
                        (struct convd_rows){0, call->x->w}, *convd_row(call->y, c, 0));
        convd_row(call->dx, c, at.i)[at.j] += *convd_row(call->dy, c, 0);
    }
}

static void look(const struct convd_site *s, struct convd_place at, struct convd_look *l)
{
    convd_global_look(s, at, l);
    l->kind = CONVD_LOOK_WINNER;
}

const struct convd_op convd_op_global_max_pool = {
    .name = "global_max_pool",
    GLOBAL_ROW,
    .by_channel = true,
    .summary = "largest number of each channel",
    .aliases = "GlobalMaxPool GlobalMaxPooling2D",
    .example = "grayscale/global_max_pool",
    .source = "torch.nn.AdaptiveMaxPool2d(1)",
    .look = look,
    .torch = "{x}.amax((2, 3), keepdim=True)",
    .opencv = "{x}.max((0, 1), keepdims=True)",
};
