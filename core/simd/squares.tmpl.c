/* squares.tmpl.c: the largest or smallest of windows of two or three columns, two apart: rows and columns at once. Tails are
 * laid back; NaN wins.
 *
 * Maps are as large as a cache or larger, so this waits for memory: whatever a processor can do while it waits is free, but what
 * fills its window of instructions keeps it from asking for more. Rows are asked for ahead, NaN is looked for in sums of what
 * is new in a row, once a number, and where one was met, or an infinity of each sign, all is done again with care. */
#include "isa.h"

#define AHEAD 2560 /* floats */

void convd_best_squares_ref(const struct convd_squares *q);

/* How a row is done; constants wherever they matter. */
struct way {
    bool three, largest, careful;
};

INLINE vec better(vec a, vec b, const struct way w)
{
    if (!w.careful) return w.largest ? float_max(a, b) : float_min(a, b);
    const ivec take = (w.largest ? b > a : b < a) | (b != b);
    return (vec)(((ivec)b & take) | ((ivec)a & ~take));
}

/* The rows that a row of windows reads; the first `old` of them were looked through before. */
struct window_rows {
    const float *t[CONVD_SQUARES_MOST];
    size_t n, old;
};

/* Two vectors of a row; new ones are added to sum, if they are the first as they are. */
INLINE void take(const float *x, const bool fresh, const bool first, vec *a, vec *b, vec *sum)
{
    *a = vec_load(x);
    *b = vec_load(x + LANES);
    if (!fresh) return;
    IN_TURN(*a); /* loaded once, not again for the sum */
    IN_TURN(*b);
    __builtin_prefetch((const void *)((uintptr_t)x + AHEAD * sizeof(float)));
    __builtin_prefetch((const void *)((uintptr_t)(x + LANES) + AHEAD * sizeof(float)));
    *sum = first ? *a + *b : *sum + (*a + *b);
}

/* Outputs [j, j + LANES): the best of their even and odd columns and, with three, of the odd ones before. carry: the odd ones
 * of the outputs before. */
INLINE vec block(const struct window_rows *r, const size_t n, const size_t old, size_t j, const struct way w, vec *carry,
                 vec *seen)
{
    vec a, b, c, d, sum = {0};
    take(r->t[0] + 2 * j, old == 0 && !w.careful, true, &a, &b, &sum);
    UNROLL
    for (size_t i = 1; i < n; i++) {
        take(r->t[i] + 2 * j, old <= i && !w.careful, old == i, &c, &d, &sum);
        a = better(a, c, w);
        b = better(b, d, w);
    }
    *seen += sum;
    const vec even = __builtin_shufflevector(a, b, EVENS), odd = __builtin_shufflevector(a, b, ODDS);
    if (!w.three) return better(even, odd, w);
    const vec before = __builtin_shufflevector(*carry, odd, BEFORE);
    *carry = odd;
    return better(better(before, even, w), odd, w);
}

/* The best of column `at`, in every lane. */
INLINE vec column(const struct window_rows *r, ptrdiff_t at, const struct way w)
{
    vec best = r->t[0][at] - (vec){0};
    for (size_t i = 1; i < r->n; i++) best = better(best, r->t[i][at] - (vec){0}, w);
    return best;
}

INLINE void row(const struct convd_squares *q, const struct window_rows *r, const size_t n, const size_t old, const struct way w,
                float *y, vec *seen)
{
    const float outside = w.largest ? -__builtin_inff() : __builtin_inff();
    vec carry = outside - (vec){0};
    size_t j = 0;
    if (w.three && !q->edge) {
        carry = column(r, -1, w);
        *seen += carry;
    }
    for (; j + LANES <= q->n; j += LANES) vec_store(y + j, block(r, n, old, j, w, &carry, seen));
    if (j == q->n) return;
    j = q->n - LANES;
    if (w.three) carry = column(r, 2 * (ptrdiff_t)j - 1, w);
    vec_store(y + j, block(r, n, old, j, w, &carry, seen));
}

/* False where a NaN may have been met, and was not done with care. */
INLINE bool all_rows(const struct convd_squares *q, const struct way w)
{
    struct window_rows r;
    vec seen = {0};
    ptrdiff_t done = 0; /* rows that were looked through */
    for (ptrdiff_t i = 0; i < q->rows; i++) {
        const ptrdiff_t from = q->first + i * q->stride, to = from + (ptrdiff_t)q->taps;
        const ptrdiff_t lo = from > 0 ? from : 0, hi = to < q->h ? to : q->h;
        float *y = q->y + i * q->y_row;
        r.n = (size_t)(hi - lo);
        r.old = (size_t)(done > lo ? done - lo : 0);
        for (size_t k = 0; k < r.n; k++) r.t[k] = q->x + (lo + (ptrdiff_t)k) * q->row;
        if (r.n == 3 && r.old == 1)
            row(q, &r, 3, 1, w, y, &seen);
        else if (r.n == 2 && r.old == 0)
            row(q, &r, 2, 0, w, y, &seen);
        else
            row(q, &r, r.n, r.old, w, y, &seen);
        done = hi > done ? hi : done;
    }
    return w.careful || !float_nan(seen);
}

INLINE void run(const struct convd_squares *q, const bool three, const bool largest)
{
    if (!all_rows(q, (struct way){three, largest, false})) all_rows(q, (struct way){three, largest, true});
}

void FN(best_squares)(const struct convd_squares *q)
{
    if (q->n < LANES)
        convd_best_squares_ref(q);
    else if (q->three)
        q->largest ? run(q, true, true) : run(q, true, false);
    else
        q->largest ? run(q, false, true) : run(q, false, false);
}
