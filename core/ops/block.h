/* block.h: what blocks need to settle parameters of their steps that depend on shapes (convd_expand_late). */
#ifndef CONVD_OPS_BLOCK_H
#define CONVD_OPS_BLOCK_H
#include "../graph.h"
#include "row.h"

/* The field of that parameter in an op's params. */
void *convd_block_field(const char *op, void *params, const char *name);
/* Makes a parameter of type weight an init of he_normal: of: "out_channels" (with a 1x1 kernel) or "out_features". seed 0:
 * left out. Without memory the source that explain prints is missing, nothing else. */
void convd_block_init(struct convd_weight *w, const char *of, ptrdiff_t out, uint64_t seed,
                      struct convd_arena *mem);

/* Weights of a step whose late setter will write them: any that the op's check lets through. */
#define LATE_CONV   "weight=identity;"
#define LATE_LINEAR "weight=0;"
#endif
