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
    s = store_sqlite_open(dir, 0, why);
    if (!s) T_FAIL("%s", why);
    EQ(STORE_OK, s->calls->pipeline_get(s, "old", &p));
    EQ(5, p.changed);
    expect_blob(&p.spec, "[\"abs\"]", 7);
    store_blob_release(&p.spec);
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
