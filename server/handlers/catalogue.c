/* catalogue.c: GET /v1/ops, /v1/kernels, /v1/pipelines, one of each, /v1/schema, /openapi.json and
 * /v1/limits. */
#include "../../core/kernels.h"
#include "../request.h"
#include <stdio.h>
#include <xxhash.h>

static const char *op_at(const void *unused, size_t i)
{
    return convd_op_name(unused, i);
}

static const char *pipeline_at(const void *library, size_t i)
{
    const struct api_pipeline *p = api_library_at(library, i);
    return p ? p->name : NULL;
}

static size_t pipeline_count(const struct api_library *lib)
{
    size_t n = 0;
    while (api_library_at(lib, n)) n++;
    return n;
}

static bool nothing_called(struct request *rq, const char *what, const char *near)
{
    struct convd_fault *f =
        convd_fault(&rq->faults, API_NOT_FOUND, NULL, "no %s is called %.64s", what, rq->name);
    f->suggestion = near;
    reply_faults(rq, &rq->faults);
    return true;
}

/* What was written to rq->bytes, or that there was no memory for it. */
static bool said(struct request *rq, bool written)
{
    if (written)
        reply_json(rq);
    else
        reply_problem(rq, CONVD_NO_MEMORY, NULL, "no memory is left for this request");
    return true;
}

bool ops_json(struct request *rq)
{
    rq->bytes.memory = memory_face(rq->server->memory);
    if (!api_ops_write(rq->name, &rq->bytes))
        return nothing_called(rq, "operation",
                              rq->name ? convd_nearest(rq->name, op_at, NULL, convd_op_count())
                                       : NULL);
    reply_json(rq);
    return true;
}

bool kernels_json(struct request *rq)
{
    rq->bytes.memory = memory_face(rq->server->memory);
    if (!api_kernels_write(rq->name, &rq->bytes))
        return nothing_called(
            rq, "kernel",
            rq->name ? convd_nearest(rq->name, convd_kernel_name, NULL, convd_kernel_count())
                     : NULL);
    reply_json(rq);
    return true;
}

bool kernel_work(struct request *rq)
{
    const char *media = NULL;
    char etag[40];
    if (!convd_kernel_find(rq->name)) return kernels_json(rq); /* says that it is not there */
    rq->bytes.memory = memory_face(rq->server->memory);
    if (api_kernel_write(rq->name, rq->target.query, rq->target.n_query, &rq->mem, &rq->faults,
                         &rq->bytes, &media)) {
        snprintf(etag, sizeof etag, "\"%016llx\"",
                 (unsigned long long)XXH3_64bits(rq->bytes.data, rq->bytes.n));
        reply_bytes(rq, 200, media, rq->bytes.data, rq->bytes.n, etag);
        return true;
    }
    if (convd_faults_count(&rq->faults) == 0)
        convd_fault(&rq->faults, CONVD_NO_MEMORY, NULL, "no memory is left for this request");
    reply_faults(rq, &rq->faults);
    return true;
}

bool schema_json(struct request *rq)
{
    rq->bytes.memory = memory_face(rq->server->memory);
    return said(rq, api_schema_write(rq->library, &rq->server->limits, &rq->bytes));
}

bool openapi_json(struct request *rq)
{
    size_t n;
    rq->bytes.memory = memory_face(rq->server->memory);
    const struct api_route *list = routes_described(&n, &rq->mem);
    return said(rq, list && api_openapi_write(rq->library, &rq->server->limits, list, n,
                                              &rq->bytes));
}

bool pipelines_json(struct request *rq)
{
    const struct api_library *lib = rq->library;
    rq->bytes.memory = memory_face(rq->server->memory);
    if (!api_pipelines_write(lib, rq->name, &rq->bytes))
        return nothing_called(
            rq, "pipeline",
            rq->name ? convd_nearest(rq->name, pipeline_at, lib, pipeline_count(lib)) : NULL);
    reply_json(rq);
    return true;
}

bool limits_json(struct request *rq)
{
    rq->bytes.memory = memory_face(rq->server->memory);
    return said(rq, convd_bytes_put(&rq->bytes, "{", 1) &&
                        settings_json(rq->server->settings, SETTINGS_LIMIT | SETTINGS_LIMIT_SERVE,
                                      &rq->bytes) &&
                        convd_bytes_put(&rq->bytes, "}\n", 2));
}
