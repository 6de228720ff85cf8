/* global.c: sums and extremes of whole channels; see global.h. */
#include "global.h"

bool convd_global_shape(struct convd_site *s, struct convd_faults *f)
{
    (void)f;
    s->y = (struct convd_shape){s->y.n, s->x[0].c, 1, 1};
    return true;
}

bool convd_global_rows(const struct convd_site *s, size_t i, struct convd_rows y,
                       struct convd_rows *x)
{
    (void)s, (void)i, (void)y, (void)x;
    return false;
}

void convd_global_cost(const struct convd_site *s, struct convd_cost *c)
{
    c->macs = (double)s->x[0].c * (double)s->x[0].h * (double)s->x[0].w;
}

void convd_global_look(const struct convd_site *s, struct convd_place at, struct convd_look *l)
{
    *l = (struct convd_look){.kind = CONVD_LOOK_WINDOW,
                             .c = at.c,
                             .channels = 1,
                             .kh = s->x[0].h,
                             .kw = s->x[0].w,
                             .dy = 1,
                             .dx = 1};
}

void convd_global_window(const struct convd_site *s, struct convd_window *w)
{
    (void)s;
    *w = (struct convd_window){.whole = true};
}

double convd_global_sum(const struct convd_simd *simd, const struct convd_view *x, ptrdiff_t c)
{
    double part[CONVD_SUM_PARTS] = {0}, sum = 0;
    if (x->row == x->w)
        simd->sum_f64(convd_row(x, c, x->y0), (size_t)(x->h * x->w), part);
    else
        for (ptrdiff_t i = 0; i < x->h; i++) simd->sum_f64(convd_row(x, c, i), (size_t)x->w, part);
    for (int k = 0; k < CONVD_SUM_PARTS; k++) sum += part[k];
    return sum;
}

static float best(const struct convd_simd *simd, const struct convd_view *x, ptrdiff_t c, bool largest)
{
    if (x->row == x->w) return simd->best_of(convd_row(x, c, x->y0), (size_t)(x->h * x->w), largest);
    float top = simd->best_of(convd_row(x, c, 0), (size_t)x->w, largest);
    for (ptrdiff_t i = 1; i < x->h; i++) {
        const float row = simd->best_of(convd_row(x, c, i), (size_t)x->w, largest);
        top = largest ? larger(top, row) : smaller(top, row);
    }
    return top;
}

float convd_global_max(const struct convd_simd *simd, const struct convd_view *x, ptrdiff_t c)
{
    return best(simd, x, c, true);
}

float convd_global_min(const struct convd_simd *simd, const struct convd_view *x, ptrdiff_t c)
{
    return best(simd, x, c, false);
}

static void spread_row(const struct convd_back *call, float *to, float g, ptrdiff_t n)
{
    if (call->fresh)
        call->site->simd->fill(to, g, (size_t)n);
    else
        for (ptrdiff_t j = 0; j < n; j++) to[j] += g;
}

void convd_global_spread(const struct convd_back *call, double factor)
{
    const struct convd_view *dx = call->dx;
    const struct convd_rows own = part_rows(call, dx);
    for (ptrdiff_t r = own.y0, n; r < own.y1; r += n) {
        const float g = (float)((double)*convd_row(call->dy, r / dx->h, 0) * factor);
        n = dx->row == dx->w ? least(dx->h - r % dx->h, own.y1 - r)
                             : 1; /* a channel's rows are one */
        spread_row(call, convd_row(dx, r / dx->h, r % dx->h), g, n * dx->w);
    }
}
