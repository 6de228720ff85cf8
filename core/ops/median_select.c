/* median_select.c: medians of small windows by comparing and exchanging, eight pixels side by side. Written on vectors:
 * as loops over floats the compilers found none, and a 5x5 median took six times as long. */
#include "median.h"
#include <string.h>

typedef float vec __attribute__((vector_size(16)));
typedef int32_t bits __attribute__((vector_size(16)));

enum { WIDTH = 4, SETS = 2, LANES = WIDTH * SETS };

/* Numbers of eight neighbouring pixels; two vectors, since one alone would wait for its own results. */
struct lanes {
    vec set[SETS];
};

static inline __attribute__((always_inline)) struct lanes load(const float *p)
{
    struct lanes x;
    memcpy(&x, p, sizeof x);
    return x;
}

/* a gets the lower, b the higher number, lane by lane: where a is not the
 * lower one, the bits that differ change sides. */
static inline __attribute__((always_inline)) void exchange(struct lanes *a, struct lanes *b)
{
    for (int s = 0; s < SETS; s++) {
        const vec x = a->set[s], y = b->set[s];
        const bits differ = ((bits)x ^ (bits)y) & (x > y);
        a->set[s] = (vec)((bits)x ^ differ);
        b->set[s] = (vec)((bits)y ^ differ);
    }
}

/* Brings the lowest of n to the front and the highest to the back. */
static inline __attribute__((always_inline)) void ends(struct lanes *v, ptrdiff_t n)
{
    ptrdiff_t half = (n + 1) / 2;
    struct lanes low, high;
    for (ptrdiff_t i = 0; i < n / 2; i++) exchange(&v[i], &v[n - 1 - i]);
    low = v[0];
    for (ptrdiff_t i = 1; i < half; i++) exchange(&low, &v[i]);
    v[0] = low;
    high = v[n - 1];
    for (ptrdiff_t i = n - half; i < n - 1; i++) exchange(&v[i], &high);
    v[n - 1] = high;
}

/* Of any (taps + 1) / 2 + 1 numbers neither the lowest nor the highest can be the median: drop both, take the next one
 * in, until three are left. */
static inline __attribute__((always_inline)) void
select_lanes(float *y, const float *x, ptrdiff_t row, ptrdiff_t kh, ptrdiff_t kw)
{
    struct lanes v[MEDIAN_SELECT / 2 + 3];
    ptrdiff_t n = (kh * kw + 1) / 2 + 1, next = 0;
    for (; next < n; next++) v[next] = load(x + next / kw * row + next % kw);
    for (; n > 3; n--, next++) {
        ends(v, n);
        v[0] = load(x + next / kw * row + next % kw);
    }
    ends(v, 3);
    memcpy(y, &v[1], sizeof v[1]);
}

static float select_one(const float *x, ptrdiff_t row, ptrdiff_t kh, ptrdiff_t kw)
{
    float v[MEDIAN_SELECT];
    ptrdiff_t n = kh * kw;
    for (ptrdiff_t t = 0; t < n; t++) { /* sorted by insertion */
        float a = x[t / kw * row + t % kw];
        ptrdiff_t i = t;
        for (; i > 0 && v[i - 1] > a; i--) v[i] = v[i - 1];
        v[i] = a;
    }
    return v[n / 2];
}

/* One row; kh and kw are numbers to the compiler where the caller says them as such. */
static inline __attribute__((always_inline)) void
select_row(float *y, ptrdiff_t n, const float *x, ptrdiff_t row, ptrdiff_t kh, ptrdiff_t kw)
{
    ptrdiff_t j = 0;
    for (; j + LANES <= n; j += LANES) select_lanes(y + j, x + j, row, kh, kw);
    if (j < n && n >= LANES) /* the last lanes once more, some of them twice */
        select_lanes(y + n - LANES, x + n - LANES, row, kh, kw);
    else
        for (; j < n; j++) y[j] = select_one(x + j, row, kh, kw);
}

void convd_median_select(float *y, ptrdiff_t n, const float *x, ptrdiff_t row, ptrdiff_t kh,
                         ptrdiff_t kw)
{
    if (kh == 3 && kw == 3)
        select_row(y, n, x, row, 3, 3);
    else if (kh == 5 && kw == 5)
        select_row(y, n, x, row, 5, 5);
    else if (kh * kw >= 5)
        select_row(y, n, x, row, kh, kw);
    else /* 1 or 3 taps: nothing to drop */
        for (ptrdiff_t j = 0; j < n; j++) y[j] = select_one(x + j, row, kh, kw);
}
