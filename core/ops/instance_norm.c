/* instance_norm: each channel of each sample gets mean 0 and variance 1, then a factor and an offset:
 * y = (x - mean) / sqrt(var + eps) * weight[c] + bias[c], mean and population variance over the channel's own pixels.
 * Two passes in double. A constant channel becomes its bias. NaN takes the whole channel. Equals
 * torch.nn.functional.instance_norm. Source: Ulyanov, Vedaldi, Lempitsky 2016, "Instance normalization". */
#include "global.h"
#include "vector.h"

struct params {
    struct convd_weight weight, bias;
    double eps;
};
// clang-format off
static const struct convd_param params[] = {
    VECTOR_PARAM(weight, "factor of each channel; 1 when left out", "gamma scale"),
    VECTOR_PARAM(bias, "added to each channel; 0 when left out", "beta B"),
    {AT(eps), .type = CONVD_P_NUMBER, .def = "1e-5", .lo = 0, .hi = 1e9,
     .summary = "added to the variance",
     .aliases = "epsilon"},
    CONVD_PARAM_END,
};
// clang-format on

struct state {
    float *weight, *bias; /* of each channel */
};

static bool shape(struct convd_site *s, struct convd_faults *f)
{
    const struct params *p = s->params;
    bool fine = convd_vector_check(&p->weight, s->x[0].c, "weight", f);
    fine &= convd_vector_check(&p->bias, s->x[0].c, "bias", f);
    s->y = (struct convd_shape){s->y.n, s->x[0].c, s->x[0].h, s->x[0].w};
    return fine;
}

static void cost(const struct convd_site *s, struct convd_cost *c)
{
    const struct params *p = s->params;
    c->macs = 3 * (double)s->y.c * (double)s->y.h * (double)s->y.w;
    c->weights = convd_vector_count(&p->weight, s->y.c) + convd_vector_count(&p->bias, s->y.c);
    c->state = sizeof(struct state) + 2 * ((size_t)s->y.c * sizeof(float) + 64);
}

static const void *prepare(const struct convd_site *s, struct convd_arena *mem,
                           struct convd_faults *f)
{
    const struct params *p = s->params;
    struct state *state = convd_arena_zero(mem, sizeof *state);
    if (state) {
        state->weight = convd_arena_array(mem, (size_t)s->y.c, sizeof(float));
        state->bias = convd_arena_array(mem, (size_t)s->y.c, sizeof(float));
    }
    if (!state || !state->weight || !state->bias) {
        convd_fault(f, CONVD_NO_MEMORY, NULL, "no memory for %td channels", s->y.c);
        return NULL;
    }
    convd_vector_fill(&p->weight, s->y.c, 1, s->position, state->weight);
    convd_vector_fill(&p->bias, s->y.c, 0, s->position, state->bias);
    return state;
}

/* Of each channel. */
struct digest {
    double mean, factor;
};

static size_t digest_bytes(const struct convd_site *s)
{
    return (size_t)s->y.c * sizeof(struct digest);
}

enum { LANES = 8 }; /* partial sums side by side */

static double variance(const struct convd_view *x, ptrdiff_t c, double mean)
{
    double part[LANES] = {0}, sum = 0;
    for (ptrdiff_t i = 0; i < x->h; i++) {
        const float *row = convd_row(x, c, i);
        ptrdiff_t j = 0;
        for (; j + LANES <= x->w; j += LANES)
            for (int k = 0; k < LANES; k++)
                part[k] += ((double)row[j + k] - mean) * ((double)row[j + k] - mean);
        for (; j < x->w; j++) sum += ((double)row[j] - mean) * ((double)row[j] - mean);
    }
    for (int k = 0; k < LANES; k++) sum += part[k];
    return sum / ((double)x->h * (double)x->w);
}

static void digest(const struct convd_call *call)
{
    const double eps = ((const struct params *)call->site->params)->eps;
    const struct convd_view *x = call->x;
    struct digest *d = call->digest;
    for (ptrdiff_t c = 0; c < x->c; c++) {
        d[c].mean = convd_global_sum(x, c) / ((double)x->h * (double)x->w);
        double var = variance(x, c, d[c].mean);
        /* a constant channel without eps would be 0 / 0 */
        d[c].factor = var + eps > 0 ? 1 / sqrt(var + eps) : var != var ? var : 0;
    }
}

static void forward(const struct convd_call *call)
{
    const struct state *state = call->site->state;
    const struct digest *d = call->digest;
    const struct convd_view *x = call->x, *y = call->y;
    for (ptrdiff_t c = 0; c < y->c; c++) {
        const double mean = d[c].mean, factor = d[c].factor * (double)state->weight[c],
                     bias = (double)state->bias[c];
        for (ptrdiff_t i = y->y0; i < y->y1; i++) {
            const float *from = convd_row(x, c, i);
            float *to = convd_row(y, c, i);
            for (ptrdiff_t j = 0; j < y->w; j++)
                to[j] = (float)(((double)from[j] - mean) * factor + bias);
        }
    }
}

const struct convd_op convd_op_instance_norm = {
    .name = "instance_norm",
    .group = CONVD_NORMALISING,
    .summary = "each channel brought to mean 0 and variance 1",
    .aliases = "InstanceNorm2d InstanceNormalization instancenorm",
    .example = "instance_norm",
    .source = "torch.nn.functional.instance_norm",
    .params = params,
    .params_size = sizeof(struct params),
    .algorithm = "direct",
    .shape = shape,
    .cost = cost,
    .window = convd_global_window,
    .rows = convd_global_rows,
    .prepare = prepare,
    .digest_bytes = digest_bytes,
    .digest = digest,
    .forward = forward,
};
