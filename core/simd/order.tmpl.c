/* order.tmpl.c: largest, smallest and middle numbers of windows of integers. Tails are laid back. */
#include "isa.h"

#define VECS 4

void convd_best_u8_ref(const uint8_t *const *t, size_t taps, bool largest, uint8_t *y, size_t n);
void convd_best_window_ref(const struct convd_best *q, size_t n);
void convd_pick_u8_ref(const uint8_t *const *t, size_t taps, bool largest, uint8_t *y, size_t n);
void convd_median_u8_ref(const uint8_t *const *rows, size_t step, size_t side, uint8_t *const *y, size_t outs, size_t n);

/* ---- rows under each other ---- */

INLINE void best_tile(const uint8_t *const *t, size_t taps, const bool largest, uint8_t *y, size_t at, const size_t vecs)
{
    bvec best[VECS];
    UNROLL
    for (size_t v = 0; v < vecs; v++) best[v] = LOAD(bvec, t[0] + at + v * VL);
    for (size_t i = 1; i < taps; i++) {
        UNROLL
        for (size_t v = 0; v < vecs; v++) {
            const bvec x = LOAD(bvec, t[i] + at + v * VL);
            best[v] = largest ? int_max8(best[v], x) : int_min8(best[v], x);
        }
    }
    UNROLL
    for (size_t v = 0; v < vecs; v++) STORE(y + at + v * VL, best[v]);
}

INLINE void best_run(const uint8_t *const *t, size_t taps, const bool largest, uint8_t *y, size_t n)
{
    size_t j = 0;
    for (; j + VECS * VL <= n; j += VECS * VL) best_tile(t, taps, largest, y, j, VECS);
    for (; j + VL <= n; j += VL) best_tile(t, taps, largest, y, j, 1);
    if (j < n) best_tile(t, taps, largest, y, n - VL, 1);
}

void FN(best_u8)(const uint8_t *const *t, size_t taps, bool largest, uint8_t *y, size_t n)
{
    if (n < VL)
        convd_best_u8_ref(t, taps, largest, y, n);
    else if (largest)
        best_run(t, taps, true, y, n);
    else
        best_run(t, taps, false, y, n);
}

/* ---- windows, down a column of vectors ----
 * What a row makes across is made once, and two outputs share the rows between their first and their last. */

#define PAIR 2 /* vectors of a column */

INLINE bvec better(bvec a, bvec b, const bool words, const bool largest)
{
    if (words) return (bvec)(largest ? int_max16((hvec)a, (hvec)b) : int_min16((hvec)a, (hvec)b));
    return largest ? int_max8(a, b) : int_min8(a, b);
}

/* Of kw numbers of a row; `at` counts bytes. */
INLINE void across(const struct convd_best *q, size_t row, size_t at, const size_t kw, const bool words, const bool largest,
                   const size_t vecs, bvec *best)
{
    const uint8_t *x = (const uint8_t *)q->rows[row] + at;
    UNROLL
    for (size_t v = 0; v < vecs; v++) best[v] = LOAD(bvec, x + v * VL);
    for (size_t b = 1; b < kw; b++) {
        x += q->step << words;
        UNROLL
        for (size_t v = 0; v < vecs; v++) best[v] = better(best[v], LOAD(bvec, x + v * VL), words, largest);
    }
}

/* 3 x 3: rows stay in registers. */
INLINE void column3(const struct convd_best *q, size_t at, const bool words, const bool largest, const size_t vecs)
{
    bvec row[4][PAIR];
    across(q, 0, at, 3, words, largest, vecs, row[0]);
    across(q, 1, at, 3, words, largest, vecs, row[1]);
    for (size_t o = 0; o < q->outs; o += 2) {
        bvec middle[PAIR];
        across(q, o + 2, at, 3, words, largest, vecs, row[2]);
        UNROLL
        for (size_t v = 0; v < vecs; v++) {
            middle[v] = better(row[1][v], row[2][v], words, largest);
            STORE((uint8_t *)q->y[o] + at + v * VL, better(row[0][v], middle[v], words, largest));
        }
        if (o + 1 == q->outs) break;
        across(q, o + 3, at, 3, words, largest, vecs, row[3]);
        UNROLL
        for (size_t v = 0; v < vecs; v++) {
            STORE((uint8_t *)q->y[o + 1] + at + v * VL, better(middle[v], row[3][v], words, largest));
            row[0][v] = row[2][v];
            row[1][v] = row[3][v];
        }
    }
}

INLINE void column(const struct convd_best *q, size_t at, const bool words, const bool largest, const size_t vecs)
{
    bvec row[CONVD_BEST_OUTS + CONVD_BEST_MOST - 1][PAIR];
    for (size_t a = 0; a < q->outs + q->kh - 1; a++) across(q, a, at, q->kw, words, largest, vecs, row[a]);
    for (size_t o = 0; o < q->outs; o += 2) {
        const size_t two = q->kh > 1 && o + 1 < q->outs;
        for (size_t v = 0; v < vecs; v++) {
            bvec middle = row[o + two][v];
            for (size_t a = 1 + two; a < q->kh; a++) middle = better(middle, row[o + a][v], words, largest);
            STORE((uint8_t *)q->y[o] + at + v * VL, two ? better(middle, row[o][v], words, largest) : middle);
            if (two) middle = better(middle, row[o + q->kh][v], words, largest);
            if (o + 1 < q->outs) STORE((uint8_t *)q->y[o + 1] + at + v * VL, two ? middle : row[o + 1][v]);
        }
    }
}

/* Where bytes can be picked from two vectors, rows are read once, as they come: down first, then across what was made. */
#ifdef int_pick
/* Bytes at `at` of one or two output rows, the first of which begins with row[0]. */
INLINE void down(const uint8_t *const *row, size_t at, const size_t kh, const size_t outs, const bool words,
                 const bool largest, bvec *y)
{
    bvec middle = LOAD(bvec, row[outs - 1] + at);
    for (size_t a = outs; a < kh; a++) middle = better(middle, LOAD(bvec, row[a] + at), words, largest);
    y[0] = outs > 1 ? better(middle, LOAD(bvec, row[0] + at), words, largest) : middle;
    if (outs > 1) y[1] = better(middle, LOAD(bvec, row[kh] + at), words, largest);
}

/* One output row, or two, from row o on; as far as whole vectors can be read. Returns how many bytes of them are done. */
INLINE size_t slide(const struct convd_best *q, size_t o, const size_t outs, size_t bytes, const size_t kh, const size_t kw,
                    const bool words, const bool largest)
{
    const size_t step = q->step << words, reach = (kw - 1) * step;
    const uint8_t *row[CONVD_BEST_MOST + 1] = {NULL};
    uint8_t *const y[2] = {q->y[o], q->y[o + outs - 1]};
    const bvec by = (uint8_t)step - (bvec){0};
    bvec now[2], next[2], count;
    size_t j = 0;
    if (2 * VL > bytes + reach) return 0;
    for (size_t a = 0; a < kh + outs - 1; a++) row[a] = q->rows[o + a];
    for (size_t i = 0; i < VL; i++) count[i] = (uint8_t)i;
    down(row, 0, kh, outs, words, largest, now);
    for (; j + 2 * VL <= bytes + reach && j + VL <= bytes; j += VL) {
        bvec at = count, best[2] = {now[0], now[1]};
        down(row, j + VL, kh, outs, words, largest, next);
        for (size_t b = 1; b < kw; b++) {
            at += by;
            UNROLL
            for (size_t v = 0; v < outs; v++) best[v] = better(best[v], int_pick(now[v], at, next[v]), words, largest);
        }
        UNROLL
        for (size_t v = 0; v < outs; v++) {
            STORE(y[v] + j, best[v]);
            now[v] = next[v];
        }
    }
    return j;
}
#endif

/* Returns how many bytes of each row are done. */
INLINE size_t slide_rows(const struct convd_best *q, size_t bytes, const bool words, const bool largest)
{
    size_t done = 0;
#ifdef int_pick
    const bool three = q->kh == 3 && q->kw == 3;
    if ((q->kw - 1) * q->step << words > VL) return 0;
    for (size_t o = 0, outs; o < q->outs; o += outs) {
        outs = q->kh > 1 && o + 1 < q->outs ? 2 : 1;
        if (outs == 1)
            done = slide(q, o, 1, bytes, q->kh, q->kw, words, largest);
        else if (three)
            done = slide(q, o, 2, bytes, 3, 3, words, largest);
        else
            done = slide(q, o, 2, bytes, q->kh, q->kw, words, largest);
    }
#else
    (void)q, (void)bytes, (void)words, (void)largest;
#endif
    return done;
}

INLINE void window_run(const struct convd_best *q, size_t bytes, const bool words, const bool largest)
{
    const bool three = q->kh == 3 && q->kw == 3;
    size_t j = slide_rows(q, bytes, words, largest);
    for (; j + PAIR * VL <= bytes; j += PAIR * VL) {
        if (three)
            column3(q, j, words, largest, PAIR);
        else
            column(q, j, words, largest, PAIR);
    }
    for (; j < bytes; j += VL) {
        if (three)
            column3(q, j + VL <= bytes ? j : bytes - VL, words, largest, 1);
        else
            column(q, j + VL <= bytes ? j : bytes - VL, words, largest, 1);
    }
}

void FN(best_window)(const struct convd_best *q, size_t n)
{
    const size_t bytes = n << q->words;
    if (bytes < VL)
        convd_best_window_ref(q, n);
    else if (q->words)
        q->largest ? window_run(q, bytes, true, true) : window_run(q, bytes, true, false);
    else
        q->largest ? window_run(q, bytes, false, true) : window_run(q, bytes, false, false);
}

/* ---- of each two neighbours ---- */

/* The better of each two neighbours, of 2 * VL bytes. */
INLINE bvec pick_two(bvec a, bvec b, const bool largest)
{
    const bvec a1 = (bvec)((uhvec)a >> 8), b1 = (bvec)((uhvec)b >> 8);
    const hvec x = (hvec)(largest ? int_max8(a, a1) : int_min8(a, a1)) & 0xff,
               y = (hvec)(largest ? int_max8(b, b1) : int_min8(b, b1)) & 0xff;
    return int_pack8(x, y);
}

INLINE void pick_tile(const uint8_t *const *t, size_t taps, const bool largest, uint8_t *y, size_t at)
{
    bvec a = LOAD(bvec, t[0] + 2 * at), b = LOAD(bvec, t[0] + 2 * at + VL);
    for (size_t i = 1; i < taps; i++) {
        const bvec u = LOAD(bvec, t[i] + 2 * at), v = LOAD(bvec, t[i] + 2 * at + VL);
        a = largest ? int_max8(a, u) : int_min8(a, u);
        b = largest ? int_max8(b, v) : int_min8(b, v);
    }
    STORE(y + at, pick_two(a, b, largest));
}

INLINE void pick_run(const uint8_t *const *t, size_t taps, const bool largest, uint8_t *y, size_t n)
{
    size_t j = 0;
    for (; j + VL <= n; j += VL) pick_tile(t, taps, largest, y, j);
    if (j < n) pick_tile(t, taps, largest, y, n - VL);
}

void FN(pick_u8)(const uint8_t *const *t, size_t taps, bool largest, uint8_t *y, size_t n)
{
    if (n < VL)
        convd_pick_u8_ref(t, taps, largest, y, n);
    else if (largest)
        pick_run(t, taps, true, y, n);
    else
        pick_run(t, taps, false, y, n);
}

/* ---- the middle one ---- */

INLINE void exchange(bvec *a, bvec *b)
{
    const bvec x = *a, y = *b;
    *a = int_min8(x, y);
    *b = int_max8(x, y);
}

/* ---- 3 x 3 ----
 * Each row's three numbers are sorted once. The median is the middle one of the largest low, the middle middle and the smallest
 * high one. */

INLINE void sort3(const uint8_t *x, size_t step, bvec *v)
{
    UNROLL_ALL
    for (size_t b = 0; b < 3; b++) v[b] = LOAD(bvec, x + b * step);
    exchange(&v[0], &v[1]);
    exchange(&v[1], &v[2]);
    exchange(&v[0], &v[1]);
}

INLINE bvec middle3(bvec a, bvec b, bvec c)
{
    return int_max8(int_min8(a, b), int_min8(int_max8(a, b), c));
}

INLINE void median3_column(const uint8_t *const *rows, size_t step, uint8_t *const *y, size_t outs, size_t at)
{
    bvec a[3], b[3], c[3];
    sort3(rows[0] + at, step, a);
    sort3(rows[1] + at, step, b);
    for (size_t o = 0; o < outs; o++) {
        sort3(rows[o + 2] + at, step, c);
        STORE(y[o] + at, middle3(int_max8(int_max8(a[0], b[0]), c[0]), middle3(a[1], b[1], c[1]),
                                 int_min8(int_min8(a[2], b[2]), c[2])));
        __builtin_memcpy(a, b, sizeof a);
        __builtin_memcpy(b, c, sizeof b);
    }
}

/* ---- 5 x 5 ----
 * Two outputs under each other share four rows. Each row's five numbers are sorted once, two rows at a time are merged, and of
 * two such pairs, twenty numbers, only the six in the middle can be medians of a window that has five more: all that is
 * below or above them has twelve others beyond it. The median is the sixth of these six and the fifth row's five. */

/* Merges two sorted lists of N by Batcher's odd-even merging; E = N rounded up, O = rounded down, halved. What nobody reads
 * of y costs nothing. */
#define MERGE(N, E, O)                                                                             \
    INLINE void merge##N(const bvec *a, const bvec *b, bvec *y)                                    \
    {                                                                                              \
        bvec ae[E], be[E], ao[O], bo[O], e[2 * E], o[2 * O];                                       \
        UNROLL_ALL                                                                                 \
        for (size_t i = 0; i < N; i++) {                                                           \
            (i % 2 ? ao : ae)[i / 2] = a[i];                                                       \
            (i % 2 ? bo : be)[i / 2] = b[i];                                                       \
        }                                                                                          \
        merge##E(ae, be, e);                                                                       \
        merge##O(ao, bo, o);                                                                       \
        y[0] = e[0];                                                                               \
        y[2 * N - 1] = E > O ? e[2 * E - 1] : o[2 * O - 1];                                        \
        UNROLL_ALL                                                                                 \
        for (size_t i = 1; i < N; i++) {                                                           \
            y[2 * i - 1] = int_min8(o[i - 1], e[i]);                                               \
            y[2 * i] = int_max8(o[i - 1], e[i]);                                                   \
        }                                                                                          \
    }
INLINE void merge1(const bvec *a, const bvec *b, bvec *y)
{
    y[0] = int_min8(a[0], b[0]);
    y[1] = int_max8(a[0], b[0]);
}
MERGE(2, 1, 1)
MERGE(3, 2, 1)
MERGE(5, 3, 2)
MERGE(10, 5, 5)

INLINE void sort5(const uint8_t *x, size_t step, bvec *v)
{
    UNROLL_ALL
    for (size_t b = 0; b < 5; b++) v[b] = LOAD(bvec, x + b * step);
    exchange(&v[0], &v[3]);
    exchange(&v[1], &v[4]);
    exchange(&v[0], &v[2]);
    exchange(&v[1], &v[3]);
    exchange(&v[0], &v[1]);
    exchange(&v[2], &v[4]);
    exchange(&v[1], &v[2]);
    exchange(&v[3], &v[4]);
    exchange(&v[2], &v[3]);
}

/* The sixth of six sorted numbers and five. */
INLINE bvec sixth(const bvec *six, const bvec *five)
{
    bvec y = six[5];
    UNROLL_ALL
    for (size_t i = 0; i < 5; i++) y = int_min8(y, int_max8(six[i], five[4 - i]));
    return y;
}

/* Down a column of vectors: rows 2k … 2k+3 are those that outputs 2k-1 and 2k share. */
INLINE void median5_column(const uint8_t *const *rows, size_t step, uint8_t *const *y, size_t outs, size_t at)
{
    bvec before[5] = {{0}}, odd[5], even[5], second[5], pair[10], next[10], twenty[20];
    sort5(rows[0] + at, step, even);
    sort5(rows[1] + at, step, odd);
    merge5(even, odd, pair);
    sort5(rows[2] + at, step, even);
    for (size_t k = 0; 2 * k <= outs; k++) {
        sort5(rows[2 * k + 3] + at, step, second);
        merge5(even, second, next);
        merge10(pair, next, twenty);
        if (k > 0) STORE(y[2 * k - 1] + at, sixth(twenty + 7, before));
        if (2 * k < outs) {
            sort5(rows[2 * k + 4] + at, step, even);
            STORE(y[2 * k] + at, sixth(twenty + 7, even));
        }
        __builtin_memcpy(pair, next, sizeof pair);
        __builtin_memcpy(before, odd, sizeof odd);
        __builtin_memcpy(odd, second, sizeof odd);
    }
}

void FN(median_u8)(const uint8_t *const *rows, size_t step, size_t side, uint8_t *const *y, size_t outs, size_t n)
{
    if (n < VL) {
        convd_median_u8_ref(rows, step, side, y, outs, n);
        return;
    }
    for (size_t j = 0; j < n; j += VL) {
        const size_t at = j + VL <= n ? j : n - VL;
        if (side == 3)
            median3_column(rows, step, y, outs, at);
        else
            median5_column(rows, step, y, outs, at);
    }
}
