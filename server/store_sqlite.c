/* store_sqlite.c: the embedded store: open, migrate, write in groups, read, keep. See store.h and store_sqlite.h.
 *
 * WAL with synchronous=FULL: a commit is on the disk when it returns. Bytes above 64 KiB are files (store_files.h): kept
 * before the row that names them is committed, removed after the row is gone; what a crash leaves in between is swept at
 * the next start. */
#include "store_sqlite.h"
#include "../api/embed.h"
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

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

/* ---- statements ---- */

static int bind(sqlite3_stmt *q, const char *types, va_list args)
{
    int rc = SQLITE_OK;
    for (int i = 1; *types && rc == SQLITE_OK; types++, i++) {
        if (*types == 's') {
            const char *text = va_arg(args, const char *);
            rc = text ? sqlite3_bind_text(q, i, text, -1, SQLITE_STATIC) : sqlite3_bind_null(q, i);
        } else if (*types == 'b') {
            const void *data = va_arg(args, const void *);
            size_t n = va_arg(args, size_t);
            rc = data ? sqlite3_bind_blob64(q, i, data, n, SQLITE_STATIC) : sqlite3_bind_null(q, i);
        } else {
            int64_t x = va_arg(args, int64_t);
            rc = *types == 'r' && x == 0 ? sqlite3_bind_null(q, i) : sqlite3_bind_int64(q, i, x);
        }
    }
    return rc;
}

static sqlite3_stmt *row(sqlite3 *db, int *rc, const char *sql, const char *types, va_list args)
{
    sqlite3_stmt *q = NULL;
    *rc = sqlite3_prepare_v2(db, sql, -1, &q, NULL);
    if (*rc == SQLITE_OK) *rc = bind(q, types, args);
    if (*rc == SQLITE_OK) *rc = sqlite3_step(q);
    if (*rc == SQLITE_ROW) return q;
    sqlite3_finalize(q);
    return NULL;
}

sqlite3_stmt *sq_row(sqlite3 *db, int *rc, const char *sql, const char *types, ...)
{
    va_list args;
    va_start(args, types);
    sqlite3_stmt *q = row(db, rc, sql, types, args);
    va_end(args);
    return q;
}

int sq_do(sqlite3 *db, const char *sql, const char *types, ...)
{
    va_list args;
    int rc;
    va_start(args, types);
    sqlite3_stmt *q = row(db, &rc, sql, types, args);
    va_end(args);
    while (rc == SQLITE_ROW) rc = sqlite3_step(q);
    sqlite3_finalize(q);
    return rc == SQLITE_DONE ? SQLITE_OK : rc;
}

enum store_status sq_status(int rc)
{
    switch (rc & 0xff) {
    case SQLITE_OK:
    case SQLITE_ROW:
        return STORE_OK;
    case SQLITE_DONE:
        return STORE_NONE;
    case SQLITE_FULL:
        return STORE_FULL;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
        return STORE_DAMAGED;
    default:
        return STORE_AWAY;
    }
}

void sq_text(sqlite3_stmt *q, int column, char *out, size_t room)
{
    const char *text = (const char *)sqlite3_column_text(q, column);
    snprintf(out, room, "%s", text ? text : "");
}

/* ---- the writer ---- */

static int begin(struct sq *s)
{
    return sq_do(s->write, "BEGIN IMMEDIATE", "");
}

static void rollback(struct sq *s)
{
    if (!sqlite3_get_autocommit(s->write)) sq_do(s->write, "ROLLBACK", "");
}

/* Every op of the list in one transaction; false: nothing of it was kept, *why says why. */
static bool commit(struct sq *s, struct sq_op *list, enum store_status *why)
{
    int rc = begin(s);
    for (struct sq_op *op = list; op && rc == SQLITE_OK; op = op->next) {
        rc = sq_do(s->write, "SAVEPOINT op", "");
        if (rc != SQLITE_OK) break;
        op->status = op->run(s, op->arg);
        if (op->status != STORE_OK && op->status != STORE_NONE && op->status != STORE_STATE)
            rc = op->status == STORE_FULL      ? SQLITE_FULL
                 : op->status == STORE_DAMAGED ? SQLITE_CORRUPT
                                               : SQLITE_IOERR;
        else if (op->status != STORE_OK)
            rc = sq_do(s->write, "ROLLBACK TO op", "");
        if (rc == SQLITE_OK) rc = sq_do(s->write, "RELEASE op", "");
    }
    if (rc == SQLITE_OK) rc = sq_do(s->write, "COMMIT", "");
    *why = sq_status(rc);
    if (rc != SQLITE_OK) rollback(s);
    return rc == SQLITE_OK;
}

/* One alone; with the reserve where it may have it. */
static void commit_one(struct sq *s, struct sq_op *op)
{
    struct sq_op *next = op->next;
    enum store_status why;
    op->next = NULL;
    bool kept = commit(s, op, &why);
    if (!kept && why == STORE_FULL && op->frees) {
        files_reserve_drop(&s->files);
        kept = commit(s, op, &why);
    }
    if (!kept) op->status = why;
    op->next = next;
}

static void note_health(struct sq *s, const struct sq_op *list)
{
    enum store_status worst = STORE_OK;
    for (const struct sq_op *op = list; op; op = op->next)
        if (op->status >= STORE_FULL) worst = op->status;
    if (worst == STORE_OK && atomic_load(&s->sick) == STORE_OK) return;
    pthread_mutex_lock(&s->lock);
    snprintf(s->words, sizeof s->words, "%s",
             worst == STORE_OK     ? ""
             : worst == STORE_FULL ? "no room is left under --data"
                                   : sqlite3_errmsg(s->write));
    atomic_store(&s->sick, (int)worst);
    pthread_mutex_unlock(&s->lock);
}

static void *write_loop(void *arg)
{
    struct sq *s = arg;
    pthread_mutex_lock(&s->lock);
    for (;;) {
        while (!s->first && !s->stopping) pthread_cond_wait(&s->came, &s->lock);
        if (!s->first) break;
        struct sq_op *list = s->first;
        s->first = NULL;
        s->last = &s->first;
        pthread_mutex_unlock(&s->lock);
        enum store_status why;
        if (!list->next || !commit(s, list, &why))
            for (struct sq_op *op = list; op; op = op->next) commit_one(s, op);
        note_health(s, list);
        pthread_mutex_lock(&s->lock);
        while (list) { /* an op is gone as soon as its caller may look */
            struct sq_op *next = list->next;
            list->done = true;
            list = next;
        }
        pthread_cond_broadcast(&s->went);
    }
    pthread_mutex_unlock(&s->lock);
    return NULL;
}

enum store_status sq_write(struct sq *s, enum store_status (*run)(struct sq *s, void *arg),
                           void *arg, bool frees)
{
    struct sq_op op = {.run = run, .arg = arg, .frees = frees};
    if (s->read_only) return STORE_AWAY;
    pthread_mutex_lock(&s->lock);
    *s->last = &op;
    s->last = &op.next;
    pthread_cond_signal(&s->came);
    while (!op.done) pthread_cond_wait(&s->went, &s->lock);
    pthread_mutex_unlock(&s->lock);
    return op.status;
}

/* ---- blobs ---- */

static void checksum(const void *data, size_t n, uint8_t sum[16])
{
    XXH128_canonical_t c;
    XXH128_canonicalFromHash(&c, XXH3_128bits(data, n));
    memcpy(sum, c.digest, 16);
}

enum store_status sq_blob_make(struct sq *s, const void *data, size_t n, struct sq_blob *b)
{
    *b = (struct sq_blob){.data = n ? data : "", .n = n};
    checksum(b->data, n, b->sum);
    if (n <= SQ_INLINE) return STORE_OK;
    if (!files_room(&s->files, n)) return STORE_FULL;
    struct file_draft d;
    enum store_status status = files_begin(&s->files, &d);
    if (status != STORE_OK) return status;
    status = files_append(&d, data, n);
    if (status != STORE_OK) {
        files_drop(&s->files, &d);
        return status;
    }
    status = files_keep(&s->files, &d);
    if (status != STORE_OK) return status;
    b->data = NULL;
    memcpy(b->file, d.name, sizeof b->file);
    return STORE_OK;
}

void sq_blob_drop(struct sq *s, struct sq_blob *b)
{
    if (b->file[0]) files_remove(&s->files, b->file);
    b->file[0] = 0;
}

enum store_status sq_blob_insert(struct sq *s, const struct sq_blob *b, int64_t *id)
{
    *id = 0;
    int rc = sq_do(s->write, "INSERT INTO blob (size, sum, data, file) VALUES (?, ?, ?, ?)", "ibbs",
                   (int64_t)b->n, b->sum, sizeof b->sum, b->data, b->n, b->data ? NULL : b->file);
    if (rc == SQLITE_OK) *id = sqlite3_last_insert_rowid(s->write);
    return sq_status(rc);
}

static bool gone_add(struct sq_gone *gone, const char *name)
{
    if (gone->n == gone->room) {
        size_t room = gone->room ? 2 * gone->room : 8;
        void *more = realloc(gone->names, room * sizeof *gone->names);
        if (!more) return false;
        gone->names = more;
        gone->room = room;
    }
    snprintf(gone->names[gone->n++], STORE_ID, "%s", name);
    return true;
}

enum store_status sq_blob_delete(struct sq *s, int64_t id, struct sq_gone *gone)
{
    int rc;
    if (id == 0) return STORE_OK;
    sqlite3_stmt *q = sq_row(s->write, &rc, "SELECT file FROM blob WHERE id = ?", "i", id);
    bool noted = true;
    if (q && sqlite3_column_type(q, 0) == SQLITE_TEXT)
        noted = gone_add(gone, (const char *)sqlite3_column_text(q, 0));
    sqlite3_finalize(q);
    if (!noted) return STORE_AWAY;
    if (!q) return rc == SQLITE_DONE ? STORE_OK : sq_status(rc);
    return sq_status(sq_do(s->write, "DELETE FROM blob WHERE id = ?", "i", id));
}

void sq_gone_finish(struct sq *s, struct sq_gone *gone, bool kept)
{
    for (size_t i = 0; i < gone->n && !kept; i++) files_remove(&s->files, gone->names[i]);
    free(gone->names);
    *gone = (struct sq_gone){0};
}

/* A file can go between the row and its opening: then the row is gone too. */
static enum store_status missing(struct sq *s, int64_t id)
{
    int rc;
    sqlite3_stmt *q = sq_row(s->read, &rc, "SELECT 1 FROM blob WHERE id = ?", "i", id);
    sqlite3_finalize(q);
    return q ? STORE_DAMAGED : STORE_NONE;
}

enum store_status sq_blob_read(struct sq *s, int64_t id, struct store_blob *out)
{
    int rc;
    *out = (struct store_blob){0};
    if (id == 0) return STORE_NONE;
    sqlite3_stmt *q =
        sq_row(s->read, &rc, "SELECT size, sum, data, file FROM blob WHERE id = ?", "i", id);
    if (!q) return rc == SQLITE_DONE ? STORE_DAMAGED : sq_status(rc);
    enum store_status status = STORE_DAMAGED;
    size_t size = (size_t)sqlite3_column_int64(q, 0), got = (size_t)sqlite3_column_bytes(q, 2);
    uint8_t want[16] = {0}, sum[16];
    char file[STORE_ID] = "";
    bool inside = sqlite3_column_type(q, 3) != SQLITE_TEXT,
         sound = sqlite3_column_bytes(q, 1) == 16;
    if (sound) memcpy(want, sqlite3_column_blob(q, 1), 16);
    if (!inside) sq_text(q, 3, file, sizeof file);
    if (sound && inside && got == size) {
        char *copy = malloc(size + 1); /* texts get a NUL behind them */
        const void *data = sqlite3_column_blob(q, 2);
        if (copy && size) memcpy(copy, data, size);
        if (copy) copy[size] = 0;
        status = copy ? STORE_OK : STORE_AWAY;
        *out = (struct store_blob){.data = copy, .n = size};
    }
    sqlite3_finalize(q);
    if (sound && !inside) status = files_map(&s->files, file, size, out);
    if (status == STORE_NONE) return missing(s, id);
    if (status != STORE_OK) return status;
    checksum(out->data, out->n, sum);
    if (memcmp(sum, want, 16) == 0) return STORE_OK;
    store_blob_release(out);
    return STORE_DAMAGED;
}

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

/* Each migration is one transaction together with the number it leads to. */
static bool migrate(struct sq *s, char why[256])
{
    int64_t version = version_of(s->write);
    if (version > MIGRATIONS) {
        snprintf(why, 256,
                 "the database was made by a newer convd (schema %lld, this one knows %d)",
                 (long long)version, MIGRATIONS);
        return false;
    }
    for (int64_t i = version; i >= 0 && i < MIGRATIONS; i++) {
        char set[64];
        snprintf(set, sizeof set, "PRAGMA user_version = %lld", (long long)i + 1);
        bool fine =
            begin(s) == SQLITE_OK &&
            sqlite3_exec(s->write, (const char *)migrations[i], NULL, NULL, NULL) == SQLITE_OK &&
            sq_do(s->write, set, "") == SQLITE_OK && sq_do(s->write, "COMMIT", "") == SQLITE_OK;
        if (fine) continue;
        snprintf(why, 256, "schema %lld: %.160s", (long long)i + 1, sqlite3_errmsg(s->write));
        rollback(s);
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

static bool recover(struct sq *s, char why[256])
{
    if (sq_do(s->write, "UPDATE job SET state = 0 WHERE state = 1", "") != SQLITE_OK) {
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

static bool open_all(struct sq *s, const char *dir, char why[256])
{
    if (!files_open(&s->files, dir, s->read_only, why)) return false;
    if (s->read_only) {
        s->read = connect_to(dir, SQLITE_OPEN_READONLY, why);
        return s->read != NULL;
    }
    s->write = connect_to(dir, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, why);
    if (!s->write || !migrate(s, why) || !recover(s, why)) return false;
    sqlite3_wal_hook(s->write, on_commit, s);
    s->read = connect_to(dir, SQLITE_OPEN_READWRITE, why);
    s->keep = s->read ? connect_to(dir, SQLITE_OPEN_READWRITE, why) : NULL;
    if (!s->keep) return false;
    s->writing = pthread_create(&s->writer, NULL, write_loop, s) == 0;
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
