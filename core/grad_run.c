/* grad_run.c: back-propagation over a plan that keeps every map; see convd.h. */
#include "grad_inner.h"

enum { ROWS = 64, INPUTS = 64 }; /* rows fit a bit mask of params; inputs are the contract's most */

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

static const uint8_t *kept_of(const struct sweep *s, const struct grad_node *x, ptrdiff_t n)
{
    return (const uint8_t *)s->workspace + x->kept + (size_t)n * x->kept_sample;
}

/* For each params row where its gradient is added up: in what `place` gives, or with the caller's own; NULL: not wanted. */
static void weight_gradients(const struct sweep *s, char *partial, float **dweight)
{
    const struct convd_op *op = s->d->graph->nodes[s->v].op;
    const size_t *wrt = s->d->nodes[s->v].wrt;
    for (size_t r = 0; op->params && op->params[r].name; r++) {
        dweight[r] = NULL;
        if (wrt[r] == NONE) continue;
        if (s->gradients[wrt[r]])
            dweight[r] = partial ? (float *)(void *)partial : s->gradients[wrt[r]];
        if (partial) partial += align(s->d->wrt[wrt[r]].count * sizeof(float));
    }
}

/* One sample, one part, into the worker's own weight gradients. */
static void back(const struct sweep *s, size_t worker, size_t slot, ptrdiff_t n, size_t part,
                 size_t parts)
{
    const struct convd_node *node = &s->d->graph->nodes[s->v];
    const struct grad_node *x = &s->d->nodes[s->v];
    struct convd_view in[INPUTS], dx[INPUTS];
    float *dweight[ROWS];
    for (size_t i = 0; i < node->n_inputs; i++) {
        in[i] = map_view(s, node->inputs[i], n);
        dx[i] = grad_view(s, node->inputs[i], n);
        if (!s->wanted[node->inputs[i]])
            dx[i].data = NULL;
    }
    weight_gradients(s, s->workspace + s->d->partial + worker * x->partial_stride, dweight);
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
                                 .turned = at(s, s->d->turned),
                                 .sums = at(s, s->d->sums + worker * x->sums),
                                 .kept = x->kept == NONE ? NULL : kept_of(s, x, n),
                                 .scratch = at(s, s->d->shared + slot * s->d->scratch_stride)};
    node->op->backward(&b);
}

static void work(void *arg, size_t worker, size_t slot)
{
    const struct sweep *s = arg;
    const struct grad_node *x = &s->d->nodes[s->v];
    const ptrdiff_t samples = s->d->plan->nodes[s->v].site.y.n;
    const struct convd_rows own = convd_share(samples, worker, x->workers);
    memset(at(s, s->d->partial + worker * x->partial_stride), 0, x->partial_stride);
    memset(at(s, s->d->sums + worker * x->sums), 0, x->sums);
    for (ptrdiff_t n = own.y0; x->by_sample && n < own.y1; n++) back(s, worker, slot, n, 0, 1);
    for (ptrdiff_t n = 0; !x->by_sample && n < samples; n++)
        back(s, worker, slot, n, worker, x->workers);
}

static void turn(void *arg, size_t worker, size_t slot)
{
    const struct sweep *s = arg;
    (void)slot;
    s->d->graph->nodes[s->v].op->turn(&s->d->plan->nodes[s->v].site, at(s, s->d->turned), worker,
                                      s->d->nodes[s->v].workers);
}

static void give(void *arg, size_t worker, size_t slot)
{
    const struct sweep *s = arg;
    const struct grad_node *x = &s->d->nodes[s->v];
    float *dweight[ROWS];
    weight_gradients(s, NULL, dweight);
    s->d->graph->nodes[s->v].op->give_back(
        &(struct convd_given){.site = &s->d->plan->nodes[s->v].site,
                              .sums = s->workspace + s->d->sums,
                              .stride = x->sums,
                              .workers = x->workers,
                              .dweight = dweight,
                              .part = worker,
                              .parts = x->workers,
                              .scratch = at(s, s->d->shared + slot * s->d->scratch_stride)});
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
    const struct convd_node *n = &s->d->graph->nodes[s->v];
    if (n->op->turn && s->wanted[n->inputs[0]])
        convd_pool_for(pool, x->workers, x->workers, turn, s);
    convd_pool_for(pool, x->workers, x->workers, work, s);
    reduce(s);
    if (x->sums) convd_pool_for(pool, x->workers, x->workers, give, s);
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
    unsigned char **kept = (unsigned char **)(void *)(workspace + d->keeps);
    for (size_t v = 0; v < d->graph->n_nodes; v++) {
        if (d->nodes[v].output != NONE)
            outputs[d->nodes[v].output] = workspace + d->nodes[v].map;
        kept[v] = d->nodes[v].kept == NONE ? NULL : (unsigned char *)workspace + d->nodes[v].kept;
    }
    return convd_plan_run(d->plan,
                          &(struct convd_run){.input = run->input,
                                              .outputs = outputs,
                                              .workspace = workspace + d->inner,
                                              .pool = run->pool,
                                              .cancel = run->cancel,
                                              .kept = kept},
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
