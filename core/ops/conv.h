/* conv.h: what conv.c (row, shapes, forward), conv_bank.c (weights) and conv_back.c (gradients) share. */
#ifndef CONVD_OPS_CONV_H
#define CONVD_OPS_CONV_H
#include "../weight.h"
#include "correlate.h"
#include "vector.h"

struct convd_conv {
    struct convd_weight weight;
    struct convd_across across;
    struct convd_weight bias;
    struct convd_pair stride;
    struct convd_padding padding;
    struct convd_pair dilation;
    ptrdiff_t groups;
    int padding_mode;
    double padding_value;
    bool flip;
    int layout;
};
enum { CONVD_OIHW, CONVD_HWIO };
enum { CONVD_CONV_WEIGHT = 0, CONVD_CONV_BIAS = 2 }; /* their places among the params rows */

/* Outputs, input channels of one group, window. */
struct convd_bank {
    ptrdiff_t o, c, kh, kw;
    bool list; /* 2-D kernels that across spreads */
};
/* k: packed for convd_gather. bias: o numbers. u: packed for convd_wino, or NULL. */
struct convd_conv_state {
    struct convd_bank bank;
    float *k, *bias, *u;
};

/* The bank for that many input channels; false when the weight has no more than one dimension. */
bool convd_bank_measure(const struct convd_conv *p, ptrdiff_t channels, struct convd_bank *b);
/* Number [o,c,i,j] as it is applied. */
float convd_bank_number(const struct convd_site *s, const struct convd_bank *b, ptrdiff_t o,
                        ptrdiff_t c, ptrdiff_t i, ptrdiff_t j);
/* All of them, into k and bias. */
void convd_bank_fill(const struct convd_site *s, struct convd_conv_state *state);
/* Adds a gradient of the numbers of outputs [outs) as they are applied (o, c, i, j; k has all) to one of the numbers as
 * they were written. */
void convd_bank_give_back(const struct convd_site *s, const struct convd_bank *b, const double *k,
                          struct convd_rows outs, float *written);
bool convd_conv_weight_shape(const struct convd_site *s, size_t row, struct convd_tensor *t);
void convd_conv_pack(const struct convd_site *s, void *state);

/* The convolution as a correlation of x with y. */
struct convd_corr convd_conv_corr(const struct convd_site *s, const struct convd_bank *b);

/* Winograd in place of the definition: many channels, and weights that are not 2-D kernels spread over channels, whose
 * results people know. */
bool convd_conv_wino(const struct convd_corr *r, const struct convd_bank *b);

size_t convd_conv_back_scratch(const struct convd_site *s);
size_t convd_conv_turned_bytes(const struct convd_site *s);
void convd_conv_turn(const struct convd_site *s, void *to, size_t part, size_t parts);
size_t convd_conv_sums_bytes(const struct convd_site *s);
void convd_conv_give_back(const struct convd_given *call);
void convd_conv_backward(const struct convd_back *call);
#endif
