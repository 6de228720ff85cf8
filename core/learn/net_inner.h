/* net_inner.h: a net, as net.c (what is computed, where it lies) makes it and net_run.c runs it. */
#ifndef CONVD_LEARN_NET_INNER_H
#define CONVD_LEARN_NET_INNER_H
#include "../plan_inner.h"
#include "net.h"

#define NONE SIZE_MAX

struct net_node {
    bool live;        /* computed in every step                          */
    bool wants;       /* a gradient is wanted for it                     */
    bool joins;       /* looks at the whole batch                        */
    bool chance;      /* depends on chance                               */
    bool writes;      /* its backward is the first to come to its input's gradient, and writes it */
    bool met;         /* some step's backward comes to its gradient      */
    bool written;     /* its gradient needs no zeros: another step writes it first                */
    bool apart;       /* may be done for some of the channels            */
    size_t readers;   /* steps that read its map                         */
    size_t map, grad; /* floats from a lane's begin                      */
    size_t kept;      /* floats from a lane's begin to what its forward keeps; NONE: nothing      */
    size_t front;     /* floats from an item's begin; NONE: not a front  */
    size_t keep;      /* of a join: doubles from the begin of `keep`     */
    size_t digest;    /* bytes                                           */
    size_t turned;    /* bytes from the begin of what ops turned; NONE: no input wants a gradient */
    size_t sums;      /* bytes from the begin of a worker's sums; NONE: none                      */
    size_t *dweight;  /* for each params row: its gradient in a partial, or NONE */
    float **weight;   /* for each params row: its numbers where learning writes them, or NULL */
};
struct convd_net {
    struct convd_arena mem, room; /* what does not depend on the batch; what does */
    struct convd_graph *graph;
    const struct convd_plan *plan;
    const struct convd_weights *weights;
    int node;
    struct net_node *nodes;
    int *order, *fronts;
    size_t n_order, n_fronts, n_joins, n_keep;
    size_t front_count;     /* floats of an item                     */
    size_t scratch, digest, sums; /* bytes of each worker            */
    size_t turned_bytes;
    size_t maps_end, lane;  /* floats of a lane; gradients behind maps_end */
    size_t workers, n;
    float *lanes, *gradient, *partials;
    size_t copies, target_copy; /* floats from a lane's begin, with augment */
    char *scratches, *digests, *turned, *sums_of;
    double *losses, *keep;
    ptrdiff_t *guesses;
    float **pointers; /* of joins: x, y, dy, dx for each sample */
};

static inline size_t align(size_t floats)
{
    return (floats + 15) / 16 * 16;
}

static inline size_t numbers(struct convd_shape s)
{
    return (size_t)s.c * (size_t)s.h * (size_t)s.w;
}

static inline const struct convd_site *site_of(const struct convd_net *net, int v)
{
    return &net->plan->nodes[v].site;
}

static inline size_t rows_of(const struct convd_op *op)
{
    size_t r = 0;
    while (op->params && op->params[r].name) r++;
    return r;
}
#endif
