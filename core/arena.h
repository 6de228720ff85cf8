/* arena.h: memory that dies together. One owner, no free of single pieces. Not for use by two threads at once. */
#ifndef CONVD_ARENA_H
#define CONVD_ARENA_H
#include "convd.h"

struct convd_chunk;
struct convd_arena {
    const struct convd_memory *memory; /* where chunks come from; NULL: heap  */
    struct convd_chunk *chunks;        /* newest first                        */
    size_t taken;                      /* bytes of all chunks                 */
    size_t limit;                      /* most bytes of all chunks; 0: none   */
};

void convd_arena_init(struct convd_arena *a, const struct convd_memory *memory, size_t limit);
void convd_arena_release(struct convd_arena *a); /* gives every chunk back */
void convd_arena_reset(struct convd_arena *a);   /* forgets the contents, keeps the newest chunk */

/* 64-byte aligned for 64 bytes and more, else 16; not zeroed. NULL without memory or over the limit. */
void *convd_arena_take(struct convd_arena *a, size_t bytes);
void *convd_arena_zero(struct convd_arena *a, size_t bytes);                 /* zeroed */
void *convd_arena_array(struct convd_arena *a, size_t count, size_t size);   /* checked product, zeroed */
char *convd_arena_text(struct convd_arena *a, const char *s, size_t n);      /* copy, NUL added */
char *convd_arena_printf(struct convd_arena *a, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* a*b and a+b, false on overflow of size_t. */
static inline bool convd_mul(size_t a, size_t b, size_t *out) { return !__builtin_mul_overflow(a, b, out); }
static inline bool convd_add(size_t a, size_t b, size_t *out) { return !__builtin_add_overflow(a, b, out); }

/* Memory from m (NULL: heap), 64-byte aligned, not zeroed. */
void *convd_take(const struct convd_memory *m, size_t bytes);
void convd_give(const struct convd_memory *m, void *p, size_t bytes); /* p NULL is fine */
#endif
