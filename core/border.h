/* border.h: what lies outside the picture. One mechanism for every op with a window: the rows a band needs,
 * and padded copies of them in which inner loops need no border checks. Right for pictures smaller than the
 * kernel. */
#ifndef CONVD_BORDER_H
#define CONVD_BORDER_H
#include "op.h"

/* The order of convd_padding_modes. abcd|efgh…: what stands left of "abcd": */
enum convd_mode {
    CONVD_MODE_ZEROS,     /* 0000|abcd                                            */
    CONVD_MODE_REFLECT,   /* edcb|abcdefgh   OpenCV REFLECT_101                   */
    CONVD_MODE_SYMMETRIC, /* dcba|abcdefgh   OpenCV REFLECT                       */
    CONVD_MODE_REPLICATE, /* aaaa|abcdefgh                                        */
    CONVD_MODE_CIRCULAR,  /* efgh|abcdefgh   OpenCV WRAP                          */
    CONVD_MODE_CONSTANT,  /* vvvv|abcdefgh   padding_value                        */
};
/* The largest number that divides both: strides and dilations meet there. */
static inline ptrdiff_t convd_common(ptrdiff_t a, ptrdiff_t b)
{
    while (b) {
        const ptrdiff_t rest = a % b;
        a = b;
        b = rest;
    }
    return a;
}
/* Index i (any integer) of an axis of length n, mapped inside; -1 where the value is the constant. n == 1
 * works. */
ptrdiff_t convd_border_index(enum convd_mode mode, ptrdiff_t i, ptrdiff_t n);
/* The rows of an axis of length n that indexes [lo,hi) map to, as one interval; clipped; never empty (one row
 * at least). */
struct convd_rows convd_border_rows(enum convd_mode mode, ptrdiff_t lo, ptrdiff_t hi, ptrdiff_t n);
/* Writes rows [lo,hi) x columns [-left, w+right) of channel c to out (row stride `row` floats), border values
 * included. x must hold the rows convd_border_rows gave. */
void convd_border_copy(const struct convd_view *x, ptrdiff_t c, ptrdiff_t lo, ptrdiff_t hi, ptrdiff_t left, ptrdiff_t right,
                       enum convd_mode mode, float value, float *out, ptrdiff_t row);

/* Columns from, from + step, … (n of them) of a row of w numbers, border values included. x NULL: a row of the constant. */
void convd_border_line(const float *x, ptrdiff_t w, ptrdiff_t from, ptrdiff_t step, ptrdiff_t n, enum convd_mode mode,
                       float value, float *y);
/* Rows [v, v+n) of the padded channel c, moved by `shift` columns: row m, column j is column j + shift of row v + m; as
 * wide as the map, one behind the other. x must hold the rows that they map to. */
void convd_border_shift(const struct convd_view *x, ptrdiff_t c, ptrdiff_t v, ptrdiff_t n, ptrdiff_t shift,
                        enum convd_mode mode, float value, float *y);
/* The adjoint of convd_border_line: t[m] is what column from + m*step gets; it is added to the number of x (w of them) that
 * stood there. What falls on the constant is dropped. */
void convd_border_fold(const float *t, ptrdiff_t from, ptrdiff_t step, ptrdiff_t n, enum convd_mode mode,
                       const struct convd_simd *simd, float *x, ptrdiff_t w);

/* Padding and output size of a window along one axis: PyTorch's formula floor((n + before + after -
 * dilation*(k-1) - 1) / stride) + 1; SAME is ONNX SAME_UPPER (ceil(n/stride), odd pixel at the end);
 * ceil_mode as PyTorch (the last window starts inside the input or its leading padding). size <= 0: does not
 * fit. */
struct convd_axis { ptrdiff_t before, after, size; };
struct convd_axis convd_axis_resolve(enum convd_pad_kind kind, ptrdiff_t n, ptrdiff_t before, ptrdiff_t after, ptrdiff_t k,
                                     ptrdiff_t stride, ptrdiff_t dilation, bool ceil_mode);

/* Padded rows under a window that slides down: each row is made once and kept while windows reach it, kh of
 * them at a time, whatever the size of the band. With a column stride s each row is stored as phases (columns
 * r, r+s, r+2s …), so that every tap reads consecutive numbers. Rows that need no padding are read where they
 * lie.
 *
 *     convd_lines_init(&l, &shape, x, first_channel, scratch);
 *     for (turn = 0; turn < l.turns; turn++)          // rows whose windows share input rows come one after another
 *         for (y = y0 + turn; y < y1; y += l.turns) {
 *             convd_lines_move(&l, y);
 *             p = convd_lines_tap(&l, channel, i, j); // p[x] is what tap (i,j) of output column x sees
 *         } */
struct convd_lines_shape {
    struct convd_window window;
    enum convd_mode mode;
    float value;                       /* for CONSTANT                                                     */
    bool watch;                        /* convd_lines_finite is wanted; only without column stride         */
    ptrdiff_t channels, w, out_w;      /* channels that are read at once; width of the input, of the output */
    const struct convd_simd *simd;
};
struct convd_lines {
    const struct convd_lines_shape *shape;
    const struct convd_view *x;
    ptrdiff_t c0;
    ptrdiff_t turns;
    bool direct;                       /* rows of x are used where they lie                                */
    ptrdiff_t phases, length, stride;  /* of a row: how many, numbers in each, floats from one to the next */
    ptrdiff_t first;                   /* slot of the window's first row                                   */
    float *rows;
    const float **at;                  /* for each slot and channel: where its phase 0 begins              */
    ptrdiff_t *made;                   /* for each slot: the row in it, counted in the padded input; -1: none */
    ptrdiff_t *column;                 /* for each tap column: where it begins in a row                    */
    bool *finite;                      /* for each slot                                                    */
};
/* Bytes of scratch, a multiple of 64; SIZE_MAX when they cannot be counted. */
size_t convd_lines_bytes(const struct convd_lines_shape *s);
void convd_lines_init(struct convd_lines *l, const struct convd_lines_shape *s, const struct convd_view *x, ptrdiff_t c0,
                      void *scratch);
/* Makes the rows that output row y needs. */
void convd_lines_move(struct convd_lines *l, ptrdiff_t y);
/* What tap (i,j) of channel c0 + c sees from output column 0 on. */
static inline const float *convd_lines_tap(const struct convd_lines *l, ptrdiff_t c, ptrdiff_t i, ptrdiff_t j)
{
    ptrdiff_t slot = l->first + i;
    if (slot >= l->shape->window.kh) slot -= l->shape->window.kh;
    return l->at[slot * l->shape->channels + c] + l->column[j];
}
/* True when every number in the rows of the window was finite. */
bool convd_lines_finite(const struct convd_lines *l);
#endif
