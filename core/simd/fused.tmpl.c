/* fused.tmpl.c: filters of 3 x 3 that are a row times a column, two of them at once, down a column of vectors: what they make
 * of a row across is made once and used by three output rows, and nothing but the answer is written. */
#include "halves.h"

#define PAIR 2 /* vectors of a tile: one of bytes */
#define TOTAL 512 /* tiles across between two sums */

uint64_t convd_fused_i16_ref(const struct convd_fused *b, size_t n);

/* Factors of a term. */
struct factors {
    uhvec row[2], column[2]; /* products may wrap on the way: unsigned */
};

/* (a b c) times even or odd factors. */
INLINE uhvec weigh(uhvec a, uhvec b, uhvec c, const bool odd, const uhvec *k)
{
    return odd ? (c - a) * k[0] : (a + c) * k[0] + b * k[1];
}

/* What is known while compiling of the terms. GRADIENT: an odd row and an even column, then the other way, both absolute;
 * SOBEL: their sum, with a fraction, and factors (-1 0 1) and (1 2 1), or the other sign, which is lost. */
enum shape { SOBEL, GRADIENT, ANY };

INLINE hvec answer(const struct convd_fused *b, const enum shape shape, const size_t terms, uhvec row[3][2],
                   const struct factors *f)
{
    hvec y[2] = {{0}};
    UNROLL
    for (size_t t = 0; t < terms; t++) {
        const bool odd = shape == GRADIENT ? t == 1 : b->term[t].odd_column;
        y[t] = (hvec)weigh(row[0][t], row[1][t], row[2][t], odd, f[t].column);
        if (shape == GRADIENT || b->term[t].absolute) y[t] = int_abs16(y[t]);
    }
    if (terms == 1) return y[0];
    return b->largest ? int_max16(y[0], y[1]) : y[0] + y[1];
}

/* A tile of row y as it is wanted; up: there is a fraction, and even is false. */
INLINE void give(void *y, size_t at, const hvec *x, const bool bytes, const bool even, const bool up,
                 const struct narrowing *w)
{
    if (bytes) {
        const hvec a = up ? narrow_up(x[0], w) : narrow_half(x[0], w, even),
                   b = up ? narrow_up(x[1], w) : narrow_half(x[1], w, even);
        STORE((uint8_t *)y + at, int_pack8(a, b));
    } else {
        STORE((int16_t *)y + at, x[0]);
        STORE((int16_t *)y + at + HALVES, x[1]);
    }
}

/* The differences of the last row and of the last two, and the sums of the last two rows. */
struct sobel {
    uhvec d, dd, s[2]; /* sums may wrap on the way: unsigned */
};

/* A row more: what it completes. */
INLINE hvec sobel_row(struct sobel *q, const int16_t *x, size_t step)
{
    const uhvec a = LOAD(uhvec, x - step), b = LOAD(uhvec, x), c = LOAD(uhvec, x + step), d = c - a, dd = q->d + d,
                s = (a + c) + (b + b);
    const hvec y = int_abs16((hvec)(q->dd + dd)) + int_abs16((hvec)(s - q->s[0]));
    *q = (struct sobel){d, dd, {q->s[1], s}};
    return y;
}

INLINE hvec sobel_column(const struct convd_fused *b, const bool bytes, const bool even, const bool count,
                         const struct narrowing *w, size_t at)
{
    const int16_t *const *t = b->t;
    const size_t step = b->step, outs = b->outs;
    struct sobel q[PAIR] = {{.d = {0}}};
    hvec beyond = {0};
    UNROLL
    for (size_t p = 0; p < PAIR; p++) {
        sobel_row(&q[p], t[0] + at + p * HALVES, step);
        sobel_row(&q[p], t[1] + at + p * HALVES, step);
    }
    for (size_t i = 0; i < outs; i++) {
        hvec y[PAIR];
        UNROLL
        for (size_t p = 0; p < PAIR; p++) {
            y[p] = sobel_row(&q[p], t[i + 2] + at + p * HALVES, step);
            if (count) beyond = int_beyond16(beyond, y[p], w->top);
        }
        give(b->y[i], at, y, bytes, even, !even, w);
    }
    return beyond;
}

/* The column of tiles at `at`; returns minus the numbers outside, where that is asked. */
INLINE hvec column(const struct convd_fused *b, const enum shape shape, const size_t terms, const bool bytes, const bool even,
                   const bool count, const struct factors *f, const struct narrowing *w, size_t at)
{
    if (shape == SOBEL) return sobel_column(b, bytes, even, count, w, at);
    uhvec row[PAIR][3][2] = {{{{0}}}};
    hvec outs = {0};
    for (size_t i = 0; i < b->outs + 2; i++) {
        const int16_t *x = b->t[i] + at;
        hvec y[PAIR];
        UNROLL
        for (size_t p = 0; p < PAIR; p++) {
            const uhvec a = LOAD(uhvec, x + p * HALVES - b->step), m = LOAD(uhvec, x + p * HALVES),
                        c = LOAD(uhvec, x + p * HALVES + b->step);
            UNROLL
            for (size_t t = 0; t < terms; t++) {
                const bool odd = shape == GRADIENT ? t == 0 : b->term[t].odd_row;
                row[p][0][t] = row[p][1][t];
                row[p][1][t] = row[p][2][t];
                row[p][2][t] = weigh(a, m, c, odd, f[t].row);
            }
            if (i < 2) continue;
            y[p] = answer(b, shape, terms, row[p], f);
            if (count) outs += outside(y[p], w);
        }
        if (i < 2) continue;
        give(b->y[i - 2], at, y, bytes, even, false, w);
    }
    return outs;
}

INLINE uint64_t run(const struct convd_fused *b, size_t n, const enum shape shape, const size_t terms, const bool bytes,
                    const bool even, const bool count)
{
    const struct narrowing w = narrowing_of(b->frac, even);
    struct factors f[2];
    uint64_t saturated = 0;
    for (size_t t = 0; t < terms; t++)
        for (size_t k = 0; k < 2; k++) {
            f[t].row[k] = (uhvec)all(b->term[t].row[k]);
            f[t].column[k] = (uhvec)all(b->term[t].column[k]);
        }
    size_t j = 0;
    hvec outs = {0};
    for (; j + VL <= n; j += VL) {
        outs += column(b, shape, terms, bytes, even, count, f, &w, j);
        if (count && j / VL % TOTAL == TOTAL - 1) { /* before 16 bits are too few */
            saturated += total(-outs);
            outs = (hvec){0};
        }
    }
    if (count) saturated += total(-outs);
    if (j < n && !count) column(b, shape, terms, bytes, even, false, f, &w, n - VL);
    return saturated;
}

/* What is left of the rows when a column laid back would count twice. */
static uint64_t rest(const struct convd_fused *b, size_t from, size_t n)
{
    uint64_t saturated = 0;
    for (size_t o = 0; o < b->outs; o++) {
        const int16_t *const t[] = {b->t[o] + from, b->t[o + 1] + from, b->t[o + 2] + from};
        struct convd_fused one = *b;
        one.t = t;
        one.outs = 1;
        one.y = &(void *){(uint8_t *)b->y[o] + from};
        saturated += convd_fused_i16_ref(&one, n - from);
    }
    return saturated;
}

INLINE uint64_t run_bytes(const struct convd_fused *b, size_t n, const enum shape shape, const size_t terms)
{
    const bool even = b->even && b->frac;
    if (!b->bytes) return run(b, n, shape, terms, false, false, false);
    if (!b->count) return even ? run(b, n, shape, terms, true, true, false) : run(b, n, shape, terms, true, false, false);
    const uint64_t saturated =
        even ? run(b, n, shape, terms, true, true, true) : run(b, n, shape, terms, true, false, true);
    return saturated + (n % VL ? rest(b, n / VL * VL, n) : 0);
}

static bool is_sobel(const struct convd_fused *b)
{
    bool plain = !b->largest && b->frac > 0;
    for (size_t i = 0; i < 2; i++) {
        const struct convd_fused_term *t = &b->term[i];
        const int16_t *odd = t->odd_row ? t->row : t->column, *even = t->odd_row ? t->column : t->row;
        plain &= (odd[0] == 1 || odd[0] == -1) && (even[0] == 1 || even[0] == -1) && even[1] == 2 * even[0];
    }
    return plain;
}

static enum shape shape_of(const struct convd_fused *b)
{
    const struct convd_fused_term *t = b->term;
    if (!t[0].odd_row || t[0].odd_column || t[1].odd_row || !t[1].odd_column || !t[0].absolute || !t[1].absolute) return ANY;
    return is_sobel(b) ? SOBEL : GRADIENT;
}

uint64_t FN(fused_i16)(const struct convd_fused *b, size_t n)
{
    if (n < VL) return convd_fused_i16_ref(b, n);
    if (b->terms == 1) return run_bytes(b, n, ANY, 1);
    switch (shape_of(b)) {
    case SOBEL:
        return run_bytes(b, n, SOBEL, 2);
    case GRADIENT:
        return run_bytes(b, n, GRADIENT, 2);
    default:
        return run_bytes(b, n, ANY, 2);
    }
}
