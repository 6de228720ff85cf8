/* onnx.c: cases of ONNX's own backend tests: CATEGORY/NAME/case.json with its arrays. Each node is said in convd's steps
 * where the contract can say it; what it cannot say is skipped by name, with the reason. Pass when
 * |got - expected| <= atol + rtol * |expected|. Arrays of less than four dimensions are seen as 1 x … x H x W. */
#include "lib_onnx.h"
#include <dirent.h>
#include <unistd.h>

/* Ops of the same meaning and no parameters. */
static const char *const same[][2] = {
    {"Abs", "abs"},
    {"Neg", "neg"},
    {"Exp", "exp"},
    {"Log", "log"},
    {"Sqrt", "sqrt"},
    {"Sign", "sign"},
    {"Relu", "relu"},
    {"Tanh", "tanh"},
    {"Sigmoid", "sigmoid"},
    {"Round", "round"},
    {"Softplus", "softplus"},
    {"Identity", "dropout"},
    {"HardSwish", "hard_swish"},
    {"GlobalAveragePool", "global_avg_pool"},
    {"GlobalMaxPool", "global_max_pool"},
};
static const char *translate(struct translation *t, const struct convd_value *node)
{
    const char *op = text(node, "op");
    if (strcmp(op, "Dropout") != 0 && !input(t, node, 0)) return "a node without input";
    for (size_t i = 0; i < sizeof same / sizeof *same; i++)
        if (strcmp(same[i][0], op) == 0) {
            plain(t, same[i][1], input(t, node, 0)->map);
            return NULL;
        }
    static const struct translator *const groups[] = {onnx_numbers, onnx_views};
    for (int g = 0; g < 2; g++)
        for (const struct translator *x = groups[g]; x->names; x++)
            if (convd_word_in(x->names, op)) return x->translate(t, node);
    return convd_arena_printf(&t->s->case_mem, "the contract has no %s", op);
}

/* ---- cases ---- */

/* Binds one array of the case. The first that is data is the image. */
static const char *bind(struct translation *t, const char *folder, const struct convd_value *entry,
                        bool *image, struct convd_tensor *picture)
{
    char path[1024];
    if (t->n_values == VALUES) return "too many arrays";
    snprintf(path, sizeof path, "%s/%s", folder, text(entry, "file"));
    struct named *v = &t->values[t->n_values];
    *v = (struct named){.name = text(entry, "name"),
                        .rank = (int)need(entry, "shape")->n,
                        .constant = strcmp(text(entry, "role"), "data") != 0};
    if (v->rank > 4) return "more than four dimensions";
    for (int d = 0; d < v->rank; d++)
        if (need(entry, "shape")->items[d].number == 0)
            return NULL; /* an empty list of axes: as if left out */
    v->tensor = case_tensor(t->s, path, "");
    snprintf(v->weight, sizeof v->weight, "@t%zu", t->n_values);
    snprintf(v->map, sizeof v->map, "@m%zu", t->n_values);
    struct convd_tensor map = as_map(t, &v->tensor);
    if (!*image) {
        *picture = map;
        *image = true;
        snprintf(v->map, sizeof v->map, "image");
    }
    map.name = convd_arena_printf(&t->s->case_mem, "m%zu", t->n_values);
    t->bound[t->n_bound++] = map;
    t->bound[t->n_bound] = v->tensor;
    t->bound[t->n_bound++].name = convd_arena_printf(&t->s->case_mem, "t%zu", t->n_values);
    t->n_values++;
    return NULL;
}

/* Gives the node's results their names, so that later nodes can read them. */
static const char *name_results(struct translation *t, const struct convd_value *node)
{
    const struct convd_value *names = need(node, "outputs");
    const struct named *x = input(t, node, 0);
    if (!t->n_results) { /* one, of the last step */
        int rank = x ? x->rank : 4;
        for (uint32_t k = 1; k < inputs(node) && strcmp(text(node, "op"), "Conv") != 0; k++) {
            const struct named *other = input(t, node, k);
            if (other && other->rank > rank) rank = other->rank;
        }
        result(t, rank);
    }
    for (uint32_t k = 0; k < names->n && k < t->n_results; k++) {
        if (t->n_values == VALUES) return "too many values";
        t->results[k].name = names->items[k].string;
        t->values[t->n_values++] = t->results[k];
    }
    t->n_results = 0;
    return NULL;
}

/* All nodes. NULL, or why not. */
static const char *translate_all(struct translation *t, const struct convd_value *c)
{
    const struct convd_value *nodes = need(c, "nodes"), *defaults = need(c, "defaults");
    const char *not = NULL;
    put(t, "[");
    for (uint32_t i = 0; i < nodes->n && !not; i++) {
        t->last = i + 1 == nodes->n;
        t->attributes = need(&nodes->items[i], "attributes");
        t->defaults = i < defaults->n ? &defaults->items[i] : NULL;
        not = translate(t, &nodes->items[i]);
        if (!not) not = name_results(t, &nodes->items[i]);
    }
    return not;
}

/* One output against its array: the steps so far, and one that gives that value on. */
static bool output_agrees(struct translation *t, const char *folder, const struct convd_value *c,
                          const struct convd_tensor *picture, const struct convd_value *output,
                          char why[256])
{
    const struct named *answer = find(t, text(output, "name"));
    const size_t length = t->length, n_steps = t->n_steps;
    struct convd_tensor got;
    struct convd_value steps;
    char path[1024];
    if (answer) plain(t, "dropout", answer->map);
    put(t, "]");
    if (!api_json_parse(t->steps, t->length, ROOM, &t->s->case_mem, t->s->faults, &steps))
        T_FAIL("%s: %s", folder, t->steps);
    snprintf(path, sizeof path, "%s/%s", folder, text(output, "file"));
    const struct convd_tensor expected = case_tensor(t->s, path, "");
    bool fine = case_run(t->s, &steps, picture, t->bound, t->n_bound, &got, why) &&
                tensors_agree(&expected, &got, number(c, "atol", 0), number(c, "rtol", 0), -1, why);
    t->length = length;
    t->n_steps = n_steps;
    return fine;
}

/* NULL when the case ran (and was counted), else why it cannot be said. */
static const char *run_case(struct suite *s, const char *folder, const char *name)
{
    static struct translation translation;
    struct translation *t = &translation;
    struct convd_tensor picture;
    char path[1024], why[256] = "";
    bool image = false, fine = true;
    snprintf(path, sizeof path, "%s/case.json", folder);
    const struct convd_value c = suite_json(s, path), *nodes = need(&c, "nodes"),
                             *outputs = need(&c, "outputs");
    *t = (struct translation){.s = s, .opset = number(&c, "opset", 13)};
    for (uint32_t i = 0; i < nodes->n; i++)
        t->rows_are_samples |= convd_word_in("Gemm MatMul", text(&nodes->items[i], "op"));
    const struct convd_value *lists[] = {need(&c, "inputs"), need(&c, "params")};
    for (int l = 0; l < 2; l++)
        for (uint32_t i = 0; i < lists[l]->n; i++) {
            const char *not = bind(t, folder, &lists[l]->items[i], &image, &picture);
            if (not) return not;
        }
    const char *not = translate_all(t, &c);
    if (not) return not;
    for (uint32_t i = 0; i < outputs->n && fine; i++)
        if (i == 0 ||
            find(t, text(&outputs->items[i], "name"))) /* a pool's indices are no answer */
            fine = output_agrees(t, folder, &c, &picture, &outputs->items[i], why);
    case_result(s, name, fine, why);
    return NULL;
}

static int visible(const struct dirent *d)
{
    return d->d_name[0] != '.';
}

static void run_category(struct suite *s, const char *category)
{
    char path[1024];
    struct dirent **list;
    const char *root = getenv("TESTDATA");
    snprintf(path, sizeof path, "%s%s%s/%s",
             s->folder[0] == '/' ? ""
             : root              ? root
                                 : "tests/data",
             s->folder[0] == '/' ? "" : "/", s->folder, category);
    int n = scandir(path, &list, visible, alphasort);
    for (int i = 0; i < n; i++) {
        char folder[768];
        snprintf(folder, sizeof folder, "%s/%s", category, list[i]->d_name);
        const char *not = run_case(s, folder, list[i]->d_name);
        if (not) case_skipped(s, list[i]->d_name, not );
        suite_next(s);
        free(list[i]);
    }
    if (n >= 0) free(list);
}

static void run_folder(const char *name)
{
    struct suite s;
    suite_begin(&s, name);
    run_category(&s, "spatial2d");
    run_category(&s, "pointwise");
    size_t failed = s.counts.failed, passed = s.counts.passed;
    suite_end(&s);
    EQ(0, failed);
    OK(passed > 0);
}

TEST(onnx_cases_come_out_the_same)
{
    run_folder("onnx");
}

TEST(onnx_model_cases_come_out_the_same)
{
    char path[1024];
    snprintf(path, sizeof path, "%s/onnx_models", getenv("FIXTURES") ? getenv("FIXTURES") : "");
    if (getenv("FIXTURES") && access(path, R_OK) == 0) run_folder("onnx_models");
}

T_MAIN("conformance/onnx")
