/* jobs_run.c: the job type `run`: one picture, one pipeline, as POST /v1/run would answer. */
#include "clock.h"
#include "jobs.h"
#include "jobs_types.h"
#include "request.h"
#include <stdlib.h>
#include <string.h>

struct api_work job_work(const struct convd_value *spec, const struct api_library *library,
                         struct server *server, const struct api_part *tensors, size_t n)
{
    return (struct api_work){.library = library,
                             .memory = memory_face(server->memory),
                             .limits = server->limits,
                             .threads = 1,
                             .pipeline_value = convd_value_get(spec, "pipeline"),
                             .form = API_PIPELINE,
                             .tensors = tensors,
                             .n_tensors = n};
}

void job_faults_copy(struct convd_faults *to, const struct convd_faults *from)
{
    for (const struct convd_fault *x = from ? from->first : NULL; x; x = x->next) {
        convd_place_set(to, convd_arena_printf(to->mem, "%s", x->pointer));
        struct convd_fault *y = convd_fault(to, x->code, NULL, "%s", x->detail);
        convd_leave(to, 0);
        y->expected = x->expected ? convd_arena_printf(to->mem, "%s", x->expected) : NULL;
        y->suggestion = x->suggestion ? convd_arena_printf(to->mem, "%s", x->suggestion) : NULL;
        y->segment = x->segment ? convd_arena_printf(to->mem, "%s", x->segment) : NULL;
        y->limit = x->limit;
        y->actual = x->actual;
    }
}

void job_check_pipeline(struct job_request *q)
{
    if (!convd_value_get(&q->spec, "pipeline")) {
        convd_fault_expected(q->faults, CONVD_MISSING, "pipeline", "a spec, a chain or a name",
                             "the job does not say what to do");
        return;
    }
    struct api_work w = job_work(&q->spec, q->library, q->server, q->tensors, q->n_tensors);
    if (!api_work_check(&w)) job_faults_copy(q->faults, w.faults);
    api_work_release(&w);
}

static void check(struct job_request *q)
{
    if (!q->image.data) {
        job_check_pipeline(q);
        convd_fault_expected(q->faults, CONVD_BAD_REQUEST, NULL, "a part img: -F img=@photo.png",
                             "no picture came");
        return;
    }
    if (q->data.data)
        convd_fault_expected(q->faults, CONVD_BAD_REQUEST, NULL, "a part img alone",
                             "a job that runs once takes no archive");
    struct api_work w = job_work(&q->spec, q->library, q->server, q->tensors, q->n_tensors);
    w.image = q->image.data;
    w.image_n = q->image.n;
    if (!w.pipeline_value)
        job_check_pipeline(q);
    else if (!api_work_prepare(&w))
        job_faults_copy(q->faults, w.faults);
    api_work_release(&w);
}

/* ---- running ---- */

struct api_part *job_tensors(struct job *j, size_t *n, bool (*is_input)(const char *name))
{
    struct store *store = atomic_load(&j->jobs->store);
    char *names = NULL;
    size_t count = 0;
    *n = 0;
    if (store->calls->job_parts(store, j->id, &names) != STORE_OK) {
        free(names);
        convd_fault(&j->faults, API_STORE_UNAVAILABLE, NULL, "its inputs cannot be read");
        return NULL;
    }
    for (const char *s = names; *s; s += strlen(s) + 1) count++;
    struct api_part *list = convd_arena_array(&j->mem, count + 1, sizeof *list);
    for (const char *s = names; list && *s; s += strlen(s) + 1) {
        struct store_blob b;
        if (is_input(s)) continue;
        if (store->calls->job_part(store, j->id, s, &b) != STORE_OK) {
            convd_fault(&j->faults, API_STORE_UNAVAILABLE, NULL, "the tensor %s is damaged on disk",
                        s);
            break;
        }
        list[*n].name = convd_arena_text(&j->mem, s, strlen(s));
        list[*n].n = b.n;
        list[(*n)++].data = convd_arena_text(&j->mem, b.data, b.n);
        store_blob_release(&b);
    }
    free(names);
    return convd_faults_count(&j->faults) ? NULL : list;
}

struct running {
    struct store_blob image;
    struct api_work work;
    bool has_work;
};

static bool is_picture(const char *name)
{
    return strcmp(name, "img") == 0;
}

static bool begin(struct job *j)
{
    struct store *store = atomic_load(&j->jobs->store);
    struct running *r = convd_arena_zero(&j->mem, sizeof *r);
    size_t n;
    if (!r) return false;
    j->state = r;
    if (store->calls->job_part(store, j->id, "img", &r->image) != STORE_OK) {
        convd_fault(&j->faults, API_STORE_UNAVAILABLE, NULL,
                    "the picture is damaged on disk: its checksum does not fit");
        return false;
    }
    struct api_part *tensors = job_tensors(j, &n, is_picture);
    if (!tensors) return false;
    r->work = job_work(&j->spec, j->library, j->server, tensors, n);
    r->work.threads = convd_pool_threads(j->jobs->pool);
    r->work.image = r->image.data;
    r->work.image_n = r->image.n;
    r->has_work = true;
    job_progress(j, 0, 1);
    if (api_work_prepare(&r->work)) return true;
    job_faults_copy(&j->faults, r->work.faults);
    return false;
}

static enum job_step step(struct job *j)
{
    struct running *r = j->state;
    struct api_work *w = &r->work;
    if (!job_promise(j, w->bytes)) return atomic_load(&j->stop) ? JOB_MORE : JOB_BROKEN;
    bool ran = api_work_run(w, j->jobs->pool, &j->stop);
    job_unpromise(j, w->bytes);
    if (!ran) {
        job_faults_copy(&j->faults, w->faults);
        return JOB_BROKEN;
    }
    snprintf(j->media, sizeof j->media, "%s", w->media);
    snprintf(j->file_name, sizeof j->file_name, "%.32s.%s", j->id,
             w->extension ? w->extension : "bin");
    if (job_put(j, w->body.data, w->body.n) != JOB_MORE) return JOB_NO_ROOM;
    job_progress(j, 1, 1);
    return JOB_DONE;
}

static void end(struct job *j)
{
    struct running *r = j->state;
    if (!r) return;
    if (r->has_work) api_work_release(&r->work);
    store_blob_release(&r->image);
    j->state = NULL;
}

const struct job_type job_run = {.name = "run",
                                 .members = "type pipeline",
                                 .check = check,
                                 .begin = begin,
                                 .step = step,
                                 .end = end};

const struct job_type *const job_types[] = {&job_run, &job_batch, &job_learn, NULL};
