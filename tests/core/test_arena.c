#include "../../core/arena.h"
#include "../t.h"

/* Memory that counts, and says no beyond a budget. */
struct counter {
    size_t now, peak, budget;
};
static void *take(void *self, size_t bytes)
{
    struct counter *c = self;
    if (c->budget && c->now + bytes > c->budget)
        return NULL;
    c->now += bytes;
    c->peak = c->now > c->peak ? c->now : c->peak;
    return aligned_alloc(64, (bytes + 63) / 64 * 64);
}
static void give(void *self, void *p, size_t bytes)
{
    ((struct counter *)self)->now -= bytes;
    free(p);
}

TEST(pieces_are_aligned_and_apart)
{
    struct convd_arena a;
    struct t_rng r = t_rng(1);
    convd_arena_init(&a, NULL, 0);
    char *end = NULL;
    for (int i = 0; i < 2000; i++) {
        size_t n = (size_t)t_between(&r, 0, 3000);
        char *p = convd_arena_take(&a, n);
        OK(p != NULL);
        EQ(0, (uintptr_t)p % (n >= 64 ? 64 : 16));
        OK(p >= end || p + n <= end); /* never over the last one */
        memset(p, i, n);
        end = p + n;
    }
    convd_arena_release(&a);
    EQ(0, a.taken);
}

TEST(what_was_taken_goes_back)
{
    struct counter c = {0};
    const struct convd_memory m = {take, give, &c};
    struct convd_arena a;
    convd_arena_init(&a, &m, 0);
    for (int i = 0; i < 100; i++)
        OK(convd_arena_zero(&a, 10000) != NULL);
    OK(c.now >= 1000000);
    EQ(c.now, a.taken);
    convd_arena_reset(&a);
    EQ(c.now, a.taken);
    OK(c.now < c.peak);
    convd_arena_release(&a);
    EQ(0, c.now);
}

TEST(a_limit_holds_and_no_memory_is_null)
{
    struct counter c = {.budget = 100000};
    const struct convd_memory m = {take, give, &c};
    struct convd_arena a;
    convd_arena_init(&a, &m, 65536);
    OK(convd_arena_take(&a, 1 << 20) == NULL);
    size_t n = 0;
    while (convd_arena_take(&a, 1000))
        n++;
    OK(n >= 50 && n <= 65);
    OK(a.taken <= 65536);
    convd_arena_release(&a);
    convd_arena_init(&a, &m, 0);
    while (convd_arena_take(&a, 1000))
        ;
    OK(c.now <= 100000);
    convd_arena_release(&a);
    EQ(0, c.now);
}

TEST(products_that_overflow_are_refused)
{
    struct convd_arena a;
    size_t x;
    convd_arena_init(&a, NULL, 0);
    OK(convd_arena_array(&a, SIZE_MAX / 2, 3) == NULL);
    OK(convd_arena_take(&a, SIZE_MAX) == NULL);
    OK(convd_arena_take(&a, SIZE_MAX - 10) == NULL);
    OK(!convd_mul(SIZE_MAX, 2, &x));
    OK(!convd_add(SIZE_MAX, 1, &x));
    OK(convd_mul(3, 5, &x) && x == 15);
    STR("7 of 9", convd_arena_printf(&a, "%d of %s", 7, "9"));
    convd_arena_release(&a);
}
T_MAIN("core/arena")
