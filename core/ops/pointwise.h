/* pointwise.h: y[i] = f(x[i]) for every number, the mechanism of all pointwise ops. A file writes f, what goes back through
 * it (dL/dx from x, y and dL/dy) and one line:
 *
 *     static inline float f(float x) { return x < 0 ? 0 : x; }
 *     static inline float back(struct at v) { return v.x <= 0 ? 0 : v.dy; }
 *     POINTWISE(f, back)
 *     const struct convd_op convd_op_relu = {.name = "relu", POINTWISE_ROW, .summary = …};
 *
 * or f(x, p) and back(v, p) with its own struct params and POINTWISE_WITH(f, back). Both are inlined into their loops; y may
 * be x. back answers at kinks and for NaN what torch answers; it chooses rather than multiplies by 0 where nothing goes back,
 * so that dy = inf leaves no NaN there. */
#ifndef CONVD_OPS_POINTWISE_H
#define CONVD_OPS_POINTWISE_H
#include "row.h"

/* DO something with each run of n numbers, from x to y. */
#define POINTWISE_RUNS(...)                                                                        \
    const struct convd_view *in = call->x, *out = call->y;                                         \
    const bool flat = in->row == in->w && out->row == out->w; /* a channel's rows are one */       \
    const ptrdiff_t n = flat ? out->w * (out->y1 - out->y0) : out->w;                              \
    for (ptrdiff_t c = 0; c < out->c; c++)                                                         \
        for (ptrdiff_t i = out->y0; i < out->y1; i += flat ? out->y1 - out->y0 : 1) {              \
            const float *x = convd_row(in, c, i);                                                  \
            float *y = convd_row(out, c, i);                                                       \
            __VA_ARGS__                                                                            \
        }
#define POINTWISE_LOOP(CALL)                                                                       \
    POINTWISE_RUNS(INDEPENDENT for (ptrdiff_t j = 0; j < n; j++) y[j] = CALL;)

/* One number on the way back. */
struct at {
    float x, y, dy;
};

/* Maps on their way back are whole: rows that follow each other without gaps are one. */
static inline ptrdiff_t back_run(const struct convd_back *b)
{
    const struct convd_view *v[] = {b->x, b->y, b->dy, b->dx};
    for (int i = 0; i < 4; i++)
        if (v[i]->row != v[i]->w || v[i]->plane != v[i]->h * v[i]->w) return 1;
    return v[0]->c * v[0]->h;
}

/* The same on the way back: to dx, from dy and what was there. */
#define POINTWISE_BACK_RUNS(...)                                                                   \
    const struct convd_rows own = part_rows(call, call->dx);                                       \
    const ptrdiff_t h = call->dx->h, most_rows = own.y0 < own.y1 ? back_run(call) : 1;             \
    for (ptrdiff_t r = own.y0, rows; r < own.y1; r += rows) {                                      \
        rows = least(most_rows, own.y1 - r);                                                       \
        const float *x = convd_row(call->x, r / h, r % h), *y = convd_row(call->y, r / h, r % h),  \
                    *dy = convd_row(call->dy, r / h, r % h);                                       \
        float *dx = convd_row(call->dx, r / h, r % h);                                             \
        const ptrdiff_t n = rows * call->dx->w;                                                    \
        (void)x, (void)y;                                                                          \
        __VA_ARGS__                                                                                \
    }
#define POINTWISE_BACK_LOOP(CALL)                                                                  \
    POINTWISE_BACK_RUNS(                                                                           \
        if (call->fresh) {                                                                         \
            INDEPENDENT                                                                            \
            for (ptrdiff_t j = 0; j < n; j++) {                                                    \
                const struct at v = {x[j], y[j], dy[j]};                                           \
                dx[j] = CALL;                                                                      \
            }                                                                                      \
            continue;                                                                              \
        } INDEPENDENT for (ptrdiff_t j = 0; j < n; j++) {                                          \
            const struct at v = {x[j], y[j], dy[j]};                                               \
            dx[j] += CALL;                                                                         \
        })

#define POINTWISE_FORWARD(F)                                                                       \
    static void forward(const struct convd_call *call)                                             \
    {                                                                                              \
        POINTWISE_LOOP(F(x[j]))                                                                    \
    }
#define POINTWISE_FORWARD_WITH(F)                                                                  \
    static void forward(const struct convd_call *call)                                             \
    {                                                                                              \
        const struct params p = *(const struct params *)call->site->params;                        \
        POINTWISE_LOOP(F(x[j], &p))                                                                \
    }
#define POINTWISE_BACK(BACK)                                                                       \
    static void backward(const struct convd_back *call)                                            \
    {                                                                                              \
        POINTWISE_BACK_LOOP(BACK(v))                                                               \
    }
#define POINTWISE_BACK_WITH(BACK)                                                                  \
    static void backward(const struct convd_back *call)                                            \
    {                                                                                              \
        const struct params p = *(const struct params *)call->site->params;                        \
        POINTWISE_BACK_LOOP(BACK(v, &p))                                                           \
    }
/* A staircase: the slope is 0 wherever there is one, and nothing goes back. */
#define POINTWISE_BACK_FLAT                                                                        \
    static void backward(const struct convd_back *call)                                            \
    {                                                                                              \
        clear_if_fresh(call);                                                                      \
    }

#define POINTWISE(F, BACK)      POINTWISE_FORWARD(F) POINTWISE_BACK(BACK)
#define POINTWISE_WITH(F, BACK) POINTWISE_FORWARD_WITH(F) POINTWISE_BACK_WITH(BACK)

#define POINTWISE_ROW                                                                              \
    .group = CONVD_POINTWISE, .algorithm = "pointwise", .in_place = true, .forward = forward,      \
    .backward = backward, .back_writes = true, .back_in_place = true, .back_by_channel = true
#endif
