/* lib_case.h: running cases that other implementations made: tensors from .npy files, steps as JSON values, one answer.
 * FIXTURES=DIR in the environment runs the cases of another folder (torch/, opencv/, onnx/ below it) in place of
 * tests/data. */
#ifndef LIB_CASE_H
#define LIB_CASE_H
#include "../../api/api.h"
#include "../../api/json.h"
#include "../../core/tensor_file.h"
#include "../t.h"

struct counts {
    size_t passed, failed, skipped;
};

/* One set of cases: memory and what the runs share. */
struct suite {
    struct convd_arena mem;      /* manifest, names                    */
    struct convd_arena case_mem; /* one case: reset by suite_next      */
    struct convd_faults *faults;
    struct api_library *library;
    char folder[512];
    struct counts counts;
};
void suite_begin(struct suite *s, const char *name);
/* Prints "NAME: N passed, N failed, N skipped" and gives everything back. */
void suite_end(struct suite *s);
/* Forgets the last case. */
void suite_next(struct suite *s);
/* A JSON file of the suite's folder; the test fails without it. */
struct convd_value suite_json(struct suite *s, const char *path);
/* A member that must be there; its text; its number, or `otherwise` when it is not there. */
const struct convd_value *need(const struct convd_value *v, const char *member);
const char *text(const struct convd_value *v, const char *member);
double number(const struct convd_value *v, const char *member, double otherwise);

/* A .npy file of the suite's folder as floats, in case_mem. */
struct convd_tensor case_tensor(struct suite *s, const char *path, const char *name);
/* The tensor as a map: (H,W), (C,H,W), (N,C,H,W), lower ranks filled up with ones in front. */
struct convd_shape case_shape(const struct convd_tensor *t);
/* Runs steps (a list, one step, or a name) on image. False with words in why. */
bool case_run(struct suite *s, const struct convd_value *steps, const struct convd_tensor *image,
              const struct convd_tensor *tensors, size_t n, struct convd_tensor *out,
              char why[256]);
/* The gradients of image (out[0]) and of each tensor (out[1 + i], by name), from dL/d output. With more threads than one
 * the work is cut for them. False with words in why. */
bool case_gradient(struct suite *s, const struct convd_value *steps, const struct convd_tensor *image,
                   const struct convd_tensor *tensors, size_t n, const struct convd_tensor *upstream, size_t threads,
                   struct convd_tensor *out, char why[256]);
/* Passes, or says the name and why. */
void case_result(struct suite *s, const char *name, bool passed, const char *why);
void case_skipped(struct suite *s, const char *name, const char *why);
size_t tensor_count(const struct convd_tensor *t);
/* |got - expected| <= abs + rel * scale for every number; NaN where NaN is expected. scale < 0: each |expected|. */
bool tensors_agree(const struct convd_tensor *expected, const struct convd_tensor *got, double abs,
                   double rel, double scale, char why[256]);
double largest(const struct convd_tensor *t);
#endif
