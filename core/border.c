/* border.c: padding modes as index arithmetic, and the padded rows that windows slide over. */
#include "border.h"
#include "simd/simd.h"
#include <math.h>
#include <stdint.h>
#include <string.h>

static ptrdiff_t least(ptrdiff_t a, ptrdiff_t b)
{
    return a < b ? a : b;
}

static ptrdiff_t most(ptrdiff_t a, ptrdiff_t b)
{
    return a > b ? a : b;
}

static ptrdiff_t modulo(ptrdiff_t i, ptrdiff_t n)
{
    const ptrdiff_t m = i % n;
    return m < 0 ? m + n : m;
}

static ptrdiff_t floor_div(ptrdiff_t a, ptrdiff_t b)
{
    return a / b - (a % b < 0);
}

ptrdiff_t convd_border_index(enum convd_mode mode, ptrdiff_t i, ptrdiff_t n)
{
    if (i >= 0 && i < n) return i;
    switch (mode) {
    case CONVD_MODE_REFLECT:
        if (n == 1) return 0;
        i = modulo(i, 2 * n - 2);
        return i < n ? i : 2 * n - 2 - i;
    case CONVD_MODE_SYMMETRIC:
        i = modulo(i, 2 * n);
        return i < n ? i : 2 * n - 1 - i;
    case CONVD_MODE_REPLICATE:
        return i < 0 ? 0 : n - 1;
    case CONVD_MODE_CIRCULAR:
        return modulo(i, n);
    case CONVD_MODE_ZEROS:
    case CONVD_MODE_CONSTANT:
        break;
    }
    return -1;
}

/* Widens r by what the indexes [lo,hi), all outside the axis, map to. */
static void reach(enum convd_mode mode, ptrdiff_t lo, ptrdiff_t hi, ptrdiff_t n,
                  struct convd_rows *r)
{
    for (ptrdiff_t i = lo; i < hi; i++) {
        const ptrdiff_t k = convd_border_index(mode, i, n);
        r->y0 = least(r->y0, k);
        r->y1 = most(r->y1, k + 1);
    }
}

struct convd_rows convd_border_rows(enum convd_mode mode, ptrdiff_t lo, ptrdiff_t hi, ptrdiff_t n)
{
    struct convd_rows r = {most(lo, 0), least(hi, n)};
    const bool inside = r.y0 < r.y1;
    if (mode == CONVD_MODE_ZEROS || mode == CONVD_MODE_CONSTANT || mode == CONVD_MODE_REPLICATE) {
        if (inside) return r;
        return lo >= n ? (struct convd_rows){n - 1, n} : (struct convd_rows){0, 1};
    }
    if (hi - lo >= 2 * n) return (struct convd_rows){0, n}; /* a whole period */
    if (!inside) r = (struct convd_rows){n, 0};
    reach(mode, lo, least(hi, 0), n, &r);
    reach(mode, most(lo, n), hi, n, &r);
    return r.y0 < r.y1 ? r : (struct convd_rows){0, 1};
}

/* Columns [from, from+n) of a row of w numbers (NULL: a row of the constant). simd given: tells whether all
 * numbers are finite. */
static bool pad_line(const struct convd_simd *simd, const float *x, ptrdiff_t w, ptrdiff_t from,
                     ptrdiff_t n, enum convd_mode mode, float value, float *y)
{
    ptrdiff_t j = 0;
    bool fine = true;
    if (!x) {
        for (; j < n; j++) y[j] = value;
        return isfinite(value);
    }
    while (j < n) {
        const ptrdiff_t at = from + j;
        if (at >= 0 && at < w) {
            const size_t len = (size_t)least(n - j, w - at);
            if (simd)
                fine &= simd->copy(y + j, x + at, len);
            else
                memcpy(y + j, x + at, len * sizeof *y);
            j += (ptrdiff_t)len;
        } else {
            const ptrdiff_t k = convd_border_index(mode, at, w);
            y[j] = k < 0 ? value : x[k];
            fine &= isfinite(y[j]) != 0;
            j++;
        }
    }
    return fine;
}

void convd_border_copy(const struct convd_view *x, ptrdiff_t c, ptrdiff_t lo, ptrdiff_t hi,
                       ptrdiff_t left, ptrdiff_t right, enum convd_mode mode, float value,
                       float *out, ptrdiff_t row)
{
    if (mode == CONVD_MODE_ZEROS) value = 0;
    for (ptrdiff_t i = lo; i < hi; i++, out += row) {
        const ptrdiff_t k = convd_border_index(mode, i, x->h);
        pad_line(NULL, k < 0 ? NULL : convd_row(x, c, k), x->w, -left, x->w + left + right, mode,
                 value, out);
    }
}

/* The m with 0 <= from + m*step < w, clipped to [0,n). */
static struct convd_rows inside(ptrdiff_t from, ptrdiff_t step, ptrdiff_t n, ptrdiff_t w)
{
    ptrdiff_t lo = -from, hi = w - from;
    if (step != 1) {
        lo = from >= 0 ? 0 : (step - 1 - from) / step;
        hi = from >= w ? 0 : (w - 1 - from) / step + 1;
    }
    lo = least(most(lo, 0), n);
    return (struct convd_rows){lo, most(least(hi, n), lo)};
}

/* Of a row's columns those from, from + step, … that are not inside: m in [lo,hi). */
static void border_values(const float *x, ptrdiff_t w, ptrdiff_t from, ptrdiff_t step,
                          struct convd_rows m, enum convd_mode mode, float value, float *y)
{
    for (ptrdiff_t i = m.y0; i < m.y1; i++) {
        const ptrdiff_t k = convd_border_index(mode, from + i * step, w);
        y[i] = k < 0 ? value : x[k];
    }
}

void convd_border_line(const float *x, ptrdiff_t w, ptrdiff_t from, ptrdiff_t step, ptrdiff_t n,
                       enum convd_mode mode, float value, float *y)
{
    const float outside = mode == CONVD_MODE_ZEROS ? 0 : value;
    if (!x) {
        for (ptrdiff_t m = 0; m < n; m++) y[m] = outside;
        return;
    }
    const struct convd_rows in = inside(from, step, n, w);
    border_values(x, w, from, step, (struct convd_rows){0, in.y0}, mode, outside, y);
    if (step == 1 && in.y0 < in.y1)
        memcpy(y + in.y0, x + from + in.y0, (size_t)(in.y1 - in.y0) * sizeof *y);
    else
        for (ptrdiff_t m = in.y0; m < in.y1; m++) y[m] = x[from + m * step];
    border_values(x, w, from, step, (struct convd_rows){in.y1, n}, mode, outside, y);
}

void convd_border_shift(const struct convd_view *x, ptrdiff_t c, ptrdiff_t v, ptrdiff_t n,
                        ptrdiff_t shift, enum convd_mode mode, float value, float *y)
{
    const ptrdiff_t w = x->w, first = least(most(-v, 0), n), end = most(least(x->h - v, n), first),
                    before = most(-shift, 0), after = most(shift, 0);
    const bool flat = x->row == w && before < w && after < w && first < end;
    for (ptrdiff_t m = 0; m < n; m++) {
        if (flat && m == first) m = end;
        if (m == n) break;
        const ptrdiff_t at = convd_border_index(mode, v + m, x->h);
        convd_border_line(at < 0 ? NULL : convd_row(x, c, at), w, shift, 1, w, mode, value,
                          y + m * w);
    }
    if (!flat) return;
    const float *from = convd_row(x, c, v + first);
    const ptrdiff_t count = (end - first) * w;
    y += first * w;
    memcpy(y + before, from + before + shift, (size_t)(count - before - after) * sizeof *y);
    for (ptrdiff_t j = 0; j < w; j++) { /* columns from outside */
        if (j == before) j = w - after;
        if (j == w) break;
        const ptrdiff_t k = convd_border_index(mode, j + shift, w);
        const float outside = mode == CONVD_MODE_ZEROS ? 0 : value;
        for (ptrdiff_t m = 0; m < count; m += w) y[m + j] = k < 0 ? outside : from[m + k];
    }
}

void convd_border_fold(const float *t, ptrdiff_t from, ptrdiff_t step, ptrdiff_t n,
                       enum convd_mode mode, const struct convd_simd *simd, float *x, ptrdiff_t w)
{
    const struct convd_rows in = inside(from, step, n, w);
    const bool dropped = mode == CONVD_MODE_ZEROS || mode == CONVD_MODE_CONSTANT;
    if (step == 1 && in.y0 < in.y1)
        simd->add(x + from + in.y0, x + from + in.y0, t + in.y0, (size_t)(in.y1 - in.y0));
    else
        for (ptrdiff_t m = in.y0; m < in.y1; m++) x[from + m * step] += t[m];
    for (ptrdiff_t m = 0; m < n && !dropped; m++) {
        if (m == in.y0) m = in.y1;
        if (m < n) x[convd_border_index(mode, from + m * step, w)] += t[m];
    }
}

struct convd_axis convd_axis_resolve(enum convd_pad_kind kind, ptrdiff_t n, ptrdiff_t before,
                                     ptrdiff_t after, ptrdiff_t k, ptrdiff_t stride,
                                     ptrdiff_t dilation, bool ceil_mode)
{
    const ptrdiff_t span = dilation * (k - 1) + 1;
    struct convd_axis a = {before, after, 0};
    if (kind == CONVD_PAD_SAME) {
        a.size = (n + stride - 1) / stride;
        const ptrdiff_t total = most(0, (a.size - 1) * stride + span - n);
        a.before = total / 2;
        a.after = total - a.before;
        return a;
    }
    if (kind == CONVD_PAD_VALID) a.before = a.after = 0;
    const ptrdiff_t room = n + a.before + a.after - span;
    a.size = floor_div(room + (ceil_mode ? stride - 1 : 0), stride) + 1;
    if (ceil_mode && (a.size - 1) * stride >= n + a.before) a.size--;
    return a;
}

/* ---- lines ----------------------------------------------------------------------------------- */

/* Column tap j reads phase j mod phases: the residues of j*dw modulo sw repeat after sw / gcd(sw, dw). */
static void measure(const struct convd_lines_shape *s, struct convd_lines *l)
{
    const struct convd_window *w = &s->window;
    l->shape = s;
    l->turns = w->dh / convd_common(w->sh, w->dh);
    l->phases = least(w->kw, w->sw / convd_common(w->sw, w->dw));
    l->length = s->out_w + (w->kw - 1) * w->dw / w->sw;
    l->direct = w->sw == 1 && w->left == 0 && l->length <= s->w;
    l->stride = (l->length + 15) / 16 * 16;
    if (l->stride % 1024 == 0)
        l->stride += 16; /* rows a multiple of a page apart would share cache sets */
}

/* Floats of rows, then the tables behind them. */
static bool count(const struct convd_lines *l, size_t *floats, size_t *bytes)
{
    const size_t kh = (size_t)l->shape->window.kh, channels = (size_t)l->shape->channels;
    size_t slots, tables;
    if (!convd_mul(kh, channels, &slots) ||
        !convd_mul((size_t)l->stride, l->direct ? 1 : (size_t)l->phases, floats) ||
        !convd_mul(*floats, l->direct ? 1 : slots, floats) ||
        !convd_mul(*floats, sizeof(float), bytes) || !convd_mul(slots, sizeof(float *), &tables) ||
        !convd_add(*bytes, tables, bytes) ||
        !convd_add(*bytes,
                   (kh + (size_t)l->shape->window.kw) * sizeof(ptrdiff_t) + kh * sizeof(bool) + 63,
                   bytes))
        return false;
    *bytes &= ~(size_t)63;
    return true;
}

size_t convd_lines_bytes(const struct convd_lines_shape *s)
{
    struct convd_lines l;
    size_t floats, bytes;
    measure(s, &l);
    return count(&l, &floats, &bytes) ? bytes : SIZE_MAX;
}

void convd_lines_init(struct convd_lines *l, const struct convd_lines_shape *s,
                      const struct convd_view *x, ptrdiff_t c0, void *scratch)
{
    size_t floats = 0, bytes = 0;
    measure(s, l);
    count(l, &floats, &bytes);
    l->x = x;
    l->c0 = c0;
    l->first = 0;
    l->rows = scratch;
    l->at = (const float **)(l->rows + floats);
    l->made = (ptrdiff_t *)(l->at + s->window.kh * s->channels);
    l->column = l->made + s->window.kh;
    l->finite = (bool *)(l->column + s->window.kw);
    for (ptrdiff_t j = 0; j < s->window.kw; j++)
        l->column[j] = j % l->phases * l->stride + j * s->window.dw / s->window.sw;
    for (ptrdiff_t i = 0; i < s->window.kh; i++) l->made[i] = -1;
    if (l->direct)
        pad_line(NULL, NULL, 0, 0, l->length, s->mode, s->mode == CONVD_MODE_ZEROS ? 0 : s->value,
                 l->rows);
}

/* Both phases of a row at once where they are every second number; false: they are not, or do not fit. */
static bool make_halves(const struct convd_lines *l, const float *x, float *y)
{
    const struct convd_lines_shape *s = l->shape;
    const float outside = s->mode == CONVD_MODE_ZEROS ? 0 : s->value;
    struct convd_rows in[2];
    float *half[2];
    if (!x || s->window.sw != 2 || s->window.dw != 1 || l->phases != 2) return false;
    for (ptrdiff_t p = 0; p < 2; p++) {
        const ptrdiff_t from = p - s->window.left, odd = from & 1,
                        first = from < 0 ? (odd - from) / 2 : 0;
        in[p] = (struct convd_rows){first, first + (s->w + !odd) / 2};
        half[odd] = y + p * l->stride + first;
        if (from > 1 || in[p].y1 > l->length) return false;
    }
    s->simd->halves(x, (size_t)s->w, half[0], half[1]);
    for (ptrdiff_t p = 0; p < 2; p++, y += l->stride) {
        const ptrdiff_t from = p - s->window.left;
        border_values(x, s->w, from, 2, (struct convd_rows){0, in[p].y0}, s->mode, outside, y);
        border_values(x, s->w, from, 2, (struct convd_rows){in[p].y1, l->length}, s->mode, outside,
                      y);
    }
    return true;
}

/* The phases of one row: of each, number m stands for column m*sw + r of the padded row. */
static void make_phases(const struct convd_lines *l, const float *x, float *y)
{
    const struct convd_lines_shape *s = l->shape;
    const ptrdiff_t sw = s->window.sw;
    if (make_halves(l, x, y)) return;
    for (ptrdiff_t p = 0; p < l->phases; p++, y += l->stride)
        convd_border_line(x, s->w, p * s->window.dw % sw - s->window.left, sw, l->length, s->mode,
                          s->value, y);
}

/* Row v of the input (any integer) for all channels into a slot. */
static void make(struct convd_lines *l, ptrdiff_t slot, ptrdiff_t v)
{
    const struct convd_lines_shape *s = l->shape;
    const ptrdiff_t k = convd_border_index(s->mode, v, l->x->h);
    const float outside = s->mode == CONVD_MODE_ZEROS ? 0 : s->value;
    bool fine = true;
    for (ptrdiff_t c = 0; c < s->channels; c++) {
        const ptrdiff_t i = slot * s->channels + c;
        const float *x = k < 0 ? NULL : convd_row(l->x, l->c0 + c, k);
        float *y = l->rows + (l->direct ? 0 : i * l->phases * l->stride);
        l->at[i] = y;
        if (l->direct) {
            if (x) l->at[i] = x;
            if (s->watch) fine &= s->simd->finite(l->at[i], (size_t)l->length);
        } else if (s->window.sw == 1) {
            fine &= pad_line(s->simd, x, s->w, -s->window.left, l->length, s->mode, outside, y);
        } else {
            make_phases(l, x, y);
        }
    }
    l->finite[slot] = fine;
}

/* The window's rows are y*sh, y*sh + dh, … of the padded input. In units of dh they are consecutive, and
 * within one turn (y mod turns fixed) all windows count from the same offset, so unit u can live in slot u
 * mod kh. */
void convd_lines_move(struct convd_lines *l, ptrdiff_t y)
{
    const struct convd_window *w = &l->shape->window;
    const ptrdiff_t unit = y * w->sh / w->dh;
    l->first = unit % w->kh;
    for (ptrdiff_t i = 0; i < w->kh; i++) {
        const ptrdiff_t slot = (unit + i) % w->kh, row = y * w->sh + i * w->dh;
        if (l->made[slot] == row) continue;
        make(l, slot, row - w->top);
        l->made[slot] = row;
    }
}

bool convd_lines_finite(const struct convd_lines *l)
{
    for (ptrdiff_t i = 0; i < l->shape->window.kh; i++)
        if (!l->finite[i]) return false;
    return true;
}
