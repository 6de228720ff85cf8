/* global.h: one number a channel, from all of its pixels: the three global pools. */
#ifndef CONVD_OPS_GLOBAL_H
#define CONVD_OPS_GLOBAL_H
#include "row.h"

bool convd_global_shape(struct convd_site *s, struct convd_faults *f); /* C x 1 x 1 */
bool convd_global_rows(const struct convd_site *s, size_t i, struct convd_rows y,
                       struct convd_rows *x); /* whole */
void convd_global_cost(const struct convd_site *s, struct convd_cost *c);
void convd_global_look(const struct convd_site *s, struct convd_place at, struct convd_look *l);
void convd_global_window(const struct convd_site *s, struct convd_window *w);

/* The sum of a whole channel, in double. */
double convd_global_sum(const struct convd_simd *simd, const struct convd_view *x, ptrdiff_t c);
/* Its largest and its smallest number; NaN wins. */
float convd_global_max(const struct convd_simd *simd, const struct convd_view *x, ptrdiff_t c);
float convd_global_min(const struct convd_simd *simd, const struct convd_view *x, ptrdiff_t c);

/* The way back of a sum: each pixel of a channel gets dL/dy of it, times factor. */
void convd_global_spread(const struct convd_back *call, double factor);

#define GLOBAL_ROW                                                                                 \
    .group = CONVD_POOLING, .algorithm = "direct", .shape = convd_global_shape,                    \
    .rows = convd_global_rows, .cost = convd_global_cost, .window = convd_global_window,           \
    .forward = forward, .backward = backward
#endif
