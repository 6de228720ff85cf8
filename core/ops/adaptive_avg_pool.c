/* adaptive_avg_pool: the mean of each window, the windows chosen so that output_size of them share the picture.
 * In double. NaN propagates. Equals torch.nn.functional.adaptive_avg_pool2d. */
#include "adaptive.h"

// clang-format off
static const struct convd_param params[] = {
    ADAPTIVE_PARAMS,
    CONVD_PARAM_END,
};
// clang-format on

static void forward(const struct convd_call *call)
{
    const struct convd_view *x = call->x, *y = call->y;
    double *column = (double *)(void *)call->scratch; /* sums of the window's rows */
    for (ptrdiff_t c = 0; c < y->c; c++)
        for (ptrdiff_t i = y->y0; i < y->y1; i++) {
            ptrdiff_t top = adaptive_start(i, x->h, y->h), bottom = adaptive_end(i, x->h, y->h);
            for (ptrdiff_t j = 0; j < x->w; j++) column[j] = 0;
            for (ptrdiff_t r = top; r < bottom; r++) {
                const float *row = convd_row(x, c, r);
                for (ptrdiff_t j = 0; j < x->w; j++) column[j] += (double)row[j];
            }
            float *out = convd_row(y, c, i);
            for (ptrdiff_t o = 0; o < y->w; o++) {
                ptrdiff_t left = adaptive_start(o, x->w, y->w), right = adaptive_end(o, x->w, y->w);
                double sum = 0;
                for (ptrdiff_t j = left; j < right; j++) sum += column[j];
                out[o] = (float)(sum / ((double)(bottom - top) * (double)(right - left)));
            }
        }
}

/* Each row of x gets what the windows over it give, column by column, then each window's along its columns. */
static void backward(const struct convd_back *call)
{
    const struct convd_view *dx = call->dx, *dy = call->dy;
    const struct convd_rows own = part_rows(call, dx);
    double *column = (double *)(void *)call->scratch, *row = column + dy->w;
    for (ptrdiff_t r = own.y0; r < own.y1; r++) {
        const ptrdiff_t c = r / dx->h, at = r % dx->h;
        for (ptrdiff_t o = 0; o < dy->w; o++) column[o] = 0;
        for (ptrdiff_t j = 0; j < dx->w; j++) row[j] = 0;
        for (ptrdiff_t i = at * dy->h / dx->h; i < dy->h; i++) {
            const struct convd_rows rows = adaptive_run(i, dx->h, dy->h);
            if (rows.y0 > at) break;
            const float *from = convd_row(dy, c, i);
            for (ptrdiff_t o = 0; o < dy->w; o++)
                column[o] += (double)from[o] / (double)(rows.y1 - rows.y0);
        }
        for (ptrdiff_t o = 0; o < dy->w; o++) {
            const struct convd_rows columns = adaptive_run(o, dx->w, dy->w);
            const double g = column[o] / (double)(columns.y1 - columns.y0);
            for (ptrdiff_t j = columns.y0; j < columns.y1; j++) row[j] += g;
        }
        float *to = convd_row(dx, c, at);
        for (ptrdiff_t j = 0; j < dx->w; j++) to[j] += (float)row[j];
    }
}

static size_t back_scratch(const struct convd_site *s)
{
    return (size_t)(s->x[0].w + s->y.w) * sizeof(double);
}

static void look(const struct convd_site *s, struct convd_place at, struct convd_look *l)
{
    convd_adaptive_look(s, at, l);
    l->kind = CONVD_LOOK_SUM;
}

static double weigh(const struct convd_site *s, struct convd_place at, ptrdiff_t q, ptrdiff_t a,
                    ptrdiff_t b)
{
    struct convd_look l;
    (void)q, (void)a, (void)b;
    convd_adaptive_look(s, at, &l);
    return 1 / ((double)l.kh * (double)l.kw);
}

const struct convd_op convd_op_adaptive_avg_pool = {
    .name = "adaptive_avg_pool",
    ADAPTIVE_ROW,
    .back_scratch = back_scratch,
    .summary = "means of windows that share the picture",
    .aliases = "adaptive_avg_pool2d AdaptiveAvgPool2d",
    .example = "grayscale/adaptive_avg_pool:4",
    .source = "torch.nn.functional.adaptive_avg_pool2d",
    .look = look,
    .weigh = weigh,
    .torch = "F.adaptive_avg_pool2d({x}, {output_size})",
};
