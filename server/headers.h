/* headers.h: what convd believes of a request line and its headers. libmicrohttpd 0.9.75 takes much that RFC
 * 9112 forbids (README.md has the table); these checks refuse it before a body is read. Pure functions over
 * what arrived. */
#ifndef HEADERS_H
#define HEADERS_H
#include "../api/api.h"

#define TARGET_MOST  8192 /* bytes of a request target      */
#define HEADERS_MOST 100  /* fields of a request            */
#define QUERY_MOST   64   /* parameters of a query          */

struct header {
    const char *name;
    size_t name_n;
    const char *value;
    size_t value_n;
};

/* What the rest of the program may look at; NULL where it did not come. */
struct headers {
    const char *accept, *authorization, *content_type, *host, *if_none_match, *last_event_id, *origin, *preflight_headers;
    char id[65];             /* X-Request-Id when it is a plain token, else "" */
    uint64_t length;         /* Content-Length */
    bool has_length, chunked, expect_continue;
};
/* What is wrong. code 0: nothing. close: where the request ends is not known, so the connection cannot go on. */
struct refusal {
    int code; /* of problem.def */
    const char *detail, *expected;
    bool close;
};
/* version: "HTTP/1.1". mem holds joined lists. Looks at everything; the first thing that is wrong counts. */
struct refusal headers_read(struct headers *h, const struct header *list, size_t n, const char *version,
                            struct convd_arena *mem);

/* A request target, taken apart. Strings are in mem. */
struct target {
    const char *path;  /* decoded: "/grayscale/max_pool:2"            */
    const char *chain; /* the same as sent, without the first slash   */
    struct api_pair *query;
    size_t n_query;
};
/* raw: the target as sent; method: for "*". */
struct refusal target_read(struct target *t, const char *raw, const char *method, struct convd_arena *mem);
const char *target_query(const struct target *t, const char *name); /* the last value, or NULL */

/* Whether an If-None-Match value names this ETag (weak comparison; a list or "*"). */
bool etag_matches(const char *if_none_match, const char *etag);
#endif
