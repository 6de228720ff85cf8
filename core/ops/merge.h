/* merge.h: y = x0 op x1 op x2 … number by number, the mechanism of all merging ops. Shapes broadcast as in PyTorch: along
 * each of C, H and W the inputs agree or are 1 (C x 1 x 1 scales channels, 1 x H x W is a mask, 1 x 1 x 1 one number).
 *
 * A file writes op(a, b) and MERGE(op), or MERGE_ENDS(first, op, last) when numbers are changed on the way in and out
 * (hypot squares them and takes the root). Between first and last numbers are of type TYPE (float unless said). Two rows
 * of full width are merged in one loop; anything else is gathered block by block.
 *
 * The way back is a function back(m) and MERGE_BACK(back): it finds dL/dy of a block in m->g and makes of it what goes to
 * number after number of input m->k, as if nothing were broadcast; what was spread is added up again by convd_merge_back, in
 * double. An input that is given twice gets both its shares. */
#ifndef CONVD_OPS_MERGE_H
#define CONVD_OPS_MERGE_H
#include "row.h"

/* Numbers worked on at a time: more than two inputs are gathered in a block of this many before y is written, so that y
 * may be the memory of an input. */
enum { MERGE_BLOCK = 256 };

bool convd_merge_shape(struct convd_site *s, struct convd_faults *f);

/* Row i of channel c of an input that may be broadcast; *step is 0 where one number stands for the whole row. */
static inline const float *merge_row(const struct convd_view *x, ptrdiff_t c, ptrdiff_t i,
                                     ptrdiff_t *step)
{
    *step = x->w == 1 ? 0 : 1;
    return convd_row(x, x->c == 1 ? 0 : c, x->h == 1 ? 0 : i);
}

/* True when a channel's rows are one long row: in y and in every input that is not one number. */
static inline bool merge_flat(const struct convd_call *call)
{
    const struct convd_view *y = call->y;
    bool flat = y->row == y->w && y->w > 1; /* columns of one number: see merge_row */
    for (size_t k = 0; k < call->site->n; k++) {
        const struct convd_view *x = &call->x[k];
        flat &= (x->h == 1 && x->w == 1) || (x->h == y->h && x->w == y->w && x->row == x->w);
    }
    return flat;
}

#define MERGE_ENDS(TYPE, FIRST, OP, LAST)                                                          \
    static inline void gather_one(TYPE *sum, const float *x, ptrdiff_t step, ptrdiff_t n)          \
    {                                                                                              \
        if (step)                                                                                  \
            for (ptrdiff_t j = 0; j < n; j++) sum[j] = OP(sum[j], FIRST(x[j]));                    \
        else                                                                                       \
            for (ptrdiff_t j = 0; j < n; j++) sum[j] = OP(sum[j], FIRST(x[0]));                    \
    }                                                                                              \
    static void merge_part(const struct convd_call *call, ptrdiff_t c, ptrdiff_t i, ptrdiff_t j0,  \
                           ptrdiff_t n)                                                            \
    {                                                                                              \
        TYPE sum[MERGE_BLOCK];                                                                     \
        ptrdiff_t step;                                                                            \
        const float *x = merge_row(&call->x[0], c, i, &step);                                      \
        for (ptrdiff_t j = 0; j < n; j++) sum[j] = FIRST(x[(j0 + j) * step]);                      \
        for (size_t k = 1; k < call->site->n; k++) {                                               \
            x = merge_row(&call->x[k], c, i, &step);                                               \
            gather_one(sum, x + j0 * step, step, n);                                               \
        }                                                                                          \
        float *y = convd_row(call->y, c, i) + j0;                                                  \
        for (ptrdiff_t j = 0; j < n; j++) y[j] = (float)LAST(sum[j], call->site->n);               \
    }                                                                                              \
    static void merge_pair(const float *a, const float *b, float *y, ptrdiff_t n)                  \
    {                                                                                              \
        INDEPENDENT                                                                                \
        for (ptrdiff_t j = 0; j < n; j++) y[j] = (float)LAST(OP(FIRST(a[j]), FIRST(b[j])), 2);     \
    }                                                                                              \
    static void merge_number(const float *a, float b, float *y, ptrdiff_t n)                       \
    {                                                                                              \
        INDEPENDENT                                                                                \
        for (ptrdiff_t j = 0; j < n; j++) y[j] = (float)LAST(OP(FIRST(a[j]), FIRST(b)), 2);        \
    }                                                                                              \
    static void merge_line(const struct convd_call *call, ptrdiff_t c, ptrdiff_t i, ptrdiff_t n)   \
    {                                                                                              \
        float *y = convd_row(call->y, c, i);                                                       \
        ptrdiff_t step_a, step_b;                                                                  \
        const float *a = merge_row(&call->x[0], c, i, &step_a);                                    \
        const float *b = merge_row(&call->x[1], c, i, &step_b);                                    \
        if (call->site->n == 2 && step_a && step_b)                                                \
            merge_pair(a, b, y, n);                                                                \
        else if (call->site->n == 2 && step_a)                                                     \
            merge_number(a, *b, y, n);                                                             \
        else                                                                                       \
            for (ptrdiff_t j = 0; j < n; j += MERGE_BLOCK)                                         \
                merge_part(call, c, i, j, least(MERGE_BLOCK, n - j));                              \
    }                                                                                              \
    static void forward(const struct convd_call *call)                                             \
    {                                                                                              \
        const struct convd_view *y = call->y;                                                      \
        const ptrdiff_t rows = merge_flat(call) ? y->y1 - y->y0 : 1;                               \
        for (ptrdiff_t c = 0; c < y->c; c++)                                                       \
            for (ptrdiff_t i = y->y0; i < y->y1; i += rows) merge_line(call, c, i, rows * y->w);   \
    }

/* A block on its way back to input k. */
struct merge_back {
    const struct convd_back *call;
    size_t k, inputs;
    ptrdiff_t c, i, j0, n; /* n numbers of row i of channel c, from column j0 on */
    float *g;
};
/* The block's numbers of input q; spare (MERGE_BLOCK of them) is filled where one number stands for all. */
static inline const float *merge_input(const struct merge_back *m, size_t q, float *spare)
{
    ptrdiff_t step;
    const float *x = merge_row(&m->call->x[q], m->c, m->i, &step);
    if (step) return x + m->j0;
    for (ptrdiff_t j = 0; j < m->n; j++) spare[j] = x[0];
    return spare;
}
static inline const float *merge_result(const struct merge_back *m)
{
    return convd_row(m->call->y, m->c, m->i) + m->j0;
}
void convd_merge_back(const struct convd_back *call, void (*back)(struct merge_back *m));
/* The back of maximum and minimum. */
void convd_merge_back_best(struct merge_back *m, bool largest);

#define MERGE_BACK(BACK)                                                                           \
    static void backward(const struct convd_back *call)                                            \
    {                                                                                              \
        convd_merge_back(call, BACK);                                                              \
    }

#define MERGE_SAME(X)           (X)
#define MERGE_LAST(SUM, INPUTS) (SUM)
#define MERGE(OP)               MERGE_ENDS(float, MERGE_SAME, OP, MERGE_LAST)

#define MERGE_ROW                                                                                  \
    .group = CONVD_MERGING, .algorithm = "pointwise", .in_place = true, .min_inputs = 2,           \
    .max_inputs = 64, .shape = convd_merge_shape, .forward = forward, .backward = backward
#endif
