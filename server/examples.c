/* examples.c: walks a directory. */
#include "examples.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

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
    *e = (struct examples){.names = NULL};
    if (!walk(e, root, "", 0)) return false;
    if (e->n) qsort(e->names, e->n, sizeof *e->names, by_name);
    return true;
}

void examples_release(struct examples *e)
{
    for (size_t i = 0; i < e->n; i++) free(e->names[i]);
    free(e->names);
    *e = (struct examples){.names = NULL};
}
