/* limits.c: what this machine can do at most, in the line protocol of the peers; the name of a workload is the work.
 *
 *   mem:R:W                  read R bytes and write W bytes once: what both share by memcpy
 *   read:N write:N copy:N    one pass over N bytes in all
 *   touch4k:N touch2m:N      map N fresh bytes, write one in each page, unmap: small pages, huge pages
 *   fma:N                    N floating-point operations in f32 multiply-adds, each of which is two
 *   i16:N i8:N               N multiply-accumulates of 16-bit and 8-bit integers
 *
 * Arithmetic takes the widest instructions that the processor has; i8 wants AVX-512 VNNI. */
#include <immintrin.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

enum { MOST_THREADS = 64, BLOCK = 32768 };
static const size_t arena_bytes = (size_t)1 << 30, huge_page = (size_t)2 << 20;

/* One thread's share of a work. */
struct share {
    void (*work)(const struct share *s);
    size_t read, write; /* bytes, or the count of operations in read */
    long repeats;
    char *from, *to;
};

static double now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

/* ---- arithmetic: twelve chains of multiply-adds, so that their latency hides ---- */

#define TWELVE(X) X(0) X(1) X(2) X(3) X(4) X(5) X(6) X(7) X(8) X(9) X(10) X(11)
#define ARITHMETIC(NAME, TARGET, TYPE, ONE, LANES, STEP, JOIN)                                     \
    __attribute__((target(TARGET), noinline)) static void NAME(const struct share *s)              \
    {                                                                                              \
        TYPE x = ONE, y = ONE, v[12];                                                              \
        __asm__ volatile("" : "+x"(x), "+x"(y));                                                   \
        for (int i = 0; i < 12; i++) v[i] = x;                                                     \
        for (size_t n = s->read / (12 * (LANES)); n > 0; n--) {                                    \
            TWELVE(STEP)                                                                           \
        }                                                                                          \
        for (int i = 1; i < 12; i++) v[0] = JOIN(v[0], v[i]);                                      \
        __asm__ volatile("" ::"x"(v[0]));                                                          \
    }
#define FMA256(i)  v[i] = _mm256_fmadd_ps(x, y, v[i]);
#define FMA512(i)  v[i] = _mm512_fmadd_ps(x, y, v[i]);
#define MADD256(i) v[i] = _mm256_add_epi32(v[i], _mm256_madd_epi16(x, v[i]));
#define VNNI16(i)  v[i] = _mm512_dpwssd_epi32(v[i], x, y);
#define VNNI8(i)   v[i] = _mm512_dpbusd_epi32(v[i], x, y);
ARITHMETIC(fma256, "avx2,fma", __m256, _mm256_set1_ps(.5f), 16, FMA256, _mm256_add_ps)
ARITHMETIC(fma512, "avx512f", __m512, _mm512_set1_ps(.5f), 32, FMA512, _mm512_add_ps)
ARITHMETIC(madd256, "avx2", __m256i, _mm256_set1_epi32(1), 16, MADD256, _mm256_add_epi32)
ARITHMETIC(vnni16, "avx512f,avx512vnni", __m512i, _mm512_set1_epi32(1), 32, VNNI16,
           _mm512_add_epi32)
ARITHMETIC(vnni8, "avx512f,avx512vnni", __m512i, _mm512_set1_epi32(1), 64, VNNI8, _mm512_add_epi32)

/* ---- memory ---- */

__attribute__((target("avx2"))) static void read_bytes(const char *p, size_t n)
{
    __m256i a = _mm256_setzero_si256(), b = a, c = a, d = a;
    for (size_t i = 0; i + 128 <= n; i += 128) {
        const __m256i *q = (const __m256i *)(const void *)(p + i);
        a = _mm256_or_si256(a, _mm256_loadu_si256(q));
        b = _mm256_or_si256(b, _mm256_loadu_si256(q + 1));
        c = _mm256_or_si256(c, _mm256_loadu_si256(q + 2));
        d = _mm256_or_si256(d, _mm256_loadu_si256(q + 3));
    }
    a = _mm256_or_si256(_mm256_or_si256(a, b), _mm256_or_si256(c, d));
    __asm__ volatile("" ::"x"(a));
}

static void read_only(const struct share *s)
{
    read_bytes(s->from, s->read);
}

static void write_only(const struct share *s)
{
    memset(s->to, 1, s->write);
}

/* Block after block: copies what both have, reads or writes the rest. */
static void pass(const struct share *s)
{
    const size_t most = s->read > s->write ? s->read : s->write, n = (most + BLOCK - 1) / BLOCK;
    for (size_t i = 0; i < n; i++) {
        const size_t r = s->read * i / n, r_n = s->read * (i + 1) / n - r;
        const size_t w = s->write * i / n, w_n = s->write * (i + 1) / n - w;
        const size_t both = r_n < w_n ? r_n : w_n;
        memcpy(s->to + w, s->from + r, both);
        if (r_n > both) read_bytes(s->from + r + both, r_n - both);
        if (w_n > both) memset(s->to + w + both, 1, w_n - both);
    }
}

static void touch(const struct share *s, int advice)
{
    char *p =
        mmap(NULL, s->read + huge_page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED) return;
    char *q = p + (huge_page - (uintptr_t)p % huge_page) % huge_page;
    madvise(q, s->read, advice);
    for (size_t i = 0; i < s->read; i += 4096) q[i] = 1;
    munmap(p, s->read + huge_page);
}

static void touch_small(const struct share *s)
{
    touch(s, MADV_NOHUGEPAGE);
}

static void touch_huge(const struct share *s)
{
    touch(s, MADV_HUGEPAGE);
}

/* ---- a request ---- */

static bool has_vnni(void)
{
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vnni");
}

/* Reads "kind:N" or "mem:R:W"; false when there is no such work here. */
static bool read_request(const char *line, struct share *s)
{
    char kind[16] = "";
    if (sscanf(line, "%15[a-z0-9]:%zu:%zu", kind, &s->read, &s->write) < 2) return false;
    if (!__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("fma")) return false;
    const bool arithmetic = kind[0] == 'f' || kind[0] == 'i';
    if (strcmp(kind, "fma") == 0)
        s->work = __builtin_cpu_supports("avx512f") ? fma512 : fma256;
    else if (strcmp(kind, "i16") == 0)
        s->work = has_vnni() ? vnni16 : madd256;
    else if (strcmp(kind, "i8") == 0)
        s->work = has_vnni() ? vnni8 : NULL;
    else if (strcmp(kind, "read") == 0)
        s->work = read_only;
    else if (strcmp(kind, "write") == 0)
        s->work = write_only, s->write = s->read, s->read = 0;
    else if (strcmp(kind, "copy") == 0)
        s->work = pass, s->read = s->write = s->read / 2;
    else if (strcmp(kind, "mem") == 0)
        s->work = pass;
    else if (strcmp(kind, "touch4k") == 0)
        s->work = touch_small;
    else if (strcmp(kind, "touch2m") == 0)
        s->work = touch_huge;
    return s->work && (arithmetic || s->read <= arena_bytes) && s->write <= arena_bytes;
}

static void *work(void *arg)
{
    const struct share *s = arg;
    for (long i = 0; i < s->repeats; i++) {
        s->work(s);
        __asm__ volatile("" ::: "memory");
    }
    return NULL;
}

/* One thread on each core: left alone, the kernel may start the second beside the first and move it late. */
static double timed(struct share *shares, int threads, long repeats)
{
    pthread_t thread[MOST_THREADS];
    const double from = now_ms();
    for (int i = threads - 1; i >= 0; i--) {
        cpu_set_t set;
        CPU_ZERO(&set);
        CPU_SET((size_t)i, &set);
        shares[i].repeats = repeats;
        if (i == 0) {
            if (threads > 1) pthread_setaffinity_np(pthread_self(), sizeof set, &set);
            break;
        }
        pthread_attr_t attr;
        pthread_attr_init(&attr);
        pthread_attr_setaffinity_np(&attr, sizeof set, &set);
        if (pthread_create(&thread[i], &attr, work, &shares[i])) abort();
        pthread_attr_destroy(&attr);
    }
    work(&shares[0]);
    for (int i = 1; i < threads; i++) pthread_join(thread[i], NULL);
    return now_ms() - from;
}

static double sample(const struct share *all, int threads, char *arena)
{
    const char *text = getenv("SAMPLE_MS");
    const double want = text ? atof(text) : 15;
    struct share s[MOST_THREADS];
    const size_t read = all->read / (size_t)threads, write = all->write / (size_t)threads;
    for (int i = 0; i < threads; i++) {
        s[i] = *all;
        s[i].read = read;
        s[i].write = write;
        s[i].from = arena + (read + 4096) / 64 * 64 * (size_t)i % arena_bytes;
        s[i].to = arena + arena_bytes + (write + 4096) / 64 * 64 * (size_t)i % arena_bytes;
    }
    timed(s, threads, 1);
    const double one = timed(s, threads, 1);
    const long repeats = one < want / 1e5 ? 100000 : one > want ? 1 : (long)(want / one);
    timed(s, threads, repeats);
    return timed(s, threads, repeats) / (double)repeats;
}

int main(void)
{
    char line[256];
    char *arena =
        mmap(NULL, 3 * arena_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (arena == MAP_FAILED) return 1;
    madvise(arena, 3 * arena_bytes, MADV_HUGEPAGE);
    while (fgets(line, sizeof line, stdin)) {
        struct share all = {.work = NULL};
        const char *tab = strrchr(line, '\t');
        const int threads = tab ? atoi(tab + 1) : 1;
        if (threads < 1 || threads > MOST_THREADS || !read_request(line, &all)) {
            puts("!no such limit here");
        } else {
            /* Pages that were never written are all one page: no memory would be read. */
            for (size_t i = 0; i < arena_bytes && i < all.read; i += 4096) arena[i] = 1;
            printf("%.6f\t\n", sample(&all, threads, arena));
        }
        fflush(stdout);
    }
    return 0;
}
