/* metrics.c: see metrics.h. Prometheus text format 0.0.4. */
#include "metrics.h"
#include "../core/simd/simd.h"
#include "routes.h"
#include "serve.h"
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char *const methods[METRICS_METHODS] = {"GET", "HEAD",   "POST", "OPTIONS",
                                                     "PUT", "DELETE", "other"};
static const int statuses[METRICS_STATUSES] = {200, 201, 202, 204, 304, 400, 401, 403,
                                               404, 405, 406, 408, 409, 412, 413, 414,
                                               415, 422, 431, 499, 501, 503, 504, 507, 0};
static const double buckets[METRICS_BUCKETS] = {0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1,
                                                0.25,  0.5,    1,     2.5,  5,     10,   30};
static const char *const stages[STAGES] = {"decode", "queue", "run", "encode"};
static const int reasons[METRICS_REASONS] = {API_QUEUE_FULL,   API_DRAINING,   CONVD_NO_MEMORY,
                                             API_DEADLINE,     API_TOO_SLOW,   API_BODY_TOO_LARGE,
                                             API_UNAUTHORIZED, CONVD_CANCELLED};

static void observe(struct metrics_histogram *h, double ms)
{
    size_t i = 0;
    while (i < METRICS_BUCKETS && ms > buckets[i] * 1e3) i++;
    atomic_fetch_add_explicit(&h->bucket[i], 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&h->sum_us, (uint64_t)(ms * 1e3), memory_order_relaxed);
}

void metrics_request(struct metrics *m, const struct route *route, const char *method, int status,
                     double ms)
{
    size_t r = routes_index(route), first = routes_first(route), k = 0, s = 0;
    while (k < METRICS_METHODS - 1 && (!method || strcmp(method, methods[k]) != 0)) k++;
    while (s < METRICS_STATUSES - 1 && status != statuses[s]) s++;
    atomic_fetch_add_explicit(&m->requests[r][k][s], 1, memory_order_relaxed);
    observe(&m->duration[first], ms);
    if (status == 304) atomic_fetch_add_explicit(&m->not_modified, 1, memory_order_relaxed);
}

void metrics_stage(struct metrics *m, enum metrics_stage stage, double ms)
{
    if (!isnan(ms)) observe(&m->stage[stage], ms);
}

static size_t op_index(const struct convd_op *op)
{
    size_t i = 0;
    while (i < METRICS_OPS && convd_op_at(i) && convd_op_at(i) != op) i++;
    return i;
}

void metrics_ops(struct metrics *m, const struct api_work *w)
{
    for (size_t v = 0; w->step_ns && v < w->graph->n_nodes; v++) {
        const struct convd_op *op = w->graph->nodes[v].op;
        size_t i = op && w->step_ns[v] ? op_index(op) : METRICS_OPS;
        if (i < METRICS_OPS) observe(&m->op[i], (double)w->step_ns[v] * 1e-6);
    }
}

void metrics_rejected(struct metrics *m, int code)
{
    for (size_t i = 0; i < METRICS_REASONS; i++)
        if (reasons[i] == code) atomic_fetch_add_explicit(&m->rejected[i], 1, memory_order_relaxed);
}

/* ---- writing ---- */

struct text {
    struct convd_bytes *out;
    bool failed;
};

static void put(struct text *t, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void put(struct text *t, const char *format, ...)
{
    char line[512];
    va_list args;
    va_start(args, format);
    int n = vsnprintf(line, sizeof line, format, args);
    va_end(args);
    if (n > 0 &&
        !convd_bytes_put(t->out, line, (size_t)n < sizeof line ? (size_t)n : sizeof line - 1))
        t->failed = true;
}

static unsigned long long count(atomic_uint_fast64_t *at)
{
    return atomic_load_explicit(at, memory_order_relaxed);
}

static const char *pattern(size_t route)
{
    return route < routes_count() ? routes[route].pattern : "none";
}

static void write_requests(struct text *t, const char *name, struct server *s)
{
    for (size_t r = 0; r <= routes_count(); r++)
        for (size_t k = 0; k < METRICS_METHODS; k++)
            for (size_t i = 0; i < METRICS_STATUSES; i++) {
                unsigned long long n = count(&s->metrics.requests[r][k][i]);
                char status[16] = "other";
                if (statuses[i]) snprintf(status, sizeof status, "%d", statuses[i]);
                if (n)
                    put(t, "%s{route=\"%s\",method=\"%s\",code=\"%s\"} %llu\n", name, pattern(r),
                        methods[k], status, n);
            }
}

static void histogram(struct text *t, const char *name, const char *label, const char *value,
                      struct metrics_histogram *h)
{
    unsigned long long sum = 0;
    for (size_t i = 0; i < METRICS_BUCKETS; i++) {
        sum += count(&h->bucket[i]);
        put(t, "%s_bucket{%s=\"%s\",le=\"%g\"} %llu\n", name, label, value, buckets[i], sum);
    }
    sum += count(&h->bucket[METRICS_BUCKETS]);
    put(t, "%s_bucket{%s=\"%s\",le=\"+Inf\"} %llu\n", name, label, value, sum);
    put(t, "%s_sum{%s=\"%s\"} %.6f\n", name, label, value, (double)count(&h->sum_us) * 1e-6);
    put(t, "%s_count{%s=\"%s\"} %llu\n", name, label, value, sum);
}

static bool seen(struct metrics_histogram *h)
{
    for (size_t i = 0; i <= METRICS_BUCKETS; i++)
        if (count(&h->bucket[i])) return true;
    return false;
}

/* Routes that share a pattern are one series: it counts with the first. */
static void write_duration(struct text *t, const char *name, struct server *s)
{
    for (size_t r = 0; r <= routes_count(); r++)
        if (seen(&s->metrics.duration[r]))
            histogram(t, name, "route", pattern(r), &s->metrics.duration[r]);
}

static void write_stages(struct text *t, const char *name, struct server *s)
{
    for (size_t i = 0; i < STAGES; i++)
        histogram(t, name, "stage", stages[i], &s->metrics.stage[i]);
}

static void write_ops(struct text *t, const char *name, struct server *s)
{
    for (size_t i = 0; i < METRICS_OPS && convd_op_at(i); i++)
        if (seen(&s->metrics.op[i]))
            histogram(t, name, "op", convd_op_name(NULL, i), &s->metrics.op[i]);
}

/* Causes that share a word (no memory is queue-full to a client) are one series. */
static void write_rejected(struct text *t, const char *name, struct server *s)
{
    for (size_t i = 0; i < METRICS_REASONS; i++) {
        unsigned long long n = 0;
        bool first = true;
        for (size_t k = 0; k < METRICS_REASONS; k++) {
            if (strcmp(api_code_word(reasons[k]), api_code_word(reasons[i])) != 0) continue;
            if (k < i) first = false;
            n += count(&s->metrics.rejected[k]);
        }
        if (first) put(t, "%s{reason=\"%s\"} %llu\n", name, api_code_word(reasons[i]), n);
    }
}

static void write_depth(struct text *t, const char *name, struct server *s)
{
    put(t, "%s %zu\n", name, atomic_load(&s->workers.waiting));
}

static void write_workers(struct text *t, const char *name, struct server *s)
{
    put(t, "%s %zu\n", name, convd_pool_threads(s->pool));
}

static void write_busy(struct text *t, const char *name, struct server *s)
{
    put(t, "%s %zu\n", name, atomic_load(&s->workers.running));
}

static size_t resident(void)
{
    size_t pages = 0;
    FILE *f = fopen("/proc/self/statm", "re");
    if (f && fscanf(f, "%*s %zu", &pages) != 1) pages = 0;
    if (f) fclose(f);
    return pages * (size_t)sysconf(_SC_PAGESIZE);
}

static void write_memory(struct text *t, const char *name, struct server *s)
{
    struct memory_counts c = memory_counts(s->memory);
    const struct {
        const char *kind;
        size_t bytes;
    } rows[] = {
        {"budget", c.budget},     {"used", c.used},         {"peak", c.peak},
        {"cached", c.cached},     {"promised", c.promised}, {"uploads", c.uploads},
        {"resident", resident()},
        {"images", images_counts(s->images).bytes},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        put(t, "%s{kind=\"%s\"} %zu\n", name, rows[i].kind, rows[i].bytes);
}

static void write_hits(struct text *t, const char *name, struct server *s)
{
    put(t, "%s{kind=\"image\"} %llu\n", name, (unsigned long long)images_counts(s->images).hits);
    put(t, "%s{kind=\"etag\"} %llu\n", name, count(&s->metrics.not_modified));
}

static void write_pixels(struct text *t, const char *name, struct server *s)
{
    put(t, "%s %llu\n", name, count(&s->metrics.pixels));
}

static void write_jobs(struct text *t, const char *name, struct server *s)
{
    struct jobs *k = &s->jobs;
    pthread_mutex_lock(&k->lock);
    for (size_t i = 0; job_types[i]; i++)
        for (size_t state = 0; state < JOB_STATES; state++) {
            size_t n = 0;
            for (size_t c = 0; c < k->n_counts; c++)
                if (k->counts[c].state == state && strcmp(k->counts[c].type, job_types[i]->name) == 0)
                    n += k->counts[c].n;
            put(t, "%s{type=\"%s\",state=\"%s\"} %zu\n", name, job_types[i]->name,
                job_state_words[state], n);
        }
    pthread_mutex_unlock(&k->lock);
}

static void write_build(struct text *t, const char *name, struct server *s)
{
    (void)s;
    put(t, "%s{version=\"%s\",isa=\"%s\"} 1\n", name, CONVD_VERSION,
        convd_simd_choose(getenv("CONVD_ISA"))->name);
}

bool metrics_write(struct server *s, struct convd_bytes *out)
{
    struct text t = {.out = out};
#define METRIC(WRITER, NAME, TYPE, HELP)                                                           \
    put(&t, "# HELP %s %s\n# TYPE %s %s\n", NAME, HELP, NAME, TYPE);                               \
    write_##WRITER(&t, NAME, s);
#include "metrics.def"
#undef METRIC
    return !t.failed;
}
