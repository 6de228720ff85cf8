/* png_write.c: PNG out; 8 and 16 bits, gray, gray+alpha, RGB, RGBA. This is where most of the time of a request goes, so that
 * the choices were measured: README.md.
 *
 * By default the rows are cut into stripes, and idle workers take them. Each stripe has the filter under which its bytes,
 * guessed from some, have the least entropy; they become a code of their own without repeats (literals.c), to whole bytes,
 * so that the stripes are one zlib stream when they are put one after another. Where stripes begin depends on the
 * picture's size alone: one worker and eight make the same bytes. Where repeats pay (flat pictures), and where a
 * compression was asked for and they pay a little, one call of libdeflate follows the filters. */
#include <libdeflate.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "../simd/simd.h"
#include "../threads.h"
#include "literals.h"
#include "png.h"

#define IDAT_MOST INT32_MAX
/* Shares of the size that repeats must save: what a fifth of the time is worth; and what the matcher needs to win. Above
 * BOTH, zlib's default level, size is all that counts: there both ways are gone, whatever the guess. */
#define LOSS_DEFAULT 0.2
#define LOSS_ASKED   0.03
enum { BOTH = 6 };
enum { NONE, SUB, UP, AVERAGE, PAETH, FILTERS }; /* PNG 9.2 */

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

struct writer {
    const struct convd_picture *p;
    const struct convd_simd *simd;
    size_t row, bpp;            /* bytes of a row, of a pixel             */
    size_t height, stripe;      /* rows, and rows of a stripe             */
    uint8_t *scratch;           /* scratch_bytes for each slot            */
    uint8_t *out;               /* piece_bound for each stripe            */
    struct piece {
        size_t bytes;
        uint32_t adler;         /* of what they unpack to                 */
    } *pieces;
};
/* A slot's: rows as bytes where they are not (two), zeros above the first, a stripe's filtered rows. */
static size_t scratch_bytes(const struct writer *w)
{
    return (3 * w->row + w->stripe * (w->row + 1) + 63) & ~(size_t)63;
}
/* Row i as its file has it: u16 with the high byte first. Of two rows that are asked for in turn both stay. */
static const uint8_t *row_at(const struct writer *w, size_t i, uint8_t *scratch)
{
    const uint8_t *x = (const uint8_t *)w->p->data + i * w->row;
    if (w->p->depth == 8)
        return x;
    uint8_t *y = scratch + (i & 1) * w->row;
    const uint16_t *v = (const uint16_t *)(const void *)x;
    for (size_t k = 0; k < w->row / 2; k++) {
        y[2 * k] = (uint8_t)(v[k] >> 8);
        y[2 * k + 1] = (uint8_t)v[k];
    }
    return y;
}
static const uint8_t *row_above(const struct writer *w, size_t i, uint8_t *scratch)
{
    return i ? row_at(w, i - 1, scratch) : memset(scratch + 2 * w->row, 0, w->row);
}
/* Rows [first, end) to y, each after its filter. */
static uint8_t *filter_rows(const struct writer *w, int filter, size_t first, size_t end, uint8_t *scratch, uint8_t *y)
{
    const uint8_t *above = row_above(w, first, scratch);
    for (size_t i = first; i < end; i++) {
        const uint8_t *x = row_at(w, i, scratch);
        *y++ = (uint8_t)filter;
        w->simd->png_row(filter, x, above, w->row, w->bpp, y);
        above = x;
        y += w->row;
    }
    return y;
}

/* ---- the filter of a stripe --------------------------------------------------------------------------------- */

/* What costs least is guessed from pieces of some rows. */
enum { SAMPLES = 4, SAMPLE = 512 };

/* The cheapest filter for rows [first, end). With repeats it is one of the first three, for Paeth makes the matcher slow, and
 * not Up only where that is far from the best, for Up leaves it most to find. */
static int choose_filter(const struct writer *w, bool repeats, size_t first, size_t end, uint8_t *scratch)
{
    const int filters = repeats ? UP + 1 : FILTERS;
    uint8_t y[FILTERS][SAMPLES * SAMPLE];
    size_t n = 0, length = w->row < SAMPLE ? w->row : SAMPLE / w->bpp * w->bpp;
    for (size_t k = 0; k < SAMPLES; k++, n += length) {
        size_t i = first + (end - first) * (2 * k + 1) / (2 * SAMPLES);
        size_t at = (w->row - length) / w->bpp * (k + 1) / (SAMPLES + 1) * w->bpp;
        const uint8_t *above = row_above(w, i, scratch), *x = row_at(w, i, scratch);
        for (int t = 0; t < filters; t++) w->simd->png_row(t, x + at, above + at, length, w->bpp, y[t] + n);
    }
    int best = NONE;
    double least = convd_literals_bits(y[NONE], n);
    for (int t = SUB; t < filters; t++) {
        double bits = convd_literals_bits(y[t], n) * (repeats && t == UP ? 0.8 : 1);
        if (bits < least) {
            least = bits;
            best = t;
        }
    }
    return best;
}

/* ---- stripes ------------------------------------------------------------------------------------------------ */

/* Sixteen of them, but 32 to 128 KiB each: so that workers have enough, and codes are worth their description. */
static size_t stripe_rows(size_t row, size_t height)
{
    enum { MANY = 16, LEAST = 32 << 10, MOST = 128 << 10 };
    size_t bytes = row * height / MANY;
    bytes = bytes < LEAST ? LEAST : bytes > MOST ? MOST : bytes;
    return row + 1 < bytes ? bytes / (row + 1) : 1;
}
static size_t piece_bound(const struct writer *w)
{
    return convd_literals_bound(w->stripe * (w->row + 1));
}
static void pack_stripe(void *arg, size_t k, size_t slot)
{
    const struct writer *w = arg;
    size_t first = k * w->stripe, end = first + w->stripe < w->height ? first + w->stripe : w->height;
    uint8_t *scratch = w->scratch + slot * scratch_bytes(w), *filtered = scratch + 3 * w->row;
    int filter = choose_filter(w, false, first, end, scratch);
    size_t n = (size_t)(filter_rows(w, filter, first, end, scratch, filtered) - filtered);
    w->pieces[k] = (struct piece){
        .adler = libdeflate_adler32(1, filtered, n),
        .bytes = convd_literals_pack(filtered, n, end == w->height, w->out + k * piece_bound(w)),
    };
}
/* Adler-32 of x and y one after another, where y has n bytes (RFC 1950, 8.2): the second sum has grown by the first at each
 * byte of y, and both began at 1. */
static uint32_t joined_adler(uint32_t x, uint32_t y, size_t n)
{
    const uint32_t prime = 65521;
    uint32_t low = ((x & 0xffff) + (y & 0xffff) + prime - 1) % prime;
    uint64_t grown = n % prime * ((x & 0xffff) + prime - 1) % prime, high = (x >> 16) + (y >> 16) + grown;
    return low | (uint32_t)(high % prime) << 16;
}

/* ---- the whole ---------------------------------------------------------------------------------------------- */

enum {
    FIXED = 8 + 25 + 12 + 12, /* signature, IHDR, IDAT without body, IEND */
    ZLIB = 2 + 4,             /* head and checksum                        */
    COMPRESSOR = 2 << 20,
    SLOTS = 16                /* workers in a picture, at most            */
};

struct sizes {
    size_t filtered;         /* all rows, each after its filter */
    size_t stripes, slots;
    size_t scratch, packed;  /* work memory; room for the stream */
};
static bool sizes_of(struct writer *w, struct sizes *s)
{
    if (!convd_mul(w->row + 1, w->height, &s->filtered) || s->filtered > SIZE_MAX / 8)
        return false;
    w->stripe = stripe_rows(w->row, w->height);
    s->stripes = (w->height + w->stripe - 1) / w->stripe;
    s->slots = s->stripes < SLOTS ? s->stripes : SLOTS;
    size_t one = s->filtered + 3 * w->row, all = s->slots * scratch_bytes(w) + s->stripes * sizeof *w->pieces;
    s->scratch = one > all ? one : all;
    size_t a = libdeflate_zlib_compress_bound(NULL, s->filtered), b = s->stripes * piece_bound(w) + ZLIB;
    s->packed = a > b ? a : b;
    return true;
}
static struct writer writer_of(const struct convd_picture *p)
{
    size_t pixel = (size_t)p->channels * (size_t)(p->depth / 8);
    return (struct writer){.p = p, .row = (size_t)p->width * pixel, .bpp = pixel, .height = (size_t)p->height};
}
size_t convd_png_bound(ptrdiff_t width, ptrdiff_t height, ptrdiff_t channels, int depth)
{
    struct convd_picture p = {.width = width, .height = height, .channels = channels, .depth = depth};
    struct writer w = writer_of(&p);
    struct sizes s;
    return sizes_of(&w, &s) ? s.scratch + s.packed + FIXED + COMPRESSOR : SIZE_MAX;
}
/* zlib's head, the stripes, the checksum; returns how many bytes. */
static size_t pack_stripes(struct writer *w, const struct sizes *s, struct convd_pool *pool, uint8_t *y)
{
    w->out = y + 2;
    w->pieces = (struct piece *)(void *)(w->scratch + s->slots * scratch_bytes(w));
    convd_pool_for(pool, s->stripes, s->slots, pack_stripe, w);
    uint8_t *at = y;
    *at++ = 0x78; /* deflate, window of 32 KiB */
    *at++ = 0x01; /* fastest */
    uint32_t adler = 1;
    for (size_t k = 0; k < s->stripes; k++) {
        size_t rows = k + 1 < s->stripes ? w->stripe : w->height - k * w->stripe;
        memmove(at, w->out + k * piece_bound(w), w->pieces[k].bytes);
        at += w->pieces[k].bytes;
        adler = joined_adler(adler, w->pieces[k].adler, rows * (w->row + 1));
    }
    return (size_t)(put32(at, adler) - y);
}
/* What rows [first, end), cut to n bytes, take as literals under the filter that is best for them. */
static double least_bits(const struct writer *w, size_t first, size_t end, size_t n, uint8_t *y)
{
    double least = HUGE_VAL;
    for (int t = NONE; t < FILTERS; t++) {
        size_t made = (size_t)(filter_rows(w, t, first, end, w->scratch, y) - y);
        double bits = convd_literals_bits(y, made < n ? made : n);
        least = bits < least ? bits : least;
    }
    return least;
}
/* Whether looking for repeats saves that share of what literals take, each under its own best filter: from as many rows as
 * have 16 KiB, at one place in each 128 KiB, but at most four. Up leaves most repeats to find. */
static bool repeats_save(const struct writer *w, const struct sizes *s, double share)
{
    enum { PLACES = 4, WINDOW = 16 << 10, EACH = 128 << 10 };
    size_t places = s->filtered / EACH < 1 ? 1 : s->filtered / EACH < PLACES ? s->filtered / EACH : PLACES;
    size_t rows = WINDOW / (w->row + 1) < 1 ? 1 : WINDOW / (w->row + 1);
    struct convd_repeats all = {0};
    double literals = 0;
    for (size_t k = 0; k < places; k++) {
        size_t middle = w->height * (2 * k + 1) / (2 * places), first = middle > rows / 2 ? middle - rows / 2 : 0;
        size_t end = first + rows < w->height ? first + rows : w->height;
        uint8_t *y = w->scratch + 3 * w->row;
        literals += least_bits(w, first, end, WINDOW, y);
        size_t n = (size_t)(filter_rows(w, UP, first, end, w->scratch, y) - y);
        convd_literals_look(y, n < WINDOW ? n : WINDOW, &all);
    }
    return all.bits - all.saved <= (1 - share) * literals;
}
/* All rows filtered, and one call of libdeflate; 0 where that is more than room bytes, or without memory. */
static size_t pack_repeats(struct writer *w, const struct sizes *s, int compression, uint8_t *y, size_t room)
{
    uint8_t *filtered = w->scratch + 3 * w->row, *next = filtered;
    for (size_t i = 0; i < w->height; i += w->stripe) {
        size_t end = i + w->stripe < w->height ? i + w->stripe : w->height;
        next = filter_rows(w, choose_filter(w, compression < 1, i, end, w->scratch), i, end, w->scratch, next);
    }
    struct libdeflate_compressor *c = libdeflate_alloc_compressor(compression < 0 ? 1 : compression);
    size_t made = c ? libdeflate_zlib_compress(c, filtered, s->filtered, y, room) : 0;
    libdeflate_free_compressor(c);
    return made;
}
/* The zlib stream at y; 0 without memory. */
static size_t pack(struct writer *w, const struct sizes *s, const struct convd_encode_options *o, uint8_t *y)
{
    if (o->compression > BOTH) {
        size_t literals = pack_stripes(w, s, o->pool, y), made = pack_repeats(w, s, o->compression, y, literals - 1);
        return made ? made : pack_stripes(w, s, o->pool, y); /* again, for the other one wrote over it */
    }
    /* Of 16 bits the low ones often follow from the high ones, which codes of single bytes do not see. */
    double share = o->compression < 0 && w->p->depth == 8 ? LOSS_DEFAULT : LOSS_ASKED;
    return o->compression && !repeats_save(w, s, share) ? pack_stripes(w, s, o->pool, y)
                                                        : pack_repeats(w, s, o->compression, y, s->packed);
}
bool convd_png_encode(const struct convd_picture *p, const struct convd_encode_options *o, struct convd_bytes *out,
                      struct convd_faults *f)
{
    struct writer w = writer_of(p);
    struct sizes s;
    if (!sizes_of(&w, &s) || s.filtered > IDAT_MOST || p->width > INT32_MAX) {
        convd_fault(f, CONVD_OUT_OF_RANGE, NULL, "%td x %td pixels are more than this PNG writer puts into one IDAT",
                    p->width, p->height);
        return false;
    }
    w.simd = convd_simd_choose(getenv("CONVD_ISA"));
    w.scratch = convd_take(out->memory, s.scratch);
    size_t made = 0;
    if (w.scratch && convd_bytes_reserve(out, FIXED + s.packed)) {
        uint8_t *y = out->data + out->n;
        memcpy(y, "\x89PNG\r\n\x1a\n", 8);
        y = ihdr(y + 8, p);
        made = pack(&w, &s, o, y + 8);
        y = chunk(chunk(y, "IDAT", made), "IEND", 0);
        if (made)
            out->n = (size_t)(y - out->data);
    }
    if (!made)
        convd_fault(f, CONVD_NO_MEMORY, NULL, "no memory to write a PNG");
    convd_give(out->memory, w.scratch, s.scratch);
    return made > 0;
}
