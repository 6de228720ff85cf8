/* conv_transpose_back.c: the gradients of conv_transpose. dL/dx gathers dL/dy as conv would, with the same weights;
 * dL/dweight is the sum of products of x with what each tap gave to; dL/dbias the sum of dL/dy. A part has rows of dx, and
 * rows of x for the weights; the bias is summed from rows of dy. */
#include "conv_transpose.h"
#include "global.h"
#include <string.h>

enum { WEIGHT, BIAS }; /* places among the params rows */

bool convd_conv_transpose_weight_shape(const struct convd_site *s, size_t row,
                                       struct convd_tensor *t)
{
    const struct convd_conv_transpose *p = s->params;
    const struct convd_corr r = convd_conv_transpose_corr(s);
    if (row == BIAS) return convd_vector_shape(&p->bias, s->y.c, t);
    if (row != WEIGHT) return false;
    *t = (struct convd_tensor){
        .name = "", .rank = 4, .dim = {s->x[0].c, r.in, r.window.kh, r.window.kw}};
    return true;
}

static size_t sums_bytes(const struct convd_corr *r)
{
    size_t bytes = 0;
    return convd_room(&bytes, convd_corr_count(r), sizeof(double)) ? bytes : SIZE_MAX;
}

size_t convd_conv_transpose_back_scratch(const struct convd_site *s)
{
    const struct convd_corr r = convd_conv_transpose_corr(s);
    const size_t gather = convd_gather_bytes(&r, true), products = convd_products_bytes(&r);
    size_t bytes = 0;
    return convd_add(sums_bytes(&r), gather > products ? gather : products, &bytes) ? bytes
                                                                                    : SIZE_MAX;
}

static void weights(const struct convd_back *call, const struct convd_corr *r, float *weight)
{
    const struct convd_conv_transpose *p = call->site->params;
    const size_t size = (size_t)(r->window.kh * r->window.kw), count = convd_corr_count(r);
    double *k = (double *)(void *)call->scratch;
    memset(k, 0, count * sizeof *k);
    convd_products(r, call->dy, call->x, convd_share(call->x->h, call->part, call->parts), k, NULL,
                   (char *)call->scratch + sums_bytes(r));
    for (size_t i = 0; i < count; i++) {
        const size_t tap = i % size;
        weight[p->flip ? i - tap + size - 1 - tap : i] += (float)k[i];
    }
}

static void bias(const struct convd_back *call, float *out)
{
    const struct convd_conv_transpose *p = call->site->params;
    const struct convd_view part =
        cut_out(call->dy, convd_share(call->dy->h, call->part, call->parts));
    for (ptrdiff_t o = 0; o < part.c; o++)
        convd_vector_add(&p->bias, o, convd_global_sum(call->site->simd, &part, o), out);
}

void convd_conv_transpose_backward(const struct convd_back *call)
{
    const struct convd_conv_transpose_state *state = call->site->state;
    const struct convd_corr r = convd_conv_transpose_corr(call->site);
    if (call->dweight[WEIGHT]) weights(call, &r, call->dweight[WEIGHT]);
    if (call->dweight[BIAS]) bias(call, call->dweight[BIAS]);
    if (!call->dx->data) return;
    const struct convd_view x =
        rows_of(call->dx, convd_share(call->dx->h, call->part, call->parts));
    convd_gather(&r, state->gather, NULL, call->dy, &x, true,
                 (char *)call->scratch + sums_bytes(&r));
}
