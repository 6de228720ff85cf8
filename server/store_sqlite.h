/* store_sqlite.h: what the parts of the embedded store share. One writer thread commits what waits together; one
 * connection reads; a third moves the log into the database when nobody waits for it. */
#ifndef STORE_SQLITE_H
#define STORE_SQLITE_H
#include <pthread.h>
#include <sqlite3.h>

#include "store_files.h"

#define SQ_INLINE ((size_t)64 << 10) /* bytes from which a blob is a file */

struct sq;
/* One thing to write; lives on its caller's stack, who waits for it. run may be called more than once (a transaction that
 * failed is tried in smaller pieces) and must begin anew each time. */
struct sq_op {
    enum store_status (*run)(struct sq *s, void *arg);
    void *arg;
    bool frees; /* may use the reserve: it deletes, or ends something */
    enum store_status status;
    bool failed; /* it is not what it found that kept it from being done */
    bool done;
    struct sq_op *next;
};

struct sq {
    struct store face;
    struct files files;
    sqlite3 *write, *read, *keep;
    bool read_only;
    pthread_t writer;
    bool writing; /* the thread was started */
    pthread_mutex_t lock;
    pthread_cond_t came, went;
    struct sq_op *first, **last;
    bool stopping;
    pthread_mutex_t read_lock, keep_lock;
    atomic_int in_log; /* pages of the log that were not moved yet   */
    atomic_int sick;   /* enum store_status of the last thing written  */
    char words[160];   /* about it; under lock                         */
};

/* ---- statements ---- */
/* types: s text, i int64_t, b data and size, r a row id (0: NULL). Steps to the first row; NULL: *rc says why (SQLITE_DONE:
 * no row). */
sqlite3_stmt *sq_row(sqlite3 *db, int *rc, const char *sql, const char *types, ...);
/* Runs to its end. SQLITE_OK, or what went wrong. */
int sq_do(sqlite3 *db, const char *sql, const char *types, ...);
enum store_status sq_status(int rc);
/* What the schema calls; see migrations/0003.sql. SQLITE_OK, or what went wrong. */
int sq_functions(sqlite3 *db);
/* Text of a column, cut to room. */
void sq_text(sqlite3_stmt *q, int column, char *out, size_t room);

/* Names in the first column, one behind the other; DAMAGED where a second column is 0. Finalizes q, whose first step gave
 * rc. */
enum store_status sq_names(sqlite3_stmt *q, int rc, char **names);

/* ---- writing ---- */
/* Gives the op to the writer and waits. */
enum store_status sq_write(struct sq *s, enum store_status (*run)(struct sq *s, void *arg),
                           void *arg, bool frees);

/* The writer's thread; arg is the struct sq. */
void *sq_write_loop(void *arg);
/* For who writes before that thread is there. */
int sq_begin(struct sq *s);
void sq_rollback(struct sq *s);

/* ---- blobs ---- */
/* Bytes on their way into a row: small ones stay where they are, large ones are a file already. */
struct sq_blob {
    const void *data; /* NULL: a file */
    size_t n;
    uint8_t sum[16];
    char file[STORE_ID];
};
/* Writes the file where there is one to write. */
enum store_status sq_blob_make(struct sq *s, const void *data, size_t n, struct sq_blob *b);
/* Of one that no row speaks of. */
void sq_blob_drop(struct sq *s, struct sq_blob *b);
/* Inside an op: a row for it. *row 0 on a failure. */
enum store_status sq_blob_insert(struct sq *s, const struct sq_blob *b, int64_t *row);
/* Inside an op, once the row that named it is gone: deletes the row, unless another part or image names it; the name of its
 * file goes to the list. */
struct sq_gone {
    size_t n, room;
    char (*names)[STORE_ID];
};
enum store_status sq_blob_delete(struct sq *s, int64_t row, struct sq_gone *gone);
/* After the op: the files go too (kept: the op failed, they stay). */
void sq_gone_finish(struct sq *s, struct sq_gone *gone, bool kept);
/* With read_lock held: reads and checks. NONE when row is 0. */
enum store_status sq_blob_read(struct sq *s, int64_t row, struct store_blob *out);

/* The sink as a blob: its file is durable from here on. */
enum store_status sq_sink_close(struct store_sink *k, struct sq_blob *b);

extern const struct store_calls sq_calls;
/* store_sqlite_jobs.c, store_sqlite_life.c, store_sqlite_named.c */
enum store_status sq_job_add(struct store *f, const char *id, const char *type, int64_t created,
                             const struct store_part *spec, const struct store_part *parts,
                             size_t n);
enum store_status sq_job_get(struct store *f, const char *id, struct store_job *out);
enum store_status sq_job_list(struct store *f, const char *after, size_t limit,
                              struct store_job **out, size_t *n);
enum store_status sq_job_claim(struct store *f, int64_t now, struct store_job *out);
enum store_status sq_job_requeue(struct store *f, const char *id);
enum store_status sq_job_part(struct store *f, const char *id, const char *name,
                              struct store_blob *out);
enum store_status sq_job_parts(struct store *f, const char *id, char **names);
enum store_status sq_job_checkpoint(struct store *f, const char *id, uint64_t done, uint64_t total,
                                    const void *data, size_t n);
enum store_status sq_job_resume(struct store *f, const char *id, struct store_blob *out);
enum store_status sq_job_finish(struct store *f, const char *id, struct store_end *end);
enum store_status sq_job_cancel(struct store *f, const char *id, int64_t now);
enum store_status sq_job_result(struct store *f, const char *id, struct store_result *out);
enum store_status sq_job_delete(struct store *f, const char *id);
enum store_status sq_jobs_expire(struct store *f, int64_t before, size_t *n);
enum store_status sq_job_counts(struct store *f, struct store_count **out, size_t *n);
struct store_sink *sq_sink_new(struct store *f);
enum store_status sq_sink_put(struct store_sink *k, const void *data, size_t n);
void sq_sink_drop(struct store_sink *k);
enum store_status sq_pipeline_put(struct store *f, const char *name, int64_t now,
                                  const struct store_part *spec, const struct store_part *weights,
                                  bool *replaced);
enum store_status sq_pipeline_get(struct store *f, const char *name, struct store_pipeline *out);
enum store_status sq_pipeline_delete(struct store *f, const char *name);
enum store_status sq_pipeline_names(struct store *f, char **names);
enum store_status sq_image_put(struct store *f, const char *id, int64_t now, const void *data,
                               size_t n, bool *there);
enum store_status sq_image_get(struct store *f, const char *id, int64_t now, int64_t stale,
                               struct store_blob *out);
enum store_status sq_image_delete(struct store *f, const char *id);
enum store_status sq_images_expire(struct store *f, int64_t before, size_t *n);
#endif
