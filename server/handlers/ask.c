/* ask.c: POST /v1/probe and POST /v1/gradient: the way of run.c with another question about the same pipeline. */
#include "../request.h"
#include "work.h"

bool probe_work(struct request *rq)
{
    rq->work.ask = API_PROBE;
    return run_work(rq);
}

bool gradient_work(struct request *rq)
{
    rq->work.ask = API_GRADIENT;
    return run_work(rq);
}
