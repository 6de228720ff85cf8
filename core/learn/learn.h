/* learn.h: what convd.h does not show of learning: settings as rows and structs, what is known before and after a run, a run
 * that is stopped and goes on. */
#ifndef CONVD_LEARN_H
#define CONVD_LEARN_H
#include "../graph.h"
#include "../image/image.h"
#include "../plan.h"

enum convd_loss { CONVD_CROSS_ENTROPY, CONVD_MSE, CONVD_L1, CONVD_LOSS_BY_DATA };
enum convd_optimizer { CONVD_SGD, CONVD_ADAM, CONVD_ADAMW };
enum convd_schedule { CONVD_CONSTANT_RATE, CONVD_STEP_RATE, CONVD_COSINE_RATE };
enum convd_mirror { CONVD_MIRROR_NONE, CONVD_MIRROR_X, CONVD_MIRROR_Y, CONVD_MIRROR_XY };
extern const char *const convd_loss_words[], *const convd_optimizer_words[], *const convd_schedule_words[],
    *const convd_mirror_words[];

/* Changes of the maps that enter the first learned step, new in every epoch. Of a pair both change alike. */
struct convd_augment {
    int flip;         /* enum convd_mirror: axes along which half of the examples are mirrored */
    ptrdiff_t shift;  /* up to so many pixels along either axis; the border repeats        */
    double noise;     /* standard deviation of what is added to every number of the input  */
};
struct convd_learn_settings {
    int loss, optimizer;
    double lr, momentum;
    bool nesterov;
    double weight_decay;
    struct convd_numbers betas;
    double eps;
    int schedule;
    ptrdiff_t step_size;
    double gamma;
    ptrdiff_t epochs, batch_size; /* epochs 0: by the data; step_size 0: a third of them */
    bool shuffle;
    double validation;
    ptrdiff_t early_stop, seed;
    struct convd_augment augment;
};
/* The rows of settings.def and of augment, for reading, help and schema; ended by CONVD_PARAM_END. */
extern const struct convd_param convd_learn_params[], convd_augment_params[];
/* Reads settings: args by the rows (and an object `augment`, as a value or as "flip=x,shift=2"). Every fault is added, at
 * the faults' place; false after any. */
bool convd_learn_read(const struct convd_arg *args, size_t n, struct convd_learn_settings *s, struct convd_arena *mem,
                      struct convd_faults *f);

/* ---- weights ---- */

/* Gives steps of g the weights of a file: a tensor STEP.ROW takes the place of what the step's row said (what came from an
 * init stays learnable). Tensors must outlive g. Faults: a name that is no weight of g. Shapes are seen when g is planned. */
bool convd_graph_weights(struct convd_graph *g, const struct convd_tensor *list, size_t n, struct convd_faults *f);
/* The weight that a tensor of that name would be: node, row. False: none. */
bool convd_graph_weight(const struct convd_graph *g, const char *name, int *node, size_t *row);

/* ---- learning ---- */

/* As convd_learner_open, settings read already. */
struct convd_learner *convd_learner_new(struct convd_graph *g, int node,
                                        const struct convd_learn_settings *s,
                                        const struct convd_limits *limits, size_t threads,
                                        struct convd_faults *f);
/* Plans for pictures of that description, if nothing was planned yet: then the shape of the result is known. */
bool convd_learner_plan(struct convd_learner *l, const struct convd_input *in, const char *name, struct convd_faults *f);
struct convd_shape convd_learner_shape(const struct convd_learner *l); /* h == 0: not planned yet */
/* After convd_learner_plan: faults of what the result's shape alone tells about that many classes (0: targets). */
bool convd_learner_fits(const struct convd_learner *l, size_t classes, struct convd_faults *f);
/* After convd_learner_plan: about what n such examples and learning from them take, bytes. */
size_t convd_learner_needs(const struct convd_learner *l, size_t n, bool targets);
/* Whether an example like this (pixels and target may be missing) can be added. */
bool convd_learner_takes(struct convd_learner *l, const struct convd_example *e,
                         struct convd_faults *f);
size_t convd_learner_examples(const struct convd_learner *l);
/* After convd_learner_ready: those that are not held back; the settings, with what was left out. */
size_t convd_learner_learns(const struct convd_learner *l);
const struct convd_learn_settings *convd_learner_settings(const struct convd_learner *l);
size_t convd_learner_classes(const struct convd_learner *l); /* 0: targets */
size_t convd_learner_bytes(
    const struct convd_learner *l); /* taken for examples, maps, gradients and all */
/* Loss and accuracy of examples as the pipeline answers when it runs, and classes × classes counts, row: the true one,
 * column: the answer (NULL: not wanted). Of the examples held back, or of all where none were. */
bool convd_learner_measure(struct convd_learner *l, struct convd_pool *pool, const atomic_bool *cancel, double *loss,
                           double *accuracy, uint64_t *confusion);

/* ---- stopping and going on: checkpoint.c ---- */

/* Appends all that the epochs so far have made. */
bool convd_learner_save(const struct convd_learner *l, struct convd_bytes *out);
/* Goes on from there: same graph, settings and examples; else a fault. Called after convd_learner_ready. */
bool convd_learner_load(struct convd_learner *l, const void *data, size_t n, struct convd_faults *f);
#endif
