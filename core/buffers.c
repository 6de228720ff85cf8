/* buffers.c: where every map, band and digest of a plan lives, by lifetime; which steps write over others, or run behind them. */
#include "plan_inner.h"

#define ALIGNMENT 64u

static size_t align(size_t bytes)
{
    return (bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
}

static size_t map_bytes(struct convd_shape s, ptrdiff_t rows)
{
    return align((size_t)s.c * (size_t)s.w * (size_t)rows * sizeof(float)); /* plan.c checked the product */
}

static const struct convd_node *node_of(const struct convd_plan *p, int v)
{
    return &p->graph->nodes[v];
}

struct span {
    size_t from, bytes;
    int first, last; /* lifetime: stages, or positions in a stage */
};
struct spans {
    struct span *at;
    size_t *order; /* by from */
    size_t n;
};

static bool spans_init(struct spans *s, struct convd_arena *mem, size_t room)
{
    *s = (struct spans){.at = convd_arena_array(mem, room + 1, sizeof *s->at),
                        .order = convd_arena_array(mem, room + 1, sizeof *s->order)};
    return s->at && s->order;
}

/* Gives `bytes` the lowest place that no span alive in [first,last] touches; returns the span's number. */
static size_t place(struct spans *s, size_t bytes, int first, int last)
{
    size_t from = 0, i;
    for (i = 0; i < s->n; i++) {
        const struct span *x = &s->at[s->order[i]];
        if (x->last < first || x->first > last || x->from + x->bytes <= from)
            continue;
        if (from + bytes <= x->from)
            break;
        from = x->from + x->bytes;
    }
    for (i = s->n; i > 0 && s->at[s->order[i - 1]].from > from; i--)
        s->order[i] = s->order[i - 1];
    s->order[i] = s->n;
    s->at[s->n] = (struct span){from, bytes, first, last};
    return s->n++;
}

static bool place_full(struct convd_plan *p)
{
    struct spans spans;
    if (!spans_init(&spans, &p->mem, p->graph->n_nodes))
        return false;
    p->full_bytes = 0;
    for (size_t v = 0; v < p->graph->n_nodes; v++) {
        struct convd_plan_node *x = &p->nodes[v];
        if (!x->full || x->output >= 0)
            continue;
        x->full_bytes = align((size_t)x->site.y.n * (size_t)x->site.y.c * (size_t)x->site.y.h *
                              (size_t)x->site.y.w * sizeof(float));
        x->full_offset = spans.at[place(&spans, x->full_bytes, x->stage, x->last_stage)].from;
        if (x->full_offset + x->full_bytes > p->full_bytes)
            p->full_bytes = x->full_offset + x->full_bytes;
    }
    return true;
}

/* For each node of the stage, the last position at which its band is read. */
static void last_reads(const struct convd_plan *p, const struct convd_stage *s, int *last)
{
    for (size_t k = 0; k < s->n; k++) {
        const struct convd_node *n = node_of(p, s->nodes[k]);
        last[k] = (int)k;
        for (size_t i = 0; i < n->n_inputs; i++)
            if (convd_in_stage(p, n->inputs[i], convd_stage_number(p, s)))
                last[convd_stage_at(p, n->inputs[i])] = (int)k;
    }
}

/* True when v may write over the band of its first input: same numbers of channels and columns, nobody reads it later. */
static bool may_overwrite(const struct convd_plan *p, const struct convd_stage *s, size_t k,
                          const int *last)
{
    const struct convd_plan_node *y = &p->nodes[s->nodes[k]];
    const struct convd_node *n = node_of(p, s->nodes[k]);
    if (s->nodes[k] == CONVD_IMAGE || !n->op->in_place || n->op->rows || !y->banded)
        return false;
    int u = n->inputs[0];
    const struct convd_shape *a = &p->nodes[u].site.y, *b = &y->site.y;
    return convd_in_stage(p, u, convd_stage_number(p, s)) && a->c == b->c && a->h == b->h &&
           a->w == b->w && a->n == b->n && last[convd_stage_at(p, u)] == (int)k;
}

static ptrdiff_t most_rows(const struct convd_stage *s, size_t k)
{
    ptrdiff_t most = 0;
    for (size_t b = 0; b < s->bands; b++) {
        const struct convd_rows *r = &s->need[b * s->n + k];
        most = r->y1 - r->y0 > most ? r->y1 - r->y0 : most;
    }
    return most;
}

static bool place_bands(struct convd_plan *p, struct convd_stage *s)
{
    struct spans spans;
    size_t *span_of = convd_arena_array(&p->mem, s->n + 1, sizeof *span_of);
    int *last = convd_arena_array(&p->mem, s->n + 1, sizeof *last);
    size_t end = 0, scratch = 0;
    if (!spans_init(&spans, &p->mem, s->n) || !span_of || !last)
        return false;
    last_reads(p, s, last);
    for (size_t k = 0; k < s->n; k++) {
        int v = s->nodes[k];
        struct convd_plan_node *x = &p->nodes[v];
        const struct convd_op *op = node_of(p, v)->op;
        ptrdiff_t rows = most_rows(s, k);
        if (op && op->scratch) {
            size_t bytes = op->scratch(&x->site, rows);
            scratch = bytes > scratch ? bytes : scratch;
        }
        if (!x->banded)
            continue;
        if (may_overwrite(p, s, k, last)) {
            x->in_place_of = node_of(p, v)->inputs[0];
            span_of[k] = span_of[convd_stage_at(p, x->in_place_of)];
            spans.at[span_of[k]].last = last[k];
            continue;
        }
        span_of[k] = place(&spans, map_bytes(x->site.y, rows), (int)k, last[k]);
        const struct span *at = &spans.at[span_of[k]];
        if (v == CONVD_IMAGE && !x->full)
            s->image_offset = at->from;
        else
            x->band_offset = at->from;
        end = at->from + at->bytes > end ? at->from + at->bytes : end;
    }
    s->scratch_offset = end;
    s->slot_bytes = end + align(scratch);
    return true;
}

static int readers(const struct convd_plan *p, int v)
{
    int n = 0;
    for (size_t u = 1; u < p->graph->n_nodes; u++)
        for (size_t i = 0; p->nodes[u].needed && i < p->graph->nodes[u].n_inputs; i++)
            n += p->graph->nodes[u].inputs[i] == v;
    return n;
}

/* Rising steps whose numbers only node v reads, which picks from them, run over what it picked: there are fewer. Every window
 * must hold a number: what v says of none is not what such a step would make of it. */
static void put_behind(struct convd_plan *p, const struct convd_stage *s, int v)
{
    struct convd_window w;
    if (!node_of(p, v)->op->picks) return;
    node_of(p, v)->op->window(&p->nodes[v].site, &w);
    if (w.dh > 1 || w.dw > 1) return;
    for (int u = node_of(p, v)->inputs[0]; convd_in_stage(p, u, convd_stage_number(p, s));
         u = node_of(p, u)->inputs[0]) {
        struct convd_plan_node *x = &p->nodes[u];
        if (u == CONVD_IMAGE || !node_of(p, u)->op->rising || convd_is_sink(p, u) ||
            x->in_place_of < 0 || readers(p, u) != 1)
            return;
        x->behind = v;
    }
}

/* What ops gather of whole maps: kept for the whole run, behind everything else. */
static bool place_digests(struct convd_plan *p)
{
    for (size_t v = 1; v < p->graph->n_nodes; v++) {
        struct convd_plan_node *x = &p->nodes[v];
        const struct convd_op *op = node_of(p, (int)v)->op;
        size_t bytes;
        x->digest_bytes = 0;
        if (!x->needed || !op || !op->digest)
            continue;
        x->digest_offset = align(p->workspace);
        x->digest_bytes = align(op->digest_bytes(&x->site));
        if (!convd_mul(x->digest_bytes, (size_t)x->site.y.n, &bytes) ||
            !convd_add(x->digest_offset, bytes, &p->workspace))
            return false;
    }
    return true;
}

bool convd_buffers_place(struct convd_plan *p)
{
    if (!place_full(p))
        return false;
    size_t slots_bytes = 0;
    for (size_t i = 0; i < p->n_stages; i++) {
        struct convd_stage *s = &p->stages[i];
        if (!s->lane && !place_bands(p, s))
            return false;
        for (size_t k = 0; !s->lane && k < s->n; k++)
            if (s->nodes[k] != CONVD_IMAGE) put_behind(p, s, s->nodes[k]);
        size_t tasks = s->bands * s->parts * (size_t)s->samples, bytes;
        s->slots = tasks < p->threads ? tasks : p->threads;
        if (!convd_mul(s->slots, s->slot_bytes, &bytes))
            return false;
        slots_bytes = bytes > slots_bytes ? bytes : slots_bytes;
    }
    p->slots_offset = p->full_bytes;
    p->row_offset = p->full_bytes + slots_bytes;
    p->workspace = p->row_offset;
    for (size_t o = 0; o < p->n_outputs; o++)
        if (p->outputs[o].node == CONVD_IMAGE && !p->nodes[CONVD_IMAGE].given)
            p->workspace = p->row_offset + map_bytes(p->nodes[CONVD_IMAGE].site.y, 1);
    return place_digests(p);
}
