/* t.h: what a test file needs on top of cmocka. One file is one program:
 *
 *     #include "../t.h"
 *     TEST(sums_are_exact)
 *     {
 *         EQ(4, 2 + 2);
 *     }
 *     T_MAIN("core/sums")
 *
 * A failed check prints both values and ends its test; the others go on. */
#ifndef T_H
#define T_H
#include <inttypes.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define T_MOST 1024
__attribute__((unused)) static struct CMUnitTest t_tests[T_MOST];
__attribute__((unused)) static size_t t_count;

/* Defines a test and puts it on the list, in the order of the file. */
#define TEST(NAME)                                                                                 \
    static void test_##NAME(void **state);                                                         \
    __attribute__((constructor)) static void register_##NAME(void)                                 \
    {                                                                                              \
        if (t_count == T_MOST) abort();                                                            \
        t_tests[t_count++] = (struct CMUnitTest){.name = #NAME, .test_func = test_##NAME};         \
    }                                                                                              \
    static void test_##NAME(void **state __attribute__((unused)))

#define T_MAIN(GROUP)                                                                              \
    int main(void)                                                                                 \
    {                                                                                              \
        return _cmocka_run_group_tests(GROUP, t_tests, t_count, NULL, NULL) ? 1 : 0;               \
    }

#define T_FAIL(...)                                                                                \
    do {                                                                                           \
        print_error("%s:%d: ", __FILE__, __LINE__);                                                \
        print_error(__VA_ARGS__);                                                                  \
        print_error("\n");                                                                         \
        _fail(__FILE__, __LINE__);                                                                 \
    } while (0)

/* Integers, of whatever type. */
#define EQ(EXPECTED, GOT)                                                                          \
    do {                                                                                           \
        intmax_t t_e = (intmax_t)(EXPECTED), t_g = (intmax_t)(GOT);                                \
        if (t_e != t_g) T_FAIL("%s: expected %jd, got %jd", #GOT, t_e, t_g);                       \
    } while (0)
/* Numbers; NaN is near NaN, an infinity near itself. */
#define NEAR(EXPECTED, GOT, TOLERANCE)                                                             \
    do {                                                                                           \
        double t_e = (double)(EXPECTED), t_g = (double)(GOT), t_t = (double)(TOLERANCE);           \
        bool t_same =                                                                              \
            (isnan(t_e) && isnan(t_g)) || (isinf(t_e) && isinf(t_g) && (t_e > 0) == (t_g > 0));    \
        if (!t_same && !(fabs(t_e - t_g) <= t_t))                                                  \
            T_FAIL("%s: expected %.9g, got %.9g (tolerance %.3g)", #GOT, t_e, t_g, t_t);           \
    } while (0)
/* Strings; NULL equals NULL only. */
#define STR(EXPECTED, GOT)                                                                         \
    do {                                                                                           \
        const char *t_e = (EXPECTED), *t_g = (GOT);                                                \
        if (!t_e != !t_g || (t_e && strcmp(t_e, t_g) != 0))                                        \
            T_FAIL("%s: expected \"%s\", got \"%s\"", #GOT, t_e ? t_e : "(null)",                  \
                   t_g ? t_g : "(null)");                                                          \
    } while (0)
#define OK(CONDITION)                                                                              \
    do {                                                                                           \
        if (!(CONDITION)) T_FAIL("not true: %s", #CONDITION);                                      \
    } while (0)

/* A whole file of tests/data (or of an absolute path), with a NUL behind it; the test fails when it is not there. */
static inline void *t_file(const char *name, size_t *n)
{
    const char *root = getenv("TESTDATA");
    char path[1024];
    snprintf(path, sizeof path, "%s%s%s",
             name[0] == '/' ? ""
             : root         ? root
                            : "tests/data",
             name[0] == '/' ? "" : "/", name);
    FILE *f = fopen(path, "rb");
    if (!f) T_FAIL("cannot open %s", path);
    size_t size = 0, room = 65536;
    char *data = malloc(room + 1);
    for (size_t got; data && (got = fread(data + size, 1, room - size, f)) > 0;) {
        size += got;
        if (size == room) data = realloc(data, (room *= 2) + 1);
    }
    fclose(f);
    if (!data) T_FAIL("no memory for %s", path);
    data[size] = 0;
    if (n) *n = size;
    return data;
}

/* Random numbers (splitmix64). t_rng says its seed; the environment's SEED overrides the one given. */
struct t_rng {
    uint64_t state;
};
static inline struct t_rng t_rng(uint64_t seed)
{
    if (getenv("SEED")) seed = strtoull(getenv("SEED"), NULL, 0);
    print_message("seed %" PRIu64 "\n", seed);
    return (struct t_rng){seed};
}
static inline uint64_t t_random(struct t_rng *r)
{
    uint64_t z = (r->state += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}
/* An integer in [lo, hi]. */
static inline ptrdiff_t t_between(struct t_rng *r, ptrdiff_t lo, ptrdiff_t hi)
{
    return lo + (ptrdiff_t)(t_random(r) % (uint64_t)(hi - lo + 1));
}
/* A number in [lo, hi). */
static inline double t_uniform(struct t_rng *r, double lo, double hi)
{
    return lo + (hi - lo) * (double)(t_random(r) >> 11) * 0x1p-53;
}
/* ThreadSanitizer makes each access twenty times as slow: long random tests have fewer rounds, what kills waits longer. */
#ifdef __SANITIZE_THREAD__
enum { T_SLOW = 4 };
#else
enum { T_SLOW = 1 };
#endif
#define T_ROUNDS(N) (((N) + T_SLOW - 1) / T_SLOW)
#endif
