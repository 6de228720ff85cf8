/* rank_int.c: see rank_int.h. Rows go down first; borders are written beside what that makes. */
#include "rank_int.h"
#include "rank.h"
#include <string.h>

enum { MOST_SIDE = 31 };

static size_t round_up(size_t bytes)
{
    return (bytes + 63) / 64 * 64;
}

/* A row with kw pixels of room beside it. */
static size_t row_bytes(const struct convd_fixed *x, ptrdiff_t w, ptrdiff_t kw)
{
    return round_up((size_t)((w + 2 * kw) * x->step) * convd_fixed_size(x->type));
}

static bool border(const struct convd_rank_params *p, const struct convd_fixed *x, struct convd_fixed *y)
{
    struct convd_fixed wide = *x;
    if (!convd_int_border(&wide, (enum convd_mode)p->padding_mode, (double)(float)p->padding_value)) return false;
    y->lo = wide.lo;
    y->hi = wide.hi;
    y->algorithm = x->type == CONVD_FIXED_U8 ? "integer u8" : "integer i16";
    return true;
}

bool convd_rank_fixed(const struct convd_site *s, const struct convd_fixed *x, struct convd_fixed_ask *a,
                      struct convd_fixed *y)
{
    const struct convd_rank_params *p = s->params;
    if (p->kernel_size.h > MOST_SIDE || p->kernel_size.w > MOST_SIDE) return false;
    a->state = 2 * row_bytes(x, s->x[0].w, p->kernel_size.w);
    return border(p, x, y);
}

static int outside(const struct convd_rank_params *p, const struct convd_fixed *x)
{
    int value = 0;
    if (p->padding_mode == CONVD_MODE_CONSTANT) convd_int_value(x, (double)(float)p->padding_value, &value);
    return value;
}

static void best(const struct convd_fixed_call *c, const void *const *t, ptrdiff_t taps, bool largest, void *y)
{
    const struct convd_simd *simd = c->site->simd;
    const size_t n = (size_t)c->y->n;
    const uint8_t *bytes[MOST_SIDE];
    const int16_t *words[MOST_SIDE];
    for (ptrdiff_t i = 0; i < taps; i++) {
        bytes[i] = t[i];
        words[i] = t[i];
    }
    if (c->x->format->type == CONVD_FIXED_U8)
        simd->best_u8(bytes, (size_t)taps, largest, y, n);
    else
        simd->best_i16(words, (size_t)taps, largest, y, n);
}

/* Row i of plane p. The row of the column's best numbers is a picture of one row, whose sides are the border's. */
static void best_row(const struct convd_fixed_call *c, const struct convd_int_lines *rows,
                     const struct convd_int_lines *sides, ptrdiff_t p, ptrdiff_t i, bool largest)
{
    const struct convd_pair k = ((const struct convd_rank_params *)c->site->params)->kernel_size;
    const size_t pixel = (size_t)c->x->format->step * convd_fixed_size(c->x->format->type);
    const void *t[MOST_SIDE];
    for (ptrdiff_t a = 0; a < k.h; a++) t[a] = convd_int_line(rows, p, i - k.h / 2 + a);
    if (k.w == 1) {
        best(c, t, k.h, largest, convd_fixed_row(c->y, p, i));
        return;
    }
    char *middle = sides->x->data;
    best(c, t, k.h, largest, middle);
    convd_int_lines_begin(sides, 0, 1);
    for (ptrdiff_t b = 0; b < k.w; b++) t[b] = middle + (b - k.w / 2) * (ptrdiff_t)pixel;
    best(c, t, k.w, largest, convd_fixed_row(c->y, p, i));
}

void convd_rank_best_fixed(const struct convd_fixed_call *c, bool largest)
{
    const struct convd_rank_params *p = c->site->params;
    const struct convd_fixed *format = c->x->format;
    const size_t one = row_bytes(format, c->y->w, p->kernel_size.w);
    struct convd_fixed single = *format;
    single.planes = 1;
    const struct convd_fixed_view row = {.data = (char *)c->state + one +
                                                 (size_t)(p->kernel_size.w * format->step) * convd_fixed_size(format->type),
                                         .mask = -1,
                                         .format = &single,
                                         .h = 1,
                                         .w = c->y->w,
                                         .n = c->y->n,
                                         .y1 = 1};
    const struct convd_int_lines rows = {.x = c->x,
                                         .mode = (enum convd_mode)p->padding_mode,
                                         .value = outside(p, format),
                                         .outside = c->state},
                                 sides = {.x = &row,
                                          .mode = rows.mode,
                                          .value = rows.value,
                                          .left = p->kernel_size.w / 2,
                                          .right = p->kernel_size.w - 1 - p->kernel_size.w / 2};
    convd_int_lines_begin(&rows, c->y->y0 - p->kernel_size.h / 2, c->y->y1 - p->kernel_size.h / 2 + p->kernel_size.h - 1);
    for (ptrdiff_t q = 0; q < c->y->format->planes; q++)
        for (ptrdiff_t i = c->y->y0; i < c->y->y1; i++) best_row(c, &rows, &sides, q, i, largest);
}

/* ---- median ---- */

bool convd_median_fixed(const struct convd_site *s, const struct convd_fixed *x, struct convd_fixed_ask *a,
                        struct convd_fixed *y)
{
    const struct convd_rank_params *p = s->params;
    if (x->type != CONVD_FIXED_U8 || p->kernel_size.h * p->kernel_size.w > CONVD_MEDIAN_MOST) return false;
    a->margin = p->kernel_size.w / 2;
    a->state = row_bytes(x, s->x[0].w, p->kernel_size.w);
    return border(p, x, y);
}

void convd_median_forward_fixed(const struct convd_fixed_call *c)
{
    const struct convd_rank_params *p = c->site->params;
    const struct convd_pair k = p->kernel_size;
    const struct convd_int_lines rows = {.x = c->x,
                                         .mode = (enum convd_mode)p->padding_mode,
                                         .value = outside(p, c->x->format),
                                         .left = k.w / 2,
                                         .right = k.w / 2,
                                         .outside = c->state};
    convd_int_lines_begin(&rows, c->y->y0 - k.h / 2, c->y->y1 + k.h / 2);
    for (ptrdiff_t q = 0; q < c->y->format->planes; q++)
        for (ptrdiff_t i = c->y->y0; i < c->y->y1; i++) {
            const uint8_t *t[CONVD_MEDIAN_MOST];
            for (ptrdiff_t a = 0; a < k.h; a++)
                t[a] = (const uint8_t *)convd_int_line(&rows, q, i - k.h / 2 + a) - k.w / 2 * c->x->format->step;
            c->site->simd->median_u8(t, (size_t)c->x->format->step, (size_t)k.h, (size_t)k.w, convd_fixed_row(c->y, q, i),
                                     (size_t)c->y->n);
        }
}
