/* gather.c: windows of a padded map against a bank of kernels; see correlate.h. */
#include "correlate.h"

size_t convd_corr_count(const struct convd_corr *r)
{
    size_t n = r->shared ? 1 : (size_t)r->groups;
    if (!convd_mul(n, (size_t)r->out, &n) || !convd_mul(n, (size_t)r->in, &n) ||
        !convd_mul(n, (size_t)r->window.kh, &n) || !convd_mul(n, (size_t)r->window.kw, &n))
        return 0;
    return n;
}

static struct convd_lines_shape lines_shape(const struct convd_corr *r)
{
    return (struct convd_lines_shape){.window = r->window,
                                      .mode = r->mode,
                                      .value = r->value,
                                      .channels = r->in,
                                      .w = r->x.w,
                                      .out_w = r->y.w,
                                      .simd = r->simd};
}

/* ---- few outputs: stacks of rows -------------------------------------------------------------- */

enum { ROWS = 16, CHANNELS = 16, OUTS = 2 }; /* of a stack, at most */

/* Where one or two outputs of a group see a few channels, several rows of outputs at a time share what they load. */
static bool is_stack(const struct convd_corr *r)
{
    const struct convd_window *w = &r->window;
    return r->out <= OUTS && r->in <= CHANNELS && w->kh > 1 && w->kh <= ROWS && w->sh == 1 &&
           w->sw == 1 && w->dh == 1 && w->dw == 1 && r->y.w >= 16;
}

static ptrdiff_t stack_row(const struct convd_corr *r)
{
    return (r->y.w + r->window.kw - 1 + 15) / 16 * 16;
}

/* Padded rows, then what each row of the window is, then where outputs go. */
static size_t stack_bytes(const struct convd_corr *r)
{
    const size_t rows = (size_t)(r->in * (ROWS + r->window.kh - 1));
    size_t bytes = 0, floats;
    return convd_mul(rows, (size_t)stack_row(r), &floats) &&
                   convd_room(&bytes, floats, sizeof(float)) &&
                   convd_room(&bytes, rows + OUTS * ROWS, sizeof(float *))
               ? bytes
               : SIZE_MAX;
}

/* Windows of 3 x 3 that keep the width read rows where they lie. */
static bool is_in_place(const struct convd_corr *r)
{
    return r->window.kh == 3 && r->window.kw == 3 && r->window.left == 1 && r->y.w == r->x.w;
}

/* Column v of a row of x, or what is outside. */
static float number_at(const struct convd_corr *r, const float *x, ptrdiff_t v)
{
    const ptrdiff_t j = convd_border_index(r->mode, v, r->x.w);
    return j >= 0 ? x[j] : r->mode == CONVD_MODE_CONSTANT ? r->value : 0;
}

/* Up to ROWS rows of outputs from row i on, for group g. */
static void stack_rows(const struct convd_corr *r, const float *k, const float *bias,
                       const struct convd_view *x, const struct convd_view *y, ptrdiff_t g,
                       ptrdiff_t i, ptrdiff_t rows, void *scratch)
{
    static const float none[OUTS];
    const ptrdiff_t span = rows + r->window.kh - 1, row = stack_row(r);
    float *line = scratch, *out[OUTS * ROWS];
    float beside[2][CHANNELS * (ROWS + 2)];
    const bool in_place = is_in_place(r);
    const float **at = (const float **)(void *)(line + r->in * (ROWS + r->window.kh - 1) * row);
    const struct convd_stack q = {.x = at,
                                  .span = (size_t)span,
                                  .channels = (size_t)r->in,
                                  .kh = (size_t)r->window.kh,
                                  .kw = (size_t)r->window.kw,
                                  .k = k + g * r->out * r->in * r->window.kh * r->window.kw,
                                  .bias = bias ? bias + g * r->out : none,
                                  .y = out,
                                  .outs = (size_t)r->out,
                                  .rows = (size_t)rows,
                                  .n = (size_t)r->y.w,
                                  .before = in_place ? beside[0] : NULL,
                                  .behind = in_place ? beside[1] : NULL};
    for (ptrdiff_t c = 0; c < r->in; c++)
        for (ptrdiff_t a = 0; a < span; a++, line += row) {
            const ptrdiff_t v = convd_border_index(r->mode, i + a - r->window.top, r->x.h);
            if (in_place && v >= 0) {
                const float *x_row = convd_row(x, g * r->in + c, v);
                at[c * span + a] = x_row;
                beside[0][c * span + a] = number_at(r, x_row, -1);
                beside[1][c * span + a] = number_at(r, x_row, r->x.w);
                continue;
            }
            at[c * span + a] = line;
            convd_border_line(v < 0 ? NULL : convd_row(x, g * r->in + c, v), r->x.w,
                              -r->window.left, 1, r->y.w + r->window.kw - 1, r->mode, r->value,
                              line);
            if (in_place) beside[0][c * span + a] = beside[1][c * span + a] = line[0];
        }
    for (ptrdiff_t o = 0; o < r->out; o++)
        for (ptrdiff_t n = 0; n < rows; n++)
            out[o * rows + n] = convd_row(y, g * r->out + o, i + n);
    r->simd->stack(&q);
}

/* ---- narrow maps ------------------------------------------------------------------------------ */

enum {
    NARROW = 160,     /* columns: two tiles of the widest vectors                     */
    LAID = 64 * 1024, /* numbers that are laid out at a time                          */
    LEAST_ROWS = 4,   /* of outputs at a time: below, rows under the window cost more */
    ALONG = 240,      /* columns for all outputs: what they read stays in L1          */
};

/* Rows of a narrow map are short for the tiles of `taps`: for each column of the window the map is laid out moved by it, in
 * step with the output, whose rows are then one. Rows of outputs at a time; 0: not here. */
static ptrdiff_t narrow_rows(const struct convd_corr *r)
{
    const struct convd_window *w = &r->window;
    if (w->sh != 1 || w->sw != 1 || w->dh != 1 || w->dw != 1 || w->kh * w->kw == 1 ||
        r->y.w > NARROW || r->y.w != r->x.w || r->out < 4 * CONVD_TAPS_OUTS)
        return 0;
    const ptrdiff_t rows = LAID / (r->in * w->kw * r->y.w) - w->kh + 1;
    return rows < least(LEAST_ROWS, r->y.h) ? 0 : least(rows, r->y.h);
}

static bool narrow_room(const struct convd_corr *r, size_t *bytes)
{
    const ptrdiff_t rows = narrow_rows(r);
    return rows == 0 ||
           convd_room(bytes, (size_t)(r->in * r->window.kw * (rows + r->window.kh - 1)),
                      (size_t)r->y.w * sizeof(float));
}

size_t convd_gather_bytes(const struct convd_corr *r, bool add)
{
    const struct convd_lines_shape l = lines_shape(r);
    if (is_stack(r) && !add) return stack_bytes(r);
    size_t bytes = convd_lines_bytes(&l), taps;
    if (bytes == SIZE_MAX || !narrow_room(r, &bytes) ||
        !convd_mul((size_t)(r->window.kh * r->window.kw), (size_t)r->in, &taps) ||
        !convd_room(&bytes, taps, sizeof(float *)) ||
        (add && !convd_room(&bytes, (size_t)r->y.w, CONVD_TAPS_OUTS * sizeof(float))))
        return SIZE_MAX;
    return bytes;
}

struct gather {
    const struct convd_corr *r;
    const float *k, *bias;
    const struct convd_view *y;
    const float **t; /* what each tap reads              */
    float *sum;      /* rows to add, or NULL: y's itself */
    float *laid;     /* a narrow map                     */
    ptrdiff_t along; /* columns for all outputs at a time, 0: as many as fit into L2 */
};

/* m outputs from o on of output row i, columns [from,to). */
static void block(const struct gather *q, ptrdiff_t o, ptrdiff_t m, ptrdiff_t i, ptrdiff_t from,
                  ptrdiff_t to)
{
    static const float none[CONVD_TAPS_OUTS];
    const struct convd_corr *r = q->r;
    const ptrdiff_t taps = r->in * r->window.kh * r->window.kw;
    float *y[CONVD_TAPS_OUTS];
    for (ptrdiff_t n = 0; n < m; n++)
        y[n] = q->sum ? q->sum + n * r->y.w : convd_row(q->y, o + n, i);
    r->simd->taps(q->t, q->k + o * taps, (size_t)taps, q->bias ? q->bias + o : none, y, (size_t)m,
                  (size_t)from, (size_t)to);
    for (ptrdiff_t n = 0; q->sum && n < m; n++) {
        float *row = convd_row(q->y, o + n, i) + from;
        r->simd->add(row, row, y[n] + from, (size_t)(to - from));
    }
}

/* All outputs of a group for those columns of output row i (in a flat map, from its begin on). */
static void outputs(const struct gather *q, ptrdiff_t group, ptrdiff_t i, struct convd_rows columns)
{
    const struct convd_corr *r = q->r;
    const ptrdiff_t end = (group + 1) * r->out,
                    tile = q->along ? q->along
                                    : convd_corr_tile(r->in, r->out, r->window.kh,
                                                      columns.y1 - columns.y0);
    for (ptrdiff_t from = columns.y0; from < columns.y1; from += tile)
        for (ptrdiff_t o = group * r->out, m; o < end; o += m) {
            m = least(CONVD_TAPS_OUTS, end - o);
            block(q, o, m, i, from, least(from + tile, columns.y1));
        }
}

/* 1x1, no stride, no border (or the size would not be the same), rows without gaps: the band is one long row. */
static bool is_flat(const struct gather *q, const struct convd_view *x)
{
    const struct convd_window *w = &q->r->window;
    return !q->sum && w->kh == 1 && w->kw == 1 && w->sh == 1 && w->sw == 1 &&
           q->r->y.h == q->r->x.h && q->r->y.w == q->r->x.w && x->row == x->w &&
           q->y->row == q->y->w;
}

static void group_rows(const struct gather *q, const struct convd_lines_shape *shape, ptrdiff_t g,
                       struct convd_rows columns, const struct convd_view *x, void *scratch)
{
    const struct convd_corr *r = q->r;
    struct convd_lines l;
    convd_lines_init(&l, shape, x, g * r->in, scratch);
    for (ptrdiff_t turn = 0; turn < l.turns; turn++)
        for (ptrdiff_t i = q->y->y0 + turn; i < q->y->y1; i += l.turns) {
            ptrdiff_t n = 0;
            convd_lines_move(&l, i);
            for (ptrdiff_t c = 0; c < r->in; c++)
                for (ptrdiff_t a = 0; a < r->window.kh; a++)
                    for (ptrdiff_t j = 0; j < r->window.kw; j++)
                        q->t[n++] = convd_lines_tap(&l, c, a, j);
            outputs(q, g, i, columns);
        }
}

/* One group of a narrow map, laid out. */
static void group_narrow(const struct gather *q, ptrdiff_t g, const struct convd_view *x)
{
    const struct convd_corr *r = q->r;
    const struct convd_window *w = &r->window;
    const ptrdiff_t most_rows = narrow_rows(r);
    for (ptrdiff_t i = q->y->y0, rows; i < q->y->y1; i += rows) {
        rows = least(most_rows, q->y->y1 - i);
        const float **t = q->t;
        float *plane = q->laid;
        for (ptrdiff_t c = 0; c < r->in; c++, t += w->kh * w->kw)
            for (ptrdiff_t b = 0; b < w->kw; b++, plane += (rows + w->kh - 1) * r->y.w) {
                convd_border_shift(x, g * r->in + c, i - w->top, rows + w->kh - 1, b - w->left,
                                   r->mode, r->value, plane);
                for (ptrdiff_t a = 0; a < w->kh; a++) t[a * w->kw + b] = plane + a * r->y.w;
            }
        outputs(q, g, i, (struct convd_rows){0, rows * r->y.w});
    }
}

static void open(struct gather *q, const struct convd_lines_shape *shape, bool add, void *scratch)
{
    char *behind = (char *)scratch + convd_lines_bytes(shape);
    size_t taps = 0;
    q->t = (const float **)(void *)behind;
    convd_room(&taps, (size_t)(q->r->in * q->r->window.kh * q->r->window.kw), sizeof(float *));
    q->laid = (float *)(void *)(behind + taps);
    if (add) q->sum = q->laid;
}

void convd_gather_part(const struct convd_corr *r, const float *k, const float *bias,
                       const struct convd_view *x, const struct convd_view *y, bool add,
                       ptrdiff_t group, struct convd_rows columns, void *scratch)
{
    const struct convd_lines_shape shape = lines_shape(r);
    struct gather q = {.r = r, .k = k, .bias = bias, .y = y};
    open(&q, &shape, add, scratch);
    group_rows(&q, &shape, group, columns, x, scratch);
}

void convd_gather(const struct convd_corr *r, const float *k, const float *bias,
                  const struct convd_view *x, const struct convd_view *y, bool add, void *scratch)
{
    const struct convd_lines_shape shape = lines_shape(r);
    struct gather q = {.r = r, .k = k, .bias = bias, .y = y};
    if (is_stack(r) && !add) {
        for (ptrdiff_t g = 0; g < r->groups; g++)
            for (ptrdiff_t i = y->y0; i < y->y1; i += ROWS)
                stack_rows(r, k, bias, x, y, g, i, least(ROWS, y->y1 - i), scratch);
        return;
    }
    open(&q, &shape, add, scratch);
    for (ptrdiff_t g = 0; g < r->groups; g++) {
        if (is_flat(&q, x)) {
            for (ptrdiff_t c = 0; c < r->in; c++) q.t[c] = convd_row(x, g * r->in + c, y->y0);
            outputs(&q, g, y->y0, (struct convd_rows){0, (y->y1 - y->y0) * y->w});
        } else if (narrow_rows(r) > 0 && !add && y->row == y->w) {
            q.along = ALONG;
            group_narrow(&q, g, x);
        } else {
            group_rows(&q, &shape, g, (struct convd_rows){0, r->y.w}, x, scratch);
        }
    }
}
