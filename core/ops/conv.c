/* conv: convolution as in deep learning: cross-correlation of all input channels with a bank of kernels. x
 * [c,h,w], weight [o,c/groups,kh,kw] -> y [o,oh,ow]
 *   y[o,i,j] = bias[o] + sum_cab weight[o,c,a,b] * x[c, i*sh + a*dh - top, j*sw + b*dw - left]
 *   oh = floor((h + top + bottom - dh*(kh-1) - 1) / sh) + 1
 * Taps are added in the order c, a, b. A list of 2-D kernels is a weight whose input channels are the kernel
 * times `across`. flip turns each kernel by 180°. Outside the picture padding_mode decides. NaN propagates.
 * Faults: shapes that do not fit, groups that do not divide, a window larger than the padded picture. Equals
 * torch.nn.functional.conv2d; padding "same" with a stride is ONNX's SAME_UPPER. */
#include "../weight.h"
#include "vector.h"

struct params {
    struct convd_weight weight;
    struct convd_across across;
    struct convd_weight bias;
    struct convd_pair stride;
    struct convd_padding padding;
    struct convd_pair dilation;
    ptrdiff_t groups;
    int padding_mode;
    double padding_value;
    bool flip;
    int layout;
};
enum { OIHW, HWIO };
static const char *const layouts[] = {"OIHW", "HWIO", NULL};

// clang-format off
static const struct convd_param params[] = {
    {AT(weight), .type = CONVD_P_WEIGHT, .aliases = "W kernel kernels filters",
     .flags = CONVD_LEARNABLE | CONVD_INIT_OUT | CONVD_INIT_SIZE,
     .summary = "an array O x I x kh x kw, a list of kernels, \"@tensor\", or {\"init\":…}"},
    {AT(across), .type = CONVD_P_ACROSS, .def = "mean", .words = convd_across_words,
     .summary = "how a list of 2-D kernels is spread over the input channels"},
    BIAS_PARAM(bias, "added to each output: one number a channel", "b B"),
    {AT(stride), .type = CONVD_P_PAIR, .def = "1", .lo = 1, .hi = 4096, .summary = "step, pixels",
     .aliases = "strides"},
    {AT(padding), .type = CONVD_P_PADDING, .def = "0", .lo = 0, .hi = 65536,
     .summary = "border on each side, pixels",
     .aliases = "pad pads"},
    {AT(dilation), .type = CONVD_P_PAIR, .def = "1", .lo = 1, .hi = 4096,
     .summary = "distance between taps, pixels",
     .aliases = "dilations"},
    {AT(groups), .type = CONVD_P_INT, .def = "1", .lo = 1, .hi = 65536, .aliases = "group",
     .summary = "groups of channels that do not see each other; as many as channels: depthwise"},
    PADDING_MODE(params, "zeros"),
    PADDING_VALUE(params),
    {AT(flip), .type = CONVD_P_BOOL, .def = "false",
     .summary = "turn the kernels by 180°: convolution as in textbooks"},
    {AT(layout), .type = CONVD_P_WORD, .def = "OIHW", .words = layouts,
     .summary = "order of a weight array's dimensions"},
    CONVD_PARAM_END,
};
// clang-format on

static const struct convd_rule rules[] = {
    {"weight", CONVD_OUT_OF_RANGE, "sides of at most max_kernel"},
    {.member = NULL},
};

/* ---- what the weight is ---------------------------------------------------------------------- */

/* Outputs, input channels of one group, window. */
struct bank {
    ptrdiff_t o, c, kh, kw;
    bool list; /* 2-D kernels that across spreads */
};
/* k: blocks of up to 4 outputs of a group, in each tap by tap: k[tap][output]. bias: o numbers. */
struct state {
    struct bank bank;
    const float *k, *bias;
};

/* The bank for that many input channels; false when the weight has no more than one dimension. */
static bool measure(const struct params *p, ptrdiff_t channels, struct bank *b)
{
    const struct convd_weight *w = &p->weight;
    const ptrdiff_t *d = w->array.dim;
    *b = (struct bank){.c = channels / p->groups};
    switch (w->kind) {
    case CONVD_W_INIT:
        b->o = w->out;
        b->kh = w->size.h;
        b->kw = w->size.w;
        return true;
    case CONVD_W_KERNELS:
        *b = (struct bank){(ptrdiff_t)w->n_kernels, b->c, w->kernels[0].h, w->kernels[0].w, true};
        return true;
    case CONVD_W_ARRAY:
    case CONVD_W_TENSOR:
        break;
    case CONVD_W_NONE:
        return false;
    }
    if (w->array.rank == 4 && p->layout == HWIO) *b = (struct bank){d[3], d[2], d[0], d[1], false};
    if (w->array.rank == 4 && p->layout == OIHW) *b = (struct bank){d[0], d[1], d[2], d[3], false};
    if (w->array.rank == 3) *b = (struct bank){d[0], b->c, d[1], d[2], true};
    if (w->array.rank == 2) *b = (struct bank){1, b->c, d[0], d[1], true};
    return w->array.data && w->array.rank >= 2;
}

/* Number [o,c,i,j] as it is applied. */
static float number(const struct convd_site *s, const struct bank *b, ptrdiff_t o, ptrdiff_t c,
                    ptrdiff_t i, ptrdiff_t j)
{
    const struct params *p = s->params;
    const struct convd_weight *w = &p->weight;
    if (p->flip) {
        i = b->kh - 1 - i;
        j = b->kw - 1 - j;
    }
    const ptrdiff_t at = i * b->kw + j;
    if (w->kind == CONVD_W_INIT)
        return convd_weight_number(w->init, weight_seed(w, s->position), w->gain,
                                   (ptrdiff_t[]){b->o, b->c, b->kh, b->kw},
                                   (size_t)((o * b->c + c) * b->kh * b->kw + at));
    if (b->list) {
        const float v = w->kind == CONVD_W_KERNELS ? w->kernels[o].v[at]
                                                   : w->array.data[o * b->kh * b->kw + at];
        return (float)((double)v * convd_across_factor(&p->across, c, b->c));
    }
    if (p->layout == HWIO) return w->array.data[(at * b->c + c) * b->o + o];
    return w->array.data[(o * b->c + c) * b->kh * b->kw + at];
}

/* ---- shapes ---------------------------------------------------------------------------------- */

static struct convd_axis axis_h(const struct params *p, const struct bank *b, ptrdiff_t n)
{
    return convd_axis_resolve(p->padding.kind, n, p->padding.top, p->padding.bottom, b->kh,
                              p->stride.h, p->dilation.h, false);
}

static struct convd_axis axis_w(const struct params *p, const struct bank *b, ptrdiff_t n)
{
    return convd_axis_resolve(p->padding.kind, n, p->padding.left, p->padding.right, b->kw,
                              p->stride.w, p->dilation.w, false);
}

static bool check_rank(const struct params *p, struct convd_faults *f)
{
    const struct convd_weight *w = &p->weight;
    if (w->kind == CONVD_W_TENSOR && !w->array.data)
        return false; /* told when the name was looked up */
    convd_fault_expected(f, CONVD_BAD_SHAPE, "weight",
                         "out x in x height x width, or kernels of height x width",
                         "weight has %d dimension%s", w->array.rank, w->array.rank == 1 ? "" : "s");
    return false;
}

static bool check_channels(const struct params *p, const struct bank *b, ptrdiff_t channels,
                           struct convd_faults *f)
{
    bool fine = true;
    if (channels % p->groups != 0 || b->o % p->groups != 0) {
        struct convd_fault *x = convd_fault(
            f, CONVD_BAD_SHAPE, "groups",
            "groups is %td, the input has %td channels, the output %td", p->groups, channels, b->o);
        x->expected = "a number that divides both";
        fine = false;
    } else if (b->c * p->groups != channels) {
        struct convd_fault *x = convd_fault(f, CONVD_BAD_SHAPE, "weight",
                                            "weight is %tdx%tdx%tdx%td, the input has %td channels",
                                            b->o, b->c, b->kh, b->kw, channels);
        x->expected =
            p->groups == 1
                ? convd_arena_printf(f->mem, "a weight for %td channels", channels)
                : convd_arena_printf(f->mem, "a weight for %td channels: the input's in %td groups",
                                     channels / p->groups, p->groups);
        fine = false;
    }
    if (fine && b->list && p->across.word == CONVD_ACROSS_LUMA && b->c != 3) {
        convd_fault_expected(f, CONVD_BAD_SHAPE, "across",
                             "\"mean\", \"sum\", or one number a channel",
                             "luma needs 3 channels, a kernel sees %td", b->c);
        fine = false;
    }
    if (fine && b->list && p->across.word < 0 && (ptrdiff_t)p->across.numbers.n != b->c) {
        convd_fault_expected(f, CONVD_BAD_SHAPE, "across", "one number a channel",
                             "across has %zu number%s, a kernel sees %td channels",
                             p->across.numbers.n, p->across.numbers.n == 1 ? "" : "s", b->c);
        fine = false;
    }
    return fine;
}

static bool check_side(const struct params *p, const struct bank *b, struct convd_faults *f)
{
    const ptrdiff_t longest = most(b->kh, b->kw);
    if (longest <= p->weight.max_side) return true;
    struct convd_fault *x =
        convd_fault_limit(f, CONVD_OUT_OF_RANGE, "weight", (double)p->weight.max_side,
                          (double)longest, "the kernels are %tdx%td", b->kh, b->kw);
    x->expected = convd_arena_printf(f->mem, "sides of at most %td", p->weight.max_side);
    return false;
}

static bool shape(struct convd_site *s, struct convd_faults *f)
{
    const struct params *p = s->params;
    const struct convd_shape *x = &s->x[0];
    struct bank b;
    if (!measure(p, x->c, &b)) return check_rank(p, f);
    bool fine = check_channels(p, &b, x->c, f);
    fine &= check_side(p, &b, f);
    fine &= convd_vector_check(&p->bias, b.o, "bias", f);
    const struct convd_axis h = axis_h(p, &b, x->h), w = axis_w(p, &b, x->w);
    if (h.size < 1 || w.size < 1) {
        convd_fault_expected(f, CONVD_BAD_SHAPE, NULL, "more padding, or a smaller window",
                             "the window covers %tdx%td pixels, the padded input has %tdx%td",
                             p->dilation.h * (b.kh - 1) + 1, p->dilation.w * (b.kw - 1) + 1,
                             x->h + h.before + h.after, x->w + w.before + w.after);
        fine = false;
    }
    s->y = (struct convd_shape){s->y.n, b.o, h.size, w.size};
    return fine;
}

static void cost(const struct convd_site *s, struct convd_cost *c)
{
    const struct params *p = s->params;
    struct bank b;
    size_t n, bytes;
    measure(p, s->x[0].c, &b);
    const double taps = (double)b.c * (double)b.kh * (double)b.kw;
    c->macs = taps * (double)s->y.c * (double)s->y.h * (double)s->y.w;
    if (!convd_mul((size_t)b.o, (size_t)b.c, &n) || !convd_mul(n, (size_t)(b.kh * b.kw), &n) ||
        !convd_mul(n, sizeof(float), &bytes) ||
        !convd_add(bytes, (size_t)b.o * sizeof(float) + sizeof(struct state) + 256, &bytes)) {
        c->weights = c->state = SIZE_MAX / 4; /* no limit allows it */
        return;
    }
    c->weights = n + convd_vector_count(&p->bias, b.o);
    c->state = bytes;
}

static void window(const struct convd_site *s, struct convd_window *w)
{
    const struct params *p = s->params;
    struct bank b;
    measure(p, s->x[0].c, &b);
    *w = (struct convd_window){.kh = b.kh,
                               .kw = b.kw,
                               .sh = p->stride.h,
                               .sw = p->stride.w,
                               .dh = p->dilation.h,
                               .dw = p->dilation.w,
                               .top = axis_h(p, &b, s->x[0].h).before,
                               .left = axis_w(p, &b, s->x[0].w).before};
}

static bool rows(const struct convd_site *s, size_t i, struct convd_rows y, struct convd_rows *x)
{
    struct convd_window w;
    (void)i;
    window(s, &w);
    *x = convd_border_rows((enum convd_mode)((const struct params *)s->params)->padding_mode,
                           y.y0 * w.sh - w.top, (y.y1 - 1) * w.sh - w.top + (w.kh - 1) * w.dh + 1,
                           s->x[0].h);
    return true;
}

/* ---- once a plan ----------------------------------------------------------------------------- */

/* Outputs that are computed together, from output o on of a group that ends at `end`. */
static ptrdiff_t block_of(ptrdiff_t o, ptrdiff_t end)
{
    return least(CONVD_TAPS_OUTS, end - o);
}

static void pack(const struct convd_site *s, const struct bank *b, ptrdiff_t groups, float *out)
{
    const ptrdiff_t per_group = b->o / groups;
    for (ptrdiff_t o = 0, n; o < b->o; o += n) {
        n = block_of(o, (o / per_group + 1) * per_group);
        for (ptrdiff_t c = 0; c < b->c; c++)
            for (ptrdiff_t i = 0; i < b->kh; i++)
                for (ptrdiff_t j = 0; j < b->kw; j++)
                    for (ptrdiff_t k = 0; k < n; k++) *out++ = number(s, b, o + k, c, i, j);
    }
}

static const void *prepare(const struct convd_site *s, struct convd_arena *mem,
                           struct convd_faults *f)
{
    const struct params *p = s->params;
    struct bank b;
    measure(p, s->x[0].c, &b);
    struct state *state = convd_arena_zero(mem, sizeof *state);
    float *k = convd_arena_array(mem, (size_t)(b.o * b.c * b.kh * b.kw), sizeof *k);
    float *bias = convd_arena_array(mem, (size_t)b.o, sizeof *bias);
    if (!state || !k || !bias) {
        convd_fault(f, CONVD_NO_MEMORY, "weight", "no memory for %tdx%tdx%tdx%td weights", b.o, b.c,
                    b.kh, b.kw);
        return NULL;
    }
    pack(s, &b, p->groups, k);
    convd_vector_fill(&p->bias, b.o, 0, s->position, bias);
    *state = (struct state){b, k, bias};
    return state;
}

/* ---- rows ------------------------------------------------------------------------------------ */

static struct convd_lines_shape lines_shape(const struct convd_site *s, const struct bank *b)
{
    const struct params *p = s->params;
    struct convd_lines_shape l = {.mode = (enum convd_mode)p->padding_mode,
                                  .value = (float)p->padding_value,
                                  .channels = b->c,
                                  .w = s->x[0].w,
                                  .out_w = s->y.w,
                                  .simd = s->simd};
    window(s, &l.window);
    return l;
}

static size_t scratch(const struct convd_site *s, ptrdiff_t n)
{
    struct bank b;
    (void)n;
    measure(s->params, s->x[0].c, &b);
    const struct convd_lines_shape l = lines_shape(s, &b);
    size_t bytes = 0;
    if (!convd_mul((size_t)(b.kh * b.kw), (size_t)b.c * sizeof(float *), &bytes) ||
        !convd_add(bytes, convd_lines_bytes(&l), &bytes))
        return SIZE_MAX;
    return bytes;
}

/* Columns that are done for all outputs before the next ones: so many that the input they read stays in the
 * second level cache while one block of outputs after another goes over it. */
static ptrdiff_t tile_of(const struct bank *b, ptrdiff_t groups, ptrdiff_t n)
{
    const ptrdiff_t cache = 256 * 1024, unit = 240; /* whole tiles of every instruction set */
    if (b->o / groups <= CONVD_TAPS_OUTS) return n;
    const ptrdiff_t columns = cache / (b->c * b->kh * (ptrdiff_t)sizeof(float));
    return most(columns / unit * unit, unit);
}

/* All outputs of a group for n columns from output row i on; t: what each tap reads. */
static void outputs(const struct convd_call *call, const float *const *t, ptrdiff_t group,
                    ptrdiff_t i, ptrdiff_t n)
{
    const struct state *state = call->site->state;
    const struct bank *b = &state->bank;
    const ptrdiff_t groups = ((const struct params *)call->site->params)->groups,
                    per_group = b->o / groups;
    const ptrdiff_t taps = b->c * b->kh * b->kw, end = (group + 1) * per_group,
                    tile = tile_of(b, groups, n);
    for (ptrdiff_t from = 0; from < n; from += tile)
        for (ptrdiff_t o = group * per_group, m; o < end; o += m) {
            float *y[CONVD_TAPS_OUTS];
            m = block_of(o, end);
            for (ptrdiff_t k = 0; k < m; k++) y[k] = convd_row(call->y, o + k, i);
            call->site->simd->taps(t, state->k + o * taps, (size_t)taps, state->bias + o, y,
                                   (size_t)m, (size_t)from, (size_t)least(from + tile, n));
        }
}

/* 1x1, no stride, no border (or the size would not be the same), rows without gaps: the band is one long row. */
static bool is_flat(const struct convd_call *call, const struct convd_window *w)
{
    const struct convd_shape *x = &call->site->x[0], *y = &call->site->y;
    return w->kh == 1 && w->kw == 1 && w->sh == 1 && w->sw == 1 && y->h == x->h && y->w == x->w &&
           call->x->row == x->w && call->y->row == y->w;
}

static void forward(const struct convd_call *call)
{
    const struct state *state = call->site->state;
    const struct bank *b = &state->bank;
    const struct convd_view *y = call->y;
    const ptrdiff_t groups = ((const struct params *)call->site->params)->groups;
    const struct convd_lines_shape shape = lines_shape(call->site, b);
    const float **t = (const float **)(void *)((char *)call->scratch + convd_lines_bytes(&shape));
    for (ptrdiff_t g = 0; g < groups; g++) {
        if (is_flat(call, &shape.window)) {
            for (ptrdiff_t c = 0; c < b->c; c++) t[c] = convd_row(call->x, g * b->c + c, y->y0);
            outputs(call, t, g, y->y0, (y->y1 - y->y0) * y->w);
            continue;
        }
        struct convd_lines l;
        convd_lines_init(&l, &shape, call->x, g * b->c, call->scratch);
        for (ptrdiff_t turn = 0; turn < l.turns; turn++)
            for (ptrdiff_t i = y->y0 + turn; i < y->y1; i += l.turns) {
                ptrdiff_t n = 0;
                convd_lines_move(&l, i);
                for (ptrdiff_t c = 0; c < b->c; c++)
                    for (ptrdiff_t a = 0; a < b->kh; a++)
                        for (ptrdiff_t j = 0; j < b->kw; j++) t[n++] = convd_lines_tap(&l, c, a, j);
                outputs(call, t, g, i, y->w);
            }
    }
}

static void look(const struct convd_site *s, struct convd_place at, struct convd_look *l)
{
    const struct params *p = s->params;
    const struct state *state = s->state;
    const struct bank *b = &state->bank;
    struct convd_window w;
    window(s, &w);
    *l = (struct convd_look){.kind = CONVD_LOOK_SUM,
                             .c = at.c / (b->o / p->groups) * b->c,
                             .channels = b->c,
                             .y = at.i * w.sh - w.top,
                             .x = at.j * w.sw - w.left,
                             .kh = w.kh,
                             .kw = w.kw,
                             .dy = w.dh,
                             .dx = w.dw,
                             .mode = p->padding_mode,
                             .value = (float)p->padding_value,
                             .bias = (double)state->bias[at.c]};
}

static double weigh(const struct convd_site *s, struct convd_place at, ptrdiff_t q, ptrdiff_t a,
                    ptrdiff_t b)
{
    const struct state *state = s->state;
    return (double)number(s, &state->bank, at.c, q, a, b);
}

const struct convd_op convd_op_conv = {
    .name = "conv",
    .group = CONVD_CONVOLUTION,
    .summary = "convolution of all channels with a bank of kernels",
    .aliases = "conv2d convolve convolution Conv Conv2d Conv2D",
    .example = "conv:sobel_x;sobel_y;,padding=same,padding_mode=reflect",
    .source = "torch.nn.functional.conv2d",
    .params = params,
    .params_size = sizeof(struct params),
    .rules = rules,
    .algorithm = "direct",
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
