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

/* The channels that count for channel c. */
static ptrdiff_t first(const struct params *p, ptrdiff_t c)
{
    return most(c - p->size / 2, 0);
}
static ptrdiff_t last(const struct params *p, ptrdiff_t c, ptrdiff_t channels)
{
    return least(c + (p->size - 1) / 2, channels - 1);
}

static void forward(const struct convd_call *call)
{
    const struct params *p = call->site->params;
    const struct convd_view *x = call->x, *y = call->y;
    double *sum = (double *)(void *)call->scratch;
    for (ptrdiff_t i = y->y0; i < y->y1; i++)
        for (ptrdiff_t c = 0; c < y->c; c++) {
            for (ptrdiff_t j = 0; j < y->w; j++) sum[j] = 0;
            for (ptrdiff_t q = first(p, c); q <= last(p, c, x->c); q++) {
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

/* With s[c] = k + alpha / size * sum of x[q]^2:
 * dL/dx[m] = dy[m] * s[m]^-beta - 2 * alpha * beta / size * x[m] * sum of dy[c] * x[c] * s[c]^(-beta-1)
 * over the c whose neighbours m belongs to. Columns go in blocks; a block's numbers of all channels are kept. */
enum { BACK_COLUMNS = 64 };

struct back_block {
    double s[BACK_COLUMNS], t[BACK_COLUMNS]; /* of a channel: s^-beta, dy * x * s^(-beta-1) */
};

static void back_prepare(const struct convd_back *call, struct back_block *b, ptrdiff_t i,
                         ptrdiff_t j0, ptrdiff_t n)
{
    const struct params *p = call->site->params;
    const struct convd_view *x = call->x;
    for (ptrdiff_t c = 0; c < x->c; c++) {
        const float *at = convd_row(x, c, i) + j0, *dy = convd_row(call->dy, c, i) + j0;
        double sum[BACK_COLUMNS] = {0};
        for (ptrdiff_t q = first(p, c); q <= last(p, c, x->c); q++) {
            const float *v = convd_row(x, q, i) + j0;
            for (ptrdiff_t j = 0; j < n; j++) sum[j] += (double)v[j] * (double)v[j];
        }
        for (ptrdiff_t j = 0; j < n; j++) {
            const double s = p->k + p->alpha * sum[j] / (double)p->size;
            b[c].s[j] = pow(s, -p->beta);
            b[c].t[j] = (double)dy[j] * (double)at[j] * b[c].s[j] / s;
        }
    }
}

static void back_block(const struct convd_back *call, const struct back_block *b, ptrdiff_t i,
                       ptrdiff_t j0, ptrdiff_t n)
{
    const struct params *p = call->site->params;
    const double share = 2 * p->alpha * p->beta / (double)p->size;
    const ptrdiff_t channels = call->x->c;
    for (ptrdiff_t m = 0; m < channels; m++) {
        const float *x = convd_row(call->x, m, i) + j0, *dy = convd_row(call->dy, m, i) + j0;
        float *dx = convd_row(call->dx, m, i) + j0;
        double sum[BACK_COLUMNS] = {0};
        const ptrdiff_t from = most(m - (p->size - 1) / 2, 0), /* the channels that see m */
            to = least(m + p->size / 2, channels - 1);
        for (ptrdiff_t c = from; c <= to; c++)
            for (ptrdiff_t j = 0; j < n; j++) sum[j] += b[c].t[j];
        for (ptrdiff_t j = 0; j < n; j++)
            dx[j] += (float)((double)dy[j] * b[m].s[j] - share * (double)x[j] * sum[j]);
    }
}

static void backward(const struct convd_back *call)
{
    const struct convd_view *dx = call->dx;
    const ptrdiff_t across = (dx->w + BACK_COLUMNS - 1) / BACK_COLUMNS;
    const struct convd_rows own = convd_share(dx->h * across, call->part, call->parts);
    struct back_block *b = (struct back_block *)(void *)call->scratch;
    for (ptrdiff_t u = own.y0; u < own.y1; u++) {
        const ptrdiff_t i = u / across, j0 = u % across * BACK_COLUMNS,
                        n = least(BACK_COLUMNS, dx->w - j0);
        back_prepare(call, b, i, j0, n);
        back_block(call, b, i, j0, n);
    }
}

static size_t back_scratch(const struct convd_site *s)
{
    return (size_t)s->x[0].c * sizeof(struct back_block);
}

static void look(const struct convd_site *s, struct convd_place at, struct convd_look *l)
{
    const struct params *p = s->params;
    const ptrdiff_t lo = first(p, at.c), hi = last(p, at.c, s->y.c);
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
    .backward = backward,
    .back_scratch = back_scratch,
    .look = look,
    .torch = "F.local_response_norm({x}, {size}, {alpha}, {beta}, {k})",
    .ns = 16,
};
