/* machine.c: memory limits, read where Linux tells them. */
#include "machine.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The number in a file such as memory.max; SIZE_MAX when it is not there or says "max". */
static size_t limit_in(const char *path)
{
    FILE *f = fopen(path, "r");
    unsigned long long x = 0;
    int got = f ? fscanf(f, "%llu", &x) : 0;
    if (f) fclose(f);
    return got == 1 && x > 0 && x < SIZE_MAX ? (size_t)x : SIZE_MAX;
}

/* The smallest limit of a cgroup and those above it. path: "/a/b" as /proc/self/cgroup has it; it is cut up. */
static size_t limit_upwards(const char *root, char *path, const char *name)
{
    size_t least = SIZE_MAX;
    for (;;) {
        char file[1200];
        snprintf(file, sizeof file, "%s%s/%s", root, strcmp(path, "/") == 0 ? "" : path, name);
        size_t x = limit_in(file);
        if (x < least) least = x;
        char *slash = strrchr(path, '/');
        if (!slash || !*path) return least;
        *slash = 0;
    }
}

size_t machine_memory(void)
{
    long pages = sysconf(_SC_PHYS_PAGES), page = sysconf(_SC_PAGESIZE);
    size_t least = pages > 0 && page > 0 ? (size_t)pages * (size_t)page : (size_t)1 << 30;
    FILE *f = fopen("/proc/self/cgroup", "r");
    char line[1024];
    while (f && fgets(line, sizeof line, f)) {
        line[strcspn(line, "\n")] = 0;
        char *controllers = strchr(line, ':'),
             *path = controllers ? strchr(controllers + 1, ':') : NULL;
        if (!path) continue;
        *path++ = 0;
        size_t x = SIZE_MAX;
        if (!controllers[1])
            x = limit_upwards("/sys/fs/cgroup", path, "memory.max");
        else if (strcmp(controllers + 1, "memory") == 0)
            x = limit_upwards("/sys/fs/cgroup/memory", path, "memory.limit_in_bytes");
        if (x < least) least = x;
    }
    if (f) fclose(f);
    return least;
}
