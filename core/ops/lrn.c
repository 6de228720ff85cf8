/* lrn: each number is divided by a power of the energy of its neighbour channels at the same pixel:
 * y[c] = x[c] / (k + alpha / size * sum of x[q]^2)^beta, q from c - size/2 to c + (size - 1)/2, inside the channels.
 * The sum in double. NaN propagates. Equals torch.nn.functional.local_response_norm (alpha is divided by size).
 * Source: Krizhevsky, Sutskever, Hinton 2012, "ImageNet classification", 3.3. */
#include "row.h"

struct params {
    ptrdiff_t size;
    double alpha, beta, k;
};
// clang-format off
static const struct convd_param params[] = {
    {AT(size), .type = CONVD_P_INT, .lo = 1, .hi = 65536,
     .summary = "channels that count, this one in the middle"},
    {AT(alpha), .type = CONVD_P_NUMBER, .def = "1e-4", .lo = 0, .hi = 1e9,
     .summary = "weight of the energy"},
    {AT(beta), .type = CONVD_P_NUMBER, .def = "0.75", .lo = -100, .hi = 100,
     .summary = "the power"},
    {AT(k), .type = CONVD_P_NUMBER, .def = "1", .lo = 0, .hi = 1e9,
     .summary = "added before the power",
     .aliases = "bias"},
    CONVD_PARAM_END,
};
// clang-format on

static void cost(const struct convd_site *s, struct convd_cost *c)
{
    const struct params *p = s->params;
    c->macs = (double)s->y.c * (double)s->y.h * (double)s->y.w * (double)least(p->size, s->y.c);
}

static size_t scratch(const struct convd_site *s, ptrdiff_t rows)
{
    (void)rows;
    return (size_t)s->x[0].w * sizeof(double);
}

static void forward(const struct convd_call *call)
{
    const struct params *p = call->site->params;
    const struct convd_view *x = call->x, *y = call->y;
    double *sum = (double *)(void *)call->scratch;
    for (ptrdiff_t i = y->y0; i < y->y1; i++)
        for (ptrdiff_t c = 0; c < y->c; c++) {
            ptrdiff_t lo = most(c - p->size / 2, 0), hi = least(c + (p->size - 1) / 2, x->c - 1);
            for (ptrdiff_t j = 0; j < y->w; j++) sum[j] = 0;
            for (ptrdiff_t q = lo; q <= hi; q++) {
                const float *v = convd_row(x, q, i);
                for (ptrdiff_t j = 0; j < y->w; j++) sum[j] += (double)v[j] * (double)v[j];
            }
            const float *from = convd_row(x, c, i);
            float *to = convd_row(y, c, i);
            for (ptrdiff_t j = 0; j < y->w; j++)
                to[j] = (float)((double)from[j] /
                                pow(p->k + p->alpha * sum[j] / (double)p->size, p->beta));
        }
}

static void look(const struct convd_site *s, struct convd_place at, struct convd_look *l)
{
    const ptrdiff_t size = ((const struct params *)s->params)->size;
    const ptrdiff_t lo = most(at.c - size / 2, 0), hi = least(at.c + (size - 1) / 2, s->y.c - 1);
    *l = (struct convd_look){
        .c = lo, .channels = hi - lo + 1, .y = at.i, .x = at.j, .kh = 1, .kw = 1};
}

const struct convd_op convd_op_lrn = {
    .name = "lrn",
    .group = CONVD_NORMALISING,
    .summary = "numbers divided by the energy of neighbour channels",
    .aliases = "LRN LocalResponseNorm local_response_norm",
    .example = "lrn:3",
    .source = "torch.nn.functional.local_response_norm",
    .params = params,
    .params_size = sizeof(struct params),
    .algorithm = "direct",
    .cost = cost,
    .scratch = scratch,
    .forward = forward,
    .look = look,
};
