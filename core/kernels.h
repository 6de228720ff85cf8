/* kernels.h: the named kernels, one row each: numbers or a formula, with its source. */
#ifndef CONVD_KERNELS_H
#define CONVD_KERNELS_H
#include "param.h"

#define CONVD_KERNEL_SIDE 129 /* largest side of a named kernel */

struct convd_kernel_row {
    const char *name, *summary, *aliases, *source;
    ptrdiff_t h, w;                   /* of fixed kernels; 0: from make                                  */
    const float *numbers;             /* h*w, or NULL                                                    */
    ptrdiff_t anchor_y, anchor_x;     /* -1: the middle, floor(k/2)                                      */
    const struct convd_param *params; /* of parametric kernels, or NULL                                  */
    size_t params_size;
    /* Parametric: side of the square, then the numbers (computed in double, rounded once). */
    ptrdiff_t (*side)(const void *params);
    void (*make)(const void *params, float *out);
};
const struct convd_kernel_row *convd_kernel_find(const char *name); /* name or alias */
const struct convd_kernel_row *convd_kernel_at(size_t i);           /* NULL past the end */
const char *convd_kernel_name(const void *unused, size_t i);        /* for convd_nearest */
size_t convd_kernel_count(void);

/* Builds row with args (checked; faults at the current place). source is left to the caller. */
bool convd_kernel_build(const struct convd_kernel_row *row, const struct convd_arg *args, size_t n_args,
                        struct convd_faults *f, struct convd_arena *mem, struct convd_kernel *out);
/* A kernel from what a spec says: name, {"name":…}, matrix (rows of equal length, finite numbers), "@tensor".
 * Faults at f's place. Sides at most max_side. */
bool convd_kernel_read(const struct convd_value *v, struct convd_faults *f, struct convd_arena *mem, ptrdiff_t max_side,
                       struct convd_kernel *out);
/* Splits k into column (h) and row (w) whose outer product it is, to 3e-7 of its largest number (what
 * rounding products to float leaves). False: not separable. */
bool convd_kernel_separate(const struct convd_kernel *k, double *column, double *row);
#endif
