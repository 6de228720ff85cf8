/* heap.h: counts what a test asks of the C library's heap while it watches. Once a program, with the line
 * link: -Wl,--wrap=malloc -Wl,--wrap=calloc -Wl,--wrap=realloc -Wl,--wrap=aligned_alloc */
#ifndef TESTS_HEAP_H
#define TESTS_HEAP_H
#include <stdbool.h>
#include <stddef.h>

static volatile bool watching; /* compilers know that malloc looks at no variables */
static volatile size_t heap;

#define WATCH(NAME, PARAMETERS, ARGUMENTS)                                                         \
    void *__real_##NAME PARAMETERS;                                                                \
    void *__wrap_##NAME PARAMETERS;                                                                \
    void *__wrap_##NAME PARAMETERS                                                                 \
    {                                                                                              \
        heap = heap + watching;                                                                    \
        return __real_##NAME ARGUMENTS;                                                            \
    }
WATCH(malloc, (size_t n), (n))
WATCH(calloc, (size_t k, size_t n), (k, n))
WATCH(realloc, (void *p, size_t n), (p, n))
WATCH(aligned_alloc, (size_t a, size_t n), (a, n))
#endif
