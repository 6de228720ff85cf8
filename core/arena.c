/* arena.c: chunks of growing size, newest first; see arena.h. */
#include "arena.h"
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CHUNK_LEAST 16384u
#define CHUNK_MOST  1048576u /* of chunks for small pieces: one big picture does not make the next chunk twice as big */
#define ALIGNMENT 64u

struct convd_chunk {
    struct convd_chunk *next;
    size_t size; /* with this header */
    size_t used; /* with this header */
};

void *convd_take(const struct convd_memory *m, size_t bytes)
{
    if (m)
        return m->take(m->self, bytes);
    if (bytes > SIZE_MAX - ALIGNMENT)
        return NULL;
    return aligned_alloc(ALIGNMENT, (bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT);
}

void convd_give(const struct convd_memory *m, void *p, size_t bytes)
{
    if (!p)
        return;
    if (m)
        m->give(m->self, p, bytes);
    else
        free(p);
}

void convd_arena_init(struct convd_arena *a, const struct convd_memory *memory, size_t limit)
{
    *a = (struct convd_arena){.memory = memory, .limit = limit};
}

static void give_chunks(struct convd_arena *a, struct convd_chunk *c)
{
    while (c) {
        struct convd_chunk *next = c->next;
        a->taken -= c->size;
        convd_give(a->memory, c, c->size);
        c = next;
    }
}

void convd_arena_release(struct convd_arena *a)
{
    give_chunks(a, a->chunks);
    a->chunks = NULL;
}

void convd_arena_reset(struct convd_arena *a)
{
    if (!a->chunks)
        return;
    give_chunks(a, a->chunks->next);
    a->chunks->next = NULL;
    a->chunks->used = sizeof *a->chunks;
}

/* A chunk for at least `bytes` more: twice the last one as long as chunks are small. */
static struct convd_chunk *grow(struct convd_arena *a, size_t bytes)
{
    size_t size = a->chunks ? a->chunks->size : CHUNK_LEAST / 2, need;
    size = size < CHUNK_MOST / 2 ? 2 * size : CHUNK_MOST;
    if (!convd_add(bytes, sizeof(struct convd_chunk) + ALIGNMENT, &need))
        return NULL;
    if (size < need)
        size = need;
    if (a->limit && size > a->limit - a->taken)
        size = need;
    if (a->limit && size > a->limit - a->taken)
        return NULL;
    struct convd_chunk *c = convd_take(a->memory, size);
    if (!c)
        return NULL;
    *c = (struct convd_chunk){.next = a->chunks, .size = size, .used = sizeof *c};
    a->chunks = c;
    a->taken += size;
    return c;
}

/* The next `bytes` of a chunk, or NULL when it has no room. */
static void *carve(struct convd_chunk *c, size_t bytes)
{
    size_t align = bytes >= ALIGNMENT ? ALIGNMENT : 16;
    size_t start = (c->used + align - 1) / align * align;
    if (start > c->size || bytes > c->size - start)
        return NULL;
    c->used = start + bytes;
    return (char *)c + start;
}

void *convd_arena_take(struct convd_arena *a, size_t bytes)
{
    void *p = a->chunks ? carve(a->chunks, bytes) : NULL;
    if (p)
        return p;
    struct convd_chunk *c = grow(a, bytes);
    return c ? carve(c, bytes) : NULL;
}

void *convd_arena_zero(struct convd_arena *a, size_t bytes)
{
    void *p = convd_arena_take(a, bytes);
    return p ? memset(p, 0, bytes) : NULL;
}

void *convd_arena_array(struct convd_arena *a, size_t count, size_t size)
{
    size_t bytes;
    return convd_mul(count, size, &bytes) ? convd_arena_zero(a, bytes) : NULL;
}

char *convd_arena_text(struct convd_arena *a, const char *s, size_t n)
{
    char *p = n < SIZE_MAX ? convd_arena_take(a, n + 1) : NULL;
    if (!p)
        return NULL;
    memcpy(p, s, n);
    p[n] = '\0';
    return p;
}

char *convd_arena_printf(struct convd_arena *a, const char *format, ...)
{
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    int n = vsnprintf(NULL, 0, format, args);
    char *p = n < 0 ? NULL : convd_arena_take(a, (size_t)n + 1);
    if (p)
        vsnprintf(p, (size_t)n + 1, format, again);
    va_end(again);
    va_end(args);
    return p;
}
