/* fused.h: filters of 3 x 3, the absolute values and the merges behind them as one step on integers: hooks of their rows. */
#ifndef CONVD_OPS_FUSED_H
#define CONVD_OPS_FUSED_H
#include "integer.h"

/* |x| of one filter. */
bool convd_fused_abs(const struct convd_site *s, const struct convd_fixed *x, const struct convd_fixed *y,
                    const struct convd_fixed_fused *const *in, struct convd_fixed_fused *out);
/* The sum, or the larger, of two filters of one map. */
bool convd_fused_add(const struct convd_site *s, const struct convd_fixed *x, const struct convd_fixed *y,
                    const struct convd_fixed_fused *const *in, struct convd_fixed_fused *out);
bool convd_fused_maximum(const struct convd_site *s, const struct convd_fixed *x, const struct convd_fixed *y,
                        const struct convd_fixed_fused *const *in, struct convd_fixed_fused *out);
/* Bytes that a call keeps; rows of a call. */
size_t convd_fused_state(const struct convd_fixed *x, ptrdiff_t w);
enum { CONVD_FUSED_ROWS = 8 };
/* Rows [y->y0,y->y1) of filters of c->x. */
void convd_fused_rows(const struct convd_fixed_call *c, const struct convd_fixed_fused *what);
#endif
