/* ints.tmpl.c: rows of integers. Where y lies apart from x a tail is a whole vector laid back over numbers that are done
 * already; in place, and in rows narrower than a vector, it is scalar. */
#include "halves.h"

void convd_gray_i16_ref(const uint8_t *x, size_t n, size_t stored, const int16_t *k, int shift, int16_t *y);

void FN(widen_u8)(const uint8_t *x, size_t n, int shift, int16_t *y)
{
    size_t i = 0;
    if (n < HALVES) {
        for (; i < n; i++) y[i] = (int16_t)(x[i] << shift);
        return;
    }
    for (; i + HALVES <= n; i += HALVES) STORE(y + i, int_widen(x + i) << shift);
    i = n - HALVES;
    STORE(y + i, int_widen(x + i) << shift);
}

/* ---- to bytes ---- */

/* One vector of bytes; counts hold minus the numbers outside. */
INLINE bvec narrow_one(const int16_t *x, const struct narrowing *w, const bool even, hvec *count)
{
    const hvec a = LOAD(hvec, x), b = LOAD(hvec, x + HALVES);
    if (count) *count -= outside(a, w) + outside(b, w);
    return int_pack8(narrow_half(a, w, even), narrow_half(b, w, even));
}

INLINE uint64_t narrow_row(const int16_t *x, size_t n, const struct narrowing *w, const bool even,
                           const bool counting, uint8_t *y)
{
    uint64_t saturated = 0;
    size_t i = 0;
    while (i + VL <= n) {
        hvec count = {0};
        for (size_t k = 0; k < 16384 && i + VL <= n; k++, i += VL)
            STORE(y + i, narrow_one(x + i, w, even, counting ? &count : NULL));
        if (counting) saturated += total(count);
    }
    if (i < n) { /* zeros behind the rest lie inside */
        int16_t padded[VL] = {0};
        uint8_t out[VL];
        hvec count = {0};
        __builtin_memcpy(padded, x + i, (n - i) * sizeof *x);
        STORE(out, narrow_one(padded, w, even, &count));
        __builtin_memcpy(y + i, out, n - i);
        if (counting) saturated += total(count);
    }
    return saturated;
}

uint64_t FN(narrow_i16)(const int16_t *x, size_t n, int frac, bool even, bool count, uint8_t *y)
{
    const struct narrowing w = narrowing_of(frac, even);
    if (even && frac) return count ? narrow_row(x, n, &w, true, true, y) : narrow_row(x, n, &w, true, false, y);
    return count ? narrow_row(x, n, &w, false, true, y) : narrow_row(x, n, &w, false, false, y);
}

/* ---- gray ---- */

struct luma {
    hvec rb, g;
    bvec high, low; /* of red, green, blue and green again, 7 bits each */
    ivec half;
    int shift;
};

#define EVERY_SECOND                                                                               \
    0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30, 32, 34, 36, 38, 40, 42, 44, 46, 48, \
        50, 52, 54, 56, 58, 60, 62

#if VL == 64 && defined __AVX512VBMI__ && defined __AVX512VNNI__
/* LANES pixels in 15 bits by bytes: red, green, blue and green again, so that each factor has 14 bits. Reads VL bytes. */
INLINE ivec gray_lanes(const uint8_t *x, const size_t stored, const struct luma *w)
{
    bvec v = LOAD(bvec, x);
    v = stored == 3
            ? (bvec)__builtin_shufflevector(v, v, 0, 1, 2, 1, 3, 4, 5, 4, 6, 7, 8, 7, 9, 10, 11, 10, 12, 13, 14, 13, 15, 16,
                                            17, 16, 18, 19, 20, 19, 21, 22, 23, 22, 24, 25, 26, 25, 27, 28, 29, 28, 30, 31,
                                            32, 31, 33, 34, 35, 34, 36, 37, 38, 37, 39, 40, 41, 40, 42, 43, 44, 43, 45, 46,
                                            47, 46)
            : (bvec)__builtin_shufflevector(v, v, 0, 1, 2, 1, 4, 5, 6, 5, 8, 9, 10, 9, 12, 13, 14, 13, 16, 17, 18, 17, 20, 21,
                                            22, 21, 24, 25, 26, 25, 28, 29, 30, 29, 32, 33, 34, 33, 36, 37, 38, 37, 40, 41,
                                            42, 41, 44, 45, 46, 45, 48, 49, 50, 49, 52, 53, 54, 53, 56, 57, 58, 57, 60, 61,
                                            62, 61);
    return int_dots_to(int_dots_to(w->half >> 7, v, w->high) << 7, v, w->low) >> w->shift;
}

INLINE hvec gray_halves(ivec a, ivec b)
{
    return __builtin_shufflevector((hvec)a, (hvec)b, EVERY_SECOND);
}
#else
/* LANES pixels as 32 bits each, the first three bytes of which are red, green and blue. Reads VL bytes. */
INLINE uhvec pixels(const uint8_t *x, const size_t stored)
{
    ivec v = LOAD(ivec, x);
    if (stored == 4) return (uhvec)v;
#if VL == 64
    v = __builtin_shufflevector(v, v, 0, 1, 2, 3, 3, 4, 5, 6, 6, 7, 8, 9, 9, 10, 11, 12);
    const bvec b = (bvec)v;
    return (uhvec)__builtin_shufflevector(
        b, b, 0, 1, 2, 2, 3, 4, 5, 5, 6, 7, 8, 8, 9, 10, 11, 11, 16, 17, 18, 18, 19, 20, 21, 21, 22,
        23, 24, 24, 25, 26, 27, 27, 32, 33, 34, 34, 35, 36, 37, 37, 38, 39, 40, 40, 41, 42, 43, 43,
        48, 49, 50, 50, 51, 52, 53, 53, 54, 55, 56, 56, 57, 58, 59, 59);
#elif VL == 32
    v = __builtin_shufflevector(v, v, 0, 1, 2, 3, 3, 4, 5, 6);
    const bvec b = (bvec)v;
    return (uhvec)__builtin_shufflevector(b, b, 0, 1, 2, 2, 3, 4, 5, 5, 6, 7, 8, 8, 9, 10, 11, 11,
                                          16, 17, 18, 18, 19, 20, 21, 21, 22, 23, 24, 24, 25, 26,
                                          27, 27);
#else
    for (size_t k = 0; k < LANES; k++) {
        int32_t one;
        __builtin_memcpy(&one, x + 3 * k, sizeof one);
        v[k] = one;
    }
    return (uhvec)v;
#endif
}

INLINE ivec gray_lanes(const uint8_t *x, const size_t stored, const struct luma *w)
{
    const uhvec v = pixels(x, stored);
    return int_madd_to(int_madd_to(w->half, (hvec)(v & 0xff), w->rb), (hvec)(v >> 8), w->g) >> w->shift;
}

INLINE hvec gray_halves(ivec a, ivec b)
{
    return int_pack16(a, b);
}
#endif

INLINE hvec gray_pixels(const uint8_t *x, const size_t stored, const struct luma *w)
{
    return gray_halves(gray_lanes(x, stored, w), gray_lanes(x + LANES * stored, stored, w));
}

INLINE void gray_row(const uint8_t *x, size_t n, const size_t stored, const struct luma *w, int16_t *y)
{
    uint8_t last[HALVES * 4 + VL] = {0};
    size_t i = 0;
    /* the second load of a turn ends VL - LANES * stored bytes behind its pixels */
    for (; (i + LANES) * stored + VL <= n * stored; i += HALVES) STORE(y + i, gray_pixels(x + i * stored, stored, w));
    for (; i < n; i += HALVES) {
        const size_t at = i + HALVES <= n ? i : n - HALVES;
        __builtin_memcpy(last, x + at * stored, HALVES * stored);
        STORE(y + at, gray_pixels(last, stored, w));
    }
}

/* Lanes of four bytes. */
INLINE ivec fours(const int *part, int shift, int mask)
{
    uint32_t all = 0;
    for (size_t i = 0; i < 4; i++) all |= (uint32_t)(part[i] >> shift & mask) << (8 * i);
    return (int32_t)all - (ivec){0};
}

void FN(gray_i16)(const uint8_t *x, size_t n, size_t stored, const int16_t *k, int shift, int16_t *y)
{
    const int part[4] = {k[0], k[1] / 2, k[2], k[1] - k[1] / 2};
    const int32_t half = (int32_t)1 << (shift - 1);
    const struct luma w = {.rb = (hvec)((k[0] | (int32_t)k[2] << 16) - (ivec){0}),
                           .g = (hvec)(k[1] - (ivec){0}),
                           .high = (bvec)fours(part, 7, 127),
                           .low = (bvec)fours(part, 0, 127),
                           .half = half - (ivec){0},
                           .shift = shift};
    if (n < HALVES)
        convd_gray_i16_ref(x, n, stored, k, shift, y);
    else if (stored == 3)
        gray_row(x, n, 3, &w, y);
    else
        gray_row(x, n, 4, &w, y);
}

/* ---- windows ---- */

#define TAPS_VECS 4

INLINE void taps_tile(const int16_t *const *t, const int16_t *k, size_t taps, hvec bias, int16_t *y,
                      size_t at, const size_t vecs)
{
    uhvec sum[TAPS_VECS]; /* sums may wrap on the way: unsigned */
    UNROLL
    for (size_t v = 0; v < vecs; v++) sum[v] = (uhvec)bias;
    for (size_t i = 0; i < taps; i++) {
        const uhvec f = (uhvec)all(k[i]);
        UNROLL
        for (size_t v = 0; v < vecs; v++) sum[v] += f * LOAD(uhvec, t[i] + at + v * HALVES);
    }
    UNROLL
    for (size_t v = 0; v < vecs; v++) STORE(y + at + v * HALVES, sum[v]);
}

void FN(taps_i16)(const int16_t *const *t, const int16_t *k, size_t taps, int16_t bias, int16_t *y,
                  size_t n)
{
    size_t j = 0;
    if (n < HALVES) {
        for (; j < n; j++) {
            unsigned sum = (unsigned)bias;
            for (size_t i = 0; i < taps; i++) sum += (unsigned)(k[i] * t[i][j]);
            y[j] = (int16_t)sum;
        }
        return;
    }
    for (; j + TAPS_VECS * HALVES <= n; j += TAPS_VECS * HALVES)
        taps_tile(t, k, taps, all(bias), y, j, TAPS_VECS);
    for (; j + HALVES <= n; j += HALVES) taps_tile(t, k, taps, all(bias), y, j, 1);
    if (j < n) taps_tile(t, k, taps, all(bias), y, n - HALVES, 1);
}

/* ---- number by number; y may be x or a ---- */

INLINE hvec choose16(hvec mask, hvec a, hvec b)
{
    return (a & mask) | (b & ~mask);
}

void FN(affine_i16)(int16_t *y, const int16_t *x, size_t n, const int16_t *k)
{
    const hvec lo = all(k[2]), hi = all(k[3]);
    size_t i = 0;
    for (; i + HALVES <= n; i += HALVES) {
        const hvec v = LOAD(hvec, x + i) * k[0] + k[1], low = choose16(v < lo, lo, v);
        STORE(y + i, choose16(low > hi, hi, low));
    }
    for (; i < n; i++) {
        const int16_t v = (int16_t)(unsigned)(k[0] * x[i] + k[1]), low = v < k[2] ? k[2] : v;
        y[i] = low > k[3] ? k[3] : low;
    }
}

void FN(scale_i16)(int16_t *y, const int16_t *x, size_t n, int16_t k, int16_t add)
{
    size_t i = 0;
    for (; i + HALVES <= n; i += HALVES)
        STORE(y + i, (uhvec)int_high(LOAD(hvec, x + i), all(k)) + (uhvec)all(add));
    for (; i < n; i++) y[i] = (int16_t)(unsigned)(((x[i] * k + 16384) >> 15) + add);
}

void FN(abs_i16)(int16_t *y, const int16_t *x, size_t n)
{
    size_t i = 0;
    for (; i + HALVES <= n; i += HALVES) {
        const hvec v = LOAD(hvec, x + i), m = -v;
        STORE(y + i, choose16(v > m, v, m));
    }
    for (; i < n; i++) y[i] = (int16_t)(x[i] < 0 ? -x[i] : x[i]);
}

#define PAIRWISE(NAME, TYPE, VEC, WHOLE, ONE)                                                      \
    void FN(NAME)(TYPE * y, const TYPE *a, const TYPE *b, size_t n)                                \
    {                                                                                              \
        size_t i = 0;                                                                              \
        for (; i + VL / sizeof *y <= n; i += VL / sizeof *y) {                                     \
            const VEC v = LOAD(VEC, a + i), w = LOAD(VEC, b + i);                                  \
            STORE(y + i, WHOLE);                                                                   \
        }                                                                                          \
        for (; i < n; i++) {                                                                       \
            const TYPE v = a[i], w = b[i];                                                         \
            y[i] = (TYPE)(ONE);                                                                    \
        }                                                                                          \
    }
#define LARGER(MASK) ((v & (MASK)) | (w & ~(MASK)))
PAIRWISE(add_i16, int16_t, hvec, v + w, v + w)
PAIRWISE(sub_i16, int16_t, hvec, v - w, v - w)
PAIRWISE(max_i16, int16_t, hvec, LARGER(v > w), v > w ? v : w)
PAIRWISE(min_i16, int16_t, hvec, LARGER(v < w), v < w ? v : w)

/* ---- two by two ---- */

INLINE hvec mean4(const uint8_t *a, const uint8_t *b)
{
    const uhvec u = LOAD(uhvec, a), v = LOAD(uhvec, b);
    const hvec sum = (hvec)((u & 0xff) + (u >> 8) + (v & 0xff) + (v >> 8));
    return (sum + 1 + (sum >> 2 & 1)) >> 2;
}

void FN(mean4_u8)(uint8_t *y, const uint8_t *a, const uint8_t *b, size_t n)
{
    size_t i = 0;
    if (n < VL) {
        for (; i < n; i++) {
            const int sum = a[2 * i] + a[2 * i + 1] + b[2 * i] + b[2 * i + 1];
            y[i] = (uint8_t)((sum + 1 + (sum >> 2 & 1)) >> 2);
        }
        return;
    }
    for (; i + VL <= n; i += VL)
        STORE(y + i, int_pack8(mean4(a + 2 * i, b + 2 * i), mean4(a + 2 * i + VL, b + 2 * i + VL)));
    i = n - VL;
    STORE(y + i, int_pack8(mean4(a + 2 * i, b + 2 * i), mean4(a + 2 * i + VL, b + 2 * i + VL)));
}
