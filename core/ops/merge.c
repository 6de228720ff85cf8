/* merge.c: the shape of a merge; see merge.h. */
#include "merge.h"

/* The common size of one axis, or 0 after nothing fits. */
static ptrdiff_t common(ptrdiff_t a, ptrdiff_t b)
{
    return a == b || b == 1 ? a : a == 1 ? b : 0;
}

bool convd_merge_shape(struct convd_site *s, struct convd_faults *f)
{
    struct convd_shape y = s->x[0];
    for (size_t k = 1; k < s->n; k++) {
        const struct convd_shape *x = &s->x[k];
        struct convd_shape z = {y.n, common(y.c, x->c), common(y.h, x->h), common(y.w, x->w)};
        if (!z.c || !z.h || !z.w) {
            convd_fault_expected(
                f, CONVD_BAD_SHAPE, NULL,
                "the same channels, height and width, or 1 where one input is spread (Cx1x1, "
                "1xHxW)",
                "%tdx%tdx%td and input %zu, which is %tdx%tdx%td, do not merge (CxHxW)", y.c, y.h,
                y.w, k, x->c, x->h, x->w);
            return false;
        }
        y = z;
    }
    y.n = s->y.n;
    s->y = y;
    return true;
}
