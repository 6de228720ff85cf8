/* adaptive.c: shapes and rows of the adaptive pools; see adaptive.h. */
#include "adaptive.h"

bool convd_adaptive_shape(struct convd_site *s, struct convd_faults *f)
{
    const struct convd_adaptive_params *p = s->params;
    (void)f;
    s->y = (struct convd_shape){s->y.n, s->x[0].c, p->output_size.h, p->output_size.w};
    return true;
}

/* Rows of the largest window. */
static ptrdiff_t reach(ptrdiff_t size, ptrdiff_t n)
{
    return (size + n - 1) / n + (size % n != 0 && size > n);
}

void convd_adaptive_cost(const struct convd_site *s, struct convd_cost *c)
{
    c->macs = (double)s->y.c * (double)most(s->y.h, s->x[0].h) * (double)most(s->y.w, s->x[0].w);
}

void convd_adaptive_window(const struct convd_site *s, struct convd_window *w)
{
    const struct convd_shape *x = &s->x[0];
    *w = (struct convd_window){
        .kh = reach(x->h, s->y.h),
        .kw = reach(x->w, s->y.w),
        .sh = most(x->h / s->y.h, 1),
        .sw = most(x->w / s->y.w, 1),
        .dh = 1,
        .dw = 1,
    };
}

void convd_adaptive_look(const struct convd_site *s, struct convd_place at, struct convd_look *l)
{
    const ptrdiff_t y = adaptive_start(at.i, s->x[0].h, s->y.h),
                    x = adaptive_start(at.j, s->x[0].w, s->y.w);
    *l = (struct convd_look){.kind = CONVD_LOOK_WINDOW,
                             .c = at.c,
                             .channels = 1,
                             .y = y,
                             .x = x,
                             .kh = adaptive_end(at.i, s->x[0].h, s->y.h) - y,
                             .kw = adaptive_end(at.j, s->x[0].w, s->y.w) - x,
                             .dy = 1,
                             .dx = 1};
}

bool convd_adaptive_rows(const struct convd_site *s, size_t i, struct convd_rows y,
                         struct convd_rows *x)
{
    (void)i;
    x->y0 = adaptive_start(y.y0, s->x[0].h, s->y.h);
    x->y1 = adaptive_end(y.y1 - 1, s->x[0].h, s->y.h);
    return true;
}

size_t convd_adaptive_scratch(const struct convd_site *s, ptrdiff_t rows)
{
    (void)rows;
    return (size_t)s->x[0].w * sizeof(double);
}
