/* probe.c: see probe.h. */
#include "probe.h"
#include "border.h"
#include "plan_inner.h"
#include <math.h>

/* Numbers of a box that are looked at one by one where rows and columns mix; more than that take the whole input. */
#define MIXED_MOST ((double)(1 << 20))
/* Taps of a row that are placed one by one; longer ones count as an interval. */
#define TAPS_MOST 512

bool convd_probe_look(const struct convd_plan *p, int node, struct convd_place at, struct convd_look *l)
{
    const struct convd_op *op = p->graph->nodes[node].op;
    if (!op || !op->look) return false;
    op->look(&p->nodes[node].site, at, l);
    return true;
}

double convd_probe_weight(const struct convd_plan *p, int node, struct convd_place at, ptrdiff_t q, ptrdiff_t a, ptrdiff_t b)
{
    return p->graph->nodes[node].op->weigh(&p->nodes[node].site, at, q, a, b);
}

size_t convd_look_taps(const struct convd_look *l)
{
    return (size_t)l->channels * (size_t)l->kh * (size_t)l->kw;
}

struct convd_place convd_probe_same(struct convd_shape x, struct convd_place at)
{
    return (struct convd_place){x.c == 1 ? 0 : at.c, x.h == 1 ? 0 : at.i, x.w == 1 ? 0 : at.j};
}

/* ---- the numbers under the taps ---- */

static float border_value(const struct convd_look *l)
{
    return l->mode == CONVD_MODE_CONSTANT ? l->value : 0;
}

void convd_look_read(const struct convd_look *l, const float *map, struct convd_shape x, float *window, bool *outside)
{
    const enum convd_mode mode = (enum convd_mode)l->mode;
    for (ptrdiff_t q = 0; q < l->channels; q++)
        for (ptrdiff_t a = 0; a < l->kh; a++)
            for (ptrdiff_t b = 0; b < l->kw; b++) {
                const ptrdiff_t y = l->y + a * l->dy, at = l->x + b * l->dx;
                const ptrdiff_t i = convd_border_index(mode, y, x.h), j = convd_border_index(mode, at, x.w);
                outside[a * l->kw + b] = y < 0 || y >= x.h || at < 0 || at >= x.w;
                *window++ = i < 0 || j < 0 ? border_value(l) : map[((l->c + q) * x.h + i) * x.w + j];
            }
}

ptrdiff_t convd_look_winner(const struct convd_look *l, const float *window, const bool *outside, float value)
{
    const bool never = l->mode == CONVD_MODE_CONSTANT && isinf(l->value);
    for (ptrdiff_t k = 0; k < l->kh * l->kw; k++)
        if (!(never && outside[k]) && (window[k] == value || (isnan(window[k]) && isnan(value)))) return k;
    return -1;
}

/* ---- back through the graph ---- */

static bool nothing(const struct convd_box *b)
{
    return b->c1 <= b->c0 || b->y1 <= b->y0 || b->x1 <= b->x0;
}

static struct convd_box everything(struct convd_shape x)
{
    return (struct convd_box){0, x.c, 0, x.h, 0, x.w};
}

static void widen(struct convd_rows *r, ptrdiff_t lo, ptrdiff_t hi)
{
    const bool first = r->y1 <= r->y0;
    r->y0 = first || lo < r->y0 ? lo : r->y0;
    r->y1 = first || hi > r->y1 ? hi : r->y1;
}

/* Widens r by what k taps from `at` on reach on an axis of n numbers. */
static void reach(struct convd_rows *r, int mode, ptrdiff_t at, ptrdiff_t k, ptrdiff_t step, ptrdiff_t n)
{
    const bool inside = at >= 0 && at + (k - 1) * step < n;
    if (inside && k > 0) {
        widen(r, at, at + (k - 1) * step + 1);
    } else if (k > TAPS_MOST) {
        struct convd_rows x = convd_border_rows((enum convd_mode)mode, at, at + (k - 1) * step + 1, n);
        widen(r, x.y0, x.y1);
    } else {
        for (ptrdiff_t t = 0; t < k; t++) {
            ptrdiff_t i = convd_border_index((enum convd_mode)mode, at + t * step, n);
            if (i >= 0) widen(r, i, i + 1);
        }
    }
}

/* What the looks that were taken so far reach. */
struct reached {
    const struct convd_site *site;
    const struct convd_op *op;
    size_t input;
    struct convd_rows c, y, x;
};

static bool look_at(struct reached *r, ptrdiff_t c, ptrdiff_t i, ptrdiff_t j)
{
    const struct convd_shape *x = &r->site->x[r->input];
    struct convd_look l;
    r->op->look(r->site, (struct convd_place){c, i, j}, &l);
    if (l.input != r->input) return false;
    if (l.channels > 0) widen(&r->c, l.c, l.c + l.channels);
    reach(&r->y, l.mode, l.y, l.kh, l.dy, x->h);
    reach(&r->x, l.mode, l.x, l.kw, l.dx, x->w);
    return true;
}

/* Rows, columns and channels of the box one after another: an axis of the input depends on one axis of the output. */
static void along_axes(struct reached *r, const struct convd_box *y)
{
    ptrdiff_t found = -1;
    for (ptrdiff_t c = y->c0; c < y->c1; c++)
        if (look_at(r, c, y->y0, y->x0) && found < 0) found = c;
    for (ptrdiff_t i = y->y0; found >= 0 && i < y->y1; i++) look_at(r, found, i, y->x0);
    for (ptrdiff_t j = y->x0; found >= 0 && j < y->x1; j++) look_at(r, found, y->y0, j);
}

static void one_by_one(struct reached *r, const struct convd_box *y)
{
    for (ptrdiff_t c = y->c0; c < y->c1; c++)
        for (ptrdiff_t i = y->y0; i < y->y1; i++)
            for (ptrdiff_t j = y->x0; j < y->x1; j++) look_at(r, c, i, j);
}

static struct convd_box same_place(const struct convd_site *s, const struct convd_op *op, size_t i,
                                   const struct convd_box *y)
{
    const struct convd_shape x = s->x[i];
    struct convd_window w = {0};
    if (op->window) op->window(s, &w);
    struct convd_box b = everything(x);
    if (w.whole) return b;
    if (x.c > 1) b.c0 = y->c0, b.c1 = y->c1;
    if (x.h > 1) b.y0 = y->y0, b.y1 = y->y1;
    if (x.w > 1) b.x0 = y->x0, b.x1 = y->x1;
    return b;
}

struct convd_box convd_box_back(const struct convd_plan *p, int node, size_t i, const struct convd_box *y)
{
    const struct convd_op *op = p->graph->nodes[node].op;
    const struct convd_site *s = &p->nodes[node].site;
    struct convd_look l;
    if (nothing(y)) return (struct convd_box){0};
    if (!op->look) return same_place(s, op, i, y);
    op->look(s, (struct convd_place){y->c0, y->y0, y->x0}, &l);
    struct reached r = {.site = s, .op = op, .input = i};
    const double numbers = (double)(y->c1 - y->c0) * (double)(y->y1 - y->y0) * (double)(y->x1 - y->x0);
    if (l.mixed && numbers > MIXED_MOST) return everything(s->x[i]);
    (l.mixed ? one_by_one : along_axes)(&r, y);
    struct convd_box b = {r.c.y0, r.c.y1, r.y.y0, r.y.y1, r.x.y0, r.x.y1};
    return nothing(&b) ? (struct convd_box){0} : b;
}

static void include(struct convd_box *b, const struct convd_box *more)
{
    if (nothing(more)) return;
    if (nothing(b)) {
        *b = *more;
        return;
    }
    b->c0 = more->c0 < b->c0 ? more->c0 : b->c0;
    b->c1 = more->c1 > b->c1 ? more->c1 : b->c1;
    b->y0 = more->y0 < b->y0 ? more->y0 : b->y0;
    b->y1 = more->y1 > b->y1 ? more->y1 : b->y1;
    b->x0 = more->x0 < b->x0 ? more->x0 : b->x0;
    b->x1 = more->x1 > b->x1 ? more->x1 : b->x1;
}

bool convd_probe_source(const struct convd_plan *p, int node, struct convd_place at, struct convd_arena *mem,
                        struct convd_box *source)
{
    const struct convd_graph *g = p->graph;
    struct convd_box *box = convd_arena_array(mem, g->n_nodes, sizeof *box);
    if (!box) return false;
    box[node] = (struct convd_box){at.c, at.c + 1, at.i, at.i + 1, at.j, at.j + 1};
    for (int v = node; v > 0; v--)
        for (size_t i = 0; !nothing(&box[v]) && i < g->nodes[v].n_inputs; i++) {
            const struct convd_box x = convd_box_back(p, v, i, &box[v]);
            include(&box[g->nodes[v].inputs[i]], &x);
        }
    *source = box[CONVD_IMAGE];
    return true;
}
