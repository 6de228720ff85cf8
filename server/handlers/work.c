/* work.c: from a request to a struct api_work. */
#include "work.h"
#include <string.h>

/* Where the pipeline comes from: the path, the body's pipeline, or ?pipeline=. */
static void set_pipeline(struct request *rq)
{
    struct api_work *w = &rq->work;
    const char *query = target_query(&rq->target, "pipeline");
    bool in_body = rq->form.pipeline.data != NULL;
    if ((int)(rq->chain != NULL) + (int)in_body + (int)(query != NULL) > 1) {
        convd_fault_expected(&rq->faults, CONVD_BAD_REQUEST, NULL,
                             "one: in the path, in the body, or in the query",
                             "two pipelines came");
    } else if (rq->chain) {
        w->form = API_CHAIN;
        w->pipeline = rq->chain;
        w->pipeline_n = strlen(rq->chain);
    } else if (rq->form.pipeline.data || query) {
        w->pipeline = rq->form.pipeline.data ? rq->form.pipeline.data : query;
        w->pipeline_n = rq->form.pipeline.data ? rq->form.pipeline.n : strlen(query);
    } else if (!rq->form.json.data) { /* what JSON says is read later */
        convd_fault_expected(&rq->faults, CONVD_MISSING, NULL,
                             "a part or member pipeline, or ?pipeline=CHAIN", "no pipeline came");
    }
}

static const char *const at_names[API_AT_MEMBERS] = {"step", "channel", "x", "y"};

static bool is_ours(const struct request *rq, const char *name)
{
    bool at = false;
    for (size_t i = 0; rq->work.ask == API_PROBE && i < API_AT_MEMBERS; i++)
        at |= strcmp(name, at_names[i]) == 0;
    return at || strcmp(name, "pipeline") == 0;
}

/* Which number a probe asks about: parts or the query. What JSON says is read later. */
static void set_at(struct request *rq)
{
    struct convd_value *v = convd_arena_array(&rq->mem, API_AT_MEMBERS, sizeof *v);
    for (size_t i = 0; v && rq->work.ask == API_PROBE && i < API_AT_MEMBERS; i++) {
        const struct slice *part = &rq->form.at[i];
        const char *text = target_query(&rq->target, at_names[i]);
        if (part->data && text)
            convd_fault_expected(&rq->faults, CONVD_BAD_REQUEST, NULL,
                                 "one: in the body or in the query", "%s came twice", at_names[i]);
        if (part->data) text = convd_arena_text(&rq->mem, part->data, part->n);
        if (!text) continue;
        v[i] = convd_string(text);
        rq->work.at[i] = &v[i];
    }
}

/* The query without what belongs to the server; a format that stands in the path belongs to it. */
static void set_query(struct request *rq)
{
    struct api_pair *kept = convd_arena_array(&rq->mem, rq->target.n_query + 1, sizeof *kept);
    size_t n = 0;
    if (kept && rq->ending) kept[n++] = (struct api_pair){"format", rq->ending};
    for (size_t i = 0; kept && i < rq->target.n_query; i++)
        if (!is_ours(rq, rq->target.query[i].name)) kept[n++] = rq->target.query[i];
    rq->work.query = kept;
    rq->work.n_query = n;
}

bool work_begin(struct request *rq)
{
    struct api_work *w = &rq->work;
    upload_read(rq);
    w->library = rq->library;
    w->memory = memory_face(rq->server->memory);
    w->limits = rq->server->limits;
    w->threads = convd_pool_threads(rq->server->pool);
    w->form = API_PIPELINE;
    w->image = rq->form.image;
    w->image_n = rq->form.image_n;
    w->tensors = rq->form.tensors;
    w->n_tensors = rq->form.n_tensors;
    w->request = rq->form.json.data;
    w->request_n = rq->form.json.n;
    w->accept = rq->headers.accept;
    w->upstream = rq->form.upstream.data;
    w->upstream_n = rq->form.upstream.n;
    set_query(rq);
    set_at(rq);
    if (convd_faults_count(&rq->faults) == 0) set_pipeline(rq);
    if (convd_faults_count(&rq->faults) > 0) {
        reply_faults(rq, &rq->faults);
        return false;
    }
    rq->has_work = true;
    return true;
}

void work_settle(struct request *rq)
{
    upload_release(rq);
    workers_promise_keep(rq, rq->work.body.room);
}
