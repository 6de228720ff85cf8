/* Pointwise and merging ops: values at the places where definitions differ, NaN and infinities, broadcasts, faults. */
#include "lib_run.h"

static const struct convd_shape row = {1, 1, 1, 8};

static void maps(const char *steps, const float *x, const float *y)
{
    expect_numbers(steps, row, x, row, y);
}

TEST(halves_go_to_the_even_neighbour)
{
    maps("[\"round\"]",
         (const float[]){0.5F, 1.5F, 2.5F, -0.5F, -1.5F, 0.49999997F, 8388607.5F, NAN},
         (const float[]){0, 2, 2, 0, -2, 0, 8388608, NAN});
}

TEST(signs)
{
    maps("[\"sign\"]", (const float[]){3, -2, 0, -0.0F, INFINITY, -INFINITY, 1e-45F, NAN},
         (const float[]){1, -1, 0, 0, 1, -1, 1, NAN});
}

TEST(what_is_not_a_number_goes_through_comparisons)
{
    const float x[] = {NAN, -INFINITY, INFINITY, -1, 0, 1, 7, 300};
    maps("[\"relu\"]", x, (const float[]){NAN, 0, INFINITY, 0, 0, 1, 7, 300});
    maps("[\"relu6\"]", x, (const float[]){NAN, 0, 6, 0, 0, 1, 6, 6});
    maps("[{\"op\":\"clamp\",\"min\":0,\"max\":255}]", x,
         (const float[]){NAN, 0, 255, 0, 0, 1, 7, 255});
    maps("[{\"op\":\"clamp\",\"max\":2}]", x, (const float[]){NAN, -INFINITY, 2, -1, 0, 1, 2, 2});
    maps("[{\"op\":\"clip\",\"min\":2,\"max\":-2}]", x,
         (const float[]){NAN, -2, -2, -2, -2, -2, -2, -2});
    maps("[{\"op\":\"threshold\",\"value\":1}]", x,
         (const float[]){NAN, 0, 255, 0, 0, 0, 255, 255});
    maps("[{\"op\":\"threshold\",\"value\":0,\"above\":-1,\"below\":4}]", x,
         (const float[]){NAN, 4, -1, 4, 4, -1, -1, -1});
    maps("[{\"op\":\"leaky_relu\"}]", x,
         (const float[]){NAN, -INFINITY, INFINITY, -0.01F, 0, 1, 7, 300});
    maps("[\"hard_sigmoid\"]", x, (const float[]){NAN, 0, 1, 1 / 3.0F, 0.5F, 4 / 6.0F, 1, 1});
    maps("[\"invert\"]", x, (const float[]){NAN, INFINITY, -INFINITY, 256, 255, 254, 248, -45});
    maps("[{\"op\":\"clamp\"}]", x, x);
    maps("[{\"op\":\"dropout\"}]", x, x);
}

TEST(ends_of_the_exponentials)
{
    const float x[] = {-INFINITY, -200, -20, 0, 20, 88, 200, INFINITY};
    maps("[\"sigmoid\"]", x, (const float[]){0, 0, 2.0611537e-9F, 0.5F, 1, 1, 1, 1});
    maps("[\"softplus\"]", x,
         (const float[]){0, 0, 2.0611537e-9F, 0.69314718F, 20, 88, 200, INFINITY});
    maps("[\"exp\"]", x,
         (const float[]){0, 0, 2.0611537e-9F, 1, 4.8516520e8F, 1.6516363e38F, INFINITY, INFINITY});
    maps("[\"tanh\"]", x, (const float[]){-1, -1, -1, 0, 1, 1, 1, 1});
    maps("[{\"op\":\"elu\",\"alpha\":2}]", x,
         (const float[]){-2, -2, -2, 0, 20, 88, 200, INFINITY});
    maps("[\"silu\"]", (const float[]){-100, -1, 0, 1, 3, 20, 100, NAN},
         (const float[]){0, -0.26894142F, 0, 0.73105858F, 2.8577224F, 20, 100, NAN});
    maps("[\"gelu\"]", (const float[]){-9, -3, -1, 0, 1, 3, 9, NAN},
         (const float[]){-1.0e-18F, -0.0040496940F, -0.15865525F, 0, 0.84134475F, 2.9959503F, 9,
                         NAN});
}

TEST(powers_are_those_of_c)
{
    maps("[{\"op\":\"pow\",\"exponent\":0}]", (const float[]){NAN, 0, 1, -2, INFINITY, 5, 6, 7},
         (const float[]){1, 1, 1, 1, 1, 1, 1, 1});
    maps("[{\"op\":\"pow\",\"exponent\":0.5}]", (const float[]){NAN, 0, 4, -2, INFINITY, 1, 9, 2},
         (const float[]){NAN, 0, 2, NAN, INFINITY, 1, 3, 1.4142135F});
    maps("[{\"op\":\"scale\",\"mul\":2,\"add\":-1}]",
         (const float[]){1, 2, 3, 4, NAN, INFINITY, 0, -1},
         (const float[]){1, 3, 5, 7, NAN, INFINITY, -1, -3});
}

TEST(softmax_adds_up_along_its_axis)
{
    const struct convd_shape s = {1, 2, 2, 2};
    const float x[] = {0, 1, 2, 3, 0, 1, 2, 1000};
    const float e = 2.7182818F;
    expect_numbers("[\"softmax\"]", s, x, s,
                   (const float[]){0.5F, 0.5F, 0.5F, 0, 0.5F, 0.5F, 0.5F, 1});
    expect_numbers("[{\"op\":\"softmax\",\"dim\":\"width\"}]", s, x, s,
                   (const float[]){1 / (1 + e), e / (1 + e), 1 / (1 + e), e / (1 + e), 1 / (1 + e),
                                   e / (1 + e), 0, 1});
    expect_numbers("[{\"op\":\"softmax\",\"dim\":\"height\"}]", s, x, s,
                   (const float[]){1 / (1 + e * e), 1 / (1 + e * e), e * e / (1 + e * e),
                                   e * e / (1 + e * e), 1 / (1 + e * e), 0, e * e / (1 + e * e),
                                   1});
}

/* ---- merging ---- */

static const struct convd_shape s2x2x3 = {1, 2, 2, 3};
static const float x12[] = {1, 2, 3, 4, 5, 6, 10, 20, 30, 40, 50, 60};

static void merges(const char *steps, const struct convd_tensor *t, const float *y)
{
    struct answer a = run_steps(steps, s2x2x3, x12, t, 1);
    if (!a.y) T_FAIL("%s: %s", steps, a.detail);
    for (int i = 0; i < 12; i++) NEAR(y[i], a.y[i], 1e-5);
    answer_free(&a);
}

TEST(channels_masks_and_numbers_are_spread)
{
    float per_channel[] = {2, 3}, mask[] = {0, 1, 0, 1, 0, 1}, one[] = {100}, line[] = {1, 2, 3};
    const struct convd_tensor c = {"t", 3, {2, 1, 1}, per_channel}, m = {"t", 2, {2, 3}, mask},
                              n = {"t", 3, {1, 1, 1}, one}, w = {"t", 2, {1, 3}, line};
    merges("[{\"op\":\"multiply\",\"inputs\":[\"image\",\"@t\"]}]", &c,
           (const float[]){2, 4, 6, 8, 10, 12, 30, 60, 90, 120, 150, 180});
    merges("[{\"op\":\"multiply\",\"inputs\":[\"@t\",\"image\"]}]", &m,
           (const float[]){0, 2, 0, 4, 0, 6, 0, 20, 0, 40, 0, 60});
    merges("[{\"op\":\"sub\",\"inputs\":[\"image\",\"@t\"]}]", &n,
           (const float[]){-99, -98, -97, -96, -95, -94, -90, -80, -70, -60, -50, -40});
    merges("[{\"op\":\"divide\",\"inputs\":[\"image\",\"@t\"]}]", &w,
           (const float[]){1, 1, 1, 4, 2.5F, 2, 10, 10, 10, 40, 25, 20});
}

TEST(both_sides_may_be_spread)
{
    float per_channel[] = {1, 2};
    const struct convd_tensor c = {"t", 3, {2, 1, 1}, per_channel};
    const float mask[] = {10, 20};
    struct answer a = run_steps("[{\"op\":\"add\",\"inputs\":[\"image\",\"@t\"]}]",
                                (struct convd_shape){1, 1, 1, 2}, mask, &c, 1);
    OK(a.y && a.shape.c == 2 && a.shape.w == 2);
    NEAR(12, a.y[2], 0);
    NEAR(22, a.y[3], 0);
    answer_free(&a);
}

TEST(an_input_may_come_twice_and_be_written_over)
{
    maps("[{\"op\":\"scale\",\"mul\":2,\"id\":\"a\"},{\"op\":\"add\",\"inputs\":[\"a\",\"image\","
         "\"a\"]}]",
         (const float[]){1, 2, 3, 4, 5, 6, 7, 8}, (const float[]){5, 10, 15, 20, 25, 30, 35, 40});
    maps("[{\"op\":\"scale\",\"id\":\"a\"},{\"op\":\"mean\",\"inputs\":[\"a\",\"a\",\"image\","
         "\"a\"]}]",
         (const float[]){1, 2, 3, 4, 5, 6, 7, 8}, (const float[]){1, 2, 3, 4, 5, 6, 7, 8});
}

TEST(merges_go_from_left_to_right)
{
    const float x[] = {8, -8, 0, 1, 2, 3, NAN, INFINITY};
    maps("[{\"op\":\"scale\",\"mul\":2,\"id\":\"a\"},{\"op\":\"sub\",\"inputs\":[\"image\",\"a\","
         "\"a\"]}]",
         x, (const float[]){-24, 24, 0, -3, -6, -9, NAN, NAN});
    maps("[{\"op\":\"scale\",\"mul\":2,\"id\":\"a\"},{\"op\":\"divide\",\"inputs\":[\"image\","
         "\"a\",\"a\"]}]",
         x, (const float[]){0.03125F, -0.03125F, NAN, 0.25F, 0.125F, 3 / 36.0F, NAN, NAN});
    maps("[{\"op\":\"neg\",\"id\":\"a\"},{\"op\":\"maximum\",\"inputs\":[\"image\",\"a\"]}]", x,
         (const float[]){8, 8, 0, 1, 2, 3, NAN, INFINITY});
    maps("[{\"op\":\"neg\",\"id\":\"a\"},{\"op\":\"minimum\",\"inputs\":[\"a\",\"image\"]}]", x,
         (const float[]){-8, -8, 0, -1, -2, -3, NAN, -INFINITY});
    maps("[{\"op\":\"scale\",\"mul\":0.75,\"id\":\"a\"},{\"op\":\"hypot\",\"inputs\":[\"image\","
         "\"a\"]}]",
         (const float[]){4, -4, 0, 1e30F, 8, 12, NAN, INFINITY},
         (const float[]){5, 5, 0, 1.25e30F, 10, 15, NAN, INFINITY});
}

TEST(what_does_not_merge_is_said)
{
    float v[6] = {0};
    const struct convd_tensor t = {"t", 2, {3, 2}, v};
    struct answer a =
        run_steps("[{\"op\":\"add\",\"inputs\":[\"image\",\"@t\"]}]", s2x2x3, x12, &t, 1);
    STR("bad-shape", convd_code_word(a.code));
    STR("/steps/0", a.pointer);
    STR("2x2x3 and input 1, which is 1x3x2, do not merge (CxHxW)", a.detail);
    a = run_steps("[{\"op\":\"concat\",\"inputs\":[\"image\",\"@t\"]}]", s2x2x3, x12, &t, 1);
    STR("input 1 is 3x2 high and wide, the first is 2x3", a.detail);
}

T_MAIN("core/ops_pointwise")
