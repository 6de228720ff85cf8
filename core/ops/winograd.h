/* winograd.h: blocks of tiles, what winograd.c (gather, spread) and winograd_back.c (products) share. Nothing here leaves
 * them; correlate.h has what they are called by. */
#ifndef CONVD_OPS_WINOGRAD_H
#define CONVD_OPS_WINOGRAD_H
#include "correlate.h"

enum {
    SIDE = 4,     /* outputs of a tile                      */
    NUMBERS = 36, /* of a tile's transform                  */
    VECTOR = 16,  /* tiles that the transforms take at once */
};

struct wino {
    const struct convd_corr *r;
    ptrdiff_t origin, end;   /* rows of y: where tiles begin, behind the last  */
    ptrdiff_t across;        /* tiles of a row                                 */
    ptrdiff_t columns, rows; /* tiles of a block                               */
    ptrdiff_t step;          /* floats of a quarter of a row                   */
    ptrdiff_t length;        /* floats from one channel's tiles to the next's  */
    ptrdiff_t outs;          /* channels of y whose M is held                  */
    size_t line, quarters, w, v, m, t, y, direct, bytes; /* where they are in the scratch */
};
struct block {
    ptrdiff_t i, j, rows, columns; /* in tiles, from the origin */
};

static inline ptrdiff_t up(ptrdiff_t n, ptrdiff_t unit)
{
    return (n + unit - 1) / unit * unit;
}
static inline float *part(void *scratch, size_t at)
{
    return (float *)(void *)((char *)scratch + at);
}
/* From one of the 36 numbers to the next; not a multiple of a page, where caches would hold few of them. */
static inline ptrdiff_t v_plane(const struct wino *q)
{
    return q->r->in * q->length + VECTOR;
}
static inline ptrdiff_t m_plane(const struct wino *q)
{
    return q->outs * q->length + VECTOR;
}

/* Blocks of about that many tiles. False on overflow. */
bool convd_wino_measure(struct wino *q, const struct convd_corr *r, ptrdiff_t tiles,
                        ptrdiff_t outs);
/* Of rows [v, v + rows->rows) of channel c those that have rows of the same view around them are cut into quarters where they
 * lie, from `column` on, rows->hi numbers and zeros beside them; y and ahead as in rows. Which of them: none where numbers have
 * no bounds. */
struct convd_rows convd_wino_cut(const struct wino *q, const struct convd_view *x, ptrdiff_t c,
                                 const struct convd_quartered *rows, ptrdiff_t v, ptrdiff_t column);
/* V of a block's tiles for channel c of x, the n-th of its group. direct[i]: row i of tiles must be done directly. */
void convd_wino_in(const struct wino *q, const struct block *b, const struct convd_view *x,
                   ptrdiff_t c, ptrdiff_t n, void *scratch, bool *direct);
/* G of kernels: U = G k G^T. */
void convd_wino_factors(double g[6][3]);
#endif
