/* filter_int.h: filter on integers, where results leave as bytes: hooks of the row (op.h). */
#ifndef CONVD_OPS_FILTER_INT_H
#define CONVD_OPS_FILTER_INT_H
#include "integer.h"

bool convd_filter_fixed(const struct convd_site *s, const struct convd_fixed *x, struct convd_fixed_ask *a,
                        struct convd_fixed *y);
const void *convd_filter_make_fixed(const struct convd_site *s, const struct convd_fixed *x, const struct convd_fixed *y,
                                    struct convd_arena *mem);
void convd_filter_forward_fixed(const struct convd_fixed_call *c);
/* A window of 3 x 3 whole numbers that is a row times a column, each of them even or odd. */
bool convd_filter_fused(const struct convd_site *s, const struct convd_fixed *x, const struct convd_fixed *y,
                       const struct convd_fixed_fused *const *in, struct convd_fixed_fused *out);
#endif
