/* integer.c: see integer.h. */
#include "integer.h"
#include <string.h>

#define MOST 32767.0

static bool fits(const struct convd_fixed *y, int frac)
{
    const double unit = ldexp(1, frac), slack = y->error + 0.5 / unit;
    return (y->lo - slack) * unit >= -MOST && (y->hi + slack) * unit <= MOST;
}

bool convd_int_fit(struct convd_fixed *y, int frac)
{
    y->type = CONVD_FIXED_I16;
    y->frac = frac;
    return frac >= 0 && frac < 16 && fits(y, frac);
}

int convd_int_bits(const struct convd_fixed *y, int most_bits)
{
    while (most_bits >= 0 && !fits(y, most_bits)) most_bits--;
    return most_bits;
}

bool convd_int_value(const struct convd_fixed *x, double value, int *out)
{
    const double v = ldexp(value, x->frac);
    const double lo = x->type == CONVD_FIXED_U8 ? 0 : -MOST, hi = x->type == CONVD_FIXED_U8 ? 255 : MOST;
    if (!(v >= lo && v <= hi) || v != floor(v)) return false;
    *out = (int)v;
    return true;
}

bool convd_int_border(struct convd_fixed *x, enum convd_mode mode, double value)
{
    int whole;
    if (mode == CONVD_MODE_ZEROS) value = 0;
    if (mode != CONVD_MODE_ZEROS && mode != CONVD_MODE_CONSTANT) return true;
    x->lo = value < x->lo ? value : x->lo;
    x->hi = value > x->hi ? value : x->hi;
    return convd_int_value(x, value, &whole);
}

const int16_t *convd_int_row(const struct convd_fixed_view *x, ptrdiff_t p, ptrdiff_t i, int frac,
                             const struct convd_simd *simd, int16_t *spare)
{
    const void *row = convd_fixed_row(x, p, i);
    const int shift = frac - x->format->frac;
    if (x->format->type == CONVD_FIXED_U8) {
        simd->widen_u8(row, (size_t)x->n, shift, spare);
        return spare;
    }
    if (shift == 0) return row;
    const int16_t *from = row;
    for (ptrdiff_t j = 0; j < x->n; j++) spare[j] = (int16_t)(from[j] * (1 << shift));
    return spare;
}

/* ---- windows ---- */

size_t convd_int_outside(const struct convd_fixed *x, ptrdiff_t w, ptrdiff_t left, ptrdiff_t right)
{
    return ((size_t)((w + left + right) * x->step) * convd_fixed_size(x->type) + 63) / 64 * 64;
}

static void fill(void *at, size_t n, enum convd_fixed_type type, int value)
{
    if (type == CONVD_FIXED_U8)
        memset(at, value, n);
    else
        for (size_t i = 0; i < n; i++) ((int16_t *)at)[i] = (int16_t)value;
}

/* One column beside a row: another column of it, or the constant. */
static void border_pixel(const struct convd_int_lines *l, char *row, ptrdiff_t j)
{
    const size_t size = convd_fixed_size(l->x->format->type) * (size_t)l->x->format->step;
    const ptrdiff_t k = convd_border_index(l->mode, j, l->x->w);
    if (k < 0)
        fill(row + j * (ptrdiff_t)size, (size_t)l->x->format->step, l->x->format->type, l->value);
    else
        memcpy(row + j * (ptrdiff_t)size, row + k * (ptrdiff_t)size, size);
}

void convd_int_lines_begin(const struct convd_int_lines *l, ptrdiff_t lo, ptrdiff_t hi)
{
    const struct convd_fixed_view *x = l->x;
    const struct convd_rows r = convd_border_rows(l->mode, lo, hi, x->h);
    if ((lo < 0 || hi > x->h) && (l->mode == CONVD_MODE_ZEROS || l->mode == CONVD_MODE_CONSTANT))
        fill(l->outside, (size_t)((x->w + l->left + l->right) * x->format->step), x->format->type,
             l->value);
    for (ptrdiff_t p = 0; p < x->format->planes; p++)
        for (ptrdiff_t i = r.y0; i < r.y1; i++) {
            char *row = convd_fixed_row(x, p, i);
            for (ptrdiff_t j = 1; j <= l->left; j++) border_pixel(l, row, -j);
            for (ptrdiff_t j = 0; j < l->right; j++) border_pixel(l, row, x->w + j);
        }
}

const void *convd_int_line(const struct convd_int_lines *l, ptrdiff_t p, ptrdiff_t i)
{
    const struct convd_fixed *f = l->x->format;
    const ptrdiff_t k = convd_border_index(l->mode, i, l->x->h);
    if (k >= 0) return convd_fixed_row(l->x, p, k);
    return (char *)l->outside + l->left * f->step * (ptrdiff_t)convd_fixed_size(f->type);
}

struct convd_rows convd_int_inside(const struct convd_int_lines *l, ptrdiff_t from, ptrdiff_t to)
{
    const ptrdiff_t n = l->x->n, lo = from < 0 ? least(-from, to - from) : 0, hi = to > n ? most(n - from, lo) : to - from;
    return (struct convd_rows){lo, hi};
}

int convd_int_beside(const struct convd_int_lines *l, const void *row, ptrdiff_t j)
{
    const ptrdiff_t step = l->x->format->step, column = j >= 0 ? j / step : -((-j + step - 1) / step),
                    k = convd_border_index(l->mode, column, l->x->w), at = k * step + j - column * step;
    if (k < 0) return l->value;
    return l->x->format->type == CONVD_FIXED_U8 ? ((const uint8_t *)row)[at] : ((const int16_t *)row)[at];
}

/* Numbers [from,to) to y, all of which stand beside the row. */
static void fill_beside(const struct convd_int_lines *l, const void *row, ptrdiff_t from, ptrdiff_t to, void *y)
{
    const ptrdiff_t step = l->x->format->step;
    const bool bytes = l->x->format->type == CONVD_FIXED_U8;
    ptrdiff_t column = from >= 0 ? from / step : -((-from + step - 1) / step), rest = from - column * step;
    for (ptrdiff_t j = from; j < to; column++, rest = 0) {
        const ptrdiff_t k = convd_border_index(l->mode, column, l->x->w);
        for (; rest < step && j < to; rest++, j++)
            if (bytes)
                ((uint8_t *)y)[j - from] = k < 0 ? (uint8_t)l->value : ((const uint8_t *)row)[k * step + rest];
            else
                ((int16_t *)y)[j - from] = k < 0 ? (int16_t)l->value : ((const int16_t *)row)[k * step + rest];
    }
}

const void *convd_int_piece(const struct convd_int_lines *l, const void *row, ptrdiff_t from, ptrdiff_t to, void *room)
{
    const struct convd_rows in = convd_int_inside(l, from, to);
    const ptrdiff_t size = (ptrdiff_t)convd_fixed_size(l->x->format->type);
    char *y = room;
    if (in.y0 == 0 && in.y1 == to - from) return (const char *)row + from * size;
    if (in.y0 < in.y1) memcpy(y + in.y0 * size, (const char *)row + (from + in.y0) * size, (size_t)((in.y1 - in.y0) * size));
    fill_beside(l, row, from, from + in.y0, y);
    fill_beside(l, row, from + in.y1, to, y + in.y1 * size);
    return y;
}

/* ---- pointwise ---- */

static double clamped(double v, double lo, double hi)
{
    v = v < lo ? lo : v;
    return v > hi ? hi : v;
}

/* A bound as an integer; beyond 16 bits it is none. */
static bool bound(double v, int frac, int16_t *out)
{
    const double whole = ldexp(v, frac);
    *out = (int16_t)clamped(whole, -MOST - 1, MOST);
    return whole < -MOST || whole > MOST || whole == floor(whole);
}

bool convd_int_affine(const struct convd_fixed *x, double mul, double add, double lo, double hi,
                      struct convd_fixed *y)
{
    const double a = mul * x->lo + add, b = mul * x->hi + add;
    int16_t k[4];
    if (!bound(add, x->frac, &k[0]) || !bound(lo, x->frac, &k[1]) || !bound(hi, x->frac, &k[2]) ||
        fabs(add) > 4e4)
        return false;
    y->lo = a < b ? a : b;
    y->hi = a < b ? b : a;
    if (!convd_int_fit(y, x->frac)) return false; /* before it is clamped, too */
    y->lo = clamped(y->lo, lo, hi);
    y->hi = clamped(y->hi, lo, hi);
    y->algorithm = "integer i16";
    return true;
}

void convd_int_affine_rows(const struct convd_fixed_call *c, double mul, double add, double lo,
                           double hi)
{
    const struct convd_simd *simd = c->site->simd;
    const struct convd_fixed_view *y = c->y;
    int16_t k[4] = {(int16_t)mul};
    bound(add, y->format->frac, &k[1]);
    bound(lo, y->format->frac, &k[2]);
    bound(hi, y->format->frac, &k[3]);
    for (ptrdiff_t p = 0; p < y->format->planes; p++)
        for (ptrdiff_t i = y->y0; i < y->y1; i++) {
            int16_t *to = convd_fixed_row(y, p, i);
            simd->affine_i16(to, convd_int_row(c->x, p, i, y->format->frac, simd, to), (size_t)y->n, k);
        }
}

/* ---- merging ---- */

bool convd_int_merges(const struct convd_site *s, const struct convd_fixed *x, struct convd_fixed_ask *a,
                      struct convd_fixed *y)
{
    int frac = 0;
    for (size_t i = 0; i < s->n; i++) {
        if (s->x[i].c != s->y.c || s->x[i].h != s->y.h || s->x[i].w != s->y.w ||
            x[i].planes != x[0].planes || x[i].step != x[0].step)
            return false;
        frac = x[i].frac > frac ? x[i].frac : frac;
    }
    for (size_t i = 0; i < s->n; i++) { /* what is shifted up must fit there */
        struct convd_fixed up = x[i];
        if (!convd_int_fit(&up, frac)) return false;
    }
    a->state = 2 * (((size_t)(s->y.w * y->step) * sizeof(int16_t) + 63) / 64 * 64);
    y->frac = frac;
    y->algorithm = "integer i16";
    return true;
}

void convd_int_merge_rows(const struct convd_fixed_call *c, convd_int_merge *merge)
{
    const struct convd_simd *simd = c->site->simd;
    const struct convd_fixed_view *y = c->y;
    int16_t *spare = c->state, *other = spare + ((size_t)y->n + 31) / 32 * 32;
    const int frac = y->format->frac;
    for (ptrdiff_t p = 0; p < y->format->planes; p++)
        for (ptrdiff_t i = y->y0; i < y->y1; i++) {
            int16_t *to = convd_fixed_row(y, p, i);
            const int16_t *sum = convd_int_row(&c->x[0], p, i, frac, simd, spare);
            for (size_t k = 1; k < c->site->n; k++) {
                merge(to, sum, convd_int_row(&c->x[k], p, i, frac, simd, other), (size_t)y->n);
                sum = to;
            }
            if (c->site->n == 1 && sum != to) memcpy(to, sum, (size_t)y->n * sizeof *to);
        }
}
