/* learner.h: what learner.c (examples, plans), epoch.c (the loop) and checkpoint.c share. */
#ifndef CONVD_LEARN_LEARNER_H
#define CONVD_LEARN_LEARNER_H
#include "data.h"
#include "rules.h"

enum { CONVD_MEASURE_BATCH = 32 }; /* samples that are measured at a time, at least */

struct convd_learner {
    struct convd_arena mem;
    struct convd_graph *graph;
    int node;
    struct convd_learn_settings settings;
    double betas[2];
    struct convd_limits limits;
    size_t threads;
    struct convd_plan *plan;       /* of one picture, weights in place              */
    struct convd_weights weights;
    struct convd_net *net;
    struct convd_plan *prefix;     /* of the maps that enter, for pictures as `input` */
    struct convd_input input;
    struct convd_shape first;      /* of the first picture: c, h, w                 */
    void **fronts;                 /* where the prefix writes                       */
    struct convd_data data;
    bool ready;
    struct convd_item *items;      /* of a batch                                    */
    ptrdiff_t *answers;
    size_t batch, most;            /* samples of a step; room in items              */
    /* what a run makes, and what a checkpoint holds beside the weights */
    float *states[2];              /* of the optimizer; NULL: it has none           */
    uint64_t step;
    ptrdiff_t epoch;
    struct convd_curve *curve;
    double best;
    ptrdiff_t since;               /* epochs since the best                         */
};
size_t convd_learner_limit(const struct convd_learner *l);
#endif
