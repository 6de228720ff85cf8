/* conv_back.c: the gradients of conv. dL/dx spreads dL/dy over the windows that made it, dL/dweight is the sum of products of
 * dL/dy with what each tap saw (border values included), dL/dbias the sum of dL/dy. A part has rows of dx, and rows of dy
 * for the weights. Products in float over blocks of about a thousand numbers, blocks in double. */
#include "conv.h"
#include <string.h>

/* A call's scratch: sums for the weights, then for the bias, or packed kernels; behind them what the pass wants. */
struct room {
    size_t kernels, products, spread, bytes;
};

/* dL/dx by Winograd, where a forward pass of that shape would use it too. */
static bool turns(const struct convd_corr *r, const struct convd_bank *b, struct convd_corr *turned)
{
    convd_corr_turn(r, turned);
    return (r->mode == CONVD_MODE_ZEROS || r->mode == CONVD_MODE_CONSTANT) &&
           convd_conv_wino(turned, b);
}

static bool multiplies(const struct convd_corr *r, const struct convd_bank *b)
{
    return !b->list && convd_wino_products_pay(r);
}

static struct room room_of(const struct convd_site *s)
{
    struct convd_bank b;
    convd_bank_measure(s->params, s->x[0].c, &b);
    const struct convd_corr r = convd_conv_corr(s, &b);
    struct convd_corr turned;
    const bool wino = turns(&r, &b, &turned);
    struct room m = {.products = multiplies(&r, &b) ? convd_wino_products_bytes(&r)
                                                    : convd_products_bytes(&r),
                     .spread = wino ? convd_wino_bytes(&turned) : convd_spread_bytes(&r)};
    const size_t count = convd_corr_count(&r),
                 behind = m.products > m.spread ? m.products : m.spread;
    if (count == 0 || !convd_room(&m.kernels, count, wino ? 4 * sizeof(float) : sizeof(double)) ||
        !convd_room(&m.kernels, (size_t)b.o, sizeof(double)) ||
        !convd_add(m.kernels, behind, &m.bytes))
        m.bytes = SIZE_MAX;
    return m;
}

size_t convd_conv_back_scratch(const struct convd_site *s)
{
    return room_of(s).bytes;
}

static void weights(const struct convd_back *call, const struct convd_corr *r, const struct room *m)
{
    const struct convd_site *s = call->site;
    const struct convd_conv_state *state = s->state;
    const struct convd_bank *b = &state->bank;
    float *weight = call->dweight[CONVD_CONV_WEIGHT], *bias = call->dweight[CONVD_CONV_BIAS];
    double *k = (double *)(void *)call->scratch, *sums = k + convd_corr_count(r);
    memset(k, 0, m->kernels);
    const bool wino = multiplies(r, b);
    const struct convd_rows own = convd_share(call->dy->h, call->part, call->parts);
    char *scratch = (char *)call->scratch + m->kernels;
    if (wino && weight) convd_wino_products(r, call->x, call->dy, own, k, scratch);
    convd_products(r, call->x, call->dy, own, weight && !wino ? k : NULL, bias ? sums : NULL,
                   scratch);
    if (weight) convd_bank_give_back(s, b, k, weight);
    for (ptrdiff_t o = 0; bias && o < b->o; o++)
        convd_vector_add(&((const struct convd_conv *)s->params)->bias, o, sums[o], bias);
}

static void input(const struct convd_back *call, const struct convd_corr *r, const struct room *m)
{
    const struct convd_conv_state *state = call->site->state;
    const struct convd_view x =
        rows_of(call->dx, convd_share(call->dx->h, call->part, call->parts));
    struct convd_corr turned;
    if (x.y0 == x.y1) return;
    if (turns(r, &state->bank, &turned)) {
        convd_wino_pack(r, state->k, true, call->scratch);
        convd_wino(&(struct convd_wino_bank){r, state->k, call->scratch, NULL, true}, call->dy, &x,
                   !call->fresh, (char *)call->scratch + m->kernels);
        return;
    }
    for (ptrdiff_t c = 0; call->fresh && c < x.c; c++)
        for (ptrdiff_t i = x.y0; i < x.y1; i++)
            memset(convd_row(&x, c, i), 0, (size_t)x.w * sizeof(float));
    convd_spread_pack(r, state->k, call->scratch);
    convd_spread(r, call->scratch, call->dy, &x, (char *)call->scratch + m->kernels);
}

void convd_conv_backward(const struct convd_back *call)
{
    const struct convd_conv_state *state = call->site->state;
    const struct convd_corr r = convd_conv_corr(call->site, &state->bank);
    const struct room m = room_of(call->site);
    if (call->dweight[CONVD_CONV_WEIGHT] || call->dweight[CONVD_CONV_BIAS]) weights(call, &r, &m);
    if (call->dx->data) input(call, &r, &m);
}
