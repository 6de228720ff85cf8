/* tree.h: the steps of a graph as they run, inside the blocks and pipelines they were written in. */
#ifndef API_TREE_H
#define API_TREE_H
#include "api.h"

/* Calls in the order of the steps; self is the visitor's own. */
struct api_visitor {
    void (*enter)(void *self, const struct convd_written *group, int depth);
    void (*leave)(void *self, const struct convd_written *group, int depth);
    void (*step)(void *self, int node, int depth);
    void *self;
};
void api_visit(const struct convd_graph *g, const struct api_visitor *visitor);
/* What a group is: a block's op or a pipeline's name. */
const char *api_group_word(const struct convd_written *group);
/* Parameters that were given, as a chain would say them; what it cannot say is left as its name. params: the step's own, or
 * the plan's with what shapes decided. */
const char *api_params_text(const struct convd_param *rows, uint64_t given, const void *params, struct convd_arena *mem);
#endif
