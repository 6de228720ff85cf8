/* psd.c: the flattened picture of a PSD by stb_image: RGB, 8 bits raw or run-length coded, 16 bits raw. Every section's
 * length is checked here first. Source: Adobe Photoshop File Formats Specification. */
#include <string.h>
#include "bytes.h"
#include "stb.h"

struct psd {
    uint32_t channels, width, height, depth, compression;
    size_t at; /* of the picture's bytes */
};
static bool sniff(const uint8_t *data, size_t n)
{
    return n >= 6 && memcmp(data, "8BPS\0\1", 6) == 0;
}
static bool bad(struct convd_faults *f, const char *words)
{
    convd_fault(f, CONVD_BAD_IMAGE, NULL, "PSD: %s", words);
    return false;
}
static bool open(const uint8_t *d, size_t n, struct psd *p, struct convd_faults *f)
{
    if (n < 26)
        return bad(f, "the file is cut off");
    *p = (struct psd){.channels = be16(d + 12), .height = be32(d + 14), .width = be32(d + 18), .depth = be16(d + 22)};
    if (p->width > INT32_MAX || p->height > INT32_MAX)
        return bad(f, "width or height is not a size");
    if (be16(d + 24) != 3 || p->channels < 3 || p->channels > 16)
        return bad(f, "only RGB pictures are read");
    if (p->depth != 8 && p->depth != 16)
        return bad(f, "8 or 16 bits a channel are read");
    return true;
}
static bool info(const uint8_t *data, size_t n, struct convd_image_info *i, struct convd_faults *f)
{
    struct psd p;
    if (!open(data, n, &p, f))
        return false;
    i->input.width = (ptrdiff_t)p.width;
    i->input.height = (ptrdiff_t)p.height;
    i->input.pixels = p.depth == 16 ? CONVD_U16_HWC : CONVD_U8_HWC;
    i->depth = (int)p.depth;
    i->file_channels = p.channels > 3 ? 4 : 3;
    i->alpha = p.channels > 3;
    return true;
}
/* The library makes 4 samples a pixel. */
static size_t budget(const struct convd_image_info *i)
{
    return (size_t)i->input.width * (size_t)i->input.height * (i->depth == 16 ? 8 : 4) + (64u << 10);
}
/* Bytes that the picture has at least: all rows of all channels raw; run lengths make at most 128 bytes of 2, and each
 * row has its length in a table before. */
static uint64_t least(const struct psd *p)
{
    uint64_t channels = p->channels < 4 ? p->channels : 4, rows = channels * p->height;
    if (!p->compression)
        return rows * p->width * (p->depth / 8);
    return (uint64_t)p->height * p->channels * 2 + rows * ((p->width + 127) / 128) * 2;
}
static bool details(const uint8_t *data, size_t n, struct convd_image_info *i, struct convd_faults *f)
{
    struct psd p;
    if (!open(data, n, &p, f))
        return false;
    p.at = 26;
    for (int section = 0; section < 3; section++) { /* colour mode, resources, layers */
        if (n - p.at < 4 || be32(data + p.at) > n - p.at - 4)
            return bad(f, "a section is longer than the file");
        p.at += 4 + be32(data + p.at);
    }
    if (n - p.at < 2)
        return bad(f, "the file ends before the picture");
    p.compression = be16(data + p.at);
    if (p.compression > 1 || (p.compression == 1 && p.depth == 16))
        return bad(f, "only raw pictures, and 8-bit run-length coded ones, are read");
    if (n - p.at - 2 < least(&p))
        return bad(f, "the file has fewer bytes than its picture takes");
    i->work_bytes = budget(i);
    return true;
}
static bool decode(const uint8_t *data, size_t n, const struct convd_image_info *i, struct convd_row_sink *sink,
                   const struct convd_memory *mem, struct convd_faults *f)
{
    return convd_stb_decode(data, n, budget(i), sink, mem, f);
}

const struct convd_codec convd_codec_psd = {.name = "psd",
                                            .title = "PSD",
                                            .media = "image/vnd.adobe.photoshop",
                                            .media_more = "image/psd image/x-psd application/x-photoshop",
                                            .extensions = "psd",
                                            .sniff = sniff,
                                            .info = info,
                                            .details = details,
                                            .decode = decode};
