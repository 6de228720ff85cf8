/* Maps to pictures: sizes, rounding, what is not finite, ranges, colours, grids. */
#include "../t.h"
#include "../../core/draw.h"

static struct convd_shape shape(ptrdiff_t n, ptrdiff_t c, ptrdiff_t h, ptrdiff_t w)
{
    return (struct convd_shape){n, c, h, w};
}
static void size_is(struct convd_shape s, struct convd_view_options o, ptrdiff_t w, ptrdiff_t h, ptrdiff_t c, bool direct)
{
    struct convd_view_size z;
    OK(convd_view_size(s, &o, &z));
    EQ(w, z.width);
    EQ(h, z.height);
    EQ(c, z.channels);
    EQ(direct, z.direct);
}
TEST(sizes)
{
    struct convd_view_options any = {.depth = 8};
    size_is(shape(1, 1, 4, 5), any, 5, 4, 1, true);
    size_is(shape(1, 3, 4, 5), any, 5, 4, 3, true);
    size_is(shape(1, 2, 4, 5), any, 11, 4, 1, false);
    size_is(shape(1, 4, 4, 5), any, 11, 9, 1, false);
    size_is(shape(1, 5, 4, 5), any, 17, 9, 1, false);
    size_is(shape(1, 64, 4, 5), any, 47, 39, 1, false);
    size_is(shape(2, 1, 4, 5), any, 11, 4, 1, false);
    size_is(shape(2, 3, 4, 5), any, 17, 9, 1, false); /* one grid of all maps, sample by sample */
    size_is(shape(1, 4, 4, 5), (struct convd_view_options){.depth = 8, .rgba = true}, 5, 4, 4, true);
    size_is(shape(1, 3, 4, 5), (struct convd_view_options){.kind = CONVD_VIEW_GRID, .depth = 8}, 11, 9, 1, false);
    size_is(shape(1, 3, 4, 5), (struct convd_view_options){.kind = CONVD_VIEW_CHANNEL, .channel = 2}, 5, 4, 1, false);
    size_is(shape(1, 1, 4, 5), (struct convd_view_options){.kind = CONVD_VIEW_CHANNEL}, 5, 4, 1, true);
    size_is(shape(3, 2, 4, 5), (struct convd_view_options){.kind = CONVD_VIEW_CHANNEL, .channel = 1}, 11, 9, 1, false);
    size_is(shape(1, 1, 4, 5), (struct convd_view_options){.normalize = CONVD_NORM_MINMAX}, 5, 4, 1, false);
    size_is(shape(1, 3, 4, 5), (struct convd_view_options){.normalize = CONVD_NORM_MINMAX}, 5, 4, 3, false);
    size_is(shape(1, 1, 4, 5), (struct convd_view_options){.normalize = CONVD_NORM_SIGNED}, 5, 4, 3, false);
    size_is(shape(1, 3, 4, 5), (struct convd_view_options){.normalize = CONVD_NORM_TURBO}, 11, 9, 3, false);
}
TEST(what_cannot_be_drawn_is_told)
{
    struct convd_view_size z;
    OK(!convd_view_size(shape(1, 3, 4, 5), &(struct convd_view_options){.kind = CONVD_VIEW_CHANNEL, .channel = 3}, &z));
    OK(!convd_view_size(shape(1, 3, 4, 5), &(struct convd_view_options){.kind = CONVD_VIEW_CHANNEL, .channel = -1}, &z));
    OK(!convd_view_size(shape(1, (ptrdiff_t)1 << 62, 4, 5), &(struct convd_view_options){.depth = 8}, &z));
    OK(!convd_view_size(shape(1, 4, (ptrdiff_t)1 << 31, 1), &(struct convd_view_options){.depth = 8}, &z));
    OK(!convd_view_size(shape(1, 1, 0, 1), &(struct convd_view_options){.depth = 8}, &z));
}
TEST(eight_bits_round_half_to_even_and_saturate)
{
    const float x[] = {0.5f, 1.5f, 2.5f, 254.5f, -0.25f, 255.25f, -7, 300, NAN, INFINITY, -INFINITY, 100};
    const uint8_t right[] = {0, 2, 2, 254, 0, 255, 0, 255, 0, 255, 0, 100};
    uint8_t y[12];
    EQ(7, convd_draw(x, shape(1, 1, 3, 4), &(struct convd_view_options){.depth = 8}, y));
    for (int i = 0; i < 12; i++) EQ(right[i], y[i]);
}
TEST(sixteen_bits_are_257_times_the_value)
{
    const float x[] = {0, 1, 0.5f, 255, 256, 100.25f};
    const uint16_t right[] = {0, 257, 128, 65535, 65535, 25764};
    uint16_t y[6];
    EQ(1, convd_draw(x, shape(1, 1, 2, 3), &(struct convd_view_options){.depth = 16}, y));
    for (int i = 0; i < 6; i++) EQ(right[i], y[i]);
}
TEST(three_channels_are_interleaved)
{
    const float x[] = {1, 2, 3, 4, 5, 6};
    const uint8_t right[] = {1, 3, 5, 2, 4, 6};
    uint8_t y[6];
    EQ(0, convd_draw(x, shape(1, 3, 1, 2), &(struct convd_view_options){.depth = 8}, y));
    for (int i = 0; i < 6; i++) EQ(right[i], y[i]);
}
TEST(minmax_spreads_each_map_and_leaves_out_what_is_not_finite)
{
    const float x[] = {-2, 0, 2, NAN, /**/ 5, 5, 5, 5, /**/ 10, 20, INFINITY, -INFINITY};
    uint8_t y[5 * 5];
    struct convd_view_options o = {.normalize = CONVD_NORM_MINMAX, .depth = 8};
    struct convd_view_options grid = {.kind = CONVD_VIEW_GRID, .normalize = CONVD_NORM_MINMAX, .depth = 8};
    EQ(3, convd_draw(x, shape(1, 3, 2, 2), &grid, y));
    const uint8_t right[25] = {0, 128, 0, 0, 0, 255, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 255, 0, 0, 0, 255, 0, 0, 0, 0};
    for (int i = 0; i < 25; i++) EQ(right[i], y[i]);
    /* As a picture the three share one range: colours stay what they were to each other. */
    uint8_t z[6];
    EQ(0, convd_draw((const float[]){0, 1, 0, 2, 0, 4}, shape(1, 3, 1, 2), &o, z));
    const uint8_t shared[] = {0, 0, 0, 64, 128, 255};
    for (int i = 0; i < 6; i++) EQ(shared[i], z[i]);
}
TEST(the_largest_floats_spread_too)
{
    uint8_t y[3];
    struct convd_view_options o = {.normalize = CONVD_NORM_MINMAX, .depth = 8};
    EQ(0, convd_draw((const float[]){-0x1.fffffep127f, 0, 0x1.fffffep127f}, shape(1, 1, 1, 3), &o, y));
    EQ(0, y[0]);
    EQ(128, y[1]);
    EQ(255, y[2]);
}
static void colours_are(enum convd_normalize n, const float *x, ptrdiff_t w, const uint8_t *right, int off)
{
    uint8_t y[3 * 16];
    convd_draw(x, shape(1, 1, 1, w), &(struct convd_view_options){.normalize = n, .depth = 8}, y);
    for (int i = 0; i < 3 * w; i++) NEAR(right[i], y[i], off);
}
TEST(colour_maps_end_and_middle_where_their_authors_put_them)
{
    const float ramp[] = {0, 128, 255};
    colours_are(CONVD_NORM_VIRIDIS, ramp, 3, (const uint8_t[]){68, 1, 84, 33, 145, 140, 253, 231, 37}, 0);
    colours_are(CONVD_NORM_MAGMA, ramp, 3, (const uint8_t[]){0, 0, 4, 183, 55, 121, 252, 253, 191}, 0);
    colours_are(CONVD_NORM_TURBO, ramp, 3, (const uint8_t[]){48, 18, 59, 164, 252, 60, 122, 4, 3}, 1);
}
TEST(signed_has_white_at_zero_and_both_ends_as_far)
{
    const float x[] = {-4, 0, 4, 2, -2, NAN};
    uint8_t y[18];
    EQ(1, convd_draw(x, shape(1, 1, 1, 6), &(struct convd_view_options){.normalize = CONVD_NORM_SIGNED, .depth = 8}, y));
    OK(y[2] > 150 && y[0] < 60); /* blue */
    EQ(255, y[3]);
    EQ(255, y[4]);
    EQ(255, y[5]);
    OK(y[6] > 150 && y[8] < 60); /* red  */
    OK(y[9] > y[6] && y[14] > y[2]);
    EQ(0, y[15] + y[16] + y[17]);
    const float zeros[] = {0, 0};
    colours_are(CONVD_NORM_SIGNED, zeros, 2, (const uint8_t[]){255, 255, 255, 255, 255, 255}, 0);
    const float positive[] = {0, 9};
    colours_are(CONVD_NORM_SIGNED, positive, 1, (const uint8_t[]){255, 255, 255}, 0);
}
TEST(a_grid_goes_sample_by_sample_with_a_pixel_of_black_between)
{
    const float x[] = {10, 20, 30, 40, 50, 60}; /* two samples of three maps of one pixel */
    uint8_t y[5 * 3];
    EQ(0, convd_draw(x, shape(2, 3, 1, 1), &(struct convd_view_options){.depth = 8}, y));
    const uint8_t right[] = {10, 0, 20, 0, 30, 0, 0, 0, 0, 0, 40, 0, 50, 0, 60};
    for (int i = 0; i < 15; i++) EQ(right[i], y[i]);
}
TEST(a_colour_grid_in_16_bits_has_its_tiles_in_place)
{
    const float x[] = {0, 255, 0, 255};
    uint16_t y[5 * 1 * 3];
    struct convd_view_options o = {.normalize = CONVD_NORM_VIRIDIS, .depth = 16};
    convd_draw(x, shape(1, 2, 1, 2), &o, y);
    EQ(68 * 257, y[0]);
    EQ(253 * 257, y[3]);
    EQ(0, y[6] + y[7] + y[8]);
    EQ(68 * 257, y[9]);
    EQ(37 * 257, y[14]);
}
T_MAIN("core/draw")
