/* squares.h: what pixel_shuffle and pixel_unshuffle share: of r x r pixels of a large map each is a channel of a map that
 * is 1/r as high and wide: large[c, i, j] = small[c * r * r + i % r * r + j % r, i / r, j / r]. */
#ifndef CONVD_OPS_SQUARES_H
#define CONVD_OPS_SQUARES_H
#include "row.h"

struct params {
    ptrdiff_t factor; /* r */
};

#define FACTOR(SUMMARY, ALIASES)                                                                   \
    static const struct convd_param params[] = {{AT(factor), .type = CONVD_P_INT, .lo = 1,         \
                                                 .hi = 64, .summary = SUMMARY,                     \
                                                 .aliases = ALIASES " blocksize block_size r"},    \
                                                CONVD_PARAM_END};

static inline ptrdiff_t factor_of(const struct convd_site *s)
{
    return ((const struct params *)s->params)->factor;
}

/* y[j * to] = x[j * from], or, on the way back, is added to. */
static inline void move(float *y, ptrdiff_t to, const float *x, ptrdiff_t from, ptrdiff_t n,
                        bool add)
{
    if (add)
        for (ptrdiff_t j = 0; j < n; j++) y[j * to] += x[j * from];
    else
        for (ptrdiff_t j = 0; j < n; j++) y[j * to] = x[j * from];
}

/* Row i of channel c of the large map from the small one's. */
static inline void row_from_small(ptrdiff_t r, const struct convd_view *small,
                                  const struct convd_view *large, ptrdiff_t c, ptrdiff_t i,
                                  bool add)
{
    for (ptrdiff_t k = 0; k < r; k++)
        move(convd_row(large, c, i) + k, r, convd_row(small, c * r * r + i % r * r + k, i / r), 1,
             small->w, add);
}

/* Row i of channel c of the small map from the large one's. */
static inline void row_from_large(ptrdiff_t r, const struct convd_view *large,
                                  const struct convd_view *small, ptrdiff_t c, ptrdiff_t i,
                                  bool add)
{
    move(convd_row(small, c, i), 1, convd_row(large, c / (r * r), i * r + c / r % r) + c % r, r,
         small->w, add);
}

typedef void squares_row(ptrdiff_t r, const struct convd_view *x, const struct convd_view *y,
                         ptrdiff_t c, ptrdiff_t i, bool add);

/* The rows of y that a call writes, and the rows of dx that a part of the way back adds to. */
static inline void squares_forward(const struct convd_call *call, squares_row *row)
{
    const struct convd_view *y = call->y;
    for (ptrdiff_t c = 0; c < y->c; c++)
        for (ptrdiff_t i = y->y0; i < y->y1; i++)
            row(factor_of(call->site), call->x, y, c, i, false);
}
static inline void squares_backward(const struct convd_back *call, squares_row *row)
{
    const struct convd_view *dx = call->dx;
    const struct convd_rows own = part_rows(call, dx);
    for (ptrdiff_t k = own.y0; k < own.y1; k++)
        row(factor_of(call->site), call->dy, dx, k / dx->h, k % dx->h, true);
}
#endif
