/* ref_pool.c: what the loops of pools mean, in plain C. */
#include "simd.h"

#define SIMD(TYPE, NAME, ARGUMENTS) TYPE convd_##NAME##_ref ARGUMENTS;
#include "simd.def"
#undef SIMD

static float better(float a, float b, bool largest)
{
    return b != b || (largest ? b > a : b < a) ? b : a;
}

static void best(const float *const *t, size_t taps, bool largest, float *y, size_t n, size_t step)
{
    for (size_t j = 0; j < n; j++) {
        y[j] = t[0][step * j];
        for (size_t i = 1; i < taps; i++) y[j] = better(y[j], t[i][step * j], largest);
    }
}

void convd_best_rows_ref(const float *const *t, size_t taps, bool largest, float *y, size_t n)
{
    best(t, taps, largest, y, n, 1);
}

void convd_best_twos_ref(const float *const *t, size_t taps, bool largest, float *y, size_t n)
{
    best(t, taps, largest, y, n, 2);
}

void convd_best_squares_ref(const float *const *t, size_t taps, size_t across, bool largest, float *y, size_t n)
{
    for (size_t j = 0; j < n; j++) {
        y[j] = t[0][2 * j];
        for (size_t i = 0; i < taps; i++)
            for (size_t b = 0; b < across; b++) y[j] = better(y[j], t[i][2 * j + b], largest);
    }
}

float convd_best_of_ref(const float *x, size_t n, bool largest)
{
    float top = x[0];
    for (size_t i = 1; i < n; i++) top = better(top, x[i], largest);
    return top;
}

void convd_sum_f64_ref(const float *x, size_t n, double *part)
{
    for (size_t i = 0; i < n; i++) part[i % CONVD_SUM_PARTS] += (double)x[i];
}
