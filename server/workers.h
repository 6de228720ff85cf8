/* workers.h: who may run when. Requests are admitted while the queue has room, run on core's pool, and start
 * only when their memory is promised. */
#ifndef WORKERS_H
#define WORKERS_H
#include <pthread.h>

#include "../core/threads.h"

struct request;
struct server;

struct workers {
    struct server *server;
    size_t depth;               /* most requests that wait                  */
    atomic_size_t waiting;      /* queued or parked                         */
    atomic_size_t running;      /* taken by a worker and not done           */
    pthread_mutex_t lock;       /* of the parked list                       */
    struct request *parked, **parked_end;
    size_t n_parked;
};

void workers_init(struct workers *w, struct server *server, size_t depth);
void workers_release(struct workers *w);
/* Whether one more request may wait: asked when headers come, before a body is read. */
bool workers_room(struct workers *w);
/* Hands a whole request over; its connection must be suspended. Replies 503 (and resumes) when there is no
 * room. */
void workers_submit(struct request *rq);
/* The promise of memory for a planned request. False: it was parked, or refused with the reply made
 * (*refused). */
bool workers_promise(struct request *rq, size_t bytes, bool *refused);
/* Lowers a request's promise and lets parked ones go on. */
void workers_promise_keep(struct request *rq, size_t bytes);
/* The timer's word: answers a request that still waits (504), or tells the one that runs to stop. */
void workers_expire(struct request *rq, bool client_left);
/* Memory was given back: lets parked ones go on. */
void workers_wake(struct workers *w);
size_t workers_busy(struct workers *w); /* waiting and running */
#endif
