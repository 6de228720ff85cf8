/* store_sqlite_jobs.c: jobs of the embedded store: adding and reading them. store_sqlite_life.c is what becomes of them. */
#include "store_sqlite.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct sq *sq_of(struct store *f)
{
    return (struct sq *)(void *)f;
}

/* ---- new ---- */

struct add {
    const char *id, *type;
    int64_t created;
    struct sq_blob spec, *parts;
    const struct store_part *named;
    size_t n;
};

/* The row of a part's bytes: of the image that has them already, or a new one. NONE: the image has gone meanwhile. */
static enum store_status part_row(struct sq *s, const struct store_part *named,
                                  const struct sq_blob *blob, int64_t *row)
{
    int rc;
    if (blob->data || blob->file[0]) return sq_blob_insert(s, blob, row);
    sqlite3_stmt *q = sq_row(s->write, &rc, "SELECT blob FROM sound_image WHERE id = ? AND sound",
                             "s", named->name);
    *row = q ? sqlite3_column_int64(q, 0) : 0;
    sqlite3_finalize(q);
    return sq_status(rc);
}

static enum store_status add(struct sq *s, void *arg)
{
    const struct add *a = arg;
    int64_t row;
    enum store_status status = sq_blob_insert(s, &a->spec, &row);
    if (status == STORE_OK)
        status = sq_status(sq_do(s->write,
                                 "INSERT INTO job (id, type, state, created, spec, parts) "
                                 "VALUES (?, ?, 0, ?, ?, ?)",
                                 "ssiii", a->id, a->type, a->created, row, (int64_t)a->n));
    for (size_t i = 0; i < a->n && status == STORE_OK; i++) {
        status = part_row(s, &a->named[i], &a->parts[i], &row);
        if (status == STORE_OK)
            status = sq_status(sq_do(s->write,
                                     "INSERT INTO part (job, nr, name, blob) VALUES (?, ?, ?, ?)",
                                     "sisi", a->id, (int64_t)i, a->named[i].name, row));
    }
    return status;
}

/* copies: of images, too. */
static enum store_status add_job(struct sq *s, struct add *a, const struct store_part *spec,
                                 bool copies)
{
    enum store_status status = files_room(&s->files, spec->n) ? STORE_OK : STORE_FULL;
    if (status == STORE_OK) status = sq_blob_make(s, spec->data, spec->n, &a->spec);
    for (size_t i = 0; i < a->n && status == STORE_OK; i++)
        if (copies || !a->named[i].kept)
            status = sq_blob_make(s, a->named[i].data, a->named[i].n, &a->parts[i]);
    if (status == STORE_OK) status = sq_write(s, add, a, false);
    if (status == STORE_OK) return status;
    sq_blob_drop(s, &a->spec);
    for (size_t i = 0; i < a->n; i++) sq_blob_drop(s, &a->parts[i]);
    return status;
}

enum store_status sq_job_add(struct store *f, const char *id, const char *type, int64_t created,
                             const struct store_part *spec, const struct store_part *parts,
                             size_t n)
{
    struct sq *s = sq_of(f);
    struct add a = {.id = id, .type = type, .created = created, .named = parts, .n = n};
    a.parts = calloc(n + 1, sizeof *a.parts);
    if (!a.parts) return STORE_AWAY;
    enum store_status status = add_job(s, &a, spec, false);
    if (status == STORE_NONE) status = add_job(s, &a, spec, true); /* one was in memory alone */
    free(a.parts);
    return status;
}

/* ---- reading ---- */

#define COLUMNS                                                                                    \
    "seq, id, type, state, created, started, finished, done, total, starts, error, spec, sound"

static void fill(sqlite3_stmt *q, struct store_job *j)
{
    *j = (struct store_job){.created = sqlite3_column_int64(q, 4),
                            .started = sqlite3_column_int64(q, 5),
                            .finished = sqlite3_column_int64(q, 6),
                            .done = (uint64_t)sqlite3_column_int64(q, 7),
                            .total = (uint64_t)sqlite3_column_int64(q, 8),
                            .starts = (unsigned)sqlite3_column_int64(q, 9)};
    int state = sqlite3_column_int(q, 3);
    j->state = state >= 0 && state < JOB_STATES ? (enum job_state)state : JOB_FAILED;
    sq_text(q, 1, j->id, sizeof j->id);
    sq_text(q, 2, j->type, sizeof j->type);
}

enum store_status sq_job_get(struct store *f, const char *id, struct store_job *out)
{
    struct sq *s = sq_of(f);
    int rc;
    *out = (struct store_job){0};
    pthread_mutex_lock(&s->read_lock);
    sqlite3_stmt *q =
        sq_row(s->read, &rc, "SELECT " COLUMNS " FROM sound_job WHERE id = ?", "s", id);
    enum store_status status = sq_status(rc);
    int64_t error = 0, spec = 0;
    if (q && !sqlite3_column_int(q, 12)) {
        status = STORE_DAMAGED;
    } else if (q) {
        fill(q, out);
        error = sqlite3_column_int64(q, 10);
        spec = sqlite3_column_int64(q, 11);
    }
    sqlite3_finalize(q);
    if (status == STORE_OK) status = sq_blob_read(s, spec, &out->spec);
    if (status == STORE_OK && error) status = sq_blob_read(s, error, &out->error);
    pthread_mutex_unlock(&s->read_lock);
    return status;
}

/* The place of a job in the order of their coming; 0: there is none. */
static int64_t seq_of(struct sq *s, const char *id)
{
    int rc;
    sqlite3_stmt *q =
        sq_row(s->read, &rc, "SELECT seq FROM sound_job WHERE id = ? AND sound", "s", id);
    int64_t seq = q ? sqlite3_column_int64(q, 0) : 0;
    sqlite3_finalize(q);
    return seq;
}

enum store_status sq_job_list(struct store *f, const char *after, size_t limit,
                              struct store_job **out, size_t *n)
{
    struct sq *s = sq_of(f);
    int rc = SQLITE_DONE;
    *n = 0;
    *out = calloc(limit + 1, sizeof **out);
    int64_t *errors = calloc(limit + 1, sizeof *errors);
    if (!*out || !errors) {
        free(errors);
        return STORE_AWAY;
    }
    pthread_mutex_lock(&s->read_lock);
    int64_t before = after && *after ? seq_of(s, after) : INT64_MAX;
    sqlite3_stmt *q = before ? sq_row(s->read, &rc,
                                      "SELECT " COLUMNS " FROM sound_job WHERE seq < ? AND sound "
                                      "ORDER BY seq DESC LIMIT ?",
                                      "ii", before, (int64_t)limit)
                             : NULL;
    for (; q && rc == SQLITE_ROW && *n < limit; rc = sqlite3_step(q)) {
        errors[*n] = sqlite3_column_int64(q, 10);
        fill(q, &(*out)[(*n)++]);
    }
    sqlite3_finalize(q);
    for (size_t i = 0; i < *n; i++)
        if (errors[i]) sq_blob_read(s, errors[i], &(*out)[i].error); /* a damaged one is left out */
    pthread_mutex_unlock(&s->read_lock);
    free(errors);
    if (!before) return STORE_NONE;
    return rc == SQLITE_ROW || rc == SQLITE_DONE ? STORE_OK : sq_status(rc);
}

enum store_status sq_job_part(struct store *f, const char *id, const char *name,
                              struct store_blob *out)
{
    struct sq *s = sq_of(f);
    int rc;
    *out = (struct store_blob){0};
    pthread_mutex_lock(&s->read_lock);
    sqlite3_stmt *q =
        sq_row(s->read, &rc,
               "SELECT iif(sound, blob, 0), sound FROM sound_part WHERE job = ? AND name = ?", "ss",
               id, name);
    enum store_status status = q && !sqlite3_column_int(q, 1) ? STORE_DAMAGED : sq_status(rc);
    int64_t blob = q ? sqlite3_column_int64(q, 0) : 0;
    sqlite3_finalize(q);
    if (status == STORE_OK) status = sq_blob_read(s, blob, out);
    pthread_mutex_unlock(&s->read_lock);
    return status;
}

enum store_status sq_job_parts(struct store *f, const char *id, char **names)
{
    struct sq *s = sq_of(f);
    int rc;
    pthread_mutex_lock(&s->read_lock);
    sqlite3_stmt *q =
        sq_row(s->read, &rc,
               "SELECT name, j.sound AND (p.sound IS NULL OR p.sound) AND "
               "parts = (SELECT count(*) FROM part WHERE job = ?1) FROM sound_job AS j "
               "LEFT JOIN sound_part AS p ON p.job = j.id WHERE j.id = ?1 ORDER BY nr",
               "s", id);
    enum store_status status = sq_names(q, rc, names);
    pthread_mutex_unlock(&s->read_lock);
    return status;
}

enum store_status sq_job_counts(struct store *f, struct store_count **out, size_t *n)
{
    struct sq *s = sq_of(f);
    enum { MOST = 64 };
    int rc;
    *n = 0;
    *out = calloc(MOST, sizeof **out);
    if (!*out) return STORE_AWAY;
    pthread_mutex_lock(&s->read_lock);
    sqlite3_stmt *q =
        sq_row(s->read, &rc, "SELECT type, state, count(*) FROM job GROUP BY type, state", "");
    for (; q && rc == SQLITE_ROW && *n < MOST; rc = sqlite3_step(q)) {
        struct store_count *c = &(*out)[*n];
        int state = sqlite3_column_int(q, 1);
        sq_text(q, 0, c->type, sizeof c->type);
        c->n = (size_t)sqlite3_column_int64(q, 2);
        if (state < 0 || state >= JOB_STATES) continue;
        c->state = (enum job_state)state;
        ++*n;
    }
    sqlite3_finalize(q);
    pthread_mutex_unlock(&s->read_lock);
    return STORE_OK;
}
