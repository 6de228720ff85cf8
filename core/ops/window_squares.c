/* window_squares.c: the largest or smallest of windows of two or three columns, two apart, a whole channel a call; see
 * simd->best_squares and simd->squares_back. What those leave, columns at the sides and windows that stick out there, is done
 * number by number. */
#include "window.h"
#include "winner.h"

/* Outputs [outs.y0, outs.y1) of a row as simd takes them, and where its first row and column lie on the picture. */
struct site {
    struct convd_squares of;
    struct convd_rows outs;
    ptrdiff_t row, column;
};

/* Windows of rows y; false where they are no squares. */
static bool open(struct site *q, const struct convd_window_axes *a, struct convd_rows y)
{
    const ptrdiff_t top = convd_window_start(&a->y, y.y0);
    const bool three = a->x.k == 3, edge = three && a->x.before == 1;
    if (a->x.stride != 2 || a->x.dilation != 1 || a->x.k < 2 || a->x.k > 3 || a->y.dilation != 1 ||
        a->y.k > CONVD_SQUARES_MOST)
        return false;
    q->outs = convd_window_inside(&a->x);
    if (q->outs.y0 == q->outs.y1) return false;
    if (edge) q->outs.y0 = 0;
    q->row = most(top, 0);
    q->column = convd_window_start(&a->x, q->outs.y0) + three;
    q->of = (struct convd_squares){
        .h = a->y.n - q->row,
        .first = top - q->row,
        .stride = a->y.stride,
        .taps = (size_t)a->y.k,
        .rows = y.y1 - y.y0,
        .n = (size_t)(q->outs.y1 - q->outs.y0),
        .three = three,
        .edge = edge,
    };
    return true;
}

/* Points it at channel c of x and y, whose row i is its first. */
static void point(struct site *q, const struct convd_view *x, const struct convd_view *y, ptrdiff_t c, ptrdiff_t i)
{
    q->of.x = convd_row(x, c, q->row) + q->column;
    q->of.row = x->row;
    q->of.y = convd_row(y, c, i) + q->outs.y0;
    q->of.y_row = y->row;
}

/* One window of row i, which may stick out. */
static float one_window(const struct convd_view *x, const struct convd_window_axes *a, ptrdiff_t c, ptrdiff_t i, ptrdiff_t o,
                        bool largest)
{
    const ptrdiff_t top = convd_window_start(&a->y, i), left = convd_window_start(&a->x, o);
    float best = largest ? -INFINITY : INFINITY;
    for (ptrdiff_t r = most(top, 0); r < least(top + a->y.k, a->y.n); r++)
        for (ptrdiff_t j = most(left, 0); j < least(left + a->x.k, a->x.n); j++) {
            const float v = convd_row(x, c, r)[j];
            best = largest ? larger(best, v) : smaller(best, v);
        }
    return best;
}

/* ---- who won: a byte a window, row of a window times columns plus column ---- */

enum { NOBODY = 255 };

static bool keeps(struct site *q, const struct convd_window_axes *a, struct convd_rows y)
{
    return open(q, a, y) && q->of.n >= CONVD_SQUARES_LEAST;
}

size_t convd_squares_kept(const struct convd_site *s)
{
    const struct convd_window_axes a = convd_window_axes(s);
    struct site q;
    return keeps(&q, &a, (struct convd_rows){0, a.y.out}) ? (size_t)(a.y.out * a.x.out) : 0;
}

static uint8_t first_tap(const struct convd_view *x, const struct convd_window_axes *a, ptrdiff_t c, ptrdiff_t i, ptrdiff_t o,
                         float y)
{
    const ptrdiff_t top = convd_window_start(&a->y, i), left = convd_window_start(&a->x, o);
    for (ptrdiff_t r = most(top, 0); r < least(top + a->y.k, a->y.n); r++)
        for (ptrdiff_t j = most(left, 0); j < least(left + a->x.k, a->x.n); j++)
            if (wins(convd_row(x, c, r)[j], y)) return (uint8_t)((r - top) * a->x.k + j - left);
    return NOBODY;
}

static void keep(const struct convd_call *call, const struct convd_window_axes *a, ptrdiff_t c)
{
    const struct convd_view *x = call->x, *y = call->y;
    const struct convd_rows own = {most(call->own.y0, y->y0), least(call->own.y1, y->y1)};
    uint8_t *code = call->kept + (c * a->y.out + own.y0) * a->x.out;
    struct site q;
    if (own.y0 >= own.y1 || !keeps(&q, a, own)) return;
    point(&q, x, y, c, own.y0);
    call->site->simd->squares_won(&q.of, code + q.outs.y0, a->x.out);
    for (ptrdiff_t i = own.y0; i < own.y1; i++, code += a->x.out) {
        memset(code, NOBODY, (size_t)q.outs.y0);
        memset(code + q.outs.y1, NOBODY, (size_t)(a->x.out - q.outs.y1));
        for (ptrdiff_t o = 0; o < a->x.out; o++) /* at the sides, and where y is NaN */
            if (code[o] == NOBODY) code[o] = first_tap(x, a, c, i, o, convd_row(y, c, i)[o]);
    }
}

bool convd_squares_extreme(const struct convd_call *call, const struct convd_window_axes *a, bool largest)
{
    const struct convd_view *x = call->x, *y = call->y;
    struct site q;
    if (!open(&q, a, (struct convd_rows){y->y0, y->y1})) return false;
    q.of.largest = largest;
    for (ptrdiff_t c = 0; c < y->c; c++) {
        point(&q, x, y, c, y->y0);
        call->site->simd->best_squares(&q.of);
        for (ptrdiff_t i = y->y0; i < y->y1; i++) {
            float *row = convd_row(y, c, i);
            for (ptrdiff_t o = 0; o < q.outs.y0; o++) row[o] = one_window(x, a, c, i, o, largest);
            for (ptrdiff_t o = q.outs.y1; o < a->x.out; o++) row[o] = one_window(x, a, c, i, o, largest);
        }
        if (call->kept) keep(call, a, c);
    }
    return true;
}

/* ---- the way back ---- */

/* Columns of dx that no square of simd's holds. */
static void clear_sides(const struct convd_view *dx, const struct site *q, ptrdiff_t c, struct convd_rows own)
{
    const ptrdiff_t from = q->column - (q->of.three && !q->of.edge), to = q->column + 2 * (ptrdiff_t)q->of.n;
    for (ptrdiff_t r = own.y0; r < own.y1; r++) {
        float *row = convd_row(dx, c, r);
        for (ptrdiff_t j = 0; j < from; j++) row[j] = 0; /* none, or few */
        for (ptrdiff_t j = to; j < dx->w; j++) row[j] = 0;
    }
}

/* Windows [from, to) of row i, one by one. */
static void give(const struct convd_back *call, const struct convd_window_axes *a, ptrdiff_t c, ptrdiff_t i, ptrdiff_t from,
                 ptrdiff_t to, struct convd_rows own)
{
    const uint8_t *code = call->kept + (c * a->y.out + i) * a->x.out;
    for (ptrdiff_t o = from; o < to; o++) {
        const ptrdiff_t r = convd_window_start(&a->y, i) + code[o] / a->x.k, j = convd_window_start(&a->x, o) + code[o] % a->x.k;
        if (code[o] != NOBODY && r >= own.y0 && r < own.y1) convd_row(call->dx, c, r)[j] += convd_row(call->dy, c, i)[o];
    }
}

bool convd_squares_back(const struct convd_back *call, const struct convd_window_axes *a)
{
    const struct part_box own = part_box(call, call->dx);
    struct site q;
    if (!call->kept || !keeps(&q, a, (struct convd_rows){0, a->y.out})) return false;
    for (ptrdiff_t c = own.channels.y0; c < own.channels.y1; c++) {
        call->site->simd->squares_back(&(struct convd_squares_back){
            .of = q.of,
            .code = call->kept + c * a->y.out * a->x.out + q.outs.y0,
            .code_row = a->x.out,
            .dy = convd_row(call->dy, c, 0) + q.outs.y0,
            .dy_row = call->dy->row,
            .dx = convd_row(call->dx, c, 0) + q.column,
            .dx_row = call->dx->row,
            .from = own.rows.y0,
            .to = own.rows.y1,
            .fresh = call->fresh,
        });
        if (call->fresh) clear_sides(call->dx, &q, c, own.rows);
        for (ptrdiff_t i = 0; i < a->y.out; i++) {
            give(call, a, c, i, 0, q.outs.y0, own.rows);
            give(call, a, c, i, q.outs.y1, a->x.out, own.rows);
        }
    }
    return true;
}
