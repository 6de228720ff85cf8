/* crash.c: what was accepted is finished, whatever happens to the process and the disk. A daemon is killed at random
 * moments, then at its Nth write, fsync, rename and unlink (strace), and told that the disk is full or broken at each of
 * them; after every start each accepted job must end succeeded with the one right result.
 *
 * CRASH_JOBS and CRASH_KILLS (500 and 60 under `make test-crash`) and CRASH_POINTS (how many N of each kind) make it longer. */
#include "../t.h"
#include "lib_server.h"
#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <sys/wait.h>
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

/* Files that no row speaks of are swept at a start; each finished job has an input and a result. */
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
    size_t kept = files(), results = n_jobs * (expected.body_n > 65536 ? 2 : 1);
    EQ(0, server_stop(&s));
    s = SERVER("--data", data); /* the sweep of a start finds nothing more than rows know */
    if (files() != kept && kept > results) doubled += kept - results;
    if (files() != results) doubled++;
    EQ(0, server_stop(&s));
    verdict("random kills");
}

/* Runs the daemon under strace with an injection at the nth call. False when strace cannot trace here. */
static bool attach(const struct server *s, const char *calls, const char *what, int n,
                   pid_t *tracer)
{
    char inject[200], trace[100], pid[20];
    snprintf(trace, sizeof trace, "trace=%s", calls);
    snprintf(inject, sizeof inject, "inject=%s:%s:when=%d", calls, what, n);
    snprintf(pid, sizeof pid, "%d", (int)s->pid);
    char log[80];
    snprintf(log, sizeof log, "%s.strace", data);
    *tracer = fork();
    if (*tracer == 0) {
        execlp("strace", "strace", "-f", "-qq", "-o", log, "-e", trace, "-e", inject, "-p", pid,
               NULL);
        _exit(127);
    }
    usleep(150000);
    siginfo_t info = {0}; /* who was hit already is traced no more */
    bool hit = waitid(P_PID, (id_t)s->pid, &info, WEXITED | WNOHANG | WNOWAIT) == 0 && info.si_pid;
    bool runs = hit || waitpid(*tracer, NULL, WNOHANG) == 0;
    unlink(log);
    return runs;
}

static void let_go(pid_t tracer)
{
    kill(tracer, SIGINT);
    waitpid(tracer, NULL, 0);
}

static const char *const points[] = {"pwrite64", "fsync,fdatasync", "renameat,renameat2,rename",
                                     "unlink,unlinkat,ftruncate"};

TEST(kills_at_every_write_fsync_and_rename)
{
    long most = setting("CRASH_POINTS", 1);
    size_t hit = 0;
    clean();
    for (size_t p = 0; p < sizeof points / sizeof *points; p++)
        for (int n = 1; n <= most; n++) {
            pid_t tracer;
            struct server s = SERVER("--data", data);
            settle(&s); /* a job that is hit three times in a row counts as what ends the process */
            if (!attach(&s, points[p], "signal=KILL", n, &tracer)) {
                end_of(&s, SIGKILL);
                skip();
            }
            submit(&s);
            bool gone = false;
            for (int i = 0; i < 40 && !gone; i++) {
                usleep(5000);
                siginfo_t info = {0}; /* looked at, and left for server_wait */
                gone = waitid(P_PID, (id_t)s.pid, &info, WEXITED | WNOHANG | WNOWAIT) == 0 &&
                       info.si_pid != 0;
            }
            hit += gone;
            end_of(&s, SIGKILL);
            let_go(tracer);
        }
    struct server s = SERVER("--data", data);
    settle(&s);
    EQ(0, server_stop(&s));
    print_message("%zu of %zu points were reached\n", hit, (size_t)most * 4);
    OK(hit > 0);
    verdict("kills at calls");
}

TEST(a_disk_that_is_full_or_broken_loses_nothing_that_was_accepted)
{
    long most = setting("CRASH_POINTS", 1);
    static const char *const errors[] = {"error=ENOSPC", "error=EIO"};
    clean();
    for (size_t e = 0; e < 2; e++)
        for (size_t p = 0; p < sizeof points / sizeof *points; p++)
            for (int n = 1; n <= most; n++) {
                pid_t tracer;
                struct server s = SERVER("--data", data);
                if (!attach(&s, points[p], errors[e], n, &tracer)) {
                    end_of(&s, SIGKILL);
                    skip();
                }
                submit(&s);
                struct answer a = get(&s, "/healthz");
                EQ(200, a.status);
                answer_release(&a);
                let_go(tracer);
                if (!submit(&s)) T_FAIL("no recovery after %s at %s %d", errors[e], points[p], n);
                end_of(&s, SIGKILL);
            }
    struct server s = SERVER("--data", data);
    settle(&s);
    EQ(0, server_stop(&s));
    verdict("errors at calls");
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
