/* shuffle: the channels, dealt out as `groups` piles side by side, are picked up one from each pile in turn.
 * y[i * groups + g] = x[g * (C / groups) + i]. C must be a multiple of groups. Equals torch channel_shuffle.
 * Source: Zhang, Zhou, Lin, Sun 2017, "ShuffleNet". */
#include "row.h"
#include <string.h>

struct params {
    ptrdiff_t groups;
};
// clang-format off
static const struct convd_param params[] = {
    {AT(groups), .type = CONVD_P_INT, .lo = 1, .hi = 65536, .summary = "groups that are mixed"},
    CONVD_PARAM_END,
};
// clang-format on

static bool shape(struct convd_site *s, struct convd_faults *f)
{
    const struct params *p = s->params;
    s->y = (struct convd_shape){s->y.n, s->x[0].c, s->x[0].h, s->x[0].w};
    if (s->x[0].c % p->groups == 0) return true;
    convd_fault_expected(f, CONVD_BAD_SHAPE, "groups", "a divisor of the channels",
                         "%td channels do not make %td groups", s->x[0].c, p->groups);
    return false;
}

/* The channel of x that is channel c of y. */
static ptrdiff_t source(ptrdiff_t c, ptrdiff_t channels, ptrdiff_t groups)
{
    return c % groups * (channels / groups) + c / groups;
}

static void forward(const struct convd_call *call)
{
    const ptrdiff_t groups = ((const struct params *)call->site->params)->groups;
    const struct convd_view *y = call->y;
    for (ptrdiff_t c = 0; c < y->c; c++)
        for (ptrdiff_t i = y->y0; i < y->y1; i++)
            memcpy(convd_row(y, c, i), convd_row(call->x, source(c, y->c, groups), i),
                   (size_t)y->w * sizeof(float));
}

static void backward(const struct convd_back *call)
{
    const ptrdiff_t groups = ((const struct params *)call->site->params)->groups;
    const struct convd_rows own = convd_share(call->dx->h, call->part, call->parts);
    for (ptrdiff_t c = 0; c < call->dy->c; c++)
        for (ptrdiff_t i = own.y0; i < own.y1; i++)
            add_to_row(call, call->dx, source(c, call->dy->c, groups), i,
                       convd_row(call->dy, c, i));
}

static void look(const struct convd_site *s, struct convd_place at, struct convd_look *l)
{
    const ptrdiff_t groups = ((const struct params *)s->params)->groups;
    *l = (struct convd_look){
        .c = source(at.c, s->y.c, groups), .channels = 1, .y = at.i, .x = at.j, .kh = 1, .kw = 1};
}

const struct convd_op convd_op_shuffle = {
    .name = "shuffle",
    .group = CONVD_CHANNELS,
    .summary = "channels of several groups mixed",
    .aliases = "channel_shuffle ChannelShuffle",
    .example = "shuffle:3",
    .source = "torch.nn.functional.channel_shuffle",
    .params = params,
    .params_size = sizeof(struct params),
    .algorithm = "copy",
    .shape = shape,
    .forward = forward,
    .backward = backward,
    .look = look,
    .torch = "F.channel_shuffle({x}, {groups})",
    .opencv = "{x}.reshape({x.h}, {x.w}, {groups}, -1).swapaxes(2, 3).reshape({x.h}, "
              "{x.w}, {x.c})",
};
