/* expand.c: blocks stand for plain steps. The op's row makes them with the calls here; see graph.h. */
#include "scope.h"
#include <string.h>

int convd_expand_step(struct convd_expand *e, const char *name, const char *op, const char *args,
                      const int *inputs, size_t n)
{
    struct convd_graph *g = e->graph;
    struct convd_arg *split = NULL;
    size_t n_args = 0;
    const char *id = name;
    for (int i = 2; id && convd_id_taken(g, convd_full_id(g, id));
         i++) /* the block's own steps yield to the user's */
        id = convd_arena_printf(&g->mem, "%s%d", name, i);
    int *copy = convd_arena_array(&g->mem, n, sizeof *copy);
    if (!copy || !id || !convd_args_split(g->faults, &g->mem, args, &split, &n_args)) {
        convd_out_of_memory(g);
        return -1;
    }
    memcpy(copy, inputs, n * sizeof *copy);
    const struct convd_new_step s = {.id = id,
                                     .op = convd_op_find(op),
                                     .args = split,
                                     .n_args = n_args,
                                     .learn = -1,
                                     .inputs = copy,
                                     .n_inputs = n,
                                     .written = g->scope->inside};
    const bool closed = g->faults->closed;
    g->faults->closed = true; /* a step that nobody wrote */
    const int node = convd_add_op(g, &s);
    g->faults->closed = closed;
    return node;
}

int convd_expand_steps(struct convd_expand *e, const struct convd_steps *steps, int x,
                       size_t repetition)
{
    struct convd_graph *g = e->graph;
    struct convd_scope *outer = g->scope;
    const char *prefix = outer->prefix;
    if (repetition)
        prefix = convd_arena_printf(&g->mem, "%s%zu.", outer->prefix, repetition);
    if (!prefix) {
        convd_out_of_memory(g);
        return -1;
    }
    struct convd_scope inner = {.parent = outer,
                                .prefix = prefix,
                                .image = x,
                                .previous = x,
                                .inside = outer->inside,
                                .record = outer->record && repetition == 0,
                                .in_block = true,
                                .shift = outer->shift + repetition,
                                .depth = outer->depth};
    size_t mark = convd_enter(g->faults, "steps");
    g->scope = &inner;
    int node = convd_add_list(g, steps->list);
    g->scope = outer;
    convd_leave(g->faults, mark);
    return node;
}

void convd_expand_late(struct convd_expand *e, int node,
                       void (*set)(void *params, const struct convd_shape *of,
                                   const void *block_params, struct convd_arena *mem),
                       const int *of, size_t n)
{
    if (node < 0)
        return;
    struct convd_node *x = &e->graph->nodes[node];
    x->late = set;
    x->late_block = e->params;
    x->late_of[0] = of[0];
    x->late_of[1] = n > 1 ? of[1] : of[0];
}

int convd_add_block(struct convd_graph *g, const struct convd_new_step *s, struct convd_written *w)
{
    struct convd_scope *outer = g->scope;
    const char *full = convd_full_id(g, s->id);
    const char *prefix = full ? convd_arena_printf(&g->mem, "%s.", full) : NULL;
    if (!prefix) {
        convd_out_of_memory(g);
        return -1;
    }
    if (outer->depth >= CONVD_DEEPEST) {
        convd_fault_limit(g->faults, CONVD_BAD_GRAPH, NULL, CONVD_DEEPEST, outer->depth + 1,
                          "blocks inside blocks, too deep at %s", s->id);
        return -1;
    }
    struct convd_scope own = {.parent = outer,
                              .prefix = prefix,
                              .image = s->inputs[0],
                              .previous = s->inputs[0],
                              .inside = w,
                              .record = outer->record,
                              .in_block = true,
                              .shift = outer->shift,
                              .depth = outer->depth + 1};
    struct convd_expand e = {
        .graph = g, .params = w->params, .inputs = s->inputs, .n_inputs = s->n_inputs};
    g->scope = &own;
    int node = s->op->expand(&e);
    g->scope = outer;
    if (node >= 0 && !convd_alias_add(g, full, node))
        return -1;
    return node;
}
