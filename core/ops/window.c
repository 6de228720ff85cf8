/* window.c: shapes, rows and sums of a pool; see window.h. */
#include "window.h"

struct convd_window_axes convd_window_axes(const struct convd_site *s)
{
    const struct convd_window_params *p = s->params;
    const struct convd_padding *q = &p->padding;
    const struct convd_shape *x = &s->x[0];
    struct convd_axis y = convd_axis_resolve(q->kind, x->h, q->top, q->bottom, p->kernel_size.h,
                                             p->stride.h, p->dilation.h, p->ceil_mode);
    struct convd_axis w = convd_axis_resolve(q->kind, x->w, q->left, q->right, p->kernel_size.w,
                                             p->stride.w, p->dilation.w, p->ceil_mode);
    return (struct convd_window_axes){
        .y = {x->h, y.size, p->kernel_size.h, p->stride.h, p->dilation.h, y.before, y.after},
        .x = {x->w, w.size, p->kernel_size.w, p->stride.w, p->dilation.w, w.before, w.after},
    };
}

ptrdiff_t convd_window_taps(const struct convd_window_axis *a, ptrdiff_t o, bool padded)
{
    ptrdiff_t start = convd_window_start(a, o);
    ptrdiff_t lo = padded ? -a->before : 0, hi = padded ? a->n + a->after : a->n;
    ptrdiff_t first = start >= lo ? 0 : (lo - start + a->dilation - 1) / a->dilation;
    ptrdiff_t end = start >= hi ? 0 : (hi - 1 - start) / a->dilation + 1;
    return most(least(end, a->k) - first, 0);
}

void convd_window_range(const struct convd_window_axis *a, ptrdiff_t t, ptrdiff_t *lo,
                        ptrdiff_t *hi)
{
    ptrdiff_t shift = a->before - t * a->dilation; /* output o reads o * stride - shift */
    *lo = shift <= 0 ? 0 : (shift + a->stride - 1) / a->stride;
    *hi = a->n + shift <= 0 ? 0 : least((a->n - 1 + shift) / a->stride + 1, a->out);
}

struct convd_rows convd_window_inside(const struct convd_window_axis *a)
{
    ptrdiff_t lo, hi, first, end;
    convd_window_range(a, 0, &first, &hi);
    convd_window_range(a, a->k - 1, &lo, &end);
    lo = most(lo, first);
    hi = least(hi, end);
    return (struct convd_rows){lo, most(lo, hi)};
}

/* ---- hooks ---- */

const struct convd_rule convd_window_rules[] = {
    {"padding", CONVD_OUT_OF_RANGE, "less than the dilated window on each side"},
    {.member = NULL},
};

static void check_side(struct convd_faults *f, ptrdiff_t padding, ptrdiff_t k, ptrdiff_t dilation,
                       const char *side)
{
    ptrdiff_t reach = (k - 1) * dilation + 1;
    if (padding < reach) return;
    struct convd_fault *x =
        convd_fault(f, CONVD_OUT_OF_RANGE, "padding", "padding is %td %s", padding, side);
    x->expected = convd_arena_printf(f->mem, "less than the window, which is %td", reach);
}

bool convd_window_check(const void *params, struct convd_faults *f)
{
    const struct convd_window_params *p = params;
    const struct convd_padding *q = &p->padding;
    size_t before = f->n;
    if (q->kind != CONVD_PAD_EXPLICIT) return true;
    check_side(f, most(q->top, q->bottom), p->kernel_size.h, p->dilation.h, "rows");
    check_side(f, most(q->left, q->right), p->kernel_size.w, p->dilation.w, "columns");
    return f->n == before;
}

bool convd_window_shape(struct convd_site *s, struct convd_faults *f)
{
    const struct convd_window_params *p = s->params;
    struct convd_window_axes a = convd_window_axes(s);
    ptrdiff_t reach_h = (a.y.k - 1) * a.y.dilation + 1, reach_w = (a.x.k - 1) * a.x.dilation + 1;
    if (a.y.out < 1 || a.x.out < 1) {
        struct convd_fault *x =
            convd_fault(f, CONVD_BAD_SHAPE, "kernel_size",
                        "the %tdx%td window does not fit into %tdx%td", reach_h, reach_w,
                        s->x[0].h + a.y.before + a.y.after, s->x[0].w + a.x.before + a.x.after);
        x->expected = "a window of at most the padded picture, or more padding";
        return false;
    }
    (void)p;
    s->y = (struct convd_shape){s->y.n, s->x[0].c, a.y.out, a.x.out};
    return true;
}

void convd_window_cost(const struct convd_site *s, struct convd_cost *c)
{
    const struct convd_window_params *p = s->params;
    c->macs = (double)s->y.c * (double)s->y.h * (double)s->y.w * (double)p->kernel_size.h *
              (double)p->kernel_size.w;
}

void convd_window_field(const struct convd_site *s, struct convd_window *w)
{
    struct convd_window_axes a = convd_window_axes(s);
    *w = (struct convd_window){
        .kh = a.y.k,
        .kw = a.x.k,
        .sh = a.y.stride,
        .sw = a.x.stride,
        .dh = a.y.dilation,
        .dw = a.x.dilation,
        .top = a.y.before,
        .left = a.x.before,
    };
}

void convd_window_look(const struct convd_site *s, struct convd_place at, struct convd_look *l)
{
    const struct convd_window_axes a = convd_window_axes(s);
    *l = (struct convd_look){.kind = CONVD_LOOK_WINDOW,
                             .c = at.c,
                             .channels = 1,
                             .y = convd_window_start(&a.y, at.i),
                             .x = convd_window_start(&a.x, at.j),
                             .kh = a.y.k,
                             .kw = a.x.k,
                             .dy = a.y.dilation,
                             .dx = a.x.dilation,
                             .mode = CONVD_MODE_ZEROS};
}

bool convd_window_rows(const struct convd_site *s, size_t i, struct convd_rows y,
                       struct convd_rows *x)
{
    (void)i;
    const struct convd_window_axis a = convd_window_axes(s).y;
    ptrdiff_t lo = convd_window_start(&a, y.y0);
    ptrdiff_t hi = convd_window_start(&a, y.y1 - 1) + (a.k - 1) * a.dilation + 1;
    x->y0 = most(least(lo, a.n - 1), 0);
    x->y1 = most(least(hi, a.n), x->y0 + 1);
    return true;
}

/* One row of the input and one of the output, in double at most, each on its own cache line. */
static size_t row_bytes(ptrdiff_t n)
{
    return ((size_t)n * sizeof(double) + 63) & ~(size_t)63;
}

size_t convd_window_scratch(const struct convd_site *s, ptrdiff_t rows)
{
    (void)rows;
    return row_bytes(s->x[0].w) + row_bytes(s->y.w);
}

bool convd_window_plain(const struct convd_site *s)
{
    const struct convd_window_axes a = convd_window_axes(s);
    return a.y.before == a.y.after && a.x.before == a.x.after && 2 * a.y.before <= a.y.k &&
           2 * a.x.before <= a.x.k;
}

static ptrdiff_t cover(const struct convd_window_axis *a)
{
    return convd_window_start(a, a->out - 1) + (a->k - 1) * a->dilation + 1 - a->n;
}

struct convd_pair convd_window_cover(const struct convd_site *s)
{
    const struct convd_window_axes a = convd_window_axes(s);
    return (struct convd_pair){cover(&a.y), cover(&a.x)};
}

/* ---- sums ---- */

static void add_row(double *restrict sum, const float *restrict x, ptrdiff_t n,
                    double (*term)(double, const struct convd_window_params *),
                    const struct convd_window_params *p)
{
    if (term)
        for (ptrdiff_t j = 0; j < n; j++) sum[j] += term((double)x[j], p);
    else
        for (ptrdiff_t j = 0; j < n; j++) sum[j] += (double)x[j];
}

static inline void add_taps(double *restrict y, const double *restrict x, ptrdiff_t n,
                            ptrdiff_t stride)
{
    for (ptrdiff_t o = 0; o < n; o++) y[o] += x[o * stride];
}

/* Sums along the columns: sum[o] = the columns that window o of the axis holds. */
static void sum_columns(const struct convd_window_axis *a, const double *column, double *sum)
{
    for (ptrdiff_t j = 0; j < a->out; j++) sum[j] = 0;
    for (ptrdiff_t t = 0; t < a->k; t++) {
        ptrdiff_t lo, hi;
        convd_window_range(a, t, &lo, &hi);
        if (lo >= hi) continue;
        const double *x = column + convd_window_start(a, lo) + t * a->dilation;
        if (a->stride == 1)
            add_taps(sum + lo, x, hi - lo, 1);
        else if (a->stride == 2)
            add_taps(sum + lo, x, hi - lo, 2);
        else
            add_taps(sum + lo, x, hi - lo, a->stride);
    }
}

void convd_window_sum(const struct convd_call *call,
                      double (*term)(double x, const struct convd_window_params *p),
                      double (*finish)(double sum, double padded, double inside,
                                       const struct convd_window_params *p))
{
    const struct convd_window_params *p = call->site->params;
    const struct convd_window_axes a = convd_window_axes(call->site);
    const struct convd_view *x = call->x, *y = call->y;
    double *column = (double *)(void *)call->scratch;
    double *sum = (double *)(void *)((char *)call->scratch + row_bytes(a.x.n));
    for (ptrdiff_t c = 0; c < y->c; c++)
        for (ptrdiff_t i = y->y0; i < y->y1; i++) {
            for (ptrdiff_t j = 0; j < a.x.n; j++) column[j] = 0;
            for (ptrdiff_t t = 0, r = convd_window_start(&a.y, i); t < a.y.k;
                 t++, r += a.y.dilation)
                if (r >= 0 && r < a.y.n) add_row(column, convd_row(x, c, r), a.x.n, term, p);
            sum_columns(&a.x, column, sum);
            float *out = convd_row(y, c, i);
            double padded = (double)convd_window_taps(&a.y, i, true),
                   inside = (double)convd_window_taps(&a.y, i, false);
            for (ptrdiff_t j = 0; j < a.x.out; j++)
                out[j] = (float)finish(sum[j], padded * (double)convd_window_taps(&a.x, j, true),
                                       inside * (double)convd_window_taps(&a.x, j, false), p);
        }
}
