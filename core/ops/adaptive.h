/* adaptive.h: windows that share the picture among a given number of outputs:
 * output o of n covers [floor(o * size / n), ceil((o + 1) * size / n)). They may overlap, and repeat where n > size. */
#ifndef CONVD_OPS_ADAPTIVE_H
#define CONVD_OPS_ADAPTIVE_H
#include "row.h"

struct convd_adaptive_params {
    struct convd_pair output_size;
};

#define ADAPTIVE_PARAMS                                                                            \
    {                                                                                              \
        OF(convd_adaptive_params, output_size),                                                    \
            .type = CONVD_P_PAIR, .lo = 1, .hi = 65536,                                            \
            .summary = "height and width of the result, pixels", .aliases = "size"                 \
    }

static inline ptrdiff_t adaptive_start(ptrdiff_t o, ptrdiff_t size, ptrdiff_t n)
{
    return o * size / n;
}
static inline ptrdiff_t adaptive_end(ptrdiff_t o, ptrdiff_t size, ptrdiff_t n)
{
    return ((o + 1) * size + n - 1) / n;
}

static inline struct convd_rows adaptive_run(ptrdiff_t o, ptrdiff_t size, ptrdiff_t n)
{
    return (struct convd_rows){adaptive_start(o, size, n), adaptive_end(o, size, n)};
}

bool convd_adaptive_shape(struct convd_site *s, struct convd_faults *f);
void convd_adaptive_cost(const struct convd_site *s, struct convd_cost *c);
void convd_adaptive_window(const struct convd_site *s, struct convd_window *w);
bool convd_adaptive_rows(const struct convd_site *s, size_t i, struct convd_rows y,
                         struct convd_rows *x);
void convd_adaptive_look(const struct convd_site *s, struct convd_place at, struct convd_look *l);
size_t convd_adaptive_scratch(const struct convd_site *s, ptrdiff_t rows); /* a row of doubles */

#define ADAPTIVE_ROW                                                                               \
    .group = CONVD_POOLING, .algorithm = "direct", .params = params,                               \
    .params_size = sizeof(struct convd_adaptive_params), .shape = convd_adaptive_shape,            \
    .cost = convd_adaptive_cost, .window = convd_adaptive_window, .rows = convd_adaptive_rows,     \
    .scratch = convd_adaptive_scratch, .forward = forward, .backward = backward
#endif
