/* png_read.c: the pixels of a PNG. All of IDAT is inflated at once by libdeflate, into memory of exactly the size that IHDR
 * promises, so that a stream of any other size is a fault; then rows come back from their filters, some at a time, so
 * that they are still in the first cache when they are made samples of. Where rows are what is wanted as they are (8
 * bits, no palette, no tRNS), they are made in the caller's picture. Adam7 is the same, seven times, into every so many
 * pixels. Source: PNG specification, third edition, 7 to 9 and 11.3. */
#include <libdeflate.h>
#include <stdlib.h>
#include <string.h>
#include "../simd/simd.h"
#include "png.h"
#include "row_sink.h"

/* deflate makes at most 258 bytes of 2 bits; with the code's own bits 1032 to 1. Source: zlib's documentation. */
#define MOST_EXPANSION 1032u
#define ROWS           8 /* at a time */

static bool bad(struct convd_faults *f, const char *words)
{
    convd_fault(f, CONVD_BAD_IMAGE, NULL, "PNG: %s", words);
    return false;
}

/* ---- sizes -------------------------------------------------------------------------------------------------- */

/* The pixels (y + i * down, x + j * right) of the picture, h rows of w. */
struct pass {
    uint32_t x, y, right, down, w, h;
};
static struct pass pass_of(const struct convd_png *p, int k)
{
    static const uint8_t adam7[7][4] = {{0, 0, 8, 8}, {4, 0, 8, 8}, {0, 4, 4, 8}, {2, 0, 4, 4},
                                        {0, 2, 2, 4}, {1, 0, 2, 2}, {0, 1, 1, 2}};
    static const uint8_t all[4] = {0, 0, 1, 1};
    const uint8_t *a = p->interlace ? adam7[k] : all;
    return (struct pass){.x = a[0],
                         .y = a[1],
                         .right = a[2],
                         .down = a[3],
                         .w = p->width > a[0] ? (p->width - a[0] - 1) / a[2] + 1 : 0,
                         .h = p->height > a[1] ? (p->height - a[1] - 1) / a[3] + 1 : 0};
}
static int passes(const struct convd_png *p)
{
    return p->interlace ? 7 : 1;
}
static size_t pixel_bits(const struct convd_png *p)
{
    static const uint8_t samples[7] = {
        [PNG_GRAY] = 1, [PNG_RGB] = 3, [PNG_PALETTE] = 1, [PNG_GRAY_ALPHA] = 2, [PNG_RGBA] = 4};
    return (size_t)samples[p->colour] * (size_t)p->depth;
}
/* Bytes of a row of w pixels in the file, filter byte aside. */
static size_t packed_row(const struct convd_png *p, uint32_t w)
{
    return ((size_t)w * pixel_bits(p) + 7) / 8;
}
static size_t delivered_row(const struct convd_png *p)
{
    return (size_t)p->width * (size_t)convd_png_samples(p) * (p->depth == 16 ? 2 : 1);
}
/* All rows with their filter bytes. */
static bool filtered_bytes(const struct convd_png *p, size_t *bytes)
{
    *bytes = 0;
    for (int k = 0; k < passes(p); k++) {
        struct pass a = pass_of(p, k);
        size_t more;
        if (a.w && (!convd_mul(packed_row(p, a.w) + 1, a.h, &more) || !convd_add(*bytes, more, bytes)))
            return false;
    }
    return true;
}
bool convd_png_can_hold(const struct convd_png *p)
{
    size_t bytes;
    return filtered_bytes(p, &bytes) && p->idat_bytes >= bytes / MOST_EXPANSION;
}

/* Memory in one piece: what is inflated, IDAT where it comes in pieces, ROWS rows and the one above them, the samples of a
 * row (before a palette or 8 bits, and as delivered), and the picture where Adam7 has no other place for it. */
struct room {
    size_t filtered, joined, rows, samples, line, whole, all;
};
static bool room_of(const struct convd_png *p, bool whole, struct room *r)
{
    size_t row = packed_row(p, p->width);
    *r = (struct room){.joined = p->idats > 1 ? p->idat_bytes : 0,
                       .rows = row * (ROWS + 1),
                       .samples = p->width,
                       .line = delivered_row(p)};
    if (!filtered_bytes(p, &r->filtered) || (whole && !convd_mul(r->line, p->height, &r->whole)))
        return false;
    size_t *part[] = {&r->filtered, &r->joined, &r->rows, &r->samples, &r->line, &r->whole};
    for (size_t i = 0; i < sizeof part / sizeof *part; i++) {
        if (*part[i] > SIZE_MAX / 8)
            return false;
        *part[i] = (*part[i] + 63) & ~(size_t)63;
        r->all += *part[i];
    }
    return true;
}
size_t convd_png_work(const struct convd_png *p)
{
    enum { DECOMPRESSOR = 16 << 10 };
    struct room r;
    return room_of(p, p->interlace, &r) ? r.all + DECOMPRESSOR : SIZE_MAX / 2;
}

/* ---- from bytes of a row to samples -------------------------------------------------------------------------- */

/* Samples of 1, 2 or 4 bits, highest first. */
static void unpack(const uint8_t *x, uint32_t w, int depth, uint8_t *y)
{
    int mask = (1 << depth) - 1, each = 8 / depth;
    for (uint32_t j = 0; j < w; j++)
        y[j] = (uint8_t)(x[j / (uint32_t)each] >> (8 - depth * (int)(j % (uint32_t)each + 1)) & mask);
}
static void from_palette(const uint8_t *x, uint32_t w, const uint8_t (*table)[4], size_t samples, uint8_t *y)
{
    for (uint32_t j = 0; j < w; j++, y += samples)
        for (size_t c = 0; c < samples; c++) y[c] = table[x[j]][c];
}
/* c samples a pixel; with a key, c + 1: where all are the key's, the last is 0. */
static void with_key8(const uint8_t *x, uint32_t w, size_t c, const uint16_t *key, int scale, uint8_t *y)
{
    for (uint32_t j = 0; j < w; j++, x += c, y += c + 1) {
        bool same = true;
        for (size_t k = 0; k < c; k++) {
            same &= x[k] == key[k];
            y[k] = (uint8_t)(x[k] * scale);
        }
        y[c] = same ? 0 : 255;
    }
}
static void samples16(const uint8_t *x, size_t n, uint16_t *y)
{
    for (size_t j = 0; j < n; j++) y[j] = (uint16_t)(x[2 * j] << 8 | x[2 * j + 1]);
}
static void with_key16(const uint8_t *x, uint32_t w, size_t c, const uint16_t *key, uint16_t *y)
{
    for (uint32_t j = 0; j < w; j++, x += 2 * c, y += c + 1) {
        bool same = true;
        samples16(x, c, y);
        for (size_t k = 0; k < c; k++) same &= y[k] == key[k];
        y[c] = same ? 0 : 65535;
    }
}

/* ---- reading ------------------------------------------------------------------------------------------------ */

struct reader {
    const struct convd_png *p;
    const struct convd_simd *simd;
    struct convd_row_sink *sink;
    uint8_t *filtered, *joined, *rows, *samples, *line;
    uint8_t *whole;             /* Adam7's picture           */
    uint8_t table[256][4];      /* of a palette              */
    uint16_t key[3];            /* of tRNS without a palette */
};
static void read_tables(struct reader *r)
{
    const struct convd_png *p = r->p;
    for (size_t i = 0; i < 256; i++) { /* what the palette has not is black */
        bool there = p->colour == PNG_PALETTE && i < p->entries;
        for (size_t c = 0; c < 3; c++) r->table[i][c] = there ? p->palette[3 * i + c] : 0;
        r->table[i][3] = there && i < p->clear_bytes ? p->clear[i] : 255;
    }
    for (size_t c = 0; p->colour != PNG_PALETTE && c < p->clear_bytes / 2; c++) /* only as many bits as samples have */
        r->key[c] = (uint16_t)((p->clear[2 * c] << 8 | p->clear[2 * c + 1]) & ((1 << p->depth) - 1));
}
static void deliver(const struct reader *r, const uint8_t *x, uint32_t w, void *y)
{
    const struct convd_png *p = r->p;
    size_t c = pixel_bits(p) / (size_t)p->depth, n = (size_t)w * c;
    if (p->depth == 16) {
        if (p->clear)
            with_key16(x, w, c, r->key, y);
        else
            samples16(x, n, y);
        return;
    }
    if (p->depth < 8) {
        unpack(x, w, p->depth, r->samples);
        x = r->samples;
    }
    int scale = 255 / ((1 << p->depth) - 1);
    if (p->colour == PNG_PALETTE)
        from_palette(x, w, r->table, (size_t)convd_png_samples(p), y);
    else if (p->clear)
        with_key8(x, w, c, r->key, scale, y);
    else
        for (size_t j = 0; j < n; j++) ((uint8_t *)y)[j] = (uint8_t)(x[j] * scale);
}
/* A row of a pass: to the sink, or into every so many pixels of the whole. */
static void put_row(const struct reader *r, const struct pass *a, uint32_t i, const uint8_t *x)
{
    if (!r->whole) {
        deliver(r, x, a->w, convd_sink_row(r->sink));
        convd_sink_put(r->sink);
        return;
    }
    size_t row = delivered_row(r->p), pixel = row / r->p->width;
    uint8_t *y = r->whole + (a->y + (size_t)i * a->down) * row + a->x * pixel;
    deliver(r, x, a->w, r->line);
    for (uint32_t j = 0; j < a->w; j++) memcpy(y + (size_t)j * a->right * pixel, r->line + j * pixel, pixel);
}
/* The rows at x; returns what follows them, NULL where one has no filter that there is. */
static const uint8_t *read_pass(const struct reader *r, const struct pass *a, const uint8_t *x)
{
    const struct convd_png *p = r->p;
    size_t row = packed_row(p, a->w), bpp = (pixel_bits(p) + 7) / 8;
    uint8_t *above = r->rows, *first = above + row, *place = NULL;
    bool as_is = p->depth == 8 && p->colour != PNG_PALETTE && !p->clear && !r->whole;
    memset(above, 0, row);
    if (as_is && (place = convd_sink_whole(r->sink))) {
        if (!r->simd->png_rows(x, a->h, row, bpp, above, place))
            return NULL;
        convd_sink_whole_put(r->sink);
        return x + (row + 1) * a->h;
    }
    for (uint32_t i = 0; i < a->h;) {
        uint32_t n = a->h - i < ROWS ? a->h - i : ROWS;
        if (!r->simd->png_rows(x, n, row, bpp, above, first))
            return NULL;
        for (uint32_t k = 0; k < n; k++) put_row(r, a, i + k, first + k * row);
        memcpy(above, first + (n - 1) * row, row);
        x += (row + 1) * n;
        i += n;
    }
    return x;
}
/* The whole picture of Adam7 where it was made aside. */
static void put_whole(const struct reader *r)
{
    size_t row = delivered_row(r->p);
    if (r->whole == convd_sink_whole(r->sink)) {
        convd_sink_whole_put(r->sink);
        return;
    }
    for (uint32_t i = 0; i < r->p->height; i++) {
        memcpy(convd_sink_row(r->sink), r->whole + i * row, row);
        convd_sink_put(r->sink);
    }
}
/* The zlib stream of all IDATs. */
static const uint8_t *stream_of(const struct convd_png *p, uint8_t *joined)
{
    const uint8_t *chunk = p->idat;
    if (p->idats == 1)
        return chunk + 8;
    for (size_t k = 0, at = 0; k < p->idats; k++) {
        size_t n = convd_png_get32(chunk);
        memcpy(joined + at, chunk + 8, n);
        at += n;
        chunk += 12 + n;
    }
    return joined;
}
static bool inflate(const struct convd_png *p, uint8_t *joined, uint8_t *filtered, struct convd_faults *f)
{
    size_t bytes;
    struct libdeflate_decompressor *d = libdeflate_alloc_decompressor();
    if (!d || !filtered_bytes(p, &bytes)) {
        convd_fault(f, CONVD_NO_MEMORY, NULL, "no memory to decode a PNG");
        return false;
    }
    enum libdeflate_result got =
        libdeflate_zlib_decompress(d, stream_of(p, joined), p->idat_bytes, filtered, bytes, NULL);
    libdeflate_free_decompressor(d);
    return got == LIBDEFLATE_SUCCESS ||
           bad(f, got == LIBDEFLATE_SHORT_OUTPUT         ? "IDAT ends before the picture does"
                  : got == LIBDEFLATE_INSUFFICIENT_SPACE ? "IDAT has more than the picture"
                                                         : "the code of IDAT is broken or cut off");
}
static bool read_passes(struct reader *r, struct convd_faults *f)
{
    if (!inflate(r->p, r->joined, r->filtered, f))
        return false;
    read_tables(r);
    const uint8_t *x = r->filtered;
    for (int k = 0; k < passes(r->p) && x; k++) {
        struct pass a = pass_of(r->p, k);
        if (a.w && a.h)
            x = read_pass(r, &a, x);
    }
    if (!x)
        return bad(f, "a row of an unknown filter");
    if (r->whole)
        put_whole(r);
    return true;
}
bool convd_png_read(const struct convd_png *p, struct convd_row_sink *sink, const struct convd_memory *mem,
                    struct convd_faults *f)
{
    struct room room;
    bool aside = p->interlace && !convd_sink_whole(sink);
    uint8_t *at = room_of(p, aside, &room) ? convd_take(mem, room.all) : NULL;
    if (!at) {
        convd_fault(f, CONVD_NO_MEMORY, NULL, "no memory to decode a PNG");
        return false;
    }
    struct reader r = {.p = p, .sink = sink, .simd = convd_simd_choose(getenv("CONVD_ISA")), .filtered = at};
    r.joined = r.filtered + room.filtered;
    r.rows = r.joined + room.joined;
    r.samples = r.rows + room.rows;
    r.line = r.samples + room.samples;
    r.whole = aside ? r.line + room.line : p->interlace ? convd_sink_whole(sink) : NULL;
    bool good = read_passes(&r, f);
    convd_give(mem, at, room.all);
    return good;
}
