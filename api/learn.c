/* learn.c: a pipeline, settings and pictures on their way to core's learner; see learn.h. */
#include "learn.h"
#include "../core/pixels.h"
#include "../core/simd/simd.h"
#include "../core/tensor_file.h"
#include "output.h"
#include <stdlib.h>
#include <string.h>

static bool no_memory(struct api_learn *x)
{
    convd_fault(x->work.faults, CONVD_NO_MEMORY, NULL, "no memory for learning");
    return false;
}

/* ---- pipeline and settings ---- */

static void read_settings(struct api_learn *x)
{
    const struct convd_value *v = x->settings;
    const struct convd_arg *args = x->args;
    size_t n = x->n_args;
    if (v && v->kind == CONVD_OBJECT) {
        struct convd_arg *own = convd_arena_array(&x->work.mem, v->n + 1u, sizeof *own);
        n = 0;
        for (uint32_t i = 0; own && i < v->n; i++)
            if (!x->others || !convd_word_in(x->others, v->members[i].name))
                own[n++] =
                    (struct convd_arg){.name = v->members[i].name, .value = &v->members[i].value};
        args = own;
    }
    convd_leave(x->work.faults, 0);
    convd_learn_read(args, n, &x->set, &x->work.mem, x->work.faults);
}

/* The one node whose result is compared. */
static int result_node(struct api_learn *x)
{
    struct api_output *out = x->work.output;
    const size_t mark = api_work_enter(&x->work);
    const bool fine = api_output_nodes(out, x->work.graph, &x->work.mem, x->work.faults);
    if (fine && out->n != 1) {
        convd_enter(x->work.faults, "output");
        convd_fault_expected(x->work.faults, CONVD_OUT_OF_RANGE, "from", "the id of one step",
                             "learning compares one output, and %zu are wanted", out->n);
    }
    convd_leave(x->work.faults, mark);
    return fine && out->n == 1 ? out->targets[0].node : -1;
}

/* A name alone stands for what is saved under it: learning goes on from its weights, and what comes of it is a pipeline
 * with the same ids. */
static const struct api_pipeline *unfold(struct api_learn *x)
{
    struct api_work *w = &x->work;
    const char *name = w->pipeline;
    if (w->pipeline_value)
        name = w->pipeline_value->kind == CONVD_STRING ? w->pipeline_value->string : "";
    const struct api_pipeline *p = w->library ? api_library_find(w->library, name) : NULL;
    if (!p || p->built_in) return NULL;
    w->pipeline_value = p->spec;
    w->pipeline = NULL;
    w->given = p->tensors;
    w->n_given = p->n_tensors;
    return p;
}

/* Its tensors that are no "@name" of its text are weights of its steps. */
static void begin_from(struct api_learn *x, const struct api_pipeline *p)
{
    struct convd_arena *mem = &x->work.mem;
    struct convd_tensor *list = convd_arena_array(mem, p->n_tensors + 1, sizeof *list);
    size_t n = 0;
    for (size_t i = 0; list && i < p->n_tensors; i++) {
        const char *word = convd_arena_printf(mem, "@%s", p->tensors[i].name);
        if (word && !api_library_mentions(p->spec, word)) list[n++] = p->tensors[i];
    }
    if (n) convd_graph_weights(x->work.graph, list, n, x->work.faults);
}

bool api_learn_begin(struct api_learn *x)
{
    const struct api_pipeline *named = unfold(x);
    const bool read = api_work_read(&x->work);
    if (!x->work.faults || !x->work.graph) return false;
    if (read && named) begin_from(x, named);
    read_settings(x);
    const int node = read ? result_node(x) : -1;
    if (convd_faults_count(x->work.faults) || node < 0) return false;
    x->learner = convd_learner_new(x->work.graph, node, &x->set, &x->work.limits.plan,
                                   x->work.threads, x->work.faults);
    return x->learner != NULL;
}

void api_learn_release(struct api_learn *x)
{
    convd_learner_free(x->learner);
    x->learner = NULL;
    api_work_release(&x->work);
}

/* ---- pictures ---- */

/* A decoded file. */
struct decoded {
    struct convd_image_info info;
    void *pixels;
};

static struct convd_decode_options decode_options(const struct api_learn *x)
{
    const struct api_options *o = &x->work.output->o;
    struct convd_decode_options d = {.channels = o->channels,
                                     .raw_orientation = o->raw_orientation,
                                     .max_pixels = x->work.limits.max_pixels,
                                     .max_side = x->work.limits.max_side};
    memcpy(d.background, o->background, sizeof d.background);
    return d;
}

/* Adds what own says, with the file's name in front. */
static void name_fault(struct api_learn *x, const char *name, const struct convd_faults *own)
{
    const struct convd_fault *f = convd_faults_first(own);
    struct convd_fault *to = convd_fault(x->work.faults, f ? f->code : CONVD_NO_MEMORY, NULL,
                                         "%s: %s", name, f ? f->detail : "no memory");
    if (!f) return;
    to->limit = f->limit;
    to->actual = f->actual;
    if (f->expected)
        to->expected = convd_arena_text(x->work.faults->mem, f->expected, strlen(f->expected));
}

static bool decode(struct api_learn *x, const char *name, const void *data, size_t n,
                   const struct convd_decode_options *o, struct decoded *d)
{
    struct convd_faults *own = convd_faults_new();
    *d = (struct decoded){.pixels = NULL};
    bool fine = own && convd_image_info(data, n, o, &d->info, own);
    if (fine && d->info.bytes > x->work.limits.plan.memory && x->work.limits.plan.memory > 0) {
        convd_fault_limit(own, CONVD_TOO_MUCH_MEMORY, NULL, (double)x->work.limits.plan.memory,
                          (double)d->info.bytes, "decoded it takes %zu bytes", d->info.bytes);
        fine = false;
    }
    d->pixels = fine ? convd_take(x->work.memory, d->info.bytes) : NULL;
    fine =
        d->pixels && convd_image_decode(&d->info, data, n, o, x->work.memory, d->pixels, NULL, own);
    if (!fine) {
        own ? name_fault(x, name, own) : (void)no_memory(x);
        convd_give(x->work.memory, d->pixels, d->info.bytes);
        d->pixels = NULL;
    }
    convd_faults_free(own);
    return fine;
}

static struct convd_decode_options target_options(const struct api_learn *x)
{
    struct convd_decode_options o = decode_options(x);
    o.channels = convd_learner_shape(x->learner).c == 1 ? CONVD_GRAY : CONVD_RGB;
    return o;
}

static bool header(struct api_learn *x, size_t file, const void *data, size_t n,
                   const struct convd_decode_options *o, struct convd_image_info *info)
{
    struct convd_faults *own = convd_faults_new();
    const bool fine = own && convd_image_info(data, n, o, info, own);
    if (!fine) own ? name_fault(x, x->names[file], own) : (void)no_memory(x);
    convd_faults_free(own);
    return fine;
}

/* What all examples and learning from them take, from the first one's headers. */
static bool settle_bytes(struct api_learn *x, size_t decoded, bool targets)
{
    const size_t limit = x->work.limits.plan.memory ? x->work.limits.plan.memory : (size_t)1 << 30,
                 needs = convd_learner_needs(x->learner, x->n_examples, targets);
    x->bytes = needs > SIZE_MAX - 2 * decoded ? SIZE_MAX : needs + 2 * decoded;
    if (x->bytes <= limit) return true;
    convd_fault_limit(x->work.faults, CONVD_TOO_MUCH_MEMORY, NULL, (double)limit, (double)x->bytes,
                      "%zu examples and learning from them take %zu MiB", x->n_examples,
                      x->bytes >> 20)
        ->expected = "fewer or smaller examples, a smaller batch_size, or a step in front of the "
                     "learned ones that makes them smaller";
    return false;
}

bool api_learn_look(struct api_learn *x, size_t i, const void *picture, size_t n,
                    const void *target, size_t target_n)
{
    const struct api_learn_example *e = &x->examples[i];
    const struct convd_decode_options o = decode_options(x);
    struct convd_image_info in, out = {.bytes = 0};
    struct convd_example example = {.name = x->names[e->picture], .class = (ptrdiff_t)e->class};
    if (!header(x, e->picture, picture, n, &o, &in) ||
        !convd_learner_plan(x->learner, &in.input, example.name, x->work.faults))
        return false;
    if (e->target != SIZE_MAX) {
        const struct convd_decode_options of_target = target_options(x);
        if (!header(x, e->target, target, target_n, &of_target, &out)) return false;
        example.class = -1;
        example.shape = (struct convd_shape){out.input.n, out.input.channels, out.input.height,
                                             out.input.width};
    }
    example.input = in.input;
    return (i > 0 || convd_learner_fits(x->learner, x->n_classes, x->work.faults)) &&
           convd_learner_takes(x->learner, &example, x->work.faults) &&
           (i > 0 || settle_bytes(x, in.bytes + out.bytes, e->target != SIZE_MAX));
}

static void forget(const struct api_learn *x, struct decoded *d)
{
    convd_give(x->work.memory, d->pixels, d->info.bytes);
    d->pixels = NULL;
}

/* A target as numbers, with as many channels as the pipeline puts out where that is 1 or 3. */
static float *read_target(struct api_learn *x, const char *name, const void *data, size_t n,
                          struct convd_example *e, size_t *bytes)
{
    const struct convd_decode_options o = target_options(x);
    struct decoded d;
    if (!decode(x, name, data, n, &o, &d)) return NULL;
    const struct convd_input *in = &d.info.input;
    e->bounded = in->pixels != CONVD_F32_NCHW;
    e->shape = (struct convd_shape){in->n, in->channels, in->height, in->width};
    *bytes = (size_t)in->channels * (size_t)in->height * (size_t)in->width * sizeof(float);
    float *out = in->n == 1 ? convd_take(x->work.memory, *bytes) : NULL;
    const struct convd_view y = {.data = out,
                                 .c = in->channels,
                                 .h = in->height,
                                 .w = in->width,
                                 .y1 = in->height,
                                 .row = in->width,
                                 .plane = in->height * in->width};
    if (out)
        convd_pixels_unpack(in, d.pixels, 0, &y, convd_simd_choose(getenv("CONVD_ISA")));
    else if (in->n == 1)
        no_memory(x);
    else
        convd_fault_expected(x->work.faults, CONVD_BAD_SHAPE, NULL, "one sample a file",
                             "%s holds %td samples", name, in->n);
    forget(x, &d);
    return out;
}

bool api_learn_add(struct api_learn *x, size_t i, const void *picture, size_t n, const void *target,
                   size_t target_n, struct convd_pool *pool)
{
    const struct api_learn_example *e = &x->examples[i];
    const struct convd_decode_options o = decode_options(x);
    const char *name = x->names[e->picture];
    struct decoded d;
    if (!decode(x, name, picture, n, &o, &d)) return false;
    struct convd_example example = {
        .name = name, .input = d.info.input, .pixels = d.pixels, .class = (ptrdiff_t)e->class};
    size_t bytes = 0;
    float *numbers = NULL;
    bool fine = convd_learner_plan(x->learner, &example.input, name, x->work.faults);
    if (fine && e->target != SIZE_MAX) {
        numbers = read_target(x, x->names[e->target], target, target_n, &example, &bytes);
        example.class = -1;
        example.target = numbers;
        fine = numbers != NULL;
    }
    fine = fine && convd_learner_add(x->learner, &example, pool, x->cancel, x->work.faults);
    convd_give(x->work.memory, numbers, bytes);
    forget(x, &d);
    return fine;
}

/* ---- the run ---- */

bool api_learn_ready(struct api_learn *x)
{
    return convd_learner_ready(x->learner, x->work.faults);
}

bool api_learn_epoch(struct api_learn *x, const struct convd_learn_run *run)
{
    return convd_learner_epoch(x->learner, run, x->work.faults);
}

bool api_learn_done(const struct api_learn *x)
{
    return convd_learner_done(x->learner);
}

bool api_learn_save(const struct api_learn *x, struct convd_bytes *out)
{
    return convd_learner_save(x->learner, out);
}

bool api_learn_load(struct api_learn *x, const void *data, size_t n)
{
    return convd_learner_load(x->learner, data, n, x->work.faults);
}
