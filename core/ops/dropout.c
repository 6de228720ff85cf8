/* dropout: while learning each number is dropped with probability p and the others are scaled up; otherwise, here, the
 * numbers pass as they are. Equals torch.nn.functional.dropout(training=False).
 * Source: Srivastava et al. 2014, "Dropout". */
#include "../learn/augment.h"
#include "../learn/learning.h"
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

/* ---- while learning: what is left is scaled by 1 / (1 - p); the same numbers of chance for both ways ---- */

static void drop(const struct convd_site *s, const struct convd_chance *chance, const struct convd_view *from,
                 const struct convd_view *to, bool add)
{
    const double p = ((const struct params *)s->params)->p;
    const float factor = p < 1 ? (float)(1 / (1 - p)) : 0;
    uint32_t w[4], i = 0;
    for (ptrdiff_t c = 0; c < to->c; c++)
        for (ptrdiff_t r = 0; r < to->h; r++)
            for (ptrdiff_t j = 0; j < to->w; j++, i++) {
                float *y = convd_row(to, c, r) + j;
                if (i % 4 == 0)
                    convd_chance_block(chance->seed + ((uint64_t)chance->node << 40), CONVD_CHANCE_DROP, i / 4,
                                       chance->epoch, chance->sample, w);
                const bool out = (double)w[i % 4] * 0x1p-32 < p;
                const float x = out ? 0 : convd_row(from, c, r)[j] * factor;
                *y = add ? *y + x : x;
            }
}

static void learn_forward(const struct convd_call *c, const struct convd_chance *chance)
{
    drop(c->site, chance, c->x, c->y, false);
}

static void learn_backward(const struct convd_back *b, const struct convd_chance *chance)
{
    if (b->dx->data) drop(b->site, chance, b->dy, b->dx, true);
}

static const struct convd_learning learning = {.forward = learn_forward, .backward = learn_backward};

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
    .learning = &learning,
};
