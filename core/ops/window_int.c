/* window_int.c: see window_int.h. */
#include "window_int.h"
#include "window.h"
#include <string.h>

enum { MOST_SIDE = 31 };

static size_t row_bytes(const struct convd_window_axes *a, ptrdiff_t step)
{
    /* the windows' columns, and those of a window that sticks out to the right */
    return ((size_t)((a->x.n + a->x.before + a->x.k + a->x.out * a->x.stride) * step) + 63) / 64 * 64;
}

bool convd_window_best_fixed(const struct convd_site *s, const struct convd_fixed *x, struct convd_fixed_ask *a,
                             struct convd_fixed *y)
{
    const struct convd_window_axes w = convd_window_axes(s);
    if (x->type != CONVD_FIXED_U8 || w.y.dilation != 1 || w.x.dilation != 1 || w.y.k > MOST_SIDE || w.x.k > MOST_SIDE ||
        (w.x.stride > 1 && x->step > 1))
        return false;
    a->state = row_bytes(&w, x->step);
    y->algorithm = "integer u8";
    return true;
}

/* The best of each window's columns where they are picked two by two; else one by one. */
static void across(const struct convd_simd *simd, const uint8_t *x, const struct convd_window_axis *a, ptrdiff_t step,
                   bool largest, uint8_t *y)
{
    const uint8_t *t[MOST_SIDE];
    if (a->stride == 1) {
        for (ptrdiff_t b = 0; b < a->k; b++) t[b] = x + b * step;
        simd->best_u8(t, (size_t)a->k, largest, y, (size_t)(a->out * step));
    } else if (a->stride == 2 && a->k > 1) {
        ptrdiff_t n = 0;
        for (ptrdiff_t b = 0; b + 1 < a->k; b += 2) t[n++] = x + b;
        if (a->k % 2) t[n++] = x + a->k - 2;
        simd->pick_u8(t, (size_t)n, largest, y, (size_t)a->out);
    } else {
        for (ptrdiff_t o = 0; o < a->out; o++) {
            uint8_t top = x[o * a->stride];
            for (ptrdiff_t b = 1; b < a->k; b++) {
                const uint8_t v = x[o * a->stride + b];
                top = (largest ? v > top : v < top) ? v : top;
            }
            y[o] = top;
        }
    }
}

void convd_window_best_rows(const struct convd_fixed_call *c, bool largest)
{
    const struct convd_window_axes a = convd_window_axes(c->site);
    const struct convd_fixed_view *x = c->x, *y = c->y;
    const ptrdiff_t step = x->format->step, before = a.x.before * step;
    const bool inside = a.x.before == 0 && (a.x.out - 1) * a.x.stride + a.x.k <= a.x.n;
    uint8_t *column = c->state;
    memset(column, largest ? 0 : 255, row_bytes(&a, step)); /* the border never wins */
    for (ptrdiff_t p = 0; p < y->format->planes; p++)
        for (ptrdiff_t i = y->y0; i < y->y1; i++) {
            const ptrdiff_t first = convd_window_start(&a.y, i);
            const uint8_t *t[MOST_SIDE];
            ptrdiff_t n = 0;
            for (ptrdiff_t r = most(first, 0); r < least(first + a.y.k, a.y.n); r++) t[n++] = convd_fixed_row(x, p, r);
            if (inside && a.x.stride == 2 && a.x.k == 2) { /* rows and columns at once */
                c->site->simd->pick_u8(t, (size_t)n, largest, convd_fixed_row(y, p, i), (size_t)a.x.out);
                continue;
            }
            c->site->simd->best_u8(t, (size_t)n, largest, column + before, (size_t)x->n);
            across(c->site->simd, column, &a.x, step, largest, convd_fixed_row(y, p, i));
        }
}

bool convd_window_mean_fixed(const struct convd_site *s, const struct convd_fixed *x, struct convd_fixed_ask *a,
                             struct convd_fixed *y)
{
    const struct convd_window_axes w = convd_window_axes(s);
    const struct convd_window_axis *const axes[] = {&w.y, &w.x};
    const struct convd_window_params *p = s->params;
    for (int i = 0; i < 2; i++)
        if (axes[i]->k != 2 || axes[i]->stride != 2 || axes[i]->dilation != 1 || axes[i]->before != 0 ||
            2 * axes[i]->out > axes[i]->n)
            return false;
    if (x->type != CONVD_FIXED_U8 || x->step > 1 || !a->bytes || (p->divisor_override && p->divisor_override != 4))
        return false;
    y->algorithm = "integer u8";
    return true;
}

void convd_window_mean_rows(const struct convd_fixed_call *c)
{
    const struct convd_fixed_view *x = c->x, *y = c->y;
    for (ptrdiff_t p = 0; p < y->format->planes; p++)
        for (ptrdiff_t i = y->y0; i < y->y1; i++)
            c->site->simd->mean4_u8(convd_fixed_row(y, p, i), convd_fixed_row(x, p, 2 * i),
                                    convd_fixed_row(x, p, 2 * i + 1), (size_t)y->n);
}
