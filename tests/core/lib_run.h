/* lib_run.h: a list of steps, written as JSON, run on one f32 map; and the fault when it is refused. */
#ifndef LIB_RUN_H
#define LIB_RUN_H
#include "../../core/graph.h"
#include "../../core/plan.h"
#include "../t.h"

struct answer {
    struct convd_shape shape; /* of the result                                     */
    float *y;                 /* its numbers (free with answer_free), NULL: refused */
    int code;                 /* first fault                                       */
    char pointer[128], detail[200], expected[200];
    size_t faults;
};
/* steps: a JSON array; tensors: n of them, known as "@name". */
struct answer run_steps(const char *steps, struct convd_shape shape, const float *x,
                        const struct convd_tensor *tensors, size_t n);
static inline struct answer run(const char *steps, struct convd_shape shape, const float *x)
{
    return run_steps(steps, shape, x, NULL, 0);
}
void answer_free(struct answer *a);
/* The answer is y of that shape, to 1e-6 of each number (NaN where NaN is expected). */
void expect_numbers(const char *steps, struct convd_shape shape, const float *x,
                    struct convd_shape want, const float *y);
/* The first fault has that code, pointer and words. */
void expect_fault(const char *steps, struct convd_shape shape, int code, const char *pointer,
                  const char *detail, const char *expected);
/* Fills n numbers in [lo,hi). */
void draw(struct t_rng *r, float *x, size_t n, double lo, double hi);
#endif
