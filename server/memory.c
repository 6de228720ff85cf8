/* memory.c: size-classed buffers under one budget; see memory.h. Four classes an octave: at most a quarter is
 * wasted, and only in address space, for pages beyond what was asked are not touched. */
#include "memory.h"
#include "clock.h"
#include <malloc.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/mman.h>

#define CLASS_LEAST 4096u /* bytes of the smallest class                                          */
#define CLASSES     144   /* up to 2^48                                                           */
#define LOOK_AHEAD  4 /* larger classes a buffer may be borrowed from: twice as large            */
#define MAPPED_FROM                                                                                \
    (256u * 1024u) /* classes from here on are mappings of their own: freed means gone     */
#define HEAD 64u   /* the block's header; keeps the caller's part 64-byte aligned          */

struct block {
    struct block *next;
    int64_t since; /* clock_ms when it came back */
    uint32_t class;
};

struct memory {
    struct convd_memory face;
    pthread_mutex_t lock;
    struct block *cache[CLASSES];
    struct memory_counts counts;
};

static size_t class_size(uint32_t class)
{
    if (class == 0) return CLASS_LEAST;
    uint32_t octave = (class - 1) / 4, quarter = (class - 1) % 4;
    size_t base = (size_t)CLASS_LEAST << octave;
    return base + base / 4 * (quarter + 1);
}

static uint32_t class_of(size_t bytes)
{
    if (bytes <= CLASS_LEAST) return 0;
    uint32_t k = 63 - (uint32_t)__builtin_clzll((unsigned long long)(bytes - 1));
    size_t base = (size_t)1 << k;
    return 1 + (k - 12) * 4 + (uint32_t)((bytes - 1 - base) / (base / 4));
}

static void block_free(struct block *b)
{
    size_t size = class_size(b->class);
    if (size >= MAPPED_FROM)
        munmap(b, size);
    else
        free(b);
}

static struct block *block_new(uint32_t class)
{
    size_t size = class_size(class);
    struct block *b;
    if (size >= MAPPED_FROM) {
        b = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (b == MAP_FAILED) return NULL;
    } else {
        b = aligned_alloc(HEAD, size);
        if (!b) return NULL;
    }
    b->class = class;
    return b;
}

/* Takes cached blocks that came back before `before` out of the cache, largest first, until `enough` bytes
 * are found. Returns them as a list. Within a class the newest comes first. */
static struct block *uncache(struct memory *m, int64_t before, size_t enough)
{
    struct block *list = NULL;
    size_t found = 0;
    for (uint32_t c = CLASSES; c-- > 0 && found < enough;) {
        struct block **at = &m->cache[c];
        while (*at && found < enough) {
            if ((*at)->since >= before) {
                at = &(*at)->next;
                continue;
            }
            struct block *b = *at;
            *at = b->next;
            b->next = list;
            list = b;
            found += class_size(c);
        }
    }
    m->counts.cached -= found;
    return list;
}

static size_t free_list(struct block *b)
{
    size_t bytes = 0;
    while (b) {
        struct block *next = b->next;
        bytes += class_size(b->class);
        block_free(b);
        b = next;
    }
    return bytes;
}

/* Half as much again as the budget would be a leak; a little above it is arenas and small things that no plan
 * counts. */
static size_t hard_limit(const struct memory *m)
{
    return m->counts.budget + m->counts.budget / 8 + ((size_t)16 << 20);
}

static void *take(void *self, size_t bytes)
{
    struct memory *m = self;
    if (bytes > (size_t)1 << 46) return NULL;
    uint32_t class = class_of(bytes + HEAD);
    struct block *b = NULL, *old = NULL;

    pthread_mutex_lock(&m->lock);
    if (bytes > hard_limit(m) || m->counts.used > hard_limit(m) - bytes) {
        pthread_mutex_unlock(&m->lock);
        return NULL;
    }
    for (uint32_t c = class; c <= class + LOOK_AHEAD && c < CLASSES && !b; c++) {
        b = m->cache[c];
        if (b) {
            m->cache[c] = b->next;
            m->counts.cached -= class_size(c);
        }
    }
    m->counts.used += bytes;
    if (m->counts.used > m->counts.peak) m->counts.peak = m->counts.used;
    if (!b) {
        m->counts.fresh++;
        size_t all = m->counts.used + m->counts.cached;
        if (all > m->counts.budget) old = uncache(m, INT64_MAX, all - m->counts.budget);
    }
    pthread_mutex_unlock(&m->lock);

    free_list(old);
    if (!b) b = block_new(class);
    if (!b) {
        pthread_mutex_lock(&m->lock);
        m->counts.used -= bytes;
        pthread_mutex_unlock(&m->lock);
        return NULL;
    }
    return (char *)b + HEAD;
}

static void give(void *self, void *p, size_t bytes)
{
    struct memory *m = self;
    if (!p) return;
    struct block *b = (struct block *)(void *)((char *)p - HEAD);
    b->since = clock_ms();
    pthread_mutex_lock(&m->lock);
    m->counts.used -= bytes;
    b->next = m->cache[b->class];
    m->cache[b->class] = b;
    m->counts.cached += class_size(b->class);
    pthread_mutex_unlock(&m->lock);
}

struct memory *memory_new(size_t budget)
{
    struct memory *m = calloc(1, sizeof *m);
    if (!m) return NULL;
    mallopt(M_ARENA_MAX, 2);
    m->face = (struct convd_memory){.take = take, .give = give, .self = m};
    m->counts.budget = budget;
    pthread_mutex_init(&m->lock, NULL);
    return m;
}

void memory_free(struct memory *m)
{
    if (!m) return;
    free_list(uncache(m, INT64_MAX, SIZE_MAX));
    pthread_mutex_destroy(&m->lock);
    free(m);
}

const struct convd_memory *memory_face(const struct memory *m)
{
    return &m->face;
}

static size_t upload_most(const struct memory *m)
{
    return m->counts.budget / 4;
}

size_t memory_promise_most(const struct memory *m)
{
    return m->counts.budget - upload_most(m);
}

/* Adds bytes to *count when the sum stays at or below most. */
static bool add(struct memory *m, size_t *count, size_t bytes, size_t most)
{
    pthread_mutex_lock(&m->lock);
    bool fits = bytes <= most && *count <= most - bytes;
    if (fits) *count += bytes;
    pthread_mutex_unlock(&m->lock);
    return fits;
}

static void subtract(struct memory *m, size_t *count, size_t bytes)
{
    pthread_mutex_lock(&m->lock);
    *count -= bytes;
    pthread_mutex_unlock(&m->lock);
}

bool memory_promise(struct memory *m, size_t bytes)
{
    return add(m, &m->counts.promised, bytes, memory_promise_most(m));
}

void memory_unpromise(struct memory *m, size_t bytes)
{
    subtract(m, &m->counts.promised, bytes);
}

bool memory_upload(struct memory *m, size_t bytes)
{
    return add(m, &m->counts.uploads, bytes, upload_most(m));
}

void memory_upload_done(struct memory *m, size_t bytes)
{
    subtract(m, &m->counts.uploads, bytes);
}

bool memory_upload_fits(struct memory *m, size_t bytes)
{
    pthread_mutex_lock(&m->lock);
    bool fits = bytes <= upload_most(m) && m->counts.uploads <= upload_most(m) - bytes;
    pthread_mutex_unlock(&m->lock);
    return fits;
}

struct memory_counts memory_counts(struct memory *m)
{
    pthread_mutex_lock(&m->lock);
    struct memory_counts c = m->counts;
    pthread_mutex_unlock(&m->lock);
    return c;
}

size_t memory_trim(struct memory *m, int64_t before)
{
    pthread_mutex_lock(&m->lock);
    struct block *list = uncache(m, before, SIZE_MAX);
    pthread_mutex_unlock(&m->lock);
    size_t bytes = free_list(list);
    if (bytes) malloc_trim(0);
    return bytes;
}
