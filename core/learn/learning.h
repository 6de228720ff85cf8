/* learning.h: what an op does otherwise while learning: the part of a row (op.h, `learning`) that only core/learn calls.
 * Most ops have none: they learn as they run. */
#ifndef CONVD_LEARNING_H
#define CONVD_LEARNING_H
#include "../op.h"

/* Numbers of chance that belong to one sample of one step: the same for its forward and its backward. */
struct convd_chance {
    uint64_t seed;
    uint32_t epoch, sample, node;
};

/* One call over all samples of a batch; x[i] is the whole map of sample i, as are the others. */
struct convd_join {
    const struct convd_site *site;
    ptrdiff_t n;                   /* samples                                                                */
    const float *const *x;
    float *const *y;
    const float *const *dy;        /* backward                                                               */
    float *const *dx;              /* backward: dL/dx is added to it; NULL: not wanted                       */
    float *const *weight;          /* numbers of each params row as they are written; NULL: none             */
    float *const *dweight;         /* backward: dL/d those is added to it; NULL: not wanted                  */
    double *keep;                  /* `keep` numbers, from forward to backward                               */
    struct convd_rows channels;    /* this call's share: it touches nothing of the others                    */
};

struct convd_learning {
    /* Rows that were left out stand for this number: learning writes it out and, with "learn": true, changes it. NULL
     * for an op without such rows; else one for each params row, NAN where leaving out means that there is none. */
    const float *left_out;
    uint64_t running;              /* bit i: row i is a running statistic: written by join_forward, not learned */

    /* Over a batch: in place of forward and backward. NULL: none. */
    size_t (*keep)(const struct convd_site *s);
    void (*join_forward)(const struct convd_join *j);
    void (*join_backward)(const struct convd_join *j);

    /* By chance: in place of forward and backward. NULL: none. */
    void (*forward)(const struct convd_call *c, const struct convd_chance *chance);
    void (*backward)(const struct convd_back *b, const struct convd_chance *chance);
};
#endif
