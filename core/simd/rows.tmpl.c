/* rows.tmpl.c: one pass over a row. Tails are scalar: every operation here is exact or rounds once, so lanes
 * and scalars agree. */
#include "isa.h"

/* NaN and the infinities are the numbers whose exponent bits are all set. */
#define EXPONENT 0x7f800000

INLINE ivec not_finite(vec v)
{
    return ((ivec)v & EXPONENT) == EXPONENT;
}

INLINE bool none(ivec bad)
{
    int32_t any = 0;
    for (size_t i = 0; i < LANES; i++) any |= bad[i];
    return !any;
}

INLINE bool one_finite(float x)
{
    return __builtin_isfinite(x);
}

bool FN(copy)(float *y, const float *x, size_t n)
{
    ivec bad = {0};
    bool fine = true;
    size_t i = 0;
    for (; i + LANES <= n; i += LANES) {
        const vec v = vec_load(x + i);
        vec_store(y + i, v);
        bad |= not_finite(v);
    }
    for (; i < n; i++) {
        y[i] = x[i];
        fine &= one_finite(x[i]);
    }
    return none(bad) && fine;
}

bool FN(finite)(const float *x, size_t n)
{
    ivec bad = {0};
    bool fine = true;
    size_t i = 0;
    for (; i + LANES <= n; i += LANES) bad |= not_finite(vec_load(x + i));
    for (; i < n; i++) fine &= one_finite(x[i]);
    return none(bad) && fine;
}

/* b where mask is set, else a. */
INLINE vec choose(ivec mask, vec b, vec a)
{
    return (vec)(((ivec)b & mask) | ((ivec)a & ~mask));
}

void FN(max)(float *y, const float *x, size_t n)
{
    size_t i = 0;
    for (; i + LANES <= n; i += LANES) {
        const vec a = vec_load(y + i), b = vec_load(x + i);
        vec_store(y + i, choose((b > a) | (b != b), b, a));
    }
    for (; i < n; i++) y[i] = x[i] > y[i] || x[i] != x[i] ? x[i] : y[i];
}

void FN(min)(float *y, const float *x, size_t n)
{
    size_t i = 0;
    for (; i + LANES <= n; i += LANES) {
        const vec a = vec_load(y + i), b = vec_load(x + i);
        vec_store(y + i, choose((b < a) | (b != b), b, a));
    }
    for (; i < n; i++) y[i] = x[i] < y[i] || x[i] != x[i] ? x[i] : y[i];
}

void FN(add)(float *y, const float *a, const float *b, size_t n)
{
    size_t i = 0;
    for (; i + LANES <= n; i += LANES) vec_store(y + i, vec_load(a + i) + vec_load(b + i));
    for (; i < n; i++) y[i] = a[i] + b[i];
}

void FN(abs)(float *y, const float *x, size_t n)
{
    size_t i = 0;
    for (; i + LANES <= n; i += LANES) {
        vec v = vec_load(x + i);
        v = (vec)((ivec)v & INT32_MAX);
        vec_store(y + i, v);
    }
    for (; i < n; i++) y[i] = __builtin_fabsf(x[i]);
}

/* Sums begin at 0: of two products that are added a compiler may fuse either one, in the body another than in
 * the tail. */
void FN(luma)(const float *r, const float *g, const float *b, float *y, size_t n)
{
    size_t i = 0;
    for (; i + LANES <= n; i += LANES) {
        vec sum = {0};
        sum += 0.299f * vec_load(r + i);
        sum += 0.587f * vec_load(g + i);
        sum += 0.114f * vec_load(b + i);
        vec_store(y + i, sum);
    }
    for (; i < n; i++) {
        float sum = 0;
        sum += 0.299f * r[i];
        sum += 0.587f * g[i];
        sum += 0.114f * b[i];
        y[i] = sum;
    }
}

void FN(relu)(float *y, const float *x, size_t n)
{
    size_t i = 0;
    for (; i + LANES <= n; i += LANES) {
        const vec v = vec_load(x + i);
        vec_store(y + i, choose(v < 0, (vec){0}, v));
    }
    for (; i < n; i++) y[i] = x[i] < 0 ? 0 : x[i];
}

void FN(relu_back)(float *dx, const float *y, const float *dy, size_t n)
{
    size_t i = 0;
    for (; i + LANES <= n; i += LANES)
        vec_store(dx + i, choose(vec_load(y + i) <= 0, (vec){0}, vec_load(dy + i)));
    for (; i < n; i++) dx[i] = y[i] <= 0 ? 0 : dy[i];
}

void FN(fill)(float *y, float x, size_t n)
{
    size_t i = 0;
    for (; i + LANES <= n; i += LANES) vec_store(y + i, x - (vec){0});
    for (; i < n; i++) y[i] = x;
}
