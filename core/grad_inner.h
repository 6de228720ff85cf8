/* grad_inner.h: a gradient, as grad.c (what it needs, where it lies) makes it and grad_run.c runs it. */
#ifndef CONVD_GRAD_INNER_H
#define CONVD_GRAD_INNER_H
#include "plan.h"
#include "plan_inner.h"
#include <string.h>

#define ALIGNMENT 64u
#define NONE SIZE_MAX

struct grad_node {
    bool flows;        /* the output depends on it                              */
    bool reaches;      /* it depends on something a gradient is wanted for      */
    size_t output;     /* of the forward plan: where its map is kept, or NONE   */
    size_t map, grad;  /* offsets in the workspace; NONE: none                  */
    size_t kept, kept_sample; /* what its forward keeps, NONE: nothing; bytes of a sample */
    size_t *wrt;       /* for each params row: number of the convd_wrt, or NONE */
    size_t partial_stride; /* bytes of one worker's own weight gradients        */
    size_t sums;       /* bytes of one worker's own sums, of the op's form      */
    size_t scratch;
    bool by_sample;    /* workers share samples; else parts of each sample      */
    size_t workers;
};
struct convd_grad {
    struct convd_arena mem;
    struct convd_graph *graph;
    struct convd_plan *plan;
    int node;
    bool weights;
    size_t threads;
    struct grad_node *nodes;
    struct convd_wrt *wrt;
    size_t n_wrt, wrt_room;
    size_t n_outputs;
    size_t partial;        /* offset of the workers' own weight gradients */
    size_t sums;           /* offset of their sums                        */
    size_t turned;         /* offset of what an op's input gradient is made with */
    size_t wanted;         /* offset of a flag for each node: its gradient leads to one that a run wants */
    size_t pointers;       /* offset of the forward run's list of outputs */
    size_t keeps;          /* offset of its list of what steps keep       */
    size_t inner;          /* offset of the forward run's own workspace */
    size_t shared;         /* offset of scratch, stride scratch_stride  */
    size_t scratch_stride, workspace;
};

/* Sizes that cannot be counted stay the largest one: no limit allows it. */
#define TOO_MUCH (SIZE_MAX / ALIGNMENT * ALIGNMENT)

static inline size_t align(size_t bytes)
{
    return bytes > TOO_MUCH - ALIGNMENT ? TOO_MUCH : (bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
}

static inline size_t numbers(struct convd_shape s)
{
    return (size_t)s.n * (size_t)s.c * (size_t)s.h * (size_t)s.w;
}

static inline bool no_memory(struct convd_faults *f)
{
    convd_fault(f, CONVD_NO_MEMORY, NULL, "no memory for the gradient");
    return false;
}

static inline size_t find_tensor(const struct convd_grad *d, const char *name)
{
    for (size_t i = 0; i < d->n_wrt; i++)
        if (d->wrt[i].kind == CONVD_WRT_TENSOR && strcmp(d->wrt[i].name, name) == 0)
            return i;
    return NONE;
}

static inline bool is_step(const struct convd_grad *d, size_t v)
{
    return d->graph->nodes[v].kind == CONVD_NODE_STEP;
}
#endif
