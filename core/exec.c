/* exec.c: runs a plan: stage after stage, each in bands over the pool. Nothing here can fail but being cancelled. */
#include "plan_inner.h"
#include <string.h>
#include <time.h>

/* One run, shared by its bands. */
struct exec {
    const struct convd_plan *p;
    const struct convd_run *run;
    const struct convd_stage *stage;
    char *workspace;
    _Atomic uint64_t *saturated; /* per output */
    atomic_bool stopped;
};

static uint64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * UINT64_C(1000000000) + (uint64_t)t.tv_nsec;
}

/* ---- where maps are ---- */

static float *full_data(const struct exec *e, int v)
{
    const struct convd_plan_node *x = &e->p->nodes[v];
    if (v == CONVD_IMAGE && x->given)
        return (float *)(uintptr_t)e->run->input; /* read only: ops never write inputs */
    if (x->given)
        return e->p->graph->nodes[v].tensor->data;
    return x->output >= 0 ? e->run->outputs[x->output]
                          : (float *)(void *)(e->workspace + x->full_offset);
}

/* Rows of sample n of a whole map; a map with one sample serves all. */
static struct convd_view full_view(const struct exec *e, int v, ptrdiff_t n, struct convd_rows r)
{
    const struct convd_shape *s = &e->p->nodes[v].site.y;
    ptrdiff_t plane = s->h * s->w, sample = s->n == 1 ? 0 : n;
    return (struct convd_view){.data = full_data(e, v) + sample * s->c * plane + r.y0 * s->w,
                               .c = s->c,
                               .h = s->h,
                               .w = s->w,
                               .y0 = r.y0,
                               .y1 = r.y1,
                               .row = s->w,
                               .plane = plane};
}

/* The band buffer of v in this stage, for the rows that the band computes of it. */
static struct convd_view band_view(const struct exec *e, char *slot, size_t b, int v)
{
    const struct convd_stage *st = e->stage;
    int root = v;
    while (e->p->nodes[root].in_place_of >= 0)
        root = e->p->nodes[root].in_place_of;
    const struct convd_plan_node *x = &e->p->nodes[root];
    const struct convd_shape *s = &e->p->nodes[v].site.y;
    struct convd_rows own = st->need[b * st->n + convd_stage_at(e->p, v)],
                      held = st->need[b * st->n + convd_stage_at(e->p, root)];
    size_t offset = root == CONVD_IMAGE && !x->full ? st->image_offset : x->band_offset;
    return (struct convd_view){.data = (float *)(void *)(slot + offset) + (own.y0 - held.y0) * s->w,
                               .c = s->c,
                               .h = s->h,
                               .w = s->w,
                               .y0 = own.y0,
                               .y1 = own.y1,
                               .row = s->w,
                               .plane = (held.y1 - held.y0) * s->w};
}

/* Where what v gathered of sample n is, or NULL. */
static void *digest_data(const struct exec *e, int v, ptrdiff_t n)
{
    const struct convd_plan_node *x = &e->p->nodes[v];
    size_t sample = x->site.y.n == 1 ? 0 : (size_t)n;
    return x->digest_bytes ? e->workspace + x->digest_offset + sample * x->digest_bytes : NULL;
}

/* ---- one node of one band ---- */

static struct convd_view channels_of(struct convd_view v, struct convd_rows c)
{
    v.data += c.y0 * v.plane;
    v.c = c.y1 - c.y0;
    return v;
}

/* Where v keeps what its gradient wants of sample n, from that channel on; NULL: nowhere. */
static uint8_t *kept_data(const struct exec *e, int v, ptrdiff_t n, ptrdiff_t channel)
{
    const struct convd_site *s = &e->p->nodes[v].site;
    const struct convd_op *op = e->p->graph->nodes[v].op;
    if (!e->run->kept || !e->run->kept[v] || !op->kept_bytes || n >= s->y.n) return NULL;
    return e->run->kept[v] + (size_t)(n * s->y.c + channel) * op->kept_bytes(s);
}

/* channels: those of y and of the inputs that are worked on; y1 0: all. */
static void forward(const struct exec *e, char *slot, size_t b, ptrdiff_t n, int v,
                    const struct convd_view *y, struct convd_rows channels)
{
    const struct convd_node *node = &e->p->graph->nodes[v];
    const struct convd_plan_node *x = &e->p->nodes[v];
    int number = (int)(e->stage - e->p->stages);
    struct convd_view in[64]; /* MOST_INPUTS of the contract */
    if (v == CONVD_IMAGE) {
        convd_pixels_unpack(&e->p->input, e->run->input, e->p->input.n == 1 ? 0 : n, y, e->p->simd);
        return;
    }
    for (size_t i = 0; i < node->n_inputs; i++) {
        int u = node->inputs[i];
        const struct convd_shape *s = &e->p->nodes[u].site.y;
        in[i] = convd_in_stage(e->p, u, number) ? band_view(e, slot, b, u)
                                                : full_view(e, u, n, (struct convd_rows){0, s->h});
        if (channels.y1 > 0)
            in[i] = channels_of(in[i], channels);
    }
    const struct convd_call call = {.site = &x->site,
                                    .x = in,
                                    .y = y,
                                    .scratch = (float *)(void *)(slot + e->stage->scratch_offset),
                                    .digest = digest_data(e, v, n),
                                    .kept = kept_data(e, v, n, channels.y0),
                                    .own =
                                        convd_band_rows(y->h, b, e->stage->bands, e->stage->grain)};
    node->op->forward(&call);
}

/* Steps that v picks from, over what it picked. */
static void run_behind(const struct exec *e, int v, const struct convd_view *y)
{
    for (size_t k = 0; k < e->stage->n; k++) {
        const int u = e->stage->nodes[k];
        if (e->p->nodes[u].behind != v) continue;
        const uint64_t start = e->run->step_ns ? now_ns() : 0;
        e->p->graph->nodes[u].op->forward(
            &(struct convd_call){.site = &e->p->nodes[u].site, .x = y, .y = y});
        if (e->run->step_ns)
            atomic_fetch_add_explicit((_Atomic uint64_t *)&e->run->step_ns[u], now_ns() - start,
                                      memory_order_relaxed);
    }
}

/* The band's own rows of a node that ends the stage: to its full buffer and to the pictures that show it. */
static void keep(const struct exec *e, const struct convd_view *y, size_t b, ptrdiff_t n, int v,
                 bool copy)
{
    const struct convd_plan *p = e->p;
    struct convd_rows own = convd_band_rows(y->h, b, e->stage->bands, e->stage->grain);
    struct convd_view part = *y;
    part.data = convd_row(y, 0, own.y0);
    part.y0 = own.y0;
    part.y1 = own.y1;
    if (own.y1 <= own.y0)
        return;
    if (copy) {
        const struct convd_view full = full_view(e, v, n, own);
        for (ptrdiff_t c = 0; c < y->c; c++)
            memcpy(convd_row(&full, c, own.y0), convd_row(&part, c, own.y0),
                   (size_t)((own.y1 - own.y0) * y->w) * sizeof(float));
    }
    for (size_t o = 0; o < p->n_outputs; o++) {
        if (p->outputs[o].node != v || p->nodes[v].output == (int)o || v == CONVD_IMAGE)
            continue; /* the image is given as it came, once all is done */
        uint64_t cut =
            convd_pixels_pack(&part, p->outputs[o].pixels, n, e->run->outputs[o], p->simd);
        if (e->saturated)
            atomic_fetch_add_explicit(&e->saturated[o], cut, memory_order_relaxed);
    }
}

static void run_node(const struct exec *e, char *slot, size_t b, ptrdiff_t n, size_t k)
{
    int v = e->stage->nodes[k];
    const struct convd_plan_node *x = &e->p->nodes[v];
    struct convd_rows need = e->stage->need[b * e->stage->n + k];
    bool keeps =
        n < x->site.y.n; /* a map with one sample is kept once, computed for each that reads it */
    if (need.y1 <= need.y0 || (!x->banded && !keeps) || x->behind >= 0) return;
    uint64_t start = e->run->step_ns ? now_ns() : 0;
    const struct convd_view y = x->banded ? band_view(e, slot, b, v) : full_view(e, v, n, need);
    forward(e, slot, b, n, v, &y, (struct convd_rows){0, 0});
    if (v != CONVD_IMAGE && e->p->graph->nodes[v].op->picks) run_behind(e, v, &y);
    if (keeps)
        keep(e, &y, b, n, v, x->banded && x->full);
    if (e->run->step_ns)
        atomic_fetch_add_explicit((_Atomic uint64_t *)&e->run->step_ns[v], now_ns() - start,
                                  memory_order_relaxed);
}

/* A share of the channels of the stage's only node. */
static void run_channels(const struct exec *e, char *slot, size_t b, ptrdiff_t n, size_t part)
{
    const int v = e->stage->nodes[0];
    const ptrdiff_t c = e->p->nodes[v].site.y.c;
    const struct convd_rows need = e->stage->need[b],
                            own = {c * (ptrdiff_t)part / (ptrdiff_t)e->stage->parts,
                                   c * (ptrdiff_t)(part + 1) / (ptrdiff_t)e->stage->parts};
    if (n >= e->p->nodes[v].site.y.n || need.y1 <= need.y0)
        return;
    uint64_t start = e->run->step_ns ? now_ns() : 0;
    struct convd_view y = channels_of(full_view(e, v, n, need), own);
    forward(e, slot, b, n, v, &y, own);
    if (e->run->step_ns)
        atomic_fetch_add_explicit((_Atomic uint64_t *)&e->run->step_ns[v], now_ns() - start,
                                  memory_order_relaxed);
}

static void run_band(void *arg, size_t task, size_t slot)
{
    struct exec *e = arg;
    const size_t part = task % e->stage->parts, piece = task / e->stage->parts, b = piece % e->stage->bands;
    const ptrdiff_t n = (ptrdiff_t)(piece / e->stage->bands);
    if (atomic_load_explicit(&e->stopped, memory_order_relaxed))
        return;
    if (e->run->cancel && atomic_load_explicit(e->run->cancel, memory_order_relaxed)) {
        atomic_store_explicit(&e->stopped, true, memory_order_relaxed);
        return;
    }
    char *own = e->workspace + e->p->slots_offset + slot * e->stage->slot_bytes;
    if (e->stage->lane) {
        convd_lane_run(e->p, e->stage, e->run, own, b, n, e->saturated);
        return;
    }
    if (e->stage->parts > 1) {
        run_channels(e, own, b, n, part);
        return;
    }
    for (size_t k = 0; k < e->stage->n; k++)
        run_node(e, own, b, n, k);
}

/* ---- outputs that no stage makes: a given tensor, the image itself ---- */

static void give_source(const struct exec *e, size_t o)
{
    const struct convd_plan *p = e->p;
    int v = p->outputs[o].node;
    const struct convd_shape *s = &p->nodes[v].site.y;
    uint64_t cut = 0;
    for (ptrdiff_t n = 0; n < s->n; n++)
        for (ptrdiff_t y = 0; y < s->h; y++) {
            struct convd_rows r = {y, y + 1};
            struct convd_view row =
                p->nodes[v].given
                    ? full_view(e, v, n, r)
                    : (struct convd_view){.data = (float *)(void *)(e->workspace + p->row_offset),
                                          .c = s->c,
                                          .h = s->h,
                                          .w = s->w,
                                          .y0 = y,
                                          .y1 = y + 1,
                                          .row = s->w,
                                          .plane = s->w};
            if (!p->nodes[v].given)
                convd_pixels_unpack(&p->input, e->run->input, n, &row, p->simd);
            cut += convd_pixels_pack(&row, p->outputs[o].pixels, n, e->run->outputs[o], p->simd);
        }
    if (e->saturated)
        atomic_fetch_add_explicit(&e->saturated[o], cut, memory_order_relaxed);
}

static bool is_source(const struct convd_plan *p, int v)
{
    return p->graph->nodes[v].kind != CONVD_NODE_STEP;
}

/* ---- what is gathered of whole maps before bands run ---- */

struct gathering {
    const struct exec *e;
    int v;
};

static void gather(void *arg, size_t n, size_t slot)
{
    const struct gathering *g = arg;
    const struct exec *e = g->e;
    const struct convd_node *node = &e->p->graph->nodes[g->v];
    const struct convd_plan_node *x = &e->p->nodes[g->v];
    struct convd_view in[64]; /* MOST_INPUTS of the contract */
    uint64_t start = e->run->step_ns ? now_ns() : 0;
    (void)slot;
    for (size_t i = 0; i < node->n_inputs; i++)
        in[i] = full_view(e, node->inputs[i], (ptrdiff_t)n, (struct convd_rows){0, x->site.x[i].h});
    const struct convd_call call = {
        .site = &x->site, .x = in, .digest = digest_data(e, g->v, (ptrdiff_t)n)};
    node->op->digest(&call);
    if (e->run->step_ns)
        atomic_fetch_add_explicit((_Atomic uint64_t *)&e->run->step_ns[g->v], now_ns() - start,
                                  memory_order_relaxed);
}

static void gather_stage(const struct exec *e)
{
    for (size_t k = 0; k < e->stage->n; k++) {
        struct gathering g = {e, e->stage->nodes[k]};
        const struct convd_plan_node *x = &e->p->nodes[g.v];
        if (x->digest_bytes)
            convd_pool_for(e->run->pool, (size_t)x->site.y.n, e->stage->slots, gather, &g);
    }
}

static bool run_stages(struct exec *e)
{
    const struct convd_plan *p = e->p;
    for (size_t i = 0; i < p->n_stages; i++) {
        e->stage = &p->stages[i];
        size_t tasks = e->stage->bands * e->stage->parts * (size_t)e->stage->samples;
        gather_stage(e);
        convd_pool_for(e->run->pool, tasks, e->stage->slots, run_band, e);
        if (atomic_load(&e->stopped))
            return false;
    }
    for (size_t o = 0; o < p->n_outputs; o++)
        if (is_source(p, p->outputs[o].node))
            give_source(e, o);
    return true;
}

bool convd_plan_run(const struct convd_plan *p, const struct convd_run *run, struct convd_faults *f)
{
    const struct convd_memory *mem = p->mem.memory;
    struct exec e = {.p = p,
                     .run = run,
                     .workspace = run->workspace,
                     .saturated = (_Atomic uint64_t *)run->saturated};
    char *own = NULL;
    if (!e.workspace && p->workspace && !(own = e.workspace = convd_take(mem, p->workspace))) {
        convd_fault(f, CONVD_NO_MEMORY, NULL, "no memory for a workspace of %zu bytes",
                    p->workspace);
        return false;
    }
    char
        nothing; /* a plan that needs no workspace still has a place for it: offsets on NULL are undefined */
    if (!e.workspace)
        e.workspace = &nothing;
    if (run->saturated)
        memset(run->saturated, 0, p->n_outputs * sizeof *run->saturated);
    bool done = run_stages(&e);
    convd_give(mem, own, p->workspace);
    if (!done)
        convd_fault(f, CONVD_CANCELLED, NULL, "stopped before it was done");
    return done;
}
