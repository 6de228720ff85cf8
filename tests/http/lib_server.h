/* lib_server.h: the real daemon as a child on a free port, and two clients: libcurl for what it is willing to
 * send, a bare socket for the rest. */
#ifndef LIB_SERVER_H
#define LIB_SERVER_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct server {
    pid_t pid;
    int port;
    char log[64]; /* its stderr, a file */
};
/* $CONVD (else build/convd) serve --listen 127.0.0.1:0 and these words. Fails the test when it does not come
 * up. */
struct server server_start(const char *const *words);
bool server_try(struct server *s, const char *const *words); /* false: it ended before it listened */
#define SERVER(...) server_start((const char *const[]){__VA_ARGS__, NULL})
/* SIGTERM, then waits. Returns the exit code; 128 + n for signal n. */
int server_stop(struct server *s);
int server_wait(struct server *s, double seconds); /* -1: still running */
char *server_log(const struct server *s);          /* the caller frees */
size_t server_resident(const struct server *s);    /* bytes            */

struct answer {
    int status;    /* 0: closed without one, -1: nothing in time */
    char *head;    /* status line and headers                    */
    char *body;    /* with a NUL behind it                       */
    size_t body_n;
    bool closed;   /* the connection ended                       */
    double seconds;
};
void answer_release(struct answer *a);
/* The value of a header, or NULL; static storage of 8 turns. */
const char *answer_header(const struct answer *a, const char *name);
bool answer_has(const struct answer *a, const char *text); /* in the body */

/* ---- bare sockets ---- */
int raw_connect(const struct server *s);
bool raw_send(int fd, const void *data, size_t n); /* false: the other side is gone */
/* Reads one answer (100 Continue is skipped), by its Content-Length or to the end. */
struct answer raw_read(int fd, double seconds);
/* All of it on a fresh connection; waits for the close only where there is no Content-Length. */
struct answer raw(const struct server *s, const void *data, size_t n);
struct answer raw_text(const struct server *s, const char *text);
/* Waits for the other side to close; false: it did not in time. */
bool raw_closed(int fd, double seconds);

/* ---- libcurl ---- */
struct fetch {
    const char *method;      /* NULL: GET, or POST with a body      */
    const char *path;
    const char *headers[8];  /* "Name: value"                       */
    const void *body;        /* raw                                 */
    size_t body_n;
    struct { const char *name, *filename, *type; const void *data; size_t n; } parts[8]; /* multipart */
};
struct answer fetch(const struct server *s, const struct fetch *f);
struct answer get(const struct server *s, const char *path);

/* A sample of /metrics, by name and labels; -1: there is none. */
double gauge(const struct server *s, const char *name);
/* Waits until it has a value, or is at most that. */
bool becomes(const struct server *s, const char *name, double value, double seconds);
bool falls_to(const struct server *s, const char *name, double most, double seconds);

/* A PPM of w x h: x and y ramps, and something between. The caller frees. */
void *ppm(int w, int h, size_t *n);
double now(void); /* seconds */
#endif
