/* border.h: what lies outside the picture. One mechanism for every op with a window: the rows a band needs, and a padded
 * copy of them in which inner loops need no border checks. Right for pictures smaller than the kernel. */
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
/* Index i (any integer) of an axis of length n, mapped inside; -1 where the value is the constant. n == 1 works. */
ptrdiff_t convd_border_index(enum convd_mode mode, ptrdiff_t i, ptrdiff_t n);
/* The rows of an axis of length n that indexes [lo,hi) map to, as one interval; clipped; never empty (one row at least). */
struct convd_rows convd_border_rows(enum convd_mode mode, ptrdiff_t lo, ptrdiff_t hi, ptrdiff_t n);
/* Writes rows [lo,hi) x columns [-left, w+right) of channel c to out (row stride `row` floats), border values included.
 * x must hold the rows convd_border_rows gave. */
void convd_border_copy(const struct convd_view *x, ptrdiff_t c, ptrdiff_t lo, ptrdiff_t hi, ptrdiff_t left, ptrdiff_t right,
                       enum convd_mode mode, float value, float *out, ptrdiff_t row);

/* Padding and output size of a window along one axis: PyTorch's formula floor((n + before + after - dilation*(k-1) - 1)
 * / stride) + 1; SAME is ONNX SAME_UPPER (ceil(n/stride), odd pixel at the end); ceil_mode as PyTorch (the last window
 * starts inside the input or its leading padding). size <= 0: does not fit. */
struct convd_axis { ptrdiff_t before, after, size; };
struct convd_axis convd_axis_resolve(enum convd_pad_kind kind, ptrdiff_t n, ptrdiff_t before, ptrdiff_t after, ptrdiff_t k,
                                     ptrdiff_t stride, ptrdiff_t dilation, bool ceil_mode);
#endif
