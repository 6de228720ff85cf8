/* lib_case.c: see lib_case.h. */
#include "lib_case.h"
#include "../../core/plan.h"

void suite_begin(struct suite *s, const char *name)
{
    *s = (struct suite){0};
    const char *root = getenv("FIXTURES");
    if (root)
        snprintf(s->folder, sizeof s->folder, "%s/%s", root, name);
    else
        snprintf(s->folder, sizeof s->folder, "%s", name); /* of tests/data */
    convd_arena_init(&s->mem, NULL, 0);
    convd_arena_init(&s->case_mem, NULL, 0);
    s->faults = convd_faults_new();
    s->library = s->faults ? api_library_new(s->faults) : NULL;
    if (!s->library) T_FAIL("the library of pipelines does not load");
}

void suite_end(struct suite *s)
{
    print_message("%s: %zu passed, %zu failed, %zu skipped\n", s->folder, s->counts.passed,
                  s->counts.failed, s->counts.skipped);
    api_library_free(s->library);
    convd_faults_free(s->faults);
    convd_arena_release(&s->case_mem);
    convd_arena_release(&s->mem);
}

void suite_next(struct suite *s)
{
    convd_arena_reset(&s->case_mem);
    convd_faults_free(s->faults);
    s->faults = convd_faults_new();
}

static void *suite_file(const struct suite *s, const char *path, size_t *n)
{
    char full[1024];
    snprintf(full, sizeof full, "%s/%s", s->folder, path);
    return t_file(full, n);
}

struct convd_value suite_json(struct suite *s, const char *path)
{
    size_t n;
    char *data = suite_file(s, path, &n);
    struct convd_value v;
    if (!api_json_parse(data, n, n, &s->mem, s->faults, &v)) {
        const struct convd_fault *f = convd_faults_first(s->faults);
        T_FAIL("%s/%s: %s", s->folder, path, f ? f->detail : "?");
    }
    free(data);
    return v;
}

const struct convd_value *need(const struct convd_value *v, const char *member)
{
    const struct convd_value *x = convd_value_get(v, member);
    if (!x) T_FAIL("a case has no member %s", member);
    return x;
}

const char *text(const struct convd_value *v, const char *member)
{
    const struct convd_value *x = convd_value_get(v, member);
    return x && x->kind == CONVD_STRING ? x->string : NULL;
}

double number(const struct convd_value *v, const char *member, double otherwise)
{
    const struct convd_value *x = convd_value_get(v, member);
    return x && x->kind == CONVD_NUMBER ? x->number : otherwise;
}

size_t tensor_count(const struct convd_tensor *t)
{
    size_t n = 1;
    for (int d = 0; d < t->rank; d++) n *= (size_t)t->dim[d];
    return n;
}

struct convd_tensor case_tensor(struct suite *s, const char *path, const char *name)
{
    size_t n;
    void *data = suite_file(s, path, &n);
    struct convd_stored stored;
    if (!convd_npy_open(data, n, &stored, &s->case_mem, s->faults))
        T_FAIL("%s/%s is no npy", s->folder, path);
    struct convd_tensor t = {.name = name, .rank = stored.rank};
    memcpy(t.dim, stored.dim, sizeof t.dim);
    t.data = convd_arena_array(&s->case_mem, stored.count ? stored.count : 1, sizeof *t.data);
    if (!t.data) T_FAIL("no memory for %s", path);
    convd_stored_read(&stored, t.data);
    free(data);
    return t;
}

struct convd_shape case_shape(const struct convd_tensor *t)
{
    ptrdiff_t d[4] = {1, 1, 1, 1};
    for (int i = 0; i < t->rank; i++) d[4 - t->rank + i] = t->dim[i];
    return (struct convd_shape){d[0], d[1], d[2], d[3]};
}

static bool refuse(const struct suite *s, char why[256])
{
    const struct convd_fault *f = convd_faults_first(s->faults);
    snprintf(why, 256, "%s %s: %s", f ? f->pointer : "", f ? convd_code_word(f->code) : "",
             f ? f->detail : "no result");
    return false;
}

static bool run_plan(struct suite *s, struct convd_graph *g, int node,
                     const struct convd_tensor *image, struct convd_tensor *out, char why[256])
{
    const struct convd_shape x = case_shape(image);
    const struct convd_input in = {.pixels = CONVD_F32_NCHW,
                                   .n = x.n,
                                   .height = x.h,
                                   .width = x.w,
                                   .stored = x.c,
                                   .channels = x.c};
    const struct convd_output want = {.node = node, .pixels = CONVD_F32_NCHW};
    struct convd_plan *p = convd_plan_new(g, &in, &want, 1, NULL, 1, s->faults);
    if (!p) return refuse(s, why);
    const struct convd_shape y = convd_plan_shape(p, node);
    *out = (struct convd_tensor){.name = "", .rank = 4, .dim = {y.n, y.c, y.h, y.w}};
    out->data = convd_arena_array(&s->case_mem, tensor_count(out), sizeof *out->data);
    bool fine = out->data &&
                convd_plan_run(
                    p, &(struct convd_run){.input = image->data, .outputs = (void *[]){out->data}},
                    s->faults);
    convd_plan_free(p);
    return fine || refuse(s, why);
}

/* The graph of the steps, and its last node; NULL after faults. */
static struct convd_graph *build(struct suite *s, const struct convd_value *steps,
                                 const struct convd_tensor *tensors, size_t n, int *node)
{
    struct convd_graph *g = convd_graph_new(NULL, s->faults);
    const struct convd_value one = {.kind = CONVD_ARRAY, .n = 1, .items = steps};
    if (!g) T_FAIL("no memory for a graph");
    convd_graph_setup(g, api_library_names(s->library), NULL);
    bool fine = true;
    for (size_t i = 0; i < n; i++)
        fine &= convd_graph_tensor(g, &tensors[i]);
    convd_enter(s->faults, "steps");
    *node = convd_graph_steps(g, steps->kind == CONVD_ARRAY ? steps : &one);
    convd_leave(s->faults, 0);
    if (fine && *node >= 0 && convd_faults_count(s->faults) == 0)
        return g;
    convd_graph_free(g);
    return NULL;
}

bool case_run(struct suite *s, const struct convd_value *steps, const struct convd_tensor *image,
              const struct convd_tensor *tensors, size_t n, struct convd_tensor *out, char why[256])
{
    int node;
    struct convd_graph *g = build(s, steps, tensors, n, &node);
    bool fine = g ? run_plan(s, g, node, image, out, why) : refuse(s, why);
    convd_graph_free(g);
    return fine;
}

/* Finds each gradient that is asked for by its name, and runs. */
static bool run_gradient(struct suite *s, const struct convd_grad *d,
                         const struct convd_tensor *image, const float *upstream,
                         struct convd_tensor *out, size_t n, size_t threads, char why[256])
{
    const struct convd_wrt *w;
    float *into[256] = {0};
    for (size_t i = 0; (w = convd_grad_wrt(d, i)) && i < 256; i++)
        for (size_t k = 0; k < n; k++)
            if (strcmp(w->name, out[k].name) == 0) {
                EQ(tensor_count(&out[k]), w->count);
                out[k].data = into[i] = convd_arena_array(&s->case_mem, w->count, sizeof(float));
            }
    for (size_t k = 0; k < n; k++)
        if (!out[k].data) T_FAIL("no gradient is named %s", out[k].name);
    struct convd_pool *pool = threads > 1 ? convd_pool_new(threads) : NULL;
    const struct convd_grad_run run = {
        .input = image->data, .upstream = upstream, .gradients = into, .pool = pool};
    bool fine = convd_grad_run(d, &run, s->faults);
    convd_pool_free(pool);
    return fine || refuse(s, why);
}

bool case_gradient(struct suite *s, const struct convd_value *steps,
                   const struct convd_tensor *image, const struct convd_tensor *tensors, size_t n,
                   const struct convd_tensor *upstream, size_t threads, struct convd_tensor *out,
                   char why[256])
{
    int node;
    struct convd_graph *g = build(s, steps, tensors, n, &node);
    if (!g)
        return refuse(s, why);
    const struct convd_shape x = case_shape(image);
    const struct convd_input in = {.pixels = CONVD_F32_NCHW,
                                   .n = x.n,
                                   .height = x.h,
                                   .width = x.w,
                                   .stored = x.c,
                                   .channels = x.c};
    struct convd_grad *d = convd_grad_new(g, &in, node, false, NULL, threads, s->faults);
    bool fine = d != NULL;
    if (d) {
        const struct convd_shape y = convd_grad_shape(d);
        EQ(tensor_count(upstream), y.n * y.c * y.h * y.w);
        out[0] = *image;
        for (size_t i = 0; i < n; i++)
            out[1 + i] = tensors[i];
        for (size_t i = 0; i <= n; i++)
            out[i].data = NULL;
        fine = run_gradient(s, d, image, upstream->data, out, n + 1, threads, why);
    } else {
        refuse(s, why);
    }
    convd_grad_free(d);
    convd_graph_free(g);
    return fine;
}

void case_result(struct suite *s, const char *name, bool passed, const char *why)
{
    s->counts.passed += passed;
    s->counts.failed += !passed;
    if (!passed) print_error("failed: %s/%s: %s\n", s->folder, name, why);
}

void case_skipped(struct suite *s, const char *name, const char *why)
{
    s->counts.skipped++;
    print_message("skipped: %s: %s\n", name, why);
}

double largest(const struct convd_tensor *t)
{
    double most = 0;
    for (size_t i = 0; i < tensor_count(t); i++) most = fmax(most, fabs((double)t->data[i]));
    return most;
}

bool tensors_agree(const struct convd_tensor *expected, const struct convd_tensor *got, double abs,
                   double rel, double scale, char why[256])
{
    if (tensor_count(expected) != tensor_count(got)) {
        snprintf(why, 256, "%zu numbers expected, %zu came", tensor_count(expected),
                 tensor_count(got));
        return false;
    }
    for (size_t i = 0; i < tensor_count(got); i++) {
        double e = (double)expected->data[i], g = (double)got->data[i];
        double room = abs + rel * (scale < 0 ? fabs(e) : scale);
        if (e == g || (isnan(e) && isnan(g)) || fabs(e - g) <= room) continue;
        snprintf(why, 256, "number %zu is %.9g, expected %.9g (tolerance %.3g)", i, g, e, room);
        return false;
    }
    return true;
}
