/* tga.c: TGA by stb_image. The format has no signature: what is taken for one must have a header in which every field is
 * possible, so that other files without a known signature stay unknown. Source: Truevision TGA 2.0 specification. */
#include <string.h>
#include "bytes.h"
#include "stb.h"

enum { HEADER = 18, MAPPED = 1, COLOUR = 2, GRAY = 3, RUNS = 8 };

struct tga {
    uint32_t id, map_first, map_length, map_bits, type, width, height, bits, descriptor;
    bool map, runs;
};
static struct tga fields(const uint8_t *d)
{
    return (struct tga){.id = d[0],
                        .map = d[1],
                        .type = d[2] & 0xf7u,
                        .runs = d[2] & RUNS,
                        .map_first = le16(d + 3),
                        .map_length = le16(d + 5),
                        .map_bits = d[7],
                        .width = le16(d + 12),
                        .height = le16(d + 14),
                        .bits = d[16],
                        .descriptor = d[17]};
}
static bool good_map(const struct tga *p)
{
    if (!p->map)
        return !p->map_first && !p->map_length && !p->map_bits;
    bool bits = p->map_bits == 15 || p->map_bits == 16 || p->map_bits == 24 || p->map_bits == 32;
    return bits && p->map_length && p->map_first + p->map_length <= 65536;
}
static bool sniff(const uint8_t *data, size_t n)
{
    if (n < HEADER + 1 || data[1] > 1)
        return false;
    struct tga p = fields(data);
    uint32_t alpha = p.descriptor & 15;
    if (!good_map(&p) || !p.width || !p.height || p.descriptor >> 6 || (alpha != 0 && alpha != 1 && alpha != 8))
        return false;
    switch (p.type) {
    case MAPPED: return p.map && p.bits == 8;
    case COLOUR: return !p.map && (p.bits == 15 || p.bits == 16 || p.bits == 24 || p.bits == 32);
    case GRAY: return !p.map && (p.bits == 8 || p.bits == 16);
    default: return false;
    }
}
static bool info(const uint8_t *data, size_t n, struct convd_image_info *i, struct convd_faults *f)
{
    (void)n;
    (void)f;
    struct tga p = fields(data);
    i->input.width = (ptrdiff_t)p.width;
    i->input.height = (ptrdiff_t)p.height;
    i->input.pixels = CONVD_U8_HWC;
    i->depth = 8;
    return true;
}
static size_t budget(const struct convd_image_info *i)
{
    return (size_t)i->input.width * (size_t)i->input.height * 4 + (512u << 10);
}
static bool details(const uint8_t *data, size_t n, struct convd_image_info *i, struct convd_faults *f)
{
    struct tga p = fields(data);
    uint64_t pixel = (p.bits + 7) / 8, pixels = (uint64_t)p.width * p.height;
    uint64_t before = HEADER + p.id + p.map_length * (uint64_t)((p.map_bits + 7) / 8);
    /* A run packet makes 128 pixels of one and a byte. */
    uint64_t least = before + (p.runs ? (pixels + 127) / 128 * (pixel + 1) : pixels * pixel);
    if (n < least) {
        convd_fault(f, CONVD_BAD_IMAGE, NULL, "TGA: %u x %u pixels need %ju bytes; %zu are there", p.width, p.height,
                    (uintmax_t)least, n);
        return false;
    }
    i->file_channels = convd_stb_channels(data, n, i);
    if (!i->file_channels) {
        convd_fault(f, CONVD_BAD_IMAGE, NULL, "TGA: the header is broken");
        return false;
    }
    i->alpha = i->file_channels == 2 || i->file_channels == 4;
    if (p.descriptor & 16) /* rows run from right to left */
        i->orientation = 2;
    i->work_bytes = budget(i);
    return true;
}
static bool decode(const uint8_t *data, size_t n, const struct convd_image_info *i, struct convd_row_sink *sink,
                   const struct convd_memory *mem, struct convd_faults *f)
{
    return convd_stb_decode(data, n, budget(i), sink, mem, f);
}

const struct convd_codec convd_codec_tga = {.name = "tga",
                                            .title = "TGA",
                                            .media = "image/x-tga",
                                            .media_more = "image/x-targa image/tga image/targa",
                                            .extensions = "tga",
                                            .sniff = sniff,
                                            .info = info,
                                            .details = details,
                                            .decode = decode};
