/* Pools against their definition in double, over random parameters; the contract's edge cases; faults. */
#include "lib_run.h"

enum kind { MAX, MIN, AVG, SUM, LP };
static const char *const names[] = {"max_pool", "min_pool", "avg_pool", "sum_pool", "lp_pool"};

struct pool {
    enum kind kind;
    ptrdiff_t h, w, k[2], stride[2], dilation[2], pad[4]; /* top left bottom right */
    bool ceil_mode, include;
    double p;
};

/* PyTorch's size of one axis. */
static ptrdiff_t size_of(ptrdiff_t n, ptrdiff_t before, ptrdiff_t after, ptrdiff_t k,
                         ptrdiff_t stride, ptrdiff_t dilation, bool up)
{
    ptrdiff_t room = n + before + after - dilation * (k - 1) - 1 + (up ? stride - 1 : 0);
    if (room < 0) return 0;
    ptrdiff_t size = room / stride + 1;
    return up && (size - 1) * stride >= n + before ? size - 1 : size;
}

/* One output number, tap by tap. */
static double reference(const struct pool *q, const float *x, ptrdiff_t oy, ptrdiff_t ox)
{
    double best = q->kind == MAX ? -INFINITY : INFINITY, sum = 0, inside = 0, padded = 0;
    for (ptrdiff_t t = 0; t < q->k[0]; t++)
        for (ptrdiff_t u = 0; u < q->k[1]; u++) {
            ptrdiff_t i = oy * q->stride[0] - q->pad[0] + t * q->dilation[0],
                      j = ox * q->stride[1] - q->pad[1] + u * q->dilation[1];
            padded += i < q->h + q->pad[2] && j < q->w + q->pad[3];
            if (i < 0 || i >= q->h || j < 0 || j >= q->w) continue;
            double v = (double)x[i * q->w + j];
            inside++;
            best = isnan(best) || isnan(v) ? NAN : q->kind == MAX ? fmax(best, v) : fmin(best, v);
            sum += q->kind == LP ? pow(fabs(v), q->p) : v;
        }
    if (q->kind == MAX || q->kind == MIN) return best;
    if (q->kind == AVG)
        return (q->include ? padded : inside) > 0 ? sum / (q->include ? padded : inside) : 0;
    double taps = (double)(q->k[0] * q->k[1]);
    return q->kind == SUM ? sum : pow(sum * (padded > 0 ? taps / padded : 1), 1 / q->p);
}

static struct pool draw_pool(struct t_rng *r)
{
    struct pool q = {.kind = (enum kind)t_between(r, MAX, LP),
                     .h = t_between(r, 1, 15),
                     .w = t_between(r, 1, 20)};
    for (int d = 0; d < 2; d++) {
        q.k[d] = t_between(r, 1, 5);
        q.stride[d] = t_between(r, 1, 4);
        q.dilation[d] = t_between(r, 1, 3);
        ptrdiff_t reach = (q.k[d] - 1) * q.dilation[d] + 1;
        q.pad[d] = t_between(r, 0, reach - 1);
        q.pad[d + 2] = t_between(r, 0, reach - 1);
    }
    q.ceil_mode = t_between(r, 0, 1);
    q.include = t_between(r, 0, 1);
    q.p = t_between(r, 0, 1) ? 2 : 3;
    return q;
}

static void check(const struct pool *q, struct t_rng *r)
{
    char steps[512];
    float x[15 * 20];
    int n = snprintf(steps, sizeof steps,
                     "[{\"op\":\"%s\",\"kernel_size\":[%td,%td],\"stride\":[%td,%td],\"dilation\":["
                     "%td,%td],\"padding\":[%td,%td,%td,%td],"
                     "\"ceil_mode\":%s",
                     names[q->kind], q->k[0], q->k[1], q->stride[0], q->stride[1], q->dilation[0],
                     q->dilation[1], q->pad[0], q->pad[1], q->pad[2], q->pad[3],
                     q->ceil_mode ? "true" : "false");
    if (q->kind == AVG)
        n += snprintf(steps + n, sizeof steps - (size_t)n, ",\"count_include_pad\":%s",
                      q->include ? "true" : "false");
    if (q->kind == LP)
        n += snprintf(steps + n, sizeof steps - (size_t)n, ",\"norm_type\":%g", q->p);
    snprintf(steps + n, sizeof steps - (size_t)n, "}]");
    draw(r, x, (size_t)(q->h * q->w), -3, 3);
    if (t_between(r, 0, 4) == 0) x[t_between(r, 0, q->h * q->w - 1)] = NAN;
    ptrdiff_t oh =
        size_of(q->h, q->pad[0], q->pad[2], q->k[0], q->stride[0], q->dilation[0], q->ceil_mode);
    ptrdiff_t ow =
        size_of(q->w, q->pad[1], q->pad[3], q->k[1], q->stride[1], q->dilation[1], q->ceil_mode);
    struct answer a = run(steps, (struct convd_shape){1, 1, q->h, q->w}, x);
    if (oh < 1 || ow < 1) {
        OK(!a.y && a.code == CONVD_BAD_SHAPE);
        return;
    }
    if (!a.y) T_FAIL("%s on %tdx%td: %s", steps, q->h, q->w, a.detail);
    EQ(oh, a.shape.h);
    EQ(ow, a.shape.w);
    for (ptrdiff_t i = 0; i < oh * ow; i++) {
        double e = reference(q, x, i / ow, i % ow), g = (double)a.y[i];
        if (!(e == g || (isnan(e) && isnan(g)) || fabs(e - g) <= 1e-6 * fmax(1, fabs(e))))
            T_FAIL("%s on %tdx%td: number %td is %.9g, expected %.9g", steps, q->h, q->w, i, g, e);
    }
    answer_free(&a);
}

TEST(pools_are_what_they_are_defined_as)
{
    struct t_rng r = t_rng(11);
    for (int i = 0; i < 4000; i++) {
        const struct pool q = draw_pool(&r);
        check(&q, &r);
    }
}

static const struct convd_shape s3x4 = {1, 1, 3, 4}, s4x4 = {1, 1, 4, 4};
static const float x4x4[] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16};

TEST(same_with_a_stride_is_the_upper_one)
{
    const float x[] = {1, 2, 3, 4, 5};
    /* 5 -> 3 windows of 3, one pixel before and after; then 4 -> 2: the odd pixel at the end */
    expect_numbers(
        "[{\"op\":\"sum_pool\",\"kernel_size\":[1,3],\"stride\":[1,2],\"padding\":\"same\"}]",
        (struct convd_shape){1, 1, 1, 5}, x, (struct convd_shape){1, 1, 1, 3},
        (const float[]){3, 9, 9});
    expect_numbers(
        "[{\"op\":\"sum_pool\",\"kernel_size\":[1,3],\"stride\":[1,2],\"padding\":\"same\"}]",
        (struct convd_shape){1, 1, 1, 4}, x, (struct convd_shape){1, 1, 1, 2},
        (const float[]){6, 7});
}

TEST(stride_is_the_window_when_left_out_and_padding_may_be_valid)
{
    expect_numbers("[{\"op\":\"max_pool\",\"kernel_size\":2,\"padding\":\"valid\"}]", s4x4, x4x4,
                   (struct convd_shape){1, 1, 2, 2}, (const float[]){6, 8, 14, 16});
    expect_numbers("[{\"op\":\"MaxPool2d\",\"ksize\":[4,1]}]", s4x4, x4x4,
                   (struct convd_shape){1, 1, 1, 4}, (const float[]){13, 14, 15, 16});
}

TEST(divisors)
{
    expect_numbers("[{\"op\":\"avg_pool\",\"kernel_size\":4,\"divisor_override\":8}]", s4x4, x4x4,
                   (struct convd_shape){1, 1, 1, 1}, (const float[]){17});
    /* with dilation the border counts by taps, not by the pixels between them */
    expect_numbers("[{\"op\":\"avg_pool\",\"kernel_size\":[1,2],\"dilation\":[1,2],\"stride\":1,"
                   "\"padding\":[0,1]}]",
                   (struct convd_shape){1, 1, 1, 3}, x4x4, (struct convd_shape){1, 1, 1, 3},
                   (const float[]){1, 2, 1});
    expect_numbers("[{\"op\":\"avg_pool\",\"kernel_size\":[1,2],\"dilation\":[1,2],\"stride\":1,"
                   "\"padding\":[0,1],\"count_include_pad\":false}]",
                   (struct convd_shape){1, 1, 1, 3}, x4x4, (struct convd_shape){1, 1, 1, 3},
                   (const float[]){2, 2, 2});
}

TEST(adaptive_windows_cover_floor_to_ceil)
{
    const float x[] = {1, 2, 3, 4, 5};
    expect_numbers("[{\"op\":\"adaptive_avg_pool\",\"output_size\":[1,3]}]",
                   (struct convd_shape){1, 1, 1, 5}, x, (struct convd_shape){1, 1, 1, 3},
                   (const float[]){1.5F, 3, 4.5F});
    expect_numbers("[{\"op\":\"adaptive_max_pool\",\"output_size\":[2,7]}]",
                   (struct convd_shape){1, 1, 1, 5}, x, (struct convd_shape){1, 1, 2, 7},
                   (const float[]){1, 2, 3, 3, 4, 5, 5, 1, 2, 3, 3, 4, 5, 5});
}

TEST(global_pools_sum_in_double)
{
    enum { N = 3000 * 100 };
    float *x = malloc(N * sizeof *x);
    for (size_t i = 0; i < N; i++) x[i] = i % 2 ? 16777216.0F : 0.5F;
    const struct convd_shape s = {1, 1, 100, 3000}, one = {1, 1, 1, 1};
    expect_numbers("[\"global_sum_pool\"]", s, x, one,
                   (const float[]){(float)(N / 2 * 16777216.5)});
    expect_numbers("[\"global_avg_pool\"]", s, x, one, (const float[]){8388608.25F});
    expect_numbers("[\"global_max_pool\"]", s, x, one, (const float[]){16777216});
    x[N - 3] = NAN;
    expect_numbers("[\"global_max_pool\"]", s, x, one, (const float[]){NAN});
    expect_numbers("[\"global_sum_pool\"]", s, x, one, (const float[]){NAN});
    free(x);
}

TEST(windows_that_do_not_fit_are_refused_in_words)
{
    expect_fault("[{\"op\":\"max_pool\",\"kernel_size\":5}]", s3x4, CONVD_BAD_SHAPE,
                 "/steps/0/kernel_size", "the 5x5 window does not fit into 3x4",
                 "a window of at most the padded picture, or more padding");
    expect_fault("[{\"op\":\"avg_pool\",\"kernel_size\":[2,3],\"dilation\":3}]", s3x4,
                 CONVD_BAD_SHAPE, "/steps/0/kernel_size", "the 4x7 window does not fit into 3x4",
                 "a window of at most the padded picture, or more padding");
    expect_fault("[{\"op\":\"max_pool\",\"kernel_size\":2,\"padding\":2}]", s3x4,
                 CONVD_OUT_OF_RANGE, "/steps/0/padding", "padding is 2 rows",
                 "less than the window, which is 2");
    expect_fault("[{\"op\":\"max_pool\",\"kernel_size\":[3,1],\"padding\":[0,0,0,1]}]", s3x4,
                 CONVD_OUT_OF_RANGE, "/steps/0/padding", "padding is 1 columns",
                 "less than the window, which is 1");
    expect_fault("[\"max_pool\"]", s3x4, CONVD_MISSING, "/steps/0/kernel_size",
                 "max_pool needs kernel_size", "an integer from 1 to 4096, or [h,w]");
}

T_MAIN("core/ops_pool")
