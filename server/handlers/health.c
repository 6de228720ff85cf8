/* health.c: GET /healthz, /readyz, /version, /metrics. Answered by the event thread, whatever the workers do. */
#include "../../api/json.h"
#include "../../core/simd/simd.h"
#include "../clock.h"
#include "../request.h"
#include <stdlib.h>
#include <string.h>

static bool said(struct request *rq, int status, const char *json)
{
    reply_bytes(rq, status, "application/json", json, strlen(json), NULL);
    return true;
}

bool health_live(struct request *rq)
{
    return said(rq, 200, "{\"status\":\"ok\"}\n");
}

bool health_ready(struct request *rq)
{
    struct store *store = atomic_load(&rq->server->jobs.store);
    const char *words;
    bool jobs = store && store->calls->health(store, &words) != STORE_AWAY;
    if (!atomic_load(&rq->server->draining))
        return said(rq, 200, jobs ? "{\"status\":\"ready\",\"jobs\":\"ready\"}\n"
                                  : "{\"status\":\"ready\",\"jobs\":\"unavailable\"}\n");
    reply_problem(rq, API_DRAINING, "another instance", "this instance is going down");
    return true;
}

bool health_version(struct request *rq)
{
    rq->bytes.memory = memory_face(rq->server->memory);
    struct api_json j = api_json_to(&rq->bytes);
    api_json_object(&j);
    api_json_key(&j, "name");
    api_json_string(&j, "convd");
    api_json_key(&j, "version");
    api_json_string(&j, CONVD_VERSION);
    api_json_key(&j, "compiler");
#if defined __clang__
    api_json_string(&j, "clang " __clang_version__);
#else
    api_json_string(&j, "gcc " __VERSION__);
#endif
    api_json_key(&j, "isa");
    api_json_string(&j, convd_simd_choose(getenv("CONVD_ISA"))->name);
    api_json_key(&j, "workers");
    api_json_integer(&j, (intmax_t)convd_pool_threads(rq->server->pool));
    api_json_key(&j, "uptime_s");
    api_json_number(&j, (double)(clock_ms() - rq->server->started) * 1e-3);
    api_json_end(&j);
    if (j.failed)
        reply_problem(rq, CONVD_NO_MEMORY, NULL, "no memory is left for this request");
    else
        reply_made(rq, "application/json");
    return true;
}

bool metrics_text(struct request *rq)
{
    rq->bytes.memory = memory_face(rq->server->memory);
    if (metrics_write(rq->server, &rq->bytes))
        reply_made(rq, "text/plain; version=0.0.4; charset=utf-8");
    else
        reply_problem(rq, CONVD_NO_MEMORY, NULL, "no memory is left for this request");
    return true;
}
