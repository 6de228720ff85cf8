/* stack.tmpl.c: windows over few channels: one or two outputs, where a row of `taps` would wait for loads. Several rows of
 * outputs stay in registers, so that what is loaded serves every row whose window holds it. Every output adds its taps in
 * the order of `taps`. Tails are laid back. */
#include "isa.h"

#define MOST_VECS 4
#define MOST_SUMS 4 /* outputs times rows */

/* Numbers of row i that tap b of the columns from j on reads; at the ends of a row that lies in place, what stands beside it. */
INLINE vec numbers(const struct convd_stack *q, size_t i, size_t b, size_t j, const bool in_place)
{
    if (!in_place) return vec_load(q->x[i] + b + j);
    if (b == 0 && j == 0)
        return __builtin_shufflevector(q->before[i] - (vec){0}, vec_load(q->x[i]), BEFORE);
    if (b == 2 && j + LANES == q->n)
        return __builtin_shufflevector(vec_load(q->x[i] + j), q->behind[i] - (vec){0}, NEXT);
    return vec_load(q->x[i] + (ptrdiff_t)(b + j) - 1);
}

/* Columns from `at` on: outs x high rows x vecs. */
INLINE void tile(const struct convd_stack *q, const size_t kh, const size_t kw, const size_t outs,
                 const size_t high, const size_t row, const size_t vecs, size_t at,
                 const bool in_place)
{
    vec sum[MOST_SUMS][MOST_VECS];
    UNROLL
    for (size_t n = 0; n < outs * high; n++) {
        UNROLL
        for (size_t v = 0; v < vecs; v++) sum[n][v] = q->bias[n / high] - (vec){0};
    }
    size_t x = row;
    const float *k = q->k;
    for (size_t c = 0; c < q->channels; c++, x += q->span, k += kh * kw * outs) {
        UNROLL
        for (size_t i = 0; i < high + kh - 1; i++) {
            UNROLL
            for (size_t b = 0; b < kw; b++) {
                vec d[MOST_VECS];
                UNROLL
                for (size_t v = 0; v < vecs; v++)
                    d[v] = numbers(q, x + i, b, at + v * LANES, in_place);
                UNROLL
                for (size_t n = 0; n < outs * high; n++) {
                    const size_t a =
                        i - n % high; /* wraps beyond kh where the window does not hold row i */
                    if (a >= kh) continue;
                    UNROLL
                    for (size_t v = 0; v < vecs; v++)
                        sum[n][v] += k[(a * kw + b) * outs + n / high] * d[v];
                }
            }
        }
    }
    UNROLL
    for (size_t n = 0; n < outs * high; n++) {
        UNROLL
        for (size_t v = 0; v < vecs; v++)
            vec_store(q->y[n / high * q->rows + row + n % high] + at + v * LANES, sum[n][v]);
    }
}

/* Rows [row, row + high). */
INLINE void run(const struct convd_stack *q, const size_t kh, const size_t kw, const size_t outs,
                const size_t high, const size_t row, const bool in_place)
{
    size_t j = 0;
    for (; j + MOST_VECS * LANES <= q->n; j += MOST_VECS * LANES)
        tile(q, kh, kw, outs, high, row, MOST_VECS, j, in_place);
    if (j + 2 * LANES <= q->n) {
        tile(q, kh, kw, outs, high, row, 2, j, in_place);
        j += 2 * LANES;
    }
    for (; j < q->n; j += LANES)
        tile(q, kh, kw, outs, high, row, 1, j + LANES <= q->n ? j : q->n - LANES, in_place);
}

INLINE void all_rows(const struct convd_stack *q, const size_t kh, const size_t kw,
                     const size_t outs, const bool in_place)
{
    const size_t high = MOST_SUMS / outs;
    size_t row = 0;
    for (; row + high <= q->rows; row += high) run(q, kh, kw, outs, high, row, in_place);
    for (; row < q->rows; row++) run(q, kh, kw, outs, 1, row, in_place);
}

void FN(stack)(const struct convd_stack *q)
{
    if (q->before)
        q->outs == 1 ? all_rows(q, 3, 3, 1, true) : all_rows(q, 3, 3, 2, true);
    else if (q->kh == 3 && q->kw == 3)
        q->outs == 1 ? all_rows(q, 3, 3, 1, false) : all_rows(q, 3, 3, 2, false);
    else if (q->outs == 1)
        all_rows(q, q->kh, q->kw, 1, false);
    else
        all_rows(q, q->kh, q->kw, 2, false);
}
