/* dropout: while learning each number is dropped with probability p and the others are scaled up; otherwise, here, the
 * numbers pass as they are. Equals torch.nn.functional.dropout(training=False).
 * Source: Srivastava et al. 2014, "Dropout". */
#include "row.h"
#include <string.h>

struct params {
    double p;
};
// clang-format off
static const struct convd_param params[] = {
    {AT(p), .type = CONVD_P_NUMBER, .def = "0.5", .lo = 0, .hi = 1,
     .summary = "share that is dropped while learning",
     .aliases = "rate ratio"},
    CONVD_PARAM_END,
};
// clang-format on

static void forward(const struct convd_call *call)
{
    const struct convd_view *y = call->y;
    for (ptrdiff_t c = 0; c < y->c; c++)
        for (ptrdiff_t i = y->y0; i < y->y1; i++)
            memmove(convd_row(y, c, i), convd_row(call->x, c, i), (size_t)y->w * sizeof(float));
}

static void backward(const struct convd_back *call)
{
    const struct convd_view *dx = call->dx;
    const struct convd_rows own = part_rows(call, dx);
    for (ptrdiff_t r = own.y0; r < own.y1; r++)
        add_to_row(call, dx, r / dx->h, r % dx->h, convd_row(call->dy, r / dx->h, r % dx->h));
}

const struct convd_op convd_op_dropout = {
    .name = "dropout",
    .group = CONVD_CHANNELS,
    .summary = "numbers dropped at random while learning; nothing otherwise",
    .aliases = "Dropout",
    .example = "dropout:0.5",
    .source = "torch.nn.functional.dropout",
    .params = params,
    .params_size = sizeof(struct params),
    .algorithm = "copy",
    .in_place = true,
    .forward = forward,
    .backward = backward,
    .torch = "F.dropout({x}, {p}, training=False)",
    .opencv = "{x}",
};
