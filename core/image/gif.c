/* gif.c: the first frame of a GIF by stb_image, after our own walk to it: the frame must lie on the screen, and the file
 * must have bytes enough for so large a screen. Source: CompuServe, GIF89a specification. */
#include <string.h>
#include "bytes.h"
#include "stb.h"

/* LZW's longest string has about 4096 pixels and comes from a code of 12 bits, after as long a way to build it up: no
 * file gives more than this many pixels a byte. */
#define MOST_EXPANSION 2731u

struct gif {
    uint32_t width, height;
    bool transparent; /* the first frame has a transparent colour or leaves a part of the screen */
};
static bool sniff(const uint8_t *data, size_t n)
{
    return n >= 6 && (memcmp(data, "GIF87a", 6) == 0 || memcmp(data, "GIF89a", 6) == 0);
}
static bool bad(struct convd_faults *f, const char *words)
{
    convd_fault(f, CONVD_BAD_IMAGE, NULL, "GIF: %s", words);
    return false;
}
static size_t colours(uint8_t flags)
{
    return flags & 0x80 ? (size_t)3 << ((flags & 7) + 1) : 0;
}
static bool frame(const uint8_t *d, size_t n, struct gif *p, struct convd_faults *f)
{
    if (n < 11)
        return bad(f, "the file is cut off");
    uint32_t x = le16(d + 1), y = le16(d + 3), w = le16(d + 5), h = le16(d + 7);
    if (!w || !h || x + w > p->width || y + h > p->height)
        return bad(f, "the first frame does not lie on the screen");
    size_t at = 10 + colours(d[9]);
    if (at >= n || d[at] < 1 || d[at] > 12)
        return bad(f, "the first frame has no such code size");
    p->transparent |= w != p->width || h != p->height;
    return true;
}
/* Walks to the first frame. */
static bool open(const uint8_t *d, size_t n, struct gif *p, struct convd_faults *f)
{
    *p = (struct gif){.width = le16(d + 6), .height = le16(d + 8)};
    size_t at = 13 + colours(d[10]);
    while (at < n) {
        if (d[at] == ',')
            return frame(d + at, n - at, p, f);
        if (d[at] != '!' || n - at < 3)
            break;
        if (d[at + 1] == 0xf9 && d[at + 2] >= 4 && n - at >= 4)
            p->transparent = d[at + 3] & 1;
        for (at += 2; at < n && d[at]; at += d[at] + 1u) {}
        at++;
    }
    return bad(f, "there is no frame");
}
static bool info(const uint8_t *data, size_t n, struct convd_image_info *i, struct convd_faults *f)
{
    if (n < 13)
        return bad(f, "the file is cut off");
    i->input.width = (ptrdiff_t)le16(data + 6);
    i->input.height = (ptrdiff_t)le16(data + 8);
    i->input.pixels = CONVD_U8_HWC;
    i->depth = 8;
    return true;
}
/* The library holds the picture in 4 bytes a pixel, as much again for what lies behind, and one for what was drawn. */
static size_t budget(const struct convd_image_info *i)
{
    return (size_t)i->input.width * (size_t)i->input.height * 9 + (256u << 10);
}
static bool details(const uint8_t *data, size_t n, struct convd_image_info *i, struct convd_faults *f)
{
    struct gif p;
    if (!open(data, n, &p, f))
        return false;
    if ((uint64_t)p.width * p.height > (uint64_t)n * MOST_EXPANSION) {
        convd_fault(f, CONVD_BAD_IMAGE, NULL, "GIF: %zu bytes cannot hold %u x %u pixels", n, p.width, p.height);
        return false;
    }
    i->file_channels = p.transparent ? 4 : 3;
    i->alpha = p.transparent;
    i->work_bytes = budget(i);
    return true;
}
static bool decode(const uint8_t *data, size_t n, const struct convd_image_info *i, struct convd_row_sink *sink,
                   const struct convd_memory *mem, struct convd_faults *f)
{
    return convd_stb_decode(data, n, budget(i), sink, mem, f);
}

const struct convd_codec convd_codec_gif = {.name = "gif",
                                            .title = "GIF",
                                            .media = "image/gif",
                                            .extensions = "gif",
                                            .sniff = sniff,
                                            .info = info,
                                            .details = details,
                                            .decode = decode};
