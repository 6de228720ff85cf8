/* layout.c: which nodes run together, and in how many bands; see plan_inner.h. */
#include "plan_inner.h"
#include <math.h>
#include <string.h>

#define BAND_TARGET                                                                                \
    ((size_t)384 << 10) /* bytes of a band's maps: they stay in a core's L2              */
#define BAND_MOST                                                                                  \
    ((size_t)8 << 20) /* grows up to this when windows are tall                         */
#define BAND_ROWS_LEAST 8
#define GRAINS_LEAST    16      /* of a band, where rows come in groups                           */
#define COSTLY          256.0   /* multiply-adds a number beyond which it is not computed twice   */
#define EXTRA_WORK_FINE 1.25    /* rows computed over rows there are                              */
#define EXTRA_WORK_MOST 1.5     /* beyond this a node ends its stage                              */
#define TABLE_MOST      200000u /* bands times nodes                                              */

static const struct convd_node *node_of(const struct convd_plan *p, int v)
{
    return &p->graph->nodes[v];
}

bool convd_edge_rows(const struct convd_plan *p, int v, size_t i, struct convd_rows y,
                     struct convd_rows *x)
{
    const struct convd_site *s = &p->nodes[v].site;
    const struct convd_op *op = node_of(p, v)->op;
    ptrdiff_t h = s->x[i].h;
    *x = (struct convd_rows){0, h};
    if (!op->rows) {
        if (h == s->y.h)
            *x = y;
        return h == s->y.h || h == 1;
    }
    struct convd_rows r;
    if (!op->rows(s, i, y, &r))
        return false;
    if (r.y0 < 0)
        r.y0 = 0;
    if (r.y1 > h)
        r.y1 = h;
    if (r.y1 <=
        r.y0) { /* all outside: the border makes them; hold one row so that views are never empty */
        r.y0 = r.y0 >= h ? h - 1 : r.y0;
        r.y1 = r.y0 + 1;
    }
    *x = r;
    return true;
}

/* True when v reads all of input i whatever rows are asked. */
static bool needs_whole(const struct convd_plan *p, int v, size_t i)
{
    ptrdiff_t h = p->nodes[v].site.y.h;
    struct convd_rows x;
    return !convd_edge_rows(p, v, i, (struct convd_rows){0, h}, &x) ||
           !convd_edge_rows(p, v, i, (struct convd_rows){0, 1}, &x) ||
           !convd_edge_rows(p, v, i, (struct convd_rows){h - 1, h}, &x);
}

bool convd_in_stage(const struct convd_plan *p, int v, int s)
{
    const struct convd_plan_node *x = &p->nodes[v];
    if (x->given)
        return false;
    return x->stage == s || (v == CONVD_IMAGE && !x->full);
}

/* ---- stages ---- */

static void reset(struct convd_plan *p)
{
    for (size_t v = 0; v < p->graph->n_nodes; v++) {
        struct convd_plan_node *x = &p->nodes[v];
        x->full = x->banded = false;
        x->stage = x->last_stage = x->output = x->in_place_of = x->behind = -1;
    }
}

/* A number that costs more to compute again where bands overlap than to be written to memory and read. */
static bool is_costly(const struct convd_plan *p, int v)
{
    const struct convd_plan_node *x = &p->nodes[v];
    while (node_of(p, v)->op && node_of(p, v)->op->in_place &&
           x->cost.macs < COSTLY) { /* the one before it */
        v = node_of(p, v)->inputs[0];
        x = &p->nodes[v];
    }
    return x->cost.macs > COSTLY * (double)x->site.y.c * (double)x->site.y.h * (double)x->site.y.w;
}

static bool overlaps(const struct convd_plan *p, int v)
{
    struct convd_window w = {.kh = 1, .sh = 1, .dh = 1};
    if (node_of(p, v)->op->window) node_of(p, v)->op->window(&p->nodes[v].site, &w);
    return (w.kh - 1) * w.dh >= w.sh;
}

/* Numbers the stages, says who has a full buffer and until when. Returns the number of stages. */
static int number_stages(struct convd_plan *p)
{
    const struct convd_graph *g = p->graph;
    struct convd_plan_node *image = &p->nodes[CONVD_IMAGE];
    int last = -1;
    reset(p);
    for (size_t o = 0; o < p->n_outputs; o++) {
        struct convd_plan_node *x = &p->nodes[p->outputs[o].node];
        if (!x->given && p->outputs[o].pixels == CONVD_F32_NCHW && x->output < 0 &&
            p->outputs[o].node != CONVD_IMAGE) {
            x->full = true;
            x->output = (int)o;
        }
    }
    for (size_t v = 1; v < g->n_nodes; v++)
        for (size_t i = 0; p->nodes[v].needed && i < g->nodes[v].n_inputs; i++)
            if (g->nodes[v].inputs[i] == CONVD_IMAGE && !image->given && needs_whole(p, (int)v, i))
                image->full = true;
    image->stage = image->full ? 0 : -1;
    for (size_t v = 1; v < g->n_nodes; v++) {
        struct convd_plan_node *x = &p->nodes[v];
        if (!x->needed || x->given)
            continue;
        int stage = 0;
        for (size_t i = 0; i < g->nodes[v].n_inputs; i++) {
            int u = g->nodes[v].inputs[i];
            struct convd_plan_node *in = &p->nodes[u];
            if (in->given || (u == CONVD_IMAGE && !in->full))
                continue;
            bool ends =
                in->forced || needs_whole(p, (int)v, i) || (is_costly(p, u) && overlaps(p, (int)v));
            int least = in->stage + (ends ? 1 : 0);
            stage = least > stage ? least : stage;
        }
        x->stage = stage;
        last = stage > last ? stage : last;
    }
    if (image->full && last < 0)
        last = 0;
    for (size_t v = 1; v < g->n_nodes; v++)
        for (size_t i = 0; p->nodes[v].needed && i < g->nodes[v].n_inputs; i++) {
            struct convd_plan_node *in = &p->nodes[g->nodes[v].inputs[i]];
            int stage = p->nodes[v].stage;
            if (in->given || stage < 0)
                continue;
            if (convd_in_stage(p, g->nodes[v].inputs[i], stage)) {
                in->banded = true;
                continue;
            }
            in->full = true;
            in->last_stage = stage > in->last_stage ? stage : in->last_stage;
        }
    return last + 1;
}

/* A node somebody outside its stage reads, or that is wanted: its own rows must come out of every band. */
bool convd_is_sink(const struct convd_plan *p, int v)
{
    if (p->nodes[v].full)
        return true;
    for (size_t o = 0; o < p->n_outputs; o++)
        if (p->outputs[o].node == v)
            return v != CONVD_IMAGE;
    return false;
}

static bool list_nodes(struct convd_plan *p, struct convd_stage *s, int number)
{
    int *list = convd_arena_array(&p->mem, p->graph->n_nodes, sizeof *list);
    if (!list)
        return false;
    bool image = p->nodes[CONVD_IMAGE].full && number == 0;
    *s = (struct convd_stage){.nodes = list, .samples = 1, .grain = 1};
    for (size_t v = 1; v < p->graph->n_nodes; v++)
        for (size_t i = 0; p->nodes[v].stage == number && i < p->graph->nodes[v].n_inputs; i++)
            image |= p->graph->nodes[v].inputs[i] == CONVD_IMAGE &&
                     convd_in_stage(p, CONVD_IMAGE, number);
    if (image)
        list[s->n++] = CONVD_IMAGE;
    for (size_t v = 1; v < p->graph->n_nodes; v++)
        if (p->nodes[v].stage == number)
            list[s->n++] = (int)v;
    for (size_t k = 0; k < s->n; k++) {
        struct convd_plan_node *x = &p->nodes[list[k]];
        s->samples = x->site.y.n > s->samples ? x->site.y.n : s->samples;
        x->at = k;
        x->banded |= !x->full;
    }
    return true;
}

/* ---- bands ---- */

static void include(struct convd_rows *need, struct convd_rows more)
{
    if (need->y1 <= need->y0) {
        *need = more;
        return;
    }
    need->y0 = more.y0 < need->y0 ? more.y0 : need->y0;
    need->y1 = more.y1 > need->y1 ? more.y1 : need->y1;
}

/* Asks the inputs of node k for what band b of it needs. */
static void ask_inputs(const struct convd_plan *p, const struct convd_stage *s, size_t b, size_t k,
                       struct convd_rows *need)
{
    struct convd_rows *row = need + b * s->n;
    const struct convd_node *n = node_of(p, s->nodes[k]);
    for (size_t i = 0; i < n->n_inputs; i++) {
        struct convd_rows x;
        if (!convd_in_stage(p, n->inputs[i], convd_stage_number(p, s)))
            continue;
        convd_edge_rows(p, s->nodes[k], i, row[k], &x);
        include(&row[convd_stage_at(p, n->inputs[i])], x);
    }
}

static ptrdiff_t grain_of(const struct convd_plan *p, int v)
{
    const struct convd_op *op = node_of(p, v)->op;
    return op && op->grain ? op->grain(&p->nodes[v].site) : 1;
}

/* How many rows v computes where r are wanted. */
static double rows_computed(const struct convd_plan *p, int v, struct convd_rows r)
{
    const ptrdiff_t grain = grain_of(p, v), h = p->nodes[v].site.y.h;
    if (r.y1 <= r.y0) return 0;
    ptrdiff_t end = (r.y1 + grain - 1) / grain * grain;
    return (double)((end < h ? end : h) - r.y0 / grain * grain);
}

/* Fills the stage's table from its results back. Returns the most any node is computed over; with `force`, a node beyond
 * EXTRA_WORK_MOST ends the stage instead (then *forced: the table is of no use). The image is cheap to unpack again. */
double convd_stage_table(struct convd_plan *p, struct convd_stage *s, struct convd_rows *need,
                         bool force, bool *forced)
{
    double most = 1;
    memset(need, 0, s->bands * s->n * sizeof *need);
    for (size_t k = s->n; k-- > 0;) {
        int v = s->nodes[k];
        struct convd_plan_node *x = &p->nodes[v];
        bool sink = convd_is_sink(p, v);
        double rows = 0;
        for (size_t b = 0; b < s->bands; b++) {
            struct convd_rows *r = &need[b * s->n + k];
            if (sink) include(r, convd_band_rows(x->site.y.h, b, s->bands, s->grain));
            rows += rows_computed(p, v, *r);
        }
        double work = rows / (double)x->site.y.h;
        if (v == CONVD_IMAGE)
            continue;
        if (force && work > EXTRA_WORK_MOST) {
            x->forced = *forced = true;
            for (size_t b = 0; b < s->bands; b++)
                need[b * s->n + k] = convd_band_rows(x->site.y.h, b, s->bands, s->grain);
        } else if (work > most) {
            most = work;
        }
        for (size_t b = 0; b < s->bands; b++)
            if (need[b * s->n + k].y1 > need[b * s->n + k].y0)
                ask_inputs(p, s, b, k, need);
    }
    return most;
}

/* The height that bands are cut from, and the bytes of all maps. */
static ptrdiff_t reference_height(const struct convd_plan *p, const struct convd_stage *s,
                                  double *bytes)
{
    ptrdiff_t h = 1;
    *bytes = 0;
    for (size_t k = 0; k < s->n; k++) {
        const struct convd_plan_node *x = &p->nodes[s->nodes[k]];
        *bytes += 4.0 * (double)x->site.y.c * (double)x->site.y.h * (double)x->site.y.w;
        if (convd_is_sink(p, s->nodes[k]) && x->site.y.h > h)
            h = x->site.y.h;
    }
    return h;
}

static size_t band_count(const struct convd_plan *p, const struct convd_stage *s, ptrdiff_t h,
                         double rows)
{
    const size_t most = TABLE_MOST / s->n > 64 ? TABLE_MOST / s->n : 64,
                 units = (size_t)((h + s->grain - 1) / s->grain);
    size_t bands =
        p->forced_bands ? p->forced_bands : (size_t)ceil((double)h / (rows < 1 ? 1 : rows));
    if (!p->forced_bands && bands > 1 && bands < 8 * p->threads) /* the same for every thread */
        bands = (bands + p->threads - 1) / p->threads * p->threads;
    bands = bands > most ? most : bands;
    return bands > units ? units : bands;
}

/* Picks the number of bands: maps in cache, work for every thread, little computed twice. False without memory. */
/* True where the stage is one op that takes channel by channel, on whole maps. */
static bool by_channels(const struct convd_plan *p, const struct convd_stage *s)
{
    const int v = s->nodes[0];
    const struct convd_plan_node *x = &p->nodes[v];
    if (s->n != 1 || v == CONVD_IMAGE || !node_of(p, v)->op->by_channel || x->banded || !x->full || p->forced_bands)
        return false;
    for (size_t o = 0; o < p->n_outputs; o++)
        if (p->outputs[o].node == v && x->output != (int)o)
            return false;
    return true;
}

/* Such a stage is cut along its channels where they are enough for every worker, or its rows too few: a channel's rows lie
 * one behind the other, and are read as they come. */
static size_t channel_parts(const struct convd_plan *p, const struct convd_stage *s)
{
    const size_t c = (size_t)p->nodes[s->nodes[0]].site.y.c, most = 4 * p->threads;
    if (!by_channels(p, s) || s->bands * (size_t)s->samples >= p->threads + (s->bands == 1))
        return 1;
    return c < most ? c : most;
}

static bool choose_bands(struct convd_plan *p, struct convd_stage *s, bool *again)
{
    double bytes;
    ptrdiff_t h = reference_height(p, s, &bytes);
    double per_row = bytes / (double)h, rows = (double)BAND_TARGET / per_row;
    const bool whole = by_channels(p, s) && (size_t)p->nodes[s->nodes[0]].site.y.c >= p->threads;
    for (size_t k = 0; k < s->n; k++)
        s->grain = grain_of(p, s->nodes[k]) > s->grain ? grain_of(p, s->nodes[k]) : s->grain;
    const double least = s->grain > 1 ? GRAINS_LEAST * (double)s->grain : BAND_ROWS_LEAST;
    const double turns =
        s->grain > 1 ? 1 : 3; /* bands of each thread: few where they are better large */
    rows = rows < least ? least : rows;
    if (p->threads > 1 && bytes > (double)BAND_TARGET &&
        rows * turns * (double)p->threads > (double)h)
        rows = (double)h / (turns * (double)p->threads);
    if (whole)
        rows = (double)h + 1;
    s->bands = band_count(p, s, h, rows);
    struct convd_rows *need =
        convd_arena_array(&p->mem, s->bands * s->n, sizeof *need); /* later tables are smaller */
    if (!need)
        return false;
    for (;; rows *= 2) {
        s->bands = band_count(p, s, h, rows);
        bool last = s->bands == 1 || p->forced_bands || 2 * rows * per_row > (double)BAND_MOST;
        bool force = last && !p->forced_bands && s->bands > 1;
        if (convd_stage_table(p, s, need, force, again) <= EXTRA_WORK_FINE || last)
            break;
    }
    s->need = need;
    return true;
}

static bool cut_stages(struct convd_plan *p)
{
    for (bool again = true; again;) {
        again = false;
        p->n_stages = (size_t)number_stages(p);
        p->stages = convd_arena_array(&p->mem, p->n_stages ? p->n_stages : 1, sizeof *p->stages);
        if (!p->stages)
            return false;
        for (size_t i = 0; i < p->n_stages; i++)
            if (!list_nodes(p, &p->stages[i], (int)i))
                return false;
        for (size_t i = 0; i < p->n_stages; i++)
            if (!convd_lane_choose(p, &p->stages[i]) ||
                (!p->stages[i].lane && !choose_bands(p, &p->stages[i], &again)))
                return false;
    }
    for (size_t i = 0; i < p->n_stages; i++)
        p->stages[i].parts = channel_parts(p, &p->stages[i]);
    return true;
}

bool convd_plan_layout(struct convd_plan *p)
{
    return cut_stages(p) && convd_buffers_place(p);
}
