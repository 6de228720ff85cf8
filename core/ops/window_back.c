/* window_back.c: the way back through windows; see window.h and winner.h.
 *
 * Winners are found again from x and y: those of small windows tap by tap (window_claim.c). In large ones the extreme of each
 * column of the window and the row it is first in, then the first column that holds y: kh + kw steps an output in place of
 * kh * kw. */
#include "window.h"
#include "winner.h"
#include <string.h>

enum {
    TAP_BITS = 12, /* a tap is row << TAP_BITS | column: sides are 4096 at most */
    NOBODY = INT32_MAX
};

/* One row of the input and one of the output, each on its own cache line. */
static size_t row_bytes(ptrdiff_t n, size_t size)
{
    return ((size_t)n * size + 63) & ~(size_t)63;
}

/* ---- winners, small windows ---- */

/* The first NaN of window o of row i gets all. */
static void award_nan(const struct convd_award *w, ptrdiff_t i, ptrdiff_t o)
{
    const struct convd_window_axis *a = &w->axes.y, *b = &w->axes.x;
    for (ptrdiff_t t = 0, r = convd_window_start(a, i); t < a->k; t++, r += a->dilation)
        for (ptrdiff_t u = 0, c = convd_window_start(b, o); u < b->k; u++, c += b->dilation) {
            if (r < 0 || r >= a->n || c < 0 || c >= b->n || !isnan(convd_row(w->x, 0, r)[c]))
                continue;
            if (r >= w->own.y0 && r < w->own.y1)
                convd_row(w->dx, 0, r)[c] += convd_row(w->dy, 0, i)[o];
            return;
        }
}

static bool has_nan(const float *x, ptrdiff_t n)
{
    int found = 0;
    for (ptrdiff_t j = 0; j < n; j++) found |= x[j] != x[j];
    return found;
}

static void award_small(const struct convd_award *w, ptrdiff_t i)
{
    const struct convd_window_axis *a = &w->axes.y;
    const float *y = convd_row(w->y, 0, i);
    convd_claim_begin(&w->claim, y, convd_row(w->dy, 0, i));
    for (ptrdiff_t t = 0, r = convd_window_start(a, i); t < a->k; t++, r += a->dilation)
        if (r >= 0 && r < a->n)
            convd_claim_row(&w->claim, convd_row(w->x, 0, r),
                            r >= w->own.y0 && r < w->own.y1 ? convd_row(w->dx, 0, r) : NULL);
    if (!has_nan(y, w->axes.x.out)) return;
    for (ptrdiff_t o = 0; o < w->axes.x.out; o++)
        if (isnan(y[o])) award_nan(w, i, o);
}

/* ---- winners, large windows ---- */

/* The extreme of each column so far, and the tap's row that it stands in. */
static inline void take(float *restrict best, int32_t *restrict row, const float *restrict x,
                        int32_t t, ptrdiff_t n, bool largest)
{
    for (ptrdiff_t j = 0; j < n; j++) {
        const bool better =
            (largest ? x[j] > best[j] : x[j] < best[j]) | ((x[j] != x[j]) & (best[j] == best[j]));
        best[j] = better ? x[j] : best[j];
        row[j] = better ? t : row[j];
    }
}

/* False where the window is all border. */
static bool columns(const struct convd_award *w, ptrdiff_t i, float *best, int32_t *row)
{
    const struct convd_window_axis *a = &w->axes.y;
    const ptrdiff_t n = w->axes.x.n;
    bool any = false;
    for (ptrdiff_t t = 0, r = convd_window_start(a, i); t < a->k; t++, r += a->dilation) {
        if (r < 0 || r >= a->n) continue;
        const float *x = convd_row(w->x, 0, r);
        if (any && w->largest) {
            take(best, row, x, (int32_t)t, n, true);
        } else if (any) {
            take(best, row, x, (int32_t)t, n, false);
        } else {
            memcpy(best, x, (size_t)n * sizeof *best);
            for (ptrdiff_t j = 0; j < n; j++) row[j] = (int32_t)t;
        }
        any = true;
    }
    return any;
}

static void first_taps(const struct convd_window_axis *a, const float *best, const int32_t *row,
                       const float *y, int32_t *tap)
{
    for (ptrdiff_t o = 0; o < a->out; o++) tap[o] = NOBODY;
    for (ptrdiff_t u = 0; u < a->k; u++) {
        ptrdiff_t lo, hi;
        convd_window_range(a, u, &lo, &hi);
        const ptrdiff_t at = u * a->dilation - a->before;
        for (ptrdiff_t o = lo; o < hi; o++) {
            const ptrdiff_t j = o * a->stride + at;
            const int32_t t = row[j] << TAP_BITS | (int32_t)u;
            tap[o] = (wins(best[j], y[o]) & (t < tap[o])) ? t : tap[o];
        }
    }
}

static void award_large(const struct convd_award *w, ptrdiff_t i)
{
    const struct convd_window_axis *a = &w->axes.y, *b = &w->axes.x;
    char *scratch = w->scratch;
    float *best = (float *)(void *)scratch;
    int32_t *row = (int32_t *)(void *)(scratch + row_bytes(b->n, sizeof *best)),
            *tap = (int32_t *)(void *)((char *)row + row_bytes(b->n, sizeof *row));
    if (!columns(w, i, best, row)) return;
    first_taps(b, best, row, convd_row(w->y, 0, i), tap);
    const float *dy = convd_row(w->dy, 0, i);
    for (ptrdiff_t o = 0; o < b->out; o++) {
        if (tap[o] == NOBODY) continue;
        const ptrdiff_t r = convd_window_start(a, i) + (tap[o] >> TAP_BITS) * a->dilation;
        const ptrdiff_t u = tap[o] & ((1 << TAP_BITS) - 1);
        if (r >= w->own.y0 && r < w->own.y1)
            convd_row(w->dx, 0, r)[convd_window_start(b, o) + u * b->dilation] += dy[o];
    }
}

/* ---- winners ---- */

static bool is_small(const struct convd_window_axes *a)
{
    return a->y.k * a->x.k <= CONVD_AWARD_SMALL;
}

size_t convd_award_scratch(const struct convd_window_axes *a)
{
    if (is_small(a)) return convd_claim_scratch(&a->x);
    return 2 * row_bytes(a->x.n, sizeof(float)) + row_bytes(a->x.out, sizeof(float));
}

void convd_award_init(struct convd_award *w)
{
    if (is_small(&w->axes)) convd_claim_init(&w->claim, &w->axes.x, w->simd, w->scratch);
}

void convd_award(const struct convd_award *w, ptrdiff_t i)
{
    (is_small(&w->axes) ? award_small : award_large)(w, i);
}

/* The outputs whose windows meet rows [own.y0, own.y1). */
static struct convd_rows users(const struct convd_window_axis *a, struct convd_rows own)
{
    const ptrdiff_t first = own.y0 + a->before - (a->k - 1) * a->dilation,
                    last = own.y1 - 1 + a->before;
    return (struct convd_rows){first <= 0 ? 0 : (first + a->stride - 1) / a->stride,
                               least(last / a->stride + 1, a->out)};
}

void convd_window_extreme_back(const struct convd_back *call, bool largest)
{
    const struct part_box own = part_box(call, call->dx);
    struct convd_award w = {.axes = convd_window_axes(call->site),
                            .simd = call->site->simd,
                            .largest = largest,
                            .own = own.rows,
                            .scratch = call->scratch};
    const struct convd_rows outs = users(&w.axes.y, own.rows);
    if (convd_squares_back(call, &w.axes)) return;
    convd_award_init(&w);
    for (ptrdiff_t c = own.channels.y0; c < own.channels.y1; c++) {
        const struct convd_view x = channel_of(call->x, c), y = channel_of(call->y, c),
                                dy = channel_of(call->dy, c), dx = channel_of(call->dx, c);
        w.x = &x, w.y = &y, w.dy = &dy, w.dx = &dx;
        for (ptrdiff_t r = own.rows.y0; call->fresh && r < own.rows.y1; r++)
            memset(convd_row(&dx, 0, r), 0, (size_t)dx.w * sizeof(float));
        for (ptrdiff_t i = outs.y0; i < outs.y1; i++) convd_award(&w, i);
    }
}

size_t convd_window_extreme_back_scratch(const struct convd_site *s)
{
    const struct convd_window_axes a = convd_window_axes(s);
    return convd_award_scratch(&a);
}

/* ---- sums ---- */

/* Where the parts of the scratch begin, in doubles. */
struct sum_room {
    double *share, *padded, *inside,
        *row; /* of each output column, three times; of each input column */
};

static struct sum_room sum_room(const struct convd_window_axes *a, void *scratch)
{
    const size_t outs = row_bytes(a->x.out, sizeof(double)) / sizeof(double);
    double *at = scratch;
    return (struct sum_room){at, at + outs, at + 2 * outs, at + 3 * outs};
}

size_t convd_window_sum_back_scratch(const struct convd_site *s)
{
    const struct convd_window_axes a = convd_window_axes(s);
    return 3 * row_bytes(a.x.out, sizeof(double)) + row_bytes(a.x.n, sizeof(double));
}

static inline void spread_taps(double *restrict row, const double *restrict share, ptrdiff_t n,
                               ptrdiff_t stride)
{
    for (ptrdiff_t o = 0; o < n; o++) row[o * stride] += share[o];
}

/* Each column gets the sum of the outputs whose windows hold it. */
static void spread_columns(const struct convd_window_axis *a, const double *share, double *row)
{
    for (ptrdiff_t j = 0; j < a->n; j++) row[j] = 0;
    for (ptrdiff_t t = 0; t < a->k; t++) {
        ptrdiff_t lo, hi;
        convd_window_range(a, t, &lo, &hi);
        if (lo >= hi) continue;
        double *at = row + convd_window_start(a, lo) + t * a->dilation;
        if (a->stride == 1)
            spread_taps(at, share + lo, hi - lo, 1);
        else if (a->stride == 2)
            spread_taps(at, share + lo, hi - lo, 2);
        else
            spread_taps(at, share + lo, hi - lo, a->stride);
    }
}

/* Adds up what the outputs over row r of x give, column by column. */
static void gather_rows(const struct convd_back *call, const struct convd_window_axis *a,
                        ptrdiff_t c, ptrdiff_t r, struct convd_window_share *s,
                        void (*share)(const struct convd_window_share *s))
{
    for (ptrdiff_t o = 0; o < s->n; o++) s->sum[o] = 0;
    for (ptrdiff_t t = a->k; t-- > 0;) {
        const ptrdiff_t at = r + a->before - t * a->dilation, i = at / a->stride;
        if (at < 0 || at % a->stride || i >= a->out) continue;
        s->dy = convd_row(call->dy, c, i);
        s->y = convd_row(call->y, c, i);
        s->row_padded = (double)convd_window_taps(a, i, true);
        s->row_inside = (double)convd_window_taps(a, i, false);
        share(s);
    }
}

void convd_window_sum_back(const struct convd_back *call,
                           void (*share)(const struct convd_window_share *s),
                           double (*slope)(double x, const struct convd_window_params *p))
{
    const struct convd_window_params *p = call->site->params;
    const struct convd_window_axes a = convd_window_axes(call->site);
    const struct convd_view *dx = call->dx;
    const struct convd_rows own = part_rows(call, dx);
    const struct sum_room m = sum_room(&a, call->scratch);
    struct convd_window_share s = {
        .p = p, .n = a.x.out, .padded = m.padded, .inside = m.inside, .sum = m.share};
    for (ptrdiff_t o = 0; o < a.x.out; o++) {
        m.padded[o] = (double)convd_window_taps(&a.x, o, true);
        m.inside[o] = (double)convd_window_taps(&a.x, o, false);
    }
    for (ptrdiff_t r = own.y0; r < own.y1; r++) {
        const ptrdiff_t c = r / dx->h, i = r % dx->h;
        const float *x = convd_row(call->x, c, i);
        float *to = convd_row(dx, c, i);
        gather_rows(call, &a.y, c, i, &s, share);
        spread_columns(&a.x, m.share, m.row);
        if (slope)
            for (ptrdiff_t j = 0; j < dx->w; j++)
                to[j] += (float)(m.row[j] * slope((double)x[j], p));
        else
            for (ptrdiff_t j = 0; j < dx->w; j++) to[j] += (float)m.row[j];
    }
}
