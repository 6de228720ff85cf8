/* sqlite.c: the embedded store: the suite, and what happens to its files. */
#include "lib_dir.h"
#include "../t.h"
#include <fcntl.h>
#include <sqlite3.h>
#include <unistd.h>
#include <xxhash.h>
#include "server/store.h"

static char dir[DIR_NAME];

static struct store *open_again(void)
{
    char why[256] = "";
    struct store *s = store_sqlite_open(dir, 0, why);
    if (!s) T_FAIL("%s", why);
    return s;
}

static struct store *open_store(void)
{
    dir_new(dir);
    return open_again();
}

static struct store *reopen_store(struct store *s)
{
    s->calls->close(s);
    return open_again();
}

static void clean_store(struct store *s)
{
    s->calls->close(s);
    dir_remove(dir);
}

#include "suite.inc"

TEST(a_second_process_is_kept_out_and_a_reader_is_not)
{
    struct store *s = open_store();
    char why[256];
    struct store_part spec = PART("spec", "[\"abs\"]");
    struct store_pipeline p;
    bool replaced;
    OK(store_sqlite_open(dir, 0, why) == NULL);
    OK(strstr(why, "another convd") != NULL);
    EQ(STORE_OK, s->calls->pipeline_put(s, "b", 1, &spec, NULL, &replaced));
    struct store *r = store_sqlite_open(dir, STORE_READ_ONLY, why);
    OK(r != NULL);
    EQ(STORE_OK, r->calls->pipeline_get(r, "b", &p));
    store_blob_release(&p.spec);
    EQ(STORE_AWAY, r->calls->pipeline_delete(r, "b"));
    r->calls->close(r);
    clean_store(s);
}

TEST(a_reader_of_nothing_makes_nothing)
{
    char why[256] = "";
    OK(store_sqlite_open("/tmp/convd-store-that-is-not-there", STORE_READ_ONLY, why) == NULL);
    OK(why[0]);
    OK(access("/tmp/convd-store-that-is-not-there", F_OK) != 0);
}

TEST(files_go_with_their_rows_and_strays_are_swept)
{
    struct store *s = open_store();
    char id[STORE_ID], path[512];
    add_job(s, id, "{}", 100000);
    EQ(1, dir_files(dir));
    claim(s, id);
    char *data = noise(200000, 1);
    EQ(STORE_OK, succeed(s, id, data, 200000));
    EQ(2, dir_files(dir));
    EQ(STORE_STATE, succeed(s, id, data, 200000));
    EQ(2, dir_files(dir));
    snprintf(path, sizeof path, "%s/files/draft-0", dir);
    close(open(path, O_CREAT | O_WRONLY, 0600));
    snprintf(path, sizeof path, "%s/files/0123456789abcdef0123456789abcdef", dir);
    close(open(path, O_CREAT | O_WRONLY, 0600));
    EQ(4, dir_files(dir));
    s = reopen_store(s);
    EQ(2, dir_files(dir));
    EQ(STORE_OK, s->calls->job_delete(s, id));
    EQ(0, dir_files(dir));
    free(data);
    clean_store(s);
}

TEST(a_job_on_an_image_has_no_copy_of_it)
{
    struct store *s = open_store();
    char id[STORE_ID], *data = noise(100000, 9);
    struct store_part spec = PART("job", "{}"),
                      parts[] = {{.name = "aa", .data = data, .n = 100000, .kept = true},
                                 {.name = "bb", .data = data, .n = 100000, .kept = true}};
    bool there;
    EQ(STORE_OK, s->calls->image_put(s, "aa", 1, data, 100000, &there));
    EQ(STORE_OK, s->calls->image_put(s, "bb", 1, data, 100000, &there));
    store_make_id(id);
    EQ(STORE_OK, s->calls->job_add(s, id, "batch", 1, &spec, parts, 2));
    EQ(2, dir_files(dir));
    EQ(STORE_OK, s->calls->image_delete(s, "aa"));
    EQ(2, dir_files(dir));
    EQ(STORE_OK, s->calls->job_cancel(s, id, 2));
    EQ(STORE_OK, s->calls->job_delete(s, id));
    EQ(1, dir_files(dir));
    EQ(STORE_OK, s->calls->image_delete(s, "bb"));
    EQ(0, dir_files(dir));
    free(data);
    clean_store(s);
}

TEST(a_damaged_file_is_noticed_and_never_handed_out)
{
    struct store *s = open_store();
    char id[STORE_ID];
    struct store_blob b;
    add_job(s, id, "{}", 100000);
    for (int i = 0; i < 3; i++) {
        dir_flip(dir_file(dir), 12345 * i);
        EQ(STORE_DAMAGED, s->calls->job_part(s, id, "img", &b));
        dir_flip(dir_file(dir), 12345 * i);
        EQ(STORE_OK, s->calls->job_part(s, id, "img", &b));
        store_blob_release(&b);
    }
    EQ(0, truncate(dir_file(dir), 99999));
    EQ(STORE_DAMAGED, s->calls->job_part(s, id, "img", &b));
    unlink(dir_file(dir));
    EQ(STORE_DAMAGED, s->calls->job_part(s, id, "img", &b));
    clean_store(s);
}

TEST(a_damaged_image_is_put_anew)
{
    struct store *s = open_store();
    char *data = noise(100000, 4);
    struct store_blob b;
    bool there;
    EQ(STORE_OK, s->calls->image_put(s, "aa", 1, data, 100000, &there));
    dir_flip(dir_file(dir), 99999);
    EQ(STORE_DAMAGED, s->calls->image_get(s, "aa", 1, 0, &b));
    EQ(STORE_OK, s->calls->image_put(s, "aa", 1, data, 100000, &there));
    OK(!there);
    EQ(1, dir_files(dir)); /* the damaged one is gone */
    EQ(STORE_OK, s->calls->image_get(s, "aa", 1, 0, &b));
    expect_blob(&b, data, 100000);
    store_blob_release(&b);
    free(data);
    clean_store(s);
}

TEST(a_damaged_row_is_noticed_and_the_others_are_served)
{
    struct store *s = open_store();
    char id[STORE_ID], other[STORE_ID], path[128];
    struct store_part job = PART("job", "{}"), part = PART("img", "needle-needle-needle");
    struct store_blob b;
    add_job(s, other, "{}", 10);
    store_make_id(id);
    EQ(STORE_OK, s->calls->job_add(s, id, "run", 1, &job, &part, 1));
    s->calls->close(s);
    snprintf(path, sizeof path, "%s/convd.db", dir); /* closing moved the log into it */
    size_t n;
    char *db = t_file(path, &n), *at = memmem(db, n, "needle-", 7);
    OK(at != NULL);
    dir_flip(path, at - db + 3);
    free(db);
    s = open_again();
    EQ(STORE_DAMAGED, s->calls->job_part(s, id, "img", &b));
    EQ(STORE_OK, s->calls->job_part(s, other, "img", &b));
    store_blob_release(&b);
    clean_store(s);
}

/* ---- damage ---- */

enum { JOBS = 3, ANSWERS = 3 * JOBS + 4, ANSWER = 700 };
struct answers {
    char ids[JOBS][STORE_ID];
    char text[ANSWERS][ANSWER]; /* empty: the store did not answer */
};

static void say_blob(char text[ANSWER], const struct store_blob *b)
{
    size_t at = strlen(text);
    snprintf(text + at, ANSWER - at, " %zu %llx", b->n,
             (unsigned long long)(b->n ? XXH3_64bits(b->data, b->n) : 0));
}

static void say_job(char text[ANSWER], const struct store_job *j)
{
    snprintf(text, ANSWER, "%s %s %d %lld %lld %lld %llu %llu %u", j->id, j->type, (int)j->state,
             (long long)j->created, (long long)j->started, (long long)j->finished,
             (unsigned long long)j->done, (unsigned long long)j->total, j->starts);
}

/* Everything that can be asked of one row. */
static void ask_all(struct store *s, struct answers *a)
{
    struct store_job j;
    struct store_result r;
    struct store_blob b;
    struct store_pipeline p;
    char(*text)[ANSWER] = a->text;
    memset(a->text, 0, sizeof a->text);
    for (size_t i = 0; i < JOBS; i++, text += 3) {
        if (s->calls->job_get(s, a->ids[i], &j) == STORE_OK) {
            say_job(text[0], &j);
            say_blob(text[0], &j.spec);
            say_blob(text[0], &j.error);
        }
        store_job_release(&j);
        if (s->calls->job_part(s, a->ids[i], "img", &b) == STORE_OK) say_blob(text[1], &b);
        store_blob_release(&b);
        if (s->calls->job_result(s, a->ids[i], &r) == STORE_OK) {
            snprintf(text[2], ANSWER, "%s %s", r.media, r.file_name);
            say_blob(text[2], &r.body);
        }
        store_blob_release(&r.body);
    }
    static const char *const names[] = {"one", "two"};
    for (size_t i = 0; i < 2; i++, text++) {
        if (s->calls->pipeline_get(s, names[i], &p) == STORE_OK) {
            snprintf(text[0], ANSWER, "%s %lld", p.name, (long long)p.changed);
            say_blob(text[0], &p.spec);
            say_blob(text[0], &p.weights);
        }
        store_blob_release(&p.spec);
        store_blob_release(&p.weights);
    }
    if (s->calls->image_get(s, "picture", 1, 1000000, &b) == STORE_OK) say_blob(text[0], &b);
    store_blob_release(&b);
    char *list = NULL;
    if (s->calls->job_parts(s, a->ids[0], &list) == STORE_OK)
        for (const char *at = list; *at; at += strlen(at) + 1)
            snprintf(text[1] + strlen(text[1]), ANSWER - strlen(text[1]), "%s ", at);
    free(list);
}

/* What lists have in them is what is said of each by itself. */
static void check_lists(struct store *s, const struct answers *sound, off_t at)
{
    struct store_job *jobs = NULL;
    size_t n = 0;
    char *names = NULL, line[ANSWER];
    if (s->calls->job_list(s, NULL, 10, &jobs, &n) == STORE_OK)
        for (size_t i = 0; i < n; i++) {
            bool known = false;
            say_job(line, &jobs[i]);
            for (size_t k = 0; k < JOBS; k++)
                known |= strncmp(sound->text[3 * k], line, strlen(line)) == 0;
            if (!known) T_FAIL("byte %lld: %s in the list", (long long)at, line);
        }
    for (size_t i = 0; i < n; i++) store_job_release(&jobs[i]);
    free(jobs);
    if (s->calls->pipeline_names(s, &names) == STORE_OK)
        for (const char *x = names; *x; x += strlen(x) + 1)
            if (strcmp(x, "one") != 0 && strcmp(x, "two") != 0)
                T_FAIL("byte %lld: a pipeline %s", (long long)at, x);
    free(names);
}

/* A queued, a finished and a failed job, two pipelines and a picture. */
static void fill_for_damage(struct store *s, struct answers *a)
{
    struct store_part spec = PART("spec", "[\"abs\",\"relu\"]"),
                      weights = PART("w", "weights-weights");
    bool flag;
    for (size_t i = 0; i < JOBS; i++)
        add_job(s, a->ids[i], "{\"type\":\"run\",\"pipeline\":1}", 300);
    claim(s, a->ids[0]);
    EQ(STORE_OK, succeed(s, a->ids[0], "a result of some length", 23));
    claim(s, a->ids[1]);
    struct store_end end = {.state = JOB_FAILED, .finished = 77, .error = "{\"status\":422}"};
    EQ(STORE_OK, s->calls->job_finish(s, a->ids[1], &end));
    EQ(STORE_OK, s->calls->pipeline_put(s, "one", 5, &spec, NULL, &flag));
    EQ(STORE_OK, s->calls->pipeline_put(s, "two", 6, &spec, &weights, &flag));
    EQ(STORE_OK, s->calls->image_put(s, "picture", 1, "pixels", 6, &flag));
}

/* Whichever bit of the database changes: what is answered is what was there, or nothing is. */
TEST(damage_in_any_column_is_noticed)
{
    struct t_rng rng = t_rng(31);
    struct answers sound, now;
    char path[128], why[256];
    size_t size, noticed = 0, tries = 0;
    struct store *s = open_store();
    fill_for_damage(s, &sound);
    ask_all(s, &sound);
    memcpy(now.ids, sound.ids, sizeof now.ids);
    for (size_t i = 0; i < ANSWERS; i++)
        if (i != 5 && i != 8) OK(sound.text[i][0]); /* those have no result */
    s->calls->close(s);
    snprintf(path, sizeof path, "%s/convd.db", dir); /* closing moved the log into it */
    free(t_file(path, &size));
    for (off_t at = 100; at < (off_t)size; at += t_between(&rng, 1, 80)) {
        dir_flip(path, at);
        s = store_sqlite_open(dir, STORE_READ_ONLY, why);
        if (s) {
            ask_all(s, &now);
            for (size_t i = 0; i < ANSWERS; i++)
                if (now.text[i][0] && strcmp(now.text[i], sound.text[i]) != 0)
                    T_FAIL("byte %lld: \"%s\", was \"%s\"", (long long)at, now.text[i],
                           sound.text[i]);
            check_lists(s, &sound, at);
            s->calls->close(s);
        }
        noticed += !s || memcmp(now.text, sound.text, sizeof now.text) != 0;
        tries++;
        dir_flip(path, at);
    }
    print_message("%zu of %zu flips were noticed\n", noticed, tries);
    OK(noticed > tries / 50);
    clean_store(open_again());
}

/* A row that is damaged is neither run nor changed, and stops nobody else; it can be deleted. */
TEST(a_damaged_job_stops_no_other)
{
    struct store *s = open_store();
    struct store_job j;
    struct store_part spec = PART("job", "{}");
    char first[STORE_ID], second[STORE_ID], path[128];
    store_make_id(first);
    EQ(STORE_OK, s->calls->job_add(s, first, "needle", 1000, &spec, NULL, 0));
    store_make_id(second);
    EQ(STORE_OK, s->calls->job_add(s, second, "run", 1000, &spec, NULL, 0));
    s->calls->close(s);
    snprintf(path, sizeof path, "%s/convd.db", dir);
    size_t n;
    char *db = t_file(path, &n), *at = memmem(db, n, first, STORE_ID - 1);
    while (at && memcmp(at + STORE_ID - 1, "needle", 6) != 0) /* the row, not the index */
        at = memmem(at + 1, n - (size_t)(at + 1 - db), first, STORE_ID - 1);
    OK(at != NULL);
    dir_flip(path, at - db + STORE_ID - 1 + 6 + 1); /* when it came, behind its type */
    free(db);
    s = open_again();
    EQ(STORE_DAMAGED, s->calls->job_get(s, first, &j));
    store_job_release(&j);
    EQ(STORE_OK, s->calls->job_claim(s, 2000, &j));
    STR(second, j.id);
    store_job_release(&j);
    EQ(STORE_DAMAGED, s->calls->job_cancel(s, first, 1));
    const char *words;
    EQ(STORE_OK, s->calls->health(s, &words)); /* the disk is well */
    EQ(STORE_OK, succeed(s, second, "x", 1));
    EQ(STORE_OK, s->calls->job_delete(s, first));
    EQ(STORE_NONE, s->calls->job_get(s, first, &j));
    clean_store(s);
}

TEST(a_broken_database_is_refused_with_words)
{
    struct store *s = open_store();
    char path[128], why[256] = "";
    s->calls->close(s);
    snprintf(path, sizeof path, "%s/convd.db", dir);
    int fd = open(path, O_WRONLY);
    EQ(16, pwrite(fd, "this is no store", 16, 0));
    close(fd);
    OK(store_sqlite_open(dir, 0, why) == NULL);
    OK(strstr(why, "database") != NULL);
    dir_remove(dir);
}

TEST(a_database_of_a_newer_program_is_left_alone)
{
    struct store *s = open_store();
    char path[128], why[256] = "", version = 99;
    s->calls->close(s);
    snprintf(path, sizeof path, "%s/convd.db", dir);
    int fd = open(path, O_WRONLY);
    EQ(1, pwrite(fd, &version, 1, 63)); /* user_version, big-endian, at byte 60 */
    close(fd);
    OK(store_sqlite_open(dir, 0, why) == NULL);
    OK(strstr(why, "newer") != NULL);
    dir_remove(dir);
}

/* What the first schema kept is there under the last. */
TEST(an_older_database_is_brought_up_to_date)
{
    char path[128], why[256] = "", *schema = t_file("../../server/migrations/0001.sql", NULL);
    struct store_pipeline p;
    sqlite3 *db;
    sqlite3_stmt *q;
    XXH128_canonical_t sum;
    struct store *s = open_store();
    s->calls->close(s);
    snprintf(path, sizeof path, "%s/convd.db", dir);
    EQ(0, unlink(path));
    EQ(SQLITE_OK, sqlite3_open(path, &db));
    EQ(SQLITE_OK, sqlite3_exec(db, schema, NULL, NULL, NULL));
    EQ(SQLITE_OK, sqlite3_exec(db, "PRAGMA user_version = 1", NULL, NULL, NULL));
    static const char rows[] = "INSERT INTO blob VALUES (7, 7, ?, CAST('[\"abs\"]' AS BLOB), NULL)";
    XXH128_canonicalFromHash(&sum, XXH3_128bits("[\"abs\"]", 7));
    EQ(SQLITE_OK, sqlite3_prepare_v2(db, rows, -1, &q, NULL));
    sqlite3_bind_blob(q, 1, sum.digest, 16, SQLITE_STATIC);
    EQ(SQLITE_DONE, sqlite3_step(q));
    sqlite3_finalize(q);
    EQ(SQLITE_OK, sqlite3_exec(db,
                               "INSERT INTO pipeline VALUES ('old', 5, 7, NULL);"
                               "INSERT INTO job (id, type, state, created, spec) "
                               "VALUES ('0123', 'run', 1, 9, 7)",
                               NULL, NULL, NULL));
    sqlite3_close(db);
    for (int i = 0; i < 2; i++) { /* who only reads leaves it as it is */
        s = store_sqlite_open(dir, i == 0 ? STORE_READ_ONLY : 0, why);
        if (!s) T_FAIL("%s", why);
        EQ(STORE_OK, s->calls->pipeline_get(s, "old", &p));
        EQ(5, p.changed);
        expect_blob(&p.spec, "[\"abs\"]", 7);
        store_blob_release(&p.spec);
        if (i == 0) s->calls->close(s);
    }
    EQ(JOB_QUEUED, state_of(s, "0123"));
    free(schema);
    clean_store(s);
}

TEST(all_that_ran_is_queued_after_a_restart)
{
    struct store *s = open_store();
    char id[STORE_ID];
    s->calls->close(s);
    s = open_again();
    struct store_part job = PART("job", "{}"), part = PART("img", "x");
    pthread_t threads[8];
    struct crowd c = {.s = s};
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < 8; i++) EQ(0, pthread_create(&threads[i], NULL, add_many, &c));
        for (int i = 0; i < 8; i++) pthread_join(threads[i], NULL);
    }
    store_make_id(id);
    EQ(STORE_OK, s->calls->job_add(s, id, "run", 1, &job, &part, 1));
    s = reopen_store(s);
    struct store_count *list;
    size_t n, all = 0;
    EQ(STORE_OK, s->calls->job_counts(s, &list, &n));
    for (size_t i = 0; i < n; i++) {
        EQ(JOB_QUEUED, list[i].state);
        all += list[i].n;
    }
    free(list);
    EQ(961, all);
    clean_store(s);
}

T_MAIN("store/sqlite")
