/* grad.c: back-propagation over a plan that keeps every map; see grad.h. */
#include "grad.h"
#include "plan_inner.h"
#include <stdlib.h>
#include <string.h>

#define ALIGNMENT 64u
#define NONE SIZE_MAX

struct grad_node {
    bool flows;        /* the output depends on it                              */
    bool reaches;      /* it depends on something a gradient is wanted for      */
    size_t output;     /* of the forward plan: where its map is kept, or NONE   */
    size_t map, grad;  /* offsets in the workspace; NONE: none                  */
    size_t *wrt;       /* for each params row: number of the convd_wrt, or NONE */
    size_t partial_stride; /* bytes of one worker's own weight gradients        */
    size_t scratch;
    bool by_sample;    /* workers share samples; else parts of each sample      */
    size_t workers;
};
struct convd_grad {
    struct convd_arena mem;
    struct convd_graph *graph;
    struct convd_plan *plan;
    int node;
    bool weights;
    size_t threads;
    struct grad_node *nodes;
    struct convd_wrt *wrt;
    size_t n_wrt, wrt_room;
    size_t n_outputs;
    size_t partial;        /* offset of the workers' own weight gradients */
    size_t wanted;         /* offset of a flag for each node: its gradient leads to one that a run wants */
    size_t pointers;       /* offset of the forward run's list of outputs */
    size_t inner;          /* offset of the forward run's own workspace */
    size_t shared;         /* offset of scratch, stride scratch_stride  */
    size_t scratch_stride, workspace;
};

/* Sizes that cannot be counted stay the largest one: no limit allows it. */
#define TOO_MUCH (SIZE_MAX / ALIGNMENT * ALIGNMENT)

static size_t align(size_t bytes)
{
    return bytes > TOO_MUCH - ALIGNMENT ? TOO_MUCH : (bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
}

/* Takes room for count things from what begins at *at; returns where it is. */
static size_t reserve(size_t *at, size_t count, size_t size)
{
    const size_t here = *at;
    size_t bytes;
    if (!convd_mul(count, size, &bytes) || !convd_add(here, align(bytes), at))
        *at = TOO_MUCH;
    return here;
}

static size_t numbers(struct convd_shape s)
{
    return (size_t)s.n * (size_t)s.c * (size_t)s.h * (size_t)s.w;
}

static bool no_memory(struct convd_faults *f)
{
    convd_fault(f, CONVD_NO_MEMORY, NULL, "no memory for the gradient");
    return false;
}

/* ---- what gradients are wanted for ---- */

static struct convd_wrt *add_wrt(struct convd_grad *d, const struct convd_wrt *w)
{
    if (d->n_wrt == d->wrt_room) {
        size_t room = d->wrt_room ? 2 * d->wrt_room : 16;
        struct convd_wrt *more = convd_arena_array(&d->mem, room, sizeof *more);
        if (!more)
            return NULL;
        if (d->n_wrt)
            memcpy(more, d->wrt, d->n_wrt * sizeof *more);
        d->wrt = more;
        d->wrt_room = room;
    }
    struct convd_wrt *x = &d->wrt[d->n_wrt++];
    *x = *w;
    x->count = 1;
    for (int i = 0; i < x->rank; i++)
        x->count *= (size_t)x->dim[i];
    return x;
}

static size_t find_tensor(const struct convd_grad *d, const char *name)
{
    for (size_t i = 0; i < d->n_wrt; i++)
        if (d->wrt[i].kind == CONVD_WRT_TENSOR && strcmp(d->wrt[i].name, name) == 0)
            return i;
    return NONE;
}

/* The image, then every tensor that is bound. */
static bool list_sources(struct convd_grad *d, const struct convd_input *in)
{
    struct convd_wrt image = {.kind = CONVD_WRT_IMAGE,
                              .name = "image",
                              .rank = 4,
                              .dim = {in->n, in->channels, in->height, in->width}};
    if (!add_wrt(d, &image))
        return false;
    for (size_t i = 0; i < d->graph->n_tensors; i++) {
        const struct convd_tensor *t = &d->graph->tensors[i];
        struct convd_wrt w = {.kind = CONVD_WRT_TENSOR, .name = t->name, .rank = t->rank};
        memcpy(w.dim, t->dim, sizeof w.dim);
        if (!add_wrt(d, &w))
            return false;
    }
    return true;
}

static const char *tensor_of(const struct convd_param *row, const void *params)
{
    const void *field = (const char *)params + row->offset;
    if (row->type == CONVD_P_KERNEL)
        return ((const struct convd_kernel *)field)->tensor;
    return row->type == CONVD_P_WEIGHT &&
                   ((const struct convd_weight *)field)->kind == CONVD_W_TENSOR
               ? ((const struct convd_weight *)field)->tensor
               : NULL;
}

static bool is_learned(const struct convd_param *row, const struct convd_node *n,
                       const void *params)
{
    if (row->type != CONVD_P_WEIGHT || !(row->flags & CONVD_LEARNABLE) || n->learn == 0)
        return false;
    const struct convd_weight *w = (const void *)((const char *)params + row->offset);
    return w->kind == CONVD_W_INIT ||
           (n->learn == 1 && (w->kind == CONVD_W_ARRAY || w->kind == CONVD_W_KERNELS));
}

/* Says for each params row of step v which gradient it feeds. */
static bool list_rows(struct convd_grad *d, int v)
{
    const struct convd_node *n = &d->graph->nodes[v];
    const struct convd_site *site = &d->plan->nodes[v].site;
    struct grad_node *x = &d->nodes[v];
    size_t rows = 0;
    while (n->op->params && n->op->params[rows].name)
        rows++;
    x->wrt = convd_arena_array(&d->mem, rows + 1, sizeof *x->wrt);
    if (!x->wrt)
        return false;
    for (size_t r = 0; r < rows; r++) {
        const struct convd_param *row = &n->op->params[r];
        const char *tensor = tensor_of(row, site->params);
        x->wrt[r] = NONE;
        if (tensor) {
            x->wrt[r] = find_tensor(d, tensor);
        } else if (d->weights && is_learned(row, n, site->params)) {
            struct convd_tensor t = {.rank = 0};
            if (!n->op->weight_shape || !n->op->weight_shape(site, r, &t))
                continue;
            struct convd_wrt w = {.kind = CONVD_WRT_WEIGHT, .node = v, .row = r, .rank = t.rank};
            w.name = convd_arena_printf(&d->mem, "%s.%s", n->id, row->name);
            memcpy(w.dim, t.dim, sizeof w.dim);
            if (!w.name || !add_wrt(d, &w))
                return false;
            x->wrt[r] = d->n_wrt - 1;
        }
        x->reaches |= x->wrt[r] != NONE;
    }
    return true;
}

/* ---- the way of the gradient ---- */

static bool mark(struct convd_grad *d, struct convd_faults *f)
{
    const struct convd_graph *g = d->graph;
    d->nodes[d->node].flows = true;
    for (size_t v = g->n_nodes; v-- > 0;)
        for (size_t i = 0; d->nodes[v].flows && i < g->nodes[v].n_inputs; i++)
            d->nodes[g->nodes[v].inputs[i]].flows = true;
    for (size_t v = 0; v < g->n_nodes; v++) {
        struct grad_node *x = &d->nodes[v];
        x->reaches = g->nodes[v].kind != CONVD_NODE_STEP;
        if (!x->flows || g->nodes[v].kind != CONVD_NODE_STEP)
            continue;
        if (!list_rows(d, (int)v))
            return no_memory(f);
        for (size_t i = 0; i < g->nodes[v].n_inputs; i++)
            x->reaches |= d->nodes[g->nodes[v].inputs[i]].reaches;
        const struct convd_op *op = g->nodes[v].op;
        if (x->reaches && !op->backward) {
            convd_at_node(f, &g->nodes[v]);
            convd_fault(f, CONVD_NOT_DIFFERENTIABLE, NULL, "no gradient goes through %s: %s",
                        op->name, op->no_gradient ? op->no_gradient : "it has none");
            convd_at_nothing(f);
        }
    }
    return convd_faults_count(f) == 0;
}

static bool is_step(const struct convd_grad *d, size_t v)
{
    return d->graph->nodes[v].kind == CONVD_NODE_STEP;
}

/* The maps that backward looks at: of each step on the way, and of its inputs. Tensors are where they are. */
static bool needs_map(const struct convd_grad *d, size_t v)
{
    if (d->graph->nodes[v].kind == CONVD_NODE_TENSOR)
        return false;
    if ((int)v == d->node || (is_step(d, v) && d->nodes[v].flows && d->nodes[v].reaches))
        return true;
    for (size_t u = v + 1; u < d->graph->n_nodes; u++)
        for (size_t i = 0;
             d->nodes[u].flows && d->nodes[u].reaches && i < d->graph->nodes[u].n_inputs; i++)
            if (d->graph->nodes[u].inputs[i] == (int)v)
                return true;
    return false;
}

static struct convd_plan *plan_forward(struct convd_grad *d, const struct convd_input *in,
                                       const struct convd_limits *limits, struct convd_faults *f)
{
    struct convd_output *out = convd_arena_array(&d->mem, d->graph->n_nodes, sizeof *out);
    if (!out) {
        no_memory(f);
        return NULL;
    }
    d->n_outputs = 0;
    for (size_t v = 0; v < d->graph->n_nodes; v++) {
        d->nodes[v].output = NONE;
        if (!needs_map(d, v))
            continue;
        d->nodes[v].output = d->n_outputs;
        out[d->n_outputs++] = (struct convd_output){.node = (int)v, .pixels = CONVD_F32_NCHW};
    }
    return convd_plan_new(d->graph, in, out, d->n_outputs, limits, d->threads, f);
}

/* ---- where everything is ---- */

static void place_workers(struct convd_grad *d, size_t v)
{
    const struct convd_node *n = &d->graph->nodes[v];
    const struct convd_site *site = &d->plan->nodes[v].site;
    struct grad_node *x = &d->nodes[v];
    size_t samples = (size_t)site->y.n, stride = 0;
    bool apart = samples > 1; /* samples write places of their own */
    for (size_t i = 0; i < n->n_inputs; i++)
        apart &= !d->nodes[n->inputs[i]].reaches || site->x[i].n == site->y.n;
    x->by_sample = apart && samples >= d->threads;
    x->workers = d->threads;
    for (size_t r = 0; n->op->params && n->op->params[r].name; r++)
        if (x->wrt[r] != NONE)
            stride += align(d->wrt[x->wrt[r]].count * sizeof(float));
    x->partial_stride = stride;
    x->scratch = n->op->back_scratch ? align(n->op->back_scratch(site)) : 0;
}

/* Offsets of maps, gradients and workers' own numbers; the sum is the workspace. */
static bool place_all(struct convd_grad *d)
{
    size_t at = 0, partial = 0, scratch = 0;
    for (size_t v = 0; v < d->graph->n_nodes; v++) {
        struct grad_node *x = &d->nodes[v];
        const size_t count = numbers(d->plan->nodes[v].site.y);
        x->map = x->output != NONE ? reserve(&at, count, sizeof(float)) : NONE;
        x->grad = NONE;
        if (!x->flows || !x->reaches || !is_step(d, v)) continue;
        x->grad = reserve(&at, count, sizeof(float));
        place_workers(d, v);
        partial = x->partial_stride > partial ? x->partial_stride : partial;
        scratch = x->scratch > scratch ? x->scratch : scratch;
    }
    d->partial = reserve(&at, d->threads, partial);
    d->shared = reserve(&at, d->threads, scratch);
    d->scratch_stride = scratch;
    d->pointers = reserve(&at, d->n_outputs, sizeof(void *));
    d->wanted = reserve(&at, 4 * d->graph->n_nodes, sizeof(bool));
    d->inner = reserve(&at, 1, convd_plan_workspace(d->plan));
    d->workspace = at;
    return true;
}

/* ---- making one ---- */

static bool fill(struct convd_grad *d, const struct convd_input *in, int node,
                 const struct convd_limits *limits, struct convd_faults *f)
{
    const struct convd_output out = {.node = node, .pixels = CONVD_F32_NCHW};
    d->nodes = convd_arena_array(&d->mem, d->graph->n_nodes, sizeof *d->nodes);
    if (!d->nodes)
        return no_memory(f);
    d->plan = convd_plan_new(d->graph, in, &out, 1, limits, d->threads,
                             f); /* shapes, and every fault of the graph */
    if (!d->plan)
        return false;
    if (!list_sources(d, in))
        return no_memory(f);
    if (!mark(d, f))
        return false;
    convd_plan_free(d->plan);
    d->plan = plan_forward(d, in, limits, f);
    if (!d->plan)
        return false;
    if (!place_all(d))
        return no_memory(f);
    size_t most = d->plan->limits.memory;
    if (d->workspace <= most)
        return true;
    convd_fault_limit(f, CONVD_TOO_MUCH_MEMORY, NULL, (double)most, (double)d->workspace,
                      "the gradient needs %zu MiB: it keeps every map", d->workspace >> 20);
    return false;
}

struct convd_grad *convd_grad_new(struct convd_graph *g, const struct convd_input *in, int node,
                                  bool weights, const struct convd_limits *limits, size_t threads,
                                  struct convd_faults *f)
{
    struct convd_arena mem;
    convd_arena_init(&mem, g->mem.memory, 0);
    struct convd_grad *d = convd_arena_zero(&mem, sizeof *d);
    if (!d) {
        no_memory(f);
        return NULL;
    }
    *d = (struct convd_grad){.mem = mem,
                             .graph = g,
                             .node = node,
                             .weights = weights,
                             .threads = threads < 1                  ? 1
                                        : threads > CONVD_SLOTS_MOST ? CONVD_SLOTS_MOST
                                                                     : threads};
    if (fill(d, in, node, limits, f))
        return d;
    convd_grad_free(d);
    return NULL;
}

void convd_grad_free(struct convd_grad *d)
{
    if (!d)
        return;
    struct convd_arena mem = d->mem;
    convd_plan_free(d->plan);
    convd_arena_release(&mem);
}

const struct convd_wrt *convd_grad_wrt(const struct convd_grad *d, size_t i)
{
    return i < d->n_wrt ? &d->wrt[i] : NULL;
}

struct convd_shape convd_grad_shape(const struct convd_grad *d)
{
    return d->plan->nodes[d->node].site.y;
}

size_t convd_grad_workspace(const struct convd_grad *d)
{
    return d->workspace;
}

/* ---- running ---- */

struct sweep {
    const struct convd_grad *d;
    float *const *gradients; /* NULL in it: not wanted */
    bool *
        fresh; /* for each node: its backward is the first to come to its input's gradient, and writes it */
    bool *written;           /* for each node: another's backward writes its gradient */
    bool *wanted;            /* for each node: its gradient leads to one that is */
    const float *upstream;   /* or NULL: ones */
    char *workspace;
    int v;
    ptrdiff_t sample; /* of a sweep in parts */
};

static float *at(const struct sweep *s, size_t offset)
{
    return (float *)(void *)(s->workspace + offset);
}

static struct convd_view view_of(float *data, struct convd_shape s, ptrdiff_t n)
{
    ptrdiff_t plane = s.h * s.w, sample = s.n == 1 ? 0 : n;
    return (struct convd_view){.data = data ? data + sample * s.c * plane : NULL,
                               .c = s.c,
                               .h = s.h,
                               .w = s.w,
                               .y0 = 0,
                               .y1 = s.h,
                               .row = s.w,
                               .plane = plane};
}

static struct convd_view map_view(const struct sweep *s, int v, ptrdiff_t n)
{
    const struct convd_node *node = &s->d->graph->nodes[v];
    float *data = node->kind == CONVD_NODE_TENSOR ? node->tensor->data : at(s, s->d->nodes[v].map);
    return view_of(data, s->d->plan->nodes[v].site.y, n);
}

/* dL/d what the image or a tensor holds: the caller's own numbers, or NULL. */
static float *source_gradient(const struct sweep *s, int v)
{
    const struct convd_node *node = &s->d->graph->nodes[v];
    return s->gradients[v == CONVD_IMAGE ? 0 : find_tensor(s->d, node->tensor->name)];
}

static struct convd_view grad_view(const struct sweep *s, int v, ptrdiff_t n)
{
    const struct grad_node *x = &s->d->nodes[v];
    float *data = NULL;
    if (v == s->d->node && s->upstream && is_step(s->d, (size_t)v))
        data = (float *)(uintptr_t)s->upstream; /* read only: nothing is added to it */
    else if (x->flows && x->reaches)
        data = is_step(s->d, (size_t)v) ? at(s, x->grad) : source_gradient(s, v);
    return view_of(data, s->d->plan->nodes[v].site.y, n);
}

/* One sample, one part, into the worker's own weight gradients. */
static void back(const struct sweep *s, size_t worker, size_t slot, ptrdiff_t n, size_t part,
                 size_t parts)
{
    enum {
        ROWS = 64,
        INPUTS = 64
    }; /* rows fit a bit mask of params; inputs are the contract's most */
    const struct convd_node *node = &s->d->graph->nodes[s->v];
    const struct grad_node *x = &s->d->nodes[s->v];
    struct convd_view in[INPUTS], dx[INPUTS];
    float *dweight[ROWS];
    size_t own = s->d->partial + worker * x->partial_stride;
    for (size_t i = 0; i < node->n_inputs; i++) {
        in[i] = map_view(s, node->inputs[i], n);
        dx[i] = grad_view(s, node->inputs[i], n);
        if (!s->wanted[node->inputs[i]])
            dx[i].data = NULL;
    }
    for (size_t r = 0; node->op->params && node->op->params[r].name; r++) {
        dweight[r] = NULL;
        if (x->wrt[r] == NONE)
            continue;
        if (s->gradients[x->wrt[r]])
            dweight[r] = at(s, own);
        own += align(s->d->wrt[x->wrt[r]].count * sizeof(float));
    }
    const struct convd_view y = map_view(s, s->v, n), dy = grad_view(s, s->v, n);
    const struct convd_back b = {.site = &s->d->plan->nodes[s->v].site,
                                 .x = in,
                                 .y = &y,
                                 .dy = &dy,
                                 .dx = dx,
                                 .dweight = dweight,
                                 .fresh = s->fresh[s->v],
                                 .part = part,
                                 .parts = parts,
                                 .scratch = at(s, s->d->shared + slot * s->d->scratch_stride)};
    node->op->backward(&b);
}

static void work(void *arg, size_t worker, size_t slot)
{
    const struct sweep *s = arg;
    const struct grad_node *x = &s->d->nodes[s->v];
    if (!x->by_sample) {
        back(s, worker, slot, s->sample, worker, x->workers);
        return;
    }
    struct convd_rows own = convd_share(s->d->plan->nodes[s->v].site.y.n, worker, x->workers);
    for (ptrdiff_t n = own.y0; n < own.y1; n++)
        back(s, worker, slot, n, 0, 1);
}

/* Adds the workers' weight gradients up, in their order. */
static void reduce(const struct sweep *s)
{
    const struct grad_node *x = &s->d->nodes[s->v];
    const struct convd_op *op = s->d->graph->nodes[s->v].op;
    for (size_t worker = 0; worker < x->workers; worker++) {
        size_t own = s->d->partial + worker * x->partial_stride;
        for (size_t r = 0; op->params && op->params[r].name; r++) {
            if (x->wrt[r] == NONE)
                continue;
            float *sum = s->gradients[x->wrt[r]];
            const float *part = at(s, own);
            size_t count = s->d->wrt[x->wrt[r]].count;
            for (size_t i = 0; sum && i < count; i++) sum[i] += part[i];
            own += align(count * sizeof(float));
        }
    }
}

static void sweep_node(struct sweep *s, struct convd_pool *pool)
{
    const struct grad_node *x = &s->d->nodes[s->v];
    if (x->partial_stride)
        memset(at(s, s->d->partial), 0, x->partial_stride * x->workers);
    if (x->by_sample) {
        convd_pool_for(pool, x->workers, x->workers, work, s);
    } else {
        for (s->sample = 0; s->sample < s->d->plan->nodes[s->v].site.y.n; s->sample++)
            convd_pool_for(pool, x->workers, x->workers, work, s);
    }
    reduce(s);
}

static void find_wanted(const struct sweep *s)
{
    const struct convd_graph *g = s->d->graph;
    for (size_t v = 0; v < g->n_nodes; v++) {
        const struct grad_node *x = &s->d->nodes[v];
        const struct convd_node *n = &g->nodes[v];
        s->wanted[v] = false;
        if (!x->flows || !x->reaches)
            continue;
        if (n->kind != CONVD_NODE_STEP) s->wanted[v] = source_gradient(s, (int)v) != NULL;
        for (size_t i = 0; i < n->n_inputs; i++)
            s->wanted[v] |= s->wanted[n->inputs[i]];
        for (size_t r = 0; n->kind == CONVD_NODE_STEP && n->op->params && n->op->params[r].name; r++)
            s->wanted[v] |= x->wrt[r] != NONE && s->gradients[x->wrt[r]];
    }
}

/* Gradients that need no zeros. met: for each node, some backward comes to its gradient. */
static void find_fresh(const struct sweep *s, bool *met)
{
    const struct convd_graph *g = s->d->graph;
    for (size_t v = 0; v < g->n_nodes; v++) met[v] = s->fresh[v] = s->written[v] = false;
    for (int v = s->d->node; v > 0; v--) {
        const struct convd_node *n = &g->nodes[v];
        const struct convd_site *site = &s->d->plan->nodes[v].site;
        if (!is_step(s->d, (size_t)v) || !s->wanted[v]) continue;
        if (n->n_inputs == 1 && n->op->back_writes && site->x[0].n == site->y.n)
            s->fresh[v] = s->wanted[n->inputs[0]] && !met[n->inputs[0]];
        if (s->fresh[v]) s->written[n->inputs[0]] = true;
        for (size_t i = 0; i < n->n_inputs; i++) met[n->inputs[i]] = true;
    }
}

static bool stopped(const struct convd_grad_run *run)
{
    return run->cancel && atomic_load_explicit(run->cancel, memory_order_relaxed);
}

static bool forward(const struct convd_grad *d, const struct convd_grad_run *run, char *workspace,
                    struct convd_faults *f)
{
    void **outputs = (void **)(void *)(workspace + d->pointers);
    for (size_t v = 0; v < d->graph->n_nodes; v++)
        if (d->nodes[v].output != NONE)
            outputs[d->nodes[v].output] = workspace + d->nodes[v].map;
    return convd_plan_run(d->plan,
                          &(struct convd_run){.input = run->input,
                                              .outputs = outputs,
                                              .workspace = workspace + d->inner,
                                              .pool = run->pool,
                                              .cancel = run->cancel},
                          f);
}

static bool backward(const struct convd_grad *d, const struct convd_grad_run *run, char *workspace)
{
    struct sweep s = {.d = d,
                      .gradients = run->gradients,
                      .upstream = run->upstream,
                      .wanted = (bool *)(workspace + d->wanted),
                      .workspace = workspace};
    const struct grad_node *last = &d->nodes[d->node];
    s.fresh = s.wanted + d->graph->n_nodes;
    s.written = s.fresh + d->graph->n_nodes;
    find_wanted(&s);
    find_fresh(&s, s.written + d->graph->n_nodes);
    for (size_t v = 0; v < d->graph->n_nodes; v++)
        if (is_step(d, v) && s.wanted[v] && !s.written[v] && !(s.upstream && (int)v == d->node))
            memset(at(&s, d->nodes[v].grad), 0, numbers(d->plan->nodes[v].site.y) * sizeof(float));
    for (size_t i = 0; i < d->n_wrt; i++)
        if (run->gradients[i] && !(d->wrt[i].kind == CONVD_WRT_IMAGE && s.written[CONVD_IMAGE]))
            memset(run->gradients[i], 0, d->wrt[i].count * sizeof(float));
    float *first = is_step(d, (size_t)d->node)
                       ? s.upstream || last->grad == NONE ? NULL : at(&s, last->grad)
                       : grad_view(&s, d->node, 0).data;
    for (size_t i = 0; first && i < numbers(convd_grad_shape(d)); i++)
        first[i] = run->upstream ? run->upstream[i] : 1.0f;
    for (s.v = d->node; s.v > 0; s.v--) {
        if (stopped(run))
            return false;
        if (is_step(d, (size_t)s.v) && s.wanted[s.v])
            sweep_node(&s, run->pool);
    }
    return true;
}

bool convd_grad_run(const struct convd_grad *d, const struct convd_grad_run *run,
                    struct convd_faults *f)
{
    char *own = run->workspace ? NULL : convd_take(d->mem.memory, convd_grad_workspace(d));
    char *workspace = run->workspace ? run->workspace : own;
    if (!workspace)
        return no_memory(f);
    bool done = run->kept || forward(d, run, workspace, f);
    if (done && run->output)
        memcpy(run->output, workspace + d->nodes[d->node].map,
               numbers(convd_grad_shape(d)) * sizeof(float));
    if (done && run->gradients && !(done = backward(d, run, workspace)))
        convd_fault(f, CONVD_CANCELLED, NULL, "stopped before it was done");
    convd_give(d->mem.memory, own, convd_grad_workspace(d));
    return done;
}
