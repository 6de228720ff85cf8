/* upload.c: see upload.h. */
#include "upload.h"
#include "request.h"
#include <string.h>

#define UPLOAD_LEAST 16384u /* bytes a body's buffer begins with                              */
#define UPLOAD_TRUSTED                                                                             \
    ((size_t)1 << 20) /* a promised Content-Length up to here is taken at its word      */

static bool refuse_large(struct request *rq)
{
    size_t most = request_body_most(rq);
    convd_fault_limit(&rq->faults, API_BODY_TOO_LARGE, NULL, (double)most, (double)rq->upload.n,
                      "the body goes on after %zu bytes", most);
    reply_faults(rq, &rq->faults);
    return false;
}

/* How large the buffer should be to hold n bytes: what the Content-Length promises where that is little or a quarter has
 * come, so that a promise alone takes no memory; else twice as much as there is. */
static size_t room_for(const struct request *rq, size_t n)
{
    size_t most = request_body_most(rq), length = (size_t)rq->headers.length;
    size_t room = rq->upload.room ? rq->upload.room * 2 : UPLOAD_LEAST;
    if (rq->headers.has_length && (length <= UPLOAD_TRUSTED || 4 * rq->upload.room >= length))
        room = length;
    if (room < n) room = n;
    return room > most ? most : room;
}

static bool grow(struct request *rq, size_t n)
{
    const struct convd_memory *memory = memory_face(rq->server->memory);
    struct upload *u = &rq->upload;
    size_t room = room_for(rq, n);
    if (!memory_upload(rq->server->memory, room - u->counted)) return false;
    u->counted = room;
    uint8_t *data = convd_take(memory, room);
    if (!data) return false;
    if (u->n) memcpy(data, u->data, u->n);
    convd_give(memory, u->data, u->room);
    u->data = data;
    u->room = room;
    return true;
}

bool upload_put(struct request *rq, const void *data, size_t n)
{
    struct upload *u = &rq->upload;
    if (!(rq->route->flags & ROUTE_BODY)) return true; /* GET with a body: it means nothing */
    if (n > request_body_most(rq) - u->n) return refuse_large(rq);
    if (u->n + n > u->room && !grow(rq, u->n + n)) {
        reply_problem(rq, API_QUEUE_FULL, "a try a little later",
                      "bodies that are arriving take all the memory there is for them");
        return false;
    }
    memcpy(u->data + u->n, data, n);
    u->n += n;
    return true;
}

void upload_release(struct request *rq)
{
    struct upload *u = &rq->upload;
    convd_give(memory_face(rq->server->memory), u->data, u->room);
    memory_upload_done(rq->server->memory, u->counted);
    memset(u, 0, sizeof *u);
}

/* ---- reading ---- */

static bool is(struct slice s, const char *word)
{
    return s.n == strlen(word) && memcmp(s.data, word, s.n) == 0;
}

static const char *const image_names[] = {"img", "image", "file", "data"};

static bool is_image(struct slice name)
{
    for (size_t i = 0; i < sizeof image_names / sizeof *image_names; i++)
        if (is(name, image_names[i])) return true;
    return false;
}

static void set_image(struct request *rq, const struct multipart_part *p)
{
    if (rq->form.image) {
        convd_fault_expected(&rq->faults, CONVD_BAD_REQUEST, NULL,
                             "one of img, image, file and data", "two images came");
        return;
    }
    rq->form.image = p->data;
    rq->form.image_n = p->n;
    rq->form.filename = p->filename;
}

/* Whether the pipeline's text speaks of "@name". A name that only looks like it (a longer one that begins
 * alike) is none. */
static bool names_tensor(const struct request *rq, struct slice name)
{
    struct slice text = rq->form.pipeline.data
                            ? rq->form.pipeline
                            : (struct slice){rq->target.chain, strlen(rq->target.chain)};
    const char *from = text.data, *end = text.data + text.n;
    while (from < end && (from = memchr(from, '@', (size_t)(end - from))) != NULL) {
        from++;
        if ((size_t)(end - from) < name.n || memcmp(from, name.data, name.n) != 0) continue;
        char after = from + name.n < end ? from[name.n] : 0;
        bool longer = (after >= '0' && after <= '9') || (after >= 'A' && after <= 'Z') ||
                      (after >= 'a' && after <= 'z') || after == '_' || after == '-';
        if (!longer) return true;
    }
    return false;
}

static void add_tensor(struct request *rq, const struct multipart_part *p)
{
    struct form *f = &rq->form;
    char *name = convd_arena_text(&rq->mem, p->name.data, p->name.n);
    if (!name) return;
    for (size_t i = 0; i < f->n_tensors; i++)
        if (strcmp(f->tensors[i].name, name) == 0)
            convd_fault_expected(&rq->faults, CONVD_BAD_REQUEST, NULL, "names that differ",
                                 "two parts are called %s", name);
    f->tensors[f->n_tensors++] = (struct api_part){.name = name, .data = p->data, .n = p->n};
}

static void set_once(struct request *rq, struct slice *to, const struct multipart_part *p)
{
    if (to->data)
        convd_fault_expected(&rq->faults, CONVD_BAD_REQUEST, NULL, "one",
                             "two parts are called %.*s", (int)p->name.n, p->name.data);
    *to = (struct slice){(const char *)p->data, p->n};
}

/* Parts that carry files: those with a filename or a type of their own that is no text. */
static bool is_file(const struct multipart_part *p)
{
    return p->filename.data ||
           (p->type.data && !(p->type.n >= 5 && memcmp(p->type.data, "text/", 5) == 0));
}

/* Where a part goes that only this route has; NULL: it is none. A file called x is a tensor all the same. */
static struct slice *own_part(struct request *rq, const struct multipart_part *p)
{
    static const char *const at_names[API_AT_MEMBERS] = {"step", "channel", "x", "y"};
    if (rq->work.ask == API_GRADIENT && is(p->name, "upstream")) return &rq->form.upstream;
    for (size_t i = 0; rq->work.ask == API_PROBE && !is_file(p) && i < API_AT_MEMBERS; i++)
        if (is(p->name, at_names[i])) return &rq->form.at[i];
    return NULL;
}

static void read_parts(struct request *rq, const struct multipart *m)
{
    const struct multipart_part *only = NULL;
    size_t files = 0;
    for (size_t i = 0; i < m->n; i++) { /* the pipeline first: the others' meaning depends on it */
        const struct multipart_part *p = &m->part[i];
        if (!is(p->name, "pipeline")) continue;
        if (rq->form.pipeline.data)
            convd_fault_expected(&rq->faults, CONVD_BAD_REQUEST, NULL, "one",
                                 "two parts are called pipeline");
        rq->form.pipeline = (struct slice){(const char *)p->data, p->n};
    }
    for (size_t i = 0; i < m->n; i++) {
        const struct multipart_part *p = &m->part[i];
        struct slice *own = own_part(rq, p);
        if (is(p->name, "pipeline")) continue;
        if (own) {
            set_once(rq, own, p);
        } else if (is_image(p->name)) {
            set_image(rq, p);
        } else if (is_file(p)) {
            files++;
            only = p;
        } else {
            convd_fault_expected(
                &rq->faults, CONVD_BAD_REQUEST, NULL, "img, pipeline, and files as tensors",
                "a part called %.*s means nothing here", (int)p->name.n, p->name.data);
        }
    }
    if (!rq->form.image && files == 1 && !names_tensor(rq, only->name)) {
        set_image(rq, only);
        return;
    }
    rq->form.tensors = convd_arena_array(&rq->mem, files + 1, sizeof *rq->form.tensors);
    for (size_t i = 0; i < m->n && rq->form.tensors; i++)
        if (!is(m->part[i].name, "pipeline") && !is_image(m->part[i].name) &&
            is_file(&m->part[i]) && !own_part(rq, &m->part[i]))
            add_tensor(rq, &m->part[i]);
}

static void read_multipart(struct request *rq)
{
    struct slice boundary;
    const char *fault = NULL;
    struct multipart *m = convd_arena_take(&rq->mem, sizeof *m);
    if (!m) {
        convd_fault(&rq->faults, CONVD_NO_MEMORY, NULL, "no memory is left for this request");
    } else if (!multipart_boundary(rq->headers.content_type, &boundary, &fault)) {
        convd_fault_expected(&rq->faults, API_BAD_MULTIPART, NULL,
                             "multipart/form-data; boundary=...", "%s", fault);
    } else if (!multipart_parse(m, rq->upload.data, rq->upload.n, boundary)) {
        convd_fault_expected(&rq->faults, API_BAD_MULTIPART, NULL, m->expected, "%s (at byte %zu)",
                             m->fault, m->at);
    } else if (m->n == 0) {
        convd_fault_expected(&rq->faults, API_BAD_MULTIPART, NULL, "a part img with the picture",
                             "the body has no parts");
    } else {
        read_parts(rq, m);
    }
}

bool upload_read(struct request *rq)
{
    const char *type = rq->headers.content_type;
    size_t before = convd_faults_count(&rq->faults);
    if (media_is(type, "multipart/form-data")) {
        read_multipart(rq);
    } else if (media_is(type, "application/json")) {
        rq->form.json =
            (struct slice){rq->upload.n ? (const char *)rq->upload.data : "", rq->upload.n};
    } else if (rq->upload.n) {
        rq->form.image = rq->upload.data;
        rq->form.image_n = rq->upload.n;
    }
    return convd_faults_count(&rq->faults) == before;
}
