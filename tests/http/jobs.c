/* jobs.c: jobs: accepted, run, watched, cancelled, removed; batches of archives; what survives the process. */
#include "../t.h"
#include "lib_jobs.h"
#include <signal.h>
#include <unistd.h>

static struct server s;
static char data[64];

/* ---- helpers ---- */

static struct answer post_job(const char *job, const char *part, const void *bytes, size_t n)
{
    return job_post(&s, job, part, bytes, n);
}

/* An archive of count pictures and one that is none. */
static struct bytes album(enum archive_kind kind, int count)
{
    struct bytes b = {0};
    struct archive_out *out = archive_create(kind, bytes_put, &b);
    for (int i = 0; i < count; i++) {
        size_t n;
        char name[32];
        void *p = ppm(8 + i % 5, 6 + i % 3, &n);
        snprintf(name, sizeof name, "d%d/p%02d.ppm", i % 2, i);
        OK(archive_add(out, name, p, n));
        free(p);
    }
    OK(archive_add(out, "d0/bad.png", "no picture", 10));
    OK(archive_end(out, true));
    return b;
}

/* What takes many seconds, band by band. */
static const char slow[] =
    "{\"type\":\"run\",\"pipeline\":\"gabor:129,40/gabor:127,40/gabor:125,40/gabor:123,40\"}";

static const char *start_slow(void)
{
    size_t n;
    void *p = ppm(1600, 1600, &n);
    const char *job = job_accepted(post_job(slow, "img", p, n));
    free(p);
    return job;
}

/* ---- one picture ---- */

TEST(a_run_answers_what_the_route_answers)
{
    size_t n;
    void *p = ppm(40, 30, &n);
    const char *job =
        job_accepted(post_job("{\"type\":\"run\",\"pipeline\":\"edges\"}", "img", p, n));
    job_wait(&s, job, "succeeded");
    struct answer a = get(&s, job_at(job, "result")),
                  b = fetch(&s, &(struct fetch){.path = "/edges", .body = p, .body_n = n});
    EQ(200, a.status);
    STR("image/png", answer_header(&a, "Content-Type"));
    EQ(b.body_n, a.body_n);
    OK(memcmp(a.body, b.body, a.body_n) == 0);
    answer_release(&a);
    answer_release(&b);
    expect(get(&s, job), 200, "\"progress\":{\"done\":1,\"total\":1");
    expect(get(&s, "/v1/jobs?limit=1"), 200, job + strlen("/v1/jobs/"));
    expect(job_delete(&s, job), 204, NULL);
    expect(get(&s, job), 404, "\"code\":\"not-found\"");
    expect(job_delete(&s, job), 404, NULL);
    free(p);
}

TEST(what_cannot_run_is_refused_before_it_is_accepted)
{
    size_t n;
    void *p = ppm(4, 4, &n);
    expect(post_job("{\"type\":\"run\",\"pipeline\":\"edgs\"}", "img", p, n), 422,
           "\"suggestion\":\"edges\"");
    expect(post_job("{\"type\":\"run\",\"pipeline\":[{\"op\":\"nope\"}]}", "img", p, n), 422,
           "/pipeline/0/op");
    expect(post_job("{\"type\":\"rum\",\"pipeline\":\"edges\"}", "img", p, n), 422,
           "\"suggestion\":\"run\"");
    expect(post_job("{\"type\":\"rum\",\"pipeline\":\"edges\"}", "img", p, n), 422, "the part job is of type");
    expect(post_job("[]", "img", p, n), 422, "the part job is an array");
    expect(post_job("{\"type\":\"run\",\"pipeline\":\"edges\",\"more\":1}", "img", p, n), 422,
           "\"pointer\":\"/more\"");
    expect(post_job("{\"type\":\"run\"}", "img", p, n), 422, "\"pointer\":\"/pipeline\"");
    expect(post_job("{\"type\":\"run\",", "img", p, n), 400, "bad-json");
    expect(post_job("{\"type\":\"run\",\"pipeline\":\"edges\"}", "img", "nope", 4), 415, NULL);
    expect(post_job("{\"type\":\"run\",\"pipeline\":\"edges\"}", "bank", p, n), 415, "no picture");
    expect(post_job("{\"type\":\"batch\",\"pipeline\":\"edges\"}", "data", "nope", 4), 415, NULL);
    expect(post_job("{\"type\":\"batch\",\"pipeline\":\"edges\"}", "data", "", 0), 400, "0 bytes");
    expect(get(&s, "/v1/jobs/0123"), 404, NULL);
    expect(get(&s, "/v1/jobs?after=0123"), 404, NULL);
    expect(get(&s, "/v1/jobs?limit=0"), 400, NULL);
    struct fetch f = {
        .method = "DELETE", .path = "/v1/jobs/0123", .headers = {"Origin: http://evil.example"}};
    expect(fetch(&s, &f), 403, "forbidden-origin");
    free(p);
}

TEST(what_fails_while_it_runs_answers_with_its_problem)
{
    static const char head[] = "P6 64 64 255 "; /* and no pixels: seen by decoding alone */
    struct answer a =
        post_job("{\"type\":\"run\",\"pipeline\":\"edges\"}", "img", head, sizeof head - 1);
    if (a.status != 202) {
        EQ(400, a.status);
        answer_release(&a);
        return;
    }
    const char *job = job_accepted(a);
    job_wait(&s, job, "failed");
    expect(get(&s, job), 200, "\"code\":\"bad-image\"");
    expect(get(&s, job_at(job, "result")), 400, "\"code\":\"bad-image\"");
}

/* ---- cancelling ---- */

TEST(a_running_job_is_cancelled_at_once_and_stays_readable)
{
    const char *job = start_slow();
    job_wait(&s, job, "running");
    expect(get(&s, job_at(job, "result")), 409, "\"code\":\"not-finished\"");
    double begun = now();
    expect(job_delete(&s, job), 202, "\"state\":\"cancelled\"");
    expect(get(&s, job), 200, "\"state\":\"cancelled\"");
    expect(get(&s, job_at(job, "result")), 409, NULL);
    OK(now() - begun < 30);
    OK(becomes(&s, "convd_jobs{type=\"run\",state=\"running\"}", 0, 20));
    expect(job_delete(&s, job), 204, NULL);
    expect(get(&s, job), 404, NULL);
}

/* ---- events ---- */

TEST(events_tell_states_and_progress_and_can_be_resumed)
{
    struct bytes b = album(ARCHIVE_ZIP, 30);
    const char *job =
        job_accepted(post_job("{\"type\":\"batch\",\"pipeline\":\"edges\"}", "data", b.data, b.n));
    struct answer a = get(&s, job_at(job, "events")); /* ends with the job */
    EQ(200, a.status);
    STR("text/event-stream", answer_header(&a, "Content-Type"));
    OK(answer_has(&a, "event: state\nid: "));
    OK(answer_has(&a, "\"state\":\"succeeded\""));
    char *last = NULL;
    long before = -1;
    for (char *p = a.body; (p = strstr(p, "\nid: ")); p += 5) {
        long id = atol(p + 5);
        if (id <= before) T_FAIL("ids do not grow: %ld after %ld", id, before);
        before = id;
        last = p + 5;
    }
    OK(last != NULL);
    char header[64];
    snprintf(header, sizeof header, "Last-Event-ID: %ld", before);
    expect(fetch(&s, &(struct fetch){.path = job_at(job, "events"), .headers = {header}}), 204,
           NULL);
    expect(get(&s, job_at(job, "events")), 200, "\"state\":\"succeeded\"");
    answer_release(&a);
    free(b.data);
}

TEST(listeners_that_leave_are_let_go)
{
    const char *job = start_slow();
    char text[256];
    int fds[20];
    int n = snprintf(text, sizeof text, "GET %s/events HTTP/1.1\r\nHost: x\r\n\r\n", job);
    for (int i = 0; i < 20; i++) {
        char got[16];
        fds[i] = raw_connect(&s);
        OK(raw_send(fds[i], text, (size_t)n));
        EQ(1, read(fds[i], got, 1));
    }
    for (int i = 0; i < 20; i++) close(fds[i]);
    expect(job_delete(&s, job), 202, NULL);
    expect(get(&s, job_at(job, "events")), 200, "\"state\":\"cancelled\"");
    expect(get(&s, "/healthz"), 200, NULL);
}

/* ---- batches ---- */

static void check_album(enum archive_kind kind)
{
    struct bytes b = album(kind, 25);
    const char *job =
        job_accepted(post_job("{\"type\":\"batch\",\"pipeline\":\"invert\"}", "data", b.data, b.n));
    job_wait(&s, job, "succeeded");
    expect(get(&s, job), 200, "\"done\":26,\"total\":26");
    struct answer a = get(&s, job_at(job, "result"));
    EQ(200, a.status);
    STR(archive_media[kind], answer_header(&a, "Content-Type"));
    EQ(kind, archive_kind_of(a.body, a.body_n));
    struct archive_limits limits = {1000, 1 << 24, 1000, 1 << 24, NULL};
    struct archive_in *in = archive_open(a.body, a.body_n, &limits);
    struct archive_entry_info e;
    size_t n, files = 0;
    bool lines = false;
    while (archive_next(in, &e)) {
        char want[32];
        snprintf(want, sizeof want, "d%zu/p%02zu.png", files % 2, files);
        void *bytes = NULL;
        if (strcmp(e.name, "results.jsonl") == 0) {
            bytes = archive_read(in, &n);
            char *text = strndup(bytes, n);
            lines = strstr(text, "{\"name\":\"d0/bad.png\",\"error\":{") &&
                    strstr(text, "\"result\":\"d1/p01.png\"");
            free(text);
        } else {
            STR(want, e.name);
            bytes = archive_read(in, &n);
            OK(n > 8 && memcmp(bytes, "\x89PNG", 4) == 0);
            files++;
        }
        free(bytes);
    }
    archive_close(in);
    EQ(25, files);
    OK(lines);
    answer_release(&a);
    free(b.data);
}

TEST(zip_tar_and_tar_gz_come_back_as_they_came)
{
    check_album(ARCHIVE_ZIP);
    check_album(ARCHIVE_TAR);
    check_album(ARCHIVE_TAR_GZ);
}

TEST(names_that_would_be_one_keep_their_extension_and_no_name_leads_out)
{
    struct bytes b = {0};
    struct archive_out *out = archive_create(ARCHIVE_ZIP, bytes_put, &b);
    size_t n;
    void *p = ppm(9, 9, &n);
    static const char *const names[] = {"a.jpg",     "a.ppm",   "a.jpg.gif",    "../up.ppm",
                                        "/root.ppm", "c:x.ppm", "x/../../y.ppm"};
    for (size_t i = 0; i < 7; i++) OK(archive_add(out, names[i], p, n));
    OK(archive_end(out, true));
    const char *job =
        job_accepted(post_job("{\"type\":\"batch\",\"pipeline\":\"edges\"}", "data", b.data, b.n));
    job_wait(&s, job, "succeeded");
    struct answer a = get(&s, job_at(job, "result"));
    struct archive_limits limits = {1000, 1 << 24, 1000, 1 << 24, NULL};
    struct archive_in *in = archive_open(a.body, a.body_n, &limits);
    struct archive_entry_info e;
    static const char *const want[] = {"a.jpg.png", "a.ppm.png", "a.jpg.gif.png", "results.jsonl"};
    for (size_t i = 0; i < 4; i++) {
        OK(archive_next(in, &e));
        STR(want[i], e.name);
    }
    OK(!archive_next(in, &e));
    archive_close(in);
    answer_release(&a);
    free(b.data);
    free(p);
}

/* A batch of these names in an archive of that kind comes back under those. as: what caf_ is called in it. */
static void check_names(enum archive_kind kind, const char *const *names, const char *const *want,
                        const char *as)
{
    struct bytes b = {0};
    struct archive_out *out = archive_create(kind, bytes_put, &b);
    size_t n;
    void *p = ppm(9, 9, &n);
    for (; *names; names++) OK(archive_add(out, *names, p, n));
    OK(archive_end(out, true));
    for (char *found = b.data;
         as && (found = memmem(found, b.n - (size_t)(found - b.data), "caf_", 4));)
        memcpy(found, as, 4);
    const char *job =
        job_accepted(post_job("{\"type\":\"batch\",\"pipeline\":\"edges\"}", "data", b.data, b.n));
    job_wait(&s, job, "succeeded");
    struct answer a = get(&s, job_at(job, "result"));
    struct archive_limits limits = {1000, 1 << 24, 1000, 1 << 24, NULL};
    struct archive_in *in = archive_open(a.body, a.body_n, &limits);
    struct archive_entry_info e;
    for (; *want; want++) {
        OK(archive_next(in, &e));
        STR(*want, e.name);
    }
    OK(archive_next(in, &e));
    STR("results.jsonl", e.name);
    OK(!archive_next(in, &e));
    archive_close(in);
    answer_release(&a);
    free(b.data);
    free(p);
}

TEST(names_of_every_language_come_back)
{
    static const char *const names[] = {"日本/é.ppm", "caf_.ppm", "ok.ppm", NULL},
                             *const same[] = {"日本/é.png", "caf_.png", "ok.png", NULL},
                             *const want[] = {"日本/é.png", "caf%E9.png", "ok.png", NULL};
    check_names(ARCHIVE_ZIP, names, same, NULL);
    check_names(ARCHIVE_TAR, names, same, NULL);
    check_names(ARCHIVE_TAR_GZ, names, same, NULL);
    check_names(ARCHIVE_ZIP, names, want, "caf\xe9"); /* as an older system writes it */
}

TEST(names_that_come_twice_come_back_twice)
{
    static const char *const names[] = {"a.jpg", "a.png", "a.jpg.png", "b.ppm", "b.ppm", NULL},
                             *const want[] = {"a.jpg.png", "a.png.png",   "a.jpg.png.png",
                                              "b.ppm.png", "b.ppm-2.png", NULL};
    check_names(ARCHIVE_ZIP, names, want, NULL);
    check_names(ARCHIVE_TAR, names, want, NULL);
}

TEST(archives_that_are_none_or_cut_off_are_explained)
{
    static const char job[] = "{\"type\":\"batch\",\"pipeline\":\"edges\"}",
                      end_of_zip[22] = "PK\5\6", blocks[10240] = "";
    expect(post_job(job, "data", end_of_zip, 22), 400, "the archive is empty");
    expect(post_job(job, "data", blocks, sizeof blocks), 400, "the archive is empty");
    expect(post_job(job, "data", "7z\xbc\xaf\x27\x1c-----", 11), 415, "a zip, a tar or a tar.gz");
    struct bytes zip = album(ARCHIVE_ZIP, 9), gz = album(ARCHIVE_TAR_GZ, 9),
                 tar = album(ARCHIVE_TAR, 9);
    expect(post_job(job, "data", zip.data, zip.n / 2), 400, "broken or cut off");
    expect(post_job(job, "data", gz.data, 40), 400, "broken or cut off");
    const char *cut = job_accepted(post_job(job, "data", tar.data, 3000));
    job_wait(&s, cut, "failed");
    expect(get(&s, job_at(cut, "result")), 400, "a whole zip or tar(.gz)");
    free(zip.data);
    free(gz.data);
    free(tar.data);
}

/* Links and devices of a tar are no files; their names are told. */
TEST(links_of_a_tar_are_not_followed)
{
    struct bytes b = {0};
    struct archive_out *out = archive_create(ARCHIVE_TAR, bytes_put, &b);
    size_t n;
    void *p = ppm(9, 9, &n);
    OK(archive_add(out, "ok.ppm", p, n));
    OK(archive_add(out, "link.ppm", "", 0));
    OK(archive_end(out, true));
    for (char *at_ = b.data; (size_t)(at_ - b.data) + 512 <= b.n; at_ += 512) {
        if (strncmp(at_, "link.ppm", 9) != 0) continue;
        unsigned sum = 0;
        at_[156] = '2'; /* a symbolic link */
        memcpy(at_ + 157, "/etc/passwd", 12);
        memset(at_ + 148, ' ', 8);
        for (int i = 0; i < 512; i++) sum += (unsigned char)at_[i];
        snprintf(at_ + 148, 8, "%06o", sum);
    }
    const char *job =
        job_accepted(post_job("{\"type\":\"batch\",\"pipeline\":\"edges\"}", "data", b.data, b.n));
    job_wait(&s, job, "succeeded");
    struct answer a = get(&s, job_at(job, "result"));
    OK(memmem(a.body, a.body_n, "\"link.ppm\",\"error\"", 18) != NULL);
    OK(memmem(a.body, a.body_n, "no file of its own", 18) != NULL);
    OK(memmem(a.body, a.body_n, "root:", 5) == NULL);
    answer_release(&a);
    free(b.data);
    free(p);
}

TEST(bombs_fail_with_words)
{
    struct bytes b = {0};
    struct archive_out *out = archive_create(ARCHIVE_TAR_GZ, bytes_put, &b);
    void *zeros = calloc(1, 30 << 20);
    for (int i = 0; i < 4; i++) OK(archive_add(out, "zeros.ppm", zeros, 30 << 20));
    OK(archive_end(out, true));
    free(zeros);
    const char *job =
        job_accepted(post_job("{\"type\":\"batch\",\"pipeline\":\"edges\"}", "data", b.data, b.n));
    job_wait(&s, job, "failed");
    expect(get(&s, job), 200, "come out of");
    expect(get(&s, job_at(job, "result")), 422, "too-much-work");
    free(b.data);
}

TEST(kept_pictures_may_be_named)
{
    size_t n;
    char job[200];
    void *p = ppm(13, 11, &n);
    struct answer a = fetch(&s, &(struct fetch){.path = "/v1/images", .body = p, .body_n = n});
    EQ(201, a.status);
    const char *id = answer_header(&a, "Location") + strlen("/v1/images/");
    snprintf(job, sizeof job, "{\"type\":\"batch\",\"pipeline\":\"edges\",\"images\":[\"%s\"]}",
             id);
    struct fetch f = {.path = "/v1/jobs",
                      .headers = {"Content-Type: application/json"},
                      .body = job,
                      .body_n = strlen(job)};
    const char *address = job_accepted(fetch(&s, &f));
    job_wait(&s, address, "succeeded");
    expect(get(&s, job_at(address, "result")), 200, "PK");
    f.body = "{\"type\":\"batch\",\"pipeline\":\"edges\",\"images\":[\"0123\"]}";
    f.body_n = strlen(f.body);
    expect(fetch(&s, &f), 422, "\"pointer\":\"/images/0\"");
    answer_release(&a);
    free(p);
}

/* ---- the process ends ---- */

TEST(a_drain_puts_running_jobs_back_and_the_next_process_finishes_them)
{
    struct bytes b = album(ARCHIVE_ZIP, 400);
    const char *job = job_accepted(
                   post_job("{\"type\":\"batch\",\"pipeline\":\"edges\"}", "data", b.data, b.n)),
               *long_one = start_slow();
    job_wait(&s, long_one, "running");
    EQ(0, server_stop(&s));
    s = SERVER("--data", data);
    job_wait(&s, job, "succeeded");
    job_wait(&s, long_one, "running");
    kill(s.pid, SIGKILL);
    server_wait(&s, 10);
    s = SERVER("--data", data);
    job_wait(&s, long_one, "running");
    expect(job_delete(&s, long_one), 202, NULL);
    free(b.data);
}

TEST(old_jobs_go)
{
    EQ(0, server_stop(&s));
    s = SERVER("--data", data, "--job-ttl", "0s");
    for (double end = now() + 20; now() < end; usleep(50000)) {
        struct answer a = get(&s, "/v1/jobs");
        bool none = answer_has(&a, "\"jobs\":[]");
        answer_release(&a);
        if (none) return;
    }
    T_FAIL("finished jobs stay");
}

TEST(without_a_directory_everything_else_goes_on)
{
    struct server other = SERVER("--data", "/proc/nothing");
    size_t n;
    void *p = ppm(9, 9, &n);
    expect(get(&other, "/readyz"), 200, "\"jobs\":\"unavailable\"");
    expect(fetch(&other, &(struct fetch){.path = "/edges", .body = p, .body_n = n}), 200, NULL);
    expect(get(&other, "/v1/jobs"), 503, "\"code\":\"store-unavailable\"");
    struct server second = SERVER("--data", data);
    expect(get(&second, "/readyz"), 200, "\"jobs\":\"unavailable\"");
    server_stop(&other);
    server_stop(&second);
    free(p);
}

int main(void)
{
    snprintf(data, sizeof data, "/tmp/convd-jobs-XXXXXX");
    if (!mkdtemp(data)) return 1;
    s = SERVER("--data", data);
    int failed = _cmocka_run_group_tests("http/jobs", t_tests, t_count, NULL, NULL);
    int code = server_stop(&s);
    char command[128];
    snprintf(command, sizeof command, "rm -rf %s", data);
    return failed || code != 0 || system(command) != 0;
}
