/* threads.c: the worker pool: a queue of tasks, and shared loops that idle workers join; see threads.h. */
#define _GNU_SOURCE /* sched_getaffinity */
#include "threads.h"
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* One convd_pool_for under way, on its caller's stack. Linked into the pool while it may be joined. */
struct loop {
    void (*fn)(void *arg, size_t i, size_t slot);
    void *arg;
    size_t n;
    atomic_size_t next;     /* index not taken yet                         */
    uint64_t free;          /* bit i: slot i is free; under the pool's lock */
    atomic_size_t inside;   /* helpers inside; written under the lock      */
    const struct convd_pool *pool; /* NULL: the calling thread alone       */
    struct loop *after;
};

struct convd_pool {
    pthread_mutex_t lock;
    pthread_cond_t work;    /* a task or a loop came, or the pool stops    */
    pthread_cond_t left;    /* a helper left a loop                        */
    struct convd_task *first, *last;
    struct loop *loops;
    atomic_size_t news;     /* counts tasks, loops and the stop            */
    atomic_size_t waiting;  /* tasks queued; written under the lock        */
    atomic_size_t busy;     /* workers inside a task                       */
    const struct convd_pool *ahead; /* whose tasks go first; NULL: nobody's */
    bool stopping;
    size_t n;
    pthread_t threads[];
};

/* ---- how many ---- */

/* The cgroup's CPU quota in threads, rounded up; 0: none. Version 2 ("max 100000" or "150000 100000"), then version 1. */
static size_t quota_threads(void)
{
    long long quota = -1, period = 0;
    char word[32];
    FILE *f = fopen("/sys/fs/cgroup/cpu.max", "re");
    if (f) {
        if (fscanf(f, "%31s %lld", word, &period) == 2 && strcmp(word, "max") != 0)
            quota = strtoll(word, NULL, 10);
        fclose(f);
    } else if ((f = fopen("/sys/fs/cgroup/cpu/cpu.cfs_quota_us", "re"))) {
        FILE *g = fopen("/sys/fs/cgroup/cpu/cpu.cfs_period_us", "re");
        if (fscanf(f, "%lld", &quota) != 1 || !g || fscanf(g, "%lld", &period) != 1)
            quota = -1;
        if (g)
            fclose(g);
        fclose(f);
    }
    return quota > 0 && period > 0 ? (size_t)((quota + period - 1) / period) : 0;
}

size_t convd_usable_threads(void)
{
    cpu_set_t set;
    size_t n = 1, quota = quota_threads();
    if (sched_getaffinity(0, sizeof set, &set) == 0 && CPU_COUNT(&set) > 0)
        n = (size_t)CPU_COUNT(&set);
    return quota && quota < n ? quota : n;
}

/* ---- waiting ---- */

/* Waking a thread takes about as long as a small band: who just worked looks for more this long before it sleeps. */
enum { SPIN_NS = 50000 };

static long now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (long)t.tv_sec * 1000000000L + t.tv_nsec;
}

static void pause_a_little(void)
{
#ifdef __x86_64__
    __builtin_ia32_pause();
#endif
}

/* Returns when *x is no longer `same`, or after SPIN_NS. */
static void spin_while(const atomic_size_t *x, size_t same)
{
    const long end = now_ns() + SPIN_NS;
    do
        for (int i = 0; i < 16; i++) {
            if (atomic_load_explicit(x, memory_order_relaxed) != same) return;
            pause_a_little();
        }
    while (now_ns() < end);
}

/* ---- who goes first ---- */

/* Who lets others go first looks again after so long, and after so many times goes on in any case: under a load that never
 * ends it still gets somewhere. */
enum { LOOK_NS = 500000, LOOKS = 8 };

void convd_pool_behind(struct convd_pool *pool, const struct convd_pool *ahead)
{
    pool->ahead = ahead;
}

void convd_pool_yield(const struct convd_pool *pool)
{
    const struct convd_pool *ahead = pool ? pool->ahead : NULL;
    for (int i = 0; ahead && i < LOOKS && (atomic_load(&ahead->busy) || atomic_load(&ahead->waiting)); i++)
        nanosleep(&(struct timespec){.tv_nsec = LOOK_NS}, NULL);
}

/* ---- loops ---- */

/* Takes indexes until none is left; a helper also leaves when a request waits for a worker. */
static void take_part(struct loop *l, size_t slot, bool helps)
{
    const bool behind = l->pool && l->pool->ahead;
    for (long fresh = 0; !helps || atomic_load_explicit(&l->pool->waiting, memory_order_relaxed) == 0;) {
        if (behind && now_ns() >= fresh) {
            convd_pool_yield(l->pool);
            fresh = now_ns() + LOOK_NS;
        }
        size_t i = atomic_fetch_add_explicit(&l->next, 1, memory_order_relaxed);
        if (i >= l->n)
            return;
        l->fn(l->arg, i, slot);
    }
}

/* A loop that still has work and a free slot. The caller holds the lock. */
static struct loop *joinable(const struct convd_pool *pool)
{
    for (struct loop *l = pool->loops; l; l = l->after)
        if (l->free && atomic_load_explicit(&l->next, memory_order_relaxed) < l->n)
            return l;
    return NULL;
}

/* Helps with a loop; enters and leaves with the lock held. */
static void help(struct convd_pool *pool, struct loop *l)
{
    size_t slot = (size_t)__builtin_ctzll(l->free);
    l->free &= l->free - 1;
    l->inside++;
    pthread_mutex_unlock(&pool->lock);
    take_part(l, slot, true);
    pthread_mutex_lock(&pool->lock);
    l->free |= UINT64_C(1) << slot;
    if (--l->inside == 0)
        pthread_cond_broadcast(&pool->left);
}

void convd_pool_for(struct convd_pool *pool, size_t n, size_t slots, void (*fn)(void *arg, size_t i, size_t slot), void *arg)
{
    slots = slots > CONVD_SLOTS_MOST ? CONVD_SLOTS_MOST : slots;
    struct loop l = {.fn = fn, .arg = arg, .n = n, .pool = pool};
    if (!pool || n < 2 || slots < 2) {
        take_part(&l, 0, false);
        return;
    }
    l.free = (slots < 64 ? (UINT64_C(1) << slots) - 1 : UINT64_MAX) & ~UINT64_C(1); /* slot 0 is the caller's */
    pthread_mutex_lock(&pool->lock);
    l.after = pool->loops;
    pool->loops = &l;
    pool->news++;
    pthread_cond_broadcast(&pool->work);
    pthread_mutex_unlock(&pool->lock);
    take_part(&l, 0, false);
    pthread_mutex_lock(&pool->lock);
    struct loop **link = &pool->loops;
    while (*link != &l)
        link = &(*link)->after;
    *link = l.after;
    if (l.inside) { /* one at a time leaves; most often there is one */
        const size_t inside = l.inside;
        pthread_mutex_unlock(&pool->lock);
        spin_while(&l.inside, inside);
        pthread_mutex_lock(&pool->lock);
    }
    while (l.inside)
        pthread_cond_wait(&pool->left, &pool->lock);
    pthread_mutex_unlock(&pool->lock);
}

/* ---- tasks ---- */

static struct convd_task *pop(struct convd_pool *pool)
{
    struct convd_task *t = pool->first;
    pool->first = t->next;
    if (!pool->first)
        pool->last = NULL;
    pool->waiting--;
    return t;
}

static void *worker(void *arg)
{
    struct convd_pool *pool = arg;
    pthread_mutex_lock(&pool->lock);
    for (bool worked = false;;) {
        struct loop *l;
        if (!pool->first && !joinable(pool) && worked && !pool->stopping) {
            const size_t news = pool->news;
            pthread_mutex_unlock(&pool->lock);
            spin_while(&pool->news, news);
            pthread_mutex_lock(&pool->lock);
        }
        worked = true;
        if (pool->first) { /* requests before bands: a busy pool gives each request one worker */
            struct convd_task *t = pop(pool);
            pool->busy++;
            pthread_mutex_unlock(&pool->lock);
            t->run(t);
            pthread_mutex_lock(&pool->lock);
            pool->busy--;
        } else if ((l = joinable(pool))) {
            help(pool, l);
        } else if (pool->stopping) {
            break;
        } else {
            pthread_cond_wait(&pool->work, &pool->lock);
            worked = false;
        }
    }
    pthread_mutex_unlock(&pool->lock);
    return NULL;
}

bool convd_pool_submit(struct convd_pool *pool, struct convd_task *task)
{
    task->next = NULL;
    pthread_mutex_lock(&pool->lock);
    bool taken = !pool->stopping;
    if (taken) {
        if (pool->last)
            pool->last->next = task;
        else
            pool->first = task;
        pool->last = task;
        pool->waiting++;
        pool->news++;
        pthread_cond_signal(&pool->work);
    }
    pthread_mutex_unlock(&pool->lock);
    return taken;
}

struct convd_pool *convd_pool_new(size_t threads)
{
    if (!threads)
        threads = convd_usable_threads();
    struct convd_pool *pool = calloc(1, sizeof *pool + threads * sizeof pool->threads[0]);
    if (!pool)
        return NULL;
    pthread_mutex_init(&pool->lock, NULL);
    pthread_cond_init(&pool->work, NULL);
    pthread_cond_init(&pool->left, NULL);
    for (; pool->n < threads; pool->n++)
        if (pthread_create(&pool->threads[pool->n], NULL, worker, pool) != 0) {
            convd_pool_free(pool);
            return NULL;
        }
    return pool;
}

void convd_pool_free(struct convd_pool *pool)
{
    if (!pool)
        return;
    pthread_mutex_lock(&pool->lock);
    pool->stopping = true;
    pool->news++;
    pthread_cond_broadcast(&pool->work);
    pthread_mutex_unlock(&pool->lock);
    for (size_t i = 0; i < pool->n; i++)
        pthread_join(pool->threads[i], NULL);
    pthread_cond_destroy(&pool->left);
    pthread_cond_destroy(&pool->work);
    pthread_mutex_destroy(&pool->lock);
    free(pool);
}

size_t convd_pool_threads(const struct convd_pool *pool)
{
    return pool->n;
}

size_t convd_pool_waiting(const struct convd_pool *pool)
{
    return atomic_load(&pool->waiting);
}

size_t convd_pool_busy(const struct convd_pool *pool)
{
    return atomic_load(&pool->busy);
}
