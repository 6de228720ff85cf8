/* filter against its definition in double: dense, sparse and separable kernels, every mode, any anchor, on
 * every variant; what is not finite; faults. */
#include "../../core/border.h"
#include "../../core/kernels.h"
#include "lib_site.h"
#include "lib_value.h"

struct filter_case {
    struct convd_shape x;
    ptrdiff_t kh, kw, ay, ax;
    int mode;
    bool flip, anchored;
    double value, scale, delta;
    float *in, *k;
};

/* A kernel of one of the kinds that run differently. */
static void draw_kernel(struct t_rng *r, struct filter_case *c)
{
    const int kind = (int)t_between(r, 0, 3);
    const ptrdiff_t longest = kind == 2 ? 15 : 6;
    float row[16], column[16];
    c->kh = t_between(r, 1, longest);
    c->kw = t_between(r, 1, longest);
    c->k = malloc((size_t)(c->kh * c->kw) * sizeof *c->k);
    for (int i = 0; i < 16; i++) {
        row[i] = t_between(r, 0, 3) ? (float)t_uniform(r, -1, 1) : 0;
        column[i] = (float)t_between(r, -3, 3);
    }
    for (ptrdiff_t i = 0; i < c->kh; i++)
        for (ptrdiff_t j = 0; j < c->kw; j++) {
            float *v = &c->k[i * c->kw + j];
            if (kind == 0) *v = (float)t_uniform(r, -1, 1);
            if (kind == 1) *v = t_between(r, 0, 2) ? 0 : (float)t_between(r, -5, 5);
            if (kind == 2) *v = row[j] * column[i]; /* separable */
            if (kind == 3) *v = (float)t_between(r, -8, 8);
        }
}

static struct filter_case draw(struct t_rng *r)
{
    struct filter_case c = {.x = {1, t_between(r, 1, 3), t_between(r, 1, 14),
                                  t_between(r, 1, t_between(r, 0, 3) ? 20 : 150)}};
    draw_kernel(r, &c);
    c.anchored = t_between(r, 0, 1);
    c.ay = c.anchored ? t_between(r, 0, c.kh - 1) : c.kh / 2;
    c.ax = c.anchored ? t_between(r, 0, c.kw - 1) : c.kw / 2;
    c.mode = (int)t_between(r, 0, 5);
    c.flip = t_between(r, 0, 1);
    c.value = t_uniform(r, -2, 2);
    c.scale = t_between(r, 0, 1) ? 1 : t_uniform(r, -2, 2);
    c.delta = t_between(r, 0, 1) ? 0 : t_uniform(r, -2, 2);
    const ptrdiff_t n = c.x.c * c.x.h * c.x.w;
    c.in = malloc((size_t)n * sizeof *c.in);
    for (ptrdiff_t i = 0; i < n; i++) c.in[i] = (float)t_uniform(r, -1, 1);
    return c;
}

static void let_go(struct filter_case *c)
{
    free(c->in);
    free(c->k);
}

static struct convd_value args_of(const struct filter_case *c)
{
    return object(6 + c->anchored, "kernel", array(c->k, 2, (ptrdiff_t[]){c->kh, c->kw}),
                  "padding_mode", str(convd_padding_modes[c->mode]), "padding_value", num(c->value),
                  "scale", num(c->scale), "delta", num(c->delta), "flip", convd_boolean(c->flip),
                  "anchor", list(2, num((double)c->ay), num((double)c->ax)));
}

static double defined(const struct filter_case *c, ptrdiff_t plane, ptrdiff_t y, ptrdiff_t x,
                      double *size)
{
    double sum = 0;
    *size = fabs(c->delta);
    for (ptrdiff_t i = 0; i < c->kh; i++)
        for (ptrdiff_t j = 0; j < c->kw; j++) {
            const ptrdiff_t a = convd_border_index((enum convd_mode)c->mode, y + i - c->ay, c->x.h);
            const ptrdiff_t b = convd_border_index((enum convd_mode)c->mode, x + j - c->ax, c->x.w);
            double v = c->mode == CONVD_MODE_CONSTANT ? (double)(float)c->value : 0;
            if (a >= 0 && b >= 0) v = (double)c->in[(plane * c->x.h + a) * c->x.w + b];
            const double k = (double)(c->flip ? c->k[(c->kh - 1 - i) * c->kw + c->kw - 1 - j]
                                              : c->k[i * c->kw + j]);
            sum += k * v;
            *size += fabs(c->scale * k * v);
        }
    return c->delta + c->scale * sum;
}

static void check_case(const struct filter_case *c, const struct convd_simd *simd, ptrdiff_t band)
{
    struct op_site s;
    char what[200];
    snprintf(what, sizeof what, "%s x %tdx%tdx%td k %tdx%td anchor %td,%td mode %d flip %d",
             simd->name, c->x.c, c->x.h, c->x.w, c->kh, c->kw, c->ay, c->ax, c->mode, c->flip);
    if (!site_open(&s, "filter", args_of(c), NULL, c->x, simd))
        T_FAIL("%s: %s", what, s.faults.first->detail);
    float *whole = site_run(&s, c->in, 0, true), *cut = site_run(&s, c->in, band, false);
    EQ((size_t)(c->x.c * c->x.h * c->x.w), site_count(&s));
    for (size_t i = 0; i < site_count(&s); i++)
        if (memcmp(&whole[i], &cut[i], sizeof *whole) != 0 && !(isnan(whole[i]) && isnan(cut[i])))
            T_FAIL("%s: depends on the cut", what);
    for (ptrdiff_t p = 0; p < c->x.c; p++)
        for (ptrdiff_t y = 0; y < c->x.h; y++)
            for (ptrdiff_t x = 0; x < c->x.w; x++) {
                double size;
                const double want = defined(c, p, y, x, &size),
                             got = (double)whole[(p * c->x.h + y) * c->x.w + x];
                const bool fine = isnan(want)   ? isnan(got)
                                  : isinf(want) ? want == got
                                                : fabs(got - want) <= 2e-6 * size + 1e-12;
                if (!fine)
                    T_FAIL("%s: (%td,%td,%td) is %.9g, expected %.9g", what, p, y, x, got, want);
            }
    free(whole);
    free(cut);
    site_close(&s);
}

TEST(random_filters_are_what_they_are_defined_to_be)
{
    struct t_rng r = t_rng(40);
    size_t variants = 0;
    while (convd_simd_at(variants)) variants++;
    for (int round = 0; round < 2000; round++) {
        struct filter_case c = draw(&r);
        check_case(&c, convd_simd_at((size_t)round % variants), t_between(&r, -1, 3));
        let_go(&c);
    }
}

TEST(what_is_not_finite_spreads_as_in_dense_arithmetic)
{
    static const float odd[] = {NAN, INFINITY, -INFINITY};
    struct t_rng r = t_rng(41);
    for (int round = 0; round < 1500; round++) {
        struct filter_case c = draw(&r);
        const ptrdiff_t n = c.x.c * c.x.h * c.x.w;
        for (ptrdiff_t i = t_between(&r, 1, 3); i > 0; i--)
            c.in[t_between(&r, 0, n - 1)] = odd[t_between(&r, 0, 2)];
        if (c.scale == 0) c.scale = 1;
        check_case(&c, convd_simd_choose(round % 2 ? NULL : "base"), t_between(&r, -1, 3));
        let_go(&c);
    }
}

/* Output of a filter on one plane; free it. */
static float *run(struct convd_value args, const struct convd_tensor *t, struct convd_shape x,
                  const float *in)
{
    struct op_site s;
    if (!site_open(&s, "filter", args, t, x, convd_simd_choose(NULL)))
        T_FAIL("%s", s.faults.first->detail);
    float *y = site_run(&s, in, 0, true);
    site_close(&s);
    return y;
}

TEST(integer_kernels_on_bytes_are_exact)
{
    /* separable (7x7), sparse (sobel) and dense kernels: sums below 2^24 need no tolerance */
    struct t_rng r = t_rng(42);
    static const float a[7] = {1, 6, 15, 20, 15, 6, 1}, b[7] = {-1, -4, -5, 0, 5, 4, 1};
    float k[49];
    for (int i = 0; i < 49; i++) k[i] = a[i / 7] * b[i % 7];
    struct filter_case c = {.x = {1, 1, 20, 70},
                            .kh = 7,
                            .kw = 7,
                            .ay = 3,
                            .ax = 3,
                            .mode = CONVD_MODE_REFLECT,
                            .scale = 1,
                            .k = k};
    float *in = malloc(1400 * sizeof *in);
    for (int i = 0; i < 1400; i++) in[i] = (float)t_between(&r, 0, 255);
    c.in = in;
    float *y = run(args_of(&c), NULL, c.x, in);
    for (int i = 0; i < 1400; i++) {
        double size;
        NEAR(defined(&c, 0, i / 70, i % 70, &size), y[i], 0);
    }
    free(y);
    free(in);
}

TEST(forms_of_a_kernel_mean_the_same)
{
    const struct convd_shape x = {1, 1, 4, 5};
    float in[20], sobel[9] = {-1, 0, 1, -2, 0, 2, -1, 0, 1};
    for (int i = 0; i < 20; i++) in[i] = (float)(i * i % 11);
    const struct convd_tensor t = {.name = "t", .rank = 2, .dim = {3, 3}, .data = sobel};
    float *a = run(object(1, "kernel", str("sobel_x")), NULL, x, in),
          *b = run(object(1, "kernel", str("@t")), &t, x, in),
          *c = run(object(1, "kernel", array(sobel, 2, (ptrdiff_t[]){3, 3})), NULL, x, in);
    OK(memcmp(a, b, sizeof in) == 0);
    OK(memcmp(a, c, sizeof in) == 0);
    NEAR(0, a[0], 0); /* reflect: nothing changes across the border */
    NEAR(0, a[4], 0);
    free(a);
    free(b);
    free(c);
    /* roberts stands on its top left tap, and a given anchor moves it */
    float *d = run(object(1, "kernel", str("roberts_x")), NULL, x, in),
          *e = run(object(2, "kernel", str("roberts_x"), "anchor", num(1)), NULL, x, in);
    NEAR(in[0] - in[6], d[0], 0);
    NEAR(in[0] - in[6], e[6], 0);
    free(d);
    free(e);
}

TEST(filters_that_cannot_be_are_faults_with_a_place)
{
    const struct {
        struct convd_value args;
        int code;
        const char *pointer, *expected;
    } cases[] = {
        {object(0), CONVD_MISSING, "/kernel", NULL},
        {object(1, "kernel", str("sobelx")), CONVD_UNKNOWN_KERNEL, "/kernel", NULL},
        {object(2, "kernel", str("sobel_x"), "anchor", list(2, num(3), num(0))), CONVD_OUT_OF_RANGE,
         "/anchor", "a place inside the kernel, which is 3x3"},
        {object(2, "kernel", str("sobel_x"), "anchor", num(-1)), CONVD_OUT_OF_RANGE, "/anchor",
         NULL},
        {object(2, "kernel", str("sobel_x"), "anchor", list(3, num(1), num(1), num(1))),
         CONVD_WRONG_TYPE, "/anchor", "an integer from 0 to 128, or a list of at most 2"},
        {object(2, "kernel", object(2, "name", str("box"), "size", num(4)), "scale", num(1)),
         CONVD_OUT_OF_RANGE, "/kernel/size", NULL},
        {object(2, "kernel", str("box"), "padding_mode", str("mirror")), CONVD_OUT_OF_RANGE,
         "/padding_mode", NULL},
        {object(2, "kernel", str("box"), "stride", num(2)), CONVD_UNKNOWN_MEMBER, "/stride", NULL},
        {object(2, "kernel", str("box"), "delta", str("1")), CONVD_WRONG_TYPE, "/delta", NULL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct op_site s;
        if (site_open(&s, "filter", cases[i].args, NULL, (struct convd_shape){1, 1, 8, 8},
                      convd_simd_choose(NULL)))
            T_FAIL("case %zu is no fault", i);
        const struct convd_fault *f = s.faults.first;
        if (cases[i].code != f->code || s.faults.n != 1) T_FAIL("case %zu: %s", i, f->detail);
        STR(cases[i].pointer, f->pointer);
        if (cases[i].expected) STR(cases[i].expected, f->expected);
        site_close(&s);
    }
}

TEST(cost_counts_the_plain_algorithm)
{
    struct op_site s;
    struct convd_cost c;
    OK(site_open(&s, "filter",
                 object(1, "kernel", object(2, "name", str("gaussian"), "size", num(129))), NULL,
                 (struct convd_shape){1, 3, 40, 50}, convd_simd_choose(NULL)));
    s.op->cost(&s.site, &c);
    NEAR(129.0 * 129 * 3 * 40 * 50, c.macs, 0);
    EQ(129 * 129, c.weights);
    OK(s.op->scratch(&s.site, 1) == s.op->scratch(&s.site, 40));
    site_close(&s);
}

T_MAIN("core/filter")
