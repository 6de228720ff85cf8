/* simd.h: the inner loops. Each is written once (NAME.tmpl.c) on GCC vectors of VL bytes, compiled for every
 * instruction set, and chosen once for a plan. ref.c is their plain definition; tests/simd_all.c holds every
 * variant against it.
 *
 * The rule that makes results the same everywhere: vectors run across outputs, never across taps, so an
 * output adds its taps in their order whatever the width of the vector, the place in the row or the cut of
 * the work (dots, whose outputs are sums along the row, has parts of one size everywhere). Variants with
 * FMA agree with ref bit for bit; base has none and rounds each product.
 *
 *   taps       windows over padded rows, for 1 to 4 rows of outputs that read the same input:
 *                  y[o][j] = bias[o] + sum over i of k[i*outs + o] * t[i][j]      from <= j < to
 *              t[i] is the row that tap i reads, already shifted. Nothing is read or written outside [from,to).
 *   dots       sums of products along rows, for 1 to 4 rows d and any number of rows t (weight gradients):
 *                  y[i*outs + o] = sum over j of t[i][j] * d[o][j]      0 <= j < n
 *              in 16 parts on every instruction set (ref.c says which number goes where), so that all agree.
 *   stack      windows over few channels for one or two outputs: struct convd_stack; n is at least 16
 *   multiply   products of matrices, added to a third: struct convd_matrices
 *   turn       y[j*y_row + i] = x[i*x_row + j], i < rows, j < n
 *   quarters   every fourth number: y[q*step + i] = x[4i + q], i < n; true when all are below 2^64 (and none is NaN)
 *   quartered  the same for rows of a map with zeros beside it: struct convd_quartered
 *   wino_in    V of n tiles (winograd.h) from six rows in quarters: quarter q of row i begins at x[(4i + q)*step], number j
 *              of tile t is number 4t + j of a row. Writes v[(6i + j)*plane + t]. w: room for 24*step numbers. n <= step,
 *              both multiples of 16; the last tile of the step sees what lies behind its quarters
 *   wino_out   y[i][j] = bias + outputs of tiles whose M is m[…*plane + t], 4 rows of n columns; m is read up to whole 16s
 *   wino_back  its adjoint: dL/dM of n tiles (a multiple of 16) from four rows of dL/dy in quarters
 *   copy       y = x; true when all n numbers are finite
 *   finite     true when all n numbers are finite
 *   max min    y = max(y, x), y = min(y, x); a NaN on either side stays a NaN
 *   add abs    y = a + b, y = |x|; y may be a, b or x
 *   relu       y = x, 0 where x < 0; relu_back dx = dy, 0 where y <= 0. NaN is neither; y may be x, dx may be dy
 *   fill       y = x, one number
 *   claim      taps of n windows that answer one of their numbers: g[t][j] = left[j] for the first t with x[t][j] == y[j],
 *              0 for the others; left[j] keeps what nobody claimed, else 0
 *   halves     the numbers of x at even and at odd places, n of them together
 *   add_halves the other way, added to y
 *   luma       Rec. 601: 0.299 r + 0.587 g + 0.114 b
 *   u8_planes  n pixels of `stored` interleaved bytes -> the first `planes` (<= stored) of them as rows of floats
 *   u8_luma    the same to one row: Rec. 601 of the first three bytes (stored >= 3)
 *   planes_u8  c rows of n floats -> n interleaved pixels: half to even, saturated, NaN is 0; returns how many were
 *              saturated (below 0 or above 255 before rounding, NaN)
 *   best_rows  y[j] = the largest (else the smallest) of t[i][j], taps >= 1; NaN wins
 *   best_twos  y[j] = the same of t[i][2j]
 *   best_squares the same of windows of two or three columns, two apart, of all rows of a map: struct convd_squares
 *   squares_won code[i * step + j] = the first tap of window (i, j), row by row, that equals its y, which is read; 255: none
 *              does (y is NaN). n is CONVD_SQUARES_LEAST at least
 *   squares_back dx of such windows: struct convd_squares_back
 *   best_of    the same of a whole row, n >= 1
 *   sum_f64    part[k] += x[j] for j of every CONVD_SUM_PARTS, in double; what is left over goes to the first parts
 *
 * Integers (ref_ints.c); the same bits everywhere. Nothing but n numbers of y is written, nothing outside x read.
 *   split_u8   n pixels of `stored` interleaved bytes -> the first `planes` of them as rows; join_u8 the other way
 *   widen_u8   y = x << shift
 *   narrow_i16 y = x / 2^frac rounded half up (even: half to even) and saturated; returns how many were saturated (count)
 *   gray_i16   y = (k0 r + k1 g + k2 b + half) >> shift of the first three of `stored` bytes;
 *              shift >= 8, k0 and k2 < 2^14, k1 < 2^15
 *   taps_i16   y[j] = bias + sum of k[i] * t[i][j]; the caller knows that it fits
 *   taps_group sums in 32 bits for several rows at once: struct convd_groups
 *   fused_i16   rows of 3 x 3 windows, one or two filters of the same numbers at once: struct convd_fused
 *   smooth_i16 y[j] = sum of k[i] * t[i][j] / 2^15, each product rounded; k is symmetric, t[i] + t[taps-1-i] fits
 *   smooth_u8  the same of bytes, (t[i] + t[taps-1-i]) << shift in place of t[i] + t[taps-1-i]
 *   smooth_down up to four rows of smooth_i16 that read the same rows: struct convd_smooth
 *   zip_u8     y[2j] = a[j], y[2j+1] = b[j]; zip_i16 the same; zip4_u8 y[4j+i] = t[i][j]
 *   box_u8     a row of equal taps, whose rows are summed up as they come: struct convd_boxes
 *   affine_i16 y = clamp(k0 x + k1, k2, k3)
 *   scale_i16  y = k x / 2^15, rounded half up, + add
 *   best_u8    y[j] = the largest (else the smallest) of t[i][j]; taps >= 1
 *   best_window the same of windows, several rows of them: struct convd_best
 *   pick_u8    y[j] = the largest (smallest) of t[i][2j] and t[i][2j+1]
 *   median_u8  y[o][j] = the middle one of rows[o + a][j + b * step], a and b less than side, 3 or 5
 *   median_window the same of any odd sides: struct convd_medians
 *   mean4_u8   y[j] = (a[2j] + a[2j+1] + b[2j] + b[2j+1]) / 4, half to even
 *   png_row    a row of n bytes through one of PNG's filters, 0 to 4; bpp: the bytes to the left neighbour, at most n
 *   png_rows   rows of n bytes as PNG filters them, each after the byte that names its filter, back to y, row upon row; bpp:
 *              the bytes to the left neighbour, 1, 2, 3, 4, 6 or 8; above: the row over the first. False: no such filter */
#ifndef CONVD_SIMD_H
#define CONVD_SIMD_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* One or two outputs of a window, several rows of each: with x[c*span + i] the padded row i of channel c,
 *     y[o*rows + r][j] = bias[o] + sum over c,a,b of k[((c*kh + a)*kw + b)*outs + o] * x[c*span + r + a][j + b]    j < n
 * added in the order c, a, b. Nothing else of y is written. */
struct convd_stack {
    const float *const *x;
    size_t span, channels, kh, kw;
    const float *k, *bias;
    float *const *y;
    size_t outs, rows, n; /* outs: 1 or 2; n: 16 at least */
    /* Windows of 3 x 3 over rows that lie in place, n numbers long: b counts from -1, and what x[…][-1] and x[…][n] would be
     * stands here. NULL: not so. */
    const float *before, *behind;
};

/* Every fourth number of rows that have zeros beside them: number p of row r is x[r*x_row + p] where lo <= p < hi, else 0;
 * y[r*4*step + q*step + i] = number 4i + q, i < n. n: a multiple of 16. x is looked at from 15 numbers before lo to 15 behind
 * hi, though what is there does not count; `ahead` on (0: nowhere) is what will be wanted next. True when all numbers are below
 * 2^64. */
struct convd_quartered {
    const float *x;
    size_t x_row, lo, hi, rows, n;
    float *y;
    size_t step;
    ptrdiff_t ahead;
};

/* y[r*y_row + j] += sum over t < depth of a[r*a_row + t] * b[t*b_row + j], r < rows, j < n: in the order of t, from what y
 * holds on. */
struct convd_matrices {
    const float *a, *b;
    float *y;
    size_t a_row, b_row, y_row;
    size_t rows, n, depth; /* n: a multiple of 16 */
};

enum { CONVD_GROUPS_OUTS = 4 };
/* One, two or four output rows of a window over rows of groups: a group is the numbers of two picture rows of 16 bits, or of four
 * of bytes, that lie under each other, 32 bits together. Group i of column j stands in x[i], 4 j bytes on. A step is a column of
 * the window: for output o,
 *     sum[o][j] = bias + sum over steps s, rows i of groups of (number by number) x[i] at j + at[s] times k[s][i][o]
 * with k laid out [step][group][output], 32 bits each: int16_t twice for numbers of 16 bits, int8_t four times for bytes.
 * y = sum * scale, rounded half to even, saturated to the type. */
struct convd_groups {
    const void *const *x;
    size_t groups, outs;   /* outs: 1, 2 or 4 */
    const ptrdiff_t *at;
    size_t steps;
    const void *k;
    bool fours;            /* bytes in fours, else 16 bits in twos */
    int32_t bias;
    float scale;
    bool bytes;            /* y is uint8_t, else int16_t */
    bool count;            /* bytes: return how many were below 0 or above 255 before they were rounded */
    void *y[CONVD_GROUPS_OUTS];
};

/* One filter of 3 x 3: a row times a column of factors, each of them even (a b a) or odd (-a 0 a), from top and left on. */
struct convd_fused_term {
    int16_t row[2], column[2]; /* a, b; odd: b is 0 */
    bool odd_row, odd_column, absolute;
};
/* outs rows of y from rows t[0] … t[outs+1], which are read from step numbers before the first to step behind the last. Of two
 * terms y is the sum, or the larger. To int16_t, or to bytes / 2^frac, rounded half up (even: half to even), saturated; count:
 * returns how many were saturated. All the caller knows to fit. */
struct convd_fused {
    const int16_t *const *t;
    size_t step, terms, outs;
    struct convd_fused_term term[2];
    bool largest, bytes, even, count;
    int frac;
    void *const *y;
};

/* A row joins a window of equal taps, another leaves it: h[j] = x[j] + x[j+step] + … taps of them; sums += h - row; row = h;
 * y = (sums << shift) * k / 2^15, rounded, to words, or to bytes / 2^frac, rounded half up and saturated. The caller knows that
 * sums fit into 16 bits. */
struct convd_boxes {
    const uint8_t *x;
    size_t step, taps;
    int16_t *row, *sums;
    int shift, frac;
    int16_t k;
    uint8_t *bytes;        /* either may be NULL, or both */
    int16_t *words;
};

/* Row o of outs (1 to 4) has t[o] as its first tap. To words, or to bytes / 2^frac, rounded half up and saturated. */
struct convd_smooth {
    const int16_t *const *t;
    const int16_t *k;
    size_t taps, outs;
    int frac;
    bool bytes;
    void *y[4];
};

/* y[o][j] = the largest (else the smallest) of rows[o + a][j + b * step], a < kh, b < kw, o < outs; of int16_t, else of bytes. */
enum { CONVD_BEST_MOST = 31, CONVD_BEST_OUTS = 16 };
struct convd_best {
    const void *const *rows;
    size_t step, kh, kw;   /* kh, kw: at most CONVD_BEST_MOST */
    bool words, largest;
    void *const *y;
    size_t outs;           /* at most CONVD_BEST_OUTS */
};

/* y[o][j] = the middle one of rows[o + a][j + b * step], a < kh, b < kw (both odd, at most 129), o < outs; n is a multiple of
 * step. */
enum { CONVD_MEDIAN_BITS = 255 /* numbers of a window, counted in a byte */, CONVD_MEDIAN_STRIP = 128 };
struct convd_medians {
    const uint8_t *const *rows;
    size_t step, kh, kw;
    uint8_t *const *y;
    size_t outs;
    void *room;            /* convd_medians_room bytes */
};
static inline size_t convd_medians_room(size_t kw)
{
    return 17 * 16 * (CONVD_MEDIAN_STRIP + kw - 1);
}

enum { CONVD_SUM_PARTS = 32, CONVD_SQUARES_MOST = 5 };
/* Row i of y is the best of rows first + i*stride … first + i*stride + taps - 1 of x, as far as they lie in [0, h); there is
 * one for every i. In it y[j] is the best of columns 2j, 2j + 1 and, with three, 2j - 1, which at an edge column 0 does not
 * have. */
struct convd_squares {
    const float *x; /* column 0 of row 0                            */
    ptrdiff_t row, h;
    ptrdiff_t first, stride;
    size_t taps; /* CONVD_SQUARES_MOST at most                   */
    float *y;
    ptrdiff_t y_row, rows;
    size_t n; /* outputs of a row: columns [0, 2n) are read   */
    bool three, edge, largest;
};
/* What is dy of a window goes to the tap that code says, as squares_won counts them (a row of a window has two, or three,
 * whatever lies outside). Rows [from, to) of dx, the columns that windows hold, are written (fresh), or added to. */
struct convd_squares_back {
    struct convd_squares of; /* its rows and columns; n is CONVD_SQUARES_LEAST at least */
    const uint8_t *code;
    ptrdiff_t code_row;
    const float *dy;
    ptrdiff_t dy_row;
    float *dx; /* where x is */
    ptrdiff_t dx_row, from, to;
    bool fresh;
};
enum { CONVD_SQUARES_LEAST = 16 };
enum { CONVD_GROUPS_MOST = 66 }; /* 129 rows, and three more for the other outputs */

struct convd_simd {
    const char *name; /* "ref", "base", "avx2", "avx512", "vnni", "neon" */
#define SIMD(TYPE, NAME, ARGUMENTS) TYPE(*NAME) ARGUMENTS;
#include "simd.def"
#undef SIMD
};

enum {
    CONVD_TAPS_OUTS = 4,  /* most rows of outputs of one taps call, and of d of one dots call */
    CONVD_DOTS_PARTS = 16 /* sums side by side in dots                                         */
};

/* The best variant this processor runs, or the one named by forced ("base", "avx2", …) when that can run;
 * NULL forced: best. Never NULL. */
const struct convd_simd *convd_simd_choose(const char *forced);
/* Every variant this processor can run, ref first, then from narrow to wide; NULL past the end. */
const struct convd_simd *convd_simd_at(size_t i);
#endif
