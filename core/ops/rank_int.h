/* rank_int.h: dilate, erode and median on integers: hooks of their rows (op.h). */
#ifndef CONVD_OPS_RANK_INT_H
#define CONVD_OPS_RANK_INT_H
#include "integer.h"

/* Largest and smallest of each window: any format, exact. Large windows decline: floats double their runs. */
bool convd_rank_fixed(const struct convd_site *s, const struct convd_fixed *x, struct convd_fixed_ask *a,
                      struct convd_fixed *y);
void convd_rank_best_fixed(const struct convd_fixed_call *c, bool largest);
/* Medians of bytes: small windows by selection, large ones by counting. */
bool convd_median_fixed(const struct convd_site *s, const struct convd_fixed *x, struct convd_fixed_ask *a,
                        struct convd_fixed *y);
void convd_median_forward_fixed(const struct convd_fixed_call *c);
#endif
