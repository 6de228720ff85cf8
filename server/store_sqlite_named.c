/* store_sqlite_named.c: saved pipelines and images of the embedded store. */
#include "store_sqlite.h"
#include <stdlib.h>
#include <string.h>

static struct sq *sq_of(struct store *f)
{
    return (struct sq *)(void *)f;
}

struct named {
    const char *name;
    int64_t now;
    struct sq_blob blob, weights;
    bool has_weights, there;
    size_t n;
    struct sq_gone gone;
};

/* The blobs of a row; NONE when there is no row. */
static enum store_status rows_of(struct sq *s, const char *sql, const char *name, int64_t *a,
                                 int64_t *b)
{
    int rc;
    sqlite3_stmt *q = sq_row(s->write, &rc, sql, "s", name);
    *a = q ? sqlite3_column_int64(q, 0) : 0;
    *b = q ? sqlite3_column_int64(q, 1) : 0;
    sqlite3_finalize(q);
    return sq_status(rc);
}

#define PIPELINE_ROWS                                                                              \
    "SELECT iif(sound, spec, 0), iif(sound, weights, 0) FROM sound_pipeline WHERE name = ?"
#define IMAGE_ROWS "SELECT iif(sound, blob, 0), used FROM sound_image WHERE id = ?"

static enum store_status put_pipeline(struct sq *s, void *arg)
{
    struct named *p = arg;
    int64_t spec = 0, weights = 0, old_spec, old_weights;
    p->gone.n = 0;
    enum store_status status = rows_of(s, PIPELINE_ROWS, p->name, &old_spec, &old_weights);
    p->there = status == STORE_OK;
    if (status == STORE_OK || status == STORE_NONE) status = sq_blob_insert(s, &p->blob, &spec);
    if (status == STORE_OK && p->has_weights) status = sq_blob_insert(s, &p->weights, &weights);
    if (status == STORE_OK)
        status = sq_status(sq_do(s->write,
                                 "INSERT OR REPLACE INTO pipeline (name, changed, spec, weights) "
                                 "VALUES (?, ?, ?, ?)",
                                 "siir", p->name, p->now, spec, weights));
    if (status == STORE_OK) status = sq_blob_delete(s, old_spec, &p->gone);
    if (status == STORE_OK) status = sq_blob_delete(s, old_weights, &p->gone);
    return status;
}

enum store_status sq_pipeline_put(struct store *f, const char *name, int64_t now,
                                  const struct store_part *spec, const struct store_part *weights,
                                  bool *replaced)
{
    struct sq *s = sq_of(f);
    struct named p = {.name = name, .now = now, .has_weights = weights != NULL};
    enum store_status status = sq_blob_make(s, spec->data, spec->n, &p.blob);
    if (status == STORE_OK && weights)
        status = sq_blob_make(s, weights->data, weights->n, &p.weights);
    if (status == STORE_OK) status = sq_write(s, put_pipeline, &p, false);
    if (status != STORE_OK) {
        sq_blob_drop(s, &p.blob);
        sq_blob_drop(s, &p.weights);
    }
    sq_gone_finish(s, &p.gone, status != STORE_OK);
    *replaced = p.there;
    return status;
}

enum store_status sq_pipeline_get(struct store *f, const char *name, struct store_pipeline *out)
{
    struct sq *s = sq_of(f);
    int rc;
    *out = (struct store_pipeline){0};
    pthread_mutex_lock(&s->read_lock);
    sqlite3_stmt *q = sq_row(s->read, &rc,
                             "SELECT name, changed, spec, coalesce(weights, 0), sound "
                             "FROM sound_pipeline WHERE name = ?",
                             "s", name);
    enum store_status status = sq_status(rc);
    int64_t spec = 0, weights = 0;
    if (q && !sqlite3_column_int(q, 4)) {
        status = STORE_DAMAGED;
    } else if (q) {
        sq_text(q, 0, out->name, sizeof out->name);
        out->changed = sqlite3_column_int64(q, 1);
        spec = sqlite3_column_int64(q, 2);
        weights = sqlite3_column_int64(q, 3);
    }
    sqlite3_finalize(q);
    if (status == STORE_OK) status = sq_blob_read(s, spec, &out->spec);
    if (status == STORE_OK && weights) status = sq_blob_read(s, weights, &out->weights);
    pthread_mutex_unlock(&s->read_lock);
    return status;
}

enum store_status sq_pipeline_names(struct store *f, char **names)
{
    struct sq *s = sq_of(f);
    int rc;
    pthread_mutex_lock(&s->read_lock);
    sqlite3_stmt *q =
        sq_row(s->read, &rc, "SELECT name FROM sound_pipeline WHERE sound ORDER BY name", "");
    enum store_status status = sq_names(q, rc, names);
    pthread_mutex_unlock(&s->read_lock);
    return status;
}

static enum store_status delete_pipeline(struct sq *s, void *arg)
{
    struct named *p = arg;
    int64_t spec, weights;
    p->gone.n = 0;
    enum store_status status = rows_of(s, PIPELINE_ROWS, p->name, &spec, &weights);
    if (status == STORE_OK) status = sq_blob_delete(s, spec, &p->gone);
    if (status == STORE_OK) status = sq_blob_delete(s, weights, &p->gone);
    if (status == STORE_OK)
        status = sq_status(sq_do(s->write, "DELETE FROM pipeline WHERE name = ?", "s", p->name));
    return status;
}

enum store_status sq_pipeline_delete(struct store *f, const char *name)
{
    struct sq *s = sq_of(f);
    struct named p = {.name = name};
    enum store_status status = sq_write(s, delete_pipeline, &p, true);
    sq_gone_finish(s, &p.gone, status != STORE_OK);
    return status;
}

/* ---- images ---- */

static enum store_status use_image(struct sq *s, void *arg)
{
    const struct named *p = arg;
    return sq_status(
        sq_do(s->write, "UPDATE image SET used = ? WHERE id = ?", "is", p->now, p->name));
}

static enum store_status put_image(struct sq *s, void *arg)
{
    struct named *p = arg;
    int64_t row, old, used;
    p->gone.n = 0;
    enum store_status status = rows_of(s, IMAGE_ROWS, p->name, &old, &used);
    if (status == STORE_OK || status == STORE_NONE) status = sq_blob_insert(s, &p->blob, &row);
    if (status == STORE_OK)
        status = sq_status(sq_do(s->write,
                                 "INSERT OR REPLACE INTO image (id, used, blob) VALUES (?, ?, ?)",
                                 "sii", p->name, p->now, row));
    return status == STORE_OK ? sq_blob_delete(s, old, &p->gone) : status;
}

enum store_status sq_image_put(struct store *f, const char *id, int64_t now, const void *data,
                               size_t n, bool *there)
{
    struct sq *s = sq_of(f);
    struct named p = {.name = id, .now = now};
    struct store_blob kept;
    enum store_status status = sq_image_get(f, id, now, 0, &kept);
    store_blob_release(&kept);
    *there = status == STORE_OK;
    if (*there) return status;
    status = sq_blob_make(s, data, n, &p.blob);
    if (status == STORE_OK) status = sq_write(s, put_image, &p, false);
    if (status != STORE_OK) sq_blob_drop(s, &p.blob);
    sq_gone_finish(s, &p.gone, status != STORE_OK);
    return status;
}

enum store_status sq_image_get(struct store *f, const char *id, int64_t now, int64_t stale,
                               struct store_blob *out)
{
    struct sq *s = sq_of(f);
    int rc;
    *out = (struct store_blob){0};
    pthread_mutex_lock(&s->read_lock);
    sqlite3_stmt *q =
        sq_row(s->read, &rc, "SELECT blob, used, sound FROM sound_image WHERE id = ?", "s", id);
    enum store_status status = q && !sqlite3_column_int(q, 2) ? STORE_DAMAGED : sq_status(rc);
    int64_t row = q ? sqlite3_column_int64(q, 0) : 0, used = q ? sqlite3_column_int64(q, 1) : 0;
    sqlite3_finalize(q);
    if (status == STORE_OK) status = sq_blob_read(s, row, out);
    pthread_mutex_unlock(&s->read_lock);
    struct named p = {.name = id, .now = now};
    if (status == STORE_OK && !s->read_only && now - used > stale)
        sq_write(s, use_image, &p, false); /* if it cannot be, the picture is there all the same */
    return status;
}

static enum store_status delete_image(struct sq *s, void *arg)
{
    struct named *p = arg;
    int64_t row, used;
    p->gone.n = 0;
    enum store_status status = rows_of(s, IMAGE_ROWS, p->name, &row, &used);
    if (status == STORE_OK)
        status = sq_status(sq_do(s->write, "DELETE FROM image WHERE id = ?", "s", p->name));
    if (status == STORE_OK) status = sq_blob_delete(s, row, &p->gone);
    return status;
}

enum store_status sq_image_delete(struct store *f, const char *id)
{
    struct sq *s = sq_of(f);
    struct named p = {.name = id};
    enum store_status status = sq_write(s, delete_image, &p, true);
    sq_gone_finish(s, &p.gone, status != STORE_OK);
    return status;
}

enum { EXPIRE_AT_ONCE = 64 };

static enum store_status expire_images(struct sq *s, void *arg)
{
    struct named *p = arg;
    int rc;
    char ids[EXPIRE_AT_ONCE][STORE_NAME];
    int64_t rows[EXPIRE_AT_ONCE];
    p->gone.n = p->n = 0;
    sqlite3_stmt *q =
        sq_row(s->write, &rc, "SELECT id, blob FROM sound_image WHERE used < ? AND sound LIMIT ?",
               "ii", p->now, (int64_t)EXPIRE_AT_ONCE);
    for (; q && rc == SQLITE_ROW && p->n < EXPIRE_AT_ONCE; rc = sqlite3_step(q)) {
        sq_text(q, 0, ids[p->n], STORE_NAME);
        rows[p->n++] = sqlite3_column_int64(q, 1);
    }
    sqlite3_finalize(q);
    enum store_status status = STORE_OK;
    for (size_t i = 0; i < p->n && status == STORE_OK; i++) {
        status = sq_status(sq_do(s->write, "DELETE FROM image WHERE id = ?", "s", ids[i]));
        if (status == STORE_OK) status = sq_blob_delete(s, rows[i], &p->gone);
    }
    return status;
}

enum store_status sq_images_expire(struct store *f, int64_t before, size_t *n)
{
    struct sq *s = sq_of(f);
    struct named p = {.now = before};
    enum store_status status = sq_write(s, expire_images, &p, true);
    sq_gone_finish(s, &p.gone, status != STORE_OK);
    *n = status == STORE_OK ? p.n : 0;
    return status;
}
