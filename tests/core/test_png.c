/* PNG written here, read by two other readers; PNG files that break single rules; odd but legal ones. */
/* link: -lspng */
#include "picture.h"
#include <spng.h>
#include "stb_png.h"

static void *noise(size_t n, struct t_rng *r)
{
    uint8_t *x = malloc(n);
    for (size_t k = 0; k < n; k++) x[k] = (uint8_t)(t_random(r) & (k % 3 ? 255 : 7));
    return x;
}
static struct convd_bytes written(const void *x, ptrdiff_t w, ptrdiff_t h, ptrdiff_t c, int depth, int compression)
{
    struct convd_faults *f = convd_faults_new();
    struct convd_bytes out = {0};
    struct convd_picture p = {.data = x, .width = w, .height = h, .channels = c, .depth = depth};
    OK(convd_image_encode(convd_codec_named("png"), &p, &(struct convd_encode_options){.compression = compression}, &out, f));
    convd_faults_free(f);
    return out;
}
static void libspng_reads(const struct convd_bytes *png, const void *x, size_t n)
{
    spng_ctx *ctx = spng_ctx_new(0);
    uint8_t *y = malloc(n);
    EQ(0, spng_set_png_buffer(ctx, png->data, png->n));
    EQ(0, spng_decode_image(ctx, y, n, SPNG_FMT_PNG, 0));
    EQ(0, spng_decode_chunks(ctx));
    EQ(0, memcmp(x, y, n));
    free(y);
    spng_ctx_free(ctx);
}
static void stb_reads(const struct convd_bytes *png, const void *x, size_t n, int depth)
{
    int w, h, c;
    void *y = depth == 16 ? (void *)stbi_load_16_from_memory(png->data, (int)png->n, &w, &h, &c, 0)
                          : (void *)stbi_load_from_memory(png->data, (int)png->n, &w, &h, &c, 0);
    OK(y != NULL);
    EQ(0, memcmp(x, y, n));
    stbi_image_free(y);
}
TEST(other_readers_read_what_is_written)
{
    struct t_rng r = t_rng(3);
    for (int round = 0; round < 40; round++) {
        ptrdiff_t w = t_between(&r, 1, 90), h = t_between(&r, 1, 40), c = t_between(&r, 1, 4);
        int depth = round & 1 ? 16 : 8;
        size_t n = (size_t)(w * h * c * depth / 8);
        void *x = noise(n, &r);
        struct convd_bytes png = written(x, w, h, c, depth, round % 11 - 1);
        libspng_reads(&png, x, n);
        stb_reads(&png, x, n, depth);
        convd_bytes_release(&png);
        free(x);
    }
}
TEST(more_compression_makes_a_photo_smaller)
{
    size_t n, before = SIZE_MAX;
    uint8_t *file = exact_file("images/photos/horse.png", &n);
    struct decoded d = decode_picture(file, n);
    OK(d.good);
    static const int levels[] = {0, 1, 9};
    for (int i = 0; i < 3; i++) {
        struct convd_bytes png = written(d.pixels, d.info.input.width, d.info.input.height, 3, 8, levels[i]);
        OK(png.n < before);
        before = png.n;
        convd_bytes_release(&png);
    }
    decoded_free(&d);
    free(file);
}
/* By default repeats are looked for only where they pay, and filters are chosen: never much larger than with them. */
TEST(the_default_is_near_level_1_on_a_photo_and_on_a_flat_picture)
{
    size_t n;
    uint8_t *file = exact_file("images/photos/camera.png", &n);
    struct decoded d = decode_picture(file, n);
    OK(d.good);
    for (int flat = 0; flat < 2; flat++) {
        if (flat)
            for (size_t k = 0; k < d.info.bytes; k++) d.pixels[k] = k / 20 % 3 ? 200 : 100;
        struct convd_bytes png = written(d.pixels, d.info.input.width, d.info.input.height, 1, 8, -1);
        struct convd_bytes level1 = written(d.pixels, d.info.input.width, d.info.input.height, 1, 8, 1);
        if ((double)png.n > (flat ? 1.1 : 1.02) * (double)level1.n)
            T_FAIL("flat %d: %zu bytes, %zu at level 1", flat, png.n, level1.n);
        convd_bytes_release(&png);
        convd_bytes_release(&level1);
    }
    decoded_free(&d);
    free(file);
}
/* Where repeats pay, where they do not, and where the guess of it is wrong: photos as they are, with fewer levels, and with
 * each value the largest of three, which leaves short repeats that cost more than they save. */
TEST(level_9_is_never_larger_than_another)
{
    static const int levels[] = {-1, 0, 1, 2, 6};
    static const char *const photos[] = {"images/photos/camera.png", "images/photos/horse.png",
                                         "images/photos/astronaut.png"};
    for (int i = 0; i < 9; i++) {
        size_t n;
        uint8_t *file = exact_file(photos[i % 3], &n);
        struct decoded d = decode_picture(file, n);
        OK(d.good);
        const size_t c = (size_t)d.info.input.stored;
        uint8_t *x = d.pixels;
        for (size_t k = 0; k + 2 * c < d.info.bytes; k++) {
            const uint8_t pair = x[k] > x[k + c] ? x[k] : x[k + c];
            x[k] = (uint8_t)(i < 3 ? x[k] : i < 6 ? x[k] & ~31 : pair > x[k + 2 * c] ? pair : x[k + 2 * c]);
        }
        struct convd_bytes least = written(x, d.info.input.width, d.info.input.height, (ptrdiff_t)c, 8, 9);
        libspng_reads(&least, x, d.info.bytes);
        for (size_t k = 0; k < sizeof levels / sizeof *levels; k++) {
            struct convd_bytes png = written(x, d.info.input.width, d.info.input.height, (ptrdiff_t)c, 8, levels[k]);
            if (png.n < least.n)
                T_FAIL("picture %d: %zu bytes at level %d, %zu at 9", i, png.n, levels[k], least.n);
            convd_bytes_release(&png);
        }
        convd_bytes_release(&least);
        decoded_free(&d);
        free(file);
    }
}
/* Means of 9 x 9 pixels of c channels: smooth, with few repeats. */
static void blur(uint8_t *x, ptrdiff_t w, ptrdiff_t h, ptrdiff_t c)
{
    const size_t n = (size_t)(w * h * c);
    uint8_t *was = malloc(n);
    memcpy(was, x, n);
    for (ptrdiff_t i = 4; i < h - 4; i++)
        for (ptrdiff_t j = 4; j < w - 4; j++)
            for (ptrdiff_t k = 0; k < c; k++) {
                int sum = 0;
                for (ptrdiff_t a = -4; a <= 4; a++)
                    for (ptrdiff_t b = -4; b <= 4; b++) sum += was[((i + a) * w + j + b) * c + k];
                x[(i * w + j) * c + k] = (uint8_t)((sum + 40) / 81);
            }
    free(was);
}
/* What libspng makes of it with zlib's best level and filter Up alone. */
static size_t by_libspng(const uint8_t *x, ptrdiff_t w, ptrdiff_t h, size_t n)
{
    struct spng_ihdr head = {.width = (uint32_t)w,
                             .height = (uint32_t)h,
                             .bit_depth = 8,
                             .color_type = SPNG_COLOR_TYPE_TRUECOLOR};
    spng_ctx *ctx = spng_ctx_new(SPNG_CTX_ENCODER);
    int rc;
    size_t made = 0;
    spng_set_option(ctx, SPNG_ENCODE_TO_BUFFER, 1);
    spng_set_option(ctx, SPNG_IMG_COMPRESSION_LEVEL, 9);
    spng_set_option(ctx, SPNG_FILTER_CHOICE, SPNG_FILTER_CHOICE_UP);
    EQ(0, spng_set_ihdr(ctx, &head));
    EQ(0, spng_encode_image(ctx, x, n, SPNG_FMT_PNG, SPNG_ENCODE_FINALIZE));
    free(spng_get_png_buffer(ctx, &made, &rc));
    EQ(0, rc);
    spng_ctx_free(ctx);
    return made;
}
/* A blurred photo looks as if repeats would not pay, and they do. */
TEST(level_9_finds_what_a_guess_would_miss)
{
    size_t n;
    uint8_t *file = exact_file("images/photos/astronaut_palette.png", &n);
    struct decoded d = decode_picture(file, n);
    OK(d.good);
    const ptrdiff_t w = d.info.input.width, h = d.info.input.height;
    EQ(3, d.info.input.stored);
    blur(d.pixels, w, h, 3);
    struct convd_bytes png = written(d.pixels, w, h, 3, 8, 9),
                       fast = written(d.pixels, w, h, 3, 8, 6);
    const size_t other = by_libspng(d.pixels, w, h, d.info.bytes);
    print_message("level 9: %zu, 6: %zu, libspng: %zu\n", png.n, fast.n, other);
    OK((double)png.n <= 1.02 * (double)other && png.n < fast.n);
    libspng_reads(&png, d.pixels, d.info.bytes);
    convd_bytes_release(&png);
    convd_bytes_release(&fast);
    decoded_free(&d);
    free(file);
}
/* Sizes around stripes; noise, slopes and flat parts, so that stripes differ in what suits them. */
TEST(any_number_of_workers_writes_the_same_bytes)
{
    static const ptrdiff_t sizes[][3] = {{640, 480, 1}, {333, 517, 3}, {1, 200000, 1},
                                            {70000, 5, 4}, {90, 1, 2},    {257, 300, 4}};
    struct t_rng r = t_rng(12);
    struct convd_pool *pool = convd_pool_new(3);
    for (size_t i = 0; i < 2 * sizeof sizes / sizeof *sizes; i++) {
        ptrdiff_t w = sizes[i / 2][0], h = sizes[i / 2][1], c = sizes[i / 2][2];
        int depth = i & 1 ? 16 : 8;
        size_t n = (size_t)(w * h * c * depth / 8);
        uint8_t *x = noise(n, &r);
        for (size_t k = n / 3; k < n; k++) x[k] = (uint8_t)(k < 2 * n / 3 ? k / 7 + (x[k] & 3) : x[k] & 15);
        struct convd_picture p = {.data = x, .width = w, .height = h, .channels = c, .depth = depth};
        struct convd_bytes many = {0}, one = written(x, w, h, c, depth, -1);
        struct convd_faults *f = convd_faults_new();
        OK(convd_image_encode(convd_codec_named("png"), &p,
                              &(struct convd_encode_options){.compression = -1, .pool = pool}, &many, f));
        EQ(one.n, many.n);
        OK(memcmp(one.data, many.data, one.n) == 0);
        libspng_reads(&one, x, n);
        stb_reads(&one, x, n, depth);
        convd_bytes_release(&one);
        convd_bytes_release(&many);
        convd_faults_free(f);
        free(x);
    }
    convd_pool_free(pool);
}
/* Room that is much and not needed is given back; a little is not worth a copy. */
TEST(bytes_are_trimmed_where_much_is_left)
{
    static const struct {
        size_t room, n, left;
    } cases[] = {{4 << 20, 1000, 1 << 16}, {4 << 20, 3 << 20, 4 << 20}, {1 << 20, 10, 1 << 20}, {4 << 20, 0, 4 << 20}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct convd_bytes b = {0};
        OK(convd_bytes_reserve(&b, cases[i].room));
        for (size_t k = 0; k < cases[i].n; k++) b.data[k] = (uint8_t)(k * 7);
        b.n = cases[i].n;
        convd_bytes_trim(&b);
        EQ(cases[i].left, b.room);
        EQ(cases[i].n, b.n);
        for (size_t k = 0; k < b.n; k++) EQ((uint8_t)(k * 7), b.data[k]);
        convd_bytes_release(&b);
    }
}
TEST(encoding_appends)
{
    struct convd_faults *f = convd_faults_new();
    struct convd_bytes out = {0};
    convd_bytes_put(&out, "before", 6);
    struct convd_picture p = {.data = "abc", .width = 3, .height = 1, .channels = 1, .depth = 8};
    OK(convd_image_encode(convd_codec_named("png"), &p, NULL, &out, f));
    EQ(0, memcmp(out.data, "before\x89PNG", 10));
    struct decoded d = decode_picture(out.data + 6, out.n - 6);
    OK(d.good && memcmp(d.pixels, "abc", 3) == 0);
    decoded_free(&d);
    convd_bytes_release(&out);
    convd_faults_free(f);
}

/* ---- files that break single rules -------------------------------------------------------------------------- */

static void fix_crc(uint8_t *chunk)
{
    uint32_t n = (uint32_t)chunk[0] << 24 | (uint32_t)chunk[1] << 16 | (uint32_t)chunk[2] << 8 | chunk[3];
    uint32_t crc = libdeflate_crc32(0, chunk + 4, n + 4);
    for (int i = 0; i < 4; i++) chunk[8 + n + (size_t)i] = (uint8_t)(crc >> (24 - 8 * i));
}
static int code_of(const uint8_t *data, size_t n)
{
    struct decoded d = decode_picture(data, n);
    int code = d.good ? 0 : d.code;
    decoded_free(&d);
    return code;
}
TEST(a_wrong_byte_in_the_header_is_refused)
{
    static const struct {
        int at;
        uint8_t value;
    } wrong[] = {{24, 3}, {24, 0}, {24, 32}, {25, 1}, {25, 5}, {25, 7}, {26, 1},
                 {27, 1}, {28, 2}, {16, 0x80}, {20, 0xff}, {12, 'X'}, {11, 12}};
    uint8_t x[64] = {0};
    struct convd_bytes png = written(x, 8, 8, 1, 8, 1);
    EQ(0, code_of(png.data, png.n));
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        uint8_t old = png.data[wrong[i].at];
        png.data[wrong[i].at] = wrong[i].value;
        if (wrong[i].at != 11)
            fix_crc(png.data + 8);
        int code = code_of(png.data, png.n);
        if (code != CONVD_BAD_IMAGE && code != CONVD_IMAGE_TOO_LARGE)
            T_FAIL("byte %d = %d: %d", wrong[i].at, wrong[i].value, code);
        png.data[wrong[i].at] = old;
    }
    convd_bytes_release(&png);
}
/* Every single byte up to the end of the file is covered by a check. */
TEST(any_wrong_bit_is_noticed)
{
    struct t_rng r = t_rng(8);
    uint8_t *x = noise(300, &r);
    struct convd_bytes png = written(x, 10, 10, 3, 8, 1);
    for (size_t k = 0; k < png.n; k++) {
        png.data[k] ^= (uint8_t)(1u << (k % 8));
        if (!code_of(png.data, png.n))
            T_FAIL("byte %zu of %zu may be wrong", k, png.n);
        png.data[k] ^= (uint8_t)(1u << (k % 8));
    }
    EQ(0, code_of(png.data, png.n));
    convd_bytes_release(&png);
    free(x);
}
TEST(bytes_behind_the_end_are_not_looked_at)
{
    struct convd_bytes png = written("abcd", 2, 2, 1, 8, 1);
    convd_bytes_put(&png, "<script>\x89PNG\r\n\x1a\n", 16);
    EQ(0, code_of(png.data, png.n));
    convd_bytes_release(&png);
}
TEST(a_promise_that_no_deflate_could_keep_is_refused_before_decoding)
{
    struct convd_bytes png = written("abcd", 2, 2, 1, 8, 1);
    png.data[17] = png.data[21] = 0;
    png.data[18] = png.data[22] = 0x1f; /* 7936 + 2 pixels a side */
    fix_crc(png.data + 8);
    struct convd_faults *f = convd_faults_new();
    struct convd_image_info info;
    OK(!convd_image_info(png.data, png.n, &rgb_over_white, &info, f));
    OK(strstr(convd_faults_first(f)->detail, "cannot hold"));
    convd_faults_free(f);
    convd_bytes_release(&png);
}
T_MAIN("core/png")
