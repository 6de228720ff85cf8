/* log.c: see log.h. A line is made in one buffer and written by one call, so that lines of several threads do
 * not mix. */
#include "log.h"
#include "clock.h"
#include "settings.h"
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

struct line {
    size_t n;
    char text[2048];
};

static void put(struct line *l, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void put(struct line *l, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    size_t room = sizeof l->text - 2 - l->n; /* keeps room for the line's end */
    int n = vsnprintf(l->text + l->n, room, format, args);
    va_end(args);
    if (n > 0) l->n += (size_t)n < room ? (size_t)n : room - 1;
}

/* Text with control characters (and, for JSON, quotes) escaped. */
static void put_text(struct line *l, const char *s, bool json)
{
    for (; s && *s; s++) {
        unsigned char c = (unsigned char)*s;
        if (c < 0x20 || c == 0x7f)
            put(l, "\\u%04x", c);
        else if (json && (c == '"' || c == '\\'))
            put(l, "\\%c", c);
        else
            put(l, "%c", c);
    }
}

static void put_time(struct line *l)
{
    struct timespec now;
    struct tm t;
    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &t);
    put(l, "%04d-%02d-%02dT%02d:%02d:%02d.%03ldZ", t.tm_year + 1900, t.tm_mon + 1, t.tm_mday,
        t.tm_hour, t.tm_min, t.tm_sec, now.tv_nsec / 1000000);
}

static void end(struct line *l)
{
    l->text[l->n++] = '\n';
    for (size_t at = 0; at < l->n;) {
        ssize_t n = write(STDERR_FILENO, l->text + at, l->n - at);
        if (n <= 0) break; /* nobody listens: nothing to be done */
        at += (size_t)n;
    }
}

static const char *const levels[] = {"info", "warn", "error"};

static void say(struct log *l, enum log_level level, const char *message, uint64_t muted)
{
    struct line out = {.n = 0};
    bool json = l->format == LOG_JSON;
    put(&out, "%s", json ? "{\"time\":\"" : "");
    put_time(&out);
    put(&out, json ? "\",\"level\":\"%s\",\"message\":\"" : " %s ", levels[level]);
    put_text(&out, message, json);
    if (muted) put(&out, " (and %llu more like it)", (unsigned long long)muted);
    if (json) put(&out, "\"}");
    end(&out);
}

void log_say(struct log *l, enum log_level level, const char *format, ...)
{
    char message[1024];
    va_list args;
    va_start(args, format);
    vsnprintf(message, sizeof message, format, args);
    va_end(args);
    say(l, level, message, 0);
}

void log_limited(struct log *l, enum log_level level, const char *format, ...)
{
    int64_t now = clock_ms(), last = atomic_load(&l->last);
    if ((last != 0 && now - last < 1000) || !atomic_compare_exchange_strong(&l->last, &last, now)) {
        atomic_fetch_add(&l->muted, 1);
        return;
    }
    char message[1024];
    va_list args;
    va_start(args, format);
    vsnprintf(message, sizeof message, format, args);
    va_end(args);
    say(l, level, message, atomic_exchange(&l->muted, 0));
}

static void put_stage(struct line *out, const char *name, double ms, bool json)
{
    if (isnan(ms)) return;
    put(out, json ? ",\"%s_ms\":%.3f" : " %s=%.3f", name, ms);
}

void log_request(struct log *l, const struct log_request *r)
{
    struct line out = {.n = 0};
    bool json = l->format == LOG_JSON;
    put(&out, "%s", json ? "{\"time\":\"" : "");
    put_time(&out);
    put(&out, json ? "\",\"level\":\"info\",\"request_id\":\"" : " info ");
    put_text(&out, r->id, json);
    put(&out, json ? "\",\"method\":\"" : " ");
    put_text(&out, r->method, json);
    put(&out, json ? "\",\"route\":\"" : " ");
    put_text(&out, r->route, json);
    put(&out, json ? "\",\"status\":%d,\"bytes\":%zu,\"ms\":%.3f" : " %d %zuB %.3fms", r->status,
        r->bytes, r->ms);
    put_stage(&out, "decode", r->decode_ms, json);
    put_stage(&out, "queue", r->queue_ms, json);
    put_stage(&out, "run", r->run_ms, json);
    put_stage(&out, "encode", r->encode_ms, json);
    if (json) put(&out, "}");
    end(&out);
}
