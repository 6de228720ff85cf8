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

struct bytes {
    char *data;
    size_t n;
};
/* For archive_create: arg is a struct bytes. */
bool bytes_put(void *arg, const void *more, size_t n);
#endif
