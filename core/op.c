/* op.c: the list of ops. */
#include "op.h"
#include <string.h>

static const struct convd_op *const ops[] = {
#define OP(NAME) &convd_op_##NAME,
#include "ops.def"
#undef OP
    NULL};

size_t convd_op_count(void)
{
    return sizeof ops / sizeof *ops - 1;
}

const struct convd_op *convd_op_at(size_t i)
{
    return i < convd_op_count() ? ops[i] : NULL;
}

const char *convd_op_name(const void *unused, size_t i)
{
    (void)unused;
    return i < convd_op_count() ? ops[i]->name : NULL;
}

const struct convd_op *convd_op_find(const char *name)
{
    for (size_t i = 0; ops[i]; i++)
        if (strcmp(ops[i]->name, name) == 0)
            return ops[i];
    for (size_t i = 0; ops[i]; i++)
        if (convd_word_in(ops[i]->aliases, name))
            return ops[i];
    return NULL;
}

const char *convd_group_word(enum convd_group g)
{
    static const char *const words[] = {"convolution", "pooling", "rank", "pointwise", "merging",
                                        "channels", "normalising", "geometry", "blocks"};
    return words[g];
}
