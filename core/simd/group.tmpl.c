/* group.tmpl.c: windows over rows of groups, summed in 32 bits: one instruction takes the numbers of two picture rows of 16
 * bits, or of four of bytes. Output rows share what is loaded. */
#include "isa.h"

#define VECS 4 /* then a tile is a whole vector of bytes */

uint64_t convd_taps_group_ref(const struct convd_groups *q, size_t n);
void convd_zip4_u8_ref(const uint8_t *const *t, size_t n, uint8_t *y);

INLINE bvec load(const void *x)
{
    return LOAD(bvec, x);
}

INLINE ivec factor(const int32_t *k)
{
    return *k - (ivec){0};
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
    if (bytes) {
        STORE((uint8_t *)y + at, int_pack32(whole));
    } else {
        STORE((int16_t *)y + at, int_pack16(whole[0], whole[1]));
        STORE((int16_t *)y + at + 2 * LANES, int_pack16(whole[2], whole[3]));
    }
    return outside;
}

INLINE ivec tile(const struct convd_groups *q, size_t at, const size_t outs, const bool fours, const bool bytes,
                 const bool count)
{
    ivec sum[CONVD_GROUPS_OUTS][VECS], outside = {0};
    const int32_t *k = q->k;
    UNROLL
    for (size_t o = 0; o < outs; o++) {
        UNROLL
        for (size_t v = 0; v < VECS; v++) sum[o][v] = q->bias - (ivec){0};
    }
    for (size_t s = 0; s < q->steps; s++)
        for (size_t i = 0; i < q->groups; i++, k += outs) {
            const char *x = (const char *)q->x[i] + 4 * ((ptrdiff_t)at + q->at[s]);
            UNROLL
            for (size_t v = 0; v < VECS; v++) {
                const bvec numbers = load(x + v * VL);
                UNROLL
                for (size_t o = 0; o < outs; o++)
                    sum[o][v] = fours ? int_dots_to(sum[o][v], numbers, (bvec)factor(k + o))
                                      : int_madd_to(sum[o][v], (hvec)numbers, (hvec)factor(k + o));
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
INLINE uint64_t run(const struct convd_groups *q, size_t n, const size_t outs, const bool fours, const bool bytes,
                    const bool count)
{
    ivec outside = {0};
    size_t j = 0;
    for (; j + VECS * LANES <= n; j += VECS * LANES) outside += tile(q, j, outs, fours, bytes, count);
    if (j < n && !count) tile(q, n - VECS * LANES, outs, fours, bytes, false);
    uint64_t sum = count ? total(outside) : 0;
    if (j < n && count) {
        struct convd_groups rest = *q;
        const void *x[CONVD_GROUPS_MOST];
        for (size_t i = 0; i < q->groups; i++) x[i] = (const char *)q->x[i] + 4 * j;
        for (size_t o = 0; o < outs; o++) rest.y[o] = (uint8_t *)q->y[o] + j;
        rest.x = x;
        sum += convd_taps_group_ref(&rest, n - j);
    }
    return sum;
}

INLINE uint64_t run_outs(const struct convd_groups *q, size_t n, const size_t outs, const bool fours)
{
    if (!q->bytes) return run(q, n, outs, fours, false, false);
    return q->count ? run(q, n, outs, fours, true, true) : run(q, n, outs, fours, true, false);
}

uint64_t FN(taps_group)(const struct convd_groups *q, size_t n)
{
    if (n < VECS * LANES) return convd_taps_group_ref(q, n);
    if (q->outs == 4) return q->fours ? run_outs(q, n, 4, true) : run_outs(q, n, 4, false);
    if (q->outs == 2) return q->fours ? run_outs(q, n, 2, true) : run_outs(q, n, 2, false);
    return q->fours ? run_outs(q, n, 1, true) : run_outs(q, n, 1, false);
}

/* ---- pairs, fours ---- */

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

/* Rows of a picture come from afar: what stands further on is asked for in time. */
#define AHEAD 2048

INLINE void zip4(const uint8_t *const *t, size_t j, uint8_t *y)
{
    UNROLL
    for (size_t i = 0; i < 4; i++) __builtin_prefetch((const void *)((uintptr_t)(t[i] + j) + AHEAD));
    const bvec a = int_spread(load(t[0] + j)), b = int_spread(load(t[1] + j)), c = int_spread(load(t[2] + j)),
               d = int_spread(load(t[3] + j)), ab = int_low8(a, b), cd = int_low8(c, d), ab2 = int_high8(a, b),
               cd2 = int_high8(c, d);
    STORE(y + 4 * j, int_low16(ab, cd));
    STORE(y + 4 * j + VL, int_high16(ab, cd));
    STORE(y + 4 * j + 2 * VL, int_low16(ab2, cd2));
    STORE(y + 4 * j + 3 * VL, int_high16(ab2, cd2));
}

void FN(zip4_u8)(const uint8_t *const *t, size_t n, uint8_t *y)
{
    if (n < VL) {
        convd_zip4_u8_ref(t, n, y);
        return;
    }
    for (size_t j = 0; j + VL <= n; j += VL) zip4(t, j, y);
    if (n % VL) zip4(t, n - VL, y);
}
