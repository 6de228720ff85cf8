/* weights.c: the learned numbers of a graph: which they are, what they begin with, and weights that come from a file. */
#include "weights.h"
#include "../plan_inner.h"
#include "../weight.h"
#include <math.h>
#include <string.h>

static struct convd_weight *field(const struct convd_param *row, const void *params)
{
    return (struct convd_weight *)(void *)((char *)(uintptr_t)params + row->offset);
}

static size_t row_named(const struct convd_op *op, const char *name)
{
    size_t r = 0;
    while (op->params && op->params[r].name && strcmp(op->params[r].name, name) != 0) r++;
    return r;
}

static bool is_running(const struct convd_op *op, size_t r)
{
    return op->learning && op->learning->running >> r & 1;
}

static bool was_init(const struct convd_weight *w)
{
    return w->kind == CONVD_W_INIT || (w->source && w->source->kind == CONVD_OBJECT);
}

bool convd_weights_join(const struct convd_node *n)
{
    const struct convd_learning *l = n->op->learning;
    return l && l->join_forward && n->learn != 0 && (n->learn == 1 || (n->given & l->running) == 0);
}

bool convd_weights_learn(const struct convd_node *n, size_t r, const void *params)
{
    const struct convd_param *row = &n->op->params[r];
    if (row->type != CONVD_P_WEIGHT || n->learn == 0) return false;
    if (is_running(n->op, r)) return convd_weights_join(n);
    const struct convd_weight *w = field(row, params);
    if (!(row->flags & CONVD_LEARNABLE)) return false;
    if (w->kind == CONVD_W_NONE)
        return n->learn == 1 && n->op->learning && n->op->learning->left_out &&
               !isnan(n->op->learning->left_out[r]);
    return was_init(w) || n->learn == 1;
}

/* ---- taking over ---- */

/* The step's params become a copy of its own, as the plan settled them; what an init made is in the order of O I h w. */
static bool own_params(struct convd_graph *g, int v, const void *settled)
{
    struct convd_node *n = &g->nodes[v];
    void *own = convd_arena_take(&g->mem, n->op->params_size);
    if (!own) return false;
    memcpy(own, settled, n->op->params_size);
    n->params = own;
    n->late = NULL;
    return true;
}

static void plain_layout(const struct convd_op *op, void *params)
{
    const struct convd_param *layout = op->params + row_named(op, "layout");
    if (layout->name && layout->type == CONVD_P_WORD)
        *(int *)(void *)((char *)params + layout->offset) = 0;
}

/* What the numbers are before learning. */
static void fill(const struct convd_node *n, size_t r, const struct convd_weight *w,
                 const struct convd_learned *x, float *out)
{
    ptrdiff_t dim[4] = {1, 1, 1, 1};
    for (int i = 0; i < x->now.rank; i++) dim[i] = x->now.dim[i];
    switch (w->kind) {
    case CONVD_W_NONE:
        for (size_t i = 0; i < x->count; i++) out[i] = n->op->learning->left_out[r];
        break;
    case CONVD_W_INIT:
        convd_weight_init(w->init, w->has_seed ? w->seed : 1 + (uint64_t)n->position, w->gain, dim,
                          out);
        break;
    case CONVD_W_KERNELS:
        for (size_t k = 0, at = 0; k < w->n_kernels; k++) {
            size_t size = (size_t)(w->kernels[k].h * w->kernels[k].w);
            memcpy(out + at, w->kernels[k].v, size * sizeof *out);
            at += size;
        }
        break;
    case CONVD_W_ARRAY:
    case CONVD_W_TENSOR:
        for (size_t i = 0; i < x->count; i++) out[i] = w->array.data[w->array.rank == 0 ? 0 : i];
        break;
    }
}

static void refer(struct convd_graph *g, const struct convd_learned *x)
{
    struct convd_node *n = &g->nodes[x->node];
    struct convd_weight *w = field(&n->op->params[x->row], n->params);
    if (w->kind == CONVD_W_INIT) plain_layout(n->op, n->params);
    w->kind = CONVD_W_ARRAY;
    w->array = x->now;
    n->bound |= UINT64_C(1) << x->row;
}

/* Adds row r of step v. */
static bool add(struct convd_weights *w, const struct convd_graph *g, const struct convd_plan *p,
                int v, size_t r, struct convd_arena *mem)
{
    const struct convd_node *n = &g->nodes[v];
    const struct convd_site *site = &p->nodes[v].site;
    struct convd_learned x = {.node = v, .row = r, .running = is_running(n->op, r)};
    const bool written = n->op->weight_shape && n->op->weight_shape(site, r, &x.now);
    /* Left out, or one number for all channels of a step whose channels learn side by side: one a channel. */
    if (!written || (x.now.rank == 0 && convd_weights_join(n)))
        x.now = (struct convd_tensor){.rank = 1, .dim = {site->x[0].c}};
    x.name = convd_arena_printf(mem, "%s.%s", n->id, n->op->params[r].name);
    x.now.name = x.name;
    x.count = 1;
    for (int i = 0; i < x.now.rank; i++) x.count *= (size_t)x.now.dim[i];
    w->list[w->n++] = x;
    return x.name != NULL;
}

static size_t rows_of(const struct convd_op *op)
{
    size_t r = 0;
    while (op && op->params && op->params[r].name) r++;
    return r;
}

static bool list(struct convd_weights *w, const struct convd_graph *g, const struct convd_plan *p,
                 struct convd_arena *mem)
{
    size_t most = 0;
    for (size_t v = 1; v < g->n_nodes; v++) most += rows_of(g->nodes[v].op);
    w->list = convd_arena_array(mem, most + 1, sizeof *w->list);
    for (int running = 0; w->list && running < 2; running++) { /* statistics behind the weights */
        for (size_t v = 1; v < g->n_nodes; v++) {
            const struct convd_node *n = &g->nodes[v];
            for (size_t r = 0;
                 n->kind == CONVD_NODE_STEP && p->nodes[v].needed && r < rows_of(n->op); r++)
                if (convd_weights_learn(n, r, p->nodes[v].site.params) &&
                    is_running(n->op, r) == (running == 1) && !add(w, g, p, (int)v, r, mem))
                    return false;
        }
        for (size_t i = 0; running == 0 && i < w->n; i++) w->learned += w->list[i].count;
    }
    for (size_t i = 0; i < w->n; i++) w->count += w->list[i].count;
    return w->list != NULL;
}

bool convd_weights_take(struct convd_weights *w, struct convd_graph *g, const struct convd_plan *p,
                        struct convd_arena *mem, struct convd_faults *f)
{
    *w = (struct convd_weights){.n = 0};
    if (!list(w, g, p, mem)) goto no_memory;
    if (w->learned == 0) {
        convd_fault_expected(
            f, CONVD_MISSING, NULL,
            "a weight like {\"init\":\"he_normal\",…}, or \"learn\": true in a step",
            "there is nothing to learn: no weight comes from an init");
        return false;
    }
    w->values = convd_arena_array(mem, w->count, sizeof *w->values);
    w->before = convd_arena_array(mem, w->count, sizeof *w->before);
    if (!w->values || !w->before) goto no_memory;
    size_t at = 0;
    for (size_t i = 0; i < w->n; i++) {
        struct convd_learned *x = &w->list[i];
        const struct convd_node *n = &g->nodes[x->node];
        const void *settled = p->nodes[x->node].site.params;
        fill(n, x->row, field(&n->op->params[x->row], settled), x, w->values + at);
        x->now.data = w->values + at;
        x->before = w->before + at;
        at += x->count;
        bool first = true;
        for (size_t k = 0; k < i; k++) first &= w->list[k].node != x->node;
        if (first && !own_params(g, x->node, settled)) goto no_memory;
        refer(g, x);
    }
    memcpy(w->before, w->values, w->count * sizeof *w->before);
    return true;
no_memory:
    convd_fault(f, CONVD_NO_MEMORY, NULL, "no memory for the weights");
    return false;
}

/* ---- weights from a file ---- */

bool convd_graph_weight(const struct convd_graph *g, const char *name, int *node, size_t *row)
{
    const char *dot = strrchr(name, '.');
    size_t id = dot ? (size_t)(dot - name) : 0;
    for (size_t v = 1; dot && v < g->n_nodes; v++) {
        const struct convd_node *n = &g->nodes[v];
        if (n->kind != CONVD_NODE_STEP || !n->op || strncmp(n->id, name, id) != 0 || n->id[id])
            continue;
        *node = (int)v;
        *row = row_named(n->op, dot + 1);
        return n->op->params && n->op->params[*row].name &&
               n->op->params[*row].type == CONVD_P_WEIGHT;
    }
    return false;
}

bool convd_graph_weights(struct convd_graph *g, const struct convd_tensor *list_, size_t n,
                         struct convd_faults *f)
{
    size_t before = convd_faults_count(f);
    for (size_t i = 0; i < n; i++) {
        int v;
        size_t r;
        if (!convd_graph_weight(g, list_[i].name, &v, &r)) {
            convd_fault_expected(f, CONVD_UNKNOWN_NAME, NULL,
                                 "STEP.weight, STEP.bias, … of the pipeline's steps",
                                 "no weight is called %.100s", list_[i].name);
            continue;
        }
        struct convd_node *node = &g->nodes[v];
        void *own = node->bound ? node->params : convd_arena_take(&g->mem, node->op->params_size);
        if (!own) {
            convd_fault(f, CONVD_NO_MEMORY, NULL, "no memory for the weights");
            return false;
        }
        if (own != node->params) memcpy(own, node->params, node->op->params_size);
        node->params = own;
        const struct convd_learned x = {.node = v, .row = r, .now = list_[i]};
        refer(g, &x);
    }
    return convd_faults_count(f) == before;
}
