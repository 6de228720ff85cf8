/* lib_jobs.h: jobs as a client starts and watches them, and archives to give them. */
#ifndef LIB_JOBS_H
#define LIB_JOBS_H
#include "lib_server.h"
#include "server/archive.h"

/* The answer has that status and, unless NULL, that text in its body; it is released. */
void expect(struct answer a, int status, const char *text);

struct answer job_post(const struct server *s, const char *job, const char *part, const void *bytes,
                       size_t n);
/* The address of an accepted job; static storage of 4 turns, as has job_at. */
const char *job_accepted(struct answer a);
/* "ADDRESS/WHAT" */
const char *job_at(const char *job, const char *what);
/* Waits until the job is in that state; another end fails the test. */
void job_wait(const struct server *s, const char *job, const char *state);
struct answer job_delete(const struct server *s, const char *job);

/* ---- of a server that may be gone, or whose disk may be ---- */
#define JOB_ADDRESS 64
/* True: it was accepted; its address to address. */
bool job_try(const struct server *s, const char *job, const char *part, const void *bytes, size_t n,
             char address[JOB_ADDRESS], int *status);
/* How a job ended: the first letter of its state; 0: not within the time, or nobody answers; '-': there is none. */
char job_ending(const struct server *s, const char *job, double seconds);
/* Whether an address answers with the same status and bytes. */
enum same { SAME_YES, SAME_NO, SAME_NOT_THERE } answer_same(const struct server *s, const char *path,
                                                           const struct answer *want);
/* Whether the result of a learning job tells of each epoch once. */
bool job_epochs_once(const struct server *s, const char *job, unsigned epochs);

struct bytes {
    char *data;
    size_t n;
};
/* For archive_create: arg is a struct bytes. */
bool bytes_put(void *arg, const void *more, size_t n);

/* ---- something to learn ---- */
#define STRIPES_NET \
    "[{\"op\":\"scale\",\"mul\":0.0039,\"add\":-0.5},{\"op\":\"conv\",\"weight\":{\"init\":"       \
    "\"he_normal\",\"out_channels\":8,\"kernel_size\":3},\"padding\":\"same\"},\"relu\","          \
    "\"global_avg_pool\",{\"op\":\"linear\",\"weight\":{\"init\":\"he_normal\",\"out_features\":"  \
    "2}}]"
/* A texture that changes along x only (upright), or along y only; number tells them apart. The caller frees. */
void *stripes(int side, bool upright, unsigned number, size_t *n);
void stripes_add(struct archive_out *out, const char *name, int side, unsigned number);
/* Two folders of each examples; then, unless it is NULL, one more file. The caller frees its data. */
struct bytes stripes_album(enum archive_kind kind, unsigned each, const char *more,
                           const void *bytes, size_t n);
#endif
