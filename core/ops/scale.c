/* scale: y = x * mul + add, in float, rounded after each. NaN stays NaN. Equals cv::Mat::convertTo(alpha, beta). */
#include "integer.h"
#include "pointwise.h"

struct params {
    double mul, add;
};
// clang-format off
static const struct convd_param params[] = {
    {AT(mul), .type = CONVD_P_NUMBER, .def = "1", .lo = -3e38, .hi = 3e38,
     .summary = "factor", .aliases = "alpha factor"},
    {AT(add), .type = CONVD_P_NUMBER, .def = "0", .lo = -3e38, .hi = 3e38,
     .summary = "added after", .aliases = "beta offset bias"},
    CONVD_PARAM_END,
};
// clang-format on

static inline float f(float x, const struct params *p)
{
    return x * (float)p->mul + (float)p->add;
}
static inline float back(struct at v, const struct params *p)
{
    return v.dy * (float)p->mul;
}
POINTWISE_WITH(f, back)

/* ---- on integers: (x << shift) * k / 2^15 + add ---- */

struct factors {
    int shift;
    int16_t k, add;
};

/* The largest k that x's and y's fractions leave room for; false: none. */
static bool factors_of(const struct params *p, const struct convd_fixed *x, int frac, struct factors *f)
{
    const double mul = (float)p->mul, most_k = 32767, reach = fmax(fabs(x->lo), fabs(x->hi)) + x->error;
    const double add = nearbyint(ldexp((float)p->add, frac));
    if (!(fabs(add) <= most_k)) return false;
    f->add = (int16_t)add;
    for (f->shift = 0; f->shift < 7 && ldexp(reach, x->frac + f->shift + 1) <= most_k; f->shift++)
        continue;
    const double k = nearbyint(ldexp(mul, 15 + frac - x->frac - f->shift));
    if (!(fabs(k) <= most_k)) return false;
    f->k = (int16_t)k;
    return true;
}

static bool fixed(const struct convd_site *s, const struct convd_fixed *x, struct convd_fixed_ask *a, struct convd_fixed *y)
{
    const struct params *p = s->params;
    const double mul = (float)p->mul, add = (float)p->add, lo = fmin(mul * x->lo, mul * x->hi),
                 hi = fmax(mul * x->lo, mul * x->hi), reach = fmax(fabs(x->lo), fabs(x->hi));
    const double error = x->error * fabs(mul);
    for (int frac = a->bits; frac >= 0; frac--) {
        struct factors f;
        struct convd_fixed product = *y;
        product.lo = fmin(lo, lo + add); /* before the sum, too */
        product.hi = fmax(hi, hi + add);
        product.error = error;
        if (!factors_of(p, x, frac, &f) || !convd_int_fit(&product, frac)) continue;
        const double unit = ldexp(1, -frac), factor = f.k * ldexp(1, x->frac + f.shift - frac - 15),
                     steps = ldexp(factor, frac - x->frac); /* of y for each of x */
        *y = product;
        y->lo = lo + add;
        y->hi = hi + add;
        y->error = error + fabs(factor - mul) * reach + fabs(f.add * unit - add);
        if (steps != floor(steps)) y->error += 0.5 * unit;
        if (y->error > error) y->error += 2e-7 * (fabs(lo) + fabs(hi) + fabs(add)); /* floats round, too */
        y->algorithm = "integer i16";
        return true;
    }
    return false;
}

static const void *make_fixed(const struct convd_site *s, const struct convd_fixed *x, const struct convd_fixed *y,
                              struct convd_arena *mem)
{
    struct factors *f = convd_arena_zero(mem, sizeof *f);
    if (f) factors_of(s->params, x, y->frac, f);
    return f;
}

static void forward_fixed(const struct convd_fixed_call *c)
{
    const struct factors *f = c->made;
    const struct convd_simd *simd = c->site->simd;
    const struct convd_fixed_view *y = c->y;
    for (ptrdiff_t p = 0; p < y->format->planes; p++)
        for (ptrdiff_t i = y->y0; i < y->y1; i++) {
            int16_t *to = convd_fixed_row(y, p, i);
            simd->scale_i16(to, convd_int_row(c->x, p, i, c->x->format->frac + f->shift, simd, to), (size_t)y->n, f->k, f->add);
        }
}

const struct convd_op convd_op_scale = {
    .name = "scale",
    POINTWISE_ROW,
    .back_skips_x = true,
    .back_skips_y = true,
    .fixed = fixed,
    .make_fixed = make_fixed,
    .forward_fixed = forward_fixed,
    .summary = "x * mul + add",
    .aliases = "affine Rescaling convertTo",
    .example = "grayscale/scale:0.5,64",
    .source = "cv::Mat::convertTo",
    .params = params,
    .params_size = sizeof(struct params),
    .torch = "{x} * {mul} + {add}",
    .opencv = "{x} * {mul} + {add}",
};
