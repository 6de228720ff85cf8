/* claim.tmpl.c: the loops behind the gradients of max, min and median pools: what each tap of many windows wins, and rows
 * cut into every second number and put together again. */
#include "isa.h"

void FN(claim)(const float *const *x, size_t taps, const float *y, float *left, float *const *g,
               size_t n)
{
    size_t i = 0;
    for (; i + LANES <= n; i += LANES) {
        const vec v = vec_load(y + i);
        ivec rest = LOAD(ivec, left + i);
        for (size_t t = 0; t < taps; t++) {
            const ivec mine = vec_load(x[t] + i) == v;
            STORE(g[t] + i, rest & mine);
            rest &= ~mine;
        }
        STORE(left + i, rest);
    }
    for (; i < n; i++)
        for (size_t t = 0; t < taps; t++) {
            const bool mine = x[t][i] == y[i];
            g[t][i] = mine ? left[i] : 0;
            left[i] = mine ? 0 : left[i];
        }
}

/* Every second lane of two vectors, and two vectors lane by lane. */
#if VL == 64
#define EVENS 0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30
#define ODDS  1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23, 25, 27, 29, 31
#define LOW   0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23
#define HIGH  8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31
#elif VL == 32
#define EVENS 0, 2, 4, 6, 8, 10, 12, 14
#define ODDS  1, 3, 5, 7, 9, 11, 13, 15
#define LOW   0, 8, 1, 9, 2, 10, 3, 11
#define HIGH  4, 12, 5, 13, 6, 14, 7, 15
#else
#define EVENS 0, 2, 4, 6
#define ODDS  1, 3, 5, 7
#define LOW   0, 4, 1, 5
#define HIGH  2, 6, 3, 7
#endif

void FN(halves)(const float *x, size_t n, float *even, float *odd)
{
    size_t i = 0;
    for (; 2 * i + 2 * LANES <= n; i += LANES) {
        const vec a = vec_load(x + 2 * i), b = vec_load(x + 2 * i + LANES);
        vec_store(even + i, __builtin_shufflevector(a, b, EVENS));
        vec_store(odd + i, __builtin_shufflevector(a, b, ODDS));
    }
    for (; 2 * i < n; i++) {
        even[i] = x[2 * i];
        if (2 * i + 1 < n) odd[i] = x[2 * i + 1];
    }
}

void FN(add_halves)(float *y, const float *even, const float *odd, size_t n)
{
    size_t i = 0;
    for (; 2 * i + 2 * LANES <= n; i += LANES) {
        const vec a = vec_load(even + i), b = vec_load(odd + i);
        float *to = y + 2 * i;
        vec_store(to, vec_load(to) + __builtin_shufflevector(a, b, LOW));
        vec_store(to + LANES, vec_load(to + LANES) + __builtin_shufflevector(a, b, HIGH));
    }
    for (; 2 * i < n; i++) {
        y[2 * i] += even[i];
        if (2 * i + 1 < n) y[2 * i + 1] += odd[i];
    }
}
