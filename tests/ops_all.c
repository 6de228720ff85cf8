/* ops_all.c: what holds for every operation, walked over the list. An op that is added is tested here by being listed;
 * what it cannot run without stands in `variants`. */
#include "../api/api.h"
#include "../api/json.h"
#include "../core/plan.h"
#include "t.h"
#include <ctype.h>

/* Parameters to run an op with, beside its defaults; the first line of an op also says what it needs. */
static const struct {
    const char *op, *params;
} variants[] = {
    {"conv", "{\"weight\":[\"identity\"]}"},
    {"conv", "{\"weight\":{\"init\":\"he_normal\",\"seed\":3,\"out_channels\":5,\"kernel_size\":[3,"
             "2]},\"padding\":[2,1,0,3],\"stride\":[1,2]}"},
    {"conv", "{\"weight\":{\"init\":\"uniform\",\"seed\":3,\"out_channels\":2,\"kernel_size\":3},"
             "\"padding\":\"same\",\"padding_mode\":\"circular\","
             "\"dilation\":3,\"bias\":{\"init\":\"zeros\",\"seed\":3}}"},
    {"conv_transpose",
     "{\"weight\":{\"init\":\"he_normal\",\"seed\":3,\"out_channels\":2,\"kernel_size\":3}}"},
    {"conv_transpose", "{\"weight\":{\"init\":\"he_normal\",\"seed\":3,\"out_channels\":3,\"kernel_"
                       "size\":[2,4]},\"stride\":[3,2],\"dilation\":[1,2],"
                       "\"output_padding\":[2,1],\"padding\":[1,0,0,1],\"flip\":true}"},
    {"filter", "{\"kernel\":\"sobel_x\"}"},
    {"filter",
     "{\"kernel\":{\"name\":\"gaussian\",\"size\":9},\"padding_mode\":\"symmetric\",\"delta\":3}"},
    {"max_pool", "{\"kernel_size\":2}"},
    {"max_pool", "{\"kernel_size\":3,\"stride\":2,\"padding\":1,\"ceil_mode\":true}"},
    {"max_pool", "{\"kernel_size\":[1,3],\"stride\":1,\"dilation\":[1,2],\"padding\":[0,3]}"},
    {"min_pool", "{\"kernel_size\":2,\"ceil_mode\":true}"},
    {"min_pool", "{\"kernel_size\":[4,3],\"stride\":[3,1],\"padding\":\"same\"}"},
    {"avg_pool", "{\"kernel_size\":2}"},
    {"avg_pool", "{\"kernel_size\":3,\"stride\":2,\"padding\":1,\"ceil_mode\":true,\"count_include_"
                 "pad\":false}"},
    {"avg_pool",
     "{\"kernel_size\":[2,5],\"stride\":1,\"padding\":[1,4,0,2],\"divisor_override\":3}"},
    {"sum_pool", "{\"kernel_size\":2,\"ceil_mode\":true}"},
    {"sum_pool", "{\"kernel_size\":3,\"stride\":1,\"padding\":2,\"dilation\":[2,1]}"},
    {"lp_pool", "{\"kernel_size\":2}"},
    {"lp_pool",
     "{\"kernel_size\":3,\"stride\":2,\"padding\":1,\"norm_type\":2.5,\"ceil_mode\":true}"},
    {"adaptive_avg_pool", "{\"output_size\":[3,2]}"},
    {"adaptive_avg_pool", "{\"output_size\":[7,19]}"},
    {"adaptive_max_pool", "{\"output_size\":[2,5]}"},
    {"dilate", "{\"kernel_size\":3}"},
    {"dilate", "{\"kernel_size\":[4,7],\"padding_mode\":\"constant\",\"padding_value\":9}"},
    {"dilate", "{\"kernel_size\":[23,2],\"padding_mode\":\"circular\"}"},
    {"erode", "{\"kernel_size\":[1,5]}"},
    {"erode", "{\"kernel_size\":[6,6],\"padding_mode\":\"reflect\"}"},
    {"median", "{\"kernel_size\":3}"},
    {"median", "{\"kernel_size\":5,\"padding_mode\":\"symmetric\"}"},
    {"median", "{\"kernel_size\":[9,11]}"},
    {"median", "{\"kernel_size\":[3,1],\"padding_mode\":\"zeros\"}"},
    {"pow", "{\"exponent\":2}"},
    {"pow", "{\"exponent\":3}"},
    {"leaky_relu", "{\"negative_slope\":-0.25}"},
    {"elu", "{\"alpha\":0.5}"},
    {"scale", "{\"mul\":-0.75,\"add\":3}"},
    {"clamp", "{\"max\":0.5}"},
    {"softmax", "{}"},
    {"clamp", "{\"min\":-1,\"max\":2}"},
    {"threshold", "{\"value\":0}"},
    {"softmax", "{\"dim\":\"height\"}"},
    {"softmax", "{\"dim\":\"width\"}"},
    {"select", "{\"channels\":0}"},
    {"select", "{\"channels\":[1,0,1]}"},
    {"reduce", "{\"fn\":\"mean\"}"},
    {"reduce", "{\"fn\":\"max\",\"dim\":\"height\"}"},
    {"reduce", "{\"fn\":\"min\",\"dim\":\"width\"}"},
    {"reduce", "{\"fn\":\"l2\",\"dim\":\"height\"}"},
    {"reduce", "{\"fn\":\"sum\",\"dim\":\"width\"}"},
    {"shuffle", "{\"groups\":1}"},
    {"shuffle", "{\"groups\":3}"},
    {"pixel_shuffle", "{\"factor\":1}"},
    {"pixel_shuffle", "{\"factor\":3}"},
    {"pixel_unshuffle", "{\"factor\":1}"},
    {"pixel_unshuffle", "{\"factor\":2}"},
    {"linear", "{\"weight\":{\"init\":\"xavier_uniform\",\"seed\":3,\"out_features\":3},"
               "\"bias\":[1,-2,0.5]}"},
    {"batch_norm",
     "{\"weight\":{\"init\":\"normal\",\"seed\":3},\"bias\":2,\"mean\":0.5,\"var\":4,\"eps\":0.1}"},
    {"instance_norm",
     "{\"weight\":{\"init\":\"normal\",\"seed\":3},\"bias\":{\"init\":\"uniform\",\"seed\":3}}"},
    {"lrn", "{\"size\":3}"},
    {"lrn", "{\"size\":4,\"alpha\":0.5,\"beta\":0.5,\"k\":2}"},
    {"normalize", "{\"mean\":1,\"std\":2}"},
    {"minmax", "{\"low\":-1,\"high\":1}"},
    {"resize", "{\"size\":[5,7]}"},
    {"resize", "{\"size\":[19,3],\"mode\":\"nearest\"}"},
    {"resize", "{\"scale_factor\":[1.7,0.6],\"mode\":\"bicubic\"}"},
    {"resize", "{\"size\":[4,11],\"mode\":\"area\"}"},
    {"resize", "{\"scale_factor\":2.5,\"align_corners\":true}"},
    {"crop", "{\"height\":1,\"width\":1}"},
    {"crop", "{\"top\":2,\"left\":1,\"height\":3,\"width\":2}"},
    {"pad", "{\"padding\":[3,1,0,2]}"},
    {"pad", "{\"padding\":[20,17],\"padding_mode\":\"reflect\"}"},
    {"pad", "{\"padding\":[2,0,9,1],\"padding_mode\":\"circular\"}"},
    {"flip", "{\"axis\":\"x\"}"},
    {"flip", "{\"axis\":\"y\"}"},
    {"flip", "{\"axis\":\"xy\"}"},
    {"rotate", "{\"turns\":2}"},
    {"rotate", "{\"turns\":-1}"},
    {"residual", "{\"steps\":[\"relu\"]}"},
    {"residual", "{\"steps\":[{\"op\":\"max_pool\",\"kernel_size\":3,\"stride\":2,\"padding\":1},{"
                 "\"op\":\"concat\",\"inputs\":[\"s0\",\"s0\"]}],"
                 "\"projection\":true}"},
    {"dense", "{\"steps\":[{\"op\":\"select\",\"channels\":0}],\"layers\":3}"},
    {"csp", "{\"steps\":[\"neg\"],\"split\":0.4}"},
    {"se", "{\"reduction\":2}"},
};
enum { VARIANTS = sizeof variants / sizeof *variants };

static struct convd_value parse(const char *json, struct convd_arena *mem, struct convd_faults *f)
{
    struct convd_value v;
    api_json_setup();
    if (!api_json_parse(json, strlen(json), 1 << 20, mem, f, &v)) T_FAIL("no JSON: %s", json);
    return v;
}

/* The first line of an op in the table, or no parameters. */
static const char *needs(const struct convd_op *op)
{
    for (size_t i = 0; i < VARIANTS; i++)
        if (strcmp(variants[i].op, op->name) == 0) return variants[i].params;
    return "{}";
}

static size_t inputs_of(const struct convd_op *op)
{
    return op->min_inputs ? op->min_inputs : 1;
}

/* ---- the rows themselves ---- */

static bool tidy(const char *s)
{
    return s && *s && !isspace((unsigned char)*s) && s[strlen(s) - 1] != '.' && !strchr(s, '\n');
}

TEST(every_row_says_what_it_must)
{
    for (size_t i = 0; i < convd_op_count(); i++) {
        const struct convd_op *op = convd_op_at(i);
        if (!tidy(op->summary) || !tidy(op->source) || !op->forward == !op->expand ||
            (op->forward && !op->algorithm))
            T_FAIL("%s: summary, source, algorithm, and forward or expand", op->name);
        if (op->prepare && !op->cost)
            T_FAIL("%s makes a state and does not say how large", op->name);
        for (const struct convd_param *p = op->params; p && p->name; p++) {
            if (!tidy(p->summary)) T_FAIL("%s: %s has no summary", op->name, p->name);
            if (p->lo > p->hi) T_FAIL("%s: %s has no range", op->name, p->name);
            if (convd_param_find(op->params, p->name) != p)
                T_FAIL("%s: %s twice", op->name, p->name);
            if (p->offset >= op->params_size) T_FAIL("%s: %s lies outside", op->name, p->name);
        }
        OK(convd_op_at(i) == convd_op_find(op->name));
    }
}

/* Each blank-separated word of list leads to op and to nothing before it. */
static void aliases_lead_to(const struct convd_op *op)
{
    char words[512], *save = NULL;
    snprintf(words, sizeof words, "%s", op->aliases ? op->aliases : "");
    for (char *w = strtok_r(words, " ", &save); w; w = strtok_r(NULL, " ", &save))
        if (convd_op_find(w) != op)
            T_FAIL("%s: the alias %s leads to %s", op->name, w, convd_op_find(w)->name);
}

static void names_of_parameters_are_apart(const struct convd_op *op)
{
    for (const struct convd_param *p = op->params; p && p->name; p++) {
        static const char *const taken[] = {"id", "op", "input", "inputs", "learn", "name"};
        char words[512], *save = NULL;
        for (size_t k = 0; k < sizeof taken / sizeof *taken; k++)
            if (strcmp(p->name, taken[k]) == 0 || convd_word_in(p->aliases, taken[k]))
                T_FAIL("%s: %s is %s", op->name, p->name, taken[k]);
        snprintf(words, sizeof words, "%s", p->aliases ? p->aliases : "");
        for (char *w = strtok_r(words, " ", &save); w; w = strtok_r(NULL, " ", &save))
            if (convd_param_find(op->params, w) != p)
                T_FAIL("%s: the alias %s of %s is another's", op->name, w, p->name);
    }
}

TEST(aliases_are_nobody_elses)
{
    for (size_t i = 0; i < convd_op_count(); i++) {
        aliases_lead_to(convd_op_at(i));
        names_of_parameters_are_apart(convd_op_at(i));
    }
}

/* ---- parameters ---- */

struct bound {
    struct convd_arena mem;
    struct convd_faults *f;
    struct convd_bind bind;
    bool fine;
};

/* Whether a is the same parameter as b, or one that cannot be given beside it. */
static bool in_its_place(const struct convd_param *a, const struct convd_param *b)
{
    return a == b || (a->flags & b->flags & CONVD_EITHER);
}

/* Binds what the op needs, with one member more (in place of the same one): name = v. */
static void bind_with(struct bound *b, const struct convd_op *op, const char *name,
                      const struct convd_value *v)
{
    convd_arena_init(&b->mem, NULL, 0);
    b->f = convd_faults_new();
    const struct convd_value base = parse(needs(op), &b->mem, b->f);
    struct convd_arg args[64];
    size_t n = 0;
    const struct convd_param *own = name ? convd_param_find(op->params, name) : NULL;
    for (uint32_t i = 0; i < base.n; i++)
        if (!own || !in_its_place(own, convd_param_find(op->params, base.members[i].name)))
            args[n++] =
                (struct convd_arg){.name = base.members[i].name, .value = &base.members[i].value};
    if (name && v) args[n++] = (struct convd_arg){.name = name, .value = v};
    b->bind = (struct convd_bind){
        .faults = b->f, .mem = &b->mem, .rows = op->params, .what = op->name, .max_kernel = 129};
    b->bind.into = convd_arena_zero(&b->mem, op->params_size + 16);
    convd_place_set(b->f, "/steps/0");
    b->fine = convd_params_bind(&b->bind, args, n);
}

static void unbind(struct bound *b)
{
    convd_faults_free(b->f);
    convd_arena_release(&b->mem);
}

static void accepts(const struct convd_op *op, const struct convd_param *p, double x)
{
    struct bound b;
    const struct convd_value v = convd_number(x);
    bind_with(&b, op, p->name, &v);
    if (!b.fine)
        T_FAIL("%s: %s = %.17g is refused: %s", op->name, p->name, x,
               convd_faults_first(b.f)->detail);
    unbind(&b);
}

static void refuses(const struct convd_op *op, const char *name, const struct convd_value *v,
                    int code)
{
    struct bound b;
    char pointer[128];
    bind_with(&b, op, name, v);
    const struct convd_fault *f = convd_faults_first(b.f);
    if (b.fine || !f)
        T_FAIL("%s: %s = %s is not refused", op->name, name,
               v ? convd_value_show(&b.mem, v) : "nothing");
    snprintf(pointer, sizeof pointer, "/steps/0/%s", name);
    if (strncmp(f->pointer, pointer, strlen(pointer)) != 0)
        T_FAIL("%s: %s points at %s", op->name, name, f->pointer);
    if (f->code != code) T_FAIL("%s: %s is %s", op->name, name, convd_code_word(f->code));
    if (!f->detail || !*f->detail || !f->expected || !*f->expected)
        T_FAIL("%s: %s says nothing", op->name, name);
    unbind(&b);
}

static bool counts(const struct convd_param *p)
{
    return p->type == CONVD_P_INT || p->type == CONVD_P_PAIR || p->type == CONVD_P_PADDING ||
           p->type == CONVD_P_INTS;
}

static bool measures(const struct convd_param *p)
{
    return p->type == CONVD_P_NUMBER || p->type == CONVD_P_NUMPAIR || p->type == CONVD_P_NUMBERS;
}

static void refuses_number(const struct convd_op *op, const struct convd_param *p, double x,
                           int code)
{
    const struct convd_value v = convd_number(x);
    refuses(op, p->name, &v, code);
}

TEST(ranges_hold_at_their_ends_and_not_past_them)
{
    for (size_t i = 0; i < convd_op_count(); i++) {
        const struct convd_op *op = convd_op_at(i);
        for (const struct convd_param *p = op->params; p && p->name; p++) {
            if ((!counts(p) && !measures(p)) || (p->lo == 0 && p->hi == 0)) continue;
            const double ends[] = {p->lo, p->hi};
            for (int k = 0; k < 2; k++) {
                if (isinf(ends[k])) continue;
                double past = counts(p) ? ends[k] + (k ? 1 : -1)
                                        : nextafter(ends[k], k ? INFINITY : -INFINITY);
                accepts(op, p, ends[k]);
                refuses_number(op, p, past, CONVD_OUT_OF_RANGE);
            }
        }
    }
}

TEST(wrong_types_and_unknown_names_are_refused_at_their_place)
{
    const struct convd_value yes = convd_boolean(true), word = convd_string("no such word"),
                             nothing = {.kind = CONVD_NULL};
    const struct convd_value seven = convd_number(7);
    for (size_t i = 0; i < convd_op_count(); i++) {
        const struct convd_op *op = convd_op_at(i);
        refuses(op, "no_such_parameter", &seven, CONVD_UNKNOWN_MEMBER);
        for (const struct convd_param *p = op->params; p && p->name; p++) {
            refuses(op, p->name, &nothing, CONVD_WRONG_TYPE);
            if (p->type != CONVD_P_BOOL) refuses(op, p->name, &yes, CONVD_WRONG_TYPE);
            if (counts(p)) refuses_number(op, p, 1.5, CONVD_WRONG_TYPE);
            if (counts(p) || measures(p) || p->type == CONVD_P_BOOL)
                refuses(op, p->name, &word, CONVD_WRONG_TYPE);
            if (p->type == CONVD_P_WORD) refuses(op, p->name, &word, CONVD_OUT_OF_RANGE);
            if (!p->def) refuses(op, p->name, NULL, CONVD_MISSING);
        }
    }
}

/* What is in the struct can be printed and read back: the same struct in words. */
TEST(parameters_print_and_read_back)
{
    for (size_t i = 0; i < convd_op_count(); i++) {
        const struct convd_op *op = convd_op_at(i);
        struct bound b;
        bind_with(&b, op, NULL, NULL);
        if (!b.fine) T_FAIL("%s: %s", op->name, convd_faults_first(b.f)->detail);
        for (const struct convd_param *p = op->params; p && p->name; p++) {
            const struct convd_value v = convd_param_value(p, b.bind.into, &b.mem);
            if (v.kind == CONVD_NULL) continue; /* left out */
            struct bound again;
            bind_with(&again, op, p->name, &v);
            if (!again.fine)
                T_FAIL("%s: %s = %s is not read back", op->name, p->name,
                       convd_value_show(&b.mem, &v));
            const struct convd_value w = convd_param_value(p, again.bind.into, &again.mem);
            if (!convd_value_equal(&v, &w)) T_FAIL("%s: %s changes", op->name, p->name);
            unbind(&again);
        }
        unbind(&b);
    }
}

/* ---- running ---- */

enum { GUARD = 64 }; /* floats around an output that nobody may touch */
static const float untouched = 12345.678F;

struct job {
    struct convd_arena mem;
    struct convd_faults *f;
    struct convd_graph *g;
    struct convd_plan *plan;
    int node;
    struct convd_shape y;
};

/* One step of op, on the image `inputs` times; behind: "scale" first, so that its input may be overwritten. */
static struct convd_value step_value(struct job *j, const struct convd_op *op, const char *params,
                                     const char *from)
{
    const struct convd_value p = parse(params, &j->mem, j->f);
    struct convd_member *m = convd_arena_array(&j->mem, p.n + 2u, sizeof *m);
    struct convd_value *names = convd_arena_array(&j->mem, inputs_of(op), sizeof *names);
    for (size_t i = 0; i < inputs_of(op); i++) names[i] = convd_string(from);
    m[0] = (struct convd_member){"op", convd_string(op->name)};
    if (p.n) memcpy(m + 1, p.members, p.n * sizeof *m);
    m[p.n + 1] = (struct convd_member){
        "inputs", {.kind = CONVD_ARRAY, .n = (uint32_t)inputs_of(op), .items = names}};
    if (inputs_of(op) == 1) m[p.n + 1] = (struct convd_member){"input", convd_string(from)};
    return (struct convd_value){.kind = CONVD_OBJECT, .n = p.n + 2, .members = m};
}

/* Plans; plan is NULL when the shape was refused, which must be a fault of the right kind at the step. */
static void plan(struct job *j, const struct convd_op *op, const char *params, struct convd_shape x,
                 bool behind)
{
    *j = (struct job){0};
    convd_arena_init(&j->mem, NULL, 0);
    j->f = convd_faults_new();
    j->g = convd_graph_new(NULL, j->f);
    const struct convd_value steps[] = {
        parse("{\"op\":\"scale\",\"id\":\"before\"}", &j->mem, j->f),
        step_value(j, op, params, behind ? "before" : "image"),
    };
    const struct convd_value list = {
        .kind = CONVD_ARRAY, .n = behind ? 2 : 1, .items = behind ? steps : steps + 1};
    convd_enter(j->f, "steps");
    j->node = convd_graph_steps(j->g, &list);
    convd_leave(j->f, 0);
    const struct convd_fault *f = convd_faults_first(j->f);
    if (j->node < 0 || f)
        T_FAIL("%s %s: %s %s", op->name, params, f ? f->pointer : "", f ? f->detail : "");
    const struct convd_input in = {.pixels = CONVD_F32_NCHW,
                                   .n = x.n,
                                   .height = x.h,
                                   .width = x.w,
                                   .stored = x.c,
                                   .channels = x.c};
    const struct convd_output out = {.node = j->node, .pixels = CONVD_F32_NCHW};
    j->plan = convd_plan_new(j->g, &in, &out, 1, NULL, 4, j->f);
    f = convd_faults_first(j->f);
    if (j->plan) {
        j->y = convd_plan_shape(j->plan, j->node);
        return;
    }
    if (!f || (f->code != CONVD_BAD_SHAPE && f->code != CONVD_OUT_OF_RANGE) ||
        strncmp(f->pointer, "/steps/", 7) != 0)
        T_FAIL("%s %s on %tdx%tdx%td: %s %s", op->name, params, x.c, x.h, x.w,
               f ? convd_code_word(f->code) : "no fault", f ? f->detail : "");
}

static void done(struct job *j)
{
    convd_plan_free(j->plan);
    convd_graph_free(j->g);
    convd_faults_free(j->f);
    convd_arena_release(&j->mem);
}

static size_t count_of(struct convd_shape s)
{
    return (size_t)s.n * (size_t)s.c * (size_t)s.h * (size_t)s.w;
}

/* Runs into guarded memory and gives the numbers back (malloc). */
static float *run(struct job *j, const float *x, size_t bands)
{
    size_t n = count_of(j->y), work = convd_plan_workspace(j->plan);
    OK(convd_plan_force_bands(j->plan, bands));
    work = convd_plan_workspace(j->plan);
    float *room = malloc((n + 2 * GUARD) * sizeof *room), *own = malloc(n * sizeof *own + 1);
    char *space = convd_take(NULL, work + GUARD);
    OK(room && own && space);
    for (size_t i = 0; i < n + 2 * GUARD; i++) room[i] = untouched;
    memset(space, 0xff, work + GUARD); /* NaN: what is read and was not written shows */
    OK(convd_plan_run(
        j->plan,
        &(struct convd_run){.input = x, .outputs = (void *[]){room + GUARD}, .workspace = space},
        j->f));
    for (size_t i = 0; i < GUARD; i++) {
        if (room[i] != untouched || room[n + GUARD + i] != untouched)
            T_FAIL("written outside the output");
        if ((unsigned char)space[work + i] != 0xff) T_FAIL("written behind the workspace");
    }
    memcpy(own, room + GUARD, n * sizeof *own);
    convd_give(NULL, space, work + GUARD);
    free(room);
    return own;
}

static bool same(float a, float b)
{
    return a == b || (a != a && b != b);
}

static void expect_same(const struct convd_op *op, const char *params, struct convd_shape x,
                        const char *what, const float *a, const float *b, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (!same(a[i], b[i]))
            T_FAIL("%s %s on %tdx%tdx%tdx%td, %s: number %zu is %.9g and %.9g", op->name, params,
                   x.n, x.c, x.h, x.w, what, i, (double)a[i], (double)b[i]);
}

static void fill(float *x, size_t n, struct t_rng *r, bool special)
{
    static const float odd[] = {NAN, INFINITY, -INFINITY, 1e-40F, -1e-40F, 3e38F, -3e38F, 0, -0.0F};
    for (size_t i = 0; i < n; i++) {
        x[i] = (float)t_uniform(r, -4, 4);
        if (special && t_random(r) % 4 == 0) x[i] = odd[t_random(r) % (sizeof odd / sizeof *odd)];
    }
}

static const struct convd_shape shapes[] = {
    {1, 1, 1, 1}, {1, 3, 1, 7},  {1, 2, 7, 1},   {2, 3, 5, 4},   {1, 4, 2, 3},
    {1, 9, 6, 6}, {1, 17, 3, 5}, {1, 5, 13, 17}, {1, 3, 24, 20}, {3, 1, 8, 31},
};
enum { SHAPES = sizeof shapes / sizeof *shapes };

/* On every shape: the same numbers in 1, 2, 5 and H bands, over an input that may be overwritten and one that may not. */
static size_t agree(const struct convd_op *op, const char *params, bool special, struct t_rng *r)
{
    size_t ran = 0;
    for (size_t k = 0; k < SHAPES; k++) {
        const struct convd_shape s = shapes[k];
        float x[3 * 17 * 31 * 24];
        struct job a, b;
        fill(x, count_of(s), r, special);
        plan(&a, op, params, s, false);
        plan(&b, op, params, s, true);
        EQ(a.plan != NULL, b.plan != NULL);
        if (a.plan) {
            float *whole = run(&a, x, 1), *other = run(&b, x, 1);
            expect_same(op, params, s, "in place", whole, other, count_of(a.y));
            free(other);
            const size_t bands[] = {2, 5, (size_t)a.y.h};
            for (size_t i = 0; i < 3; i++) {
                other = run(&a, x, bands[i]);
                expect_same(op, params, s, "in bands", whole, other, count_of(a.y));
                free(other);
                other = run(
                    &b, x, bands[i]); /* its input holds the rows that were asked for and no more */
                expect_same(op, params, s, "in bands of its input", whole, other, count_of(a.y));
                free(other);
            }
            free(whole);
            ran++;
        }
        done(&a);
        done(&b);
    }
    return ran;
}

static void all_agree(bool special)
{
    struct t_rng r = t_rng(special ? 2 : 1);
    for (size_t i = 0; i < convd_op_count(); i++) {
        const struct convd_op *op = convd_op_at(i);
        bool listed = false;
        for (size_t v = 0; v < VARIANTS; v++)
            if (strcmp(variants[v].op, op->name) == 0) {
                listed = true;
                if (agree(op, variants[v].params, special, &r) == 0)
                    T_FAIL("%s %s runs on no shape", op->name, variants[v].params);
            }
        if (!listed && agree(op, "{}", special, &r) == 0) T_FAIL("%s runs on no shape", op->name);
    }
}

TEST(the_cut_does_not_change_numbers)
{
    all_agree(false);
}
TEST(odd_numbers_do_no_harm)
{
    all_agree(true);
}

TEST(nan_comes_through)
{
    for (size_t i = 0; i < convd_op_count(); i++) {
        const struct convd_op *op = convd_op_at(i);
        const struct convd_shape s = {1, 9, 6, 6};
        float x[9 * 36];
        struct job j;
        for (size_t k = 0; k < 9 * 36; k++) x[k] = NAN;
        plan(&j, op, needs(op), s, false);
        OK(j.plan || strcmp(op->name, "grayscale") == 0);
        if (j.plan) {
            float *y = run(&j, x, 1);
            size_t nan = 0, n = count_of(j.y);
            for (size_t k = 0; k < n; k++) nan += y[k] != y[k];
            bool border = strcmp(op->name, "pad") == 0; /* what pad puts around is a number */
            if (nan == 0 || (nan < n && !border))
                T_FAIL("%s: %zu of %zu numbers are NaN", op->name, nan, n);
            free(y);
        }
        done(&j);
    }
}

/* ---- gradients ---- */

/* How gradients are tried. Numbers are a shuffled ladder: all of them different, none nearer than half a rung to a multiple
 * of a rung, where kinks are. Steps stay below that; where y is smooth they are larger, so that y's own rounding shows less:
 * where it is a plain sum, as large as one likes. */
// clang-format off
static const struct {
    const char *op, *with; /* and what its parameters say, or ""            */
    double from;           /* the ladder begins here; NAN: 0 is its middle  */
    double step;
} smooth[] = {
    {"add", "", NAN, 4}, {"sub", "", NAN, 4}, {"mean", "", NAN, 4}, {"scale", "", NAN, 4}, {"invert", "", NAN, 4},
    {"conv", "", NAN, 4}, {"conv_transpose", "", NAN, 4}, {"filter", "", NAN, 4}, {"linear", "", NAN, 4},
    {"sum_pool", "", NAN, 4}, {"avg_pool", "", NAN, 4}, {"adaptive_avg_pool", "", NAN, 4},
    {"global_sum_pool", "", NAN, 4}, {"global_avg_pool", "", NAN, 4}, {"normalize", "", NAN, 4},
    {"resize", "", NAN, 4}, {"grayscale", "", NAN, 4}, {"reduce", "sum", NAN, 4}, {"reduce", "mean", NAN, 4},
    {"multiply", "", NAN, 1}, {"square", "", NAN, 1}, {"pow", "", NAN, 0.1}, {"batch_norm", "", NAN, 0.1},
    {"instance_norm", "", NAN, 0.1}, {"lrn", "", NAN, 0.03}, {"softmax", "", NAN, 0.2},
    {"exp", "", NAN, 0.01}, {"gelu", "", NAN, 0.06}, {"silu", "", NAN, 0.06}, {"sigmoid", "", NAN, 0.1},
    {"tanh", "", NAN, 0.06}, {"softplus", "", NAN, 0.1}, {"reduce", "l2", NAN, 0.1},
    {"sqrt", "", 1, 0.1}, {"log", "", 1, 0.1}, {"divide", "", 1, 0.1}, {"hypot", "", 1, 0.1}, {"lp_pool", "", 1, 0.4},
};
// clang-format on

enum { SOURCES = 5, LOOKED_AT = 10 };

/* A step on an image and tensors, and what is put into them. */
struct trial {
    const struct convd_op *op;
    const char *params;
    struct convd_shape x;
    struct convd_tensor in[SOURCES]; /* the image, then tensors by name */
    bool weights[SOURCES];           /* this one is a weight            */
    size_t n;
    const char *inputs[3]; /* of the step: "image" and "@a" …; none: the image as often as needed */
    size_t n_inputs;
    double step;
    bool smooth; /* no kinks within a step */
};

static double ladder_from(const struct trial *t, double *step)
{
    *step = 0;
    for (size_t i = 0; i < sizeof smooth / sizeof *smooth; i++)
        if (strcmp(smooth[i].op, t->op->name) == 0 && strstr(t->params, smooth[i].with)) {
            *step = smooth[i].step;
            return smooth[i].from;
        }
    return (double)NAN;
}

static size_t count_of_tensor(const struct convd_tensor *t)
{
    size_t n = 1;
    for (int i = 0; i < t->rank; i++) n *= (size_t)t->dim[i];
    return n;
}

/* The step with weights replaced by "@name". */
static struct convd_value trial_step(struct job *j, const struct trial *t)
{
    struct convd_value v = step_value(j, t->op, t->params, "image");
    struct convd_member *m = convd_arena_array(&j->mem, v.n + SOURCES, sizeof *m);
    memcpy(m, v.members, v.n * sizeof *m);
    if (t->n_inputs) {
        struct convd_value *names = convd_arena_array(&j->mem, t->n_inputs, sizeof *names);
        for (size_t i = 0; i < t->n_inputs; i++) names[i] = convd_string(t->inputs[i]);
        m[v.n - 1] = (struct convd_member){
            "inputs", {.kind = CONVD_ARRAY, .n = (uint32_t)t->n_inputs, .items = names}};
    }
    for (size_t k = 1; k < t->n; k++) {
        uint32_t at = 0;
        if (!t->weights[k]) continue;
        while (at < v.n && strcmp(m[at].name, t->in[k].name) != 0) at++;
        m[at] = (struct convd_member){
            t->in[k].name, convd_string(convd_arena_printf(&j->mem, "@%s", t->in[k].name))};
        v.n += at == v.n;
    }
    v.members = m;
    return v;
}

/* The graph: one such step, or two of them added, or (again) forward alone. */
static void build_trial(struct job *j, const struct trial *t, bool twice)
{
    *j = (struct job){0};
    convd_arena_init(&j->mem, NULL, 0);
    j->f = convd_faults_new();
    j->g = convd_graph_new(NULL, j->f);
    for (size_t k = 1; k < t->n; k++) OK(convd_graph_tensor(j->g, &t->in[k]));
    const struct convd_value steps[] = {
        trial_step(j, t), trial_step(j, t),
        parse("{\"op\":\"add\",\"inputs\":[\"s0\",\"s1\"]}", &j->mem, j->f)};
    const struct convd_value list = {.kind = CONVD_ARRAY, .n = twice ? 3 : 1, .items = steps};
    convd_enter(j->f, "steps");
    j->node = convd_graph_steps(j->g, &list);
    convd_leave(j->f, 0);
    const struct convd_fault *f = convd_faults_first(j->f);
    if (j->node < 0 || f)
        T_FAIL("%s %s: %s %s", t->op->name, t->params, f ? f->pointer : "", f ? f->detail : "");
}

static struct convd_input input_of(const struct trial *t)
{
    return (struct convd_input){.pixels = CONVD_F32_NCHW,
                                .n = t->x.n,
                                .height = t->x.h,
                                .width = t->x.w,
                                .stored = t->x.c,
                                .channels = t->x.c};
}

/* False where shapes were refused. */
static bool plan_trial(struct job *j, const struct trial *t)
{
    const struct convd_input in = input_of(t);
    build_trial(j, t, false);
    const struct convd_output out = {.node = j->node, .pixels = CONVD_F32_NCHW};
    j->plan = convd_plan_new(j->g, &in, &out, 1, NULL, 1, j->f);
    if (j->plan) j->y = convd_plan_shape(j->plan, j->node);
    return j->plan != NULL;
}

/* y of the trial as it is (malloc); its shape in *y. */
static float *forward_of(const struct trial *t, struct convd_shape *y)
{
    struct job j;
    OK(plan_trial(&j, t));
    *y = j.y;
    float *out = malloc(count_of(j.y) * sizeof *out + 1);
    OK(convd_plan_run(
        j.plan, &(struct convd_run){.input = t->in[0].data, .outputs = (void *[]){out}}, j.f));
    done(&j);
    return out;
}

/* A slope of L = sum of u * y, and how far y's own rounding may have moved it (four times what is likely). */
struct slope {
    double value, noise;
};

static struct slope slope_of(const struct trial *t, float *number, double step, const float *u)
{
    const float kept = *number, low = (float)((double)kept - step),
                high = (float)((double)kept + step);
    struct convd_shape s;
    *number = low;
    float *below = forward_of(t, &s);
    *number = high;
    float *above = forward_of(t, &s);
    double sum = 0, squares = 0;
    for (size_t i = 0; i < count_of(s); i++) {
        if (above[i] == below[i]) continue; /* infinite where a window is all border */
        const double y = fmax(fabs((double)above[i]), fabs((double)below[i])) * 1.2e-7;
        sum += (double)u[i] * ((double)above[i] - (double)below[i]);
        squares += (double)u[i] * (double)u[i] * y * y;
    }
    free(below);
    free(above);
    *number = kept;
    const double wide = (double)high - (double)low;
    return (struct slope){sum / wide, 4 * sqrt(squares) / wide};
}

/* Central differences of two widths; of a smooth op the error of the first order is taken out. noise is infinite where they
 * do not agree: at a kink. */
static struct slope difference(const struct trial *t, float *number, const float *u)
{
    const struct slope wide = slope_of(t, number, t->step, u),
                       half = slope_of(t, number, t->step / 2, u);
    if (t->smooth)
        return (struct slope){(4 * half.value - wide.value) / 3, (4 * half.noise + wide.noise) / 3};
    const double apart = fabs(wide.value - half.value) - wide.noise - half.noise;
    return (struct slope){wide.value, apart > 2e-3 * fabs(wide.value) ? INFINITY : wide.noise};
}

/* dL/d all of it, in that many parts; into[k] like in[k] (malloc). */
static void gradients_of(const struct trial *t, bool twice, const float *u, size_t threads,
                         float **into)
{
    struct job j;
    build_trial(&j, t, twice);
    const struct convd_input in = input_of(t);
    struct convd_grad *d = convd_grad_new(j.g, &in, j.node, false, NULL, threads, j.f);
    if (!d) T_FAIL("%s %s: %s", t->op->name, t->params, convd_faults_first(j.f)->detail);
    float *gradients[SOURCES + 1] = {0};
    for (size_t k = 0; k < t->n; k++) into[k] = malloc(count_of_tensor(&t->in[k]) * sizeof(float));
    const struct convd_wrt *w;
    for (size_t i = 0; (w = convd_grad_wrt(d, i)); i++)
        for (size_t k = 0; k < t->n; k++)
            if (strcmp(w->name, t->in[k].name) == 0) gradients[i] = into[k];
    const size_t work = convd_grad_workspace(d);
    char *space = convd_take(NULL, work + GUARD);
    memset(space, 0xff, work + GUARD); /* NaN: what is read and was not written shows */
    OK(convd_grad_run(
        d,
        &(struct convd_grad_run){
            .input = t->in[0].data, .upstream = u, .gradients = gradients, .workspace = space},
        j.f));
    for (size_t i = 0; i < GUARD; i++)
        if ((unsigned char)space[work + i] != 0xff) T_FAIL("written behind the workspace");
    convd_give(NULL, space, work + GUARD);
    convd_grad_free(d);
    done(&j);
}

/* dx does not depend on the parts, and is added to what is there: twice the step is twice the gradient. */
static void check_parts(const struct trial *t, const float *u, float *const *want)
{
    for (size_t run = 0; run < 3; run++) {
        float *got[SOURCES];
        const bool twice = run == 2;
        gradients_of(t, twice, u, run == 0 ? 2 : 5, got);
        for (size_t k = 0; k < t->n; k++) {
            const size_t n = count_of_tensor(&t->in[k]);
            double most = 0;
            for (size_t i = 0; i < n; i++) most = fmax(most, fabs((double)want[k][i]));
            for (size_t i = 0; i < n; i++) {
                const double w = (double)want[k][i] * (twice ? 2 : 1), g = (double)got[k][i];
                const bool exact = !twice && !t->weights[k];
                if (exact ? g != w : !(fabs(g - w) <= 1e-4 * fmax(most, 0.1)))
                    T_FAIL("%s %s on %tdx%tdx%tdx%td: number %zu of %s is %.9g, %s %.9g",
                           t->op->name, t->params, t->x.n, t->x.c, t->x.h, t->x.w, i, t->in[k].name,
                           g, twice ? "given twice not" : "in one part", w);
            }
            free(got[k]);
        }
    }
}

/* Numbers of one input looked at: the largest error beyond noise, as a share of the number (of a twentieth of the largest,
 * where it is smaller). */
static double check_input(const struct trial *t, size_t k, const float *got, const float *u,
                          struct t_rng *r)
{
    const size_t n = count_of_tensor(&t->in[k]), some = n < LOOKED_AT ? n : LOOKED_AT;
    struct slope want[LOOKED_AT];
    size_t at[LOOKED_AT], kinks = 0;
    double most = 0.02, worst = 0;
    for (size_t i = 0; i < some; i++) {
        at[i] = n <= LOOKED_AT ? i : (size_t)t_between(r, 0, (ptrdiff_t)n - 1);
        want[i] = difference(t, &t->in[k].data[at[i]], u);
        kinks += isinf(want[i].noise) != 0;
        most = fmax(most, fabs(want[i].value));
    }
    if (2 * kinks > some) return 0; /* inside a block, where no ladder keeps numbers apart */
    for (size_t i = 0; i < some; i++) {
        const double g = (double)got[at[i]], w = want[i].value, noise = want[i].noise;
        const double error = fmax(fabs(g - w) - noise, 0) / fmax(fabs(w), most / 20);
        if (!(error <= 1e-3) || (noise > most / 3 && !isinf(noise)))
            T_FAIL("%s %s on %tdx%tdx%tdx%td: dL/d number %zu of %s is %.9g, differences say %.9g "
                   "(+-%.1e)",
                   t->op->name, t->params, t->x.n, t->x.c, t->x.h, t->x.w, at[i], t->in[k].name, g,
                   w, noise);
        worst = fmax(worst, error);
    }
    return worst;
}

static double check_gradients(struct trial *t, struct t_rng *r)
{
    struct convd_shape s;
    float *y = forward_of(t, &s), *u = malloc(count_of(s) * sizeof *u + 1), *got[SOURCES];
    double worst = 0;
    free(y);
    for (size_t i = 0; i < count_of(s); i++) u[i] = (float)t_uniform(r, -1, 1);
    gradients_of(t, false, u, 1, got);
    check_parts(t, u, got);
    for (size_t k = 0; k < t->n; k++) {
        worst = fmax(worst, check_input(t, k, got[k], u, r));
        free(got[k]);
    }
    free(u);
    return worst;
}

/* One ladder over all that the step reads. */
static void climb(struct trial *t, struct t_rng *r)
{
    double rung = 0.25;
    size_t n = 0, at = 0;
    for (size_t k = 0; k < t->n; k++) n += count_of_tensor(&t->in[k]);
    while (rung * (double)n > 16) rung /= 2;
    const double from = ladder_from(t, &t->step);
    const double first = isnan(from) ? -(double)(n / 2) * rung : from;
    t->smooth = t->step > 0;
    if (!t->smooth) t->step = fmin(0.45 * rung, 0.02);
    float *all = malloc(n * sizeof *all);
    for (size_t i = 0; i < n; i++) all[i] = (float)(first + ((double)i + 0.5) * rung);
    for (size_t i = n - 1; i > 0; i--) {
        const size_t o = (size_t)t_between(r, 0, (ptrdiff_t)i);
        const float kept = all[i];
        all[i] = all[o];
        all[o] = kept;
    }
    for (size_t k = 0; k < t->n; k++) {
        const size_t count = count_of_tensor(&t->in[k]);
        t->in[k].data = malloc(count * sizeof(float));
        memcpy(t->in[k].data, all + at, count * sizeof(float));
        for (size_t i = 0; i < count && t->weights[k]; i++) /* a variance is above 0 */
            t->in[k].data[i] = (float)t_uniform(r, 0.5, 1.5);
        at += count;
    }
    free(all);
}

/* Weights that are given become tensors, whose gradients are asked for. */
static void name_weights(struct trial *t)
{
    struct job j;
    if (plan_trial(&j, t)) {
        const struct convd_site *s = convd_plan_site(j.plan, j.node);
        for (size_t row = 0; t->op->params && t->op->params[row].name; row++) {
            const struct convd_param *p = &t->op->params[row];
            const struct convd_weight *w = (const void *)((const char *)s->params + p->offset);
            struct convd_tensor shape = {.rank = 0};
            if (p->type != CONVD_P_WEIGHT || (w->kind != CONVD_W_INIT && w->kind != CONVD_W_ARRAY))
                continue;
            if (!t->op->weight_shape(s, row, &shape)) continue;
            shape.name = p->name;
            shape.data = NULL;
            t->weights[t->n] = true;
            t->in[t->n++] = shape;
        }
    }
    done(&j);
}

/* One step on one shape; what else it reads is in t. Returns -1 where it does not run. */
static double try_shape(struct trial t, struct t_rng *r)
{
    double worst = -1;
    struct job j;
    if (t.op->weight_shape) name_weights(&t);
    climb(&t, r);
    if (plan_trial(&j, &t)) worst = check_gradients(&t, r);
    done(&j);
    for (size_t k = 0; k < t.n; k++) free(t.in[k].data);
    return worst;
}

static double try_params(const struct convd_op *op, const char *params, struct t_rng *r)
{
    double worst = -1;
    for (size_t k = 0; k < SHAPES; k++) {
        const struct convd_shape s = shapes[k];
        struct trial t = {.op = op, .params = params, .x = s, .n = 1};
        t.in[0] = (struct convd_tensor){"image", 4, {s.n, s.c, s.h, s.w}, NULL};
        worst = fmax(worst, try_shape(t, r));
        if (op->group != CONVD_MERGING) continue;
        /* tensors that are spread, that are not, and one input twice */
        const struct convd_tensor others[] = {{"a", 4, {s.n, s.c, s.h, s.w}, NULL},
                                              {"b", 3, {s.c, 1, 1, 0}, NULL},
                                              {"b", 2, {s.h, s.w, 0, 0}, NULL},
                                              {"b", 2, {s.h, 1, 0, 0}, NULL},
                                              {"b", 4, {1, 1, 1, 1}, NULL}};
        for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
            t.in[1] = others[i];
            t.n = t.n_inputs = 2;
            const char *other = i == 0 ? "@a" : "@b";
            t.inputs[0] = i % 2 ? other : "image";
            t.inputs[1] = i % 2 ? "image" : other;
            worst = fmax(worst, try_shape(t, r));
            if (i == 0) continue;
            t.in[2] = others[0];
            t.n = t.n_inputs = 3;
            t.inputs[2] = "@a";
            worst = fmax(worst, try_shape(t, r));
        }
        t.in[1] = others[0];
        t.n = 2;
        t.n_inputs = 3;
        t.inputs[0] = t.inputs[2] = "image";
        t.inputs[1] = "@a";
        worst = fmax(worst, try_shape(t, r));
    }
    return worst;
}

TEST(every_row_has_a_way_back_or_says_why_not)
{
    for (size_t i = 0; i < convd_op_count(); i++) {
        const struct convd_op *op = convd_op_at(i);
        const bool way = op->backward || op->expand;
        if (way == (op->no_gradient != NULL) || (!way && !tidy(op->no_gradient)))
            T_FAIL("%s: backward, or no_gradient in words", op->name);
        if (op->back_scratch && !op->backward) T_FAIL("%s: scratch for nothing", op->name);
    }
}

TEST(gradient_matches_difference)
{
    struct t_rng r = t_rng(11);
    double worst = 0;
    for (size_t i = 0; i < convd_op_count(); i++) {
        const struct convd_op *op = convd_op_at(i);
        double w = -1;
        if (!op->backward && !op->expand) continue;
        bool listed = false;
        for (size_t v = 0; v < VARIANTS; v++)
            if (strcmp(variants[v].op, op->name) == 0) {
                listed = true;
                const double e = try_params(op, variants[v].params, &r);
                if (e < 0) T_FAIL("%s %s goes back on no shape", op->name, variants[v].params);
                w = fmax(w, e);
            }
        if (!listed) w = try_params(op, "{}", &r);
        if (w < 0) T_FAIL("%s goes back on no shape", op->name);
        print_message("  %-18s %.1e\n", op->name, w);
        worst = fmax(worst, w);
    }
    print_message("  worst of all       %.1e\n", worst);
}

/* ---- examples ---- */

TEST(examples_run)
{
    for (size_t i = 0; i < convd_op_count(); i++) {
        const struct convd_op *op = convd_op_at(i);
        if (!op->example || *op->example == '[') continue; /* specs: tests/api/test_catalogue.c */
        struct convd_faults *f = convd_faults_new();
        struct convd_graph *g = convd_graph_new(NULL, f);
        char chain[256], *save = NULL;
        int node = -1;
        bool shown = false;
        snprintf(chain, sizeof chain, "%s", op->example);
        for (char *s = strtok_r(chain, "/", &save); s; s = strtok_r(NULL, "/", &save)) {
            node = convd_graph_segment(g, s);
        }
        for (const struct convd_written *w = g->written; w; w = w->next) shown |= w->op == op;
        const struct convd_input in = {
            .pixels = CONVD_U8_HWC, .n = 1, .height = 24, .width = 20, .stored = 3, .channels = 3};
        const struct convd_output out = {.node = node, .pixels = CONVD_F32_NCHW};
        struct convd_plan *p = convd_plan_new(g, &in, &out, 1, NULL, 1, f);
        if (!p || !shown)
            T_FAIL("%s: %s: %s", op->name, op->example,
                   p ? "does not show it" : convd_faults_first(f)->detail);
        uint8_t x[24 * 20 * 3];
        for (size_t k = 0; k < sizeof x; k++) x[k] = (uint8_t)(k * 37);
        float *y = malloc(count_of(convd_plan_shape(p, node)) * sizeof *y);
        OK(y && convd_plan_run(p, &(struct convd_run){.input = x, .outputs = (void *[]){y}}, f));
        free(y);
        convd_plan_free(p);
        convd_graph_free(g);
        convd_faults_free(f);
    }
}

T_MAIN("ops_all")
