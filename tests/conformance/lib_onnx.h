/* lib_onnx.h: the nodes of an ONNX model in convd's words. One model becomes one list of steps; what has no words is told
 * by its reason. Arrays of less than four dimensions are seen as 1 x … x H x W. */
#ifndef LIB_ONNX_H
#define LIB_ONNX_H
#include "lib_case.h"

enum { VALUES = 64, ROOM = 16384, RESULTS = 8 };

/* A named value of the model: an array (bound as "@tK" as it is, and as "@mK" as a map), or a step's result. */
struct named {
    const char *name;
    char map[24], weight[24]; /* how steps refer to it: "image", "@m3", "n2" */
    int rank;
    int factor;    /* of a pixel shuffle under way, seen with six dimensions */
    bool constant; /* a weight or a parameter, not what the model works on */
    struct convd_tensor
        tensor; /* data NULL: a step's result; rank 0 then: of a shape that was not followed */
};

struct translation {
    struct suite *s;
    const struct convd_value *attributes, *defaults; /* of the node at hand */
    struct named values[VALUES];
    size_t n_values;
    struct convd_tensor bound[4 * VALUES];
    size_t n_bound;
    size_t n_steps;
    struct named results[RESULTS]; /* of the node at hand, where they are not its last step */
    size_t n_results;
    double opset;
    bool last;             /* node */
    bool rows_are_samples; /* rank 2 is N x C, as for Gemm */
    char steps[ROOM];
    size_t length;
};

/* A group of nodes: blank-separated names, and what writes their steps: NULL, or why the contract cannot say it. */
struct translator {
    const char *names;
    const char *(*translate)(struct translation *t, const struct convd_value *node);
};
extern const struct translator onnx_numbers[], onnx_views[]; /* end in .names NULL */

/* ---- writing steps ---- */
void put(struct translation *t, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Begins a step that reads `input` (NULL: what stands before it); its id is n0, n1, … */
void begin(struct translation *t, const char *op, const char *input);
void end(struct translation *t);
/* A step without parameters. */
void plain(struct translation *t, const char *op, const char *input);
/* A step that reads two. */
void pair(struct translation *t, const char *op, const char *a, const char *b);
void put_list(struct translation *t, const char *name, const struct convd_value *v);
/* "n3": the last step. */
const char *last_step(const struct translation *t);
/* The last step is the node's next output. */
void result(struct translation *t, int rank);

/* ---- reading nodes ---- */
const struct convd_value *attribute(const struct translation *t, const char *name);
double real(const struct translation *t, const char *name, double otherwise);
const char *word(const struct translation *t, const char *name, const char *otherwise);
struct named *find(struct translation *t, const char *name);
/* Input k of a node, or NULL. */
struct named *input(struct translation *t, const struct convd_value *node, uint32_t k);
uint32_t inputs(const struct convd_value *node);
/* A list of numbers from input k or, where there is none, from an attribute; false when neither is there. */
bool numbers(struct translation *t, const struct convd_value *node, uint32_t k, const char *name,
             double *v, size_t room, size_t *n);
/* "axis" of an array of that rank in our words; NULL for the samples. */
const char *dim_of(double axis, int rank);
/* An array as a map: N x C x H x W. */
struct convd_tensor as_map(const struct translation *t, const struct convd_tensor *x);
/* An array of the model, or made from one, under a name; gives that name ("@…"). */
const char *bind_tensor(struct translation *t, struct convd_tensor x);
#endif
