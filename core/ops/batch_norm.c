/* batch_norm: y = (x - mean[c]) / sqrt(var[c] + eps) * weight[c] + bias[c], with the statistics given (inference).
 * Left out: weight 1, bias 0, mean 0, var 1. The factor is made in double. NaN propagates. Equals
 * torch.nn.functional.batch_norm(training=False).
 * Source: Ioffe and Szegedy 2015, "Batch normalization". */
#include "vector.h"

struct params {
    struct convd_weight weight, bias, mean, var;
    double eps;
};
// clang-format off
static const struct convd_param params[] = {
    VECTOR_PARAM(weight, "factor of each channel; 1 when left out", "gamma scale"),
    VECTOR_PARAM(bias, "added to each channel; 0 when left out", "beta B"),
    {AT(mean), .type = CONVD_P_WEIGHT, .def = "",
     .summary = "mean of each channel; 0 when left out",
     .aliases = "running_mean", .flags = CONVD_NO_KERNELS},
    {AT(var), .type = CONVD_P_WEIGHT, .def = "",
     .summary = "variance of each channel; 1 when left out",
     .aliases = "running_var variance", .flags = CONVD_NO_KERNELS},
    {AT(eps), .type = CONVD_P_NUMBER, .def = "1e-5", .lo = 0, .hi = 1e9,
     .summary = "added to the variance",
     .aliases = "epsilon"},
    CONVD_PARAM_END,
};
// clang-format on

struct state {
    float *mean, *factor, *bias; /* of each channel */
};

static bool shape(struct convd_site *s, struct convd_faults *f)
{
    const struct params *p = s->params;
    ptrdiff_t c = s->x[0].c;
    bool fine = convd_vector_check(&p->weight, c, "weight", f);
    fine &= convd_vector_check(&p->bias, c, "bias", f);
    fine &= convd_vector_check(&p->mean, c, "mean", f);
    fine &= convd_vector_check(&p->var, c, "var", f);
    s->y = (struct convd_shape){s->y.n, c, s->x[0].h, s->x[0].w};
    return fine;
}

static void cost(const struct convd_site *s, struct convd_cost *c)
{
    const struct params *p = s->params;
    c->macs = (double)s->y.c * (double)s->y.h * (double)s->y.w;
    c->weights = convd_vector_count(&p->weight, s->y.c) + convd_vector_count(&p->bias, s->y.c) +
                 convd_vector_count(&p->mean, s->y.c) + convd_vector_count(&p->var, s->y.c);
    c->state = sizeof(struct state) + 4 * ((size_t)s->y.c * sizeof(float) + 64);
}

static const void *prepare(const struct convd_site *s, struct convd_arena *mem,
                           struct convd_faults *f)
{
    const struct params *p = s->params;
    size_t c = (size_t)s->y.c;
    struct state *state = convd_arena_zero(mem, sizeof *state);
    float *var = convd_arena_array(mem, c, sizeof *var);
    if (state) {
        state->mean = convd_arena_array(mem, c, sizeof(float));
        state->factor = convd_arena_array(mem, c, sizeof(float));
        state->bias = convd_arena_array(mem, c, sizeof(float));
    }
    if (!state || !var || !state->mean || !state->factor || !state->bias) {
        convd_fault(f, CONVD_NO_MEMORY, NULL, "no memory for %zu channels", c);
        return NULL;
    }
    convd_vector_fill(&p->weight, s->y.c, 1, s->position, state->factor);
    convd_vector_fill(&p->bias, s->y.c, 0, s->position, state->bias);
    convd_vector_fill(&p->mean, s->y.c, 0, s->position, state->mean);
    convd_vector_fill(&p->var, s->y.c, 1, s->position, var);
    for (size_t i = 0; i < c; i++)
        state->factor[i] = (float)((double)state->factor[i] / sqrt((double)var[i] + p->eps));
    return state;
}

static void forward(const struct convd_call *call)
{
    const struct state *state = call->site->state;
    const struct convd_view *in = call->x, *out = call->y;
    for (ptrdiff_t c = 0; c < out->c; c++)
        for (ptrdiff_t i = out->y0; i < out->y1; i++) {
            const float *x = convd_row(in, c, i), mean = state->mean[c], factor = state->factor[c],
                        bias = state->bias[c];
            float *y = convd_row(out, c, i);
            INDEPENDENT
            for (ptrdiff_t j = 0; j < out->w; j++) y[j] = (x[j] - mean) * factor + bias;
        }
}

const struct convd_op convd_op_batch_norm = {
    .name = "batch_norm",
    .group = CONVD_NORMALISING,
    .summary = "each channel shifted and scaled by its statistics",
    .aliases = "BatchNorm2d BatchNormalization batchnorm",
    .example = "batch_norm",
    .source = "torch.nn.functional.batch_norm",
    .params = params,
    .params_size = sizeof(struct params),
    .algorithm = "pointwise",
    .in_place = true,
    .shape = shape,
    .cost = cost,
    .prepare = prepare,
    .forward = forward,
};
