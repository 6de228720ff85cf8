/* net.c: forward, loss and back over the samples of a batch; see net.h. */
#include "net.h"
#include "../plan_inner.h"
#include "augment.h"
#include "rules.h"
#include <string.h>

enum { ROWS = 64, INPUTS = 64 }; /* rows fit a bit mask of params; inputs are the contract's most */
#define NONE SIZE_MAX

struct net_node {
    bool live;        /* computed in every step                          */
    bool wants;       /* a gradient is wanted for it                     */
    bool joins;       /* looks at the whole batch                        */
    bool chance;      /* depends on chance                               */
    bool writes;      /* its backward is the first to come to its input's gradient, and writes it */
    bool met;         /* some step's backward comes to its gradient      */
    bool written;     /* its gradient needs no zeros: another step writes it first                */
    size_t map, grad; /* floats from a lane's begin                      */
    size_t front;     /* floats from an item's begin; NONE: not a front  */
    size_t keep;      /* of a join: doubles from the begin of `keep`     */
    size_t digest;    /* bytes                                           */
    size_t *dweight;  /* for each params row: its gradient in a partial, or NONE */
    float **weight;   /* for each params row: its numbers where learning writes them, or NULL */
};
struct convd_net {
    struct convd_arena mem, room; /* what does not depend on the batch; what does */
    struct convd_graph *graph;
    const struct convd_plan *plan;
    const struct convd_weights *weights;
    int node;
    struct net_node *nodes;
    int *order, *fronts;
    size_t n_order, n_fronts, n_joins, n_keep;
    size_t front_count;     /* floats of an item                     */
    size_t scratch, digest; /* bytes of each worker                  */
    size_t maps_end, lane;  /* floats of a lane; gradients behind maps_end */
    size_t workers, n;
    float *lanes, *gradient, *partials;
    size_t copies, target_copy; /* floats from a lane's begin, with augment */
    char *scratches, *digests;
    double *losses, *keep;
    ptrdiff_t *guesses;
    float **pointers; /* of joins: x, y, dy, dx for each sample */
};

static size_t align(size_t floats)
{
    return (floats + 15) / 16 * 16;
}

static size_t numbers(struct convd_shape s)
{
    return (size_t)s.c * (size_t)s.h * (size_t)s.w;
}

static const struct convd_site *site_of(const struct convd_net *net, int v)
{
    return &net->plan->nodes[v].site;
}

static size_t rows_of(const struct convd_op *op)
{
    size_t r = 0;
    while (op->params && op->params[r].name) r++;
    return r;
}

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
        x->front = NONE;
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
            if (x->live || x->front != NONE ||
                net->graph->nodes[n->inputs[i]].kind == CONVD_NODE_TENSOR)
                continue;
            x->front = net->front_count;
            net->fronts[net->n_fronts++] = n->inputs[i];
            net->front_count += align(numbers(site_of(net, n->inputs[i])->y));
        }
    }
}

static void most_of(size_t *most, size_t x)
{
    if (x > *most) *most = x;
}

/* Where everything is in a lane, and what workers need beside. */
static void place(struct convd_net *net)
{
    for (size_t k = 0; k < net->n_order; k++) {
        int v = net->order[k];
        const struct convd_site *s = site_of(net, v);
        const struct convd_op *op = net->graph->nodes[v].op;
        struct net_node *x = &net->nodes[v];
        x->map = net->maps_end;
        net->maps_end += align(numbers(s->y));
        if (op->scratch) most_of(&net->scratch, op->scratch(s, s->y.h));
        if (op->back_scratch && x->wants) most_of(&net->scratch, op->back_scratch(s));
        x->digest = op->digest_bytes ? op->digest_bytes(s) : 0;
        most_of(&net->digest, x->digest);
        x->keep = net->n_keep;
        if (x->joins && op->learning->keep) net->n_keep += op->learning->keep(s);
    }
    net->lane = net->maps_end;
    for (size_t k = 0; k < net->n_order; k++) {
        struct net_node *x = &net->nodes[net->order[k]];
        x->grad = x->wants ? net->lane : NONE;
        net->lane += x->wants ? align(numbers(site_of(net, net->order[k])->y)) : 0;
    }
    net->scratch = (net->scratch + 63) / 64 * 64;
    net->digest = (net->digest + 63) / 64 * 64;
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
    return maps + workers * (net->scratch + net->digest + 128) +
           (size_t)most * (sizeof(double) + sizeof(ptrdiff_t)) + net->n_keep * sizeof(double) +
           4 * (size_t)n * sizeof(float *);
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
    net->losses = take(net, (size_t)most, sizeof(double));
    net->guesses = take(net, (size_t)most, sizeof(ptrdiff_t));
    net->keep = take(net, net->n_keep, sizeof(double));
    net->pointers = take(net, 4 * net->n, sizeof(float *));
    if (net->lanes && net->gradient && net->partials && net->scratches && net->digests &&
        net->losses && net->guesses && net->keep && net->pointers)
        return true;
    convd_fault(f, CONVD_NO_MEMORY, NULL, "no memory for learning");
    return false;
}

/* ---- one sample ---- */

enum { FORWARD = 1, LOSS = 2, BACK = 4 };

struct pass {
    struct convd_net *net;
    const struct convd_batch *batch;
    const atomic_bool *cancel;
    size_t from, to; /* of the order      */
    int does;        /* FORWARD | …       */
    int v;           /* of a join         */
};
/* A sample on its way: where its numbers are. */
struct place {
    float *lane;
    const float *maps; /* that enter */
    const float *target;
    const struct convd_item *item;
    size_t worker;
};

static struct convd_view view_of(const float *data, struct convd_shape s)
{
    return (struct convd_view){.data = (float *)(uintptr_t)data,
                               .c = s.c,
                               .h = s.h,
                               .w = s.w,
                               .y1 = s.h,
                               .row = s.w,
                               .plane = s.h * s.w};
}

static const float *map_of(const struct convd_net *net, const struct place *at, int v)
{
    const struct net_node *x = &net->nodes[v];
    if (net->graph->nodes[v].kind == CONVD_NODE_TENSOR) return net->graph->nodes[v].tensor->data;
    return x->live ? at->lane + x->map : at->maps + x->front;
}

static float *grad_of(const struct convd_net *net, const struct place *at, int v)
{
    const struct net_node *x = &net->nodes[v];
    return x->wants ? at->lane + x->grad : NULL;
}

static struct convd_chance chance_of(const struct pass *p, const struct place *at, int v)
{
    return (struct convd_chance){.seed = p->batch->seed,
                                 .epoch = p->batch->epoch,
                                 .sample = at->item->number,
                                 .node = (uint32_t)v};
}

static void forward(const struct pass *p, const struct place *at, int v)
{
    const struct convd_net *net = p->net;
    const struct convd_node *n = &net->graph->nodes[v];
    const struct net_node *x = &net->nodes[v];
    const struct convd_site *s = site_of(net, v);
    struct convd_view in[INPUTS];
    for (size_t i = 0; i < n->n_inputs; i++)
        in[i] = view_of(map_of(net, at, n->inputs[i]), s->x[i]);
    const struct convd_view y = view_of(at->lane + x->map, s->y);
    struct convd_call call = {
        .site = s,
        .x = in,
        .scratch = (float *)(void *)(net->scratches + at->worker * (net->scratch + 64))};
    if (x->digest) {
        call.digest = net->digests + at->worker * (net->digest + 64);
        n->op->digest(&call);
    }
    call.y = &y;
    if (x->chance && p->batch->learn) {
        const struct convd_chance c = chance_of(p, at, v);
        n->op->learning->forward(&call, &c);
    } else {
        n->op->forward(&call);
    }
}

static void back(const struct pass *p, const struct place *at, int v)
{
    const struct convd_net *net = p->net;
    const struct convd_node *n = &net->graph->nodes[v];
    const struct net_node *x = &net->nodes[v];
    const struct convd_site *s = site_of(net, v);
    struct convd_view in[INPUTS], dx[INPUTS];
    float *dweight[ROWS], *partial = net->partials + at->worker * align(net->weights->learned);
    if (!x->wants) return;
    for (size_t i = 0; i < n->n_inputs; i++) {
        in[i] = view_of(map_of(net, at, n->inputs[i]), s->x[i]);
        dx[i] = view_of(grad_of(net, at, n->inputs[i]), s->x[i]);
    }
    for (size_t r = 0; n->op->params && n->op->params[r].name; r++)
        dweight[r] = x->dweight[r] == NONE ? NULL : partial + x->dweight[r];
    const struct convd_view y = view_of(at->lane + x->map, s->y),
                            dy = view_of(at->lane + x->grad, s->y);
    const struct convd_back b = {
        .site = s,
        .x = in,
        .y = &y,
        .dy = &dy,
        .dx = dx,
        .dweight = dweight,
        .fresh = x->writes,
        .parts = 1,
        .scratch = (float *)(void *)(net->scratches + at->worker * (net->scratch + 64))};
    if (x->chance && n->op->learning->backward) {
        const struct convd_chance c = chance_of(p, at, v);
        n->op->learning->backward(&b, &c);
    } else {
        n->op->backward(&b);
    }
}

static void lose(const struct pass *p, const struct place *at, size_t sample)
{
    const struct convd_net *net = p->net;
    const struct convd_batch *b = p->batch;
    const float *y = map_of(net, at, net->node);
    const size_t count = numbers(site_of(net, net->node)->y);
    float *dy = NULL;
    if (p->does & BACK) {
        for (size_t k = 0; k < net->n_order; k++) {
            const struct net_node *x = &net->nodes[net->order[k]];
            if (x->wants && !x->written)
                memset(at->lane + x->grad, 0,
                       numbers(site_of(net, net->order[k])->y) * sizeof(float));
        }
        dy = at->lane + net->nodes[net->node].grad;
    }
    net->losses[sample] =
        convd_loss(b->loss, y, count, at->item->class, at->target, at->item->bounded, b->n, dy);
    net->guesses[sample] = b->loss == CONVD_CROSS_ENTROPY ? convd_loss_guess(y, count) : -1;
}

/* The copies of maps and target that augmentation changed; made by the pass that begins. */
static void change(const struct pass *p, struct place *at)
{
    const struct convd_net *net = p->net;
    const struct convd_augmented a =
        convd_augment_draw(p->batch->augment, p->batch->seed, p->batch->epoch, at->item->number);
    float *copies = at->lane + net->copies, *target = at->lane + net->target_copy;
    at->maps = copies;
    if (at->item->target) at->target = target;
    if (p->from > 0 || !(p->does & FORWARD)) return;
    for (size_t i = 0; i < net->n_fronts; i++) {
        const struct convd_shape s = site_of(net, net->fronts[i])->y;
        size_t front = net->nodes[net->fronts[i]].front;
        convd_augment_map(&a, s, at->item->maps + front, copies + front);
        convd_augment_noise(p->batch->augment, &a, (uint32_t)i, numbers(s), copies + front);
    }
    if (at->item->target)
        convd_augment_map(&a, site_of(net, net->node)->y, at->item->target, target);
}

static void sample(const struct pass *p, size_t worker, size_t i)
{
    const struct convd_net *net = p->net;
    const struct convd_item *item = &p->batch->items[i];
    const size_t lane = net->n_joins && p->batch->learn ? i : worker;
    struct place at = {.lane = net->lanes + lane * net->lane,
                       .maps = item->maps,
                       .target = item->target,
                       .item = item,
                       .worker = worker};
    if (p->batch->augment) change(p, &at);
    for (size_t k = p->from; p->does & FORWARD && k < p->to; k++) forward(p, &at, net->order[k]);
    if (p->does & LOSS) lose(p, &at, i);
    for (size_t k = p->to; p->does & BACK && k-- > p->from;) back(p, &at, net->order[k]);
}

static bool stopped(const struct pass *p)
{
    return p->cancel && atomic_load_explicit(p->cancel, memory_order_relaxed);
}

static void samples(void *arg, size_t worker, size_t slot)
{
    const struct pass *p = arg;
    const struct convd_rows own = convd_share(p->batch->n, worker, p->net->workers);
    (void)slot;
    for (ptrdiff_t i = own.y0; i < own.y1 && !stopped(p); i++) sample(p, worker, (size_t)i);
}

static void run(struct pass *p, struct convd_pool *pool, size_t from, size_t to, int does)
{
    p->from = from;
    p->to = to;
    p->does = does;
    convd_pool_for(pool, p->net->workers, p->net->workers, samples, p);
}

/* ---- where all samples meet ---- */

static void join_share(void *arg, size_t worker, size_t slot)
{
    const struct pass *p = arg;
    const struct convd_net *net = p->net;
    const struct convd_node *n = &net->graph->nodes[p->v];
    const struct net_node *x = &net->nodes[p->v];
    const size_t many = (size_t)p->batch->n;
    float *dweight[ROWS];
    (void)slot;
    for (size_t r = 0; r < rows_of(n->op); r++) /* each share adds to numbers of its own channels */
        dweight[r] = x->dweight[r] == NONE ? NULL : net->partials + x->dweight[r];
    const struct convd_join j = {
        .site = site_of(net, p->v),
        .n = p->batch->n,
        .x = (const float *const *)net->pointers,
        .y = net->pointers + many,
        .dy = (const float *const *)(net->pointers + 2 * many),
        .dx = net->nodes[n->inputs[0]].wants ? net->pointers + 3 * many : NULL,
        .weight = x->weight,
        .dweight = dweight,
        .keep = net->keep + x->keep,
        .channels = convd_share(site_of(net, p->v)->y.c, worker, net->workers),
    };
    if (p->does & FORWARD)
        n->op->learning->join_forward(&j);
    else if (x->wants)
        n->op->learning->join_backward(&j);
}

static void join(struct pass *p, struct convd_pool *pool, int v, int does)
{
    const struct convd_net *net = p->net;
    const size_t many = (size_t)p->batch->n;
    const int u = net->graph->nodes[v].inputs[0];
    for (size_t i = 0; i < many; i++) {
        const struct convd_item *item = &p->batch->items[i];
        float *lane = net->lanes + i * net->lane;
        const struct place at = {.lane = lane,
                                 .maps = p->batch->augment ? lane + net->copies : item->maps};
        net->pointers[i] = (float *)(uintptr_t)map_of(net, &at, u);
        net->pointers[many + i] = lane + net->nodes[v].map;
        net->pointers[2 * many + i] = grad_of(net, &at, v);
        net->pointers[3 * many + i] = grad_of(net, &at, u);
    }
    p->v = v;
    p->does = does;
    convd_pool_for(pool, net->workers, net->workers, join_share, p);
}

/* The place in the order of the last join before `end`; NONE: none. */
static size_t join_before(const struct convd_net *net, size_t end)
{
    while (end-- > 0)
        if (net->nodes[net->order[end]].joins) return end;
    return NONE;
}

static void learn(struct pass *p, struct convd_pool *pool)
{
    struct convd_net *net = p->net;
    size_t begin = 0, end = net->n_order;
    memset(net->partials, 0, net->workers * align(net->weights->learned) * sizeof(float));
    for (size_t k = 0; net->n_joins && k < net->n_order; k++) {
        if (!net->nodes[net->order[k]].joins) continue;
        run(p, pool, begin, k, FORWARD);
        join(p, pool, net->order[k], FORWARD);
        begin = k + 1;
    }
    run(p, pool, begin, end, FORWARD | LOSS | BACK);
    while (begin > 0 && !stopped(p)) {
        end = begin - 1;
        join(p, pool, net->order[end], BACK);
        begin = join_before(net, end) + 1; /* NONE + 1 is 0 */
        run(p, pool, begin, end, BACK);
    }
}

/* Adds the workers' gradients up, in their order. */
static void add_up(struct convd_net *net)
{
    const size_t n = net->weights->learned, stride = align(n);
    memcpy(net->gradient, net->partials, n * sizeof(float));
    for (size_t worker = 1; worker < net->workers; worker++) {
        const float *part = net->partials + worker * stride;
        for (size_t i = 0; i < n; i++) net->gradient[i] += part[i];
    }
}

bool convd_net_run(struct convd_net *net, const struct convd_batch *b, struct convd_pool *pool,
                   const atomic_bool *cancel, struct convd_batch_result *result, ptrdiff_t *answer)
{
    struct pass p = {.net = net, .batch = b, .cancel = cancel};
    if (b->learn)
        learn(&p, pool);
    else
        run(&p, pool, 0, net->n_order, FORWARD | LOSS);
    if (stopped(&p)) return false;
    if (b->learn) add_up(net);
    *result = (struct convd_batch_result){.loss = 0};
    for (ptrdiff_t i = 0; i < b->n; i++) {
        result->loss += net->losses[i];
        result->right += net->guesses[i] >= 0 && net->guesses[i] == b->items[i].class;
        if (answer) answer[i] = net->guesses[i];
    }
    return true;
}

void convd_net_pack(struct convd_net *net)
{
    for (size_t i = 0; i < net->weights->n; i++) {
        int v = net->weights->list[i].node;
        const struct convd_op *op = net->graph->nodes[v].op;
        if (op->pack && (i == 0 || net->weights->list[i - 1].node != v))
            op->pack(site_of(net, v), (void *)(uintptr_t)site_of(net, v)->state);
    }
}
