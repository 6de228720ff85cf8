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

static uint8_t first_tap(const struct convd_squares *q, ptrdiff_t i, ptrdiff_t j)
{
    const ptrdiff_t top = q->first + i * q->stride, left = 2 * j - q->three, across = 2 + q->three;
    for (ptrdiff_t a = 0; a < (ptrdiff_t)q->taps; a++)
        for (ptrdiff_t b = q->edge && left < 0; b < across; b++)
            if (top + a >= 0 && top + a < q->h &&
                q->x[(top + a) * q->row + left + b] == q->y[i * q->y_row + j])
                return (uint8_t)(a * across + b);
    return 255;
}

void convd_squares_won_ref(const struct convd_squares *q, uint8_t *code, ptrdiff_t step)
{
    for (ptrdiff_t i = 0; i < q->rows; i++)
        for (ptrdiff_t j = 0; j < (ptrdiff_t)q->n; j++) code[i * step + j] = first_tap(q, i, j);
}

void convd_squares_back_ref(const struct convd_squares_back *q)
{
    const struct convd_squares *s = &q->of;
    const ptrdiff_t n = (ptrdiff_t)s->n, across = 2 + s->three;
    for (ptrdiff_t r = q->from; r < q->to; r++)
        for (ptrdiff_t c = -(s->three && !s->edge); c < 2 * n; c++) {
            float sum = 0, *dx = q->dx + r * q->dx_row + c;
            for (ptrdiff_t i = 0; i < s->rows; i++) {
                const ptrdiff_t a = r - s->first - i * s->stride;
                float row = 0;
                for (ptrdiff_t j = c / 2;
                     a >= 0 && a < (ptrdiff_t)s->taps && j < n && j <= (c + s->three) / 2; j++)
                    if (q->code[i * q->code_row + j] == a * across + c - 2 * j + s->three)
                        row += q->dy[i * q->dy_row + j];
                sum += row;
            }
            *dx = q->fresh ? sum : *dx + sum;
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
