/* median_select.c: medians of small windows by comparing and exchanging, many pixels side by side. */
#include "median.h"

enum { LANES = 16 };

static inline float lower(float a, float b)
{
    return a < b ? a : b;
}
static inline float upper(float a, float b)
{
    return a < b ? b : a;
}
static inline float middle(float a, float b, float c)
{
    return upper(lower(a, b), lower(upper(a, b), c));
}

/* Sorts each column of three once; the median of nine is the middle of (largest of the lows, middle of the middles,
 * smallest of the highs). Source: Paeth 1990, "Median finding on a 3x3 grid", Graphics Gems. */
void convd_median_3x3(float *y, ptrdiff_t n, const float *x, ptrdiff_t row, float *spare)
{
    float *restrict lo = spare, *restrict mid = spare + row, *restrict hi = spare + 2 * row;
    const float *a = x, *b = x + row, *c = x + 2 * row;
    for (ptrdiff_t j = 0; j < n + 2; j++) {
        float low = lower(a[j], b[j]), high = upper(a[j], b[j]);
        lo[j] = lower(low, c[j]);
        hi[j] = upper(high, c[j]);
        mid[j] = upper(low, lower(high, c[j]));
    }
    for (ptrdiff_t j = 0; j < n; j++) {
        float l = upper(upper(lo[j], lo[j + 1]), lo[j + 2]);
        float m = middle(mid[j], mid[j + 1], mid[j + 2]);
        float h = lower(lower(hi[j], hi[j + 1]), hi[j + 2]);
        y[j] = middle(l, m, h);
    }
}

/* a gets the lower, b the higher number, lane by lane. */
static inline void exchange(float *restrict a, float *restrict b)
{
    for (int l = 0; l < LANES; l++) {
        float low = lower(a[l], b[l]), high = upper(a[l], b[l]);
        a[l] = low;
        b[l] = high;
    }
}

/* Brings the lowest of n to the front and the highest to the back. */
static void ends(float (*v)[LANES], ptrdiff_t n)
{
    ptrdiff_t half = (n + 1) / 2;
    for (ptrdiff_t i = 0; i < n / 2; i++) exchange(v[i], v[n - 1 - i]);
    for (ptrdiff_t i = 1; i < half; i++) exchange(v[0], v[i]);
    for (ptrdiff_t i = n - half; i < n - 1; i++) exchange(v[i], v[n - 1]);
}

/* Of any (taps + 1) / 2 + 1 numbers neither the lowest nor the highest can be the median: drop both, take the next one
 * in, until three are left. */
static void select_lanes(float *y, const float *x, ptrdiff_t row, ptrdiff_t kh, ptrdiff_t kw)
{
    float v[MEDIAN_NETWORK / 2 + 3][LANES];
    ptrdiff_t n = (kh * kw + 1) / 2 + 1, next = 0;
    for (; next < n; next++)
        for (int l = 0; l < LANES; l++) v[next][l] = x[next / kw * row + next % kw + l];
    for (; n > 3; n--, next++) {
        ends(v, n);
        for (int l = 0; l < LANES; l++) v[0][l] = x[next / kw * row + next % kw + l];
    }
    for (int l = 0; l < LANES; l++) y[l] = middle(v[0][l], v[1][l], v[2][l]);
}

static float select_one(const float *x, ptrdiff_t row, ptrdiff_t kh, ptrdiff_t kw)
{
    float v[MEDIAN_NETWORK];
    ptrdiff_t n = kh * kw;
    for (ptrdiff_t t = 0; t < n; t++) { /* sorted by insertion */
        float a = x[t / kw * row + t % kw];
        ptrdiff_t i = t;
        for (; i > 0 && v[i - 1] > a; i--) v[i] = v[i - 1];
        v[i] = a;
    }
    return v[n / 2];
}

void convd_median_network(float *y, ptrdiff_t n, const float *x, ptrdiff_t row, ptrdiff_t kh,
                          ptrdiff_t kw)
{
    ptrdiff_t j = 0;
    if (kh * kw < 5) { /* 1 or 3 taps: nothing to drop */
        for (; j < n; j++) y[j] = select_one(x + j, row, kh, kw);
        return;
    }
    for (; j + LANES <= n; j += LANES) select_lanes(y + j, x + j, row, kh, kw);
    if (j < n && n >= LANES) /* the last lanes once more, some of them twice */
        select_lanes(y + n - LANES, x + n - LANES, row, kh, kw);
    else
        for (; j < n; j++) y[j] = select_one(x + j, row, kh, kw);
}
