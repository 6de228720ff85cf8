/* conv_back.c: the gradients of conv. dL/dx spreads dL/dy over the windows that made it, dL/dweight is the sum of products of
 * dL/dy with what each tap saw (border values included), dL/dbias the sum of dL/dy. A part has rows of dx, and rows of dy
 * for the weights. Products in float over blocks of about a thousand numbers, blocks in double. */
#include "conv.h"
#include <string.h>

/* A call's scratch: kernels, then sums for the bias; behind them transformed kernels where no worker keeps them; behind
 * these what the pass wants. */
struct room {
    size_t bias, sums, behind, bytes;
    bool keeps;
};
enum {
    MOST_SUMS = 4 * 1048576
}; /* bytes of transformed kernels that a worker keeps from sample to sample */

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
    const bool multiplied = multiplies(&r, &b);
    const size_t count = convd_corr_count(&r), sums = multiplied ? convd_wino_sums_count(&r) : 0,
                 products = multiplied ? convd_wino_products_bytes(&r) : convd_products_bytes(&r),
                 spread =
                     turns(&r, &b, &turned) ? convd_wino_bytes(&turned) : convd_spread_bytes(&r);
    struct room m = {.keeps = sums <= MOST_SUMS / sizeof(float)};
    if (count == 0 || !convd_room(&m.bias, count, sizeof(double))) m.bytes = SIZE_MAX;
    m.sums = m.bias;
    if (!convd_room(&m.sums, (size_t)b.o, sizeof(double))) m.bytes = SIZE_MAX;
    m.behind = m.sums;
    if (!convd_room(&m.behind, m.keeps ? 0 : sums, sizeof(float))) m.bytes = SIZE_MAX;
    if (m.bytes == SIZE_MAX ||
        !convd_add(m.behind, products > spread ? products : spread, &m.bytes))
        m.bytes = SIZE_MAX;
    return m;
}

size_t convd_conv_back_scratch(const struct convd_site *s)
{
    return room_of(s).bytes;
}

/* ---- weights --------------------------------------------------------------------------------- */

size_t convd_conv_sums_bytes(const struct convd_site *s)
{
    struct convd_bank b;
    convd_bank_measure(s->params, s->x[0].c, &b);
    const struct convd_corr r = convd_conv_corr(s, &b);
    return multiplies(&r, &b) && room_of(s).keeps ? convd_wino_sums_count(&r) * sizeof(float) : 0;
}

void convd_conv_give_back(const struct convd_given *call)
{
    const struct convd_conv_state *state = call->site->state;
    const struct convd_bank *b = &state->bank;
    const struct convd_corr r = convd_conv_corr(call->site, b);
    const struct convd_rows own = convd_share(b->o, call->part, call->parts);
    const ptrdiff_t size = b->c * b->kh * b->kw;
    double *k = (double *)(void *)call->scratch;
    if (!call->dweight[CONVD_CONV_WEIGHT]) return;
    memset(k + own.y0 * size, 0, (size_t)((own.y1 - own.y0) * size) * sizeof *k);
    convd_wino_give(&r, (const float *)(const void *)call->sums, call->stride, call->workers, own,
                    k);
    convd_bank_give_back(call->site, b, k, own, call->dweight[CONVD_CONV_WEIGHT]);
}

/* By Winograd; true: k is to be given back. */
static bool multiply(const struct convd_back *call, const struct convd_corr *r,
                     const struct room *m, struct convd_rows own, double *k, double *bias)
{
    char *scratch = (char *)call->scratch;
    const size_t count = convd_wino_sums_count(r);
    float *sums = m->keeps ? call->sums : (float *)(void *)(scratch + m->sums);
    if (!m->keeps) memset(sums, 0, count * sizeof *sums);
    const bool used =
        convd_wino_products(r, call->x, call->dy, own, sums, k, bias, scratch + m->behind);
    if (m->keeps) return used;
    if (!used) memset(k, 0, convd_corr_count(r) * sizeof *k);
    convd_wino_give(r, sums, 0, 1, (struct convd_rows){0, r->groups * r->out}, k);
    return true;
}

static void weights(const struct convd_back *call, const struct convd_corr *r, const struct room *m)
{
    const struct convd_site *s = call->site;
    const struct convd_bank *b = &((const struct convd_conv_state *)s->state)->bank;
    float *weight = call->dweight[CONVD_CONV_WEIGHT], *bias = call->dweight[CONVD_CONV_BIAS];
    char *scratch = (char *)call->scratch;
    double *k = (double *)(void *)scratch, *sums = (double *)(void *)(scratch + m->bias);
    const struct convd_rows own = convd_share(call->dy->h, call->part, call->parts);
    bool used = weight != NULL;
    memset(sums, 0, (size_t)b->o * sizeof *sums);
    if (weight && multiplies(r, b)) {
        used = multiply(call, r, m, own, k, bias ? sums : NULL);
    } else {
        if (weight) memset(k, 0, convd_corr_count(r) * sizeof *k);
        convd_products(r, call->x, call->dy, own, weight ? k : NULL, bias ? sums : NULL,
                       scratch + m->behind);
    }
    if (used) convd_bank_give_back(s, b, k, (struct convd_rows){0, b->o}, weight);
    for (ptrdiff_t o = 0; bias && o < b->o; o++)
        convd_vector_add(&((const struct convd_conv *)s->params)->bias, o, sums[o], bias);
}

/* ---- input ----------------------------------------------------------------------------------- */

size_t convd_conv_turned_bytes(const struct convd_site *s)
{
    struct convd_bank b;
    convd_bank_measure(s->params, s->x[0].c, &b);
    const struct convd_corr r = convd_conv_corr(s, &b);
    struct convd_corr turned;
    size_t bytes;
    const size_t count = turns(&r, &b, &turned) ? convd_wino_count(&turned) : convd_corr_count(&r);
    return convd_mul(count, sizeof(float), &bytes) ? bytes : SIZE_MAX;
}

void convd_conv_turn(const struct convd_site *s, void *to, size_t part, size_t parts)
{
    const struct convd_conv_state *state = s->state;
    const struct convd_corr r = convd_conv_corr(s, &state->bank);
    struct convd_corr turned;
    if (turns(&r, &state->bank, &turned))
        convd_wino_pack(&r, state->k, true, to, part, parts);
    else if (part == 0)
        convd_spread_pack(&r, state->k, to);
}

static void input(const struct convd_back *call, const struct convd_corr *r, const struct room *m)
{
    const struct convd_conv_state *state = call->site->state;
    const struct convd_view x =
        rows_of(call->dx, convd_share(call->dx->h, call->part, call->parts));
    char *scratch = (char *)call->scratch + m->behind;
    struct convd_corr turned;
    if (x.y0 == x.y1) return;
    if (turns(r, &state->bank, &turned)) {
        convd_wino(&(struct convd_wino_bank){r, state->k, call->turned, NULL, true}, call->dy, &x,
                   !call->fresh, scratch);
        return;
    }
    for (ptrdiff_t c = 0; call->fresh && c < x.c; c++)
        for (ptrdiff_t i = x.y0; i < x.y1; i++)
            memset(convd_row(&x, c, i), 0, (size_t)x.w * sizeof(float));
    convd_spread(r, call->turned, call->dy, &x, scratch);
}

void convd_conv_backward(const struct convd_back *call)
{
    const struct convd_conv_state *state = call->site->state;
    const struct convd_corr r = convd_conv_corr(call->site, &state->bank);
    const struct room m = room_of(call->site);
    if (call->dweight[CONVD_CONV_WEIGHT] || call->dweight[CONVD_CONV_BIAS]) weights(call, &r, &m);
    if (call->dx->data) input(call, &r, &m);
}
