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

bool job_try(const struct server *s, const char *job, const char *part, const void *bytes, size_t n,
             char address[JOB_ADDRESS], int *status)
{
    struct answer a = job_post(s, job, part, bytes, n);
    const char *where = answer_header(&a, "Location");
    *status = a.status;
    snprintf(address, JOB_ADDRESS, "%s", a.status == 202 && where ? where : "");
    answer_release(&a);
    return address[0];
}

char job_ending(const struct server *s, const char *job, double seconds)
{
    for (double end = now() + seconds; now() < end; usleep(3000)) {
        struct answer a = get(s, job);
        const char *state = a.status == 200 ? strstr(a.body, "\"state\":\"") : NULL;
        char how = a.status == 404 ? '-' : state ? state[9] : 0;
        if (how == 'f') print_error("%.500s\n", a.body);
        int status = a.status;
        answer_release(&a);
        if (status <= 0) return 0;
        if (how && how != 'q' && how != 'r') return how;
    }
    return 0;
}

enum same answer_same(const struct server *s, const char *path, const struct answer *want)
{
    struct answer a = get(s, path);
    bool same = a.status == want->status && a.body_n == want->body_n &&
                memcmp(a.body, want->body, a.body_n) == 0;
    enum same how = a.status != want->status ? SAME_NOT_THERE : same ? SAME_YES : SAME_NO;
    answer_release(&a);
    return how;
}

bool job_epochs_once(const struct server *s, const char *job, unsigned epochs)
{
    struct answer a = get(s, job_at(job, "result"));
    unsigned seen = 0;
    for (const char *at = a.body; a.status == 200 && (at = strstr(at, "{\"epoch\":")); at++)
        seen = (unsigned)atoi(at + 9) == seen + 1 ? seen + 1 : epochs + 1;
    answer_release(&a);
    return seen == epochs;
}

/* ---- something to learn ---- */

void *stripes(int side, bool upright, unsigned number, size_t *n)
{
    size_t head;
    char *p = ppm(side, side, n);
    head = *n - (size_t)(side * side * 3);
    for (int i = 0; i < side; i++)
        for (int j = 0; j < side; j++)
            for (int c = 0; c < 3; c++) {
                unsigned k = (unsigned)(upright ? j : i) + number;
                p[head + (size_t)((i * side + j) * 3 + c)] =
                    (char)(40 + 60 * (k * k % 3) + number % 13);
            }
    return p;
}

void stripes_add(struct archive_out *out, const char *name, int side, unsigned number)
{
    size_t n;
    void *p = stripes(side, number % 2 == 0, number, &n);
    OK(archive_add(out, name, p, n));
    free(p);
}

struct bytes stripes_album(enum archive_kind kind, unsigned each, const char *more,
                           const void *bytes, size_t n)
{
    struct bytes b = {0};
    struct archive_out *out = archive_create(kind, bytes_put, &b);
    for (unsigned i = 0; i < 2 * each; i++) {
        char name[32];
        snprintf(name, sizeof name, "set/%s/%03u.ppm", i % 2 ? "lying" : "upright", i);
        stripes_add(out, name, 16, i);
    }
    if (more) OK(archive_add(out, more, bytes, n));
    OK(archive_end(out, true));
    return b;
}
