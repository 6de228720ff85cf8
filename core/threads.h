/* threads.h: one pool of workers for requests and their bands. An idle worker helps a running request; while requests
 * wait, each worker takes one. Threads are made once. */
#ifndef CONVD_THREADS_H
#define CONVD_THREADS_H
#include "convd.h"

/* A piece of work with a queue link inside: submitting allocates nothing. Owned by the caller until run was called. */
struct convd_task {
    void (*run)(struct convd_task *task);
    struct convd_task *next;
};
/* Puts a task at the end of the queue. False when the pool is stopping. */
bool convd_pool_submit(struct convd_pool *pool, struct convd_task *task);
#define CONVD_SLOTS_MOST 64 /* workers in one loop */
/* Calls fn(arg, i, slot) for i in 0..n-1, the caller taking part, and returns when all are done. Callers that run at the
 * same time have different slots, all below min(slots, threads + 1). pool NULL: one after another, slot 0. */
void convd_pool_for(struct convd_pool *pool, size_t n, size_t slots, void (*fn)(void *arg, size_t i, size_t slot), void *arg);
/* The work of pool goes behind the tasks of ahead, which lives longer: while one of those waits or runs, a loop waits a few
 * milliseconds before an index, and again after each half one of work. Once, before the pool is used. */
void convd_pool_behind(struct convd_pool *pool, const struct convd_pool *ahead);
/* That wait, between two pieces of work without a loop, or inside a long index. pool NULL, or behind nobody: none. */
void convd_pool_yield(const struct convd_pool *pool);
size_t convd_pool_waiting(const struct convd_pool *pool); /* tasks not taken yet     */
size_t convd_pool_busy(const struct convd_pool *pool);    /* workers inside a task   */
/* Threads this process may use: affinity and cgroup quota, at least 1. */
size_t convd_usable_threads(void);
#endif
