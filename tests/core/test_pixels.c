/* Pictures in and out of planes, every combination of stored and seen channels, on every variant. */
#include "../../core/pixels.h"
#include "../../core/simd/simd.h"
#include "../t.h"

static size_t size_of(enum convd_pixels pixels)
{
    return pixels == CONVD_U8_HWC ? 1 : pixels == CONVD_U16_HWC ? 2 : 4;
}

static double stored_at(const struct convd_input *in, const void *data, ptrdiff_t n, ptrdiff_t c,
                        ptrdiff_t i, ptrdiff_t j)
{
    const ptrdiff_t hwc = ((n * in->height + i) * in->width + j) * in->stored + c;
    if (in->pixels == CONVD_U8_HWC) return ((const uint8_t *)data)[hwc];
    if (in->pixels == CONVD_U16_HWC) return ((const uint16_t *)data)[hwc] / 257.0;
    return (double)((const float *)data)[((n * in->stored + c) * in->height + i) * in->width + j];
}

static double seen_at(const struct convd_input *in, const void *data, ptrdiff_t n, ptrdiff_t c,
                      ptrdiff_t i, ptrdiff_t j)
{
    if (in->stored >= 3 && in->channels == 1)
        return 0.299 * stored_at(in, data, n, 0, i, j) + 0.587 * stored_at(in, data, n, 1, i, j) +
               0.114 * stored_at(in, data, n, 2, i, j);
    if (c < in->stored) return stored_at(in, data, n, c, i, j);
    return c == 3 ? 255 : stored_at(in, data, n, 0, i, j);
}

TEST(every_picture_is_unpacked_as_the_pipeline_sees_it)
{
    struct t_rng r = t_rng(9);
    const struct convd_simd *s;
    for (size_t v = 0; (s = convd_simd_at(v)); v++)
        for (int round = 0; round < 600; round++) {
            struct convd_input in = {.pixels = (enum convd_pixels)t_between(&r, 0, 2),
                                     .n = t_between(&r, 1, 2),
                                     .height = t_between(&r, 1, 6),
                                     .width = t_between(&r, 1, 150)};
            in.stored = (ptrdiff_t[]){1, 3, 4, 1, 3}[t_between(&r, 0, 4)];
            in.channels = in.pixels == CONVD_F32_NCHW ? in.stored
                                                      : (ptrdiff_t[]){1, 3, 4}[t_between(&r, 0, 2)];
            size_t bytes;
            OK(convd_pixels_bytes(in.pixels, in.n, in.stored, in.height, in.width, &bytes));
            EQ((size_t)(in.n * in.stored * in.height * in.width) * size_of(in.pixels), bytes);
            uint8_t *data = malloc(bytes);
            for (size_t i = 0; i < bytes; i++) data[i] = (uint8_t)t_random(&r);
            for (size_t i = 0; in.pixels == CONVD_F32_NCHW && i < bytes / 4; i++)
                ((float *)(void *)data)[i] = (float)t_uniform(&r, -9, 9);
            struct convd_view y = {
                .c = in.channels, .h = in.height, .w = in.width, .row = in.width + 5};
            y.y0 = t_between(&r, 0, in.height - 1);
            y.y1 = t_between(&r, y.y0 + 1, in.height);
            y.plane = y.row * (y.y1 - y.y0);
            float *out = malloc((size_t)(y.plane * y.c) * sizeof *out);
            for (ptrdiff_t i = 0; i < y.plane * y.c; i++) out[i] = -1234;
            y.data = out;
            const ptrdiff_t n = t_between(&r, 0, in.n - 1);
            convd_pixels_unpack(&in, data, n, &y, s);
            for (ptrdiff_t c = 0; c < y.c; c++)
                for (ptrdiff_t i = y.y0; i < y.y1; i++)
                    for (ptrdiff_t j = 0; j < y.row; j++) {
                        const double want = j < y.w ? seen_at(&in, data, n, c, i, j) : -1234;
                        NEAR(want, convd_row(&y, c, i)[j], in.pixels == CONVD_F32_NCHW ? 0 : 5e-5);
                        if (in.pixels == CONVD_U8_HWC && in.channels > 1)
                            NEAR(want, convd_row(&y, c, i)[j], 0);
                    }
            free(out);
            free(data);
        }
}

/* Half to even in double, of a value already in steps. */
static double rounded(double v, double step, double top, bool *saturated)
{
    *saturated = !(v >= 0 && v <= 255);
    if (isnan(v)) return 0;
    return rint(fmin(fmax(v, 0), 255) * step) > top ? top : rint(fmin(fmax(v, 0), 255) * step);
}

TEST(pictures_are_packed_half_to_even_and_saturated)
{
    struct t_rng r = t_rng(10);
    const struct convd_simd *s;
    for (size_t v = 0; (s = convd_simd_at(v)); v++)
        for (int round = 0; round < 600; round++) {
            const enum convd_pixels pixels = (enum convd_pixels)t_between(&r, 0, 2);
            struct convd_view x = {
                .c = t_between(&r, 1, 6), .h = t_between(&r, 1, 5), .w = t_between(&r, 1, 300)};
            x.row = x.w + 1;
            x.y0 = t_between(&r, 0, x.h - 1);
            x.y1 = t_between(&r, x.y0 + 1, x.h);
            x.plane = x.row * (x.y1 - x.y0);
            float *in = malloc((size_t)(x.plane * x.c) * sizeof *in);
            for (ptrdiff_t i = 0; i < x.plane * x.c; i++) {
                static const float odd[] = {NAN,  INFINITY, -INFINITY, -0.0f, 255.5f,
                                            0.5f, 1.5f,     1e20f,     -1e-9f};
                in[i] = t_between(&r, 0, 9) ? (float)(t_between(&r, -20, 530)) / 2
                                            : odd[t_between(&r, 0, 8)];
                if (t_between(&r, 0, 1)) in[i] = (float)t_uniform(&r, -10, 265);
            }
            x.data = in;
            size_t bytes;
            OK(convd_pixels_bytes(pixels, 2, x.c, x.h, x.w, &bytes));
            uint8_t *out = malloc(bytes);
            memset(out, 0x7c, bytes);
            const uint64_t got = convd_pixels_pack(&x, pixels, 1, out, s);
            uint64_t want = 0;
            const struct convd_input as = {.pixels = pixels,
                                           .n = 2,
                                           .height = x.h,
                                           .width = x.w,
                                           .stored = x.c,
                                           .channels = x.c};
            for (ptrdiff_t c = 0; c < x.c; c++)
                for (ptrdiff_t i = x.y0; i < x.y1; i++)
                    for (ptrdiff_t j = 0; j < x.w; j++) {
                        const double value = (double)convd_row(&x, c, i)[j];
                        bool saturated = false;
                        if (pixels == CONVD_U8_HWC)
                            NEAR(rounded(value, 1, 255, &saturated),
                                 stored_at(&as, out, 1, c, i, j), 0);
                        else if (pixels == CONVD_U16_HWC)
                            NEAR(rounded(value, 257, 65535, &saturated),
                                 257 * stored_at(&as, out, 1, c, i, j), 1e-9);
                        else
                            NEAR(value, stored_at(&as, out, 1, c, i, j), 0);
                        want += saturated;
                    }
            EQ(want, got);
            for (size_t i = 0; i < bytes / 2; i++)
                EQ(0x7c, out[i]); /* sample 0 is nobody's business */
            free(in);
            free(out);
        }
}

TEST(eight_and_sixteen_bits_survive_the_way_there_and_back)
{
    const struct convd_simd *s;
    for (size_t v = 0; (s = convd_simd_at(v)); v++) {
        static uint16_t x[65536], y[65536];
        static float f[65536];
        for (int i = 0; i < 65536; i++) x[i] = (uint16_t)i;
        const struct convd_input in = {.pixels = CONVD_U16_HWC,
                                       .n = 1,
                                       .height = 256,
                                       .width = 256,
                                       .stored = 1,
                                       .channels = 1};
        const struct convd_view map = {
            .data = f, .c = 1, .h = 256, .w = 256, .y0 = 0, .y1 = 256, .row = 256, .plane = 65536};
        convd_pixels_unpack(&in, x, 0, &map, s);
        EQ(0, convd_pixels_pack(&map, CONVD_U16_HWC, 0, y, s));
        OK(memcmp(x, y, sizeof x) == 0);
    }
}

TEST(sizes_that_overflow_are_told)
{
    size_t bytes;
    OK(!convd_pixels_bytes(CONVD_F32_NCHW, 1, PTRDIFF_MAX / 2, 4, 1, &bytes));
    OK(!convd_pixels_bytes(CONVD_U8_HWC, PTRDIFF_MAX, PTRDIFF_MAX, 1, 1, &bytes));
}

T_MAIN("core/pixels")
