/* window_int.h: pools on integers: hooks of their rows (op.h). */
#ifndef CONVD_OPS_WINDOW_INT_H
#define CONVD_OPS_WINDOW_INT_H
#include "integer.h"

/* max_pool and min_pool: bytes, planes (interleaved where the column stride is 1), no dilation. */
bool convd_window_best_fixed(const struct convd_site *s, const struct convd_fixed *x, struct convd_fixed_ask *a,
                             struct convd_fixed *y);
void convd_window_best_rows(const struct convd_fixed_call *c, bool largest);
/* avg_pool: 2x2 without padding, as bytes. */
bool convd_window_mean_fixed(const struct convd_site *s, const struct convd_fixed *x, struct convd_fixed_ask *a,
                             struct convd_fixed *y);
void convd_window_mean_rows(const struct convd_fixed_call *c);
#endif
