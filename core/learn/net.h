/* net.h: a pipeline as learning runs it: forward, loss and back for the samples of a batch.
 *
 * Workers share the samples. A sample goes all the way forward and back before its worker takes the next, so that its maps
 * stay in cache and there are as many sets of maps as workers. Where a step looks at the whole batch (batch_norm) all
 * samples meet, and there is a set of maps for each. */
#ifndef CONVD_LEARN_NET_H
#define CONVD_LEARN_NET_H
#include "weights.h"

/* A sample: the maps that enter the learned part, behind each other, and what should come out. */
struct convd_item {
    const float *maps;
    ptrdiff_t class;
    const float *target;
    bool bounded;       /* of a target, as convd_loss has it                 */
    uint32_t number;    /* of the example: what chance depends on */
};
struct convd_batch {
    const struct convd_item *items;
    ptrdiff_t n;
    enum convd_loss loss;
    bool learn;         /* forward as while learning, and back; else as the pipeline answers */
    uint64_t seed;
    uint32_t epoch;
    const struct convd_augment *augment; /* NULL: as they are */
};
struct convd_batch_result {
    double loss;        /* of the batch, as convd_loss has it */
    ptrdiff_t right;    /* samples whose class was found      */
};
struct convd_net;

/* p: planned for one picture, with the weights of w in place. Faults: NOT_DIFFERENTIABLE at a step no gradient goes through. */
struct convd_net *convd_net_new(struct convd_graph *g, const struct convd_plan *p, int node, const struct convd_weights *w,
                                struct convd_faults *f);
void convd_net_free(struct convd_net *net);
/* The nodes whose maps enter: i-th, -1 past the end; its shape. Numbers of all of them together. */
int convd_net_front(const struct convd_net *net, size_t i, struct convd_shape *shape);
size_t convd_net_front_count(const struct convd_net *net);
/* About what convd_net_room takes. */
size_t convd_net_needs(const struct convd_net *net, size_t workers, ptrdiff_t n, ptrdiff_t most, bool augment);
/* Takes what batches of up to n samples need to learn, of up to `most` to be measured; augment: room for changed copies too. */
bool convd_net_room(struct convd_net *net, size_t workers, ptrdiff_t n, ptrdiff_t most, bool augment, size_t limit,
                    struct convd_faults *f);
size_t convd_net_bytes(const struct convd_net *net);
/* False when cancelled. answer, if wanted: the class found for each sample. */
bool convd_net_run(struct convd_net *net, const struct convd_batch *b, struct convd_pool *pool, const atomic_bool *cancel,
                   struct convd_batch_result *result, ptrdiff_t *answer);
/* The gradients of the last batch that learned, in the order of the weights. */
const float *convd_net_gradient(const struct convd_net *net);
/* The weights changed: what is made of them is made new. After convd_net_room. */
void convd_net_pack(struct convd_net *net, struct convd_pool *pool);
#endif
