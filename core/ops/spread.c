/* spread.c: what windows gathered, given back; see correlate.h.
 *
 * Seen from a number of x the windows over it are a window over y, with the kernel turned: rows of x are gathered from rows
 * of y, four channels at a time. With a stride, rows and columns of x fall into phases: those of one phase see the same taps,
 * every sh-th row of which is there, so each phase is gathered for itself, without products with zeros in between. Rows and
 * columns outside x exist where the mode made them of numbers of x, and are folded back onto these. */
#include "correlate.h"

enum { FLAT = 4096 }; /* columns at once where a map is one long row */

/* Taps of one axis by phase: phase p has taps p, p + count, …; there are no more phases than taps. */
struct phases {
    ptrdiff_t k, count, stride, dilation;
};

static struct phases phases_of(ptrdiff_t k, ptrdiff_t stride, ptrdiff_t dilation)
{
    return (struct phases){k, least(k, stride / convd_common(stride, dilation)), stride, dilation};
}

static ptrdiff_t taps_in(const struct phases *p, ptrdiff_t phase)
{
    return (p->k - phase + p->count - 1) / p->count;
}

/* The phase of the place that is `at` behind the first one windows see; -1: no tap comes there. */
static ptrdiff_t phase_at(const struct phases *p, ptrdiff_t at)
{
    for (ptrdiff_t i = 0; i < p->count; i++)
        if ((at - i * p->dilation) % p->stride == 0) return i;
    return -1;
}

static ptrdiff_t floor_div(ptrdiff_t a, ptrdiff_t b)
{
    return a / b - (a % b < 0);
}

struct spread {
    const struct convd_corr *r;
    const float *k;
    const struct convd_view *y, *x;
    struct phases h, w;
    struct convd_rows rows; /* of x with its border: those that windows see and that come from x */
    struct convd_rows columns;
    ptrdiff_t first, length; /* columns of y in a padded row: [first, first + length)             */
    bool direct;             /* none of them is outside: rows of y are read where they lie        */
    ptrdiff_t slots;         /* padded rows of y that are kept, row i in slot i mod slots         */
    ptrdiff_t stride;        /* floats from one padded row to the next                            */
    float *padded, *zeros, *sum;
    const float **t;
    ptrdiff_t *made;
};

/* The places [-before, …) of an axis that windows see; where the mode drops what is outside, only those inside. */
static struct convd_rows seen(const struct convd_corr *r, ptrdiff_t n, ptrdiff_t before,
                              ptrdiff_t windows, ptrdiff_t k, ptrdiff_t stride, ptrdiff_t dilation)
{
    struct convd_rows s = {-before, (windows - 1) * stride + (k - 1) * dilation + 1 - before};
    if (r->mode == CONVD_MODE_ZEROS || r->mode == CONVD_MODE_CONSTANT) {
        s.y0 = most(s.y0, 0);
        s.y1 = most(least(s.y1, n), s.y0);
    }
    return s;
}

static void measure(struct spread *q, const struct convd_corr *r)
{
    const struct convd_window *w = &r->window;
    *q = (struct spread){.r = r};
    q->h = phases_of(w->kh, w->sh, w->dh);
    q->w = phases_of(w->kw, w->sw, w->dw);
    q->rows = seen(r, r->x.h, w->top, r->y.h, w->kh, w->sh, w->dh);
    q->columns = seen(r, r->x.w, w->left, r->y.w, w->kw, w->sw, w->dw);
    q->first = floor_div(q->columns.y0 + w->left - (w->kw - 1) * w->dw, w->sw);
    q->length = floor_div(q->columns.y1 - 1 + w->left, w->sw) - q->first + 1;
    q->direct = q->first >= 0 && q->first + q->length <= r->y.w;
    q->slots = least((w->kh - 1) * w->dh / w->sh + 1, r->y.h);
    q->stride = (q->length + 15) / 16 * 16;
    if (q->stride % 1024 == 0)
        q->stride += 16; /* rows a multiple of a page apart would share cache sets */
}

/* Rows, zeros, sums, pointers, made; with a base, where each of them is. */
static size_t place(struct spread *q, char *base)
{
    const struct convd_corr *r = q->r;
    const ptrdiff_t wide = most(q->columns.y1 - q->columns.y0, FLAT);
    size_t rows, taps, at[5], bytes = 0;
    if (!convd_mul((size_t)q->slots, (size_t)r->out, &rows) ||
        !convd_mul(rows, (size_t)q->stride, &rows) ||
        !convd_mul((size_t)(r->window.kh * r->window.kw), (size_t)r->out, &taps))
        return SIZE_MAX;
    const size_t counts[5] = {q->direct ? 0 : rows, (size_t)q->stride,
                              CONVD_TAPS_OUTS * (size_t)wide, taps, (size_t)q->slots};
    const size_t sizes[5] = {sizeof(float), sizeof(float), sizeof(float), sizeof(float *),
                             sizeof(ptrdiff_t)};
    for (int i = 0; i < 5; i++) {
        at[i] = bytes;
        if (!convd_room(&bytes, counts[i], sizes[i])) return SIZE_MAX;
    }
    if (base) {
        q->padded = (float *)(void *)(base + at[0]);
        q->zeros = (float *)(void *)(base + at[1]);
        q->sum = (float *)(void *)(base + at[2]);
        q->t = (const float **)(void *)(base + at[3]);
        q->made = (ptrdiff_t *)(void *)(base + at[4]);
    }
    return bytes;
}

size_t convd_spread_bytes(const struct convd_corr *r)
{
    struct spread q;
    measure(&q, r);
    return place(&q, NULL);
}

/* ---- packed kernels: for each block of channels of x, phase by phase, tap by tap (o, a, b) ------------ */

static float *pack_phase(const struct convd_corr *r, const struct spread *q, const float *gather,
                         ptrdiff_t g, ptrdiff_t c, ptrdiff_t m, ptrdiff_t ph, ptrdiff_t pw,
                         float *k)
{
    for (ptrdiff_t o = g * r->out; o < (g + 1) * r->out; o++)
        for (ptrdiff_t a = ph; a < r->window.kh; a += q->h.count)
            for (ptrdiff_t b = pw; b < r->window.kw; b += q->w.count)
                for (ptrdiff_t n = 0; n < m; n++)
                    *k++ = gather[convd_gather_index(r, o, c + n, a, b)];
    return k;
}

void convd_spread_pack(const struct convd_corr *r, const float *gather, float *k)
{
    struct spread q;
    measure(&q, r);
    for (ptrdiff_t g = 0; g < (r->shared ? 1 : r->groups); g++)
        for (ptrdiff_t c = 0, m; c < r->in; c += m) {
            m = least(CONVD_TAPS_OUTS, r->in - c);
            for (ptrdiff_t ph = 0; ph < q.h.count; ph++)
                for (ptrdiff_t pw = 0; pw < q.w.count; pw++)
                    k = pack_phase(r, &q, gather, g, c, m, ph, pw, k);
        }
}

/* The taps of a group's outputs that stand before a phase. */
static ptrdiff_t taps_before(const struct spread *q, ptrdiff_t ph, ptrdiff_t pw)
{
    ptrdiff_t h = 0, w = 0;
    for (ptrdiff_t p = 0; p < ph; p++) h += taps_in(&q->h, p);
    for (ptrdiff_t p = 0; p < pw; p++) w += taps_in(&q->w, p);
    return (h * q->r->window.kw + taps_in(&q->h, ph) * w) * q->r->out;
}

/* ---- rows ------------------------------------------------------------------------------------ */

/* Row i of y for output o of group g, from column `first` on. */
static const float *row_of(const struct spread *q, ptrdiff_t g, ptrdiff_t o, ptrdiff_t i)
{
    if (i < 0 || i >= q->r->y.h) return q->zeros;
    if (q->direct) return convd_row(q->y, g * q->r->out + o, i) + q->first;
    return q->padded + (i % q->slots * q->r->out + o) * q->stride;
}

static void make(const struct spread *q, ptrdiff_t g, ptrdiff_t i)
{
    const struct convd_corr *r = q->r;
    if (q->direct || i < 0 || i >= r->y.h || q->made[i % q->slots] == i) return;
    for (ptrdiff_t o = 0; o < r->out; o++)
        convd_border_line(convd_row(q->y, g * r->out + o, i), r->y.w, q->first, 1, q->length,
                          CONVD_MODE_ZEROS, 0, q->padded + (i % q->slots * r->out + o) * q->stride);
    q->made[i % q->slots] = i;
}

/* Row of y that tap a of row v of x reads; it is there for the taps of v's phase. */
static ptrdiff_t row_at(const struct spread *q, ptrdiff_t v, ptrdiff_t a)
{
    const struct convd_window *w = &q->r->window;
    return floor_div(v + w->top - a * w->dh, w->sh);
}

/* Channels [c,c+m) of group g: sums for n columns from `from` of a phase, added to row k of x. */
static void add_block(const struct spread *q, ptrdiff_t g, ptrdiff_t c, ptrdiff_t m, ptrdiff_t taps,
                      const float *k, ptrdiff_t row, ptrdiff_t first, ptrdiff_t from, ptrdiff_t to)
{
    static const float none[CONVD_TAPS_OUTS];
    const struct convd_corr *r = q->r;
    const ptrdiff_t wide = q->columns.y1 - q->columns.y0;
    float *sum[CONVD_TAPS_OUTS];
    for (ptrdiff_t n = 0; n < m; n++) sum[n] = q->sum + n * wide;
    r->simd->taps(q->t, k, (size_t)taps, none, sum, (size_t)m, (size_t)from, (size_t)to);
    for (ptrdiff_t n = 0; n < m; n++)
        convd_border_fold(sum[n] + from, first + from * r->window.sw, r->window.sw, to - from,
                          r->mode, r->simd, convd_row(q->x, g * r->in + c + n, row), r->x.w);
}

/* One phase of the columns of row v, which is (or was made of) row `row` of x. */
static void add_phase(const struct spread *q, ptrdiff_t g, ptrdiff_t v, ptrdiff_t row, ptrdiff_t ph,
                      ptrdiff_t pw)
{
    const struct convd_corr *r = q->r;
    const struct convd_window *w = &r->window;
    const ptrdiff_t turn = (q->columns.y0 + w->left - pw * w->dw) % w->sw;
    const ptrdiff_t first = q->columns.y0 + (turn > 0 ? w->sw - turn : -turn);
    const ptrdiff_t n = floor_div(q->columns.y1 - 1 - first, w->sw) + 1,
                    size = r->out * w->kh * w->kw;
    ptrdiff_t taps = 0;
    if (n < 1) return;
    for (ptrdiff_t o = 0; o < r->out; o++)
        for (ptrdiff_t a = ph; a < w->kh; a += q->h.count) {
            const float *y = row_of(q, g, o, row_at(q, v, a));
            for (ptrdiff_t b = pw; b < w->kw; b += q->w.count)
                q->t[taps++] = y + ((first + w->left - b * w->dw) / w->sw - q->first);
        }
    const float *k = q->k + (r->shared ? 0 : g * r->in * size);
    const ptrdiff_t before = taps_before(q, ph, pw),
                    tile = convd_corr_tile(r->out, r->in, w->kh, n);
    for (ptrdiff_t from = 0; from < n; from += tile)
        for (ptrdiff_t c = 0, m; c < r->in; c += m) {
            m = least(CONVD_TAPS_OUTS, r->in - c);
            add_block(q, g, c, m, taps, k + c * size + m * before, row, first, from,
                      least(from + tile, n));
        }
}

static void add_row(const struct spread *q, ptrdiff_t g, ptrdiff_t v)
{
    const struct convd_corr *r = q->r;
    const ptrdiff_t row = convd_border_index(r->mode, v, r->x.h);
    const ptrdiff_t phase = phase_at(&q->h, v + r->window.top);
    if (row < q->x->y0 || row >= q->x->y1 || phase < 0) return;
    bool any = false;
    for (ptrdiff_t a = phase; a < r->window.kh; a += q->h.count) {
        const ptrdiff_t i = row_at(q, v, a);
        any |= i >= 0 && i < r->y.h;
        make(q, g, i);
    }
    for (ptrdiff_t p = 0; any && p < q->w.count; p++) add_phase(q, g, v, row, phase, p);
}

/* 1x1 without stride or border, rows without gaps: the rows are one long row. */
static bool is_flat(const struct spread *q)
{
    const struct convd_window *w = &q->r->window;
    return w->kh == 1 && w->kw == 1 && w->sh == 1 && w->sw == 1 && w->top == 0 && w->left == 0 &&
           q->r->y.h == q->r->x.h && q->r->y.w == q->r->x.w && q->y->row == q->y->w &&
           q->x->row == q->x->w;
}

static void add_flat(const struct spread *q, ptrdiff_t g)
{
    static const float none[CONVD_TAPS_OUTS];
    const struct convd_corr *r = q->r;
    const ptrdiff_t n = (q->x->y1 - q->x->y0) * r->x.w;
    const float *k = q->k + (r->shared ? 0 : g * r->in * r->out);
    for (ptrdiff_t from = 0; from < n; from += FLAT) {
        const ptrdiff_t len = least(FLAT, n - from);
        float *sum[CONVD_TAPS_OUTS];
        for (ptrdiff_t o = 0; o < r->out; o++)
            q->t[o] = convd_row(q->y, g * r->out + o, q->x->y0) + from;
        for (ptrdiff_t c = 0, m; c < r->in; c += m) {
            m = least(CONVD_TAPS_OUTS, r->in - c);
            for (ptrdiff_t i = 0; i < m; i++) sum[i] = q->sum + i * FLAT;
            r->simd->taps(q->t, k + c * r->out, (size_t)r->out, none, sum, (size_t)m, 0,
                          (size_t)len);
            for (ptrdiff_t i = 0; i < m; i++) {
                float *x = convd_row(q->x, g * r->in + c + i, q->x->y0) + from;
                r->simd->add(x, x, sum[i], (size_t)len);
            }
        }
    }
}

void convd_spread(const struct convd_corr *r, const float *k, const struct convd_view *y,
                  const struct convd_view *x, void *scratch)
{
    struct spread q;
    measure(&q, r);
    place(&q, scratch);
    q.k = k;
    q.y = y;
    q.x = x;
    const bool drops = r->mode == CONVD_MODE_ZEROS || r->mode == CONVD_MODE_CONSTANT;
    const ptrdiff_t v0 = drops ? most(q.rows.y0, x->y0) : q.rows.y0,
                    v1 = drops ? least(q.rows.y1, x->y1) : q.rows.y1;
    if (q.columns.y0 == q.columns.y1) return;
    for (ptrdiff_t j = 0; j < q.stride; j++) q.zeros[j] = 0;
    for (ptrdiff_t g = 0; g < r->groups; g++) {
        for (ptrdiff_t i = 0; i < q.slots; i++) q.made[i] = -1;
        if (is_flat(&q))
            add_flat(&q, g);
        else
            for (ptrdiff_t v = v0; v < v1; v++) add_row(&q, g, v);
    }
}
