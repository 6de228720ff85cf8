/* jobs_learn.c: the job type `learn`: an archive of examples teaches a pipeline its weights, and both are saved under a
 * name. A job goes through stages (unpack, look, read, learn, save); whatever stops it, it goes on from its last epoch. */
#include "../api/learn.h"
#include "clock.h"
#include "examples.h"
#include "jobs.h"
#include "jobs_types.h"
#include "request.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Bytes out of an archive that are looked at before it is accepted, and the time for it. */
#define LOOK_BYTES ((size_t)64 << 20)
#define LOOK_MS    2000
/* Epochs that listeners hear of. */
#define EVENTS_MOST 1000
/* Checkpoints take at most one part in so many of the time. */
#define PAUSE_COSTS 20

static const char members[] = "type pipeline save_as";
static const char settings[] = "augment"
#define SETTING(NAME, ...) " " #NAME
#include "../core/learn/settings.def"
#undef SETTING
    ;

struct learning {
    struct job *job;
    enum job_step (*stage)(struct learning *l);
    struct store_blob data;
    struct examples files;
    struct api_part *tensors;
    size_t n_tensors;
    struct api_learn learn;
    size_t next, promised;
    char name[STORE_NAME];
    struct convd_bytes saved; /* after the last whole epoch */
    size_t epochs, kept;      /* done; of the last checkpoint */
    int64_t kept_ms, cost_ms;
};

static struct api_learn learn_on(const struct convd_value *spec, const struct api_library *library,
                                 struct server *s, const struct api_part *tensors, size_t n)
{
    struct api_learn x = {
        .work = job_work(spec, library, s, tensors, n), .settings = spec, .others = members};
    x.work.threads = convd_pool_threads(s->jobs.pool);
    return x;
}

/* The file of example i; its target, or NULL. */
static const void *picture_of(const struct examples *files, const struct api_learn *x, size_t i,
                              size_t *n)
{
    return examples_get(files, x->examples[i].picture, n, SIZE_MAX);
}

static const void *target_of(const struct examples *files, const struct api_learn *x, size_t i,
                             size_t *n)
{
    *n = 0;
    if (x->examples[i].target == SIZE_MAX) return NULL;
    return examples_get(files, x->examples[i].target, n, SIZE_MAX);
}

static bool look(const struct examples *files, struct api_learn *x, size_t i)
{
    size_t n, target_n;
    const void *picture = picture_of(files, x, i, &n), *target = target_of(files, x, i, &target_n);
    return api_learn_look(x, i, picture, n, target, target_n);
}

/* ---- before it is accepted ---- */

static void check_name(struct job_request *q)
{
    const struct convd_value *v = convd_value_get(&q->spec, "save_as");
    if (!v) return;
    size_t mark = convd_enter(q->faults, "save_as");
    if (v->kind == CONVD_STRING)
        saved_may(q->library, v->string, q->faults);
    else
        convd_fault_expected(q->faults, CONVD_WRONG_TYPE, NULL, "a name", "save_as is %s",
                             convd_value_show(q->faults->mem, v));
    convd_leave(q->faults, mark);
}

/* As much of the data as little time shows: what is larger is looked at by the job. */
static void look_at_data(struct job_request *q, struct api_learn *x)
{
    const struct archive_limits limits = job_archive_limits(q->server);
    struct examples files;
    bool fine = examples_unpack(&files, q->data.data, q->data.n, &limits, LOOK_BYTES,
                                jobs_spool(&q->server->jobs), NULL, q->faults) &&
                api_learn_files(x, (const char *const *)files.names, files.n);
    int64_t until = clock_ms() + LOOK_MS;
    for (size_t i = 0; fine && i < x->n_examples && clock_ms() < until; i++)
        fine = look(&files, x, i);
    examples_release(&files);
}

/* Members that are no settings: ours, and those that were found to be nobody's already. */
static const char *others(struct job_request *q)
{
    const char *list = members;
    for (uint32_t i = 0; list && i < q->spec.n; i++)
        if (!convd_word_in(settings, q->spec.members[i].name))
            list = convd_arena_printf(q->mem, "%s %s", list, q->spec.members[i].name);
    return list;
}

static void check(struct job_request *q)
{
    check_name(q);
    if (q->image.data)
        convd_fault_expected(q->faults, CONVD_BAD_REQUEST, NULL, "a part data with an archive",
                             "a part img came; learning takes an archive of examples");
    if (!q->data.data)
        convd_fault_expected(q->faults, CONVD_BAD_REQUEST, NULL,
                             "a part data: -F data=@examples.zip, with a folder for each class or "
                             "input/ and target/",
                             "no examples came");
    if (!convd_value_get(&q->spec, "pipeline")) {
        job_check_pipeline(q);
        return;
    }
    struct api_learn x = learn_on(&q->spec, q->library, q->server, q->tensors, q->n_tensors);
    x.others = others(q);
    if (api_learn_begin(&x) && q->data.data) look_at_data(q, &x);
    job_faults_copy(q->faults, x.work.faults);
    api_learn_release(&x);
}

/* ---- stages ---- */

static enum job_step broken(struct learning *l)
{
    struct job *j = l->job;
    if (atomic_load(&j->stop)) return JOB_MORE;
    job_faults_copy(&j->faults, l->learn.work.faults);
    return JOB_BROKEN;
}

static void news(void *self, const struct convd_learn_news *n)
{
    struct learning *l = self;
    job_progress(l->job, n->done, n->total);
    const ptrdiff_t every = (n->epochs + EVENTS_MOST - 1) / EVENTS_MOST;
    if (!n->curve || (n->epoch % every != 0 && n->epoch > 1 && n->epoch < n->epochs)) return;
    struct convd_bytes text = {.memory = NULL};
    struct api_json json = api_json_to(&text);
    api_learn_curve_row(&json, (size_t)n->epoch, n->curve);
    if (!json.failed && convd_bytes_put(&text, "", 1))
        job_event(l->job, (uint32_t)n->epoch, "epoch", (const char *)text.data);
    convd_bytes_release(&text);
}

static void checkpoint(struct learning *l)
{
    struct job *j = l->job;
    struct store *store = atomic_load(&j->jobs->store);
    int64_t began = clock_ms();
    if (store->calls->job_checkpoint(store, j->id, j->done, j->total, l->saved.data, l->saved.n) ==
        STORE_OK)
        l->kept = l->epochs;
    l->kept_ms = clock_ms();
    l->cost_ms = l->kept_ms - began;
}

/* The result first: once the pipeline is saved, little is left that could fail. */
static enum job_step save(struct learning *l)
{
    struct job *j = l->job;
    struct store *store = atomic_load(&j->jobs->store);
    struct convd_bytes result = {.memory = NULL}, spec = {.memory = NULL},
                       weights = {.memory = NULL};
    bool made = api_learn_result(&l->learn, l->name, j->jobs->pool, &result) &&
                api_learn_spec(&l->learn, &spec) && api_learn_weights(&l->learn, &weights);
    enum job_step step = made ? job_put(j, result.data, result.n) : broken(l);
    if (step == JOB_MORE && made && !atomic_load(&j->stop)) {
        struct api_save put = {.name = l->name,
                               .text = (const char *)spec.data,
                               .n = spec.n,
                               .tensors = l->tensors,
                               .n_tensors = l->n_tensors,
                               .weights = weights.data,
                               .weights_n = weights.n,
                               .limits = j->server->limits};
        bool replaced;
        enum store_status status = saved_put(&j->server->saved, store, &put, &replaced, &j->faults);
        step = status == STORE_OK ? JOB_DONE : status == STORE_STATE ? JOB_BROKEN : JOB_NO_ROOM;
    }
    convd_bytes_release(&result);
    convd_bytes_release(&spec);
    convd_bytes_release(&weights);
    snprintf(j->media, sizeof j->media, "application/json");
    snprintf(j->file_name, sizeof j->file_name, "%.32s.json", j->id);
    return step;
}

static enum job_step learn(struct learning *l)
{
    struct job *j = l->job;
    const struct convd_learn_run run = {
        .pool = j->jobs->pool, .cancel = &j->stop, .news = news, .self = l};
    if (api_learn_done(&l->learn)) {
        job_progress(j, j->done, j->done); /* early_stop leaves epochs out */
        return (l->stage = save)(l);
    }
    if (!api_learn_epoch(&l->learn, &run)) return broken(l);
    l->epochs++;
    l->saved.n = 0;
    if (!api_learn_save(&l->learn, &l->saved)) return broken(l);
    if (clock_ms() - l->kept_ms >= PAUSE_COSTS * l->cost_ms) checkpoint(l);
    return JOB_MORE;
}

/* Goes on after the epochs of an earlier start; listeners hear of them again. */
static bool resume(struct learning *l)
{
    struct job *j = l->job;
    struct store *store = atomic_load(&j->jobs->store);
    struct store_blob b = {0};
    if (store->calls->job_resume(store, j->id, &b) == STORE_OK && b.n) {
        struct convd_faults *own = convd_faults_new(), *faults = l->learn.work.faults;
        if (own) l->learn.work.faults = own;
        api_learn_load(&l->learn, b.data, b.n); /* of another version, or damaged: from the start */
        l->learn.work.faults = faults;
        convd_faults_free(own);
    }
    store_blob_release(&b);
    const struct convd_curve *curve = convd_learner_curve(l->learn.learner, &l->epochs);
    const size_t each = convd_learner_learns(l->learn.learner),
                 epochs = (size_t)convd_learner_settings(l->learn.learner)->epochs;
    job_pace(j, l->epochs * each, epochs * each);
    for (size_t i = 0; i < l->epochs; i++)
        news(l, &(struct convd_learn_news){.epoch = (ptrdiff_t)i + 1,
                                           .epochs = (ptrdiff_t)epochs,
                                           .done = l->epochs * each,
                                           .total = epochs * each,
                                           .curve = &curve[i]});
    l->kept = l->epochs;
    return true;
}

static enum job_step read_one(struct learning *l)
{
    struct job *j = l->job;
    struct api_learn *x = &l->learn;
    size_t n, target_n;
    if (l->next == x->n_examples) {
        if (!api_learn_ready(x) || !resume(l)) return broken(l);
        l->stage = learn;
        return JOB_MORE;
    }
    const void *picture = picture_of(&l->files, x, l->next, &n),
               *target = target_of(&l->files, x, l->next, &target_n);
    if (!api_learn_add(x, l->next, picture, n, target, target_n, j->jobs->pool)) return broken(l);
    job_progress(j, ++l->next, x->n_examples);
    return JOB_MORE;
}

static enum job_step look_at_all(struct learning *l)
{
    struct job *j = l->job;
    struct api_learn *x = &l->learn;
    for (size_t i = 0; i < x->n_examples; i++)
        if (atomic_load(&j->stop) || !look(&l->files, x, i)) return broken(l);
    if (!job_promise(j, x->bytes)) return broken(l);
    l->promised = x->bytes;
    l->stage = read_one;
    return JOB_MORE;
}

static enum job_step unpack(struct learning *l)
{
    struct job *j = l->job;
    struct archive_limits limits = job_archive_limits(j->server);
    limits.stop = &j->stop;
    if (!examples_unpack(&l->files, l->data.data, l->data.n, &limits, 0, jobs_spool(j->jobs),
                         &j->stop, &j->faults))
        return l->files.full ? JOB_NO_ROOM : broken(l);
    if (!api_learn_files(&l->learn, (const char *const *)l->files.names, l->files.n))
        return broken(l);
    l->stage = look_at_all;
    return JOB_MORE;
}

/* ---- a job ---- */

static bool is_data(const char *name)
{
    return strcmp(name, "data") == 0;
}

static bool begin(struct job *j)
{
    struct store *store = atomic_load(&j->jobs->store);
    struct learning *l = calloc(1, sizeof *l);
    const struct convd_value *name = convd_value_get(&j->spec, "save_as");
    if (!l) return false;
    j->state = l;
    l->job = j;
    l->stage = unpack;
    if (name && name->kind == CONVD_STRING)
        snprintf(l->name, sizeof l->name, "%s", name->string);
    else
        snprintf(l->name, sizeof l->name, "learned-%.8s", j->id);
    l->tensors = job_tensors(j, &l->n_tensors, is_data);
    if (!l->tensors) return false;
    if (store->calls->job_part(store, j->id, "data", &l->data) != STORE_OK) {
        convd_fault(&j->faults, API_STORE_UNAVAILABLE, NULL,
                    "the archive is damaged on disk: its checksum does not fit");
        return false;
    }
    l->learn = learn_on(&j->spec, j->library, j->server, l->tensors, l->n_tensors);
    l->learn.cancel = &j->stop;
    if (api_learn_begin(&l->learn)) return true;
    job_faults_copy(&j->faults, l->learn.work.faults);
    return false;
}

static enum job_step step(struct job *j)
{
    struct learning *l = j->state;
    return l->stage(l);
}

static void end(struct job *j)
{
    struct learning *l = j->state;
    if (!l) return;
    if (l->epochs > l->kept && !atomic_load(&j->cancelled) && atomic_load(&j->stop)) checkpoint(l);
    api_learn_release(&l->learn);
    job_unpromise(j, l->promised);
    examples_release(&l->files);
    store_blob_release(&l->data);
    convd_bytes_release(&l->saved);
    free(l);
    j->state = NULL;
}

const struct job_type job_learn = {
    .name = "learn",
    .members = members,
    .more = settings,
    .check = check,
    .begin = begin,
    .step = step,
    .end = end,
};
