/* jobs_live.c: jobs that run or that somebody listens to: the list, what they say, and how they look as JSON. All of it is
 * under the one lock. */
#include "clock.h"
#include "jobs.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define PROGRESS_MS 100 /* between two events of progress */

/* ---- the list ---- */

struct job *jobs_find(struct jobs *k, const char *id)
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

void jobs_drop(struct job *j)
{
    struct jobs *k = j->jobs;
    if (--j->holders > 0) return;
    struct job **at = &k->live;
    while (*at != j) at = &(*at)->next;
    *at = j->next;
    free_job(j);
}

struct job *jobs_hold(struct jobs *k, const struct store_job *row)
{
    struct job *j = jobs_find(k, row->id);
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

/* Ids of events grow over restarts, too, so that a listener who comes back (Last-Event-ID) hears the rest and nothing twice:
 * one that is counted (an epoch) always has the id of its number, whoever comes to it again; those between have the
 * milliseconds since the job came behind that; what comes last has the largest that JavaScript counts to. */
#define COUNTED(NUMBER) ((uint64_t)(NUMBER) << 32)
#define LAST_ID         (((uint64_t)1 << 53) - 1)

static uint64_t next_id(struct job *j)
{
    const int64_t age = store_now() - j->created;
    const uint64_t least = COUNTED(j->counted) + (uint64_t)(age > 0 && age < UINT32_MAX ? age : 0);
    return j->last_event = j->last_event + 1 > least ? j->last_event + 1 : least;
}

static void add_event(struct job *j, uint64_t id, const char *kind, const char *data)
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
    j->last_event = id;
    j->events[j->n_events++] = (struct job_event){id, kind, copy};
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
    const struct job *live = jobs_find(k, row->id);
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

void jobs_publish(struct jobs *k, const char *id)
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
        struct job *j = jobs_find(k, id);
        if (j && !j->ended) {
            add_event(j, over ? LAST_ID : next_id(j), "state", (const char *)text.data);
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

void job_event(struct job *j, uint32_t number, const char *kind, const char *data)
{
    pthread_mutex_lock(&j->jobs->lock);
    if (COUNTED(number) > j->last_event) {
        j->counted = number;
        add_event(j, COUNTED(number), kind, data);
    }
    pthread_mutex_unlock(&j->jobs->lock);
}
