/* window_extreme.c: the largest or smallest number of each window; see window.h. */
#include "window.h"

void convd_window_extreme_look(const struct convd_site *s, struct convd_place at,
                               struct convd_look *l, bool largest)
{
    convd_window_look(s, at, l);
    l->kind = CONVD_LOOK_WINNER;
    l->mode = CONVD_MODE_CONSTANT;
    l->value = largest ? -INFINITY : INFINITY;
}

const char *convd_window_extreme_torch(const struct convd_site *s, struct convd_arena *mem,
                                       bool largest)
{
    const struct convd_window_axes a = convd_window_axes(s);
    const struct convd_pair behind = convd_window_cover(s);
    const char *sign = largest ? "" : "-";
    if (convd_window_plain(s))
        return convd_arena_printf(mem,
                                  "%sF.max_pool2d(%s{x}, {kernel_size}, {stride}, (%td, %td), "
                                  "{dilation}, ceil_mode={ceil_mode})",
                                  sign, sign, a.y.before, a.x.before);
    return convd_arena_printf(
        mem, "%s$max_pool(%s{x}, {kernel_size}, {stride}, {dilation}, (%td, %td), (%td, %td))",
        sign, sign, a.y.before, a.x.before, behind.h, behind.w);
}

const char *convd_window_extreme_opencv(const struct convd_site *s, struct convd_arena *mem,
                                        bool largest)
{
    const struct convd_window_axes a = convd_window_axes(s);
    const struct convd_pair behind = convd_window_cover(s);
    return convd_arena_printf(mem,
                              "$windows({x}, {kernel_size}, {stride}, {dilation}, (%td, %td), "
                              "(%td, %td), %s((3, 4))",
                              a.y.before, a.x.before, behind.h, behind.w,
                              largest ? "-np.inf).max" : "np.inf).min");
}

enum { TAPS = 16 }; /* rows or columns that one call of a row loop takes */

/* y[o] = the better of y[o] and of the columns a window reads from x on: taps are `dilation` apart, windows `stride`. */
static void take_some(const struct convd_simd *simd, bool largest, float *y, const float *x, ptrdiff_t n,
                      const struct convd_window_axis *a, ptrdiff_t taps)
{
    const float *t[TAPS];
    for (ptrdiff_t k = 0; k < taps; k++) t[k] = x + k * a->dilation;
    if (a->stride == 1)
        simd->best_rows(t, (size_t)taps, largest, y, (size_t)n);
    else if (a->stride == 2)
        simd->best_twos(t, (size_t)taps, largest, y, (size_t)n);
    else
        for (ptrdiff_t o = 0; o < n; o++) {
            float best = t[0][o * a->stride];
            for (ptrdiff_t k = 1; k < taps; k++) {
                const float v = t[k][o * a->stride];
                best = largest ? larger(best, v) : smaller(best, v);
            }
            y[o] = best;
        }
}

/* One window that may stick out. */
static float take_one(bool largest, const float *column, const struct convd_window_axis *a, ptrdiff_t o)
{
    float best = largest ? -INFINITY : INFINITY;
    for (ptrdiff_t k = 0, j = convd_window_start(a, o); k < a->k; k++, j += a->dilation)
        if (j >= 0 && j < a->n) best = largest ? larger(best, column[j]) : smaller(best, column[j]);
    return best;
}

/* The best of every column's rows under window row i. */
static void down(const struct convd_call *call, const struct convd_window_axis *a, ptrdiff_t c, ptrdiff_t i,
                 bool largest, float *column)
{
    const struct convd_view *x = call->x;
    const float *t[TAPS];
    ptrdiff_t n = 0;
    for (ptrdiff_t k = 0, r = convd_window_start(a, i); k < a->k; k++, r += a->dilation) {
        if (r >= 0 && r < a->n) t[n++] = convd_row(x, c, r);
        if (n < TAPS && k + 1 < a->k) continue;
        if (n > 0) call->site->simd->best_rows(t, (size_t)n, largest, column, (size_t)x->w);
        t[0] = column;
        n = n > 0;
    }
    if (n == 0)
        for (ptrdiff_t j = 0; j < x->w; j++) column[j] = largest ? -INFINITY : INFINITY;
}

void convd_window_extreme(const struct convd_call *call, bool largest)
{
    const struct convd_simd *simd = call->site->simd;
    const struct convd_window_axes a = convd_window_axes(call->site);
    const struct convd_view *y = call->y;
    const struct convd_rows in = convd_window_inside(&a.x);
    float *column = call->scratch; /* of each picture column: the best in the window's rows */
    if (convd_squares_extreme(call, &a, largest)) return;
    for (ptrdiff_t c = 0; c < y->c; c++)
        for (ptrdiff_t i = y->y0; i < y->y1; i++) {
            float *out = convd_row(y, c, i);
            down(call, &a.y, c, i, largest, column);
            for (ptrdiff_t o = 0; o < a.x.out; o++) {
                if (o == in.y0 && in.y0 < in.y1) o = in.y1;
                if (o < a.x.out) out[o] = take_one(largest, column, &a.x, o);
            }
            if (in.y0 == in.y1) continue;
            const float *first = column + convd_window_start(&a.x, in.y0);
            take_some(simd, largest, out + in.y0, first, in.y1 - in.y0, &a.x, least(a.x.k, TAPS));
            for (ptrdiff_t k = TAPS; k < a.x.k; k += TAPS)
                for (ptrdiff_t o = in.y0; o < in.y1; o++)
                    for (ptrdiff_t q = k; q < least(k + TAPS, a.x.k); q++) {
                        const float v = first[(o - in.y0) * a.x.stride + q * a.x.dilation];
                        out[o] = largest ? larger(out[o], v) : smaller(out[o], v);
                    }
        }
}
