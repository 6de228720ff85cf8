/* pointwise.h: y[i] = f(x[i]) for every number, the mechanism of all pointwise ops. A file writes f and one line:
 *
 *     static inline float f(float x) { return x < 0 ? 0 : x; }
 *     POINTWISE(f)
 *     const struct convd_op convd_op_relu = {.name = "relu", POINTWISE_ROW, .summary = …};
 *
 * or f(x, p) with its own struct params and POINTWISE_WITH(f). f is inlined into the loop; y may be x. */
#ifndef CONVD_OPS_POINTWISE_H
#define CONVD_OPS_POINTWISE_H
#include "row.h"

#define POINTWISE_LOOP(CALL)                                                                       \
    const struct convd_view *in = call->x, *out = call->y;                                         \
    for (ptrdiff_t c = 0; c < out->c; c++)                                                         \
        for (ptrdiff_t i = out->y0; i < out->y1; i++) {                                            \
            const float *x = convd_row(in, c, i);                                                  \
            float *y = convd_row(out, c, i);                                                       \
            INDEPENDENT                                                                            \
            for (ptrdiff_t j = 0; j < out->w; j++) y[j] = CALL;                                    \
        }

#define POINTWISE(F)                                                                               \
    static void forward(const struct convd_call *call)                                             \
    {                                                                                              \
        POINTWISE_LOOP(F(x[j]))                                                                    \
    }

#define POINTWISE_WITH(F)                                                                          \
    static void forward(const struct convd_call *call)                                             \
    {                                                                                              \
        const struct params p = *(const struct params *)call->site->params;                        \
        POINTWISE_LOOP(F(x[j], &p))                                                                \
    }

#define POINTWISE_ROW                                                                              \
    .group = CONVD_POINTWISE, .algorithm = "pointwise", .in_place = true, .forward = forward
#endif
