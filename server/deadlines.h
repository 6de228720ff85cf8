/* deadlines.h: one row a connection, and how long it may take for what it is doing. libmicrohttpd's own
 * timeout starts anew with every byte, does not run while a request is suspended and counts an honest slow
 * reader as idle, so it is not used: this table is looked at four times a second, and its sentence is
 * shutdown(). */
#ifndef DEADLINES_H
#define DEADLINES_H
#include <pthread.h>

#include "../core/convd.h"

struct request;
struct server;

enum connection_state {
    CONNECTION_OPEN,    /* accepted; nothing came yet            */
    CONNECTION_HEADERS, /* a request line or headers are coming  */
    CONNECTION_BODY,    /* a body is coming                      */
    CONNECTION_SWALLOW, /* one that nobody wants                 */
    CONNECTION_WAITING, /* its request is with the workers       */
    CONNECTION_SENDING, /* the answer is going out               */
    CONNECTION_STREAM,  /* an answer that goes on, as events come */
    CONNECTION_IDLE,    /* kept alive between requests           */
    CONNECTION_LINGER,  /* answered early; the rest is swallowed */
    CONNECTION_CUT,     /* shut down; the library will notice    */
};

struct connection {
    struct connection *next, **link;
    int fd;
    enum connection_state state;
    int64_t since;       /* clock_ms: of the state, or of the window  */
    uint64_t mark;       /* bytes at the start of the state or window */
    uint64_t body;       /* bytes of the body so far                  */
    struct request *request; /* the one being answered, or NULL       */
    int answered;        /* status sent past the library, or 0        */
    size_t answered_n;   /* and its bytes                             */
    char id[65];         /* request id that answer carried            */
};

struct deadlines {
    struct server *server;
    pthread_mutex_t lock;
    struct connection *first;
    size_t n;
    int64_t header, body, keep_alive, linger; /* ms */
};

void deadlines_init(struct deadlines *d, struct server *server);
void deadlines_release(struct deadlines *d);

/* Called by the event thread. NULL without memory. */
struct connection *deadlines_open(struct deadlines *d, int fd);
void deadlines_close(struct deadlines *d, struct connection *c);
void deadlines_enter(struct deadlines *d, struct connection *c, enum connection_state state,
                     struct request *rq);
void deadlines_body(struct deadlines *d, struct connection *c, size_t bytes);
size_t deadlines_count(struct deadlines *d);
/* How many are in one of the states; bit 1 << CONNECTION_BODY and so on. */
size_t deadlines_in(struct deadlines *d, unsigned states);

/* Sends an answer past the library, once a connection, and ends our half of it; what still comes is swallowed
 * for a while, so that the client reads the answer before it sees the connection go. False when it could not. */
bool deadlines_answer(struct deadlines *d, struct connection *c, int status, const char *id,
                      const char *text, size_t n);

/* One round; called four times a second by the main thread. */
void deadlines_tick(struct deadlines *d);
#endif
