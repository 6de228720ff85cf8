/* integer.h: what the integer forms of ops share (fixed.h says what those are). */
#ifndef CONVD_OPS_INTEGER_H
#define CONVD_OPS_INTEGER_H
#include "../fixed.h"
#include "row.h"

/* Makes y 16 bits with that many fractional bits; false where its numbers, or what they may be off, do not fit. */
bool convd_int_fit(struct convd_fixed *y, int frac);
/* The most fractional bits, at most `most`, with which y's numbers fit into 16 bits; -1: none. */
int convd_int_bits(const struct convd_fixed *y, int most);
/* value as an integer of x's format; false where it is not one. */
bool convd_int_value(const struct convd_fixed *x, double value, int *out);
/* Widens x's range by what a border makes of it. False: the value outside cannot be said in x's format. */
bool convd_int_border(struct convd_fixed *x, enum convd_mode mode, double value);
/* Row i of plane p as 16 bits with frac fractional bits: the row itself, or spare filled. */
const int16_t *convd_int_row(const struct convd_fixed_view *x, ptrdiff_t p, ptrdiff_t i, int frac,
                             const struct convd_simd *simd, int16_t *spare);

/* Rows under a window that keeps the size: row i (any integer) of plane p with its borders written, `left` and `right`
 * pixels of them; where the border is a constant, outside, a row of it that begins `left` pixels before its column 0. */
struct convd_int_lines {
    const struct convd_fixed_view *x;
    enum convd_mode mode;
    int value;            /* outside, as an integer */
    ptrdiff_t left, right;
    void *outside;
};
/* Bytes for `outside`. */
size_t convd_int_outside(const struct convd_fixed *x, ptrdiff_t w, ptrdiff_t left, ptrdiff_t right);
/* Writes the borders of the rows that [lo,hi) map to, and the row of constants. */
void convd_int_lines_begin(const struct convd_int_lines *l, ptrdiff_t lo, ptrdiff_t hi);
const void *convd_int_line(const struct convd_int_lines *l, ptrdiff_t p, ptrdiff_t i);
/* Of columns [from,to), in numbers, the part that lies inside the picture, less from. */
struct convd_rows convd_int_inside(const struct convd_int_lines *l, ptrdiff_t from, ptrdiff_t to);
/* What stands in number j (any integer) of a row whose own numbers are `row`: one of them, or the constant. */
int convd_int_beside(const struct convd_int_lines *l, const void *row, ptrdiff_t j);
/* Numbers [from,to) of a row: where they lie, or copied to `room` with what stands beside the row. */
const void *convd_int_piece(const struct convd_int_lines *l, const void *row, ptrdiff_t from, ptrdiff_t to, void *room);

/* ---- pointwise: y = clamp(mul * x + add, lo, hi) on 16 bits ---- */
/* Where x's format allows it; mul is 1 or -1, the rest in numbers (infinities where there is no bound). */
bool convd_int_affine(const struct convd_fixed *x, double mul, double add, double lo, double hi, struct convd_fixed *y);
/* Its rows. */
void convd_int_affine_rows(const struct convd_fixed_call *c, double mul, double add, double lo, double hi);

/* ---- merging ---- */
typedef void convd_int_merge(int16_t *y, const int16_t *a, const int16_t *b, size_t n);
/* Formats agree so far that they can be merged; y begins as their hull, with their errors' sum or largest. */
bool convd_int_merges(const struct convd_site *s, const struct convd_fixed *x, struct convd_fixed_ask *a,
                      struct convd_fixed *y);
void convd_int_merge_rows(const struct convd_fixed_call *c, convd_int_merge *merge);
#endif
