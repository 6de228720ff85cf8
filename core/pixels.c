/* pixels.c: rows of a caller's picture to planes of floats and back. The row loops for bytes are in
 * simd/bytes.tmpl.c; 16 bits and floats are plain here. */
#include "pixels.h"
#include "simd/simd.h"
#include <math.h>
#include <string.h>

static size_t size_of(enum convd_pixels pixels)
{
    return pixels == CONVD_U8_HWC ? 1 : pixels == CONVD_U16_HWC ? 2 : sizeof(float);
}

bool convd_pixels_bytes(enum convd_pixels pixels, ptrdiff_t n, ptrdiff_t c, ptrdiff_t h,
                        ptrdiff_t w, size_t *bytes)
{
    return convd_mul((size_t)n, (size_t)c, bytes) && convd_mul(*bytes, (size_t)h, bytes) &&
           convd_mul(*bytes, (size_t)w, bytes) && convd_mul(*bytes, size_of(pixels), bytes);
}

/* ---- in -------------------------------------------------------------------------------------- */

/* Which stored channel a channel of the pipeline is; -1: it is opaque alpha. */
static ptrdiff_t source_of(ptrdiff_t c, ptrdiff_t stored)
{
    if (c < stored) return c;
    return c == 3 ? -1 : 0;
}

/* Channels that no stored channel was written to: copies of the first, or alpha. */
static void fill_rest(const struct convd_view *y, ptrdiff_t row, ptrdiff_t stored)
{
    for (ptrdiff_t c = stored; c < y->c; c++) {
        float *to = convd_row(y, c, row);
        if (source_of(c, stored) < 0)
            for (ptrdiff_t j = 0; j < y->w; j++) to[j] = 255.0f;
        else
            memcpy(to, convd_row(y, 0, row), (size_t)y->w * sizeof *to);
    }
}

static void row_u8(const uint8_t *x, ptrdiff_t stored, const struct convd_view *y, ptrdiff_t row,
                   const struct convd_simd *simd)
{
    const ptrdiff_t together = stored <= 4 ? stored : 1;
    if (stored >= 3 && y->c == 1) {
        simd->u8_luma(x, (size_t)y->w, (size_t)stored, convd_row(y, 0, row));
    } else if (together == stored) {
        float *to[4];
        ptrdiff_t n = 0;
        for (; n < stored && n < y->c; n++) to[n] = convd_row(y, n, row);
        simd->u8_planes(x, (size_t)y->w, (size_t)stored, to, (size_t)n);
        fill_rest(y, row, stored);
    } else {
        for (ptrdiff_t c = 0; c < stored && c < y->c; c++)
            simd->u8_planes(x + c, (size_t)y->w, (size_t)stored, &(float *){convd_row(y, c, row)},
                            1);
        fill_rest(y, row, stored);
    }
}

static void row_u16(const uint16_t *x, ptrdiff_t stored, const struct convd_view *y, ptrdiff_t row)
{
    if (stored >= 3 && y->c == 1) {
        float *to = convd_row(y, 0, row);
        for (ptrdiff_t j = 0; j < y->w; j++, x += stored)
            to[j] = (0.299f * (float)x[0] + 0.587f * (float)x[1] + 0.114f * (float)x[2]) / 257.0f;
        return;
    }
    for (ptrdiff_t c = 0; c < stored && c < y->c; c++) {
        float *to = convd_row(y, c, row);
        for (ptrdiff_t j = 0; j < y->w; j++) to[j] = (float)x[j * stored + c] / 257.0f;
    }
    fill_rest(y, row, stored);
}

void convd_pixels_unpack(const struct convd_input *in, const void *data, ptrdiff_t n,
                         const struct convd_view *y, const struct convd_simd *simd)
{
    const size_t w = (size_t)in->width, h = (size_t)in->height, stored = (size_t)in->stored,
                 sample = (size_t)n;
    for (ptrdiff_t i = y->y0; i < y->y1; i++) {
        const size_t at = ((sample * h + (size_t)i) * w) * stored;
        switch (in->pixels) {
        case CONVD_U8_HWC:
            row_u8((const uint8_t *)data + at, in->stored, y, i, simd);
            break;
        case CONVD_U16_HWC:
            row_u16((const uint16_t *)data + at, in->stored, y, i);
            break;
        case CONVD_F32_NCHW:
            for (ptrdiff_t c = 0; c < y->c; c++) {
                const float *x =
                    (const float *)data + ((sample * stored + (size_t)c) * h + (size_t)i) * w;
                memcpy(convd_row(y, c, i), x, w * sizeof *x);
            }
        }
    }
}

/* ---- out ------------------------------------------------------------------------------------- */

/* As narrow in simd/bytes.tmpl.c: adding 2^52 rounds half to even. In double, where v*257 is exact. */
static uint64_t row_to_u16(const float *x, ptrdiff_t w, ptrdiff_t c, uint16_t *y)
{
    ptrdiff_t inside = 0;
    for (ptrdiff_t j = 0; j < w; j++) {
        const float v = x[j], low = v >= 0.0f ? v : 0.0f, in = low <= 255.0f ? low : 255.0f;
        y[j * c] = (uint16_t)((double)in * 257.0 + 0x1p52 - 0x1p52);
        inside += v == in;
    }
    return (uint64_t)(w - inside);
}

uint64_t convd_pixels_pack(const struct convd_view *x, enum convd_pixels pixels, ptrdiff_t n,
                           void *data, const struct convd_simd *simd)
{
    const size_t w = (size_t)x->w, h = (size_t)x->h, channels = (size_t)x->c, sample = (size_t)n;
    uint64_t saturated = 0;
    for (ptrdiff_t i = x->y0; i < x->y1; i++) {
        const size_t at = ((sample * h + (size_t)i) * w) * channels;
        if (pixels == CONVD_U8_HWC && x->c <= 4) {
            const float *from[4];
            for (ptrdiff_t c = 0; c < x->c; c++) from[c] = convd_row(x, c, i);
            saturated += simd->planes_u8(from, w, channels, (uint8_t *)data + at);
            continue;
        }
        for (ptrdiff_t c = 0; c < x->c; c++) {
            const float *from = convd_row(x, c, i);
            if (pixels == CONVD_U8_HWC) {
                uint8_t block[256];
                for (size_t j = 0; j < w; j += sizeof block) {
                    const size_t len = w - j < sizeof block ? w - j : sizeof block;
                    saturated += simd->planes_u8(&(const float *){from + j}, len, 1, block);
                    uint8_t *y = (uint8_t *)data + at + j * channels + (size_t)c;
                    for (size_t k = 0; k < len; k++) y[k * channels] = block[k];
                }
            } else if (pixels == CONVD_U16_HWC) {
                saturated += row_to_u16(from, x->w, x->c, (uint16_t *)data + at + c);
            } else {
                memcpy((float *)data + ((sample * channels + (size_t)c) * h + (size_t)i) * w, from,
                       w * sizeof *from);
            }
        }
    }
    return saturated;
}
