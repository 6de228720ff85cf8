/* work.h: what run and explain share. */
#ifndef WORK_H
#define WORK_H
#include "../request.h"

/* Reads the body and fills rq->work with what came. False with the reply made. */
bool work_begin(struct request *rq);
/* After the work: the upload goes back, and of the promise only what the answer still holds is kept. */
void work_settle(struct request *rq);
/* run.c: the way of every request that runs a pipeline. */
bool run_work(struct request *rq);
/* The whole of /v1/run; what is asked of the pipeline stands in rq->work.ask. */
bool run_work(struct request *rq);
#endif
