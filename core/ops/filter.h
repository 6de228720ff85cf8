/* filter.h: what filter.c (row, forward), filter_kernel.c (once a plan) and filter_back.c (gradients) share. */
#ifndef CONVD_OPS_FILTER_H
#define CONVD_OPS_FILTER_H
#include "../kernels.h"
#include "row.h"

struct convd_filter {
    struct convd_kernel kernel;
    int padding_mode;
    double padding_value;
    struct convd_ints anchor;
    double scale, delta;
    bool flip;
};

struct convd_filter_place {
    int32_t i, j;
};
/* One pass over taps: their numbers, and each one's place. */
struct convd_filter_pass {
    ptrdiff_t n;
    float *k;
    struct convd_filter_place *at;
};
struct convd_filter_state {
    bool separable;
    float delta;
    struct convd_filter_pass all, some; /* every tap; those that are not 0 */
    struct convd_filter_pass row, row_some, col, col_some;
    double *numbers, *column, *line; /* the kernel as it is applied, and its factors */
};

void convd_filter_window(const struct convd_site *s, struct convd_window *w);
const void *convd_filter_prepare(const struct convd_site *s, struct convd_arena *mem,
                                 struct convd_faults *f);
void convd_filter_pack(const struct convd_site *s, void *state);
bool convd_filter_weight_shape(const struct convd_site *s, size_t row, struct convd_tensor *t);
size_t convd_filter_back_scratch(const struct convd_site *s);
void convd_filter_backward(const struct convd_back *call);
#endif
