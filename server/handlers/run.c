/* run.c: POST /{chain} and POST /v1/run: a picture and a pipeline in, what comes out of it out. On a worker. */
#include "../clock.h"
#include "../request.h"
#include "work.h"
#include <math.h>

/* Plans: everything that may be refused is refused here, before the picture is decoded. */
static bool plan(struct request *rq)
{
    rq->reply.lasting = rq->image != NULL;
    if (!work_begin(rq)) return false;
    if (!rq->form.image && !rq->form.json.data) {
        convd_fault_expected(&rq->faults, CONVD_BAD_REQUEST, NULL,
                             "a part img, a body, or the member image", "no picture came");
        reply_faults(rq, &rq->faults);
        return false;
    }
    if (!api_work_prepare(&rq->work)) {
        reply_faults(rq, rq->work.faults);
        return false;
    }
    if (rq->image && etag_matches(rq->headers.if_none_match, rq->work.etag)) {
        reply_bytes(rq, 200, NULL, NULL, 0, rq->work.etag); /* 304 */
        return false;
    }
    if (rq->work.etag[0] && etag_matches(rq->headers.if_none_match, rq->work.etag)) {
        reply_problem(rq, API_PRECONDITION_FAILED, "another If-None-Match, or none",
                      "the answer would be %s, which If-None-Match names", rq->work.etag);
        reply_header(rq, "ETag", "%s", rq->work.etag);
        return false;
    }
    rq->planned = true;
    return true;
}

bool run_work(struct request *rq)
{
    bool refused;
    if (!rq->planned && !plan(rq)) return true;
    if (!workers_promise(rq, rq->work.bytes, &refused)) return refused;
    if (rq->cancel) {
        reply_problem(rq, API_DEADLINE, "a try when less is going on",
                      "the request waited too long for memory");
        return true;
    }
    if (api_work_run(&rq->work, rq->server->pool, &rq->cancel)) {
        const struct convd_input *in = &rq->work.info.input;
        atomic_fetch_add(&rq->server->metrics.pixels, (uint64_t)(in->n * in->height * in->width));
        rq->reply.lasting = rq->image != NULL;
        reply_result(rq);
    } else {
        reply_faults(rq, rq->work.faults);
    }
    work_settle(rq);
    return true;
}
