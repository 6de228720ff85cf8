/* plan.h: what planning settled, for exec.c and for explain. */
#ifndef CONVD_PLAN_H
#define CONVD_PLAN_H
#include "graph.h"
#include "threads.h"

/* What explain tells of a node. */
struct convd_step_info {
    bool needed;                 /* the plan computes it                          */
    struct convd_shape shape;
    size_t weights;
    double macs, bytes;          /* bytes: read and written maps and weights, f32 */
    ptrdiff_t rf_h, rf_w;        /* receptive field in the image, pixels          */
    ptrdiff_t jump_h, jump_w;    /* pixels of the image from one number to the next */
    const char *algorithm;
    int fused_into;              /* node, or -1                                   */
    int run_by;                  /* node whose loops also make this one; itself   */
    double ms;                   /* expected, one thread                          */
};
/* False when there is no such node. */
bool convd_plan_info(const struct convd_plan *p, int node, struct convd_step_info *info);
const struct convd_graph *convd_plan_graph(const struct convd_plan *p);
/* What the step's hooks are called with. */
const struct convd_site *convd_plan_site(const struct convd_plan *p, int node);
/* The step's own params with everything resolved that needed shapes (see convd_expand_late). */
const void *convd_plan_params(const struct convd_plan *p, int node);
size_t convd_plan_bands(const struct convd_plan *p); /* of the largest stage, steps counted: for tests and explain */
/* Tests cut the work themselves: every stage in this many bands (as far as rows allow); 0: the planner decides. The
 * workspace changes. False without memory. */
bool convd_plan_force_bands(struct convd_plan *p, size_t bands);
/* Tests compare: no stage runs on integers. False without memory. */
bool convd_plan_force_float(struct convd_plan *p);
#endif
