/* routes.h: what is where. routes.def is the list. */
#ifndef ROUTES_H
#define ROUTES_H
#include <stdbool.h>
#include <stddef.h>

struct request;
struct target;

enum route_flags {
    ROUTE_OPEN = 1,  /* no key is asked for                              */
    ROUTE_BODY = 2,  /* a body may come                                  */
    ROUTE_NEEDS = 4, /* and must                                         */
    ROUTE_WORK = 8,  /* the handler runs on a worker                     */
    ROUTE_STATE = 16 /* changes state: only pages of our own origin may  */
};

struct route {
    const char *method;  /* "GET" also answers HEAD                      */
    const char *pattern; /* "/v1/ops/{name}"; "/{chain}" takes any path  */
    /* Makes rq->reply. False (of ROUTE_WORK only): not yet, the request waits for memory and will be called
     * again. */
    bool (*handle)(struct request *rq);
    unsigned flags;
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
#endif
