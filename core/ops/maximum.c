/* maximum: the largest of the inputs. Broadcasts. NaN wins. Equals torch.maximum. */
#include "fused.h"
#include "merge.h"

MERGE(larger)

static void back(struct merge_back *m)
{
    convd_merge_back_best(m, true);
}
MERGE_BACK(back)

static bool fixed(const struct convd_site *s, const struct convd_fixed *x, struct convd_fixed_ask *a,
                  struct convd_fixed *y)
{
    if (!convd_int_merges(s, x, a, y)) return false;
    for (size_t i = 1; i < s->n; i++) {
        y->lo = fmax(y->lo, x[i].lo);
        y->hi = fmax(y->hi, x[i].hi);
        y->error = fmax(y->error, x[i].error);
    }
    return convd_int_fit(y, y->frac);
}
static void forward_fixed(const struct convd_fixed_call *c)
{
    convd_int_merge_rows(c, c->site->simd->max_i16);
}

const struct convd_op convd_op_maximum = {
    .name = "maximum",
    MERGE_ROW,
    .fixed = fixed,
    .forward_fixed = forward_fixed,
    .fused = convd_fused_maximum,
    .summary = "largest of the inputs",
    .example = "[\"grayscale\",{\"op\":\"filter\",\"kernel\":\"sobel_x\"},{\"id\":\"x\","
               "\"op\":\"abs\"},{\"op\":\"filter\",\"kernel\":\"sobel_y\",\"input\":\"s0\"},"
               "{\"id\":\"y\",\"op\":\"abs\"},{\"op\":\"maximum\",\"inputs\":[\"x\",\"y\"]}]",
    .aliases = "Max Maximum",
    .source = "torch.maximum",
    .torch = "functools.reduce(torch.maximum, [{xs}])",
    .opencv = "functools.reduce(np.maximum, [{xs}])",
};
