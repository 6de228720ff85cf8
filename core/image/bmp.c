/* bmp.c: BMP in by stb_image after our own look at the header (1, 4, 8, 16, 24, 32 bits, bit fields, both directions; no
 * run lengths), and out: 8-bit gray or 24-bit RGB. Source: Microsoft, "Bitmap Storage" and BITMAPV5HEADER. */
#include <string.h>
#include "bytes.h"
#include "stb.h"

enum { FILE_HEADER = 14, CORE = 12, INFO = 40, V4 = 108, V5 = 124 };

struct bmp {
    int64_t width, height; /* height of either sign */
    uint32_t offset, header, bits, compression, colours;
};
static bool sniff(const uint8_t *data, size_t n)
{
    if (n < FILE_HEADER + CORE || data[0] != 'B' || data[1] != 'M')
        return false;
    uint32_t h = le32(data + FILE_HEADER);
    return h == CORE || h == INFO || h == 52 || h == 56 || h == 64 || h == V4 || h == V5;
}
static bool bad(struct convd_faults *f, const char *words)
{
    convd_fault(f, CONVD_BAD_IMAGE, NULL, "BMP: %s", words);
    return false;
}
static bool open(const uint8_t *data, size_t n, struct bmp *p, struct convd_faults *f)
{
    const uint8_t *h = data + FILE_HEADER;
    *p = (struct bmp){.offset = le32(data + 10), .header = le32(h)};
    if (n < FILE_HEADER + (size_t)p->header)
        return bad(f, "the file ends inside its header");
    if (p->header == CORE) {
        p->width = le16(h + 4);
        p->height = le16(h + 6);
        p->bits = le16(h + 10);
    } else {
        p->width = (int32_t)le32(h + 4);
        p->height = (int32_t)le32(h + 8);
        p->bits = le16(h + 14);
        p->compression = le32(h + 16);
        p->colours = le32(h + 32);
    }
    if (p->width < 1 || p->height == 0 || p->height == INT32_MIN)
        return bad(f, "width or height is not a size");
    return true;
}
static bool info(const uint8_t *data, size_t n, struct convd_image_info *i, struct convd_faults *f)
{
    struct bmp p;
    if (!open(data, n, &p, f))
        return false;
    i->input.width = (ptrdiff_t)p.width;
    i->input.height = (ptrdiff_t)(p.height < 0 ? -p.height : p.height);
    i->input.pixels = CONVD_U8_HWC;
    i->depth = 8;
    return true;
}
static size_t budget(const struct convd_image_info *i)
{
    return (size_t)i->input.width * (size_t)i->input.height * 4 + (64u << 10);
}
static bool details(const uint8_t *data, size_t n, struct convd_image_info *i, struct convd_faults *f)
{
    struct bmp p;
    if (!open(data, n, &p, f))
        return false;
    if (p.compression == 1 || p.compression == 2)
        return bad(f, "run-length coded bitmaps are not read");
    if (p.compression != 0 && !(p.compression == 3 && (p.bits == 16 || p.bits == 32)))
        return bad(f, "unknown compression");
    if (p.bits != 1 && p.bits != 4 && p.bits != 8 && p.bits != 16 && p.bits != 24 && p.bits != 32)
        return bad(f, "1, 4, 8, 16, 24 or 32 bits a pixel are read");
    if (p.colours > 256 || (p.bits <= 8 && p.colours > 1u << p.bits))
        return bad(f, "more colours than a palette has");
    size_t row = ((size_t)i->input.width * p.bits + 31) / 32 * 4, pixels = row * (size_t)i->input.height;
    if (p.offset < FILE_HEADER + p.header || p.offset > n)
        return bad(f, "the pixels begin outside of the file");
    if (n - p.offset < pixels) {
        convd_fault(f, CONVD_BAD_IMAGE, NULL, "BMP: the pixels take %zu bytes; %zu are there", pixels, n - p.offset);
        return false;
    }
    i->file_channels = convd_stb_channels(data, n, i);
    if (i->file_channels != 3 && i->file_channels != 4)
        return bad(f, "the header is broken");
    i->alpha = i->file_channels == 4;
    i->work_bytes = budget(i);
    return true;
}
static bool decode(const uint8_t *data, size_t n, const struct convd_image_info *i, struct convd_row_sink *sink,
                   const struct convd_memory *mem, struct convd_faults *f)
{
    return convd_stb_decode(data, n, budget(i), sink, mem, f);
}

/* ---- out ---------------------------------------------------------------------------------------------------- */

static size_t pitch(ptrdiff_t w, ptrdiff_t c)
{
    return ((size_t)w * (size_t)c + 3) & ~(size_t)3;
}
static size_t bound(ptrdiff_t w, ptrdiff_t h, ptrdiff_t c, int depth)
{
    (void)depth;
    return FILE_HEADER + INFO + 256 * 4 + pitch(w, c) * (size_t)h;
}
static uint8_t *headers(uint8_t *y, const struct convd_picture *p, uint32_t offset, uint32_t size)
{
    memset(y, 0, FILE_HEADER + INFO);
    memcpy(y, "BM", 2);
    put_le32(y + 2, size);
    put_le32(y + 10, offset);
    y += FILE_HEADER;
    put_le32(y, INFO);
    put_le32(y + 4, (uint32_t)p->width);
    put_le32(y + 8, (uint32_t)p->height);
    put_le16(y + 12, 1);
    put_le16(y + 14, p->channels == 1 ? 8 : 24);
    put_le32(y + 24, 2835); /* 72 dots an inch, in dots a metre */
    put_le32(y + 28, 2835);
    y += INFO;
    if (p->channels == 1)
        for (uint32_t v = 0; v < 256; v++, y += 4) put_le32(y, v * 0x010101u);
    return y;
}
static bool encode(const struct convd_picture *p, const struct convd_encode_options *o, struct convd_bytes *out,
                   struct convd_faults *f)
{
    (void)o;
    size_t row = pitch(p->width, p->channels), w = (size_t)p->width;
    size_t offset = FILE_HEADER + INFO + (p->channels == 1 ? 1024 : 0), size = offset + row * (size_t)p->height;
    if (size > INT32_MAX) {
        convd_fault(f, CONVD_OUT_OF_RANGE, NULL, "%td x %td pixels do not fit into a BMP", p->width, p->height);
        return false;
    }
    if (!convd_bytes_reserve(out, size)) {
        convd_fault(f, CONVD_NO_MEMORY, NULL, "no memory to write a BMP");
        return false;
    }
    uint8_t *y = headers(out->data + out->n, p, (uint32_t)offset, (uint32_t)size);
    for (ptrdiff_t i = p->height - 1; i >= 0; i--, y += row) { /* bottom row first, blue first */
        const uint8_t *x = (const uint8_t *)p->data + (size_t)i * w * (size_t)p->channels;
        memset(y + row - 4, 0, 4);
        if (p->channels == 1)
            memcpy(y, x, w);
        else
            for (size_t j = 0; j < w; j++)
                for (size_t c = 0; c < 3; c++) y[3 * j + c] = x[3 * j + 2 - c];
    }
    out->n += size;
    return true;
}

const struct convd_codec convd_codec_bmp = {.name = "bmp",
                                            .title = "BMP",
                                            .media = "image/bmp",
                                            .media_more = "image/x-ms-bmp image/x-bmp",
                                            .extensions = "bmp dib",
                                            .sniff = sniff,
                                            .info = info,
                                            .details = details,
                                            .decode = decode,
                                            .encode = encode,
                                            .bound = bound};
