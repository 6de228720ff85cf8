/* lib_run.c: see lib_run.h. */
#include "lib_run.h"
#include "../../api/json.h"

static void keep_fault(struct answer *a, const struct convd_faults *f)
{
    const struct convd_fault *x = convd_faults_first(f);
    a->faults = convd_faults_count(f);
    if (!x) return;
    a->code = x->code;
    snprintf(a->pointer, sizeof a->pointer, "%s", x->pointer);
    snprintf(a->detail, sizeof a->detail, "%s", x->detail);
    snprintf(a->expected, sizeof a->expected, "%s", x->expected ? x->expected : "");
}

static void run_graph(struct answer *a, struct convd_graph *g, int node, struct convd_shape s,
                      const float *x, struct convd_faults *f)
{
    const struct convd_input in = {.pixels = CONVD_F32_NCHW,
                                   .n = s.n,
                                   .height = s.h,
                                   .width = s.w,
                                   .stored = s.c,
                                   .channels = s.c};
    const struct convd_output out = {.node = node, .pixels = CONVD_F32_NCHW};
    struct convd_plan *p = convd_plan_new(g, &in, &out, 1, NULL, 2, f);
    if (!p) return;
    a->shape = convd_plan_shape(p, node);
    a->y = malloc((size_t)(a->shape.n * a->shape.c * a->shape.h * a->shape.w) * sizeof *a->y);
    if (!a->y ||
        !convd_plan_run(p, &(struct convd_run){.input = x, .outputs = (void *[]){a->y}}, f))
        T_FAIL("it does not run");
    convd_plan_free(p);
}

struct answer run_steps(const char *steps, struct convd_shape shape, const float *x,
                        const struct convd_tensor *tensors, size_t n)
{
    struct answer a = {0};
    struct convd_arena mem;
    struct convd_faults *f = convd_faults_new();
    struct convd_graph *g = convd_graph_new(NULL, f);
    struct convd_value v;
    convd_arena_init(&mem, NULL, 0);
    api_json_setup();
    if (!g || !api_json_parse(steps, strlen(steps), 1 << 20, &mem, f, &v))
        T_FAIL("no JSON: %s", steps);
    for (size_t i = 0; i < n; i++)
        if (!convd_graph_tensor(g, &tensors[i])) T_FAIL("no tensor %s", tensors[i].name);
    convd_enter(f, "steps");
    int node = convd_graph_steps(g, &v);
    convd_leave(f, 0);
    if (node >= 0 && convd_faults_count(f) == 0) run_graph(&a, g, node, shape, x, f);
    keep_fault(&a, f);
    convd_graph_free(g);
    convd_faults_free(f);
    convd_arena_release(&mem);
    return a;
}

void answer_free(struct answer *a)
{
    free(a->y);
    *a = (struct answer){0};
}

void expect_numbers(const char *steps, struct convd_shape shape, const float *x,
                    struct convd_shape want, const float *y)
{
    struct answer a = run(steps, shape, x);
    if (!a.y) T_FAIL("%s: %s %s", steps, a.pointer, a.detail);
    if (a.shape.n != want.n || a.shape.c != want.c || a.shape.h != want.h || a.shape.w != want.w)
        T_FAIL("%s: %tdx%tdx%tdx%td", steps, a.shape.n, a.shape.c, a.shape.h, a.shape.w);
    for (ptrdiff_t i = 0; i < want.n * want.c * want.h * want.w; i++) {
        double e = (double)y[i], g = (double)a.y[i];
        if (!(e == g || (e != e && g != g) || fabs(e - g) <= 1e-6 * fmax(fabs(e), 1)))
            T_FAIL("%s: number %td is %.9g, expected %.9g", steps, i, g, e);
    }
    answer_free(&a);
}

void expect_fault(const char *steps, struct convd_shape shape, int code, const char *pointer,
                  const char *detail, const char *expected)
{
    float *x = calloc((size_t)(shape.n * shape.c * shape.h * shape.w), sizeof *x);
    struct answer a = run(steps, shape, x);
    free(x);
    if (a.y) T_FAIL("%s is not refused", steps);
    STR(convd_code_word(code), convd_code_word(a.code));
    STR(pointer, a.pointer);
    STR(detail, a.detail);
    STR(expected, a.expected);
}

void draw(struct t_rng *r, float *x, size_t n, double lo, double hi)
{
    for (size_t i = 0; i < n; i++) x[i] = (float)t_uniform(r, lo, hi);
}
