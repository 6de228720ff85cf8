/* work.c: one piece of work from what a request said to the bytes that answer it; see api.h. */
#define XXH_STATIC_LINKING_ONLY /* a hash state on the stack */
#include "base64.h"
#include "gradient.h"
#include "json.h"
#include "output.h"
#include "probe.h"
#include "spec.h"
#include "tensors.h"
#include "work.h"
#include "../core/simd/simd.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <xxhash.h>

double api_now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

/* ---- memory that is counted ---- */

static void *take(void *self, size_t bytes)
{
    struct api_work *w = self;
    void *p = convd_take(w->memory, bytes);
    if (p) w->taken += bytes;
    return p;
}

static void give(void *self, void *p, size_t bytes)
{
    struct api_work *w = self;
    w->taken -= bytes;
    convd_give(w->memory, p, bytes);
}

static size_t memory_limit(const struct api_work *w)
{
    return w->limits.plan.memory ? w->limits.plan.memory : (size_t)1 << 30;
}

/* ---- what is asked ---- */

static bool run_nodes(struct api_work *w)
{
    size_t mark = api_work_enter(w);
    bool fine = api_output_nodes(w->output, w->graph, &w->mem, w->faults);
    convd_leave(w->faults, mark);
    if (fine) api_output_guess(w->output);
    return fine;
}

static bool run_settle(struct api_work *w, bool *again)
{
    size_t mark = api_work_enter(w);
    bool fine = api_output_settle(w->output, w, w->plan, again);
    convd_leave(w->faults, mark);
    return fine;
}

static const struct api_asking run_asking = {
    .members = "", .nodes = run_nodes, .settle = run_settle, .write = api_output_write};

static const struct api_asking *asking(const struct api_work *w)
{
    return w->ask == API_PROBE      ? &api_probe_asking
           : w->ask == API_GRADIENT ? &api_gradient_asking
                                    : &run_asking;
}

/* ---- the JSON form of a request ---- */

/* The request is one JSON text, so that its pipeline stands at /pipeline and its picture at /image. */
static bool in_json(const struct api_work *w)
{
    return w->request || w->pipeline_value;
}

/* Members of the JSON form: these, and what is asked brings its own. */
static const char *const request_members[] = {"pipeline", "image", "tensors", "step",
                                              "channel",  "x",     "y",       "upstream"};
enum { COMMON_MEMBERS = 3, REQUEST_MEMBERS = sizeof request_members / sizeof *request_members };

static bool is_member(const struct api_work *w, size_t i)
{
    return i < COMMON_MEMBERS || convd_word_in(asking(w)->members, request_members[i]);
}

struct members {
    const char *name[REQUEST_MEMBERS];
    size_t n;
};

static const char *member_at(const void *members, size_t i)
{
    return ((const struct members *)members)->name[i];
}

static void check_members(struct api_work *w, const struct convd_value *v)
{
    struct members known = {.n = 0};
    const char *list = "one of";
    for (size_t i = 0; i < REQUEST_MEMBERS; i++) {
        if (!is_member(w, i)) continue;
        if (list)
            list = convd_arena_printf(w->faults->mem, "%s%s %s", list, known.n ? "," : "",
                                      request_members[i]);
        known.name[known.n++] = request_members[i];
    }
    for (uint32_t i = 0; i < v->n; i++) {
        const char *name = v->members[i].name;
        bool fine = false;
        for (size_t k = 0; k < known.n; k++) fine |= strcmp(known.name[k], name) == 0;
        if (fine) continue;
        struct convd_fault *f =
            convd_fault_expected(w->faults, CONVD_UNKNOWN_MEMBER, name, list ? list : "",
                                 "a request has no member \"%.64s\"", name);
        f->suggestion = convd_word_in("input steps output", name)
                            ? "{\"pipeline\":{\"steps\":…}}: a spec is the member pipeline"
                            : convd_nearest(name, member_at, &known, known.n);
    }
}

/* step, channel, x, y and upstream, where they are asked for. */
static void read_own_members(struct api_work *w, const struct convd_value *v)
{
    static const char *const names[] = {"step", "channel", "x", "y"};
    for (size_t i = 0; w->ask == API_PROBE && i < API_AT_MEMBERS; i++) {
        const struct convd_value *x = convd_value_get(v, names[i]);
        if (x && w->at[i])
            convd_fault_expected(w->faults, CONVD_BAD_REQUEST, names[i],
                                 "one: in the query or in the request", "%s came twice", names[i]);
        if (x) w->at[i] = x;
    }
    if (w->ask == API_GRADIENT) w->upstream_value = convd_value_get(v, "upstream");
}

static void read_image(struct api_work *w, const struct convd_value *v)
{
    size_t mark = convd_enter(w->faults, "image");
    const char *s = v->kind == CONVD_STRING ? api_base64_payload(v->string) : NULL;
    size_t n = s ? strlen(s) : 0, at = 0;
    uint8_t *bytes = s ? convd_arena_take(&w->mem, api_base64_room(n)) : NULL;
    if (v->kind != CONVD_STRING)
        convd_fault_expected(w->faults, CONVD_WRONG_TYPE, NULL, "base64 or a data URL",
                             "image is %s", convd_value_show(w->faults->mem, v));
    else if (!s)
        convd_fault_expected(w->faults, CONVD_BAD_IMAGE, NULL, "data:image/png;base64,…",
                             "a data URL that is not base64");
    else if (!bytes)
        convd_fault(w->faults, CONVD_NO_MEMORY, NULL, "no memory for the image");
    else if (!api_base64_decode(s, n, bytes, &w->image_n, &at))
        convd_fault_expected(w->faults, CONVD_BAD_IMAGE, NULL,
                             "base64 as in RFC 4648, padded, without spaces",
                             "image is not base64 at character %zu", at + 1);
    else
        w->image = bytes;
    w->image_refused = !w->image;
    convd_leave(w->faults, mark);
}

static bool read_request(struct api_work *w, struct convd_value *v)
{
    if (!api_json_parse(w->request, w->request_n, SIZE_MAX, &w->mem, w->faults, v)) return false;
    if (v->kind != CONVD_OBJECT) {
        convd_fault_expected(w->faults, CONVD_WRONG_TYPE, NULL,
                             "{\"pipeline\":…, \"image\":…, \"tensors\":{…}}", "the request is %s",
                             convd_value_show(w->faults->mem, v));
        return false;
    }
    check_members(w, v);
    read_own_members(w, v);
    const struct convd_value *image = convd_value_get(v, "image");
    if (image && image->kind != CONVD_NULL) read_image(w, image);
    w->tensor_values = convd_value_get(v, "tensors");
    w->pipeline_value = convd_value_get(v, "pipeline");
    if (w->pipeline && w->pipeline_value)
        convd_fault_expected(w->faults, CONVD_BAD_REQUEST, "pipeline",
                             "one: in the path, in the query, or in the request",
                             "two pipelines came");
    return true;
}

/* ---- pipeline ---- */

size_t api_work_enter(struct api_work *w)
{
    return in_json(w) && !w->pipeline ? convd_enter(w->faults, "pipeline") : convd_mark(w->faults);
}

static void read_pipeline(struct api_work *w, struct api_output *out)
{
    struct convd_faults *f = w->faults;
    size_t mark = api_work_enter(w);
    if (w->pipeline_value) {
        /* JSON inside a string is not unpacked: a string is a chain or a name. */
        if (w->pipeline_value->kind == CONVD_STRING)
            api_chain_read(w->pipeline_value->string, strlen(w->pipeline_value->string), false,
                           w->graph, f, &w->mem);
        else
            api_spec_read(w->pipeline_value, w->graph, &out->said, f, &w->mem);
    } else if (w->pipeline) {
        convd_leave(f, 0);
        api_pipeline_read(w->pipeline, w->pipeline_n, w->form == API_CHAIN, w->graph, &out->said, f,
                          &w->mem);
    } else {
        convd_fault_expected(f, CONVD_MISSING, NULL,
                             "a part or member pipeline, or ?pipeline=: a spec, a chain or a name",
                             "no pipeline came");
    }
    convd_leave(f, mark);
}

static bool start(struct api_work *w)
{
    w->counted = (struct convd_memory){.take = take, .give = give, .self = w};
    w->taken = 0;
    w->body = (struct convd_bytes){.memory = w->memory};
    w->saturated = NAN;
    convd_arena_init(&w->mem, &w->counted, 0);
    w->faults = convd_arena_zero(&w->mem, sizeof *w->faults);
    w->output = convd_arena_zero(&w->mem, sizeof *w->output);
    if (!w->faults || !w->output) return false;
    convd_faults_init(w->faults, &w->mem);
    w->graph = convd_graph_new(&w->counted, w->faults);
    if (!w->graph) {
        convd_fault(w->faults, CONVD_NO_MEMORY, NULL, "no memory for the pipeline");
        return false;
    }
    w->names = convd_arena_zero(&w->mem, sizeof *w->names);
    if (!w->names) return false;
    convd_graph_setup(w->graph, w->library ? api_names_for(w->names, w->library, w->graph) : NULL,
                      &w->limits.plan);
    return true;
}

/* Reads everything but the picture: query, JSON form, tensors, pipeline; out->o is what they say together. */
static void read_all(struct api_work *w)
{
    struct api_output *out = w->output;
    struct api_options query = api_options_default(), named;
    struct convd_value request;
    out->said = api_options_default();
    api_options_query(&query, w->query, w->n_query, &w->mem, w->faults);
    out->asked = query;
    if (w->request && !read_request(w, &request)) return;
    api_tensors_bind(w);
    read_pipeline(w, out);
    api_tensors_weights(w);
    if (w->library) w->saved = api_names_weights(w->names, w->faults);
    api_options_named(&named, w->graph, &w->mem);
    out->o = api_options_default();
    api_options_merge(&out->o, &named);
    api_options_merge(&out->o, &out->said);
    api_options_merge(&out->o, &query);
}

/* ---- picture and plan ---- */

static struct convd_decode_options decode_options(const struct api_work *w)
{
    const struct api_options *o = &w->output->o;
    struct convd_decode_options d = {.channels = o->channels,
                                     .keep_alpha = o->keep_alpha,
                                     .raw_orientation = o->raw_orientation,
                                     .max_pixels = w->limits.max_pixels,
                                     .max_side = w->limits.max_side};
    memcpy(d.background, o->background, sizeof d.background);
    return d;
}

static bool read_header(struct api_work *w, const struct api_size *size)
{
    if (w->image && !size) {
        const struct convd_decode_options d = decode_options(w);
        size_t mark = in_json(w) ? convd_enter(w->faults, "image") : convd_mark(w->faults);
        bool fine = convd_image_info(w->image, w->image_n, &d, &w->info, w->faults);
        convd_leave(w->faults, mark);
        return fine;
    }
    if (!size && w->image_refused) return false;
    if (!size) {
        convd_fault_expected(
            w->faults, CONVD_MISSING, in_json(w) ? "image" : NULL,
            w->sizable ? "a picture: a part img, the body or a member image; or a size: "
                         "?width=640&height=480&channels=3"
                       : "a file part img, the picture's bytes as the body, or a member image",
            w->sizable ? "no picture and no size came" : "no image came");
        return false;
    }
    const struct api_options *o = &w->output->o;
    bool usual = size->channels == 1 || size->channels == 3 || size->channels == 4;
    ptrdiff_t asked = o->channels == CONVD_GRAY ? 1 : o->channels == CONVD_RGBA ? 4 : 3;
    w->info = (struct convd_image_info){.orientation = 1};
    w->info.input = (struct convd_input){.pixels = usual ? CONVD_U8_HWC : CONVD_F32_NCHW,
                                         .n = 1,
                                         .height = size->height,
                                         .width = size->width,
                                         .stored = size->channels,
                                         .channels = size->channels};
    if (usual && (o->given & API_GIVEN(CHANNELS))) w->info.input.channels = asked;
    ptrdiff_t most = w->limits.max_side ? w->limits.max_side : 32768,
              longer = size->width > size->height ? size->width : size->height;
    if (size->width < 1 || size->height < 1 || size->channels < 1 || size->channels > 65536) {
        convd_fault_expected(w->faults, CONVD_OUT_OF_RANGE, NULL,
                             "width, height and channels of at least 1", "the size is %tdx%tdx%td",
                             size->width, size->height, size->channels);
        return false;
    }
    if (longer > most) {
        convd_fault_limit(w->faults, CONVD_IMAGE_TOO_LARGE, NULL, (double)most, (double)longer,
                          "the size is %tdx%td", size->width, size->height);
        return false;
    }
    return true;
}

static bool plan(struct api_work *w)
{
    struct api_output *out = w->output;
    struct convd_output *wanted = convd_arena_array(&w->mem, out->n ? out->n : 1, sizeof *wanted);
    if (!wanted) {
        convd_fault(w->faults, CONVD_NO_MEMORY, NULL, "no memory for the outputs");
        return false;
    }
    for (size_t i = 0; i < out->n; i++)
        wanted[i] =
            (struct convd_output){.node = out->targets[i].node, .pixels = out->targets[i].pixels};
    if (w->ask == API_GRADIENT && out->n == 1) {
        w->grad = convd_grad_new(w->graph, &w->info.input, wanted[0].node, true, &w->limits.plan,
                                 w->threads, w->faults);
        return w->grad != NULL;
    }
    convd_plan_free(w->plan);
    w->plan = convd_plan_new(w->graph, &w->info.input, wanted, out->n, &w->limits.plan, w->threads,
                             w->faults);
    return w->plan != NULL;
}

/* Up to a plan; false after faults. Goes on after faults as far as it makes sense, so that all are heard of. */
static bool settle(struct api_work *w, const struct api_size *size)
{
    if (!start(w)) return false;
    read_all(w);
    bool nodes = w->graph->n_steps > 0 && asking(w)->nodes(w);
    bool header = read_header(w, size);
    if (!nodes) w->output->n = 0;
    if (w->graph->n_steps > 0 && header && !w->graph->full) plan(w);
    return (w->plan || w->grad) && convd_faults_count(w->faults) == 0;
}

static bool within_memory(struct api_work *w)
{
    w->bytes = w->taken + api_output_bytes(w->output, w);
    size_t most = memory_limit(w);
    if (w->bytes <= most) return true;
    convd_fault_limit(w->faults, CONVD_TOO_MUCH_MEMORY, NULL, (double)most, (double)w->bytes,
                      "decoding, running and encoding take %zu bytes; %zu are allowed", w->bytes,
                      most)
        ->expected = "a smaller picture, or fewer and smaller maps";
    return false;
}

/* ---- ETag ---- */

static void hash_text(XXH3_state_t *s, const char *text)
{
    XXH3_128bits_update(s, text, strlen(text) + 1);
}

/* All that decides the bytes of the answer. */
static bool make_etag(struct api_work *w)
{
    struct convd_bytes text = {.memory = &w->counted};
    if (!api_spec_write(w->graph, &w->output->o, &text)) {
        convd_bytes_release(&text);
        return false;
    }
    XXH3_state_t s;
    XXH3_128bits_reset(&s);
    hash_text(&s, CONVD_VERSION);
    hash_text(&s, convd_simd_choose(getenv("CONVD_ISA"))->name);
    hash_text(&s, w->output->format.name);
    XXH3_128bits_update(&s, text.data, text.n);
    const struct api_options *o = &w->output->o;
    const unsigned values = (unsigned)o->values;
    XXH3_128bits_update(&s, &values, sizeof values);
    XXH3_128bits_update(&s, &w->ask, sizeof w->ask);
    XXH3_128bits_update(&s, &w->saved, sizeof w->saved);
    size_t key_n = 0;
    const void *key = w->ask == API_PROBE      ? api_probe_key(w, &key_n)
                      : w->ask == API_GRADIENT ? api_gradient_key(w, &key_n)
                                               : NULL;
    if (key) XXH3_128bits_update(&s, key, key_n);
    for (size_t i = 0; i < w->output->n; i++) hash_text(&s, w->output->targets[i].id);
    for (size_t i = 0; i < w->graph->n_tensors; i++) {
        const struct convd_tensor *t = &w->graph->tensors[i];
        size_t count = 1;
        hash_text(&s, t->name);
        for (int d = 0; d < t->rank; d++) count *= (size_t)t->dim[d];
        XXH3_128bits_update(&s, t->dim, sizeof t->dim);
        XXH3_128bits_update(&s, t->data, count * sizeof *t->data);
    }
    XXH3_128bits_update(&s, w->image, w->image_n);
    XXH128_hash_t h = XXH3_128bits_digest(&s);
    snprintf(w->etag, sizeof w->etag, "\"%016llx%016llx\"", (unsigned long long)h.high64,
             (unsigned long long)h.low64);
    convd_bytes_release(&text);
    return true;
}

bool api_work_prepare(struct api_work *w)
{
    bool again = false;
    if (!settle(w, NULL) || !asking(w)->settle(w, &again)) return false;
    if (again && !plan(w)) return false;
    w->step_ns = convd_arena_array(&w->mem, w->graph->n_nodes, sizeof *w->step_ns);
    if (!api_output_ready(w->output, &w->mem, w->faults) || !within_memory(w)) return false;
    if (make_etag(w)) return true;
    convd_fault(w->faults, CONVD_NO_MEMORY, NULL, "no memory for the ETag");
    return false;
}

bool api_work_check(struct api_work *w)
{
    if (!start(w)) return false;
    read_all(w);
    if (w->graph->n_steps > 0) asking(w)->nodes(w);
    return w->graph->n_steps > 0 && convd_faults_count(w->faults) == 0;
}

bool api_work_plan(struct api_work *w, const struct api_size *size)
{
    return settle(w, size);
}

bool api_work_read(struct api_work *w)
{
    if (!start(w)) return false;
    read_all(w);
    return convd_faults_count(w->faults) == 0;
}

/* ---- running ---- */

/* What a run holds beside its maps. */
struct held {
    void *pixels, *workspace;
    uint8_t *alpha;
    size_t workspace_bytes;
};

size_t api_work_workspace(const struct api_work *w)
{
    return w->grad ? convd_grad_workspace(w->grad) : convd_plan_workspace(w->plan);
}

static bool take_maps(struct api_work *w, struct held *h)
{
    const struct api_output *out = w->output;
    bool fine = true;
    for (size_t i = 0; i < out->n && fine; i++)
        fine = (out->maps[i] = convd_take(&w->counted, out->targets[i].bytes)) != NULL;
    h->workspace_bytes = api_work_workspace(w);
    if (fine && h->workspace_bytes)
        fine = (h->workspace = convd_take(&w->counted, h->workspace_bytes)) != NULL;
    return fine;
}

static void give_back(struct api_work *w, struct held *h)
{
    convd_give(&w->counted, h->pixels, w->info.bytes);
    convd_give(&w->counted, h->workspace, h->workspace_bytes);
    h->pixels = h->workspace = NULL;
}

/* Returns how many bytes that were. */
static size_t give_rest(struct api_work *w, struct held *h)
{
    size_t given = 0;
    give_back(w, h);
    convd_give(&w->counted, h->alpha, w->info.alpha_bytes);
    for (size_t i = 0; i < w->output->n; i++) {
        if (w->output->maps[i]) given += w->output->targets[i].bytes;
        convd_give(&w->counted, w->output->maps[i], w->output->targets[i].bytes);
        w->output->maps[i] = NULL;
    }
    return given;
}

static bool decode(struct api_work *w, struct held *h)
{
    const struct convd_decode_options d = decode_options(w);
    double from = api_now_ms();
    h->pixels = convd_take(&w->counted, w->info.bytes);
    if (w->info.alpha_bytes) h->alpha = convd_take(&w->counted, w->info.alpha_bytes);
    bool fine = h->pixels && (h->alpha || !w->info.alpha_bytes);
    if (!fine) convd_fault(w->faults, CONVD_NO_MEMORY, NULL, "no memory for the picture");
    size_t mark = in_json(w) ? convd_enter(w->faults, "image") : convd_mark(w->faults);
    fine = fine && convd_image_decode(&w->info, w->image, w->image_n, &d, &w->counted, h->pixels,
                                      h->alpha, w->faults);
    convd_leave(w->faults, mark);
    w->timing.decode_ms = api_now_ms() - from;
    return fine;
}

/* Over maps that are there. */
static bool run_once(struct api_work *w, const struct held *h, struct convd_pool *pool,
                     const atomic_bool *cancel)
{
    double from = api_now_ms();
    const struct convd_run r = {.input = h->pixels,
                                .outputs = w->output->maps,
                                .workspace = h->workspace,
                                .pool = pool,
                                .cancel = cancel,
                                .saturated = w->output->saturated,
                                .step_ns = w->step_ns};
    bool fine = w->grad ? api_gradient_run(w, &r) : convd_plan_run(w->plan, &r, w->faults);
    w->timing.run_ms = api_now_ms() - from;
    return fine;
}

static bool run(struct api_work *w, struct held *h, struct convd_pool *pool,
                const atomic_bool *cancel)
{
    if (take_maps(w, h)) return run_once(w, h, pool, cancel);
    convd_fault(w->faults, CONVD_NO_MEMORY, NULL, "no memory to run");
    return false;
}

bool api_work_rounds(struct api_work *w, struct convd_pool *pool, size_t rounds,
                     void (*each)(void *self, size_t round), void *self)
{
    struct held h = {0};
    bool fine = decode(w, &h) && run(w, &h, pool, NULL); /* touches all memory; does not count */
    for (size_t i = 0; i < rounds && fine; i++) {
        memset(w->step_ns, 0, w->graph->n_nodes * sizeof *w->step_ns);
        fine = run_once(w, &h, pool, NULL);
        if (fine) each(self, i);
    }
    give_rest(w, &h);
    return fine;
}

bool api_work_run(struct api_work *w, struct convd_pool *pool, const atomic_bool *cancel)
{
    struct held h = {0};
    w->pool = pool;
    bool fine = decode(w, &h) && run(w, &h, pool, cancel);
    give_back(w, &h);
    if (fine && cancel && atomic_load_explicit(cancel, memory_order_relaxed)) {
        convd_fault(w->faults, CONVD_CANCELLED, NULL, "stopped before it was encoded");
        fine = false;
    }
    if (fine) {
        double from = api_now_ms();
        fine = asking(w)->write(w, h.alpha);
        w->timing.encode_ms = api_now_ms() - from;
    }
    /* A slow reader holds what the answer has, not what it might have had; the copy stands where the maps stood. */
    if (give_rest(w, &h) >= w->body.n) convd_bytes_trim(&w->body);
    return fine;
}

void api_work_release(struct api_work *w)
{
    convd_grad_free(w->grad);
    convd_plan_free(w->plan);
    convd_graph_free(w->graph);
    convd_bytes_release(&w->body);
    convd_arena_release(&w->mem);
    w->grad = NULL;
    w->plan = NULL;
    w->graph = NULL;
    w->faults = NULL;
    w->output = NULL;
}
