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

/* The outputs whose windows lie inside the picture in all their taps; may be none. */
struct convd_rows convd_window_inside(const struct convd_window_axis *a);

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
    .check = convd_window_check, .shape = convd_window_shape, .cost = convd_window_cost,           \
    .window = convd_window_field, .rows = convd_window_rows, .scratch = convd_window_scratch,      \
    .forward = forward, .backward = backward, .by_channel = true

/* ---- max_pool and min_pool ---- */

/* Fills y with the largest or smallest number of each window; NaN wins. */
void convd_window_extreme(const struct convd_call *call, bool largest);
void convd_window_extreme_look(const struct convd_site *s, struct convd_place at,
                               struct convd_look *l, bool largest);
const char *convd_window_extreme_torch(const struct convd_site *s, struct convd_arena *mem,
                                       bool largest);
const char *convd_window_extreme_opencv(const struct convd_site *s, struct convd_arena *mem,
                                        bool largest);

/* Windows of two or three columns, two apart, go rows and columns at once, forward and back (window_squares.c): back by what
 * forward kept, who won. False: they are none, or back nothing was kept (rows are short), and nothing was done. */
bool convd_squares_extreme(const struct convd_call *call, const struct convd_window_axes *a,
                           bool largest);
bool convd_squares_back(const struct convd_back *call, const struct convd_window_axes *a);
size_t convd_squares_kept(const struct convd_site *s); /* bytes of a channel; 0: nothing */

/* The parameters and hooks of the two, to stand above a row with WINDOW_EXTREME_ROW; needs window_int.h. */
#define WINDOW_EXTREME(LARGEST)                                                                    \
    static const struct convd_param params[] = {WINDOW_PARAMS, CONVD_PARAM_END};                   \
    static void forward(const struct convd_call *call)                                             \
    {                                                                                              \
        convd_window_extreme(call, LARGEST);                                                       \
    }                                                                                              \
    static void backward(const struct convd_back *call)                                            \
    {                                                                                              \
        convd_window_extreme_back(call, LARGEST);                                                  \
    }                                                                                              \
    static void forward_fixed(const struct convd_fixed_call *c)                                    \
    {                                                                                              \
        convd_window_best_rows(c, LARGEST);                                                        \
    }                                                                                              \
    static void look(const struct convd_site *s, struct convd_place at, struct convd_look *l)      \
    {                                                                                              \
        convd_window_extreme_look(s, at, l, LARGEST);                                              \
    }                                                                                              \
    static const char *torch(const struct convd_site *s, struct convd_arena *mem)                  \
    {                                                                                              \
        return convd_window_extreme_torch(s, mem, LARGEST);                                        \
    }                                                                                              \
    static const char *opencv(const struct convd_site *s, struct convd_arena *mem)                 \
    {                                                                                              \
        return convd_window_extreme_opencv(s, mem, LARGEST);                                       \
    }
#define WINDOW_EXTREME_ROW                                                                         \
    WINDOW_ROW, .fixed = convd_window_best_fixed, .forward_fixed = forward_fixed,                  \
                .back_scratch = convd_window_extreme_back_scratch, .back_writes = true,            \
                .picks = true, .kept_bytes = convd_squares_kept, .look = look, .torch_of = torch,  \
                .opencv_of = opencv

/* ---- sums ---- */

/* Sums each window in double: term(x) of each number (NULL: the number itself), then y = finish(sum, taps inside the
 * padded picture, taps inside the picture). */
void convd_window_sum(const struct convd_call *call,
                      double (*term)(double x, const struct convd_window_params *p),
                      double (*finish)(double sum, double padded, double inside,
                                       const struct convd_window_params *p));

/* ---- the way back (window_back.c) ---- */

/* Most taps of a window whose taps are tried one by one. */
enum { CONVD_AWARD_SMALL = 49 };

/* Winners along the rows, tap by tap (window_claim.c): begin with a row of y and of dy, then each row of x under it, from
 * above, gets what it wins; dx NULL: its gradient is not wanted. Where y is NaN nobody wins. */
struct convd_claim {
    const struct convd_window_axis *axis;
    const struct convd_simd *simd;
    ptrdiff_t outs, numbers; /* of a row, padded; of a phase of x                       */
    int slots;               /* phases that are read                                    */
    ptrdiff_t phase[CONVD_AWARD_SMALL];
    float *y, *left;
    float *x[CONVD_AWARD_SMALL],
        *sum[CONVD_AWARD_SMALL]; /* of each slot: numbers, and what goes back to them */
    const float
        *taps_x[CONVD_AWARD_SMALL];   /* what each tap sees from output 0 on                      */
    float *taps_g[CONVD_AWARD_SMALL]; /* what it wins                                            */
    const float
        *terms[CONVD_AWARD_SMALL];    /* the same as a phase sees it, slot by slot               */
    int first[CONVD_AWARD_SMALL + 1]; /* term of each slot                                       */
    float one[CONVD_AWARD_SMALL];
};
size_t convd_claim_scratch(const struct convd_window_axis *a);
/* The axis must outlive it. */
void convd_claim_init(struct convd_claim *m, const struct convd_window_axis *a,
                      const struct convd_simd *simd, float *scratch);
void convd_claim_begin(const struct convd_claim *m, const float *y, const float *dy);
void convd_claim_row(const struct convd_claim *m, const float *x, float *dx);

/* One channel on its way back to the numbers that won: x, y, dy and dx are views of it. Set all above `claim`, call init once
 * and award for each row of y whose windows meet `own`. */
struct convd_award {
    struct convd_window_axes axes;
    const struct convd_simd *simd;
    const struct convd_view *x, *y, *dy, *dx;
    struct convd_rows own; /* the rows of dx that are written */
    bool largest;          /* y is the largest, or else the smallest: for more taps than that */
    void *scratch;         /* as convd_award_scratch says */
    struct convd_claim claim;
};
size_t convd_award_scratch(const struct convd_window_axes *a);
void convd_award_init(struct convd_award *w);
void convd_award(const struct convd_award *w, ptrdiff_t i);
void convd_window_extreme_back(const struct convd_back *call, bool largest);
size_t convd_window_extreme_back_scratch(const struct convd_site *s);

/* A row of outputs on its way back: share adds to sum[o] what goes to each tap of window o, by way of its term's slope. */
struct convd_window_share {
    const struct convd_window_params *p;
    ptrdiff_t n;
    const float *dy, *y;
    double row_padded,
        row_inside; /* taps along the column: inside the padded picture, inside the picture */
    const double *padded, *inside; /* taps along the row, of each window */
    double *sum;
};
/* Of the sums: dL/dx = sum of the shares of the windows that hold x, times slope(x) (NULL: 1). */
void convd_window_sum_back(const struct convd_back *call,
                           void (*share)(const struct convd_window_share *s),
                           double (*slope)(double x, const struct convd_window_params *p));
size_t convd_window_sum_back_scratch(const struct convd_site *s);
#endif
