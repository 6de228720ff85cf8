/* lib_graph.h: random pipelines that run. Operations, parameters and weights are drawn through the rows of the list of
 * operations, so that a new one takes part by itself. A step that does not fit is drawn again: what is left is valid. */
#ifndef TESTS_GRAPHS_LIB_GRAPH_H
#define TESTS_GRAPHS_LIB_GRAPH_H
#include "../../core/plan.h"
#include "../t.h"

enum { GRAPH_STEPS = 8, GRAPH_TENSORS = 64 };

/* What a test wants; zero in a field: as it comes. */
struct graph_wish {
    bool (*may)(const struct convd_op *op); /* NULL: every operation, and pipelines by name */
    const char *often;                      /* every third operation is this one */
    ptrdiff_t steps, height, width;         /* at most */
    bool bytes;                             /* the picture is 8 bits */
};

struct graph {
    struct convd_arena mem; /* all below */
    struct convd_value steps[GRAPH_STEPS];
    uint32_t n;
    struct convd_tensor tensors[GRAPH_TENSORS]; /* "@t0" … as far as steps name them */
    size_t n_tensors;
    struct convd_input in;
    void *image;
    size_t image_bytes;
};
/* Release with graph_release. Steps that were refused on the way leave their tensors behind. */
void graph_draw(struct graph *g, const struct graph_wish *wish, struct t_rng *rng);
void graph_release(struct graph *g);

/* {"steps":[…]}, in g->mem; and as JSON text. */
struct convd_value graph_spec(struct graph *g);
const char *graph_text(struct graph *g);
/* The same in core's form; *last is the node of its last step. The test fails where there is a fault. */
struct convd_graph *graph_build(const struct graph *g, struct convd_faults *f, int *last);

/* One of the value of a row, out of its range never, and small. x: the shape that its step gets. */
struct graph_site {
    struct graph *g;
    struct t_rng *rng;
    struct convd_shape x;
};
struct convd_value graph_param(const struct graph_site *s, const struct convd_param *row);
/* An array, or the name of a new tensor, of that shape. */
struct convd_value graph_array(const struct graph_site *s, const struct convd_tensor *shape, bool tensor);

/* How many rounds: the number in the environment's GRAPHS, else this one. */
int graph_rounds(int usually);
#endif
