/* store_sqlite_life.c: what becomes of a job: claimed, kept going, ended, gone. */
#include "store_sqlite.h"
#include <string.h>

static struct sq *sq_of(struct store *f)
{
    return (struct sq *)(void *)f;
}

/* ---- running ---- */

struct change {
    const char *id;
    int64_t now;
    char claimed[STORE_ID];
    uint64_t done, total;
    const struct sq_blob *blob;
    struct store_end *end;
    struct sq_blob error;
    struct sq_gone gone;
};

static enum store_status claim(struct sq *s, void *arg)
{
    struct change *c = arg;
    int rc;
    c->claimed[0] = 0;
    sqlite3_stmt *q =
        sq_row(s->write, &rc,
               "SELECT id FROM sound_job WHERE state = 0 AND sound ORDER BY seq LIMIT 1", "");
    if (q) sq_text(q, 0, c->claimed, sizeof c->claimed);
    sqlite3_finalize(q);
    if (!q) return sq_status(rc);
    return sq_status(
        sq_do(s->write, "UPDATE job SET state = 1, starts = starts + 1, started = ? WHERE id = ?",
              "is", c->now, c->claimed));
}

enum store_status sq_job_claim(struct store *f, int64_t now, struct store_job *out)
{
    struct change c = {.now = now};
    *out = (struct store_job){0};
    enum store_status status = sq_write(sq_of(f), claim, &c, true);
    if (status != STORE_OK) return status;
    status = sq_job_get(f, c.claimed, out);
    memcpy(out->id, c.claimed, sizeof out->id); /* also where its words are damaged */
    return status;
}

/* Why a job was not found in a state: STATE when it is in another, NONE when there is no such job. */
static enum store_status not_so(struct sq *s, const char *id)
{
    int rc;
    sqlite3_stmt *q = sq_row(s->write, &rc, "SELECT 1 FROM job WHERE id = ?", "s", id);
    sqlite3_finalize(q);
    return q ? STORE_STATE : sq_status(rc);
}

/* After an UPDATE of one job that was to be in some state. */
static enum store_status changed(struct sq *s, int rc, const char *id)
{
    return rc == SQLITE_OK && sqlite3_changes(s->write) == 0 ? not_so(s, id) : sq_status(rc);
}

static enum store_status requeue(struct sq *s, void *arg)
{
    const struct change *c = arg;
    int rc =
        sq_do(s->write,
              "UPDATE job SET state = 0, starts = max(starts - 1, 0) WHERE id = ? AND state = 1",
              "s", c->id);
    return changed(s, rc, c->id);
}

enum store_status sq_job_requeue(struct store *f, const char *id)
{
    struct change c = {.id = id};
    return sq_write(sq_of(f), requeue, &c, true);
}

/* The row ids in the columns of a job that stand for blobs. */
static enum store_status blob_of(struct sq *s, const char *sql, const char *id, int64_t *row)
{
    int rc;
    sqlite3_stmt *q = sq_row(s->write, &rc, sql, "s", id);
    *row = q ? sqlite3_column_int64(q, 0) : 0;
    sqlite3_finalize(q);
    return sq_status(rc);
}

static enum store_status checkpoint(struct sq *s, void *arg)
{
    struct change *c = arg;
    int64_t old, row;
    c->gone.n = 0;
    enum store_status status = blob_of(
        s, "SELECT coalesce(checkpoint, 0) FROM job WHERE id = ? AND state = 1", c->id, &old);
    if (status == STORE_NONE) return not_so(s, c->id);
    if (status == STORE_OK) status = sq_blob_insert(s, c->blob, &row);
    if (status == STORE_OK)
        status = sq_status(sq_do(
            s->write, "UPDATE job SET checkpoint = ?, done = ?, total = ?, starts = 1 WHERE id = ?",
            "iiis", row, (int64_t)c->done, (int64_t)c->total, c->id));
    if (status == STORE_OK) status = sq_blob_delete(s, old, &c->gone);
    return status;
}

enum store_status sq_job_checkpoint(struct store *f, const char *id, uint64_t done, uint64_t total,
                                    const void *data, size_t n)
{
    struct sq *s = sq_of(f);
    struct sq_blob blob;
    struct change c = {.id = id, .done = done, .total = total, .blob = &blob};
    enum store_status status = sq_blob_make(s, data, n, &blob);
    if (status == STORE_OK) status = sq_write(s, checkpoint, &c, false);
    if (status != STORE_OK) sq_blob_drop(s, &blob);
    sq_gone_finish(s, &c.gone, status != STORE_OK);
    return status;
}

enum store_status sq_job_resume(struct store *f, const char *id, struct store_blob *out)
{
    struct sq *s = sq_of(f);
    int rc;
    *out = (struct store_blob){0};
    pthread_mutex_lock(&s->read_lock);
    sqlite3_stmt *q = sq_row(
        s->read, &rc, "SELECT coalesce(checkpoint, 0), sound FROM sound_job WHERE id = ?", "s", id);
    int64_t row = q ? sqlite3_column_int64(q, 0) : 0;
    bool sound = q && sqlite3_column_int(q, 1);
    sqlite3_finalize(q);
    enum store_status status = !q      ? sq_status(rc)
                               : sound ? sq_blob_read(s, row, out)
                                       : STORE_DAMAGED;
    pthread_mutex_unlock(&s->read_lock);
    return status;
}

/* ---- the end ---- */

static enum store_status finish(struct sq *s, void *arg)
{
    struct change *c = arg;
    const struct store_end *e = c->end;
    int64_t error = 0, result = 0, old;
    c->gone.n = 0;
    enum store_status status = blob_of(
        s, "SELECT coalesce(checkpoint, 0) FROM job WHERE id = ? AND state = 1", c->id, &old);
    if (status == STORE_NONE) return not_so(s, c->id);
    if (status == STORE_OK && e->error) status = sq_blob_insert(s, &c->error, &error);
    if (status == STORE_OK && c->blob) status = sq_blob_insert(s, c->blob, &result);
    if (status == STORE_OK)
        status = sq_status(sq_do(s->write,
                                 "UPDATE job SET state = ?, finished = ?, done = ?, total = ?, "
                                 "error = ?, result = ?, media = ?, file_name = ?, "
                                 "checkpoint = NULL WHERE id = ?",
                                 "iiiirrsss", (int64_t)e->state, e->finished, (int64_t)e->done,
                                 (int64_t)e->total, error, result, e->media ? e->media : "",
                                 e->file_name ? e->file_name : "", c->id));
    return status == STORE_OK ? sq_blob_delete(s, old, &c->gone) : status;
}

enum store_status sq_job_finish(struct store *f, const char *id, struct store_end *end)
{
    struct sq *s = sq_of(f);
    struct sq_blob blob = {0};
    struct change c = {.id = id, .end = end};
    enum store_status status = STORE_OK;
    if (end->sink) {
        status = sq_sink_close(end->sink, &blob);
        c.blob = &blob;
    }
    if (status == STORE_OK && end->error)
        status = sq_blob_make(s, end->error, strlen(end->error), &c.error);
    if (status == STORE_OK) status = sq_write(s, finish, &c, true);
    if (status != STORE_OK) {
        sq_blob_drop(s, &blob);
        sq_blob_drop(s, &c.error);
    }
    sq_gone_finish(s, &c.gone, status != STORE_OK);
    sq_sink_drop(end->sink);
    end->sink = NULL;
    return status;
}

static enum store_status cancel(struct sq *s, void *arg)
{
    const struct change *c = arg;
    int rc =
        sq_do(s->write, "UPDATE job SET state = 4, finished = ? WHERE id = ? AND state IN (0, 1)",
              "is", c->now, c->id);
    return changed(s, rc, c->id);
}

enum store_status sq_job_cancel(struct store *f, const char *id, int64_t now)
{
    struct change c = {.id = id, .now = now};
    return sq_write(sq_of(f), cancel, &c, true);
}

enum store_status sq_job_result(struct store *f, const char *id, struct store_result *out)
{
    struct sq *s = sq_of(f);
    int rc;
    *out = (struct store_result){0};
    pthread_mutex_lock(&s->read_lock);
    sqlite3_stmt *q = sq_row(s->read, &rc,
                             "SELECT coalesce(result, 0), media, file_name, state, sound "
                             "FROM sound_job WHERE id = ?",
                             "s", id);
    enum store_status status = sq_status(rc);
    int64_t row = 0;
    if (q && !sqlite3_column_int(q, 4)) {
        status = STORE_DAMAGED;
    } else if (q) {
        row = sqlite3_column_int64(q, 0);
        sq_text(q, 1, out->media, sizeof out->media);
        sq_text(q, 2, out->file_name, sizeof out->file_name);
        if (sqlite3_column_int(q, 3) != JOB_SUCCEEDED) status = STORE_STATE;
    }
    sqlite3_finalize(q);
    if (status == STORE_OK) status = sq_blob_read(s, row, &out->body);
    pthread_mutex_unlock(&s->read_lock);
    return status;
}

/* Inside an op: the blobs that the rows of a query name, in all its columns. */
static enum store_status delete_blobs(struct sq *s, const char *sql, const char *id,
                                      struct sq_gone *gone)
{
    int rc;
    enum store_status status = STORE_OK;
    sqlite3_stmt *q = sq_row(s->write, &rc, sql, "s", id);
    for (; q && rc == SQLITE_ROW && status == STORE_OK; rc = sqlite3_step(q))
        for (int i = 0; i < sqlite3_column_count(q) && status == STORE_OK; i++)
            status = sq_blob_delete(s, sqlite3_column_int64(q, i), gone);
    sqlite3_finalize(q);
    return status != STORE_OK || rc == SQLITE_DONE ? status : sq_status(rc);
}

#define DELETE_PARTS                                                                               \
    "DELETE FROM part WHERE job = ? RETURNING iif(mark = row_sum(job, nr, name, blob), blob, 0)"
#define BLOBS_OF_JOB                                                                               \
    "SELECT spec, coalesce(error, 0), coalesce(result, 0), coalesce(checkpoint, 0) "               \
    "FROM sound_job WHERE id = ? AND sound"

static enum store_status delete_job(struct sq *s, const char *id, struct sq_gone *gone)
{
    enum store_status status = delete_blobs(s, DELETE_PARTS, id, gone);
    if (status == STORE_OK) status = delete_blobs(s, BLOBS_OF_JOB, id, gone);
    if (status == STORE_OK)
        status = sq_status(sq_do(s->write, "DELETE FROM job WHERE id = ?", "s", id));
    return status;
}

static enum store_status delete_finished(struct sq *s, void *arg)
{
    struct change *c = arg;
    int rc;
    c->gone.n = 0;
    sqlite3_stmt *q = sq_row(
        s->write, &rc, "SELECT iif(sound, state, -1) FROM sound_job WHERE id = ?", "s", c->id);
    int state = q ? sqlite3_column_int(q, 0) : 0;
    sqlite3_finalize(q);
    if (!q) return sq_status(rc);
    return state == JOB_QUEUED || state == JOB_RUNNING ? STORE_STATE
                                                       : delete_job(s, c->id, &c->gone);
}

enum store_status sq_job_delete(struct store *f, const char *id)
{
    struct sq *s = sq_of(f);
    struct change c = {.id = id};
    enum store_status status = sq_write(s, delete_finished, &c, true);
    sq_gone_finish(s, &c.gone, status != STORE_OK);
    return status;
}

struct expiry {
    int64_t before;
    size_t n;
    struct sq_gone gone;
};
enum { EXPIRE_AT_ONCE = 64 };

static enum store_status expire(struct sq *s, void *arg)
{
    struct expiry *e = arg;
    int rc;
    char ids[EXPIRE_AT_ONCE][STORE_ID];
    e->gone.n = e->n = 0;
    sqlite3_stmt *q = sq_row(s->write, &rc,
                             "SELECT id FROM sound_job WHERE state IN (2, 3, 4) "
                             "AND finished < ? AND sound LIMIT ?",
                             "ii", e->before, (int64_t)EXPIRE_AT_ONCE);
    for (; q && rc == SQLITE_ROW && e->n < EXPIRE_AT_ONCE; rc = sqlite3_step(q))
        sq_text(q, 0, ids[e->n++], STORE_ID);
    sqlite3_finalize(q);
    enum store_status status = STORE_OK;
    for (size_t i = 0; i < e->n && status == STORE_OK; i++)
        status = delete_job(s, ids[i], &e->gone);
    return status;
}

enum store_status sq_jobs_expire(struct store *f, int64_t before, size_t *n)
{
    struct sq *s = sq_of(f);
    struct expiry e = {.before = before};
    enum store_status status = sq_write(s, expire, &e, true);
    sq_gone_finish(s, &e.gone, status != STORE_OK);
    *n = status == STORE_OK ? e.n : 0;
    return status;
}
