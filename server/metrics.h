/* metrics.h: what is counted, and the text Prometheus reads. metrics.def lists the metrics. Labels come from
 * closed sets: never from what a client sent. */
#ifndef METRICS_H
#define METRICS_H
#include <stdatomic.h>

#include "../core/image/image.h"

#define METRICS_ROUTES   64
#define METRICS_METHODS  7
#define METRICS_STATUSES 25
#define METRICS_BUCKETS  14
#define METRICS_REASONS  8
#define METRICS_OPS      128

enum metrics_stage { STAGE_DECODE, STAGE_QUEUE, STAGE_RUN, STAGE_ENCODE, STAGES };

struct metrics_histogram {
    atomic_uint_fast64_t bucket[METRICS_BUCKETS + 1], sum_us;
};
struct metrics {
    atomic_uint_fast64_t requests[METRICS_ROUTES][METRICS_METHODS][METRICS_STATUSES];
    struct metrics_histogram duration[METRICS_ROUTES], stage[STAGES], op[METRICS_OPS];
    atomic_uint_fast64_t rejected[METRICS_REASONS], pixels, not_modified;
};

struct server;
struct route;
void metrics_request(struct metrics *m, const struct route *route, const char *method, int status, double ms);
void metrics_stage(struct metrics *m, enum metrics_stage stage, double ms); /* NAN: nothing is counted */
struct api_work;
/* The steps that a piece of work ran, by their operations. */
void metrics_ops(struct metrics *m, const struct api_work *w);
/* A request turned away; codes that are no such reason are not counted. */
void metrics_rejected(struct metrics *m, int code);
bool metrics_write(struct server *s, struct convd_bytes *out);
#endif
