/* winograd.tmpl.c: the transforms of Winograd's F(4x4, 3x3), 16 tiles side by side; winograd.h has the numbers.
 *
 * Tiles of a row stand 4 columns apart, so rows are cut into every fourth number first: then number j of a tile is number
 * t of a cut, or t + 1 of cut j - 4, and vectors run across tiles. Rows are transformed before columns: two of a tile's six
 * columns are the next tile's. */
#include "isa.h"
#include "winograd.h"

/* Exponents from 2^64 on: sums of 36 of them times small factors stay far from infinity. */
#define EXPONENTS 0x7f800000
#define LARGE     0x5f800000

/* Four vectors of a row to one of each quarter; large numbers show in `bad`. */
INLINE void quarter(const vec *v, float *y, size_t step, ivec *bad)
{
    const vec ab0 = __builtin_shufflevector(v[0], v[1], EVENS),
              ab1 = __builtin_shufflevector(v[0], v[1], ODDS),
              cd0 = __builtin_shufflevector(v[2], v[3], EVENS),
              cd1 = __builtin_shufflevector(v[2], v[3], ODDS);
    UNROLL
    for (size_t k = 0; k < 4; k++) *bad |= ((ivec)v[k] & EXPONENTS) >= LARGE;
    vec_store(y, __builtin_shufflevector(ab0, cd0, EVENS));
    vec_store(y + step, __builtin_shufflevector(ab1, cd1, EVENS));
    vec_store(y + 2 * step, __builtin_shufflevector(ab0, cd0, ODDS));
    vec_store(y + 3 * step, __builtin_shufflevector(ab1, cd1, ODDS));
}

INLINE bool no_lane(ivec bad)
{
    int32_t any = 0;
    for (size_t i = 0; i < LANES; i++) any |= bad[i];
    return !any;
}

bool FN(quarters)(const float *x, size_t n, float *y, size_t step)
{
    ivec bad = {0};
    for (size_t i = 0; i < n; i += LANES, x += 4 * LANES) {
        vec v[4];
        UNROLL
        for (size_t k = 0; k < 4; k++) v[k] = vec_load(x + k * LANES);
        quarter(v, y + i, step, &bad);
    }
    return no_lane(bad);
}

/* Ones with zeros before and behind them. */
static const int32_t ones[3 * LANES] = {
    [LANES] = -1, -1, -1, -1,
#if VL >= 32
    -1,           -1, -1, -1,
#endif
#if VL >= 64
    -1,           -1, -1, -1, -1, -1, -1, -1,
#endif
};

/* Numbers [at, at + LANES) of a row that has numbers [lo,hi). */
INLINE vec numbers_at(const float *x, size_t lo, size_t hi, size_t at)
{
    if (at >= lo && at + LANES <= hi) return vec_load(x + at);
    if (at + LANES <= lo || at >= hi) return (vec){0};
    ivec v, keep;
    __builtin_memcpy(&v, x + at, sizeof v);
    if (at < lo) {
        __builtin_memcpy(&keep, ones + LANES - (lo - at), sizeof keep);
        v &= keep;
    }
    if (at + LANES > hi) {
        __builtin_memcpy(&keep, ones + 2 * LANES - (hi - at), sizeof keep);
        v &= keep;
    }
    return (vec)v;
}

bool FN(quartered)(const struct convd_quartered *q)
{
    ivec bad = {0};
    const float *x = q->x;
    float *y = q->y;
    for (size_t r = 0; r < q->rows; r++, x += q->x_row, y += 4 * q->step)
        for (size_t i = 0; i < q->n; i += LANES) {
            vec v[4];
            UNROLL
            for (size_t k = 0; k < 4; k++) v[k] = numbers_at(x, q->lo, q->hi, 4 * i + k * LANES);
            if (q->ahead && 4 * i < q->hi) {
                UNROLL
                for (size_t k = 0; k < 4 * LANES; k += 16)
                    __builtin_prefetch(x + q->ahead + 4 * (ptrdiff_t)i + k);
            }
            quarter(v, y + i, q->step, &bad);
        }
    return no_lane(bad);
}

/* Six numbers of x, one transform of them. */
INLINE void six(const vec *d, vec *v)
{
    const vec ea = d[4] - WINO_B2 * d[2], oa = d[3] - WINO_B2 * d[1];
    const vec eb = d[4] - WINO_A2 * d[2], ob = d[3] - WINO_A2 * d[1];
    const vec e0 = d[4] - WINO_SUM * d[2], o0 = d[5] - WINO_SUM * d[3];
    v[0] = e0 + WINO_PRODUCT * d[0];
    v[1] = ea + WINO_A * oa;
    v[2] = ea - WINO_A * oa;
    v[3] = eb + WINO_B * ob;
    v[4] = eb - WINO_B * ob;
    v[5] = o0 + WINO_PRODUCT * d[1];
}

void FN(wino_in)(const float *x, size_t step, size_t n, float *v, size_t plane, float *w)
{
    for (size_t p = 0; p < 4; p++)
        for (size_t t = 0; t < step; t += LANES) {
            vec d[6], r[6];
            UNROLL
            for (size_t i = 0; i < 6; i++) d[i] = vec_load(x + (4 * i + p) * step + t);
            six(d, r);
            UNROLL
            for (size_t i = 0; i < 6; i++) vec_store(w + (4 * i + p) * step + t, r[i]);
        }
    for (size_t i = 0; i < 6; i++, w += 4 * step)
        for (size_t t = 0; t < n; t += LANES) {
            vec d[6], r[6];
            UNROLL
            for (size_t j = 0; j < 6; j++) d[j] = vec_load(w + j % 4 * step + j / 4 + t);
            six(d, r);
            UNROLL
            for (size_t j = 0; j < 6; j++) vec_store(v + (6 * i + j) * plane + t, r[j]);
        }
}

/* The transform of six sums to four outputs. What is added to a product later must not be fused with it: ref.c is not. */
INLINE void four(const vec *m, vec *y)
{
    const vec sa = m[1] + m[2], da = m[1] - m[2], sb = m[3] + m[4], db = m[3] - m[4];
    y[0] = m[0] + sa + sb;
    y[1] = WINO_A * (da + 2 * db) + 0.0f;
    y[2] = WINO_A2 * (sa + 4 * sb) + 0.0f;
    y[3] = m[5] + WINO_A3 * (da + 8 * db);
}

/* Four rows of LANES tiles, as outputs lie. */
INLINE void outputs(const float *m, size_t plane, float bias, float *const *y, size_t at)
{
    vec s[4][6];
    UNROLL
    for (size_t j = 0; j < 6; j++) {
        vec d[6], r[4];
        UNROLL
        for (size_t i = 0; i < 6; i++) d[i] = vec_load(m + (6 * i + j) * plane);
        four(d, r);
        UNROLL
        for (size_t i = 0; i < 4; i++) s[i][j] = r[i];
    }
    UNROLL
    for (size_t i = 0; i < 4; i++) {
        vec r[4];
        four(s[i], r);
        UNROLL
        for (size_t q = 0; q < 4; q++) r[q] += bias;
        const vec e = __builtin_shufflevector(r[0], r[2], LOW),
                  o = __builtin_shufflevector(r[1], r[3], LOW),
                  e2 = __builtin_shufflevector(r[0], r[2], HIGH),
                  o2 = __builtin_shufflevector(r[1], r[3], HIGH);
        vec_store(y[i] + at, __builtin_shufflevector(e, o, LOW));
        vec_store(y[i] + at + LANES, __builtin_shufflevector(e, o, HIGH));
        vec_store(y[i] + at + 2 * LANES, __builtin_shufflevector(e2, o2, LOW));
        vec_store(y[i] + at + 3 * LANES, __builtin_shufflevector(e2, o2, HIGH));
    }
}

void FN(wino_out)(const float *m, size_t plane, float bias, float *const *y, size_t n)
{
    size_t j = 0;
    for (; j + 4 * LANES <= n; j += 4 * LANES) outputs(m + j / 4, plane, bias, y, j);
    if (j == n) return;
    float rest[4][4 * LANES], *const to[4] = {rest[0], rest[1], rest[2], rest[3]};
    outputs(m + j / 4, plane, bias, to, 0);
    for (size_t i = 0; i < 4; i++) __builtin_memcpy(y[i] + j, rest[i], (n - j) * sizeof(float));
}

/* The other way: four numbers of dL/dy to six of dL/dm. */
INLINE void four_back(const vec *y, vec *m)
{
    const vec ea = y[0] + WINO_A2 * y[2], oa = y[1] + WINO_A2 * y[3];
    const vec eb = y[0] + WINO_B2 * y[2], ob = y[1] + WINO_B2 * y[3];
    m[0] = y[0];
    m[1] = ea + WINO_A * oa;
    m[2] = ea - WINO_A * oa;
    m[3] = eb + WINO_B * ob;
    m[4] = eb - WINO_B * ob;
    m[5] = y[3];
}

void FN(wino_back)(const float *y, size_t step, size_t n, float *m, size_t plane)
{
    for (size_t t = 0; t < n; t += LANES) {
        vec s[6][4];
        UNROLL
        for (size_t p = 0; p < 4; p++) {
            vec d[4], r[6];
            UNROLL
            for (size_t i = 0; i < 4; i++) d[i] = vec_load(y + (4 * i + p) * step + t);
            four_back(d, r);
            UNROLL
            for (size_t i = 0; i < 6; i++) s[i][p] = r[i];
        }
        UNROLL
        for (size_t i = 0; i < 6; i++) {
            vec r[6];
            four_back(s[i], r);
            UNROLL
            for (size_t j = 0; j < 6; j++) vec_store(m + (6 * i + j) * plane + t, r[j]);
        }
    }
}
