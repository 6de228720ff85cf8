/* Ops on channels and geometry: where each number goes, what is refused. */
#include "lib_run.h"

/* Numbers 0, 1, 2 … */
static const float *count(void)
{
    static float x[4096];
    for (int i = 0; i < 4096; i++) x[i] = (float)i;
    return x;
}

static struct convd_shape shape(ptrdiff_t c, ptrdiff_t h, ptrdiff_t w)
{
    return (struct convd_shape){1, c, h, w};
}

TEST(gray_is_the_luma_of_the_first_three)
{
    const float rgba[] = {255, 100, 0, 255, 50, 255, 255, 25, 0, 7, 7, 7};
    expect_numbers("[\"grayscale\"]", shape(4, 1, 3), rgba, shape(1, 1, 3),
                   (const float[]){255, 0.299F * 100 + 0.587F * 50 + 0.114F * 25, 0.587F * 255});
    expect_numbers("[\"gray\"]", shape(1, 1, 3), rgba, shape(1, 1, 3), rgba);
    struct answer a = run("[\"grayscale\"]", shape(3, 1, 3),
                          (const float[]){255, 255, 255, 255, 255, 255, 255, 255, 255});
    OK(a.y && a.y[0] <= 255); /* white does not count as saturated */
    answer_free(&a);
    expect_fault("[\"grayscale\"]", shape(2, 4, 4), CONVD_BAD_SHAPE, "/steps/0",
                 "2 channels have no gray", "1, 3 or 4 channels; reduce:mean takes any number");
}

TEST(channels_are_selected_in_the_order_given)
{
    expect_numbers("[{\"op\":\"select\",\"channels\":[2,0,2]}]", shape(3, 1, 2), count(),
                   shape(3, 1, 2), (const float[]){4, 5, 0, 1, 4, 5});
    expect_fault("[{\"op\":\"select\",\"channels\":[0,3]}]", shape(3, 1, 2), CONVD_OUT_OF_RANGE,
                 "/steps/0/channels", "there is no channel 3", "numbers from 0 to 2");
}

TEST(reductions)
{
    const struct convd_shape s = shape(2, 2, 3);
    expect_numbers("[{\"op\":\"reduce\",\"fn\":\"sum\"}]", s, count(), shape(1, 2, 3),
                   (const float[]){6, 8, 10, 12, 14, 16});
    expect_numbers("[{\"op\":\"reduce\",\"fn\":\"mean\",\"dim\":\"height\"}]", s, count(),
                   shape(2, 1, 3), (const float[]){1.5F, 2.5F, 3.5F, 7.5F, 8.5F, 9.5F});
    expect_numbers("[{\"op\":\"reduce\",\"fn\":\"max\",\"dim\":\"width\"}]", s, count(),
                   shape(2, 2, 1), (const float[]){2, 5, 8, 11});
    expect_numbers("[{\"op\":\"reduce\",\"fn\":\"min\",\"dim\":\"width\"}]", s,
                   (const float[]){1, NAN, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11}, shape(2, 2, 1),
                   (const float[]){NAN, 3, 6, 9});
    expect_numbers("[{\"op\":\"reduce\",\"fn\":\"l2\"}]", shape(2, 1, 1),
                   (const float[]){3e30F, 4e30F}, shape(1, 1, 1), (const float[]){5e30F});
    expect_fault("[\"reduce\"]", s, CONVD_MISSING, "/steps/0/fn", "reduce needs fn",
                 "one of \"sum\", \"mean\", \"max\", \"min\", \"l2\"");
}

TEST(shuffles_and_their_inverses)
{
    expect_numbers("[{\"op\":\"shuffle\",\"groups\":2}]", shape(6, 1, 1), count(), shape(6, 1, 1),
                   (const float[]){0, 3, 1, 4, 2, 5});
    expect_numbers("[{\"op\":\"shuffle\",\"groups\":2},{\"op\":\"shuffle\",\"groups\":3}]",
                   shape(6, 3, 5), count(), shape(6, 3, 5), count());
    expect_numbers("[{\"op\":\"pixel_shuffle\",\"factor\":2}]", shape(4, 1, 2), count(),
                   shape(1, 2, 4), (const float[]){0, 2, 1, 3, 4, 6, 5, 7});
    expect_numbers(
        "[{\"op\":\"pixel_unshuffle\",\"factor\":3},{\"op\":\"pixel_shuffle\",\"factor\":3}]",
        shape(2, 6, 9), count(), shape(2, 6, 9), count());
    expect_fault("[{\"op\":\"shuffle\",\"groups\":4}]", shape(6, 1, 1), CONVD_BAD_SHAPE,
                 "/steps/0/groups", "6 channels do not make 4 groups", "a divisor of the channels");
    expect_fault("[{\"op\":\"pixel_shuffle\",\"factor\":2}]", shape(6, 1, 1), CONVD_BAD_SHAPE,
                 "/steps/0/factor", "6 channels do not make squares of 2x2",
                 "a factor whose square divides the channels");
    expect_fault("[{\"op\":\"pixel_unshuffle\",\"factor\":2}]", shape(1, 4, 3), CONVD_BAD_SHAPE,
                 "/steps/0/factor", "4x3 does not make squares of 2x2",
                 "a factor that divides height and width");
}

TEST(flatten_goes_channel_by_channel)
{
    expect_numbers("[\"flatten\"]", shape(2, 2, 3), count(), shape(12, 1, 1), count());
}

TEST(turns_and_mirrors)
{
    const struct convd_shape s = shape(1, 2, 3);
    expect_numbers("[\"rotate\"]", s, count(), shape(1, 3, 2), (const float[]){3, 0, 4, 1, 5, 2});
    expect_numbers("[{\"op\":\"rotate\",\"turns\":2}]", s, count(), s,
                   (const float[]){5, 4, 3, 2, 1, 0});
    expect_numbers("[{\"op\":\"rotate\",\"turns\":3}]", s, count(), shape(1, 3, 2),
                   (const float[]){2, 5, 1, 4, 0, 3});
    expect_numbers("[{\"op\":\"rotate\",\"turns\":-1}]", s, count(), shape(1, 3, 2),
                   (const float[]){2, 5, 1, 4, 0, 3});
    expect_numbers("[{\"op\":\"rotate\",\"turns\":0}]", s, count(), s, count());
    expect_numbers("[\"rotate\",\"rotate\",\"rotate\",\"rotate\"]", shape(3, 37, 33), count(),
                   shape(3, 37, 33), count());
    expect_numbers("[{\"op\":\"flip\",\"axis\":\"x\"}]", s, count(), s,
                   (const float[]){2, 1, 0, 5, 4, 3});
    expect_numbers("[{\"op\":\"flip\",\"axis\":\"y\"}]", s, count(), s,
                   (const float[]){3, 4, 5, 0, 1, 2});
    expect_numbers("[{\"op\":\"flip\",\"axis\":\"xy\"}]", s, count(), s,
                   (const float[]){5, 4, 3, 2, 1, 0});
}

TEST(crops_lie_inside)
{
    expect_numbers("[{\"op\":\"crop\",\"top\":1,\"left\":2,\"height\":2,\"width\":1}]",
                   shape(1, 3, 4), count(), shape(1, 2, 1), (const float[]){6, 10});
    expect_fault("[{\"op\":\"crop\",\"top\":2,\"height\":2,\"width\":4}]", shape(1, 3, 4),
                 CONVD_OUT_OF_RANGE, "/steps/0/height",
                 "top 2 and height 2 reach to 4, the picture to 3", "top + height of at most 3");
}

TEST(borders_of_every_mode)
{
    const struct convd_shape s = shape(1, 1, 3), y = shape(1, 1, 9);
    static const struct {
        const char *mode;
        float y[9];
    } rows[] = {
        {"zeros", {0, 0, 0, 0, 1, 2, 0, 0, 0}},     {"reflect", {1, 2, 1, 0, 1, 2, 1, 0, 1}},
        {"symmetric", {2, 1, 0, 0, 1, 2, 2, 1, 0}}, {"replicate", {0, 0, 0, 0, 1, 2, 2, 2, 2}},
        {"circular", {0, 1, 2, 0, 1, 2, 0, 1, 2}},  {"constant", {7, 7, 7, 0, 1, 2, 7, 7, 7}},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char steps[200];
        snprintf(steps, sizeof steps,
                 "[{\"op\":\"pad\",\"padding\":[0,3],\"padding_mode\":\"%s\",\"padding_value\":7}]",
                 rows[i].mode);
        expect_numbers(steps, s, count(), y, rows[i].y);
    }
    /* a value alone is meant: the default mode is constant, as torch's */
    expect_numbers("[{\"op\":\"pad\",\"padding\":[0,1,0,0],\"padding_value\":5}]", s, count(),
                   shape(1, 1, 4), (const float[]){5, 0, 1, 2});
    expect_fault("[{\"op\":\"pad\",\"padding\":\"same\"}]", s, CONVD_OUT_OF_RANGE,
                 "/steps/0/padding", "padding is \"same\"",
                 "an integer from 0 to 65536, [h,w] or [top,left,bottom,right]");
}

/* ---- resize ---- */

TEST(nearest_takes_floor_of_i_times_in_over_out)
{
    /* in floating point 49 * (2 / 98) falls short of 1 */
    struct answer a =
        run("[{\"op\":\"resize\",\"size\":[1,98],\"mode\":\"nearest\"}]", shape(1, 1, 2), count());
    OK(a.y);
    for (int i = 0; i < 98; i++) NEAR(i / 49, a.y[i], 0);
    answer_free(&a);
    expect_numbers("[{\"op\":\"resize\",\"scale_factor\":[1,0.6],\"mode\":\"nearest\"}]",
                   shape(1, 1, 7), count(), shape(1, 1, 4), (const float[]){0, 1, 3, 5});
}

TEST(area_weighs_by_overlap_and_keeps_the_mean)
{
    expect_numbers("[{\"op\":\"resize\",\"size\":[1,2],\"mode\":\"area\"}]", shape(1, 1, 5),
                   count(), shape(1, 1, 2),
                   (const float[]){(0 + 1 + 2 * 0.5F) / 2.5F, (2 * 0.5F + 3 + 4) / 2.5F});
    expect_numbers("[{\"op\":\"resize\",\"size\":[1,3],\"mode\":\"area\"}]", shape(1, 1, 2),
                   count(), shape(1, 1, 3), (const float[]){0, 0.5F, 1});
    expect_numbers("[{\"op\":\"resize\",\"scale_factor\":0.5,\"mode\":\"area\"}]", shape(1, 5, 5),
                   count(), shape(1, 2, 2),
                   (const float[]){4.8F, 7.2F, 16.8F, 19.2F}); /* by size: 5 / 2, not 2 */
}

TEST(linear_maps_centres_or_corners)
{
    expect_numbers("[{\"op\":\"resize\",\"size\":[1,4]}]", shape(1, 1, 2), count(), shape(1, 1, 4),
                   (const float[]){0, 0.25F, 0.75F, 1});
    expect_numbers("[{\"op\":\"resize\",\"size\":[1,4],\"align_corners\":true}]", shape(1, 1, 2),
                   count(), shape(1, 1, 4), (const float[]){0, 1 / 3.0F, 2 / 3.0F, 1});
    expect_numbers("[{\"op\":\"resize\",\"size\":[1,1],\"align_corners\":true}]", shape(1, 1, 5),
                   count(), shape(1, 1, 1), (const float[]){0});
    /* the factor as given: 5 * 0.5 is 2 wide, yet a step is 2 and not 2.5 */
    expect_numbers("[{\"op\":\"resize\",\"scale_factor\":[1,0.5]}]", shape(1, 1, 5), count(),
                   shape(1, 1, 2), (const float[]){0.5F, 2.5F});
    expect_numbers("[{\"op\":\"resize\",\"size\":[37,31],\"mode\":\"bicubic\"}]", shape(2, 37, 31),
                   count(), shape(2, 37, 31), count());
}

TEST(resizes_that_say_nothing_are_refused)
{
    const struct convd_shape s = shape(1, 3, 4);
    expect_fault("[\"resize\"]", s, CONVD_MISSING, "/steps/0/size",
                 "resize needs one of size and scale_factor", "one of size and scale_factor");
    expect_fault("[{\"op\":\"resize\",\"size\":3,\"scale_factor\":2}]", s, CONVD_OUT_OF_RANGE,
                 "/steps/0/scale_factor", "both size and scale_factor are given",
                 "one of size and scale_factor");
    expect_fault("[{\"op\":\"resize\",\"scale_factor\":0.3}]", s, CONVD_BAD_SHAPE,
                 "/steps/0/scale_factor", "0.3x0.3 of 3x4 leaves nothing",
                 "a factor that leaves at least one pixel");
    expect_fault("[{\"op\":\"resize\",\"size\":3,\"mode\":\"area\",\"align_corners\":true}]", s,
                 CONVD_OUT_OF_RANGE, "/steps/0/align_corners",
                 "align_corners means nothing to mode area", "false, or mode bilinear or bicubic");
}

T_MAIN("core/ops_maps")
