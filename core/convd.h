/* convd.h: the public face of libconvd, the core of the convolution daemon.
 *
 * A graph is built from steps, planned once for an input description, and run many times into memory of the
 * caller's. Everything that can fail fails while planning, with a list of faults that say where and what would work.
 *
 *     struct convd_faults *f = convd_faults_new();
 *     struct convd_graph *g = convd_graph_new(NULL, f);
 *     int gray = convd_graph_add(g, "grayscale", "", CONVD_IMAGE);
 *     int x = convd_graph_add(g, "filter", "sobel_x", gray);
 *     int edges = convd_graph_add(g, "abs", "", x);
 *     struct convd_input in = {.pixels = CONVD_U8_HWC, .n = 1, .height = h, .width = w, .stored = 3, .channels = 3};
 *     struct convd_output out = {.node = edges, .pixels = CONVD_U8_HWC};
 *     struct convd_plan *p = convd_plan_new(g, &in, &out, 1, NULL, f);
 *     convd_plan_run(p, &(struct convd_run){.input = rgb, .outputs = (void *[]){gray8}}, f);
 *
 * Threads: a plan may be run by several threads at once, each with its own workspace; nothing else is shared. No
 * function keeps a global.
 * Tensors are N x C x H x W, C order, f32. Pixel values are 0..255. Channel order is RGB. */
#ifndef CONVD_H
#define CONVD_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CONVD_VERSION "0.1.0"

/* ---- memory ------------------------------------------------------------------------------------------------ */

/* Where memory comes from. take returns 64-byte aligned memory or NULL; give gets the same size back.
 * NULL for a struct convd_memory means the C library's heap. */
struct convd_memory {
    void *(*take)(void *self, size_t bytes);
    void (*give)(void *self, void *p, size_t bytes);
    void *self;
};

/* ---- faults: what is wrong, where, and what would work ------------------------------------------------------ */

/* Causes. faults.def is the list; a cause has one meaning everywhere and a stable word ("out-of-range"). */
enum convd_code {
    CONVD_OK = 0,
#define FAULT(NAME, WORD, SUMMARY) CONVD_##NAME,
#include "faults.def"
#undef FAULT
    CONVD_CODES
};

/* One fault. Strings live as long as the list that holds it; any of them may be NULL except pointer and detail. */
struct convd_fault {
    int code;               /* enum convd_code, or a code of the caller's own from CONVD_CODES on      */
    const char *pointer;    /* JSON Pointer of the culprit: "/steps/2/kernel_size"; "" is the whole    */
    const char *detail;     /* what was found: "kernel_size is 0"                                      */
    const char *expected;   /* what would work: "an integer from 1 to 4096"                            */
    const char *suggestion; /* the nearest known name, or the words to write instead                   */
    const char *segment;    /* the chain segment that led here, when the spec came from a chain        */
    double limit, actual;   /* for limits; NAN where there is none                                     */
    const struct convd_fault *next;
};

/* A list of faults that also knows the place being looked at. Not for use by two threads at once. */
struct convd_faults;
struct convd_faults *convd_faults_new(void);             /* NULL without memory */
void convd_faults_free(struct convd_faults *f);          /* NULL is fine        */
size_t convd_faults_count(const struct convd_faults *f);
const struct convd_fault *convd_faults_first(const struct convd_faults *f); /* NULL when there is none */
const char *convd_code_word(int code);                   /* "out-of-range"; NULL for codes that are not core's */

/* ---- tensors ------------------------------------------------------------------------------------------------ */

struct convd_shape {
    ptrdiff_t n, c, h, w;
};

/* A named array as files hold it: rank 0 to 4, C order. Maps are rank 4, (H,W) and (C,H,W) are lower ranks. */
struct convd_tensor {
    const char *name; /* "" where there is none */
    int rank;
    ptrdiff_t dim[4];
    float *data;
};

/* ---- ops, kernels ------------------------------------------------------------------------------------------- */

struct convd_op;                                          /* op.h has the row */
const struct convd_op *convd_op_find(const char *name);   /* by name or alias; NULL when unknown */
const struct convd_op *convd_op_at(size_t i);             /* in the order of the list; NULL past its end */

/* ---- graphs ------------------------------------------------------------------------------------------------- */

#define CONVD_IMAGE 0 /* the node that stands for the decoded picture */

struct convd_graph;
/* A graph takes memory from mem (NULL: heap) and writes what it does not like to faults. NULL without memory. */
struct convd_graph *convd_graph_new(const struct convd_memory *mem, struct convd_faults *faults);
void convd_graph_free(struct convd_graph *g);

/* Makes "@name" known. The data is not copied and must outlive the graph and its plans. */
bool convd_graph_tensor(struct convd_graph *g, const struct convd_tensor *t);

/* Adds a step. name: an op, an alias, a kernel, or a pipeline the graph can look up. text: its arguments as a chain
 * writes them ("kernel_size=2,stride=1"; "" for none), checked by the op's row. inputs: nodes returned before, or
 * CONVD_IMAGE. id: NULL for the next of s0, s1, … Returns the node, or -1 after a fault. */
int convd_graph_add_step(struct convd_graph *g, const char *id, const char *name, const char *text,
                         const int *inputs, size_t n_inputs);
/* The same with the inputs written out: convd_graph_add(g, "add", "", a, b). */
#define convd_graph_add(g, name, text, ...)                                                                    \
    convd_graph_add_step(g, NULL, name, text, (const int[]){__VA_ARGS__},                                      \
                         sizeof((const int[]){__VA_ARGS__}) / sizeof(int))
/* As a spec's "learn": whether learning changes the weights of a step, whatever they come from. False: it has none. */
bool convd_graph_learn(struct convd_graph *g, int node, bool learn);
/* The node of a step id, of "image", or of "@name"; -1 when unknown. */
int convd_graph_node(const struct convd_graph *g, const char *id);

/* ---- plans -------------------------------------------------------------------------------------------------- */

enum convd_pixels {
    CONVD_U8_HWC,   /* 8 bits, interleaved                                       */
    CONVD_U16_HWC,  /* 16 bits, interleaved, host order; a value is v/257        */
    CONVD_F32_NCHW, /* float, planar                                             */
};

/* What the caller will hand in. stored is what memory holds; channels is what the pipeline sees as the image's C
 * (u8 and u16: 1 <-> 3 by replication and Rec. 601 luma, 4 adds an opaque alpha; f32: must equal stored). */
struct convd_input {
    enum convd_pixels pixels;
    ptrdiff_t n, height, width;
    ptrdiff_t stored, channels;
};

/* What the caller wants to get: a node's map. U8 and U16 are interleaved, rounded half to even and saturated. */
struct convd_output {
    int node;
    enum convd_pixels pixels;
};

/* Settled before anything runs; see DESIGN.md 13. Zero in a field means its default. */
struct convd_limits {
    size_t memory;          /* bytes of one run: input, maps, outputs    (1 Gi)  */
    double macs;            /* multiply-adds and elements of one run     (1e12)  */
    size_t steps, expanded; /* as written, after blocks are expanded     (256, 4096) */
    ptrdiff_t kernel;       /* side of a dense kernel                    (129)   */
};

struct convd_plan;
struct convd_pool;

/* Shapes, bytes, work: everything is checked and settled here. Returns NULL after faults; f may already hold some
 * (then faults of shape are added for the steps that can still be looked at). The graph must outlive the plan. */
struct convd_plan *convd_plan_new(struct convd_graph *g, const struct convd_input *in,
                                  const struct convd_output *out, size_t n_out,
                                  const struct convd_limits *limits, size_t threads, struct convd_faults *f);
void convd_plan_free(struct convd_plan *p);
struct convd_shape convd_plan_shape(const struct convd_plan *p, int node); /* h == 0: no such node */
size_t convd_plan_workspace(const struct convd_plan *p); /* bytes a run needs beside input and outputs */

struct convd_run {
    const void *input;        /* as the plan's struct convd_input says                              */
    void *const *outputs;     /* one for each struct convd_output                                   */
    void *workspace;          /* convd_plan_workspace bytes, 64-byte aligned; NULL: taken and given back */
    struct convd_pool *pool;  /* NULL: the calling thread alone                                     */
    const atomic_bool *cancel;/* looked at between bands; NULL: never                               */
    uint64_t *saturated;      /* one for each output, or NULL: values that u8 and u16 had to saturate (NaN too) */
    uint64_t *step_ns;        /* one for each node, or NULL: time spent, added over bands           */
    /* One for each node, or NULL: what steps keep for their gradients; convd_grad_run's own. */
    unsigned char *const *kept;
};
/* Runs. False only when cancelled or when workspace is NULL and there is no memory (then f says so). */
bool convd_plan_run(const struct convd_plan *p, const struct convd_run *run, struct convd_faults *f);

/* ---- the worker pool ---------------------------------------------------------------------------------------- */

/* threads: 0 for as many as this process may use. NULL without memory or threads. */
struct convd_pool *convd_pool_new(size_t threads);
void convd_pool_free(struct convd_pool *pool);
size_t convd_pool_threads(const struct convd_pool *pool);

/* ---- gradients ---------------------------------------------------------------------------------------------- */

/* Back-propagation: dL/d image, dL/d every tensor, dL/d weights, from dL/d one output. A gradient is a plan that keeps every
 * map, and a sweep from the output back. Each worker adds weight gradients to numbers of its own; they are summed in order,
 * so that the same number of threads gives the same bits. */

/* Something a gradient can be taken for. */
enum convd_wrt_kind { CONVD_WRT_IMAGE, CONVD_WRT_TENSOR, CONVD_WRT_WEIGHT };
struct convd_wrt {
    enum convd_wrt_kind kind;
    const char *name; /* "image", the tensor's name, or "STEP.weight"              */
    int node;         /* WEIGHT: the step                                         */
    size_t row;       /* WEIGHT: the params row                                   */
    int rank;
    ptrdiff_t dim[4];
    size_t count;
};
struct convd_grad;
/* weights: also for every weight that comes from an init or has "learn": true (and not "learn": false). Faults:
 * NOT_DIFFERENTIABLE at the first step on a way that no gradient goes through, limits as in convd_plan_new. */
struct convd_grad *convd_grad_new(struct convd_graph *g, const struct convd_input *in, int node,
                                  bool weights, const struct convd_limits *limits, size_t threads,
                                  struct convd_faults *f);
void convd_grad_free(struct convd_grad *d);
const struct convd_wrt *convd_grad_wrt(const struct convd_grad *d, size_t i); /* NULL past the end */
struct convd_shape convd_grad_shape(const struct convd_grad *d);              /* of the output     */
size_t convd_grad_workspace(const struct convd_grad *d);

struct convd_grad_run {
    const void *input;
    const float *upstream;     /* dL/d output, NULL: ones                             */
    float *output;             /* the output itself, or NULL                          */
    float *const *gradients;   /* one for each convd_wrt, written; NULL: not wanted. No two overlap, nor upstream */
    void *workspace;           /* 64-byte aligned, or NULL: taken and given back      */
    bool kept;                 /* the workspace holds the maps of a run before, of the same input: only back */
    struct convd_pool *pool;
    const atomic_bool *cancel;
};
bool convd_grad_run(const struct convd_grad *d, const struct convd_grad_run *run,
                    struct convd_faults *f);

/* ---- learning ----------------------------------------------------------------------------------------------- */

/* Weights of a graph, learned from examples:
 *
 *     struct convd_learner *l = convd_learner_open(graph, node, "epochs=20,optimizer=adam", NULL, 2, f);
 *     for each example: convd_learner_add(l, &example, pool, NULL, f);
 *     convd_learner_ready(l, f) && convd_learner_run(l, &run, f);
 *     convd_learner_weight(l, 0) …, or plans of the graph, which has the learned numbers while the learner lives.
 *
 * What is learned is every weight that comes from an init, or whose step has "learn": true; "learn": false freezes a step. Steps
 * that no learned one stands before run once an example, when it is added. Samples of a batch are shared by workers; the
 * gradients of each worker are added up in order, so that the same seed, examples, instruction set and thread count give
 * the same weights, bit for bit. Nothing is allocated between convd_learner_ready and the end. */

/* One example: a picture and its class, or a picture and what should come out. Nothing of it is kept but numbers. */
struct convd_example {
    const char *name;         /* for words about it                              */
    struct convd_input input; /* n is 1                                          */
    const void *pixels;
    ptrdiff_t class;          /* -1: there is a target                           */
    struct convd_shape shape; /* of the target                                   */
    const float *target;
    bool bounded;             /* the target is a picture, which saturates at 0 and 255: beyond them all agrees with it */
};
/* One row of the curve; NAN where something was not measured. */
struct convd_curve {
    double loss, accuracy, val_loss, val_accuracy, seconds;
};
struct convd_learn_news {
    ptrdiff_t epoch, epochs;         /* epochs done; of how many                                    */
    size_t done, total;              /* examples of the whole run, those of earlier epochs included */
    const struct convd_curve *curve; /* the row of an epoch that just ended, or NULL                */
    double loss;                     /* of the batch that just ended                                */
};
struct convd_learn_run {
    struct convd_pool *pool;
    const atomic_bool *cancel;
    /* After every batch and every epoch; NULL: nobody asks. */
    void (*news)(void *self, const struct convd_learn_news *n);
    void *self;
};
/* A weight that learning changes, or a running statistic of batch_norm. */
struct convd_learned {
    const char *name;        /* "STEP.weight"                                  */
    int node;
    size_t row;              /* of the op's params                             */
    struct convd_tensor now; /* the numbers, in the order they are written in  */
    const float *before;     /* the same before learning                       */
    size_t count;
    bool running;            /* a statistic                                    */
};

struct convd_learner;
/* node: whose result is compared. settings: as text, by the rows of learn/settings.def ("lr=0.01,batch_size=16"; "" for what
 * the examples ask for). The graph must outlive the learner, which changes its weights. limits: as for a plan; memory holds
 * for all examples and everything else together. NULL after faults. */
struct convd_learner *convd_learner_open(struct convd_graph *g, int node, const char *settings,
                                         const struct convd_limits *limits, size_t threads,
                                         struct convd_faults *f);
void convd_learner_free(struct convd_learner *l);
/* Adds an example. Faults name it; CANCELLED once *cancel (NULL: nobody asks) is set. */
bool convd_learner_add(struct convd_learner *l, const struct convd_example *e,
                       struct convd_pool *pool, const atomic_bool *cancel, struct convd_faults *f);
/* Checks what can only be seen of all examples, and takes all memory. */
bool convd_learner_ready(struct convd_learner *l, struct convd_faults *f);
/* Learns one epoch; false after a fault (CANCELLED, or a loss that is no number). */
bool convd_learner_epoch(struct convd_learner *l, const struct convd_learn_run *run,
                         struct convd_faults *f);
/* True when there is no epoch left, or early_stop ended it. */
bool convd_learner_done(const struct convd_learner *l);
/* Epochs until done. */
bool convd_learner_run(struct convd_learner *l, const struct convd_learn_run *run,
                       struct convd_faults *f);
const struct convd_curve *convd_learner_curve(const struct convd_learner *l, size_t *n);
const struct convd_learned *convd_learner_weight(const struct convd_learner *l, size_t i); /* NULL past the end */

/* ---- pictures ----------------------------------------------------------------------------------------------- */
/* image/image.h has the codec list; tensor files are in tensor_file.h. */

#endif
