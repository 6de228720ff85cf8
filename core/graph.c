/* graph.c: nodes, ids, tensors, and the one way an op's step gets in; see graph.h. */
#include "scope.h"
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

uint32_t convd_hash(const char *s)
{
    uint32_t h = 2166136261u; /* FNV-1a */
    for (; *s; s++)
        h = (h ^ (unsigned char)*s) * 16777619u;
    return h;
}

bool convd_out_of_memory(struct convd_graph *g)
{
    if (!g->full)
        convd_fault(g->faults, CONVD_NO_MEMORY, NULL, "no memory for more steps");
    g->full = true;
    return false;
}

/* ---- nodes ---- */

static int add_node(struct convd_graph *g, const struct convd_node *node)
{
    if (g->n_nodes == g->room) {
        size_t room = g->room ? 2 * g->room : 32;
        struct convd_node *more = convd_arena_array(&g->mem, room, sizeof *more);
        if (!more) {
            convd_out_of_memory(g);
            return -1;
        }
        if (g->n_nodes)
            memcpy(more, g->nodes, g->n_nodes * sizeof *more);
        g->nodes = more;
        g->room = room;
    }
    g->nodes[g->n_nodes] = *node;
    g->nodes[g->n_nodes].hash = convd_hash(node->id);
    return (int)g->n_nodes++;
}

struct convd_graph *convd_graph_new(const struct convd_memory *mem, struct convd_faults *faults)
{
    struct convd_arena arena;
    convd_arena_init(&arena, mem, 0);
    struct convd_graph *g = convd_arena_zero(&arena, sizeof *g);
    struct convd_scope *top = convd_arena_zero(&arena, sizeof *top);
    if (!g || !top) {
        convd_arena_release(&arena);
        return NULL;
    }
    g->mem = arena; /* the arena moves into what it holds */
    g->faults = faults;
    g->output_prefix = "";
    top->prefix = "";
    top->record = true;
    g->scope = top;
    convd_graph_setup(g, NULL, NULL);
    const struct convd_node image = {
        .kind = CONVD_NODE_IMAGE, .id = "image", .place = "", .learn = -1};
    if (add_node(g, &image) < 0) {
        convd_graph_free(g);
        return NULL;
    }
    return g;
}

/* The name that was written for a parameter: aliases are understood, and a fault is where they stand. */
static const char *spell(const void *speller, const char *member)
{
    const struct convd_node *n = speller;
    for (size_t i = 0; n->op && i < n->n_args; i++) {
        const char *name = n->args[i].name;
        const struct convd_param *row = name ? convd_param_find(n->op->params, name) : NULL;
        if (row && strcmp(row->name, member) == 0) return name;
    }
    return member;
}

void convd_at_node(struct convd_faults *f, const struct convd_node *n)
{
    convd_place_set(f, n->place);
    f->closed = n->closed;
    f->spell = spell;
    f->speller = n;
    f->segment = n->segment;
}

void convd_at_nothing(struct convd_faults *f)
{
    convd_place_set(f, "");
    f->segment = NULL;
}

void convd_graph_free(struct convd_graph *g)
{
    if (!g)
        return;
    struct convd_arena arena = g->mem;
    convd_arena_release(&arena);
}

void convd_graph_setup(struct convd_graph *g, const struct convd_names *names,
                       const struct convd_limits *limits)
{
    const struct convd_limits given = limits ? *limits : (struct convd_limits){0};
    g->names = names;
    g->limits = given;
    if (!g->limits.steps)
        g->limits.steps = 256;
    if (!g->limits.expanded)
        g->limits.expanded = 4096;
    if (!g->limits.kernel)
        g->limits.kernel = 129;
    if (!g->limits.memory)
        g->limits.memory = (size_t)1 << 30;
    if (!(g->limits.macs > 0))
        g->limits.macs = 1e12;
}

/* ---- tensors ---- */

bool convd_graph_tensor(struct convd_graph *g, const struct convd_tensor *t)
{
    struct convd_tensor *more = convd_arena_array(&g->mem, g->n_tensors + 1, sizeof *more);
    const char *name = convd_arena_text(&g->mem, t->name, strlen(t->name));
    if (!more || !name)
        return convd_out_of_memory(g);
    if (g->n_tensors)
        memcpy(more, g->tensors, g->n_tensors * sizeof *more);
    more[g->n_tensors] = *t;
    more[g->n_tensors].name = name;
    g->tensors = more;
    g->n_tensors++;
    return true;
}

static const char *tensor_name(const void *graph, size_t i)
{
    return ((const struct convd_graph *)graph)->tensors[i].name;
}

const struct convd_tensor *convd_bound_tensor(struct convd_graph *g, const char *name)
{
    for (size_t i = 0; i < g->n_tensors; i++)
        if (strcmp(g->tensors[i].name, name) == 0)
            return &g->tensors[i];
    struct convd_fault *x = convd_fault_expected(
        g->faults, CONVD_UNKNOWN_NAME, NULL,
        g->n_tensors ? "the name of an uploaded tensor" : "a tensor uploaded under that name",
        "no tensor %s",
        convd_value_show(g->faults->mem,
                         &(struct convd_value){.kind = CONVD_STRING, .string = name}));
    const char *near = convd_nearest(name, tensor_name, g, g->n_tensors);
    x->suggestion = near ? convd_arena_printf(g->faults->mem, "@%s", near) : NULL;
    return NULL;
}

/* The node of "@name", made at its first use. */
static int tensor_node(struct convd_graph *g, const char *ref)
{
    const struct convd_tensor *t = convd_bound_tensor(g, ref + 1);
    if (!t)
        return -1;
    int node = convd_graph_node(g, ref);
    if (node >= 0)
        return node;
    if (t->rank < 2) {
        convd_fault_expected(g->faults, CONVD_BAD_SHAPE, NULL,
                             "a tensor of shape (H,W), (C,H,W) or (N,C,H,W)",
                             "%s has %d dimension%s", ref, t->rank, t->rank == 1 ? "" : "s");
        return -1;
    }
    const char *id = convd_arena_text(&g->mem, ref, strlen(ref));
    if (!id) {
        convd_out_of_memory(g);
        return -1;
    }
    const struct convd_node n = {
        .kind = CONVD_NODE_TENSOR, .id = id, .place = "", .tensor = t, .learn = -1};
    return add_node(g, &n);
}

/* ---- ids ---- */

int convd_graph_node(const struct convd_graph *g, const char *id)
{
    uint32_t h = convd_hash(id);
    for (size_t i = 0; i < g->n_nodes; i++)
        if (g->nodes[i].hash == h && strcmp(g->nodes[i].id, id) == 0)
            return (int)i;
    for (const struct convd_alias *a = g->aliases; a; a = a->next)
        if (a->hash == h && strcmp(a->id, id) == 0)
            return a->node;
    return -1;
}

bool convd_id_taken(const struct convd_graph *g, const char *full)
{
    return convd_graph_node(g, full) >= 0;
}

const char *convd_full_id(struct convd_graph *g, const char *local)
{
    const char *id = convd_arena_printf(&g->mem, "%s%s", g->scope->prefix, local);
    if (!id)
        convd_out_of_memory(g);
    return id;
}

bool convd_alias_add(struct convd_graph *g, const char *full, int node)
{
    struct convd_alias *a = convd_arena_zero(&g->mem, sizeof *a);
    if (!a)
        return convd_out_of_memory(g);
    *a = (struct convd_alias){.id = full, .hash = convd_hash(full), .node = node, .next = g->aliases};
    g->aliases = a;
    return true;
}

/* Ids of the current scope, as they are written there. */
static const char *local_id(const void *graph, size_t i)
{
    const struct convd_graph *g = graph;
    size_t n = strlen(g->scope->prefix);
    if (i == 0)
        return "image";
    return strncmp(g->nodes[i].id, g->scope->prefix, n) == 0 ? g->nodes[i].id + n : "";
}

/* True when a step further down the list has that id. */
static bool comes_later(const struct convd_scope *s, const char *ref)
{
    for (uint32_t i = 0; s->list && i < s->list->n; i++) {
        const struct convd_value *id = convd_value_get(&s->list->items[i], "id");
        if (id && id->kind == CONVD_STRING && strcmp(id->string, ref) == 0)
            return true;
    }
    return false;
}

int convd_scope_find(struct convd_graph *g, const char *ref)
{
    if (strcmp(ref, "image") == 0)
        return g->scope->image;
    if (*ref == '@')
        return tensor_node(g, ref);
    const char *full = convd_full_id(g, ref);
    int node = full ? convd_graph_node(g, full) : -1;
    if (node >= 0 || !full)
        return node;
    const char *shown = convd_value_show(
        g->faults->mem, &(struct convd_value){.kind = CONVD_STRING, .string = ref});
    if (comes_later(g->scope, ref)) {
        convd_fault_expected(g->faults, CONVD_BAD_GRAPH, NULL,
                             "the id of an earlier step, \"image\" or \"@tensor\"",
                             "%s does not come before this step", shown);
        return -1;
    }
    struct convd_fault *x = convd_fault_expected(
        g->faults, CONVD_UNKNOWN_NAME, NULL, "the id of an earlier step, \"image\" or \"@tensor\"",
        "no step %s", shown);
    x->suggestion = *ref ? convd_nearest(ref, local_id, g, g->n_nodes) : NULL;
    return -1;
}

/* ---- an op's step ---- */

static bool count_step(struct convd_graph *g)
{
    if (g->full)
        return false;
    if (++g->n_steps <= g->limits.expanded)
        return true;
    g->full = true;
    convd_fault_limit(g->faults, CONVD_TOO_MANY_STEPS, NULL, (double)g->limits.expanded,
                      (double)g->n_steps, "more than %zu steps after expansion",
                      g->limits.expanded);
    return false;
}

/* Fills "@name" kernels and weights from the bound tensors, and shifts seeds in repetitions. */
static bool resolve(struct convd_graph *g, const struct convd_node *n)
{
    void *params = n->params;
    bool fine = true;
    for (const struct convd_param *row = n->op->params; row && row->name; row++) {
        size_t mark = convd_enter(g->faults, spell(n, row->name));
        void *field = (char *)params + row->offset;
        if (row->type == CONVD_P_KERNEL && ((struct convd_kernel *)field)->tensor) {
            struct convd_kernel *k = field;
            const struct convd_tensor *t = convd_bound_tensor(g, k->tensor);
            int first = t ? t->rank - 2 : 0;
            bool flat = t && first >= 0;
            for (int i = 0; flat && i < first; i++)
                flat = t->dim[i] == 1;
            if (t && !flat)
                convd_fault_expected(g->faults, CONVD_BAD_SHAPE, NULL, "a tensor of shape (h,w)",
                                     "@%s is no matrix", k->tensor);
            fine &= flat;
            if (flat &&
                (t->dim[first] > g->limits.kernel || t->dim[first + 1] > g->limits.kernel)) {
                convd_fault_limit(
                    g->faults, CONVD_OUT_OF_RANGE, NULL, (double)g->limits.kernel,
                    (double)(t->dim[first] > t->dim[first + 1] ? t->dim[first] : t->dim[first + 1]),
                    "@%s is %tdx%td", k->tensor, t->dim[first], t->dim[first + 1]);
                fine = false;
            } else if (flat) {
                k->h = t->dim[first];
                k->w = t->dim[first + 1];
                k->v = t->data;
                k->anchor_y = k->h / 2;
                k->anchor_x = k->w / 2;
            }
        } else if (row->type == CONVD_P_WEIGHT) {
            struct convd_weight *w = field;
            if (w->kind == CONVD_W_TENSOR) {
                const struct convd_tensor *t = convd_bound_tensor(g, w->tensor);
                if (t)
                    w->array = *t;
                fine &= t != NULL;
            }
            w->seed += w->has_seed ? g->scope->shift : 0;
        }
        convd_leave(g->faults, mark);
    }
    return fine;
}

static bool check_inputs(struct convd_graph *g, const struct convd_new_step *s)
{
    size_t least = s->op->max_inputs ? s->op->min_inputs : 1,
           most = s->op->max_inputs ? s->op->max_inputs : 1;
    if (s->n_inputs >= least && s->n_inputs <= most)
        return true;
    const char *expected =
        least == most
            ? convd_arena_printf(g->faults->mem, "%zu input%s", least, least == 1 ? "" : "s")
            : convd_arena_printf(g->faults->mem, "%zu to %zu inputs", least, most);
    convd_fault_expected(g->faults, s->chained ? CONVD_MISSING : CONVD_BAD_GRAPH,
                         s->single ? "input" : "inputs",
                         expected ? expected : "", "%s has %zu input%s", s->op->name, s->n_inputs,
                         s->n_inputs == 1 ? "" : "s");
    return false;
}

static bool bind(struct convd_graph *g, const struct convd_new_step *s, struct convd_node *n)
{
    void *params = n->params;
    struct convd_bind b = {.faults = g->faults,
                           .mem = &g->mem,
                           .rows = s->op->params,
                           .into = params,
                           .what = s->op->name,
                           .max_kernel = g->limits.kernel};
    bool fine = convd_params_bind(&b, s->args, s->n_args);
    n->given = b.given;
    fine = fine && resolve(g, n);
    if (!fine || !s->op->check) return fine;
    g->faults->spell = spell;
    g->faults->speller = n;
    fine = s->op->check(params, g->faults);
    g->faults->spell = NULL;
    return fine;
}

struct convd_written *convd_record(struct convd_graph *g, const struct convd_new_step *s,
                                   const char *pipeline)
{
    struct convd_written *w = convd_arena_zero(&g->mem, sizeof *w);
    if (!w) {
        convd_out_of_memory(g);
        return NULL;
    }
    *w = (struct convd_written){.id = s->id,
                                .named = s->named,
                                .op = s->op,
                                .pipeline = pipeline,
                                .learn = s->learn,
                                .inputs = s->inputs,
                                .n_inputs = s->n_inputs,
                                .tensors = s->tensors,
                                .chained = s->chained,
                                .image = g->scope->image,
                                .node = -1,
                                .parent = g->scope->inside};
    if (!g->scope->record)
        return w;
    if (g->scope->last)
        g->scope->last->next = w;
    else if (g->scope->inside)
        g->scope->inside->first_child = w;
    else
        g->written = w;
    g->scope->last = w;
    return w;
}

int convd_add_op(struct convd_graph *g, const struct convd_new_step *s)
{
    if (!count_step(g))
        return -1;
    size_t size = s->op && s->op->params_size ? s->op->params_size : 1;
    struct convd_node n = {.kind = CONVD_NODE_STEP,
                           .op = s->op,
                           .learn = s->learn,
                           .named = s->named,
                           .bad = s->bad,
                           .inputs = s->inputs,
                           .n_inputs = s->n_inputs,
                           .args = s->args,
                           .n_args = s->n_args,
                           .segment = g->faults->segment,
                           .position = g->scope->index + g->scope->shift};
    n.id = convd_full_id(g, s->id);
    n.place = convd_arena_text(&g->mem, g->faults->place, g->faults->len);
    n.closed = g->faults->closed;
    n.params = convd_arena_zero(&g->mem, size);
    struct convd_written *w = s->written ? s->written : convd_record(g, s, NULL);
    if (!n.id || !n.place || !n.params || !w) {
        convd_out_of_memory(g);
        return -1;
    }
    n.written = w;
    g->last_output = NULL; /* a pipeline's output counts only when nothing stands behind it */
    for (size_t i = 0; i < s->n_inputs; i++)
        n.bad |= s->inputs[i] < 0;
    if (s->op) {
        n.bad |= !check_inputs(g, s);
        n.bad |= !bind(g, s, &n);
    }
    if (!s->written) {
        w->params = n.params;
        w->given = n.given;
    }
    if (s->op && s->op->expand && !n.bad) {
        w->node = convd_add_block(g, s, w);
        g->last_output = NULL;
        return w->node;
    }
    int node = add_node(g, &n);
    if (!s->written)
        w->node = node;
    return node;
}
