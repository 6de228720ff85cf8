/* multipart.h: multipart/form-data (RFC 7578) over a body that is in memory. Parts are slices of the body:
 * nothing is copied, nothing allocated, nothing remembered, so one call is the whole parser (and the whole
 * fuzz target). */
#ifndef MULTIPART_H
#define MULTIPART_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MULTIPART_PARTS    128  /* most parts of a body          */
#define MULTIPART_HEADER   8192 /* most bytes of a part's header */
#define MULTIPART_NAME     64   /* most bytes of a part's name   */
#define MULTIPART_BOUNDARY 70   /* RFC 2046                      */

/* Bytes of somebody else's. data NULL: there is none. */
struct slice {
    const char *data;
    size_t n;
};

struct multipart_part {
    struct slice name;     /* never empty                                                  */
    struct slice filename; /* as sent, escapes included; a hint, never a path              */
    struct slice type;     /* Content-Type                                                 */
    const uint8_t *data;
    size_t n;
};

struct multipart {
    size_t n;
    struct multipart_part part[MULTIPART_PARTS];
    const char *fault;    /* what is wrong, or NULL        */
    const char *expected; /* what would work               */
    size_t at;            /* where in the body             */
};

/* The boundary of a Content-Type value. False with *fault when it has none that RFC 2046 allows. */
bool multipart_boundary(const char *content_type, struct slice *boundary, const char **fault);
/* False with m->fault set. */
bool multipart_parse(struct multipart *m, const void *body, size_t n, struct slice boundary);

/* True when the value's media type (what stands before ';') is this one; case does not count. */
bool media_is(const char *content_type, const char *media);
#endif
