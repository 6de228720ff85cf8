/* learn.c: losses, update rules and whole runs against PyTorch's (computed there in float64), step by step:
 * |got - expected| <= rel * max(largest |expected|, 1e-3). */
#include "../../core/learn/learn.h"
#include "../../core/learn/rules.h"
#include "../../core/threads.h"
#include "lib_case.h"

enum { WEIGHTS = 16 };

static struct convd_tensor file_of(struct suite *s, const char *name, const char *file)
{
    char path[256];
    snprintf(path, sizeof path, "%s/%s.npy", name, file);
    return case_tensor(s, path, file);
}

/* ---- losses ---- */

static int word(const char *const *words, const char *w)
{
    for (int i = 0; words[i]; i++)
        if (strcmp(words[i], w) == 0) return i;
    T_FAIL("no word %s", w);
    return -1;
}

static void lose(struct suite *s, const struct convd_value *c)
{
    const char *name = text(c, "name");
    const struct convd_tensor y = file_of(s, name, "input"), target = file_of(s, name, "target"),
                              expected = file_of(s, name, "grad_input");
    struct convd_tensor got = y;
    const size_t count = tensor_count(&y) / (size_t)y.dim[0];
    double value = 0;
    char why[256];
    got.data = convd_arena_array(&s->case_mem, tensor_count(&y), sizeof(float));
    const enum convd_loss kind = (enum convd_loss)word(convd_loss_words, text(c, "loss"));
    for (ptrdiff_t n = 0; n < y.dim[0]; n++)
        value +=
            convd_loss(kind, y.data + (size_t)n * count, count,
                       kind == CONVD_CROSS_ENTROPY ? (ptrdiff_t)target.data[n] : -1,
                       target.data + (size_t)n * count, false, y.dim[0], got.data + (size_t)n * count);
    const double rel = number(c, "rel", 0);
    NEAR(number(c, "value", NAN), value, rel * fabs(value));
    bool fine = tensors_agree(&expected, &got, 0, rel, fmax(largest(&expected), 1e-3), why);
    case_result(s, name, fine, why);
}

TEST(torch_losses_and_their_gradients_come_out_the_same)
{
    struct suite s;
    suite_begin(&s, "learn");
    const struct convd_value manifest = suite_json(&s, "manifest.json"),
                             *cases = need(&manifest, "losses");
    for (uint32_t i = 0; i < cases->n; i++, suite_next(&s)) lose(&s, &cases->items[i]);
    size_t failed = s.counts.failed, passed = s.counts.passed;
    suite_end(&s);
    EQ(0, failed);
    EQ(9, passed);
}

/* ---- runs ---- */

static struct convd_learn_settings settings_of(struct suite *s, const struct convd_value *v,
                                               const char *optimizer)
{
    struct convd_learn_settings x;
    struct convd_arg args[32];
    size_t n = 0;
    for (; n < v->n; n++)
        args[n] = (struct convd_arg){.name = v->members[n].name, .value = &v->members[n].value};
    if (optimizer) {
        args[n++] = (struct convd_arg){.name = "optimizer", .text = optimizer};
        args[n++] = (struct convd_arg){.name = "epochs", .text = "6"};
    }
    OK(convd_learn_read(args, n, &x, &s->case_mem, s->faults));
    return x;
}

static struct convd_graph *graph_of(struct suite *s, const struct convd_value *steps,
                                    const struct convd_tensor *tensors, size_t n, int *node)
{
    struct convd_graph *g = convd_graph_new(NULL, s->faults);
    convd_graph_setup(g, NULL, NULL);
    for (size_t i = 0; i < n; i++) OK(convd_graph_tensor(g, &tensors[i]));
    *node = convd_graph_steps(g, steps);
    OK(*node > 0);
    return g;
}

static void add_examples(struct suite *s, struct convd_learner *l, const struct convd_tensor *image,
                         const struct convd_tensor *target, bool classes)
{
    const struct convd_shape x = case_shape(image), t = case_shape(target);
    const size_t count = (size_t)(x.c * x.h * x.w);
    for (ptrdiff_t n = 0; n < x.n; n++) {
        char name[32];
        snprintf(name, sizeof name, "example %td", n);
        const struct convd_example e = {
            .name = name,
            .input = {.pixels = CONVD_F32_NCHW,
                      .n = 1,
                      .height = x.h,
                      .width = x.w,
                      .stored = x.c,
                      .channels = x.c},
            .pixels = image->data + (size_t)n * count,
            .class = classes ? (ptrdiff_t)target->data[n] : -1,
            .shape = {1, t.c, t.h, t.w},
            .target = target->data + n * t.c * t.h * t.w,
        };
        if (!convd_learner_add(l, &e, NULL, NULL, s->faults))
            T_FAIL("%s", convd_faults_first(s->faults)->detail);
    }
    if (!convd_learner_ready(l, s->faults)) T_FAIL("%s", convd_faults_first(s->faults)->detail);
}

/* What the weights should be after each step: a row of `steps`, or files. */
struct watch {
    struct suite *s;
    struct convd_learner *l;
    const struct convd_value *of;
    const char *const *names; /* of the files of a step; NULL: rows    */
    struct convd_tensor rows;
    size_t step;
    bool failed;
};

static void compare(struct watch *w, const struct convd_learned *x, const float *expected,
                    const char *name)
{
    struct convd_tensor e = x->now;
    char why[256];
    e.data = (float *)(uintptr_t)expected;
    if (w->failed ||
        tensors_agree(&e, &x->now, 0, number(w->of, "rel", 0), fmax(largest(&e), 1e-3), why))
        return;
    w->failed = true;
    print_message("%s, step %zu, %s: %s\n", text(w->of, "name"), w->step + 1, name, why);
}

static const struct convd_learned *named(const struct convd_learner *l, const char *name)
{
    const struct convd_learned *x;
    for (size_t i = 0; (x = convd_learner_weight(l, i)); i++)
        if (strcmp(x->name, name) == 0) return x;
    T_FAIL("nothing learned is called %s", name);
    return NULL;
}

static void look(void *self, const struct convd_learn_news *n)
{
    struct watch *w = self;
    if (n->curve) {
        const double e = need(w->of, "losses")->items[n->epoch - 1].number;
        if (!w->names) NEAR(e, n->curve->loss, 1e-4 * e);
        return;
    }
    if (w->names) {
        if (w->step == 5) return;
        for (size_t i = 0; w->names[i]; i++) {
            char file[64];
            snprintf(file, sizeof file, "step%zu_%s", w->step + 1, w->names[i]);
            const struct convd_tensor e = file_of(w->s, text(w->of, "name"), file);
            compare(w, convd_learner_weight(w->l, i), e.data, w->names[i]);
        }
        NEAR(need(w->of, "losses")->items[w->step].number, n->loss, 1e-4 * n->loss);
    } else {
        const struct convd_value *names = need(w->of, "weights");
        const float *row = w->rows.data + w->step * (size_t)w->rows.dim[1];
        for (uint32_t i = 0; i < names->n; i++) {
            const struct convd_learned *x = named(w->l, names->items[i].string);
            compare(w, x, row, names->items[i].string);
            row += x->count;
        }
    }
    w->step++;
}

static void learn(struct suite *s, struct watch *w, struct convd_graph *g, int node,
                  const struct convd_learn_settings *x, size_t threads)
{
    const char *name = text(w->of, "name");
    const struct convd_tensor image = file_of(s, name, "image"),
                              target = file_of(s, name, "target");
    struct convd_pool *pool = convd_pool_new(threads);
    w->s = s;
    w->l = convd_learner_new(g, node, x, NULL, threads, s->faults);
    add_examples(s, w->l, &image, &target,
                 x->loss == CONVD_CROSS_ENTROPY || x->loss == CONVD_LOSS_BY_DATA);
    const struct convd_learn_run run = {.pool = pool, .news = look, .self = w};
    if (!convd_learner_run(w->l, &run, s->faults))
        T_FAIL("%s", convd_faults_first(s->faults)->detail);
    OK(w->step > 0);
    convd_learner_free(w->l);
    convd_pool_free(pool);
    convd_graph_free(g);
    case_result(s, name, !w->failed, "see above");
}

static void optimise(struct suite *s, const struct convd_value *c, size_t threads)
{
    static const char *const names[] = {"conv_w", "conv_b", "fc_w", "fc_b", NULL};
    struct watch w = {.of = c, .names = names};
    struct convd_tensor t[4];
    int node;
    for (size_t i = 0; i < 4; i++) {
        char file[64];
        snprintf(file, sizeof file, "step0_%s", names[i]);
        t[i] = file_of(s, text(c, "name"), file);
        t[i].name = names[i];
    }
    struct convd_learn_settings x = settings_of(s, need(c, "settings"), text(c, "optimizer"));
    x.batch_size = 4;
    struct convd_graph *g = graph_of(s, need(c, "steps"), t, 4, &node);
    for (size_t v = 1; v < g->n_nodes; v++) g->nodes[v].learn = 1;
    learn(s, &w, g, node, &x, threads);
}

TEST(every_step_of_torchs_optimizers_comes_out_the_same)
{
    struct suite s;
    suite_begin(&s, "learn");
    const struct convd_value manifest = suite_json(&s, "manifest.json"),
                             *cases = need(&manifest, "optimisers");
    for (size_t threads = 1; threads <= 3; threads += 2)
        for (uint32_t i = 0; i < cases->n; i++, suite_next(&s))
            optimise(&s, &cases->items[i], threads);
    size_t failed = s.counts.failed, passed = s.counts.passed;
    suite_end(&s);
    EQ(0, failed);
    EQ(14, passed);
}

static void whole_run(struct suite *s, const struct convd_value *c, size_t threads)
{
    struct watch w = {.of = c};
    struct convd_tensor t[WEIGHTS];
    const struct convd_value *names = need(c, "weights");
    int node;
    for (uint32_t i = 0; i < names->n; i++) {
        char *file =
            convd_arena_text(&s->case_mem, names->items[i].string, strlen(names->items[i].string));
        for (char *p = file; *p; p++) *p = *p == '.' ? '_' : *p;
        t[i] = file_of(s, text(c, "name"), file);
        t[i].name = file;
    }
    w.rows = file_of(s, text(c, "name"), "steps");
    const struct convd_learn_settings x = settings_of(s, need(c, "settings"), NULL);
    struct convd_graph *g = graph_of(s, need(c, "steps"), t, names->n, &node);
    learn(s, &w, g, node, &x, threads);
    EQ(w.rows.dim[0], w.step);
}

TEST(whole_runs_of_torch_come_out_the_same_step_by_step)
{
    struct suite s;
    suite_begin(&s, "learn");
    const struct convd_value manifest = suite_json(&s, "manifest.json"),
                             *cases = need(&manifest, "runs");
    for (size_t threads = 1; threads <= 3; threads += 2)
        for (uint32_t i = 0; i < cases->n; i++, suite_next(&s))
            whole_run(&s, &cases->items[i], threads);
    size_t failed = s.counts.failed, passed = s.counts.passed;
    suite_end(&s);
    EQ(0, failed);
    EQ(6, passed);
}

T_MAIN("conformance/learn")
