/* png.c: what the chunks of a PNG say: size, palette, transparency, EXIF, where the pixels are, and whether the bytes of
 * IDAT can hold what IHDR promises. Source: PNG specification, third edition (W3C). In: png_read.c. Out: png_write.c.
 *
 * Decoding is strict: a wrong CRC anywhere up to IEND, a chunk that must be known and is not, one at a place where it must
 * not be, a missing IEND, too few or too many rows are faults. What follows IEND is not looked at. What tells of colours,
 * time or text (gAMA, iCCP, …) is not applied and not judged, its CRC aside. */
#include <libdeflate.h>
#include <string.h>
#include "exif.h"
#include "png.h"
#include "row_sink.h"

static const uint8_t signature[8] = {0x89, 'P', 'N', 'G', '\r', '\n', 0x1a, '\n'};

uint32_t convd_png_get32(const uint8_t *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}
static bool sniff(const uint8_t *data, size_t n)
{
    return n >= 8 && memcmp(data, signature, 8) == 0;
}
static bool good_depth(int colour, int depth)
{
    switch (colour) {
    case PNG_GRAY: return depth == 1 || depth == 2 || depth == 4 || depth == 8 || depth == 16;
    case PNG_PALETTE: return depth == 1 || depth == 2 || depth == 4 || depth == 8;
    case PNG_RGB:
    case PNG_GRAY_ALPHA:
    case PNG_RGBA: return depth == 8 || depth == 16;
    default: return false;
    }
}
static bool bad(struct convd_faults *f, const char *words)
{
    convd_fault(f, CONVD_BAD_IMAGE, NULL, "PNG: %s", words);
    return false;
}

/* ---- chunks ------------------------------------------------------------------------------------------------- */

static bool read_ihdr(const uint8_t *data, size_t n, struct convd_png *p, struct convd_faults *f)
{
    if (n < 33 || convd_png_get32(data + 8) != 13 || memcmp(data + 12, "IHDR", 4) != 0)
        return bad(f, "the file does not begin with a whole IHDR chunk");
    const uint8_t *h = data + 16;
    *p = (struct convd_png){.width = convd_png_get32(h),
                            .height = convd_png_get32(h + 4),
                            .depth = h[8],
                            .colour = h[9],
                            .interlace = h[12],
                            .orientation = 1};
    if (!p->width || !p->height || p->width > INT32_MAX || p->height > INT32_MAX)
        return bad(f, "a side is 0 or more than 2^31 - 1");
    if (!good_depth(p->colour, p->depth))
        return bad(f, "no such combination of colour type and bit depth");
    if (h[10] || h[11] || p->interlace > 1)
        return bad(f, "unknown compression, filter or interlace method");
    return true;
}
/* A chunk on the way: type, body, bytes of the body; whether the chunk before was an IDAT too. */
struct chunk {
    const uint8_t *type, *body;
    size_t bytes;
    bool after_idat;
};
static bool is(const struct chunk *c, const char *type)
{
    return memcmp(c->type, type, 4) == 0;
}
static bool see_palette(const struct chunk *c, struct convd_png *p, struct convd_faults *f)
{
    size_t entries = c->bytes / 3, most = p->colour == PNG_PALETTE ? (size_t)1 << p->depth : 256;
    if (p->palette || p->clear || p->idats)
        return bad(f, "a PLTE chunk where none may be");
    if (c->bytes % 3 || entries < 1 || entries > most)
        return bad(f, "a PLTE chunk of a wrong size");
    p->palette = c->body;
    p->entries = entries;
    return true;
}
static bool see_transparency(const struct chunk *c, struct convd_png *p, struct convd_faults *f)
{
    bool fits = p->colour == PNG_GRAY ? c->bytes == 2 : p->colour == PNG_RGB ? c->bytes == 6 : c->bytes <= p->entries;
    if (p->clear || p->idats || p->colour == PNG_GRAY_ALPHA || p->colour == PNG_RGBA)
        return bad(f, "a tRNS chunk where none may be");
    if (!fits || !c->bytes)
        return bad(f, "a tRNS chunk of a wrong size");
    p->clear = c->body;
    p->clear_bytes = c->bytes;
    return true;
}
static bool see_pixels(const struct chunk *c, struct convd_png *p, struct convd_faults *f)
{
    if (p->colour == PNG_PALETTE && !p->palette)
        return bad(f, "the palette is missing");
    if (p->idats && !c->after_idat)
        return bad(f, "an IDAT chunk apart from the others");
    if (!p->idats++)
        p->idat = c->type - 4;
    p->idat_bytes += c->bytes;
    return true;
}
static bool see(const struct chunk *c, struct convd_png *p, struct convd_faults *f)
{
    if (is(c, "IDAT"))
        return see_pixels(c, p, f);
    if (is(c, "PLTE"))
        return see_palette(c, p, f);
    if (is(c, "tRNS"))
        return see_transparency(c, p, f);
    if (is(c, "IEND"))
        return (!c->bytes && p->idats) || bad(f, c->bytes ? "an IEND chunk that is not empty" : "there is no IDAT chunk");
    if (is(c, "IHDR"))
        return bad(f, "a second IHDR chunk");
    if (is(c, "eXIf"))
        p->orientation = convd_exif_orientation(c->body, c->bytes);
    return c->type[0] & 0x20 || bad(f, "a chunk that is not known must be, by its name");
}
/* Walks the chunks to IEND, and asks for their CRCs when check. */
static bool walk(const uint8_t *data, size_t n, bool check, struct convd_png *p, struct convd_faults *f)
{
    if (!read_ihdr(data, n, p, f))
        return false;
    struct chunk c = {.type = data + 12, .body = data + 16, .bytes = 13};
    for (size_t at = 8;;) {
        if (check && libdeflate_crc32(0, c.type, 4 + c.bytes) != convd_png_get32(c.body + c.bytes))
            return bad(f, "the checksum of a chunk is wrong");
        if (is(&c, "IEND"))
            return true;
        at += 12 + c.bytes;
        if (n - at < 12)
            return bad(f, "the file ends without IEND");
        c = (struct chunk){.type = data + at + 4,
                           .body = data + at + 8,
                           .bytes = convd_png_get32(data + at),
                           .after_idat = is(&c, "IDAT")};
        if (c.bytes > n - at - 12)
            return bad(f, "the file is cut off inside a chunk");
        if (!see(&c, p, f))
            return false;
    }
}

/* ---- the codec ---------------------------------------------------------------------------------------------- */

int convd_png_samples(const struct convd_png *p)
{
    bool alpha = p->clear || p->colour == PNG_GRAY_ALPHA || p->colour == PNG_RGBA;
    return (p->colour == PNG_GRAY || p->colour == PNG_GRAY_ALPHA ? 1 : 3) + alpha;
}
static bool info(const uint8_t *data, size_t n, struct convd_image_info *i, struct convd_faults *f)
{
    struct convd_png p;
    if (!read_ihdr(data, n, &p, f))
        return false;
    i->input.width = (ptrdiff_t)p.width;
    i->input.height = (ptrdiff_t)p.height;
    i->input.pixels = p.depth == 16 ? CONVD_U16_HWC : CONVD_U8_HWC;
    i->depth = p.depth;
    return true;
}
static bool details(const uint8_t *data, size_t n, struct convd_image_info *i, struct convd_faults *f)
{
    struct convd_png p;
    if (!walk(data, n, false, &p, f))
        return false;
    if (!convd_png_can_hold(&p)) {
        convd_fault(f, CONVD_BAD_IMAGE, NULL, "PNG: %zu bytes of IDAT cannot hold %u x %u pixels", p.idat_bytes, p.width,
                    p.height);
        return false;
    }
    i->file_channels = convd_png_samples(&p);
    i->alpha = i->file_channels == 2 || i->file_channels == 4;
    i->orientation = p.orientation;
    i->work_bytes = convd_png_work(&p);
    return true;
}
static bool decode(const uint8_t *data, size_t n, const struct convd_image_info *i, struct convd_row_sink *sink,
                   const struct convd_memory *mem, struct convd_faults *f)
{
    (void)i;
    struct convd_png p;
    return walk(data, n, true, &p, f) && convd_png_read(&p, sink, mem, f);
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
