/* jobs_batch.c: the job type `batch`: one pipeline on every picture of an archive, or on images kept by content. The
 * archive is read twice: once for its names (how many there are, which results would have one name, whether it is a bomb),
 * then piece by piece; results leave in the order of the pictures, so that the same job makes the same archive. */
#include "archive.h"
#include "clock.h"
#include "images.h"
#include "jobs.h"
#include "jobs_types.h"
#include "request.h"
#include "result_names.h"
#include <stdlib.h>
#include <string.h>

enum { ENTRIES_MOST = 100000, RATIO_MOST = 200, UNPACKED_TIMES = 8, AT_ONCE_MOST = 64 };
#define AT_ONCE_BYTES ((size_t)64 << 20)

/* A picture of the batch and what became of it. */
struct item {
    char *name;
    void *data;
    size_t n;
    struct store_blob kept;    /* data's owner, when it is an image of the store */
    const char *refused;       /* words                                          */
    struct convd_bytes result; /* empty: it failed                               */
    const char *extension;
    ptrdiff_t width, height, channels;
    struct convd_bytes problem;
};

struct batch {
    struct job *job;
    struct store_blob data;
    enum archive_kind kind;
    struct archive_in *in;
    struct archive_out *out;
    const struct convd_value *images; /* ids; NULL: an archive */
    uint32_t next_image;
    struct api_part *tensors;
    size_t n_tensors;
    struct result_names names;
    struct convd_bytes lines; /* results.jsonl */
    size_t total, done, at_once;
    struct item items[AT_ONCE_MOST];
    size_t n_items;
    bool full; /* the store took no more */
};

/* ---- before it is accepted ---- */

struct archive_limits job_archive_limits(const struct server *s)
{
    return (struct archive_limits){.entries = ENTRIES_MOST,
                                   .unpacked = UNPACKED_TIMES * s->settings->max_archive,
                                   .ratio = RATIO_MOST,
                                   .entry = s->settings->max_body};
}

static void check_ids(struct job_request *q, const struct convd_value *images)
{
    size_t mark = convd_enter(q->faults, "images");
    if (images->kind != CONVD_ARRAY || images->n == 0 || images->n > ENTRIES_MOST)
        convd_fault_expected(q->faults, CONVD_WRONG_TYPE, NULL,
                             "an array of 1 to 100000 ids of images", "images is %s",
                             convd_value_show(q->faults->mem, images));
    for (uint32_t i = 0; images->kind == CONVD_ARRAY && i < images->n; i++) {
        size_t item = convd_enter_item(q->faults, i);
        if (images->items[i].kind != CONVD_STRING)
            convd_fault_expected(q->faults, CONVD_WRONG_TYPE, NULL, "the id of an image", "%s",
                                 convd_value_show(q->faults->mem, &images->items[i]));
        convd_leave(q->faults, item);
    }
    convd_leave(q->faults, mark);
}

static void check_archive(struct job_request *q)
{
    struct archive_limits limits = job_archive_limits(q->server);
    struct archive_in *in = archive_begin(q->data.data, q->data.n, &limits, q->faults);
    struct archive_entry_info e;
    bool limit;
    if (in && !archive_next(in, &e))
        convd_fault_expected(q->faults, CONVD_BAD_IMAGE, NULL,
                             "an archive with at least one picture", "the archive %s",
                             archive_fault(in, &limit) ? archive_fault(in, &limit) : "is empty");
    archive_close(in);
}

static void check(struct job_request *q)
{
    const struct convd_value *images = convd_value_get(&q->spec, "images");
    job_check_pipeline(q);
    if (q->image.data)
        convd_fault_expected(q->faults, CONVD_BAD_REQUEST, NULL, "a part data with an archive",
                             "a part img came; a batch takes an archive");
    if (images && q->data.data)
        convd_fault_expected(q->faults, CONVD_BAD_REQUEST, "images",
                             "one: images, or the part data", "pictures came twice");
    if (images)
        check_ids(q, images);
    else if (q->data.data)
        check_archive(q);
    else
        convd_fault_expected(q->faults, CONVD_BAD_REQUEST, NULL,
                             "a part data: -F data=@photos.zip, or the member images",
                             "no pictures came");
}

/* ---- begin ---- */

static bool put(void *arg, const void *data, size_t n)
{
    struct batch *b = arg;
    if (job_put(b->job, data, n) == JOB_MORE) return true;
    b->full = true;
    return false;
}

static bool broken(struct batch *b)
{
    bool limit;
    const char *words = archive_fault(b->in, &limit);
    if (!words) return false;
    convd_fault_expected(&b->job->faults, limit ? CONVD_TOO_MUCH_WORK : CONVD_BAD_IMAGE, NULL,
                         limit ? "a smaller archive" : "a whole zip or tar(.gz)", "the archive: %s",
                         words);
    return true;
}

/* The first reading: how many there are, and their names. */
static bool survey(struct batch *b)
{
    struct archive_limits limits = job_archive_limits(b->job->server);
    struct archive_entry_info e;
    limits.stop = &b->job->stop;
    b->in = archive_open(b->data.data, b->data.n, &limits);
    if (!b->in) {
        convd_fault(&b->job->faults, CONVD_BAD_IMAGE, NULL, "the archive cannot be read");
        return false;
    }
    while (!atomic_load(&b->job->stop) && archive_next(b->in, &e)) {
        if (!result_names_expect(&b->names, e.name)) return false;
        b->total++;
    }
    if (broken(b)) return false;
    archive_close(b->in);
    b->in = archive_open(b->data.data, b->data.n, &limits);
    if (b->in && b->total == 0 && !atomic_load(&b->job->stop))
        convd_fault_expected(&b->job->faults, CONVD_BAD_IMAGE, NULL, "at least one picture",
                             "the archive holds no files");
    return b->in && b->total > 0;
}

/* The archive, or a kept picture under its id. */
static bool is_input(const char *name)
{
    return strcmp(name, "data") == 0 ||
           (strlen(name) == IMAGE_ID && strspn(name, "0123456789abcdef") == IMAGE_ID);
}

static bool begin(struct job *j)
{
    struct store *store = atomic_load(&j->jobs->store);
    struct batch *b = calloc(1, sizeof *b);
    if (!b) return false;
    j->state = b;
    b->job = j;
    b->images = convd_value_get(&j->spec, "images");
    b->at_once = 2 * convd_pool_threads(j->jobs->pool);
    if (b->at_once > AT_ONCE_MOST) b->at_once = AT_ONCE_MOST;
    b->tensors = job_tensors(j, &b->n_tensors, is_input);
    if (!b->tensors) return false;
    if (b->images) {
        b->kind = ARCHIVE_ZIP;
        b->total = b->images->n;
    } else {
        if (store->calls->job_part(store, j->id, "data", &b->data) != STORE_OK) {
            convd_fault(&j->faults, API_STORE_UNAVAILABLE, NULL,
                        "the archive is damaged on disk: its checksum does not fit");
            return false;
        }
        b->kind = archive_kind_of(b->data.data, b->data.n);
        if (!survey(b)) return atomic_load(&j->stop);
    }
    b->out = archive_create(b->kind, put, b);
    snprintf(j->media, sizeof j->media, "%s", archive_media[b->kind]);
    snprintf(j->file_name, sizeof j->file_name, "%.32s.%s", j->id, archive_extensions[b->kind]);
    job_progress(j, 0, b->total);
    return b->out != NULL;
}

/* ---- one picture ---- */

static void run_one(void *arg, size_t i, size_t slot)
{
    struct batch *b = arg;
    struct job *j = b->job;
    struct item *it = &b->items[i];
    if (it->refused || atomic_load(&j->stop)) return;
    struct api_work w = job_work(&j->spec, j->library, j->server, b->tensors, b->n_tensors);
    const atomic_bool *stop = job_slot_enter(j, slot, j->server->settings->timeout);
    w.image = it->data;
    w.image_n = it->n;
    bool fine = api_work_prepare(&w);
    if (fine && job_promise(j, w.bytes)) {
        fine = api_work_run(&w, j->jobs->pool, stop);
        job_unpromise(j, w.bytes);
    } else {
        fine = false;
    }
    bool late = job_slot_leave(j, slot);
    if (fine) {
        const struct convd_input *in = &w.info.input;
        it->result = w.body;
        w.body = (struct convd_bytes){0};
        it->extension = w.extension ? w.extension : "bin";
        it->width = in->width;
        it->height = in->height;
        it->channels = in->channels;
    } else if (late) {
        struct convd_faults f;
        convd_faults_init(&f, &w.mem);
        convd_fault_expected(&f, API_DEADLINE, NULL, "a smaller picture or fewer steps",
                             "the picture took longer than %.1f s",
                             (double)j->server->settings->timeout * 1e-3);
        api_problem_write(&f, j->id, &it->problem);
    } else if (w.faults && w.faults->n) {
        api_problem_write(w.faults, j->id, &it->problem);
    }
    api_work_release(&w);
}

/* ---- a step: some pictures ---- */

/* The words that live as long as the program. */
static const char too_large[] = "it is larger than one picture may be, or broken";
static const char not_there[] = "the picture is damaged on disk: its checksum does not fit";

/* Takes the next picture; false when there is none. */
static bool take(struct batch *b)
{
    struct item *it = &b->items[b->n_items];
    struct archive_entry_info e;
    *it = (struct item){0};
    if (b->images) {
        if (b->next_image == b->images->n) return false;
        struct store *store = atomic_load(&b->job->jobs->store);
        it->name = strdup(b->images->items[b->next_image++].string);
        if (it->name && store->calls->job_part(store, b->job->id, it->name, &it->kept) != STORE_OK)
            it->refused = not_there;
        it->data = (void *)(uintptr_t)it->kept.data;
        it->n = it->kept.n;
    } else {
        if (!archive_next(b->in, &e)) return false;
        it->name = strdup(e.name);
        it->refused = e.refused;
        if (!it->refused && !(it->data = archive_read(b->in, &it->n))) it->refused = too_large;
    }
    return it->name != NULL;
}

static void write_error(struct batch *b, struct api_json *line, struct item *it)
{
    if (it->refused || !it->problem.n) {
        struct convd_arena mem;
        struct convd_faults f;
        convd_arena_init(&mem, NULL, 0);
        convd_faults_init(&f, &mem);
        convd_fault(&f, CONVD_BAD_IMAGE, NULL, "%s",
                    it->refused ? it->refused : "it could not be run");
        api_problem_write(&f, b->job->id, &it->problem);
        convd_arena_release(&mem);
    }
    size_t n = it->problem.n;
    while (n > 0 && it->problem.data[n - 1] == '\n') n--;
    api_json_key(line, "error");
    api_json_raw(line, (const char *)it->problem.data, n);
}

static bool deliver(struct batch *b, struct item *it)
{
    struct api_json line = api_json_to(&b->lines);
    char *name = it->extension ? result_names_give(&b->names, it->name, it->extension) : NULL;
    bool fine = name || !it->extension;
    api_json_object(&line);
    api_json_key(&line, "name");
    api_json_string(&line, it->name);
    if (name) {
        fine = archive_add(b->out, name, it->result.data, it->result.n);
        api_json_key(&line, "result");
        api_json_string(&line, name);
        api_json_key(&line, "input");
        api_json_object(&line);
        api_json_key(&line, "width");
        api_json_integer(&line, it->width);
        api_json_key(&line, "height");
        api_json_integer(&line, it->height);
        api_json_key(&line, "channels");
        api_json_integer(&line, it->channels);
        api_json_end(&line);
    } else {
        write_error(b, &line, it);
    }
    api_json_end(&line);
    free(name);
    return fine && !line.failed && convd_bytes_put(&b->lines, "\n", 1);
}

static void give_back(struct batch *b)
{
    for (size_t i = 0; i < b->n_items; i++) {
        struct item *it = &b->items[i];
        if (it->kept.data)
            store_blob_release(&it->kept);
        else
            free(it->data);
        free(it->name);
        convd_bytes_release(&it->result);
        convd_bytes_release(&it->problem);
    }
    b->n_items = 0;
}

static enum job_step finish(struct batch *b)
{
    bool fine = archive_add(b->out, "results.jsonl", b->lines.data, b->lines.n);
    fine = archive_end(b->out, fine) && fine;
    b->out = NULL;
    return fine ? JOB_DONE : b->full ? JOB_NO_ROOM : JOB_BROKEN;
}

static enum job_step step(struct job *j)
{
    struct batch *b = j->state;
    size_t bytes = 0;
    while (b->n_items < b->at_once && bytes < AT_ONCE_BYTES && !atomic_load(&j->stop) && take(b))
        bytes += b->items[b->n_items++].n;
    if (b->in && broken(b)) {
        give_back(b);
        return JOB_BROKEN;
    }
    if (atomic_load(&j->stop)) {
        give_back(b);
        return JOB_MORE;
    }
    if (b->n_items == 0) return finish(b);
    convd_pool_for(j->jobs->pool, b->n_items, JOB_SLOTS, run_one, b);
    bool fine = true;
    for (size_t i = 0; i < b->n_items && fine && !atomic_load(&j->stop); i++)
        fine = deliver(b, &b->items[i]);
    b->done += b->n_items;
    give_back(b);
    if (!fine) return b->full ? JOB_NO_ROOM : JOB_BROKEN;
    job_progress(j, b->done, b->total);
    return JOB_MORE;
}

static void end(struct job *j)
{
    struct batch *b = j->state;
    if (!b) return;
    give_back(b);
    archive_close(b->in);
    archive_end(b->out, false);
    convd_bytes_release(&b->lines);
    result_names_release(&b->names);
    store_blob_release(&b->data);
    free(b);
    j->state = NULL;
}

const struct job_type job_batch = {.name = "batch",
                                   .members = "type pipeline images",
                                   .check = check,
                                   .begin = begin,
                                   .step = step,
                                   .end = end};
