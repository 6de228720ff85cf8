/* weight.h: weights of conv, linear, batch_norm …: reading what a spec says, and making the numbers. */
#ifndef CONVD_WEIGHT_H
#define CONVD_WEIGHT_H
#include "op.h"

/* From a spec's value: nested arrays (rank 0..4, not ragged, finite), a list with at least one named kernel
 * or a list of matrices, "@name", {"init":…, "out_channels"|"out_features", "kernel_size", "seed", "gain"}.
 * Faults at f's place. A list of nothing but matrices of one size is read as the rank 3 array that it also
 * is. */
bool convd_weight_read(const struct convd_value *v, struct convd_faults *f, struct convd_arena *mem, ptrdiff_t max_side,
                       struct convd_weight *out);
/* Holds a weight that was read against the flags of its row (CONVD_NO_KERNELS, CONVD_INIT_…). Faults at f's place. */
bool convd_weight_allowed(const struct convd_weight *w, unsigned flags, struct convd_faults *f);
/* The members of {"init":…} as rows, closed by CONVD_PARAM_END; kernel_size goes up to max_side. */
enum { CONVD_INIT_ROWS = 7 };
void convd_init_params(ptrdiff_t max_side, struct convd_param rows[CONVD_INIT_ROWS]);
/* The numbers of an init, C order: Philox4x32-10 counter generator, the seed and shape alone decide
 * (reference.md, "init"). dim: O,I,kh,kw. identity: 1 at the middle where i == o mod I, else 0. */
void convd_weight_init(enum convd_init init, uint64_t seed, double gain, const ptrdiff_t dim[4], float *out);
/* One of them: element i in C order. */
float convd_weight_number(enum convd_init init, uint64_t seed, double gain, const ptrdiff_t dim[4], size_t i);
/* One Philox4x32-10 block: counter (i,0,0,0), key = seed (low word, high word). Salmon et al., SC'11. */
void convd_philox(uint64_t seed, uint32_t i, uint32_t out[4]);
/* The same for any counter and key. */
void convd_philox_block(const uint32_t counter[4], const uint32_t key[2], uint32_t out[4]);
extern const char *const convd_init_words[]; /* he_normal …: enum convd_init */
/* luma, mean or sum (words of across) or numbers: the factor of input channel c of n. */
extern const char *const convd_across_words[]; /* mean sum luma */
enum { CONVD_ACROSS_MEAN, CONVD_ACROSS_SUM, CONVD_ACROSS_LUMA };
double convd_across_factor(const struct convd_across *a, ptrdiff_t c, ptrdiff_t n);
#endif
