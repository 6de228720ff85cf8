/* loss.c: cross_entropy, mse and l1 with torch's "mean": cross_entropy over samples, the others over all numbers. Summed in
 * double. What is not a number goes on. */
#include "rules.h"
#include <math.h>

/* -log softmax(y)[class]; its gradient is softmax(y) - onehot(class). */
static double cross_entropy(const float *y, size_t count, ptrdiff_t class, double share, float *dy)
{
    double most = -INFINITY, sum = 0;
    for (size_t i = 0; i < count; i++)
        if (!((double)y[i] <= most)) most = (double)y[i]; /* a NaN is taken, and kept */
    for (size_t i = 0; i < count; i++) sum += exp((double)y[i] - most);
    for (size_t i = 0; dy && i < count; i++)
        dy[i] = (float)((exp((double)y[i] - most) / sum - ((ptrdiff_t)i == class)) * share);
    return (log(sum) - ((double)y[class] - most)) * share;
}

/* What y is off. A picture's 0 and 255 are where it saturated: what lies beyond agrees with them. */
static double off(float y, float target, bool bounded)
{
    if (bounded && ((target <= 0 && y < target) || (target >= 255 && y > target))) return 0;
    return (double)y - (double)target;
}

static double mse(const float *y, size_t count, const float *target, bool bounded, double share,
                  float *dy)
{
    double sum = 0;
    for (size_t i = 0; i < count; i++) {
        double d = off(y[i], target[i], bounded);
        sum += d * d;
        if (dy) dy[i] = (float)(2 * d * share);
    }
    return sum * share;
}

static double l1(const float *y, size_t count, const float *target, bool bounded, double share,
                 float *dy)
{
    double sum = 0;
    for (size_t i = 0; i < count; i++) {
        double d = off(y[i], target[i], bounded);
        sum += fabs(d);
        if (dy) dy[i] = (float)(isnan(d) ? d : share * ((d > 0) - (d < 0)));
    }
    return sum * share;
}

double convd_loss(enum convd_loss kind, const float *y, size_t count, ptrdiff_t class,
                  const float *target, bool bounded, ptrdiff_t n, float *dy)
{
    if (kind == CONVD_CROSS_ENTROPY) return cross_entropy(y, count, class, 1.0 / (double)n, dy);
    const double share = 1.0 / ((double)n * (double)count);
    return kind == CONVD_MSE ? mse(y, count, target, bounded, share, dy)
                             : l1(y, count, target, bounded, share, dy);
}

ptrdiff_t convd_loss_guess(const float *y, size_t count)
{
    size_t best = 0;
    for (size_t i = 1; i < count && !isnan(y[best]); i++)
        if (!(y[i] <= y[best])) best = i;
    return (ptrdiff_t)best;
}
