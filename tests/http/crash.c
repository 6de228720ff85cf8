/* crash.c: what was accepted is finished although a daemon is killed at random moments, and a store with many jobs is ready
 * at once. disk.c does the same for every single call.
 *
 * CRASH_JOBS and CRASH_KILLS (500 and 60 under `make test-crash`) and CRASH_FILL (10,000 jobs) make it longer. */
#include "../t.h"
#include "lib_server.h"
#include "server/store.h"
#include <dirent.h>
#include <pthread.h>
#include <signal.h>
#include <unistd.h>

static char data[64];
static struct {
    char address[64];
    int done;
} * jobs;
static size_t n_jobs, lost, wrong, doubled, damaged;
static struct answer expected; /* of POST /edges with the large picture */
static void *large;
static size_t large_n;

static long setting(const char *name, long otherwise)
{
    const char *text = getenv(name);
    return text ? atol(text) : otherwise;
}

static void clean(void)
{
    char command[128];
    snprintf(command, sizeof command, "rm -rf %s", data);
    if (data[0]) EQ(0, system(command));
    snprintf(data, sizeof data, "/tmp/convd-crash-XXXXXX");
    OK(mkdtemp(data) != NULL);
    n_jobs = lost = wrong = doubled = damaged = 0;
}

/* Remembers the job only when it was accepted. False: it was not (the process may be gone). */
static bool submit(struct server *s)
{
    struct answer a = fetch(
        s,
        &(struct fetch){
            .path = "/v1/jobs",
            .parts = {{.name = "job", .data = "{\"type\":\"run\",\"pipeline\":\"edges\"}", .n = 33},
                      {.name = "img", .filename = "a", .data = large, .n = large_n}}});
    bool accepted = a.status == 202 && answer_header(&a, "Location");
    if (accepted) snprintf(jobs[n_jobs++].address, 64, "%s", answer_header(&a, "Location"));
    bool refused = a.status == 507 || a.status == 503;
    answer_release(&a);
    return accepted || refused;
}

/* Every accepted job ends with the right bytes; counts those that do not. */
static void settle(struct server *s)
{
    for (size_t i = 0; i < n_jobs; i++) {
        double end = now() + 60;
        bool over = false;
        while (!over && now() < end) {
            struct answer a = get(s, jobs[i].address);
            if (a.status == 404) lost++;
            over = a.status == 404 || answer_has(&a, "\"state\":\"succeeded\"") ||
                   answer_has(&a, "\"state\":\"failed\"");
            if (a.status == 200 && answer_has(&a, "\"state\":\"failed\"")) {
                print_error("%s\n", a.body);
                lost++;
            }
            answer_release(&a);
            if (!over) usleep(5000);
        }
        if (!over) lost++;
        char path[96];
        snprintf(path, sizeof path, "%s/result", jobs[i].address);
        struct answer r = get(s, path);
        if (r.status == 200 &&
            (r.body_n != expected.body_n || memcmp(r.body, expected.body, r.body_n) != 0))
            wrong++;
        if (r.status == 503) damaged++;
        answer_release(&r);
    }
}

static size_t files(void)
{
    char path[96];
    size_t n = 0;
    snprintf(path, sizeof path, "%s/files", data);
    DIR *d = opendir(path);
    for (struct dirent *e; d && (e = readdir(d));) n += e->d_name[0] != '.';
    if (d) closedir(d);
    return n;
}

static void verdict(const char *what)
{
    print_message("%s: %zu jobs accepted, %zu lost, %zu wrong, %zu damaged\n", what, n_jobs, lost,
                  wrong, damaged);
    EQ(0, lost);
    EQ(0, wrong);
    EQ(0, damaged);
    EQ(0, doubled);
}

static void end_of(struct server *s, int signal)
{
    kill(s->pid, signal);
    if (server_wait(s, 20) < 0) T_FAIL("the daemon does not end");
}

TEST(kills_at_random_moments)
{
    struct t_rng rng = t_rng(20);
    long want = setting("CRASH_JOBS", 24), kills = setting("CRASH_KILLS", 6);
    clean();
    for (long k = 0; k < kills; k++) {
        struct server s = SERVER("--data", data, "--workers", "2");
        double until = now() + (double)t_between(&rng, 1, 300) * 1e-3;
        long most = want * (k + 1) / kills;
        while (now() < until)
            if ((long)n_jobs < most)
                submit(&s);
            else
                usleep(1000);
        end_of(&s, SIGKILL);
    }
    double begun = now();
    struct server s = SERVER("--data", data);
    print_message("ready again after %.0f ms\n", (now() - begun) * 1e3);
    settle(&s);
    OK(becomes(&s, "convd_jobs{type=\"run\",state=\"queued\"}", 0, 60));
    OK(becomes(&s, "convd_jobs{type=\"run\",state=\"running\"}", 0, 60));
    /* one may have been accepted whose answer did not come through any more; each has its input and its result */
    double there = gauge(&s, "convd_jobs{type=\"run\",state=\"succeeded\"}");
    EQ(0, server_stop(&s));
    OK(there >= (double)n_jobs && there <= (double)(n_jobs + (size_t)kills));
    if ((double)files() != there * (expected.body_n > 65536 ? 2 : 1)) doubled++;
    verdict("random kills");
}

/* ---- many jobs ---- */

struct filler {
    struct store *store;
    int64_t now;
    long from, to;
};

/* Every fourth one waits, the others are finished; every tenth has a file. */
static void *fill(void *arg)
{
    const struct filler *f = arg;
    const struct store_calls *calls = f->store->calls;
    char *bytes = calloc(1, 70000);
    for (long i = f->from; i < f->to; i++) {
        char id[STORE_ID];
        struct store_part spec = {"job", "{\"type\":\"run\",\"pipeline\":\"edges\"}", 33},
                          image = {"img", bytes, i % 10 ? 400 : 70000};
        store_make_id(id);
        if (calls->job_add(f->store, id, "run", f->now, &spec, &image, 1) != STORE_OK) abort();
        if (i % 4 && calls->job_cancel(f->store, id, f->now) != STORE_OK) abort();
    }
    free(bytes);
    return NULL;
}

static double start_time(const char *where)
{
    double begun = now();
    struct server s = SERVER("--data", where, "--drain-delay", "0");
    struct answer a = get(&s, "/readyz");
    double taken = now() - begun;
    EQ(200, a.status);
    OK(answer_has(&a, "\"jobs\":\"ready\""));
    answer_release(&a);
    kill(s.pid, SIGKILL);
    server_wait(&s, 20);
    return taken;
}

TEST(a_store_with_many_jobs_is_ready_as_soon_as_an_empty_one)
{
    enum { THREADS = 8 };
    const long most = setting("CRASH_FILL", 400);
    char why[256];
    pthread_t threads[THREADS];
    struct filler f[THREADS];
    clean();
    double empty = start_time(data);
    struct store *store = store_sqlite_open(data, 0, why);
    if (!store) T_FAIL("%s", why);
    for (long i = 0; i < THREADS; i++) {
        f[i] = (struct filler){store, store_now(), most * i / THREADS, most * (i + 1) / THREADS};
        EQ(0, pthread_create(&threads[i], NULL, fill, &f[i]));
    }
    for (long i = 0; i < THREADS; i++) pthread_join(threads[i], NULL);
    store->calls->close(store);
    double first = start_time(data), again = start_time(data);
    print_message("ready after %.0f ms with %ld jobs, %.0f ms after a kill, %.0f ms with none\n",
                  first * 1e3, most, again * 1e3, empty * 1e3);
}

int main(void)
{
    jobs = calloc(4096, sizeof *jobs);
    large = ppm(200, 160, &large_n); /* above what is kept in a row */
    struct server s = SERVER("--log-format", "text");
    expected = fetch(&s, &(struct fetch){.path = "/edges", .body = large, .body_n = large_n});
    server_stop(&s);
    int failed = expected.status != 200 ||
                 _cmocka_run_group_tests("http/crash", t_tests, t_count, NULL, NULL);
    clean();
    rmdir(data);
    answer_release(&expected);
    free(large);
    free(jobs);
    return failed;
}
