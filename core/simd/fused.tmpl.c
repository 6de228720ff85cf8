/* fused.tmpl.c: filters of 3 x 3 that are a row times a column, two of them at once, down a column of vectors: what they make
 * of a row across is made once and used by three output rows, and nothing but the answer is written. */
#include "halves.h"

#define PAIR 2 /* vectors of a tile: one of bytes */

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

INLINE hvec absolute(hvec x)
{
    return int_max16(x, -x);
}

/* What is known while compiling of the terms; GRADIENT: an odd row and an even column, then the other way, both absolute. */
enum shape { GRADIENT, ANY };

INLINE hvec answer(const struct convd_fused *b, const enum shape shape, const size_t terms, uhvec row[3][2],
                   const struct factors *f)
{
    hvec y[2] = {{0}};
    UNROLL
    for (size_t t = 0; t < terms; t++) {
        const bool odd = shape == GRADIENT ? t == 1 : b->term[t].odd_column;
        y[t] = (hvec)weigh(row[0][t], row[1][t], row[2][t], odd, f[t].column);
        if (shape == GRADIENT || b->term[t].absolute) y[t] = absolute(y[t]);
    }
    if (terms == 1) return y[0];
    return b->largest ? int_max16(y[0], y[1]) : y[0] + y[1];
}

/* The column of tiles at `at`; returns minus the numbers outside, where that is asked. */
INLINE hvec column(const struct convd_fused *b, const enum shape shape, const size_t terms, const bool bytes, const bool even,
                   const bool count, const struct factors *f, const struct narrowing *w, size_t at)
{
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
        if (bytes) {
            STORE((uint8_t *)b->y[i - 2] + at, int_pack8(narrow_half(y[0], w, even), narrow_half(y[1], w, even)));
        } else {
            STORE((int16_t *)b->y[i - 2] + at, y[0]);
            STORE((int16_t *)b->y[i - 2] + at + HALVES, y[1]);
        }
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
    for (; j + VL <= n; j += VL) {
        const hvec outs = column(b, shape, terms, bytes, even, count, f, &w, j);
        if (count) saturated += total(-outs);
    }
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

static bool odd_then_even(const struct convd_fused_term *t)
{
    return t[0].odd_row && !t[0].odd_column && !t[1].odd_row && t[1].odd_column && t[0].absolute && t[1].absolute;
}

uint64_t FN(fused_i16)(const struct convd_fused *b, size_t n)
{
    if (n < VL) return convd_fused_i16_ref(b, n);
    if (b->terms == 1) return run_bytes(b, n, ANY, 1);
    return odd_then_even(b->term) ? run_bytes(b, n, GRADIENT, 2) : run_bytes(b, n, ANY, 2);
}
