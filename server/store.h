/* store.h: what outlives the process: jobs with their inputs and results, saved pipelines with weights, images. One
 * interface (struct store_calls), whoever implements it; store_sqlite.c is the one without a server. tests/store runs
 * the same suite over any of them.
 *
 * What returns STORE_OK is durable: it is there after a power cut. What is damaged on disk is never handed out. All calls
 * may be made by any thread at any time and wait for the disk, so the event thread makes none. */
#ifndef STORE_H
#define STORE_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum store_status {
    STORE_OK,
    STORE_NONE,    /* nothing of that name                                                    */
    STORE_STATE,   /* it is not in a state that allows this                                   */
    STORE_FULL,    /* no room is left on the disk; what is there can be read and deleted      */
    STORE_DAMAGED, /* it was there once, and its checksum does not fit any more               */
    STORE_AWAY,    /* the store cannot be reached, or the disk failed: nothing was kept       */
};

/* Bytes out of the store. Release each, whatever the call returned. */
struct store_blob {
    const void *data; /* NULL: none                       */
    size_t n;
    size_t mapped; /* of a mapping; 0: from the heap   */
};
void store_blob_release(struct store_blob *b);

/* Bytes on their way in. */
struct store_part {
    const char *name;
    const void *data;
    size_t n;
    bool kept; /* of a job: they are those of the image of this name, and are not kept twice where it is there */
};

/* A result in the making: written piece by piece, kept by job_finish, or dropped. */
struct store_sink;

enum job_state { JOB_QUEUED, JOB_RUNNING, JOB_SUCCEEDED, JOB_FAILED, JOB_CANCELLED, JOB_STATES };
extern const char *const job_state_words[JOB_STATES]; /* "queued" … */

#define STORE_ID   33 /* 32 hexadecimal digits and a NUL         */
#define STORE_NAME 65 /* of pipelines and images, NUL included   */
#define STORE_TYPE 16 /* of a job's type                         */

struct store_job {
    char id[STORE_ID], type[STORE_TYPE];
    enum job_state state;
    int64_t created, started, finished; /* ms since 1970; 0: not yet          */
    uint64_t done, total;               /* progress as last written           */
    unsigned starts;                    /* how often a worker has begun it    */
    struct store_blob spec;             /* the part `job`, as it came         */
    struct store_blob error;            /* of a failed one: its problem, JSON */
};
void store_job_release(struct store_job *j);

/* How a job ends. */
struct store_end {
    enum job_state state; /* SUCCEEDED, FAILED or CANCELLED */
    int64_t finished;
    uint64_t done, total;
    const char *error;       /* FAILED: its problem, JSON      */
    struct store_sink *sink; /* SUCCEEDED: taken over, in any case */
    const char *media, *file_name;
};
struct store_result {
    struct store_blob body;
    char media[80], file_name[80];
};

struct store_pipeline {
    char name[STORE_NAME];
    int64_t changed; /* ms since 1970 */
    struct store_blob spec, weights;
};

struct store_count {
    char type[STORE_TYPE];
    enum job_state state;
    size_t n;
};

struct store;
struct store_calls {
    void (*close)(struct store *s);
    /* OK, or FULL or AWAY with words for people (static, or the store's own). */
    enum store_status (*health)(struct store *s, const char **words);
    /* What is not urgent: making room again, moving the log into place. About once a second. */
    void (*tick)(struct store *s);

    /* ---- jobs ---- */
    /* New, queued, with its inputs: all of it or nothing. */
    enum store_status (*job_add)(struct store *s, const char *id, const char *type, int64_t created,
                                 const struct store_part *spec, const struct store_part *parts,
                                 size_t n);
    enum store_status (*job_get)(struct store *s, const char *id, struct store_job *out);
    /* At most limit jobs, the newest first, without spec; after: those older than this one ("" or NULL: from the newest).
     * *out is the caller's to free. NONE: there is no job `after`. */
    enum store_status (*job_list)(struct store *s, const char *after, size_t limit,
                                  struct store_job **out, size_t *n);
    /* The oldest queued one becomes running and its starts one more. NONE: none is queued. */
    enum store_status (*job_claim)(struct store *s, int64_t now, struct store_job *out);
    /* A running one that was stopped in good order is queued again, and this start does not count. */
    enum store_status (*job_requeue)(struct store *s, const char *id);
    enum store_status (*job_part)(struct store *s, const char *id, const char *name,
                                  struct store_blob *out);
    /* Names of its inputs, in order; each NUL-terminated, an empty one at the end. The caller frees. */
    enum store_status (*job_parts)(struct store *s, const char *id, char **names);
    /* What it needs to go on after a crash; replaces the last one, and starts count from 1 again. Running only. */
    enum store_status (*job_checkpoint)(struct store *s, const char *id, uint64_t done,
                                        uint64_t total, const void *data, size_t n);
    enum store_status (*job_resume)(struct store *s, const char *id,
                                    struct store_blob *out); /* NONE: from the start */
    /* Running -> end; state and result appear together. STATE: it is not running any more (cancelled). */
    enum store_status (*job_finish)(struct store *s, const char *id, struct store_end *end);
    /* Queued or running -> cancelled. STATE: it was finished already. */
    enum store_status (*job_cancel)(struct store *s, const char *id, int64_t now);
    enum store_status (*job_result)(struct store *s, const char *id, struct store_result *out);
    /* A finished one goes, with all that belongs to it. STATE: it is not finished. */
    enum store_status (*job_delete)(struct store *s, const char *id);
    /* Removes those that finished before then, some at a time; *n: how many. */
    enum store_status (*jobs_expire)(struct store *s, int64_t before, size_t *n);
    /* How many of each type and state; *out is the caller's to free. */
    enum store_status (*job_counts)(struct store *s, struct store_count **out, size_t *n);

    struct store_sink *(*sink_new)(struct store *s); /* NULL without memory */
    enum store_status (*sink_put)(struct store_sink *k, const void *data, size_t n);
    void (*sink_drop)(struct store_sink *k);

    /* ---- saved pipelines ---- */
    enum store_status (*pipeline_put)(struct store *s, const char *name, int64_t now,
                                      const struct store_part *spec,
                                      const struct store_part *weights,
                                      bool *replaced); /* weights NULL: none */
    enum store_status (*pipeline_get)(struct store *s, const char *name,
                                      struct store_pipeline *out);
    enum store_status (*pipeline_delete)(struct store *s, const char *name);
    /* Names in byte order; each NUL-terminated, an empty one at the end. The caller frees. */
    enum store_status (*pipeline_names)(struct store *s, char **names);

    /* ---- images by content ---- */
    /* *there: it was there already, whole, and is only used anew. A damaged one is replaced. */
    enum store_status (*image_put)(struct store *s, const char *id, int64_t now, const void *data,
                                   size_t n, bool *there);
    /* That it is used is written down when the last use that was is more than stale ms ago. */
    enum store_status (*image_get)(struct store *s, const char *id, int64_t now, int64_t stale,
                                   struct store_blob *out);
    enum store_status (*image_delete)(struct store *s, const char *id);
    enum store_status (*images_expire)(struct store *s, int64_t before,
                                       size_t *n); /* not used since then */
};
struct store {
    const struct store_calls *calls;
};

/* ---- the embedded one ---- */
enum { STORE_READ_ONLY = 1 }; /* for who only reads while a daemon has it open */
/* Opens, or makes, what is under dir. NULL after words were put into why. Jobs that ran when the last process ended are
 * queued again. */
struct store *store_sqlite_open(const char *dir, unsigned flags, char why[256]);
/* The directory of --data when it was not given. */
bool store_default_dir(char *out, size_t room);

/* 32 random hexadecimal digits. */
void store_make_id(char id[STORE_ID]);
int64_t store_now(void); /* ms since 1970 */
#endif
