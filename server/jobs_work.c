/* jobs_work.c: a job while it runs, from its claim to its end, and what its type may ask for meanwhile. */
#include "clock.h"
#include "jobs.h"
#include "request.h"
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define RETRY_MS 500 /* before something that the store refused is repeated */

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

void job_stop(struct job *j)
{
    atomic_store(&j->stop, true);
    for (size_t i = 0; i < JOB_SLOTS; i++) atomic_store(&j->slots[i].stop, true);
}

/* ---- one job ---- */

/* Whether the store may take later what it did not take now. */
static bool later(enum store_status status)
{
    return status == STORE_FULL || status == STORE_AWAY;
}

/* Tries until the store takes it or the server stops. */
static void insist(struct job *j, enum store_status (*call)(struct store *s, const char *id))
{
    struct store *store = atomic_load(&j->jobs->store);
    while (later(call(store, j->id)) && !j->jobs->stopping) sleep_ms(RETRY_MS);
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
            if (later(status)) sleep_ms(RETRY_MS);
        } while (later(status) && !j->jobs->stopping);
    }
    free(error);
    return !later(status);
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

void job_work_through(struct convd_task *task)
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
    jobs_publish(k, j->id);
    if (again && !j->cancelled && !k->stopping)
        sleep_ms(RETRY_MS); /* the disk was full a moment ago */
    pthread_mutex_lock(&k->lock);
    j->running = false;
    k->running--;
    k->news = true;
    jobs_drop(j);
    pthread_cond_signal(&k->wake);
    pthread_mutex_unlock(&k->lock);
}
