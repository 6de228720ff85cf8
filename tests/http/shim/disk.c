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
#include <sys/stat.h>
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

/* ---- what was written and not synced ---- */

enum { FDS = 4096, CLOSED = 64 };
static atomic_bool dirty[FDS];        /* by descriptor                                 */
static atomic_ulong unsynced[CLOSED]; /* inodes of files that were closed so, in turn  */
static atomic_uint turn;
static _Thread_local bool renamed; /* by this thread, which is to sync the directory next */

static unsigned long inode_of(int fd)
{
    struct stat st;
    return fstat(fd, &st) == 0 ? st.st_ino : 0;
}

static bool forget(unsigned long inode)
{
    bool found = false;
    for (int i = 0; i < CLOSED && inode; i++) {
        unsigned long there = inode;
        found |= atomic_compare_exchange_strong(&unsynced[i], &there, 0);
    }
    return found;
}

static void wrote(int fd)
{
    if (fd >= 0 && fd < FDS) atomic_store(&dirty[fd], true);
}

static void synced(int fd)
{
    renamed = false;
    if (control) atomic_fetch_add(&control->syncs, 1);
    if (fd >= 0 && fd < FDS) atomic_store(&dirty[fd], false);
    forget(inode_of(fd));
}

int close(int fd);
int close(int fd)
{
    static int (*real)(int);
    if (!real) *(void **)&real = dlsym(RTLD_NEXT, "close");
    if (fd >= 0 && fd < FDS && atomic_exchange(&dirty[fd], false))
        atomic_store(&unsynced[atomic_fetch_add(&turn, 1) % CLOSED], inode_of(fd));
    return real(fd);
}

/* ---- counting and failing ---- */

/* Counts a call. 0: it may go on; -1: it fails with errno; 1: half of it is written first, then struck(). */
static int strike(enum disk_call kind)
{
    if (!control) return 0;
    if (renamed && kind != DISK_SYNC) atomic_fetch_add(&control->unsettled, 1);
    renamed = false;
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
        wrote(fd);                                                                                 \
        return what == 0 ? real(fd, data, n, at) : what > 0 ? half(real, fd, data, n, at) : -1;    \
    }
PWRITE(pwrite)
PWRITE(pwrite64)

#define ONE(NAME, KIND, DECLARED, TYPES, ARGS, BEFORE, AFTER)                                      \
    int NAME DECLARED;                                                                             \
    int NAME DECLARED                                                                              \
    {                                                                                              \
        static int(*real) TYPES;                                                                   \
        if (!real) *(void **)&real = dlsym(RTLD_NEXT, #NAME);                                      \
        if (strike(KIND) != 0) return -1;                                                          \
        BEFORE;                                                                                    \
        int got = real ARGS;                                                                       \
        if (got == 0) { AFTER; }                                                                   \
        return got;                                                                                \
    }
#define SYNC(NAME) ONE(NAME, DISK_SYNC, (int fd), (int), (fd), (void)0, synced(fd))
SYNC(fsync)
SYNC(fdatasync)

/* Before: whether the bytes of the file are on the disk. */
static void renames(int at, const char *path)
{
    struct stat st;
    if (control && fstatat(at, path, &st, 0) == 0 && forget(st.st_ino))
        atomic_fetch_add(&control->unsynced, 1);
}
#define RENAME(NAME, DECLARED, TYPES, ARGS, AT)                                                    \
    ONE(NAME, DISK_RENAME, DECLARED, TYPES, ARGS, renames(AT, b), renamed = true)
RENAME(rename, (const char *b, const char *d), (const char *, const char *), (b, d), AT_FDCWD)
RENAME(renameat, (int a, const char *b, int c, const char *d), (int, const char *, int, const char *),
       (a, b, c, d), a)

#define PLAIN(NAME, KIND, DECLARED, TYPES, ARGS) ONE(NAME, KIND, DECLARED, TYPES, ARGS, (void)0, (void)0)
PLAIN(unlink, DISK_UNLINK, (const char *a), (const char *), (a))
PLAIN(unlinkat, DISK_UNLINK, (int a, const char *b, int flags), (int, const char *, int), (a, b, flags))
PLAIN(ftruncate, DISK_TRUNCATE, (int fd, off64_t n), (int, off64_t), (fd, n))
PLAIN(ftruncate64, DISK_TRUNCATE, (int fd, off64_t n), (int, off64_t), (fd, n))
PLAIN(mkdirat, DISK_CREATE, (int fd, const char *a, mode_t m), (int, const char *, mode_t), (fd, a, m))

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
