/* filter_way.h: what filter_int.c makes of a window of integers once, and what filter_rows.c runs of it. */
#ifndef CONVD_OPS_FILTER_WAY_H
#define CONVD_OPS_FILTER_WAY_H
#include "integer.h"

enum way { SUM16, GROUPS, BOX, SMOOTH };
enum { MOST_SIDE = 129 };
/* Numbers of a row at a time, so that what a window reads of them stays in the first cache: `rows` rows of `size` bytes each. */
static inline ptrdiff_t strip_of(ptrdiff_t rows, ptrdiff_t size)
{
    return least(2048, most(256, 16384 / (rows * size) / 64 * 64));
}
#define LARGEST 32767.0

/* One pass of SMOOTH. */
struct pass {
    int shift;       /* fractional bits of what goes in, more than it has */
    int frac;        /* of what comes out                                 */
    int16_t k[MOST_SIDE];
};
struct made {
    enum way way;
    ptrdiff_t kh, kw, top, left;
    enum convd_mode mode;
    int value;       /* outside */
    ptrdiff_t taps;  /* SUM16   */
    const int16_t *k;
    const int16_t *at; /* [taps][2]: row, column */
    int32_t bias;
    float scale;     /* GROUPS */
    size_t steps;
    ptrdiff_t outs;  /* rows made at a time, else one by one */
    size_t groups[2];
    ptrdiff_t together; /* rows of a group */
    const ptrdiff_t *column;
    const void *packed[2]; /* for one output row, for outs */
    int box_shift;
    int16_t box_k;
    int box_frac;
    struct pass across, down;
};

/* What a call works in: laid out the same way in `fixed` and in the call. Offsets on NULL give the size. */
enum { GROUP = 16 }; /* most rows that SMOOTH takes together */

struct room {
    char *outside;  /* a row of constants                                                                 */
    char *piece;    /* a strip of a row with what stands beside it; GROUPS: strips of groups               */
    int16_t *rows;  /* BOX, SMOOTH: the last rows of each plane, summed up across; they stay               */
    int16_t *sums;  /* BOX: of these rows                                                                  */
    const void **t;
    size_t row;     /* numbers of a row there                                                              */
    size_t bytes;
};
void convd_filter_room(struct room *r, char *base, enum way way, const struct convd_fixed *x, ptrdiff_t kh, ptrdiff_t kw,
                       ptrdiff_t w);
/* Rows that stay. */
static inline ptrdiff_t kept_rows(enum way way, ptrdiff_t kh)
{
    return way == SMOOTH ? kh - 1 + GROUP : way == BOX ? kh : 0;
}
#endif
