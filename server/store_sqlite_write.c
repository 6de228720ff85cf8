/* store_sqlite_write.c: statements, and the one thread that writes: what waits together is committed together. */
#include "store_sqlite.h"
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

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

/* row_sum(columns …): each column's XXH3 is the seed of the next one's. Databases have it in their rows: it never changes. */
static void row_sum(sqlite3_context *c, int n, sqlite3_value **columns)
{
    XXH64_hash_t sum = 0;
    for (int i = 0; i < n; i++) {
        const int type = sqlite3_value_type(columns[i]);
        uint64_t x = (uint64_t)sqlite3_value_int64(columns[i]);
        uint8_t number[9] = {(uint8_t)type};
        if (type == SQLITE_INTEGER || type == SQLITE_NULL) {
            for (int k = 1; k < 9; k++, x >>= 8) number[k] = (uint8_t)x;
            sum = XXH3_64bits_withSeed(number, sizeof number, sum);
        } else {
            const void *bytes = sqlite3_value_blob(columns[i]);
            const size_t size = (size_t)sqlite3_value_bytes(columns[i]);
            sum = XXH3_64bits_withSeed(size ? bytes : "", size, sum + (uint64_t)type);
        }
    }
    int64_t result;
    memcpy(&result, &sum, sizeof result);
    sqlite3_result_int64(c, result);
}

int sq_functions(sqlite3 *db)
{
    return sqlite3_create_function(db, "row_sum", -1,
                                   SQLITE_UTF8 | SQLITE_DETERMINISTIC | SQLITE_INNOCUOUS, NULL,
                                   row_sum, NULL, NULL);
}

enum store_status sq_status(int rc)
{
    if (rc == SQLITE_CONSTRAINT_TRIGGER)
        return STORE_DAMAGED; /* a row that is not sound is not changed */
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

enum store_status sq_names(sqlite3_stmt *q, int rc, char **names)
{
    size_t n = 0, room = 1;
    *names = calloc(1, 1);
    bool sound = true;
    for (; q && *names && rc == SQLITE_ROW; rc = sqlite3_step(q)) {
        sound = sound && (sqlite3_column_count(q) < 2 || sqlite3_column_int(q, 1));
        const char *name = (const char *)sqlite3_column_text(q, 0);
        size_t more = name ? strlen(name) + 1 : 0;
        if (more < 2) continue;
        char *grown = realloc(*names, room + more);
        if (!grown) {
            free(*names);
            *names = NULL;
            break;
        }
        *names = grown;
        memcpy(grown + n, name, more);
        n += more;
        room += more;
        grown[n] = 0;
    }
    sqlite3_finalize(q);
    if (!*names) return STORE_AWAY;
    if (!sound) return STORE_DAMAGED;
    return rc == SQLITE_DONE ? STORE_OK : sq_status(rc);
}

/* ---- the writer ---- */

int sq_begin(struct sq *s)
{
    return sq_do(s->write, "BEGIN IMMEDIATE", "");
}

void sq_rollback(struct sq *s)
{
    if (!sqlite3_get_autocommit(s->write)) sq_do(s->write, "ROLLBACK", "");
}

/* What an op says of its row alone: the others are committed all the same. */
static bool of_the_row(struct sq *s, enum store_status status)
{
    return status == STORE_NONE || status == STORE_STATE ||
           (status == STORE_DAMAGED &&
            sqlite3_extended_errcode(s->write) == SQLITE_CONSTRAINT_TRIGGER);
}

/* Every op of the list in one transaction; false: nothing of it was kept, *why says why. */
static bool commit(struct sq *s, struct sq_op *list, enum store_status *why)
{
    int rc = sq_begin(s);
    for (struct sq_op *op = list; op && rc == SQLITE_OK; op = op->next) {
        rc = sq_do(s->write, "SAVEPOINT op", "");
        if (rc != SQLITE_OK) break;
        op->status = op->run(s, op->arg);
        if (op->status != STORE_OK && !of_the_row(s, op->status))
            rc = op->status == STORE_FULL      ? SQLITE_FULL
                 : op->status == STORE_DAMAGED ? SQLITE_CORRUPT
                                               : SQLITE_IOERR;
        else if (op->status != STORE_OK)
            rc = sq_do(s->write, "ROLLBACK TO op", "");
        if (rc == SQLITE_OK) rc = sq_do(s->write, "RELEASE op", "");
    }
    if (rc == SQLITE_OK) rc = sq_do(s->write, "COMMIT", "");
    *why = sq_status(rc);
    if (rc != SQLITE_OK) sq_rollback(s);
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
    op->failed = !kept;
    op->next = next;
}

static void note_health(struct sq *s, const struct sq_op *list)
{
    enum store_status worst = STORE_OK;
    for (const struct sq_op *op = list; op; op = op->next)
        if (op->failed) worst = op->status;
    if (worst == STORE_OK && atomic_load(&s->sick) == STORE_OK) return;
    pthread_mutex_lock(&s->lock);
    snprintf(s->words, sizeof s->words, "%s",
             worst == STORE_OK     ? ""
             : worst == STORE_FULL ? "no room is left under --data"
                                   : sqlite3_errmsg(s->write));
    atomic_store(&s->sick, (int)worst);
    pthread_mutex_unlock(&s->lock);
}

void *sq_write_loop(void *arg)
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
