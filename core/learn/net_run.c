/* net_run.c: forward, loss and back over the samples of a batch; see net.h. */
#include "augment.h"
#include "net_inner.h"
#include "rules.h"
#include <string.h>

enum { ROWS = 64, INPUTS = 64 }; /* rows fit a bit mask of params; inputs are the contract's most */

/* ---- one sample ---- */

enum { FORWARD = 1, LOSS = 2, BACK = 4 };

struct pass {
    struct convd_net *net;
    const struct convd_batch *batch;
    const atomic_bool *cancel;
    size_t from, to; /* of the order      */
    int does;        /* FORWARD | …       */
    int v;           /* of a join         */
    const struct convd_pool *pool;
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

static float *scratch_of(const struct convd_net *net, size_t worker)
{
    return (float *)(void *)(net->scratches + worker * (net->scratch + 64));
}

/* What step v's forward keeps for its way back, of those channels. */
static uint8_t *kept_of(const struct convd_net *net, const struct place *at, int v, struct convd_rows channels)
{
    const struct net_node *x = &net->nodes[v];
    if (x->kept == NONE) return NULL;
    uint8_t *all = (uint8_t *)(at->lane + x->kept);
    return x->apart ? all + (size_t)channels.y0 * net->graph->nodes[v].op->kept_bytes(site_of(net, v)) : all;
}

static struct convd_view some(struct convd_view v, struct convd_rows channels)
{
    if (v.data) v.data += channels.y0 * v.plane;
    v.c = channels.y1 - channels.y0;
    return v;
}

/* Step v; channels: all, or some where it is apart. */
static void forward(const struct pass *p, const struct place *at, int v, struct convd_rows channels)
{
    const struct convd_net *net = p->net;
    const struct convd_node *n = &net->graph->nodes[v];
    const struct net_node *x = &net->nodes[v];
    const struct convd_site *s = site_of(net, v);
    struct convd_view in[INPUTS];
    for (size_t i = 0; i < n->n_inputs; i++)
        in[i] = view_of(map_of(net, at, n->inputs[i]), s->x[i]);
    struct convd_view y = view_of(at->lane + x->map, s->y);
    if (x->apart) {
        in[0] = some(in[0], channels);
        y = some(y, channels);
    }
    struct convd_call call = {.site = s,
                              .x = in,
                              .scratch = scratch_of(net, at->worker),
                              .kept = kept_of(net, at, v, channels),
                              .own = {0, s->y.h}};
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

static char *sums_at(const struct convd_net *net, size_t worker, int v)
{
    return net->sums_of + worker * (net->sums + 64) + net->nodes[v].sums;
}

static void back(const struct pass *p, const struct place *at, int v, struct convd_rows channels)
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
    struct convd_view y = view_of(at->lane + x->map, s->y), dy = view_of(at->lane + x->grad, s->y);
    if (x->apart) {
        in[0] = some(in[0], channels);
        dx[0] = some(dx[0], channels);
        y = some(y, channels);
        dy = some(dy, channels);
    }
    const struct convd_back b = {.site = s,
                                 .x = in,
                                 .y = &y,
                                 .dy = &dy,
                                 .dx = dx,
                                 .dweight = dweight,
                                 .fresh = x->writes,
                                 .parts = 1,
                                 .turned = x->turned == NONE ? NULL : net->turned + x->turned,
                                 .sums = x->sums == NONE ? NULL : sums_at(net, at->worker, v),
                                 .kept = kept_of(net, at, v, channels),
                                 .scratch = scratch_of(net, at->worker)};
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

/* Steps of the order from k on, down or up to `end`, that follow each other and may be done for some of the channels. */
static size_t run_of(const struct convd_net *net, size_t k, size_t end, bool down)
{
    size_t n = 0;
    for (size_t at = k; at != end && net->nodes[net->order[at]].apart;
         at += down ? (size_t)-1 : 1) {
        const struct convd_node *v = &net->graph->nodes[net->order[at]];
        const size_t next = down ? at - 1 : at + 1;
        n++;
        if (next == end || (down ? v->inputs[0] != net->order[next]
                                 : net->graph->nodes[net->order[next]].inputs[0] != net->order[at]))
            break;
    }
    return n;
}

enum {
    SOME = 4096
}; /* numbers of a map's channels that are taken through a run of steps together */

/* Channels at a time where several steps take them one by one: they stay in the first level cache. */
static ptrdiff_t channels_of(const struct convd_net *net, size_t k, size_t run, bool down)
{
    ptrdiff_t most = 1;
    const ptrdiff_t c = site_of(net, net->order[k])->y.c;
    for (size_t n = 0; n < run; n++) {
        const struct convd_shape x = site_of(net, net->order[down ? k - n : k + n])->x[0];
        if (x.h * x.w > most) most = x.h * x.w;
    }
    return run < 2 || most * c <= SOME ? c : most > SOME ? 1 : SOME / most;
}

static void go_forward(const struct pass *p, const struct place *at)
{
    const struct convd_net *net = p->net;
    for (size_t k = p->from, run; k < p->to; k += run) {
        run = run_of(net, k, p->to, false);
        const ptrdiff_t c = site_of(net, net->order[k])->y.c,
                        step = channels_of(net, k, run, false);
        run += run == 0;
        for (ptrdiff_t from = 0; from < c; from += step)
            for (size_t n = 0; n < run; n++)
                forward(p, at, net->order[k + n],
                        (struct convd_rows){from, from + step < c ? from + step : c});
    }
}

static void go_back(const struct pass *p, const struct place *at)
{
    const struct convd_net *net = p->net;
    for (size_t k = p->to, run; k > p->from; k -= run) {
        run = run_of(net, k - 1, p->from - 1, true);
        const ptrdiff_t c = site_of(net, net->order[k - 1])->y.c,
                        step = channels_of(net, k - 1, run, true);
        run += run == 0;
        for (ptrdiff_t from = 0; from < c; from += step)
            for (size_t n = 1; n <= run; n++)
                back(p, at, net->order[k - n],
                     (struct convd_rows){from, from + step < c ? from + step : c});
    }
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
    if (p->does & FORWARD) go_forward(p, &at);
    if (p->does & LOSS) lose(p, &at, i);
    if (p->does & BACK) go_back(p, &at);
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
    for (ptrdiff_t i = own.y0; i < own.y1 && !stopped(p); i++) {
        convd_pool_yield(p->pool);
        sample(p, worker, (size_t)i);
    }
}

static void run(struct pass *p, struct convd_pool *pool, size_t from, size_t to, int does)
{
    p->pool = pool;
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
    memset(net->sums_of, 0, net->workers * (net->sums + 64));
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

/* Gradients that workers added up in their ops' own forms. */
static void give_share(void *arg, size_t worker, size_t slot)
{
    const struct pass *p = arg;
    const struct convd_net *net = p->net;
    (void)slot;
    for (size_t k = 0; k < net->n_order; k++) {
        const int v = net->order[k];
        const struct net_node *x = &net->nodes[v];
        const struct convd_op *op = net->graph->nodes[v].op;
        float *dweight[ROWS];
        if (x->sums == NONE) continue;
        for (size_t r = 0; r < rows_of(op); r++)
            dweight[r] = x->dweight[r] == NONE ? NULL : net->gradient + x->dweight[r];
        op->give_back(&(struct convd_given){.site = site_of(net, v),
                                            .sums = sums_at(net, 0, v),
                                            .stride = net->sums + 64,
                                            .workers = net->workers,
                                            .dweight = dweight,
                                            .part = worker,
                                            .parts = net->workers,
                                            .scratch = scratch_of(net, worker)});
    }
}

/* Adds the workers' gradients up, in their order. */
static void add_up(struct pass *p, struct convd_pool *pool)
{
    struct convd_net *net = p->net;
    const size_t n = net->weights->learned, stride = align(n);
    memcpy(net->gradient, net->partials, n * sizeof(float));
    for (size_t worker = 1; worker < net->workers; worker++) {
        const float *part = net->partials + worker * stride;
        for (size_t i = 0; i < n; i++) net->gradient[i] += part[i];
    }
    if (net->sums > 0) convd_pool_for(pool, net->workers, net->workers, give_share, p);
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
    if (b->learn) add_up(&p, pool);
    *result = (struct convd_batch_result){.loss = 0};
    for (ptrdiff_t i = 0; i < b->n; i++) {
        result->loss += net->losses[i];
        result->right += net->guesses[i] >= 0 && net->guesses[i] == b->items[i].class;
        if (answer) answer[i] = net->guesses[i];
    }
    return true;
}
