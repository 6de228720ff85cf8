/* routes.c: which row of routes.def a request means. */
#include "routes.h"
#include "../core/kernels.h"
#include "request.h"
#include <string.h>

#define ROUTE(METHOD, PATTERN, HANDLER, FLAGS, HELP) bool HANDLER(struct request *rq);
#include "routes.def"
#undef ROUTE

/* clang-format off */
const struct route routes[] = {
#define ROUTE(METHOD, PATTERN, HANDLER, FLAGS, HELP) {#METHOD, PATTERN, HANDLER, FLAGS, HELP},
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

static bool is_chain(const struct route *r)
{
    return strcmp(r->pattern, "/{chain}") == 0;
}

/* Whether path is this route's; *name: what stands for {name}. /{chain} is not asked here. */
static bool fits(const struct route *r, const char *path, const char **name)
{
    const char *open = strchr(r->pattern, '{');
    if (!open) return strcmp(r->pattern, path) == 0;
    size_t n = (size_t)(open - r->pattern);
    if (is_chain(r) || strncmp(r->pattern, path, n) != 0 || !path[n] || strchr(path + n, '/'))
        return false;
    *name = path + n;
    return true;
}

/* A path that only a chain can be meant by. */
static bool chain_path(const char *path)
{
    return path[0] == '/' && path[1] && strcmp(path, "/v1") != 0 && strncmp(path, "/v1/", 4) != 0;
}

/* The rows of a path: the fixed ones, or else the chain's. */
static bool of_path(const struct route *r, const char *path, bool fixed, const char **name)
{
    return fixed ? fits(r, path, name) : is_chain(r) && chain_path(path);
}

static bool any_fixed(const char *path)
{
    const char *name;
    for (const struct route *r = routes; r->method; r++)
        if (fits(r, path, &name)) return true;
    return false;
}

const char *routes_allow(struct request *rq)
{
    const char *path = rq->target.path, *name, *allow = NULL;
    if (strcmp(path, "*") == 0) return "GET, HEAD, POST, OPTIONS";
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
        if (!api_library_find(rq->server->library, name) && !convd_op_find(name) &&
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
    for (const struct route *r = routes; r->method; r++)
        if (of_path(r, path, fixed, &rq->name) && strcmp(r->method, method) == 0) return r;
    if (fixed || (chain_path(path) && names_known(rq)))
        wrong_method(rq, !fixed);
    else
        not_found(rq);
    return NULL;
}
