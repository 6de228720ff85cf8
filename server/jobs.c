/* jobs.c: see jobs.h. */
#include "jobs.h"
#include "clock.h"
#include "request.h"
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define EXPIRE_MS 60000 /* between two looks for jobs and pictures that are old */
#define REOPEN_MS 2000  /* between two tries to open a store that is away     */

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
    struct job *j = jobs_hold(k, &row);
    if (j) {
        j->running = true;
        j->done = j->done_at_start = row.done;
        j->total = row.total;
        j->began = clock_ms();
        if (!j->cancelled) atomic_store(&j->stop, k->stopping);
        j->task.run = job_work_through;
        k->running++;
    }
    pthread_mutex_unlock(&k->lock);
    store_job_release(&row);
    if (!j) return false;
    if (status == STORE_OK) jobs_publish(k, j->id);
    if (convd_pool_submit(k->pool, &j->task)) return true;
    job_work_through(&j->task);
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
        job_stop(j);
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

void jobs_cancelled(struct jobs *k, const char *id)
{
    pthread_mutex_lock(&k->lock);
    struct job *j = jobs_find(k, id);
    if (j) {
        j->cancelled = true;
        job_stop(j);
    }
    pthread_mutex_unlock(&k->lock);
    jobs_publish(k, id);
    jobs_changed(k);
}

const struct job_type *job_type_find(const char *name)
{
    for (size_t i = 0; job_types[i]; i++)
        if (strcmp(job_types[i]->name, name) == 0) return job_types[i];
    return NULL;
}
