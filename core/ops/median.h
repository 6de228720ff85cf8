/* median.h: two ways to the middle number of a window, each exact for floats. NaN is not their business: they may
 * answer anything for a window that holds one. */
#ifndef CONVD_OPS_MEDIAN_H
#define CONVD_OPS_MEDIAN_H
#include "rank.h"

enum { MEDIAN_SELECT = 49 }; /* most taps that are selected by comparing */
/* One output row of n; x points to its first padded row, rows are `row` apart. */
void convd_median_select(float *y, ptrdiff_t n, const float *x, ptrdiff_t row, ptrdiff_t kh,
                         ptrdiff_t kw);

/* Large windows: a histogram over the ranks of the block's numbers slides along each row. */
size_t convd_median_slide_scratch(const struct convd_rank_block *b); /* bytes */
/* Writes rows y->y0 … y->y1 of channel c from the block. */
void convd_median_slide(const struct convd_view *y, ptrdiff_t c, const struct convd_rank_block *b,
                        ptrdiff_t kh, ptrdiff_t kw, void *scratch);
/* The way back through them: the first number of a window that is its median is looked up among the block's sorted numbers,
 * O(log n) for each row in which it does not stand. Its scratch is the same. */
void convd_median_find(const struct convd_award *w);
#endif
