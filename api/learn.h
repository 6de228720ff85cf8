/* learn.h: learning from what a request or a command line hands in: a pipeline, settings, and files by their names.
 *
 *     api_learn_begin     reads pipeline, tensors and settings: every fault of them at once
 *     api_learn_files     sorts names into examples: one folder for each class, or input/ and target/
 *     api_learn_look      optional, for each i in order: what an example's headers tell before any is decoded
 *     api_learn_add       decodes one example and adds it, for each i below n_examples, in order
 *     api_learn_ready     what only all examples together can tell
 *     api_learn_epoch     until api_learn_done; api_learn_save after each, to go on from there another time
 *     api_learn_weights, api_learn_result
 *
 * Opens no file: names and bytes are the caller's, from a directory or an archive. */
#ifndef API_LEARN_H
#define API_LEARN_H
#include "../core/learn/learn.h"
#include "work.h"

/* Two files of the list that api_learn_files was given: the picture and, of a pair, its target. */
struct api_learn_example {
    size_t picture, target;  /* target: SIZE_MAX where there is a class */
    size_t class;
};
struct api_learn {
    /* Set by the caller, as for any other work: library, memory, limits (limits.plan.memory holds for all examples
     * together), threads (they decide the last bits of the weights), the pipeline, tensors (a safetensors file with
     * STEP.weight is where learning begins). Faults are work.faults. */
    struct api_work work;
    const struct convd_value *settings;/* an object; NULL: none                                   */
    const atomic_bool *cancel;         /* once it is set, adding an example and the result fail; NULL: nobody asks */
    const char *others;                /* its members that are the caller's, blank-separated: "type pipeline save_as" */
    const struct convd_arg *args;      /* or: settings as texts                                   */
    size_t n_args;

    /* made */
    struct convd_learn_settings set;
    struct convd_learner *learner;
    const char *const *names;          /* as given to api_learn_files                             */
    struct api_learn_example *examples;
    size_t n_examples;
    const char **classes;              /* in byte order: labels of the result                     */
    size_t n_classes;                  /* 0: pairs                                                */
    size_t bytes;                      /* most memory of all of it, by api_learn_look             */
};
bool api_learn_begin(struct api_learn *x);
void api_learn_release(struct api_learn *x); /* also after a failed begin */

/* names: paths with '/', relative; what stands in no folder, or is hidden, is no example. Folders that hold all others are
 * looked through. The names must outlive the work. Faults: one class, no pictures, a picture without its target. */
bool api_learn_files(struct api_learn *x, const char *const *names, size_t n);
/* Faults of what the headers of example i tell: no picture, shapes that do not fit. The first one settles `bytes`. */
bool api_learn_look(struct api_learn *x, size_t i, const void *picture, size_t n, const void *target, size_t target_n);
/* The bytes of example i: picture and, of a pair, target. */
bool api_learn_add(struct api_learn *x, size_t i, const void *picture, size_t n, const void *target, size_t target_n,
                   struct convd_pool *pool);
bool api_learn_ready(struct api_learn *x);
/* One epoch; news as the learner tells it. */
bool api_learn_epoch(struct api_learn *x, const struct convd_learn_run *run);
bool api_learn_done(const struct api_learn *x);
bool api_learn_save(const struct api_learn *x, struct convd_bytes *out);
bool api_learn_load(struct api_learn *x, const void *data, size_t n);

/* Appends safetensors: STEP.weight, STEP.bias …, sorted, nothing that varies. */
bool api_learn_weights(const struct api_learn *x, struct convd_bytes *out);
/* Appends the pipeline as it is to be saved beside its weights: as it came, with the classes as its labels. */
bool api_learn_spec(struct api_learn *x, struct convd_bytes *out);
/* Appends {"pipeline","classes","curve","confusion","kernels"}; pipeline NULL: null. False without memory, or cancelled. */
bool api_learn_result(struct api_learn *x, const char *pipeline, struct convd_pool *pool, struct convd_bytes *out);
/* A row of the curve as JSON, as in the result and in events: {"epoch","loss",…}. */
struct api_json;
void api_learn_curve_row(struct api_json *j, size_t epoch, const struct convd_curve *row);
/* The bank of the first learned step that has one, before or after learning, as a picture: appends PNG. False: no bank. */
bool api_learn_kernels(const struct api_learn *x, bool after, struct convd_bytes *out);
#endif
