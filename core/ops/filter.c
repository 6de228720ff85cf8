/* filter: the same 2-D kernel on each channel, size kept. x [c,h,w] -> y [c,h,w]   y[c,i,j] = delta + scale *
 * sum_ab k[a,b] * x[c, i + a - ay, j + b - ax] (ay,ax) is the anchor, ⌊k/2⌋ unless given or the kernel brings
 * its own; flip turns the numbers by 180° and leaves the anchor where it is. Outside the picture padding_mode
 * decides. scale is folded into the kernel. Zero taps are skipped and separable kernels run as a row and a
 * column where that is less work; both change a result by rounding at most. A zero times inf or NaN is NaN,
 * so windows that hold one run with all their taps. Faults: anchor outside the kernel. Equals cv::filter2D. */
#include "filter.h"
#include "filter_int.h"

#undef AT
#define AT(FIELD) OF(convd_filter, FIELD)
// clang-format off
static const struct convd_param params[] = {
    {AT(kernel), .type = CONVD_P_KERNEL, .summary = "a kernel's name, {\"name\":…}, a matrix, or \"@tensor\"",
     .aliases = "weight"},
    PADDING_MODE(convd_filter, "reflect"),
    PADDING_VALUE(convd_filter),
    {AT(anchor), .type = CONVD_P_INTS, .def = "", .lo = 0, .hi = 128, .most = 2,
     .summary = "[y,x], the tap that stands on the output pixel; left out: the middle"},
    {AT(scale), .type = CONVD_P_NUMBER, .def = "1", .summary = "factor of the sum"},
    {AT(delta), .type = CONVD_P_NUMBER, .def = "0", .summary = "added to each output", .aliases = "offset"},
    {AT(flip), .type = CONVD_P_BOOL, .def = "false",
     .summary = "turn the kernel by 180°: convolution as in textbooks"},
    CONVD_PARAM_END,
};
// clang-format on

static const struct convd_rule rules[] = {
    {"anchor", CONVD_OUT_OF_RANGE, "a place inside the kernel"},
    {.member = NULL},
};

static bool check(const void *params_, struct convd_faults *f)
{
    const struct convd_filter *p = params_;
    const struct convd_ints *a = &p->anchor;
    if (a->n == 0) return true;
    const ptrdiff_t y = a->v[0], x = a->v[a->n - 1];
    if (y < p->kernel.h && x < p->kernel.w) return true;
    struct convd_fault *fault =
        convd_fault(f, CONVD_OUT_OF_RANGE, "anchor", "anchor is [%td,%td]", y, x);
    fault->expected = convd_arena_printf(f->mem, "a place inside the kernel, which is %tdx%td",
                                         p->kernel.h, p->kernel.w);
    return false;
}

void convd_filter_window(const struct convd_site *s, struct convd_window *w)
{
    const struct convd_filter *p = s->params;
    const struct convd_kernel *k = &p->kernel;
    const struct convd_ints *a = &p->anchor;
    *w = (struct convd_window){.kh = k->h, .kw = k->w, .sh = 1, .sw = 1, .dh = 1, .dw = 1};
    w->top = a->n ? a->v[0] : k->anchor_y;
    w->left = a->n ? a->v[a->n - 1] : k->anchor_x;
}

static void cost(const struct convd_site *s, struct convd_cost *c)
{
    const struct convd_kernel *k = &((const struct convd_filter *)s->params)->kernel;
    const size_t h = (size_t)k->h, w = (size_t)k->w;
    c->weights = h * w;
    c->macs = (double)(h * w) * (double)s->y.c * (double)s->y.h * (double)s->y.w;
    c->state = sizeof(struct convd_filter_state) +
               (2 * h * w + 2 * (h + w)) * (sizeof(float) + sizeof(struct convd_filter_place)) +
               (h * w + h + w) * sizeof(double) + 16 * 64;
}

static bool rows(const struct convd_site *s, size_t i, struct convd_rows y, struct convd_rows *x)
{
    struct convd_window w;
    (void)i;
    convd_filter_window(s, &w);
    *x = convd_border_rows((enum convd_mode)((const struct convd_filter *)s->params)->padding_mode,
                           y.y0 - w.top, y.y1 - 1 - w.top + w.kh, s->x[0].h);
    return true;
}

/* ---- rows ------------------------------------------------------------------------------------ */

static struct convd_lines_shape lines_shape(const struct convd_site *s)
{
    const struct convd_filter *p = s->params;
    struct convd_lines_shape l = {.mode = (enum convd_mode)p->padding_mode,
                                  .value = (float)p->padding_value,
                                  .watch = true,
                                  .channels = 1,
                                  .w = s->x[0].w,
                                  .out_w = s->x[0].w,
                                  .simd = s->simd};
    convd_filter_window(s, &l.window);
    return l;
}

/* Rows of the row pass, kept for the column pass: a slot for each row of the window. */
struct filtered {
    float *rows;
    ptrdiff_t stride;
    ptrdiff_t *made; /* row of the padded picture in each slot, or -1 */
    bool *finite;    /* its source was finite                         */
    const float **t; /* pointers for a call of taps                   */
};

static size_t filtered_layout(const struct convd_site *s, struct filtered *q, char *base)
{
    const struct convd_kernel *k = &((const struct convd_filter *)s->params)->kernel;
    const size_t h = (size_t)k->h, taps = h * (size_t)k->w;
    q->stride = (s->x[0].w + 15) / 16 * 16;
    const size_t bytes_rows = h * (size_t)q->stride * sizeof(float);
    if (base) {
        q->rows = (float *)base;
        q->t = (const float **)(base + bytes_rows);
        q->made = (ptrdiff_t *)(q->t + taps);
        q->finite = (bool *)(q->made + h);
    }
    return (bytes_rows + taps * sizeof *q->t + h * (sizeof *q->made + sizeof *q->finite) + 63) /
           64 * 64;
}

/* Room for either way, so that nothing depends on what prepare finds. */
static size_t scratch(const struct convd_site *s, ptrdiff_t n)
{
    struct filtered q;
    const struct convd_lines_shape shape = lines_shape(s);
    (void)n;
    return convd_lines_bytes(&shape) + filtered_layout(s, &q, NULL);
}

static void direct(const struct convd_call *call, ptrdiff_t c,
                   const struct convd_lines_shape *shape, void *memory, const float **t)
{
    const struct convd_filter_state *state = call->site->state;
    const struct convd_view *y = call->y;
    struct convd_lines l;
    convd_lines_init(&l, shape, call->x, c, memory);
    for (ptrdiff_t i = y->y0; i < y->y1; i++) {
        convd_lines_move(&l, i);
        const struct convd_filter_pass *p = convd_lines_finite(&l) ? &state->some : &state->all;
        for (ptrdiff_t m = 0; m < p->n; m++) t[m] = convd_lines_tap(&l, 0, p->at[m].i, p->at[m].j);
        call->site->simd->taps(t, p->k, (size_t)p->n, &state->delta, &(float *){convd_row(y, c, i)},
                               1, 0, (size_t)y->w);
    }
}

/* Row `at` of the padded picture through the row pass. */
static void filter_row(const struct convd_call *call, struct convd_lines *l, struct filtered *q,
                       ptrdiff_t at)
{
    const struct convd_filter_state *state = call->site->state;
    const ptrdiff_t slot = at % state->col.n;
    convd_lines_move(l, at);
    q->finite[slot] = convd_lines_finite(l);
    q->made[slot] = at;
    const struct convd_filter_pass *p = q->finite[slot] ? &state->row_some : &state->row;
    for (ptrdiff_t m = 0; m < p->n; m++) q->t[m] = convd_lines_tap(l, 0, 0, p->at[m].j);
    call->site->simd->taps(q->t, p->k, (size_t)p->n, &(float){0},
                           &(float *){q->rows + slot * q->stride}, 1, 0, (size_t)call->y->w);
}

static void separable(const struct convd_call *call, ptrdiff_t c,
                      const struct convd_lines_shape *shape, void *memory, struct filtered *q)
{
    const struct convd_filter_state *state = call->site->state;
    const struct convd_view *y = call->y;
    const ptrdiff_t kh = state->col.n;
    struct convd_lines_shape one =
        *shape; /* a window of one row: lines makes one padded row at a time */
    struct convd_lines l;
    one.window.kh = 1;
    convd_lines_init(&l, &one, call->x, c, memory);
    for (ptrdiff_t i = 0; i < kh; i++) q->made[i] = -1;
    for (ptrdiff_t i = y->y0; i < y->y1; i++) {
        bool finite = true;
        for (ptrdiff_t a = i; a < i + kh; a++) {
            if (q->made[a % kh] != a) filter_row(call, &l, q, a);
            finite &= q->finite[a % kh];
        }
        const struct convd_filter_pass *p = finite ? &state->col_some : &state->col;
        for (ptrdiff_t m = 0; m < p->n; m++) q->t[m] = q->rows + (i + p->at[m].i) % kh * q->stride;
        call->site->simd->taps(q->t, p->k, (size_t)p->n, &state->delta,
                               &(float *){convd_row(y, c, i)}, 1, 0, (size_t)y->w);
    }
}

static void forward(const struct convd_call *call)
{
    const struct convd_filter_state *state = call->site->state;
    const struct convd_lines_shape shape = lines_shape(call->site);
    struct filtered q = {0};
    filtered_layout(call->site, &q, (char *)call->scratch + convd_lines_bytes(&shape));
    for (ptrdiff_t c = 0; c < call->y->c; c++) {
        if (state->separable)
            separable(call, c, &shape, call->scratch, &q);
        else
            direct(call, c, &shape, call->scratch, q.t);
    }
}

static void look(const struct convd_site *s, struct convd_place at, struct convd_look *l)
{
    const struct convd_filter *p = s->params;
    struct convd_window w;
    convd_filter_window(s, &w);
    *l = (struct convd_look){.kind = CONVD_LOOK_SUM,
                             .c = at.c,
                             .channels = 1,
                             .y = at.i - w.top,
                             .x = at.j - w.left,
                             .kh = w.kh,
                             .kw = w.kw,
                             .dy = 1,
                             .dx = 1,
                             .mode = p->padding_mode,
                             .value = (float)p->padding_value,
                             .bias = (double)((const struct convd_filter_state *)s->state)->delta};
}

static double weigh(const struct convd_site *s, struct convd_place at, ptrdiff_t q, ptrdiff_t a,
                    ptrdiff_t b)
{
    const struct convd_filter *p = s->params;
    const struct convd_kernel *k = &p->kernel;
    ptrdiff_t tap = a * k->w + b;
    (void)at, (void)q;
    return (double)(float)((double)k->v[p->flip ? k->h * k->w - 1 - tap : tap] * p->scale);
}

static const char *algorithm_of(const struct convd_site *s)
{
    return ((const struct convd_filter_state *)s->state)->separable ? "separable" : "direct";
}

/* The kernel as it is applied. */
static const char *kernel_words(const struct convd_site *s, struct convd_arena *mem,
                                const char *turned)
{
    const struct convd_filter *p = s->params;
    return convd_arena_printf(mem, "%s%s", p->flip ? turned : "{kernel}",
                              p->scale == 1 ? "" : " * {scale}");
}

static const char *torch(const struct convd_site *s, struct convd_arena *mem)
{
    struct convd_window w;
    const char *k = kernel_words(s, mem, "{kernel}.flip(0, 1)");
    convd_filter_window(s, &w);
    return k ? convd_arena_printf(
                   mem,
                   "$filter2d({x}, %s, %td, %td, {padding_mode}, {padding_value}, {delta})", k,
                   w.top, w.left)
             : NULL;
}

static const char *opencv(const struct convd_site *s, struct convd_arena *mem)
{
    static const char *const borders[] = {[CONVD_MODE_REFLECT] = "cv2.BORDER_REFLECT_101",
                                          [CONVD_MODE_SYMMETRIC] = "cv2.BORDER_REFLECT",
                                          [CONVD_MODE_REPLICATE] = "cv2.BORDER_REPLICATE",
                                          [CONVD_MODE_ZEROS] = "cv2.BORDER_CONSTANT",
                                          [CONVD_MODE_CIRCULAR] = NULL,
                                          [CONVD_MODE_CONSTANT] = NULL};
    const struct convd_filter *p = s->params;
    struct convd_window w;
    const char *k = kernel_words(s, mem, "cv2.flip({kernel}, -1)"), *border = borders[p->padding_mode];
    convd_filter_window(s, &w);
    if (!k) return NULL;
    return border ? convd_arena_printf(mem,
                                       "$hwc(cv2.filter2D({x}, cv2.CV_32F, %s, anchor=(%td, %td), "
                                       "delta={delta}, borderType=%s))",
                                       k, w.left, w.top, border)
                  : convd_arena_printf(
                        mem,
                        "$filter_padded({x}, %s, %td, %td, {padding_mode}, {padding_value}, {delta})",
                        k, w.top, w.left);
}

static const struct convd_helper helpers[] = {
    {"filter2d", "def filter2d(x, kernel, top, left, mode, value, delta):\n"
                 "    \"\"\"One kernel on each channel, size kept.\"\"\"\n"
                 "    kh, kw = kernel.shape\n"
                 "    x = $pad(x, top, left, kh - 1 - top, kw - 1 - left, mode, value)\n"
                 "    weight = kernel.expand(x.shape[1], 1, kh, kw)\n"
                 "    return F.conv2d(x, weight, groups=x.shape[1]) + delta"},
    {"filter_padded",
     "def filter_padded(x, kernel, top, left, mode, value, delta):\n"
     "    \"\"\"cv2.filter2D with a border that it does not have.\"\"\"\n"
     "    h, w = x.shape[:2]\n"
     "    x = $pad(x, top, left, kernel.shape[0] - 1 - top, kernel.shape[1] - 1 - left, mode, value)\n"
     "    y = $hwc(cv2.filter2D(x, cv2.CV_32F, kernel, anchor=(left, top), delta=delta))\n"
     "    return y[top:top + h, left:left + w]"},
    {NULL, NULL},
};

const struct convd_op convd_op_filter = {
    .name = "filter",
    .group = CONVD_CONVOLUTION,
    .summary = "one 2-D kernel on each channel, size kept",
    .aliases = "filter2d filter2D",
    .example = "grayscale/filter:sobel_x",
    .source = "cv::filter2D",
    .params = params,
    .params_size = sizeof(struct convd_filter),
    .rules = rules,
    .algorithm = "direct",
    .check = check,
    .cost = cost,
    .window = convd_filter_window,
    .rows = rows,
    .prepare = convd_filter_prepare,
    .scratch = scratch,
    .forward = forward,
    .backward = convd_filter_backward,
    .back_scratch = convd_filter_back_scratch,
    .weight_shape = convd_filter_weight_shape,
    .pack = convd_filter_pack,
    .look = look,
    .weigh = weigh,
    .algorithm_of = algorithm_of,
    .fixed = convd_filter_fixed,
    .make_fixed = convd_filter_make_fixed,
    .forward_fixed = convd_filter_forward_fixed,
    .fused = convd_filter_fused,
    .torch_of = torch,
    .opencv_of = opencv,
    .helpers = helpers,
};
