/* minmax: stretches the numbers of a sample, all channels together, so that the smallest becomes low and the largest
 * high: y = low + (x - min) / (max - min) * (high - low), in double. A constant sample becomes low. A NaN makes all NaN.
 * Equals cv::normalize NORM_MINMAX. */
#include "global.h"

struct params {
    double low, high;
};
// clang-format off
static const struct convd_param params[] = {
    {AT(low), .type = CONVD_P_NUMBER, .def = "0", .lo = -3e38, .hi = 3e38,
     .summary = "the smallest number becomes this",
     .aliases = "alpha"},
    {AT(high), .type = CONVD_P_NUMBER, .def = "255", .lo = -3e38, .hi = 3e38,
     .summary = "the largest number becomes this",
     .aliases = "beta"},
    CONVD_PARAM_END,
};
// clang-format on

static void cost(const struct convd_site *s, struct convd_cost *c)
{
    c->macs = 2 * (double)s->y.c * (double)s->y.h * (double)s->y.w;
}

/* Smallest and largest number of the sample. */
struct digest {
    float lo, hi;
};

static size_t digest_bytes(const struct convd_site *s)
{
    (void)s;
    return sizeof(struct digest);
}

static void digest(const struct convd_call *call)
{
    const struct convd_view *x = call->x;
    struct digest *d = call->digest;
    float lo = INFINITY, hi = -INFINITY;
    for (ptrdiff_t c = 0; c < x->c; c++) {
        hi = larger(hi, convd_global_max(x, c));
        lo = smaller(lo, convd_global_min(x, c));
    }
    *d = (struct digest){lo, hi};
}

static void forward(const struct convd_call *call)
{
    const struct params *p = call->site->params;
    const struct convd_view *x = call->x, *y = call->y;
    const struct digest *d = call->digest;
    double min = (double)d->lo, span = (double)d->hi - min, by = p->high - p->low;
    for (ptrdiff_t c = 0; c < y->c; c++)
        for (ptrdiff_t i = y->y0; i < y->y1; i++) {
            const float *from = convd_row(x, c, i);
            float *to = convd_row(y, c, i);
            for (ptrdiff_t j = 0; j < y->w; j++)
                to[j] = (float)(span == 0 ? p->low : p->low + ((double)from[j] - min) / span * by);
        }
}

const struct convd_op convd_op_minmax = {
    .name = "minmax",
    .group = CONVD_NORMALISING,
    .summary = "stretched to a range: smallest to low, largest to high",
    .aliases = "minmax_scale",
    .example = "grayscale/sobel_x/minmax",
    .source = "cv::normalize NORM_MINMAX",
    .params = params,
    .params_size = sizeof(struct params),
    .algorithm = "direct",
    .cost = cost,
    .window = convd_global_window,
    .rows = convd_global_rows,
    .digest_bytes = digest_bytes,
    .digest = digest,
    .forward = forward,
};
