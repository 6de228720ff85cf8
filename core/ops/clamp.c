/* clamp: y = min(max(x, min), max). Either bound may be left out; where min is above max the answer is max. NaN stays
 * NaN. Equals torch.clamp. */
#include "integer.h"
#include "pointwise.h"

struct params {
    double min, max; /* NAN: left out */
};
// clang-format off
static const struct convd_param params[] = {
    {AT(min), .type = CONVD_P_NUMBER, .def = "", .lo = -3e38, .hi = 3e38,
     .summary = "numbers below become this", .aliases = "lo low a_min minimum"},
    {AT(max), .type = CONVD_P_NUMBER, .def = "", .lo = -3e38, .hi = 3e38,
     .summary = "numbers above become this", .aliases = "hi high a_max maximum"},
    CONVD_PARAM_END,
};
// clang-format on

/* A bound that is left out is NAN, which no comparison answers. */
static inline float f(float x, const struct params *p)
{
    float lo = (float)p->min, hi = (float)p->max;
    float y = x < lo ? lo : x;
    return y > hi ? hi : y;
}
static inline float back(struct at v, const struct params *p)
{
    const bool out =
        (v.x < (float)p->min) | (v.x > (float)p->max) | (p->min > p->max) | (v.x != v.x);
    return out ? 0 : v.dy;
}
POINTWISE_WITH(f, back)

static bool bounded(const struct convd_site *s)
{
    const struct params *p = s->params;
    return !isnan(p->min) || !isnan(p->max);
}

static const char *torch(const struct convd_site *s, struct convd_arena *mem)
{
    (void)mem;
    return bounded(s) ? "{x}.clamp({min}, {max})" : "{x}";
}

static const char *opencv(const struct convd_site *s, struct convd_arena *mem)
{
    (void)mem;
    return bounded(s) ? "np.clip({x}, {min}, {max})" : "{x}";
}

/* The bounds as they are in float; where min is above max the answer is max. */
static double high(const struct params *p)
{
    return isnan(p->max) ? (double)INFINITY : (double)(float)p->max;
}
static double low(const struct params *p)
{
    return isnan(p->min) ? (double)-INFINITY : fmin((double)(float)p->min, high(p));
}
static bool fixed(const struct convd_site *s, const struct convd_fixed *x, struct convd_fixed_ask *a,
                  struct convd_fixed *y)
{
    const struct params *p = s->params;
    (void)a;
    return convd_int_affine(x, 1, 0, low(p), high(p), y);
}
static void forward_fixed(const struct convd_fixed_call *c)
{
    const struct params *p = c->site->params;
    convd_int_affine_rows(c, 1, 0, low(p), high(p));
}

const struct convd_op convd_op_clamp = {
    .name = "clamp",
    POINTWISE_ROW,
    .rising = true,
    .fixed = fixed,
    .forward_fixed = forward_fixed,
    .summary = "numbers outside min..max become the bound",
    .aliases = "clip Clip",
    .example = "grayscale/sobel_x/clamp:0,255",
    .source = "torch.clamp",
    .params = params,
    .params_size = sizeof(struct params),
    .torch_of = torch,
    .opencv_of = opencv,
};
