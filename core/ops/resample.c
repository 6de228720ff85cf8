/* resample.c: where the numbers of a resized axis come from; see resample.h.
 * Coordinates are PyTorch's (and OpenCV's): pixel centres at +0.5, clamped at the edge, no antialiasing; with
 * align_corners the corner pixels' centres fall on each other. Bicubic is Keys 1981 with a = -0.75. */
#include "resample.h"

enum { BICUBIC_TAPS = 4 };

ptrdiff_t convd_resample_most(const struct convd_resample_axis *a)
{
    switch (a->mode) {
    case RESAMPLE_NEAREST:
        return 1;
    case RESAMPLE_BILINEAR:
        return 2;
    case RESAMPLE_BICUBIC:
        return BICUBIC_TAPS;
    case RESAMPLE_AREA:
        break;
    }
    return a->in / a->out + 2;
}

/* Input numbers to an output number. */
static double step(const struct convd_resample_axis *a)
{
    if (a->align_corners) return a->out > 1 ? (double)(a->in - 1) / (double)(a->out - 1) : 0;
    return a->factor > 0 ? 1 / a->factor : (double)a->in / (double)a->out;
}

static double place(const struct convd_resample_axis *a, ptrdiff_t o)
{
    return a->align_corners ? (double)o * step(a) : ((double)o + 0.5) * step(a) - 0.5;
}

static ptrdiff_t clamp(ptrdiff_t i, ptrdiff_t n)
{
    return most(least(i, n - 1), 0);
}

static ptrdiff_t nearest(const struct convd_resample_axis *a, ptrdiff_t o, ptrdiff_t *start,
                         double *w)
{
    /* whole numbers where the sizes say it all: o * in / out in floating point can fall just short */
    ptrdiff_t i = a->factor > 0 ? (ptrdiff_t)floor((double)o * step(a)) : o * a->in / a->out;
    *start = clamp(i, a->in);
    if (w) w[0] = 1;
    return 1;
}

static ptrdiff_t bilinear(const struct convd_resample_axis *a, ptrdiff_t o, ptrdiff_t *start,
                          double *w)
{
    double x = place(a, o), t;
    if (x < 0) x = 0;
    *start = clamp((ptrdiff_t)floor(x), a->in);
    t = x - floor(x);
    if (*start == a->in - 1) {
        if (w) w[0] = 1;
        return 1;
    }
    if (w) {
        w[0] = 1 - t;
        w[1] = t;
    }
    return 2;
}

/* Weight of a number at distance d (Keys' cubic). */
static double cubic(double d)
{
    const double a = -0.75;
    d = fabs(d);
    if (d <= 1) return ((a + 2) * d - (a + 3)) * d * d + 1;
    return d < 2 ? ((a * d - 5 * a) * d + 8 * a) * d - 4 * a : 0;
}

/* Four numbers around x; those past the edge are the edge's, so that its weight takes theirs. */
static ptrdiff_t bicubic(const struct convd_resample_axis *a, ptrdiff_t o, ptrdiff_t *start,
                         double *w)
{
    double x = place(a, o);
    ptrdiff_t middle = (ptrdiff_t)floor(x);
    ptrdiff_t lo = clamp(middle - 1, a->in), hi = clamp(middle + 2, a->in);
    *start = lo;
    if (w) {
        for (ptrdiff_t k = 0; k <= hi - lo; k++) w[k] = 0;
        for (ptrdiff_t i = middle - 1; i <= middle + 2; i++)
            w[clamp(i, a->in) - lo] += cubic(x - (double)i);
    }
    return hi - lo + 1;
}

/* Output o covers [o * in, (o + 1) * in) and input i [i * out, (i + 1) * out) on one ruler: the weight is the share of
 * their overlap. */
static ptrdiff_t area(const struct convd_resample_axis *a, ptrdiff_t o, ptrdiff_t *start, double *w)
{
    ptrdiff_t from = o * a->in, to = from + a->in;
    ptrdiff_t lo = from / a->out, hi = (to + a->out - 1) / a->out;
    *start = lo;
    for (ptrdiff_t i = lo; w && i < hi; i++)
        w[i - lo] = (double)(least(to, (i + 1) * a->out) - most(from, i * a->out)) / (double)a->in;
    return hi - lo;
}

ptrdiff_t convd_resample_run(const struct convd_resample_axis *a, ptrdiff_t o, ptrdiff_t *start,
                             double *w)
{
    switch (a->mode) {
    case RESAMPLE_NEAREST:
        return nearest(a, o, start, w);
    case RESAMPLE_BILINEAR:
        return bilinear(a, o, start, w);
    case RESAMPLE_BICUBIC:
        return bicubic(a, o, start, w);
    case RESAMPLE_AREA:
        break;
    }
    return area(a, o, start, w);
}
