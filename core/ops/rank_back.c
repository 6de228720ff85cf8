/* rank_back.c: the way back through dilate, erode and median: bands of rows are padded as on the way forward, winners are
 * found in the padded rows, and what a border pixel won goes to the pixel that it was copied from (or nowhere, where it was
 * a constant). */
#include "rank.h"
#include <string.h>

/* Rows of y worked on together. A band pads kh - 1 rows more than it has. */
ptrdiff_t convd_rank_back_band(const struct convd_site *s)
{
    const struct convd_rank_params *p = s->params;
    return least(most(32, p->kernel_size.h / 2), s->y.h);
}

/* Windows over the padded rows of a band: none sticks out. */
static struct convd_window_axes axes(const struct convd_site *s, ptrdiff_t rows)
{
    const struct convd_pair k = ((const struct convd_rank_params *)s->params)->kernel_size;
    return (struct convd_window_axes){
        .y = {rows + k.h - 1, rows, k.h, 1, 1, 0, 0},
        .x = {s->x[0].w + k.w - 1, s->x[0].w, k.w, 1, 1, 0, 0},
    };
}

/* The padded rows, as many rows of what goes back to them, and what the way of the winners wants. */
static size_t block_floats(const struct convd_site *s)
{
    const struct convd_rank_block b = convd_rank_layout(s, convd_rank_back_band(s));
    return (size_t)b.rows * (size_t)b.row;
}

size_t convd_rank_back_scratch(const struct convd_site *s, size_t way)
{
    const struct convd_window_axes a = axes(s, convd_rank_back_band(s));
    const size_t award = convd_award_scratch(&a);
    return 2 * block_floats(s) * sizeof(float) + (award > way ? award : way);
}

/* The row of x that row r of a band's block was copied from; -1: the constant. */
static ptrdiff_t source(const struct convd_back *call, ptrdiff_t y0, ptrdiff_t r)
{
    const struct convd_rank_params *p = call->site->params;
    return convd_border_index((enum convd_mode)p->padding_mode, y0 - p->kernel_size.h / 2 + r,
                              call->dx->h);
}

static bool meets(const struct convd_back *call, ptrdiff_t y0, ptrdiff_t rows,
                  struct convd_rows own)
{
    for (ptrdiff_t r = 0; r < rows; r++) {
        const ptrdiff_t k = source(call, y0, r);
        if (k >= own.y0 && k < own.y1) return true;
    }
    return false;
}

static void fold(const struct convd_back *call, ptrdiff_t c, ptrdiff_t y0,
                 const struct convd_view *g, struct convd_rows own)
{
    const struct convd_rank_params *p = call->site->params;
    for (ptrdiff_t r = 0; r < g->h; r++) {
        const ptrdiff_t k = source(call, y0, r);
        if (k >= own.y0 && k < own.y1)
            convd_border_fold(convd_row(g, 0, r), -(p->kernel_size.w / 2), 1, g->w,
                              (enum convd_mode)p->padding_mode, call->site->simd,
                              convd_row(call->dx, c, k), call->dx->w);
    }
}

/* Rows [r.y0, r.y1) of channel c. */
static void back_band(const struct convd_back *call, ptrdiff_t c, struct convd_rows r,
                      struct convd_rows own, bool largest,
                      void (*give)(const struct convd_award *w))
{
    const struct convd_view ys = rows_of(call->y, r), y = cut_out(call->y, r),
                            dy = cut_out(call->dy, r);
    const struct convd_view yc = channel_of(&y, c), dyc = channel_of(&dy, c);
    float *data = call->scratch, *back = data + block_floats(call->site);
    const struct convd_rank_block b =
        convd_rank_block(&(struct convd_call){.site = call->site, .x = call->x, .y = &ys}, c, data);
    const struct convd_view x = {data, 1, b.rows, b.w, 0, b.rows, b.row, b.rows * b.row};
    struct convd_view dx = x;
    dx.data = back;
    memset(back, 0, (size_t)b.rows * (size_t)b.row * sizeof *back);
    give(&(struct convd_award){.axes = axes(call->site, r.y1 - r.y0),
                               .simd = call->site->simd,
                               .x = &x,
                               .y = &yc,
                               .dy = &dyc,
                               .dx = &dx,
                               .own = {0, b.rows},
                               .largest = largest,
                               .scratch = back + block_floats(call->site)});
    fold(call, c, r.y0, &dx, own);
}

void convd_rank_back(const struct convd_back *call, bool largest,
                     void (*give)(const struct convd_award *w))
{
    const struct part_box own = part_box(call, call->dx);
    const ptrdiff_t step = convd_rank_back_band(call->site), h = call->y->h;
    for (ptrdiff_t c = own.channels.y0; c < own.channels.y1; c++)
        for (ptrdiff_t i = 0; i < h; i += step) {
            const struct convd_rows r = {i, least(i + step, h)};
            const ptrdiff_t rows = axes(call->site, r.y1 - r.y0).y.n;
            if (meets(call, i, rows, own.rows)) back_band(call, c, r, own.rows, largest, give);
        }
}

void convd_rank_award(const struct convd_award *w)
{
    struct convd_award own = *w;
    convd_award_init(&own);
    for (ptrdiff_t i = 0; i < own.axes.y.out; i++) convd_award(&own, i);
}

size_t convd_rank_extreme_back_scratch(const struct convd_site *s)
{
    return convd_rank_back_scratch(s, 0);
}
