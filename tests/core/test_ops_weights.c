/* Ops with weights: linear, the norms, conv_transpose, each against its definition in double; @names, init, faults. */
#include "../../core/weight.h"
#include "lib_run.h"

static struct convd_shape shape(ptrdiff_t c, ptrdiff_t h, ptrdiff_t w)
{
    return (struct convd_shape){1, c, h, w};
}

TEST(linear_flattens_channel_by_channel)
{
    const float x[] = {1, 2, 3, 4};
    expect_numbers("[{\"op\":\"linear\",\"weight\":[[1,10,100,1000],[0,0,0,1]],\"bias\":[5,-5]}]",
                   shape(2, 1, 2), x, shape(2, 1, 1), (const float[]){4326, -1});
    expect_numbers("[{\"op\":\"linear\",\"weight\":[[1,1,1,1]]}]", shape(1, 2, 2), x,
                   shape(1, 1, 1), (const float[]){10});
    expect_numbers("[{\"op\":\"linear\",\"weight\":[[1,1,1,1],[2,2,2,2]],\"bias\":3}]",
                   shape(1, 2, 2), x, shape(2, 1, 1), (const float[]){13, 23});
}

TEST(linear_takes_init_and_names)
{
    struct t_rng r = t_rng(3);
    float x[3 * 5 * 7], w[4 * 105], b[4];
    draw(&r, x, 105, -1, 1);
    convd_weight_init(CONVD_XAVIER_NORMAL, 9, 1, (const ptrdiff_t[]){4, 105, 1, 1}, w);
    draw(&r, b, 4, -1, 1);
    const struct convd_tensor t[] = {{"w", 2, {4, 105}, w}, {"b", 1, {4}, b}};
    struct answer made = run_steps("[{\"op\":\"linear\",\"weight\":{\"init\":\"xavier_normal\","
                                   "\"out_features\":4,\"seed\":9},\"bias\":\"@b\"}]",
                                   shape(3, 5, 7), x, t, 2);
    struct answer given = run_steps("[{\"op\":\"linear\",\"weight\":\"@w\",\"bias\":\"@b\"}]",
                                    shape(3, 5, 7), x, t, 2);
    OK(made.y && given.y);
    for (int o = 0; o < 4; o++) {
        double sum = (double)b[o];
        for (int i = 0; i < 105; i++) sum += (double)w[o * 105 + i] * (double)x[i];
        NEAR(sum, given.y[o], 1e-6);
        NEAR(given.y[o], made.y[o], 0);
    }
    answer_free(&made);
    answer_free(&given);
}

TEST(weights_that_do_not_fit_are_refused_in_words)
{
    expect_fault("[{\"op\":\"linear\",\"weight\":[[1,2,3]]}]", shape(1, 2, 2), CONVD_BAD_SHAPE,
                 "/steps/0/weight", "weight is 1x3, the input has 4 numbers",
                 "out x 4 numbers: the input is 1x2x2");
    expect_fault("[{\"op\":\"linear\",\"weight\":[1,2,3,4]}]", shape(1, 2, 2), CONVD_BAD_SHAPE,
                 "/steps/0/weight", "weight has 1 dimensions",
                 "out x 4 numbers: the input is 1x2x2");
    expect_fault("[{\"op\":\"linear\",\"weight\":{\"init\":\"normal\"}}]", shape(1, 2, 2),
                 CONVD_MISSING, "/steps/0/weight/out_features",
                 "the init does not say out_features", "an integer from 1 to 65536");
    expect_fault("[{\"op\":\"linear\",\"weight\":[[1,2,3,4]],\"bias\":[1,2]}]", shape(1, 2, 2),
                 CONVD_BAD_SHAPE, "/steps/0/bias", "bias has 2 numbers in 1 dimensions",
                 "a list of 1 numbers, one a channel");
    expect_fault("[{\"op\":\"batch_norm\",\"mean\":[1,2]}]", shape(3, 2, 2), CONVD_BAD_SHAPE,
                 "/steps/0/mean", "mean has 2 numbers in 1 dimensions",
                 "a list of 3 numbers, one a channel");
    expect_fault("[{\"op\":\"normalize\",\"mean\":0,\"std\":[1,0]}]", shape(2, 2, 2),
                 CONVD_OUT_OF_RANGE, "/steps/0/std/1", "std is 0",
                 "a number from -3e+38 to 3e+38, not 0, or a list of them");
    expect_fault("[{\"op\":\"normalize\",\"mean\":[1,2],\"std\":1}]", shape(3, 2, 2),
                 CONVD_BAD_SHAPE, "/steps/0/mean", "mean has 2 numbers for 3 channels",
                 "one number, or one a channel");
}

TEST(batch_norm_fills_in_what_is_left_out)
{
    const float x[] = {3, 5};
    const float by = (float)(1 / sqrt(1 + 1e-5));
    expect_numbers("[\"batch_norm\"]", shape(2, 1, 1), x, shape(2, 1, 1),
                   (const float[]){3 * by, 5 * by});
    expect_numbers("[{\"op\":\"batch_norm\",\"mean\":[1,2],\"var\":[4,9],\"weight\":[10,20],"
                   "\"bias\":[0.5,0.25],\"eps\":0}]",
                   shape(2, 1, 1), x, shape(2, 1, 1), (const float[]){10.5F, 20.25F});
    expect_numbers("[{\"op\":\"BatchNormalization\",\"gamma\":2,\"epsilon\":0}]", shape(2, 1, 1), x,
                   shape(2, 1, 1), (const float[]){6, 10});
    /* a large mean does not cost digits */
    expect_numbers("[{\"op\":\"batch_norm\",\"mean\":1000000,\"var\":0.0001,\"eps\":0}]",
                   shape(1, 1, 2), (const float[]){1000000, 1000000.5F}, shape(1, 1, 2),
                   (const float[]){0, 50});
}

TEST(statistics_of_a_constant)
{
    const float x[] = {7, 7, 7, 7};
    expect_numbers("[\"instance_norm\"]", shape(1, 2, 2), x, shape(1, 2, 2),
                   (const float[]){0, 0, 0, 0});
    expect_numbers("[{\"op\":\"instance_norm\",\"eps\":0,\"bias\":3}]", shape(1, 2, 2), x,
                   shape(1, 2, 2), (const float[]){3, 3, 3, 3});
    expect_numbers("[{\"op\":\"minmax\",\"low\":4,\"high\":9}]", shape(1, 2, 2), x, shape(1, 2, 2),
                   (const float[]){4, 4, 4, 4});
    expect_numbers("[\"minmax\"]", shape(2, 1, 2), (const float[]){-1, 1, 3, 0}, shape(2, 1, 2),
                   (const float[]){0, 127.5F, 255, 63.75F});
    expect_numbers("[\"minmax\"]", shape(1, 1, 2), (const float[]){1, NAN}, shape(1, 1, 2),
                   (const float[]){NAN, NAN});
}

TEST(samples_have_statistics_of_their_own)
{
    const float x[] = {0, 1, 2, 6, 10, 20};
    const struct convd_shape s = {3, 1, 1, 2};
    expect_numbers("[{\"op\":\"minmax\",\"high\":1}]", s, x, s, (const float[]){0, 1, 0, 1, 0, 1});
    expect_numbers("[{\"op\":\"instance_norm\",\"eps\":0}]", s, x, s,
                   (const float[]){-1, 1, -1, 1, -1, 1});
    expect_numbers("[{\"op\":\"softmax\",\"dim\":\"height\"}]", s, x, s,
                   (const float[]){1, 1, 1, 1, 1, 1});
}

TEST(lrn_looks_at_neighbour_channels)
{
    const float x[] = {1, 2, 3, 4};
    float y[4];
    for (int c = 0; c < 4; c++) { /* size 3: one before, one behind */
        double sum = 0;
        for (int q = c - 1; q <= c + 1; q++) sum += q < 0 || q > 3 ? 0 : (double)(x[q] * x[q]);
        y[c] = (float)((double)x[c] / pow(2 + 0.3 * sum / 3, 0.75));
    }
    expect_numbers("[{\"op\":\"lrn\",\"size\":3,\"alpha\":0.3,\"k\":2}]", shape(4, 1, 1), x,
                   shape(4, 1, 1), y);
}

/* ---- conv_transpose ---- */

struct transpose {
    ptrdiff_t in, out, groups, h, w, k[2], stride[2], dilation[2], pad[4], more[2];
    bool flip;
    float x[4 * 6 * 7], weight[4 * 4 * 16], bias[4];
};

static ptrdiff_t side(const struct transpose *t, int d)
{
    return ((d ? t->w : t->h) - 1) * t->stride[d] - t->pad[d] - t->pad[d + 2] +
           t->dilation[d] * (t->k[d] - 1) + t->more[d] + 1;
}

/* By scattering, as the definition goes. */
static void scatter(const struct transpose *t, double *y)
{
    ptrdiff_t oh = side(t, 0), ow = side(t, 1), in = t->in / t->groups, out = t->out / t->groups;
    for (ptrdiff_t o = 0; o < t->out; o++)
        for (ptrdiff_t i = 0; i < oh * ow; i++) y[o * oh * ow + i] = (double)t->bias[o];
    for (ptrdiff_t c = 0; c < t->in; c++)
        for (ptrdiff_t o = 0; o < out; o++)
            for (ptrdiff_t n = 0; n < t->h * t->w * t->k[0] * t->k[1]; n++) {
                ptrdiff_t tap = n % (t->k[0] * t->k[1]), at = n / (t->k[0] * t->k[1]);
                ptrdiff_t i = at / t->w * t->stride[0] + tap / t->k[1] * t->dilation[0] - t->pad[0];
                ptrdiff_t j = at % t->w * t->stride[1] + tap % t->k[1] * t->dilation[1] - t->pad[1];
                ptrdiff_t from = t->flip ? t->k[0] * t->k[1] - 1 - tap : tap;
                if (i >= 0 && i < oh && j >= 0 && j < ow)
                    y[(c / in * out + o) * oh * ow + i * ow + j] +=
                        (double)t->x[c * t->h * t->w + at] *
                        (double)t->weight[(c * out + o) * t->k[0] * t->k[1] + from];
            }
}

static void draw_transpose(struct transpose *t, struct t_rng *r)
{
    *t = (struct transpose){.groups = t_between(r, 1, 2),
                            .h = t_between(r, 1, 6),
                            .w = t_between(r, 1, 7),
                            .flip = t_between(r, 0, 1)};
    t->in = t->groups * t_between(r, 1, 2);
    t->out = t->groups * t_between(r, 1, 2);
    for (int d = 0; d < 2; d++) {
        t->k[d] = t_between(r, 1, 4);
        t->stride[d] = t_between(r, 1, 3);
        t->dilation[d] = t_between(r, 1, 3);
        t->pad[d] = t_between(r, 0, 3);
        t->pad[d + 2] = t_between(r, 0, 3);
        t->more[d] =
            t_between(r, 0, (t->stride[d] > t->dilation[d] ? t->stride[d] : t->dilation[d]) - 1);
    }
    draw(r, t->x, (size_t)(t->in * t->h * t->w), -1, 1);
    draw(r, t->weight, (size_t)(t->in * t->out / t->groups * t->k[0] * t->k[1]), -1, 1);
    draw(r, t->bias, (size_t)t->out, -1, 1);
}

TEST(conv_transpose_spreads_kernels)
{
    struct t_rng r = t_rng(21);
    int ran = 0;
    for (int n = 0; n < 500; n++) {
        static struct transpose t;
        static double y[4 * 64 * 64];
        char steps[400];
        draw_transpose(&t, &r);
        const struct convd_tensor tensors[] = {
            {"w", 4, {t.in, t.out / t.groups, t.k[0], t.k[1]}, t.weight},
            {"b", 1, {t.out}, t.bias}};
        snprintf(steps, sizeof steps,
                 "[{\"op\":\"conv_transpose\",\"weight\":\"@w\",\"bias\":\"@b\",\"stride\":[%td,%"
                 "td],\"padding\":[%td,%td,%td,%td],\"dilation\":[%td,%td],"
                 "\"groups\":%td,\"flip\":%s,\"output_padding\":[%td,%td]}]",
                 t.stride[0], t.stride[1], t.pad[0], t.pad[1], t.pad[2], t.pad[3], t.dilation[0],
                 t.dilation[1], t.groups, t.flip ? "true" : "false", t.more[0], t.more[1]);
        struct answer a = run_steps(steps, shape(t.in, t.h, t.w), t.x, tensors, 2);
        if (side(&t, 0) < 1 || side(&t, 1) < 1) {
            OK(!a.y && a.code == CONVD_BAD_SHAPE);
            continue;
        }
        if (!a.y) T_FAIL("%s: %s", steps, a.detail);
        EQ(side(&t, 0), a.shape.h);
        EQ(side(&t, 1), a.shape.w);
        scatter(&t, y);
        for (ptrdiff_t i = 0; i < t.out * a.shape.h * a.shape.w; i++)
            if (fabs(y[i] - (double)a.y[i]) > 1e-5)
                T_FAIL("%s on %tdx%tdx%td: number %td is %.9g, expected %.9g", steps, t.in, t.h,
                       t.w, i, (double)a.y[i], y[i]);
        answer_free(&a);
        ran++;
    }
    OK(ran > 200);
}

TEST(conv_transpose_refuses)
{
    expect_fault("[{\"op\":\"conv_transpose\",\"weight\":{\"init\":\"normal\",\"out_channels\":1,"
                 "\"kernel_size\":2},\"output_padding\":1}]",
                 shape(1, 3, 3), CONVD_OUT_OF_RANGE, "/steps/0/output_padding",
                 "output_padding is 1", "less than 1, the larger of stride and dilation");
    expect_fault("[{\"op\":\"conv_transpose\",\"weight\":{\"init\":\"normal\",\"out_channels\":1,"
                 "\"kernel_size\":2},\"padding\":\"same\"}]",
                 shape(1, 3, 3), CONVD_OUT_OF_RANGE, "/steps/0/padding",
                 "padding is \"same\"",
                 "an integer from 0 to 65536, [h,w], [top,left,bottom,right] or \"valid\"");
    expect_fault("[{\"op\":\"conv_transpose\",\"weight\":{\"init\":\"normal\",\"out_channels\":1,"
                 "\"kernel_size\":2},\"padding\":2}]",
                 shape(1, 3, 3), CONVD_BAD_SHAPE, "/steps/0/padding", "the result would be 0x0",
                 "less padding, which takes pixels off the result");
    expect_fault("[{\"op\":\"conv_transpose\",\"weight\":[\"sobel_x\"]}]", shape(1, 3, 3),
                 CONVD_WRONG_TYPE, "/steps/0/weight", "it is a list of kernels",
                 "an array, \"@tensor\", or {\"init\":…}");
    expect_fault("[{\"op\":\"conv_transpose\",\"weight\":[[[[1]]]]}]", shape(2, 3, 3),
                 CONVD_BAD_SHAPE, "/steps/0/weight",
                 "weight begins with 1, the input has 2 channels",
                 "2 x out/groups x kh x kw numbers");
}

T_MAIN("core/ops_weights")
