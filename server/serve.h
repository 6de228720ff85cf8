/* serve.h: the daemon. Everything its parts share is one struct; there are no globals. */
#ifndef SERVE_H
#define SERVE_H
#include <signal.h>

#include "deadlines.h"
#include "jobs.h"
#include "images.h"
#include "log.h"
#include "memory.h"
#include "metrics.h"
#include "settings.h"
#include "workers.h"

struct http;

struct server {
    struct settings own;           /* the settings in force: one request's memory is cut to what can be promised */
    const struct settings *settings; /* own */
    struct api_limits limits;
    struct saved saved; /* the library of pipelines */
    struct jobs jobs;
    struct memory *memory;
    struct images *images;
    struct convd_pool *pool;
    struct workers workers;
    struct deadlines deadlines;
    struct metrics metrics;
    struct log log;
    struct http *http;
    uint64_t seed;                 /* of request ids */
    atomic_uint_fast64_t requests; /* begun so far   */
    atomic_bool draining;
    int64_t started;               /* clock_ms       */
    char address[128];             /* HOST:PORT that is listened on, the real port */
};

/* Serves until a signal says stop. Returns the exit code. */
int serve(const struct settings *settings);
#endif
