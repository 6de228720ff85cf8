/* log.h: lines on stderr, text or JSON. Nothing that a client sent gets in except a request id that was
 * checked; control characters are escaped all the same. */
#ifndef LOG_H
#define LOG_H
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct log {
    int format;               /* LOG_TEXT or LOG_JSON of settings.h */
    atomic_int_fast64_t last; /* clock_ms of the last limited line  */
    atomic_uint_fast64_t muted;
};

enum log_level { LOG_INFO, LOG_WARN, LOG_ERROR };
void log_say(struct log *l, enum log_level level, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* The same for what a stranger can cause: at most one a second, the next says how many were left out. */
void log_limited(struct log *l, enum log_level level, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

struct log_request {
    const char *id, *method, *route;
    int status;
    size_t bytes;
    double ms, decode_ms, queue_ms, run_ms, encode_ms; /* NAN: there was none */
};
void log_request(struct log *l, const struct log_request *r);
#endif
