/* claim.tmpl.c: the loop behind the gradients of max, min and median: one tap of many windows.
 *
 * What is not claimed adds -0, which changes no number, and so does what was claimed before: the last vector of a row may be
 * laid over outputs that are done already. */
#include "isa.h"

INLINE vec nothing(void)
{
    return -0.0f - (vec){0};
}

/* What x gets; *left keeps the rest. */
INLINE vec take(vec x, vec y, float *left)
{
    const ivec mine = (x == y) | (x != x), none = (ivec)nothing();
    vec v = vec_load(left);
    vec_store(left, (vec)(((ivec)v & ~mine) | (none & mine)));
    return (vec)(((ivec)v & mine) | (none & ~mine));
}

INLINE void take_one(const float *x, const float *y, float *left, float *dx)
{
    if (*x != *y && *x == *x) return;
    *dx += *left;
    *left = -0.0f;
}

/* Every second lane of two vectors, and the other way: lanes at every second place of a vector, -0 between. */
#if VL == 64
#define EVENS        0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30
#define EVENS_ENDING 0, 2, 4, 6, 8, 10, 12, 14, 17, 19, 21, 23, 25, 27, 29, 31
#define LOW          0, 16, 1, 16, 2, 16, 3, 16, 4, 16, 5, 16, 6, 16, 7, 16
#define HIGH         8, 16, 9, 16, 10, 16, 11, 16, 12, 16, 13, 16, 14, 16, 15, 16
#define HIGH_ENDING  16, 8, 16, 9, 16, 10, 16, 11, 16, 12, 16, 13, 16, 14, 16, 15
#elif VL == 32
#define EVENS        0, 2, 4, 6, 8, 10, 12, 14
#define EVENS_ENDING 0, 2, 4, 6, 9, 11, 13, 15
#define LOW          0, 8, 1, 8, 2, 8, 3, 8
#define HIGH         4, 8, 5, 8, 6, 8, 7, 8
#define HIGH_ENDING  8, 4, 8, 5, 8, 6, 8, 7
#else
#define EVENS        0, 2, 4, 6
#define EVENS_ENDING 0, 2, 5, 7
#define LOW          0, 4, 1, 4
#define HIGH         2, 4, 3, 4
#define HIGH_ENDING  4, 2, 4, 3
#endif

INLINE void add_to(float *dx, vec g)
{
    vec_store(dx, vec_load(dx) + g);
}

INLINE void claim_1(const float *x, const float *y, float *left, float *dx)
{
    add_to(dx, take(vec_load(x), vec_load(y), left));
}

/* A vector of outputs two numbers apart. It ends at its last number where `ending`: one more may be nobody's. */
INLINE void claim_2(const float *x, const float *y, float *left, float *dx, const bool ending)
{
    const vec a = vec_load(x), none = nothing();
    if (ending) {
        const vec v = __builtin_shufflevector(a, vec_load(x + LANES - 1), EVENS_ENDING);
        const vec g = take(v, vec_load(y), left);
        add_to(dx, __builtin_shufflevector(g, none, LOW));
        add_to(dx + LANES - 1, __builtin_shufflevector(g, none, HIGH_ENDING));
    } else {
        const vec v = __builtin_shufflevector(a, vec_load(x + LANES), EVENS);
        const vec g = take(v, vec_load(y), left);
        add_to(dx, __builtin_shufflevector(g, none, LOW));
        add_to(dx + LANES, __builtin_shufflevector(g, none, HIGH));
    }
}

void FN(claim)(const float *x, size_t stride, const float *y, float *left, float *dx, size_t n)
{
    if (stride > 2 || n < LANES) {
        for (size_t i = 0; i < n; i++) take_one(x + i * stride, y + i, left + i, dx + i * stride);
        return;
    }
    size_t i = 0;
    for (; i + LANES < n; i += LANES)
        if (stride == 1)
            claim_1(x + i, y + i, left + i, dx + i);
        else
            claim_2(x + 2 * i, y + i, left + i, dx + 2 * i, false);
    i = n - LANES;
    if (stride == 1)
        claim_1(x + i, y + i, left + i, dx + i);
    else
        claim_2(x + 2 * i, y + i, left + i, dx + 2 * i, true);
}
