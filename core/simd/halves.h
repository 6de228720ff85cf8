/* halves.h: vectors of 16 bits, and their way to bytes: what the loops over integers share. */
#ifndef CONVD_HALVES_H
#define CONVD_HALVES_H
#include "isa.h"

#define HALVES (VL / 2) /* numbers of 16 bits in a vector */

INLINE hvec all(int x)
{
    return (int16_t)x - (hvec){0};
}

/* To bytes: x / 2^frac, rounded half up, or half to even; factor: 2^15 / 2^frac, where there is a fraction. */
struct narrowing {
    hvec add, top, factor;
    int frac;
    bool even;
};

INLINE struct narrowing narrowing_of(int frac, bool even)
{
    return (struct narrowing){.add = all(frac ? 1 << (frac - 1) : 0),
                              .top = all(255 << frac),
                              .factor = all(frac ? 1 << (15 - frac) : 0),
                              .frac = frac,
                              .even = even};
}

INLINE hvec narrow_half(hvec x, const struct narrowing *w, const bool even)
{
    hvec add = w->add;
    if (even) add += (x >> w->frac & 1) - 1;
    return int_adds(x, add) >> w->frac;
}

/* Half up where there is a fraction. */
INLINE hvec narrow_up(hvec x, const struct narrowing *w)
{
    return VL > 16 ? int_high(x, w->factor) : narrow_half(x, w, false);
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
