/* http.c: between libmicrohttpd and a request. The event thread calls in here, never computes, and hands
 * work over by suspending the connection; whoever made the reply resumes it.
 *
 * The library calls on_request first when the headers are there, then for each piece of the body, then once
 * more. An answer queued in the first call closes the connection and one cannot be queued in the middle of a
 * body; so
 *   - a request without a body is answered in the second call, and the connection lives on;
 *   - a refused small body is read and dropped, then answered, and the connection lives on;
 *   - a refused large body is answered past the library (deadlines_answer), and the rest is swallowed for a
 *     while;
 *   - where a client waits for 100 Continue, or where the request's end is not known, the first call answers. */
#include "http.h"
#include "clock.h"
#include "request.h"
#include <math.h>
#include <microhttpd.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CONNECTION_MEMORY 32768u /* of the library, a connection: bounds the header block       */
#define SWALLOW_MOST      65536u /* a refused body up to here is read before it is answered     */
#define STREAM_PIECE      2048u  /* bytes of a stream that are asked for at once                */
#define SPARE_CONNECTIONS 64u    /* above --max-connections: so that there is one to say 503 on */

struct http {
    struct server *server;
    struct MHD_Daemon *daemon;
};

const char *http_reason(int status)
{
    return MHD_get_reason_phrase_for((unsigned)status);
}

static struct connection *connection_of(struct MHD_Connection *wire)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(wire, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
    return info ? info->socket_context : NULL;
}

/* ---- answers ---- */

/* The body of an answer that goes on: what the listener has to say. */
static ssize_t on_stream(void *cls, uint64_t at, char *out, size_t room)
{
    struct request *rq = cls;
    (void)at;
    ptrdiff_t n = stream_read(rq->stream, out, room);
    return n < 0 ? MHD_CONTENT_READER_END_OF_STREAM : n;
}

static struct MHD_Response *response_of(struct request *rq)
{
    struct reply *r = &rq->reply;
    if (rq->stream)
        return MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, STREAM_PIECE, on_stream, rq,
                                                 NULL);
    /* the body belongs to the request, which outlives the answer */
    return MHD_create_response_from_buffer(r->body_n, (void *)(uintptr_t)r->body,
                                           MHD_RESPMEM_PERSISTENT);
}

static enum MHD_Result queue(struct request *rq)
{
    struct reply *r = &rq->reply;
    reply_finish(rq);
    struct MHD_Response *response = response_of(rq);
    if (!response) return MHD_NO;
    for (size_t i = 0; i < r->n_headers; i++)
        MHD_add_response_header(response, r->headers[i].name, r->headers[i].value);
    rq->phase = REQUEST_ANSWERING;
    deadlines_enter(&rq->server->deadlines, rq->connection,
                    rq->stream ? CONNECTION_STREAM : CONNECTION_SENDING, rq);
    enum MHD_Result queued = MHD_queue_response(rq->wire, (unsigned)r->status, response);
    MHD_destroy_response(response);
    return queued;
}

/* Answers in the middle of a body, past the library. */
static enum MHD_Result cut_short(struct request *rq)
{
    char text[8192];
    rq->reply.close = true;
    reply_finish(rq);
    size_t n = reply_text(rq, text, sizeof text);
    rq->phase = REQUEST_CUT;
    if (n == 0 || !deadlines_answer(&rq->server->deadlines, rq->connection, rq->reply.status,
                                    rq->id, text, n))
        return MHD_NO;
    upload_release(rq);
    return MHD_YES;
}

/* What happens to a body that nobody wants. */
static enum MHD_Result refuse_body(struct request *rq)
{
    const struct headers *h = &rq->headers;
    if (rq->reply.close || h->expect_continue) return queue(rq);
    if (h->has_length && h->length <= SWALLOW_MOST) {
        rq->phase = REQUEST_REFUSED;
        deadlines_enter(&rq->server->deadlines, rq->connection, CONNECTION_SWALLOW, rq);
        return MHD_YES;
    }
    return cut_short(rq);
}

/* ---- headers ---- */

struct fields {
    struct header list[HEADERS_MOST];
    size_t n, seen;
};

static enum MHD_Result add_field(void *cls, enum MHD_ValueKind kind, const char *name,
                                 size_t name_n, const char *value, size_t value_n)
{
    struct fields *f = cls;
    (void)kind;
    if (f->n < HEADERS_MOST)
        f->list[f->n++] = (struct header){name, name_n, value ? value : "", value ? value_n : 0};
    f->seen++;
    return MHD_YES;
}

/* 0.9.75 parses in place: its fields lie one behind the other, each value followed by its line's end. A gap
 * means that the library cut a value at a NUL, or joined a folded line: both are refused. 1.0 refuses them by
 * itself. */
static bool contiguous(const struct fields *f, const char *method, size_t header_n)
{
    if (strcmp(MHD_get_version(), "0.9.75") != 0) return true;
    for (size_t i = 0; i < f->n; i++) {
        uintptr_t end = (uintptr_t)f->list[i].value + f->list[i].value_n;
        bool last = i + 1 == f->n;
        uintptr_t next = last ? (uintptr_t)method + header_n : (uintptr_t)f->list[i + 1].name;
        uintptr_t least = last ? 2 : 1,
                  most =
                      last ? 4 : 2; /* CRLF or LF; the last one's is followed by an empty line's */
        if (next - end < least || next - end > most) return false;
    }
    return true;
}

static enum MHD_Result begin(struct request *rq, const char *method, const char *version)
{
    struct fields f = {.n = 0};
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(rq->wire, MHD_CONNECTION_INFO_REQUEST_HEADER_SIZE);
    rq->method = method;
    rq->head = strcmp(method, "HEAD") == 0;
    MHD_get_connection_values_n(rq->wire, MHD_HEADER_KIND, add_field, &f);
    request_check(rq, f.list, f.n, version);
    if (f.seen > HEADERS_MOST) {
        reply_problem(rq, API_HEADER_TOO_LARGE, "at most 100 headers",
                      "the request has %zu headers", f.seen);
        rq->reply.close = true;
    } else if (info && !contiguous(&f, method, info->header_size)) {
        reply_problem(rq, CONVD_BAD_REQUEST, "one line a header, without NUL",
                      "a header is folded or has a NUL");
        rq->reply.close = true;
    }
    bool body = rq->headers.chunked || rq->headers.length > 0;
    if (rq->reply.status && (body || rq->reply.close)) return refuse_body(rq);
    rq->phase = rq->reply.status ? REQUEST_REFUSED : REQUEST_BODY;
    if (body) deadlines_enter(&rq->server->deadlines, rq->connection, CONNECTION_BODY, rq);
    return MHD_YES;
}

/* ---- the library's calls ---- */

/* A request line was read. What is returned comes back as *req_cls. */
static void *on_line(void *cls, const char *target, struct MHD_Connection *wire)
{
    struct http *http = cls;
    struct request *rq = request_new(http->server, target ? target : "");
    if (!rq) return NULL;
    rq->wire = wire;
    rq->connection = connection_of(wire);
    if (rq->connection)
        deadlines_enter(&http->server->deadlines, rq->connection, CONNECTION_HEADERS, rq);
    return rq;
}

static enum MHD_Result body(struct request *rq, const char *data, size_t *n)
{
    size_t got = *n;
    *n = 0;
    deadlines_body(&rq->server->deadlines, rq->connection, got);
    if (rq->phase != REQUEST_BODY || upload_put(rq, data, got)) return MHD_YES;
    return cut_short(rq);
}

/* The whole request is there. */
static enum MHD_Result whole(struct request *rq)
{
    if (!(rq->route->flags & ROUTE_WORK)) {
        rq->route->handle(rq);
        return queue(rq);
    }
    rq->arrived = clock_ns();
    rq->deadline = clock_ms() + rq->server->settings->timeout;
    rq->phase = REQUEST_WAITING;
    deadlines_enter(&rq->server->deadlines, rq->connection, CONNECTION_WAITING, rq);
    MHD_suspend_connection(rq->wire);
    workers_submit(rq);
    return MHD_YES;
}

static enum MHD_Result on_request(void *cls, struct MHD_Connection *wire, const char *url,
                                  const char *method, const char *version, const char *data,
                                  size_t *n, void **req_cls)
{
    struct request *rq = *req_cls;
    (void)cls, (void)wire, (void)url;
    if (!rq || !rq->connection) return MHD_NO; /* no memory for a request: the connection closes */
    if (rq->phase == REQUEST_NEW) return begin(rq, method, version);
    if (*n) return body(rq, data, n);
    switch (rq->phase) {
    case REQUEST_BODY:
        return whole(rq);
    case REQUEST_REFUSED:
        return queue(rq);
    case REQUEST_WAITING:
        return atomic_load(&rq->client_left) ? MHD_NO : queue(rq);
    default:
        return MHD_NO;
    }
}

static void record(struct request *rq, bool sent)
{
    struct server *s = rq->server;
    const struct connection *c = rq->connection;
    const struct api_work *w = &rq->work;
    bool ran = rq->has_work && rq->reply.status == 200;
    int status = c && c->answered ? c->answered : sent ? rq->reply.status : 499;
    if (c && c->answered && rq->reply.status != c->answered)
        metrics_rejected(&s->metrics, API_TOO_SLOW);
    double ms = (double)(clock_ns() - rq->began) * 1e-6;
    double none = (double)NAN;
    struct log_request line = {
        .id = c && c->answered ? c->id
              : rq->id[0]      ? rq->id
                               : "-",
        .method = rq->method,
        .route = rq->route ? rq->route->pattern : "none",
        .status = status,
        .bytes = c && c->answered    ? c->answered_n
                 : sent && !rq->head ? rq->reply.body_n
                                     : 0,
        .ms = ms,
        .decode_ms = ran ? w->timing.decode_ms : none,
        .queue_ms = rq->taken ? (double)(rq->taken - rq->arrived) * 1e-6 : none,
        .run_ms = ran ? w->timing.run_ms : none,
        .encode_ms = ran ? w->timing.encode_ms : none,
    };
    metrics_request(&s->metrics, rq->route, rq->method, status, ms);
    if (ran) metrics_ops(&s->metrics, w);
    metrics_stage(&s->metrics, STAGE_DECODE, line.decode_ms);
    metrics_stage(&s->metrics, STAGE_QUEUE, line.queue_ms);
    metrics_stage(&s->metrics, STAGE_RUN, line.run_ms);
    metrics_stage(&s->metrics, STAGE_ENCODE, line.encode_ms);
    log_request(&s->log, &line);
}

static void on_completed(void *cls, struct MHD_Connection *wire, void **req_cls,
                         enum MHD_RequestTerminationCode how)
{
    struct http *http = cls;
    struct request *rq = *req_cls;
    (void)wire;
    *req_cls = NULL;
    if (!rq) return;
    if (rq->connection)
        deadlines_enter(&http->server->deadlines, rq->connection, CONNECTION_IDLE, NULL);
    if (rq->stream) stream_leave(rq->stream);
    record(rq, rq->phase == REQUEST_ANSWERING && how == MHD_REQUEST_TERMINATED_COMPLETED_OK);
    request_drop(rq);
}

static void on_connection(void *cls, struct MHD_Connection *wire, void **context,
                          enum MHD_ConnectionNotificationCode how)
{
    struct http *http = cls;
    if (how == MHD_CONNECTION_NOTIFY_STARTED) {
        const union MHD_ConnectionInfo *info =
            MHD_get_connection_info(wire, MHD_CONNECTION_INFO_CONNECTION_FD);
        *context = info ? deadlines_open(&http->server->deadlines, info->connect_fd) : NULL;
    } else if (*context) {
        deadlines_close(&http->server->deadlines, *context);
        *context = NULL;
    }
}

/* The library's own words: about requests that end before they begin. Strangers cause them, so they are
 * limited. */
static void on_log(void *cls, const char *format, va_list args)
    __attribute__((format(printf, 2, 0)));
static void on_log(void *cls, const char *format, va_list args)
{
    struct http *http = cls;
    char text[512];
    vsnprintf(text, sizeof text, format, args);
    text[strcspn(text, "\n")] = 0;
    if (strncmp(text, "Application reported", 20) == 0) return; /* we closed it on purpose */
    log_limited(&http->server->log, LOG_WARN, "http: %s", text);
}

/* ---- start and stop ---- */

struct http *http_start(struct server *server, int listener)
{
    struct http *http = calloc(1, sizeof *http);
    if (!http) return NULL;
    http->server = server;
    http->daemon = MHD_start_daemon(
        MHD_USE_EPOLL_INTERNAL_THREAD | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ITC | MHD_USE_ERROR_LOG,
        0, NULL, NULL, on_request, http, MHD_OPTION_EXTERNAL_LOGGER, on_log, http,
        MHD_OPTION_LISTEN_SOCKET, listener, MHD_OPTION_URI_LOG_CALLBACK, on_line, http,
        MHD_OPTION_NOTIFY_COMPLETED, on_completed, http, MHD_OPTION_NOTIFY_CONNECTION,
        on_connection, http, MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)CONNECTION_MEMORY,
        MHD_OPTION_CONNECTION_LIMIT,
        (unsigned)(server->settings->max_connections + SPARE_CONNECTIONS),
        MHD_OPTION_CONNECTION_TIMEOUT, 0u, MHD_OPTION_END);
    if (!http->daemon) {
        free(http);
        return NULL;
    }
    return http;
}

void http_quiesce(struct http *http)
{
    MHD_socket listener = MHD_quiesce_daemon(http->daemon);
    if (listener != MHD_INVALID_SOCKET) close(listener);
}

void http_stop(struct http *http)
{
    MHD_stop_daemon(http->daemon);
    free(http);
}

void http_suspend(struct request *rq)
{
    MHD_suspend_connection(rq->wire);
}

void http_resume(struct request *rq)
{
    MHD_resume_connection(rq->wire);
}
