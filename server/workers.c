/* workers.c: see workers.h. */
#include "workers.h"
#include "clock.h"
#include "http.h"
#include "request.h"
#include <stddef.h>

void workers_init(struct workers *w, struct server *server, size_t depth)
{
    *w = (struct workers){.server = server, .depth = depth};
    w->parked_end = &w->parked;
    pthread_mutex_init(&w->lock, NULL);
}

void workers_release(struct workers *w)
{
    pthread_mutex_destroy(&w->lock);
}

bool workers_room(struct workers *w)
{
    return atomic_load(&w->waiting) < w->depth;
}

size_t workers_busy(struct workers *w)
{
    return atomic_load(&w->waiting) + atomic_load(&w->running);
}

/* The reply is ready: back to the event thread. */
static void finish(struct request *rq)
{
    rq->finished = clock_ns();
    http_resume(rq);
}

/* Makes a place in the queue, or says that there is none. */
static bool reserve(struct workers *w)
{
    size_t n = atomic_load(&w->waiting);
    while (n < w->depth)
        if (atomic_compare_exchange_weak(&w->waiting, &n, n + 1)) return true;
    return false;
}

static bool move(struct request *rq, int from, int to)
{
    return atomic_compare_exchange_strong(&rq->hold, &from, to);
}

/* A worker takes the request. Its task's share of it is dropped at the end, unless it is parked. */
static void run(struct convd_task *task)
{
    struct request *rq = (struct request *)(void *)((char *)task - offsetof(struct request, task));
    struct workers *w = &rq->server->workers;
    if (!move(rq, HOLD_QUEUED, HOLD_RUNNING)) { /* answered while it waited */
        request_drop(rq);
        return;
    }
    atomic_fetch_add(&w->running, 1);
    atomic_fetch_sub(&w->waiting, 1);
    if (!rq->taken) rq->taken = clock_ns();
    if (rq->cancel && !rq->planned)
        reply_problem(rq, API_DEADLINE, NULL, "the request waited too long");
    bool done = rq->reply.status || rq->route->handle(rq);
    if (!done) { /* parked: whoever gives memory back goes on with it, perhaps already */
        atomic_fetch_sub(&w->running, 1);
        return;
    }
    atomic_store(&rq->hold, HOLD_DONE);
    finish(rq);
    request_drop(rq);
    atomic_fetch_sub(&w->running, 1);
}

void workers_submit(struct request *rq)
{
    struct workers *w = &rq->server->workers;
    rq->task.run = run;
    if (!reserve(w)) {
        reply_problem(rq, API_QUEUE_FULL, "a try a little later", "%zu requests wait already",
                      w->depth);
        atomic_store(&rq->hold, HOLD_DONE);
        finish(rq);
        return;
    }
    atomic_store(&rq->hold, HOLD_QUEUED);
    request_hold(rq);
    if (convd_pool_submit(rq->server->pool, &rq->task)) return;
    atomic_fetch_sub(&w->waiting, 1);
    reply_problem(rq, API_DRAINING, "another instance", "this instance is going down");
    atomic_store(&rq->hold, HOLD_DONE);
    finish(rq);
    request_drop(rq);
}

/* ---- memory ---- */

static void park(struct workers *w, struct request *rq)
{
    atomic_fetch_add(&w->waiting, 1);
    atomic_store(&rq->hold, HOLD_PARKED);
    rq->next_parked = NULL;
    *w->parked_end = rq;
    w->parked_end = &rq->next_parked;
    w->n_parked++;
}

/* Takes rq off the parked list; false when it is not there. */
static bool unpark(struct workers *w, struct request *rq)
{
    struct request **at = &w->parked;
    while (*at && *at != rq) at = &(*at)->next_parked;
    if (!*at) return false;
    *at = rq->next_parked;
    if (!*at) w->parked_end = at;
    w->n_parked--;
    return true;
}

bool workers_promise(struct request *rq, size_t bytes, bool *refused)
{
    struct workers *w = &rq->server->workers;
    *refused = false;
    if (rq->promised || rq->cancel) return true; /* who is told to stop waits for nothing */
    if (bytes > memory_promise_most(rq->server->memory)) {
        *refused = true;
        reply_problem(rq, CONVD_TOO_MUCH_MEMORY, "a smaller picture or fewer steps",
                      "the plan needs %zu bytes, more than all requests together may take", bytes);
        return false;
    }
    pthread_mutex_lock(&w->lock);
    /* those that wait go first, whatever their size: nobody starves */
    bool promised = w->n_parked == 0 && memory_promise(rq->server->memory, bytes);
    rq->promised = bytes;
    if (!promised) park(w, rq);
    pthread_mutex_unlock(&w->lock);
    return promised;
}

/* Lets parked requests go on, in their order, as far as memory reaches. */
void workers_wake(struct workers *w)
{
    pthread_mutex_lock(&w->lock);
    while (w->parked && memory_promise(w->server->memory, w->parked->promised)) {
        struct request *rq = w->parked;
        unpark(w, rq);
        atomic_store(&rq->hold, HOLD_QUEUED);
        convd_pool_submit(w->server->pool, &rq->task);
    }
    pthread_mutex_unlock(&w->lock);
}

void workers_promise_keep(struct request *rq, size_t bytes)
{
    if (rq->promised <= bytes) return;
    memory_unpromise(rq->server->memory, rq->promised - bytes);
    rq->promised = bytes;
    workers_wake(&rq->server->workers);
}

/* ---- deadlines ---- */

void workers_expire(struct request *rq, bool client_left)
{
    struct workers *w = &rq->server->workers;
    if (client_left) atomic_store(&rq->client_left, true);
    atomic_store(&rq->cancel, true); /* the one that runs stops between bands */
    pthread_mutex_lock(&w->lock);
    bool parked = atomic_load(&rq->hold) == HOLD_PARKED && unpark(w, rq);
    if (parked) atomic_store(&rq->hold, HOLD_EXPIRED);
    pthread_mutex_unlock(&w->lock);
    if (parked) rq->promised = 0; /* it was only asked for */
    if (!parked && !move(rq, HOLD_QUEUED, HOLD_EXPIRED)) return;
    atomic_fetch_sub(&w->waiting, 1);
    reply_problem(
        rq, API_DEADLINE, "a smaller picture, fewer steps, or a try when less is going on",
        "the request waited %.1f s for a worker", (double)(clock_ns() - rq->arrived) * 1e-9);
    finish(rq);
    if (parked)
        request_drop(rq); /* the task's share; a queued task still comes and drops its own */
}
