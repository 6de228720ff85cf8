/* jobs.c: see jobs.h. */
#include "jobs.h"
#include "clock.h"
#include "request.h"
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PROGRESS_MS    100     /* between two events of progress                     */
#define EXPIRE_MS      60000   /* between two looks for jobs and pictures that are old */
#define REOPEN_MS      2000    /* between two tries to open a store that is away     */
#define RETRY_MS       500     /* before something that the store refused is repeated */
#define EVENTS_A_START 1000000 /* ids of events: so many for each start, so that they always grow */

/* ---- the store ---- */

struct store *jobs_store(struct request *rq)
{
    struct store *store = atomic_load(&rq->server->jobs.store);
    if (!store)
        reply_problem(rq, API_STORE_UNAVAILABLE, "a directory for --data that can be written",
                      "what is kept on disk cannot be reached: %s", rq->server->jobs.why);
    return store;
}

void jobs_refuse(struct request *rq, enum store_status status, const char *what)
{
    switch (status) {
    case STORE_FULL:
        reply_problem(rq, API_STORAGE_FULL, "DELETE of finished jobs, or a larger disk",
                      "no room is left on the disk to keep this %s", what);
        break;
    case STORE_NONE:
        reply_problem(rq, API_NOT_FOUND,
                      "an id that its POST gave; what is finished goes after --job-ttl",
                      "there is no such %s", what);
        break;
    case STORE_DAMAGED:
        reply_problem(rq, API_STORE_UNAVAILABLE, "the work done again",
                      "this %s is damaged on disk: its checksum does not fit", what);
        break;
    default:
        reply_problem(rq, API_STORE_UNAVAILABLE, "a try a little later",
                      "the store did not take it: nothing was kept");
    }
}

static void say_unread(void *arg, const char *name, const char *words)
{
    struct server *s = arg;
    log_say(&s->log, LOG_WARN, "the saved pipeline %s is left out: %s", name, words);
}

static bool open_store(struct jobs *k)
{
    struct server *s = k->server;
    char dir[4096], why[256] = "no directory: --data, XDG_STATE_HOME and HOME are not set";
    bool named = s->settings->data[0] != 0;
    if (named) snprintf(dir, sizeof dir, "%s", s->settings->data);
    struct store *store =
        named || store_default_dir(dir, sizeof dir) ? store_sqlite_open(dir, 0, why) : NULL;
    if (!store) {
        pthread_mutex_lock(&k->lock);
        bool first = strcmp(k->why, why) != 0;
        memcpy(k->why, why, sizeof k->why);
        pthread_mutex_unlock(&k->lock);
        if (first) log_say(&s->log, LOG_WARN, "jobs and saved pipelines are unavailable: %s", why);
        return false;
    }
    snprintf(k->spool, sizeof k->spool, "%s/files", dir);
    saved_load(&s->saved, store, &s->limits, say_unread, s);
    images_keep_in(s->images, store);
    atomic_store(&k->store, store);
    jobs_changed(k);
    return true;
}

/* ---- live jobs: all of it under the lock ---- */

static struct job *find(struct jobs *k, const char *id)
{
    struct job *j = k->live;
    while (j && strcmp(j->id, id) != 0) j = j->next;
    return j;
}

static void free_job(struct job *j)
{
    for (size_t i = 0; i < j->n_events; i++) free(j->events[i].data);
    free(j->events);
    free(j->progress.data);
    free(j);
}

static void drop(struct jobs *k, struct job *j)
{
    if (--j->holders > 0) return;
    struct job **at = &k->live;
    while (*at != j) at = &(*at)->next;
    *at = j->next;
    free_job(j);
}

static struct job *hold(struct jobs *k, const struct store_job *row)
{
    struct job *j = find(k, row->id);
    if (!j && (j = calloc(1, sizeof *j))) {
        j->jobs = k;
        j->server = k->server;
        memcpy(j->id, row->id, sizeof j->id);
        j->type = job_type_find(row->type);
        j->created = row->created;
        j->next = k->live;
        k->live = j;
    }
    if (!j) return NULL;
    j->holders++;
    if (row->starts >= j->starts) {
        j->starts = row->starts;
        j->started = row->started;
    }
    return j;
}

static uint64_t next_id(struct job *j)
{
    uint64_t least = (uint64_t)j->starts * EVENTS_A_START + 1;
    j->last_event = j->last_event + 1 > least ? j->last_event + 1 : least;
    return j->last_event;
}

/* last: nothing follows it; its id is the largest of this start, whoever says it again. */
static void add_event(struct job *j, const char *kind, const char *data, bool last)
{
    if (j->n_events == j->room_events) {
        size_t room = j->room_events ? 2 * j->room_events : 8;
        struct job_event *more = realloc(j->events, room * sizeof *more);
        if (!more) return;
        j->events = more;
        j->room_events = room;
    }
    char *copy = strdup(data);
    if (!copy) return;
    uint64_t most = ((uint64_t)j->starts + 1) * EVENTS_A_START - 1;
    if (last && j->last_event < most) j->last_event = most - 1;
    j->events[j->n_events++] = (struct job_event){next_id(j), kind, copy};
    streams_wake(j);
}

/* ---- as JSON ---- */

static void write_time(struct api_json *j, const char *name, int64_t ms)
{
    char text[48];
    struct tm t;
    time_t seconds = (time_t)(ms / 1000);
    api_json_key(j, name);
    if (ms == 0) {
        api_json_null(j);
        return;
    }
    size_t n = strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", gmtime_r(&seconds, &t));
    snprintf(text + n, sizeof text - n, ".%03dZ", (int)(ms % 1000));
    api_json_string(j, text);
}

/* What is done and how long the rest takes at this pace. */
static void write_progress(struct api_json *j, uint64_t done, uint64_t total, double eta)
{
    api_json_object(j);
    api_json_key(j, "done");
    api_json_integer(j, (intmax_t)done);
    api_json_key(j, "total");
    api_json_integer(j, (intmax_t)total);
    api_json_key(j, "eta_s");
    if (eta >= 0)
        api_json_number(j, eta);
    else
        api_json_null(j);
    api_json_end(j);
}

static double eta_of(const struct job *j)
{
    if (!j->running || j->done <= j->done_at_start || j->total < j->done) return -1;
    double pace = (double)(clock_ms() - j->began) / (double)(j->done - j->done_at_start);
    double eta = pace * (double)(j->total - j->done) * 1e-3;
    return (double)(int64_t)(eta * 10 + 0.5) / 10;
}

static void write_error(struct api_json *j, const struct store_blob *error)
{
    struct convd_arena mem;
    struct convd_faults f;
    struct convd_value v;
    convd_arena_init(&mem, NULL, 0);
    convd_faults_init(&f, &mem);
    api_json_key(j, "error");
    if (error->data && api_json_parse(error->data, error->n, SIZE_MAX, &mem, &f, &v))
        api_json_value(j, &v);
    else
        api_json_null(j);
    convd_arena_release(&mem);
}

void jobs_write(struct jobs *k, const struct store_job *row, struct api_json *j)
{
    uint64_t done = row->done, total = row->total;
    double eta = row->state == JOB_SUCCEEDED ? 0 : -1;
    pthread_mutex_lock(&k->lock);
    const struct job *live = find(k, row->id);
    if (live && live->running && row->state == JOB_RUNNING) {
        done = live->done;
        total = live->total;
        eta = eta_of(live);
    }
    pthread_mutex_unlock(&k->lock);
    api_json_object(j);
    api_json_key(j, "id");
    api_json_string(j, row->id);
    api_json_key(j, "type");
    api_json_string(j, row->type);
    api_json_key(j, "state");
    api_json_string(j, job_state_words[row->state]);
    write_time(j, "created", row->created);
    write_time(j, "started", row->started);
    write_time(j, "finished", row->finished);
    api_json_key(j, "progress");
    write_progress(j, done, total, eta);
    write_error(j, &row->error);
    api_json_end(j);
}

/* An event `state`, with the job as it is in the store. */
static void publish_state(struct jobs *k, const char *id)
{
    struct store *store = atomic_load(&k->store);
    struct convd_bytes text = {0};
    struct store_job row;
    if (!store || store->calls->job_get(store, id, &row) != STORE_OK) return;
    struct api_json json = api_json_to(&text);
    jobs_write(k, &row, &json);
    bool over = row.state != JOB_QUEUED && row.state != JOB_RUNNING;
    store_job_release(&row);
    if (!json.failed && convd_bytes_put(&text, "", 1)) {
        pthread_mutex_lock(&k->lock);
        struct job *j = find(k, id);
        if (j && !j->ended) {
            add_event(j, "state", (const char *)text.data, over);
            j->ended = over;
            streams_wake(j);
        }
        pthread_mutex_unlock(&k->lock);
    }
    convd_bytes_release(&text);
}

/* ---- what a running job says ---- */

void job_progress(struct job *j, uint64_t done, uint64_t total)
{
    struct jobs *k = j->jobs;
    struct convd_bytes text = {0};
    int64_t now = clock_ms();
    pthread_mutex_lock(&k->lock);
    j->done = done;
    j->total = total;
    if (now - j->progress_ms >= PROGRESS_MS || done == total) {
        struct api_json json = api_json_to(&text);
        write_progress(&json, done, total, eta_of(j));
        if (!json.failed && convd_bytes_put(&text, "", 1)) {
            free(j->progress.data);
            j->progress = (struct job_event){next_id(j), "progress", strdup((char *)text.data)};
            j->progress_ms = now;
            streams_wake(j);
        }
    }
    pthread_mutex_unlock(&k->lock);
    convd_bytes_release(&text);
}

void job_pace(struct job *j, uint64_t done, uint64_t total)
{
    pthread_mutex_lock(&j->jobs->lock);
    j->done_at_start = done;
    j->began = clock_ms();
    pthread_mutex_unlock(&j->jobs->lock);
    job_progress(j, done, total);
}

void job_event(struct job *j, const char *kind, const char *data)
{
    pthread_mutex_lock(&j->jobs->lock);
    add_event(j, kind, data, false);
    pthread_mutex_unlock(&j->jobs->lock);
}

static void sleep_ms(long ms)
{
    nanosleep(&(struct timespec){.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000}, NULL);
}

bool job_promise(struct job *j, size_t bytes)
{
    struct server *s = j->server;
    if (bytes > memory_promise_most(s->memory)) {
        convd_fault_limit(&j->faults, CONVD_TOO_MUCH_MEMORY, NULL,
                          (double)memory_promise_most(s->memory), (double)bytes,
                          "the plan needs %zu bytes, more than all together may take", bytes);
        return false;
    }
    while (!atomic_load(&j->stop)) {
        if (atomic_load(&s->workers.waiting) == 0 && memory_promise(s->memory, bytes)) return true;
        sleep_ms(5);
    }
    return false;
}

void job_unpromise(struct job *j, size_t bytes)
{
    memory_unpromise(j->server->memory, bytes);
    workers_wake(&j->server->workers);
}

const atomic_bool *job_slot_enter(struct job *j, size_t slot, int64_t timeout_ms)
{
    struct job_slot *s = &j->slots[slot % JOB_SLOTS];
    atomic_store(&s->stop, false);
    atomic_store(&s->deadline, timeout_ms ? clock_ms() + timeout_ms : 0);
    if (atomic_load(&j->stop)) atomic_store(&s->stop, true);
    return &s->stop;
}

bool job_slot_leave(struct job *j, size_t slot)
{
    struct job_slot *s = &j->slots[slot % JOB_SLOTS];
    int64_t deadline = atomic_exchange(&s->deadline, 0);
    return deadline && atomic_load(&s->stop) && clock_ms() >= deadline;
}

enum job_step job_put(struct job *j, const void *data, size_t n)
{
    struct store *store = atomic_load(&j->jobs->store);
    return store->calls->sink_put(j->sink, data, n) == STORE_OK ? JOB_MORE : JOB_NO_ROOM;
}

static void stop_job(struct job *j)
{
    atomic_store(&j->stop, true);
    for (size_t i = 0; i < JOB_SLOTS; i++) atomic_store(&j->slots[i].stop, true);
}

void jobs_cancelled(struct jobs *k, const char *id)
{
    pthread_mutex_lock(&k->lock);
    struct job *j = find(k, id);
    if (j) {
        j->cancelled = true;
        stop_job(j);
    }
    pthread_mutex_unlock(&k->lock);
    publish_state(k, id);
    jobs_changed(k);
}

/* ---- one job ---- */

/* Tries until the store takes it or the server stops. */
static void insist(struct job *j, enum store_status (*call)(struct store *s, const char *id))
{
    struct store *store = atomic_load(&j->jobs->store);
    while (call(store, j->id) >= STORE_FULL && !j->jobs->stopping) sleep_ms(RETRY_MS);
}

static char *problem_of(struct job *j)
{
    struct convd_bytes text = {0};
    if (convd_faults_count(&j->faults) == 0)
        convd_fault(&j->faults, CONVD_NO_MEMORY, NULL, "no memory is left for this job");
    if (api_problem_write(&j->faults, j->id, &text) && convd_bytes_put(&text, "", 1))
        return (char *)text.data;
    convd_bytes_release(&text);
    return NULL;
}

/* Writes the end down; false: the store had no room for it, and all is to be done again. */
static bool settle(struct job *j, enum job_step how)
{
    struct store *store = atomic_load(&j->jobs->store);
    struct store_end end = {.state = how == JOB_DONE ? JOB_SUCCEEDED : JOB_FAILED,
                            .done = j->done,
                            .total = j->total,
                            .media = j->media,
                            .file_name = j->file_name};
    char *error = how == JOB_DONE ? NULL : problem_of(j);
    enum store_status status;
    end.error = how == JOB_DONE ? NULL : error ? error : "{\"status\":503,\"code\":\"queue-full\"}";
    if (how == JOB_DONE) {
        end.sink = j->sink;
        j->sink = NULL;
        end.finished = store_now();
        status = store->calls->job_finish(store, j->id, &end);
    } else {
        do {
            end.finished = store_now();
            status = store->calls->job_finish(store, j->id, &end);
            if (status >= STORE_FULL) sleep_ms(RETRY_MS);
        } while (status >= STORE_FULL && !j->jobs->stopping);
    }
    free(error);
    return status < STORE_FULL;
}

static bool read_spec(struct job *j, const struct store_job *row)
{
    if (row->starts > JOB_STARTS) {
        convd_fault_expected(&j->faults, CONVD_CANCELLED, NULL, "smaller or other inputs",
                             "the process ended %u times while this job ran", row->starts - 1);
        return false;
    }
    if (!row->spec.data || !j->type) {
        convd_fault(&j->faults, API_STORE_UNAVAILABLE, NULL,
                    row->spec.data ? "no job of this type is known here"
                                   : "what was asked for is damaged on disk");
        return false;
    }
    return api_json_parse(row->spec.data, row->spec.n, SIZE_MAX, &j->mem, &j->faults, &j->spec);
}

static enum job_step steps(struct job *j)
{
    struct store *store = atomic_load(&j->jobs->store);
    j->sink = store->calls->sink_new(store);
    enum job_step step = j->sink && j->type->begin(j) ? JOB_MORE : JOB_BROKEN;
    while (step == JOB_MORE && !atomic_load(&j->stop)) {
        convd_pool_yield(j->jobs->pool);
        step = j->type->step(j);
    }
    j->type->end(j);
    return step;
}

static void run(struct convd_task *task)
{
    struct job *j = (struct job *)(void *)((char *)task - offsetof(struct job, task));
    struct jobs *k = j->jobs;
    struct store *store = atomic_load(&k->store);
    struct store_job row;
    convd_arena_init(&j->mem, NULL, 0);
    convd_faults_init(&j->faults, &j->mem);
    j->library = saved_hold(&j->server->saved);
    enum store_status got = store->calls->job_get(store, j->id, &row);
    enum job_step step = JOB_BROKEN;
    if (got == STORE_OK && row.state != JOB_RUNNING) { /* cancelled between its claim and now */
        atomic_store(&j->cancelled, true);
        atomic_store(&j->stop, true);
    } else if (got == STORE_OK || got == STORE_DAMAGED) {
        if (read_spec(j, &row)) step = steps(j);
    } else {
        step = JOB_NO_ROOM;
    }
    store_job_release(&row);
    bool again = step == JOB_NO_ROOM;
    if (!atomic_load(&j->stop) || step == JOB_DONE) {
        if (!again) again = !settle(j, step);
    } else {
        again = true;
    }
    if (j->sink) store->calls->sink_drop(j->sink);
    j->sink = NULL;
    if (again && !j->cancelled) insist(j, store->calls->job_requeue);
    api_library_free(j->library);
    j->library = NULL;
    convd_arena_release(&j->mem);
    publish_state(k, j->id);
    if (again && !j->cancelled && !k->stopping)
        sleep_ms(RETRY_MS); /* the disk was full a moment ago */
    pthread_mutex_lock(&k->lock);
    j->running = false;
    k->running--;
    k->news = true;
    drop(k, j);
    pthread_cond_signal(&k->wake);
    pthread_mutex_unlock(&k->lock);
}

/* ---- the coordinator ---- */

static bool claim_one(struct jobs *k, struct store *store)
{
    struct store_job row;
    enum store_status status = store->calls->job_claim(store, store_now(), &row);
    if (!row.id[0]) {
        store_job_release(&row);
        return false;
    }
    pthread_mutex_lock(&k->lock);
    struct job *j = hold(k, &row);
    if (j) {
        j->running = true;
        j->done = j->done_at_start = row.done;
        j->total = row.total;
        j->began = clock_ms();
        if (!j->cancelled) atomic_store(&j->stop, k->stopping);
        j->task.run = run;
        k->running++;
    }
    pthread_mutex_unlock(&k->lock);
    store_job_release(&row);
    if (!j) return false;
    if (status == STORE_OK) publish_state(k, j->id);
    if (convd_pool_submit(k->pool, &j->task)) return true;
    run(&j->task);
    return false;
}

static void count(struct jobs *k, struct store *store)
{
    struct store_count *list = NULL;
    size_t n = 0;
    store->calls->job_counts(store, &list, &n);
    pthread_mutex_lock(&k->lock);
    free(k->counts);
    k->counts = list;
    k->n_counts = n;
    pthread_mutex_unlock(&k->lock);
}

static void expire(struct jobs *k, struct store *store)
{
    size_t n = 1;
    int64_t now = store_now();
    while (store && n > 0 && !k->stopping &&
           store->calls->jobs_expire(store, now - k->server->settings->job_ttl, &n) == STORE_OK)
        ;
    images_expire(k->server->images);
}

static void *coordinate(void *arg)
{
    struct jobs *k = arg;
    int64_t expired = 0, tried = clock_ms(), ticked = 0;
    pthread_mutex_lock(&k->lock);
    while (!k->stopping) {
        k->news = false;
        bool room = k->running < k->most;
        pthread_mutex_unlock(&k->lock);
        int64_t now = clock_ms();
        struct store *store = atomic_load(&k->store);
        const char *words;
        if (!store && now - tried >= REOPEN_MS) {
            tried = now;
            open_store(k);
        }
        if (store && now - ticked >= 1000) {
            ticked = now;
            store->calls->tick(store);
        }
        if (expired == 0 || now - expired >= EXPIRE_MS) {
            expired = now;
            expire(k, store);
        }
        bool more = store && room && store->calls->health(store, &words) != STORE_AWAY &&
                    claim_one(k, store);
        if (store && !more) count(k, store);
        pthread_mutex_lock(&k->lock);
        if (more || k->news || k->stopping) continue;
        struct timespec until;
        clock_gettime(CLOCK_MONOTONIC, &until);
        until.tv_sec++;
        pthread_cond_timedwait(&k->wake, &k->lock, &until);
    }
    pthread_mutex_unlock(&k->lock);
    return NULL;
}

/* Threads inherit how they are scheduled. Where the kernel does not want to, they are as nice as can be. */
static void *make_pool(void *arg)
{
    struct jobs *k = arg;
    if (sched_setscheduler(0, SCHED_IDLE, &(struct sched_param){0}) != 0)
        log_say(&k->server->log, LOG_WARN,
                "jobs run as fast as requests: SCHED_IDLE is not allowed");
    k->pool = convd_pool_new(k->most);
    if (k->pool) convd_pool_behind(k->pool, k->server->pool);
    return NULL;
}

void jobs_init(struct jobs *k, struct server *server)
{
    pthread_condattr_t monotonic;
    *k = (struct jobs){.server = server};
    pthread_mutex_init(&k->lock, NULL);
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&k->wake, &monotonic);
    pthread_condattr_destroy(&monotonic);
}

bool jobs_start(struct jobs *k)
{
    pthread_t maker;
    size_t n = k->server->settings->workers;
    k->most = n < 2 ? 2 : n;
    if (pthread_create(&maker, NULL, make_pool, k) != 0) return false;
    pthread_join(maker, NULL);
    if (!k->pool) return false;
    open_store(k);
    k->threaded = pthread_create(&k->thread, NULL, coordinate, k) == 0;
    return k->threaded;
}

void jobs_queued(struct jobs *k)
{
    jobs_changed(k);
}

void jobs_changed(struct jobs *k)
{
    pthread_mutex_lock(&k->lock);
    k->news = true;
    pthread_cond_signal(&k->wake);
    pthread_mutex_unlock(&k->lock);
}

const char *jobs_spool(const struct jobs *k)
{
    return k->spool;
}

size_t jobs_running(struct jobs *k)
{
    pthread_mutex_lock(&k->lock);
    size_t n = k->running;
    pthread_mutex_unlock(&k->lock);
    return n;
}

void jobs_stop(struct jobs *k)
{
    pthread_mutex_lock(&k->lock);
    k->stopping = true;
    for (struct job *j = k->live; j; j = j->next) {
        stop_job(j);
        j->ended = true;
        streams_wake(j);
    }
    pthread_cond_signal(&k->wake);
    pthread_mutex_unlock(&k->lock);
}

void jobs_tick(struct jobs *k)
{
    int64_t now = clock_ms();
    pthread_mutex_lock(&k->lock);
    for (struct job *j = k->live; j; j = j->next) {
        for (size_t i = 0; i < JOB_SLOTS && j->running; i++) {
            int64_t deadline = atomic_load(&j->slots[i].deadline);
            if (deadline && now >= deadline) atomic_store(&j->slots[i].stop, true);
        }
        streams_wake(j); /* heartbeats */
    }
    pthread_mutex_unlock(&k->lock);
}

void jobs_release(struct jobs *k)
{
    struct store *store = atomic_load(&k->store);
    jobs_stop(k);
    if (k->threaded) pthread_join(k->thread, NULL);
    convd_pool_free(k->pool);
    if (store) store->calls->close(store);
    free(k->counts);
    pthread_cond_destroy(&k->wake);
    pthread_mutex_destroy(&k->lock);
}

/* ---- listeners: what stream.c needs of the list ---- */

struct job *jobs_hold(struct jobs *k, const struct store_job *row)
{
    return hold(k, row);
}

void jobs_drop(struct job *j)
{
    drop(j->jobs, j);
}

void jobs_publish(struct jobs *k, const char *id)
{
    publish_state(k, id);
}

const struct job_type *job_type_find(const char *name)
{
    for (size_t i = 0; job_types[i]; i++)
        if (strcmp(job_types[i]->name, name) == 0) return job_types[i];
    return NULL;
}
