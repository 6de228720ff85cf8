/* lib_dir.c: see lib_dir.h. */
#include "lib_dir.h"
#include "../t.h"
#include <dirent.h>
#include <fcntl.h>
#include <unistd.h>

static void remove_all(const char *path)
{
    DIR *d = opendir(path);
    for (struct dirent *e; d && (e = readdir(d));) {
        char inner[512];
        if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0) continue;
        snprintf(inner, sizeof inner, "%s/%s", path, e->d_name);
        if (unlink(inner) != 0) remove_all(inner);
    }
    if (d) closedir(d);
    rmdir(path);
}

void dir_remove(char dir[DIR_NAME])
{
    if (dir[0]) remove_all(dir);
    dir[0] = 0;
}

void dir_new(char dir[DIR_NAME])
{
    dir_remove(dir);
    snprintf(dir, DIR_NAME, "/tmp/convd-data-XXXXXX");
    OK(mkdtemp(dir) != NULL);
}

/* Counts the files; the path of the last one to path, unless it is NULL. */
static size_t walk(const char *dir, char path[512])
{
    char folder[128];
    size_t n = 0;
    snprintf(folder, sizeof folder, "%s/files", dir);
    DIR *d = opendir(folder);
    for (struct dirent *e; d && (e = readdir(d));) {
        if (e->d_name[0] == '.') continue;
        if (path) snprintf(path, 512, "%s/%s", folder, e->d_name);
        n++;
    }
    if (d) closedir(d);
    return n;
}

size_t dir_files(const char *dir)
{
    return walk(dir, NULL);
}

const char *dir_file(const char *dir)
{
    static char path[512];
    OK(walk(dir, path) > 0);
    return path;
}

void dir_flip(const char *path, off_t at)
{
    char c;
    int fd = open(path, O_RDWR);
    OK(fd >= 0);
    EQ(1, pread(fd, &c, 1, at));
    c ^= 1;
    EQ(1, pwrite(fd, &c, 1, at));
    close(fd);
}
