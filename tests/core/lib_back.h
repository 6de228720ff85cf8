/* lib_back.h: an op's backward against central differences of its definition in double. Parts are run apart, each with weight
 * gradients of its own, scratch in exactly the bytes that were asked for. */
#ifndef LIB_BACK_H
#define LIB_BACK_H
#include "lib_site.h"

enum { BACK_INPUTS = 5 };

/* What y depends on: the input (first), then weights, each with its place among the params rows. */
struct back_variable {
    size_t row, count;
    double *value;
};
struct back_case {
    struct op_site *site; /* open                                          */
    size_t n;
    struct back_variable in[BACK_INPUTS];
    void (*define)(const struct back_case *c, double *y); /* y from in[...].value  */
    const void *of; /* for define                                    */
    double step;    /* of the differences: 1 where y is linear in each number */
    const char *what;
};
/* One call of backward, with what else the op wants for it: turned weights, sums of its own that are given back. */
void back_run(const struct op_site *s, struct convd_back b);
/* numbers of each variable that are looked at: `some`, at random. */
void back_check(const struct back_case *c, struct t_rng *r, size_t some);
/* n numbers in [-1,1), as floats hold them. */
double *back_numbers(struct t_rng *r, size_t n);
float *back_floats(const double *v, size_t n);
#endif
