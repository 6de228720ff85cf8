/* jobs.c: POST /v1/jobs and what may be asked of a job. All on workers: the store waits for the disk. */
#include "../jobs.h"
#include "../request.h"
#include "../images.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { LIST_LEAST = 1, LIST_USUAL = 100, LIST_MOST = 1000 };

static bool no_memory(struct request *rq)
{
    reply_problem(rq, CONVD_NO_MEMORY, NULL, "no memory is left for this request");
    return true;
}

static bool faulty(struct request *rq)
{
    reply_faults(rq, &rq->faults);
    return true;
}

/* ---- adding ---- */

/* What the parts of the body are. */
struct parts {
    struct slice job;
    const char *where; /* the job stands: words for faults */
    struct api_part image, data, *tensors;
    size_t n_tensors;
};

static bool is(struct slice s, const char *word)
{
    return s.n == strlen(word) && memcmp(s.data, word, s.n) == 0;
}

static bool is_one(struct slice name, const char *const *words)
{
    for (; *words; words++)
        if (is(name, *words)) return true;
    return false;
}

static void set(struct request *rq, struct api_part *to, const char *name,
                const struct multipart_part *p)
{
    if (to->name)
        convd_fault_expected(&rq->faults, CONVD_BAD_REQUEST, NULL, "one", "two parts are called %s",
                             name);
    *to = (struct api_part){.name = name, .data = p->n ? (const void *)p->data : "", .n = p->n};
}

static void sort(struct request *rq, const struct multipart *m, struct parts *out)
{
    static const char *const pictures[] = {"img", "image", "file", NULL};
    out->tensors = convd_arena_array(&rq->mem, m->n + 1, sizeof *out->tensors);
    for (size_t i = 0; out->tensors && i < m->n; i++) {
        const struct multipart_part *p = &m->part[i];
        if (is(p->name, "job")) {
            if (out->job.data)
                convd_fault_expected(&rq->faults, CONVD_BAD_REQUEST, NULL, "one",
                                     "two parts are called job");
            out->job = (struct slice){(const char *)p->data, p->n};
        } else if (is(p->name, "data")) {
            set(rq, &out->data, "data", p);
        } else if (is_one(p->name, pictures)) {
            set(rq, &out->image, "img", p);
        } else {
            const char *name = convd_arena_text(&rq->mem, p->name.data, p->name.n);
            for (size_t k = 0; name && k < out->n_tensors; k++)
                if (strcmp(out->tensors[k].name, name) == 0)
                    convd_fault_expected(&rq->faults, CONVD_BAD_REQUEST, NULL, "names that differ",
                                         "two parts are called %s", name);
            if (name) out->tensors[out->n_tensors++] = (struct api_part){name, p->data, p->n};
        }
    }
    if (!out->job.data)
        convd_fault_expected(&rq->faults, CONVD_BAD_REQUEST, NULL,
                             "a part job: -F 'job={\"type\":\"run\",\"pipeline\":\"edges\"}'",
                             "the body has no part job");
}

static void read_body(struct request *rq, struct parts *out)
{
    struct slice boundary;
    const char *fault = NULL;
    if (media_is(rq->headers.content_type, "application/json")) {
        out->job = (struct slice){rq->upload.n ? (const char *)rq->upload.data : "", rq->upload.n};
        out->where = "the body";
        return;
    }
    struct multipart *m = convd_arena_take(&rq->mem, sizeof *m);
    if (!m)
        convd_fault(&rq->faults, CONVD_NO_MEMORY, NULL, "no memory is left for this request");
    else if (!media_is(rq->headers.content_type, "multipart/form-data"))
        convd_fault_expected(&rq->faults, CONVD_UNSUPPORTED, NULL,
                             "multipart/form-data with a part job", "a job comes as a form");
    else if (!multipart_boundary(rq->headers.content_type, &boundary, &fault))
        convd_fault_expected(&rq->faults, API_BAD_MULTIPART, NULL,
                             "multipart/form-data; boundary=...", "%s", fault);
    else if (!multipart_parse(m, rq->upload.data, rq->upload.n, boundary))
        convd_fault_expected(&rq->faults, API_BAD_MULTIPART, NULL, m->expected, "%s (at byte %zu)",
                             m->fault, m->at);
    else
        sort(rq, m, out);
}

static const char *type_at(const void *unused, size_t i)
{
    (void)unused;
    return job_types[i] ? job_types[i]->name : NULL;
}

/* The i-th of blank-separated words, in the arena. */
struct words {
    const char *list;
    struct convd_arena *mem;
};
static const char *word_of(const void *arg, size_t i)
{
    const struct words *w = arg;
    const char *s = w->list;
    while (i-- > 0 && *s) s += strcspn(s, " ") + (s[strcspn(s, " ")] == ' ');
    return *s ? convd_arena_text(w->mem, s, strcspn(s, " ")) : NULL;
}

static void check_members(struct job_request *q, const struct job_type *type, const char *where)
{
    struct convd_faults *f = q->faults;
    const struct words all = {convd_arena_printf(q->mem, "%s%s%s", type->members,
                                                 type->more ? " " : "",
                                                 type->more ? type->more : ""),
                              q->mem};
    size_t n = 0;
    while (all.list && word_of(&all, n)) n++;
    for (uint32_t i = 0; all.list && i < q->spec.n; i++) {
        const char *name = q->spec.members[i].name;
        if (!convd_word_in(all.list, name))
            convd_fault_expected(
                f, CONVD_UNKNOWN_MEMBER, name, convd_arena_printf(f->mem, "one of %s", all.list),
                "%s has a member \"%.64s\", which no job of type %s has", where, name, type->name)
                ->suggestion = convd_nearest(name, word_of, &all, n);
    }
}

/* The type, and members that it has. */
static const struct job_type *type_of(struct job_request *q, const char *where)
{
    struct convd_faults *f = q->faults;
    const struct convd_value *word = convd_value_get(&q->spec, "type");
    size_t n = 0;
    const char *list = "one of";
    for (; job_types[n]; n++) list = convd_arena_printf(q->mem, "%s %s", list, job_types[n]->name);
    if (q->spec.kind != CONVD_OBJECT) {
        convd_fault_expected(f, CONVD_WRONG_TYPE, NULL, "{\"type\":…, \"pipeline\":…}", "%s is %s",
                             where, convd_value_show(f->mem, &q->spec));
        return NULL;
    }
    if (!word || word->kind != CONVD_STRING) {
        convd_fault_expected(f, word ? CONVD_WRONG_TYPE : CONVD_MISSING, "type", list,
                             "%s does not say of which type the job is", where);
        return NULL;
    }
    const struct job_type *type = job_type_find(word->string);
    if (!type)
        convd_fault_expected(f, CONVD_OUT_OF_RANGE, "type", list,
                             "%s is of type \"%.32s\", which no job is", where, word->string)
            ->suggestion = convd_nearest(word->string, type_at, NULL, n);
    if (type) check_members(q, type, where);
    return type;
}

/* Kept pictures that the job names become parts of it: they may be forgotten before it runs. */
struct kept {
    struct image **list;
    size_t n;
};

static void keep_images(struct request *rq, const struct convd_value *spec, struct kept *kept)
{
    const struct convd_value *ids = convd_value_get(spec, "images");
    if (!ids || ids->kind != CONVD_ARRAY) return;
    kept->list = convd_arena_array(&rq->mem, (size_t)ids->n + 1, sizeof(struct image *));
    size_t mark = convd_enter(&rq->faults, "images");
    for (uint32_t i = 0; kept->list && i < ids->n; i++) {
        if (ids->items[i].kind != CONVD_STRING) continue;
        struct image *image;
        enum store_status status = images_get(rq->server->images, ids->items[i].string, &image);
        size_t item = convd_enter_item(&rq->faults, i);
        if (status == STORE_OK)
            kept->list[kept->n++] = image;
        else if (status == STORE_DAMAGED)
            convd_fault_expected(&rq->faults, CONVD_UNKNOWN_NAME, NULL,
                                 "the picture sent once more: POST /v1/images",
                                 "the picture %.80s is damaged on disk", ids->items[i].string);
        else if (status != STORE_NONE)
            convd_fault(&rq->faults, API_STORE_UNAVAILABLE, NULL,
                        "the picture %.80s cannot be read", ids->items[i].string);
        else
            convd_fault_expected(&rq->faults, CONVD_UNKNOWN_NAME, NULL,
                                 "the id that POST /v1/images gave: 64 hexadecimal digits",
                                 "no picture %.80s is kept", ids->items[i].string);
        convd_leave(&rq->faults, item);
    }
    convd_leave(&rq->faults, mark);
}

static bool named_before(const struct store_part *list, size_t n, const char *name)
{
    for (size_t i = 0; i < n; i++)
        if (strcmp(list[i].name, name) == 0) return true;
    return false;
}

static struct store_part *store_parts(struct request *rq, const struct parts *p,
                                      const struct kept *kept, size_t *n)
{
    struct store_part *list = convd_arena_array(&rq->mem, p->n_tensors + kept->n + 3, sizeof *list);
    *n = 0;
    if (!list) return NULL;
    if (p->image.data) list[(*n)++] = (struct store_part){"img", p->image.data, p->image.n, false};
    if (p->data.data) list[(*n)++] = (struct store_part){"data", p->data.data, p->data.n, false};
    for (size_t i = 0; i < p->n_tensors; i++)
        list[(*n)++] = (struct store_part){
            .name = p->tensors[i].name, .data = p->tensors[i].data, .n = p->tensors[i].n};
    size_t first = *n;
    for (size_t i = 0; i < kept->n; i++)
        if (!named_before(list + first, *n - first, kept->list[i]->id))
            list[(*n)++] = (struct store_part){.name = kept->list[i]->id,
                                               .data = kept->list[i]->data,
                                               .n = kept->list[i]->n,
                                               .kept = true};
    return list;
}

/* The job as JSON. */
static bool describe(struct request *rq, struct store *store, const char *id, int status)
{
    struct store_job row;
    enum store_status got = store->calls->job_get(store, id, &row);
    if (got != STORE_OK && !row.id[0]) {
        store_job_release(&row);
        jobs_refuse(rq, got, "job");
        return true;
    }
    rq->bytes.memory = memory_face(rq->server->memory);
    struct api_json j = api_json_to(&rq->bytes);
    jobs_write(&rq->server->jobs, &row, &j);
    store_job_release(&row);
    if (j.failed) return no_memory(rq);
    reply_bytes(rq, status, "application/json", rq->bytes.data, rq->bytes.n, NULL);
    return true;
}

static void accept_job(struct request *rq, struct store *store, const struct job_type *type,
                       const struct parts *p, const struct kept *kept)
{
    char id[STORE_ID];
    size_t n;
    const struct store_part *parts = store_parts(rq, p, kept, &n);
    const struct store_part spec = {.name = "job", .data = p->job.data, .n = p->job.n};
    if (!parts) {
        no_memory(rq);
        return;
    }
    store_make_id(id);
    enum store_status status =
        store->calls->job_add(store, id, type->name, store_now(), &spec, parts, n);
    if (status != STORE_OK) {
        jobs_refuse(rq, status, "job");
        return;
    }
    jobs_queued(&rq->server->jobs);
    describe(rq, store, id, 202);
    reply_header(rq, "Location", "/v1/jobs/%s", id);
}

bool job_add(struct request *rq)
{
    struct store *store = jobs_store(rq);
    struct parts p = {.where = "the part job"};
    struct kept kept = {.n = 0};
    if (!store) return true;
    read_body(rq, &p);
    if (convd_faults_count(&rq->faults) > 0) return faulty(rq);
    struct job_request q = {.server = rq->server,
                            .library = rq->library,
                            .mem = &rq->mem,
                            .faults = &rq->faults,
                            .image = p.image,
                            .data = p.data,
                            .tensors = p.tensors,
                            .n_tensors = p.n_tensors};
    const struct job_type *type = NULL;
    if (api_json_parse(p.job.data, p.job.n, API_PIPELINE_TEXT, &rq->mem, &rq->faults, &q.spec))
        type = type_of(&q, p.where);
    if (type) {
        keep_images(rq, &q.spec, &kept);
        type->check(&q);
    }
    if (convd_faults_count(&rq->faults) > 0)
        faulty(rq);
    else
        accept_job(rq, store, type, &p, &kept);
    for (size_t i = 0; i < kept.n; i++) images_drop(rq->server->images, kept.list[i]);
    upload_release(rq);
    return true;
}

/* ---- asking ---- */

bool job_show(struct request *rq)
{
    struct store *store = jobs_store(rq);
    return !store || describe(rq, store, rq->name, 200);
}

static bool read_limit(struct request *rq, size_t *limit)
{
    const char *text = target_query(&rq->target, "limit");
    char *end;
    *limit = LIST_USUAL;
    if (!text) return true;
    errno = 0;
    unsigned long n = strtoul(text, &end, 10);
    if (*text < '0' || *text > '9' || *end || errno || n < LIST_LEAST || n > LIST_MOST) {
        reply_problem(rq, CONVD_BAD_REQUEST, "a whole number from 1 to 1000", "limit is \"%.32s\"",
                      text);
        return false;
    }
    *limit = n;
    return true;
}

bool job_list(struct request *rq)
{
    struct store *store = jobs_store(rq);
    const char *after = target_query(&rq->target, "after");
    struct store_job *list = NULL;
    size_t n = 0, limit;
    if (!store || !read_limit(rq, &limit)) return true;
    enum store_status status = store->calls->job_list(store, after, limit, &list, &n);
    if (status != STORE_OK) {
        free(list);
        jobs_refuse(rq, status, "job");
        return true;
    }
    rq->bytes.memory = memory_face(rq->server->memory);
    struct api_json j = api_json_to(&rq->bytes);
    api_json_object(&j);
    api_json_key(&j, "jobs");
    api_json_array(&j);
    for (size_t i = 0; i < n; i++) jobs_write(&rq->server->jobs, &list[i], &j);
    api_json_end(&j);
    api_json_key(&j, "next");
    api_json_string(&j, n == limit ? list[n - 1].id : NULL);
    api_json_end(&j);
    for (size_t i = 0; i < n; i++) store_job_release(&list[i]);
    free(list);
    if (j.failed) return no_memory(rq);
    reply_made(rq, "application/json");
    return true;
}

/* The problem of a failed job is the answer, with its status. */
static bool reply_error(struct request *rq, struct store_job *row)
{
    struct convd_value v;
    const struct convd_value *status = NULL;
    if (row->error.data &&
        api_json_parse(row->error.data, row->error.n, SIZE_MAX, &rq->mem, &rq->faults, &v))
        status = convd_value_get(&v, "status");
    if (!status || status->kind != CONVD_NUMBER) {
        jobs_refuse(rq, STORE_DAMAGED, "job");
        return true;
    }
    rq->blob = row->error;
    row->error = (struct store_blob){0};
    reply_bytes(rq, (int)status->number, "application/problem+json", rq->blob.data, rq->blob.n,
                NULL);
    return true;
}

bool job_result(struct request *rq)
{
    struct store *store = jobs_store(rq);
    struct store_result result;
    struct store_job row;
    if (!store) return true;
    enum store_status status = store->calls->job_result(store, rq->name, &result);
    if (status == STORE_OK) {
        rq->blob = result.body;
        reply_bytes(rq, 200, convd_arena_text(&rq->mem, result.media, strlen(result.media)),
                    rq->blob.data, rq->blob.n, NULL);
        reply_header(rq, "Content-Disposition", "inline; filename=\"%s\"", result.file_name);
        return true;
    }
    store_blob_release(&result.body);
    if (status == STORE_STATE)
        status = store->calls->job_get(store, rq->name, &row);
    else {
        jobs_refuse(rq, status, "result");
        return true;
    }
    if (status != STORE_OK)
        jobs_refuse(rq, status, "job");
    else if (row.state == JOB_FAILED)
        reply_error(rq, &row);
    else if (row.state == JOB_CANCELLED)
        reply_problem(rq, API_NOT_FINISHED, "a new job", "the job was cancelled: it has no result");
    else
        reply_problem(rq, API_NOT_FINISHED, "its result once its state is succeeded",
                      "the job is %s", job_state_words[row.state]);
    store_job_release(&row);
    return true;
}

bool job_delete(struct request *rq)
{
    struct store *store = jobs_store(rq);
    if (!store) return true;
    char id[STORE_ID];
    snprintf(id, sizeof id, "%s", rq->name);
    enum store_status status = store->calls->job_cancel(store, rq->name, store_now());
    if (status == STORE_OK) {
        jobs_cancelled(&rq->server->jobs, id);
        return describe(rq, store, rq->name, 202);
    }
    if (status == STORE_STATE) status = store->calls->job_delete(store, rq->name);
    if (status != STORE_OK) {
        jobs_refuse(rq, status, "job");
        return true;
    }
    jobs_changed(&rq->server->jobs);
    reply_empty(rq, 204);
    return true;
}

bool job_events(struct request *rq)
{
    struct store *store = jobs_store(rq);
    struct store_job row;
    bool gone;
    if (!store) return true;
    const char *text = rq->headers.last_event_id ? rq->headers.last_event_id
                                                 : target_query(&rq->target, "last_event_id");
    uint64_t last = text ? strtoull(text, NULL, 10) : 0;
    enum store_status status = store->calls->job_get(store, rq->name, &row);
    if (status == STORE_OK && !rq->head) {
        rq->stream = stream_open(&rq->server->jobs, &row, rq, last, &gone);
        if (!rq->stream) {
            no_memory(rq);
        } else if (gone) {
            stream_free(rq->stream);
            rq->stream = NULL;
            reply_empty(rq, 204); /* which tells a browser not to ask again */
        } else {
            reply_bytes(rq, 200, "text/event-stream", NULL, 0, NULL);
        }
    } else if (status == STORE_OK) {
        reply_bytes(rq, 200, "text/event-stream", NULL, 0, NULL);
    } else {
        jobs_refuse(rq, status, "job");
    }
    store_job_release(&row);
    return true;
}
