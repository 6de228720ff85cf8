/* minimum: the smallest of the inputs. Broadcasts. NaN wins. Equals torch.minimum. */
#include "integer.h"
#include "merge.h"

MERGE(smaller)

static void back(struct merge_back *m)
{
    convd_merge_back_best(m, false);
}
MERGE_BACK(back)

static bool fixed(const struct convd_site *s, const struct convd_fixed *x, struct convd_fixed_ask *a,
                  struct convd_fixed *y)
{
    if (!convd_int_merges(s, x, a, y)) return false;
    for (size_t i = 1; i < s->n; i++) {
        y->lo = fmin(y->lo, x[i].lo);
        y->hi = fmin(y->hi, x[i].hi);
        y->error = fmax(y->error, x[i].error);
    }
    return convd_int_fit(y, y->frac);
}
static void forward_fixed(const struct convd_fixed_call *c)
{
    convd_int_merge_rows(c, c->site->simd->min_i16);
}

const struct convd_op convd_op_minimum = {
    .name = "minimum",
    MERGE_ROW,
    .fixed = fixed,
    .forward_fixed = forward_fixed,
    .summary = "smallest of the inputs",
    .example = "[\"grayscale\",{\"op\":\"filter\",\"kernel\":\"sobel_x\"},{\"id\":\"x\","
               "\"op\":\"abs\"},{\"op\":\"filter\",\"kernel\":\"sobel_y\",\"input\":\"s0\"},"
               "{\"id\":\"y\",\"op\":\"abs\"},{\"op\":\"minimum\",\"inputs\":[\"x\",\"y\"]}]",
    .aliases = "Min Minimum",
    .source = "torch.minimum",
    .torch = "functools.reduce(torch.minimum, [{xs}])",
    .opencv = "functools.reduce(np.minimum, [{xs}])",
};
