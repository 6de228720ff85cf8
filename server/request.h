/* request.h: a request from its first header to its last byte. One thread at a time works on it: the event
 * thread until the body is there, then a worker, then the event thread again. */
#ifndef REQUEST_H
#define REQUEST_H
#include "headers.h"
#include "routes.h"
#include "serve.h"
#include "upload.h"

#define REPLY_HEADERS 24

/* An answer in the making. Strings and bytes live as long as the request. */
struct reply {
    int status;            /* 0: none yet                       */
    int code;              /* of problem.def when it is a problem, else 0 */
    const char *media;     /* Content-Type, or NULL             */
    const void *body;
    size_t body_n;
    struct { const char *name, *value; } headers[REPLY_HEADERS];
    size_t n_headers;
    bool close;            /* the connection ends with it       */
    bool lasting;          /* the same for ever: caches may keep it without asking */
};

enum request_phase {
    REQUEST_NEW,       /* the request line came                            */
    REQUEST_BODY,      /* its headers are fine, the body is arriving       */
    REQUEST_REFUSED,   /* the reply is ready; the body is read and dropped */
    REQUEST_CUT,       /* was answered past the library; all that comes is dropped */
    REQUEST_WAITING,   /* with the workers                                 */
    REQUEST_ANSWERING, /* the reply is on its way                          */
};

/* Who owns a request that was given to the workers; moves by compare-and-swap. */
enum request_hold {
    HOLD_NONE,
    HOLD_QUEUED,  /* waits for a worker                                     */
    HOLD_PARKED,  /* read and planned, waits for memory                     */
    HOLD_RUNNING, /* a worker has it                                        */
    HOLD_DONE,    /* the reply is ready                                     */
    HOLD_EXPIRED, /* the timer answered it (or its client left): the worker only lets go */
};

struct request {
    struct server *server;
    struct connection *connection;
    struct MHD_Connection *wire;    /* http.c's */
    struct convd_arena mem;
    struct convd_faults faults;
    atomic_int owners;              /* the connection, and the task while it is queued */
    enum request_phase phase;

    char id[65];
    const char *raw;                /* the target as sent */
    const char *method;
    bool head;
    struct target target;
    struct headers headers;
    const struct route *route;      /* NULL: none, or not looked for yet */
    const char *name;               /* what stands for {name} or {id} */
    const char *chain;              /* what stands for {chain}, as sent */
    const char *ending;             /* what stands for {ext} */
    struct image *image;            /* a kept picture that this request needs; held */

    struct upload upload;
    struct convd_task task;
    atomic_int hold;                /* enum request_hold */
    atomic_bool cancel;
    atomic_bool client_left;
    int64_t deadline;               /* clock_ms; 0: none */
    struct request *next_parked;
    bool planned;                   /* run.c: prepare was done   */
    size_t promised;
    struct form form;
    struct api_library *library;    /* held: the pipelines of the moment it came */
    struct store_blob blob;         /* held: the answer's body, out of the store  */
    struct stream *stream;          /* a listener: the answer goes on for ever    */
    struct api_work work;
    bool has_work;

    struct reply reply;
    struct convd_bytes bytes;       /* a body made here: problems, JSON */
    int64_t began, arrived, taken, finished; /* clock_ns: first line, body, worker, reply */
};

/* ---- request.c ---- */
struct request *request_new(struct server *server, const char *raw); /* NULL without memory */
void request_hold(struct request *rq);
void request_drop(struct request *rq); /* the last owner's frees it */
/* Everything that headers can tell: framing, target, route, key, size, whether there is room. Makes the reply
 * when the answer is no. */
void request_check(struct request *rq, const struct header *list, size_t n, const char *version);
size_t request_body_most(const struct request *rq); /* bytes, of its route */
/* Makes an id of 16 hex digits. */
void request_make_id(struct server *server, char id[65]);

/* ---- reply.c ---- */
void reply_header(struct request *rq, const char *name, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* bytes: owned by the request or for ever. etag: NULL, or with its quotes; then If-None-Match is looked at. */
void reply_bytes(struct request *rq, int status, const char *media, const void *data, size_t n,
                 const char *etag);
/* The same for JSON in rq->bytes: an ETag is computed from it. */
void reply_json(struct request *rq);
void reply_empty(struct request *rq, int status);
/* rq->bytes is the body. */
void reply_made(struct request *rq, const char *media);
/* One fault of the server's own. */
void reply_problem(struct request *rq, int code, const char *expected, const char *detail, ...)
    __attribute__((format(printf, 4, 5)));
/* All faults of a list. */
void reply_faults(struct request *rq, const struct convd_faults *f);
/* The outcome of rq->work. */
void reply_result(struct request *rq);
/* Adds what every answer carries. Called once, when the answer goes out. */
void reply_finish(struct request *rq);
/* The finished answer as text, for http.c to send past the library. Returns its length; 0: no room. */
size_t reply_text(const struct request *rq, char *text, size_t room);
#endif
