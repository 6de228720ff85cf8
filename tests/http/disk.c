/* disk.c: what was acknowledged holds, whatever happens to the process or the disk at whichever call. A daemon lives through
 * a story (start, jobs, saved pipelines, pictures, deletions, an orderly end) on a disk that counts the calls that change
 * it (shim/disk.c); then the story is told once for each call, which ends the process, tears the write, or fails as a full
 * or broken disk does, once or from then on. After each, a new start must know all that was answered with 2xx, every
 * accepted job must succeed with its one right result, and once all is deleted no file may be left.
 *
 * DISK_POINTS: how many of the calls, evenly spread; 0, as under `make test-crash`: all. DISK_TESTS: a pattern of names. */
#include "../t.h"
#include "lib_server.h"
#include "server/archive.h"
#include "shim/disk.h"
#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

static char data[64], shim[300], shared[64];
static struct disk_control *disk;
static struct {
    void *data;
    size_t n;
} large, small, zip, weights; /* large: above what is kept in a row */
static struct answer want_large, want_small, want_zip;
static char image[100], other[100]; /* addresses of kept pictures */

/* What was acknowledged. */
struct facts {
    char run[64], small[64], batch[64]; /* addresses of accepted jobs      */
    int small_deleted;                  /* 204: gone, 202: cancelled       */
    bool stays, goes, gone;             /* pipelines saved, and one deleted */
    bool image, other, other_gone;      /* pictures kept, and one deleted  */
};
static struct {
    size_t told, struck, lost, wrong, damaged, doubled, leaked, stuck, unserved, odd;
} sum;

static long points(void)
{
    const char *text = getenv("DISK_POINTS");
    return text ? atol(text) : 1;
}

/* ---- requests ---- */

/* The status; <= 0: nobody answers. Location to address, where there is one. */
static int ask(const struct server *s, struct fetch f, char address[100])
{
    static const int fine[] = {200, 201, 202, 204, 404, 409, 503, 507};
    struct answer a = fetch(s, &f);
    int status = a.status;
    const char *where = answer_header(&a, "Location");
    if (address && status < 300 && where) snprintf(address, 64 + 36, "%s", where);
    bool known = status <= 0;
    for (size_t i = 0; i < sizeof fine / sizeof *fine; i++) known |= status == fine[i];
    if (!known) {
        sum.odd++;
        print_error("%s %s: %d %.300s\n", f.method ? f.method : "", f.path, status, a.body);
    }
    answer_release(&a);
    return status;
}

/* True: it was accepted; its address to job. */
static bool submit(const struct server *s, const char *text, const char *part, const void *bytes,
                   size_t n, char job[64])
{
    char address[100] = "";
    struct fetch f = {.path = "/v1/jobs",
                      .parts = {{.name = "job", .data = text, .n = strlen(text)},
                                {.name = part, .filename = "a", .data = bytes, .n = n}}};
    bool accepted = ask(s, f, address) == 202;
    snprintf(job, 64, "%.63s", accepted ? address : "");
    return accepted;
}

#define RUN   "{\"type\":\"run\",\"pipeline\":\"edges\"}"
#define BATCH "{\"type\":\"batch\",\"pipeline\":\"edges\"}"

static bool save(const struct server *s, const char *path)
{
    struct fetch f = {.method = "PUT",
                      .path = path,
                      .parts = {{.name = "pipeline", .data = "filter:@k", .n = 9},
                                {.name = "k", .filename = "k", .data = weights.data, .n = weights.n}}};
    int status = ask(s, f, NULL);
    return status == 200 || status == 201;
}

static bool keep(const struct server *s, const void *bytes, size_t n, char address[100])
{
    int status = ask(s, (struct fetch){.path = "/v1/images", .body = bytes, .body_n = n}, address);
    return status == 200 || status == 201;
}

static int delete (const struct server *s, const char *path)
{
    return ask(s, (struct fetch){.method = "DELETE", .path = path}, NULL);
}

/* How a job ended: its first letter; 0: not within the time, or nobody answers; '-': there is none. */
static char ending(const struct server *s, const char *job, double seconds)
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

/* ---- the story ---- */

/* Whether pictures are answered as ever, whatever the disk does. */
static void serves(const struct server *s)
{
    struct answer a =
        fetch(s, &(struct fetch){.path = "/edges", .body = small.data, .body_n = small.n});
    sum.unserved += a.status > 0 && a.status != 200;
    answer_release(&a);
}

static bool has_store(const struct server *s)
{
    struct answer a = get(s, "/readyz");
    bool there = answer_has(&a, "\"jobs\":\"ready\"");
    answer_release(&a);
    return there;
}

static void tell(const struct server *s, struct facts *f, double patience)
{
    submit(s, RUN, "img", large.data, large.n, f->run);
    submit(s, RUN, "img", small.data, small.n, f->small);
    f->stays = save(s, "/v1/pipelines/stays");
    f->goes = save(s, "/v1/pipelines/goes");
    bool stored = has_store(s); /* memory alone keeps pictures, too */
    f->image = keep(s, large.data, large.n, image) && stored;
    f->other = keep(s, small.data, small.n, other) && stored;
    serves(s);
    submit(s, BATCH, "data", zip.data, zip.n, f->batch);
    if (f->small[0] && ending(s, f->small, patience)) f->small_deleted = delete (s, f->small);
    if (f->goes) f->gone = delete (s, "/v1/pipelines/goes") == 204;
    if (f->other) f->other_gone = delete (s, other) == 204;
    if (f->run[0]) ending(s, f->run, patience);
    if (f->batch[0]) ending(s, f->batch, patience);
    serves(s);
}

static void check_result(const struct server *s, const char *job, const struct answer *want)
{
    char path[96];
    if (!job[0]) return;
    char how = ending(s, job, 60);
    sum.lost += how != 's';
    if (how != 's') return;
    snprintf(path, sizeof path, "%s/result", job);
    struct answer a = get(s, path);
    if (a.status != 200)
        sum.damaged++;
    else if (a.body_n != want->body_n || memcmp(a.body, want->body, a.body_n) != 0)
        sum.wrong++;
    answer_release(&a);
}

/* Whether an address answers as what was acknowledged says. */
static void check_there(const struct server *s, const char *path, bool put, bool deleted,
                        const void *bytes, size_t n)
{
    struct answer a = get(s, path);
    if (deleted ? a.status != 404 : put && a.status != 200) {
        sum.lost++;
        print_error("%s: %d\n", path, a.status);
    }
    if (a.status == 200 && bytes && (a.body_n != n || memcmp(a.body, bytes, n) != 0)) sum.wrong++;
    answer_release(&a);
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

/* Deletes all jobs, each of which may be there once. */
static void delete_jobs(const struct server *s)
{
    struct answer a = get(s, "/v1/jobs?limit=100");
    for (char *at = a.body; (at = strstr(at, "{\"id\":\"")); at++) {
        char job[64];
        snprintf(job, sizeof job, "/v1/jobs/%.32s", at + 7);
        if (strstr(at + 8, job + 9)) sum.doubled++;
        if (!ending(s, job, 60)) sum.lost++;
        delete (s, job);
    }
    answer_release(&a);
}

/* A new start on a sound disk. */
static void check(const struct facts *f)
{
    struct server s = SERVER("--data", data, "--drain-delay", "0");
    check_result(&s, f->run, &want_large);
    check_result(&s, f->batch, &want_zip);
    if (f->small_deleted == 204)
        check_there(&s, f->small, true, true, NULL, 0);
    else if (f->small_deleted == 202)
        sum.lost += ending(&s, f->small, 60) != 'c';
    else if (f->small_deleted > 0)
        check_result(&s, f->small, &want_small);
    check_there(&s, "/v1/pipelines/stays/weights", f->stays, false, NULL, 0);
    check_there(&s, "/v1/pipelines/goes/weights", false, f->gone, NULL, 0);
    if (f->image) check_there(&s, image, true, false, large.data, large.n);
    if (f->other) check_there(&s, other, false, f->other_gone, small.data, small.n);
    delete_jobs(&s);
    delete (&s, "/v1/pipelines/stays");
    delete (&s, "/v1/pipelines/goes");
    if (image[0]) delete (&s, image);
    if (other[0]) delete (&s, other);
    sum.leaked += files();
    EQ(0, server_stop(&s));
}

/* ---- one telling ---- */

static void clean(void)
{
    char command[128];
    snprintf(command, sizeof command, "rm -rf %s", data);
    if (data[0]) EQ(0, system(command));
    snprintf(data, sizeof data, "/tmp/convd-disk-XXXXXX");
    OK(mkdtemp(data) != NULL);
}

/* Tells it with the calls from..to struck, in a fresh directory; returns how many calls there were. */
static unsigned once(enum disk_action action, unsigned from, unsigned to)
{
    struct facts f = {.small_deleted = 0};
    struct server s;
    bool ends = action == DISK_KILL || action == DISK_TEAR;
    clean();
    atomic_store(&disk->calls, 0);
    atomic_store(&disk->struck, 0);
    atomic_store(&disk->action, (int)action);
    atomic_store(&disk->from, from);
    atomic_store(&disk->to, to);
    setenv("LD_PRELOAD", shim, 1);
    bool started = server_try(&s, (const char *const[]){"--data", data, "--workers", "1",
                                                        "--drain-delay", "0", NULL});
    unsetenv("LD_PRELOAD");
    if (started) {
        tell(&s, &f, ends || to == from ? 20 : 0.2);
        if (!ends && from) { /* the disk is well again: it must be noticed without a new start */
            char job[64];
            if (to != from) atomic_store(&disk->from, 0);
            bool taken = false;
            for (double end = now() + 10; !taken && now() < end; usleep(20000))
                taken = submit(&s, RUN, "img", small.data, small.n, job);
            sum.stuck += !taken;
            if (!taken) print_error("stuck: action %d, %u to %u\n", action, from, to);
        }
        kill(s.pid, SIGTERM);
    } else if (!ends) {
        sum.stuck++; /* without its store it would serve all the same */
        print_error("no start: action %d, %u to %u\n", action, from, to);
    }
    if (server_wait(&s, 30) < 0) T_FAIL("the daemon does not end");
    sum.told++;
    sum.struck += atomic_load(&disk->struck) > 0;
    unsigned calls = atomic_load(&disk->calls);
    atomic_store(&disk->from, 0);
    check(&f);
    return calls;
}

static void verdict(const char *what)
{
    print_message("%s: told %zu times, struck %zu; lost %zu, wrong %zu, damaged %zu, doubled %zu, "
                  "files left %zu, no recovery %zu, unserved %zu, odd answers %zu\n",
                  what, sum.told, sum.struck, sum.lost, sum.wrong, sum.damaged, sum.doubled,
                  sum.leaked, sum.stuck, sum.unserved, sum.odd);
    EQ(0, sum.lost + sum.wrong + sum.damaged + sum.doubled + sum.leaked + sum.stuck +
              sum.unserved + sum.odd);
    memset(&sum, 0, sizeof sum);
}

/* How many calls the undisturbed story makes. */
static unsigned calls_of_story(void)
{
    static const char *const names[DISK_CALLS] = {"writes",    "syncs",       "renames",
                                                  "deletions", "truncations", "new files"};
    static unsigned calls;
    if (calls) return calls;
    calls = once(DISK_KILL, 0, 0);
    size_t by[DISK_CALLS] = {0};
    for (unsigned i = 0; i < calls && i < DISK_MOST; i++) by[disk->kinds[i]]++;
    print_message("%u calls:", calls);
    for (size_t i = 0; i < DISK_CALLS; i++) print_message(" %zu %s", by[i], names[i]);
    print_message("\n");
    verdict("undisturbed");
    OK(calls > 20 && by[DISK_SYNC] > 5 && by[DISK_RENAME] > 3);
    return calls;
}

/* At each call, or at so many of them; lasting: and at all that follow. */
static void everywhere(const char *what, enum disk_action action, bool lasting)
{
    const unsigned calls = calls_of_story();
    const unsigned n = points() && points() < calls ? (unsigned)points() : calls;
    for (unsigned i = 0; i < n; i++) {
        unsigned at = 1 + (2 * i + 1) * (calls - 1) / (2 * n);
        if (n == calls) at = 1 + i;
        once(action, at, lasting ? UINT32_MAX : at);
    }
    verdict(what);
}

TEST(the_process_ends_before_any_call)
{
    everywhere("killed", DISK_KILL, false);
}

TEST(the_process_ends_within_any_write)
{
    everywhere("killed within", DISK_TEAR, false);
}

TEST(the_disk_is_full_at_any_call)
{
    everywhere("full once", DISK_FULL, false);
}

TEST(the_disk_is_broken_at_any_call)
{
    everywhere("broken once", DISK_BROKEN, false);
}

TEST(the_disk_is_full_from_any_call_on)
{
    everywhere("full from then on", DISK_FULL, true);
}

TEST(the_disk_is_broken_from_any_call_on)
{
    everywhere("broken from then on", DISK_BROKEN, true);
}

/* ---- materials ---- */

static bool put(void *arg, const void *more, size_t n)
{
    (void)arg;
    zip.data = realloc(zip.data, zip.n + n);
    memcpy((char *)zip.data + zip.n, more, n);
    zip.n += n;
    return true;
}

static void make_materials(void)
{
    static const char head[] =
        "{\"k\":{\"dtype\":\"F32\",\"shape\":[129,129],\"data_offsets\":[0,66564]}}";
    large.data = ppm(260, 200, &large.n);
    small.data = ppm(30, 20, &small.n);
    weights.n = 8 + sizeof head - 1 + 66564;
    weights.data = calloc(1, weights.n);
    *(uint8_t *)weights.data = sizeof head - 1;
    memcpy((char *)weights.data + 8, head, sizeof head - 1);
    struct archive_out *out = archive_create(ARCHIVE_ZIP, put, NULL);
    archive_add(out, "a.ppm", large.data, large.n);
    archive_add(out, "b.ppm", small.data, small.n);
    archive_end(out, true);
}

/* The right results, and the addresses of the pictures. */
static bool make_expected(void)
{
    char job[64], path[96];
    clean();
    struct server s = SERVER("--data", data, "--drain-delay", "0");
    want_large = fetch(&s, &(struct fetch){.path = "/edges", .body = large.data, .body_n = large.n});
    want_small = fetch(&s, &(struct fetch){.path = "/edges", .body = small.data, .body_n = small.n});
    bool fine = submit(&s, BATCH, "data", zip.data, zip.n, job) && ending(&s, job, 60) == 's';
    snprintf(path, sizeof path, "%s/result", job);
    want_zip = get(&s, path);
    return server_stop(&s) == 0 && fine && want_large.status == 200 && want_small.status == 200 &&
           want_zip.status == 200;
}

int main(void)
{
    const char *build = getenv("BUILD");
    int failed = 0;
    snprintf(shim, sizeof shim, "%s/tests/http/shim/disk.so", build ? build : "build");
    snprintf(shared, sizeof shared, "/tmp/convd-control-XXXXXX");
    int fd = mkstemp(shared);
    if (fd < 0 || ftruncate(fd, sizeof *disk) != 0) return 1;
    disk = mmap(NULL, sizeof *disk, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    close(fd);
    setenv("DISK_CONTROL", shared, 1);
#if defined __SANITIZE_ADDRESS__ || defined __SANITIZE_THREAD__
    t_count = 0; /* they must be the first to be loaded */
#endif
    if (getenv("DISK_TESTS")) cmocka_set_test_filter(getenv("DISK_TESTS"));
    make_materials();
    if (disk == MAP_FAILED || access(shim, R_OK) != 0 || !make_expected()) return 1;
    failed = _cmocka_run_group_tests("http/disk", t_tests, t_count, NULL, NULL);
    clean();
    rmdir(data);
    unlink(shared);
    return failed;
}
