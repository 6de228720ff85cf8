/* adaptive_max_pool: the largest number of each window, the windows chosen so that output_size of them share the
 * picture. NaN wins. Equals torch.nn.functional.adaptive_max_pool2d. */
#include "adaptive.h"
#include "winner.h"

// clang-format off
static const struct convd_param params[] = {
    ADAPTIVE_PARAMS,
    CONVD_PARAM_END,
};
// clang-format on

static void forward(const struct convd_call *call)
{
    const struct convd_simd *simd = call->site->simd;
    const struct convd_view *x = call->x, *y = call->y;
    float *column = call->scratch; /* largest numbers of the window's rows */
    for (ptrdiff_t c = 0; c < y->c; c++)
        for (ptrdiff_t i = y->y0; i < y->y1; i++) {
            ptrdiff_t top = adaptive_start(i, x->h, y->h), bottom = adaptive_end(i, x->h, y->h);
            for (ptrdiff_t j = 0; j < x->w; j++) column[j] = -INFINITY;
            for (ptrdiff_t r = top; r < bottom; r++)
                simd->max(column, convd_row(x, c, r), (size_t)x->w);
            float *out = convd_row(y, c, i);
            for (ptrdiff_t o = 0; o < y->w; o++) {
                float best = -INFINITY;
                for (ptrdiff_t j = adaptive_start(o, x->w, y->w); j < adaptive_end(o, x->w, y->w);
                     j++)
                    best = larger(best, column[j]);
                out[o] = best;
            }
        }
}

/* A part has channels. */
static void backward(const struct convd_back *call)
{
    const struct convd_view *x = call->x, *y = call->y;
    const struct convd_rows own = convd_share(x->c, call->part, call->parts);
    for (ptrdiff_t c = own.y0; c < own.y1; c++)
        for (ptrdiff_t i = 0; i < y->h; i++) {
            const struct convd_rows rows = adaptive_run(i, x->h, y->h);
            const float *v = convd_row(y, c, i), *dy = convd_row(call->dy, c, i);
            for (ptrdiff_t o = 0; o < y->w; o++) {
                const struct winner at = find_winner(x, c, rows, adaptive_run(o, x->w, y->w), v[o]);
                convd_row(call->dx, c, at.i)[at.j] += dy[o];
            }
        }
}

static void look(const struct convd_site *s, struct convd_place at, struct convd_look *l)
{
    convd_adaptive_look(s, at, l);
    l->kind = CONVD_LOOK_WINNER;
}

const struct convd_op convd_op_adaptive_max_pool = {
    .name = "adaptive_max_pool",
    ADAPTIVE_ROW,
    .summary = "largest numbers of windows that share the picture",
    .aliases = "adaptive_max_pool2d AdaptiveMaxPool2d",
    .example = "grayscale/adaptive_max_pool:4",
    .source = "torch.nn.functional.adaptive_max_pool2d",
    .look = look,
    .torch = "F.adaptive_max_pool2d({x}, {output_size})",
};
