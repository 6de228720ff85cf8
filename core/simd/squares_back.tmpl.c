/* squares_back.tmpl.c: who won windows of two or three columns, two apart, and the way back to them.
 *
 * Who won is a byte a window, found while the map is still in a cache; on the way back, where all maps together are larger than
 * any cache, nothing else of it is read. A row of dx is put together from all windows that hold it, and written once. Tails are
 * laid back. */
#include "isa.h"

#define AHEAD  2560 /* floats, as in squares.tmpl.c */
#define NOBODY 255

/* ---- who won ---- */

INLINE ivec won_by(vec x, vec y, ivec code, const int32_t tap)
{
    const ivec mine = x == y;
    return (mine & (tap - (ivec){0})) | (~mine & code);
}

/* Windows [j, j + LANES) over rows [a, b) of a window, the first at x: taps that come first are asked last. */
INLINE void winners(const struct convd_squares *q, const float *x, const size_t a, const size_t b, const bool three, size_t j,
                    vec y, vec *carry, uint8_t *to)
{
    ivec code = NOBODY - (ivec){0};
    UNROLL
    for (size_t k = b; k-- > a;) {
        const float *at = x + (ptrdiff_t)(k - a) * q->row + 2 * j;
        const vec lo = vec_load(at), hi = vec_load(at + LANES);
        const vec even = __builtin_shufflevector(lo, hi, EVENS), odd = __builtin_shufflevector(lo, hi, ODDS);
        const int32_t tap = (int32_t)(k * (three ? 3 : 2));
        code = won_by(odd, y, code, tap + 1 + three);
        code = won_by(even, y, code, tap + three);
        if (!three) continue;
        code = won_by(__builtin_shufflevector(carry[k], odd, BEFORE), y, code, tap);
        carry[k] = odd;
    }
    const ivec four[] = {code, code, code, code};
    const bvec bytes = int_pack32(four);
    __builtin_memcpy(to + j, &bytes, LANES);
}

INLINE void winners_row(const struct convd_squares *q, ptrdiff_t i, const size_t a, const size_t b, const bool three, uint8_t *to)
{
    const float *x = q->x + (q->first + i * q->stride + (ptrdiff_t)a) * q->row, *y = q->y + i * q->y_row;
    vec carry[CONVD_SQUARES_MOST];
    size_t j = 0;
    for (size_t k = a; three && k < b; k++)
        carry[k] = (q->edge ? __builtin_nanf("") : x[(ptrdiff_t)(k - a) * q->row - 1]) - (vec){0};
    for (; j + LANES <= q->n; j += LANES) winners(q, x, a, b, three, j, vec_load(y + j), carry, to);
    if (j == q->n) return;
    j = q->n - LANES;
    for (size_t k = a; three && k < b; k++) carry[k] = x[(ptrdiff_t)(k - a) * q->row + 2 * (ptrdiff_t)j - 1] - (vec){0};
    winners(q, x, a, b, three, j, vec_load(y + j), carry, to);
}

INLINE void winners_all(const struct convd_squares *q, const bool three, uint8_t *code, ptrdiff_t step)
{
    for (ptrdiff_t i = 0; i < q->rows; i++) {
        const ptrdiff_t top = q->first + i * q->stride, under = q->h - top;
        const size_t a = top < 0 ? (size_t)-top : 0, b = under < (ptrdiff_t)q->taps ? (size_t)under : q->taps;
        if (a == 0 && b == 3)
            winners_row(q, i, 0, 3, three, code + i * step);
        else if (a == 0 && b == 2)
            winners_row(q, i, 0, 2, three, code + i * step);
        else
            winners_row(q, i, a, b, three, code + i * step);
    }
}

void FN(squares_won)(const struct convd_squares *q, uint8_t *code, ptrdiff_t step)
{
    if (q->three)
        winners_all(q, true, code, step);
    else
        winners_all(q, false, code, step);
}

/* ---- back to them ---- */

/* A row of windows as a row of the map sees it: the codes of its first tap there, and what goes to the winners. */
struct over {
    const uint8_t *code;
    const float *dy;
    int32_t tap;
};

INLINE vec share(const struct over *w, size_t j, const int32_t tap)
{
    return (vec)((int_widen4(w->code + j) == w->tap + tap - (ivec){0}) & LOAD(ivec, w->dy + j));
}

/* What a row of windows gives to even and odd columns; last: no windows are behind. */
INLINE void shares(const struct over *w, const bool three, const bool last, size_t j, vec *even, vec *odd)
{
    *even = share(w, j, three);
    *odd = share(w, j, 1 + three);
    if (three && last) *odd += __builtin_shufflevector(share(w, j, 0), (vec){0}, NEXT);
    if (three && !last) *odd += share(w, j + 1, 0);
}

/* Columns [2j, 2j + 2 LANES) from m rows of windows, one at least. */
INLINE void columns(const struct over *w, const size_t m, const bool three, const bool last, size_t j, vec *lo, vec *hi)
{
    vec even, odd, a, b;
    shares(w, three, last, j, &even, &odd);
    for (size_t k = 1; k < m; k++) {
        shares(&w[k], three, last, j, &a, &b);
        even += a;
        odd += b;
    }
    *lo = __builtin_shufflevector(even, odd, LOW);
    *hi = __builtin_shufflevector(even, odd, HIGH);
}

INLINE void put(float *dx, vec lo, vec hi, const bool fresh)
{
    const uintptr_t ahead = (uintptr_t)dx + AHEAD * sizeof(float);
    __builtin_prefetch((const void *)ahead, 1);
    __builtin_prefetch((const void *)(ahead + VL), 1);
    vec_store(dx, fresh ? lo : vec_load(dx) + lo);
    vec_store(dx + LANES, fresh ? hi : vec_load(dx + LANES) + hi);
}

INLINE void map_row(const struct convd_squares_back *q, const struct over *w, const size_t m, const bool three, const bool fresh,
                    float *dx)
{
    const size_t n = q->of.n;
    float rest[2 * LANES], before = 0;
    vec lo, hi;
    size_t j = 0;
    for (; j + LANES < n; j += LANES) {
        columns(w, m, three, false, j, &lo, &hi);
        put(dx + 2 * j, lo, hi, fresh);
    }
    columns(w, m, three, true, n - LANES, &lo, &hi);
    if (fresh || j + LANES == n) {
        put(dx + 2 * (n - LANES), lo, hi, fresh);
    } else {
        vec_store(rest, lo);
        vec_store(rest + LANES, hi);
        for (size_t k = 2 * (j + LANES - n); k < 2 * LANES; k++) dx[2 * (n - LANES) + k] += rest[k];
    }
    if (!three || q->of.edge) return;
    for (size_t k = 0; k < m; k++) before += w[k].code[0] == w[k].tap ? w[k].dy[0] : 0;
    dx[-1] = fresh ? before : dx[-1] + before;
}

INLINE void back_all(const struct convd_squares_back *q, const bool three, const bool fresh)
{
    const struct convd_squares *s = &q->of;
    struct over w[CONVD_SQUARES_MOST];
    ptrdiff_t from = 0, to = 0; /* rows of windows over this row */
    for (ptrdiff_t r = q->from; r < q->to; r++) {
        float *dx = q->dx + r * q->dx_row;
        while (to < s->rows && s->first + to * s->stride <= r) to++;
        while (from < to && s->first + from * s->stride + (ptrdiff_t)s->taps <= r) from++;
        for (ptrdiff_t i = from; i < to; i++)
            w[i - from] = (struct over){q->code + i * q->code_row, q->dy + i * q->dy_row,
                                        (int32_t)(r - s->first - i * s->stride) * (three ? 3 : 2)};
        const bool before = three && !s->edge;
        if (from == to && fresh) __builtin_memset(dx - before, 0, (2 * s->n + before) * sizeof *dx);
        if (from == to) continue;
        if (to - from == 1)
            map_row(q, w, 1, three, fresh, dx);
        else if (to - from == 2)
            map_row(q, w, 2, three, fresh, dx);
        else
            map_row(q, w, (size_t)(to - from), three, fresh, dx);
    }
}

void FN(squares_back)(const struct convd_squares_back *q)
{
    if (q->of.three)
        q->fresh ? back_all(q, true, true) : back_all(q, true, false);
    else
        q->fresh ? back_all(q, false, true) : back_all(q, false, false);
}
