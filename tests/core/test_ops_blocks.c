/* Blocks: the steps they stand for, their ids, what depends on shapes, and their numbers against the definition. */
#include "../../core/weight.h"
#include "lib_run.h"

static struct convd_shape shape(ptrdiff_t c, ptrdiff_t h, ptrdiff_t w)
{
    return (struct convd_shape){1, c, h, w};
}

static const float x12[] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12};

TEST(residual_adds_what_went_in)
{
    float y[12];
    for (int i = 0; i < 12; i++) y[i] = 11 * x12[i];
    expect_numbers("[{\"op\":\"residual\",\"steps\":[{\"op\":\"scale\",\"mul\":10}]}]",
                   shape(3, 2, 2), x12, shape(3, 2, 2), y);
    /* inside, image is what enters the block */
    expect_numbers("[{\"op\":\"scale\",\"mul\":2},{\"op\":\"residual\",\"steps\":[{\"op\":"
                   "\"multiply\",\"inputs\":[\"image\",\"image\"]}]}]",
                   shape(1, 1, 3), x12, shape(1, 1, 3), (const float[]){6, 20, 42});
    expect_fault(
        "[{\"op\":\"residual\",\"steps\":[{\"op\":\"max_pool\",\"kernel_size\":2}]}]",
        shape(1, 4, 4), CONVD_BAD_SHAPE, "/steps/0",
        "1x2x2 and input 1, which is 1x4x4, do not merge (CxHxW)",
        "the same channels, height and width, or 1 where one input is spread (Cx1x1, 1xHxW)");
}

TEST(a_projection_takes_channels_and_size_of_the_result)
{
    const char *steps = "[{\"op\":\"residual\",\"id\":\"r\",\"projection\":true,\"steps\":[{\"op\":"
                        "\"max_pool\",\"kernel_size\":2},{\"op\":\"concat\",\"id\":\"c\","
                        "\"inputs\":[\"s0\",\"s0\"]}]},{\"op\":\"select\",\"channels\":0,\"input\":"
                        "\"r.projection\"}]";
    float x[3 * 16], w[6 * 3];
    struct t_rng r = t_rng(4);
    draw(&r, x, 48, -1, 1);
    struct answer a = run(steps, shape(3, 4, 4), x);
    if (!a.y) T_FAIL("%s %s", a.pointer, a.detail);
    EQ(2, a.shape.h);
    /* he_normal, seed 1 + the step's position among the block's own steps: it is the first */
    convd_weight_init(CONVD_HE_NORMAL, 1, 1, (const ptrdiff_t[]){6, 3, 1, 1}, w);
    for (int i = 0; i < 4; i++) {
        int at = i / 2 * 2 * 4 + i % 2 * 2;
        double sum = 0;
        for (int c = 0; c < 3; c++) sum += (double)w[c] * (double)x[c * 16 + at];
        NEAR(sum, a.y[i], 1e-5);
    }
    answer_free(&a);
}

TEST(dense_layers_see_all_channels_before_them)
{
    /* each layer adds the sum of what is there */
    expect_numbers(
        "[{\"op\":\"dense\",\"layers\":3,\"steps\":[{\"op\":\"reduce\",\"fn\":\"sum\"}]}]",
        shape(2, 1, 1), (const float[]){1, 2}, shape(5, 1, 1), (const float[]){1, 2, 3, 6, 12});
    /* and its own seed: seed + i */
    struct answer a = run("[{\"op\":\"dense\",\"steps\":[{\"op\":\"linear\",\"weight\":{\"init\":"
                          "\"normal\",\"out_features\":1,\"seed\":5}}]}]",
                          shape(1, 1, 1), (const float[]){1});
    float first, second[2];
    convd_weight_init(CONVD_NORMAL, 5, 1, (const ptrdiff_t[]){1, 1, 1, 1}, &first);
    convd_weight_init(CONVD_NORMAL, 6, 1, (const ptrdiff_t[]){1, 2, 1, 1}, second);
    OK(a.y && a.shape.c == 3);
    NEAR(first, a.y[1], 1e-6);
    NEAR(second[0] + second[1] * first, a.y[2], 1e-6);
    answer_free(&a);
}

TEST(csp_splits_by_floor)
{
    const char *split = "[{\"op\":\"csp\",\"split\":%s,\"steps\":[\"neg\"]}]";
    char steps[200];
    const float x[] = {1, 2, 3, 4, 5};
    snprintf(steps, sizeof steps, split, "0.5");
    expect_numbers(steps, shape(5, 1, 1), x, shape(5, 1, 1), (const float[]){1, 2, -3, -4, -5});
    snprintf(steps, sizeof steps, split, "0.99");
    expect_numbers(steps, shape(5, 1, 1), x, shape(5, 1, 1), (const float[]){1, 2, 3, 4, -5});
    snprintf(steps, sizeof steps, split, "0.1");
    expect_fault(steps, shape(5, 1, 1), CONVD_BAD_SHAPE, "/steps/0", "no channel is left of 5",
                 "at least one channel in every part");
    snprintf(steps, sizeof steps, split, "1");
    expect_fault(steps, shape(5, 1, 1), CONVD_BAD_SHAPE, "/steps/0", "no channel is left of 5",
                 "at least one channel in every part");
}

TEST(se_weighs_channels_by_all_of_them)
{
    enum { C = 6, R = 3, N = 4 };
    float x[C * N], w1[R * C], w2[C * R];
    double mean[C], hidden[R];
    struct t_rng r = t_rng(8);
    draw(&r, x, C * N, -1, 1);
    convd_weight_init(CONVD_HE_NORMAL, 1, 1, (const ptrdiff_t[]){R, C, 1, 1}, w1);
    convd_weight_init(CONVD_HE_NORMAL, 2, 1, (const ptrdiff_t[]){C, R, 1, 1}, w2);
    for (int c = 0; c < C; c++) {
        mean[c] = 0;
        for (int i = 0; i < N; i++) mean[c] += (double)x[c * N + i] / N;
    }
    for (int k = 0; k < R; k++) {
        hidden[k] = 0;
        for (int c = 0; c < C; c++) hidden[k] += (double)w1[k * C + c] * mean[c];
        hidden[k] = fmax(hidden[k], 0);
    }
    struct answer a = run("[{\"op\":\"se\",\"reduction\":2}]", shape(C, 2, 2), x);
    OK(a.y && a.shape.c == C);
    for (int c = 0; c < C; c++) {
        double gate = 0;
        for (int k = 0; k < R; k++) gate += (double)w2[c * R + k] * hidden[k];
        for (int i = 0; i < N; i++)
            NEAR((double)x[c * N + i] / (1 + exp(-gate)), a.y[c * N + i], 1e-6);
    }
    answer_free(&a);
    a = run("[\"se\"]", shape(3, 2, 2), x); /* at least one in the middle */
    OK(a.y);
    answer_free(&a);
}

TEST(steps_of_a_block_can_be_named)
{
    expect_numbers("[{\"op\":\"residual\",\"id\":\"r\",\"steps\":[{\"op\":\"neg\",\"id\":\"n\"}]},{"
                   "\"op\":\"square\",\"input\":\"r.n\"}]",
                   shape(1, 1, 3), x12, shape(1, 1, 3), (const float[]){1, 4, 9});
    expect_fault("[{\"op\":\"residual\",\"steps\":[{\"op\":\"ned\"}]}]", shape(1, 1, 3),
                 CONVD_UNKNOWN_OP, "/steps/0/steps/0/op", "no operation \"ned\"", "");
}

T_MAIN("core/ops_blocks")
