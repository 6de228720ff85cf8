/* lib_child.c: child processes, files of their own, small pictures. */
#include "lib_child.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static const char *program(const char *name)
{
    const char *convd = getenv("CONVD");
    return strcmp(name, "convd") == 0 ? convd ? convd : "build/convd" : name;
}

static void become(const char *const *argv, int in, int out, int err, const char *const *env)
{
    dup2(in, 0);
    dup2(out, 1);
    dup2(err, 2);
    for (; env && *env; env++) putenv((char *)(uintptr_t)*env);
    execvp(program(argv[0]), (char **)(uintptr_t)argv);
    fprintf(stderr, "cannot start %s: %s\n", program(argv[0]), strerror(errno));
    _exit(127);
}

static char *slurp(FILE *f, size_t *n)
{
    fseek(f, 0, SEEK_END);
    long size = ftell(f);
    rewind(f);
    char *data = malloc((size_t)size + 1);
    if (!data) abort();
    *n = fread(data, 1, (size_t)size, f);
    data[*n] = 0;
    fclose(f);
    return data;
}

struct child child_run(const char *const *argv, const void *in, size_t n, const char *const *env)
{
    FILE *files[3] = {tmpfile(), tmpfile(), tmpfile()};
    if (!files[0] || !files[1] || !files[2]) abort();
    if (n > 0 && fwrite(in, 1, n, files[0]) != n) abort();
    fflush(files[0]);
    rewind(files[0]);
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0) become(argv, fileno(files[0]), fileno(files[1]), fileno(files[2]), env);
    int status = 0;
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {
    }
    fclose(files[0]);
    struct child c = {.code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status)};
    c.out = slurp(files[1], &c.out_n);
    c.err = slurp(files[2], &c.err_n);
    return c;
}

void child_release(struct child *c)
{
    free(c->out);
    free(c->err);
}

pid_t child_start(const char *const *argv, int *err_fd)
{
    int fds[2];
    if (pipe(fds) != 0) abort();
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0) {
        close(fds[0]);
        become(argv, open("/dev/null", O_RDONLY), open("/dev/null", O_WRONLY), fds[1], NULL);
    }
    close(fds[1]);
    *err_fd = fds[0];
    return pid;
}

bool child_ready(int fd, char *where, size_t room)
{
    char text[4096];
    size_t n = 0;
    static const char mark[] = "listening on http://";
    for (ssize_t got; n + 1 < sizeof text && (got = read(fd, text + n, sizeof text - 1 - n)) > 0;) {
        text[n += (size_t)got] = 0;
        const char *at = strstr(text, mark);
        if (!at || !strchr(at, '\n')) continue;
        at += sizeof mark - 1;
        snprintf(where, room, "%.*s", (int)strcspn(at, "/\r\n "), at);
        return true;
    }
    return false;
}

/* ---- files ---- */

static char dir[64];
static pid_t owner;

static int delete_one(const char *path, const struct stat *st, int type, struct FTW *where)
{
    (void)st, (void)type, (void)where;
    return remove(path);
}

static void delete_dir(void)
{
    if (getpid() == owner) nftw(dir, delete_one, 16, FTW_DEPTH | FTW_PHYS);
}

const char *child_dir(void)
{
    if (!*dir) {
        snprintf(dir, sizeof dir, "/tmp/convd-test-XXXXXX");
        if (!mkdtemp(dir)) abort();
        owner = getpid();
        atexit(delete_dir);
    }
    return dir;
}

const char *child_path(const char *name)
{
    static char paths[8][512];
    static size_t turn;
    char *path = paths[turn++ % 8];
    snprintf(path, sizeof paths[0], "%s/%s", child_dir(), name);
    return path;
}

void child_file(const char *path, const void *data, size_t n)
{
    FILE *f = fopen(path, "wb");
    if (!f || fwrite(data, 1, n, f) != n || fclose(f) != 0) abort();
}

/* ---- terminals ---- */

static int terminal(void)
{
    int master = posix_openpt(O_RDWR | O_NOCTTY);
    if (master >= 0 && grantpt(master) == 0 && unlockpt(master) == 0) return master;
    if (master >= 0) close(master);
    return -1;
}

bool child_has_terminal(void)
{
    int master = terminal();
    if (master >= 0) close(master);
    return master >= 0;
}

int child_on_terminal(const char *const *argv, char *text, size_t room)
{
    int master = terminal();
    if (master < 0) abort();
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0) {
        int slave = open(ptsname(master), O_RDWR | O_NOCTTY);
        become(argv, open("/dev/null", O_RDONLY), slave, slave, NULL);
    }
    int status = 0;
    waitpid(pid, &status, 0);
    fcntl(master, F_SETFL, fcntl(master, F_GETFL) | O_NONBLOCK);
    size_t n = 0;
    for (ssize_t got; n + 1 < room && (got = read(master, text + n, room - 1 - n)) > 0;)
        n += (size_t)got;
    text[n] = 0;
    close(master);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128;
}

/* ---- pictures ---- */

void *child_ppm(int w, int h, unsigned char (*f)(int x, int y, int c), size_t *n)
{
    char head[64];
    size_t head_n = (size_t)snprintf(head, sizeof head, "P6\n%d %d\n255\n", w, h);
    unsigned char *data = malloc(head_n + 3u * (size_t)w * (size_t)h);
    if (!data) abort();
    memcpy(data, head, head_n);
    unsigned char *p = data + head_n;
    for (int y = 0; y < h; y++)
        for (int x = 0; x < w; x++)
            for (int c = 0; c < 3; c++) *p++ = f(x, y, c);
    *n = (size_t)(p - data);
    return data;
}

bool child_pnm(const void *data, size_t n, int *w, int *h, int *channels,
               const unsigned char **pixels)
{
    char kind;
    int most, used = 0;
    if (n < 16 || sscanf(data, "P%c %d %d %d%n", &kind, w, h, &most, &used) != 4 || most != 255)
        return false;
    *channels = kind == '6' ? 3 : kind == '5' ? 1 : 0;
    *pixels = (const unsigned char *)data + used + 1;
    return *channels > 0 && (size_t)used + 1 + (size_t)*w * (size_t)*h * (size_t)*channels == n;
}
