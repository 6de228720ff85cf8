/* graph.h: steps and edges. Node 0 is the image; every tensor that a step names and every step is one more node. Nodes
 * only point at earlier ones, so the order of the array is an order to run in.
 *
 * What was written stays known: a block or a pipeline's name is a group, its expanded steps point to it, so that a graph
 * can be printed as it was written and explained as it runs. */
#ifndef CONVD_GRAPH_H
#define CONVD_GRAPH_H
#include "op.h"

enum convd_node_kind { CONVD_NODE_IMAGE, CONVD_NODE_TENSOR, CONVD_NODE_STEP };

struct convd_alias;
struct convd_scope;
struct convd_written;
struct convd_node {
    enum convd_node_kind kind;
    const char *id;                   /* step id ("edges.x" inside a pipeline), "image", or "@name"             */
    uint32_t hash;                    /* of id                                                                  */
    const char *place;                /* JSON Pointer of what was written for it: "/steps/2"                    */
    bool closed;                      /* that is a block or a pipeline which made it: its members are others    */
    const char *segment;              /* chain segment it came from, or NULL                                    */
    bool named;                       /* the id was written, not made                                           */
    bool bad;                         /* had a fault: shapes behind it are not looked at                        */
    size_t position;                  /* in its list (repetitions added): a seed left out is 1 + position       */
    const struct convd_op *op;
    void *params;
    uint64_t given;                   /* bit i: params row i was given                                          */
    const struct convd_arg *args;     /* as written: a parameter may go by another name                         */
    size_t n_args;
    int learn;                        /* -1: not said, 0, 1                                                     */
    uint64_t bound;                   /* bit i: row i is a weight that came apart from the spec (learn/learn.h) */
    const int *inputs;
    size_t n_inputs;
    const struct convd_tensor *tensor;/* TENSOR */
    void (*late)(void *params, const struct convd_shape *of, const void *block_params,
                              struct convd_arena *mem); /* see convd_expand_late */
    int late_of[2];
    const void *late_block;
    const struct convd_written *written; /* the written entry it belongs to                                     */
};

/* One entry of a `steps` list as written: a plain step, a block, or a pipeline's name. */
struct convd_written {
    const char *id;                   /* as written or made                                                     */
    bool named;
    const struct convd_op *op;        /* NULL: a pipeline                                                       */
    const char *pipeline;             /* its name                                                               */
    void *params;
    uint64_t given;
    int learn;
    const int *inputs;                /* nodes                                                                  */
    size_t n_inputs;
    uint64_t tensors;                 /* bit i: input i was written "@name", whatever "image" means there       */
    bool chained;                     /* its input is just what stands before it (or image for the first)       */
    int image;                        /* the node that "image" means in its list                                */
    int node;                         /* its result                                                             */
    const struct convd_written *parent;         /* the block or pipeline it stands inside, or NULL              */
    const struct convd_written *first_child;    /* entries of the block's first repetition, or of the pipeline  */
    const struct convd_written *next;           /* in the same list                                             */
};

/* Looks a pipeline's name up: its spec as a value, or NULL. The value must live as long as the graph. */
struct convd_names {
    const struct convd_value *(*find)(void *self, const char *name);
    const char *(*name)(const void *self, size_t i); /* for suggestions; NULL past the end */
    void *self;
};

/* input and output members of a pipeline's spec that counted (see reference.md, "A pipeline's name inside …"). */
struct convd_graph {
    struct convd_arena mem;
    struct convd_faults *faults;
    const struct convd_names *names;  /* NULL: no pipelines                                                     */
    struct convd_limits limits;
    struct convd_node *nodes;
    size_t n_nodes, room;
    size_t n_steps;                   /* expanded steps so far                                                  */
    size_t n_written;                 /* entries written so far, nested ones included                           */
    const struct convd_written *written; /* the top list                                                        */
    const struct convd_tensor *tensors; /* bound by name                                                        */
    size_t n_tensors;
    const struct convd_value *first_input;  /* `input` of a pipeline name that stands first, or NULL            */
    const struct convd_value *last_output;  /* `output` of a pipeline name that stands last, or NULL            */
    const char *output_prefix;        /* ids in last_output stand behind this: "edges." or ""                   */
    const struct convd_alias *aliases;/* ids of blocks and pipelines, for their result (scope.h)                */
    struct convd_scope *scope;        /* the list being added to (scope.h)                                      */
    bool full;                        /* too many steps, or no memory: nothing more is added                    */
};

/* Faults are about a node from here on, until convd_at_nothing. */
void convd_at_node(struct convd_faults *f, const struct convd_node *n);
void convd_at_nothing(struct convd_faults *f);
void convd_graph_setup(struct convd_graph *g, const struct convd_names *names, const struct convd_limits *limits);

/* Adds a `steps` list as a spec has it (array of strings and objects), at the faults' current place (which should be
 * ".../steps"). Returns the node of its last step, or -1 after a fault; goes on after faults to find them all. */
int convd_graph_steps(struct convd_graph *g, const struct convd_value *steps);
/* Adds one chain segment, NAME or NAME:ARGS (decoded), behind what came before. Returns the node or -1. */
int convd_graph_segment(struct convd_graph *g, const char *segment);
/* True when a segment of that name would be a pipeline, an op or a kernel. */
bool convd_graph_knows(const struct convd_graph *g, const char *name);

/* For expand of blocks: */
struct convd_expand {
    struct convd_graph *graph;
    const void *params;
    const int *inputs;
    size_t n_inputs;
};
/* A step inside the block: its id becomes ID.name. args is argument text. Returns the node or -1. */
int convd_expand_step(struct convd_expand *e, const char *name, const char *op, const char *args, const int *inputs, size_t n);
/* The block's `steps` on input x; repetition i: ids ID.name for i == 0 and once, else ID.i.name; init seeds + i. */
int convd_expand_steps(struct convd_expand *e, const struct convd_steps *steps, int x, size_t repetition);
/* C of a node is not known while the graph is built. A block that needs shapes for a parameter leaves it to planning: set
 * is called on a plan's own copy of node's params, with the shapes of the nodes `of` (n of them, at most 2); what it
 * makes for them lives in mem, the plan's. */
void convd_expand_late(struct convd_expand *e, int node,
                       void (*set)(void *params, const struct convd_shape *of, const void *block_params,
                              struct convd_arena *mem),
                       const int *of, size_t n);
#endif
