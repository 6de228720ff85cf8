/* disk.c: what was acknowledged holds, whatever happens to the process or the disk at whichever call. A daemon lives
 * through a story (start, jobs of each kind, saved pipelines, pictures, deletions, an orderly end) on a disk that counts
 * the calls that change it (shim/disk.c); then the story is told once for each call, which ends the process, tears the
 * write, or fails as a full or broken disk does, once or from then on. After each, a new start must know all that was
 * answered with 2xx, every accepted job must succeed with its one right result, and once all is deleted no file may be
 * left. An orderly end leaves no file that no row names, a full disk is called one, and what a power cut could undo was
 * not acknowledged.
 *
 * DISK_POINTS: how many of the calls; 0, as under `make test-crash`: all. DISK_TESTS: a pattern of names. */
#include "../store/lib_dir.h"
#include "../t.h"
#include "lib_jobs.h"
#include "shim/disk.h"
#include <fcntl.h>
#include <signal.h>
#include <sqlite3.h>
#include <sys/mman.h>
#include <unistd.h>

static char data[DIR_NAME], shim[300], shared[64];
static struct disk_control *disk;
static bool watched; /* the story is being told, and nothing is struck */
static struct bytes large, small, zip, album, weights; /* large: above what is kept in a row */
static struct answer want_large, want_small, want_zip, want_shared, want_learned;
static char image[100], other[100]; /* addresses of kept pictures */

/* What was acknowledged. */
struct facts {
    char run[JOB_ADDRESS], small[JOB_ADDRESS], batch[JOB_ADDRESS], shared[JOB_ADDRESS],
        learn[JOB_ADDRESS];        /* accepted; shared: on the kept pictures */
    int small_deleted;             /* 204: gone, 202: cancelled       */
    bool stays, goes, gone;        /* pipelines saved, and one deleted */
    bool image, other, other_gone; /* pictures kept, and one deleted  */
};
static struct {
    size_t told, struck, lost, wrong, damaged, doubled, leaked, stuck, unserved, odd, loose;
} sum;

static long points(void)
{
    const char *text = getenv("DISK_POINTS");
    return text ? atol(text) : 2;
}

/* ---- requests ---- */

/* Counts a status that is none of those that are to be. <= 0: nobody answered. */
static int known(int status, const char *method, const char *path)
{
    static const int fine[] = {200, 201, 202, 204, 404, 409, 503, 507};
    bool is = status <= 0;
    for (size_t i = 0; i < sizeof fine / sizeof *fine; i++) is |= status == fine[i];
    sum.odd += !is;
    if (!is) print_error("%s %s: %d\n", method, path, status);
    return status;
}

/* Something is on the disk before it is said to be kept. */
static void acknowledged(bool is, unsigned syncs)
{
    sum.loose += is && watched && atomic_load(&disk->syncs) == syncs;
}

/* The status. Location to address, where there is one. */
static int ask(const struct server *s, struct fetch f, char address[100])
{
    const unsigned syncs = atomic_load(&disk->syncs);
    struct answer a = fetch(s, &f);
    acknowledged(a.status == 201 || a.status == 204, syncs);
    const char *where = answer_header(&a, "Location");
    if (address && a.status < 300 && where) snprintf(address, 100, "%s", where);
    int status = known(a.status, f.method ? f.method : "POST", f.path);
    answer_release(&a);
    return status;
}

static bool submit(const struct server *s, const char *text, const char *part, struct bytes with,
                   char job[JOB_ADDRESS])
{
    int status;
    const unsigned syncs = atomic_load(&disk->syncs);
    bool accepted = job_try(s, text, part, with.data, with.n, job, &status);
    acknowledged(accepted, syncs);
    known(status, "POST", "/v1/jobs");
    return accepted;
}

#define RUN   "{\"type\":\"run\",\"pipeline\":\"edges\"}"
#define BATCH "{\"type\":\"batch\",\"pipeline\":\"edges\"}"
#define LEARN                                                                                      \
    "{\"type\":\"learn\",\"pipeline\":" STRIPES_NET ",\"save_as\":\"learned\",\"epochs\":6}"
enum { EPOCHS = 6 };
#define LEARNED "/v1/pipelines/learned"

/* A batch over both kept pictures, which may be forgotten before it runs. */
static bool submit_shared(const struct server *s, char job[JOB_ADDRESS])
{
    char text[300];
    snprintf(text, sizeof text,
             "{\"type\":\"batch\",\"pipeline\":\"edges\",\"images\":[\"%.64s\",\"%.64s\"]}",
             strrchr(image, '/') + 1, strrchr(other, '/') + 1);
    return submit(s, text, NULL, (struct bytes){0}, job);
}

static bool save(const struct server *s, const char *path)
{
    struct fetch f = {
        .method = "PUT",
        .path = path,
        .parts = {{.name = "pipeline", .data = "filter:@k", .n = 9},
                  {.name = "k", .filename = "k", .data = weights.data, .n = weights.n}}};
    int status = ask(s, f, NULL);
    return status == 200 || status == 201;
}

static bool keep(const struct server *s, struct bytes x, char address[100])
{
    int status =
        ask(s, (struct fetch){.path = "/v1/images", .body = x.data, .body_n = x.n}, address);
    return status == 200 || status == 201;
}

static int delete (const struct server *s, const char *path)
{
    return ask(s, (struct fetch){.method = "DELETE", .path = path}, NULL);
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
    submit(s, RUN, "img", large, f->run);
    submit(s, RUN, "img", small, f->small);
    f->stays = save(s, "/v1/pipelines/stays");
    f->goes = save(s, "/v1/pipelines/goes");
    bool stored = has_store(s); /* memory alone keeps pictures, too */
    f->image = keep(s, large, image) && stored;
    f->other = keep(s, small, other) && stored;
    serves(s);
    if (f->image && f->other) submit_shared(s, f->shared);
    submit(s, BATCH, "data", zip, f->batch);
    submit(s, LEARN, "data", album, f->learn);
    if (f->small[0] && job_ending(s, f->small, patience)) f->small_deleted = delete (s, f->small);
    if (f->goes) f->gone = delete (s, "/v1/pipelines/goes") == 204;
    if (f->other) f->other_gone = delete (s, other) == 204;
    if (f->run[0]) job_ending(s, f->run, patience);
    if (f->batch[0]) job_ending(s, f->batch, patience);
    if (f->shared[0]) job_ending(s, f->shared, patience);
    if (f->learn[0]) job_ending(s, f->learn, patience);
    serves(s);
}

static void check_same(const struct server *s, const char *path, const struct answer *want)
{
    enum same how = answer_same(s, path, want);
    if (how != SAME_YES)
        print_error("%s: %s\n", path, how == SAME_NO ? "other bytes" : "not there");
    sum.damaged += how == SAME_NOT_THERE;
    sum.wrong += how == SAME_NO;
}

/* True: it succeeded. */
static bool check_job(const struct server *s, const char *job)
{
    if (!job[0]) return false;
    char how = job_ending(s, job, 60);
    sum.lost += how != 's';
    return how == 's';
}

static void check_result(const struct server *s, const char *job, const struct answer *want)
{
    if (check_job(s, job)) check_same(s, job_at(job, "result"), want);
}

/* Whatever it was stopped by, it went on as if nothing had been: the same weights to the bit, each epoch once. */
static void check_learned(const struct server *s, const char *job)
{
    if (!check_job(s, job)) return;
    check_same(s, LEARNED "/weights", &want_learned);
    if (job_epochs_once(s, job, EPOCHS)) return;
    sum.wrong++;
    print_error("%s: not each epoch once\n", job);
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

/* Deletes all jobs, each of which may be there once. */
static void delete_jobs(const struct server *s)
{
    struct answer a = get(s, "/v1/jobs?limit=100");
    for (char *at = a.body; (at = strstr(at, "{\"id\":\"")); at++) {
        char job[64];
        snprintf(job, sizeof job, "/v1/jobs/%.32s", at + 7);
        if (strstr(at + 8, job + 9)) sum.doubled++;
        if (!job_ending(s, job, 60)) sum.lost++;
        delete (s, job);
    }
    answer_release(&a);
}

/* A new start on a sound disk. */
static void check(const struct facts *f)
{
    struct server s = SERVER("--data", data, "--workers", "1", "--drain-delay", "0");
    check_result(&s, f->run, &want_large);
    check_result(&s, f->batch, &want_zip);
    check_result(&s, f->shared, &want_shared);
    check_learned(&s, f->learn);
    if (f->small_deleted == 204)
        check_there(&s, f->small, true, true, NULL, 0);
    else if (f->small_deleted == 202)
        sum.lost += job_ending(&s, f->small, 60) != 'c';
    else if (f->small_deleted > 0)
        check_result(&s, f->small, &want_small);
    check_there(&s, "/v1/pipelines/stays/weights", f->stays, false, NULL, 0);
    check_there(&s, "/v1/pipelines/goes/weights", false, f->gone, NULL, 0);
    if (f->image) check_there(&s, image, true, false, large.data, large.n);
    if (f->other) check_there(&s, other, false, f->other_gone, small.data, small.n);
    delete_jobs(&s);
    delete (&s, "/v1/pipelines/stays");
    delete (&s, "/v1/pipelines/goes");
    delete (&s, LEARNED);
    if (image[0]) delete (&s, image);
    if (other[0]) delete (&s, other);
    sum.leaked += dir_files(data);
    EQ(0, server_stop(&s));
}

/* ---- one telling ---- */

/* What the daemon says while every call fails: that the disk is full, or that it cannot be reached. */
static void check_words(const struct server *s, enum disk_action action)
{
    char job[JOB_ADDRESS];
    int status;
    if (!atomic_load(&disk->struck) || !has_store(s)) return; /* the story was over before */
    job_try(s, RUN, "img", large.data, large.n, job, &status);
    sum.odd += status != (action == DISK_FULL ? 507 : 503);
    if (status != (action == DISK_FULL ? 507 : 503)) print_error("on a bad disk: %d\n", status);
}

/* The disk is well again: it must be noticed without a new start. */
static void check_recovery(const struct server *s)
{
    char job[JOB_ADDRESS];
    bool taken = false;
    for (double end = now() + 10; !taken && now() < end; usleep(20000))
        taken = submit(s, RUN, "img", small, job);
    sum.stuck += !taken;
    if (!taken) print_error("stuck\n");
}

/* After an orderly end: files that rows name, and no others. */
static void check_files(void)
{
    char path[96];
    sqlite3 *db;
    sqlite3_stmt *q;
    snprintf(path, sizeof path, "%s/convd.db", data);
    EQ(SQLITE_OK, sqlite3_open(path, &db));
    int rc =
        sqlite3_prepare_v2(db, "SELECT count(*) FROM blob WHERE file IS NOT NULL", -1, &q, NULL);
    if (rc == SQLITE_OK && sqlite3_step(q) == SQLITE_ROW) {
        size_t named = (size_t)sqlite3_column_int64(q, 0), there = dir_files(data);
        sum.leaked += named != there;
        if (named != there) print_error("%zu files, %zu of them named\n", there, named);
    }
    sqlite3_finalize(q);
    sqlite3_close(db);
}

/* Tells it with the calls from..to struck, in a fresh directory; returns how many calls there were. */
static unsigned once(enum disk_action action, unsigned from, unsigned to)
{
    struct facts f = {.small_deleted = 0};
    struct server s;
    const bool ends = action == DISK_KILL || action == DISK_TEAR, lasts = to != from;
    dir_new(data);
    memset(disk, 0, sizeof *disk);
    atomic_store(&disk->action, (int)action);
    atomic_store(&disk->from, from);
    atomic_store(&disk->to, to);
    setenv("LD_PRELOAD", shim, 1);
    bool started = server_try(
        &s, (const char *const[]){"--data", data, "--workers", "1", "--drain-delay", "0", NULL});
    unsetenv("LD_PRELOAD");
    if (started) {
        watched = from == 0;
        tell(&s, &f, ends || !lasts ? 20 : 0.2);
        watched = false;
        if (!ends && lasts) check_words(&s, action);
        if (lasts) atomic_store(&disk->from, 0);
        if (!ends && from) check_recovery(&s);
        kill(s.pid, SIGTERM);
    } else if (!ends) {
        sum.stuck++; /* without its store it would serve all the same */
        print_error("no start\n");
    }
    size_t bad = sum.stuck + sum.odd + sum.loose;
    if (server_wait(&s, 30) < 0) T_FAIL("the daemon does not end");
    const unsigned calls = atomic_load(&disk->calls);
    sum.told++;
    sum.struck += atomic_load(&disk->struck) > 0;
    sum.loose += atomic_load(&disk->unsynced) + atomic_load(&disk->unsettled);
    /* what could not be deleted is swept at the next start */
    if (!ends && !lasts && (from == 0 || disk->kinds[from - 1] != DISK_UNLINK)) check_files();
    atomic_store(&disk->from, 0);
    check(&f);
    if (bad + sum.loose) print_error("action %d, %u to %u\n", action, from, to);
    return calls;
}

static void verdict(const char *what)
{
    print_message("%s: told %zu times, struck %zu; lost %zu, wrong %zu, damaged %zu, doubled %zu, "
                  "files left %zu, no recovery %zu, unserved %zu, odd answers %zu, loose %zu\n",
                  what, sum.told, sum.struck, sum.lost, sum.wrong, sum.damaged, sum.doubled,
                  sum.leaked, sum.stuck, sum.unserved, sum.odd, sum.loose);
    EQ(0, sum.lost + sum.wrong + sum.damaged + sum.doubled + sum.leaked + sum.stuck + sum.unserved +
              sum.odd + sum.loose);
    memset(&sum, 0, sizeof sum);
}

static unsigned others[DISK_MOST], n_others; /* the story's calls that are no writes */

/* How many calls the undisturbed story makes. */
static unsigned calls_of_story(void)
{
    static const char *const names[DISK_CALLS] = {"writes",    "syncs",       "renames",
                                                  "deletions", "truncations", "new files"};
    static unsigned calls;
    if (calls) return calls;
    calls = once(DISK_KILL, 0, 0);
    size_t by[DISK_CALLS] = {0};
    for (unsigned i = 0; i < calls && i < DISK_MOST; i++) {
        by[disk->kinds[i]]++;
        if (disk->kinds[i] != DISK_WRITE) others[n_others++] = i + 1;
    }
    print_message("%u calls:", calls);
    for (size_t i = 0; i < DISK_CALLS; i++) print_message(" %zu %s", by[i], names[i]);
    print_message("\n");
    verdict("undisturbed");
    OK(calls > 20 && by[DISK_SYNC] > 5 && by[DISK_RENAME] > 3);
    return calls;
}

/* The i-th of n calls that stand for all: evenly spread, every other one over those that are no writes. */
static unsigned pick(unsigned i, unsigned n, unsigned calls)
{
    const unsigned of = i % 2 ? n / 2 : n - n / 2, k = i / 2;
    return i % 2 ? 1 + (2 * k + 1) * (calls - 1) / (2 * of)
                 : others[(2 * k + 1) * n_others / (2 * of)];
}

/* At each call, or at so many of them; lasting: and at all that follow. */
static void everywhere(const char *what, enum disk_action action, bool lasting)
{
    const unsigned calls = calls_of_story();
    const unsigned n = points() && points() < calls ? (unsigned)points() : calls;
    for (unsigned i = 0; i < n; i++) {
        const unsigned at = n == calls ? 1 + i : pick(i, n, calls);
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

static void make_materials(void)
{
    static const char head[] =
        "{\"k\":{\"dtype\":\"F32\",\"shape\":[129,129],\"data_offsets\":[0,66564]}}";
    large.data = ppm(260, 200, &large.n);
    small.data = ppm(30, 20, &small.n);
    weights.n = 8 + sizeof head - 1 + 66564;
    weights.data = calloc(1, weights.n);
    weights.data[0] = sizeof head - 1;
    memcpy(weights.data + 8, head, sizeof head - 1);
    struct archive_out *out = archive_create(ARCHIVE_ZIP, bytes_put, &zip);
    archive_add(out, "a.ppm", large.data, large.n);
    archive_add(out, "b.ppm", small.data, small.n);
    archive_end(out, true);
    album = stripes_album(ARCHIVE_TAR, 6, NULL, NULL, 0);
}

/* The right results, and the addresses of the pictures. */
static bool make_expected(void)
{
    char job[JOB_ADDRESS];
    dir_new(data);
    struct server s = SERVER("--data", data, "--workers", "1", "--drain-delay", "0");
    want_large =
        fetch(&s, &(struct fetch){.path = "/edges", .body = large.data, .body_n = large.n});
    want_small =
        fetch(&s, &(struct fetch){.path = "/edges", .body = small.data, .body_n = small.n});
    bool fine = submit(&s, BATCH, "data", zip, job) && job_ending(&s, job, 60) == 's';
    want_zip = get(&s, job_at(job, "result"));
    fine = fine && keep(&s, large, image) && keep(&s, small, other);
    fine = fine && submit_shared(&s, job) && job_ending(&s, job, 60) == 's';
    want_shared = get(&s, job_at(job, "result"));
    fine = fine && submit(&s, LEARN, "data", album, job) && job_ending(&s, job, 60) == 's';
    want_learned = get(&s, LEARNED "/weights");
    return server_stop(&s) == 0 && fine && want_large.status == 200 && want_small.status == 200 &&
           want_zip.status == 200 && want_shared.status == 200 && want_learned.status == 200;
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
    dir_remove(data);
    unlink(shared);
    return failed;
}
