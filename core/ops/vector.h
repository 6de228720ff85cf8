/* vector.h: weights that are one number a channel: biases, and the four of batch_norm. An array, "@name" or init of n
 * numbers; a single number (rank 0) stands for all of them. */
#ifndef CONVD_OPS_VECTOR_H
#define CONVD_OPS_VECTOR_H
#include "../weight.h"
#include "row.h"

/* A row for it: default left out. */
#define VECTOR_PARAM(FIELD, SUMMARY, ALIASES)                                                      \
    {                                                                                              \
        AT(FIELD), .type = CONVD_P_WEIGHT, .def = "", .summary = SUMMARY, .aliases = ALIASES,      \
                   .flags = CONVD_LEARNABLE | CONVD_NO_KERNELS                                     \
    }
/* The same for a bias: there an init is zeros. */
#define BIAS_PARAM(FIELD, SUMMARY, ALIASES)                                                        \
    {                                                                                              \
        AT(FIELD), .type = CONVD_P_WEIGHT, .def = "", .summary = SUMMARY, .aliases = ALIASES,      \
                   .flags = CONVD_LEARNABLE | CONVD_NO_KERNELS | CONVD_INIT_ZEROS                  \
    }

/* True when w is left out or gives n numbers; else a fault at member. */
bool convd_vector_check(const struct convd_weight *w, ptrdiff_t n, const char *member,
                        struct convd_faults *f);
/* Writes the n numbers; `otherwise` where w was left out. */
void convd_vector_fill(const struct convd_weight *w, ptrdiff_t n, float otherwise, size_t position,
                       float *out);
/* Learned or given numbers that w stands for: 0 when it was left out. */
size_t convd_vector_count(const struct convd_weight *w, ptrdiff_t n);
/* One of them. */
float convd_vector_number(const struct convd_weight *w, ptrdiff_t n, float otherwise, size_t position,
                          ptrdiff_t c);
/* The shape of what was written for w; false when it was left out. */
bool convd_vector_shape(const struct convd_weight *w, ptrdiff_t n, struct convd_tensor *t);
/* Adds the gradient of number c to one of what was written. */
void convd_vector_add(const struct convd_weight *w, ptrdiff_t c, double g, float *written);

/* The seed of an init: what was written, else 1 + the step's position. */
static inline uint64_t weight_seed(const struct convd_weight *w, size_t position)
{
    return w->has_seed ? w->seed : 1 + (uint64_t)position;
}
#endif
