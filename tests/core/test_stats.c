/* The numbers that describe a map, against plain sums and hand-made cases. */
#include "../t.h"
#include "../../core/stats.h"

TEST(four_numbers_by_hand)
{
    struct convd_stats s;
    convd_stats_of((const float[]){-1, 0, 0, 3}, 4, &s);
    EQ(4, s.count);
    EQ(2, s.zeros);
    EQ(0, s.nonfinite);
    NEAR(-1, s.min, 0);
    NEAR(3, s.max, 0);
    NEAR(2, s.sum, 0);
    NEAR(0.5, s.mean, 0);
    NEAR(sqrt((2.25 + 0.25 + 0.25 + 6.25) / 4), s.std, 1e-15);
    NEAR(4, s.l1, 0);
    NEAR(sqrt(10), s.l2, 1e-15);
    EQ(1, s.histogram[0]);
    EQ(2, s.histogram[64]);
    EQ(1, s.histogram[255]);
    NEAR(1.5, s.entropy, 1e-15); /* shares 1/4 1/2 1/4 */
}
TEST(numbers_that_are_not_finite_are_counted_and_left_out)
{
    struct convd_stats s;
    convd_stats_of((const float[]){NAN, 1, INFINITY, 3, -INFINITY}, 5, &s);
    EQ(5, s.count);
    EQ(3, s.nonfinite);
    NEAR(1, s.min, 0);
    NEAR(3, s.max, 0);
    NEAR(2, s.mean, 0);
    NEAR(1, s.std, 0);
    NEAR(1, s.entropy, 0);
}
TEST(nothing_finite_has_no_mean)
{
    struct convd_stats s;
    convd_stats_of((const float[]){NAN, NAN}, 2, &s);
    EQ(2, s.nonfinite);
    OK(isnan(s.min) && isnan(s.max) && isnan(s.mean) && isnan(s.std));
    NEAR(0, s.sum, 0);
    NEAR(0, s.entropy, 0);
    convd_stats_of(NULL, 0, &s);
    EQ(0, s.count);
    OK(isnan(s.mean));
}
TEST(a_constant_map_has_no_spread_and_one_bin)
{
    float x[100];
    for (int i = 0; i < 100; i++) x[i] = 7;
    struct convd_stats s;
    convd_stats_of(x, 100, &s);
    NEAR(0, s.std, 0);
    EQ(100, s.histogram[0]);
    OK(s.entropy == 0 && !signbit(s.entropy));
}
TEST(the_largest_floats_do_not_overflow)
{
    struct convd_stats s;
    convd_stats_of((const float[]){0x1.fffffep127f, -0x1.fffffep127f}, 2, &s);
    NEAR(0, s.mean, 0);
    NEAR((double)0x1.fffffep127f, s.std, 1e30);
    EQ(1, s.histogram[0]);
    EQ(1, s.histogram[255]);
}
/* A million numbers around a large mean: the plain formula on long doubles is the truth. */
TEST(a_large_mean_keeps_a_small_spread)
{
    enum { N = 1000000 };
    float *x = malloc(N * sizeof *x);
    struct t_rng r = t_rng(5);
    long double sum = 0, squares = 0;
    for (int i = 0; i < N; i++) {
        x[i] = (float)(10000 + t_uniform(&r, -1, 1));
        sum += (long double)x[i];
    }
    for (int i = 0; i < N; i++) squares += ((long double)x[i] - sum / N) * ((long double)x[i] - sum / N);
    struct convd_stats s;
    convd_stats_of(x, N, &s);
    NEAR(sum / N, s.mean, 1e-8);
    NEAR(sqrtl(squares / N), s.std, 1e-9);
    uint64_t total = 0;
    for (int i = 0; i < 256; i++) total += s.histogram[i];
    EQ(N, total);
    OK(s.entropy > 7.9 && s.entropy <= 8);
    free(x);
}
T_MAIN("core/stats")
