/* stats.c: two passes: sums first, then what needs mean and range. Double throughout. */
#include <math.h>
#include <string.h>
#include "stats.h"

static void first_pass(const float *x, size_t n, struct convd_stats *s)
{
    double min = INFINITY, max = -INFINITY, sum = 0, l1 = 0, squares = 0;
    size_t nonfinite = 0, zeros = 0;
    for (size_t k = 0; k < n; k++) {
        double v = (double)x[k];
        if (!isfinite(v)) {
            nonfinite++;
            continue;
        }
        min = v < min ? v : min;
        max = v > max ? v : max;
        sum += v;
        l1 += fabs(v);
        squares += v * v;
        zeros += v == 0;
    }
    bool any = nonfinite < n;
    s->count = n;
    s->nonfinite = nonfinite;
    s->zeros = zeros;
    s->min = any ? min : (double)NAN;
    s->max = any ? max : (double)NAN;
    s->sum = sum;
    s->mean = any ? sum / (double)(n - nonfinite) : (double)NAN;
    s->l1 = l1;
    s->l2 = sqrt(squares);
}
/* Bin of v: 256 equal ones from min to max, the last one closed. A constant map fills the first. */
static size_t bin(double v, double min, double scale)
{
    double at = (v - min) * scale;
    return at >= 255 ? 255 : (size_t)at;
}
static void second_pass(const float *x, size_t n, struct convd_stats *s)
{
    double range = s->max - s->min, scale = range > 0 ? 256 / range : 0, squares = 0;
    for (size_t k = 0; k < n; k++) {
        double v = (double)x[k];
        if (!isfinite(v))
            continue;
        squares += (v - s->mean) * (v - s->mean);
        s->histogram[bin(v, s->min, scale)]++;
    }
    double finite = (double)(n - s->nonfinite);
    s->std = sqrt(squares / finite);
    for (int i = 0; i < 256; i++) {
        double p = (double)s->histogram[i] / finite;
        if (p > 0)
            s->entropy -= p * log2(p);
    }
    if (s->entropy < 0) /* -0 of a constant map */
        s->entropy = 0;
}
void convd_stats_of(const float *x, size_t n, struct convd_stats *s)
{
    memset(s, 0, sizeof *s);
    first_pass(x, n, s);
    if (s->nonfinite < n)
        second_pass(x, n, s);
    else
        s->std = (double)NAN;
}
