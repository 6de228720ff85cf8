/* batch_norm_learn.c: batch_norm while learning: each channel is normalised by its mean and variance over the batch, and the
 * running mean and variance move towards them by a tenth (variance: that of the population, n / (n - 1)).
 *   xhat = (x - mean) / sqrt(var + eps), y = xhat weight + bias
 *   dx = weight / sqrt(var + eps) (dy - avg(dy) - xhat avg(dy xhat)), dweight = sum dy xhat, dbias = sum dy
 * Sums in double, sample by sample. Equals torch.nn.functional.batch_norm(training=True). */
#include "batch_norm_learn.h"
#include "vector.h"
#include <math.h>

enum { WEIGHT, BIAS, MEAN, VAR }; /* places among the params rows */
static const double momentum = 0.1;
static const float left_out[] = {1, 0, 0, 1, NAN};

static const struct convd_weight *row(const struct convd_join *j, int r)
{
    return (const void *)((const char *)j->site->params + convd_op_batch_norm.params[r].offset);
}

static double eps_of(const struct convd_join *j)
{
    return *(
        const double *)(const void *)((const char *)j->site->params +
                                      convd_param_find(convd_op_batch_norm.params, "eps")->offset);
}

static double number(const struct convd_join *j, int r, ptrdiff_t c)
{
    return (double)convd_vector_number(row(j, r), j->site->y.c, left_out[r], j->site->position, c);
}

/* Mean and variance of each channel go from forward to backward. */
static size_t keep(const struct convd_site *s)
{
    return 2 * (size_t)s->y.c;
}

static void measure(const struct convd_join *j, ptrdiff_t c, double *mean, double *var)
{
    const ptrdiff_t plane = j->site->y.h * j->site->y.w;
    const double n = (double)plane * (double)j->n;
    double sum = 0, square = 0;
    for (ptrdiff_t k = 0; k < j->n; k++)
        for (ptrdiff_t i = 0; i < plane; i++) sum += (double)j->x[k][c * plane + i];
    *mean = sum / n;
    for (ptrdiff_t k = 0; k < j->n; k++)
        for (ptrdiff_t i = 0; i < plane; i++) {
            const double d = (double)j->x[k][c * plane + i] - *mean;
            square += d * d;
        }
    *var = square / n;
}

static void run_on(const struct convd_join *j, ptrdiff_t c, double mean, double var)
{
    const double n = (double)(j->site->y.h * j->site->y.w) * (double)j->n;
    const double of_all = n > 1 ? var * n / (n - 1) : var;
    float *means = j->weight[MEAN], *vars = j->weight[VAR];
    if (means) means[c] = (float)((1 - momentum) * (double)means[c] + momentum * mean);
    if (vars) vars[c] = (float)((1 - momentum) * (double)vars[c] + momentum * of_all);
}

static void forward(const struct convd_join *j)
{
    const ptrdiff_t plane = j->site->y.h * j->site->y.w;
    for (ptrdiff_t c = j->channels.y0; c < j->channels.y1; c++) {
        double *mean = &j->keep[2 * c], *var = &j->keep[2 * c + 1];
        measure(j, c, mean, var);
        run_on(j, c, *mean, *var);
        const float middle = (float)*mean, bias = (float)number(j, BIAS, c),
                    factor = (float)(number(j, WEIGHT, c) / sqrt(*var + eps_of(j)));
        for (ptrdiff_t k = 0; k < j->n; k++) {
            const float *x = j->x[k] + c * plane;
            float *y = j->y[k] + c * plane;
            INDEPENDENT
            for (ptrdiff_t i = 0; i < plane; i++) y[i] = (x[i] - middle) * factor + bias;
        }
    }
}

static void backward(const struct convd_join *j)
{
    const ptrdiff_t plane = j->site->y.h * j->site->y.w;
    const double n = (double)plane * (double)j->n;
    for (ptrdiff_t c = j->channels.y0; c < j->channels.y1; c++) {
        const double mean = j->keep[2 * c], plain = 1 / sqrt(j->keep[2 * c + 1] + eps_of(j));
        double sum = 0, product = 0;
        for (ptrdiff_t k = 0; k < j->n; k++)
            for (ptrdiff_t i = c * plane; i < (c + 1) * plane; i++) {
                sum += (double)j->dy[k][i];
                product += (double)j->dy[k][i] * ((double)j->x[k][i] - mean);
            }
        product *= plain;
        if (j->dweight[WEIGHT]) convd_vector_add(row(j, WEIGHT), c, product, j->dweight[WEIGHT]);
        if (j->dweight[BIAS]) convd_vector_add(row(j, BIAS), c, sum, j->dweight[BIAS]);
        const float f = (float)(number(j, WEIGHT, c) * plain), off = (float)(sum / n),
                    slope = (float)(product / n * plain), middle = (float)mean;
        for (ptrdiff_t k = 0; j->dx && k < j->n; k++) {
            const float *x = j->x[k] + c * plane, *dy = j->dy[k] + c * plane;
            float *dx = j->dx[k] + c * plane;
            INDEPENDENT
            for (ptrdiff_t i = 0; i < plane; i++)
                dx[i] += f * (dy[i] - off - (x[i] - middle) * slope);
        }
    }
}

const struct convd_learning convd_batch_norm_learning = {
    .left_out = left_out,
    .running = 1u << MEAN | 1u << VAR,
    .keep = keep,
    .join_forward = forward,
    .join_backward = backward,
};
