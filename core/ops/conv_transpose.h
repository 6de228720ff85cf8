/* conv_transpose.h: what conv_transpose.c (row, shapes, forward) and conv_transpose_back.c (gradients) share. */
#ifndef CONVD_OPS_CONV_TRANSPOSE_H
#define CONVD_OPS_CONV_TRANSPOSE_H
#include "correlate.h"
#include "vector.h"

struct convd_conv_transpose {
    struct convd_weight weight, bias;
    struct convd_pair stride;
    struct convd_padding padding;
    struct convd_pair dilation;
    ptrdiff_t groups;
    bool flip;
    struct convd_pair output_padding;
};

/* The kernels, packed for both directions. */
struct convd_conv_transpose_state {
    float *gather, *spread, *bias;
};

/* Its correlation: the output is the large map x, the input the small map y. */
struct convd_corr convd_conv_transpose_corr(const struct convd_site *s);
void convd_conv_transpose_pack(const struct convd_site *s, void *state);
bool convd_conv_transpose_weight_shape(const struct convd_site *s, size_t row,
                                       struct convd_tensor *t);
size_t convd_conv_transpose_back_scratch(const struct convd_site *s);
void convd_conv_transpose_backward(const struct convd_back *call);
#endif
