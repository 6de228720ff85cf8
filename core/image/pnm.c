/* pnm.c: PBM, PGM and PPM, ASCII (P1 to P3) and raw (P4 to P6), maxval 1 to 65535, comments in the header; P5 and P6 out.
 * Source: Netpbm's pbm(5), pgm(5), ppm(5). Values are scaled to 255, or to 65535 when maxval is above 255, rounded. Only
 * the first picture of a file is read. Our own, since stb_image reads no ASCII and returns what memory held for short
 * files. */
#include <stdio.h>
#include <string.h>
#include "bytes.h"
#include "row_sink.h"

struct pnm {
    char kind; /* '1' to '6' */
    uint32_t width, height, maxval;
    size_t at; /* of the pixels */
};
static bool blank(uint8_t c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}
static bool sniff(const uint8_t *data, size_t n)
{
    return n >= 3 && data[0] == 'P' && data[1] >= '1' && data[1] <= '6' && (blank(data[2]) || data[2] == '#');
}
/* Skips blanks and comments, reads an unsigned number. False at the end or at anything else. */
static bool number(const uint8_t *data, size_t n, size_t *at, uint32_t most, uint32_t *v)
{
    size_t i = *at;
    while (i < n && (blank(data[i]) || data[i] == '#')) {
        if (data[i] == '#')
            while (i < n && data[i] != '\n' && data[i] != '\r') i++;
        else
            i++;
    }
    if (i == n || data[i] < '0' || data[i] > '9')
        return false;
    uint64_t sum = 0;
    for (; i < n && data[i] >= '0' && data[i] <= '9'; i++) {
        sum = sum * 10 + (uint64_t)(data[i] - '0');
        if (sum > most)
            return false;
    }
    *v = (uint32_t)sum;
    *at = i;
    return true;
}
static bool bad(struct convd_faults *f, const char *words)
{
    convd_fault(f, CONVD_BAD_IMAGE, NULL, "PNM: %s", words);
    return false;
}
static bool open(const uint8_t *data, size_t n, struct pnm *p, struct convd_faults *f)
{
    *p = (struct pnm){.kind = (char)data[1], .maxval = 1, .at = 2};
    if (!number(data, n, &p->at, INT32_MAX, &p->width) || !number(data, n, &p->at, INT32_MAX, &p->height) ||
        !p->width || !p->height)
        return bad(f, "the header wants a width and a height of 1 or more");
    bool bits = p->kind == '1' || p->kind == '4';
    if (!bits && (!number(data, n, &p->at, 65535, &p->maxval) || !p->maxval))
        return bad(f, "the header wants a largest value from 1 to 65535");
    if (p->at == n || !blank(data[p->at]))
        return bad(f, "the file ends with its header");
    p->at++;
    return true;
}
static int channels(const struct pnm *p)
{
    return p->kind == '3' || p->kind == '6' ? 3 : 1;
}
static bool info(const uint8_t *data, size_t n, struct convd_image_info *i, struct convd_faults *f)
{
    struct pnm p;
    if (!open(data, n, &p, f))
        return false;
    i->input.width = (ptrdiff_t)p.width;
    i->input.height = (ptrdiff_t)p.height;
    i->input.pixels = p.maxval > 255 ? CONVD_U16_HWC : CONVD_U8_HWC;
    i->depth = p.maxval > 255 ? 16 : p.maxval == 1 ? 1 : 8;
    i->file_channels = channels(&p);
    return true;
}
/* Bytes of a raw row; ASCII has a character a sample at least, and a blank between two of them where they may have more
 * than one digit. */
static size_t row_bytes(const struct pnm *p)
{
    size_t samples = (size_t)p->width * (size_t)channels(p);
    return p->kind == '4' ? (samples + 7) / 8 : p->kind >= '5' && p->maxval > 255 ? 2 * samples : samples;
}
static bool details(const uint8_t *data, size_t n, struct convd_image_info *i, struct convd_faults *f)
{
    struct pnm p;
    (void)i;
    if (!open(data, n, &p, f))
        return false;
    size_t want = row_bytes(&p) * p.height;
    if (p.kind == '2' || p.kind == '3')
        want = 2 * want - 1;
    if (n - p.at >= want)
        return true;
    convd_fault(f, CONVD_BAD_IMAGE, NULL, "PNM: %u x %u pixels need %zu bytes; %zu are there", p.width, p.height, want,
                n - p.at);
    return false;
}

/* ---- in ----------------------------------------------------------------------------------------------------- */

/* One sample of a file to one that is stored. */
static void put(void *row, size_t k, uint32_t v, const struct pnm *p)
{
    if (p->maxval > 255)
        ((uint16_t *)row)[k] = (uint16_t)((v * 65535u + p->maxval / 2) / p->maxval);
    else
        ((uint8_t *)row)[k] = (uint8_t)((v * 255u + p->maxval / 2) / p->maxval);
}
static bool ascii_row(const uint8_t *data, size_t n, struct pnm *p, void *row, size_t samples)
{
    for (size_t k = 0; k < samples; k++) {
        uint32_t v;
        if (p->kind == '1') { /* digits may stand without blanks; 1 is black */
            while (p->at < n && blank(data[p->at])) p->at++;
            if (p->at < n && data[p->at] == '#') {
                while (p->at < n && data[p->at] != '\n' && data[p->at] != '\r') p->at++;
                k--;
                continue;
            }
            if (p->at == n || (data[p->at] != '0' && data[p->at] != '1'))
                return false;
            v = data[p->at++] == '0';
        } else if (!number(data, n, &p->at, p->maxval, &v)) {
            return false;
        }
        put(row, k, v, p);
    }
    return true;
}
static bool raw_row(const uint8_t *data, struct pnm *p, void *row, size_t samples)
{
    const uint8_t *x = data + p->at;
    p->at += row_bytes(p);
    if (p->kind != '4' && p->maxval == 255) {
        memcpy(row, x, samples);
        return true;
    }
    for (size_t k = 0; k < samples; k++) {
        uint32_t v;
        if (p->kind == '4')
            v = !(x[k / 8] >> (7 - k % 8) & 1); /* 1 is black */
        else
            v = p->maxval > 255 ? be16(x + 2 * k) : x[k];
        if (v > p->maxval)
            return false;
        put(row, k, v, p);
    }
    return true;
}
static bool decode(const uint8_t *data, size_t n, const struct convd_image_info *i, struct convd_row_sink *sink,
                   const struct convd_memory *mem, struct convd_faults *f)
{
    (void)mem;
    struct pnm p;
    if (!details(data, n, &(struct convd_image_info){.orientation = i->orientation}, f) || !open(data, n, &p, f))
        return false;
    size_t samples = (size_t)p.width * (size_t)channels(&p);
    for (uint32_t y = 0; y < p.height; y++) {
        void *row = convd_sink_row(sink);
        if (!(p.kind < '4' ? ascii_row(data, n, &p, row, samples) : raw_row(data, &p, row, samples)))
            return bad(f, p.kind < '4' ? "a number is missing, or above the largest value"
                                       : "a sample is above the largest value");
        convd_sink_put(sink);
    }
    return true;
}

/* ---- out ---------------------------------------------------------------------------------------------------- */

static size_t bound(ptrdiff_t w, ptrdiff_t h, ptrdiff_t c, int depth)
{
    return (size_t)w * (size_t)h * (size_t)c * (size_t)(depth / 8) + 64;
}
static bool encode(const struct convd_picture *p, const struct convd_encode_options *o, struct convd_bytes *out,
                   struct convd_faults *f)
{
    (void)o;
    char head[64];
    int len = snprintf(head, sizeof head, "P%c\n%td %td\n%d\n", p->channels == 1 ? '5' : '6', p->width, p->height,
                       p->depth == 16 ? 65535 : 255);
    size_t samples = (size_t)p->width * (size_t)p->height * (size_t)p->channels;
    if (!convd_bytes_reserve(out, bound(p->width, p->height, p->channels, p->depth)) ||
        !convd_bytes_put(out, head, (size_t)len)) {
        convd_fault(f, CONVD_NO_MEMORY, NULL, "no memory to write a PPM");
        return false;
    }
    uint8_t *y = out->data + out->n;
    if (p->depth == 8) {
        memcpy(y, p->data, samples);
    } else {
        const uint16_t *x = p->data;
        for (size_t k = 0; k < samples; k++) {
            y[2 * k] = (uint8_t)(x[k] >> 8);
            y[2 * k + 1] = (uint8_t)x[k];
        }
    }
    out->n += samples * (size_t)(p->depth / 8);
    return true;
}

const struct convd_codec convd_codec_ppm = {.name = "ppm",
                                            .title = "PNM",
                                            .media = "image/x-portable-pixmap",
                                            .media_more = "image/x-portable-graymap image/x-portable-bitmap "
                                                          "image/x-portable-anymap",
                                            .extensions = "ppm pgm pbm pnm",
                                            .sniff = sniff,
                                            .info = info,
                                            .details = details,
                                            .decode = decode,
                                            .encode = encode,
                                            .bound = bound,
                                            .writes_16 = true};
