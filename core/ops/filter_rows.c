/* filter_rows.c: rows of the ways to a window of integers; filter_int.c says which there are. */
#include "filter_int.h"
#include "filter_way.h"
#include <string.h>

static size_t round_up(size_t bytes)
{
    return (bytes + 63) / 64 * 64;
}

enum { PIECE = 2048 }; /* most numbers of a strip, and of the strips of a window's rows together 4096 */

void convd_filter_room(struct room *r, char *base, enum way way, const struct convd_fixed *x, ptrdiff_t kh, ptrdiff_t kw,
                       ptrdiff_t w)
{
    const size_t sides = (size_t)(kw * x->step) * 4, n = round_up((size_t)(w * x->step) * sizeof(int16_t)),
                 planes = (size_t)x->planes, pieces = way == GROUPS ? (size_t)kh / 2 + 2 : 1,
                 row = (n + 511) / 512 * 512 + 320; /* rows under each other use all sets of the first cache */
    size_t at = 0;
    r->row = row / sizeof(int16_t);
#define TAKE(FIELD, BYTES)                                                                         \
    r->FIELD = base ? (void *)(base + at) : NULL;                                                  \
    at += round_up(BYTES)
    TAKE(outside, n + sides);
    TAKE(piece, 2 * PIECE * 4 + pieces * (256 * 4 + sides));
    TAKE(rows, row * planes * (size_t)kept_rows(way, kh));
    TAKE(sums, way == BOX ? row * planes : 0);
    TAKE(t, (size_t)((way == SUM16 ? kh * kw : kh + GROUP) + kw) * sizeof *r->t);
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
    ptrdiff_t size; /* of an input number */
};

/* Row i of the window's grid, from column 0 on. */
static const void *line(const struct walk *w, ptrdiff_t p, ptrdiff_t i)
{
    return convd_int_line(&w->lines, p, i - w->m->top);
}

static void sum16_rows(const struct walk *w, ptrdiff_t p)
{
    const struct convd_fixed_view *y = w->c->y;
    const struct made *m = w->m;
    for (ptrdiff_t i = y->y0; i < y->y1; i++) {
        for (ptrdiff_t k = 0; k < m->taps; k++)
            w->room.t[k] = (const int16_t *)line(w, p, i + m->at[2 * k]) + (m->at[2 * k + 1] - m->left) * w->step;
        w->simd->taps_i16((const int16_t *const *)w->room.t, m->k, (size_t)m->taps, (int16_t)m->bias,
                          convd_fixed_row(y, p, i), (size_t)y->n);
    }
}

/* Columns [from,to) of two or four rows as groups. */
static void zip(const struct walk *w, const void *const *t, ptrdiff_t from, ptrdiff_t to, void *y)
{
    const struct convd_rows in = convd_int_inside(&w->lines, from, to);
    const ptrdiff_t j = from + in.y0, together = w->m->together;
    const size_t n = (size_t)(in.y1 - in.y0);
    const char *at[4] = {NULL};
    for (ptrdiff_t r = 0; r < together; r++) at[r] = (const char *)t[r] + j * w->size;
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
                ((uint8_t *)y)[4 * q + r] = (uint8_t)convd_int_beside(&w->lines, t[r], from + q);
            else
                ((int16_t *)y)[2 * q + r] = (int16_t)convd_int_beside(&w->lines, t[r], from + q);
    }
}

/* Columns [j, j + n) of outs output rows from row i on. */
static void group_strip(const struct walk *w, ptrdiff_t p, ptrdiff_t i, size_t outs, ptrdiff_t j, ptrdiff_t n)
{
    const struct made *m = w->m;
    const struct convd_fixed_view *y = w->c->y;
    const size_t groups = m->groups[outs > 1];
    const ptrdiff_t last = m->kh + (ptrdiff_t)outs - 2, from = j - m->left * w->step,
                    to = from + n + (m->kw - 1) * w->step, stride = 4 * (to - from);
    ptrdiff_t at[MOST_SIDE];
    for (size_t q = 0; q < groups; q++) {
        const void *rows[4] = {NULL};
        for (ptrdiff_t r = 0; r < m->together; r++) /* beyond the last row factors are 0 */
            rows[r] = line(w, p, i + least(m->together * (ptrdiff_t)q + r, last));
        char *block = w->room.piece + (ptrdiff_t)q * stride;
        zip(w, rows, from, to, block);
        w->room.t[q] = block;
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

/* Of the columns from j on as many as make a strip, such that only strips at the ends reach beyond the picture. */
static ptrdiff_t strip_at(const struct walk *w, ptrdiff_t j, ptrdiff_t strip)
{
    const ptrdiff_t n = w->c->y->n, left = w->m->left * w->step, right = (w->m->kw - 1) * w->step - left;
    strip = least(strip, n - j);
    if (j == 0 && left > 0) return least(strip, (left + 63) / 64 * 64);
    if (j + strip + right > n && n - right - j >= 64) return least(strip, (n - right - j) / 64 * 64);
    return strip;
}

/* Row g of the windows' grid comes in at columns [j, j + n); y: where the row that it completes goes, or NULL. */
static void box_row(const struct walk *w, ptrdiff_t p, ptrdiff_t g, ptrdiff_t j, ptrdiff_t n, void *y)
{
    const struct made *m = w->m;
    const bool bytes = w->c->y->format->type == CONVD_FIXED_U8;
    const ptrdiff_t from = j - m->left * w->step, row = (ptrdiff_t)w->room.row;
    const ptrdiff_t end = from + n + (m->kw - 1) * w->step;
    const struct convd_boxes b = {.x = convd_int_piece(&w->lines, line(w, p, g), from, end, w->room.piece),
                                .step = (size_t)w->step,
                                .taps = (size_t)m->kw,
                                .row = w->room.rows + (p * m->kh + g % m->kh) * row + j,
                                .sums = w->room.sums + p * row + j,
                                .shift = m->box_shift,
                                .frac = m->box_frac,
                                .k = m->box_k,
                                .bytes = y && bytes ? (uint8_t *)y + j : NULL,
                                .words = y && !bytes ? (int16_t *)y + j : NULL};
    w->simd->box_u8(&b, (size_t)n);
}

/* In strips of columns, so that the rows of a window stay in the first cache. */
static void box_rows(const struct walk *w, ptrdiff_t p)
{
    const struct convd_fixed_view *y = w->c->y;
    const struct made *m = w->m;
    const ptrdiff_t row = (ptrdiff_t)w->room.row, strip = strip_of(m->kh + 2, 2);
    ptrdiff_t n;
    for (ptrdiff_t j = 0; j < y->n; j += n) {
        n = strip_at(w, j, strip);
        const size_t bytes = (size_t)n * sizeof(int16_t);
        if (w->c->fresh) {
            memset(w->room.sums + p * row + j, 0, bytes);
            for (ptrdiff_t a = 0; a < m->kh; a++) memset(w->room.rows + (p * m->kh + a) * row + j, 0, bytes);
            for (ptrdiff_t a = 0; a < m->kh - 1; a++) box_row(w, p, y->y0 + a, j, n, NULL);
        }
        for (ptrdiff_t i = y->y0; i < y->y1; i++) box_row(w, p, i + m->kh - 1, j, n, convd_fixed_row(y, p, i));
    }
}

/* Where row g of the windows' grid is kept. */
static int16_t *kept(const struct walk *w, ptrdiff_t p, ptrdiff_t g)
{
    const ptrdiff_t rows = kept_rows(SMOOTH, w->m->kh);
    return w->room.rows + (p * rows + g % rows) * (ptrdiff_t)w->room.row;
}

/* The pass across row g. */
static void smooth_across(const struct walk *w, ptrdiff_t p, ptrdiff_t g)
{
    const struct made *m = w->m;
    ptrdiff_t len;
    for (ptrdiff_t j = 0; j < w->c->y->n; j += len) {
        len = strip_at(w, j, PIECE);
        const ptrdiff_t from = j - m->left * w->step, all = len + (m->kw - 1) * w->step;
        const char *x = convd_int_piece(&w->lines, line(w, p, g), from, from + all, w->room.piece);
        int16_t *y = kept(w, p, g) + j;
        if (w->size == 2 && m->across.shift > 0) {
            int16_t *more = (int16_t *)(void *)w->room.piece;
            for (ptrdiff_t q = 0; q < all; q++)
                more[q] = (int16_t)(((const int16_t *)(const void *)x)[q] * (1 << m->across.shift));
            x = w->room.piece;
        }
        for (ptrdiff_t b = 0; b < m->kw; b++) w->room.t[b] = x + b * w->step * w->size;
        if (w->size == 1)
            w->simd->smooth_u8((const uint8_t *const *)w->room.t, m->across.k, (size_t)m->kw, m->across.shift, y, (size_t)len);
        else
            w->simd->smooth_i16((const int16_t *const *)w->room.t, m->across.k, (size_t)m->kw, y, (size_t)len);
    }
}

/* The pass down to rows [i, i + rows), in strips of columns. */
static void smooth_down(const struct walk *w, ptrdiff_t p, ptrdiff_t i, ptrdiff_t rows)
{
    const struct made *m = w->m;
    const struct convd_fixed_view *y = w->c->y;
    const ptrdiff_t size = (ptrdiff_t)convd_fixed_size(y->format->type), strip = 256;
    for (ptrdiff_t j = 0; j < y->n; j += strip) {
        for (ptrdiff_t a = 0; a < rows + m->kh - 1; a++) w->room.t[a] = kept(w, p, i + a) + j;
        for (ptrdiff_t a = 0; a < rows; a += 4) {
            struct convd_smooth s = {.t = (const int16_t *const *)w->room.t + a,
                                     .k = m->down.k,
                                     .taps = (size_t)m->kh,
                                     .outs = (size_t)least(4, rows - a),
                                     .frac = m->down.frac,
                                     .bytes = y->format->type == CONVD_FIXED_U8};
            for (ptrdiff_t o = 0; o < (ptrdiff_t)s.outs; o++)
                s.y[o] = (char *)convd_fixed_row(y, p, i + a + o) + j * size;
            w->simd->smooth_down(&s, (size_t)least(strip, y->n - j));
        }
    }
}

static void smooth_rows(const struct walk *w, ptrdiff_t p)
{
    const struct convd_fixed_view *y = w->c->y;
    const ptrdiff_t before = w->m->kh - 1;
    for (ptrdiff_t i = y->y0; i < y->y1; i += GROUP) {
        const ptrdiff_t rows = least(GROUP, y->y1 - i);
        for (ptrdiff_t g = i == y->y0 && w->c->fresh ? i : i + before; g < i + rows + before; g++) smooth_across(w, p, g);
        smooth_down(w, p, i, rows);
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
                     .size = (ptrdiff_t)convd_fixed_size(c->x->format->type)};
    convd_filter_room(&w.room, c->state, m->way, c->x->format, m->kh, m->kw, c->y->w);
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
