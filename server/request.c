/* request.c: the life of a request, and what its headers alone decide. */
#include "request.h"
#include "clock.h"
#include <string.h>
#include <strings.h>

void request_make_id(struct server *server, char id[65])
{
    /* splitmix64 over a counter from a random start: unique in a process, unlikely to meet another's */
    uint64_t z =
        server->seed + 0x9e3779b97f4a7c15u * (uint64_t)atomic_fetch_add(&server->requests, 1);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    z ^= z >> 31;
    for (int i = 15; i >= 0; i--, z >>= 4) id[i] = "0123456789abcdef"[z & 15];
    id[16] = 0;
}

struct request *request_new(struct server *server, const char *raw)
{
    const struct convd_memory *memory = memory_face(server->memory);
    struct request *rq = convd_take(memory, sizeof *rq);
    if (!rq) return NULL;
    memset(rq, 0, sizeof *rq);
    rq->server = server;
    rq->library = saved_hold(&server->saved);
    convd_arena_init(&rq->mem, memory, 0);
    convd_faults_init(&rq->faults, &rq->mem);
    atomic_init(&rq->owners, 1);
    rq->began = clock_ns();
    rq->method = "-";
    size_t n = strnlen(raw, TARGET_MOST + 1);
    rq->raw = convd_arena_text(&rq->mem, raw, n);
    if (!rq->raw) {
        request_drop(rq);
        return NULL;
    }
    return rq;
}

void request_hold(struct request *rq)
{
    atomic_fetch_add(&rq->owners, 1);
}

void request_drop(struct request *rq)
{
    if (atomic_fetch_sub(&rq->owners, 1) != 1) return;
    const struct convd_memory *memory = memory_face(rq->server->memory);
    workers_promise_keep(rq, 0);
    upload_release(rq);
    images_drop(rq->server->images, rq->image);
    if (rq->has_work) api_work_release(&rq->work);
    api_library_free(rq->library);
    store_blob_release(&rq->blob);
    stream_free(rq->stream);
    convd_bytes_release(&rq->bytes);
    convd_arena_release(&rq->mem);
    convd_give(memory, rq, sizeof *rq);
}

/* Equal or not in a time that depends on the lengths alone. */
static bool same_key(const char *a, const char *b)
{
    size_t n = strlen(a), m = strlen(b);
    volatile unsigned char differ = n != m;
    for (size_t i = 0; i < n; i++)
        differ |= (unsigned char)((unsigned char)a[i] ^ (unsigned char)b[m ? i % m : 0]);
    return differ == 0;
}

static bool key_fits(const struct request *rq)
{
    const struct settings_list *keys = &rq->server->settings->keys;
    const char *given = rq->headers.authorization;
    bool fits = false;
    if (keys->n == 0) return true;
    if (!given || strncasecmp(given, "Bearer ", 7) != 0) return false;
    given += 7 + strspn(given + 7, " ");
    for (size_t i = 0; i < keys->n; i++)
        fits |= same_key(given, keys->v[i]); /* all of them, whichever fits */
    return fits;
}

static void check_key(struct request *rq)
{
    if ((rq->route->flags & ROUTE_OPEN) || key_fits(rq)) return;
    reply_problem(rq, API_UNAUTHORIZED, "Authorization: Bearer KEY",
                  rq->headers.authorization ? "the key is not one of ours" : "no key came");
    reply_header(rq, "WWW-Authenticate", "Bearer realm=\"convd\"");
}

/* Whether the page that a browser speaks for is one of this server's own, or of an origin that may read answers. */
static bool origin_fits(const struct request *rq)
{
    const struct settings_list *list = &rq->server->settings->cors_origin;
    const char *origin = rq->headers.origin, *name = origin ? strstr(origin, "://") : NULL;
    if (!origin || (name && rq->headers.host && strcasecmp(name + 3, rq->headers.host) == 0))
        return true;
    for (size_t i = 0; i < list->n; i++)
        if (strcmp(list->v[i], "*") == 0 || strcmp(list->v[i], origin) == 0) return true;
    return false;
}

static void check_origin(struct request *rq)
{
    if (!(rq->route->flags & ROUTE_STATE) || origin_fits(rq)) return;
    reply_problem(rq, API_FORBIDDEN_ORIGIN, "a page of this server, or --cors-origin ORIGIN",
                  "a page of %.100s may not change what is kept here", rq->headers.origin);
}

size_t request_body_most(const struct request *rq)
{
    const struct settings *s = rq->server->settings;
    bool archive = rq->route && rq->route->flags & ROUTE_ARCHIVE;
    return archive && s->max_archive > s->max_body ? s->max_archive : s->max_body;
}

static void check_size(struct request *rq)
{
    const struct headers *h = &rq->headers;
    size_t most = request_body_most(rq);
    if (h->has_length && h->length > most) {
        struct convd_fault *fault = convd_fault_limit(
            &rq->faults, API_BODY_TOO_LARGE, NULL, (double)most, (double)h->length,
            "the body has %llu bytes", (unsigned long long)h->length);
        fault->expected = convd_arena_printf(&rq->mem, "at most %zu bytes", most);
        reply_faults(rq, &rq->faults);
    } else if ((rq->route->flags & ROUTE_NEEDS) && !h->chunked && h->length == 0) {
        reply_problem(rq, CONVD_BAD_REQUEST, "a picture, as -F img=@photo.png or as the body",
                      "the request has no body");
    }
}

/* Work is refused while there is no room for it; everything else is cheap and always answered. */
static void check_room(struct request *rq)
{
    struct server *s = rq->server;
    if (!(rq->route->flags & ROUTE_WORK)) return;
    if (atomic_load(&s->draining))
        reply_problem(rq, API_DRAINING, "another instance", "this instance is going down");
    else if (!workers_room(&s->workers))
        reply_problem(rq, API_QUEUE_FULL, "a try a little later", "%zu requests wait already",
                      s->workers.depth);
    else if (deadlines_count(&s->deadlines) > s->settings->max_connections)
        reply_problem(rq, API_QUEUE_FULL, "a try a little later",
                      "%zu connections are open already", s->settings->max_connections);
    else if (!memory_upload_fits(s->memory, (size_t)rq->headers.length))
        reply_problem(rq, API_QUEUE_FULL, "a try a little later",
                      "bodies that are arriving take all the memory there is for them");
}

void request_check(struct request *rq, const struct header *list, size_t n, const char *version)
{
    struct refusal r = headers_read(&rq->headers, list, n, version, &rq->mem);
    if (rq->headers.id[0])
        memcpy(rq->id, rq->headers.id, sizeof rq->id);
    else
        request_make_id(rq->server, rq->id);
    if (!r.code) r = target_read(&rq->target, rq->raw, rq->method, &rq->mem);
    if (r.code) {
        reply_problem(rq, r.code, r.expected, "%s", r.detail);
        rq->reply.close = r.close;
        return;
    }
    rq->route = routes_find(rq);
    void (*const checks[])(struct request *) = {check_key, check_origin, check_size, check_room};
    for (size_t i = 0; i < sizeof checks / sizeof *checks && rq->route && !rq->reply.status; i++)
        checks[i](rq);
}
