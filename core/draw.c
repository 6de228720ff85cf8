/* draw.c: maps to pictures.
 *
 * A picture is made of tiles. A tile is one channel of one sample in gray or in the colours of a map, or, where the map
 * is a picture itself (3 channels, or 4 asked for as RGBA) and nothing turns numbers into colours, all channels of the
 * one sample. Several tiles make a grid: ceil(sqrt(tiles)) columns, one pixel of black between them, sample by sample.
 *
 * A tile has a range of its own: a map is compared with itself. Numbers that are not finite do not count for it. */
#include <math.h>
#include <string.h>
#include "colour_maps.h"
#include "arena.h"

const char *const convd_normalize_words[] = {"none", "minmax", "signed", "viridis", "magma", "turbo", NULL};

/* ---- layout ------------------------------------------------------------------------------------------------- */

struct layout {
    ptrdiff_t tiles, columns, rows;
    ptrdiff_t first, per_sample; /* channels that become tiles           */
    ptrdiff_t channels;          /* of the picture                       */
    ptrdiff_t of_map;            /* channels of the map in one tile      */
};
static bool is_coloured(enum convd_normalize n)
{
    return n != CONVD_NORM_NONE && n != CONVD_NORM_MINMAX;
}
static bool lay_out(struct convd_shape s, const struct convd_view_options *o, struct layout *l)
{
    *l = (struct layout){.per_sample = s.c, .channels = is_coloured(o->normalize) ? 3 : 1, .of_map = 1};
    if (s.n < 1 || s.c < 1 || s.h < 1 || s.w < 1)
        return false;
    if (o->kind == CONVD_VIEW_CHANNEL) {
        if (o->channel < 0 || o->channel >= s.c)
            return false;
        l->first = o->channel;
        l->per_sample = 1;
    } else if (o->kind == CONVD_VIEW_AUTO && s.n == 1 && l->channels == 1 && (s.c == 3 || (s.c == 4 && o->rgba))) {
        l->channels = l->of_map = s.c;
        l->per_sample = 1;
    }
    size_t tiles;
    if (!convd_mul((size_t)s.n, (size_t)l->per_sample, &tiles) || tiles > INT32_MAX)
        return false;
    l->tiles = (ptrdiff_t)tiles;
    l->columns = (ptrdiff_t)ceil(sqrt((double)tiles));
    l->rows = (l->tiles + l->columns - 1) / l->columns;
    return true;
}
/* tiles of side n with a pixel between them; false beyond what any picture format holds. */
static bool span(ptrdiff_t tiles, ptrdiff_t n, ptrdiff_t *out)
{
    return !__builtin_mul_overflow(tiles, n, out) && !__builtin_add_overflow(*out, tiles - 1, out) && *out <= INT32_MAX;
}
bool convd_view_size(struct convd_shape s, const struct convd_view_options *o, struct convd_view_size *size)
{
    struct layout l;
    size_t bytes;
    *size = (struct convd_view_size){0};
    if (!lay_out(s, o, &l) || !span(l.columns, s.w, &size->width) || !span(l.rows, s.h, &size->height) ||
        !convd_mul((size_t)size->width * 8, (size_t)size->height, &bytes))
        return false;
    size->channels = l.channels;
    size->direct = l.tiles == 1 && o->normalize == CONVD_NORM_NONE && l.of_map == s.c;
    return true;
}

/* ---- numbers to levels -------------------------------------------------------------------------------------- */

struct range {
    float min, max; /* of the finite values; 0, 0 where there are none */
};
static struct range range_of(const float *x, size_t n)
{
    float min = INFINITY, max = -INFINITY;
    for (size_t k = 0; k < n; k++) {
        if (!isfinite(x[k]))
            continue;
        min = x[k] < min ? x[k] : min;
        max = x[k] > max ? x[k] : max;
    }
    return min <= max ? (struct range){min, max} : (struct range){0, 0};
}
/* y = (x - low) * scale, in 0..255 for what lies in the range. A constant map is 0 everywhere (signed: of zeros, the
 * middle). In double: max - min may be more than a float. */
struct line {
    double low, scale;
};
static struct line line_for(enum convd_normalize n, struct range r)
{
    double low = (double)r.min, high = (double)r.max;
    if (n == CONVD_NORM_NONE)
        return (struct line){0, 1};
    if (n == CONVD_NORM_SIGNED) {
        double most = fmax(fabs(low), fabs(high));
        return most > 0 ? (struct line){-most, 127.5 / most} : (struct line){-127.5, 1};
    }
    return (struct line){low, high > low ? 255 / (high - low) : 0};
}
/* Level 0..255; NaN gives 0. Counts what lies outside. */
static double level(float x, struct line line, uint64_t *saturated)
{
    double v = isinf(x) ? (double)x : ((double)x - line.low) * line.scale;
    if (v >= 0 && v <= 255)
        return v;
    /* Rounding alone may leave the range that the map itself spans. */
    *saturated += !(v > -1e-9 && v < 255 + 1e-9);
    return v > 255 ? 255 : 0;
}

/* ---- tiles -------------------------------------------------------------------------------------------------- */

/* Where a tile is drawn. */
struct canvas {
    uint8_t *at;       /* its first sample               */
    size_t pitch;      /* bytes of a picture row         */
    ptrdiff_t step;    /* samples from pixel to pixel    */
    int depth;
    uint8_t (*map)[3]; /* colours, or NULL for levels    */
};
/* Half to even, for 0 <= v < 2^32: a double near 2^52 has its units in the lowest bit. */
static uint32_t round_even(double v)
{
    double shifted = v + 0x1.8p52;
    uint64_t bits;
    memcpy(&bits, &shifted, sizeof bits);
    return (uint32_t)bits;
}
static void put(const struct canvas *c, uint8_t *row, ptrdiff_t k, double v)
{
    if (c->depth == 16)
        ((uint16_t *)(void *)row)[k] = (uint16_t)round_even(v * 257);
    else
        row[k] = (uint8_t)round_even(v);
}
/* A level to three samples. The middle of 256 colours has none of its own: signed zero is white. */
static void put_colour(const struct canvas *c, uint8_t *row, ptrdiff_t k, double v, bool nothing, bool middle_white)
{
    static const uint8_t white[3] = {255, 255, 255}, black[3] = {0, 0, 0};
    const uint8_t *colour = nothing ? black : middle_white && v == 127.5 ? white : c->map[round_even(v)];
    for (int i = 0; i < 3; i++) {
        if (c->depth == 16)
            ((uint16_t *)(void *)row)[k + i] = (uint16_t)(colour[i] * 257);
        else
            row[k + i] = colour[i];
    }
}
static uint64_t draw_plane(const struct canvas *c, const float *x, ptrdiff_t h, ptrdiff_t w, struct line line, bool is_signed)
{
    uint64_t saturated = 0;
    uint8_t *row = c->at;
    for (ptrdiff_t i = 0; i < h; i++, row += c->pitch, x += w) {
        for (ptrdiff_t j = 0; j < w; j++) {
            double v = level(x[j], line, &saturated);
            if (c->map)
                put_colour(c, row, j * c->step, v, isnan(x[j]), is_signed);
            else
                put(c, row, j * c->step, v);
        }
    }
    return saturated;
}
uint64_t convd_draw(const float *x, struct convd_shape s, const struct convd_view_options *o, void *out)
{
    struct layout l;
    struct convd_view_size size;
    uint8_t map[256][3];
    if (!lay_out(s, o, &l) || !convd_view_size(s, o, &size))
        return 0;
    size_t sample = o->depth == 16 ? 2 : 1, plane = (size_t)s.h * (size_t)s.w;
    struct canvas c = {.pitch = (size_t)size.width * (size_t)size.channels * sample,
                       .step = l.channels,
                       .depth = o->depth,
                       .map = convd_colour_map(o->normalize, map) ? map : NULL};
    if (l.tiles > 1)
        memset(out, 0, c.pitch * (size_t)size.height);
    uint64_t saturated = 0;
    for (ptrdiff_t t = 0; t < l.tiles; t++) {
        ptrdiff_t n = t / l.per_sample, channel = l.first + t % l.per_sample;
        const float *from = x + (size_t)(n * s.c + channel) * plane;
        struct range r = o->normalize == CONVD_NORM_NONE ? (struct range){0, 255} : range_of(from, plane * (size_t)l.of_map);
        struct line line = line_for(o->normalize, r);
        size_t top = (size_t)(t / l.columns) * (size_t)(s.h + 1), left = (size_t)(t % l.columns) * (size_t)(s.w + 1);
        c.at = (uint8_t *)out + top * c.pitch + left * (size_t)l.channels * sample;
        for (ptrdiff_t k = 0; k < l.of_map; k++, c.at += sample)
            saturated += draw_plane(&c, from + (size_t)k * plane, s.h, s.w, line, o->normalize == CONVD_NORM_SIGNED);
    }
    return saturated;
}
