/* net.c: what learning computes in each step, and where it lies; see net.h. net_run.c runs it. */
#include "net_inner.h"

/* ---- what is computed ---- */

/* The rows of step v that learning changes. False without memory. */
static bool list_rows(struct convd_net *net, int v)
{
    struct net_node *x = &net->nodes[v];
    size_t rows = rows_of(net->graph->nodes[v].op), at = 0;
    x->dweight = convd_arena_array(&net->mem, rows + 1, sizeof *x->dweight);
    x->weight = convd_arena_array(&net->mem, rows + 1, sizeof *x->weight);
    if (!x->dweight || !x->weight) return false;
    for (size_t r = 0; r < rows; r++) x->dweight[r] = NONE;
    for (size_t i = 0; i < net->weights->n; at += net->weights->list[i++].count) {
        const struct convd_learned *w = &net->weights->list[i];
        if (w->node != v) continue;
        x->weight[w->row] = w->now.data;
        x->live = true;
        if (w->running) continue;
        x->dweight[w->row] = at;
        x->wants = true;
    }
    return true;
}

static bool goes_back(const struct convd_op *op, const struct net_node *x)
{
    return x->joins ? op->learning->join_backward != NULL
                    : op->backward || (x->chance && op->learning->backward);
}

static bool mark_step(struct convd_net *net, int v, struct convd_faults *f)
{
    const struct convd_node *n = &net->graph->nodes[v];
    struct net_node *x = &net->nodes[v];
    if (!list_rows(net, v)) {
        convd_fault(f, CONVD_NO_MEMORY, NULL, "no memory for learning");
        return false;
    }
    x->joins = convd_weights_join(n);
    x->chance = n->op->learning && n->op->learning->forward && n->learn != 0;
    x->live |= x->joins || x->chance;
    for (size_t i = 0; i < n->n_inputs; i++) {
        x->live |= net->nodes[n->inputs[i]].live;
        x->wants |= net->nodes[n->inputs[i]].wants;
    }
    if (!x->wants || goes_back(n->op, x)) return true;
    convd_at_node(f, n);
    convd_fault_expected(f, CONVD_NOT_DIFFERENTIABLE, NULL,
                         "a step that a gradient goes through, or one before all learned steps",
                         "no gradient goes through %s: %s", n->op->name,
                         n->op->no_gradient ? n->op->no_gradient : "it has none");
    convd_at_nothing(f);
    return false;
}

static bool mark(struct convd_net *net, struct convd_faults *f)
{
    const struct convd_graph *g = net->graph;
    bool fine = true;
    for (size_t v = 1; v < g->n_nodes; v++)
        if (net->plan->nodes[v].needed && g->nodes[v].kind == CONVD_NODE_STEP)
            fine &= mark_step(net, (int)v, f);
    for (size_t v = 0; v < g->n_nodes; v++) {
        struct net_node *x = &net->nodes[v];
        x->front = x->grad = NONE;
        if (x->live) net->order[net->n_order++] = (int)v;
        net->n_joins += x->joins;
    }
    return fine;
}

/* Gradients that the first step to come back to them writes. */
static void find_written(struct convd_net *net)
{
    for (size_t k = net->n_order; k-- > 0;) {
        struct net_node *x = &net->nodes[net->order[k]];
        const struct convd_node *n = &net->graph->nodes[net->order[k]];
        if (!x->wants) continue;
        if (n->n_inputs == 1 && n->op->back_writes && !x->joins && !x->chance)
            x->writes = net->nodes[n->inputs[0]].wants && !net->nodes[n->inputs[0]].met;
        for (size_t i = 0; i < n->n_inputs; i++) net->nodes[n->inputs[i]].met = true;
        if (x->writes) net->nodes[n->inputs[0]].written = true;
    }
}

/* Maps that are made once and read in every step. */
static void find_fronts(struct convd_net *net)
{
    for (size_t k = 0; k < net->n_order; k++) {
        const struct convd_node *n = &net->graph->nodes[net->order[k]];
        for (size_t i = 0; i < n->n_inputs; i++) {
            struct net_node *x = &net->nodes[n->inputs[i]];
            x->readers++;
            if (x->live || x->front != NONE ||
                net->graph->nodes[n->inputs[i]].kind == CONVD_NODE_TENSOR)
                continue;
            x->front = net->front_count;
            net->fronts[net->n_fronts++] = n->inputs[i];
            net->front_count += align(numbers(site_of(net, n->inputs[i])->y));
        }
    }
}

/* Whether step v may write its map where its input's is: nobody else reads that one, and nobody looks at it on the way back. */
static bool overwrites(const struct convd_net *net, int v)
{
    const struct convd_node *n = &net->graph->nodes[v];
    const int u = n->inputs[0];
    const struct net_node *x = &net->nodes[v], *from = &net->nodes[u];
    return n->op->in_place && n->n_inputs == 1 && from->live && from->readers == 1 &&
           u != net->node && !x->joins && !x->chance && !from->chance &&
           numbers(site_of(net, v)->y) == numbers(site_of(net, u)->y) &&
           (!x->wants || n->op->back_skips_x) &&
           (!from->wants || net->graph->nodes[u].op->back_skips_y);
}

static void most_of(size_t *most, size_t x)
{
    if (x > *most) *most = x;
}

static size_t whole_lines(size_t bytes)
{
    return (bytes + 63) / 64 * 64;
}

/* What step v needs to go back, beside maps. */
static void place_back(struct convd_net *net, int v)
{
    const struct convd_site *s = site_of(net, v);
    const struct convd_node *n = &net->graph->nodes[v];
    struct net_node *x = &net->nodes[v];
    bool inputs = false, weights = false;
    x->turned = x->sums = x->kept = NONE;
    if (!x->wants) return;
    const size_t kept = n->op->kept_bytes ? n->op->kept_bytes(s) * (size_t)s->y.c : 0;
    if (kept > 0) {
        x->kept = net->maps_end;
        net->maps_end += align((kept + sizeof(float) - 1) / sizeof(float));
    }
    for (size_t i = 0; i < n->n_inputs; i++) inputs |= net->nodes[n->inputs[i]].wants;
    for (size_t r = 0; r < rows_of(n->op); r++) weights |= x->dweight[r] != NONE;
    if (n->op->back_scratch) most_of(&net->scratch, n->op->back_scratch(s));
    if (n->op->turn && inputs) {
        x->turned = net->turned_bytes;
        net->turned_bytes += whole_lines(n->op->turned_bytes(s));
    }
    if (n->op->sums_bytes && weights && n->op->sums_bytes(s) > 0) {
        x->sums = net->sums;
        net->sums += whole_lines(n->op->sums_bytes(s));
    }
}

/* Where everything is in a lane, and what workers need beside. */
static void place(struct convd_net *net)
{
    for (size_t k = 0; k < net->n_order; k++) {
        int v = net->order[k];
        const struct convd_site *s = site_of(net, v);
        const struct convd_op *op = net->graph->nodes[v].op;
        struct net_node *x = &net->nodes[v];
        if (overwrites(net, v)) {
            x->map = net->nodes[net->graph->nodes[v].inputs[0]].map;
        } else {
            x->map = net->maps_end;
            net->maps_end += align(numbers(s->y));
        }
        if (op->scratch) most_of(&net->scratch, op->scratch(s, s->y.h));
        place_back(net, v);
        x->apart = op->back_by_channel && !op->digest && !x->joins && !x->chance;
        x->digest = op->digest_bytes ? op->digest_bytes(s) : 0;
        most_of(&net->digest, x->digest);
        x->keep = net->n_keep;
        if (x->joins && op->learning->keep) net->n_keep += op->learning->keep(s);
    }
    net->lane = net->maps_end;
    for (size_t k = net->n_order; k-- > 0;) {
        struct net_node *x = &net->nodes[net->order[k]];
        const struct convd_node *n = &net->graph->nodes[net->order[k]];
        if (!x->wants) continue;
        if (x->grad == NONE) {
            x->grad = net->lane;
            net->lane += align(numbers(site_of(net, net->order[k])->y));
        }
        if (x->writes && n->op->back_in_place) net->nodes[n->inputs[0]].grad = x->grad;
    }
    net->scratch = whole_lines(net->scratch);
    net->digest = whole_lines(net->digest);
}

/* One picture a run: tensors with several samples cannot be spread over a batch. */
static bool check_samples(const struct convd_net *net, struct convd_faults *f)
{
    for (size_t v = 0; v < net->graph->n_nodes; v++)
        if (net->plan->nodes[v].needed && net->plan->nodes[v].site.y.n != 1) {
            convd_fault_expected(f, CONVD_BAD_SHAPE, NULL, "one sample", "%s has %td samples",
                                 net->graph->nodes[v].id, net->plan->nodes[v].site.y.n);
            return false;
        }
    return true;
}

struct convd_net *convd_net_new(struct convd_graph *g, const struct convd_plan *p, int node,
                                const struct convd_weights *w, struct convd_faults *f)
{
    struct convd_arena mem;
    convd_arena_init(&mem, g->mem.memory, 0);
    struct convd_net *net = convd_arena_zero(&mem, sizeof *net);
    if (net) {
        *net = (struct convd_net){.mem = mem, .graph = g, .plan = p, .node = node, .weights = w};
        convd_arena_init(&net->room, g->mem.memory, 0);
        net->nodes = convd_arena_array(&net->mem, g->n_nodes, sizeof *net->nodes);
        net->order = convd_arena_array(&net->mem, g->n_nodes, sizeof *net->order);
        net->fronts = convd_arena_array(&net->mem, g->n_nodes, sizeof *net->fronts);
    }
    if (!net || !net->nodes || !net->order || !net->fronts) {
        convd_fault(f, CONVD_NO_MEMORY, NULL, "no memory for learning");
        convd_net_free(net);
        return NULL;
    }
    if (!check_samples(net, f) || !mark(net, f)) {
        convd_net_free(net);
        return NULL;
    }
    find_fronts(net);
    find_written(net);
    place(net);
    return net;
}

void convd_net_free(struct convd_net *net)
{
    if (!net) return;
    struct convd_arena mem = net->mem, room = net->room;
    convd_arena_release(&room);
    convd_arena_release(&mem);
}

int convd_net_front(const struct convd_net *net, size_t i, struct convd_shape *shape)
{
    if (i >= net->n_fronts) return -1;
    *shape = site_of(net, net->fronts[i])->y;
    return net->fronts[i];
}

size_t convd_net_front_count(const struct convd_net *net)
{
    return net->front_count;
}

size_t convd_net_bytes(const struct convd_net *net)
{
    return net->mem.taken + net->room.taken;
}

const float *convd_net_gradient(const struct convd_net *net)
{
    return net->gradient;
}

/* ---- room ---- */

static void *take(struct convd_net *net, size_t count, size_t size)
{
    return convd_arena_array(&net->room, count ? count : 1, size);
}

static size_t workers_of(size_t workers, ptrdiff_t most)
{
    workers = workers < 1 ? 1 : workers > CONVD_SLOTS_MOST ? CONVD_SLOTS_MOST : workers;
    return workers > (size_t)most ? (size_t)most : workers;
}

/* A set of maps a worker, or a sample where all of a batch meet. */
static size_t lanes_of(const struct convd_net *net, size_t workers, ptrdiff_t n)
{
    return net->n_joins && (size_t)n > workers ? (size_t)n : workers;
}

/* Where the copies end that augmentation makes of the maps that enter and of the target. */
static size_t copies_end(const struct convd_net *net)
{
    return align(net->lane + net->front_count + numbers(site_of(net, net->node)->y));
}

size_t convd_net_needs(const struct convd_net *net, size_t workers, ptrdiff_t n, ptrdiff_t most,
                       bool augment)
{
    workers = workers_of(workers, most);
    const size_t lane = augment ? copies_end(net) : net->lane;
    size_t maps, sums;
    if (!convd_mul(lanes_of(net, workers, n), lane * sizeof(float) + 64, &maps) ||
        !convd_mul(workers + 1, align(net->weights->learned) * sizeof(float), &sums) ||
        !convd_add(maps, sums, &maps))
        return SIZE_MAX;
    return maps + workers * (net->scratch + net->digest + net->sums + 192) + net->turned_bytes +
           (size_t)most * (sizeof(double) + sizeof(ptrdiff_t)) + net->n_keep * sizeof(double) +
           4 * (size_t)n * sizeof(float *);
}

/* What ops make of their weights, in shares. */
struct turning {
    struct convd_net *net;
    size_t parts;
};

static void turn(void *arg, size_t part, size_t slot)
{
    const struct turning *x = arg;
    (void)slot;
    for (size_t k = 0; k < x->net->n_order; k++) {
        const int v = x->net->order[k];
        const size_t at = x->net->nodes[v].turned;
        if (at != NONE)
            x->net->graph->nodes[v].op->turn(site_of(x->net, v), x->net->turned + at, part,
                                             x->parts);
    }
}

bool convd_net_room(struct convd_net *net, size_t workers, ptrdiff_t n, ptrdiff_t most,
                    bool augment, size_t limit, struct convd_faults *f)
{
    net->workers = workers_of(workers, most);
    net->n = (size_t)n;
    const size_t lanes = lanes_of(net, net->workers, n), learned = align(net->weights->learned);
    size_t lane = net->lane;
    if (augment) {
        net->copies = lane;
        net->target_copy = lane + net->front_count;
        lane = copies_end(net);
    }
    net->lane = lane;
    size_t bytes;
    const bool counted = convd_mul(lanes, lane * sizeof(float) + 64, &bytes);
    if (!counted || bytes > limit) {
        convd_fault_limit(f, CONVD_TOO_MUCH_MEMORY, NULL, (double)limit,
                          (double)lanes * (double)lane * sizeof(float),
                          "the maps of %zu samples need %zu MiB", lanes,
                          lane * sizeof(float) * lanes >> 20)
            ->expected = "smaller pictures, fewer channels or a smaller batch_size";
        return false;
    }
    net->lanes = take(net, lanes * lane, sizeof(float));
    net->gradient = take(net, learned, sizeof(float));
    net->partials = take(net, learned * net->workers, sizeof(float));
    net->scratches = take(net, net->workers, net->scratch + 64);
    net->digests = take(net, net->workers, net->digest + 64);
    net->turned = take(net, 1, net->turned_bytes + 64);
    net->sums_of = take(net, net->workers, net->sums + 64);
    net->losses = take(net, (size_t)most, sizeof(double));
    net->guesses = take(net, (size_t)most, sizeof(ptrdiff_t));
    net->keep = take(net, net->n_keep, sizeof(double));
    net->pointers = take(net, 4 * net->n, sizeof(float *));
    if (net->lanes && net->gradient && net->partials && net->scratches && net->digests &&
        net->turned && net->sums_of && net->losses && net->guesses && net->keep && net->pointers) {
        turn(&(struct turning){net, 1}, 0, 0);
        return true;
    }
    convd_fault(f, CONVD_NO_MEMORY, NULL, "no memory for learning");
    return false;
}

void convd_net_pack(struct convd_net *net, struct convd_pool *pool)
{
    for (size_t i = 0; i < net->weights->n; i++) {
        int v = net->weights->list[i].node;
        const struct convd_op *op = net->graph->nodes[v].op;
        if (op->pack && (i == 0 || net->weights->list[i - 1].node != v))
            op->pack(site_of(net, v), (void *)(uintptr_t)site_of(net, v)->state);
    }
    convd_pool_for(pool, net->workers, net->workers, turn, &(struct turning){net, net->workers});
}
