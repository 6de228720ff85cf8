/* bytes.tmpl.c: interleaved bytes to rows of floats and back. Plain loops over fixed blocks, in shapes that
 * the compiler turns into shuffles where the instruction set has them. */
#include "isa.h"

#define BLOCK 64 /* pixels at a time */

/* n pixels of `stored` bytes to rows of bytes; n and stored are constants wherever it is fast. */
INLINE void split(const uint8_t *restrict x, size_t n, const size_t stored,
                  uint8_t row[restrict][BLOCK])
{
    for (size_t i = 0; i < n; i++)
        for (size_t c = 0; c < stored; c++) row[c][i] = x[i * stored + c];
}

INLINE void widen(const uint8_t *restrict x, size_t n, float *restrict y)
{
    for (size_t i = 0; i < n; i++) y[i] = (float)x[i];
}

INLINE void planes_of(const uint8_t *x, size_t n, const size_t stored, float *const *y,
                      size_t planes)
{
    uint8_t row[4][BLOCK];
    size_t i = 0;
    for (; i + BLOCK <= n; i += BLOCK) {
        split(x + i * stored, BLOCK, stored, row);
        for (size_t c = 0; c < planes; c++) widen(row[c], BLOCK, y[c] + i);
    }
    split(x + i * stored, n - i, stored, row);
    for (size_t c = 0; c < planes; c++) widen(row[c], n - i, y[c] + i);
}

void FN(u8_planes)(const uint8_t *x, size_t n, size_t stored, float *const *y, size_t planes)
{
    switch (stored) {
    case 1:
        widen(x, n, y[0]);
        return;
    case 3:
        planes_of(x, n, 3, y, planes);
        return;
    case 4:
        planes_of(x, n, 4, y, planes);
        return;
    default:
        break;
    }
    for (size_t c = 0; c < planes; c++)
        for (size_t i = 0; i < n; i++) y[c][i] = (float)x[i * stored + c];
}

INLINE void luma_of(const uint8_t *x, size_t n, const size_t stored, float *y)
{
    uint8_t row[4][BLOCK];
    float rgb[3][BLOCK];
    for (size_t i = 0; i < n; i += BLOCK) {
        const size_t len = n - i < BLOCK ? n - i : BLOCK;
        if (len == BLOCK) {
            split(x + i * stored, BLOCK, stored, row);
            for (size_t c = 0; c < 3; c++) widen(row[c], BLOCK, rgb[c]);
        } else {
            split(x + i * stored, len, stored, row);
            for (size_t c = 0; c < 3; c++) widen(row[c], len, rgb[c]);
        }
        FN(luma)(rgb[0], rgb[1], rgb[2], y + i, len);
    }
}

void FN(u8_luma)(const uint8_t *x, size_t n, size_t stored, float *y)
{
    if (stored == 3) {
        luma_of(x, n, 3, y);
    } else if (stored == 4) {
        luma_of(x, n, 4, y);
    } else {
        for (size_t i = 0; i < n; i++) {
            float sum = 0;
            sum += 0.299f * (float)x[i * stored];
            sum += 0.587f * (float)x[i * stored + 1];
            sum += 0.114f * (float)x[i * stored + 2];
            y[i] = sum;
        }
    }
}

/* BLOCK floats to bytes; returns how many lie inside 0..255. Between 0 and 2^22 adding 2^23 leaves no room
 * for a fraction: the sum is rounded half to even, as all sums are, and its low bits are the integer. A
 * comparison with NaN fails, so its mask makes it 0. */
INLINE size_t narrow(const float *x, uint8_t *restrict y)
{
    int32_t whole[BLOCK];
    ivec inside = {0};
    for (size_t i = 0; i < BLOCK; i += LANES) {
        const vec v = vec_load(x + i);
        const vec low = (vec)((ivec)v & (v >= 0.0f));
        const ivec fits = low <= 255.0f;
        const vec in = (vec)(((ivec)low & fits) | ((ivec)(255.0f - (vec){0}) & ~fits));
        const ivec bits = (ivec)(in + 8388608.0f);
        __builtin_memcpy(whole + i, &bits, sizeof bits);
        inside -= v == in;
    }
    for (size_t i = 0; i < BLOCK; i++) y[i] = (uint8_t)whole[i];
    int32_t count = 0;
    for (size_t i = 0; i < LANES; i++) count += inside[i];
    return (size_t)count;
}

/* The last n < BLOCK floats: zeros stand behind them, which lie inside. */
INLINE size_t narrow_tail(const float *x, size_t n, uint8_t *restrict y)
{
    float padded[BLOCK] = {0};
    __builtin_memcpy(padded, x, n * sizeof *x);
    return narrow(padded, y) - (BLOCK - n);
}

INLINE void join(uint8_t row[restrict][BLOCK], size_t n, const size_t c, uint8_t *restrict y)
{
    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k < c; k++) y[i * c + k] = row[k][i];
}

INLINE uint64_t pack_of(const float *const *x, size_t n, const size_t c, uint8_t *y)
{
    uint8_t row[4][BLOCK];
    size_t inside = 0, i = 0;
    for (; i + BLOCK <= n; i += BLOCK) {
        for (size_t k = 0; k < c; k++) inside += narrow(x[k] + i, row[k]);
        join(row, BLOCK, c, y + i * c);
    }
    if (i < n) {
        for (size_t k = 0; k < c; k++) inside += narrow_tail(x[k] + i, n - i, row[k]);
        join(row, n - i, c, y + i * c);
    }
    return n * c - inside;
}

uint64_t FN(planes_u8)(const float *const *x, size_t n, size_t c, uint8_t *y)
{
    switch (c) {
    case 1:
        return pack_of(x, n, 1, y);
    case 2:
        return pack_of(x, n, 2, y);
    case 3:
        return pack_of(x, n, 3, y);
    case 4:
        return pack_of(x, n, 4, y);
    default:
        break;
    }
    size_t inside = 0;
    uint8_t row[BLOCK];
    for (size_t k = 0; k < c; k++)
        for (size_t i = 0; i < n; i += BLOCK) {
            const size_t len = n - i < BLOCK ? n - i : BLOCK;
            inside += len == BLOCK ? narrow(x[k] + i, row) : narrow_tail(x[k] + i, len, row);
            for (size_t j = 0; j < len; j++) y[(i + j) * c + k] = row[j];
        }
    return n * c - inside;
}

/* ---- bytes to bytes ---- */

INLINE void split_of(const uint8_t *x, size_t n, const size_t stored, uint8_t *const *y, size_t planes)
{
    uint8_t row[4][BLOCK];
    for (size_t i = 0; i < n; i += BLOCK) {
        const size_t len = n - i < BLOCK ? n - i : BLOCK;
        if (len == BLOCK)
            split(x + i * stored, BLOCK, stored, row);
        else
            split(x + i * stored, len, stored, row);
        for (size_t c = 0; c < planes; c++) __builtin_memcpy(y[c] + i, row[c], len);
    }
}

void FN(split_u8)(const uint8_t *x, size_t n, size_t stored, uint8_t *const *y, size_t planes)
{
    if (stored == 3)
        split_of(x, n, 3, y, planes);
    else if (stored == 4)
        split_of(x, n, 4, y, planes);
    else
        for (size_t c = 0; c < planes; c++)
            for (size_t i = 0; i < n; i++) y[c][i] = x[i * stored + c];
}

INLINE void join_of(const uint8_t *const *x, size_t n, const size_t c, uint8_t *y)
{
    uint8_t row[4][BLOCK];
    for (size_t i = 0; i < n; i += BLOCK) {
        const size_t len = n - i < BLOCK ? n - i : BLOCK;
        for (size_t k = 0; k < c; k++) __builtin_memcpy(row[k], x[k] + i, len);
        if (len == BLOCK)
            join(row, BLOCK, c, y + i * c);
        else
            join(row, len, c, y + i * c);
    }
}

void FN(join_u8)(const uint8_t *const *x, size_t n, size_t c, uint8_t *y)
{
    if (c == 3)
        join_of(x, n, 3, y);
    else if (c == 4)
        join_of(x, n, 4, y);
    else
        for (size_t i = 0; i < n; i++)
            for (size_t k = 0; k < c; k++) y[i * c + k] = x[k][i];
}
