/* median.tmpl.c: medians of bytes in large windows. A median is at least t where no more than half of its window is below t.
 *
 * Where counts fit into bytes and vectors are wide, each median finds its bits one after another, from the highest down: eight
 * times its window is compared with a t of its own.
 *
 * For larger windows each column of kh numbers has a histogram, which changes by two numbers from row to row, and the window's
 * is the sum of kw of them: 16 coarse bins, that are moved along with every number, and under each 16 fine ones, that are moved
 * only when the median is among them.
 * Source: Perreault, Hebert 2007, "Median filtering in constant time". */
#include "isa.h"

#define OUTS 4 /* output rows that share what is loaded */

/* ---- bit by bit ---- */

/* Counts what of row x is at least t, for outputs [from,to). */
INLINE void count_row(const struct convd_medians *q, const uint8_t *x, const bvec *t, const size_t from, const size_t to,
                      bvec *count)
{
    for (size_t b = 0; b < q->kw; b++, x += q->step) {
        const bvec v = LOAD(bvec, x);
        UNROLL
        for (size_t o = from; o < to; o++) count[o] = int_least8(count[o], v, t[o]);
    }
}

/* The windows of one row of outputs, or of OUTS; kh >= outs. */
INLINE void count_windows(const struct convd_medians *q, const uint8_t *const *rows, size_t at, const size_t outs,
                          const bvec *t, bvec *count)
{
    UNROLL
    for (size_t o = 0; o < outs; o++) count[o] = (bvec){0};
    for (size_t a = outs - 1; a < q->kh; a++) count_row(q, rows[a] + at, t, 0, outs, count);
    if (outs == 1) return;
    UNROLL
    for (size_t a = 1; a < OUTS; a++) {
        count_row(q, rows[a - 1] + at, t, 0, a, count);
        count_row(q, rows[q->kh + a - 1] + at, t, a, OUTS, count);
    }
}

/* A vector of each of outs rows from row o on. */
INLINE void by_bits(const struct convd_medians *q, size_t o, size_t at, const size_t outs)
{
    const bvec half = (uint8_t)(q->kh * q->kw / 2) - (bvec){0};
    bvec best[OUTS] = {{0}};
    for (unsigned bit = 128; bit; bit /= 2) {
        bvec t[OUTS], count[OUTS];
        UNROLL
        for (size_t i = 0; i < outs; i++) t[i] = best[i] | (uint8_t)bit;
        count_windows(q, q->rows + o, at, outs, t, count);
        UNROLL
        for (size_t i = 0; i < outs; i++) best[i] |= (bvec)(count[i] > half) & (uint8_t)bit;
    }
    UNROLL
    for (size_t i = 0; i < outs; i++) STORE(q->y[o + i] + at, best[i]);
}

static void rows_by_bits(const struct convd_medians *q, size_t n)
{
    const bool few = q->outs < OUTS || q->kh < OUTS;
    for (size_t o = 0; o < q->outs; o += few ? 1 : OUTS)
        for (size_t j = 0; j < n; j += VL) {
            const size_t at = j + VL <= n ? j : n - VL;
            if (few)
                by_bits(q, o, at, 1);
            else
                by_bits(q, o + OUTS <= q->outs ? o : q->outs - OUTS, at, OUTS);
        }
}

/* ---- by histograms ---- */

typedef uint8_t bytes16 __attribute__((vector_size(16)));

/* 16 bins. */
struct bins {
    words8 low, high;
};

INLINE struct bins bins_of(const uint8_t *x)
{
    const bytes16 v = LOAD(bytes16, x), none = {0};
    return (struct bins){
        (words8)__builtin_shufflevector(v, none, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23),
        (words8)__builtin_shufflevector(v, none, 8, 16, 9, 17, 10, 18, 11, 19, 12, 20, 13, 21, 14, 22, 15, 23)};
}

/* A column comes in, another leaves. */
INLINE void move_bins(struct bins *s, const uint8_t *in, const uint8_t *out)
{
    const struct bins a = bins_of(in), b = bins_of(out);
    s->low += a.low - b.low;
    s->high += a.high - b.high;
}

INLINE struct bins sum_of(const uint8_t *columns, size_t n)
{
    struct bins s = {{0}, {0}};
    for (size_t c = 0; c < n; c++) {
        const struct bins more = bins_of(columns + 16 * c);
        s.low += more.low;
        s.high += more.high;
    }
    return s;
}

INLINE words8 running(words8 v)
{
    const words8 none = {0};
    v += __builtin_shufflevector(none, v, 7, 8, 9, 10, 11, 12, 13, 14);
    v += __builtin_shufflevector(none, v, 6, 7, 8, 9, 10, 11, 12, 13);
    return v + __builtin_shufflevector(none, v, 4, 5, 6, 7, 8, 9, 10, 11);
}

/* The bin of the number that has *before others before it; what of them lies in earlier bins is taken away. */
INLINE size_t find(const struct bins *s, unsigned *before)
{
    int16_t sums[17] = {0};
    const words8 low = running(s->low), high = running(s->high) + low[7], limit = (int16_t)*before - (words8){0};
    STORE(sums + 1, low);
    STORE(sums + 9, high);
    const size_t bin = int_first16(low > limit, high > limit);
    *before -= (unsigned)sums[bin];
    return bin;
}

/* Histograms of the columns under a strip: coarse ones behind each other, then fine ones, all columns of a coarse bin
 * together. */
struct strip {
    const struct convd_medians *q;
    size_t at, n, columns; /* the first number, outputs, and columns under them */
    uint8_t *coarse, *fine;
};

INLINE void count_number(const struct strip *w, size_t c, uint8_t v, int by)
{
    uint8_t *coarse = w->coarse + 16 * c + v / 16, *fine = w->fine + 16 * (v / 16 * w->columns + c) + v % 16;
    *coarse = (uint8_t)(*coarse + by);
    *fine = (uint8_t)(*fine + by);
}

static void row_in(const struct strip *w, const uint8_t *x)
{
    for (size_t c = 0; c < w->columns; c++) count_number(w, c, x[w->at + c * w->q->step], 1);
}

static void row_out(const struct strip *w, const uint8_t *x)
{
    for (size_t c = 0; c < w->columns; c++) count_number(w, c, x[w->at + c * w->q->step], -1);
}

/* A row of medians from the histograms; fine bins of coarse bin b stand for the window at place[b]. */
static void slide(const struct strip *w, uint8_t *y)
{
    const size_t kw = w->q->kw;
    struct bins coarse = sum_of(w->coarse, kw), fine[16];
    size_t place[16];
    for (size_t b = 0; b < 16; b++) place[b] = SIZE_MAX / 2;
    for (size_t j = 0; j < w->n; j++) {
        unsigned before = (unsigned)(w->q->kh * kw / 2);
        const size_t b = find(&coarse, &before);
        const uint8_t *columns = w->fine + 16 * b * w->columns;
        if (j - place[b] > kw / 2) /* anew is as fast; so, too, where it never was */
            fine[b] = sum_of(columns + 16 * j, kw);
        else
            for (size_t c = place[b]; c < j; c++) move_bins(&fine[b], columns + 16 * (c + kw), columns + 16 * c);
        place[b] = j;
        y[w->at + j * w->q->step] = (uint8_t)(16 * b + find(&fine[b], &before));
        if (j + 1 < w->n) move_bins(&coarse, w->coarse + 16 * (j + kw), w->coarse + 16 * j);
    }
}

static void rows_by_histograms(const struct convd_medians *q, size_t n)
{
    const size_t pixels = n / q->step;
    for (size_t j = 0; j < pixels; j += CONVD_MEDIAN_STRIP)
        for (size_t c = 0; c < q->step; c++) {
            struct strip w = {.q = q, .at = j * q->step + c, .n = pixels - j};
            if (w.n > CONVD_MEDIAN_STRIP) w.n = CONVD_MEDIAN_STRIP;
            w.columns = w.n + q->kw - 1;
            w.coarse = q->room;
            w.fine = w.coarse + 16 * w.columns;
            __builtin_memset(q->room, 0, 17 * 16 * w.columns);
            for (size_t a = 0; a < q->kh - 1; a++) row_in(&w, q->rows[a]);
            for (size_t o = 0; o < q->outs; o++) {
                row_in(&w, q->rows[o + q->kh - 1]);
                slide(&w, q->y[o]);
                row_out(&w, q->rows[o]);
            }
        }
}

void convd_median_window_ref(const struct convd_medians *q, size_t n);

void FN(median_window)(const struct convd_medians *q, size_t n)
{
    if (q->kh * q->kw > (VL > 16 ? CONVD_MEDIAN_BITS : CONVD_MEDIAN_BITS / 3))
        rows_by_histograms(q, n);
    else if (n < VL)
        convd_median_window_ref(q, n);
    else
        rows_by_bits(q, n);
}
