/* png.c: PNG in by libspng, row by row. The header walk is our own: it finds the size, transparency, EXIF and the end, and
 * tells from the bytes of IDAT whether they can hold what IHDR promises. Source: PNG specification, third edition (W3C).
 *
 * Decoding is strict: a wrong CRC anywhere up to IEND, a missing IEND, too few or too many rows are faults. What follows
 * IEND is not looked at. gAMA and iCCP are not applied. Out: png_write.c. */
#include <spng.h>
#include <string.h>
#include "exif.h"
#include "png.h"
#include "row_sink.h"

/* deflate makes at most 258 bytes of 2 bits; with the code's own bits 1032 to 1. Source: zlib's documentation. */
#define MOST_EXPANSION 1032u
/* What one chunk other than IDAT may unpack to, and all of them together. */
#define CHUNK_MOST (8u << 20)
#define CACHE_MOST (16u << 20)

static const uint8_t signature[8] = {0x89, 'P', 'N', 'G', '\r', '\n', 0x1a, '\n'};

static uint32_t get32(const uint8_t *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}
static bool sniff(const uint8_t *data, size_t n)
{
    return n >= 8 && memcmp(data, signature, 8) == 0;
}

struct png {
    uint32_t width, height;
    int depth, colour, interlace;
    bool transparent; /* tRNS before IDAT */
    int orientation;
    size_t idat;      /* bytes of all IDAT                           */
    size_t kept;      /* of other chunks, unpacked: libspng keeps it */
    size_t end;       /* behind IEND                                 */
};
enum { GRAY = 0, RGB = 2, PALETTE = 3, GRAY_ALPHA = 4, RGBA = 6 };

static bool good_depth(int colour, int depth)
{
    switch (colour) {
    case GRAY: return depth == 1 || depth == 2 || depth == 4 || depth == 8 || depth == 16;
    case PALETTE: return depth == 1 || depth == 2 || depth == 4 || depth == 8;
    case RGB:
    case GRAY_ALPHA:
    case RGBA: return depth == 8 || depth == 16;
    default: return false;
    }
}
static bool bad(struct convd_faults *f, const char *words)
{
    convd_fault(f, CONVD_BAD_IMAGE, NULL, "PNG: %s", words);
    return false;
}
static bool read_ihdr(const uint8_t *data, size_t n, struct png *p, struct convd_faults *f)
{
    if (n < 33 || get32(data + 8) != 13 || memcmp(data + 12, "IHDR", 4) != 0)
        return bad(f, "the file does not begin with a whole IHDR chunk");
    const uint8_t *h = data + 16;
    *p = (struct png){.width = get32(h), .height = get32(h + 4), .depth = h[8], .colour = h[9], .interlace = h[12]};
    p->orientation = 1;
    if (!p->width || !p->height || p->width > INT32_MAX || p->height > INT32_MAX)
        return bad(f, "a side is 0 or more than 2^31 - 1");
    if (!good_depth(p->colour, p->depth))
        return bad(f, "no such combination of colour type and bit depth");
    if (h[10] || h[11] || p->interlace > 1)
        return bad(f, "unknown compression, filter or interlace method");
    return true;
}
/* Bytes that libspng may keep of a chunk. */
static size_t kept_bytes(const uint8_t *type, size_t length)
{
    bool packed = memcmp(type, "iCCP", 4) == 0 || memcmp(type, "zTXt", 4) == 0 || memcmp(type, "iTXt", 4) == 0;
    return packed && length > CHUNK_MOST / MOST_EXPANSION ? CHUNK_MOST : packed ? length * MOST_EXPANSION : length;
}
/* Walks the chunks to IEND. */
static bool walk(const uint8_t *data, size_t n, struct png *p, struct convd_faults *f)
{
    if (!read_ihdr(data, n, p, f))
        return false;
    size_t at = 33;
    while (n - at >= 12) {
        size_t length = get32(data + at);
        const uint8_t *type = data + at + 4, *body = data + at + 8;
        if (length > n - at - 12)
            return bad(f, "the file is cut off inside a chunk");
        if (memcmp(type, "IDAT", 4) == 0)
            p->idat += length;
        else
            p->kept += kept_bytes(type, length);
        if (memcmp(type, "tRNS", 4) == 0 && !p->idat)
            p->transparent = true;
        if (memcmp(type, "eXIf", 4) == 0)
            p->orientation = convd_exif_orientation(body, length);
        at += 12 + length;
        if (memcmp(type, "IEND", 4) == 0) {
            p->end = at;
            return true;
        }
    }
    return bad(f, "the file ends without IEND");
}

/* Samples a pixel after palettes and tRNS are expanded. */
static int samples(const struct png *p)
{
    bool alpha = p->transparent || p->colour == GRAY_ALPHA || p->colour == RGBA;
    return (p->colour == GRAY || p->colour == GRAY_ALPHA ? 1 : 3) + alpha;
}
/* Bytes of a row as deflate holds it, filter byte aside. */
static uint64_t packed_row(const struct png *p)
{
    static const uint8_t per_pixel[7] = {[GRAY] = 1, [RGB] = 3, [PALETTE] = 1, [GRAY_ALPHA] = 2, [RGBA] = 4};
    return ((uint64_t)p->width * per_pixel[p->colour] * (uint64_t)p->depth + 7) / 8;
}
static bool info(const uint8_t *data, size_t n, struct convd_image_info *i, struct convd_faults *f)
{
    struct png p;
    if (!read_ihdr(data, n, &p, f))
        return false;
    i->input.width = (ptrdiff_t)p.width;
    i->input.height = (ptrdiff_t)p.height;
    i->input.pixels = p.depth == 16 ? CONVD_U16_HWC : CONVD_U8_HWC;
    i->depth = p.depth;
    return true;
}
static size_t delivered_row(const struct png *p)
{
    return (size_t)p->width * (size_t)samples(p) * (p->depth == 16 ? 2 : 1);
}
static bool details(const uint8_t *data, size_t n, struct convd_image_info *i, struct convd_faults *f)
{
    struct png p;
    if (!walk(data, n, &p, f))
        return false;
    /* Adam7 cuts the same pixels into more rows: at least the bytes of the pixels alone. */
    uint64_t raw = (packed_row(&p) + !p.interlace) * p.height;
    if (p.idat < raw / MOST_EXPANSION) {
        convd_fault(f, CONVD_BAD_IMAGE, NULL, "PNG: %zu bytes of IDAT cannot hold %u x %u pixels", p.idat, p.width,
                    p.height);
        return false;
    }
    i->file_channels = samples(&p);
    i->alpha = i->file_channels == 2 || i->file_channels == 4;
    i->orientation = p.orientation;
    /* libspng: its state, zlib's window, rows; other chunks. Adam7 needs the picture as delivered. */
    i->work_bytes = (256u << 10) + (p.kept < CACHE_MOST ? p.kept : CACHE_MOST) + 4 * delivered_row(&p);
    if (p.interlace)
        i->work_bytes += delivered_row(&p) * p.height;
    return true;
}

/* ---- pixels ------------------------------------------------------------------------------------------------- */

/* What libspng is asked for: samples(p) samples of 8 or 16 bits. */
static int format(const struct png *p)
{
    bool key = p->transparent;
    switch (p->colour) {
    case GRAY:
        if (p->depth == 16)
            return key ? SPNG_FMT_GA16 : SPNG_FMT_PNG;
        return key ? SPNG_FMT_GA8 : SPNG_FMT_G8;
    case RGB:
        if (p->depth == 16)
            return key ? SPNG_FMT_RGBA16 : SPNG_FMT_PNG;
        return key ? SPNG_FMT_RGBA8 : SPNG_FMT_PNG;
    case PALETTE: return key ? SPNG_FMT_RGBA8 : SPNG_FMT_RGB8;
    default: return SPNG_FMT_PNG;
    }
}
static int decode_rows(spng_ctx *ctx, struct convd_row_sink *sink, size_t row)
{
    int error = 0;
    while (!error && sink->done < sink->height) {
        error = spng_decode_row(ctx, convd_sink_row(sink), row);
        if (!error || error == SPNG_EOI)
            convd_sink_put(sink);
    }
    return error;
}
static int decode_adam7(spng_ctx *ctx, uint8_t *whole, size_t row)
{
    struct spng_row_info at;
    int error;
    do {
        error = spng_get_row_info(ctx, &at);
        if (!error)
            error = spng_decode_row(ctx, whole + at.row_num * row, row);
    } while (!error);
    return error;
}
static bool decode(const uint8_t *data, size_t n, const struct convd_image_info *i, struct convd_row_sink *sink,
                   const struct convd_memory *mem, struct convd_faults *f)
{
    (void)i;
    struct png p;
    if (!walk(data, n, &p, f))
        return false;
    size_t row = delivered_row(&p), whole_bytes = 0;
    uint8_t *whole = NULL;
    bool good = false;
    spng_ctx *ctx = spng_ctx_new(0);
    if (ctx && p.interlace && !(whole = convd_sink_whole(sink))) {
        whole_bytes = row * p.height;
        whole = convd_take(mem, whole_bytes);
    }
    if (!ctx || (p.interlace && !whole)) {
        convd_fault(f, CONVD_NO_MEMORY, NULL, "no memory to decode a PNG");
        goto out;
    }
    int error = spng_set_image_limits(ctx, p.width, p.height);
    error = error ? error : spng_set_chunk_limits(ctx, CHUNK_MOST, CACHE_MOST);
    error = error ? error : spng_set_png_buffer(ctx, data, p.end);
    error = error ? error
                  : spng_decode_image(ctx, NULL, 0, format(&p),
                                      SPNG_DECODE_PROGRESSIVE | (p.transparent ? SPNG_DECODE_TRNS : 0));
    if (!error)
        error = p.interlace ? decode_adam7(ctx, whole, row) : decode_rows(ctx, sink, row);
    if (error == SPNG_EOI)
        error = spng_decode_chunks(ctx); /* the rest up to IEND, for its CRCs */
    if (error) {
        convd_fault(f, CONVD_BAD_IMAGE, NULL, "PNG: %s", spng_strerror(error));
        goto out;
    }
    if (whole && whole_bytes) {
        for (uint32_t y = 0; y < p.height; y++) {
            memcpy(convd_sink_row(sink), whole + y * row, row);
            convd_sink_put(sink);
        }
    } else if (whole) {
        convd_sink_whole_put(sink);
    }
    good = true;
out:
    if (whole_bytes)
        convd_give(mem, whole, whole_bytes);
    spng_ctx_free(ctx);
    return good;
}

const struct convd_codec convd_codec_png = {.name = "png",
                                            .title = "PNG",
                                            .media = "image/png",
                                            .media_more = "image/x-png image/apng image/vnd.mozilla.apng",
                                            .extensions = "png apng",
                                            .sniff = sniff,
                                            .info = info,
                                            .details = details,
                                            .decode = decode,
                                            .encode = convd_png_encode,
                                            .bound = convd_png_bound,
                                            .writes_alpha = true,
                                            .writes_16 = true};
