/* jobs.h: work that outlives its request. The store has every job; those that run, or that somebody listens to, are also
 * here. One coordinating thread claims them, in the order of their coming, for a pool of their own: it does little while
 * requests run (convd_pool_behind), and its threads get a processor when nobody else wants one (SCHED_IDLE), so that a
 * request never waits for a job, and a single worker is never taken by one. Progress, events and cancelling are under one
 * lock. */
#ifndef JOBS_H
#define JOBS_H
#include <pthread.h>

#include "../api/json.h"
#include "../core/threads.h"
#include "saved.h"
#include "store.h"

struct server;
struct request;
struct job;

enum { JOB_STARTS = 3, JOB_SLOTS = 64 };

/* What came with POST /v1/jobs. */
struct job_request {
    struct server *server;
    const struct api_library *library;
    struct convd_arena *mem;
    struct convd_faults *faults;
    struct convd_value spec;     /* the part `job` */
    struct api_part image, data; /* data NULL: it did not come */
    const struct api_part *tensors;
    size_t n_tensors;
};

enum job_step {
    JOB_MORE,
    JOB_DONE,
    JOB_BROKEN /* faults say why */,
    JOB_NO_ROOM /* the store says why: once more, later */
};

/* A kind of job is one row of job_types. */
struct job_type {
    const char *name;
    const char *members, *more; /* of its JSON: blank-separated; more: NULL, or further ones */
    /* On a request's worker: adds a fault for everything that can be seen to be wrong before the job is accepted. */
    void (*check)(struct job_request *q);
    /* On a job's thread. begin: j->spec is read; makes j->state. False after faults. */
    bool (*begin)(struct job *j);
    /* One step; between two of them the job may be stopped. On DONE the result stands in j->sink. */
    enum job_step (*step)(struct job *j);
    void (*end)(struct job *j); /* lets go of state; also after a failed begin */
};
extern const struct job_type *const job_types[]; /* NULL-terminated */
const struct job_type *job_type_find(const char *name);

/* A picture (or whatever takes long) that is being worked on: told to stop when the job is, or when its time is over. */
struct job_slot {
    atomic_bool stop;
    atomic_int_fast64_t deadline; /* clock_ms; 0: none */
};

struct job_event {
    uint64_t id;
    const char *kind;
    char *data;
};

struct job {
    char id[STORE_ID];
    struct jobs *jobs;
    struct server *server;
    const struct job_type *type;
    struct job *next; /* of the live ones           */
    size_t holders;   /* runner and listeners       */
    struct convd_task task;

    /* of the runner */
    struct convd_arena mem;
    struct convd_faults faults;
    struct convd_value spec;
    struct api_library *library;
    struct store_sink *sink;
    char media[80], file_name[80];
    void *state; /* the type's own             */

    /* under the lock */
    bool running;
    atomic_bool cancelled;
    atomic_bool stop; /* cancelled, or the server stops */
    struct job_slot slots[JOB_SLOTS];
    unsigned starts;
    int64_t created, started, began; /* ms since 1970; clock_ms */
    uint64_t done, total, done_at_start;
    uint64_t last_event; /* id */
    uint32_t counted;    /* number of the last event that has one */
    struct job_event *events;
    size_t n_events, room_events;
    struct job_event progress; /* the latest only  */
    int64_t progress_ms;
    bool ended;
    struct stream *streams;
};

/* Says how far the job is; listeners hear of it at most ten times a second. */
void job_progress(struct job *j, uint64_t done, uint64_t total);
/* From here on the rest is reckoned at a new pace. */
void job_pace(struct job *j, uint64_t done, uint64_t total);
/* The event of the type's own with this number, from 1, kept for those who come later; data is JSON. A job that begins anew
 * or goes on says the same under the same number. */
void job_event(struct job *j, uint32_t number, const char *kind, const char *data);
/* Waits until so much memory is promised, behind all requests. False: the job was stopped, or it can never be (a fault). */
bool job_promise(struct job *j, size_t bytes);
void job_unpromise(struct job *j, size_t bytes);
/* Arms a slot for one picture, and gives it back. */
const atomic_bool *job_slot_enter(struct job *j, size_t slot, int64_t timeout_ms);
bool job_slot_leave(struct job *j, size_t slot); /* true: its time was over */
enum job_step job_put(struct job *j, const void *data,
                      size_t n); /* into the result: MORE, or NO_ROOM */

struct jobs {
    struct server *server;
    _Atomic(struct store *) store; /* NULL: away */
    struct convd_pool *pool;
    pthread_t thread;
    bool threaded;
    pthread_mutex_t lock;
    pthread_cond_t wake;
    struct job *live;
    size_t running, most;
    atomic_bool stopping;
    bool news; /* something was queued, or ended */
    struct store_count *counts;
    size_t n_counts;
    char spool[4200]; /* where files without a name are made, once there is a store */
    char why[256]; /* the store is away: words */
};
void jobs_init(struct jobs *k, struct server *server);
bool jobs_start(struct jobs *k);
/* No new ones; those that run go back to the queue, listeners are let go. Returns at once. */
void jobs_stop(struct jobs *k);
size_t jobs_running(struct jobs *k);
void jobs_release(struct jobs *k);
void jobs_tick(struct jobs *k); /* the main thread's round: deadlines of slots, heartbeats */
/* A directory for what is too large for memory. */
const char *jobs_spool(const struct jobs *k);
/* The store, or NULL with the reply made (503). */
struct store *jobs_store(struct request *rq);
/* Replies for a status that is not OK; what: "job", "pipeline". */
void jobs_refuse(struct request *rq, enum store_status status, const char *what);

/* ---- the list: jobs_live.c. hold, find and drop are called under the lock ---- */
/* The job of a row, made if nobody has it; one holder more. NULL without memory. */
struct job *jobs_hold(struct jobs *k, const struct store_job *row);
struct job *jobs_find(struct jobs *k, const char *id); /* NULL: nobody holds it */
void jobs_drop(struct job *j);
/* An event `state`, with the job as it is in the store. */
void jobs_publish(struct jobs *k, const char *id);
/* ---- one of them: jobs_work.c ---- */
void job_work_through(struct convd_task *task); /* on a thread of the jobs' pool */
void job_stop(struct job *j);

void jobs_queued(struct jobs *k); /* one was added */
/* After the store said that it is cancelled. */
void jobs_cancelled(struct jobs *k, const char *id);
/* Appends a job as JSON, with what is known of it only here. */
void jobs_write(struct jobs *k, const struct store_job *row, struct api_json *j);
void jobs_changed(struct jobs *k); /* counts are to be read anew */

/* ---- listeners: stream.c ---- */
struct stream;
/* Of the events after last; NULL without memory. *gone: there is nothing more to hear. */
struct stream *stream_open(struct jobs *k, const struct store_job *row, struct request *rq,
                           uint64_t last, bool *gone);
void stream_leave(struct stream *s); /* nobody is to be woken any more */
void stream_free(struct stream *s);  /* NULL is fine                    */
/* For http.c, on the event thread: bytes; 0: nothing yet (the connection was suspended); -1: that was all. */
ptrdiff_t stream_read(struct stream *s, char *out, size_t room);
void stream_end(struct stream *s); /* the client left, or the server stops */
/* Under the lock: something may be there to read. */
void streams_wake(struct job *j);
#endif
