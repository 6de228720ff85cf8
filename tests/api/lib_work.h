/* lib_work.h: pieces of work for tests: a small photo-like picture, memory that counts, requests in one line. */
#ifndef TESTS_API_LIB_WORK_H
#define TESTS_API_LIB_WORK_H
#include "../../api/api.h"
#include <stdint.h>

/* Memory that knows how much is out, the most that ever was, and how often it was asked. Blocks given back are kept by
 * size and handed out again, as a server's pool does. */
struct counting {
    struct convd_memory memory;
    size_t now, most, takes, fresh; /* fresh: takes that no kept block could serve */
    size_t fail_at;                 /* the take of that number fails; 0: none      */
    struct block { void *p; size_t bytes; } kept[4096];
    size_t n_kept;
};
struct counting *counting_new(void);
void counting_free(struct counting *c); /* the test fails when something is still out */

const struct api_library *test_library(void);
/* A W x H picture with gradients, edges and texture as PPM (channels 3), PGM (1) or PNG with alpha (4); static storage
 * of the caller's: free() it. */
uint8_t *test_picture(ptrdiff_t w, ptrdiff_t h, ptrdiff_t channels, size_t *n);

/* A work on that picture with default limits; change fields before prepare. */
struct api_work test_work(struct counting *c, const void *image, size_t n, const char *pipeline);
/* Prepares, runs without a pool and checks that both went well. */
void test_run(struct api_work *w);
/* The text of all faults, "code pointer: detail | …", in storage of its own until the next call. */
const char *test_faults(const struct convd_faults *f);
/* Body as text with a NUL (until the next call). */
const char *test_body(const struct api_work *w);
/* A member of JSON text: a value tree in memory that lives until the program ends. */
const struct convd_value *test_json(const char *text, size_t n);
/* Follows "a/b/0" from v; fails the test when it is not there. */
const struct convd_value *test_at(const struct convd_value *v, const char *path);
#endif
