/* conv_transpose: the gradient of conv with respect to its input, used forward: every input number spreads the kernel,
 * times itself, over the output.
 * x [in,h,w], weight [in,out/groups,kh,kw] -> y [out,oh,ow],
 * oh = (h - 1) * stride - top - bottom + dilation * (kh - 1) + output_padding + 1. y[o, i, j] = bias[o] + the sum over
 * channels c of o's group and taps (t, u) of x[c, r, s] * weight[c, o, t, u] where r * stride + t * dilation = i + top
 * (and s alike). Sums in double, in the order c, t, u. NaN propagates. flip turns the kernel by 180 degrees.
 * Equals torch.nn.functional.conv_transpose2d.
 * Source: Zeiler, Krishnan, Taylor, Fergus 2010, "Deconvolutional networks". */
#include "vector.h"

struct params {
    struct convd_weight weight, bias;
    struct convd_pair stride;
    struct convd_padding padding;
    struct convd_pair dilation;
    ptrdiff_t groups;
    bool flip;
    struct convd_pair output_padding;
};
// clang-format off
static const struct convd_param params[] = {
    {AT(weight), .type = CONVD_P_WEIGHT,
     .summary = "in x out/groups x kh x kw numbers, or an init with out_channels",
     .aliases = "W kernel",
     .flags = CONVD_LEARNABLE | CONVD_NO_KERNELS | CONVD_INIT_OUT | CONVD_INIT_SIZE},
    BIAS_PARAM(bias, "added to each output channel: out numbers", "b"),
    {AT(stride), .type = CONVD_P_PAIR, .def = "1", .lo = 1, .hi = 4096,
     .summary = "pixels between the kernels of neighbours", .aliases = "strides"},
    {AT(padding), .type = CONVD_P_PADDING, .def = "0", .lo = 0, .hi = 65536,
     .summary = "pixels taken off each side of the result", .aliases = "pad pads", .flags = CONVD_NO_SAME},
    {AT(dilation), .type = CONVD_P_PAIR, .def = "1", .lo = 1, .hi = 4096,
     .summary = "distance between taps, pixels",
     .aliases = "dilations"},
    {AT(groups), .type = CONVD_P_INT, .def = "1", .lo = 1, .hi = 65536,
     .summary = "groups of channels that do not see each other", .aliases = "group"},
    {AT(flip), .type = CONVD_P_BOOL, .def = "false", .summary = "the kernel turned by 180 degrees"},
    {AT(output_padding), .type = CONVD_P_PAIR, .def = "0", .lo = 0, .hi = 4095,
     .summary = "rows and columns added at the end; less than stride or dilation"},
    CONVD_PARAM_END,
};
// clang-format on

struct state {
    const float *weight, *bias;
    ptrdiff_t out, kh, kw; /* out: of a group */
};

/* ---- shapes ---- */

static const struct convd_rule rules[] = {
    {"output_padding", CONVD_OUT_OF_RANGE, "less than the larger of stride and dilation"},
    {"weight", CONVD_OUT_OF_RANGE, "sides of at most max_kernel"},
    {.member = NULL},
};

static bool check_output_padding(ptrdiff_t padding, ptrdiff_t stride, ptrdiff_t dilation,
                                 struct convd_faults *f)
{
    if (padding < most(stride, dilation)) return true;
    struct convd_fault *x =
        convd_fault(f, CONVD_OUT_OF_RANGE, "output_padding", "output_padding is %td", padding);
    x->expected = convd_arena_printf(f->mem, "less than %td, the larger of stride and dilation",
                                     most(stride, dilation));
    return false;
}

static bool check(const void *params_, struct convd_faults *f)
{
    const struct params *p = params_;
    return check_output_padding(p->output_padding.h, p->stride.h, p->dilation.h, f) &&
           check_output_padding(p->output_padding.w, p->stride.w, p->dilation.w, f);
}

/* The limit on kernels, for arrays: an init's size was held against it when it was read. */
static bool sides_fit(const struct convd_weight *w, const ptrdiff_t dim[4], struct convd_faults *f)
{
    ptrdiff_t longest = most(dim[2], dim[3]);
    if (longest <= w->max_side) return true;
    struct convd_fault *x =
        convd_fault_limit(f, CONVD_OUT_OF_RANGE, "weight", (double)w->max_side, (double)longest,
                          "the kernels are %tdx%td", dim[2], dim[3]);
    x->expected = convd_arena_printf(f->mem, "sides of at most %td", w->max_side);
    return false;
}

/* in, out of a group, kh, kw; false after a fault. */
static bool weight_dims(const struct convd_site *s, ptrdiff_t dim[4], struct convd_faults *f)
{
    const struct params *p = s->params;
    const struct convd_weight *w = &p->weight;
    if (s->x[0].c % p->groups) {
        convd_fault_expected(f, CONVD_BAD_SHAPE, "groups", "a divisor of the input's channels",
                             "%td channels do not make %td groups", s->x[0].c, p->groups);
        return false;
    }
    if (w->kind == CONVD_W_INIT) {
        dim[0] = s->x[0].c, dim[1] = w->out / p->groups, dim[2] = w->size.h, dim[3] = w->size.w;
        if (w->out % p->groups == 0) return true;
        convd_fault_expected(f, CONVD_BAD_SHAPE, "groups", "a divisor of out_channels",
                             "%td output channels do not make %td groups", w->out, p->groups);
        return false;
    }
    for (int d = 0; d < 4; d++) dim[d] = w->array.dim[d];
    if (w->array.data && w->array.rank == 4 && dim[0] == s->x[0].c) return sides_fit(w, dim, f);
    struct convd_fault *x =
        w->array.rank == 4
            ? convd_fault(f, CONVD_BAD_SHAPE, "weight",
                          "weight begins with %td, the input has %td channels", dim[0], s->x[0].c)
            : convd_fault(f, CONVD_BAD_SHAPE, "weight", "weight has %d dimensions", w->array.rank);
    x->expected = convd_arena_printf(f->mem, "%td x out/groups x kh x kw numbers", s->x[0].c);
    return false;
}

static ptrdiff_t side(ptrdiff_t n, ptrdiff_t k, ptrdiff_t stride, ptrdiff_t dilation, ptrdiff_t cut,
                      ptrdiff_t more)
{
    ptrdiff_t y;
    if (__builtin_mul_overflow(n - 1, stride, &y) ||
        __builtin_add_overflow(y, dilation * (k - 1) + 1 + more - cut, &y))
        return PTRDIFF_MAX;
    return y;
}

static bool shape(struct convd_site *s, struct convd_faults *f)
{
    const struct params *p = s->params;
    const struct convd_padding *q = &p->padding;
    ptrdiff_t dim[4];
    size_t bytes = sizeof(float);
    if (!weight_dims(s, dim, f)) return false;
    for (int d = 0; d < 4; d++)
        if (!convd_mul(bytes, (size_t)dim[d], &bytes) || bytes > PTRDIFF_MAX / 2) {
            convd_fault(f, CONVD_BAD_SHAPE, "weight", "%tdx%tdx%tdx%td makes no weight", dim[0],
                        dim[1], dim[2], dim[3]);
            return false;
        }
    s->y = (struct convd_shape){
        s->y.n,
        dim[1] * p->groups,
        side(s->x[0].h, dim[2], p->stride.h, p->dilation.h, q->top + q->bottom,
             p->output_padding.h),
        side(s->x[0].w, dim[3], p->stride.w, p->dilation.w, q->left + q->right,
             p->output_padding.w),
    };
    if (s->y.h < 1 || s->y.w < 1) {
        convd_fault_expected(f, CONVD_BAD_SHAPE, "padding",
                             "less padding, which takes pixels off the result",
                             "the result would be %tdx%td", s->y.h, s->y.w);
        return false;
    }
    return convd_vector_check(&p->bias, s->y.c, "bias", f);
}

/* The dims of a weight that shape has let through. */
static void known_dims(const struct convd_site *s, ptrdiff_t dim[4])
{
    const struct params *p = s->params;
    bool init = p->weight.kind == CONVD_W_INIT;
    dim[0] = s->x[0].c;
    dim[1] = s->y.c / p->groups;
    dim[2] = init ? p->weight.size.h : p->weight.array.dim[2];
    dim[3] = init ? p->weight.size.w : p->weight.array.dim[3];
}

static void cost(const struct convd_site *s, struct convd_cost *c)
{
    const struct params *p = s->params;
    ptrdiff_t dim[4];
    known_dims(s, dim);
    size_t weights = (size_t)dim[0] * (size_t)dim[1] * (size_t)dim[2] * (size_t)dim[3];
    c->macs = (double)weights * (double)s->x[0].h * (double)s->x[0].w;
    c->weights = weights + convd_vector_count(&p->bias, s->y.c);
    c->state = sizeof(struct state) + (size_t)s->y.c * sizeof(float) +
               (p->weight.kind == CONVD_W_INIT ? weights * sizeof(float) : 0) + 192;
}

static void window(const struct convd_site *s, struct convd_window *w)
{
    const struct params *p = s->params;
    ptrdiff_t dim[4];
    known_dims(s, dim);
    *w = (struct convd_window){
        .kh = ((dim[2] - 1) * p->dilation.h + p->stride.h) / p->stride.h,
        .kw = ((dim[3] - 1) * p->dilation.w + p->stride.w) / p->stride.w,
        .sh = 1,
        .sw = 1,
        .dh = 1,
        .dw = 1,
    };
}

static bool rows(const struct convd_site *s, size_t i, struct convd_rows y, struct convd_rows *x)
{
    const struct params *p = s->params;
    ptrdiff_t dim[4], h = s->x[0].h;
    (void)i;
    known_dims(s, dim);
    ptrdiff_t lo = y.y0 + p->padding.top - (dim[2] - 1) * p->dilation.h;
    x->y0 = lo <= 0 ? 0 : least((lo + p->stride.h - 1) / p->stride.h, h - 1);
    x->y1 = most(least((y.y1 - 1 + p->padding.top) / p->stride.h + 1, h), x->y0 + 1);
    return true;
}

static const void *prepare(const struct convd_site *s, struct convd_arena *mem,
                           struct convd_faults *f)
{
    const struct params *p = s->params;
    ptrdiff_t dim[4];
    known_dims(s, dim);
    struct state *state = convd_arena_zero(mem, sizeof *state);
    float *bias = convd_arena_array(mem, (size_t)s->y.c, sizeof *bias);
    float *made = NULL;
    bool init = p->weight.kind == CONVD_W_INIT;
    if (init)
        made = convd_arena_array(
            mem, (size_t)dim[0] * (size_t)dim[1] * (size_t)dim[2] * (size_t)dim[3], sizeof *made);
    if (!state || !bias || (init && !made)) {
        convd_fault(f, CONVD_NO_MEMORY, "weight", "no memory for the weights");
        return NULL;
    }
    if (made)
        convd_weight_init(p->weight.init, weight_seed(&p->weight, s->position), p->weight.gain, dim,
                          made);
    convd_vector_fill(&p->bias, s->y.c, 0, s->position, bias);
    *state = (struct state){made ? made : p->weight.array.data, bias, dim[1], dim[2], dim[3]};
    return state;
}

/* ---- numbers ---- */

static size_t scratch(const struct convd_site *s, ptrdiff_t n)
{
    (void)n;
    return (size_t)s->y.w * sizeof(double);
}

/* sum[s * stride + shift] += w * x[s] for the s that land inside. */
static void spread(double *restrict sum, ptrdiff_t n, const float *restrict x, ptrdiff_t m,
                   ptrdiff_t stride, ptrdiff_t shift, double w)
{
    ptrdiff_t lo = shift >= 0 ? 0 : (-shift + stride - 1) / stride;
    ptrdiff_t hi = n - shift <= 0 ? 0 : least((n - 1 - shift) / stride + 1, m);
    if (stride == 1)
        for (ptrdiff_t j = lo; j < hi; j++) sum[j + shift] += w * (double)x[j];
    else
        for (ptrdiff_t j = lo; j < hi; j++) sum[j * stride + shift] += w * (double)x[j];
}

/* Adds what channel c gives to row i of output o (counted inside its group). */
static void add_channel(const struct convd_call *call, double *sum, ptrdiff_t c, ptrdiff_t o,
                        ptrdiff_t i)
{
    const struct params *p = call->site->params;
    const struct state *state = call->site->state;
    const float *k = state->weight + (c * state->out + o) * state->kh * state->kw;
    for (ptrdiff_t t = 0; t < state->kh; t++) {
        ptrdiff_t at = i + p->padding.top - t * p->dilation.h, r = at / p->stride.h;
        if (at < 0 || at % p->stride.h || r >= call->x->h) continue;
        const float *x = convd_row(call->x, c, r);
        for (ptrdiff_t u = 0; u < state->kw; u++) {
            ptrdiff_t tap = t * state->kw + u;
            spread(sum, call->y->w, x, call->x->w, p->stride.w, u * p->dilation.w - p->padding.left,
                   (double)k[p->flip ? state->kh * state->kw - 1 - tap : tap]);
        }
    }
}

static void forward(const struct convd_call *call)
{
    const struct params *p = call->site->params;
    const struct state *state = call->site->state;
    const struct convd_view *y = call->y;
    const ptrdiff_t in = call->x->c / p->groups; /* of a group */
    double *sum = (double *)(void *)call->scratch;
    for (ptrdiff_t o = 0; o < y->c; o++)
        for (ptrdiff_t i = y->y0; i < y->y1; i++) {
            float *out = convd_row(y, o, i);
            ptrdiff_t group = o / state->out;
            for (ptrdiff_t j = 0; j < y->w; j++) sum[j] = (double)state->bias[o];
            for (ptrdiff_t c = group * in; c < (group + 1) * in; c++)
                add_channel(call, sum, c, o % state->out, i);
            for (ptrdiff_t j = 0; j < y->w; j++) out[j] = (float)sum[j];
        }
}

/* ---- the probe ---- */

/* The taps that meet row (or column) i of the result, as a window on the input: those t for which i + before - t *
 * dilation is a multiple of the stride. They follow each other at equal distances. */
struct meeting {
    ptrdiff_t first, step,
        n;            /* the tap that meets the first number, from it to the next, how many */
    ptrdiff_t at, by; /* place of the first number, from one to the next                    */
};

static struct meeting meet(ptrdiff_t i, ptrdiff_t before, ptrdiff_t k, ptrdiff_t stride,
                           ptrdiff_t dilation)
{
    ptrdiff_t a = stride, b = dilation, t = 0;
    while (b) {
        ptrdiff_t rest = a % b;
        a = b;
        b = rest;
    }
    struct meeting m = {.step = stride / a, .by = dilation / a};
    while (t < m.step && t < k && (i + before - t * dilation) % stride) t++;
    if (t >= m.step || t >= k) return m;
    m.n = (k - 1 - t) / m.step + 1;
    m.first = t + (m.n - 1) * m.step;
    m.at = (i + before - m.first * dilation) / stride;
    return m;
}

static struct meeting meet_h(const struct convd_site *s, ptrdiff_t i)
{
    const struct params *p = s->params;
    return meet(i, p->padding.top, ((const struct state *)s->state)->kh, p->stride.h,
                p->dilation.h);
}

static struct meeting meet_w(const struct convd_site *s, ptrdiff_t j)
{
    const struct params *p = s->params;
    return meet(j, p->padding.left, ((const struct state *)s->state)->kw, p->stride.w,
                p->dilation.w);
}

static void look(const struct convd_site *s, struct convd_place at, struct convd_look *l)
{
    const struct params *p = s->params;
    const struct state *state = s->state;
    const struct meeting y = meet_h(s, at.i), x = meet_w(s, at.j);
    const ptrdiff_t in = s->x[0].c / p->groups;
    *l = (struct convd_look){.kind = CONVD_LOOK_SUM,
                             .c = at.c / state->out * in,
                             .channels = in,
                             .y = y.at,
                             .x = x.at,
                             .kh = y.n,
                             .kw = x.n,
                             .dy = y.by,
                             .dx = x.by,
                             .mode = CONVD_MODE_ZEROS,
                             .bias = (double)state->bias[at.c]};
}

static double weigh(const struct convd_site *s, struct convd_place at, ptrdiff_t q, ptrdiff_t a,
                    ptrdiff_t b)
{
    const struct params *p = s->params;
    const struct state *state = s->state;
    const struct meeting y = meet_h(s, at.i), x = meet_w(s, at.j);
    const ptrdiff_t c = at.c / state->out * (s->x[0].c / p->groups) + q;
    const ptrdiff_t tap = (y.first - a * y.step) * state->kw + x.first - b * x.step;
    const float *k = state->weight + (c * state->out + at.c % state->out) * state->kh * state->kw;
    return (double)k[p->flip ? state->kh * state->kw - 1 - tap : tap];
}

const struct convd_op convd_op_conv_transpose = {
    .name = "conv_transpose",
    .group = CONVD_CONVOLUTION,
    .summary = "convolution turned round: each number spreads the kernel over the result",
    .aliases = "conv_transpose2d ConvTranspose ConvTranspose2d convtranspose deconv",
    .source = "torch.nn.functional.conv_transpose2d",
    .params = params,
    .params_size = sizeof(struct params),
    .rules = rules,
    .algorithm = "direct",
    .check = check,
    .shape = shape,
    .cost = cost,
    .window = window,
    .rows = rows,
    .prepare = prepare,
    .scratch = scratch,
    .forward = forward,
    .look = look,
    .weigh = weigh,
};
