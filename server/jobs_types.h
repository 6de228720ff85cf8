/* jobs_types.h: the rows of job types, and what they share. */
#ifndef JOBS_TYPES_H
#define JOBS_TYPES_H
#include "archive.h"
#include "jobs.h"

extern const struct job_type job_run, job_batch, job_learn;

/* What comes out of a job's archive at most. */
struct archive_limits job_archive_limits(const struct server *s);

/* A piece of work on the job's pipeline; the picture is the caller's to set. */
struct api_work job_work(const struct convd_value *spec, const struct api_library *library,
                         struct server *server, const struct api_part *tensors, size_t n);
/* Adds the faults of one list to another, whose arena holds their words. */
void job_faults_copy(struct convd_faults *to, const struct convd_faults *from);
/* Faults of the job's pipeline, as far as they are seen without a picture. */
void job_check_pipeline(struct job_request *q);
/* The parts of the job that are tensors, in its arena. NULL after faults. */
struct api_part *job_tensors(struct job *j, size_t *n, bool (*is_input)(const char *name));
#endif
