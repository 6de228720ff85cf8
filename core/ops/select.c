/* select: channels by number, in the order given; one may be named twice.
 * x [c,h,w] -> y [how many,h,w]. Equals x[:, channels] in torch. */
#include "row.h"
#include <string.h>

struct params {
    struct convd_ints channels;
};
// clang-format off
static const struct convd_param params[] = {
    {AT(channels), .type = CONVD_P_INTS, .lo = 0, .hi = 1e6,
     .summary = "numbers of the channels, from 0",
     .aliases = "channel indices index"},
    CONVD_PARAM_END,
};
// clang-format on

static const struct convd_rule rules[] = {
    {"channels", CONVD_OUT_OF_RANGE, "channels that the input has"},
    {.member = NULL},
};

static bool shape(struct convd_site *s, struct convd_faults *f)
{
    const struct params *p = s->params;
    bool fine = true;
    for (size_t k = 0; k < p->channels.n; k++) {
        if (p->channels.v[k] < s->x[0].c) continue;
        struct convd_fault *x = convd_fault(f, CONVD_OUT_OF_RANGE, "channels",
                                            "there is no channel %td", p->channels.v[k]);
        x->expected = convd_arena_printf(f->mem, "numbers from 0 to %td", s->x[0].c - 1);
        fine = false;
    }
    if (p->channels.n == 0) {
        convd_fault_expected(f, CONVD_BAD_SHAPE, NULL, "at least one channel in every part",
                             "no channel is left of %td", s->x[0].c);
        return false;
    }
    s->y = (struct convd_shape){s->y.n, (ptrdiff_t)p->channels.n, s->x[0].h, s->x[0].w};
    return fine;
}

static void forward(const struct convd_call *call)
{
    const struct params *p = call->site->params;
    const struct convd_view *y = call->y;
    for (ptrdiff_t c = 0; c < y->c; c++)
        for (ptrdiff_t i = y->y0; i < y->y1; i++)
            memcpy(convd_row(y, c, i), convd_row(call->x, p->channels.v[c], i),
                   (size_t)y->w * sizeof(float));
}

/* By rows: a channel may have been named twice. */
static void backward(const struct convd_back *call)
{
    const struct params *p = call->site->params;
    const struct convd_rows own = convd_share(call->dx->h, call->part, call->parts);
    for (size_t c = 0; c < p->channels.n; c++)
        for (ptrdiff_t i = own.y0; i < own.y1; i++)
            add_to_row(call, call->dx, p->channels.v[c], i, convd_row(call->dy, (ptrdiff_t)c, i));
}

static void look(const struct convd_site *s, struct convd_place at, struct convd_look *l)
{
    const struct params *p = s->params;
    *l = (struct convd_look){
        .c = p->channels.v[at.c], .channels = 1, .y = at.i, .x = at.j, .kh = 1, .kw = 1};
}

const struct convd_op convd_op_select = {
    .name = "select",
    .group = CONVD_CHANNELS,
    .summary = "channels by number",
    .aliases = "Gather index_select take",
    .example = "select:0",
    .source = "torch.index_select, dim=1",
    .params = params,
    .params_size = sizeof(struct params),
    .rules = rules,
    .algorithm = "copy",
    .shape = shape,
    .forward = forward,
    .backward = backward,
    .look = look,
    .torch = "{x}[:, {channels}]",
    .opencv = "{x}[:, :, {channels}]",
};
