/* deadlines.c: see deadlines.h. The lock guards the list and every field of its rows. A descriptor in the
 * list is open: libmicrohttpd tells that a connection closed before it closes the descriptor. */
#include "deadlines.h"
#include "clock.h"
#include "reply_raw.h"
#include "request.h"
#include <linux/tcp.h>
#include <math.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <linux/sockios.h>
#include <sys/socket.h>

#define RATE       1024  /* bytes a second that a body, and an answer, must make */
#define KEEP_ALIVE 15000 /* ms a connection may rest between requests            */
#define MISSED     250   /* ms after which an end of the client's should have been noticed */
#define LINGER     2000  /* ms that a refused body is swallowed                  */
#define CLOSE_WAIT 8     /* TCP_CLOSE_WAIT of netinet/tcp.h, which linux/tcp.h excludes */
#define EXPIRED_MOST                                                                               \
    64 /* requests told to stop in one round; the rest a quarter of a second later */

void deadlines_init(struct deadlines *d, struct server *server)
{
    *d = (struct deadlines){.server = server,
                            .header = server->settings->header_timeout,
                            .body = server->settings->body_timeout,
                            .keep_alive = KEEP_ALIVE,
                            .linger = LINGER};
    pthread_mutex_init(&d->lock, NULL);
}

void deadlines_release(struct deadlines *d)
{
    pthread_mutex_destroy(&d->lock);
}

/* What the kernel knows of a connection. */
struct progress {
    uint64_t received; /* bytes that came              */
    uint64_t taken;    /* bytes of ours that arrived   */
    bool ended;        /* the client will send no more */
};

static struct progress progress_of(int fd)
{
    struct tcp_info info = {0};
    socklen_t n = sizeof info;
    if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &n) != 0) return (struct progress){0};
    return (struct progress){info.tcpi_bytes_received, info.tcpi_bytes_acked,
                             info.tcpi_state == CLOSE_WAIT};
}

struct connection *deadlines_open(struct deadlines *d, int fd)
{
    struct connection *c = calloc(1, sizeof *c);
    if (!c) return NULL;
    c->fd = fd;
    c->since = clock_ms();
    pthread_mutex_lock(&d->lock);
    c->next = d->first;
    c->link = &d->first;
    if (c->next) c->next->link = &c->next;
    d->first = c;
    d->n++;
    pthread_mutex_unlock(&d->lock);
    return c;
}

void deadlines_close(struct deadlines *d, struct connection *c)
{
    pthread_mutex_lock(&d->lock);
    *c->link = c->next;
    if (c->next) c->next->link = c->link;
    d->n--;
    pthread_mutex_unlock(&d->lock);
    free(c);
}

void deadlines_enter(struct deadlines *d, struct connection *c, enum connection_state state,
                     struct request *rq)
{
    pthread_mutex_lock(&d->lock);
    bool cut =
        c->state == CONNECTION_CUT || (c->state == CONNECTION_LINGER && state != CONNECTION_IDLE);
    if (!(c->state == CONNECTION_OPEN && state == CONNECTION_HEADERS)) c->since = clock_ms();
    c->request = rq;
    if (!cut) {
        c->state = state;
        if (state == CONNECTION_IDLE) c->mark = progress_of(c->fd).received;
        if (state == CONNECTION_SENDING) c->mark = progress_of(c->fd).taken;
        if (state == CONNECTION_BODY || state == CONNECTION_SWALLOW) c->mark = c->body = 0;
    }
    pthread_mutex_unlock(&d->lock);
}

void deadlines_body(struct deadlines *d, struct connection *c, size_t bytes)
{
    pthread_mutex_lock(&d->lock);
    c->body += bytes;
    pthread_mutex_unlock(&d->lock);
}

size_t deadlines_count(struct deadlines *d)
{
    pthread_mutex_lock(&d->lock);
    size_t n = d->n;
    pthread_mutex_unlock(&d->lock);
    return n;
}

size_t deadlines_in(struct deadlines *d, unsigned states)
{
    size_t n = 0;
    pthread_mutex_lock(&d->lock);
    for (struct connection *c = d->first; c; c = c->next) n += (states >> c->state) & 1;
    pthread_mutex_unlock(&d->lock);
    return n;
}

static bool answer(struct connection *c, int status, const char *id, const char *text, size_t n)
{
    if (c->answered || send(c->fd, text, n, MSG_DONTWAIT | MSG_NOSIGNAL) != (ssize_t)n)
        return false;
    c->answered = status;
    c->answered_n = n;
    snprintf(c->id, sizeof c->id, "%s", id);
    return true;
}

bool deadlines_answer(struct deadlines *d, struct connection *c, int status, const char *id,
                      const char *text, size_t n)
{
    pthread_mutex_lock(&d->lock);
    bool sent = c->state != CONNECTION_CUT && answer(c, status, id, text, n);
    if (sent) {
        shutdown(c->fd, SHUT_WR);
        c->state = CONNECTION_LINGER;
        c->since = clock_ms();
    }
    pthread_mutex_unlock(&d->lock);
    return sent;
}

static void cut(struct connection *c)
{
    shutdown(c->fd, SHUT_RDWR);
    c->state = CONNECTION_CUT;
}

/* Too slow with what it sends: 408 where something came, then the end. */
static void too_slow(struct deadlines *d, struct connection *c, const char *what)
{
    char text[1024], id[65];
    if (c->state != CONNECTION_OPEN || progress_of(c->fd).received > 0) {
        request_make_id(d->server, id);
        size_t n = reply_raw(text, sizeof text, API_TOO_SLOW, id, what, false);
        answer(c, 408, id, text, n);
        if (!c->request) { /* nobody else will tell: the request line never came */
            metrics_request(&d->server->metrics, NULL, NULL, 408, 0);
            metrics_rejected(&d->server->metrics, API_TOO_SLOW);
            log_request(&d->server->log,
                        &(struct log_request){.id = id,
                                              .method = "-",
                                              .route = "none",
                                              .status = 408,
                                              .bytes = n,
                                              .ms = (double)(clock_ms() - c->since),
                                              .decode_ms = (double)NAN,
                                              .queue_ms = (double)NAN,
                                              .run_ms = (double)NAN,
                                              .encode_ms = (double)NAN});
        }
    }
    cut(c);
}

/* Whether a window is over in which fewer bytes came than RATE asks for; begins the next one when it is over. */
static bool starved(struct deadlines *d, struct connection *c, uint64_t bytes, int64_t now)
{
    if (now - c->since < d->body) return false;
    uint64_t got = bytes - c->mark, due = (uint64_t)(now - c->since) * RATE / 1000;
    c->since = now;
    c->mark = bytes;
    return got < due;
}

static bool all_taken(int fd)
{
    int left = 0;
    return ioctl(fd, SIOCOUTQ, &left) == 0 && left == 0;
}

static bool client_left(int fd)
{
    struct pollfd p = {.fd = fd, .events = POLLRDHUP};
    return poll(&p, 1, 0) == 1 && (p.revents & (POLLRDHUP | POLLHUP | POLLERR)) != 0;
}

/* Looks at one connection; returns the request that the workers must be told of, or NULL. */
static struct request *look(struct deadlines *d, struct connection *c, int64_t now, bool *left)
{
    switch (c->state) {
    case CONNECTION_IDLE: {
        struct progress p = progress_of(c->fd);
        bool missed =
            p.ended && now - c->since >=
                           MISSED; /* the library can miss an end that came with the last request */
        if (missed || now - c->since >= d->keep_alive) {
            cut(c);
        } else if (p.received != c->mark) { /* the next request has begun */
            c->state = CONNECTION_OPEN;
            c->since = now;
        }
        return NULL;
    }
    case CONNECTION_OPEN:
    case CONNECTION_HEADERS:
        if (now - c->since >= d->header) too_slow(d, c, "the headers did not arrive in time");
        return NULL;
    case CONNECTION_BODY:
    case CONNECTION_SWALLOW:
        if (starved(d, c, c->body, now)) too_slow(d, c, "the body arrives at less than 1 KiB/s");
        return NULL;
    case CONNECTION_SENDING:
        if (starved(d, c, progress_of(c->fd).taken, now) && !all_taken(c->fd)) cut(c);
        return NULL;
    case CONNECTION_LINGER:
        if (now - c->since >= d->linger) cut(c);
        return NULL;
    case CONNECTION_WAITING:
        if (!c->request || atomic_load(&c->request->cancel)) return NULL; /* was told already */
        *left = client_left(c->fd);
        return *left || now >= c->request->deadline ? c->request : NULL;
    case CONNECTION_STREAM:
        if (client_left(c->fd)) return c->request;
        if (starved(d, c, progress_of(c->fd).taken, now) && !all_taken(c->fd)) cut(c);
        return NULL;
    case CONNECTION_CUT:
        return NULL;
    }
    return NULL;
}

void deadlines_tick(struct deadlines *d)
{
    struct {
        struct request *rq;
        bool left;
    } expired[EXPIRED_MOST];
    size_t n = 0;
    int64_t now = clock_ms();
    pthread_mutex_lock(&d->lock);
    for (struct connection *c = d->first; c && n < EXPIRED_MOST; c = c->next) {
        bool left = false;
        struct request *rq = look(d, c, now, &left);
        if (!rq) continue;
        request_hold(rq); /* it may be answered and done before its turn below */
        expired[n].rq = rq;
        expired[n++].left = left;
    }
    pthread_mutex_unlock(&d->lock);
    for (size_t i = 0; i < n; i++) {
        if (expired[i].rq->stream)
            stream_end(expired[i].rq->stream);
        else
            workers_expire(expired[i].rq, expired[i].left);
        request_drop(expired[i].rq);
    }
}
