/* pipelines.c: saved pipelines: PUT and DELETE of /v1/pipelines/NAME, and its weights. On workers: the store waits for
 * the disk. */
#include "../jobs.h"
#include "../request.h"
#include "../../core/tensor_file.h"
#include <string.h>
#include <stdio.h>
#include <xxhash.h>

static bool may(struct request *rq)
{
    if (saved_may(rq->library, rq->name, &rq->faults)) return true;
    reply_faults(rq, &rq->faults);
    return false;
}

/* The saved pipeline of the path, or NULL with the reply made. */
static const struct api_pipeline *find(struct request *rq)
{
    const struct api_pipeline *p = api_library_find(rq->library, rq->name);
    if (!p)
        reply_problem(rq, API_NOT_FOUND, "a name of GET /v1/pipelines",
                      "no pipeline is called %.64s", rq->name);
    else if (p->built_in)
        reply_problem(rq, API_CONFLICT, "a pipeline that was saved", "%.64s is built in", rq->name);
    return p && !p->built_in ? p : NULL;
}

static bool describe(struct request *rq, bool replaced)
{
    struct api_library *now = saved_hold(&rq->server->saved);
    rq->bytes.memory = memory_face(rq->server->memory);
    bool made = now && api_pipelines_write(now, rq->name, &rq->bytes);
    api_library_free(now);
    if (!made) {
        reply_problem(rq, CONVD_NO_MEMORY, NULL, "no memory is left for this request");
        return true;
    }
    reply_bytes(rq, replaced ? 200 : 201, "application/json", rq->bytes.data, rq->bytes.n, NULL);
    if (!replaced) reply_header(rq, "Location", "/v1/pipelines/%s", rq->name);
    return true;
}

static bool keep(struct request *rq, struct store *store, struct api_save *save)
{
    bool replaced = false;
    save->name = rq->name;
    save->limits = rq->server->limits;
    enum store_status status = saved_put(&rq->server->saved, store, save, &replaced, &rq->faults);
    if (status == STORE_OK) return describe(rq, replaced);
    if (convd_faults_count(&rq->faults) > 0)
        reply_faults(rq, &rq->faults);
    else
        jobs_refuse(rq, status, "pipeline");
    return true;
}

/* Parts of a form: the pipeline, a file of weights, and tensors by their names. */
static bool read_form(struct request *rq, struct api_save *save)
{
    if (!upload_read(rq)) return false;
    const struct form *form = &rq->form;
    save->text = form->pipeline.data;
    save->n = form->pipeline.n;
    struct api_part *tensors = convd_arena_array(&rq->mem, form->n_tensors + 2, sizeof *tensors);
    for (size_t i = 0; tensors && i < form->n_tensors; i++) {
        const struct api_part *t = &form->tensors[i];
        if (strcmp(t->name, "weights") == 0 && convd_safetensors_is(t->data, t->n)) {
            save->weights = t->data;
            save->weights_n = t->n;
        } else {
            tensors[save->n_tensors++] = *t;
        }
    }
    save->tensors = tensors;
    if (form->image)
        convd_fault_expected(&rq->faults, CONVD_BAD_REQUEST, NULL,
                             "parts pipeline, weights, and tensors", "a picture came");
    else if (!save->text)
        convd_fault_expected(&rq->faults, CONVD_MISSING, NULL, "a part pipeline: a spec or a chain",
                             "no pipeline came");
    return convd_faults_count(&rq->faults) == 0;
}

bool pipeline_put(struct request *rq)
{
    struct store *store = jobs_store(rq);
    struct api_save save = {.text = rq->upload.data ? (const char *)rq->upload.data : "",
                            .n = rq->upload.n};
    if (!store || !may(rq)) return true;
    if (media_is(rq->headers.content_type, "multipart/form-data") && !read_form(rq, &save)) {
        reply_faults(rq, &rq->faults);
        return true;
    }
    return keep(rq, store, &save);
}

bool pipeline_put_weights(struct request *rq)
{
    struct store *store = jobs_store(rq);
    const struct api_pipeline *p = store ? find(rq) : NULL;
    if (!p) return true;
    struct api_save save = {
        .text = p->json, .n = p->json_n, .weights = rq->upload.data, .weights_n = rq->upload.n};
    if (media_is(rq->headers.content_type, "multipart/form-data")) {
        upload_read(rq);
        save.weights = rq->form.n_tensors == 1 ? rq->form.tensors[0].data : rq->form.image;
        save.weights_n = rq->form.n_tensors == 1 ? rq->form.tensors[0].n : rq->form.image_n;
    }
    if (!save.weights) {
        reply_problem(rq, CONVD_BAD_REQUEST, "a safetensors file as the body", "no weights came");
        return true;
    }
    return keep(rq, store, &save);
}

bool pipeline_delete(struct request *rq)
{
    struct store *store = jobs_store(rq);
    if (!store || !find(rq)) return true;
    enum store_status status =
        saved_delete(&rq->server->saved, store, rq->name, &rq->server->limits, &rq->faults);
    if (status == STORE_OK)
        reply_empty(rq, 204);
    else if (status == STORE_STATE)
        reply_faults(rq, &rq->faults);
    else
        jobs_refuse(rq, status, "pipeline");
    return true;
}

bool pipeline_weights(struct request *rq)
{
    const struct api_pipeline *p = api_library_find(rq->library, rq->name);
    if (!p) return find(rq), true;
    if (!p->n_tensors) {
        reply_problem(rq, API_NOT_FOUND, "PUT of a safetensors file here, or a learning job",
                      "the pipeline %.64s has no weights of its own", rq->name);
        return true;
    }
    const struct convd_tensor **list = convd_arena_array(&rq->mem, p->n_tensors, sizeof *list);
    for (size_t i = 0; list && i < p->n_tensors; i++) list[i] = &p->tensors[i];
    rq->bytes.memory = memory_face(rq->server->memory);
    if (!list || !convd_safetensors_write(list, p->n_tensors, &rq->bytes)) {
        reply_problem(rq, CONVD_NO_MEMORY, NULL, "no memory is left for this request");
        return true;
    }
    char etag[40];
    snprintf(etag, sizeof etag, "\"%016llx\"",
             (unsigned long long)XXH3_64bits(rq->bytes.data, rq->bytes.n));
    reply_bytes(rq, 200, "application/octet-stream", rq->bytes.data, rq->bytes.n, etag);
    reply_header(rq, "Content-Disposition", "inline; filename=\"%.64s.safetensors\"", rq->name);
    return true;
}
