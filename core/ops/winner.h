/* winner.h: the way back through ops that answer one of the numbers they see (max, min, median): all of dy goes to the first
 * number, in row-major order, that equals y; where y is NaN, to the first NaN. */
#ifndef CONVD_OPS_WINNER_H
#define CONVD_OPS_WINNER_H
#include "row.h"

static inline bool wins(float x, float y)
{
    return (x == y) | (x != x);
}

/* What x gets of *left, which is dy as long as nobody has claimed it and 0 from then on. */
static inline float claim(float x, float y, float *left)
{
    const bool mine = wins(x, y);
    const float dx = mine ? *left : 0;
    *left = mine ? 0 : *left;
    return dx;
}

/* The first winner of n numbers; 0 where there is none. */
static inline ptrdiff_t first_winner(const float *x, ptrdiff_t n, float y)
{
    for (ptrdiff_t j = 0; j < n; j++)
        if (wins(x[j], y)) return j;
    return 0;
}

/* The first winner in a rectangle of channel c; the first number where there is none. */
struct winner {
    ptrdiff_t i, j;
};
static inline struct winner find_winner(const struct convd_view *x, ptrdiff_t c,
                                        struct convd_rows rows, struct convd_rows columns, float y)
{
    for (ptrdiff_t i = rows.y0; i < rows.y1; i++) {
        const float *v = convd_row(x, c, i);
        for (ptrdiff_t j = columns.y0; j < columns.y1; j++)
            if (wins(v[j], y)) return (struct winner){i, j};
    }
    return (struct winner){rows.y0, columns.y0};
}
#endif
