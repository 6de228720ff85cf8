/* rank_int.c: see rank_int.h. Some rows at a time go down the picture. Its edges are copied with what stands beside them, so
 * that all else is read where it lies; large medians want it all copied. */
#include "rank_int.h"
#include "rank.h"
#include <string.h>

enum { EDGE = 64, MOST_ROWS = 128, MOST_SIDE = 129 }; /* an edge is a multiple of EDGE numbers wide */

static ptrdiff_t round_up(ptrdiff_t n)
{
    return (n + EDGE - 1) / EDGE * EDGE;
}

struct walk;
/* One way to rank. */
struct way {
    /* `outs` rows of n numbers, from rows x, each of which begins w->left before the first window's middle. */
    void (*rank)(const struct walk *w, const void *const *x, void *const *y, ptrdiff_t outs, ptrdiff_t n);
    ptrdiff_t rows; /* most of a call */
    bool counts;    /* wants room for it */
    bool copies;    /* rows as a whole   */
    const char *algorithm; /* NULL: by the type of the numbers */
};

/* What each way has at hand. */
struct walk {
    const struct convd_fixed_call *c;
    const struct convd_rank_params *p;
    const struct way *way;
    struct convd_int_lines lines;
    ptrdiff_t step, size;   /* of a number */
    ptrdiff_t left, right;  /* numbers that a window reads to its sides */
    char *room;             /* copies of rows, or pieces of them */
    ptrdiff_t piece;        /* numbers of one                    */
    void *spare;            /* behind them                       */
};

/* Numbers of the longest piece that is copied: a whole row, or both edges with less than an EDGE between them; and what stands
 * beside. */
static ptrdiff_t piece_numbers(const struct convd_rank_params *p, const struct way *way, ptrdiff_t step, ptrdiff_t w)
{
    const ptrdiff_t left = p->kernel_size.w / 2 * step, all = (p->kernel_size.w - 1) * step;
    if (way->copies) return round_up(w * step + all);
    return round_up(round_up(left) + round_up(all - left) + EDGE + all);
}

/* Bytes of all pieces. */
static size_t pieces_bytes(const struct convd_rank_params *p, const struct way *way, const struct convd_fixed *x, ptrdiff_t w)
{
    const ptrdiff_t rows = p->kernel_size.h + way->rows - 1;
    return (size_t)(rows * piece_numbers(p, way, x->step, w)) * convd_fixed_size(x->type);
}

static void columns(const struct walk *w, ptrdiff_t p, ptrdiff_t i, ptrdiff_t outs, ptrdiff_t from, ptrdiff_t to)
{
    const ptrdiff_t kh = w->p->kernel_size.h;
    const void *x[MOST_ROWS + MOST_SIDE - 1];
    void *y[MOST_ROWS];
    if (from == to) return;
    for (ptrdiff_t a = 0; a < kh + outs - 1; a++)
        x[a] = convd_int_piece(&w->lines, convd_int_line(&w->lines, p, i - kh / 2 + a), from - w->left, to + w->right,
                               w->room + a * w->piece * w->size);
    for (ptrdiff_t o = 0; o < outs; o++) y[o] = (char *)convd_fixed_row(w->c->y, p, i + o) + from * w->size;
    w->way->rank(w, x, y, outs, to - from);
}

static void rank_all(const struct convd_fixed_call *c, const struct way *way)
{
    const struct convd_fixed_view *y = c->y;
    const struct convd_fixed *format = c->x->format;
    const struct convd_rank_params *params = c->site->params;
    const ptrdiff_t step = format->step, n = y->n, kh = params->kernel_size.h, kw = params->kernel_size.w;
    struct walk w = {.c = c,
                     .p = params,
                     .way = way,
                     .lines = {.x = c->x, .mode = (enum convd_mode)params->padding_mode, .outside = c->state},
                     .step = step,
                     .size = (ptrdiff_t)convd_fixed_size(format->type),
                     .left = kw / 2 * step,
                     .right = (kw - 1 - kw / 2) * step,
                     .room = (char *)c->state + convd_int_outside(format, y->w, 0, 0),
                     .piece = piece_numbers(params, way, step, y->w)};
    w.spare = w.room + pieces_bytes(params, way, format, y->w);
    if (w.lines.mode == CONVD_MODE_CONSTANT) convd_int_value(format, (double)(float)params->padding_value, &w.lines.value);
    convd_int_lines_begin(&w.lines, y->y0 - kh / 2, y->y1 - kh / 2 + kh - 1);
    const ptrdiff_t left = round_up(w.left), right = round_up(w.right), middle = n - left - right;
    for (ptrdiff_t p = 0; p < format->planes; p++)
        for (ptrdiff_t i = y->y0; i < y->y1; i += way->rows) {
            const ptrdiff_t outs = least(way->rows, y->y1 - i);
            if (way->copies || middle < EDGE) {
                columns(&w, p, i, outs, 0, n);
                continue;
            }
            columns(&w, p, i, outs, 0, left);
            columns(&w, p, i, outs, left, n - right);
            columns(&w, p, i, outs, n - right, n);
        }
}

/* Asks for what rank_all wants. */
static void ask(const struct convd_site *s, const struct convd_fixed *x, const struct way *way, struct convd_fixed_ask *a)
{
    const struct convd_rank_params *p = s->params;
    a->rows = p->kernel_size.h > 1 ? way->rows : 0;
    a->state = convd_int_outside(x, s->x[0].w, 0, 0) + pieces_bytes(p, way, x, s->x[0].w);
    if (way->counts) a->state += convd_medians_room((size_t)p->kernel_size.w);
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

static const struct way largest_way = {.rank = largest, .rows = CONVD_BEST_OUTS},
                        smallest_way = {.rank = smallest, .rows = CONVD_BEST_OUTS};

bool convd_rank_fixed(const struct convd_site *s, const struct convd_fixed *x, struct convd_fixed_ask *a,
                      struct convd_fixed *y)
{
    const struct convd_rank_params *p = s->params;
    if (p->kernel_size.h > CONVD_BEST_MOST || p->kernel_size.w > CONVD_BEST_MOST) return false;
    ask(s, x, &largest_way, a);
    return border(p, x, y);
}

void convd_rank_best_fixed(const struct convd_fixed_call *c, bool is_largest)
{
    rank_all(c, is_largest ? &largest_way : &smallest_way);
}

/* ---- median ---- */

static void select_middle(const struct walk *w, const void *const *x, void *const *y, ptrdiff_t outs, ptrdiff_t n)
{
    w->c->site->simd->median_u8((const uint8_t *const *)x, (size_t)w->step, (size_t)w->p->kernel_size.h, (uint8_t *const *)y,
                                (size_t)outs, (size_t)n);
}

static void count_to_middle(const struct walk *w, const void *const *x, void *const *y, ptrdiff_t outs, ptrdiff_t n)
{
    const struct convd_medians q = {.rows = (const uint8_t *const *)x,
                                    .step = (size_t)w->step,
                                    .kh = (size_t)w->p->kernel_size.h,
                                    .kw = (size_t)w->p->kernel_size.w,
                                    .y = (uint8_t *const *)y,
                                    .outs = (size_t)outs,
                                    .room = w->spare};
    w->c->site->simd->median_window(&q, (size_t)n);
}

/* Large windows: the more rows at a time, the fewer are counted twice. */
static const struct way *median_way(const struct convd_rank_params *p)
{
    static const struct way small = {.rank = select_middle, .rows = 16},
                            large = {.rank = count_to_middle, .rows = 16, .counts = true, .algorithm = "bit by bit u8"},
                            larger = {.rank = count_to_middle, .rows = 64, .counts = true, .copies = true,
                                      .algorithm = "histogram u8"},
                            huge = {.rank = count_to_middle, .rows = MOST_ROWS, .counts = true, .copies = true,
                                    .algorithm = "histogram u8"};
    const struct convd_pair k = p->kernel_size;
    if (k.h == k.w && (k.h == 3 || k.h == 5)) return &small;
    if (k.h * k.w <= CONVD_MEDIAN_BITS) return &large;
    return k.h < 48 ? &larger : &huge;
}

bool convd_median_fixed(const struct convd_site *s, const struct convd_fixed *x, struct convd_fixed_ask *a,
                        struct convd_fixed *y)
{
    const struct way *way = median_way(s->params);
    if (x->type != CONVD_FIXED_U8) return false;
    ask(s, x, way, a);
    if (!border(s->params, x, y)) return false;
    if (way->algorithm) y->algorithm = way->algorithm;
    return true;
}

void convd_median_forward_fixed(const struct convd_fixed_call *c)
{
    rank_all(c, median_way(c->site->params));
}
