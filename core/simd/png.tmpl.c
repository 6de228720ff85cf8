/* png.tmpl.c: rows of a PNG through their filters and back (PNG specification, third edition, 9.2). On the way back what a
 * pixel is told by its left neighbour cannot be vectors along the row: a vector holds the samples of a pixel, in 16
 * bits. Paeth is most of what photos have and waits for the pixel before it the longest, so two rows of it are read
 * at once, the lower one a pixel behind the upper one, whose pixels are what lies above it. */
#include "isa.h"

typedef uint8_t px_bytes __attribute__((vector_size(8)));
typedef uint16_t px __attribute__((vector_size(16)));
typedef uint8_t px_sum __attribute__((vector_size(16)));

enum { NONE, SUB, UP, AVERAGE, PAETH };

/* size bytes as samples, the rest 0; and the first size samples as bytes. */
INLINE px take(const uint8_t *p, const size_t size)
{
    uint64_t t = 0;
    __builtin_memcpy(&t, p, size);
    return __builtin_convertvector((px_bytes)t, px);
}
INLINE uint64_t bytes_of(px v)
{
    return (uint64_t)__builtin_convertvector(v, px_bytes);
}
INLINE void give(uint8_t *p, px v, const size_t size)
{
    const uint64_t t = bytes_of(v);
    __builtin_memcpy(p, &t, size);
}
/* Sums of samples modulo 256: no byte carries into the next. */
INLINE px add(px x, px y)
{
    return (px)((px_sum)x + (px_sum)y);
}

typedef int16_t px_sign __attribute__((vector_size(16)));

/* 16 bytes on every instruction set, where isa.h has the whole vector. */
#ifdef __SSE2__
#include <emmintrin.h>
INLINE px_sign larger(px_sign a, px_sign b) { return (px_sign)_mm_max_epi16((__m128i)a, (__m128i)b); }
INLINE px_sign smaller(px_sign a, px_sign b) { return (px_sign)_mm_min_epi16((__m128i)a, (__m128i)b); }
#else
INLINE px_sign larger(px_sign a, px_sign b) { return (px_sign)vmaxq_s16((int16x8_t)a, (int16x8_t)b); }
INLINE px_sign smaller(px_sign a, px_sign b) { return (px_sign)vminq_s16((int16x8_t)a, (int16x8_t)b); }
#endif
INLINE px_sign size_of(px_sign a)
{
    return larger(a, -a);
}
INLINE px where(px_sign mask, px yes, px no)
{
    return ((px)mask & yes) | (~(px)mask & no);
}
/* x + Paeth's choice among left a, above b and above left c: whichever is nearest to a + b - c. What does not wait for a
 * is first. */
INLINE px paeth(px x, px a, px b, px c)
{
    const px_sign from_a = size_of((px_sign)b - (px_sign)c), bend = (px_sign)b - (px_sign)c - (px_sign)c;
    const px_sign from_b = size_of((px_sign)a - (px_sign)c), from_c = size_of((px_sign)a + bend);
    const px_sign least = smaller(from_b, from_c);
    const px other = where(from_b <= from_c, add(x, b), add(x, c));
    return where(from_a <= least, add(x, a), other);
}

/* One row; the last pixel apart, since more than its bytes may be taken and given elsewhere. wide >= bpp. */
INLINE void paeth_one(const uint8_t *x, const uint8_t *above, uint8_t *y, size_t n, const size_t bpp, const size_t wide)
{
    px a = {0}, c = {0};
    size_t j = 0;
    for (; j + bpp < n; j += bpp) {
        const px b = take(above + j, wide);
        a = paeth(take(x + j, wide), a, b, c);
        c = b;
        give(y + j, a, wide);
    }
    give(y + j, paeth(take(x + j, bpp), a, take(above + j, bpp), c), bpp);
}
/* Two rows, bpp <= 4: lanes 0 to 3 are the upper row's pixel, 4 to 7 the lower row's one before. */
INLINE px two(const uint8_t *upper, const uint8_t *lower, const size_t size)
{
    uint32_t u = 0, l = 0;
    __builtin_memcpy(&u, upper, size);
    __builtin_memcpy(&l, lower, size);
    return __builtin_convertvector((px_bytes)(u | (uint64_t)l << 32), px);
}
INLINE px under(px above, px upper)
{
    return __builtin_shufflevector(above, upper, 0, 1, 2, 3, 8, 9, 10, 11);
}
INLINE void paeth_two(const uint8_t *x, const uint8_t *below, const uint8_t *above, uint8_t *y, uint8_t *z, size_t n,
                      const size_t bpp, const size_t wide)
{
    const px none = {0};
    px a = paeth(take(x, bpp), none, take(above, bpp), none), c = take(above, bpp);
    size_t j = bpp;
    give(y, a, bpp);
    for (; j + bpp < n; j += bpp) {
        const px b = under(take(above + j, wide), a);
        a = paeth(two(x + j, below + j - bpp, wide), a, b, c);
        c = b;
        const uint64_t t = bytes_of(a);
        __builtin_memcpy(y + j, &t, wide);
        __builtin_memcpy(z + j - bpp, (const uint8_t *)&t + 4, wide);
    }
    for (; j <= n; j += bpp) { /* the upper row's last pixel, then the lower row's */
        const bool both = j < n;
        const px b = under(both ? take(above + j, bpp) : none, a);
        a = paeth(two(both ? x + j : x, below + j - bpp, bpp), a, b, c);
        c = b;
        const uint64_t t = bytes_of(a);
        if (both)
            __builtin_memcpy(y + j, &t, bpp);
        __builtin_memcpy(z + j - bpp, (const uint8_t *)&t + 4, bpp);
    }
}
INLINE void average(const uint8_t *x, const uint8_t *above, uint8_t *y, size_t n, const size_t bpp)
{
    px a = {0};
    for (size_t j = 0; j < n; j += bpp) {
        a = add(take(x + j, bpp), (a + take(above + j, bpp)) >> 1);
        give(y + j, a, bpp);
    }
}
INLINE void sub(const uint8_t *x, uint8_t *y, size_t n, const size_t bpp)
{
    px_bytes a = {0};
    for (size_t j = 0; j < n; j += bpp) {
        uint64_t t = 0;
        __builtin_memcpy(&t, x + j, bpp);
        a += (px_bytes)t;
        t = (uint64_t)a;
        __builtin_memcpy(y + j, &t, bpp);
    }
}
INLINE void up(const uint8_t *restrict x, const uint8_t *restrict above, uint8_t *restrict y, size_t n)
{
    for (size_t j = 0; j < n; j++) y[j] = (uint8_t)(x[j] + above[j]);
}

INLINE bool rows_of(const uint8_t *x, size_t rows, size_t n, const uint8_t *above, uint8_t *y, const size_t bpp,
                    const size_t wide)
{
    for (size_t i = 0; i < rows; i++, x += n + 1, above = y, y += n) {
        switch (x[0]) {
        case NONE: __builtin_memcpy(y, x + 1, n); break;
        case SUB: sub(x + 1, y, n, bpp); break;
        case UP: up(x + 1, above, y, n); break;
        case AVERAGE: average(x + 1, above, y, n, bpp); break;
        case PAETH:
            if (bpp > 4 || i + 1 == rows || x[n + 1] != PAETH) {
                paeth_one(x + 1, above, y, n, bpp, wide);
                break;
            }
            paeth_two(x + 1, x + n + 2, above, y, y + n, n, bpp, wide);
            i++, x += n + 1, y += n;
            break;
        default: return false;
        }
    }
    return true;
}

bool FN(png_rows)(const uint8_t *x, size_t rows, size_t n, size_t bpp, const uint8_t *above, uint8_t *y)
{
    switch (bpp) {
    case 1: return rows_of(x, rows, n, above, y, 1, 1);
    case 2: return rows_of(x, rows, n, above, y, 2, 2);
    case 3: return rows_of(x, rows, n, above, y, 3, 4);
    case 4: return rows_of(x, rows, n, above, y, 4, 4);
    case 6: return rows_of(x, rows, n, above, y, 6, 8);
    default: return rows_of(x, rows, n, above, y, 8, 8);
    }
}

/* ---- the other way, where every byte is known --------------------------------------------------------------- */

/* In 16 bits, which vectors of bytes become without loss; left and corner: bpp bytes before x and above. */
INLINE uint8_t guess(int16_t a, int16_t b, int16_t c)
{
    const int16_t to_b = (int16_t)(a - c), to_a = (int16_t)(b - c), to_c = (int16_t)(to_a + to_b);
    const int16_t from_a = (int16_t)(to_a < 0 ? -to_a : to_a), from_b = (int16_t)(to_b < 0 ? -to_b : to_b),
                  from_c = (int16_t)(to_c < 0 ? -to_c : to_c), least = from_b < from_c ? from_b : from_c;
    const int16_t other = from_b <= from_c ? b : c;
    return (uint8_t)(from_a <= least ? a : other);
}
INLINE void filter_on(int filter, const uint8_t *restrict x, const uint8_t *restrict left,
                      const uint8_t *restrict above, const uint8_t *restrict corner, size_t n, uint8_t *restrict y)
{
    switch (filter) {
    case NONE: __builtin_memcpy(y, x, n); return;
    case SUB:
        for (size_t j = 0; j < n; j++) y[j] = (uint8_t)(x[j] - left[j]);
        return;
    case UP:
        for (size_t j = 0; j < n; j++) y[j] = (uint8_t)(x[j] - above[j]);
        return;
    case AVERAGE:
        for (size_t j = 0; j < n; j++) y[j] = (uint8_t)(x[j] - (uint8_t)((left[j] + above[j]) >> 1));
        return;
    default:
        for (size_t j = 0; j < n; j++) y[j] = (uint8_t)(x[j] - guess(left[j], above[j], corner[j]));
    }
}

void FN(png_row)(int filter, const uint8_t *x, const uint8_t *above, size_t n, size_t bpp, uint8_t *y)
{
    static const uint8_t none[8];
    filter_on(filter, x, none, above, none, bpp, y);
    filter_on(filter, x + bpp, x, above + bpp, above, n - bpp, y + bpp);
}
