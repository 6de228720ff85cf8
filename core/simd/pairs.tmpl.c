/* pairs.tmpl.c: windows over rows of pairs, summed in 32 bits: one multiply-add takes the numbers of two picture rows. Two
 * output rows share what is loaded. */
#include "isa.h"

#define VECS 4 /* then a tile is a whole vector of bytes */

uint64_t convd_taps_pairs_ref(const struct convd_pairs *q, size_t n);

INLINE ivec factor(const int16_t *k)
{
    int32_t two;
    __builtin_memcpy(&two, k, sizeof two);
    return two - (ivec){0};
}

/* Writes a tile; returns how many of it lay outside 0..255, where that is asked. */
INLINE ivec give(const ivec *sum, vec scale, const bool bytes, const bool count, void *y, size_t at)
{
    ivec whole[VECS], outside = {0};
    UNROLL
    for (size_t v = 0; v < VECS; v++) {
        const vec x = __builtin_convertvector(sum[v], vec) * scale;
        if (count) outside -= (x < 0.0f) | (x > 255.0f);
        whole[v] = int_round(x);
    }
    const hvec a = int_pack16(whole[0], whole[1]), b = int_pack16(whole[2], whole[3]);
    if (bytes) {
        STORE((uint8_t *)y + at, int_pack8(a, b));
    } else {
        STORE((int16_t *)y + at, a);
        STORE((int16_t *)y + at + 2 * LANES, b);
    }
    return outside;
}

INLINE ivec tile(const struct convd_pairs *q, size_t at, const size_t outs, const bool bytes, const bool count)
{
    ivec sum[2][VECS], outside = {0};
    const int16_t *k = q->k;
    UNROLL
    for (size_t o = 0; o < outs; o++) {
        UNROLL
        for (size_t v = 0; v < VECS; v++) sum[o][v] = q->bias - (ivec){0};
    }
    for (size_t s = 0; s < q->steps; s++)
        for (size_t i = 0; i < q->pairs; i++, k += 2 * outs) {
            const int16_t *x = q->x[i] + 2 * ((ptrdiff_t)at + q->at[s]);
            UNROLL
            for (size_t v = 0; v < VECS; v++) {
                const hvec numbers = LOAD(hvec, x + v * 2 * LANES);
                UNROLL
                for (size_t o = 0; o < outs; o++)
                    sum[o][v] = int_madd_to(sum[o][v], numbers, (hvec)factor(k + 2 * o));
            }
        }
    UNROLL
    for (size_t o = 0; o < outs; o++) outside += give(sum[o], q->scale - (vec){0}, bytes, count, q->y[o], at);
    return outside;
}

static uint64_t total(ivec count)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < LANES; i++) sum += (uint32_t)count[i];
    return sum;
}

/* The tail is done by ref: a tile laid back would count twice. Strips of whole tiles have none. */
INLINE uint64_t run(const struct convd_pairs *q, size_t n, const size_t outs, const bool bytes, const bool count)
{
    ivec outside = {0};
    size_t j = 0;
    for (; j + VECS * LANES <= n; j += VECS * LANES) outside += tile(q, j, outs, bytes, count);
    if (j < n && !count) tile(q, n - VECS * LANES, outs, bytes, false);
    uint64_t sum = count ? total(outside) : 0;
    if (j < n && count) {
        struct convd_pairs rest = *q;
        const int16_t *x[CONVD_PAIRS_MOST];
        for (size_t i = 0; i < q->pairs; i++) x[i] = q->x[i] + 2 * j;
        for (size_t o = 0; o < outs; o++) rest.y[o] = (uint8_t *)q->y[o] + j;
        rest.x = x;
        sum += convd_taps_pairs_ref(&rest, n - j);
    }
    return sum;
}

uint64_t FN(taps_pairs)(const struct convd_pairs *q, size_t n)
{
    if (n < VECS * LANES) return convd_taps_pairs_ref(q, n);
    if (q->outs == 2) {
        if (!q->bytes) return run(q, n, 2, false, false);
        return q->count ? run(q, n, 2, true, true) : run(q, n, 2, true, false);
    }
    if (!q->bytes) return run(q, n, 1, false, false);
    return q->count ? run(q, n, 1, true, true) : run(q, n, 1, true, false);
}

/* ---- pairs ---- */

#define ZIP(NAME, TYPE, WIDEN)                                                                     \
    void FN(NAME)(const TYPE *a, const TYPE *b, size_t n, int16_t *y)                              \
    {                                                                                              \
        size_t i = 0;                                                                              \
        for (; i + LANES <= n; i += LANES) STORE(y + 2 * i, WIDEN(a + i) | WIDEN(b + i) << 16);    \
        for (; i < n; i++) {                                                                       \
            y[2 * i] = a[i];                                                                       \
            y[2 * i + 1] = b[i];                                                                   \
        }                                                                                          \
    }
ZIP(zip_u8, uint8_t, int_widen4)
ZIP(zip_i16, int16_t, int_widen2)
