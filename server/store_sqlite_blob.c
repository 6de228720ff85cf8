/* store_sqlite_blob.c: bytes of the embedded store, in rows and in files, with their checksums. */
#include "store_sqlite.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

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
    sqlite3_stmt *q = sq_row(s->write, &rc,
                             "SELECT iif(sound, file, NULL) FROM sound_blob WHERE id = ?1 "
                             "AND NOT EXISTS (SELECT 1 FROM part WHERE blob = ?1) "
                             "AND NOT EXISTS (SELECT 1 FROM image WHERE blob = ?1)",
                             "i", id);
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
    sqlite3_stmt *q = sq_row(
        s->read, &rc, "SELECT size, sum, data, file, sound FROM sound_blob WHERE id = ?", "i", id);
    if (!q) return rc == SQLITE_DONE ? STORE_DAMAGED : sq_status(rc);
    enum store_status status = STORE_DAMAGED;
    size_t size = (size_t)sqlite3_column_int64(q, 0), got = (size_t)sqlite3_column_bytes(q, 2);
    uint8_t want[16] = {0}, sum[16];
    char file[STORE_ID] = "";
    bool inside = sqlite3_column_type(q, 3) != SQLITE_TEXT,
         sound = sqlite3_column_int(q, 4) && sqlite3_column_bytes(q, 1) == 16;
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

/* ---- a result in the making ---- */

struct store_sink {
    struct sq *s;
    struct {
        uint8_t *data;
        size_t n, room;
    } small; /* until it is large */
    struct file_draft draft;
    bool large;
    size_t n;
    XXH3_state_t *hash;
    enum store_status status; /* the first failure */
};

struct store_sink *sq_sink_new(struct store *f)
{
    struct store_sink *k = calloc(1, sizeof *k);
    if (!k) return NULL;
    k->s = (struct sq *)(void *)f;
    k->draft.fd = -1;
    k->hash = XXH3_createState();
    if (k->hash && XXH3_128bits_reset(k->hash) == XXH_OK) return k;
    sq_sink_drop(k);
    return NULL;
}

void sq_sink_drop(struct store_sink *k)
{
    if (!k) return;
    files_drop(&k->s->files, &k->draft);
    XXH3_freeState(k->hash);
    free(k->small.data);
    free(k);
}

static enum store_status keep_small(struct store_sink *k, const void *data, size_t n)
{
    if (k->small.n + n > k->small.room) {
        size_t room = 2 * (k->small.n + n);
        uint8_t *more = realloc(k->small.data, room);
        if (!more) return STORE_AWAY;
        k->small.data = more;
        k->small.room = room;
    }
    memcpy(k->small.data + k->small.n, data, n);
    k->small.n += n;
    return STORE_OK;
}

enum store_status sq_sink_put(struct store_sink *k, const void *data, size_t n)
{
    if (k->status != STORE_OK || n == 0) return k->status;
    XXH3_128bits_update(k->hash, data, n);
    k->n += n;
    if (!k->large && k->n <= SQ_INLINE) return k->status = keep_small(k, data, n);
    if (!k->large) {
        k->status = files_begin(&k->s->files, &k->draft);
        if (k->status == STORE_OK) k->status = files_append(&k->draft, k->small.data, k->small.n);
        k->large = true;
    }
    /* A file is written in the order it is read: the disk may fill up meanwhile, and the reserve is not ours. */
    if (k->status == STORE_OK && !files_room(&k->s->files, n)) k->status = STORE_FULL;
    if (k->status == STORE_OK) k->status = files_append(&k->draft, data, n);
    return k->status;
}

enum store_status sq_sink_close(struct store_sink *k, struct sq_blob *b)
{
    XXH128_canonical_t c;
    if (k->status != STORE_OK) return k->status;
    *b = (struct sq_blob){.data = k->large ? NULL : k->small.data, .n = k->n};
    if (!k->large && !b->data) b->data = "";
    XXH128_canonicalFromHash(&c, XXH3_128bits_digest(k->hash));
    memcpy(b->sum, c.digest, 16);
    if (!k->large) return STORE_OK;
    enum store_status status = files_keep(&k->s->files, &k->draft);
    if (status == STORE_OK) memcpy(b->file, k->draft.name, sizeof b->file);
    return status;
}
