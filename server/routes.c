/* routes.c: which row of routes.def a request means. */
#include "routes.h"
#include "../core/kernels.h"
#include "request.h"
#include <stdio.h>
#include <string.h>

#define ROUTE(METHOD, PATTERN, HANDLER, ...) bool HANDLER(struct request *rq);
#include "routes.def"
#undef ROUTE

/* clang-format off */
const struct route routes[] = {
#define ROUTE(METHOD, PATTERN, HANDLER, FLAGS, ...) {#METHOD, PATTERN, HANDLER, FLAGS, __VA_ARGS__},
#include "routes.def"
#undef ROUTE
    {.method = NULL},
};
/* clang-format on */
_Static_assert(sizeof routes / sizeof *routes <= METRICS_ROUTES,
               "metrics.h has a row for each route and one for none");

size_t routes_count(void)
{
    return sizeof routes / sizeof *routes - 1;
}

size_t routes_index(const struct route *r)
{
    return r ? (size_t)(r - routes) : routes_count();
}

size_t routes_first(const struct route *r)
{
    size_t i = 0;
    while (r && strcmp(routes[i].pattern, r->pattern) != 0) i++;
    return r ? i : routes_count();
}

/* What follows from the flags, and what the row says beside. */
static const char *statuses_of(const struct route *r, struct convd_arena *mem)
{
    const char *name = strstr(r->pattern, "/{name}");
    const bool makes = strcmp(r->method, "PUT") == 0 && name && !name[7]; /* what is not there */
    const bool later = strncmp(r->statuses, "202", 3) == 0;
    const struct {
        int status;
        bool listed;
    } all[] = {
        {200, *r->gives && !later},
        {201, false},
        {202, false},
        {204, *r->gives == 0},
        {304, r->flags & ROUTE_TAGGED},
        {400, true},
        {401, !(r->flags & ROUTE_OPEN)},
        {403, r->flags & ROUTE_STATE},
        {404, (name && !makes) || strstr(r->pattern, "/{id}")},
        {406, false},
        {408, r->flags & ROUTE_BODY},
        {409, false},
        {412, false},
        {413, r->flags & ROUTE_BODY},
        {414, true},
        {415, false},
        {422, false},
        {431, true},
        {501, true},
        {503, r->flags & ROUTE_WORK},
        {504, r->flags & ROUTE_WORK},
        {507, false},
    };
    const char *list = "";
    for (size_t i = 0; i < sizeof all / sizeof *all && list; i++) {
        char number[16];
        snprintf(number, sizeof number, "%d", all[i].status);
        if (all[i].listed || convd_word_in(r->statuses, number))
            list = convd_arena_printf(mem, "%s%s%s", list, *list ? " " : "", number);
    }
    return list;
}

const struct api_route *routes_described(size_t *n, struct convd_arena *mem)
{
    struct api_route *list = convd_arena_array(mem, routes_count(), sizeof *list);
    *n = routes_count();
    for (size_t i = 0; list && i < *n; i++) {
        const struct route *r = &routes[i];
        list[i] = (struct api_route){.method = r->method,
                                     .pattern = r->pattern,
                                     .id = r->id,
                                     .tag = r->tag,
                                     .takes = r->takes,
                                     .query = r->query,
                                     .gives = r->gives,
                                     .statuses = statuses_of(r, mem),
                                     .summary = r->help,
                                     .open = r->flags & ROUTE_OPEN,
                                     .needs_body = r->flags & ROUTE_NEEDS};
        if (!list[i].statuses) return NULL;
    }
    return list;
}

static bool is_chain(const struct route *r)
{
    return strcmp(r->pattern, "/{chain}") == 0;
}

/* Whether path is this route's; *name: what stands for {name} or {id}. A {chain} is all that follows. /{chain} alone is not
 * asked here. */
static bool fits(const struct route *r, const char *path, struct slice *name)
{
    const char *p = r->pattern;
    if (is_chain(r)) return false;
    while (*p) {
        if (*p != '{') {
            if (*p++ != *path++) return false;
            continue;
        }
        if (strncmp(p, "{chain}", 7) == 0) return *path != 0;
        size_t n = strcspn(path, "/");
        if (n == 0) return false;
        *name = (struct slice){path, n};
        path += n;
        p += strcspn(p, "}") + 1;
    }
    return *path == 0;
}

/* A path that only a chain can be meant by. */
static bool chain_path(const char *path)
{
    return path[0] == '/' && path[1] && strcmp(path, "/v1") != 0 && strncmp(path, "/v1/", 4) != 0;
}

/* The rows of a path: the fixed ones, or else the chain's. */
static bool of_path(const struct route *r, const char *path, bool fixed, struct slice *name)
{
    return fixed ? fits(r, path, name) : is_chain(r) && chain_path(path);
}

static bool any_fixed(const char *path)
{
    struct slice name;
    for (const struct route *r = routes; r->method; r++)
        if (fits(r, path, &name)) return true;
    return false;
}

const char *routes_allow(struct request *rq)
{
    const char *path = rq->target.path, *allow = NULL;
    struct slice name;
    if (strcmp(path, "*") == 0) return "GET, HEAD, POST, DELETE, OPTIONS";
    bool fixed = any_fixed(path);
    for (const struct route *r = routes; r->method; r++) {
        if (!of_path(r, path, fixed, &name)) continue;
        const char *methods = strcmp(r->method, "GET") == 0 ? "GET, HEAD" : r->method;
        allow = allow ? convd_arena_printf(&rq->mem, "%s, %s", allow, methods) : methods;
    }
    return allow ? convd_arena_printf(&rq->mem, "%s, OPTIONS", allow) : "OPTIONS";
}

static const char *pattern_at(const void *unused, size_t i)
{
    (void)unused;
    return i < routes_count() ? routes[i].pattern : NULL;
}

/* Whether every segment of the path begins with the name of something that runs. */
static bool names_known(const struct request *rq)
{
    char name[65];
    for (const char *s = rq->target.path + 1;; s++) {
        size_t n = strcspn(s, ":/");
        if (n == 0 || n >= sizeof name) return false;
        memcpy(name, s, n);
        name[n] = 0;
        if (!api_library_find(rq->library, name) && !convd_op_find(name) &&
            !convd_kernel_find(name))
            return false;
        s += strcspn(s, "/");
        if (!*s) return true;
    }
}

static void not_found(struct request *rq)
{
    const char *path = rq->target.path,
               *near = convd_nearest(path, pattern_at, NULL, routes_count());
    struct convd_fault *f =
        convd_fault(&rq->faults, API_NOT_FOUND, NULL, "nothing is at %.200s", path);
    if (near && strchr(near, '{')) near = NULL;
    f->suggestion = near;
    f->expected = "a route of the README, or POST of a picture to /edges";
    reply_faults(rq, &rq->faults);
}

static void wrong_method(struct request *rq, bool chain)
{
    if (chain)
        reply_problem(rq, API_METHOD_NOT_ALLOWED,
                      convd_arena_printf(
                          &rq->mem,
                          "POST of a picture: curl -F img=@photo.png http://%s/%.200s -o out.png",
                          rq->server->address, rq->target.chain),
                      "%.20s is not taken at %.200s; send a picture: curl -F img=@photo.png "
                      "http://%s/%.200s -o out.png",
                      rq->method, rq->target.path, rq->server->address, rq->target.chain);
    else
        reply_problem(rq, API_METHOD_NOT_ALLOWED, routes_allow(rq), "%.20s is not taken at %.200s",
                      rq->method, rq->target.path);
    reply_header(rq, "Allow", "%s", routes_allow(rq));
}

static void options(struct request *rq)
{
    reply_empty(rq, 204);
    reply_header(rq, "Allow", "%s", routes_allow(rq));
    if (!rq->headers.origin) return;
    reply_header(rq, "Access-Control-Allow-Methods", "%s", routes_allow(rq));
    reply_header(rq, "Access-Control-Allow-Headers",
                 "Authorization, Content-Type, If-None-Match, X-Request-Id");
    reply_header(rq, "Access-Control-Max-Age", "86400");
}

const struct route *routes_find(struct request *rq)
{
    const char *path = rq->target.path, *method = rq->head ? "GET" : rq->method;
    if (strcmp(method, "OPTIONS") == 0) {
        options(rq);
        return NULL;
    }
    bool fixed = any_fixed(path);
    struct slice name = {.n = 0};
    for (const struct route *r = routes; r->method; r++) {
        if (!of_path(r, path, fixed, &name) || strcmp(r->method, method) != 0) continue;
        if (name.data) rq->name = convd_arena_text(&rq->mem, name.data, name.n);
        if (is_chain(r)) rq->chain = rq->target.chain;
        return r;
    }
    if (fixed || (chain_path(path) && names_known(rq)))
        wrong_method(rq, !fixed);
    else
        not_found(rq);
    return NULL;
}
