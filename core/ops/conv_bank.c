/* conv_bank.c: what a weight of conv stands for. Arrays of rank 4 in either layout and inits are the bank itself; kernels of
 * rank 2 and 3 and lists of them are spread over the input channels, times `across`; flip turns each by 180°. All of this
 * is linear, and a gradient goes back the same way. */
#include "conv.h"

bool convd_bank_measure(const struct convd_conv *p, ptrdiff_t channels, struct convd_bank *b)
{
    const struct convd_weight *w = &p->weight;
    const ptrdiff_t *d = w->array.dim;
    *b = (struct convd_bank){.c = channels / p->groups};
    switch (w->kind) {
    case CONVD_W_INIT:
        b->o = w->out;
        b->kh = w->size.h;
        b->kw = w->size.w;
        return true;
    case CONVD_W_KERNELS:
        *b = (struct convd_bank){(ptrdiff_t)w->n_kernels, b->c, w->kernels[0].h, w->kernels[0].w,
                                 true};
        return true;
    case CONVD_W_ARRAY:
    case CONVD_W_TENSOR:
        break;
    case CONVD_W_NONE:
        return false;
    }
    if (w->array.rank == 4 && p->layout == CONVD_HWIO)
        *b = (struct convd_bank){d[3], d[2], d[0], d[1], false};
    if (w->array.rank == 4 && p->layout == CONVD_OIHW)
        *b = (struct convd_bank){d[0], d[1], d[2], d[3], false};
    if (w->array.rank == 3) *b = (struct convd_bank){d[0], b->c, d[1], d[2], true};
    if (w->array.rank == 2) *b = (struct convd_bank){1, b->c, d[0], d[1], true};
    return w->array.data && w->array.rank >= 2;
}

/* Where number [o,c,i,j] as it is applied was written. */
static size_t written_at(const struct convd_conv *p, const struct convd_bank *b, ptrdiff_t o,
                         ptrdiff_t c, ptrdiff_t i, ptrdiff_t j)
{
    if (p->flip) {
        i = b->kh - 1 - i;
        j = b->kw - 1 - j;
    }
    const ptrdiff_t at = i * b->kw + j, size = b->kh * b->kw;
    if (b->list) return (size_t)(o * size + at);
    if (p->layout == CONVD_HWIO && p->weight.kind != CONVD_W_INIT)
        return (size_t)((at * b->c + c) * b->o + o);
    return (size_t)((o * b->c + c) * size + at);
}

float convd_bank_number(const struct convd_site *s, const struct convd_bank *b, ptrdiff_t o,
                        ptrdiff_t c, ptrdiff_t i, ptrdiff_t j)
{
    const struct convd_conv *p = s->params;
    const struct convd_weight *w = &p->weight;
    const size_t at = written_at(p, b, o, c, i, j);
    if (w->kind == CONVD_W_INIT)
        return convd_weight_number(w->init, weight_seed(w, s->position), w->gain,
                                   (ptrdiff_t[]){b->o, b->c, b->kh, b->kw}, at);
    if (!b->list) return w->array.data[at];
    const float v = w->kind == CONVD_W_KERNELS ? w->kernels[o].v[at - (size_t)(o * b->kh * b->kw)]
                                               : w->array.data[at];
    return (float)((double)v * convd_across_factor(&p->across, c, b->c));
}

void convd_bank_fill(const struct convd_site *s, struct convd_conv_state *state)
{
    const struct convd_conv *p = s->params;
    const struct convd_bank *b = &state->bank;
    const struct convd_corr r = convd_conv_corr(s, b);
    for (ptrdiff_t o = 0; o < b->o; o++)
        for (ptrdiff_t c = 0; c < b->c; c++)
            for (ptrdiff_t i = 0; i < b->kh; i++)
                for (ptrdiff_t j = 0; j < b->kw; j++)
                    state->k[convd_gather_index(&r, o, c, i, j)] =
                        convd_bank_number(s, b, o, c, i, j);
    convd_vector_fill(&p->bias, b->o, 0, s->position, state->bias);
    if (state->u) convd_wino_pack(&r, state->k, false, state->u, 0, 1);
}

void convd_conv_pack(const struct convd_site *s, void *state)
{
    convd_bank_fill(s, state);
}

void convd_bank_give_back(const struct convd_site *s, const struct convd_bank *b, const double *k,
                          struct convd_rows outs, float *written)
{
    const struct convd_conv *p = s->params;
    const ptrdiff_t size = b->kh * b->kw;
    if (!b->list && !p->flip && (p->layout == CONVD_OIHW || p->weight.kind == CONVD_W_INIT)) {
        for (ptrdiff_t i = outs.y0 * b->c * size; i < outs.y1 * b->c * size; i++)
            written[i] += (float)k[i]; /* they lie as they were written */
        return;
    }
    k += outs.y0 * b->c * size;
    for (ptrdiff_t o = outs.y0; o < outs.y1; o++, k += b->c * size)
        for (ptrdiff_t i = 0; i < b->kh; i++)
            for (ptrdiff_t j = 0; j < b->kw; j++) {
                double sum = 0;
                for (ptrdiff_t c = 0; c < b->c; c++) {
                    const double g = k[c * size + i * b->kw + j];
                    if (b->list)
                        sum += g * convd_across_factor(&p->across, c, b->c);
                    else
                        written[written_at(p, b, o, c, i, j)] += (float)g;
                }
                if (b->list) written[written_at(p, b, o, 0, i, j)] += (float)sum;
            }
}

bool convd_conv_weight_shape(const struct convd_site *s, size_t row, struct convd_tensor *t)
{
    const struct convd_conv *p = s->params;
    const struct convd_weight *w = &p->weight;
    struct convd_bank b;
    if (!convd_bank_measure(p, s->x[0].c, &b)) return false;
    if (row == CONVD_CONV_BIAS) return convd_vector_shape(&p->bias, b.o, t);
    if (row != CONVD_CONV_WEIGHT) return false;
    if (w->kind == CONVD_W_INIT)
        *t = (struct convd_tensor){.name = "", .rank = 4, .dim = {b.o, b.c, b.kh, b.kw}};
    else if (w->kind == CONVD_W_KERNELS)
        *t = (struct convd_tensor){.name = "", .rank = 3, .dim = {b.o, b.kh, b.kw}};
    else
        *t = w->array;
    return true;
}
