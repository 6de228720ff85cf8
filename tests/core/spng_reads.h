/* spng_reads.h: libspng as what a PNG is held against. */
#ifndef TEST_SPNG_READS_H
#define TEST_SPNG_READS_H
#include <spng.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>

/* The picture as convd stores it in the file's own channels: 8 bits where it has 8 or fewer, else 16 in host order; palettes
 * and tRNS expanded; every chunk read, to IEND. NULL: refused. Otherwise malloc'ed. */
static inline uint8_t *spng_reads(const uint8_t *png, size_t n, size_t *bytes)
{
    spng_ctx *ctx = spng_ctx_new(0);
    struct spng_ihdr h;
    struct spng_trns t;
    uint8_t *y = NULL;
    bool good = ctx && !spng_set_png_buffer(ctx, png, n) && !spng_get_ihdr(ctx, &h);
    if (good) {
        bool key = !spng_get_trns(ctx, &t), gray = h.color_type == SPNG_COLOR_TYPE_GRAYSCALE;
        int format = SPNG_FMT_PNG;
        if (h.color_type == SPNG_COLOR_TYPE_INDEXED)
            format = key ? SPNG_FMT_RGBA8 : SPNG_FMT_RGB8;
        else if (key)
            format = h.bit_depth == 16 ? (gray ? SPNG_FMT_GA16 : SPNG_FMT_RGBA16) : gray ? SPNG_FMT_GA8 : SPNG_FMT_RGBA8;
        else if (gray && h.bit_depth < 8)
            format = SPNG_FMT_G8;
        good = !spng_decoded_image_size(ctx, format, bytes) && (y = calloc(1, *bytes)) &&
               !spng_decode_image(ctx, y, *bytes, format, key ? SPNG_DECODE_TRNS : 0) && !spng_decode_chunks(ctx);
    }
    spng_ctx_free(ctx);
    if (!good) {
        free(y);
        y = NULL;
    }
    return y;
}
#endif
