/* fuzz_png: the pixels of a PNG behind checksums that are right: the first bytes choose size, kind, palette and tRNS, the rest
 * is the stream of IDAT or, packed here, what it unpacks to; in two chunks. What is read must be what libspng reads.
 * Build: README.md. */
/* link: -lspng */
#include <libdeflate.h>
#include <stdlib.h>
#include <string.h>
#include "../../core/err.h"
#include "../../core/image/image.h"
#include "../core/spng_reads.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void put32(uint8_t *p, uint32_t v)
{
    for (int i = 0; i < 4; i++) p[i] = (uint8_t)(v >> (24 - 8 * i));
}
static uint8_t *chunk(uint8_t *p, const char *type, const uint8_t *body, size_t n)
{
    put32(p, (uint32_t)n);
    memcpy(p + 4, type, 4);
    if (n)
        memcpy(p + 8, body, n);
    put32(p + 8 + n, libdeflate_crc32(0, p + 4, 4 + n));
    return p + 12 + n;
}
enum { HEAD = 8, MOST = 64 << 10 };

/* The file that data describes, at png; returns its size. */
static size_t build(const uint8_t *data, size_t n, uint8_t *png)
{
    static const uint8_t kinds[15][2] = {{0, 1}, {0, 2}, {0, 4}, {0, 8}, {0, 16}, {2, 8}, {2, 16}, {3, 1},
                                         {3, 2}, {3, 4}, {3, 8}, {4, 8}, {4, 16}, {6, 8}, {6, 16}};
    const uint8_t *kind = kinds[data[2] % 15];
    uint8_t ihdr[13] = {0, 0, 0, (uint8_t)(data[0] % 40 + 1), 0, 0, 0, (uint8_t)(data[1] % 40 + 1)}, colours[768];
    ihdr[8] = kind[1];
    ihdr[9] = kind[0];
    ihdr[12] = data[3] & 1;
    for (size_t i = 0; i < sizeof colours; i++) colours[i] = (uint8_t)(i * data[6]);
    memcpy(png, "\x89PNG\r\n\x1a\n", 8);
    uint8_t *p = chunk(png + 8, "IHDR", ihdr, sizeof ihdr);
    if (data[3] & 2)
        p = chunk(p, "PLTE", colours, data[4] * 3u);
    if (data[3] & 4)
        p = chunk(p, "tRNS", colours, data[5]);
    size_t bytes = n - HEAD, cut;
    const uint8_t *stream = data + HEAD;
    static uint8_t packed[2 * MOST];
    if (data[3] & 8) {
        struct libdeflate_compressor *c = libdeflate_alloc_compressor(1);
        bytes = libdeflate_zlib_compress(c, stream, bytes, packed, sizeof packed);
        stream = packed;
        libdeflate_free_compressor(c);
    }
    cut = bytes * data[7] / 255;
    p = chunk(p, "IDAT", stream, cut);
    if (data[3] & 16)
        p = chunk(p, "IDAT", stream + cut, bytes - cut);
    return (size_t)(chunk(p, "IEND", NULL, 0) - png);
}
static bool reads(const uint8_t *png, size_t n, const uint8_t *right, size_t bytes)
{
    struct convd_decode_options o = {.channels = CONVD_RGBA, .raw_orientation = true};
    struct convd_faults *f = convd_faults_new();
    struct convd_image_info info;
    bool good = f && convd_image_info(png, n, &o, &info, f);
    uint8_t *pixels = good ? malloc(info.bytes) : NULL;
    good = pixels && convd_image_decode(&info, png, n, &o, NULL, pixels, NULL, f);
    if (good && info.file_channels != 2 && right && (info.bytes != bytes || memcmp(pixels, right, bytes) != 0))
        abort();
    free(pixels);
    convd_faults_free(f);
    return good;
}
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    static uint8_t png[3 * MOST];
    if (n < HEAD || n > MOST)
        return 0;
    size_t made = build(data, n, png), bytes = 0;
    uint8_t *exact = malloc(made), *right = spng_reads(png, made, &bytes);
    if (exact) {
        memcpy(exact, png, made);
        if (reads(exact, made, right, bytes) && !right)
            abort(); /* stricter than libspng it may be, more lenient never */
    }
    free(exact);
    free(right);
    return 0;
}
