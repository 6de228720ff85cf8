/* resize: to a size, or by a factor (floor(size * factor)).
 * nearest, bilinear and bicubic map coordinates as torch.nn.functional.interpolate does, by the factor as given or else
 * by the sizes; no antialiasing. area weighs by exact overlap (cv::INTER_AREA when shrinking), the same formula where an
 * axis grows, and maps by size. Sums in double. NaN propagates. */
#include "resample.h"

struct params {
    struct convd_pair size;
    struct convd_numpair scale_factor;
    int mode;
    bool align_corners;
};
static const char *const mode_words[] = {"nearest", "bilinear", "bicubic", "area", NULL};
// clang-format off
static const struct convd_param params[] = {
    {AT(size), .type = CONVD_P_PAIR, .def = "", .lo = 1, .hi = 1e6,
     .summary = "height and width of the result, pixels",
     .aliases = "output_size", .flags = CONVD_EITHER},
    {AT(scale_factor), .type = CONVD_P_NUMPAIR, .def = "", .lo = 0.0001, .hi = 64,
     .summary = "times as high and wide",
     .aliases = "scale factor", .flags = CONVD_EITHER},
    {AT(mode), .type = CONVD_P_WORD, .def = "bilinear", .words = mode_words,
     .summary = "how numbers in between are made",
     .aliases = "interpolation"},
    {AT(align_corners), .type = CONVD_P_BOOL, .def = "false",
     .summary = "corner pixels keep their places (bilinear, bicubic)"},
    CONVD_PARAM_END,
};
// clang-format on

static const struct convd_rule rules[] = {
    {"align_corners", CONVD_OUT_OF_RANGE, "false, or mode bilinear or bicubic"},
    {.member = NULL},
};

static bool check(const void *params_, struct convd_faults *f)
{
    const struct params *p = params_;
    if (!p->align_corners || p->mode == RESAMPLE_BILINEAR || p->mode == RESAMPLE_BICUBIC)
        return true;
    convd_fault_expected(f, CONVD_OUT_OF_RANGE, "align_corners",
                         "false, or mode bilinear or bicubic",
                         "align_corners means nothing to mode %s", mode_words[p->mode]);
    return false;
}

static bool shape(struct convd_site *s, struct convd_faults *f)
{
    const struct params *p = s->params;
    const struct convd_shape *x = &s->x[0];
    s->y = (struct convd_shape){s->y.n, x->c, p->size.h, p->size.w};
    if (p->size.h > 0) return true;
    s->y.h = (ptrdiff_t)floor((double)x->h * p->scale_factor.h);
    s->y.w = (ptrdiff_t)floor((double)x->w * p->scale_factor.w);
    if (s->y.h >= 1 && s->y.w >= 1) return true;
    convd_fault_expected(
        f, CONVD_BAD_SHAPE, "scale_factor", "a factor that leaves at least one pixel",
        "%gx%g of %tdx%td leaves nothing", p->scale_factor.h, p->scale_factor.w, x->h, x->w);
    return false;
}

static struct convd_resample_axis axis(const struct convd_site *s, bool vertical)
{
    const struct params *p = s->params;
    struct convd_resample_axis a = {(enum convd_resample)p->mode, p->align_corners, 0, 0, 0};
    a.in = vertical ? s->x[0].h : s->x[0].w;
    a.out = vertical ? s->y.h : s->y.w;
    if (p->size.h == 0 && p->mode != RESAMPLE_AREA)
        a.factor = vertical ? p->scale_factor.h : p->scale_factor.w;
    return a;
}

/* The runs of an axis, made once. */
struct table {
    ptrdiff_t most; /* weights to an output */
    ptrdiff_t *start, *count;
    double *w;
};
struct state {
    struct table y, x;
};

static size_t table_bytes(const struct convd_resample_axis *a)
{
    return (size_t)a->out *
               ((size_t)convd_resample_most(a) * sizeof(double) + 2 * sizeof(ptrdiff_t)) +
           192;
}

static void cost(const struct convd_site *s, struct convd_cost *c)
{
    struct convd_resample_axis v = axis(s, true), h = axis(s, false);
    double down = (double)s->y.h * (double)convd_resample_most(&v) * (double)s->x[0].w;
    double across = (double)s->y.h * (double)s->y.w * (double)convd_resample_most(&h);
    c->macs = (double)s->y.c * (down + across);
    c->state = sizeof(struct state) + table_bytes(&v) + table_bytes(&h);
}

static bool fill(struct table *t, const struct convd_resample_axis *a, struct convd_arena *mem)
{
    t->most = convd_resample_most(a);
    t->start = convd_arena_array(mem, (size_t)a->out, sizeof *t->start);
    t->count = convd_arena_array(mem, (size_t)a->out, sizeof *t->count);
    t->w = convd_arena_array(mem, (size_t)a->out * (size_t)t->most, sizeof *t->w);
    if (!t->start || !t->count || !t->w) return false;
    for (ptrdiff_t o = 0; o < a->out; o++)
        t->count[o] = convd_resample_run(a, o, &t->start[o], t->w + o * t->most);
    return true;
}

static const void *prepare(const struct convd_site *s, struct convd_arena *mem,
                           struct convd_faults *f)
{
    struct convd_resample_axis v = axis(s, true), h = axis(s, false);
    struct state *state = convd_arena_zero(mem, sizeof *state);
    if (!state || !fill(&state->y, &v, mem) || !fill(&state->x, &h, mem)) {
        convd_fault(f, CONVD_NO_MEMORY, NULL, "no memory for resizing to %tdx%td", s->y.h, s->y.w);
        return NULL;
    }
    return state;
}

static void window(const struct convd_site *s, struct convd_window *w)
{
    struct convd_resample_axis v = axis(s, true), h = axis(s, false);
    *w = (struct convd_window){
        .kh = convd_resample_most(&v),
        .kw = convd_resample_most(&h),
        .sh = most(v.in / v.out, 1),
        .sw = most(h.in / h.out, 1),
        .dh = 1,
        .dw = 1,
    };
}

static bool rows(const struct convd_site *s, size_t i, struct convd_rows y, struct convd_rows *x)
{
    struct convd_resample_axis v = axis(s, true);
    ptrdiff_t last;
    (void)i;
    convd_resample_run(&v, y.y0, &x->y0, NULL);
    x->y1 = convd_resample_run(&v, y.y1 - 1, &last, NULL);
    x->y1 += last;
    return true;
}

static size_t scratch(const struct convd_site *s, ptrdiff_t n)
{
    (void)n;
    return (size_t)s->x[0].w * sizeof(double);
}

static void add(double *restrict sum, const float *restrict x, double w, ptrdiff_t n, bool first)
{
    if (first)
        for (ptrdiff_t j = 0; j < n; j++) sum[j] = w * (double)x[j];
    else
        for (ptrdiff_t j = 0; j < n; j++) sum[j] += w * (double)x[j];
}

static void across(float *y, ptrdiff_t n, const double *x, const struct table *t)
{
    for (ptrdiff_t o = 0; o < n; o++) {
        const double *w = t->w + o * t->most, *v = x + t->start[o];
        double sum = w[0] * v[0];
        for (ptrdiff_t k = 1; k < t->count[o]; k++) sum += w[k] * v[k];
        y[o] = (float)sum;
    }
}

static void forward(const struct convd_call *call)
{
    const struct state *state = call->site->state;
    const struct convd_view *x = call->x, *y = call->y;
    const struct table *t = &state->y;
    double *column = (double *)(void *)call->scratch; /* the run's rows, weighed */
    for (ptrdiff_t c = 0; c < y->c; c++)
        for (ptrdiff_t i = y->y0; i < y->y1; i++) {
            for (ptrdiff_t k = 0; k < t->count[i]; k++)
                add(column, convd_row(x, c, t->start[i] + k), t->w[i * t->most + k], x->w, k == 0);
            across(convd_row(y, c, i), y->w, column, &state->x);
        }
}

/* The outputs whose runs hold number i: runs begin and end later and later. */
static struct convd_rows users(const struct table *t, ptrdiff_t outs, ptrdiff_t i)
{
    ptrdiff_t lo = 0, hi = outs;
    while (lo < hi) {
        const ptrdiff_t middle = lo + (hi - lo) / 2;
        if (t->start[middle] + t->count[middle] > i)
            hi = middle;
        else
            lo = middle + 1;
    }
    for (hi = lo; hi < outs && t->start[hi] <= i; hi++) {
    }
    return (struct convd_rows){lo, hi};
}

/* The same weights the other way: rows of dy come together, then each number is spread over its run. */
static void backward(const struct convd_back *call)
{
    const struct state *state = call->site->state;
    const struct convd_view *dx = call->dx, *dy = call->dy;
    const struct table *v = &state->y, *h = &state->x;
    const struct convd_rows own = part_rows(call, dx);
    double *column = (double *)(void *)call->scratch, *row = column + dy->w;
    for (ptrdiff_t r = own.y0; r < own.y1; r++) {
        const ptrdiff_t c = r / dx->h, i = r % dx->h;
        const struct convd_rows from = users(v, dy->h, i);
        for (ptrdiff_t j = 0; j < dx->w; j++) row[j] = 0;
        for (ptrdiff_t o = from.y0; o < from.y1; o++)
            add(column, convd_row(dy, c, o), v->w[o * v->most + i - v->start[o]], dy->w,
                o == from.y0);
        for (ptrdiff_t o = 0; o < dy->w && from.y0 < from.y1; o++)
            for (ptrdiff_t k = 0; k < h->count[o]; k++)
                row[h->start[o] + k] += h->w[o * h->most + k] * column[o];
        float *to = convd_row(dx, c, i);
        for (ptrdiff_t j = 0; j < dx->w; j++) to[j] += (float)row[j];
    }
}

static size_t back_scratch(const struct convd_site *s)
{
    return (size_t)(s->x[0].w + s->y.w) * sizeof(double);
}

static void look(const struct convd_site *s, struct convd_place at, struct convd_look *l)
{
    const struct state *state = s->state;
    *l = (struct convd_look){.kind = CONVD_LOOK_SUM,
                             .c = at.c,
                             .channels = 1,
                             .y = state->y.start[at.i],
                             .x = state->x.start[at.j],
                             .kh = state->y.count[at.i],
                             .kw = state->x.count[at.j],
                             .dy = 1,
                             .dx = 1};
}

static double weigh(const struct convd_site *s, struct convd_place at, ptrdiff_t q, ptrdiff_t a,
                    ptrdiff_t b)
{
    const struct state *state = s->state;
    (void)q;
    return state->y.w[at.i * state->y.most + a] * state->x.w[at.j * state->x.most + b];
}

/* In double: torch's coordinates in float are off in large pictures. */
static const char *torch(const struct convd_site *s, struct convd_arena *mem)
{
    const struct params *p = s->params;
    const bool sized = p->size.h > 0;
    const char *to = sized ? "({y.h}, {y.w})" : "scale_factor={scale_factor}";
    if (p->mode == RESAMPLE_NEAREST)
        return sized ? "$nearest({x}, ({y.h}, {y.w}))"
                     : "$nearest({x}, ({y.h}, {y.w}), {scale_factor})";
    if (p->mode == RESAMPLE_AREA) return "$area({x}, ({y.h}, {y.w}))";
    return convd_arena_printf(
        mem, "F.interpolate({x}.double(), %s, mode={mode}, align_corners={align_corners}).float()",
        to);
}

/* cv2.resize maps by sizes: a factor that leaves a broken size is another mapping. It shrinks by area only. */
static const char *opencv(const struct convd_site *s, struct convd_arena *mem)
{
    const struct params *p = s->params;
    const struct convd_shape *x = &s->x[0], *y = &s->y;
    const bool whole =
        p->size.h > 0 || ((double)y->h == (double)x->h * p->scale_factor.h &&
                          (double)y->w == (double)x->w * p->scale_factor.w);
    (void)mem;
    if (p->align_corners || (!whole && p->mode != RESAMPLE_AREA)) return NULL;
    switch (p->mode) {
    case RESAMPLE_NEAREST:
        return "{x}[np.arange({y.h}) * {x.h} // {y.h}][:, np.arange({y.w}) * {x.w} // {y.w}]";
    case RESAMPLE_BILINEAR:
        return "$hwc(cv2.resize({x}, ({y.w}, {y.h}), interpolation=cv2.INTER_LINEAR))";
    case RESAMPLE_BICUBIC:
        return "$hwc(cv2.resize({x}, ({y.w}, {y.h}), interpolation=cv2.INTER_CUBIC))";
    default:
        return y->h <= x->h && y->w <= x->w
                   ? "$hwc(cv2.resize({x}, ({y.w}, {y.h}), interpolation=cv2.INTER_AREA))"
                   : NULL;
    }
}

static const struct convd_helper helpers[] = {
    {"nearest", "def nearest(x, size, factor=(0, 0)):\n"
                "    \"\"\"F.interpolate nearest, in whole numbers where sizes say it all.\"\"\"\n"
                "    def places(n, out, factor):\n"
                "        o = torch.arange(out)\n"
                "        i = (o.double() * (1 / factor)).long() if factor else o * n // out\n"
                "        return i.clamp(max=n - 1)\n"
                "    rows = places(x.shape[2], size[0], factor[0])\n"
                "    return x[:, :, rows][:, :, :, places(x.shape[3], size[1], factor[1])]"},
    {"area", "def area(x, size):\n"
             "    \"\"\"Each number the mean of what it covers, by exact overlap.\"\"\"\n"
             "    def weights(n, out):\n"
             "        o, i = torch.arange(out)[:, None], torch.arange(n)[None]\n"
             "        ends = torch.minimum((o + 1) * n, (i + 1) * out)\n"
             "        return (ends - torch.maximum(o * n, i * out)).clamp(min=0).double() / n\n"
             "    down, across = weights(x.shape[2], size[0]), weights(x.shape[3], size[1])\n"
             "    return (down @ x.double() @ across.T).float()"},
    {NULL, NULL},
};

const struct convd_op convd_op_resize = {
    .name = "resize",
    .group = CONVD_GEOMETRY,
    .summary = "to a size or by a factor",
    .aliases = "Resize interpolate upsample",
    .example = "resize:scale_factor=0.5,mode=area",
    .source = "torch.nn.functional.interpolate; cv::resize INTER_AREA",
    .params = params,
    .params_size = sizeof(struct params),
    .rules = rules,
    .algorithm = "separable",
    .check = check,
    .shape = shape,
    .cost = cost,
    .window = window,
    .rows = rows,
    .prepare = prepare,
    .scratch = scratch,
    .forward = forward,
    .backward = backward,
    .back_scratch = back_scratch,
    .look = look,
    .weigh = weigh,
    .torch_of = torch,
    .opencv_of = opencv,
    .helpers = helpers,
    .ns = 3.6,
};
