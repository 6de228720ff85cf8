/* linear: every output number is a weighted sum of all input numbers, plus a bias.
 * x [c,h,w], flattened in that order to `in` numbers; weight [out,in]; y [out,1,1], y[o] = bias[o] + sum w[o,i] * x[i].
 * Summed in double. NaN propagates. Equals torch.nn.functional.linear, but for the shape out x 1 x 1. */
#include "vector.h"
#include <string.h>

struct params {
    struct convd_weight weight, bias;
};
// clang-format off
static const struct convd_param params[] = {
    {AT(weight), .type = CONVD_P_WEIGHT,
     .summary = "out x in numbers, or an init with out_features",
     .aliases = "W kernel", .flags = CONVD_LEARNABLE | CONVD_NO_KERNELS | CONVD_INIT_OUT},
    BIAS_PARAM(bias, "added to each output: out numbers", "b"),
    CONVD_PARAM_END,
};
// clang-format on

struct state {
    const float *weight; /* out x in */
    float *bias;         /* out      */
    ptrdiff_t in;
};

/* Input numbers, 0 when they cannot be counted. */
static ptrdiff_t inputs(const struct convd_shape *x)
{
    ptrdiff_t n;
    if (__builtin_mul_overflow(x->c, x->h, &n) || __builtin_mul_overflow(n, x->w, &n)) return 0;
    return n;
}

static bool shape(struct convd_site *s, struct convd_faults *f)
{
    const struct params *p = s->params;
    const struct convd_weight *w = &p->weight;
    ptrdiff_t in = inputs(&s->x[0]), out = w->out;
    if (w->kind != CONVD_W_INIT) {
        if (!w->array.data || w->array.rank != 2 || w->array.dim[1] != in) {
            struct convd_fault *x =
                w->array.rank == 2 ? convd_fault(f, CONVD_BAD_SHAPE, "weight",
                                                 "weight is %tdx%td, the input has %td numbers",
                                                 w->array.dim[0], w->array.dim[1], in)
                                   : convd_fault(f, CONVD_BAD_SHAPE, "weight",
                                                 "weight has %d dimensions", w->array.rank);
            x->expected = convd_arena_printf(f->mem, "out x %td numbers: the input is %tdx%tdx%td",
                                             in, s->x[0].c, s->x[0].h, s->x[0].w);
            return false;
        }
        out = w->array.dim[0];
    }
    size_t bytes;
    if (in < 1 || out < 1 || !convd_mul((size_t)in, (size_t)out, &bytes) ||
        !convd_mul(bytes, 2 * sizeof(float), &bytes)) {
        convd_fault(f, CONVD_BAD_SHAPE, "weight", "%td inputs and %td outputs make no weight", in,
                    out);
        return false;
    }
    s->y = (struct convd_shape){s->y.n, out, 1, 1};
    return convd_vector_check(&p->bias, out, "bias", f);
}

static void cost(const struct convd_site *s, struct convd_cost *c)
{
    const struct params *p = s->params;
    size_t in = (size_t)inputs(&s->x[0]), out = (size_t)s->y.c;
    c->macs = (double)in * (double)out;
    c->weights = in * out + convd_vector_count(&p->bias, s->y.c);
    c->state = sizeof(struct state) + out * sizeof(float) +
               (p->weight.kind == CONVD_W_INIT ? in * out * sizeof(float) : 0) + 192;
}

static const void *prepare(const struct convd_site *s, struct convd_arena *mem,
                           struct convd_faults *f)
{
    const struct params *p = s->params;
    ptrdiff_t in = inputs(&s->x[0]), out = s->y.c;
    struct state *state = convd_arena_zero(mem, sizeof *state);
    float *bias = convd_arena_array(mem, (size_t)out, sizeof *bias);
    float *made = p->weight.kind == CONVD_W_INIT
                      ? convd_arena_array(mem, (size_t)out * (size_t)in, sizeof *made)
                      : NULL;
    if (!state || !bias || (p->weight.kind == CONVD_W_INIT && !made)) {
        convd_fault(f, CONVD_NO_MEMORY, "weight", "no memory for %tdx%td weights", out, in);
        return NULL;
    }
    if (made)
        convd_weight_init(p->weight.init, weight_seed(&p->weight, s->position), p->weight.gain,
                          (ptrdiff_t[]){out, in, 1, 1}, made);
    convd_vector_fill(&p->bias, out, 0, s->position, bias);
    *state = (struct state){made ? made : p->weight.array.data, bias, in};
    return state;
}

static bool rows(const struct convd_site *s, size_t i, struct convd_rows y, struct convd_rows *x)
{
    (void)s, (void)i, (void)y, (void)x;
    return false;
}

static void window(const struct convd_site *s, struct convd_window *w)
{
    (void)s;
    *w = (struct convd_window){.whole = true};
}

static size_t scratch(const struct convd_site *s, ptrdiff_t n)
{
    (void)n;
    return (size_t)inputs(&s->x[0]) * sizeof(float);
}

enum { LANES = 8 }; /* partial sums side by side */

static double dot(const float *a, const float *b, ptrdiff_t n)
{
    double part[LANES] = {0}, sum = 0;
    ptrdiff_t i = 0;
    for (; i + LANES <= n; i += LANES)
        for (int k = 0; k < LANES; k++) part[k] += (double)a[i + k] * (double)b[i + k];
    for (; i < n; i++) sum += (double)a[i] * (double)b[i];
    for (int k = 0; k < LANES; k++) sum += part[k];
    return sum;
}

static void forward(const struct convd_call *call)
{
    const struct state *state = call->site->state;
    const struct convd_view *x = call->x, *y = call->y;
    float *flat = call->scratch;
    for (ptrdiff_t c = 0; c < x->c; c++)
        for (ptrdiff_t i = 0; i < x->h; i++, flat += x->w)
            memcpy(flat, convd_row(x, c, i), (size_t)x->w * sizeof *flat);
    for (ptrdiff_t o = 0; o < y->c; o++)
        *convd_row(y, o, 0) = (float)((double)state->bias[o] +
                                      dot(state->weight + o * state->in, call->scratch, state->in));
}

/* ---- backward: dx[i] = sum over o of w[o,i] dy[o], dw[o,i] = dy[o] x[i], dbias = dy ---- */

enum { WEIGHT, BIAS, RUN = 256 }; /* places among the params rows; inputs at once */

/* Inputs [from,to), counted in the order c, h, w: what all outputs give back to each. */
static void back_inputs(const struct convd_back *b, ptrdiff_t from, ptrdiff_t to)
{
    const struct state *state = b->site->state;
    const struct convd_view *x = b->dx;
    double sum[RUN];
    for (ptrdiff_t at = from, n; at < to; at += n) {
        n = least(least(to - at, RUN), x->row == x->w ? RUN : x->w - at % x->w);
        n = x->plane == x->h * x->w ? n : least(n, x->h * x->w - at % (x->h * x->w));
        for (ptrdiff_t i = 0; i < n; i++) sum[i] = 0;
        for (ptrdiff_t o = 0; o < b->dy->c; o++) {
            const double dy = (double)*convd_row(b->dy, o, 0);
            const float *w = state->weight + o * state->in + at;
            for (ptrdiff_t i = 0; i < n; i++) sum[i] += (double)w[i] * dy;
        }
        float *dx = convd_row(x, at / (x->h * x->w), at / x->w % x->h) + at % x->w;
        for (ptrdiff_t i = 0; i < n; i++) dx[i] += (float)sum[i];
    }
}

/* Outputs [from,to): their rows of the weight. */
static void back_weight(const struct convd_back *b, ptrdiff_t from, ptrdiff_t to)
{
    const struct state *state = b->site->state;
    const struct convd_view *x = b->x;
    for (ptrdiff_t o = from; o < to; o++) {
        const float dy = *convd_row(b->dy, o, 0);
        float *w = b->dweight[WEIGHT] + o * state->in;
        for (ptrdiff_t c = 0; c < x->c; c++)
            for (ptrdiff_t i = 0; i < x->h; i++, w += x->w) {
                const float *row = convd_row(x, c, i);
                for (ptrdiff_t j = 0; j < x->w; j++) w[j] += dy * row[j];
            }
    }
}

static void backward(const struct convd_back *b)
{
    const struct params *p = b->site->params;
    const ptrdiff_t in = ((const struct state *)b->site->state)->in;
    const struct convd_rows i = convd_share(in, b->part, b->parts),
                            o = convd_share(b->dy->c, b->part, b->parts);
    if (b->dx->data) back_inputs(b, i.y0, i.y1);
    if (b->dweight[WEIGHT]) back_weight(b, o.y0, o.y1);
    for (ptrdiff_t k = o.y0; b->dweight[BIAS] && k < o.y1; k++)
        convd_vector_add(&p->bias, k, (double)*convd_row(b->dy, k, 0), b->dweight[BIAS]);
}

static bool weight_shape(const struct convd_site *s, size_t row, struct convd_tensor *t)
{
    const struct params *p = s->params;
    if (row == BIAS) return convd_vector_shape(&p->bias, s->y.c, t);
    *t = (struct convd_tensor){.name = "", .rank = 2, .dim = {s->y.c, inputs(&s->x[0])}};
    return row == WEIGHT;
}

/* The weight is used where it was written. */
static void pack(const struct convd_site *s, void *state)
{
    const struct params *p = s->params;
    convd_vector_fill(&p->bias, s->y.c, 0, s->position, ((struct state *)state)->bias);
}

static void look(const struct convd_site *s, struct convd_place at, struct convd_look *l)
{
    const struct convd_shape *x = &s->x[0];
    *l = (struct convd_look){.kind = CONVD_LOOK_SUM,
                             .channels = x->c,
                             .kh = x->h,
                             .kw = x->w,
                             .dy = 1,
                             .dx = 1,
                             .bias = (double)((const struct state *)s->state)->bias[at.c]};
}

static double weigh(const struct convd_site *s, struct convd_place at, ptrdiff_t q, ptrdiff_t a,
                    ptrdiff_t b)
{
    const struct convd_shape *x = &s->x[0];
    const struct state *state = s->state;
    return (double)state->weight[at.c * state->in + (q * x->h + a) * x->w + b];
}

static const char *torch(const struct convd_site *s, struct convd_arena *mem)
{
    const ptrdiff_t in = inputs(&s->x[0]), out = s->y.c;
    return convd_arena_printf(mem,
                              "F.linear({x}.flatten(1), {weight:%td,%td}, {bias:%td})"
                              "[:, :, None, None]",
                              out, in, out);
}

const struct convd_op convd_op_linear = {
    .name = "linear",
    .group = CONVD_CHANNELS,
    .summary = "weighted sums of all numbers",
    .aliases = "Linear fc fully_connected",
    .example = "grayscale/resize:1x2/linear:1x1;1x-1",
    .source = "torch.nn.functional.linear",
    .params = params,
    .params_size = sizeof(struct params),
    .algorithm = "dot",
    .shape = shape,
    .cost = cost,
    .window = window,
    .rows = rows,
    .prepare = prepare,
    .scratch = scratch,
    .forward = forward,
    .backward = backward,
    .back_skips_y = true,
    .weight_shape = weight_shape,
    .pack = pack,
    .look = look,
    .weigh = weigh,
    .torch_of = torch,
};
