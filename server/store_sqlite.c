/* store_sqlite.c: the embedded store: open, migrate, recover, keep. See store.h and store_sqlite.h.
 *
 * WAL with synchronous=FULL: a commit is on the disk when it returns. Bytes above 64 KiB are files (store_files.h): kept
 * before the row that names them is committed, removed after the row is gone; what a crash leaves in between is swept at
 * the next start. */
#include "store_sqlite.h"
#include "../api/embed.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MIGRATION(NUMBER) EMBED(migration_##NUMBER, "server/migrations/" #NUMBER ".sql");
#include "migrations/migrations.def"
#undef MIGRATION

static const unsigned char *const migrations[] = {
#define MIGRATION(NUMBER) migration_##NUMBER,
#include "migrations/migrations.def"
#undef MIGRATION
};
enum { MIGRATIONS = sizeof migrations / sizeof *migrations };

#define KEEP_FROM 256  /* pages of log from which they are moved into the database */
#define CUT_FROM  8192 /* and from which the log begins anew: 32 MiB               */

/* ---- open ---- */

/* After each commit: how long the log is. */
static int on_commit(void *arg, sqlite3 *db, const char *name, int pages)
{
    struct sq *s = arg;
    (void)db, (void)name;
    atomic_store(&s->in_log, pages);
    return SQLITE_OK;
}

static sqlite3 *connect_to(const char *dir, int flags, char why[256])
{
    char path[4200];
    sqlite3 *db = NULL;
    snprintf(path, sizeof path, "%s/convd.db", dir);
    int rc = sqlite3_open_v2(path, &db, flags | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE, NULL);
    if (rc == SQLITE_OK) {
        sqlite3_busy_timeout(db, 5000);
        rc = sq_functions(db);
        static const char *const settings[] = {
            "PRAGMA journal_mode = WAL",   "PRAGMA synchronous = FULL",
            "PRAGMA temp_store = MEMORY",  "PRAGMA wal_autocheckpoint = 0",
            "PRAGMA cell_size_check = ON", "PRAGMA secure_delete = OFF",
            "PRAGMA trusted_schema = OFF",
        };
        size_t from = flags & SQLITE_OPEN_READONLY ? 2 : 0;
        for (size_t i = from; i < sizeof settings / sizeof *settings && rc == SQLITE_OK; i++)
            rc = sq_do(db, settings[i], "");
    }
    if (rc == SQLITE_OK) return db;
    snprintf(why, 256, "%.160s: %.80s", path, db ? sqlite3_errmsg(db) : "no memory");
    sqlite3_close(db);
    return NULL;
}

static int64_t version_of(sqlite3 *db)
{
    int rc;
    sqlite3_stmt *q = sq_row(db, &rc, "PRAGMA user_version", "");
    int64_t version = q ? sqlite3_column_int64(q, 0) : -1;
    sqlite3_finalize(q);
    return version;
}

static void say_newer(int64_t version, char why[256])
{
    snprintf(why, 256, "the database was made by a newer convd (schema %lld, this one knows %d)",
             (long long)version, MIGRATIONS);
}

/* Each migration is one transaction together with the number it leads to. */
static bool migrate(struct sq *s, char why[256])
{
    int64_t version = version_of(s->write);
    if (version > MIGRATIONS) {
        say_newer(version, why);
        return false;
    }
    for (int64_t i = version; i >= 0 && i < MIGRATIONS; i++) {
        char set[64];
        snprintf(set, sizeof set, "PRAGMA user_version = %lld", (long long)i + 1);
        bool fine =
            sq_begin(s) == SQLITE_OK &&
            sqlite3_exec(s->write, (const char *)migrations[i], NULL, NULL, NULL) == SQLITE_OK &&
            sq_do(s->write, set, "") == SQLITE_OK && sq_do(s->write, "COMMIT", "") == SQLITE_OK;
        if (fine) continue;
        snprintf(why, 256, "schema %lld: %.160s", (long long)i + 1, sqlite3_errmsg(s->write));
        sq_rollback(s);
        return false;
    }
    if (version >= 0) return true;
    snprintf(why, 256, "%.200s", sqlite3_errmsg(s->write));
    return false;
}

static bool file_used(void *arg, const char *name)
{
    struct sq *s = arg;
    int rc;
    sqlite3_stmt *q = sq_row(s->write, &rc, "SELECT 1 FROM blob WHERE file = ?", "s", name);
    sqlite3_finalize(q);
    return q || rc != SQLITE_DONE; /* in doubt it stays */
}

#define REQUEUE                                                                                    \
    "UPDATE job SET state = 0 WHERE seq IN (SELECT seq FROM sound_job WHERE state = 1 AND sound)"

static bool recover(struct sq *s, char why[256])
{
    if (sq_do(s->write, REQUEUE, "") != SQLITE_OK) {
        snprintf(why, 256, "%.200s", sqlite3_errmsg(s->write));
        return false;
    }
    files_sweep(&s->files, file_used, s);
    files_reserve_make(&s->files);
    return true;
}

static void sq_close(struct store *face)
{
    struct sq *s = (struct sq *)(void *)face;
    if (s->writing) {
        pthread_mutex_lock(&s->lock);
        s->stopping = true;
        pthread_cond_signal(&s->came);
        pthread_mutex_unlock(&s->lock);
        pthread_join(s->writer, NULL);
    }
    sqlite3_close(s->keep);
    sqlite3_close(s->read);
    sqlite3_close(s->write);
    files_close(&s->files);
    pthread_cond_destroy(&s->came);
    pthread_cond_destroy(&s->went);
    pthread_mutex_destroy(&s->lock);
    pthread_mutex_destroy(&s->read_lock);
    pthread_mutex_destroy(&s->keep_lock);
    free(s);
}

/* Who only reads does not migrate: saved pipelines of an older database are read as they are, without checksums of rows. */
static bool fit_for_reading(sqlite3 *db, char why[256])
{
    static const char views[] =
        "CREATE TEMP VIEW sound_blob AS SELECT *, 1 AS sound FROM blob;"
        "CREATE TEMP VIEW sound_pipeline AS SELECT *, 1 AS sound FROM pipeline";
    int64_t version = version_of(db);
    if (version == MIGRATIONS) return true;
    if (version > 0 && version < MIGRATIONS &&
        sqlite3_exec(db, views, NULL, NULL, NULL) == SQLITE_OK)
        return true;
    if (version > MIGRATIONS)
        say_newer(version, why);
    else
        snprintf(why, 256, "%.200s", sqlite3_errmsg(db));
    return false;
}

static bool open_all(struct sq *s, const char *dir, char why[256])
{
    if (!files_open(&s->files, dir, s->read_only, why)) return false;
    if (s->read_only) {
        s->read = connect_to(dir, SQLITE_OPEN_READONLY, why);
        return s->read && fit_for_reading(s->read, why);
    }
    s->write = connect_to(dir, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, why);
    if (!s->write || !migrate(s, why) || !recover(s, why)) return false;
    sqlite3_wal_hook(s->write, on_commit, s);
    s->read = connect_to(dir, SQLITE_OPEN_READWRITE, why);
    s->keep = s->read ? connect_to(dir, SQLITE_OPEN_READWRITE, why) : NULL;
    if (!s->keep) return false;
    s->writing = pthread_create(&s->writer, NULL, sq_write_loop, s) == 0;
    if (!s->writing) snprintf(why, 256, "no thread to write with");
    return s->writing;
}

struct store *store_sqlite_open(const char *dir, unsigned flags, char why[256])
{
    struct sq *s = calloc(1, sizeof *s);
    if (!s) {
        snprintf(why, 256, "no memory");
        return NULL;
    }
    s->face.calls = &sq_calls;
    s->files = (struct files){.root = -1, .dir = -1, .lock = -1};
    s->read_only = flags & STORE_READ_ONLY;
    s->last = &s->first;
    pthread_mutex_init(&s->lock, NULL);
    pthread_mutex_init(&s->read_lock, NULL);
    pthread_mutex_init(&s->keep_lock, NULL);
    pthread_cond_init(&s->came, NULL);
    pthread_cond_init(&s->went, NULL);
    if (open_all(s, dir, why)) return &s->face;
    sq_close(&s->face);
    return NULL;
}

/* ---- health ---- */

static enum store_status sq_health(struct store *face, const char **words)
{
    struct sq *s = (struct sq *)(void *)face;
    *words = s->words;
    return (enum store_status)atomic_load(&s->sick);
}

/* A write that changes nothing anybody reads: whether the disk takes one again. */
static enum store_status probe(struct sq *s, void *arg)
{
    (void)arg;
    char set[64];
    snprintf(set, sizeof set, "PRAGMA user_version = %d", MIGRATIONS);
    return sq_status(sq_do(s->write, set, ""));
}

static void sq_tick(struct store *face)
{
    struct sq *s = (struct sq *)(void *)face;
    if (s->read_only) return;
    files_reserve_make(&s->files);
    if (atomic_load(&s->sick) != STORE_OK && files_room(&s->files, 0))
        sq_write(s, probe, NULL, false);
    int in_log = atomic_load(&s->in_log);
    if (in_log < KEEP_FROM) return;
    int mode = in_log >= CUT_FROM ? SQLITE_CHECKPOINT_TRUNCATE : SQLITE_CHECKPOINT_PASSIVE;
    pthread_mutex_lock(&s->keep_lock);
    int rc = sqlite3_wal_checkpoint_v2(s->keep, NULL, mode, NULL, NULL);
    pthread_mutex_unlock(&s->keep_lock);
    if (rc == SQLITE_OK) atomic_store(&s->in_log, 0);
}

const struct store_calls sq_calls = {
    .close = sq_close,
    .health = sq_health,
    .tick = sq_tick,
    .job_add = sq_job_add,
    .job_get = sq_job_get,
    .job_list = sq_job_list,
    .job_claim = sq_job_claim,
    .job_requeue = sq_job_requeue,
    .job_part = sq_job_part,
    .job_parts = sq_job_parts,
    .job_checkpoint = sq_job_checkpoint,
    .job_resume = sq_job_resume,
    .job_finish = sq_job_finish,
    .job_cancel = sq_job_cancel,
    .job_result = sq_job_result,
    .job_delete = sq_job_delete,
    .jobs_expire = sq_jobs_expire,
    .job_counts = sq_job_counts,
    .sink_new = sq_sink_new,
    .sink_put = sq_sink_put,
    .sink_drop = sq_sink_drop,
    .pipeline_put = sq_pipeline_put,
    .pipeline_get = sq_pipeline_get,
    .pipeline_delete = sq_pipeline_delete,
    .pipeline_names = sq_pipeline_names,
    .image_put = sq_image_put,
    .image_get = sq_image_get,
    .image_delete = sq_image_delete,
    .images_expire = sq_images_expire,
};
