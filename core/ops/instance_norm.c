/* instance_norm: each channel of each sample gets mean 0 and variance 1, then a factor and an offset:
 * y = (x - mean) / sqrt(var + eps) * weight[c] + bias[c], mean and population variance over the channel's own pixels.
 * Two passes in double. A constant channel becomes its bias. NaN takes the whole channel. Equals
 * torch.nn.functional.instance_norm. Source: Ulyanov, Vedaldi, Lempitsky 2016, "Instance normalization". */
#include "../learn/learning.h"
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

static void pack(const struct convd_site *s, void *state_)
{
    const struct params *p = s->params;
    struct state *state = state_;
    convd_vector_fill(&p->weight, s->y.c, 1, s->position, state->weight);
    convd_vector_fill(&p->bias, s->y.c, 0, s->position, state->bias);
}

static const void *prepare(const struct convd_site *s, struct convd_arena *mem,
                           struct convd_faults *f)
{
    struct state *state = convd_arena_zero(mem, sizeof *state);
    if (state) {
        state->weight = convd_arena_array(mem, (size_t)s->y.c, sizeof(float));
        state->bias = convd_arena_array(mem, (size_t)s->y.c, sizeof(float));
    }
    if (!state || !state->weight || !state->bias) {
        convd_fault(f, CONVD_NO_MEMORY, NULL, "no memory for %td channels", s->y.c);
        return NULL;
    }
    pack(s, state);
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

static struct digest describe(const struct convd_simd *simd, const struct convd_view *x, ptrdiff_t c, double eps)
{
    struct digest d = {.mean = convd_global_sum(simd, x, c) / ((double)x->h * (double)x->w)};
    const double var = variance(x, c, d.mean);
    /* a constant channel without eps would be 0 / 0 */
    d.factor = var + eps > 0 ? 1 / sqrt(var + eps) : var != var ? var : 0;
    return d;
}

static void digest(const struct convd_call *call)
{
    const double eps = ((const struct params *)call->site->params)->eps;
    struct digest *d = call->digest;
    for (ptrdiff_t c = 0; c < call->x->c; c++) d[c] = describe(call->site->simd, call->x, c, eps);
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

/* ---- backward, with z = (x - mean) * factor: dweight = sum z dy, dbias = sum dy,
 * dx = weight * factor * (dy - mean of dy - z * mean of z dy). A part has channels. ---- */

enum { WEIGHT, BIAS }; /* places among the params rows */

/* The sums of dy and of z dy. */
static void back_sums(const struct convd_back *b, ptrdiff_t c, struct digest d, double sums[2])
{
    sums[0] = sums[1] = 0;
    for (ptrdiff_t i = 0; i < b->dy->h; i++) {
        const float *x = convd_row(b->x, c, i), *dy = convd_row(b->dy, c, i);
        double sum = 0, product = 0;
        for (ptrdiff_t j = 0; j < b->dy->w; j++) {
            sum += (double)dy[j];
            product += ((double)x[j] - d.mean) * d.factor * (double)dy[j];
        }
        sums[0] += sum;
        sums[1] += product;
    }
}

static void back_channel(const struct convd_back *b, ptrdiff_t c, struct digest d,
                         const double sums[2])
{
    const double n = (double)b->dy->h * (double)b->dy->w, plain = sums[0] / n,
                 product = sums[1] / n;
    const double f = d.factor * (double)((const struct state *)b->site->state)->weight[c];
    for (ptrdiff_t i = 0; i < b->dy->h; i++) {
        const float *x = convd_row(b->x, c, i), *dy = convd_row(b->dy, c, i);
        float *dx = convd_row(b->dx, c, i);
        for (ptrdiff_t j = 0; j < b->dy->w; j++)
            dx[j] +=
                (float)(f * ((double)dy[j] - plain - ((double)x[j] - d.mean) * d.factor * product));
    }
}

static void backward(const struct convd_back *b)
{
    const struct params *p = b->site->params;
    const struct convd_rows own = convd_share(b->dy->c, b->part, b->parts);
    for (ptrdiff_t c = own.y0; c < own.y1; c++) {
        const struct digest d = describe(b->site->simd, b->x, c, p->eps);
        double sums[2];
        back_sums(b, c, d, sums);
        if (b->dx->data) back_channel(b, c, d, sums);
        if (b->dweight[WEIGHT]) convd_vector_add(&p->weight, c, sums[1], b->dweight[WEIGHT]);
        if (b->dweight[BIAS]) convd_vector_add(&p->bias, c, sums[0], b->dweight[BIAS]);
    }
}

static bool weight_shape(const struct convd_site *s, size_t row, struct convd_tensor *t)
{
    const struct params *p = s->params;
    return row <= BIAS && convd_vector_shape(row == WEIGHT ? &p->weight : &p->bias, s->y.c, t);
}

static const char *torch(const struct convd_site *s, struct convd_arena *mem)
{
    return convd_arena_printf(mem, "$instance_norm({x}, {weight:%td}, {bias:%td}, {eps})", s->y.c,
                              s->y.c);
}

static const struct convd_helper helpers[] = {
    {"instance_norm",
     "def instance_norm(x, weight, bias, eps):\n"
     "    \"\"\"F.instance_norm, also for a single pixel, and for eps 0 on a constant.\"\"\"\n"
     "    v = x.double() - x.double().mean((2, 3), keepdim=True)\n"
     "    var = v.square().mean((2, 3), keepdim=True) + eps\n"
     "    y = torch.where(var == 0, torch.zeros_like(v), v / var.sqrt())\n"
     "    if weight is not None:\n"
     "        y = y * weight[:, None, None]\n"
     "    return (y if bias is None else y + bias[:, None, None]).float()"},
    {NULL, NULL},
};
static const float left_out[] = {1, 0, NAN};
static const struct convd_learning learning = {.left_out = left_out};

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
    .backward = backward,
    .weight_shape = weight_shape,
    .pack = pack,
    .torch_of = torch,
    .helpers = helpers,
    .learning = &learning,
    .ns = 2.8,
};
