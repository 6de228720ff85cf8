#include <time.h>
#include <unistd.h>

#include "../../core/threads.h"
#include "../t.h"

struct sum {
    atomic_size_t total, calls;
    atomic_uint inside[CONVD_SLOTS_MOST];
    atomic_bool clash;
};

static void add(void *arg, size_t i, size_t slot)
{
    struct sum *s = arg;
    if (slot >= CONVD_SLOTS_MOST || atomic_fetch_add(&s->inside[slot], 1) != 0)
        atomic_store(&s->clash, true);
    atomic_fetch_add(&s->total, i);
    atomic_fetch_add(&s->calls, 1);
    if (slot < CONVD_SLOTS_MOST)
        atomic_fetch_sub(&s->inside[slot], 1);
}

TEST(a_loop_runs_each_index_once_in_slots_of_its_own)
{
    struct convd_pool *pool = convd_pool_new(4);
    EQ(4, convd_pool_threads(pool));
    for (int round = 0; round < 300; round++) {
        struct sum s = {0};
        convd_pool_for(pool, 97, 3, add, &s);
        EQ(97, s.calls);
        EQ(97 * 96 / 2, s.total);
        OK(!s.clash);
    }
    convd_pool_free(pool);
}

TEST(without_a_pool_the_caller_does_it_all)
{
    struct sum s = {0};
    convd_pool_for(NULL, 10, 4, add, &s);
    EQ(10, s.calls);
}

struct job {
    struct convd_task task;
    struct convd_pool *pool;
    atomic_size_t *done;
};
static void run_job(struct convd_task *t)
{
    struct job *j = (struct job *)t;
    struct sum s = {0};
    convd_pool_for(j->pool, 50, 4, add, &s);
    if (s.calls == 50 && !s.clash)
        atomic_fetch_add(j->done, 1);
}

TEST(tasks_with_loops_inside_all_finish)
{
    struct convd_pool *pool = convd_pool_new(3);
    atomic_size_t done = 0;
    static struct job jobs[500];
    for (size_t i = 0; i < 500; i++) {
        jobs[i] = (struct job){.task = {.run = run_job}, .pool = pool, .done = &done};
        OK(convd_pool_submit(pool, &jobs[i].task));
    }
    convd_pool_free(pool); /* finishes what was taken */
    EQ(500, done);
}

static void note(struct convd_task *t)
{
    struct job *j = (struct job *)t;
    atomic_fetch_add(j->done, 1);
}
struct slow {
    atomic_size_t seen, *done;
};
static void slow_index(void *arg, size_t i, size_t slot)
{
    struct slow *s = arg;
    (void)i, (void)slot;
    usleep(2000);
    if (atomic_load(s->done))
        atomic_fetch_add(&s->seen, 1);
}

TEST(a_waiting_task_is_taken_before_the_loop_ends)
{
    struct convd_pool *pool = convd_pool_new(1);
    atomic_size_t done = 0;
    struct slow s = {.done = &done};
    struct job j = {.task = {.run = note}, .done = &done};
    OK(convd_pool_submit(pool, &j.task));
    convd_pool_for(pool, 100, 2, slow_index, &s); /* the one worker first takes the task, then helps */
    OK(s.seen > 0);
    EQ(1, done);
    convd_pool_free(pool);
}

/* A task that runs until a loop of those behind it has got somewhere. */
struct first {
    struct convd_task task;
    struct sum behind;
    atomic_bool running;
    double ms; /* that it took from the loop's begin */
    struct timespec begun;
};
static double ms_since(const struct timespec *begun)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)(t.tv_sec - begun->tv_sec) * 1e3 + (double)(t.tv_nsec - begun->tv_nsec) * 1e-6;
}
static void add_slowly(void *arg, size_t i, size_t slot)
{
    if (i < 3) usleep(1000);
    add(arg, i, slot);
}
static void run_first(struct convd_task *t)
{
    struct first *f = (struct first *)t;
    atomic_store(&f->running, true);
    while (atomic_load(&f->behind.calls) < 3) usleep(100);
    f->ms = ms_since(&f->begun);
}

TEST(what_is_behind_another_pool_waits_for_its_tasks_and_still_gets_somewhere)
{
    struct convd_pool *ahead = convd_pool_new(2), *pool = convd_pool_new(1);
    struct first f = {.task = {.run = run_first}};
    convd_pool_behind(pool, ahead);
    clock_gettime(CLOCK_MONOTONIC, &f.begun);
    OK(convd_pool_submit(ahead, &f.task));
    while (!atomic_load(&f.running)) usleep(100);
    convd_pool_for(pool, 3000, 1, add_slowly, &f.behind); /* would take 12 s if each waited */
    EQ(3000, f.behind.calls);
    convd_pool_free(pool);
    convd_pool_free(ahead);
    OK(f.ms >= 12); /* three waits of eight times half a millisecond */
}

TEST(at_least_one_thread_is_usable)
{
    OK(convd_usable_threads() >= 1);
    OK(convd_usable_threads() <= (size_t)sysconf(_SC_NPROCESSORS_CONF));
}
T_MAIN("core/threads")
