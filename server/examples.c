/* examples.c: walks a directory, or unpacks an archive. */
#include "examples.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../api/api.h"
#include "../core/err.h"
#include "cmd.h"

enum { DEPTH = 16 }; /* folders inside each other: more is a loop of links */

static bool add(struct examples *e, const char *name)
{
    if (e->n == e->room) {
        size_t room = e->room ? 2 * e->room : 256;
        char **more = realloc(e->names, room * sizeof *more);
        if (!more) return false;
        e->names = more;
        e->room = room;
    }
    e->names[e->n] = strdup(name);
    return e->names[e->n] && ++e->n;
}

/* name: of the folder, relative; "" is root itself. */
static bool walk(struct examples *e, const char *root, const char *name, int depth)
{
    char *path = NULL;
    if (asprintf(&path, "%s/%s", root, name) < 0) return false;
    DIR *dir = opendir(path);
    if (!dir)
        cmd_say(NULL, "cannot read the directory %s: %s", name[0] ? path : root, strerror(errno));
    bool fine = dir != NULL;
    free(path);
    for (const struct dirent *d; fine && (d = readdir(dir));) {
        struct stat st;
        char *inner = NULL, *full = NULL;
        if (d->d_name[0] == '.') continue;
        fine = asprintf(&inner, "%s%s%s", name, name[0] ? "/" : "", d->d_name) >= 0;
        fine = fine && asprintf(&full, "%s/%s", root, inner) >= 0;
        if (fine && stat(full, &st) == 0) {
            if (S_ISDIR(st.st_mode) && depth < DEPTH)
                fine = walk(e, root, inner, depth + 1);
            else if (S_ISREG(st.st_mode))
                fine = add(e, inner);
        }
        free(inner);
        free(full);
    }
    if (dir) closedir(dir);
    return fine;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

bool examples_list(struct examples *e, const char *root)
{
    *e = (struct examples){.root = root};
    if (!walk(e, root, "", 0)) return false;
    if (e->n) qsort(e->names, e->n, sizeof *e->names, by_name);
    return true;
}

/* ---- archives ---- */

/* A new file that nobody else can open. */
static int spool_open(const char *dir)
{
    char path[4200];
    snprintf(path, sizeof path, "%s/draft-XXXXXX", dir);
    int fd = mkostemp(path, O_CLOEXEC);
    if (fd >= 0) unlink(path);
    return fd;
}

static bool spool_write(struct examples *e, int fd, const char *data, size_t n)
{
    while (n > 0) {
        ssize_t wrote = write(fd, data, n);
        if (wrote < 0 && errno == EINTR) continue;
        if (wrote <= 0) {
            e->full = true;
            return false;
        }
        data += wrote;
        n -= (size_t)wrote;
        e->spooled += (size_t)wrote;
    }
    return true;
}

static bool no_memory(struct convd_faults *f)
{
    convd_fault(f, CONVD_NO_MEMORY, NULL, "no memory for the names of the examples");
    return false;
}

static bool place(struct examples *e, size_t n)
{
    if ((e->n & (e->n - 1)) == 0) {
        struct examples_place *more = realloc(e->places, 2 * e->n * sizeof *more);
        if (!more) return false;
        e->places = more;
    }
    e->places[e->n - 1] = (struct examples_place){e->spooled, n};
    return true;
}

/* One file of the archive. */
static bool unpack_one(struct examples *e, struct archive_in *in,
                       const struct archive_entry_info *info, int fd, struct convd_faults *f)
{
    bool limit;
    size_t n = 0;
    if (info->refused) {
        convd_fault_expected(f, CONVD_BAD_REQUEST, NULL,
                             "an archive of plain files in folders: x/1.png", "%.200s: %s",
                             info->name, info->refused);
        return false;
    }
    char *data = archive_read(in, &n);
    if (!data && !archive_fault(in, &limit))
        convd_fault(f, CONVD_BAD_IMAGE, NULL, "%.200s is larger than one picture may be, or broken",
                    info->name);
    bool fine = data && (add(e, info->name) && place(e, n) ? true : no_memory(f));
    fine = fine && spool_write(e, fd, data, n);
    free(data);
    return fine;
}

static bool unpack_all(struct examples *e, struct archive_in *in, int fd, size_t most,
                       const atomic_bool *stop, struct convd_faults *f)
{
    struct archive_entry_info info;
    bool limit, fine = true;
    while (fine && archive_next(in, &info))
        fine = unpack_one(e, in, &info, fd, f) && !(stop && atomic_load(stop)) &&
               (!most || e->spooled <= most);
    const char *words = archive_fault(in, &limit);
    if (words)
        convd_fault_expected(f, limit ? CONVD_TOO_MUCH_WORK : CONVD_BAD_IMAGE, NULL,
                             limit ? "a smaller archive" : "a whole zip or tar(.gz)",
                             "the archive: %s", words);
    return fine && !words;
}

bool examples_unpack(struct examples *e, const void *archive, size_t n,
                     const struct archive_limits *limits, size_t most, const char *dir,
                     const atomic_bool *stop, struct convd_faults *f)
{
    *e = (struct examples){.names = NULL};
    struct archive_in *in = archive_begin(archive, n, limits, f);
    if (!in) return false;
    int fd = spool_open(dir);
    if (fd < 0) e->full = true;
    bool fine = fd >= 0 && unpack_all(e, in, fd, most, stop, f);
    archive_close(in);
    if (fine && e->spooled) {
        e->spool = mmap(NULL, e->spooled, PROT_READ, MAP_PRIVATE, fd, 0);
        if (e->spool == MAP_FAILED) {
            e->spool = NULL;
            fine = no_memory(f);
        }
    }
    if (fd >= 0) close(fd);
    return fine;
}

/* ---- their bytes ---- */

const void *examples_get(const struct examples *e, size_t i, size_t *n, size_t most)
{
    char *path = NULL;
    if (!e->root) {
        *n = e->places[i].n;
        return *n ? (const char *)e->spool + e->places[i].at : "";
    }
    if (asprintf(&path, "%s/%s", e->root, e->names[i]) < 0) return NULL;
    void *data = cmd_read(path, n, most);
    free(path);
    return data;
}

void examples_give(const struct examples *e, const void *data)
{
    if (e->root) free((void *)(uintptr_t)data);
}

void examples_release(struct examples *e)
{
    if (e->spool) munmap(e->spool, e->spooled);
    for (size_t i = 0; i < e->n; i++) free(e->names[i]);
    free(e->names);
    free(e->places);
    *e = (struct examples){.names = NULL};
}
