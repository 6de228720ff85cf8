/* lane.c: which stages run on integers, and where their rows lie.
 *
 * A stage qualifies when all its maps come from the 8-bit picture, all its results leave as bytes, and every op has an
 * integer form for the formats its inputs have (fixed.h). The planner tries interleaved rows before planes, and many
 * fractional bits before few: more bits, less error, until sums no longer fit into 16 bits. It takes the first try in
 * which no result is off by more than CONVD_FIXED_ERROR_MOST: every byte is within a level of the float definition.
 *
 * A band is computed in steps of a few rows, each node as far as its readers need: rows stand in rings just large
 * enough, so that a step's rows are still in the first cache when they are read, and no row is computed twice within a
 * band. */
#include "ops/fused.h"
#include "plan_inner.h"
#include <string.h>

#define BITS_MOST   7    /* 255 with 7 fractional bits fits into 16 bits with its sign                        */
#define STEP_TARGET 65536.0 /* bytes of a step's rows: measured, 12 to 64 KiB differ by a tenth     */
#define ROWS_LEAST  2
#define BAND_ROWS_LEAST 32
#define BANDS_A_THREAD  4
#define LOST_MOST       8  /* a band is so many times as high as what it loses, where it can be */
#define GRAIN_MOST      16
#define GRAINS_A_BAND   4  /* bands are cut at grains: more than that, lest they differ           */
#define TABLE_MOST  200000u
#define BUFFERS_FINE ((size_t)8 << 20)   /* bytes of a worker's rings                                         */
#define BUFFERS_MOST ((size_t)128 << 20) /* and of all workers' rings, where one worker's are larger: a band's first step
                                            needs a row more of each map for every window below it                       */

static size_t align(size_t bytes)
{
    return (bytes + 63) / 64 * 64;
}

const struct convd_lane *convd_lane_of(const struct convd_plan *p, int v)
{
    const int number = p->nodes[v].stage;
    if (v == CONVD_IMAGE || number < 0 || (size_t)number >= p->n_stages || !p->stages[number].lane)
        return NULL;
    return &p->stages[number].lane[p->nodes[v].at];
}

int convd_lane_runner(const struct convd_plan *p, int v)
{
    const struct convd_lane *lane = convd_lane_of(p, v);
    if (!lane || !lane->absorbed) return v;
    /* Steps stand behind what they read, and one reads it. */
    for (size_t r = (size_t)v + 1; r < p->graph->n_nodes; r++)
        for (size_t i = 0; p->nodes[r].needed && i < p->graph->nodes[r].n_inputs; i++)
            if (p->graph->nodes[r].inputs[i] == v) return convd_lane_runner(p, (int)r);
    return v;
}

/* ---- whether ---- */

/* Everything comes from the picture, stays inside the stage, and leaves as bytes. */
static bool qualifies(const struct convd_plan *p, const struct convd_stage *s)
{
    const struct convd_input *in = &p->input;
    if (p->float_only || in->pixels != CONVD_U8_HWC || s->n < 2 || s->nodes[0] != CONVD_IMAGE ||
        p->nodes[CONVD_IMAGE].full || (in->channels != in->stored && in->channels == 1) ||
        in->channels > in->stored)
        return false;
    for (size_t k = 1; k < s->n; k++) {
        const struct convd_node *n = convd_stage_node(p, s, k);
        if (p->nodes[s->nodes[k]].full || !n->op || !n->op->fixed)
            return false;
        for (size_t i = 0; i < n->n_inputs; i++)
            if (!convd_in_stage(p, n->inputs[i], (int)(s - p->stages)))
                return false;
    }
    for (size_t o = 0; o < p->n_outputs; o++) {
        const int v = p->outputs[o].node;
        if (v != CONVD_IMAGE && p->nodes[v].stage == (int)(s - p->stages) &&
            p->outputs[o].pixels != CONVD_U8_HWC)
            return false;
    }
    return true;
}

static bool is_read(const struct convd_plan *p, const struct convd_stage *s, size_t k)
{
    for (size_t r = k + 1; r < s->n; r++)
        for (size_t i = 0; i < convd_stage_node(p, s, r)->n_inputs; i++)
            if (convd_stage_node(p, s, r)->inputs[i] == s->nodes[k])
                return true;
    return false;
}

/* Asks node k for its format; formats of nodes before it are known. */
static bool ask(const struct convd_plan *p, struct convd_stage *s, struct convd_lane *lane, size_t k,
                int bits)
{
    const struct convd_node *n = convd_stage_node(p, s, k);
    struct convd_fixed x[64]; /* MOST_INPUTS of the contract */
    struct convd_fixed_ask a = {.bits = bits, .bytes = !is_read(p, s, k)};
    for (size_t i = 0; i < n->n_inputs; i++)
        x[i] = lane[convd_stage_at(p, n->inputs[i])].format;
    lane[k].format = x[0];
    lane[k].format.algorithm = NULL;
    if (!n->op->fixed(&p->nodes[s->nodes[k]].site, x, &a, &lane[k].format))
        return false;
    if (convd_is_sink(p, s->nodes[k]) && !(lane[k].format.error <= CONVD_FIXED_ERROR_MOST))
        return false;
    lane[k].state_bytes = align(a.state);
    lane[k].rows = a.rows;
    lane[k].lost = a.lost;
    for (size_t i = 0; i < n->n_inputs; i++) {
        struct convd_lane *u = &lane[convd_stage_at(p, n->inputs[i])];
        u->margin = a.margin > u->margin ? a.margin : u->margin;
    }
    return true;
}

static bool try_formats(const struct convd_plan *p, struct convd_stage *s, struct convd_lane *lane,
                        bool interleaved, int bits)
{
    memset(lane, 0, s->n * sizeof *lane);
    const ptrdiff_t c = p->input.channels;
    lane[0].format = (struct convd_fixed){.type = CONVD_FIXED_U8,
                                          .hi = 255,
                                          .planes = interleaved ? 1 : c,
                                          .step = interleaved ? c : 1};
    for (size_t k = 1; k < s->n; k++)
        if (!ask(p, s, lane, k, bits))
            return false;
    return true;
}

static bool choose_formats(const struct convd_plan *p, struct convd_stage *s, struct convd_lane *lane)
{
    for (int layout = p->input.channels == p->input.stored ? 0 : 1; layout < 2; layout++)
        for (int bits = BITS_MOST; bits >= 0; bits--)
            if (try_formats(p, s, lane, layout == 0, bits))
                return true;
    return false;
}

/* ---- what runs as one ---- */

static size_t wanted(const struct convd_plan *p, const struct convd_stage *s, size_t k)
{
    size_t outputs = 0;
    for (size_t o = 0; o < p->n_outputs; o++) outputs += p->outputs[o].node == s->nodes[k];
    return outputs;
}

/* Input i of node k as filters of one map, or NULL; so, too, where somebody else wants it. */
static const struct convd_fixed_fused *own_fused(const struct convd_plan *p, const struct convd_stage *s, size_t k, size_t i)
{
    const int v = convd_stage_node(p, s, k)->inputs[i];
    const size_t u = convd_stage_at(p, v);
    size_t readers = 0;
    for (size_t r = u + 1; r < s->n; r++)
        for (size_t q = 0; q < convd_stage_node(p, s, r)->n_inputs; q++)
            readers += convd_stage_node(p, s, r)->inputs[q] == v;
    return readers == 1 && !convd_is_sink(p, v) ? s->lane[u].fused : NULL;
}

/* Leaves as bytes, and nobody else wants it: written where the caller wants it. */
static void leave(const struct convd_plan *p, const struct convd_stage *s, size_t k)
{
    struct convd_lane *l = &s->lane[k];
    if (wanted(p, s, k) != 1 || is_read(p, s, k) || l->format.planes != 1 || l->format.type != CONVD_FIXED_I16) return;
    l->fused->bytes = true;
    l->fused->even = l->format.error == 0;
    l->fused->frac = l->format.frac;
    l->format.type = CONVD_FIXED_U8;
    l->format.frac = 0;
}

/* Node k as filters of one map where it can be; inputs that are the same run no more. False without memory. */
static bool fuse(struct convd_plan *p, struct convd_stage *s, size_t k)
{
    const struct convd_node *n = convd_stage_node(p, s, k);
    struct convd_lane *l = &s->lane[k];
    struct convd_fixed x[64]; /* MOST_INPUTS of the contract */
    const struct convd_fixed_fused *in[64];
    struct convd_fixed_fused fused;
    for (size_t i = 0; i < n->n_inputs; i++) {
        x[i] = s->lane[convd_stage_at(p, n->inputs[i])].format;
        in[i] = own_fused(p, s, k, i);
    }
    if (!n->op->fused || !n->op->fused(&p->nodes[s->nodes[k]].site, x, &l->format, in, &fused)) return true;
    if (!(l->fused = convd_arena_zero(&p->mem, sizeof fused))) return false;
    *l->fused = fused;
    if (fused.first) l->fused->of = convd_stage_at(p, n->inputs[0]);
    for (size_t i = 0; !fused.first && i < n->n_inputs; i++) {
        struct convd_lane *u = &s->lane[convd_stage_at(p, n->inputs[i])];
        u->absorbed = true;
        u->format.algorithm = "fused i16";
        u->state_bytes = 0;
    }
    l->format.algorithm = "fused i16";
    l->state_bytes = align(convd_fused_state(&s->lane[l->fused->of].format, convd_stage_shape(p, s, k).w));
    l->rows = CONVD_FUSED_ROWS;
    l->lost = 0;
    leave(p, s, k);
    return true;
}

/* ---- where rows lie ---- */

static ptrdiff_t row_numbers(const struct convd_plan *p, const struct convd_stage *s, size_t k)
{
    return convd_stage_shape(p, s, k).w * s->lane[k].format.step;
}

/* The picture is read where it is when nobody wants room beside its rows; bytes are written to where they are wanted when
 * nobody else reads them. */
static void lend(const struct convd_plan *p, struct convd_stage *s)
{
    s->lane[0].lent = s->lane[0].format.planes == 1 && s->lane[0].margin == 0 &&
                      p->input.channels == p->input.stored;
    for (size_t k = 1; k < s->n; k++) {
        s->lane[k].lent = wanted(p, s, k) == 1 && s->lane[k].format.type == CONVD_FIXED_U8 &&
                          s->lane[k].format.planes == 1 && !is_read(p, s, k);
    }
}

/* Node k may write over its first input: nobody else reads that, and their rows are alike. */
static void share(const struct convd_plan *p, struct convd_stage *s, size_t k)
{
    struct convd_lane *y = &s->lane[k];
    const struct convd_node *n = convd_stage_node(p, s, k);
    y->root = k;
    if (k == 0 || y->lent || y->fused || !n->op->in_place)
        return;
    const size_t u = convd_stage_at(p, n->inputs[0]);
    const struct convd_lane *x = &s->lane[u];
    if (x->lent || convd_is_sink(p, n->inputs[0]) || x->format.type != y->format.type || x->format.planes != y->format.planes ||
        x->format.step != y->format.step || convd_stage_shape(p, s, u).w != convd_stage_shape(p, s, k).w ||
        convd_stage_shape(p, s, u).h != convd_stage_shape(p, s, k).h)
        return;
    for (size_t r = u + 1; r < s->n; r++)
        for (size_t i = 0; i < convd_stage_node(p, s, r)->n_inputs; i++)
            if (convd_stage_at(p, convd_stage_node(p, s, r)->inputs[i]) == u && (r != k || i > 0))
                return;
    y->root = x->root;
    struct convd_lane *root = &s->lane[y->root];
    root->margin = y->margin > root->margin ? y->margin : root->margin;
}

static size_t row_bytes(const struct convd_plan *p, const struct convd_stage *s, size_t k)
{
    const struct convd_lane *l = &s->lane[k];
    const size_t size = convd_fixed_size(l->format.type),
                 side = align((size_t)(l->margin * l->format.step) * size);
    return side + align((size_t)row_numbers(p, s, k) * size + side);
}

/* What bands and steps are cut by. */
struct measure {
    ptrdiff_t h;          /* of the highest result                           */
    double bytes;         /* of all that stands in rings, for each row of it */
    ptrdiff_t rows, lost; /* the most that an op wants at a time; what all of them lose where a band begins */
};

static struct measure measure(const struct convd_plan *p, const struct convd_stage *s)
{
    struct measure m = {.h = 1, .rows = ROWS_LEAST};
    for (size_t k = 0; k < s->n; k++)
        if (convd_is_sink(p, s->nodes[k]) && convd_stage_shape(p, s, k).h > m.h)
            m.h = convd_stage_shape(p, s, k).h;
    for (size_t k = 0; k < s->n; k++) {
        const struct convd_lane *l = &s->lane[k];
        if (l->absorbed)
            continue;
        if (l->root == k)
            m.bytes += (double)row_bytes(p, s, k) * (double)l->format.planes * (double)convd_stage_shape(p, s, k).h /
                       (double)m.h;
        m.rows = l->rows > m.rows ? l->rows : m.rows;
        m.lost += l->lost;
    }
    return m;
}

/* Several for each worker, so that none waits long for another; high ones where their first rows cost more. */
static size_t bands_for(const struct convd_plan *p, const struct measure *m)
{
    const size_t h = (size_t)m->h, few = h / BAND_ROWS_LEAST + 1;
    size_t each = BANDS_A_THREAD;
    if (p->forced_bands || p->threads < 2)
        return p->forced_bands ? p->forced_bands : 1;
    while (each > 1 && (size_t)m->lost * LOST_MOST * each * p->threads > h) each--;
    return each * p->threads < few ? each * p->threads : few;
}

/* Bands for every worker, and steps in them whose rows fit the first cache; both of whole grains: rows that ops take at a
 * time. */
static void cut(const struct convd_plan *p, struct convd_stage *s)
{
    const struct measure m = measure(p, s);
    const size_t h = (size_t)m.h, most = TABLE_MOST / s->n > 64 ? TABLE_MOST / s->n : 64, bands = bands_for(p, &m);
    s->bands = bands > h ? h : bands > most ? most : bands;
    s->grain = p->forced_bands ? 1 : GRAIN_MOST;
    while (s->grain > 1 && (s->grain > m.rows || (size_t)s->grain * s->bands * GRAINS_A_BAND > h)) s->grain /= 2;
    const double target = STEP_TARGET / m.bytes, rows = target > (double)m.rows ? target : (double)m.rows;
    const size_t each = s->bands * (size_t)s->grain, band = (h + each - 1) / each, grains = (size_t)(rows / (double)s->grain);
    s->steps = grains > 1 ? (band + grains - 1) / grains : band;
    if (s->steps > most / s->bands)
        s->steps = most / s->bands ? most / s->bands : 1;
}

/* Rings: a power of two of rows that holds what any step needs at once. */
static bool place(const struct convd_plan *p, struct convd_stage *s)
{
    size_t end = 0, pack = 0;
    for (size_t k = 0; k < s->n; k++) {
        struct convd_lane *l = &s->lane[k];
        ptrdiff_t most = 1;
        for (size_t t = 0; t < s->bands * s->steps; t++) {
            const struct convd_rows r = s->need[t * s->n + k];
            most = r.y1 - r.y0 > most ? r.y1 - r.y0 : most;
        }
        struct convd_lane *root = &s->lane[l->root];
        for (l->held = 1; l->held < most; l->held *= 2)
            continue;
        root->held = l->held > root->held ? l->held : root->held;
    }
    for (size_t k = 0; k < s->n; k++) {
        struct convd_lane *l = &s->lane[k];
        const size_t bytes = (size_t)l->format.planes * (size_t)row_numbers(p, s, k);
        pack = bytes > pack ? bytes : pack;
        l->state = end;
        end += l->state_bytes;
        if (l->root != k || l->lent || l->absorbed)
            continue;
        l->row = row_bytes(p, s, k);
        l->plane = l->row * (size_t)l->held;
        /* two rings a multiple of 4 KiB apart would share the sets of the first cache */
        end += 64 * (k % 7);
        l->offset = end + align((size_t)(l->margin * l->format.step) * convd_fixed_size(l->format.type));
        end += l->plane * (size_t)l->format.planes;
        if (end > BUFFERS_FINE && end > BUFFERS_MOST / (p->threads ? p->threads : 1))
            return false;
    }
    s->scratch_offset = end;
    s->done_offset = end + align(pack);
    s->slot_bytes = s->done_offset + align(2 * s->n * sizeof(ptrdiff_t));
    return true;
}

static bool make_all(struct convd_plan *p, struct convd_stage *s)
{
    for (size_t k = 1; k < s->n; k++) {
        const struct convd_node *n = convd_stage_node(p, s, k);
        struct convd_fixed x[64];
        if (!n->op->make_fixed || s->lane[k].fused)
            continue;
        for (size_t i = 0; i < n->n_inputs; i++)
            x[i] = s->lane[convd_stage_at(p, n->inputs[i])].format;
        s->lane[k].made = n->op->make_fixed(&p->nodes[s->nodes[k]].site, x, &s->lane[k].format, &p->mem);
        if (!s->lane[k].made)
            return false;
    }
    return true;
}

/* The table is made for steps as if they were bands. */
static bool make_table(struct convd_plan *p, struct convd_stage *s)
{
    const size_t bands = s->bands;
    struct convd_rows *need = convd_arena_array(&p->mem, bands * s->steps * s->n, sizeof *need);
    bool forced = false;
    if (!need)
        return false;
    s->bands = bands * s->steps;
    convd_stage_table(p, s, need, false, &forced);
    s->bands = bands;
    s->need = need;
    return true;
}

bool convd_lane_choose(struct convd_plan *p, struct convd_stage *s)
{
    s->lane = NULL;
    if (!qualifies(p, s))
        return true;
    struct convd_lane *lane = convd_arena_zero(&p->mem, s->n * sizeof *lane);
    if (!lane)
        return false;
    if (!choose_formats(p, s, lane))
        return true;
    s->lane = lane;
    for (size_t k = 1; k < s->n; k++)
        if (!fuse(p, s, k))
            return false;
    lend(p, s);
    for (size_t k = 0; k < s->n; k++)
        share(p, s, k);
    cut(p, s);
    if (!make_table(p, s))
        return false;
    if (!place(p, s)) {
        s->lane = NULL;
        s->grain = 1;
        return true;
    }
    return make_all(p, s);
}
