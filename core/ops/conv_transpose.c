/* conv_transpose: the gradient of conv with respect to its input, used forward: every input number spreads the kernel,
 * times itself, over the output.
 * x [in,h,w], weight [in,out/groups,kh,kw] -> y [out,oh,ow],
 * oh = (h - 1) * stride - top - bottom + dilation * (kh - 1) + output_padding + 1. y[o, i, j] = bias[o] + the sum over
 * channels c of o's group and taps (t, u) of x[c, r, s] * weight[c, o, t, u] where r * stride + t * dilation = i + top
 * (and s alike), added in the order c, t, u. NaN propagates. flip turns the kernel by 180 degrees.
 * Equals torch.nn.functional.conv_transpose2d.
 * Source: Zeiler, Krishnan, Taylor, Fergus 2010, "Deconvolutional networks". */
#include "conv_transpose.h"

#undef AT
#define AT(FIELD) OF(convd_conv_transpose, FIELD)
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
    const struct convd_conv_transpose *p = params_;
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
    const struct convd_conv_transpose *p = s->params;
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
    const struct convd_conv_transpose *p = s->params;
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
    const struct convd_conv_transpose *p = s->params;
    bool init = p->weight.kind == CONVD_W_INIT;
    dim[0] = s->x[0].c;
    dim[1] = s->y.c / p->groups;
    dim[2] = init ? p->weight.size.h : p->weight.array.dim[2];
    dim[3] = init ? p->weight.size.w : p->weight.array.dim[3];
}

static void cost(const struct convd_site *s, struct convd_cost *c)
{
    const struct convd_conv_transpose *p = s->params;
    ptrdiff_t dim[4];
    known_dims(s, dim);
    size_t weights = (size_t)dim[0] * (size_t)dim[1] * (size_t)dim[2] * (size_t)dim[3];
    c->macs = (double)weights * (double)s->x[0].h * (double)s->x[0].w;
    c->weights = weights + convd_vector_count(&p->bias, s->y.c);
    c->state = sizeof(struct convd_conv_transpose_state) + (size_t)s->y.c * sizeof(float) +
               2 * weights * sizeof(float) + 256;
}

static void window(const struct convd_site *s, struct convd_window *w)
{
    const struct convd_conv_transpose *p = s->params;
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
    const struct convd_conv_transpose *p = s->params;
    ptrdiff_t dim[4], h = s->x[0].h;
    (void)i;
    known_dims(s, dim);
    ptrdiff_t lo = y.y0 + p->padding.top - (dim[2] - 1) * p->dilation.h;
    x->y0 = lo <= 0 ? 0 : least((lo + p->stride.h - 1) / p->stride.h, h - 1);
    x->y1 = most(least((y.y1 - 1 + p->padding.top) / p->stride.h + 1, h), x->y0 + 1);
    return true;
}

struct convd_corr convd_conv_transpose_corr(const struct convd_site *s)
{
    const struct convd_conv_transpose *p = s->params;
    ptrdiff_t dim[4];
    known_dims(s, dim);
    return (struct convd_corr){.window = {.kh = dim[2],
                                          .kw = dim[3],
                                          .sh = p->stride.h,
                                          .sw = p->stride.w,
                                          .dh = p->dilation.h,
                                          .dw = p->dilation.w,
                                          .top = p->padding.top,
                                          .left = p->padding.left},
                               .mode = CONVD_MODE_ZEROS,
                               .groups = p->groups,
                               .in = dim[1],
                               .out = dim[0] / p->groups,
                               .x = s->y,
                               .y = s->x[0],
                               .simd = s->simd};
}

static float number(const struct convd_site *s, const ptrdiff_t dim[4], size_t at)
{
    const struct convd_weight *w = &((const struct convd_conv_transpose *)s->params)->weight;
    if (w->kind != CONVD_W_INIT) return w->array.data[at];
    return convd_weight_number(w->init, weight_seed(w, s->position), w->gain, dim, at);
}

void convd_conv_transpose_pack(const struct convd_site *s, void *state_)
{
    const struct convd_conv_transpose *p = s->params;
    const struct convd_corr r = convd_conv_transpose_corr(s);
    struct convd_conv_transpose_state *state = state_;
    ptrdiff_t dim[4];
    size_t at = 0;
    known_dims(s, dim);
    for (ptrdiff_t c = 0; c < dim[0]; c++)
        for (ptrdiff_t o = 0; o < dim[1]; o++)
            for (ptrdiff_t t = 0; t < dim[2]; t++)
                for (ptrdiff_t u = 0; u < dim[3]; u++) {
                    const ptrdiff_t a = p->flip ? dim[2] - 1 - t : t,
                                    b = p->flip ? dim[3] - 1 - u : u;
                    state->gather[convd_gather_index(&r, c, o, a, b)] = number(s, dim, at++);
                }
    convd_spread_pack(&r, state->gather, state->spread);
    convd_vector_fill(&p->bias, s->y.c, 0, s->position, state->bias);
}

static const void *prepare(const struct convd_site *s, struct convd_arena *mem,
                           struct convd_faults *f)
{
    const struct convd_corr r = convd_conv_transpose_corr(s);
    struct convd_conv_transpose_state *state = convd_arena_zero(mem, sizeof *state);
    if (state) {
        state->bias = convd_arena_array(mem, (size_t)s->y.c, sizeof(float));
        state->gather = convd_arena_array(mem, convd_corr_count(&r), sizeof(float));
        state->spread = convd_arena_array(mem, convd_corr_count(&r), sizeof(float));
    }
    if (!state || !state->bias || !state->gather || !state->spread) {
        convd_fault(f, CONVD_NO_MEMORY, "weight", "no memory for the weights");
        return NULL;
    }
    convd_conv_transpose_pack(s, state);
    return state;
}

/* ---- numbers ---- */

static size_t scratch(const struct convd_site *s, ptrdiff_t n)
{
    const struct convd_corr r = convd_conv_transpose_corr(s);
    (void)n;
    return convd_spread_bytes(&r);
}

static void forward(const struct convd_call *call)
{
    const struct convd_conv_transpose_state *state = call->site->state;
    const struct convd_corr r = convd_conv_transpose_corr(call->site);
    const struct convd_view *y = call->y;
    for (ptrdiff_t o = 0; o < y->c; o++)
        for (ptrdiff_t i = y->y0; i < y->y1; i++) {
            float *row = convd_row(y, o, i);
            for (ptrdiff_t j = 0; j < y->w; j++) row[j] = state->bias[o];
        }
    convd_spread(&r, state->spread, call->x, y, call->scratch);
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
    const ptrdiff_t a = convd_common(stride, dilation);
    ptrdiff_t t = 0;
    struct meeting m = {.step = stride / a, .by = dilation / a};
    while (t < m.step && t < k && (i + before - t * dilation) % stride) t++;
    if (t >= m.step || t >= k) return m;
    m.n = (k - 1 - t) / m.step + 1;
    m.first = t + (m.n - 1) * m.step;
    m.at = (i + before - m.first * dilation) / stride;
    return m;
}

static ptrdiff_t known_side(const struct convd_site *s, int d)
{
    ptrdiff_t dim[4];
    known_dims(s, dim);
    return dim[d];
}

static struct meeting meet_h(const struct convd_site *s, ptrdiff_t i)
{
    const struct convd_conv_transpose *p = s->params;
    return meet(i, p->padding.top, known_side(s, 2), p->stride.h, p->dilation.h);
}

static struct meeting meet_w(const struct convd_site *s, ptrdiff_t j)
{
    const struct convd_conv_transpose *p = s->params;
    return meet(j, p->padding.left, known_side(s, 3), p->stride.w, p->dilation.w);
}

static void look(const struct convd_site *s, struct convd_place at, struct convd_look *l)
{
    const struct convd_conv_transpose *p = s->params;
    const struct convd_conv_transpose_state *state = s->state;
    const struct meeting y = meet_h(s, at.i), x = meet_w(s, at.j);
    const ptrdiff_t in = s->x[0].c / p->groups;
    *l = (struct convd_look){.kind = CONVD_LOOK_SUM,
                             .c = at.c / (s->y.c / p->groups) * in,
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
    const struct convd_conv_transpose_state *state = s->state;
    const struct meeting y = meet_h(s, at.i), x = meet_w(s, at.j);
    const struct convd_corr r = convd_conv_transpose_corr(s);
    return (double)state->gather[convd_gather_index(&r, at.c / r.in * r.out + q, at.c % r.in,
                                                    y.first - a * y.step, x.first - b * x.step)];
}

/* torch takes as much off both ends; where they differ the whole result is cut. */
static const char *torch(const struct convd_site *s, struct convd_arena *mem)
{
    const struct convd_conv_transpose *p = s->params;
    const struct convd_padding *q = &p->padding;
    ptrdiff_t dim[4];
    known_dims(s, dim);
    const bool even = q->top == q->bottom && q->left == q->right;
    const char *w = convd_arena_printf(mem, "{weight:%td,%td,%td,%td}%s", dim[0], dim[1], dim[2],
                                       dim[3], p->flip ? ".flip(2, 3)" : "");
    if (!w) return NULL;
    return even
               ? convd_arena_printf(mem,
                                    "F.conv_transpose2d({x}, %s, {bias:%td}, {stride}, (%td, %td), "
                                    "{output_padding}, {groups}, {dilation})",
                                    w, s->y.c, q->top, q->left)
               : convd_arena_printf(mem,
                                    "F.conv_transpose2d({x}, %s, {bias:%td}, {stride}, 0, "
                                    "{output_padding}, {groups}, {dilation})"
                                    "[:, :, %td:%td, %td:%td]",
                                    w, s->y.c, q->top, q->top + s->y.h, q->left, q->left + s->y.w);
}

const struct convd_op convd_op_conv_transpose = {
    .name = "conv_transpose",
    .group = CONVD_CONVOLUTION,
    .summary = "convolution turned round: each number spreads the kernel over the result",
    .example = "[{\"op\":\"conv_transpose\",\"weight\":{\"init\":\"he_normal\",\"out_channels\":3,"
               "\"kernel_size\":4},\"stride\":2}]",
    .aliases = "conv_transpose2d ConvTranspose ConvTranspose2d convtranspose deconv",
    .source = "torch.nn.functional.conv_transpose2d",
    .params = params,
    .params_size = sizeof(struct convd_conv_transpose),
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
    .backward = convd_conv_transpose_backward,
    .back_skips_y = true,
    .back_scratch = convd_conv_transpose_back_scratch,
    .weight_shape = convd_conv_transpose_weight_shape,
    .pack = convd_conv_transpose_pack,
    .look = look,
    .weigh = weigh,
    .torch_of = torch,
};
