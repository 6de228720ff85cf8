/* plan.c: shapes, cost and limits of every step; see plan.h. Nothing of a picture is touched here. */
#include "plan_inner.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define SIDE_MOST ((ptrdiff_t)1 << 30)      /* of any map: keeps sums of sides far from overflow */
#define MAP_MOST ((double)((size_t)1 << 46)) /* numbers of any map: products in size_t are safe  */

static bool fits(struct convd_shape s)
{
    const ptrdiff_t side[] = {s.n, s.c, s.h, s.w};
    for (size_t i = 0; i < 4; i++)
        if (side[i] < 1 || side[i] > SIDE_MOST)
            return false;
    return (double)s.n * (double)s.c * (double)s.h * (double)s.w <= MAP_MOST;
}

static double numbers(struct convd_shape s)
{
    return (double)s.n * (double)s.c * (double)s.h * (double)s.w;
}

/* ---- shapes ---- */

static void tensor_shape(const struct convd_tensor *t, struct convd_shape *s)
{
    const ptrdiff_t *d = t->dim;
    *s = t->rank == 2   ? (struct convd_shape){1, 1, d[0], d[1]}
         : t->rank == 3 ? (struct convd_shape){1, d[0], d[1], d[2]}
                        : (struct convd_shape){d[0], d[1], d[2], d[3]};
}

/* Gathers input shapes; samples are the engine's: each input has 1 or the same number. */
static bool gather_inputs(struct convd_plan *p, int v, struct convd_faults *f)
{
    const struct convd_node *n = &p->graph->nodes[v];
    struct convd_site *s = &p->nodes[v].site;
    struct convd_shape *x = convd_arena_array(&p->mem, n->n_inputs ? n->n_inputs : 1, sizeof *x);
    if (!x) {
        convd_fault(f, CONVD_NO_MEMORY, NULL, "no memory for the plan");
        return false;
    }
    s->x = x;
    s->n = n->n_inputs;
    s->y.n = 1;
    for (size_t i = 0; i < n->n_inputs; i++) {
        int u = n->inputs[i];
        if (u < 0 || p->nodes[u].bad)
            return false;
        x[i] = p->nodes[u].site.y;
        if (x[i].n != 1 && s->y.n != 1 && x[i].n != s->y.n) {
            convd_fault_expected(f, CONVD_BAD_SHAPE, NULL, "the same number of samples, or 1",
                                 "inputs have %td and %td samples", s->y.n, x[i].n);
            return false;
        }
        s->y.n = x[i].n > s->y.n ? x[i].n : s->y.n;
    }
    return true;
}

/* Weights that came apart from the spec stay what they are. */
static void keep_bound(void *own, const struct convd_node *n)
{
    const struct convd_param *row = n->op->params;
    for (size_t r = 0; n->bound >> r; r++)
        if (n->bound >> r & 1)
            memcpy((char *)own + row[r].offset, (const char *)n->params + row[r].offset,
                   sizeof(struct convd_weight));
}

/* The op's own params; a copy with what needed shapes filled in where a block left something to planning. */
static const void *site_params(struct convd_plan *p, const struct convd_node *n)
{
    if (!n->late)
        return n->params;
    void *own = convd_arena_take(&p->mem, n->op->params_size);
    if (!own)
        return NULL;
    memcpy(own, n->params, n->op->params_size);
    struct convd_shape of[2];
    for (int i = 0; i < 2; i++) {
        int u = n->late_of[i];
        of[i] = u >= 0 ? p->nodes[u].site.y : (struct convd_shape){0};
        if (u < 0 || p->nodes[u].bad)
            return NULL;
    }
    n->late(own, of, n->late_block, &p->mem);
    keep_bound(own, n);
    return own;
}

static bool step_shape(struct convd_plan *p, int v, struct convd_faults *f)
{
    const struct convd_node *n = &p->graph->nodes[v];
    struct convd_site *s = &p->nodes[v].site;
    if (n->bad || !n->op || !gather_inputs(p, v, f))
        return false;
    s->params = site_params(p, n);
    s->position = n->position;
    s->simd = p->simd;
    if (!s->params)
        return false;
    ptrdiff_t samples = s->y.n;
    size_t before = convd_faults_count(f);
    s->y = s->x[0];
    s->y.n = samples;
    if (n->op->shape && (!n->op->shape(s, f) || convd_faults_count(f) > before))
        return false;
    s->y.n = samples;
    if (!fits(s->y)) {
        convd_fault_expected(
            f, s->y.c < 1 || s->y.h < 1 || s->y.w < 1 ? CONVD_BAD_SHAPE : CONVD_TOO_MUCH_MEMORY,
            NULL, "sides from 1 to 2^30 and at most 2^46 numbers",
            "the result of %s would be %tdx%tdx%tdx%td", n->op->name, s->y.n, s->y.c, s->y.h,
            s->y.w);
        return false;
    }
    if (n->op->cost)
        n->op->cost(s, &p->nodes[v].cost);
    return true;
}

/* ---- receptive fields ---- */

static ptrdiff_t clip(double x, ptrdiff_t most)
{
    return x < 1 ? 1 : x > (double)most ? most : (ptrdiff_t)x;
}

static void receptive_field(struct convd_plan *p, int v)
{
    const struct convd_node *n = &p->graph->nodes[v];
    struct convd_plan_node *x = &p->nodes[v];
    struct convd_window w = {.kh = 1, .kw = 1, .sh = 1, .sw = 1, .dh = 1, .dw = 1};
    const ptrdiff_t height = p->input.height, width = p->input.width;
    if (n->op->window)
        n->op->window(&x->site, &w);
    x->info.rf_h = x->info.rf_w = x->info.jump_h = x->info.jump_w = 1;
    for (size_t i = 0; i < n->n_inputs; i++) {
        const struct convd_step_info *in = &p->nodes[n->inputs[i]].info;
        ptrdiff_t rf_h =
            w.whole
                ? height
                : clip((double)in->rf_h + (double)(w.kh - 1) * (double)w.dh * (double)in->jump_h,
                       height);
        ptrdiff_t rf_w =
            w.whole
                ? width
                : clip((double)in->rf_w + (double)(w.kw - 1) * (double)w.dw * (double)in->jump_w,
                       width);
        ptrdiff_t jump_h = w.whole ? height : clip((double)in->jump_h * (double)w.sh, height);
        ptrdiff_t jump_w = w.whole ? width : clip((double)in->jump_w * (double)w.sw, width);
        x->info.rf_h = rf_h > x->info.rf_h ? rf_h : x->info.rf_h;
        x->info.rf_w = rf_w > x->info.rf_w ? rf_w : x->info.rf_w;
        x->info.jump_h = jump_h > x->info.jump_h ? jump_h : x->info.jump_h;
        x->info.jump_w = jump_w > x->info.jump_w ? jump_w : x->info.jump_w;
    }
}

static void fill_info(struct convd_plan *p, int v)
{
    const struct convd_node *n = &p->graph->nodes[v];
    struct convd_plan_node *x = &p->nodes[v];
    double bytes = 4 * numbers(x->site.y) + 4.0 * (double)x->cost.weights;
    for (size_t i = 0; i < x->site.n; i++)
        bytes += 4 * numbers(x->site.x[i]);
    receptive_field(p, v);
    x->info.shape = x->site.y;
    x->info.weights = x->cost.weights;
    x->info.macs = x->cost.macs * (double)x->site.y.n;
    x->info.bytes = bytes;
    x->info.algorithm = n->op->algorithm ? n->op->algorithm : "direct";
    x->info.fused_into = -1;
}

static bool all_shapes(struct convd_plan *p, struct convd_faults *f)
{
    bool fine = true;
    for (size_t v = 0; v < p->graph->n_nodes; v++) {
        const struct convd_node *n = &p->graph->nodes[v];
        struct convd_plan_node *x = &p->nodes[v];
        if (n->kind == CONVD_NODE_STEP) {
            convd_at_node(f, n);
            x->bad = !step_shape(p, (int)v, f);
            fine &= !x->bad;
            if (!x->bad)
                fill_info(p, (int)v);
            continue;
        }
        if (n->kind == CONVD_NODE_IMAGE) {
            x->site.y = (struct convd_shape){p->input.n, p->input.channels, p->input.height,
                                             p->input.width};
            x->given = p->input.pixels == CONVD_F32_NCHW;
        } else {
            tensor_shape(n->tensor, &x->site.y);
            x->given = true;
        }
        x->bad = !fits(x->site.y);
        x->info = (struct convd_step_info){.shape = x->site.y,
                                           .rf_h = 1,
                                           .rf_w = 1,
                                           .jump_h = 1,
                                           .jump_w = 1,
                                           .fused_into = -1,
                                           .algorithm = "given"};
    }
    convd_at_nothing(f);
    return fine;
}

/* ---- limits ---- */

static void mark_needed(struct convd_plan *p)
{
    for (size_t o = 0; o < p->n_outputs; o++)
        p->nodes[p->outputs[o].node].needed = true;
    for (size_t v = p->graph->n_nodes; v-- > 0;)
        for (size_t i = 0; p->nodes[v].needed && i < p->graph->nodes[v].n_inputs; i++)
            p->nodes[p->graph->nodes[v].inputs[i]].needed = true;
    for (size_t v = 0; v < p->graph->n_nodes; v++)
        p->nodes[v].info.needed = p->nodes[v].needed;
}

/* The step that asks for most, to say which one it is. */
static bool check_work(struct convd_plan *p, struct convd_faults *f)
{
    double work = 0, most = -1;
    size_t worst = 0;
    for (size_t v = 0; v < p->graph->n_nodes; v++) {
        double own = p->nodes[v].info.macs + numbers(p->nodes[v].site.y);
        if (!p->nodes[v].needed)
            continue;
        work += own;
        if (own > most) {
            most = own;
            worst = v;
        }
    }
    if (work <= p->limits.macs)
        return true;
    convd_at_node(f, &p->graph->nodes[worst]);
    convd_fault_limit(f, CONVD_TOO_MUCH_WORK, NULL, p->limits.macs, work,
                      "the pipeline needs %.3g multiply-adds, most of them here", work);
    return false;
}

static bool check_memory(struct convd_plan *p, double bytes, struct convd_faults *f)
{
    if (bytes <= (double)p->limits.memory)
        return true;
    size_t worst = 0;
    for (size_t v = 1; v < p->graph->n_nodes; v++)
        if (p->nodes[v].needed && p->nodes[v].info.bytes > p->nodes[worst].info.bytes)
            worst = v;
    convd_at_node(f, &p->graph->nodes[worst]);
    convd_fault_limit(f, CONVD_TOO_MUCH_MEMORY, NULL, (double)p->limits.memory, bytes,
                      "the pipeline needs %.0f MiB, most of them here", bytes / 1048576);
    return false;
}

static double output_bytes(const struct convd_plan *p)
{
    double bytes = 0;
    for (size_t o = 0; o < p->n_outputs; o++)
        bytes += numbers(p->nodes[p->outputs[o].node].site.y) *
                 (p->outputs[o].pixels == CONVD_U8_HWC    ? 1
                  : p->outputs[o].pixels == CONVD_U16_HWC ? 2
                                                          : 4);
    return bytes;
}

static bool prepare_all(struct convd_plan *p, struct convd_faults *f)
{
    bool fine = true;
    for (size_t v = 1; v < p->graph->n_nodes; v++) {
        const struct convd_node *n = &p->graph->nodes[v];
        if (!p->nodes[v].needed || !n->op || !n->op->prepare)
            continue;
        convd_at_node(f, n);
        p->nodes[v].site.state = n->op->prepare(&p->nodes[v].site, &p->mem, f);
        fine &= p->nodes[v].site.state != NULL;
    }
    return fine;
}

static void name_algorithms(struct convd_plan *p)
{
    for (size_t v = 1; v < p->graph->n_nodes; v++) {
        const struct convd_op *op = p->graph->nodes[v].op;
        if (p->nodes[v].needed && op && op->algorithm_of) p->nodes[v].info.algorithm = op->algorithm_of(&p->nodes[v].site);
    }
}

/* A step is fused into the one before it when its numbers are made of rows that are still in cache: pointwise steps and
 * pools whose input is never written as a whole map. What it is fused into is the first of such a row of steps. */
static void find_fused(struct convd_plan *p)
{
    for (size_t v = 1; v < p->graph->n_nodes; v++) {
        const struct convd_node *n = &p->graph->nodes[v];
        struct convd_plan_node *x = &p->nodes[v];
        if (!x->needed || n->kind != CONVD_NODE_STEP ||
            (n->op->group != CONVD_POINTWISE && n->op->group != CONVD_POOLING && !n->op->in_place))
            continue;
        int u = n->inputs[0];
        const struct convd_plan_node *in = &p->nodes[u];
        if (p->graph->nodes[u].kind == CONVD_NODE_STEP && !in->full && in->stage == x->stage)
            x->info.fused_into = in->info.fused_into >= 0 ? in->info.fused_into : u;
    }
}

/* Limits first, then what takes memory; each may refuse. */
static bool settle(struct convd_plan *p, struct convd_faults *f)
{
    double state = 0;
    mark_needed(p);
    for (size_t v = 0; v < p->graph->n_nodes; v++)
        state += p->nodes[v].needed ? (double)p->nodes[v].cost.state : 0;
    double outside = (double)p->input_bytes + output_bytes(p) + state;
    if (!check_work(p, f) || !check_memory(p, outside, f) || !prepare_all(p, f))
        return false;
    if (!convd_plan_layout(p)) {
        convd_fault(f, CONVD_NO_MEMORY, NULL, "no memory for the plan");
        return false;
    }
    name_algorithms(p);
    find_fused(p);
    for (size_t v = 1; v < p->graph->n_nodes; v++)
        if (p->nodes[v].behind >= 0) p->nodes[v].info.algorithm = "pointwise, behind the pool";
    p->state_bytes = (size_t)state;
    return check_memory(p, outside + (double)p->workspace, f);
}

/* ---- the public calls ---- */

static bool check_input(struct convd_plan *p, struct convd_faults *f)
{
    const struct convd_input *in = &p->input;
    bool f32 = in->pixels == CONVD_F32_NCHW;
    bool channels = f32 ? in->stored == in->channels
                        : in->stored >= 1 && in->stored <= 4 && in->stored != 2 &&
                              (in->channels == 1 || in->channels == 3 || in->channels == 4);
    if (fits((struct convd_shape){in->n, in->channels, in->height, in->width}) && channels &&
        convd_pixels_bytes(in->pixels, in->n, in->stored, in->height, in->width, &p->input_bytes))
        return true;
    convd_fault(f, CONVD_BAD_SHAPE, NULL, "the input is %tdx%tdx%tdx%td with %td channels stored",
                in->n, in->channels, in->height, in->width, in->stored);
    return false;
}

static bool check_outputs(const struct convd_plan *p, struct convd_faults *f)
{
    bool fine = true;
    for (size_t o = 0; o < p->n_outputs; o++)
        if (p->outputs[o].node < 0 || (size_t)p->outputs[o].node >= p->graph->n_nodes) {
            if (convd_faults_count(f) == 0)
                convd_fault(f, CONVD_BAD_GRAPH, NULL,
                            "output %zu is node %d, which is not in the graph", o,
                            p->outputs[o].node);
            fine = false;
        }
    return fine;
}

static struct convd_plan *fill(struct convd_plan *p, const struct convd_output *out,
                               struct convd_faults *f)
{
    struct convd_output *outputs =
        convd_arena_array(&p->mem, p->n_outputs ? p->n_outputs : 1, sizeof *outputs);
    p->nodes = convd_arena_array(&p->mem, p->graph->n_nodes, sizeof *p->nodes);
    if (!outputs || !p->nodes) {
        convd_fault(f, CONVD_NO_MEMORY, NULL, "no memory for the plan");
        return NULL;
    }
    for (size_t o = 0; o < p->n_outputs; o++)
        outputs[o] = out[o];
    p->outputs = outputs;
    bool fine = check_input(p, f) && all_shapes(p, f);
    fine &= check_outputs(p, f);
    fine = fine && convd_faults_count(f) == 0 && settle(p, f);
    convd_at_nothing(f);
    return fine ? p : NULL;
}

struct convd_plan *convd_plan_new(struct convd_graph *g, const struct convd_input *in,
                                  const struct convd_output *out, size_t n_out,
                                  const struct convd_limits *limits, size_t threads,
                                  struct convd_faults *f)
{
    struct convd_arena mem;
    convd_arena_init(&mem, g->mem.memory, 0);
    struct convd_plan *p = convd_arena_zero(&mem, sizeof *p);
    if (!p) {
        convd_fault(f, CONVD_NO_MEMORY, NULL, "no memory for the plan");
        return NULL;
    }
    *p = (struct convd_plan){.mem = mem,
                             .graph = g,
                             .input = *in,
                             .n_outputs = n_out,
                             .limits = g->limits,
                             .threads = threads < 1                  ? 1
                                        : threads > CONVD_SLOTS_MOST ? CONVD_SLOTS_MOST
                                                                     : threads,
                             .simd = convd_simd_choose(getenv("CONVD_ISA"))};
    if (limits && limits->memory)
        p->limits.memory = limits->memory;
    if (limits && limits->macs > 0)
        p->limits.macs = limits->macs;
    if (fill(p, out, f))
        return p;
    convd_plan_free(p);
    return NULL;
}

void convd_plan_free(struct convd_plan *p)
{
    if (!p)
        return;
    struct convd_arena mem = p->mem;
    convd_arena_release(&mem);
}

struct convd_shape convd_plan_shape(const struct convd_plan *p, int node)
{
    return node >= 0 && (size_t)node < p->graph->n_nodes ? p->nodes[node].site.y
                                                         : (struct convd_shape){0};
}

size_t convd_plan_workspace(const struct convd_plan *p)
{
    return p->workspace;
}

bool convd_plan_info(const struct convd_plan *p, int node, struct convd_step_info *info)
{
    if (node < 0 || (size_t)node >= p->graph->n_nodes)
        return false;
    const struct convd_lane *lane = convd_lane_of(p, node);
    *info = p->nodes[node].info;
    if (lane && lane->format.algorithm)
        info->algorithm = lane->format.algorithm;
    info->run_by = convd_lane_runner(p, node);
    if (p->graph->nodes[node].kind == CONVD_NODE_STEP && !p->nodes[node].bad)
        info->ms = convd_estimate_ms(p, node, info->algorithm);
    return true;
}

const struct convd_graph *convd_plan_graph(const struct convd_plan *p)
{
    return p->graph;
}

const struct convd_site *convd_plan_site(const struct convd_plan *p, int node)
{
    return &p->nodes[node].site;
}

const void *convd_plan_params(const struct convd_plan *p, int node)
{
    return p->nodes[node].site.params;
}

size_t convd_plan_bands(const struct convd_plan *p)
{
    size_t most = 1;
    for (size_t i = 0; i < p->n_stages; i++)
    {
        const struct convd_stage *s = &p->stages[i];
        const size_t pieces = s->lane ? s->bands * s->steps : s->bands;
        most = pieces > most ? pieces : most;
    }
    return most;
}

bool convd_plan_force_bands(struct convd_plan *p, size_t bands)
{
    p->forced_bands = bands;
    return convd_plan_layout(p);
}

bool convd_plan_force_float(struct convd_plan *p)
{
    p->float_only = true;
    return convd_plan_layout(p);
}
