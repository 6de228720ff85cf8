/* The gradients of linear, batch_norm and instance_norm against central differences of their definitions in double; weights
 * that are one number for all channels, or left out. */
#include "lib_back.h"
#include "lib_value.h"

struct drawn {
    struct convd_shape x;
    ptrdiff_t out;
    double eps;
    bool given[4], one[4]; /* of the vectors: written at all; as a single number */
};

static size_t pixels(const struct drawn *d)
{
    return (size_t)(d->x.c * d->x.h * d->x.w);
}

/* ---- linear ---------------------------------------------------------------------------------- */

static void define_linear(const struct back_case *k, double *y)
{
    const struct drawn *d = k->of;
    for (ptrdiff_t o = 0; o < d->out; o++) {
        y[o] = k->in[2].value[o];
        for (size_t i = 0; i < pixels(d); i++)
            y[o] += k->in[1].value[(size_t)o * pixels(d) + i] * k->in[0].value[i];
    }
}

TEST(random_linears_give_back_what_they_took)
{
    struct t_rng r = t_rng(60);
    for (int round = 0; round < 200; round++) {
        struct drawn d = {.x = {1, t_between(&r, 1, 9), t_between(&r, 1, 6), t_between(&r, 1, 40)},
                          .out = t_between(&r, 1, 9)};
        struct op_site s;
        struct back_case k = {
            .site = &s, .n = 3, .define = define_linear, .of = &d, .step = 1, .what = "linear"};
        k.in[0] = (struct back_variable){.count = pixels(&d)};
        k.in[1] = (struct back_variable){.row = 0, .count = (size_t)d.out * pixels(&d)};
        k.in[2] = (struct back_variable){.row = 1, .count = (size_t)d.out};
        for (size_t i = 0; i < 3; i++) k.in[i].value = back_numbers(&r, k.in[i].count);
        float *w = back_floats(k.in[1].value, k.in[1].count),
              *b = back_floats(k.in[2].value, k.in[2].count);
        const struct convd_tensor t = {
            .name = "t", .rank = 2, .dim = {d.out, (ptrdiff_t)pixels(&d)}, .data = w};
        OK(site_open(&s, "linear", object(2, "weight", str("@t"), "bias", array(b, 1, &d.out)), &t,
                     d.x, convd_simd_choose(NULL)));
        back_check(&k, &r, 12);
        for (size_t i = 0; i < 3; i++) free(k.in[i].value);
        free(w);
        free(b);
        site_close(&s);
    }
}

/* ---- batch_norm, instance_norm --------------------------------------------------------------- */

/* Number c of vector i (weight, bias, mean, var), which stands at in[…] if it was given. */
static double vector(const struct back_case *k, size_t i, ptrdiff_t c)
{
    static const double otherwise[4] = {1, 0, 0, 1};
    const struct drawn *d = k->of;
    if (!d->given[i]) return otherwise[i];
    for (size_t n = 1; n < k->n; n++)
        if (k->in[n].row == i) return k->in[n].value[d->one[i] ? 0 : c];
    return NAN;
}

static void define_batch_norm(const struct back_case *k, double *y)
{
    const struct drawn *d = k->of;
    const ptrdiff_t plane = d->x.h * d->x.w;
    for (ptrdiff_t i = 0; i < d->x.c * plane; i++) {
        const ptrdiff_t c = i / plane;
        y[i] = (k->in[0].value[i] - vector(k, 2, c)) / sqrt(vector(k, 3, c) + d->eps) *
                   vector(k, 0, c) +
               vector(k, 1, c);
    }
}

static void define_instance_norm(const struct back_case *k, double *y)
{
    const struct drawn *d = k->of;
    const ptrdiff_t n = d->x.h * d->x.w;
    for (ptrdiff_t c = 0; c < d->x.c; c++) {
        const double *x = k->in[0].value + c * n;
        double mean = 0, var = 0;
        for (ptrdiff_t i = 0; i < n; i++) mean += x[i] / (double)n;
        for (ptrdiff_t i = 0; i < n; i++) var += (x[i] - mean) * (x[i] - mean) / (double)n;
        for (ptrdiff_t i = 0; i < n; i++)
            y[c * n + i] = (x[i] - mean) / sqrt(var + d->eps) * vector(k, 0, c) + vector(k, 1, c);
    }
}

static void check_norm(struct t_rng *r, const char *op, size_t vectors,
                       void (*define)(const struct back_case *, double *))
{
    static const char *const names[4] = {"weight", "bias", "mean", "var"};
    struct drawn d = {.x = {1, t_between(r, 1, 6), t_between(r, 1, 7), t_between(r, 2, 30)},
                      .eps = t_uniform(r, 0.01, 0.5)};
    struct op_site s;
    struct back_case k = {.site = &s, .n = 1, .define = define, .of = &d, .step = 1e-5, .what = op};
    k.in[0] = (struct back_variable){.count = pixels(&d), .value = back_numbers(r, pixels(&d))};
    struct convd_member members[5] = {{"eps", num(d.eps)}};
    uint32_t n = 1;
    for (size_t i = 0; i < vectors; i++) {
        d.given[i] = t_between(r, 0, 3) > 0;
        d.one[i] = t_between(r, 0, 3) == 0;
        if (!d.given[i]) continue;
        const ptrdiff_t count = d.one[i] ? 1 : d.x.c;
        double *v = back_numbers(r, (size_t)count);
        for (ptrdiff_t c = 0; i == 3 && c < count; c++) v[c] = 0.2 + v[c] * v[c]; /* a variance */
        float *w = back_floats(v, (size_t)count);
        for (ptrdiff_t c = 0; c < count; c++) v[c] = (double)w[c];
        members[n++] = (struct convd_member){names[i], array(w, d.one[i] ? 0 : 1, &count)};
        k.in[k.n++] = (struct back_variable){.row = i, .count = (size_t)count, .value = v};
        free(w);
    }
    OK(site_open(&s, op, (struct convd_value){CONVD_OBJECT, n, {.members = members}}, NULL, d.x,
                 convd_simd_choose(NULL)));
    back_check(&k, r, 12);
    for (size_t i = 0; i < k.n; i++) free(k.in[i].value);
    site_close(&s);
}

TEST(random_norms_give_back_what_they_took)
{
    struct t_rng r = t_rng(61);
    for (int round = 0; round < 200; round++) {
        check_norm(&r, "batch_norm", 4, define_batch_norm);
        check_norm(&r, "instance_norm", 2, define_instance_norm);
    }
}

/* ---- long sums ------------------------------------------------------------------------------- */

/* Four million numbers that add up to 1e-2 of what they would without signs: plain floats would lose it. */
TEST(sums_over_large_maps_keep_their_digits)
{
    const struct convd_shape x = {1, 1, 1500, 3000};
    const size_t n = (size_t)(x.h * x.w);
    struct t_rng r = t_rng(62);
    float w[1] = {1}, b[1] = {0}, dw[1] = {0}, db[1] = {0}, *dweight[16] = {dw, NULL, db};
    float *in = malloc(n * sizeof *in), *dy = malloc(n * sizeof *dy);
    double want = 0, sum = 0;
    for (size_t i = 0; i < n; i++) {
        in[i] = (float)t_uniform(&r, 0, 255);
        dy[i] = (float)t_uniform(&r, -1, 1.01);
        want += (double)in[i] * (double)dy[i];
        sum += (double)dy[i];
    }
    struct op_site s;
    OK(site_open(&s, "conv",
                 object(2, "weight", array(w, 4, (ptrdiff_t[]){1, 1, 1, 1}), "bias",
                        array(b, 1, (ptrdiff_t[]){1})),
                 NULL, x, convd_simd_choose(NULL)));
    float *scratch = aligned_alloc(64, (s.op->back_scratch(&s.site) + 63) / 64 * 64);
    const struct convd_view vx = {in, 1, x.h, x.w, 0, x.h, x.w, x.h * x.w},
                            vdy = {dy, 1, x.h, x.w, 0, x.h, x.w, x.h * x.w},
                            none = {NULL, 1, x.h, x.w, 0, x.h, x.w, x.h * x.w};
    back_run(&s, (struct convd_back){.site = &s.site,
                                     .x = &vx,
                                     .y = &vdy,
                                     .dy = &vdy,
                                     .dx = &none,
                                     .dweight = dweight,
                                     .parts = 1,
                                     .scratch = scratch});
    NEAR(want, dw[0], 1e-6 * fabs(want));
    NEAR(sum, db[0], 1e-6 * fabs(sum));
    free(in);
    free(dy);
    free(scratch);
    site_close(&s);
}

T_MAIN("core/back_weights")
