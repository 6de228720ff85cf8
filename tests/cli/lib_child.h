/* lib_child.h: runs the program as a child and keeps what it says. */
#ifndef LIB_CHILD_H
#define LIB_CHILD_H
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct child {
    int code; /* exit code; 128 + n for signal n */
    char *out, *err;
    size_t out_n, err_n;
};
/* Runs argv (NULL-terminated; argv[0] "convd" is $CONVD, else looked up in PATH) with stdin holding in (NULL: empty)
 * and env (NULL, or "NAME=value" entries on top of ours) and waits. Release with child_release. */
struct child child_run(const char *const *argv, const void *in, size_t n, const char *const *env);
void child_release(struct child *c);
/* The same for plain words: CONVD("run", "edges"). */
#define CONVD(...) child_run((const char *const[]){"convd", __VA_ARGS__, NULL}, NULL, 0, NULL)

/* Starts argv and goes on; stderr comes out of *err_fd. */
pid_t child_start(const char *const *argv, int *err_fd);
/* Reads what a server says until it listens; "HOST:PORT" to where. */
bool child_ready(int err_fd, char *where, size_t room);

/* Runs argv with a pseudo-terminal as stdout and stderr and waits: the exit code, and in text what it wrote (ends in NUL). */
int child_on_terminal(const char *const *argv, char *text, size_t room);
/* Whether this system gives pseudo-terminals (devpts is mounted). */
bool child_has_terminal(void);

/* A fresh directory of this process, removed with all that is in it when the process ends. */
const char *child_dir(void);
/* PATH in that directory; static storage of 8 turns. */
const char *child_path(const char *name);
void child_file(const char *path, const void *data, size_t n);
/* A binary PPM, w x h, whose pixels come from f(x, y, channel). The caller frees. */
void *child_ppm(int w, int h, unsigned char (*f)(int x, int y, int c), size_t *n);
/* Finds the pixels of a binary PPM or PGM; false when it is none. */
bool child_pnm(const void *data, size_t n, int *w, int *h, int *channels,
               const unsigned char **pixels);
#endif
