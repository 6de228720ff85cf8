/* store_files.c: see store_files.h. */
#include "store_files.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#define DRAFT "draft-" /* begins the names of files that are being written */
#define PIECE ((size_t)1 << 22)

enum store_status files_status(int error)
{
    return error == ENOSPC || error == EDQUOT || error == EFBIG ? STORE_FULL : STORE_AWAY;
}

/* Makes the directory and those above it. */
static bool make_path(const char *path)
{
    char text[4096];
    size_t n = strlen(path);
    if (n == 0 || n >= sizeof text) {
        errno = n ? ENAMETOOLONG : ENOENT;
        return false;
    }
    memcpy(text, path, n + 1);
    for (char *s = text + 1; *s; s++) {
        if (*s != '/') continue;
        *s = 0;
        if (mkdir(text, 0700) != 0 && errno != EEXIST) return false;
        *s = '/';
    }
    return mkdir(text, 0700) == 0 || errno == EEXIST;
}

static bool refuse(struct files *f, char why[256], const char *path, const char *what)
{
    snprintf(why, 256, "%s %.160s: %s", what, path, strerror(errno));
    files_close(f);
    return false;
}

static int open_dir(int at, const char *path)
{
    return openat(at, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

bool files_open(struct files *f, const char *path, bool read_only, char why[256])
{
    *f = (struct files){.root = -1, .dir = -1, .lock = -1};
    if (!read_only && !make_path(path)) return refuse(f, why, path, "cannot make");
    f->root = open_dir(AT_FDCWD, path);
    if (f->root < 0) return refuse(f, why, path, "cannot open");
    if (!read_only) {
        if (mkdirat(f->root, "files", 0700) != 0 && errno != EEXIST)
            return refuse(f, why, path, "cannot make files in");
        f->lock = openat(f->root, "lock", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
        if (f->lock < 0) return refuse(f, why, path, "cannot make the lock in");
        if (flock(f->lock, LOCK_EX | LOCK_NB) != 0) {
            snprintf(why, 256, "another convd uses %.200s", path);
            files_close(f);
            return false;
        }
        fsync(f->root);
    }
    f->dir = open_dir(f->root, "files");
    if (f->dir < 0 && !read_only) return refuse(f, why, path, "cannot open files in");
    return true;
}

void files_close(struct files *f)
{
    if (f->dir >= 0) close(f->dir);
    if (f->lock >= 0) close(f->lock);
    if (f->root >= 0) close(f->root);
    f->dir = f->lock = f->root = -1;
}

/* ---- writing ---- */

static void draft_name(const struct file_draft *d, char text[64])
{
    snprintf(text, 64, DRAFT "%s", d->name);
}

enum store_status files_begin(struct files *f, struct file_draft *d)
{
    char text[64];
    store_make_id(d->name);
    draft_name(d, text);
    d->at = 0;
    d->fd = openat(f->dir, text, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    return d->fd >= 0 ? STORE_OK : files_status(errno);
}

enum store_status files_append(struct file_draft *d, const void *data, size_t n)
{
    const char *from = data;
    while (n > 0) {
        ssize_t wrote = pwrite(d->fd, from, n < PIECE ? n : PIECE, d->at);
        if (wrote < 0 && errno == EINTR) continue;
        if (wrote <= 0) return wrote == 0 ? STORE_FULL : files_status(errno);
        from += wrote;
        d->at += wrote;
        n -= (size_t)wrote;
    }
    return STORE_OK;
}

/* A failed fsync is never tried again: the kernel may have thrown the pages away and call the next one a success. */
enum store_status files_keep(struct files *f, struct file_draft *d)
{
    char text[64];
    draft_name(d, text);
    int error = 0;
    if (fsync(d->fd) != 0) error = errno;
    if (close(d->fd) != 0 && !error) error = errno;
    d->fd = -1;
    if (!error && renameat(f->dir, text, f->dir, d->name) != 0) error = errno;
    if (!error && fsync(f->dir) != 0) {
        error = errno;
        unlinkat(f->dir, d->name, 0);
    } else if (error) {
        unlinkat(f->dir, text, 0);
    }
    return error ? files_status(error) : STORE_OK;
}

void files_drop(struct files *f, struct file_draft *d)
{
    char text[64];
    if (d->fd < 0) return;
    draft_name(d, text);
    close(d->fd);
    d->fd = -1;
    unlinkat(f->dir, text, 0);
}

/* ---- reading ---- */

enum store_status files_map(struct files *f, const char *name, size_t size, struct store_blob *out)
{
    struct stat st;
    int fd = f->dir < 0 ? -1 : openat(f->dir, name, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return errno == ENOENT || f->dir < 0 ? STORE_NONE : STORE_AWAY;
    enum store_status status = STORE_DAMAGED;
    if (fstat(fd, &st) == 0 && st.st_size > 0 && (uintmax_t)st.st_size == size) {
        void *at = mmap(NULL, size, PROT_READ, MAP_PRIVATE, fd, 0);
        status = at == MAP_FAILED ? STORE_AWAY : STORE_OK;
        if (status == STORE_OK) *out = (struct store_blob){.data = at, .n = size, .mapped = size};
    }
    close(fd);
    return status;
}

void files_remove(struct files *f, const char *name)
{
    unlinkat(f->dir, name, 0);
}

void files_sweep(struct files *f, bool (*used)(void *arg, const char *name), void *arg)
{
    int fd = open_dir(f->dir, ".");
    DIR *d = fd >= 0 ? fdopendir(fd) : NULL;
    if (!d) {
        if (fd >= 0) close(fd);
        return;
    }
    for (const struct dirent *e; (e = readdir(d));)
        if (e->d_name[0] != '.' && !used(arg, e->d_name)) unlinkat(f->dir, e->d_name, 0);
    closedir(d);
}

/* ---- room ---- */

bool files_room(struct files *f, size_t bytes)
{
    struct statvfs v;
    if (fstatvfs(f->root, &v) != 0) return true; /* writing will tell */
    uint64_t room = (uint64_t)v.f_bavail * v.f_frsize;
    uint64_t want = (uint64_t)bytes + (atomic_load(&f->reserved) ? 0 : FILES_RESERVE);
    return room > want && room - want > FILES_RESERVE / 4;
}

void files_reserve_drop(struct files *f)
{
    unlinkat(f->root, "reserve", 0);
    atomic_store(&f->reserved, false);
}

void files_reserve_make(struct files *f)
{
    struct stat st;
    if (atomic_load(&f->reserved)) return;
    if (fstatat(f->root, "reserve", &st, 0) == 0 && st.st_size == FILES_RESERVE) {
        atomic_store(&f->reserved, true);
        return;
    }
    if (!files_room(f, FILES_RESERVE)) return;
    int fd = openat(f->root, "reserve", O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0) return;
    bool made = posix_fallocate(fd, 0, FILES_RESERVE) == 0;
    close(fd);
    if (!made) unlinkat(f->root, "reserve", 0);
    atomic_store(&f->reserved, made);
}
