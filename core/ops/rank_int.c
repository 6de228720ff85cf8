/* rank_int.c: see rank_int.h. Some rows at a time go down the picture; its edges are copied with what stands beside them, so
 * that all else is read where it lies. */
#include "rank_int.h"
#include "rank.h"

enum { ROWS = CONVD_BEST_OUTS, EDGE = 64 }; /* an edge is a multiple of EDGE numbers wide */

static ptrdiff_t round_up(ptrdiff_t n)
{
    return (n + EDGE - 1) / EDGE * EDGE;
}

/* What each way of ranking has at hand. */
struct walk {
    const struct convd_fixed_call *c;
    const struct convd_rank_params *p;
    struct convd_int_lines lines;
    ptrdiff_t step, size;   /* of a number */
    ptrdiff_t left, right;  /* numbers that a window reads to its sides */
    char *room;             /* pieces of kh + ROWS - 1 rows */
    ptrdiff_t piece;        /* numbers of one               */
};

/* Numbers of the longest piece that is copied: both edges with less than an EDGE between them, and what stands beside. */
static ptrdiff_t piece_numbers(const struct convd_rank_params *p, ptrdiff_t step)
{
    const ptrdiff_t left = p->kernel_size.w / 2 * step, all = (p->kernel_size.w - 1) * step;
    return round_up(round_up(left) + round_up(all - left) + EDGE + all);
}

/* `outs` rows of n numbers, from rows x, each of which begins w->left before the first window's middle. */
typedef void rank_rows(const struct walk *w, const void *const *x, void *const *y, ptrdiff_t outs, ptrdiff_t n);

static void columns(const struct walk *w, rank_rows *rank, ptrdiff_t p, ptrdiff_t i, ptrdiff_t outs, ptrdiff_t from,
                    ptrdiff_t to)
{
    const ptrdiff_t kh = w->p->kernel_size.h;
    const void *x[ROWS + CONVD_MEDIAN_MOST];
    void *y[ROWS];
    if (from == to) return;
    for (ptrdiff_t a = 0; a < kh + outs - 1; a++)
        x[a] = convd_int_piece(&w->lines, convd_int_line(&w->lines, p, i - kh / 2 + a), from - w->left, to + w->right,
                               w->room + a * w->piece * w->size);
    for (ptrdiff_t o = 0; o < outs; o++) y[o] = (char *)convd_fixed_row(w->c->y, p, i + o) + from * w->size;
    rank(w, x, y, outs, to - from);
}

static void rank_all(const struct convd_fixed_call *c, rank_rows *rank)
{
    const struct convd_fixed_view *y = c->y;
    struct walk w = {.c = c, .p = c->site->params};
    const ptrdiff_t step = c->x->format->step, n = y->n, kh = w.p->kernel_size.h, kw = w.p->kernel_size.w;
    w.step = step;
    w.size = (ptrdiff_t)convd_fixed_size(c->x->format->type);
    w.left = kw / 2 * step;
    w.right = (kw - 1) * step - w.left;
    w.piece = piece_numbers(w.p, step);
    w.lines = (struct convd_int_lines){.x = c->x, .mode = (enum convd_mode)w.p->padding_mode, .outside = c->state};
    w.room = (char *)c->state + convd_int_outside(c->x->format, y->w, 0, 0);
    if (w.lines.mode == CONVD_MODE_CONSTANT) convd_int_value(c->x->format, (double)(float)w.p->padding_value, &w.lines.value);
    convd_int_lines_begin(&w.lines, y->y0 - kh / 2, y->y1 - kh / 2 + kh - 1);
    const ptrdiff_t left = round_up(w.left), right = round_up(w.right), middle = n - left - right;
    for (ptrdiff_t p = 0; p < y->format->planes; p++)
        for (ptrdiff_t i = y->y0; i < y->y1; i += ROWS) {
            const ptrdiff_t outs = least(ROWS, y->y1 - i);
            if (middle < EDGE) {
                columns(&w, rank, p, i, outs, 0, n);
                continue;
            }
            columns(&w, rank, p, i, outs, 0, left);
            columns(&w, rank, p, i, outs, left, n - right);
            columns(&w, rank, p, i, outs, n - right, n);
        }
}

/* Bytes that rank_all keeps. */
static size_t state(const struct convd_site *s, const struct convd_fixed *x)
{
    const struct convd_rank_params *p = s->params;
    return convd_int_outside(x, s->x[0].w, 0, 0) +
           (size_t)((p->kernel_size.h + ROWS - 1) * piece_numbers(p, x->step)) * convd_fixed_size(x->type);
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

/* ---- largest and smallest ---- */

bool convd_rank_fixed(const struct convd_site *s, const struct convd_fixed *x, struct convd_fixed_ask *a,
                      struct convd_fixed *y)
{
    const struct convd_rank_params *p = s->params;
    if (p->kernel_size.h > CONVD_BEST_MOST || p->kernel_size.w > CONVD_BEST_MOST) return false;
    a->state = state(s, x);
    a->rows = p->kernel_size.h > 1 ? ROWS : 0;
    return border(p, x, y);
}

static void best(const struct walk *w, const void *const *x, void *const *y, ptrdiff_t outs, ptrdiff_t n, bool largest)
{
    const struct convd_best q = {.rows = x,
                                 .step = (size_t)w->step,
                                 .kh = (size_t)w->p->kernel_size.h,
                                 .kw = (size_t)w->p->kernel_size.w,
                                 .words = w->size == 2,
                                 .largest = largest,
                                 .y = y,
                                 .outs = (size_t)outs};
    w->c->site->simd->best_window(&q, (size_t)n);
}

static void largest(const struct walk *w, const void *const *x, void *const *y, ptrdiff_t outs, ptrdiff_t n)
{
    best(w, x, y, outs, n, true);
}

static void smallest(const struct walk *w, const void *const *x, void *const *y, ptrdiff_t outs, ptrdiff_t n)
{
    best(w, x, y, outs, n, false);
}

void convd_rank_best_fixed(const struct convd_fixed_call *c, bool is_largest)
{
    rank_all(c, is_largest ? largest : smallest);
}

/* ---- median ---- */

bool convd_median_fixed(const struct convd_site *s, const struct convd_fixed *x, struct convd_fixed_ask *a,
                        struct convd_fixed *y)
{
    const struct convd_rank_params *p = s->params;
    if (x->type != CONVD_FIXED_U8 || p->kernel_size.h * p->kernel_size.w > CONVD_MEDIAN_MOST) return false;
    a->rows = p->kernel_size.h > 1 ? ROWS : 0;
    a->state = state(s, x);
    return border(p, x, y);
}

static void middle(const struct walk *w, const void *const *x, void *const *y, ptrdiff_t outs, ptrdiff_t n)
{
    w->c->site->simd->median_u8((const uint8_t *const *)x, (size_t)w->step, (size_t)w->p->kernel_size.h,
                                (size_t)w->p->kernel_size.w, (uint8_t *const *)y, (size_t)outs, (size_t)n);
}

void convd_median_forward_fixed(const struct convd_fixed_call *c)
{
    rank_all(c, middle);
}
