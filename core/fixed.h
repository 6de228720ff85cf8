/* fixed.h: maps as integers. Where a result leaves as bytes, a stage may hold its maps as 8 or 16-bit integers with some
 * fractional bits, if the planner can prove that no answer moves by more than a level (lane.c).
 *
 * An op joins by two hooks of its row. `fixed` is asked while planning: from the formats of its inputs (what their numbers
 * lie between, how far they may be off) it says the format of its output, or declines. `forward_fixed` then computes rows of
 * integers. An op that declines, or has no such hooks, keeps its stage in float.
 *
 * Rows: a map is `planes` rows of n integers for each picture row; n is w * step where step channels are interleaved (then
 * planes is 1), else w. So what works number by number need not know, and a window's columns are step apart. */
#ifndef CONVD_FIXED_H
#define CONVD_FIXED_H
#include "border.h"
#include "op.h"
#include "simd/simd.h"

/* How many levels a result may be off: two numbers less than 1 apart round to the same or to neighbouring levels. */
#define CONVD_FIXED_ERROR_MOST 0.75

enum convd_fixed_type { CONVD_FIXED_U8, CONVD_FIXED_I16 };
struct convd_fixed {
    enum convd_fixed_type type;
    int frac;              /* a number is the integer / 2^frac; U8: 0                                    */
    double lo, hi;         /* the numbers lie in here                                                   */
    double error;          /* and this far at most from what the float op computes (0: the same)        */
    ptrdiff_t planes, step;
    const char *algorithm; /* for explain: "integer i16", "running sum", …                              */
};
static inline size_t convd_fixed_size(enum convd_fixed_type t)
{
    return t == CONVD_FIXED_U8 ? 1 : sizeof(int16_t);
}

/* What the planner wants of an op, and what the op wants of its inputs. */
struct convd_fixed_ask {
    int bits;            /* fractional bits of results that have to be rounded; fewer are fine          */
    bool bytes;          /* leaves as bytes and nobody else reads it: y may be U8, rounded half to even and
                          * saturated already, though lo and hi go further; error does not count that     */
    ptrdiff_t margin;    /* out: pixels beside each row of an input that the op will fill and read      */
    ptrdiff_t rows;      /* out: rows of a call from which on more do not help; 0: any                  */
    ptrdiff_t lost;      /* out: rows that a call which begins anew computes once more                  */
    size_t state;        /* out: bytes that are the op's own and stay from call to call                 */
};

/* A node as filters of 3 x 3 of another map, which run at once (ops/fused.h): so nothing between that map and this node is
 * ever written. An op's hook `fused` says it from those of its inputs, which are NULL where they are none. */
struct convd_fixed_fused {
    size_t terms;                   /* 1 or 2                                                         */
    struct convd_fused_term term[2];
    bool largest;                   /* of two: the larger, else the sum                               */
    enum convd_mode mode;           /* the border                                                     */
    int value;                      /* outside, as an integer                                         */
    size_t of;                      /* the map: its place in the stage                                */
    bool first;                     /* the node reads it itself                                       */
    bool bytes, even;               /* leaves as bytes, rounded half to even                          */
    int frac;
};

/* Rows [y0,y1) of a map. They lie in a ring. Each has `margin` pixels of room on both sides, which its reader may write. */
struct convd_fixed_view {
    void *data;          /* plane 0, row 0, column 0                                                    */
    ptrdiff_t mask;      /* row y stands in place y & mask                                              */
    const struct convd_fixed *format;
    ptrdiff_t h, w, n;   /* of the whole map; n integers a row                                          */
    ptrdiff_t y0, y1;
    ptrdiff_t row, plane; /* bytes from one row, one plane, to the next                                 */
};
static inline void *convd_fixed_row(const struct convd_fixed_view *v, ptrdiff_t plane, ptrdiff_t y)
{
    return (char *)v->data + plane * v->plane + (y & v->mask) * v->row;
}

struct convd_fixed_call {
    const struct convd_site *site;
    const struct convd_fixed_view *x, *y; /* rows [y->y0,y->y1) are to be written                       */
    const void *made;    /* what `make_fixed` made                                                      */
    void *state;         /* as `fixed` asked, 64-byte aligned                                           */
    uint64_t *saturated; /* for results that leave as bytes: values that had to be saturated are added; NULL: not counted */
    bool fresh;          /* nothing is kept: else y->y0 is where the last call ended, in the same sample */
};
#endif
