/* routes.h: what is where. routes.def is the list. */
#ifndef ROUTES_H
#define ROUTES_H
#include <stdbool.h>
#include <stddef.h>

struct request;
struct target;
struct api_route;
struct convd_arena;

enum route_flags {
    ROUTE_OPEN = 1,   /* no key is asked for; else 401                    */
    ROUTE_BODY = 2,   /* a body may come; so may 408 and 413              */
    ROUTE_NEEDS = 4,  /* and must                                         */
    ROUTE_WORK = 8,   /* the handler runs on a worker; so 503 and 504     */
    ROUTE_STATE = 16, /* changes state: only pages of our own origin may; else 403 */
    ROUTE_TAGGED = 32, /* the answer has an ETag, and 304 is one           */
    ROUTE_ARCHIVE = 64 /* its body may have --max-archive bytes            */
};

struct route {
    const char *method;  /* "GET" also answers HEAD                      */
    const char *pattern; /* "/v1/ops/{name}"; "/{chain}" takes any path  */
    /* Makes rq->reply. False (of ROUTE_WORK only): not yet, the request waits for memory and will be called
     * again. */
    bool (*handle)(struct request *rq);
    unsigned flags;
    const char *id, *tag, *takes, *query, *gives, *statuses; /* for /openapi.json: struct api_route */
    const char *help;
};
extern const struct route routes[]; /* ends with method NULL */

/* The route of a request, or NULL with the reply made (404, 405; OPTIONS is answered here too). Sets
 * rq->name. */
const struct route *routes_find(struct request *rq);
/* The methods of a path as an Allow value, in mem of rq. */
const char *routes_allow(struct request *rq);
size_t routes_index(const struct route *r); /* routes_count(): NULL's */
size_t routes_count(void);
size_t routes_first(const struct route *r); /* the index of the first route with the same pattern */
/* All of them as api describes them, in mem; NULL without memory. *n: how many. */
const struct api_route *routes_described(size_t *n, struct convd_arena *mem);
#endif
