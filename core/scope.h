/* scope.h: how graph.c, names.c, steps.c and expand.c work together while steps are added. */
#ifndef CONVD_SCOPE_H
#define CONVD_SCOPE_H
#include "graph.h"

#define CONVD_DEEPEST 24 /* pipelines and blocks inside each other */

/* One `steps` list being added to: the top one, a block's, or a pipeline's. Lives on the caller's stack. */
struct convd_scope {
    struct convd_scope *parent;
    const char *prefix;               /* of full ids: "" or "ID."                            */
    int image;                        /* the node that "image" means here                    */
    int previous;                     /* what an unsaid input is                             */
    const struct convd_value *list;   /* to tell later ids from unknown ones, or NULL        */
    struct convd_written *inside;     /* the entry this list belongs to, or NULL             */
    struct convd_written *last;       /* written entry in this list                          */
    bool record;                      /* entries are kept for printing                       */
    bool in_block;
    size_t index;                     /* position of the step being added                    */
    size_t shift;                     /* added to seeds and positions: repetition of dense   */
    int depth;
};
struct convd_alias {
    const char *id; /* full */
    uint32_t hash;
    int node;
    const struct convd_alias *next;
};

uint32_t convd_hash(const char *s);
/* Full id of a local one, in the graph's arena; NULL without memory (said). */
const char *convd_full_id(struct convd_graph *g, const char *local);
bool convd_id_taken(const struct convd_graph *g, const char *full);
bool convd_alias_add(struct convd_graph *g, const char *full, int node);
/* Node of a reference written in the current scope: "image", "@name", an id. -1 after a fault at the current place. */
int convd_scope_find(struct convd_graph *g, const char *ref);
const struct convd_tensor *convd_bound_tensor(struct convd_graph *g, const char *name); /* NULL after a fault */
bool convd_out_of_memory(struct convd_graph *g);                                        /* says so; always false */

/* A step in the making. */
struct convd_new_step {
    const char *id;              /* local; never NULL */
    bool named;
    const struct convd_op *op;
    const struct convd_arg *args;
    size_t n_args;
    int learn;
    const int *inputs;           /* nodes, -1 where a reference had a fault */
    size_t n_inputs;
    bool single;                 /* written as `input`, not as `inputs` */
    uint64_t tensors;            /* bit i: input i was written "@name" */
    bool chained;
    bool bad;                    /* had faults before it came here */
    struct convd_written *written; /* the entry it belongs to; NULL: recorded here if the scope records */
};
/* Checks and adds an op's step (blocks are expanded). Returns the node (bad or not), or -1 when nothing can be added. */
int convd_add_op(struct convd_graph *g, const struct convd_new_step *s);
/* Records an entry of the current list. NULL without memory. */
struct convd_written *convd_record(struct convd_graph *g, const struct convd_new_step *s, const char *pipeline);
/* names.c: the spec of that pipeline; NULL: none. */
const struct convd_value *convd_pipeline_find(const struct convd_graph *g, const char *name);
/* names.c: a fault for a name that is no noun ("operation"), with the nearest one. */
void convd_unknown_name(struct convd_graph *g, int code, const char *member, const char *name,
                        const char *noun);
/* names.c: whether a step may have that id. */
bool convd_id_fits(const char *id);
/* names.c: adds what s describes: an op's step, or (op NULL, pipeline set) a pipeline. Moves the scope on. Returns the
 * node or -1. */
int convd_add_entry(struct convd_graph *g, struct convd_new_step *s, const char *pipeline,
                    const struct convd_value *spec);
/* names.c: looks a name up as chains do (pipelines, ops, kernels) and adds it; text NULL: without arguments. */
int convd_add_named(struct convd_graph *g, struct convd_new_step *s, const char *name,
                    const char *text);
/* expand.c: the block's steps; returns the result's node, -1 after a fault. */
int convd_add_block(struct convd_graph *g, const struct convd_new_step *s, struct convd_written *w);
/* steps.c: adds a list in the current scope; returns the last node or -1. */
int convd_add_list(struct convd_graph *g, const struct convd_value *steps);
/* steps.c: a pipeline's steps on one input, under id. */
int convd_add_pipeline(struct convd_graph *g, const char *name, const struct convd_value *spec, struct convd_new_step *s);
#endif
