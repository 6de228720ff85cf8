/* hdr.c: Radiance RGBE. In by stb_image, linear light as it is; out with run lengths, by ourselves. Source: Greg Ward, "Real
 * Pixels", Graphics Gems II, 1991, and the Radiance file format notes. */
#include <math.h>
#include <stdio.h>
#include <string.h>
#include "stb.h"

enum { HEADER_MOST = 64 << 10, RUN_LEAST = 8, RUN_MOST = 32767 };

static bool sniff(const uint8_t *data, size_t n)
{
    return (n >= 11 && memcmp(data, "#?RADIANCE\n", 11) == 0) || (n >= 7 && memcmp(data, "#?RGBE\n", 7) == 0);
}
struct hdr {
    long width, height;
    size_t at; /* of the pixels */
};
/* "WORD NUMBER" and one byte behind it. */
static bool side(const uint8_t *d, size_t n, size_t *at, const char *word, uint8_t end, long *v)
{
    size_t i = *at, k = strlen(word);
    if (n - i < k || memcmp(d + i, word, k) != 0)
        return false;
    i += k;
    size_t first = i;
    for (*v = 0; i < n && d[i] >= '0' && d[i] <= '9' && i - first < 9; i++) *v = *v * 10 + (d[i] - '0');
    if (i == first || i == n || d[i] != end)
        return false;
    *at = i + 1;
    return true;
}
static bool open(const uint8_t *d, size_t n, struct hdr *p, struct convd_faults *f)
{
    static const char format[] = "\nFORMAT=32-bit_rle_rgbe\n";
    size_t most = n < HEADER_MOST ? n : HEADER_MOST;
    const uint8_t *end = memmem(d, most, "\n\n", 2);
    if (!end || !memmem(d, (size_t)(end - d) + 1, format, sizeof format - 1)) {
        convd_fault(f, CONVD_BAD_IMAGE, NULL, "HDR: the header has no FORMAT=32-bit_rle_rgbe or no end");
        return false;
    }
    p->at = (size_t)(end - d) + 2;
    if (side(d, n, &p->at, "-Y ", ' ', &p->height) && side(d, n, &p->at, "+X ", '\n', &p->width) && p->height > 0 &&
        p->width > 0)
        return true;
    convd_fault(f, CONVD_BAD_IMAGE, NULL, "HDR: the size must be given as -Y HEIGHT +X WIDTH");
    return false;
}
static bool info(const uint8_t *data, size_t n, struct convd_image_info *i, struct convd_faults *f)
{
    struct hdr p;
    if (!open(data, n, &p, f))
        return false;
    i->input.width = p.width;
    i->input.height = p.height;
    i->input.pixels = CONVD_F32_NCHW;
    i->depth = 32;
    i->file_channels = 3;
    return true;
}
static size_t budget(const struct convd_image_info *i)
{
    return (size_t)i->input.width * (size_t)i->input.height * 12 + (size_t)i->input.width * 4 + (64u << 10);
}
static bool details(const uint8_t *data, size_t n, struct convd_image_info *i, struct convd_faults *f)
{
    struct hdr p;
    if (!open(data, n, &p, f))
        return false;
    bool flat = p.width < RUN_LEAST || p.width > RUN_MOST;
    /* A coded row has 4 bytes before it, and 2 bytes for 127 equal ones in each of 4 planes. */
    size_t row = flat ? 4 * (size_t)p.width : 4 + 8 * (((size_t)p.width + 126) / 127);
    if (n - p.at < row * (size_t)p.height) {
        convd_fault(f, CONVD_BAD_IMAGE, NULL, "HDR: %ld x %ld pixels need %zu bytes at least; %zu are there", p.width,
                    p.height, row * (size_t)p.height, n - p.at);
        return false;
    }
    i->work_bytes = budget(i);
    return true;
}
static bool decode(const uint8_t *data, size_t n, const struct convd_image_info *i, struct convd_row_sink *sink,
                   const struct convd_memory *mem, struct convd_faults *f)
{
    return convd_stb_decode(data, n, budget(i), sink, mem, f);
}

/* ---- out ---------------------------------------------------------------------------------------------------- */

/* What RGBE cannot hold: negative light and NaN are 0, more than its largest is its largest. */
static float light(float v)
{
    return !(v > 0) ? 0 : v > 0x1.fep126f ? 0x1.fep126f : v;
}
static void to_rgbe(const float *x, int step, uint8_t *y)
{
    float v[3], most = 0;
    for (int c = 0; c < 3; c++) {
        v[c] = light(x[c * step]);
        if (v[c] > most)
            most = v[c];
    }
    memset(y, 0, 4);
    if (most < 1e-32f)
        return;
    int e;
    float scale = frexpf(most, &e) * 256 / most;
    for (int c = 0; c < 3; c++) y[c] = (uint8_t)(v[c] * scale);
    y[3] = (uint8_t)(e + 128);
}
/* One plane of a row: runs of at least 4 equal bytes as (128 + length, byte), the rest as (length, bytes…). */
static uint8_t *runs(const uint8_t *x, size_t w, uint8_t *y)
{
    for (size_t j = 0; j < w;) {
        size_t start = j, run = 0;
        while (start < w) { /* the next run */
            for (run = 1; run < 127 && start + run < w && x[4 * (start + run)] == x[4 * start]; run++) {}
            if (run >= 4)
                break;
            start += run;
        }
        while (j < start) {
            size_t k = start - j < 128 ? start - j : 128;
            *y++ = (uint8_t)k;
            for (size_t i = 0; i < k; i++) *y++ = x[4 * j++];
        }
        if (start < w) {
            *y++ = (uint8_t)(128 + run);
            *y++ = x[4 * start];
            j += run;
        }
    }
    return y;
}
static size_t bound(ptrdiff_t w, ptrdiff_t h, ptrdiff_t c, int depth)
{
    (void)c;
    (void)depth;
    size_t row = 4 + 4 * ((size_t)w + (size_t)w / 64 + 2);
    return row * (size_t)h + 4 * (size_t)w + 128;
}
static bool encode(const struct convd_picture *p, const struct convd_encode_options *o, struct convd_bytes *out,
                   struct convd_faults *f)
{
    (void)o;
    char head[128];
    size_t w = (size_t)p->width;
    int len = snprintf(head, sizeof head, "#?RADIANCE\nFORMAT=32-bit_rle_rgbe\n\n-Y %td +X %td\n", p->height, p->width);
    uint8_t *row = convd_take(out->memory, 4 * w);
    if (!row || !convd_bytes_reserve(out, bound(p->width, p->height, 3, 32) - 4 * w)) {
        convd_give(out->memory, row, 4 * w);
        convd_fault(f, CONVD_NO_MEMORY, NULL, "no memory to write an HDR");
        return false;
    }
    convd_bytes_put(out, head, (size_t)len);
    bool flat = w < RUN_LEAST || w > RUN_MOST;
    uint8_t *y = out->data + out->n;
    const float *x = p->data;
    int step = p->channels == 1 ? 0 : 1;
    for (ptrdiff_t i = 0; i < p->height; i++) {
        for (size_t j = 0; j < w; j++, x += p->channels) to_rgbe(x, step, row + 4 * j);
        if (flat) {
            memcpy(y, row, 4 * w);
            y += 4 * w;
            continue;
        }
        *y++ = 2;
        *y++ = 2;
        *y++ = (uint8_t)(w >> 8);
        *y++ = (uint8_t)w;
        for (int c = 0; c < 4; c++) y = runs(row + c, w, y);
    }
    out->n = (size_t)(y - out->data);
    convd_give(out->memory, row, 4 * w);
    return true;
}

const struct convd_codec convd_codec_hdr = {.name = "hdr",
                                            .title = "HDR",
                                            .media = "image/vnd.radiance",
                                            .media_more = "image/x-hdr image/hdr image/x-rgbe",
                                            .extensions = "hdr",
                                            .sniff = sniff,
                                            .info = info,
                                            .details = details,
                                            .decode = decode,
                                            .encode = encode,
                                            .bound = bound,
                                            .writes_float = true};
