/* dilate, erode and median against sorting each window, in every border mode and for windows larger than the picture. */
#include "../../core/border.h"
#include "lib_run.h"

struct rank_case {
    int op, mode;
    ptrdiff_t h, w, kh, kw;
    float x[24 * 40];
};
static const char *const names[] = {"erode", "median", "dilate"};
enum { ERODE, MEDIAN, DILATE };

static int order(const void *a, const void *b)
{
    float x = *(const float *)a, y = *(const float *)b;
    return (x > y) - (x < y);
}

static float at(const struct rank_case *c, ptrdiff_t i, ptrdiff_t j)
{
    i = convd_border_index((enum convd_mode)c->mode, i, c->h);
    j = convd_border_index((enum convd_mode)c->mode, j, c->w);
    return i < 0 || j < 0 ? (c->mode == CONVD_MODE_CONSTANT ? 1.5F : 0) : c->x[i * c->w + j];
}

static float reference(const struct rank_case *c, ptrdiff_t i, ptrdiff_t j)
{
    static float v[1000];
    size_t n = 0;
    for (ptrdiff_t t = 0; t < c->kh; t++)
        for (ptrdiff_t u = 0; u < c->kw; u++) v[n++] = at(c, i - c->kh / 2 + t, j - c->kw / 2 + u);
    for (size_t k = 0; k < n; k++)
        if (isnan(v[k])) return NAN;
    qsort(v, n, sizeof *v, order);
    return v[c->op == ERODE ? 0 : c->op == DILATE ? n - 1 : n / 2];
}

static void check(struct rank_case *c)
{
    char steps[256];
    snprintf(
        steps, sizeof steps,
        "[{\"op\":\"%s\",\"kernel_size\":[%td,%td],\"padding_mode\":\"%s\",\"padding_value\":1.5}]",
        names[c->op], c->kh, c->kw, convd_padding_modes[c->mode]);
    struct answer a = run(steps, (struct convd_shape){1, 1, c->h, c->w}, c->x);
    if (!a.y) T_FAIL("%s: %s", steps, a.detail);
    for (ptrdiff_t i = 0; i < c->h * c->w; i++) {
        float e = reference(c, i / c->w, i % c->w), g = a.y[i];
        if (!(e == g || (isnan(e) && isnan(g))))
            T_FAIL("%s on %tdx%td: number %td is %.9g, expected %.9g", steps, c->h, c->w, i,
                   (double)g, (double)e);
    }
    answer_free(&a);
}

static void draw_numbers(struct rank_case *c, struct t_rng *r)
{
    int kind = (int)t_between(r, 0, 3);
    for (ptrdiff_t i = 0; i < c->h * c->w; i++) {
        c->x[i] = kind == 0 ? (float)t_between(r, 0, 3)
                            : (float)t_uniform(r, -5, 5); /* many equal, or none */
        if (kind == 2 && t_between(r, 0, 40) == 0) c->x[i] = NAN;
        if (kind == 3 && t_between(r, 0, 10) == 0)
            c->x[i] = t_between(r, 0, 1) ? INFINITY : -INFINITY;
    }
}

TEST(rank_ops_are_what_sorting_says)
{
    struct t_rng r = t_rng(5);
    for (int i = 0; i < 600; i++) {
        struct rank_case c = {.op = (int)t_between(&r, ERODE, DILATE),
                              .mode = (int)t_between(&r, 0, 5)};
        c.h = t_between(&r, 1, 24);
        c.w = t_between(&r, 1, 40);
        c.kh = t_between(&r, 1, i % 3 ? 7 : 15);
        c.kw = t_between(&r, 1, i % 3 ? 7 : 19);
        if (c.op == MEDIAN) {
            c.kh |= 1;
            c.kw |= 1;
        }
        draw_numbers(&c, &r);
        check(&c);
    }
}

TEST(common_medians_on_every_width)
{
    struct t_rng r = t_rng(6);
    for (ptrdiff_t w = 1; w < 40; w++)
        for (ptrdiff_t k = 1; k <= 9; k += 2) {
            struct rank_case c = {
                .op = MEDIAN, .mode = CONVD_MODE_REPLICATE, .h = 4, .w = w, .kh = k, .kw = k};
            draw_numbers(&c, &r);
            check(&c);
        }
}

TEST(even_medians_are_refused)
{
    expect_fault("[{\"op\":\"median\",\"kernel_size\":[3,4]}]", (struct convd_shape){1, 1, 9, 9},
                 CONVD_OUT_OF_RANGE, "/steps/0/kernel_size/1", "kernel_size is 4",
                 "an odd integer from 1 to 129, or [h,w]");
    expect_fault("[\"dilate\"]", (struct convd_shape){1, 1, 9, 9}, CONVD_MISSING,
                 "/steps/0/kernel_size", "dilate needs kernel_size",
                 "an integer from 1 to 1023, or [h,w]");
}

T_MAIN("core/ops_rank")
