/* smooth.tmpl.c: windows of two passes, and of equal taps. Tails are laid back, but for sums that are kept. */
#include "halves.h"

#define VECS 4

void convd_smooth_i16_ref(const int16_t *const *t, const int16_t *k, size_t taps, int16_t *y, size_t n);
void convd_smooth_u8_ref(const uint8_t *const *t, const int16_t *k, size_t taps, int shift, int16_t *y, size_t n);
void convd_smooth_down_ref(const struct convd_smooth *s, size_t n);
void convd_box_u8_ref(const struct convd_boxes *b, size_t n);

/* ---- one row ---- */

INLINE hvec numbers(const int16_t *x)
{
    return LOAD(hvec, x);
}

INLINE void smooth_tile(const int16_t *const *t, const int16_t *k, size_t taps, int16_t *y, size_t at, const size_t vecs)
{
    hvec sum[VECS] = {{0}};
    if (taps % 2) {
        UNROLL
        for (size_t v = 0; v < vecs; v++) sum[v] = int_high(numbers(t[taps / 2] + at + v * HALVES), all(k[taps / 2]));
    }
    for (size_t i = 0; i < taps / 2; i++) {
        const hvec f = all(k[i]);
        const int16_t *a = t[i] + at, *b = t[taps - 1 - i] + at;
        UNROLL
        for (size_t v = 0; v < vecs; v++)
            sum[v] += int_high(numbers(a + v * HALVES) + numbers(b + v * HALVES), f);
    }
    UNROLL
    for (size_t v = 0; v < vecs; v++) STORE(y + at + v * HALVES, sum[v]);
}

void FN(smooth_i16)(const int16_t *const *t, const int16_t *k, size_t taps, int16_t *y, size_t n)
{
    size_t j = 0;
    if (n < HALVES) {
        convd_smooth_i16_ref(t, k, taps, y, n);
        return;
    }
    for (; j + VECS * HALVES <= n; j += VECS * HALVES) smooth_tile(t, k, taps, y, j, VECS);
    for (; j + HALVES <= n; j += HALVES) smooth_tile(t, k, taps, y, j, 1);
    if (j < n) smooth_tile(t, k, taps, y, n - HALVES, 1);
}

/* The sums of two rows of bytes come in the order of int_low8 and int_high8, and are put in order once, at the end. */
INLINE void put_in_order(hvec a, hvec b, int16_t *y)
{
#if VL == 64
    const dvec lo = __builtin_shufflevector((dvec)a, (dvec)b, 0, 1, 8, 9, 2, 3, 10, 11),
               hi = __builtin_shufflevector((dvec)a, (dvec)b, 4, 5, 12, 13, 6, 7, 14, 15);
#elif VL == 32
    const dvec lo = __builtin_shufflevector((dvec)a, (dvec)b, 0, 1, 4, 5),
               hi = __builtin_shufflevector((dvec)a, (dvec)b, 2, 3, 6, 7);
#else
    const hvec lo = a, hi = b;
#endif
    STORE(y, lo);
    STORE(y + HALVES, hi);
}

#define BYTES 2 /* vectors of a tile */

INLINE void smooth_u8_tile(const uint8_t *const *t, const int16_t *k, size_t taps, int shift, int16_t *y, size_t at,
                           const size_t vecs)
{
    hvec low[BYTES] = {{0}}, high[BYTES] = {{0}};
    const bvec none = {0};
    if (taps % 2) {
        const hvec f = all(k[taps / 2]);
        UNROLL
        for (size_t v = 0; v < vecs; v++) {
            const bvec x = LOAD(bvec, t[taps / 2] + at + v * VL);
            low[v] = int_high(int_twos(int_low8(x, none), shift), f);
            high[v] = int_high(int_twos(int_high8(x, none), shift), f);
        }
    }
    for (size_t i = 0; i < taps / 2; i++) {
        const hvec f = all(k[i]);
        UNROLL
        for (size_t v = 0; v < vecs; v++) {
            const bvec a = LOAD(bvec, t[i] + at + v * VL), b = LOAD(bvec, t[taps - 1 - i] + at + v * VL);
            low[v] += int_high(int_twos(int_low8(a, b), shift), f);
            high[v] += int_high(int_twos(int_high8(a, b), shift), f);
        }
    }
    UNROLL
    for (size_t v = 0; v < vecs; v++) put_in_order(low[v], high[v], y + at + v * VL);
}

void FN(smooth_u8)(const uint8_t *const *t, const int16_t *k, size_t taps, int shift, int16_t *y, size_t n)
{
    size_t j = 0;
    if (n < VL || shift > 6) {
        convd_smooth_u8_ref(t, k, taps, shift, y, n);
        return;
    }
    for (; j + BYTES * VL <= n; j += BYTES * VL) smooth_u8_tile(t, k, taps, shift, y, j, BYTES);
    for (; j + VL <= n; j += VL) smooth_u8_tile(t, k, taps, shift, y, j, 1);
    if (j < n) smooth_u8_tile(t, k, taps, shift, y, n - VL, 1);
}

/* ---- rows together ---- */

#define PAIR 2 /* vectors of a tile: one of bytes */
#if VL == 64
#define OUTS 4 /* what fits into registers */
#else
#define OUTS 2
#endif

/* The rows that the taps of OUTS outputs read at their upper and at their lower end: both move by one row with each tap, so
 * that a tap loads one row of each. */
struct ends {
    hvec top[OUTS][PAIR], bottom[OUTS][PAIR];
};

INLINE void load_pair(hvec *v, const int16_t *x)
{
    UNROLL
    for (size_t p = 0; p < PAIR; p++) v[p] = numbers(x + p * HALVES);
}

/* Tap i of all outputs, u of a turn. */
INLINE void tap(const struct convd_smooth *s, size_t i, const size_t u, size_t at, struct ends *e, hvec sum[OUTS][PAIR])
{
    const hvec f = all(s->k[i]);
    load_pair(e->top[(u + OUTS - 1) % OUTS], s->t[i + OUTS - 1] + at);
    load_pair(e->bottom[(OUTS - u) % OUTS], s->t[s->taps - 1 - i] + at);
    UNROLL
    for (size_t o = 0; o < OUTS; o++) {
        UNROLL
        for (size_t p = 0; p < PAIR; p++) {
            sum[o][p] += int_high(e->top[(u + o) % OUTS][p] + e->bottom[(o + OUTS - u) % OUTS][p], f);
            IN_TURN(sum[o][p]);
        }
    }
}

INLINE void give(const struct convd_smooth *s, const struct narrowing *w, const hvec *sum, size_t o, size_t at)
{
    if (s->bytes) {
        STORE((uint8_t *)s->y[o] + at, int_pack8(narrow_half(sum[0], w, false), narrow_half(sum[1], w, false)));
    } else {
        STORE((int16_t *)s->y[o] + at, sum[0]);
        STORE((int16_t *)s->y[o] + at + HALVES, sum[1]);
    }
}

/* One output by itself, from tap i on. */
INLINE void rest(const struct convd_smooth *s, size_t o, size_t i, size_t at, hvec *sum)
{
    const int16_t *const *t = s->t + o;
    for (; i < s->taps / 2; i++) {
        UNROLL
        for (size_t p = 0; p < PAIR; p++)
            sum[p] += int_high(numbers(t[i] + at + p * HALVES) + numbers(t[s->taps - 1 - i] + at + p * HALVES), all(s->k[i]));
    }
    if (s->taps % 2) {
        UNROLL
        for (size_t p = 0; p < PAIR; p++)
            sum[p] += int_high(numbers(t[i] + at + p * HALVES), all(s->k[i]));
    }
}

INLINE void down_tile(const struct convd_smooth *s, const struct narrowing *w, size_t o, size_t at)
{
    hvec sum[OUTS][PAIR] = {{{0}}};
    struct convd_smooth from = *s;
    struct ends e;
    size_t i = 0;
    from.t += o;
    UNROLL
    for (size_t m = 0; m + 1 < OUTS; m++) {
        load_pair(e.top[m], from.t[m] + at);
        load_pair(e.bottom[m + 1], from.t[s->taps + m] + at);
    }
    for (; i + OUTS <= s->taps / 2; i += OUTS) {
        UNROLL
        for (size_t u = 0; u < OUTS; u++) tap(&from, i + u, u, at, &e, sum);
    }
    UNROLL
    for (size_t u = 0; u + 1 < OUTS; u++) {
        if (i < s->taps / 2) tap(&from, i++, u, at, &e, sum);
    }
    UNROLL
    for (size_t q = 0; q < OUTS; q++) {
        rest(s, o + q, i, at, sum[q]);
        give(s, w, sum[q], o + q, at);
    }
}

INLINE void down_one(const struct convd_smooth *s, const struct narrowing *w, size_t o, size_t at)
{
    hvec sum[PAIR] = {{0}};
    rest(s, o, 0, at, sum);
    give(s, w, sum, o, at);
}

void FN(smooth_down)(const struct convd_smooth *s, size_t n)
{
    const struct narrowing w = narrowing_of(s->frac, false);
    size_t o = 0;
    if (n < VL) {
        convd_smooth_down_ref(s, n);
        return;
    }
    for (; o + OUTS <= s->outs; o += OUTS)
        for (size_t j = 0; j < n; j += VL) down_tile(s, &w, o, j + VL <= n ? j : n - VL);
    for (; o < s->outs; o++)
        for (size_t j = 0; j < n; j += VL) down_one(s, &w, o, j + VL <= n ? j : n - VL);
}

/* ---- equal taps ---- */

/* Far enough for the next strip of columns, which begins with the same rows. */
#define AHEAD 1024

INLINE void box_tile(const struct convd_boxes *b, const size_t taps, const struct narrowing *w, hvec k, size_t at)
{
    hvec h[PAIR], y[PAIR];
    const uint8_t *x = b->x + at;
    __builtin_prefetch((const void *)((uintptr_t)x + AHEAD));
    UNROLL
    for (size_t p = 0; p < PAIR; p++) h[p] = int_widen(x + p * HALVES);
    for (size_t i = 1; i < taps; i++) {
        x += b->step;
        UNROLL
        for (size_t p = 0; p < PAIR; p++) h[p] += int_widen(x + p * HALVES);
    }
    UNROLL
    for (size_t p = 0; p < PAIR; p++) {
        const size_t j = at + p * HALVES;
        const hvec sums = numbers(b->sums + j) + h[p] - numbers(b->row + j);
        STORE(b->row + j, h[p]);
        STORE(b->sums + j, sums);
        y[p] = int_high((hvec)((uhvec)sums << b->shift), k);
        if (b->words) STORE(b->words + j, y[p]);
    }
    if (b->bytes) STORE(b->bytes + at, int_pack8(narrow_half(y[0], w, false), narrow_half(y[1], w, false)));
}

INLINE size_t box_run(struct convd_boxes b, const size_t taps, size_t n)
{
    const struct narrowing w = narrowing_of(b.frac, false);
    const hvec k = all(b.k);
    size_t j = 0;
    for (; j + VL <= n; j += VL) box_tile(&b, taps, &w, k, j);
    return j;
}

void FN(box_u8)(const struct convd_boxes *b, size_t n)
{
    const size_t j = b->taps == 3 ? box_run(*b, 3, n) : b->taps == 5 ? box_run(*b, 5, n) : box_run(*b, b->taps, n);
    if (j < n) { /* sums would be added up twice by a tile laid back */
        struct convd_boxes last = *b;
        last.x += j;
        last.row += j;
        last.sums += j;
        last.bytes = b->bytes ? b->bytes + j : NULL;
        last.words = b->words ? b->words + j : NULL;
        convd_box_u8_ref(&last, n - j);
    }
}
