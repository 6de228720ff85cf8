/* lib_jobs.c: see lib_jobs.h. */
#include "lib_jobs.h"
#include "../t.h"
#include <unistd.h>

void expect(struct answer a, int status, const char *text)
{
    if (a.status != status || (text && !answer_has(&a, text)))
        T_FAIL("expected %d with %s, got %d: %.400s", status, text ? text : "anything", a.status,
               a.body ? a.body : "");
    answer_release(&a);
}

struct answer job_post(const struct server *s, const char *job, const char *part, const void *bytes,
                       size_t n)
{
    return fetch(
        s, &(struct fetch){.path = "/v1/jobs",
                           .parts = {{.name = "job", .data = job, .n = strlen(job)},
                                     {.name = part, .filename = part, .data = bytes, .n = n}}});
}

const char *job_accepted(struct answer a)
{
    static char turns[4][64];
    static unsigned turn;
    char *out = turns[turn++ % 4];
    if (a.status != 202) T_FAIL("not accepted: %d %.400s", a.status, a.body);
    snprintf(out, 64, "%s", answer_header(&a, "Location"));
    answer_release(&a);
    return out;
}

const char *job_at(const char *job, const char *what)
{
    static char turns[4][96];
    static unsigned turn;
    char *out = turns[turn++ % 4];
    snprintf(out, 96, "%s/%s", job, what);
    return out;
}

static bool is_over(const struct answer *a)
{
    return !answer_has(a, "\"state\":\"queued\"") && !answer_has(a, "\"state\":\"running\"");
}

void job_wait(const struct server *s, const char *job, const char *state)
{
    char want[40];
    snprintf(want, sizeof want, "\"state\":\"%s\"", state);
    for (double end = now() + 60; now() < end; usleep(20000)) {
        struct answer a = get(s, job);
        bool there = answer_has(&a, want), over = is_over(&a);
        if (over && !there) T_FAIL("%s: %s", job, a.body);
        answer_release(&a);
        if (there) return;
    }
    T_FAIL("%s does not become %s", job, state);
}

struct answer job_delete(const struct server *s, const char *job)
{
    return fetch(s, &(struct fetch){.method = "DELETE", .path = job});
}

bool bytes_put(void *arg, const void *more, size_t n)
{
    struct bytes *b = arg;
    b->data = realloc(b->data, b->n + n);
    memcpy(b->data + b->n, more, n);
    b->n += n;
    return true;
}
