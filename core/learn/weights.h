/* weights.h: what is learned of a graph, and where its numbers are. */
#ifndef CONVD_LEARN_WEIGHTS_H
#define CONVD_LEARN_WEIGHTS_H
#include "learn.h"
#include "learning.h"

/* All learned numbers lie behind each other in `values`, in the order of the list; running statistics behind them. */
struct convd_weights {
    struct convd_learned *list;
    size_t n;
    float *values, *before;
    size_t learned, count; /* numbers that are learned; all */
};
/* True when batch_norm and its like learn with the statistics of the batch: not frozen, and none were written. */
bool convd_weights_join(const struct convd_node *n);
/* True when row r of the step is learned, or is a running statistic that learning writes. */
bool convd_weights_learn(const struct convd_node *n, size_t r, const void *params);
/* Lists what the needed steps of p learn, takes room for the numbers, fills it with what they begin with, and makes g refer
 * to it: a plan made later sees them change. Faults: nothing to learn, no memory. */
bool convd_weights_take(struct convd_weights *w, struct convd_graph *g, const struct convd_plan *p,
                        struct convd_arena *mem, struct convd_faults *f);
#endif
