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

TEST(at_least_one_thread_is_usable)
{
    OK(convd_usable_threads() >= 1);
    OK(convd_usable_threads() <= (size_t)sysconf(_SC_NPROCESSORS_CONF));
}
T_MAIN("core/threads")
