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
        hi = larger(hi, convd_global_max(call->site->simd, x, c));
        lo = smaller(lo, convd_global_min(call->site->simd, x, c));
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

/* y = low + n * (high - low), n = (x - min) / (max - min). Every x moves its own y; the smallest and the largest move all of
 * them: those get the sums of dy * (1 - n) and dy * n, with the other sign. */
struct whole {
    double min, span, moved_min, moved_max;
    ptrdiff_t at_min, at_max; /* row-major, the first */
};

static void find(const struct convd_view *x, struct whole *t)
{
    float lo = *convd_row(x, 0, 0), hi = lo;
    t->at_min = t->at_max = 0;
    for (ptrdiff_t c = 0; c < x->c; c++)
        for (ptrdiff_t i = 0; i < x->h; i++) {
            const float *v = convd_row(x, c, i);
            for (ptrdiff_t j = 0; j < x->w; j++) {
                const ptrdiff_t at = (c * x->h + i) * x->w + j;
                if (v[j] < lo || (v[j] != v[j] && lo == lo)) lo = v[j], t->at_min = at;
                if (v[j] > hi || (v[j] != v[j] && hi == hi)) hi = v[j], t->at_max = at;
            }
        }
    t->min = (double)lo;
    t->span = (double)hi - (double)lo;
}

static void gather(const struct convd_back *call, struct whole *t)
{
    const struct convd_view *x = call->x;
    double all = 0, up = 0;
    for (ptrdiff_t c = 0; c < x->c; c++)
        for (ptrdiff_t i = 0; i < x->h; i++) {
            const float *v = convd_row(x, c, i), *dy = convd_row(call->dy, c, i);
            for (ptrdiff_t j = 0; j < x->w; j++) {
                all += (double)dy[j];
                up += (double)dy[j] * (((double)v[j] - t->min) / t->span);
            }
        }
    t->moved_max = up;
    t->moved_min = all - up;
}

/* Takes g from number `at`, if its row is this part's. */
static void move(const struct convd_view *dx, struct convd_rows own, ptrdiff_t at, double g)
{
    const ptrdiff_t r = at / dx->w;
    if (r >= own.y0 && r < own.y1) convd_row(dx, r / dx->h, r % dx->h)[at % dx->w] -= (float)g;
}

/* The whole sample is walked by each part: it decides what every number gets. */
static void backward(const struct convd_back *call)
{
    const struct params *p = call->site->params;
    const struct convd_view *dx = call->dx;
    const struct convd_rows own = part_rows(call, dx);
    struct whole t;
    find(call->x, &t);
    if (t.span == 0 || own.y0 == own.y1) return; /* a constant sample is low, whatever it is */
    gather(call, &t);
    const double by = (p->high - p->low) / t.span;
    for (ptrdiff_t r = own.y0; r < own.y1; r++) {
        const float *dy = convd_row(call->dy, r / dx->h, r % dx->h);
        float *to = convd_row(dx, r / dx->h, r % dx->h);
        for (ptrdiff_t j = 0; j < dx->w; j++) to[j] += (float)((double)dy[j] * by);
    }
    move(dx, own, t.at_min, t.moved_min * by);
    move(dx, own, t.at_max, t.moved_max * by);
}

/* cv2.normalize takes the lower one for the low end whichever it is. */
static const char *opencv(const struct convd_site *s, struct convd_arena *mem)
{
    const struct params *p = s->params;
    (void)mem;
    return p->low <= p->high
               ? "$hwc(cv2.normalize({x}, None, {low}, {high}, cv2.NORM_MINMAX))"
               : NULL;
}

static const struct convd_helper helpers[] = {
    {"minmax", "def minmax(x, low, high):\n"
               "    \"\"\"All channels of a sample stretched to low..high.\"\"\"\n"
               "    x = x.double()\n"
               "    lo, hi = x.amin((1, 2, 3), True), x.amax((1, 2, 3), True)\n"
               "    y = low + (x - lo) / (hi - lo) * (high - low)\n"
               "    return torch.where(hi == lo, torch.full_like(y, low), y).float()"},
    {NULL, NULL},
};

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
    .backward = backward,
    .torch = "$minmax({x}, {low}, {high})",
    .opencv_of = opencv,
    .helpers = helpers,
    .ns = 0.8,
};
