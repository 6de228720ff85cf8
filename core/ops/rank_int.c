/* rank_int.c: see rank_int.h. Largest and smallest go down first, two rows at a time, then across. */
#include "rank_int.h"
#include "rank.h"
#include <string.h>

enum { MOST_SIDE = 31, STRIP = 2048, MEDIANS = 16 }; /* bytes of a row at a time; rows of medians at a time */

static size_t round_up(size_t bytes)
{
    return (bytes + 63) / 64 * 64;
}

/* A row with kw pixels of room beside it. */
static size_t row_bytes(const struct convd_fixed *x, ptrdiff_t w, ptrdiff_t kw)
{
    return round_up((size_t)((w + 2 * kw) * x->step) * convd_fixed_size(x->type));
}

/* A strip of a row and what a window reads beside it. */
static size_t strip_bytes(const struct convd_fixed *x, ptrdiff_t kw)
{
    return round_up(STRIP + (size_t)(kw * x->step) * convd_fixed_size(x->type));
}

static bool border(const struct convd_rank_params *p, const struct convd_fixed *x, struct convd_fixed *y)
{
    struct convd_fixed wide = *x;
    if (!convd_int_border(&wide, (enum convd_mode)p->padding_mode, (double)(float)p->padding_value)) return false;
    y->lo = wide.lo;
    y->hi = wide.hi;
    y->algorithm = x->type == CONVD_FIXED_U8 ? "integer u8" : "integer i16";
    return true;
}

bool convd_rank_fixed(const struct convd_site *s, const struct convd_fixed *x, struct convd_fixed_ask *a,
                      struct convd_fixed *y)
{
    const struct convd_rank_params *p = s->params;
    if (p->kernel_size.h > MOST_SIDE || p->kernel_size.w > MOST_SIDE) return false;
    a->state = row_bytes(x, s->x[0].w, 0) + 2 * strip_bytes(x, p->kernel_size.w);
    a->rows = p->kernel_size.h > 1 ? 8 : 0;
    return border(p, x, y);
}

static int outside(const struct convd_rank_params *p, const struct convd_fixed *x)
{
    int value = 0;
    if (p->padding_mode == CONVD_MODE_CONSTANT) convd_int_value(x, (double)(float)p->padding_value, &value);
    return value;
}

/* What both passes have at hand. */
struct walk {
    const struct convd_fixed_call *c;
    const struct convd_rank_params *p;
    struct convd_int_lines rows;
    ptrdiff_t step, size; /* of a number */
    bool largest;
    char *middle[2];      /* strips between the passes */
};

/* The best of taps rows of n numbers; twice (t[taps] belongs to the second) where outs is 2. */
static void best(const struct walk *w, const void *const *t, ptrdiff_t taps, ptrdiff_t outs, void *const *y, ptrdiff_t n)
{
    const struct convd_simd *simd = w->c->site->simd;
    const uint8_t *const *bytes = (const uint8_t *const *)t;
    const int16_t *const *words = (const int16_t *const *)t;
    if (outs == 2 && taps > 1) {
        if (w->size == 1)
            simd->best2_u8(bytes, (size_t)taps, w->largest, (uint8_t *const *)y, (size_t)n);
        else
            simd->best2_i16(words, (size_t)taps, w->largest, (int16_t *const *)y, (size_t)n);
        return;
    }
    for (ptrdiff_t o = 0; o < outs; o++)
        if (w->size == 1)
            simd->best_u8(bytes + o, (size_t)taps, w->largest, y[o], (size_t)n);
        else
            simd->best_i16(words + o, (size_t)taps, w->largest, y[o], (size_t)n);
}

/* The best of number j (any integer) of taps rows, which are as long as the picture is wide. */
static int best_beside(const struct walk *w, const void *const *t, ptrdiff_t taps, ptrdiff_t j)
{
    const ptrdiff_t step = w->step, column = j >= 0 ? j / step : -((-j + step - 1) / step),
                    k = convd_border_index(w->rows.mode, column, w->c->y->w), at = k * step + j - column * step;
    int top = w->rows.value;
    for (ptrdiff_t a = 0; a < taps && k >= 0; a++) {
        const int v = w->size == 1 ? ((const uint8_t *)t[a])[at] : ((const int16_t *)t[a])[at];
        top = a == 0 || (w->largest ? v > top : v < top) ? v : top;
    }
    return top;
}

/* The pass down: numbers [from,to) of outs rows. */
static void down(const struct walk *w, const void *const *t, ptrdiff_t outs, ptrdiff_t from, ptrdiff_t to)
{
    const ptrdiff_t taps = w->p->kernel_size.h, n = w->c->y->n, lo = most(from, 0), hi = least(to, n);
    const void *at[MOST_SIDE + 1];
    void *y[2];
    for (ptrdiff_t a = 0; a < taps + outs - 1; a++) at[a] = (const char *)t[a] + lo * w->size;
    for (ptrdiff_t o = 0; o < outs; o++) y[o] = w->middle[o] + (lo - from) * w->size;
    best(w, at, taps, outs, y, hi - lo);
    for (ptrdiff_t j = from; j < to; j++) {
        if (j == lo) j = hi;
        if (j == to) break;
        for (ptrdiff_t o = 0; o < outs; o++) {
            const int v = best_beside(w, t + o, taps, j);
            if (w->size == 1)
                ((uint8_t *)w->middle[o])[j - from] = (uint8_t)v;
            else
                ((int16_t *)(void *)w->middle[o])[j - from] = (int16_t)v;
        }
    }
}

/* outs rows from row i on, strip by strip: what one pass leaves is in the first cache when the other wants it. */
static void best_rows(const struct walk *w, ptrdiff_t p, ptrdiff_t i, ptrdiff_t outs)
{
    const struct convd_pair k = w->p->kernel_size;
    const ptrdiff_t n = w->c->y->n, strip = STRIP / w->size, left = k.w / 2 * w->step;
    const void *t[MOST_SIDE + 1], *across[MOST_SIDE];
    char *y[2] = {NULL};
    for (ptrdiff_t a = 0; a < k.h + outs - 1; a++) t[a] = convd_int_line(&w->rows, p, i - k.h / 2 + a);
    for (ptrdiff_t o = 0; o < outs; o++) y[o] = convd_fixed_row(w->c->y, p, i + o);
    if (k.w == 1) {
        best(w, t, k.h, outs, (void *const *)(void *)y, n);
        return;
    }
    for (ptrdiff_t j = 0; j < n; j += strip) {
        const ptrdiff_t len = least(strip, n - j);
        down(w, t, outs, j - left, j - left + len + (k.w - 1) * w->step);
        for (ptrdiff_t o = 0; o < outs; o++) {
            for (ptrdiff_t b = 0; b < k.w; b++) across[b] = w->middle[o] + b * w->step * w->size;
            best(w, across, k.w, 1, &(void *){y[o] + j * w->size}, len);
        }
    }
}

void convd_rank_best_fixed(const struct convd_fixed_call *c, bool largest)
{
    const struct convd_rank_params *p = c->site->params;
    const struct convd_fixed *format = c->x->format;
    const ptrdiff_t h = p->kernel_size.h;
    char *strips = (char *)c->state + row_bytes(format, c->y->w, 0);
    const struct walk w = {.c = c,
                           .p = p,
                           .rows = {.x = c->x,
                                    .mode = (enum convd_mode)p->padding_mode,
                                    .value = outside(p, format),
                                    .outside = c->state},
                           .step = format->step,
                           .size = (ptrdiff_t)convd_fixed_size(format->type),
                           .largest = largest,
                           .middle = {strips, strips + strip_bytes(format, p->kernel_size.w)}};
    convd_int_lines_begin(&w.rows, c->y->y0 - h / 2, c->y->y1 - h / 2 + h - 1);
    for (ptrdiff_t q = 0; q < c->y->format->planes; q++)
        for (ptrdiff_t i = c->y->y0; i < c->y->y1; i += 2) best_rows(&w, q, i, least(2, c->y->y1 - i));
}

/* ---- median ---- */

bool convd_median_fixed(const struct convd_site *s, const struct convd_fixed *x, struct convd_fixed_ask *a,
                        struct convd_fixed *y)
{
    const struct convd_rank_params *p = s->params;
    if (x->type != CONVD_FIXED_U8 || p->kernel_size.h * p->kernel_size.w > CONVD_MEDIAN_MOST) return false;
    a->margin = p->kernel_size.w / 2;
    a->rows = p->kernel_size.h > 1 ? MEDIANS : 0;
    a->state = row_bytes(x, s->x[0].w, p->kernel_size.w);
    return border(p, x, y);
}

void convd_median_forward_fixed(const struct convd_fixed_call *c)
{
    const struct convd_rank_params *p = c->site->params;
    const struct convd_pair k = p->kernel_size;
    const struct convd_int_lines rows = {.x = c->x,
                                         .mode = (enum convd_mode)p->padding_mode,
                                         .value = outside(p, c->x->format),
                                         .left = k.w / 2,
                                         .right = k.w / 2,
                                         .outside = c->state};
    convd_int_lines_begin(&rows, c->y->y0 - k.h / 2, c->y->y1 + k.h / 2);
    for (ptrdiff_t q = 0; q < c->y->format->planes; q++)
        for (ptrdiff_t i = c->y->y0; i < c->y->y1; i += MEDIANS) {
            const ptrdiff_t outs = least(MEDIANS, c->y->y1 - i), step = c->x->format->step;
            const uint8_t *t[CONVD_MEDIAN_MOST + MEDIANS];
            uint8_t *y[MEDIANS];
            for (ptrdiff_t a = 0; a < k.h + outs - 1; a++)
                t[a] = (const uint8_t *)convd_int_line(&rows, q, i - k.h / 2 + a) - k.w / 2 * step;
            for (ptrdiff_t o = 0; o < outs; o++) y[o] = convd_fixed_row(c->y, q, i + o);
            c->site->simd->median_u8(t, (size_t)step, (size_t)k.h, (size_t)k.w, y, (size_t)outs, (size_t)c->y->n);
        }
}
