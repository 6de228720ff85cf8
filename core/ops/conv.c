/* conv: convolution as in deep learning: cross-correlation of all input channels with a bank of kernels. x
 * [c,h,w], weight [o,c/groups,kh,kw] -> y [o,oh,ow]
 *   y[o,i,j] = bias[o] + sum_cab weight[o,c,a,b] * x[c, i*sh + a*dh - top, j*sw + b*dw - left]
 *   oh = floor((h + top + bottom - dh*(kh-1) - 1) / sh) + 1
 * Taps are added in the order c, a, b. A list of 2-D kernels is a weight whose input channels are the kernel
 * times `across`. flip turns each kernel by 180°. Outside the picture padding_mode decides. NaN propagates.
 * Faults: shapes that do not fit, groups that do not divide, a window larger than the padded picture. Equals
 * torch.nn.functional.conv2d; padding "same" with a stride is ONNX's SAME_UPPER. */
#include "conv.h"

#undef AT
#define AT(FIELD) OF(convd_conv, FIELD)
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
    PADDING_MODE(convd_conv, "zeros"),
    PADDING_VALUE(convd_conv),
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

/* ---- shapes ---------------------------------------------------------------------------------- */

static struct convd_axis axis_h(const struct convd_conv *p, const struct convd_bank *b, ptrdiff_t n)
{
    return convd_axis_resolve(p->padding.kind, n, p->padding.top, p->padding.bottom, b->kh,
                              p->stride.h, p->dilation.h, false);
}

static struct convd_axis axis_w(const struct convd_conv *p, const struct convd_bank *b, ptrdiff_t n)
{
    return convd_axis_resolve(p->padding.kind, n, p->padding.left, p->padding.right, b->kw,
                              p->stride.w, p->dilation.w, false);
}

static bool check_rank(const struct convd_conv *p, struct convd_faults *f)
{
    const struct convd_weight *w = &p->weight;
    if (w->kind == CONVD_W_TENSOR && !w->array.data)
        return false; /* told when the name was looked up */
    const char *expected = "out x in x height x width, or kernels of height x width";
    if (w->array.rank == 0)
        expected = "numbers of out x in x height x width, kernels, or "
                   "{\"init\":\"he_normal\",\"out_channels\":64,\"kernel_size\":3}";
    convd_fault_expected(f, CONVD_BAD_SHAPE, "weight", expected, "weight has %d dimension%s%s",
                         w->array.rank, w->array.rank == 1 ? "" : "s",
                         w->array.rank == 0 ? ": it is one number" : "");
    return false;
}

static bool check_channels(const struct convd_conv *p, const struct convd_bank *b,
                           ptrdiff_t channels, struct convd_faults *f)
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

static bool check_side(const struct convd_conv *p, const struct convd_bank *b,
                       struct convd_faults *f)
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
    const struct convd_conv *p = s->params;
    const struct convd_shape *x = &s->x[0];
    struct convd_bank b;
    if (!convd_bank_measure(p, x->c, &b)) return check_rank(p, f);
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

bool convd_conv_wino(const struct convd_corr *r, const struct convd_bank *b)
{
    return !b->list && convd_wino_pays(r);
}

static bool is_wino(const struct convd_site *s)
{
    struct convd_bank b;
    convd_bank_measure(s->params, s->x[0].c, &b);
    const struct convd_corr r = convd_conv_corr(s, &b);
    return convd_conv_wino(&r, &b);
}

static void cost(const struct convd_site *s, struct convd_cost *c)
{
    const struct convd_conv *p = s->params;
    struct convd_bank b;
    size_t n, bytes;
    convd_bank_measure(p, s->x[0].c, &b);
    const double taps = (double)b.c * (double)b.kh * (double)b.kw;
    c->macs = taps * (double)s->y.c * (double)s->y.h * (double)s->y.w;
    if (!convd_mul((size_t)b.o, (size_t)b.c, &n) || !convd_mul(n, (size_t)(b.kh * b.kw), &n) ||
        !convd_mul(n, sizeof(float), &bytes) ||
        !convd_add(bytes, (size_t)b.o * sizeof(float) + sizeof(struct convd_conv_state) + 256,
                   &bytes)) {
        c->weights = c->state = SIZE_MAX / 4; /* no limit allows it */
        return;
    }
    c->weights = n + convd_vector_count(&p->bias, b.o);
    c->state = bytes + (is_wino(s) ? n * 4 * sizeof(float) + 64 : 0);
}

static void window(const struct convd_site *s, struct convd_window *w)
{
    const struct convd_conv *p = s->params;
    struct convd_bank b;
    convd_bank_measure(p, s->x[0].c, &b);
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
    if (is_wino(s)) y = convd_wino_rows(y, s->y.h);
    *x = convd_border_rows((enum convd_mode)((const struct convd_conv *)s->params)->padding_mode,
                           y.y0 * w.sh - w.top, (y.y1 - 1) * w.sh - w.top + (w.kh - 1) * w.dh + 1,
                           s->x[0].h);
    return true;
}

static ptrdiff_t grain(const struct convd_site *s)
{
    return is_wino(s) ? convd_wino_rows((struct convd_rows){0, 1}, PTRDIFF_MAX).y1 : 1;
}

/* ---- numbers --------------------------------------------------------------------------------- */

struct convd_corr convd_conv_corr(const struct convd_site *s, const struct convd_bank *b)
{
    const struct convd_conv *p = s->params;
    struct convd_corr r = {.mode = (enum convd_mode)p->padding_mode,
                           .value = (float)p->padding_value,
                           .groups = p->groups,
                           .in = b->c,
                           .out = b->o / p->groups,
                           .x = s->x[0],
                           .y = s->y,
                           .simd = s->simd};
    window(s, &r.window);
    return r;
}

static const void *prepare(const struct convd_site *s, struct convd_arena *mem,
                           struct convd_faults *f)
{
    struct convd_bank b;
    convd_bank_measure(s->params, s->x[0].c, &b);
    struct convd_conv_state *state = convd_arena_zero(mem, sizeof *state);
    float *k = convd_arena_array(mem, (size_t)(b.o * b.c * b.kh * b.kw), sizeof *k);
    float *bias = convd_arena_array(mem, (size_t)b.o, sizeof *bias);
    if (!state || !k || !bias) {
        convd_fault(f, CONVD_NO_MEMORY, "weight", "no memory for %tdx%tdx%tdx%td weights", b.o, b.c,
                    b.kh, b.kw);
        return NULL;
    }
    *state = (struct convd_conv_state){b, k, bias, NULL};
    const struct convd_corr r = convd_conv_corr(s, &b);
    if (convd_conv_wino(&r, &b) &&
        !(state->u = convd_arena_array(mem, convd_wino_count(&r), sizeof(float)))) {
        convd_fault(f, CONVD_NO_MEMORY, "weight", "no memory for %tdx%td transformed weights", b.o,
                    b.c);
        return NULL;
    }
    convd_bank_fill(s, state);
    return state;
}

static size_t scratch(const struct convd_site *s, ptrdiff_t n)
{
    struct convd_bank b;
    (void)n;
    convd_bank_measure(s->params, s->x[0].c, &b);
    const struct convd_corr r = convd_conv_corr(s, &b);
    return convd_conv_wino(&r, &b) ? convd_wino_bytes(&r) : convd_gather_bytes(&r, false);
}

static void forward(const struct convd_call *call)
{
    const struct convd_conv_state *state = call->site->state;
    const struct convd_corr r = convd_conv_corr(call->site, &state->bank);
    if (state->u)
        convd_wino(&(struct convd_wino_bank){&r, state->k, state->u, state->bias, false}, call->x,
                   call->y, false, call->scratch);
    else
        convd_gather(&r, state->k, state->bias, call->x, call->y, false, call->scratch);
}

static const char *algorithm(const struct convd_site *s)
{
    struct convd_bank b;
    convd_bank_measure(s->params, s->x[0].c, &b);
    if (is_wino(s)) return "winograd F(4x4)";
    if (b.kh == 1 && b.kw == 1) return "1x1";
    return b.c == 1 && s->x[0].c > 1 ? "depthwise" : "direct";
}

static void look(const struct convd_site *s, struct convd_place at, struct convd_look *l)
{
    const struct convd_conv *p = s->params;
    const struct convd_conv_state *state = s->state;
    const struct convd_bank *b = &state->bank;
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
    const struct convd_conv_state *state = s->state;
    return (double)convd_bank_number(s, &state->bank, at.c, q, a, b);
}

/* ---- as other libraries say it --------------------------------------------------------------- */

/* The bank as out x in x height x width. permute, turn: how the library's arrays do those. */
static const char *bank_words(const struct convd_site *s, struct convd_arena *mem,
                              const char *permute, const char *turn)
{
    const struct convd_conv *p = s->params;
    const struct convd_bank *b = &((const struct convd_conv_state *)s->state)->bank;
    const char *w;
    if (b->list)
        w = convd_arena_printf(mem, "$spread({weight:%td,%td,%td}, {across}, %td)", b->o, b->kh,
                               b->kw, b->c);
    else if (p->layout == CONVD_HWIO && p->weight.kind != CONVD_W_INIT)
        w = convd_arena_printf(mem, "{weight:%td,%td,%td,%td}%s", b->kh, b->kw, b->c, b->o,
                               permute);
    else
        w = convd_arena_printf(mem, "{weight:%td,%td,%td,%td}", b->o, b->c, b->kh, b->kw);
    return w && p->flip ? convd_arena_printf(mem, "%s%s", w, turn) : w;
}

static const char *torch(const struct convd_site *s, struct convd_arena *mem)
{
    const struct convd_conv *p = s->params;
    const struct convd_bank *b = &((const struct convd_conv_state *)s->state)->bank;
    const struct convd_axis h = axis_h(p, b, s->x[0].h), w = axis_w(p, b, s->x[0].w);
    const char *bank = bank_words(s, mem, ".permute(3, 2, 0, 1)", ".flip(2, 3)");
    if (!bank) return NULL;
    if (p->padding_mode == CONVD_MODE_ZEROS && h.before == h.after && w.before == w.after)
        return convd_arena_printf(
            mem, "F.conv2d({x}, %s, {bias:%td}, {stride}, (%td, %td), {dilation}, {groups})", bank,
            b->o, h.before, w.before);
    return convd_arena_printf(
        mem,
        "F.conv2d($pad({x}, %td, %td, %td, %td, {padding_mode}, {padding_value}), %s, {bias:%td}, "
        "{stride}, 0, {dilation}, {groups})",
        h.before, w.before, h.after, w.after, bank, b->o);
}

static const char *opencv(const struct convd_site *s, struct convd_arena *mem)
{
    const struct convd_conv *p = s->params;
    const struct convd_bank *b = &((const struct convd_conv_state *)s->state)->bank;
    const struct convd_axis h = axis_h(p, b, s->x[0].h), w = axis_w(p, b, s->x[0].w);
    const char *bank = bank_words(s, mem, ".transpose(3, 2, 0, 1)", "[:, :, ::-1, ::-1]");
    if (!bank) return NULL;
    return convd_arena_printf(
        mem,
        "$conv2d($pad({x}, %td, %td, %td, %td, {padding_mode}, {padding_value}), %s, {bias:%td}, "
        "{stride}, {dilation}, {groups})",
        h.before, w.before, h.after, w.after, bank, b->o);
}

static const struct convd_helper helpers[] = {
    {"spread", "def spread(kernels, across, channels):\n"
               "    \"\"\"Kernels of height x width as a bank: over the input channels, each by its part.\"\"\"\n"
               "    parts = {\"mean\": [1 / channels] * channels, \"sum\": [1.0] * channels,\n"
               "             \"luma\": [0.299, 0.587, 0.114]}\n"
               "    parts = parts[across] if isinstance(across, str) else across\n"
               "    return kernels[:, None] * $array(parts, (len(parts), 1, 1))"},
    {"conv2d", "def conv2d(x, weight, bias, stride, dilation, groups):\n"
               "    \"\"\"Every output the sum of cv2.filter2D over its input channels.\"\"\"\n"
               "    out, channels, kh, kw = weight.shape\n"
               "    spaced = np.zeros((out, channels, (kh - 1) * dilation[0] + 1,\n"
               "                       (kw - 1) * dilation[1] + 1), np.float32)\n"
               "    spaced[:, :, ::dilation[0], ::dilation[1]] = weight\n"
               "    rows, columns = x.shape[0] - spaced.shape[2] + 1, x.shape[1] - spaced.shape[3] + 1\n"
               "    maps = []\n"
               "    for o in range(out):\n"
               "        first = o // (out // groups) * channels\n"
               "        y = sum(cv2.filter2D(np.ascontiguousarray(x[:, :, first + c]), cv2.CV_32F,\n"
               "                             spaced[o, c], anchor=(0, 0), borderType=cv2.BORDER_CONSTANT)\n"
               "                for c in range(channels))\n"
               "        maps.append(y[:rows:stride[0], :columns:stride[1]])\n"
               "    y = np.stack(maps, 2)\n"
               "    return y if bias is None else y + bias"},
    {NULL, NULL},
};

const struct convd_op convd_op_conv = {
    .name = "conv",
    .group = CONVD_CONVOLUTION,
    .summary = "convolution of all channels with a bank of kernels",
    .aliases = "conv2d convolve convolution Conv Conv2d Conv2D",
    .example = "conv:sobel_x;sobel_y;,padding=same,padding_mode=reflect",
    .source = "torch.nn.functional.conv2d",
    .params = params,
    .params_size = sizeof(struct convd_conv),
    .rules = rules,
    .algorithm = "direct",
    .algorithm_of = algorithm,
    .shape = shape,
    .cost = cost,
    .window = window,
    .rows = rows,
    .grain = grain,
    .prepare = prepare,
    .scratch = scratch,
    .forward = forward,
    .backward = convd_conv_backward,
    .back_skips_y = true,
    .back_writes = true,
    .back_scratch = convd_conv_back_scratch,
    .turned_bytes = convd_conv_turned_bytes,
    .turn = convd_conv_turn,
    .sums_bytes = convd_conv_sums_bytes,
    .give_back = convd_conv_give_back,
    .weight_shape = convd_conv_weight_shape,
    .pack = convd_conv_pack,
    .look = look,
    .weigh = weigh,
    .torch_of = torch,
    .opencv_of = opencv,
    .helpers = helpers,
};
