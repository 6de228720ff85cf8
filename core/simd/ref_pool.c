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

/* The best of rows [lo, hi) of one column. */
static float best_column(const float *x, ptrdiff_t row, ptrdiff_t lo, ptrdiff_t hi, bool largest)
{
    float top = x[lo * row];
    for (ptrdiff_t i = lo + 1; i < hi; i++) top = better(top, x[i * row], largest);
    return top;
}

void convd_best_squares_ref(const struct convd_squares *q)
{
    for (ptrdiff_t i = 0; i < q->rows; i++) {
        const ptrdiff_t from = q->first + i * q->stride, to = from + (ptrdiff_t)q->taps;
        const ptrdiff_t lo = from > 0 ? from : 0, hi = to < q->h ? to : q->h;
        for (ptrdiff_t j = 0; j < (ptrdiff_t)q->n; j++) {
            const ptrdiff_t begin = 2 * j - (q->three && !(q->edge && j == 0));
            float *y = q->y + i * q->y_row + j;
            *y = best_column(q->x + begin, q->row, lo, hi, q->largest);
            for (ptrdiff_t b = begin + 1; b < 2 * j + 2; b++)
                *y = better(*y, best_column(q->x + b, q->row, lo, hi, q->largest), q->largest);
        }
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
