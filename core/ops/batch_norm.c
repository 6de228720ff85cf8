/* batch_norm: y = (x - mean[c]) / sqrt(var[c] + eps) * weight[c] + bias[c], with the statistics given (inference).
 * Left out: weight 1, bias 0, mean 0, var 1. The factor is made in double. NaN propagates. Equals
 * torch.nn.functional.batch_norm(training=False).
 * Source: Ioffe and Szegedy 2015, "Batch normalization". */
#include "batch_norm_learn.h"
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
    c->state = sizeof(struct state) + 3 * ((size_t)s->y.c * sizeof(float) + 64);
}

static double factor(const struct convd_site *s, ptrdiff_t c, bool weighted)
{
    const struct params *p = s->params;
    const double var = (double)convd_vector_number(&p->var, s->y.c, 1, s->position, c);
    const double weight =
        weighted ? (double)convd_vector_number(&p->weight, s->y.c, 1, s->position, c) : 1;
    return weight / sqrt(var + p->eps);
}

static void pack(const struct convd_site *s, void *state_)
{
    const struct params *p = s->params;
    struct state *state = state_;
    convd_vector_fill(&p->bias, s->y.c, 0, s->position, state->bias);
    convd_vector_fill(&p->mean, s->y.c, 0, s->position, state->mean);
    for (ptrdiff_t c = 0; c < s->y.c; c++) state->factor[c] = (float)factor(s, c, true);
}

static const void *prepare(const struct convd_site *s, struct convd_arena *mem,
                           struct convd_faults *f)
{
    size_t c = (size_t)s->y.c;
    struct state *state = convd_arena_zero(mem, sizeof *state);
    if (state) {
        state->mean = convd_arena_array(mem, c, sizeof(float));
        state->factor = convd_arena_array(mem, c, sizeof(float));
        state->bias = convd_arena_array(mem, c, sizeof(float));
    }
    if (!state || !state->mean || !state->factor || !state->bias) {
        convd_fault(f, CONVD_NO_MEMORY, NULL, "no memory for %zu channels", c);
        return NULL;
    }
    pack(s, state);
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

/* ---- backward, with f = weight / sqrt(var + eps): dx = f dy, dbias = sum dy, dmean = -f sum dy, and with q = sum (x - mean)
 * dy: dweight = q / sqrt(var + eps), dvar = -f q / 2 (var + eps) ---- */

enum { WEIGHT, BIAS, MEAN, VAR }; /* places among the params rows */

/* A row: dx, the sum of dy into sums[0], of (x - mean) dy into sums[1]. */
static void back_row(const float *x, const float *dy, float *dx, ptrdiff_t n, float mean, float f,
                     double sums[2])
{
    double sum = 0, product = 0;
    for (ptrdiff_t j = 0; dx && j < n; j++) dx[j] += dy[j] * f;
    for (ptrdiff_t j = 0; j < n; j++) {
        sum += (double)dy[j];
        product += ((double)x[j] - (double)mean) * (double)dy[j];
    }
    sums[0] += sum;
    sums[1] += product;
}

static void backward(const struct convd_back *b)
{
    const struct params *p = b->site->params;
    const struct state *state = b->site->state;
    const struct convd_rows own = convd_share(b->dy->h, b->part, b->parts);
    for (ptrdiff_t c = 0; c < b->dy->c; c++) {
        double sums[2] = {0, 0};
        for (ptrdiff_t i = own.y0; i < own.y1; i++)
            back_row(convd_row(b->x, c, i), convd_row(b->dy, c, i),
                     b->dx->data ? convd_row(b->dx, c, i) : NULL, b->dy->w, state->mean[c],
                     state->factor[c], sums);
        const double plain = factor(b->site, c, false), f = factor(b->site, c, true);
        if (b->dweight[WEIGHT])
            convd_vector_add(&p->weight, c, plain * sums[1], b->dweight[WEIGHT]);
        if (b->dweight[BIAS]) convd_vector_add(&p->bias, c, sums[0], b->dweight[BIAS]);
        if (b->dweight[MEAN]) convd_vector_add(&p->mean, c, -f * sums[0], b->dweight[MEAN]);
        if (b->dweight[VAR])
            convd_vector_add(&p->var, c, -f * plain * plain * sums[1] / 2, b->dweight[VAR]);
    }
}

static bool weight_shape(const struct convd_site *s, size_t row, struct convd_tensor *t)
{
    const struct params *p = s->params;
    const struct convd_weight *const of[] = {&p->weight, &p->bias, &p->mean, &p->var};
    return row <= VAR && convd_vector_shape(of[row], s->y.c, t);
}

/* F.batch_norm wants a mean and a variance. */
static const char *torch(const struct convd_site *s, struct convd_arena *mem)
{
    const struct params *p = s->params;
    const ptrdiff_t c = s->y.c;
    const char *mean = p->mean.kind == CONVD_W_NONE ? "torch.zeros({x.c})"
                                                    : convd_arena_printf(mem, "{mean:%td}", c);
    const char *var =
        p->var.kind == CONVD_W_NONE ? "torch.ones({x.c})" : convd_arena_printf(mem, "{var:%td}", c);
    if (!mean || !var) return NULL;
    return convd_arena_printf(mem, "F.batch_norm({x}, %s, %s, {weight:%td}, {bias:%td}, eps={eps})",
                              mean, var, c, c);
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
    .back_skips_y = true,
    .backward = backward,
    .weight_shape = weight_shape,
    .pack = pack,
    .torch_of = torch,
    .learning = &convd_batch_norm_learning,
};
