/* epoch.c: the loop: batches forward and back, weights changed, the curve. */
#include "learner.h"
#include <math.h>
#include <string.h>
#include <time.h>

static double seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static bool stopped(const struct convd_learn_run *run)
{
    return run->cancel && atomic_load_explicit(run->cancel, memory_order_relaxed);
}

static bool cancelled(struct convd_faults *f)
{
    convd_fault(f, CONVD_CANCELLED, NULL, "stopped before it was done");
    return false;
}

static size_t gather(struct convd_learner *l, const uint32_t *list, size_t from, size_t n,
                     size_t room)
{
    size_t count = n - from < room ? n - from : room;
    for (size_t i = 0; i < count; i++) l->items[i] = l->data.items[list[from + i]];
    return count;
}

/* ---- one change of the weights ---- */

enum { SHARE = 16384 }; /* numbers that are changed at a time */

struct updating {
    struct convd_learner *l;
    struct convd_update u;
};

static void update_share(void *arg, size_t i, size_t slot)
{
    const struct updating *x = arg;
    struct convd_learner *l = x->l;
    const size_t from = i * SHARE, left = l->weights.learned - from,
                 n = left < SHARE ? left : SHARE;
    (void)slot;
    convd_optimizer_update(&x->u, n, l->weights.values + from, convd_net_gradient(l->net) + from,
                           l->states[0] ? l->states[0] + from : NULL,
                           l->states[1] ? l->states[1] + from : NULL);
}

static void update(struct convd_learner *l, struct convd_pool *pool)
{
    struct updating x = {l,
                         {.settings = &l->settings,
                          .step = ++l->step,
                          .lr = convd_schedule_rate(&l->settings, l->epoch)}};
    convd_pool_for(pool, (l->weights.learned + SHARE - 1) / SHARE, l->threads, update_share, &x);
    convd_net_pack(l->net, pool);
}

static bool is_number(double loss, const struct convd_learner *l, struct convd_faults *f)
{
    if (isfinite(loss)) return true;
    struct convd_fault *x = convd_fault(f, CONVD_OUT_OF_RANGE, "lr",
                                        "the loss is no number any more in epoch %td, step %llu",
                                        l->epoch + 1, (unsigned long long)l->step + 1);
    x->expected = convd_arena_printf(
        f->mem,
        "a smaller lr (it is %g), or numbers around 0 where learning begins: a step like "
        "{\"op\":\"scale\",\"mul\":0.0039,\"add\":-0.5}",
        l->settings.lr);
    return false;
}

/* The weights after the last step of an epoch, which no loss has looked at. */
static bool are_numbers(const struct convd_learner *l, struct convd_faults *f)
{
    float sum = 0;
    for (size_t i = 0; i < l->weights.count; i++) sum += l->weights.values[i] * 0;
    return is_number((double)sum, l, f);
}

static void tell(const struct convd_learner *l, const struct convd_learn_run *run, size_t done,
                 double loss, const struct convd_curve *row)
{
    const size_t each = l->data.n_learn;
    const struct convd_learn_news news = {.epoch = l->epoch,
                                          .epochs = l->settings.epochs,
                                          .done = (size_t)(l->epoch - (row != NULL)) * each + done,
                                          .total = (size_t)l->settings.epochs * each,
                                          .curve = row,
                                          .loss = loss};
    if (run->news) run->news(run->self, &news);
}

/* ---- measuring ---- */

static bool measure(struct convd_learner *l, const uint32_t *list, size_t n,
                    struct convd_pool *pool, const atomic_bool *cancel, struct convd_curve *out,
                    uint64_t *confusion)
{
    const size_t classes = (size_t)l->data.classes;
    double loss = 0;
    ptrdiff_t right = 0;
    for (size_t at = 0; at < n;) {
        const size_t count = gather(l, list, at, n, l->most);
        const struct convd_batch b = {
            .items = l->items, .n = (ptrdiff_t)count, .loss = (enum convd_loss)l->settings.loss};
        struct convd_batch_result r;
        if (!convd_net_run(l->net, &b, pool, cancel, &r, l->answers)) return false;
        loss += r.loss * (double)count;
        right += r.right;
        for (size_t i = 0; confusion && i < count; i++)
            confusion[(size_t)l->items[i].class * classes + (size_t)l->answers[i]]++;
        at += count;
    }
    out->val_loss = loss / (double)n;
    out->val_accuracy = classes ? (double)right / (double)n : NAN;
    return true;
}

bool convd_learner_measure(struct convd_learner *l, struct convd_pool *pool,
                           const atomic_bool *cancel, double *loss, double *accuracy,
                           uint64_t *confusion)
{
    const struct convd_data *d = &l->data;
    const bool held = d->n_held > 0;
    struct convd_curve row;
    if (!l->ready) return false;
    if (confusion && !d->classes) confusion = NULL;
    if (confusion) memset(confusion, 0, (size_t)(d->classes * d->classes) * sizeof *confusion);
    if (!measure(l, held ? d->held : d->learn, held ? d->n_held : d->n_learn, pool, cancel, &row,
                 confusion))
        return false;
    *loss = row.val_loss;
    *accuracy = row.val_accuracy;
    return true;
}

/* ---- epochs ---- */

static bool steps(struct convd_learner *l, const struct convd_learn_run *run,
                  struct convd_curve *row, struct convd_faults *f)
{
    const struct convd_learn_settings *s = &l->settings;
    const struct convd_augment *a = &s->augment;
    const size_t n = l->data.n_learn;
    const bool changes = a->flip != CONVD_MIRROR_NONE || a->shift > 0 || a->noise > 0;
    double loss = 0;
    ptrdiff_t right = 0;
    convd_data_order(&l->data, s->shuffle, (uint64_t)s->seed, (uint32_t)l->epoch);
    for (size_t at = 0; at < n;) {
        const size_t count = gather(l, l->data.order, at, n, l->batch);
        const struct convd_batch b = {.items = l->items,
                                      .n = (ptrdiff_t)count,
                                      .loss = (enum convd_loss)s->loss,
                                      .learn = true,
                                      .seed = (uint64_t)s->seed,
                                      .epoch = (uint32_t)l->epoch,
                                      .augment = changes ? a : NULL};
        struct convd_batch_result r;
        if (stopped(run) || !convd_net_run(l->net, &b, run->pool, run->cancel, &r, NULL))
            return cancelled(f);
        if (!is_number(r.loss, l, f)) return false;
        update(l, run->pool);
        loss += r.loss * (double)count;
        right += r.right;
        at += count;
        tell(l, run, at, r.loss, NULL);
    }
    row->loss = loss / (double)n;
    row->accuracy = l->data.classes ? (double)right / (double)n : NAN;
    return are_numbers(l, f);
}

static void look_back(struct convd_learner *l, const struct convd_curve *row)
{
    const double loss = l->data.n_held ? row->val_loss : row->loss;
    const bool better = loss < l->best;
    if (better) l->best = loss;
    l->since = better ? 0 : l->since + 1;
}

bool convd_learner_epoch(struct convd_learner *l, const struct convd_learn_run *run,
                         struct convd_faults *f)
{
    struct convd_curve row = {.val_loss = NAN, .val_accuracy = NAN};
    const double start = seconds();
    if (convd_learner_done(l)) return true;
    if (!steps(l, run, &row, f)) return false;
    if (l->data.n_held &&
        !measure(l, l->data.held, l->data.n_held, run->pool, run->cancel, &row, NULL))
        return cancelled(f);
    row.seconds = seconds() - start;
    look_back(l, &row);
    l->curve[l->epoch++] = row;
    tell(l, run, l->data.n_learn, row.loss, &row);
    return true;
}

bool convd_learner_done(const struct convd_learner *l)
{
    const ptrdiff_t patience = l->settings.early_stop;
    return !l->ready || l->epoch >= l->settings.epochs || (patience > 0 && l->since >= patience);
}

bool convd_learner_run(struct convd_learner *l, const struct convd_learn_run *run,
                       struct convd_faults *f)
{
    while (!convd_learner_done(l))
        if (!convd_learner_epoch(l, run, f)) return false;
    return true;
}
