/* crash.c: what was accepted is finished although a daemon is killed at random moments, and a store with many jobs is ready
 * at once. disk.c does the same for every single call.
 *
 * CRASH_JOBS and CRASH_KILLS (500 and 60 under `make test-crash`) and CRASH_FILL (10,000 jobs) make it longer. */
#include "../store/lib_dir.h"
#include "../t.h"
#include "lib_jobs.h"
#include "server/store.h"
#include <pthread.h>
#include <signal.h>
#include <unistd.h>

static char data[DIR_NAME];

/* ---- jobs of each kind ---- */

enum kind { RUN, BATCH, LEARN, KINDS };
enum { EPOCHS = 60, NAME = 80 };
static const char *const names[KINDS] = {"run", "batch", "learn"};
static struct {
    const char *part;
    struct bytes with;
    struct answer expected; /* its result; of LEARN the weights that were saved */
    size_t files;           /* that one of them leaves                          */
} kinds[KINDS];
static struct {
    char address[JOB_ADDRESS];
    enum kind kind;
    long number;
} * jobs;
static size_t n_jobs, lost, wrong, damaged, unknown;

static long setting(const char *name, long otherwise)
{
    const char *text = getenv(name);
    return text ? atol(text) : otherwise;
}

static void learned_name(long number, char path[NAME])
{
    snprintf(path, NAME, "/v1/pipelines/learned-%ld/weights", number);
}

/* Remembers the job only when it was accepted; the process may be gone. */
static void submit(const struct server *s, enum kind kind, long number)
{
    char text[500];
    int status;
    if (kind == LEARN)
        snprintf(text, sizeof text,
                 "{\"type\":\"learn\",\"pipeline\":" STRIPES_NET
                 ",\"save_as\":\"learned-%ld\",\"epochs\":%d}",
                 number, EPOCHS);
    else
        snprintf(text, sizeof text, "{\"type\":\"%s\",\"pipeline\":\"edges\"}", names[kind]);
    if (job_try(s, text, kinds[kind].part, kinds[kind].with.data, kinds[kind].with.n,
                jobs[n_jobs].address, &status)) {
        jobs[n_jobs].kind = kind;
        jobs[n_jobs++].number = number;
    }
    unknown += status > 0 && status != 202 && status != 507 && status != 503;
}

static void check(const struct server *s, const char *path, const struct answer *want)
{
    enum same how = answer_same(s, path, want);
    wrong += how == SAME_NO;
    damaged += how == SAME_NOT_THERE;
}

/* Every accepted job ends with the right bytes, and a learning one tells of each epoch once. */
static void settle(const struct server *s)
{
    for (size_t i = 0; i < n_jobs; i++) {
        const enum kind kind = jobs[i].kind;
        char saved[NAME];
        char how = job_ending(s, jobs[i].address, 60);
        lost += how != 's';
        if (how != 's') continue;
        learned_name(jobs[i].number, saved);
        check(s, kind == LEARN ? saved : job_at(jobs[i].address, "result"), &kinds[kind].expected);
        wrong += kind == LEARN && !job_epochs_once(s, jobs[i].address, EPOCHS);
    }
}

static double count(const struct server *s, enum kind kind, const char *state)
{
    char name[96];
    snprintf(name, sizeof name, "convd_jobs{type=\"%s\",state=\"%s\"}", names[kind], state);
    double n = gauge(s, name);
    return n < 0 ? 0 : n;
}

TEST(kills_at_random_moments)
{
    struct t_rng rng = t_rng(20);
    const long want = setting("CRASH_JOBS", 24), kills = setting("CRASH_KILLS", 6);
    long number = 0, starts = 0;
    n_jobs = lost = wrong = damaged = unknown = 0;
    dir_new(data);
    for (; starts < kills || (long)n_jobs < want; starts++) {
        struct server s = SERVER("--data", data, "--workers", "2");
        double until = now() + (double)t_between(&rng, 1, 300) * 1e-3 * T_SLOW;
        long most = starts < kills ? want * (starts + 1) / kills : want;
        while (now() < until)
            if ((long)n_jobs < most) {
                submit(&s, (enum kind)(number % KINDS), number);
                number++;
            } else {
                usleep(1000);
            }
        kill(s.pid, SIGKILL);
        if (server_wait(&s, 20) < 0) T_FAIL("the daemon does not end");
    }
    double begun = now(), there = 0, files = 0;
    struct server s = SERVER("--data", data, "--workers", "2");
    print_message("ready again after %.0f ms\n", (now() - begun) * 1e3);
    settle(&s);
    for (enum kind kind = 0; kind < KINDS; kind++) {
        for (double end = now() + 60; now() < end && count(&s, kind, "queued") > 0;) usleep(20000);
        for (double end = now() + 60; now() < end && count(&s, kind, "running") > 0;) usleep(20000);
        double done = count(&s, kind, "succeeded");
        there += done;
        files += done * (double)kinds[kind].files;
    }
    EQ(0, server_stop(&s));
    print_message("%zu jobs accepted, %zu lost, %zu wrong, %zu damaged\n", n_jobs, lost, wrong,
                  damaged);
    EQ(0, lost + wrong + damaged + unknown);
    /* one may have been accepted whose answer did not come through any more; each has its input and its result, once */
    OK(there >= (double)n_jobs && there <= (double)n_jobs + (double)starts);
    EQ((size_t)files, dir_files(data));
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
        struct store_part spec = {.name = "job",
                                  .data = "{\"type\":\"run\",\"pipeline\":\"edges\"}",
                                  .n = 33},
                          image = {.name = "img", .data = bytes, .n = i % 10 ? 400 : 70000};
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
    dir_new(data);
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

/* What each kind comes to when nothing happens to it. */
static bool make_expected(void)
{
    struct bytes large, *zip = &kinds[BATCH].with;
    large.data = ppm(200, 160, &large.n); /* above what is kept in a row */
    struct archive_out *out = archive_create(ARCHIVE_ZIP, bytes_put, zip);
    archive_add(out, "a.ppm", large.data, large.n);
    archive_add(out, "b.ppm", large.data, large.n);
    archive_end(out, true);
    kinds[RUN].part = "img";
    kinds[RUN].with = large;
    kinds[BATCH].part = kinds[LEARN].part = "data";
    kinds[LEARN].with = stripes_album(ARCHIVE_TAR, 6, NULL, NULL, 0);
    dir_new(data);
    struct server s = SERVER("--data", data, "--workers", "2");
    bool fine = true;
    for (enum kind kind = 0; kind < KINDS && fine; kind++) {
        char saved[NAME];
        size_t before = dir_files(data);
        submit(&s, kind, 0);
        learned_name(0, saved);
        fine = n_jobs == (size_t)kind + 1 && job_ending(&s, jobs[kind].address, 60) == 's';
        kinds[kind].expected =
            get(&s, kind == LEARN ? saved : job_at(jobs[kind].address, "result"));
        kinds[kind].files = dir_files(data) - before;
        fine = fine && kinds[kind].expected.status == 200;
    }
    return server_stop(&s) == 0 && fine;
}

int main(void)
{
    jobs = calloc(4096, sizeof *jobs);
    int failed =
        !make_expected() || _cmocka_run_group_tests("http/crash", t_tests, t_count, NULL, NULL);
    dir_remove(data);
    for (enum kind kind = 0; kind < KINDS; kind++) {
        answer_release(&kinds[kind].expected);
        free(kinds[kind].with.data);
    }
    free(jobs);
    return failed;
}
