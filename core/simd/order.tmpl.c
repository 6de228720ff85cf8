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

void convd_best_u8_ref(const uint8_t *const *t, size_t taps, bool largest, uint8_t *y, size_t n);
void convd_best_i16_ref(const int16_t *const *t, size_t taps, bool largest, int16_t *y, size_t n);
void convd_pick_u8_ref(const uint8_t *const *t, size_t taps, bool largest, uint8_t *y, size_t n);
void convd_median_u8_ref(const uint8_t *const *rows, size_t step, size_t kh, size_t kw, uint8_t *y, size_t n);
BEST_TILE(best_u8, uint8_t, bvec, int_max8, int_min8)
BEST_TILE(best_i16, int16_t, hvec, int_max16, int_min16)

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

void FN(median_u8)(const uint8_t *const *rows, size_t step, size_t kh, size_t kw, uint8_t *y, size_t n)
{
    if (n < VL)
        convd_median_u8_ref(rows, step, kh, kw, y, n);
    else if (kh == 3 && kw == 3)
        median_row(rows, step, 3, 3, y, n);
    else if (kh == 5 && kw == 5)
        median_row(rows, step, 5, 5, y, n);
    else
        median_row(rows, step, kh, kw, y, n);
}
