/* reply.c: answers. Handlers make them here; http.c sends them. */
#include "clock.h"
#include "http.h"
#include "reply_raw.h"
#include "request.h"
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <xxhash.h>

#define RETRY_AFTER "1" /* seconds: a full queue is a matter of moments */

void reply_header(struct request *rq, const char *name, const char *format, ...)
{
    struct reply *r = &rq->reply;
    char value[1024];
    va_list args;
    if (r->n_headers == REPLY_HEADERS) return;
    va_start(args, format);
    int n = vsnprintf(value, sizeof value, format, args);
    va_end(args);
    if (n < 0 || (size_t)n >= sizeof value) return;
    for (int i = 0; i < n; i++)
        if ((unsigned char)value[i] < 0x20 || value[i] == 0x7f)
            return; /* nothing that could end a header gets in */
    const char *kept = convd_arena_text(&rq->mem, value, (size_t)n);
    if (!kept) return;
    r->headers[r->n_headers].name = name;
    r->headers[r->n_headers++].value = kept;
}

static void begin(struct request *rq, int status, const char *media, const void *data, size_t n)
{
    bool close = rq->reply.close, lasting = rq->reply.lasting;
    memset(&rq->reply, 0, sizeof rq->reply);
    rq->reply.status = status;
    rq->reply.media = media;
    rq->reply.body = data;
    rq->reply.body_n = n;
    rq->reply.close = close;
    rq->reply.lasting = lasting && status < 400;
}

#define LASTING "public, max-age=31536000, immutable"

void reply_bytes(struct request *rq, int status, const char *media, const void *data, size_t n,
                 const char *etag)
{
    if (etag && etag_matches(rq->headers.if_none_match, etag)) {
        begin(rq, 304, NULL, NULL, 0);
    } else {
        begin(rq, status, media, data, n);
    }
    if (!etag) {
        reply_header(rq, "Cache-Control", "no-store");
        return;
    }
    reply_header(rq, "ETag", "%s", etag);
    reply_header(rq, "Cache-Control", rq->reply.lasting ? LASTING : "no-cache");
}

void reply_json(struct request *rq)
{
    char etag[40];
    snprintf(etag, sizeof etag, "\"%016llx\"",
             (unsigned long long)XXH3_64bits(rq->bytes.data, rq->bytes.n));
    reply_bytes(rq, 200, "application/json", rq->bytes.data, rq->bytes.n, etag);
}

void reply_made(struct request *rq, const char *media)
{
    reply_bytes(rq, 200, media, rq->bytes.data, rq->bytes.n, NULL);
}

void reply_empty(struct request *rq, int status)
{
    begin(rq, status, NULL, NULL, 0);
}

/* ---- problems ---- */

static const char no_memory[] =
    "{\"type\":\"about:blank\",\"title\":\"Busy\",\"status\":503,\"code\":\"queue-full\","
    "\"detail\":\"no memory is left for this request\"}\n";

void reply_faults(struct request *rq, const struct convd_faults *f)
{
    const struct convd_fault *first = convd_faults_first(f);
    int status = api_faults_status(f);
    convd_bytes_release(&rq->bytes);
    rq->bytes.memory = memory_face(rq->server->memory);
    if (first && api_problem_write(f, rq->id, &rq->bytes)) {
        begin(rq, status, "application/problem+json", rq->bytes.data, rq->bytes.n);
        rq->reply.code = first->code;
    } else {
        status = 503;
        begin(rq, status, "application/problem+json", no_memory, sizeof no_memory - 1);
        rq->reply.code = CONVD_NO_MEMORY;
    }
    reply_header(rq, "Cache-Control", "no-store");
    if (status == 503) reply_header(rq, "Retry-After", RETRY_AFTER);
}

void reply_problem(struct request *rq, int code, const char *expected, const char *detail, ...)
{
    struct convd_faults f;
    char words[1024];
    va_list args;
    va_start(args, detail);
    vsnprintf(words, sizeof words, detail, args);
    va_end(args);
    convd_faults_init(&f, &rq->mem);
    if (expected)
        convd_fault_expected(&f, code, NULL, expected, "%s", words);
    else
        convd_fault(&f, code, NULL, "%s", words);
    reply_faults(rq, &f);
}

/* ---- results ---- */

/* What a file of this answer should be called: the upload's name without its extension, or the first name of
 * the chain; letters, digits and a few marks, the rest is _. */
static void file_name(const struct request *rq, char name[65])
{
    struct slice s = rq->form.filename;
    for (size_t i = s.n; i > 0; i--)
        if (s.data[i - 1] == '/' || s.data[i - 1] == '\\') {
            s = (struct slice){s.data + i, s.n - i};
            break;
        }
    for (size_t i = s.n; i > 1; i--)
        if (s.data[i - 1] == '.') {
            s.n = i - 1;
            break;
        }
    if (s.n == 0)
        s = rq->chain ? (struct slice){rq->chain, strcspn(rq->chain, "/:")}
                      : (struct slice){"convd", 5};
    size_t n = 0;
    for (; n < s.n && n < 64; n++) {
        char c = s.data[n];
        bool plain = (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
                     c == '-' || c == '.';
        name[n] = plain && !(n == 0 && c == '.') ? c : '_';
    }
    if (n == 0) name[n++] = '_';
    name[n] = 0;
}

void reply_result(struct request *rq)
{
    const struct api_work *w = &rq->work;
    char name[65];
    begin(rq, 200, w->media, w->body.data, w->body.n);
    if (w->etag[0]) reply_header(rq, "ETag", "%s", w->etag);
    if (rq->reply.lasting)
        reply_header(rq, "Cache-Control", LASTING);
    else
        reply_header(rq, "Vary", "Accept");
    if (w->extension) {
        file_name(rq, name);
        reply_header(rq, "Content-Disposition", "inline; filename=\"%s.%s\"", name, w->extension);
    }
    if (!isnan(w->saturated)) reply_header(rq, "Convd-Saturated", "%.6g", w->saturated);
}

/* ---- what every answer carries ---- */

static void cross_origin(struct request *rq)
{
    const struct settings_list *list = &rq->server->settings->cors_origin;
    const char *origin = rq->headers.origin, *allowed = NULL;
    for (size_t i = 0; i < list->n; i++) {
        if (strcmp(list->v[i], "*") == 0)
            allowed = "*";
        else if (!allowed && origin && strcmp(list->v[i], origin) == 0)
            allowed = origin;
    }
    if (list->n && !(allowed && allowed[0] == '*')) reply_header(rq, "Vary", "Origin");
    if (!allowed || !origin) return;
    reply_header(rq, "Access-Control-Allow-Origin", "%s", allowed);
    reply_header(rq, "Access-Control-Expose-Headers",
                 "ETag, Location, Retry-After, Server-Timing, X-Request-Id, Convd-Saturated");
}

static void timing(struct request *rq)
{
    if (!rq->has_work || rq->reply.status != 200) return;
    reply_header(rq, "Server-Timing",
                 "decode;dur=%.3f, queue;dur=%.3f, run;dur=%.3f, encode;dur=%.3f",
                 rq->work.timing.decode_ms, (double)(rq->taken - rq->arrived) * 1e-6,
                 rq->work.timing.run_ms, rq->work.timing.encode_ms);
}

void reply_finish(struct request *rq)
{
    struct reply *r = &rq->reply;
    if (r->code) metrics_rejected(&rq->server->metrics, r->code);
    if (atomic_load(&rq->server->draining)) r->close = true;
    reply_header(rq, "X-Request-Id", "%s", rq->id);
    reply_header(rq, "X-Content-Type-Options", "nosniff");
    timing(rq);
    cross_origin(rq);
    if (r->media) reply_header(rq, "Content-Type", "%s", r->media);
    if (r->close) reply_header(rq, "Connection", "close");
}

static void put(char *text, size_t room, size_t *n, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
static void put(char *text, size_t room, size_t *n, const char *format, ...)
{
    va_list args;
    if (*n >= room) return;
    va_start(args, format);
    int more = vsnprintf(text + *n, room - *n, format, args);
    va_end(args);
    *n += more < 0 ? room : (size_t)more;
}

static void put_status(char *text, size_t room, size_t *n, int status)
{
    char date[40];
    time_t now = time(NULL);
    struct tm t;
    strftime(date, sizeof date, "%a, %d %b %Y %H:%M:%S GMT", gmtime_r(&now, &t));
    put(text, room, n, "HTTP/1.1 %d %s\r\nDate: %s\r\n", status, http_reason(status), date);
}

size_t reply_text(const struct request *rq, char *text, size_t room)
{
    const struct reply *r = &rq->reply;
    size_t n = 0, body_n = rq->head ? 0 : r->body_n;
    put_status(text, room, &n, r->status);
    for (size_t i = 0; i < r->n_headers; i++)
        put(text, room, &n, "%s: %s\r\n", r->headers[i].name, r->headers[i].value);
    put(text, room, &n, "Content-Length: %zu\r\n\r\n", r->body_n);
    if (n >= room || body_n > room - n) return 0;
    if (body_n) memcpy(text + n, r->body, body_n);
    return n + body_n;
}

size_t reply_raw(char *text, size_t room, int code, const char *id, const char *detail,
                 bool retry_after)
{
    struct convd_faults *f = convd_faults_new();
    struct convd_bytes body = {0};
    size_t n = 0;
    if (!f) return 0;
    convd_fault(f, code, NULL, "%s", detail);
    if (api_problem_write(f, id, &body)) {
        put_status(text, room, &n, api_code_status(code));
        put(text, room, &n,
            "Content-Type: application/problem+json\r\nX-Request-Id: %s\r\nX-Content-Type-Options: "
            "nosniff\r\n%s"
            "Cache-Control: no-store\r\nConnection: close\r\nContent-Length: %zu\r\n\r\n%.*s",
            id, retry_after ? "Retry-After: " RETRY_AFTER "\r\n" : "", body.n, (int)body.n,
            (const char *)body.data);
    }
    convd_bytes_release(&body);
    convd_faults_free(f);
    return n < room ? n : 0;
}
