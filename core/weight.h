/* weight.h: weights of conv, linear, batch_norm …: reading what a spec says, and making the numbers. */
#ifndef CONVD_WEIGHT_H
#define CONVD_WEIGHT_H
#include "op.h"

/* From a spec's value: nested arrays (rank 0..4, not ragged, finite), a list with at least one named kernel or a list of
 * matrices, "@name", {"init":…, "out_channels"|"out_features", "kernel_size", "seed", "gain"}. Faults at f's place. */
bool convd_weight_read(const struct convd_value *v, struct convd_faults *f, struct convd_arena *mem, ptrdiff_t max_side,
                       struct convd_weight *out);
/* The numbers of an init, C order: Philox4x32-10 counter generator, the seed and shape alone decide (reference.md,
 * "init"). dim: O,I,kh,kw. identity: 1 at the middle where o == i (kernels: o mod I), else 0. */
void convd_weight_init(enum convd_init init, uint64_t seed, double gain, const ptrdiff_t dim[4], float *out);
/* One Philox4x32-10 block: counter (i,0,0,0), key = seed (low word, high word). Salmon et al., SC'11. */
void convd_philox(uint64_t seed, uint32_t i, uint32_t out[4]);
/* luma, mean or sum (words of across) or numbers: the factor of input channel c of n. */
extern const char *const convd_across_words[]; /* mean sum luma */
float convd_across_factor(const struct convd_across *a, ptrdiff_t c, ptrdiff_t n);
#endif
