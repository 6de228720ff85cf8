/* rank.c: the padded block of the rank ops, and the running extreme of dilate and erode; see rank.h. */
#include "rank.h"
#include <string.h>

struct convd_rank_block convd_rank_layout(const struct convd_site *s, ptrdiff_t rows)
{
    const struct convd_rank_params *p = s->params;
    ptrdiff_t w = s->x[0].w + p->kernel_size.w - 1;
    return (struct convd_rank_block){NULL, rows + p->kernel_size.h - 1, (w + 15) & ~(ptrdiff_t)15,
                                     w};
}

struct convd_rank_block convd_rank_block(const struct convd_call *call, ptrdiff_t c, float *data)
{
    const struct convd_rank_params *p = call->site->params;
    const struct convd_view *y = call->y;
    struct convd_rank_block b = convd_rank_layout(call->site, y->y1 - y->y0);
    ptrdiff_t top = p->kernel_size.h / 2, left = p->kernel_size.w / 2;
    b.data = data;
    convd_border_copy(call->x, c, y->y0 - top, y->y0 - top + b.rows, left,
                      p->kernel_size.w - 1 - left, (enum convd_mode)p->padding_mode,
                      (float)p->padding_value, data, b.row);
    return b;
}

void convd_rank_cost(const struct convd_site *s, struct convd_cost *c)
{
    const struct convd_rank_params *p = s->params;
    c->macs = (double)s->y.c * (double)s->y.h * (double)s->y.w * (double)p->kernel_size.h *
              (double)p->kernel_size.w;
}

void convd_rank_window(const struct convd_site *s, struct convd_window *w)
{
    const struct convd_rank_params *p = s->params;
    *w = (struct convd_window){
        .kh = p->kernel_size.h,
        .kw = p->kernel_size.w,
        .sh = 1,
        .sw = 1,
        .dh = 1,
        .dw = 1,
        .top = p->kernel_size.h / 2,
        .left = p->kernel_size.w / 2,
    };
}

void convd_rank_look(const struct convd_site *s, struct convd_place at, struct convd_look *l)
{
    const struct convd_rank_params *p = s->params;
    *l = (struct convd_look){.kind = CONVD_LOOK_WINNER,
                             .c = at.c,
                             .channels = 1,
                             .y = at.i - p->kernel_size.h / 2,
                             .x = at.j - p->kernel_size.w / 2,
                             .kh = p->kernel_size.h,
                             .kw = p->kernel_size.w,
                             .dy = 1,
                             .dx = 1,
                             .mode = p->padding_mode,
                             .value = (float)p->padding_value};
}

bool convd_rank_rows(const struct convd_site *s, size_t i, struct convd_rows y,
                     struct convd_rows *x)
{
    const struct convd_rank_params *p = s->params;
    ptrdiff_t top = p->kernel_size.h / 2;
    (void)i;
    *x = convd_border_rows((enum convd_mode)p->padding_mode, y.y0 - top,
                           y.y1 - top + p->kernel_size.h - 1, s->x[0].h);
    return true;
}

/* ---- as other libraries say it ---- */

const char *convd_rank_padded(const struct convd_site *s, struct convd_arena *mem)
{
    const struct convd_rank_params *p = s->params;
    const ptrdiff_t top = p->kernel_size.h / 2, left = p->kernel_size.w / 2;
    return convd_arena_printf(mem,
                              "$pad({x}, %td, %td, %td, %td, {padding_mode}, {padding_value})", top,
                              left, p->kernel_size.h - 1 - top, p->kernel_size.w - 1 - left);
}

const char *convd_rank_torch(const struct convd_site *s, struct convd_arena *mem, bool largest)
{
    const char *padded = convd_rank_padded(s, mem), *sign = largest ? "" : "-";
    return padded ? convd_arena_printf(mem, "%sF.max_pool2d(%s%s, {kernel_size}, 1)", sign, sign,
                                       padded)
                  : NULL;
}

const char *convd_rank_opencv(const struct convd_site *s, const char *name, struct convd_arena *mem)
{
    static const char *const borders[] = {[CONVD_MODE_REFLECT] = "cv2.BORDER_REFLECT_101",
                                          [CONVD_MODE_SYMMETRIC] = "cv2.BORDER_REFLECT",
                                          [CONVD_MODE_REPLICATE] = "cv2.BORDER_REPLICATE",
                                          [CONVD_MODE_ZEROS] = NULL,
                                          [CONVD_MODE_CIRCULAR] = NULL,
                                          [CONVD_MODE_CONSTANT] = NULL};
    const struct convd_rank_params *p = s->params;
    const ptrdiff_t top = p->kernel_size.h / 2, left = p->kernel_size.w / 2;
    const char *border = borders[p->padding_mode], *padded = convd_rank_padded(s, mem);
    if (border)
        return convd_arena_printf(
            mem, "$hwc(cv2.%s({x}, np.ones({kernel_size}, np.uint8), borderType=%s))", name,
            border);
    return padded ? convd_arena_printf(mem,
                                       "$hwc(cv2.%s(%s, np.ones({kernel_size}, np.uint8)))"
                                       "[%td:%td, %td:%td]",
                                       name, padded, top, top + s->y.h, left, left + s->y.w)
                  : NULL;
}

/* ---- largest and smallest ---- */

/* to[j] = the larger (smaller) of from[j] and from[j + shift]. */
static void join(float *restrict to, const float *restrict from, ptrdiff_t shift, ptrdiff_t n,
                 bool largest)
{
    if (largest)
        for (ptrdiff_t j = 0; j < n; j++) to[j] = larger(from[j], from[j + shift]);
    else
        for (ptrdiff_t j = 0; j < n; j++) to[j] = smaller(from[j], from[j + shift]);
}

/* Row r of the block becomes the extreme of rows r … r + k - 1. */
static void run_down(const struct convd_rank_block *b, ptrdiff_t k, const struct convd_simd *simd,
                     bool largest)
{
    ptrdiff_t rows = b->rows;
    for (ptrdiff_t have = 1; have < k;) {
        ptrdiff_t step = least(have, k - have);
        rows -= step;
        for (ptrdiff_t r = 0; r < rows; r++)
            (largest ? simd->max : simd->min)(b->data + r * b->row, b->data + (r + step) * b->row,
                                              (size_t)b->w);
        have += step;
    }
}

/* y[j] = the extreme of x[j … j + k - 1]; x and spare hold n + k - 1 floats and are overwritten. */
static void run_across(float *y, ptrdiff_t n, float *x, float *spare, ptrdiff_t k, bool largest)
{
    ptrdiff_t w = n + k - 1;
    for (ptrdiff_t have = 1; have < k;) {
        ptrdiff_t step = least(have, k - have);
        w -= step;
        have += step;
        join(have == k ? y : spare, x, step, w, largest);
        float *t = x;
        x = spare;
        spare = t;
    }
    if (k == 1) memcpy(y, x, (size_t)n * sizeof *y);
}

size_t convd_rank_extreme_scratch(const struct convd_site *s, ptrdiff_t rows)
{
    struct convd_rank_block b = convd_rank_layout(s, rows);
    return (size_t)(b.rows + 1) * (size_t)b.row * sizeof(float); /* and a spare row */
}

void convd_rank_extreme_cost(const struct convd_site *s, struct convd_cost *c)
{
    const struct convd_rank_params *p = s->params;
    c->macs = (double)s->y.c * (double)s->y.h * (double)s->y.w *
              (double)(p->kernel_size.h + p->kernel_size.w);
}

void convd_rank_extreme(const struct convd_call *call, bool largest)
{
    const struct convd_rank_params *p = call->site->params;
    const struct convd_view *y = call->y;
    for (ptrdiff_t c = 0; c < y->c; c++) {
        struct convd_rank_block b = convd_rank_block(call, c, call->scratch);
        float *spare = b.data + b.rows * b.row;
        run_down(&b, p->kernel_size.h, call->site->simd, largest);
        for (ptrdiff_t i = y->y0; i < y->y1; i++)
            run_across(convd_row(y, c, i), y->w, b.data + (i - y->y0) * b.row, spare,
                       p->kernel_size.w, largest);
    }
}
