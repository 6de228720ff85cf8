/* grad.c: what a gradient needs, and where it lies; see convd.h. grad_run.c runs it. */
#include "grad_inner.h"

/* Takes room for count things from what begins at *at; returns where it is. */
static size_t reserve(size_t *at, size_t count, size_t size)
{
    const size_t here = *at;
    size_t bytes;
    if (!convd_mul(count, size, &bytes) || !convd_add(here, align(bytes), at))
        *at = TOO_MUCH;
    return here;
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
    x->sums = n->op->sums_bytes && stride > 0 ? align(n->op->sums_bytes(site)) : 0;
    x->scratch = n->op->back_scratch ? align(n->op->back_scratch(site)) : 0;
}

static void place_kept(struct convd_grad *d, size_t v, size_t *at)
{
    const struct convd_op *op = d->graph->nodes[v].op;
    const struct convd_site *site = &d->plan->nodes[v].site;
    struct grad_node *x = &d->nodes[v];
    x->kept_sample = op->kept_bytes ? (size_t)site->y.c * op->kept_bytes(site) : 0;
    x->kept = x->kept_sample ? reserve(at, (size_t)site->y.n, x->kept_sample) : NONE;
}

/* Offsets of maps, gradients and workers' own numbers; the sum is the workspace. */
static bool place_all(struct convd_grad *d)
{
    size_t at = 0, partial = 0, scratch = 0, sums = 0, turned = 0;
    for (size_t v = 0; v < d->graph->n_nodes; v++) {
        struct grad_node *x = &d->nodes[v];
        const size_t count = numbers(d->plan->nodes[v].site.y);
        x->map = x->output != NONE ? reserve(&at, count, sizeof(float)) : NONE;
        x->grad = x->kept = NONE;
        if (!x->flows || !x->reaches || !is_step(d, v)) continue;
        x->grad = reserve(&at, count, sizeof(float));
        place_kept(d, v, &at);
        place_workers(d, v);
        partial = x->partial_stride > partial ? x->partial_stride : partial;
        scratch = x->scratch > scratch ? x->scratch : scratch;
        sums = x->sums > sums ? x->sums : sums;
        const struct convd_op *op = d->graph->nodes[v].op;
        const size_t packed = op->turned_bytes ? op->turned_bytes(&d->plan->nodes[v].site) : 0;
        turned = packed > turned ? packed : turned;
    }
    d->partial = reserve(&at, d->threads, partial);
    d->sums = reserve(&at, d->threads, sums);
    d->turned = reserve(&at, 1, turned);
    d->shared = reserve(&at, d->threads, scratch);
    d->scratch_stride = scratch;
    d->pointers = reserve(&at, d->n_outputs, sizeof(void *));
    d->keeps = reserve(&at, d->graph->n_nodes, sizeof(void *));
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
