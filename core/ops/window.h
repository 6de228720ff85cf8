/* window.h: the one walker behind max_pool, min_pool, avg_pool, sum_pool and lp_pool.
 *
 * A window is walked separably: first down its rows (whole picture rows at a time), then along its columns, tap by tap.
 * Taps outside the picture are not visited at all; where they count, the op knows how many they are
 * (convd_window_taps). Nothing depends on how the output rows are cut into bands. */
#ifndef CONVD_OPS_WINDOW_H
#define CONVD_OPS_WINDOW_H
#include "row.h"

/* The parameters of every pool; the last three belong to avg_pool and lp_pool. */
struct convd_window_params {
    struct convd_pair kernel_size, stride;
    struct convd_padding padding;
    struct convd_pair dilation;
    bool ceil_mode;
    bool count_include_pad;
    ptrdiff_t divisor_override; /* 0: left out */
    double norm_type;
};

#define WINDOW_PARAMS                                                                              \
    {OF(convd_window_params, kernel_size),                                                         \
     .type = CONVD_P_PAIR,                                                                         \
     .lo = 1,                                                                                      \
     .hi = 4096,                                                                                   \
     .summary = "window, pixels",                                                                  \
     .aliases = "ksize kernel kernel_shape pool_size"},                                            \
        {OF(convd_window_params, stride),                                                          \
         .type = CONVD_P_PAIR,                                                                     \
         .def = "=kernel_size",                                                                    \
         .lo = 1,                                                                                  \
         .hi = 4096,                                                                               \
         .summary = "step, pixels",                                                                \
         .aliases = "strides"},                                                                    \
        {OF(convd_window_params, padding),                                                         \
         .type = CONVD_P_PADDING,                                                                  \
         .def = "0",                                                                               \
         .lo = 0,                                                                                  \
         .hi = 65536,                                                                              \
         .summary = "border on each side, pixels; less than the window",                           \
         .aliases = "pad pads"},                                                                   \
        {OF(convd_window_params, dilation),                                                        \
         .type = CONVD_P_PAIR,                                                                     \
         .def = "1",                                                                               \
         .lo = 1,                                                                                  \
         .hi = 4096,                                                                               \
         .summary = "distance between taps, pixels",                                               \
         .aliases = "dilations"},                                                                  \
    {                                                                                              \
        OF(convd_window_params, ceil_mode), .type = CONVD_P_BOOL, .def = "false",                  \
                                            .summary = "round the output size up instead of down"  \
    }

/* One axis of a pool on its input: n numbers in, out numbers out. */
struct convd_window_axis {
    ptrdiff_t n, out, k, stride, dilation, before, after;
};
struct convd_window_axes {
    struct convd_window_axis y, x;
};
struct convd_window_axes convd_window_axes(const struct convd_site *s);
/* Where window o begins; may be negative. */
static inline ptrdiff_t convd_window_start(const struct convd_window_axis *a, ptrdiff_t o)
{
    return o * a->stride - a->before;
}
/* Taps of window o inside the padded picture, and inside the picture itself. */
ptrdiff_t convd_window_taps(const struct convd_window_axis *a, ptrdiff_t o, bool padded);
/* The outputs [*lo,*hi) whose tap t lies inside the picture. */
void convd_window_range(const struct convd_window_axis *a, ptrdiff_t t, ptrdiff_t *lo,
                        ptrdiff_t *hi);

/* Hooks of the row. */
extern const struct convd_rule convd_window_rules[];
bool convd_window_check(const void *params, struct convd_faults *f);
bool convd_window_shape(struct convd_site *s, struct convd_faults *f);
void convd_window_cost(const struct convd_site *s, struct convd_cost *c);
void convd_window_field(const struct convd_site *s, struct convd_window *w);
bool convd_window_rows(const struct convd_site *s, size_t i, struct convd_rows y,
                       struct convd_rows *x);
/* The window of a number, with zeros outside; of the kind CONVD_LOOK_WINDOW. */
void convd_window_look(const struct convd_site *s, struct convd_place at, struct convd_look *l);
size_t convd_window_scratch(const struct convd_site *s, ptrdiff_t rows);

/* For programs: whether torch's own pools take the padding (as much on both sides, at most half a window), and the numbers
 * behind the picture that the last window reaches (negative: so many of the picture it does not). */
bool convd_window_plain(const struct convd_site *s);
struct convd_pair convd_window_cover(const struct convd_site *s);

#define WINDOW_ROW                                                                                 \
    .group = CONVD_POOLING, .algorithm = "direct", .params = params,                               \
    .params_size = sizeof(struct convd_window_params), .rules = convd_window_rules,                \
    .check = convd_window_check,                                                                   \
    .shape = convd_window_shape, .cost = convd_window_cost, .window = convd_window_field,          \
    .rows = convd_window_rows, .scratch = convd_window_scratch, .forward = forward

/* Fills y with the largest (sign > 0) or smallest number of each window; NaN wins. */
void convd_window_extreme(const struct convd_call *call, bool largest);
/* Sums each window in double: term(x) of each number (NULL: the number itself), then y = finish(sum, taps inside the
 * padded picture, taps inside the picture). */
void convd_window_sum(const struct convd_call *call,
                      double (*term)(double x, const struct convd_window_params *p),
                      double (*finish)(double sum, double padded, double inside,
                                       const struct convd_window_params *p));
#endif
