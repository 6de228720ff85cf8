/* filter_rows.c: rows of the ways to a window of integers; filter_int.c says which there are. */
#include "filter_int.h"
#include "filter_way.h"
#include <string.h>

static size_t round_up(size_t bytes)
{
    return (bytes + 63) / 64 * 64;
}

void convd_filter_room(struct room *r, char *base, const struct convd_fixed *x, ptrdiff_t kh, ptrdiff_t kw, ptrdiff_t w)
{
    const size_t wide = (size_t)((w + kw) * x->step), n = round_up(wide * sizeof(int16_t)),
                 strip = (size_t)(kh + GROUP) * 256 * 4 + 16384, sides = (size_t)((kh + GROUP) * kw * x->step * 4);
    size_t at = 0;
#define TAKE(FIELD, BYTES)                                                                         \
    r->FIELD = base ? (void *)(base + at) : NULL;                                                  \
    at += round_up(BYTES)
    TAKE(outside, n);
    TAKE(sums, n * (size_t)x->planes);
    TAKE(zeros, n);
    TAKE(block, strip + sides);
    TAKE(rows, n * GROUP);
    TAKE(spare, n);
    TAKE(t, (size_t)(kh * kw + kh + GROUP) * sizeof *r->t);
#undef TAKE
    r->bytes = at;
}

/* What every way has at hand. */
struct walk {
    const struct convd_fixed_call *c;
    const struct made *m;
    const struct convd_simd *simd;
    struct convd_int_lines lines;
    struct room room;
    ptrdiff_t step;
    size_t size; /* of an input number */
};

/* Row i of the window's grid, from column 0 on. */
static const void *line(const struct walk *w, ptrdiff_t p, ptrdiff_t i)
{
    return convd_int_line(&w->lines, p, i - w->m->top);
}

/* The part of columns [from,to) of a row that lies inside the picture, less from; borders are the rest. All in numbers. */
static struct convd_rows inside(const struct walk *w, ptrdiff_t from, ptrdiff_t to)
{
    const ptrdiff_t n = w->c->y->n, lo = from < 0 ? least(-from, to - from) : 0,
                    hi = to > n ? most(n - from, lo) : to - from;
    return (struct convd_rows){lo, hi};
}

static int number_at(const struct walk *w, const void *row, ptrdiff_t j)
{
    return w->size == 1 ? ((const uint8_t *)row)[j] : ((const int16_t *)row)[j];
}

/* What stands in number j (any integer) of a row whose own numbers are x: one of them, or the constant. */
static int beside(const struct walk *w, const void *row, ptrdiff_t j)
{
    const ptrdiff_t step = w->step, column = j >= 0 ? j / step : -((-j + step - 1) / step),
                    k = convd_border_index(w->m->mode, column, w->c->y->w);
    return k < 0 ? w->m->value : number_at(w, row, k * step + j - column * step);
}

static void sum16_rows(const struct walk *w, ptrdiff_t p)
{
    const struct convd_fixed_view *y = w->c->y;
    const struct made *m = w->m;
    for (ptrdiff_t i = y->y0; i < y->y1; i++) {
        for (ptrdiff_t k = 0; k < m->taps; k++)
            w->room.t[k] = (const int16_t *)line(w, p, i + m->at[2 * k]) + (m->at[2 * k + 1] - m->left) * w->step;
        w->simd->taps_i16((const int16_t *const *)w->room.t, m->k, (size_t)m->taps, (int16_t)m->bias, convd_fixed_row(y, p, i), (size_t)y->n);
    }
}

/* Columns [from,to) of two or four rows as groups. */
static void zip(const struct walk *w, const void *const *t, ptrdiff_t from, ptrdiff_t to, void *y)
{
    const struct convd_rows in = inside(w, from, to);
    const ptrdiff_t j = from + in.y0, together = w->m->together;
    const size_t n = (size_t)(in.y1 - in.y0);
    const char *at[4] = {NULL};
    for (ptrdiff_t r = 0; r < together; r++) at[r] = (const char *)t[r] + j * (ptrdiff_t)w->size;
    if (together == 4)
        w->simd->zip4_u8((const uint8_t *const *)(const void *)at, n, (uint8_t *)y + 4 * in.y0);
    else if (w->size == 1)
        w->simd->zip_u8((const uint8_t *)at[0], (const uint8_t *)at[1], n, (int16_t *)y + 2 * in.y0);
    else
        w->simd->zip_i16((const int16_t *)(const void *)at[0], (const int16_t *)(const void *)at[1], n,
                         (int16_t *)y + 2 * in.y0);
    for (ptrdiff_t q = 0; q < to - from; q++) {
        if (q == in.y0 && in.y0 < in.y1) q = in.y1;
        if (q == to - from) break;
        for (ptrdiff_t r = 0; r < together; r++)
            if (together == 4)
                ((uint8_t *)y)[4 * q + r] = (uint8_t)beside(w, t[r], from + q);
            else
                ((int16_t *)y)[2 * q + r] = (int16_t)beside(w, t[r], from + q);
    }
}

/* Columns [j, j + n) of outs output rows from row i on. */
static void group_strip(const struct walk *w, ptrdiff_t p, ptrdiff_t i, size_t outs, ptrdiff_t j, ptrdiff_t n)
{
    const struct made *m = w->m;
    const struct convd_fixed_view *y = w->c->y;
    const size_t groups = m->groups[outs > 1];
    const ptrdiff_t last = m->kh + (ptrdiff_t)outs - 2, from = j - m->left * w->step,
                    to = from + n + (m->kw - 1) * w->step, stride = 2 * (to - from);
    ptrdiff_t at[MOST_SIDE];
    for (size_t q = 0; q < groups; q++) {
        const void *rows[4] = {NULL};
        for (ptrdiff_t r = 0; r < m->together; r++) /* beyond the last row factors are 0 */
            rows[r] = line(w, p, i + least(m->together * (ptrdiff_t)q + r, last));
        w->room.t[q] = w->room.block + (ptrdiff_t)q * stride;
        zip(w, rows, from, to, w->room.block + (ptrdiff_t)q * stride);
    }
    for (size_t s = 0; s < m->steps; s++) at[s] = m->column[s] * w->step;
    struct convd_groups call = {.x = w->room.t,
                               .groups = groups,
                               .outs = outs,
                               .at = at,
                               .steps = m->steps,
                               .k = m->packed[outs > 1],
                               .fours = m->together == 4,
                               .bias = m->bias,
                               .scale = m->scale,
                               .bytes = y->format->type == CONVD_FIXED_U8,
                               .count = w->c->saturated != NULL};
    for (size_t o = 0; o < outs; o++)
        call.y[o] = (char *)convd_fixed_row(y, p, i + (ptrdiff_t)o) +
                    j * (ptrdiff_t)convd_fixed_size(y->format->type);
    const uint64_t saturated = w->simd->taps_group(&call, (size_t)n);
    if (w->c->saturated) *w->c->saturated += saturated;
}

static void group_rows(const struct walk *w, ptrdiff_t p)
{
    const struct convd_fixed_view *y = w->c->y;
    const ptrdiff_t strip = strip_of((ptrdiff_t)w->m->groups[1], 4);
    for (ptrdiff_t i = y->y0; i < y->y1;) {
        const ptrdiff_t outs = y->y1 - i < w->m->outs ? 1 : w->m->outs;
        for (ptrdiff_t j = 0; j < y->n; j += strip) group_strip(w, p, i, (size_t)outs, j, least(strip, y->n - j));
        i += outs;
    }
}

/* The columns beside a row of column sums: other sums, or what a column of constants sums up to. */
static void box_borders(const struct walk *w, int16_t *sums)
{
    const struct made *m = w->m;
    const ptrdiff_t left = m->left * w->step, right = (m->kw - 1 - m->left) * w->step, n = w->c->y->n, step = w->step;
    for (ptrdiff_t j = -left; j < n + right; j++) {
        if (j == 0) j = n;
        if (j == n + right) break;
        const ptrdiff_t column = j >= 0 ? j / step : -((-j + step - 1) / step),
                        k = convd_border_index(m->mode, column, w->c->y->w);
        sums[j] = (int16_t)(k < 0 ? m->value * (int)m->kh : sums[k * step + j - column * step]);
    }
}

static void box_rows(const struct walk *w, ptrdiff_t p)
{
    const struct convd_fixed_view *y = w->c->y;
    const struct made *m = w->m;
    const bool bytes = y->format->type == CONVD_FIXED_U8;
    const size_t n = (size_t)y->n, one = round_up((size_t)((y->w + m->kw) * w->step) * sizeof(int16_t)) / sizeof(int16_t);
    int16_t *sums = w->room.sums + (size_t)p * one + m->left * w->step;
    const uint8_t *zeros = (const uint8_t *)w->room.zeros;
    memset(w->room.zeros, 0, n);
    if (w->c->fresh) {
        memset(sums, 0, n * sizeof *sums);
        for (ptrdiff_t a = 0; a < m->kh - 1; a++) w->simd->slide_u8(line(w, p, y->y0 + a), zeros, n, sums);
    }
    for (ptrdiff_t i = y->y0; i < y->y1; i++) {
        w->simd->slide_u8(line(w, p, i + m->kh - 1), i > y->y0 ? line(w, p, i - 1) : zeros, n, sums);
        box_borders(w, sums);
        int16_t *to = bytes ? w->room.spare : convd_fixed_row(y, p, i);
        w->simd->box_i16(sums - m->left * w->step, (size_t)w->step, (size_t)m->kw, m->box_shift, m->box_k, to, n);
        if (bytes) w->simd->narrow_i16(to, n, m->box_frac, false, false, convd_fixed_row(y, p, i));
    }
    w->simd->slide_u8(zeros, line(w, p, y->y1 - 1), n, sums); /* the next call may not hold that row */
}

/* Columns [from,to) of a row, with more fractional bits. */
static void raise(const struct walk *w, const void *x, ptrdiff_t from, ptrdiff_t to, int shift, int16_t *y)
{
    const struct convd_rows in = inside(w, from, to);
    if (w->size == 1 && in.y0 < in.y1)
        w->simd->widen_u8((const uint8_t *)x + from + in.y0, (size_t)(in.y1 - in.y0), shift, y + in.y0);
    for (ptrdiff_t q = 0; q < to - from; q++) {
        if (w->size == 1 && q == in.y0 && in.y0 < in.y1) q = in.y1;
        if (q == to - from) break;
        const int v = q >= in.y0 && q < in.y1 ? number_at(w, x, from + q) : beside(w, x, from + q);
        y[q] = (int16_t)(v * (1 << shift));
    }
}

/* The pass down, for columns [j, j + n) of the windows' grid and rows i … i + rows - 1. */
static void smooth_down(const struct walk *w, ptrdiff_t p, ptrdiff_t i, ptrdiff_t rows, ptrdiff_t j, ptrdiff_t n,
                        ptrdiff_t row)
{
    const struct made *m = w->m;
    const ptrdiff_t stride = 2 * (256 + m->kw * w->step), from = j - m->left * w->step;
    for (ptrdiff_t a = 0; a < rows + m->kh - 1; a++) {
        int16_t *to = w->room.block + a * stride;
        raise(w, line(w, p, i + a), from, from + n, m->down.shift, to);
        w->room.t[a] = to;
    }
    for (ptrdiff_t a = 0; a < rows; a++)
        w->simd->smooth_i16((const int16_t *const *)w->room.t + a, m->down.k, (size_t)m->kh, w->room.rows + a * row + j, (size_t)n);
}

static void smooth_rows(const struct walk *w, ptrdiff_t p)
{
    const struct convd_fixed_view *y = w->c->y;
    const struct made *m = w->m;
    const bool bytes = y->format->type == CONVD_FIXED_U8;
    const ptrdiff_t wide = y->n + (m->kw - 1) * w->step,
                    row = (ptrdiff_t)(round_up((size_t)((y->w + m->kw) * w->step) * sizeof(int16_t)) / sizeof(int16_t));
    for (ptrdiff_t i = y->y0; i < y->y1; i += GROUP) {
        const ptrdiff_t rows = least(GROUP, y->y1 - i);
        for (ptrdiff_t j = 0; j < wide; j += 256) smooth_down(w, p, i, rows, j, least(256, wide - j), row);
        for (ptrdiff_t a = 0; a < rows; a++) {
            int16_t *to = bytes ? w->room.spare : convd_fixed_row(y, p, i + a);
            for (ptrdiff_t b = 0; b < m->kw; b++) w->room.t[b] = w->room.rows + a * row + b * w->step;
            w->simd->smooth_i16((const int16_t *const *)w->room.t, m->across.k, (size_t)m->kw, to, (size_t)y->n);
            if (bytes) w->simd->narrow_i16(to, (size_t)y->n, m->across.frac, false, false, convd_fixed_row(y, p, i + a));
        }
    }
}

void convd_filter_forward_fixed(const struct convd_fixed_call *c)
{
    static void (*const ways[])(const struct walk *, ptrdiff_t) = {
        [SUM16] = sum16_rows, [GROUPS] = group_rows, [BOX] = box_rows, [SMOOTH] = smooth_rows};
    const struct made *m = c->made;
    struct walk w = {.c = c,
                     .m = m,
                     .simd = c->site->simd,
                     .step = c->x->format->step,
                     .size = convd_fixed_size(c->x->format->type)};
    convd_filter_room(&w.room, c->state, c->x->format, m->kh, m->kw, c->y->w);
    const bool beside_rows = m->way == SUM16; /* the others write borders into what they make of rows */
    w.lines = (struct convd_int_lines){.x = c->x,
                                       .mode = m->mode,
                                       .value = m->value,
                                       .left = beside_rows ? m->left : 0,
                                       .right = beside_rows ? m->kw - 1 - m->left : 0,
                                       .outside = w.room.outside};
    convd_int_lines_begin(&w.lines, c->y->y0 - m->top, c->y->y1 - m->top + m->kh - 1);
    for (ptrdiff_t p = 0; p < c->y->format->planes; p++) ways[m->way](&w, p);
}
