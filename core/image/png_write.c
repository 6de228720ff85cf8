/* png_write.c: PNG out. One zlib stream over rows of one filter; 8 and 16 bits, gray, gray+alpha, RGB, RGBA. By default
 * literals alone where repeats are few (edges, most photos), else libdeflate's level 1; a compression that was asked for is
 * libdeflate's level. This is where most of the time of a request goes, so that the choices were measured: README.md. */
#include <libdeflate.h>
#include <string.h>
#include "literals.h"
#include "png.h"

#define IDAT_MOST INT32_MAX
#define LOSS_MOST 0.2 /* share of the size that a fifth of the time is worth */

static uint8_t *put32(uint8_t *p, uint32_t v)
{
    p[0] = (uint8_t)(v >> 24);
    p[1] = (uint8_t)(v >> 16);
    p[2] = (uint8_t)(v >> 8);
    p[3] = (uint8_t)v;
    return p + 4;
}
/* Length, type and CRC around a body that is in its place already. Returns the end. */
static uint8_t *chunk(uint8_t *p, const char *type, size_t length)
{
    put32(p, (uint32_t)length);
    memcpy(p + 4, type, 4);
    return put32(p + 8 + length, libdeflate_crc32(0, p + 4, 4 + length));
}
static uint8_t *ihdr(uint8_t *p, const struct convd_picture *x)
{
    static const uint8_t colour[5] = {0, 0, 4, 2, 6};
    uint8_t *body = put32(put32(p + 8, (uint32_t)x->width), (uint32_t)x->height);
    body[0] = (uint8_t)x->depth;
    body[1] = colour[x->channels];
    body[2] = body[3] = body[4] = 0; /* deflate, the five filters, not interlaced */
    return chunk(p, "IHDR", 13);
}


/* ---- rows --------------------------------------------------------------------------------------------------- */

#define UP 2 /* PNG 9.2: the difference to the byte above */

static void filter_up(const uint8_t *restrict x, const uint8_t *restrict above, uint8_t *restrict y, size_t n)
{
    for (size_t k = 0; k < n; k++) y[k] = (uint8_t)(x[k] - above[k]);
}
/* u16 in host order to bytes, high one first; differences of bytes are taken after that. */
static void filter_up16(const uint16_t *restrict x, const uint16_t *restrict above, uint8_t *restrict y, size_t n)
{
    for (size_t k = 0; k < n; k++) {
        y[2 * k] = (uint8_t)((x[k] >> 8) - (above[k] >> 8));
        y[2 * k + 1] = (uint8_t)(x[k] - above[k]);
    }
}
static void filter_rows(const struct convd_picture *p, uint8_t *y, uint8_t *zero)
{
    size_t samples = (size_t)p->width * (size_t)p->channels, row = samples * (size_t)(p->depth / 8);
    const uint8_t *x = p->data, *above = zero;
    memset(zero, 0, row);
    for (ptrdiff_t i = 0; i < p->height; i++, above = x, x += row) {
        *y++ = UP;
        if (p->depth == 16)
            filter_up16((const uint16_t *)(const void *)x, (const uint16_t *)(const void *)above, y, samples);
        else
            filter_up(x, above, y, row);
        y += row;
    }
}

/* ---- the whole ---------------------------------------------------------------------------------------------- */

enum { FIXED = 8 + 25 + 12 + 12 }; /* signature, IHDR, IDAT without body, IEND */

/* Filtered bytes and the row of zeros that stands above the first. */
static bool filtered_bytes(ptrdiff_t w, ptrdiff_t h, ptrdiff_t channels, int depth, size_t *filtered, size_t *row)
{
    size_t line;
    return convd_mul((size_t)w, (size_t)channels * (size_t)(depth / 8), row) && convd_add(*row, 1, &line) &&
           convd_mul(line, (size_t)h, filtered);
}
static size_t packed_bound(size_t n)
{
    size_t a = libdeflate_zlib_compress_bound(NULL, n), b = convd_literals_bound(n);
    return a > b ? a : b;
}
/* Returns 0 without memory. */
static size_t pack(const uint8_t *x, size_t n, uint8_t *y, size_t room, int compression)
{
    if (compression < 0 && convd_literals_loss(x, n) < LOSS_MOST)
        return convd_literals_pack(x, n, y);
    struct libdeflate_compressor *c = libdeflate_alloc_compressor(compression < 0 ? 1 : compression);
    size_t made = c ? libdeflate_zlib_compress(c, x, n, y, room) : 0;
    libdeflate_free_compressor(c);
    return made;
}
size_t convd_png_bound(ptrdiff_t w, ptrdiff_t h, ptrdiff_t channels, int depth)
{
    enum { COMPRESSOR = 2 << 20 };
    size_t filtered, row;
    if (!filtered_bytes(w, h, channels, depth, &filtered, &row))
        return SIZE_MAX;
    return filtered + row + packed_bound(filtered) + FIXED + COMPRESSOR;
}
bool convd_png_encode(const struct convd_picture *p, const struct convd_encode_options *o, struct convd_bytes *out,
                      struct convd_faults *f)
{
    size_t n, row;
    if (!filtered_bytes(p->width, p->height, p->channels, p->depth, &n, &row) || n > IDAT_MOST || p->width > INT32_MAX) {
        convd_fault(f, CONVD_OUT_OF_RANGE, NULL, "%td x %td pixels are more than this PNG writer puts into one IDAT",
                    p->width, p->height);
        return false;
    }
    uint8_t *x = convd_take(out->memory, row + n); /* zeros above the first row, filtered rows */
    size_t room = packed_bound(n), made = 0;
    if (x && convd_bytes_reserve(out, FIXED + room)) {
        filter_rows(p, x + row, x);
        uint8_t *y = out->data + out->n;
        memcpy(y, "\x89PNG\r\n\x1a\n", 8);
        y = ihdr(y + 8, p);
        made = pack(x + row, n, y + 8, room, o->compression);
        y = chunk(chunk(y, "IDAT", made), "IEND", 0);
        if (made)
            out->n = (size_t)(y - out->data);
    }
    if (!made)
        convd_fault(f, CONVD_NO_MEMORY, NULL, "no memory to write a PNG");
    convd_give(out->memory, x, row + n);
    return made > 0;
}
