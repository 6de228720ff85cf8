/* block.c: parameters that are settled late; see block.h. */
#include "block.h"
#include <string.h>

void *convd_block_field(const char *op, void *params, const char *name)
{
    return (char *)params + convd_param_find(convd_op_find(op)->params, name)->offset;
}

/* {"init":"he_normal", OF: out, "kernel_size": 1, "seed": seed} */
static const struct convd_value *source(const char *of, ptrdiff_t out, uint64_t seed, bool kernel,
                                        struct convd_arena *mem)
{
    struct convd_value *v = convd_arena_zero(mem, sizeof *v);
    struct convd_member *m = convd_arena_array(mem, 4, sizeof *m);
    uint32_t n = 0;
    if (!v || !m) return NULL;
    m[n++] = (struct convd_member){"init", convd_string("he_normal")};
    m[n++] = (struct convd_member){of, convd_number((double)out)};
    if (kernel) m[n++] = (struct convd_member){"kernel_size", convd_number(1)};
    if (seed) m[n++] = (struct convd_member){"seed", convd_number((double)seed)};
    *v = (struct convd_value){.kind = CONVD_OBJECT, .n = n, .members = m};
    return v;
}

void convd_block_init(struct convd_weight *w, const char *of, ptrdiff_t out, uint64_t seed,
                      struct convd_arena *mem)
{
    bool kernel = strcmp(of, "out_channels") == 0;
    *w = (struct convd_weight){
        .kind = CONVD_W_INIT,
        .init = CONVD_HE_NORMAL,
        .out = out,
        .gain = 1,
        .seed = seed,
        .has_seed = seed != 0,
        .max_side = w->max_side,
        .source = source(of, out, seed, kernel, mem),
    };
    if (kernel) w->size = (struct convd_pair){1, 1};
}
