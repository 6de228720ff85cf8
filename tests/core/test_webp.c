/* The WebP container: EXIF, animation, chunks that lie. The pictures inside are libwebp's. */
#include "picture.h"

static struct convd_bytes still(const uint8_t *x, ptrdiff_t w, ptrdiff_t h, ptrdiff_t c)
{
    struct convd_faults *f = convd_faults_new();
    struct convd_bytes out = {0};
    struct convd_picture p = {.data = x, .width = w, .height = h, .channels = c, .depth = 8};
    OK(convd_image_encode(convd_codec_named("webp"), &p, &(struct convd_encode_options){.quality = 100}, &out, f));
    convd_faults_free(f);
    return out;
}
static void put_chunk(struct convd_bytes *out, const char *type, const void *body, size_t n)
{
    uint8_t length[4] = {(uint8_t)n, (uint8_t)(n >> 8), (uint8_t)(n >> 16), 0};
    convd_bytes_put(out, type, 4);
    convd_bytes_put(out, length, 4);
    convd_bytes_put(out, body, n);
    if (n & 1)
        convd_bytes_put(out, "", 1);
}
/* A RIFF with VP8X; finish says how long it is. */
static struct convd_bytes begun(uint8_t flags, ptrdiff_t w, ptrdiff_t h)
{
    struct convd_bytes out = {0};
    uint8_t x[10] = {flags, 0, 0, 0, (uint8_t)(w - 1), (uint8_t)((w - 1) >> 8), 0, (uint8_t)(h - 1), (uint8_t)((h - 1) >> 8), 0};
    convd_bytes_put(&out, "RIFF\0\0\0\0WEBP", 12);
    put_chunk(&out, "VP8X", x, 10);
    return out;
}
static void finish(struct convd_bytes *out)
{
    size_t n = out->n - 8;
    for (int i = 0; i < 4; i++) out->data[4 + i] = (uint8_t)(n >> 8 * i);
}
static const uint8_t exif6[26] = {'M', 'M', 0, 42, 0, 0, 0, 8, 0, 1, 1, 0x12, 0, 3, 0, 0, 0, 1, 0, 6};

TEST(orientation_of_the_exif_chunk_is_applied)
{
    uint8_t x[16 * 8 * 3];
    for (int k = 0; k < 16 * 8; k++) memset(x + 3 * k, k % 16 < 8 ? 250 : 5, 3); /* left half light */
    struct convd_bytes plain = still(x, 16, 8, 3), out = begun(8, 16, 8);
    convd_bytes_put(&out, plain.data + 12, plain.n - 12);
    put_chunk(&out, "EXIF", exif6, sizeof exif6);
    finish(&out);
    struct decoded d = decode_picture(out.data, out.n);
    OK(d.good);
    EQ(6, d.info.orientation);
    EQ(8, d.info.input.width);
    EQ(16, d.info.input.height);
    for (ptrdiff_t y = 0; y < 16; y++) NEAR(y < 8 ? 250 : 5, pixel_at(&d, 0, 0, y, 3), 12);
    decoded_free(&d);
    convd_bytes_release(&plain);
    convd_bytes_release(&out);
}
static struct convd_bytes animation(ptrdiff_t canvas_w, ptrdiff_t canvas_h, uint8_t left)
{
    uint8_t dark[8 * 8 * 3], light[8 * 8 * 3];
    memset(dark, 10, sizeof dark);
    memset(light, 240, sizeof light);
    struct convd_bytes out = begun(2, canvas_w, canvas_h), first = still(dark, 8, 8, 3), second = still(light, 8, 8, 3);
    put_chunk(&out, "ANIM", "\0\0\0\0\0\0", 6);
    const struct convd_bytes *frames[2] = {&first, &second};
    for (int i = 0; i < 2; i++) {
        struct convd_bytes body = {0};
        const uint8_t head[16] = {left, 0, 0, 0, 0, 0, 7, 0, 0, 7, 0, 0, 100};
        convd_bytes_put(&body, head, 16);
        convd_bytes_put(&body, frames[i]->data + 12, frames[i]->n - 12);
        put_chunk(&out, "ANMF", body.data, body.n);
        convd_bytes_release(&body);
    }
    finish(&out);
    convd_bytes_release(&first);
    convd_bytes_release(&second);
    return out;
}
TEST(the_first_frame_of_an_animation_on_its_canvas)
{
    struct convd_bytes out = animation(12, 10, 1); /* at x = 2 */
    struct decoded d = decode_picture(out.data, out.n);
    OK(d.good);
    EQ(12, d.info.input.width);
    EQ(10, d.info.input.height);
    NEAR(10, pixel_at(&d, 0, 0, 0, 2), 4);
    NEAR(10, pixel_at(&d, 0, 2, 7, 9), 4);
    NEAR(255, pixel_at(&d, 0, 0, 0, 1), 0); /* nothing there: the background */
    NEAR(255, pixel_at(&d, 0, 0, 8, 5), 0);
    decoded_free(&d);
    convd_bytes_release(&out);
    out = animation(8, 8, 0);
    d = decode_picture(out.data, out.n);
    OK(d.good && !d.info.alpha);
    NEAR(10, pixel_at(&d, 0, 1, 3, 3), 4);
    decoded_free(&d);
    convd_bytes_release(&out);
}
TEST(a_frame_that_leaves_its_canvas_is_refused)
{
    struct convd_bytes out = animation(8, 8, 1);
    struct decoded d = decode_picture(out.data, out.n);
    EQ(CONVD_BAD_IMAGE, d.code);
    convd_bytes_release(&out);
}
TEST(an_animation_cut_anywhere)
{
    struct convd_bytes out = animation(12, 10, 1);
    for (size_t k = 0; k < out.n; k++) {
        uint8_t *cut = malloc(k + !k);
        memcpy(cut, out.data, k);
        struct decoded d = decode_picture(cut, k);
        OK(!d.good);
        free(cut);
    }
    convd_bytes_release(&out);
}
T_MAIN("core/webp")
