/* disk.c: see disk.h. */
#include "disk.h"
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/types.h>
#include <unistd.h>

static struct disk_control *control;

__attribute__((constructor)) static void attach(void)
{
    const char *path = getenv("DISK_CONTROL");
    int fd = path ? open(path, O_RDWR | O_CLOEXEC) : -1;
    if (fd < 0) return;
    void *at = mmap(NULL, sizeof *control, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    close(fd);
    if (at != MAP_FAILED) control = at;
}

static void end(void)
{
    kill(getpid(), SIGKILL);
    for (;;) pause();
}

/* Counts a call. 0: it may go on; -1: it fails with errno; 1: half of it is written first, then struck(). */
static int strike(enum disk_call kind)
{
    if (!control) return 0;
    unsigned n = atomic_fetch_add(&control->calls, 1) + 1;
    if (n <= DISK_MOST) control->kinds[n - 1] = (unsigned char)kind;
    unsigned from = atomic_load(&control->from);
    if (from == 0 || n < from || n > atomic_load(&control->to)) return 0;
    atomic_fetch_add(&control->struck, 1);
    int action = atomic_load(&control->action);
    if (action == DISK_KILL || (action == DISK_TEAR && kind != DISK_WRITE)) end();
    errno = action == DISK_BROKEN ? EIO : ENOSPC;
    return action != DISK_BROKEN && kind == DISK_WRITE ? 1 : -1;
}

static ssize_t half(ssize_t (*call)(int, const void *, size_t, off64_t), int fd, const void *data,
                    size_t n, off64_t at)
{
    call(fd, data, n / 2, at);
    if (atomic_load(&control->action) == DISK_TEAR) end();
    errno = ENOSPC;
    return -1;
}

#define REAL(TYPE, NAME, ...)                                                                      \
    static TYPE (*real)(__VA_ARGS__);                                                              \
    if (!real) *(void **)&real = dlsym(RTLD_NEXT, #NAME)

#define PWRITE(NAME)                                                                               \
    ssize_t NAME(int fd, const void *data, size_t n, off64_t at);                                  \
    ssize_t NAME(int fd, const void *data, size_t n, off64_t at)                                   \
    {                                                                                              \
        REAL(ssize_t, NAME, int, const void *, size_t, off64_t);                                   \
        int what = strike(DISK_WRITE);                                                             \
        return what == 0 ? real(fd, data, n, at) : what > 0 ? half(real, fd, data, n, at) : -1;    \
    }
PWRITE(pwrite)
PWRITE(pwrite64)

#define ONE(NAME, KIND, DECLARED, TYPES, ARGS)                                                     \
    int NAME DECLARED;                                                                             \
    int NAME DECLARED                                                                              \
    {                                                                                              \
        static int(*real) TYPES;                                                                   \
        if (!real) *(void **)&real = dlsym(RTLD_NEXT, #NAME);                                      \
        return strike(KIND) == 0 ? real ARGS : -1;                                                 \
    }
ONE(fsync, DISK_SYNC, (int fd), (int), (fd))
ONE(fdatasync, DISK_SYNC, (int fd), (int), (fd))
ONE(rename, DISK_RENAME, (const char *a, const char *b), (const char *, const char *), (a, b))
ONE(renameat, DISK_RENAME, (int a, const char *b, int c, const char *d),
    (int, const char *, int, const char *), (a, b, c, d))
ONE(unlink, DISK_UNLINK, (const char *a), (const char *), (a))
ONE(unlinkat, DISK_UNLINK, (int a, const char *b, int flags), (int, const char *, int), (a, b, flags))
ONE(ftruncate, DISK_TRUNCATE, (int fd, off64_t n), (int, off64_t), (fd, n))
ONE(ftruncate64, DISK_TRUNCATE, (int fd, off64_t n), (int, off64_t), (fd, n))
ONE(mkdirat, DISK_CREATE, (int fd, const char *a, mode_t m), (int, const char *, mode_t), (fd, a, m))

int posix_fallocate(int fd, off64_t at, off64_t n);
int posix_fallocate(int fd, off64_t at, off64_t n)
{
    REAL(int, posix_fallocate, int, off64_t, off64_t);
    return strike(DISK_WRITE) == 0 ? real(fd, at, n) : errno;
}

/* Opening counts when it makes a file. */
#define OPEN(NAME)                                                                                 \
    int NAME(const char *path, int flags, ...);                                                    \
    int NAME(const char *path, int flags, ...)                                                     \
    {                                                                                              \
        REAL(int, NAME, const char *, int, ...);                                                   \
        va_list args;                                                                              \
        va_start(args, flags);                                                                     \
        mode_t mode = flags & O_CREAT ? va_arg(args, mode_t) : 0;                                  \
        va_end(args);                                                                              \
        bool makes = (flags & O_CREAT) && access(path, F_OK) != 0;                                 \
        return makes && strike(DISK_CREATE) != 0 ? -1 : real(path, flags, mode);                   \
    }
OPEN(open)
OPEN(open64)

#define OPENAT(NAME)                                                                               \
    int NAME(int at, const char *path, int flags, ...);                                            \
    int NAME(int at, const char *path, int flags, ...)                                             \
    {                                                                                              \
        REAL(int, NAME, int, const char *, int, ...);                                              \
        va_list args;                                                                              \
        va_start(args, flags);                                                                     \
        mode_t mode = flags & O_CREAT ? va_arg(args, mode_t) : 0;                                  \
        va_end(args);                                                                              \
        bool makes = (flags & O_CREAT) && faccessat(at, path, F_OK, 0) != 0;                       \
        return makes && strike(DISK_CREATE) != 0 ? -1 : real(at, path, flags, mode);               \
    }
OPENAT(openat)
OPENAT(openat64)
