/* images.c: pictures that are kept: POST, GET and DELETE of /v1/images, and chains run on a kept one by GET, for <img src>. */
#include "../images.h"
#include "../../api/json.h"
#include "../request.h"
#include "work.h"
#include <string.h>

static bool no_memory(struct request *rq)
{
    reply_problem(rq, CONVD_NO_MEMORY, NULL, "no memory is left for this request");
    return true;
}

/* ---- keeping ---- */

/* Looks at the header of what came, as a run would. */
static bool look(struct request *rq, struct convd_image_info *info)
{
    const struct convd_decode_options o = {.background = {255, 255, 255},
                                           .max_pixels = rq->server->limits.max_pixels,
                                           .max_side = rq->server->limits.max_side};
    bool fine = upload_read(rq);
    if (fine && rq->form.json.data)
        convd_fault_expected(&rq->faults, CONVD_UNSUPPORTED, NULL,
                             "a part img, or the picture's bytes as the body",
                             "JSON is no picture");
    else if (fine && (rq->form.pipeline.data || rq->form.n_tensors))
        convd_fault_expected(&rq->faults, CONVD_BAD_REQUEST, NULL, "one part img",
                             "more than a picture came");
    else if (fine && !rq->form.image)
        convd_fault_expected(&rq->faults, CONVD_BAD_REQUEST, NULL, "a part img, or a body",
                             "no picture came");
    else if (fine)
        convd_image_info(rq->form.image, rq->form.image_n, &o, info, &rq->faults);
    return convd_faults_count(&rq->faults) == 0;
}

static void describe(struct request *rq, const struct image *image, int status)
{
    rq->bytes.memory = memory_face(rq->server->memory);
    struct api_json j = api_json_to(&rq->bytes);
    const struct {
        const char *name;
        ptrdiff_t value;
    } sizes[] = {{"width", image->width}, {"height", image->height}, {"channels", image->channels}};
    api_json_object(&j);
    api_json_key(&j, "id");
    api_json_string(&j, image->id);
    for (size_t i = 0; i < 3; i++) {
        api_json_key(&j, sizes[i].name);
        api_json_integer(&j, sizes[i].value);
    }
    api_json_key(&j, "format");
    api_json_string(&j, image->format);
    api_json_key(&j, "bytes");
    api_json_integer(&j, (intmax_t)image->n);
    api_json_end(&j);
    if (j.failed) {
        no_memory(rq);
        return;
    }
    reply_bytes(rq, status, "application/json", rq->bytes.data, rq->bytes.n, NULL);
    reply_header(rq, "Location", "/v1/images/%s", image->id);
}

bool image_keep(struct request *rq)
{
    struct convd_image_info info;
    struct image *image;
    bool fresh;
    if (!look(rq, &info)) {
        reply_faults(rq, &rq->faults);
        return true;
    }
    enum store_status status =
        images_put(rq->server->images, rq->form.image, rq->form.image_n, &info, &image, &fresh);
    if (status == STORE_OK) {
        describe(rq, image, fresh ? 201 : 200);
    } else if (status != STORE_FULL || atomic_load(&rq->server->jobs.store)) {
        jobs_refuse(rq, status, "picture");
    } else {
        const double most = (double)images_counts(rq->server->images).budget;
        convd_fault_limit(&rq->faults, API_STORAGE_FULL, NULL, most, (double)rq->form.image_n,
                          "no room to keep a picture of %zu bytes", rq->form.image_n)
            ->expected = "a smaller picture, or a larger --image-memory";
        reply_faults(rq, &rq->faults);
    }
    images_drop(rq->server->images, image);
    upload_release(rq);
    return true;
}

/* ---- what is kept ---- */

/* Why the picture of the path cannot be had. One that is damaged is as good as gone: sent again it is whole again. */
static void refuse(struct request *rq, enum store_status status)
{
    if (status == STORE_DAMAGED) {
        log_say(&rq->server->log, LOG_WARN, "the picture %.64s is damaged on disk", rq->name);
        reply_problem(rq, API_NOT_FOUND, "the picture sent once more: POST /v1/images",
                      "the picture %.80s is damaged on disk: its checksum does not fit", rq->name);
    } else if (status == STORE_NONE && !images_is_id(rq->name)) {
        reply_problem(
            rq, API_NOT_FOUND,
            "the id that POST /v1/images gave: 64 hexadecimal digits, of the SHA-256 of the file",
            "%.80s is not the id of a picture", rq->name);
    } else if (status == STORE_NONE) {
        reply_problem(rq, API_NOT_FOUND,
                      "the id that POST /v1/images gave; pictures go when nobody asks for them",
                      "no picture %.80s is kept", rq->name);
    } else {
        jobs_refuse(rq, status, "picture");
    }
}

/* Holds the picture that the path names; false with the reply made. */
static bool find(struct request *rq)
{
    enum store_status status =
        rq->image ? STORE_OK : images_get(rq->server->images, rq->name, &rq->image);
    if (status != STORE_OK) refuse(rq, status);
    return status == STORE_OK;
}

/* Nothing of a stranger's file may run here, whatever a browser takes it for. */
static void harmless(struct request *rq)
{
    reply_header(rq, "Content-Security-Policy", "default-src 'none'; sandbox");
}

bool image_bytes(struct request *rq)
{
    if (!find(rq)) return true;
    rq->reply.lasting = true;
    reply_bytes(rq, 200, rq->image->media, rq->image->data, rq->image->n, rq->image->etag);
    harmless(rq);
    return true;
}

bool image_forget(struct request *rq)
{
    enum store_status status = images_forget(rq->server->images, rq->name);
    if (status == STORE_OK)
        reply_empty(rq, 204);
    else
        refuse(rq, status);
    return true;
}

/* ---- a chain on a kept picture ---- */

/* Takes the path apart as it was sent: v1/images/ID/CHAIN.EXT. False with the reply made. */
static bool split(struct request *rq)
{
    static const char before[] = "v1/images/";
    const char *sent = rq->target.chain, *chain = sent + sizeof before - 1 + IMAGE_ID + 1;
    bool plain = strncmp(sent, before, sizeof before - 1) == 0 &&
                 strlen(sent) > sizeof before + IMAGE_ID && chain[-1] == '/';
    const char *dot = plain ? strrchr(chain, '.') : NULL;
    if (dot) dot = strchr(dot, '/') ? NULL : dot;
    if (!dot || dot == chain) {
        reply_problem(rq, API_NOT_FOUND, "/v1/images/ID/CHAIN.EXT, as in /v1/images/ID/edges.png",
                      "the address names no format");
        return false;
    }
    rq->chain = convd_arena_text(&rq->mem, chain, (size_t)(dot - chain));
    rq->ending = convd_arena_text(&rq->mem, dot + 1, strlen(dot + 1));
    return (rq->chain && rq->ending) || !no_memory(rq);
}

bool image_run(struct request *rq)
{
    if (!rq->planned) {
        if (!find(rq) || !split(rq)) return true;
        rq->form.image = rq->image->data;
        rq->form.image_n = rq->image->n;
    }
    return run_work(rq);
}
