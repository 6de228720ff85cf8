/* learner.c: from a graph and examples to what the epochs run on; see learn.h. */
#include "learner.h"
#include "../plan_inner.h"
#include <math.h>
#include <string.h>

static bool no_memory(struct convd_faults *f)
{
    convd_fault(f, CONVD_NO_MEMORY, NULL, "no memory for learning");
    return false;
}

size_t convd_learner_limit(const struct convd_learner *l)
{
    return l->limits.memory ? l->limits.memory : (size_t)1 << 30;
}

struct convd_learner *convd_learner_new(struct convd_graph *g, int node,
                                        const struct convd_learn_settings *s,
                                        const struct convd_limits *limits, size_t threads,
                                        struct convd_faults *f)
{
    struct convd_arena mem;
    convd_arena_init(&mem, g->mem.memory, 0);
    struct convd_learner *l = convd_arena_zero(&mem, sizeof *l);
    if (!l) {
        no_memory(f);
        return NULL;
    }
    l->mem = mem;
    l->graph = g;
    l->node = node;
    l->settings = *s;
    memcpy(l->betas, s->betas.v, sizeof l->betas);
    l->settings.betas.v = l->betas;
    l->limits = limits ? *limits : (struct convd_limits){0};
    l->threads = threads < 1 ? 1 : threads > CONVD_SLOTS_MOST ? CONVD_SLOTS_MOST : threads;
    l->best = INFINITY;
    convd_data_init(&l->data, g->mem.memory);
    return l;
}

struct convd_learner *convd_learner_open(struct convd_graph *g, int node, const char *settings,
                                         const struct convd_limits *limits, size_t threads,
                                         struct convd_faults *f)
{
    struct convd_arena mem;
    struct convd_arg *args;
    struct convd_learn_settings s;
    struct convd_learner *l = NULL;
    size_t n;
    convd_arena_init(&mem, g->mem.memory, 0);
    if (convd_args_split(f, &mem, settings, &args, &n) && convd_learn_read(args, n, &s, &mem, f))
        l = convd_learner_new(g, node, &s, limits, threads, f);
    convd_arena_release(&mem);
    return l;
}

void convd_learner_free(struct convd_learner *l)
{
    if (!l) return;
    struct convd_arena mem = l->mem;
    convd_net_free(l->net);
    convd_plan_free(l->plan);
    convd_plan_free(l->prefix);
    convd_data_release(&l->data);
    convd_arena_release(&mem);
}

/* ---- plans ---- */

static struct convd_plan *plan_all(const struct convd_learner *l, const struct convd_input *in,
                                   struct convd_faults *f)
{
    const struct convd_output out = {.node = l->node, .pixels = CONVD_F32_NCHW};
    return convd_plan_new(l->graph, in, &out, 1, &l->limits, 1, f);
}

static bool check_one(const struct convd_input *in, const char *name, struct convd_faults *f)
{
    if (in->n == 1) return true;
    convd_fault_expected(f, CONVD_BAD_SHAPE, NULL, "one picture in each file",
                         "%s holds %td samples", name, in->n);
    return false;
}

bool convd_learner_plan(struct convd_learner *l, const struct convd_input *in, const char *name,
                        struct convd_faults *f)
{
    if (l->net) return true;
    if (!check_one(in, name, f)) return false;
    struct convd_plan *before = plan_all(l, in, f);
    bool fine = before && convd_weights_take(&l->weights, l->graph, before, &l->mem, f);
    convd_plan_free(before);
    l->plan = fine ? plan_all(l, in, f) : NULL;
    l->net = l->plan ? convd_net_new(l->graph, l->plan, l->node, &l->weights, f) : NULL;
    if (!l->net) {
        convd_plan_free(l->plan);
        l->plan = NULL;
        return false;
    }
    l->first = (struct convd_shape){1, in->channels, in->height, in->width};
    struct convd_shape s;
    size_t n = 0;
    while (convd_net_front(l->net, n, &s) >= 0) n++;
    if (n == 0) {
        convd_fault_expected(f, CONVD_BAD_GRAPH, NULL, "learned steps that the picture reaches",
                             "nothing that is learned looks at the picture");
        return false;
    }
    l->fronts = convd_arena_array(&l->mem, n, sizeof *l->fronts);
    return l->fronts || no_memory(f);
}

struct convd_shape convd_learner_shape(const struct convd_learner *l)
{
    return l->net ? l->plan->nodes[l->node].site.y : (struct convd_shape){0};
}

static bool same_input(const struct convd_input *a, const struct convd_input *b)
{
    return a->pixels == b->pixels && a->n == b->n && a->height == b->height &&
           a->width == b->width && a->stored == b->stored && a->channels == b->channels;
}

/* Another size than the first picture's, and the steps do not make it the same. */
static bool other_size(const struct convd_learner *l, const struct convd_example *e,
                       const char *detail, struct convd_faults *f)
{
    const struct convd_input *in = &e->input;
    const bool channels = in->channels != l->first.c;
    convd_fault_expected(
        f, CONVD_BAD_SHAPE, NULL,
        channels ? "pictures with equally many channels"
                 : "pictures of one size, or a resize step in front of the learned ones",
        "%s is %tdx%td with %td channel%s, the first example %tdx%td with %td%s%s", e->name,
        in->width, in->height, in->channels, in->channels == 1 ? "" : "s", l->first.w, l->first.h,
        l->first.c, detail ? ": " : "", detail ? detail : "");
    return false;
}

/* The plan of the maps that enter, for this picture; they are as large as the first one's. */
static bool plan_prefix(struct convd_learner *l, const struct convd_example *e,
                        struct convd_faults *f)
{
    enum { FRONTS = 64 };
    struct convd_output out[FRONTS];
    struct convd_shape want, got;
    size_t n = 0;
    if (l->prefix && same_input(&l->input, &e->input)) return true;
    convd_plan_free(l->prefix);
    for (; n < FRONTS && convd_net_front(l->net, n, &want) >= 0; n++)
        out[n] = (struct convd_output){.node = convd_net_front(l->net, n, &want),
                                       .pixels = CONVD_F32_NCHW};
    struct convd_faults *own = convd_faults_new();
    l->prefix =
        own ? convd_plan_new(l->graph, &e->input, out, n, &l->limits, l->threads, own) : NULL;
    l->input = e->input;
    bool fine = l->prefix != NULL;
    if (!own)
        no_memory(f);
    else if (!fine)
        other_size(l, e, convd_faults_count(own) ? convd_faults_first(own)->detail : NULL, f);
    for (size_t i = 0; fine && i < n; i++) {
        convd_net_front(l->net, i, &want);
        got = convd_plan_shape(l->prefix, out[i].node);
        if (got.c != want.c || got.h != want.h || got.w != want.w) fine = other_size(l, e, NULL, f);
    }
    convd_faults_free(own);
    if (!fine) {
        convd_plan_free(l->prefix);
        l->prefix = NULL;
    }
    return fine;
}

/* ---- examples ---- */

static size_t count_of(struct convd_shape s)
{
    return (size_t)s.c * (size_t)s.h * (size_t)s.w;
}

static bool check_target(const struct convd_learner *l, const struct convd_example *e,
                         struct convd_faults *f)
{
    const struct convd_shape y = convd_learner_shape(l), *t = &e->shape;
    if (e->class >= 0 || (t->c == y.c && t->h == y.h && t->w == y.w)) return true;
    struct convd_fault *x =
        convd_fault(f, CONVD_BAD_SHAPE, NULL, "the target of %s is %tdx%td with %td channel%s",
                    e->name, t->w, t->h, t->c, t->c == 1 ? "" : "s");
    x->expected = convd_arena_printf(
        f->mem, "%tdx%td with %td channel%s: what the pipeline makes of its input", y.w, y.h, y.c,
        y.c == 1 ? "" : "s");
    return false;
}

static bool check_kind(const struct convd_learner *l, const struct convd_example *e,
                       struct convd_faults *f)
{
    const bool class = e->class >= 0, first = l->data.n == 0;
    if (!first && class != (l->data.classes > 0)) {
        convd_fault_expected(
            f, CONVD_BAD_SHAPE, NULL, "classes for all examples, or targets for all",
            "%s has %s, the others have not", e->name, class ? "a class" : "a target");
        return false;
    }
    const int loss = l->settings.loss;
    if (loss == CONVD_LOSS_BY_DATA || class == (loss == CONVD_CROSS_ENTROPY)) return true;
    convd_fault_expected(f, CONVD_OUT_OF_RANGE, "loss", class ? "cross_entropy" : "mse or l1",
                         "%s has a %s and the loss is %s", e->name, class ? "class" : "target",
                         convd_loss_words[loss]);
    return false;
}

static bool check_bytes(const struct convd_learner *l, size_t more, struct convd_faults *f)
{
    const size_t limit = convd_learner_limit(l), taken = l->data.mem.taken;
    if (more <= limit && taken <= limit - more) return true;
    convd_fault_limit(f, CONVD_TOO_MUCH_MEMORY, NULL, (double)limit, (double)taken + (double)more,
                      "%zu examples take %zu MiB as numbers", l->data.n, taken >> 20)
        ->expected =
        "fewer or smaller examples, or a step in front of the learned ones that makes them smaller";
    return false;
}

bool convd_learner_takes(struct convd_learner *l, const struct convd_example *e,
                         struct convd_faults *f)
{
    return check_one(&e->input, e->name, f) && convd_learner_plan(l, &e->input, e->name, f) &&
           check_kind(l, e, f) && check_target(l, e, f) && plan_prefix(l, e, f);
}

bool convd_learner_add(struct convd_learner *l, const struct convd_example *e,
                       struct convd_pool *pool, const atomic_bool *cancel, struct convd_faults *f)
{
    if (!convd_learner_takes(l, e, f)) return false;
    const size_t maps = convd_net_front_count(l->net),
                 target = e->class < 0 ? count_of(e->shape) : 0;
    if (!check_bytes(l, (maps + target) * sizeof(float), f)) return false;
    struct convd_item *x = convd_data_add(&l->data, e->name, maps, target);
    if (!x) return no_memory(f);
    float *at = (float *)(uintptr_t)x->maps;
    struct convd_shape s;
    for (size_t i = 0; convd_net_front(l->net, i, &s) >= 0; at += (count_of(s) + 15) / 16 * 16, i++)
        l->fronts[i] = at;
    if (!convd_plan_run(
            l->prefix,
            &(struct convd_run){
                .input = e->pixels, .outputs = l->fronts, .pool = pool, .cancel = cancel},
            f))
        return false;
    x->class = e->class;
    x->bounded = e->bounded;
    if (target) memcpy((float *)(uintptr_t)x->target, e->target, target * sizeof(float));
    convd_data_keep(&l->data, maps, target);
    return true;
}

/* ---- all examples together ---- */

bool convd_learner_fits(const struct convd_learner *l, size_t n, struct convd_faults *f)
{
    const struct convd_shape y = convd_learner_shape(l);
    const ptrdiff_t classes = (ptrdiff_t)n;
    if (classes == 0) return true;
    if (classes == 1) {
        convd_fault_expected(f, CONVD_MISSING, NULL,
                             "examples of two classes or more: a folder for each",
                             "all examples are of one class");
        return false;
    }
    if (y.c == classes && y.h == 1 && y.w == 1) return true;
    struct convd_fault *x =
        convd_fault(f, CONVD_BAD_SHAPE, NULL,
                    "the pipeline puts out %tdx%tdx%td numbers, and there are %td classes", y.c,
                    y.h, y.w, classes);
    x->expected = convd_arena_printf(f->mem,
                                     "one number a class: end with global_avg_pool and linear with "
                                     "{\"init\":\"he_normal\",\"out_features\":%td}",
                                     classes);
    return false;
}

static bool check_augment(const struct convd_learner *l, struct convd_faults *f)
{
    const struct convd_augment *a = &l->settings.augment;
    const struct convd_shape y = convd_learner_shape(l);
    struct convd_shape x = {0};
    if (l->data.classes > 0 || (a->flip == CONVD_MIRROR_NONE && a->shift == 0)) return true;
    for (size_t i = 0; convd_net_front(l->net, i, &x) >= 0; i++)
        if (x.h != y.h || x.w != y.w) {
            convd_fault_expected(
                f, CONVD_BAD_SHAPE, "augment",
                "a target as large as what is learned from, or noise alone",
                "flips and shifts change the target too, which is %tdx%td where %tdx%td enter", y.w,
                y.h, x.w, x.h);
            return false;
        }
    return true;
}

static size_t larger(size_t a, size_t b)
{
    return a > b ? a : b;
}

enum { EPOCHS_LEAST = 30, EPOCHS_MOST = 5000 };

/* What was left out: few examples are seen more often. A filter that is learned from pixels as they are needs many steps:
 * neighbours are so alike that the loss falls a thousand times slower along some directions than along others. */
static void settle_epochs(struct convd_learner *l)
{
    enum { CLASSES = 2000, TARGETS = 15000 };
    struct convd_learn_settings *s = &l->settings;
    const size_t wanted = l->data.classes ? CLASSES : TARGETS,
                 each = (l->data.n_learn + l->batch - 1) / l->batch,
                 epochs = (wanted + each - 1) / each;
    if (s->epochs < 1)
        s->epochs = epochs < EPOCHS_LEAST  ? EPOCHS_LEAST
                    : epochs > EPOCHS_MOST ? EPOCHS_MOST
                                           : (ptrdiff_t)epochs;
    if (s->step_size < 1) s->step_size = s->epochs < 3 ? 1 : s->epochs / 3;
}

static bool take(struct convd_learner *l, struct convd_faults *f)
{
    const struct convd_learn_settings *s = &l->settings;
    const size_t learn = l->data.n_learn, states = convd_optimizer_states(s);
    l->batch = (size_t)s->batch_size < learn ? (size_t)s->batch_size : learn;
    settle_epochs(l);
    l->most = larger(l->batch, CONVD_MEASURE_BATCH);
    l->items = convd_arena_array(&l->mem, l->most, sizeof *l->items);
    l->answers = convd_arena_array(&l->mem, l->most, sizeof *l->answers);
    l->curve = convd_arena_array(&l->mem, (size_t)s->epochs, sizeof *l->curve);
    for (size_t i = 0; i < states; i++)
        l->states[i] = convd_arena_array(&l->mem, l->weights.learned, sizeof(float));
    return l->items && l->answers && l->curve && (states < 1 || l->states[0]) &&
                   (states < 2 || l->states[1])
               ? true
               : no_memory(f);
}

static bool augments(const struct convd_augment *a)
{
    return a->flip != CONVD_MIRROR_NONE || a->shift > 0 || a->noise > 0;
}

size_t convd_learner_needs(const struct convd_learner *l, size_t n, bool targets)
{
    enum { EXAMPLE = 512, SLACK = 4 << 20 }; /* beside an example's numbers; half-used chunks */
    const struct convd_learn_settings *s = &l->settings;
    const size_t numbers = convd_net_front_count(l->net) +
                           (targets ? count_of(convd_learner_shape(l)) : 0),
                 batch = (size_t)s->batch_size < n ? (size_t)s->batch_size : n,
                 most = larger(batch, CONVD_MEASURE_BATCH),
                 epochs = (size_t)(s->epochs < 1 ? EPOCHS_MOST : s->epochs);
    size_t examples, net = convd_net_needs(l->net, l->threads, (ptrdiff_t)batch, (ptrdiff_t)most,
                                           augments(&s->augment));
    if (!convd_mul(numbers, sizeof(float), &examples) ||
        !convd_mul(examples + EXAMPLE, n, &examples) || !convd_add(examples, net, &examples))
        return SIZE_MAX;
    return examples + convd_learner_bytes(l) + epochs * sizeof *l->curve +
           convd_optimizer_states(s) * l->weights.learned * sizeof(float) +
           most * sizeof *l->items + convd_plan_workspace(l->plan) + SLACK;
}

bool convd_learner_ready(struct convd_learner *l, struct convd_faults *f)
{
    const struct convd_learn_settings *s = &l->settings;
    if (l->data.n == 0) {
        convd_fault_expected(
            f, CONVD_MISSING, NULL,
            "pictures in one folder for each class, or in folders input/ and target/",
            "there are no examples");
        return false;
    }
    if (l->settings.loss == CONVD_LOSS_BY_DATA)
        l->settings.loss = l->data.classes ? CONVD_CROSS_ENTROPY : CONVD_MSE;
    if (!convd_learner_fits(l, (size_t)l->data.classes, f) || !check_augment(l, f)) return false;
    if (!convd_data_split(&l->data, s->validation, (uint64_t)s->seed)) return no_memory(f);
    if (!take(l, f)) return false;
    const size_t limit = convd_learner_limit(l), taken = l->data.mem.taken + l->mem.taken;
    l->ready = convd_net_room(l->net, l->threads, (ptrdiff_t)l->batch, (ptrdiff_t)l->most,
                              augments(&s->augment), taken < limit ? limit - taken : 0, f);
    return l->ready;
}

/* ---- what there is ---- */

size_t convd_learner_examples(const struct convd_learner *l)
{
    return l->data.n;
}

size_t convd_learner_learns(const struct convd_learner *l)
{
    return l->data.n_learn;
}

const struct convd_learn_settings *convd_learner_settings(const struct convd_learner *l)
{
    return &l->settings;
}

size_t convd_learner_classes(const struct convd_learner *l)
{
    return (size_t)l->data.classes;
}

size_t convd_learner_bytes(const struct convd_learner *l)
{
    return l->mem.taken + l->data.mem.taken + (l->net ? convd_net_bytes(l->net) : 0);
}

const struct convd_curve *convd_learner_curve(const struct convd_learner *l, size_t *n)
{
    *n = (size_t)l->epoch;
    return l->curve;
}

const struct convd_learned *convd_learner_weight(const struct convd_learner *l, size_t i)
{
    return i < l->weights.n ? &l->weights.list[i] : NULL;
}
