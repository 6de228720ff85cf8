/* row_sink.c: rows of a file to upright pixels of the caller's. A row goes through at most two steps: colour (alpha
 * composited over the background, put into the fourth sample, or set aside), then place. Orientations 5 to 8 turn rows
 * into columns; BAND rows are gathered first, so that the columns are written several pixels at a time. */
#include <string.h>
#include "row_sink.h"

#define BAND 16

/* Bytes of one picture row as it will be stored (u8 and u16), and of one alpha row. */
static size_t row_bytes(const struct convd_image_info *info, ptrdiff_t channels)
{
    size_t sample = info->input.pixels == CONVD_U8_HWC ? 1 : info->input.pixels == CONVD_U16_HWC ? 2 : 4;
    ptrdiff_t w = info->orientation >= 5 ? info->input.height : info->input.width;
    return (size_t)w * (size_t)channels * sample;
}
static size_t round_up(size_t n)
{
    return (n + 63) & ~(size_t)63;
}
static bool needs_row(const struct convd_image_info *info)
{
    if (!info->file_channels) /* a tensor */
        return false;
    return info->input.pixels == CONVD_F32_NCHW || info->orientation > 1 ||
           info->file_channels != (int)info->input.stored || info->alpha_bytes;
}
size_t convd_sink_bytes(const struct convd_image_info *info)
{
    if (!needs_row(info))
        return 0;
    size_t rows = info->orientation >= 5 ? BAND : 1;
    size_t stored = info->input.stored > 4 ? 4 : (size_t)info->input.stored;
    return round_up(row_bytes(info, info->file_channels)) +
           round_up(rows * row_bytes(info, (ptrdiff_t)stored)) + round_up(rows * row_bytes(info, 1));
}
void convd_sink_init(struct convd_row_sink *s, const struct convd_image_info *info, const struct convd_decode_options *o,
                     void *scratch, void *pixels, uint8_t *alpha)
{
    const struct convd_input *in = &info->input;
    bool turned = info->orientation >= 5;
    *s = (struct convd_row_sink){.width = turned ? in->height : in->width,
                                 .height = turned ? in->width : in->height,
                                 .channels = info->file_channels,
                                 .pixels = in->pixels,
                                 .info = info,
                                 .out = pixels,
                                 .alpha = info->alpha_bytes ? alpha : NULL};
    s->sample = in->pixels == CONVD_U8_HWC ? 1 : in->pixels == CONVD_U16_HWC ? 2 : 4;
    s->direct = !needs_row(info);
    s->composite = info->alpha && !info->alpha_bytes && in->stored != 4;
    memcpy(s->background, o->background, sizeof s->background);
    if (!s->direct) {
        s->row = scratch;
        s->band = s->row + round_up(row_bytes(info, info->file_channels));
        size_t rows = turned ? BAND : 1;
        s->band_alpha = s->band + round_up(rows * row_bytes(info, in->stored));
    }
}
void *convd_sink_whole(struct convd_row_sink *s)
{
    return s->direct ? s->out : NULL;
}
void convd_sink_whole_put(struct convd_row_sink *s)
{
    s->done = s->height;
}
void *convd_sink_row(struct convd_row_sink *s)
{
    if (!s->direct)
        return s->row;
    return s->out + (size_t)s->done * (size_t)s->width * (size_t)s->channels * s->sample;
}

/* ---- colour ------------------------------------------------------------------------------------------------- */

/* c over b with coverage a of m, rounded: exact for m 255 and 65535 in 32 bits. */
static uint32_t over(uint32_t c, uint32_t b, uint32_t a, uint32_t m)
{
    return (c * a + b * (m - a) + m / 2) / m;
}
/* A row of file samples to a row of stored samples and, when alpha is not NULL, one of u8 alpha. MAX is opaque. */
#define COLOUR(NAME, TYPE, MAX)                                                                                    \
    static void NAME(const struct convd_row_sink *s, const TYPE *x, TYPE *y, uint8_t *alpha)                       \
    {                                                                                                              \
        int from = s->channels, colours = from < 3 ? 1 : 3, to = (int)s->info->input.stored;                       \
        bool has_alpha = from == 2 || from == 4;                                                                   \
        uint32_t back[3];                                                                                          \
        for (int c = 0; c < 3; c++) back[c] = s->background[c] * (uint32_t)(MAX / 255);                            \
        for (ptrdiff_t j = 0; j < s->width; j++, x += from, y += to) {                                             \
            uint32_t a = has_alpha ? x[colours] : MAX;                                                             \
            for (int c = 0; c < (to < 3 ? 1 : 3); c++) {                                                           \
                uint32_t v = x[colours == 3 ? c : 0];                                                              \
                y[c] = (TYPE)(s->composite && a != MAX ? over(v, back[c], a, MAX) : v);                            \
            }                                                                                                      \
            if (to == 4)                                                                                           \
                y[3] = (TYPE)a;                                                                                    \
            if (alpha)                                                                                             \
                alpha[j] = (uint8_t)((a * 255u + MAX / 2) / MAX);                                                  \
        }                                                                                                          \
    }
COLOUR(colour8, uint8_t, 255)
COLOUR(colour16, uint16_t, 65535)

/* Light has no alpha; planes are written at once (f32 stores as many channels as the pipeline sees). */
static void put_light(struct convd_row_sink *s)
{
    const struct convd_input *in = &s->info->input;
    size_t plane = (size_t)in->width * (size_t)in->height, at = (size_t)s->done * (size_t)s->width;
    const float *x = (const float *)(const void *)s->row;
    float *y = (float *)(void *)s->out + at;
    for (ptrdiff_t j = 0; j < s->width; j++, x += s->channels) {
        const float r = x[0], g = x[s->channels > 2 ? 1 : 0], b = x[s->channels > 2 ? 2 : 0];
        if (in->stored == 1) {
            y[j] = s->channels > 2 ? 0.299f * r + 0.587f * g + 0.114f * b : r;
        } else {
            y[j] = r;
            y[plane + (size_t)j] = g;
            y[2 * plane + (size_t)j] = b;
            if (in->stored == 4)
                y[3 * plane + (size_t)j] = 255;
        }
    }
}

/* ---- place -------------------------------------------------------------------------------------------------- */

/* size bytes a pixel; orientation 2 to 4: the row stays a row. */
static void place_row(const struct convd_row_sink *s, const uint8_t *x, uint8_t *out, size_t size)
{
    int o = s->info->orientation;
    size_t w = (size_t)s->width;
    size_t i = (size_t)(o == 3 || o == 4 ? s->height - 1 - s->done : s->done);
    uint8_t *y = out + i * w * size;
    if (o == 1 || o == 4) {
        memcpy(y, x, w * size);
        return;
    }
    for (size_t j = 0; j < w; j++) memcpy(y + (w - 1 - j) * size, x + j * size, size);
}
/* Orientation 5 to 8: the band's rows [first, first+n) become columns. Upright rows are as long as the file is high. */
static void place_band(const struct convd_row_sink *s, const uint8_t *x, uint8_t *out, size_t size, ptrdiff_t first,
                       ptrdiff_t n)
{
    int o = s->info->orientation;
    bool from_right = o == 6 || o == 7, from_bottom = o == 7 || o == 8;
    size_t pitch = (size_t)s->height * size, row = (size_t)s->width * size;
    for (ptrdiff_t j = 0; j < s->width; j++) {
        uint8_t *y = out + (size_t)(from_bottom ? s->width - 1 - j : j) * pitch;
        for (ptrdiff_t r = 0; r < n; r++) {
            ptrdiff_t i = from_right ? s->height - 1 - (first + r) : first + r;
            memcpy(y + (size_t)i * size, x + (size_t)r * row + (size_t)j * size, size);
        }
    }
}
static void turn(struct convd_row_sink *s, const uint8_t *x, uint8_t *out, size_t size, ptrdiff_t first, ptrdiff_t n)
{
    switch (size) { /* so that the small copies become moves */
    case 1: place_band(s, x, out, 1, first, n); break;
    case 2: place_band(s, x, out, 2, first, n); break;
    case 3: place_band(s, x, out, 3, first, n); break;
    case 4: place_band(s, x, out, 4, first, n); break;
    case 6: place_band(s, x, out, 6, first, n); break;
    default: place_band(s, x, out, size, first, n); break;
    }
}
void convd_sink_put(struct convd_row_sink *s)
{
    if (s->direct || s->done >= s->height) {
        s->done++;
        return;
    }
    if (s->pixels == CONVD_F32_NCHW) {
        put_light(s);
        s->done++;
        return;
    }
    size_t size = (size_t)s->info->input.stored * s->sample, w = (size_t)s->width;
    bool turned = s->info->orientation >= 5;
    size_t at = turned ? (size_t)s->waiting * w : 0;
    uint8_t *y = s->band + at * size, *a = s->alpha ? s->band_alpha + at : NULL;
    if (s->info->file_channels == (int)s->info->input.stored && !a)
        memcpy(y, s->row, w * size);
    else if (s->sample == 1)
        colour8(s, s->row, y, a);
    else
        colour16(s, (const uint16_t *)(const void *)s->row, (uint16_t *)(void *)y, a);
    if (!turned) {
        place_row(s, y, s->out, size);
        if (a)
            place_row(s, a, s->alpha, 1);
        s->done++;
        return;
    }
    s->done++;
    if (++s->waiting == BAND || s->done == s->height) {
        ptrdiff_t first = s->done - s->waiting;
        turn(s, s->band, s->out, size, first, s->waiting);
        if (s->alpha)
            turn(s, s->band_alpha, s->alpha, 1, first, s->waiting);
        s->waiting = 0;
    }
}
