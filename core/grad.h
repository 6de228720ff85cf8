/* grad.h: back-propagation: dL/d image, dL/d every tensor, dL/d weights, from dL/d one output.
 *
 * A gradient is a plan that keeps every map, and a sweep from the output back. Each worker adds weight gradients to numbers
 * of its own; they are summed in order, so that the same number of threads gives the same bits. */
#ifndef CONVD_GRAD_H
#define CONVD_GRAD_H
#include "plan.h"

/* Something a gradient can be taken for. */
enum convd_wrt_kind { CONVD_WRT_IMAGE, CONVD_WRT_TENSOR, CONVD_WRT_WEIGHT };
struct convd_wrt {
    enum convd_wrt_kind kind;
    const char *name;  /* "image", the tensor's name, or "STEP.weight"              */
    int node;          /* WEIGHT: the step                                         */
    size_t row;        /* WEIGHT: the params row                                   */
    int rank;
    ptrdiff_t dim[4];
    size_t count;
};
struct convd_grad;
/* weights: also for every weight that comes from an init or has "learn": true (and not "learn": false). Faults:
 * NOT_DIFFERENTIABLE at the first step on a way that no gradient goes through, limits as in convd_plan_new. */
struct convd_grad *convd_grad_new(struct convd_graph *g, const struct convd_input *in, int node, bool weights,
                                  const struct convd_limits *limits, size_t threads, struct convd_faults *f);
void convd_grad_free(struct convd_grad *d);
const struct convd_wrt *convd_grad_wrt(const struct convd_grad *d, size_t i); /* NULL past the end */
struct convd_shape convd_grad_shape(const struct convd_grad *d);              /* of the output     */
size_t convd_grad_workspace(const struct convd_grad *d);

struct convd_grad_run {
    const void *input;
    const float *upstream;     /* dL/d output, NULL: ones                          */
    float *output;             /* the output itself, or NULL                       */
    float *const *
        gradients; /* one for each convd_wrt, written; NULL: not wanted. No two overlap, nor upstream */
    void *workspace;           /* 64-byte aligned, or NULL: taken and given back   */
    bool kept; /* the workspace holds the maps of a run before, of the same input: only back */
    struct convd_pool *pool;
    const atomic_bool *cancel;
};
bool convd_grad_run(const struct convd_grad *d, const struct convd_grad_run *run, struct convd_faults *f);
#endif
