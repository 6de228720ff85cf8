/* halves.h: vectors of 16 bits, and their way to bytes: what the loops over integers share. */
#ifndef CONVD_HALVES_H
#define CONVD_HALVES_H
#include "isa.h"

#define HALVES (VL / 2) /* numbers of 16 bits in a vector */

INLINE hvec all(int x)
{
    return (int16_t)x - (hvec){0};
}

/* To bytes: x / 2^frac, rounded half up, or half to even. */
struct narrowing {
    hvec add, top;
    int frac;
    bool even;
};

INLINE struct narrowing narrowing_of(int frac, bool even)
{
    return (struct narrowing){all(frac ? 1 << (frac - 1) : 0), all(255 << frac), frac, even};
}

INLINE hvec narrow_half(hvec x, const struct narrowing *w, const bool even)
{
    hvec add = w->add;
    if (even) add += (x >> w->frac & 1) - 1;
    return int_adds(x, add) >> w->frac;
}

/* All ones where x lies outside the bytes; numbers counted that way, -1 each, at most 2^15 a lane. */
INLINE hvec outside(hvec x, const struct narrowing *w)
{
    return (hvec)((x < 0) | (x > w->top));
}

INLINE uint64_t total(hvec count)
{
    uint64_t sum = 0;
    for (size_t k = 0; k < HALVES; k++) sum += (uint16_t)count[k];
    return sum;
}
#endif
