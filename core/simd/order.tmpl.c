/* order.tmpl.c: largest, smallest and middle numbers of windows of integers. Tails are laid back. */
#include "isa.h"

#define VECS 4

#define BEST_TILE(NAME, TYPE, VEC, MAX, MIN)                                                       \
    INLINE void NAME##_tile(const TYPE *const *t, size_t taps, const bool largest, TYPE *y,        \
                            size_t at, const size_t vecs)                                          \
    {                                                                                              \
        const size_t width = VL / sizeof *y;                                                       \
        VEC best[VECS];                                                                            \
        UNROLL                                                                                     \
        for (size_t v = 0; v < vecs; v++) best[v] = LOAD(VEC, t[0] + at + v * width);              \
        for (size_t i = 1; i < taps; i++) {                                                        \
            UNROLL                                                                                 \
            for (size_t v = 0; v < vecs; v++) {                                                    \
                const VEC x = LOAD(VEC, t[i] + at + v * width);                                    \
                best[v] = largest ? MAX(best[v], x) : MIN(best[v], x);                             \
            }                                                                                      \
        }                                                                                          \
        UNROLL                                                                                     \
        for (size_t v = 0; v < vecs; v++) STORE(y + at + v * width, best[v]);                      \
    }                                                                                              \
    INLINE void NAME##_run(const TYPE *const *t, size_t taps, const bool largest, TYPE *y,         \
                           size_t n)                                                               \
    {                                                                                              \
        const size_t width = VL / sizeof *y;                                                       \
        size_t j = 0;                                                                              \
        for (; j + VECS * width <= n; j += VECS * width)                                           \
            NAME##_tile(t, taps, largest, y, j, VECS);                                             \
        for (; j + width <= n; j += width) NAME##_tile(t, taps, largest, y, j, 1);                 \
        if (j < n) NAME##_tile(t, taps, largest, y, n - width, 1);                                 \
    }                                                                                              \
    void FN(NAME)(const TYPE *const *t, size_t taps, bool largest, TYPE *y, size_t n)              \
    {                                                                                              \
        if (n < VL / sizeof *y)                                                                    \
            convd_##NAME##_ref(t, taps, largest, y, n);                                            \
        else if (largest)                                                                          \
            NAME##_run(t, taps, true, y, n);                                                       \
        else                                                                                       \
            NAME##_run(t, taps, false, y, n);                                                      \
    }

/* Two rows of windows that share all but the first and the last of their taps; t[0] … t[taps]. */
#define BEST_TWO(NAME, TYPE, VEC, MAX, MIN)                                                        \
    INLINE void NAME##_tile(const TYPE *const *t, size_t taps, const bool largest, TYPE *const *y, \
                            size_t at, const size_t vecs)                                          \
    {                                                                                              \
        const size_t width = VL / sizeof **y;                                                      \
        VEC best[VECS];                                                                            \
        UNROLL                                                                                     \
        for (size_t v = 0; v < vecs; v++) best[v] = LOAD(VEC, t[1] + at + v * width);              \
        for (size_t i = 2; i < taps; i++) {                                                        \
            UNROLL                                                                                 \
            for (size_t v = 0; v < vecs; v++) {                                                    \
                const VEC x = LOAD(VEC, t[i] + at + v * width);                                    \
                best[v] = largest ? MAX(best[v], x) : MIN(best[v], x);                             \
            }                                                                                      \
        }                                                                                          \
        UNROLL                                                                                     \
        for (size_t v = 0; v < vecs; v++) {                                                        \
            const VEC a = LOAD(VEC, t[0] + at + v * width), b = LOAD(VEC, t[taps] + at + v * width); \
            STORE(y[0] + at + v * width, largest ? MAX(best[v], a) : MIN(best[v], a));             \
            STORE(y[1] + at + v * width, largest ? MAX(best[v], b) : MIN(best[v], b));             \
        }                                                                                          \
    }                                                                                              \
    INLINE void NAME##_run(const TYPE *const *t, size_t taps, const bool largest, TYPE *const *y,  \
                           size_t n)                                                               \
    {                                                                                              \
        const size_t width = VL / sizeof **y;                                                      \
        size_t j = 0;                                                                              \
        for (; j + VECS * width <= n; j += VECS * width)                                           \
            NAME##_tile(t, taps, largest, y, j, VECS);                                             \
        for (; j + width <= n; j += width) NAME##_tile(t, taps, largest, y, j, 1);                 \
        if (j < n) NAME##_tile(t, taps, largest, y, n - width, 1);                                 \
    }                                                                                              \
    void FN(NAME)(const TYPE *const *t, size_t taps, bool largest, TYPE *const *y, size_t n)       \
    {                                                                                              \
        if (n < VL / sizeof **y)                                                                   \
            convd_##NAME##_ref(t, taps, largest, y, n);                                            \
        else if (largest)                                                                          \
            NAME##_run(t, taps, true, y, n);                                                       \
        else                                                                                       \
            NAME##_run(t, taps, false, y, n);                                                      \
    }
void convd_best2_u8_ref(const uint8_t *const *t, size_t taps, bool largest, uint8_t *const *y, size_t n);
void convd_best2_i16_ref(const int16_t *const *t, size_t taps, bool largest, int16_t *const *y, size_t n);
void convd_best_u8_ref(const uint8_t *const *t, size_t taps, bool largest, uint8_t *y, size_t n);
void convd_best_i16_ref(const int16_t *const *t, size_t taps, bool largest, int16_t *y, size_t n);
void convd_pick_u8_ref(const uint8_t *const *t, size_t taps, bool largest, uint8_t *y, size_t n);
void convd_median_u8_ref(const uint8_t *const *rows, size_t step, size_t kh, size_t kw, uint8_t *const *y, size_t outs, size_t n);
BEST_TILE(best_u8, uint8_t, bvec, int_max8, int_min8)
BEST_TILE(best_i16, int16_t, hvec, int_max16, int_min16)
BEST_TWO(best2_u8, uint8_t, bvec, int_max8, int_min8)
BEST_TWO(best2_i16, int16_t, hvec, int_max16, int_min16)

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

/* Brings the lowest of n to the front and the highest to the back. */
INLINE void ends(bvec *v, const size_t n)
{
    const size_t half = (n + 1) / 2;
    UNROLL_ALL
    for (size_t i = 0; i < n / 2; i++) exchange(&v[i], &v[n - 1 - i]);
    UNROLL_ALL
    for (size_t i = 1; i < half; i++) exchange(&v[0], &v[i]);
    UNROLL_ALL
    for (size_t i = n - half; i < n - 1; i++) exchange(&v[i], &v[n - 1]);
}

/* Of any (taps + 1) / 2 + 1 numbers neither the lowest nor the highest can be the median: drop both, take the next one
 * in, until three are left. */
INLINE bvec middle(const uint8_t *const *rows, size_t at, size_t step, const size_t kh, const size_t kw)
{
    bvec v[CONVD_MEDIAN_MOST / 2 + 3] = {{0}};
    size_t next = 0;
    const size_t first = (kh * kw + 1) / 2 + 1;
    if (kh * kw == 1) return LOAD(bvec, rows[0] + at);
    UNROLL_ALL
    for (; next < first; next++) v[next] = LOAD(bvec, rows[next / kw] + at + next % kw * step);
    UNROLL_ALL
    for (size_t n = first; n > 3; n--, next++) {
        ends(v, n);
        v[0] = LOAD(bvec, rows[next / kw] + at + next % kw * step);
    }
    ends(v, 3);
    return v[1];
}

INLINE void median_row(const uint8_t *const *rows, size_t step, const size_t kh, const size_t kw, uint8_t *y, size_t n)
{
    size_t j = 0;
    for (; j + VL <= n; j += VL) STORE(y + j, middle(rows, j, step, kh, kw));
    if (j < n) STORE(y + n - VL, middle(rows, n - VL, step, kh, kw));
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

void FN(median_u8)(const uint8_t *const *rows, size_t step, size_t kh, size_t kw, uint8_t *const *y, size_t outs, size_t n)
{
    if (n < VL) {
        convd_median_u8_ref(rows, step, kh, kw, y, outs, n);
        return;
    }
    if (kh == 5 && kw == 5) {
        for (size_t j = 0; j < n; j += VL) median5_column(rows, step, y, outs, j + VL <= n ? j : n - VL);
        return;
    }
    for (size_t o = 0; o < outs; o++)
        if (kh == 3 && kw == 3)
            median_row(rows + o, step, 3, 3, y[o], n);
        else
            median_row(rows + o, step, kh, kw, y[o], n);
}
