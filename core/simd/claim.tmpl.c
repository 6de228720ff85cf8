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
