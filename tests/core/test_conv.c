/* conv against its definition in double, over random shapes, parameters and modes, on every variant; the
 * forms of a weight; faults; what it costs. */
#include "../../core/border.h"
#include "../../core/weight.h"
#include "lib_site.h"
#include "lib_value.h"

/* One random case: numbers and parameters. */
struct conv_case {
    struct convd_shape x;
    ptrdiff_t o, c, kh, kw, sh, sw, dh, dw, top, left, bottom, right, groups, same;
    int mode;
    bool flip, hwio, bias;
    double value;
    float *in, *weight, *offset; /* weight: O x I x kh x kw, as written (not flipped) */
};

static float *numbers(struct t_rng *r, ptrdiff_t n)
{
    float *v = malloc((size_t)n * sizeof *v);
    for (ptrdiff_t i = 0; i < n; i++) v[i] = (float)t_uniform(r, -1, 1);
    return v;
}

static struct conv_case draw(struct t_rng *r)
{
    struct conv_case k = {
        .x = {1, 1, t_between(r, 1, 12), t_between(r, 1, 1 + 90 * (t_between(r, 0, 2) == 0) + 12)}};
    k.groups = t_between(r, 0, 2) ? 1 : t_between(r, 2, 4);
    k.c = t_between(r, 1, 4);
    k.x.c = k.c * k.groups;
    k.o = k.groups * t_between(r, 1, k.groups > 1 ? 3 : 11);
    k.kh = t_between(r, 1, 5);
    k.kw = t_between(r, 1, 5);
    if (t_between(r, 0, 3) == 0) k.kh = k.kw = 1;
    k.sh = t_between(r, 0, 1) ? 1 : t_between(r, 1, 4);
    k.sw = t_between(r, 0, 1) ? 1 : t_between(r, 1, 4);
    k.dh = t_between(r, 0, 1) ? 1 : t_between(r, 1, 3);
    k.dw = t_between(r, 0, 1) ? 1 : t_between(r, 1, 3);
    if (t_between(r, 0, 2)) {
        k.top = t_between(r, 0, 6);
        k.left = t_between(r, 0, 6);
        k.bottom = t_between(r, 0, 6);
        k.right = t_between(r, 0, 6);
    }
    k.same = t_between(r, 0, 4) == 0;
    k.mode = (int)t_between(r, 0, 5);
    k.flip = t_between(r, 0, 1);
    k.hwio = t_between(r, 0, 1);
    k.bias = t_between(r, 0, 1);
    k.value = t_uniform(r, -2, 2);
    k.in = numbers(r, k.x.c * k.x.h * k.x.w);
    k.weight = numbers(r, k.o * k.c * k.kh * k.kw);
    k.offset = numbers(r, k.o);
    return k;
}

static void let_go(struct conv_case *k)
{
    free(k->in);
    free(k->weight);
    free(k->offset);
}

static ptrdiff_t at(const struct conv_case *k, ptrdiff_t o, ptrdiff_t c, ptrdiff_t i, ptrdiff_t j)
{
    return ((o * k->c + c) * k->kh + i) * k->kw + j;
}

static struct convd_value args_of(const struct conv_case *k)
{
    struct convd_value weight;
    if (k->hwio) {
        float *w = malloc((size_t)(k->o * k->c * k->kh * k->kw) * sizeof *w), *to = w;
        for (ptrdiff_t i = 0; i < k->kh; i++)
            for (ptrdiff_t j = 0; j < k->kw; j++)
                for (ptrdiff_t c = 0; c < k->c; c++)
                    for (ptrdiff_t o = 0; o < k->o; o++) *to++ = k->weight[at(k, o, c, i, j)];
        weight = array(w, 4, (ptrdiff_t[]){k->kh, k->kw, k->c, k->o});
        free(w);
    } else {
        weight = array(k->weight, 4, (ptrdiff_t[]){k->o, k->c, k->kh, k->kw});
    }
    return object(10 + k->bias, "weight", weight, "layout", str(k->hwio ? "HWIO" : "OIHW"),
                  "stride", list(2, num((double)k->sh), num((double)k->sw)), "dilation",
                  list(2, num((double)k->dh), num((double)k->dw)), "padding",
                  k->same ? str("same")
                          : list(4, num((double)k->top), num((double)k->left),
                                 num((double)k->bottom), num((double)k->right)),
                  "groups", num((double)k->groups), "padding_mode",
                  str(convd_padding_modes[k->mode]), "padding_value", num(k->value), "flip",
                  convd_boolean(k->flip), "across", str("mean"), "bias",
                  array(k->offset, 1, &k->o));
}

/* The definition. size: the sum of absolute products, for the tolerance. */
static double defined(const struct conv_case *k, ptrdiff_t top, ptrdiff_t left, ptrdiff_t o,
                      ptrdiff_t y, ptrdiff_t x, double *size)
{
    const ptrdiff_t group = o / (k->o / k->groups);
    double sum = k->bias ? (double)k->offset[o] : 0;
    *size = fabs(sum);
    for (ptrdiff_t c = 0; c < k->c; c++)
        for (ptrdiff_t i = 0; i < k->kh; i++)
            for (ptrdiff_t j = 0; j < k->kw; j++) {
                const ptrdiff_t a = convd_border_index((enum convd_mode)k->mode,
                                                       y * k->sh + i * k->dh - top, k->x.h);
                const ptrdiff_t b = convd_border_index((enum convd_mode)k->mode,
                                                       x * k->sw + j * k->dw - left, k->x.w);
                double v = k->mode == CONVD_MODE_CONSTANT ? (double)(float)k->value : 0;
                if (a >= 0 && b >= 0)
                    v = (double)k->in[((group * k->c + c) * k->x.h + a) * k->x.w + b];
                const double w =
                    (double)k->weight[k->flip ? at(k, o, c, k->kh - 1 - i, k->kw - 1 - j)
                                              : at(k, o, c, i, j)];
                sum += w * v;
                *size += fabs(w * v);
            }
    return sum;
}

/* torch's size formula, and ONNX's for same. */
static void expect_axis(ptrdiff_t n, ptrdiff_t before, ptrdiff_t after, ptrdiff_t k, ptrdiff_t s,
                        ptrdiff_t d, bool same, ptrdiff_t *size, ptrdiff_t *lead)
{
    const ptrdiff_t span = d * (k - 1) + 1;
    *lead = before;
    *size = n + before + after < span ? 0 : (n + before + after - span) / s + 1;
    if (!same) return;
    *size = (n + s - 1) / s;
    const ptrdiff_t total = (*size - 1) * s + span - n;
    *lead = total > 0 ? total / 2 : 0;
}

static void check_case(const struct conv_case *k, const struct convd_simd *simd, ptrdiff_t band,
                       bool dense)
{
    struct op_site s;
    ptrdiff_t oh, ow, top, left;
    char what[300];
    snprintf(what, sizeof what,
             "%s x %tdx%tdx%td w %tdx%tdx%tdx%td s %tdx%td d %tdx%td p %td,%td,%td,%td g %td mode "
             "%d same %td",
             simd->name, k->x.c, k->x.h, k->x.w, k->o, k->c, k->kh, k->kw, k->sh, k->sw, k->dh,
             k->dw, k->top, k->left, k->bottom, k->right, k->groups, k->mode, k->same);
    expect_axis(k->x.h, k->top, k->bottom, k->kh, k->sh, k->dh, k->same, &oh, &top);
    expect_axis(k->x.w, k->left, k->right, k->kw, k->sw, k->dw, k->same, &ow, &left);
    const bool fine = site_open(&s, "conv", args_of(k), NULL, k->x, simd);
    if (fine != (oh > 0 && ow > 0))
        T_FAIL("%s: %s", what, fine ? "too large a window was accepted" : s.faults.first->detail);
    if (fine) {
        EQ(k->o, s.site.y.c);
        EQ(oh, s.site.y.h);
        EQ(ow, s.site.y.w);
        float *whole = site_run(&s, k->in, 0, dense), *cut = site_run(&s, k->in, band, !dense);
        if (memcmp(whole, cut, site_count(&s) * sizeof *whole) != 0)
            T_FAIL("%s: depends on the cut", what);
        for (ptrdiff_t o = 0; o < k->o; o++)
            for (ptrdiff_t y = 0; y < oh; y++)
                for (ptrdiff_t x = 0; x < ow; x++) {
                    double size;
                    const double want = defined(k, top, left, o, y, x, &size),
                                 got = (double)whole[(o * oh + y) * ow + x];
                    if (!(fabs(got - want) <= 2e-6 * size + 1e-12))
                        T_FAIL("%s: (%td,%td,%td) is %.9g, expected %.9g", what, o, y, x, got,
                               want);
                }
        free(whole);
        free(cut);
    }
    site_close(&s);
}

TEST(random_convolutions_are_what_they_are_defined_to_be)
{
    struct t_rng r = t_rng(30);
    for (int round = 0; round < 1200; round++) {
        struct conv_case k = draw(&r);
        size_t variants = 0;
        while (convd_simd_at(variants)) variants++;
        check_case(&k, convd_simd_at((size_t)round % variants), t_between(&r, -1, 3),
                   t_between(&r, 0, 1));
        let_go(&k);
    }
}

TEST(variants_with_fma_agree_bit_by_bit)
{
    struct t_rng r = t_rng(31);
    for (int round = 0; round < 150; round++) {
        struct conv_case k = draw(&r);
        float *first = NULL;
        const struct convd_simd *simd;
        for (size_t v = 0; (simd = convd_simd_at(v)); v++) {
            struct op_site s;
            if (strcmp(simd->name, "base") == 0) continue;
            if (site_open(&s, "conv", args_of(&k), NULL, k.x, simd)) {
                float *y = site_run(&s, k.in, 0, false);
                if (first && memcmp(first, y, site_count(&s) * sizeof *y) != 0)
                    T_FAIL("%s differs from ref", simd->name);
                if (first)
                    free(y);
                else
                    first = y;
            }
            site_close(&s);
        }
        free(first);
        let_go(&k);
    }
}

TEST(many_channels_and_wide_rows_go_through_all_tiles)
{
    struct t_rng r = t_rng(32);
    static const ptrdiff_t cases[][5] = {
        {100, 9, 700, 3, 5}, {260, 6, 500, 1, 2}, {64, 64, 33, 3, 3}, {1, 1, 3000, 3, 4}};
    for (size_t i = 0; i < 4; i++) {
        const ptrdiff_t c = cases[i][0], o = cases[i][1], side = cases[i][3];
        struct conv_case k = {.x = {1, c, cases[i][4], cases[i][2]},
                              .o = o,
                              .c = c,
                              .kh = side,
                              .kw = side,
                              .sh = 1,
                              .sw = 1,
                              .dh = 1,
                              .dw = 1,
                              .groups = 1,
                              .top = side / 2,
                              .left = side / 2,
                              .bottom = side / 2,
                              .right = side / 2};
        k.in = numbers(&r, c * k.x.h * k.x.w);
        k.weight = numbers(&r, o * c * side * side);
        k.offset = numbers(&r, o);
        check_case(&k, convd_simd_choose(NULL), 1, true);
        let_go(&k);
    }
}

/* ---- winograd -------------------------------------------------------------------------------- */

/* Many channels, 3x3, no stride. */
static struct conv_case draw_wino(struct t_rng *r)
{
    static const ptrdiff_t channels[] = {16, 17, 20, 31, 64};
    struct conv_case k = {.kh = 3, .kw = 3, .sh = 1, .sw = 1, .dh = 1, .dw = 1};
    k.groups = t_between(r, 0, 3) ? 1 : 2;
    k.c = channels[t_between(r, 0, 4)];
    k.o = k.groups * channels[t_between(r, 0, 4)];
    k.x = (struct convd_shape){1, k.c * k.groups, t_between(r, 1, 26),
                               t_between(r, 1, t_between(r, 0, 5) ? 30 : 480)};
    k.top = t_between(r, 0, 3);
    k.left = t_between(r, 0, 3);
    k.bottom = t_between(r, 0, 3);
    k.right = t_between(r, 0, 3);
    k.mode = (int)t_between(r, 0, 5);
    k.flip = t_between(r, 0, 1);
    k.hwio = t_between(r, 0, 1);
    k.bias = t_between(r, 0, 1);
    k.value = t_uniform(r, -2, 2);
    k.in = numbers(r, k.x.c * k.x.h * k.x.w);
    k.weight = numbers(r, k.o * k.c * 9);
    k.offset = numbers(r, k.o);
    return k;
}

static bool is_wino(const struct op_site *s)
{
    return strncmp(s->op->algorithm_of(&s->site), "winograd", 8) == 0;
}

/* Every third channel against the definition: within 1e-5 of the largest number. */
static void check_wino(const struct conv_case *k, const struct op_site *s, const float *y)
{
    double most = 0, worst = 0;
    for (ptrdiff_t o = k->x.w % 3; o < k->o; o += 3)
        for (ptrdiff_t i = 0; i < s->site.y.h; i++)
            for (ptrdiff_t j = 0; j < s->site.y.w; j++) {
                double size;
                const double want = defined(k, k->top, k->left, o, i, j, &size);
                most = fmax(most, fabs(want));
                worst =
                    fmax(worst, fabs((double)y[(o * s->site.y.h + i) * s->site.y.w + j] - want));
            }
    if (!(worst <= 1e-5 * most))
        T_FAIL("%s x %tdx%tdx%td o %td: off by %g, the largest is %g", s->site.simd->name, k->x.c,
               k->x.h, k->x.w, k->o, worst, most);
}

TEST(winograd_is_near_the_definition_and_the_same_everywhere)
{
    struct t_rng r = t_rng(36);
    int met = 0;
    for (int round = 0; round < 24; round++) {
        struct conv_case k = draw_wino(&r);
        float *first = NULL;
        const struct convd_simd *simd;
        for (size_t v = 0; (simd = convd_simd_at(v)); v++) {
            struct op_site s;
            if (site_open(&s, "conv", args_of(&k), NULL, k.x, simd) && is_wino(&s)) {
                float *y = site_run(&s, k.in, t_between(&r, -1, 9), t_between(&r, 0, 1));
                if (!first || strcmp(simd->name, "base") == 0) check_wino(&k, &s, y);
                if (first && strcmp(simd->name, "base") != 0 &&
                    memcmp(first, y, site_count(&s) * sizeof *y) != 0)
                    T_FAIL("%s x %tdx%tdx%td o %td differs from ref or by the cut", simd->name,
                           k.x.c, k.x.h, k.x.w, k.o);
                if (first)
                    free(y);
                else
                    first = y;
                met++;
            }
            site_close(&s);
        }
        free(first);
        let_go(&k);
    }
    OK(met > 24);
}

TEST(numbers_without_bounds_stay_in_their_windows_with_winograd)
{
    struct t_rng r = t_rng(37);
    static const float odd[] = {NAN, INFINITY, -INFINITY, 1e30f, 3e38f};
    for (int round = 0; round < 15; round++) {
        struct conv_case k = draw_wino(&r);
        struct op_site s;
        for (ptrdiff_t i = 0; i < 1 + round % 3; i++)
            k.in[t_between(&r, 0, k.x.c * k.x.h * k.x.w - 1)] = odd[t_between(&r, 0, 4)];
        if (site_open(&s, "conv", args_of(&k), NULL, k.x, convd_simd_choose(NULL)) && is_wino(&s)) {
            float *y = site_run(&s, k.in, t_between(&r, -1, 9), false);
            for (ptrdiff_t n = 0; n < (ptrdiff_t)site_count(&s); n++) {
                double size;
                const ptrdiff_t plane = s.site.y.h * s.site.y.w;
                const double want = defined(&k, k.top, k.left, n / plane, n % plane / s.site.y.w,
                                            n % s.site.y.w, &size);
                if (!(fabs((double)y[n] - want) <= 2e-5 * size + 1e-5) && size < 3e38)
                    T_FAIL("number %td is %g, expected %g", n, (double)y[n], want);
                if (isnan(want) != isnan(y[n]) && !(size > 1e37))
                    T_FAIL("number %td: NaN left its window", n);
            }
            free(y);
        }
        site_close(&s);
        let_go(&k);
    }
}

/* ---- weights --------------------------------------------------------------------------------- */

static float *run(struct convd_value args, const struct convd_tensor *tensor, struct convd_shape x,
                  const float *in, size_t *n)
{
    struct op_site s;
    if (!site_open(&s, "conv", args, tensor, x, convd_simd_choose(NULL)))
        T_FAIL("%s", s.faults.first->detail);
    float *y = site_run(&s, in, 0, false);
    *n = site_count(&s);
    site_close(&s);
    return y;
}

static void same(struct convd_value a, const struct convd_tensor *tensor, struct convd_value b,
                 struct convd_shape x, const float *in)
{
    size_t n, m;
    float *y = run(a, tensor, x, in, &n), *z = run(b, NULL, x, in, &m);
    EQ(n, m);
    for (size_t i = 0; i < n; i++) NEAR(z[i], y[i], 0);
    free(y);
    free(z);
}

TEST(kernels_are_spread_over_channels)
{
    struct t_rng r = t_rng(33);
    const struct convd_shape x = {1, 3, 6, 7};
    float *in = numbers(&r, 3 * 6 * 7);
    static const float sobel[2][9] = {{-1, 0, 1, -2, 0, 2, -1, 0, 1},
                                      {-1, -2, -1, 0, 0, 0, 1, 2, 1}};
    static const double factors[4][3] = {
        {1.0 / 3, 1.0 / 3, 1.0 / 3}, {1, 1, 1}, {0.299, 0.587, 0.114}, {-1, 0.5, 2}};
    const struct convd_value across[4] = {str("mean"), str("sum"), str("luma"),
                                          list(3, num(-1), num(0.5), num(2))};
    for (int a = 0; a < 4; a++) {
        float bank[54];
        for (int i = 0; i < 54; i++)
            bank[i] = (float)((double)sobel[i / 27][i % 9] * factors[a][i / 9 % 3]);
        const struct convd_value array4 =
            object(1, "weight", array(bank, 4, (ptrdiff_t[]){2, 3, 3, 3}));
        same(object(2, "weight", list(2, str("sobel_x"), str("sobel_y")), "across", across[a]),
             NULL, array4, x, in);
        same(object(2, "weight", array(sobel[0], 3, (ptrdiff_t[]){2, 3, 3}), "across", across[a]),
             NULL, array4, x, in);
        const struct convd_tensor bound = {
            .name = "t", .rank = 3, .dim = {2, 3, 3}, .data = (float *)(uintptr_t)sobel[0]};
        same(object(2, "weight", str("@t"), "across", across[a]), &bound, array4, x, in);
        same(object(2, "weight", array(sobel[0], 2, (ptrdiff_t[]){3, 3}), "across", across[a]),
             NULL, object(1, "weight", array(bank, 4, (ptrdiff_t[]){1, 3, 3, 3})), x, in);
    }
    same(object(1, "weight", list(1, str("sobel_x"))), NULL,
         object(2, "weight", list(1, str("sobel_x")), "across", str("mean")), x, in);
    free(in);
}

TEST(inits_tensors_and_layouts_give_the_same_convolution)
{
    struct t_rng r = t_rng(34);
    const struct convd_shape x = {1, 4, 5, 9};
    float *in = numbers(&r, 4 * 5 * 9), w[6 * 4 * 3 * 2];
    const ptrdiff_t dim[4] = {6, 4, 3, 2};
    const struct convd_value init = object(4, "init", str("he_normal"), "out_channels", num(6),
                                           "kernel_size", list(2, num(3), num(2)), "seed", num(9));
    convd_weight_init(CONVD_HE_NORMAL, 9, 1, dim, w);
    const struct convd_value given = object(1, "weight", array(w, 4, dim));
    const struct convd_tensor bound = {.name = "t", .rank = 4, .dim = {6, 4, 3, 2}, .data = w};
    same(object(1, "weight", init), NULL, given, x, in);
    same(object(1, "weight", str("@t")), &bound, given, x, in);
    convd_weight_init(CONVD_HE_NORMAL, 1, 1, dim,
                      w); /* the seed left out is 1 + position, which is 0 here */
    same(object(1, "weight",
                object(3, "init", str("he_normal"), "out_channels", num(6), "kernel_size",
                       list(2, num(3), num(2)))),
         NULL, object(1, "weight", array(w, 4, dim)), x, in);
    free(in);
}

TEST(identity_gives_the_picture_back)
{
    struct t_rng r = t_rng(35);
    const struct convd_shape x = {1, 6, 5, 40};
    float *in = numbers(&r, 6 * 5 * 40);
    for (int groups = 1; groups <= 6; groups += groups == 1 ? 1 : groups == 2 ? 1 : 3)
        for (int side = 1; side <= 5; side += 2) {
            size_t n;
            float *y = run(object(3, "weight",
                                  object(3, "init", str("identity"), "out_channels", num(6),
                                         "kernel_size", num(side)),
                                  "groups", num(groups), "padding", str("same")),
                           NULL, x, in, &n);
            EQ(6 * 5 * 40, n);
            OK(memcmp(in, y, n * sizeof *y) == 0);
            free(y);
        }
    free(in);
}

TEST(bias_takes_numbers_tensors_and_zeros)
{
    const struct convd_shape x = {1, 1, 2, 2};
    const float in[4] = {1, 2, 3, 4}, two[2] = {10, 20};
    const struct convd_tensor bound = {
        .name = "t", .rank = 1, .dim = {2}, .data = (float *)(uintptr_t)two};
    const struct convd_value w =
        list(2, list(1, list(1, num(1))), list(1, list(1, num(2)))); /* two 1x1 kernels */
    size_t n;
    float *a = run(object(2, "weight", w, "bias", list(2, num(10), num(20))), NULL, x, in, &n);
    float *b = run(object(2, "weight", w, "bias", str("@t")), &bound, x, in, &n);
    float *c =
        run(object(2, "weight", w, "bias", object(1, "init", str("zeros"))), NULL, x, in, &n);
    EQ(8, n);
    for (int i = 0; i < 8; i++) {
        NEAR(in[i % 4] * (float)(1 + i / 4) + two[i / 4], a[i], 0);
        NEAR(a[i], b[i], 0);
        NEAR(in[i % 4] * (float)(1 + i / 4), c[i], 0);
    }
    free(a);
    free(b);
    free(c);
}

/* ---- NaN, faults, cost ----------------------------------------------------------------------- */

TEST(nan_reaches_every_window_that_holds_it_even_under_zeros)
{
    float in[2 * 6 * 20], w[3 * 2 * 9] = {0}; /* all weights 0 */
    for (int i = 0; i < 240; i++) in[i] = 1;
    in[120 + 2 * 20 + 17] = NAN; /* channel 1 */
    size_t n;
    float *y = run(object(2, "weight", array(w, 4, (ptrdiff_t[]){3, 2, 3, 3}), "padding", num(1)),
                   NULL, (struct convd_shape){1, 2, 6, 20}, in, &n);
    for (int i = 0; i < 360; i++) {
        const int row = i / 20 % 6, column = i % 20;
        EQ(abs(row - 2) <= 1 && abs(column - 17) <= 1, isnan(y[i]) != 0);
    }
    free(y);
}

TEST(convolutions_that_cannot_be_are_faults_with_a_place)
{
    float w[64 * 27] = {0};
    const struct convd_value bank = array(w, 4, (ptrdiff_t[]){64, 3, 3, 3}),
                             x1 = array(w, 4, (ptrdiff_t[]){4, 1, 3, 3});
    const struct convd_value big = array(w, 4, (ptrdiff_t[]){1, 4, 1, 131});
    const struct convd_value init =
        object(3, "init", str("zeros"), "out_channels", num(2), "kernel_size", num(3));
    const struct {
        struct convd_value args;
        int code;
        const char *pointer, *detail;
    } cases[] = {
        {object(1, "weight", bank), CONVD_BAD_SHAPE, "/weight",
         "weight is 64x3x3x3, the input has 4 channels"},
        {object(2, "weight", bank, "groups", num(2)), CONVD_BAD_SHAPE, "/weight",
         "weight is 64x3x3x3, the input has 4 channels"},
        {object(2, "weight", x1, "groups", num(3)), CONVD_BAD_SHAPE, "/groups", NULL},
        {object(2, "weight",
                object(3, "init", str("zeros"), "out_channels", num(3), "kernel_size", num(3)),
                "groups", num(2)),
         CONVD_BAD_SHAPE, "/groups", NULL},
        {object(0), CONVD_MISSING, "/weight", NULL},
        {object(1, "weight", object(2, "init", str("zeros"), "kernel_size", num(3))), CONVD_MISSING,
         "/weight/out_channels", NULL},
        {object(1, "weight", object(2, "init", str("zeros"), "out_channels", num(3))),
         CONVD_MISSING, "/weight/kernel_size", NULL},
        {object(1, "weight", list(2, num(1), num(2))), CONVD_BAD_SHAPE, "/weight",
         "weight has 1 dimension"},
        {object(1, "weight", num(2)), CONVD_BAD_SHAPE, "/weight", "weight has 0 dimensions: it is one number"},
        {object(2, "weight", big, "padding", str("same")), CONVD_OUT_OF_RANGE, "/weight",
         "the kernels are 1x131"},
        {object(2, "weight", list(1, str("sobel_x")), "across", str("luma")), CONVD_BAD_SHAPE,
         "/across", NULL},
        {object(2, "weight", list(1, str("sobel_x")), "across", list(2, num(1), num(2))),
         CONVD_BAD_SHAPE, "/across", NULL},
        {object(2, "weight", list(1, str("sobel_x")), "across", str("men")), CONVD_OUT_OF_RANGE,
         "/across", NULL},
        {object(2, "weight", init, "bias", list(3, num(1), num(2), num(3))), CONVD_BAD_SHAPE,
         "/bias", NULL},
        {object(2, "weight", init, "bias", object(1, "init", str("normal"))), CONVD_OUT_OF_RANGE,
         "/bias/init", NULL},
        {object(2, "weight", init, "stride", num(0)), CONVD_OUT_OF_RANGE, "/stride", NULL},
        {object(2, "weight", init, "padding", num(-1)), CONVD_OUT_OF_RANGE, "/padding", NULL},
        {object(2, "weight", init, "padding_mode", str("reflct")), CONVD_OUT_OF_RANGE,
         "/padding_mode", NULL},
        {object(2, "weight", init, "dilation", num(9)), CONVD_BAD_SHAPE, "",
         "the window covers 19x19 pixels, the padded input has 8x8"},
        {object(2, "weight", init, "layout", str("OIWH")), CONVD_OUT_OF_RANGE, "/layout", NULL},
        {object(2, "weight", init, "padding_moed", str("zeros")), CONVD_UNKNOWN_MEMBER,
         "/padding_moed", NULL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct op_site s;
        if (site_open(&s, "conv", cases[i].args, NULL, (struct convd_shape){1, 4, 8, 8},
                      convd_simd_choose(NULL)))
            T_FAIL("case %zu is no fault", i);
        const struct convd_fault *f = s.faults.first;
        if (s.faults.n != 1) T_FAIL("case %zu: %zu faults", i, s.faults.n);
        if (cases[i].code != f->code) T_FAIL("case %zu: %s", i, f->detail);
        STR(cases[i].pointer, f->pointer);
        if (cases[i].detail) STR(cases[i].detail, f->detail);
        OK(f->expected && *f->expected);
        site_close(&s);
    }
}

TEST(cost_is_known_before_memory_is_taken)
{
    struct op_site s;
    struct convd_cost c;
    OK(site_open(
        &s, "conv",
        object(3, "weight",
               object(3, "init", str("normal"), "out_channels", num(64), "kernel_size", num(3)),
               "padding", num(1), "bias", object(1, "init", str("zeros"))),
        NULL, (struct convd_shape){1, 3, 20, 30}, convd_simd_choose(NULL)));
    s.op->cost(&s.site, &c);
    NEAR(64.0 * 27 * 20 * 30, c.macs, 0);
    EQ(64 * 27 + 64, c.weights);
    OK(c.state >= 64 * 27 * 4 + 64 * 4 && c.state < 64 * 27 * 4 + 64 * 4 + 1024);
    OK(s.op->scratch(&s.site, 1) == s.op->scratch(&s.site, 20));
    site_close(&s);
    /* 65536 x 1e9 x 129 x 129 weights: told, not allocated */
    s.x = (struct convd_shape){1, 1000000000, 1, 1};
    s.site = (struct convd_site){.x = &s.x, .n = 1, .y = s.x};
    convd_arena_init(&s.mem, NULL, 0);
    convd_faults_init(&s.faults, &s.mem);
    const struct convd_value init =
        object(3, "init", str("normal"), "out_channels", num(65536), "kernel_size", num(129));
    void *params = convd_arena_zero(&s.mem, s.op->params_size);
    struct convd_bind b = {.faults = &s.faults,
                           .mem = &s.mem,
                           .rows = s.op->params,
                           .into = params,
                           .what = "conv",
                           .max_kernel = 129};
    OK(convd_params_bind(&b,
                         (struct convd_arg[]){{.name = "weight", .value = &init},
                                              {.name = "padding",
                                               .value = &(struct convd_value){.kind = CONVD_STRING,
                                                                              .string = "same"}}},
                         2));
    s.site.params = params;
    OK(s.op->shape(&s.site, &s.faults));
    s.op->cost(&s.site, &c);
    OK(c.state > SIZE_MAX / 8);
    OK(s.op->scratch(&s.site, 1) > (size_t)1 << 40);
    site_close(&s);
}

T_MAIN("core/conv")
