/* lib_value.c: value trees for tests; what they allocate lives as long as the program. */
#include "lib_value.h"
#include <stdarg.h>
#include <stdlib.h>

struct convd_value num(double x)
{
    return convd_number(x);
}

struct convd_value str(const char *s)
{
    return convd_string(s);
}

struct convd_value nothing(void)
{
    return (struct convd_value){.kind = CONVD_NULL};
}

static void *keep(size_t bytes)
{
    static struct convd_arena mem;
    void *p = convd_arena_zero(&mem, bytes + 1);
    if (!p) abort();
    return p;
}

struct convd_value list(int n, ...)
{
    struct convd_value *items = keep((size_t)n * sizeof *items);
    va_list ap;
    va_start(ap, n);
    for (int i = 0; i < n; i++) items[i] = va_arg(ap, struct convd_value);
    va_end(ap);
    return (struct convd_value){.kind = CONVD_ARRAY, .n = (uint32_t)n, .items = items};
}

struct convd_value object(int n, ...)
{
    struct convd_member *members = keep((size_t)n * sizeof *members);
    va_list ap;
    va_start(ap, n);
    for (int i = 0; i < n; i++) {
        members[i].name = va_arg(ap, const char *);
        members[i].value = va_arg(ap, struct convd_value);
    }
    va_end(ap);
    return (struct convd_value){.kind = CONVD_OBJECT, .n = (uint32_t)n, .members = members};
}
