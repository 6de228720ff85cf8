/* add: the sum of the inputs, left to right, in float. Broadcasts. NaN propagates. Equals torch.add. */
#include "fused.h"
#include "merge.h"

static inline float op(float a, float b)
{
    return a + b;
}
MERGE(op)

static void back(struct merge_back *m)
{
    (void)m; /* all of it goes to every input */
}
MERGE_BACK(back)

static bool fixed(const struct convd_site *s, const struct convd_fixed *x, struct convd_fixed_ask *a,
                  struct convd_fixed *y)
{
    if (!convd_int_merges(s, x, a, y)) return false;
    for (size_t i = 1; i < s->n; i++) {
        y->lo += x[i].lo;
        y->hi += x[i].hi;
        y->error += x[i].error;
        if (!convd_int_fit(y, y->frac)) return false;
    }
    return true;
}
static void forward_fixed(const struct convd_fixed_call *c)
{
    convd_int_merge_rows(c, c->site->simd->add_i16);
}

const struct convd_op convd_op_add = {
    .name = "add",
    MERGE_ROW,
    .back_skips_x = true,
    .back_skips_y = true,
    .fixed = fixed,
    .forward_fixed = forward_fixed,
    .fused = convd_fused_add,
    .summary = "sum of the inputs",
    .example = "[\"grayscale\",{\"op\":\"filter\",\"kernel\":\"sobel_x\"},{\"id\":\"x\","
               "\"op\":\"abs\"},{\"op\":\"filter\",\"kernel\":\"sobel_y\",\"input\":\"s0\"},"
               "{\"id\":\"y\",\"op\":\"abs\"},{\"op\":\"add\",\"inputs\":[\"x\",\"y\"]}]",
    .aliases = "Add Sum plus",
    .source = "torch.add",
    .torch = "{join: + }",
    .opencv = "{join: + }",
};
