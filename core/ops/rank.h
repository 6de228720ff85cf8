/* rank.h: what dilate, erode and median share: a window that keeps the size, on a padded copy of the rows a band needs.
 * Window rows are i - kh/2 … i - kh/2 + kh - 1, columns alike (OpenCV's anchor for odd and even sizes). */
#ifndef CONVD_OPS_RANK_H
#define CONVD_OPS_RANK_H
#include "window.h"

struct convd_rank_params {
    struct convd_pair kernel_size;
    int padding_mode;
    double padding_value;
};

#define RANK_PARAMS(LARGEST, FLAGS)                                                                \
    {OF(convd_rank_params, kernel_size), .type = CONVD_P_PAIR, .lo = 1, .hi = LARGEST,             \
     .summary = "window, pixels", .aliases = "ksize kernel", .flags = FLAGS},                      \
        PADDING_MODE(convd_rank_params, "replicate"), PADDING_VALUE(convd_rank_params)

/* The padded copy of one channel: rows of `row` floats, w + kw - 1 of them used. */
struct convd_rank_block {
    float *data;
    ptrdiff_t rows, row, w;
};
/* Room for that copy when `rows` output rows are made, and how it is laid out; all sizes in floats. */
struct convd_rank_block convd_rank_layout(const struct convd_site *s, ptrdiff_t rows);
/* Fills it for channel c of a call. */
struct convd_rank_block convd_rank_block(const struct convd_call *call, ptrdiff_t c, float *data);

/* Hooks of the row. */
void convd_rank_cost(const struct convd_site *s, struct convd_cost *c);
void convd_rank_window(const struct convd_site *s, struct convd_window *w);
void convd_rank_look(const struct convd_site *s, struct convd_place at, struct convd_look *l);
bool convd_rank_rows(const struct convd_site *s, size_t i, struct convd_rows y,
                     struct convd_rows *x);

/* Largest or smallest of each window: runs of 1, 2, 4 … numbers are made from two shorter ones, down and then across, so
 * a window of k costs log2 k steps and not k. */
void convd_rank_extreme_cost(const struct convd_site *s,
                             struct convd_cost *c); /* rows, then columns */
size_t convd_rank_extreme_scratch(const struct convd_site *s, ptrdiff_t rows);
void convd_rank_extreme(const struct convd_call *call, bool largest);

/* The map with its border, for programs of both libraries. */
const char *convd_rank_padded(const struct convd_site *s, struct convd_arena *mem);
/* The largest or smallest of its windows. */
const char *convd_rank_torch(const struct convd_site *s, struct convd_arena *mem, bool largest);
/* cv2.NAME (dilate, erode): with its own border where it has the mode, else on the padded map. */
const char *convd_rank_opencv(const struct convd_site *s, const char *name,
                              struct convd_arena *mem);

/* ---- the way back (rank_back.c) ---- */

/* Calls give for band after band of padded rows: its x, dx and windows are of those. */
void convd_rank_back(const struct convd_back *call, bool largest,
                     void (*give)(const struct convd_award *w));
/* Scratch for it, where give wants `way` bytes. */
size_t convd_rank_back_scratch(const struct convd_site *s, size_t way);
/* Rows in a band. */
ptrdiff_t convd_rank_back_band(const struct convd_site *s);
/* The give of dilate and erode, and their back_scratch. */
void convd_rank_award(const struct convd_award *w);
size_t convd_rank_extreme_back_scratch(const struct convd_site *s);

#define RANK_ROW                                                                                   \
    .group = CONVD_RANK, .params = params, .params_size = sizeof(struct convd_rank_params),        \
    .window = convd_rank_window, .rows = convd_rank_rows, .forward = forward, .backward = backward

/* The parameters and hooks of dilate and erode, to stand above a row with RANK_EXTREME_ROW; needs rank_int.h. */
#define RANK_EXTREME(LARGEST, CV2)                                                                 \
    static const struct convd_param params[] = {RANK_PARAMS(1023, 0), CONVD_PARAM_END};            \
    static void forward(const struct convd_call *call)                                             \
    {                                                                                              \
        convd_rank_extreme(call, LARGEST);                                                         \
    }                                                                                              \
    static void backward(const struct convd_back *call)                                            \
    {                                                                                              \
        convd_rank_back(call, LARGEST, convd_rank_award);                                          \
    }                                                                                              \
    static void forward_fixed(const struct convd_fixed_call *c)                                    \
    {                                                                                              \
        convd_rank_best_fixed(c, LARGEST);                                                         \
    }                                                                                              \
    static const char *torch(const struct convd_site *s, struct convd_arena *mem)                  \
    {                                                                                              \
        return convd_rank_torch(s, mem, LARGEST);                                                  \
    }                                                                                              \
    static const char *opencv(const struct convd_site *s, struct convd_arena *mem)                 \
    {                                                                                              \
        return convd_rank_opencv(s, CV2, mem);                                                     \
    }
#define RANK_EXTREME_ROW                                                                           \
    RANK_ROW, .fixed = convd_rank_fixed, .forward_fixed = forward_fixed, .algorithm = "running",   \
              .cost = convd_rank_extreme_cost, .scratch = convd_rank_extreme_scratch,              \
              .back_scratch = convd_rank_extreme_back_scratch, .look = convd_rank_look,            \
              .torch_of = torch, .opencv_of = opencv
#endif
