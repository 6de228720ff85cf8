/* memory.c: the buffers of requests: kept, bounded, given back. */
#include "../t.h"
#include "server/clock.h"
#include "server/memory.h"
#include <pthread.h>

#define MI ((size_t)1 << 20)

TEST(a_second_request_takes_nothing_fresh)
{
    struct memory *m = memory_new(64 * MI);
    const struct convd_memory *f = memory_face(m);
    static const size_t sizes[] = {1, 700, 4096, 16384, 70000, 3 * MI, 10 * MI + 1};
    size_t fresh = 0;
    for (int round = 0; round < 5; round++) {
        void *p[7];
        for (int i = 0; i < 7; i++) {
            p[i] = f->take(f->self, sizes[i]);
            OK(p[i] && (uintptr_t)p[i] % 64 == 0);
            memset(p[i], round + 1, sizes[i]);
        }
        for (int i = 0; i < 7; i++) { /* nobody else's memory was written */
            EQ(round + 1, ((unsigned char *)p[i])[0]);
            EQ(round + 1, ((unsigned char *)p[i])[sizes[i] - 1]);
            f->give(f->self, p[i], sizes[i]);
        }
        if (round == 0) fresh = memory_counts(m).fresh;
        EQ(fresh, memory_counts(m).fresh);
        EQ(0, memory_counts(m).used);
    }
    memory_free(m);
}

TEST(a_slightly_larger_buffer_serves_a_smaller_wish)
{
    struct memory *m = memory_new(64 * MI);
    const struct convd_memory *f = memory_face(m);
    void *p = f->take(f->self, MI + MI / 2);
    f->give(f->self, p, MI + MI / 2);
    OK(f->take(f->self, MI) == p);
    f->give(f->self, p, MI);
    void *q = f->take(f->self, MI / 4); /* but not one that is much too large */
    OK(q != p);
    f->give(f->self, q, MI / 4);
    memory_free(m);
}

TEST(the_budget_holds)
{
    struct memory *m = memory_new(32 * MI);
    const struct convd_memory *f = memory_face(m);
    OK(f->take(f->self, 64 * MI) == NULL);
    OK(f->take(f->self, SIZE_MAX) == NULL);
    OK(f->take(f->self, SIZE_MAX - 32) == NULL);
    void *p[40] = {NULL};
    size_t got = 0;
    while (got < 40 && (p[got] = f->take(f->self, 2 * MI)) != NULL) got++;
    OK(got >= 16 && got < 40);
    EQ(got * 2 * MI, memory_counts(m).used);
    for (size_t i = 0; i < got; i++) f->give(f->self, p[i], 2 * MI);
    void *other = f->take(f->self, 20 * MI); /* what is kept makes room */
    OK(other != NULL);
    struct memory_counts c = memory_counts(m);
    OK(c.used + c.cached <= c.budget + c.budget / 4);
    f->give(f->self, other, 20 * MI);
    memory_free(m);
}

TEST(what_rests_goes_back)
{
    struct memory *m = memory_new(64 * MI);
    const struct convd_memory *f = memory_face(m);
    void *p = f->take(f->self, 5 * MI);
    f->give(f->self, p, 5 * MI);
    OK(memory_counts(m).cached >= 5 * MI);
    EQ(0, memory_trim(m, clock_ms() - 60000)); /* used a moment ago */
    OK(memory_trim(m, clock_ms() + 1) >= 5 * MI);
    EQ(0, memory_counts(m).cached);
    memory_free(m);
}

TEST(promises_and_uploads_have_their_parts)
{
    struct memory *m = memory_new(40 * MI);
    EQ(30 * MI, memory_promise_most(m));
    OK(memory_promise(m, 20 * MI));
    OK(!memory_promise(m, 10 * MI + 1));
    OK(memory_promise(m, 10 * MI));
    memory_unpromise(m, 20 * MI);
    OK(memory_promise(m, MI));
    OK(!memory_promise(m, SIZE_MAX));
    OK(memory_upload(m, 10 * MI));
    OK(!memory_upload(m, 1) && !memory_upload_fits(m, 1));
    memory_upload_done(m, 10 * MI);
    OK(memory_upload_fits(m, 10 * MI) && !memory_upload_fits(m, 10 * MI + 1));
    memory_free(m);
}

static void *churn(void *arg)
{
    const struct convd_memory *f = arg;
    struct t_rng r = {(uint64_t)(uintptr_t)&r};
    for (int i = 0; i < 3000; i++) {
        size_t n = (size_t)t_between(&r, 1, 300000);
        unsigned char *p = f->take(f->self, n);
        if (!p) return arg;
        p[0] = p[n - 1] = (unsigned char)i;
        if (p[0] != (unsigned char)i) return arg;
        f->give(f->self, p, n);
    }
    return NULL;
}

TEST(threads_share_it)
{
    struct memory *m = memory_new(64 * MI);
    pthread_t t[4];
    for (int i = 0; i < 4; i++)
        EQ(0, pthread_create(&t[i], NULL, churn, (void *)(uintptr_t)memory_face(m)));
    for (int i = 0; i < 4; i++) {
        void *wrong;
        pthread_join(t[i], &wrong);
        OK(wrong == NULL);
    }
    EQ(0, memory_counts(m).used);
    memory_free(m);
}

T_MAIN("http/memory")
