/* pool.tmpl.c: largest, smallest and sums of floats. Tails are laid back; NaN wins. */
#include "isa.h"

#define VECS 4

void convd_best_rows_ref(const float *const *t, size_t taps, bool largest, float *y, size_t n);
void convd_best_twos_ref(const float *const *t, size_t taps, bool largest, float *y, size_t n);
float convd_best_of_ref(const float *x, size_t n, bool largest);

INLINE vec better(vec a, vec b, const bool largest)
{
    const ivec take = (largest ? b > a : b < a) | (b != b);
    return (vec)(((ivec)b & take) | ((ivec)a & ~take));
}

/* Without a thought for NaN; *seen becomes NaN in lanes that met one (or an infinity, which costs time only). */
INLINE vec quick(vec a, vec b, const bool largest, vec *seen)
{
    *seen += b * 0.0f;
    return largest ? float_max(a, b) : float_min(a, b);
}

INLINE void rows_tile(const float *const *t, size_t taps, const bool largest, float *y, size_t at, const size_t vecs)
{
    vec best[VECS], seen[VECS] = {{0}};
    UNROLL
    for (size_t v = 0; v < vecs; v++) {
        best[v] = vec_load(t[0] + at + v * LANES);
        seen[v] += best[v] * 0.0f;
    }
    for (size_t i = 1; i < taps; i++) {
        UNROLL
        for (size_t v = 0; v < vecs; v++) best[v] = quick(best[v], vec_load(t[i] + at + v * LANES), largest, &seen[v]);
    }
    UNROLL
    for (size_t v = 1; v < vecs; v++) seen[0] += seen[v];
    if (__builtin_expect(float_nan(seen[0]), 0)) {
        for (size_t v = 0; v < vecs; v++) {
            best[v] = vec_load(t[0] + at + v * LANES);
            for (size_t i = 1; i < taps; i++) best[v] = better(best[v], vec_load(t[i] + at + v * LANES), largest);
        }
    }
    UNROLL
    for (size_t v = 0; v < vecs; v++) vec_store(y + at + v * LANES, best[v]);
}

INLINE void rows_run(const float *const *t, size_t taps, const bool largest, float *y, size_t n)
{
    size_t j = 0;
    for (; j + VECS * LANES <= n; j += VECS * LANES) rows_tile(t, taps, largest, y, j, VECS);
    for (; j + LANES <= n; j += LANES) rows_tile(t, taps, largest, y, j, 1);
    if (j < n) rows_tile(t, taps, largest, y, n - LANES, 1);
}

void FN(best_rows)(const float *const *t, size_t taps, bool largest, float *y, size_t n)
{
    if (n < LANES)
        convd_best_rows_ref(t, taps, largest, y, n);
    else if (largest)
        rows_run(t, taps, true, y, n);
    else
        rows_run(t, taps, false, y, n);
}

/* Numbers 0, 2, 4 … of two vectors; the last number of the second is not read. */
INLINE vec evens(const float *x)
{
    const vec a = vec_load(x), b = vec_load(x + LANES - 1);
#if VL == 64
    return __builtin_shufflevector(a, b, 0, 2, 4, 6, 8, 10, 12, 14, 17, 19, 21, 23, 25, 27, 29, 31);
#elif VL == 32
    return __builtin_shufflevector(a, b, 0, 2, 4, 6, 9, 11, 13, 15);
#else
    return __builtin_shufflevector(a, b, 0, 2, 5, 7);
#endif
}

INLINE void twos_tile(const float *const *t, size_t taps, const bool largest, float *y, size_t at)
{
    vec best = evens(t[0] + 2 * at), seen = best * 0.0f;
    for (size_t i = 1; i < taps; i++) best = quick(best, evens(t[i] + 2 * at), largest, &seen);
    if (__builtin_expect(float_nan(seen), 0)) {
        best = evens(t[0] + 2 * at);
        for (size_t i = 1; i < taps; i++) best = better(best, evens(t[i] + 2 * at), largest);
    }
    vec_store(y + at, best);
}

INLINE void twos_run(const float *const *t, size_t taps, const bool largest, float *y, size_t n)
{
    size_t j = 0;
    for (; j + LANES <= n; j += LANES) twos_tile(t, taps, largest, y, j);
    if (j < n) twos_tile(t, taps, largest, y, n - LANES);
}

void FN(best_twos)(const float *const *t, size_t taps, bool largest, float *y, size_t n)
{
    if (n < LANES)
        convd_best_twos_ref(t, taps, largest, y, n);
    else if (largest)
        twos_run(t, taps, true, y, n);
    else
        twos_run(t, taps, false, y, n);
}

/* ---- whole rows ---- */

/* A row that holds a NaN (or an infinity) is done by ref. */
INLINE float best_run(const float *x, size_t n, const bool largest)
{
    vec best[VECS], seen[VECS] = {{0}};
    size_t j = VECS * LANES;
    UNROLL
    for (size_t v = 0; v < VECS; v++) {
        best[v] = vec_load(x + v * LANES);
        seen[v] += best[v] * 0.0f;
    }
    while (j < n) {
        if (j + VECS * LANES > n) j = n - VECS * LANES;
        UNROLL
        for (size_t v = 0; v < VECS; v++) best[v] = quick(best[v], vec_load(x + j + v * LANES), largest, &seen[v]);
        j += VECS * LANES;
    }
    for (size_t v = 1; v < VECS; v++) seen[0] += seen[v];
    if (float_nan(seen[0])) return convd_best_of_ref(x, n, largest);
    float top = best[0][0];
    for (size_t v = 0; v < VECS; v++)
        for (size_t i = 0; i < LANES; i++)
            if (largest ? best[v][i] > top : best[v][i] < top) top = best[v][i];
    return top;
}

float FN(best_of)(const float *x, size_t n, bool largest)
{
    if (n < VECS * LANES) return convd_best_of_ref(x, n, largest);
    return largest ? best_run(x, n, true) : best_run(x, n, false);
}

void FN(sum_f64)(const float *x, size_t n, double *part)
{
    enum { SETS = CONVD_SUM_PARTS * 8 / VL };
    dvec sum[SETS];
    size_t j = 0;
    __builtin_memcpy(sum, part, sizeof sum);
    for (; j + CONVD_SUM_PARTS <= n; j += CONVD_SUM_PARTS) {
        UNROLL
        for (size_t s = 0; s < SETS; s++) sum[s] += int_double(x + j + s * (VL / 8));
    }
    __builtin_memcpy(part, sum, sizeof sum);
    for (size_t k = 0; j < n; j++, k++) part[k] += (double)x[j];
}
