/* Gradients and learning by a program that knows convd.h alone. */
#include "../../core/convd.h"

#include "../t.h"

enum { SIDE = 12, EXAMPLES = 24 };

static struct convd_input gray(void)
{
    return (struct convd_input){.pixels = CONVD_F32_NCHW,
                                .n = 1,
                                .height = SIDE,
                                .width = SIDE,
                                .stored = 1,
                                .channels = 1};
}

static void fill(float *x, size_t n, uint64_t seed)
{
    struct t_rng r = t_rng(seed);
    for (size_t i = 0; i < n; i++) x[i] = (float)t_between(&r, 0, 255) / 16;
}

/* What a run of the graph's node gives, added up with those factors. */
static double answer(struct convd_graph *g, int node, const float *x, const float *factor,
                     struct convd_faults *f)
{
    static float y[SIDE * SIDE];
    struct convd_input in = gray();
    struct convd_output out = {.node = node, .pixels = CONVD_F32_NCHW};
    struct convd_plan *p = convd_plan_new(g, &in, &out, 1, NULL, 1, f);
    OK(p && convd_plan_run(p, &(struct convd_run){.input = x, .outputs = (void *[]){y}}, f));
    double sum = 0;
    for (size_t i = 0; i < SIDE * SIDE; i++) sum += (double)(y[i] * factor[i]);
    convd_plan_free(p);
    return sum;
}

/* dL/dx of a filter is the same for any x: so a difference of any size is it exactly. */
TEST(gradients_are_what_changes_of_the_picture_make)
{
    static float x[SIDE * SIDE], upstream[SIDE * SIDE], dx[SIDE * SIDE];
    fill(x, SIDE * SIDE, 1), fill(upstream, SIDE * SIDE, 2);
    struct convd_faults *f = convd_faults_new();
    struct convd_graph *g = convd_graph_new(NULL, f);
    const int node = convd_graph_add(g, "filter", "kirsch_ne", CONVD_IMAGE);
    struct convd_input in = gray();
    struct convd_grad *d = convd_grad_new(g, &in, node, false, NULL, 1, f);
    OK(d && convd_grad_wrt(d, 0) && convd_grad_wrt(d, 0)->kind == CONVD_WRT_IMAGE);
    OK(convd_grad_run(
        d, &(struct convd_grad_run){.input = x, .upstream = upstream, .gradients = (float *[]){dx}},
        f));
    const double before = answer(g, node, x, upstream, f);
    for (size_t i = 0; i < SIDE * SIDE; i += 5) {
        const float was = x[i];
        x[i] += 4;
        NEAR(4 * (double)dx[i], answer(g, node, x, upstream, f) - before, 0.05);
        x[i] = was;
    }
    convd_grad_free(d);
    convd_graph_free(g);
    convd_faults_free(f);
}

/* Pairs made with a kernel teach that kernel, and plans of the graph have it from then on. */
TEST(a_kernel_is_learned_from_pairs)
{
    static const float truth[9] = {1, 0, -1, 2, 0.5f, -2, 1, 0, -1};
    static float x[EXAMPLES][SIDE * SIDE], y[EXAMPLES][SIDE * SIDE], zeros[9];
    struct convd_faults *f = convd_faults_new();
    struct convd_graph *g = convd_graph_new(NULL, f);
    struct convd_tensor is = {.name = "k", .rank = 4, .dim = {1, 1, 3, 3}, .data = zeros},
                        was = {.name = "truth",
                               .rank = 4,
                               .dim = {1, 1, 3, 3},
                               .data = (float *)(uintptr_t)truth};
    OK(convd_graph_tensor(g, &is) && convd_graph_tensor(g, &was));
    const int node = convd_graph_add(g, "conv", "weight=@k,padding=same", CONVD_IMAGE),
              right = convd_graph_add(g, "conv", "weight=@truth,padding=same", CONVD_IMAGE),
              relu = convd_graph_add(g, "relu", "", node);
    OK(convd_graph_learn(g, node, true));
    OK(!convd_graph_learn(g, relu, true) && !convd_graph_learn(g, -1, true) &&
       !convd_graph_learn(g, 99, true));
    struct convd_input in = gray();
    struct convd_output out = {.node = right, .pixels = CONVD_F32_NCHW};
    struct convd_plan *p = convd_plan_new(g, &in, &out, 1, NULL, 1, f);
    struct convd_learner *l =
        convd_learner_open(g, node, "epochs=200,lr=0.05,loss=mse,batch_size=4", NULL, 1, f);
    OK(p && l);
    for (size_t i = 0; i < EXAMPLES; i++) {
        fill(x[i], SIDE * SIDE, i + 1);
        OK(convd_plan_run(p, &(struct convd_run){.input = x[i], .outputs = (void *[]){y[i]}}, f));
        OK(convd_learner_add(l,
                             &(struct convd_example){.name = "pair",
                                                     .input = in,
                                                     .pixels = x[i],
                                                     .class = -1,
                                                     .shape = {1, 1, SIDE, SIDE},
                                                     .target = y[i]},
                             NULL, NULL, f));
    }
    OK(convd_learner_ready(l, f) && convd_learner_run(l, &(struct convd_learn_run){0}, f) &&
       convd_learner_done(l));
    const struct convd_learned *w = convd_learner_weight(l, 0);
    OK(w && w->count == 9 && !convd_learner_weight(l, 1));
    for (int k = 0; k < 9; k++) NEAR((double)truth[k], (double)w->now.data[k], 0.02);
    size_t rows;
    const struct convd_curve *curve = convd_learner_curve(l, &rows);
    EQ(200, rows);
    OK(curve[199].loss < 1e-3 * curve[0].loss);
    static float ones[SIDE * SIDE];
    for (size_t i = 0; i < SIDE * SIDE; i++) ones[i] = 1;
    NEAR(answer(g, right, x[0], ones, f), answer(g, node, x[0], ones, f), 5);
    EQ(0, convd_faults_count(f));
    convd_learner_free(l);
    convd_plan_free(p);
    convd_graph_free(g);
    convd_faults_free(f);
}

TEST(settings_that_are_none_are_faults)
{
    struct convd_faults *f = convd_faults_new();
    struct convd_graph *g = convd_graph_new(NULL, f);
    const int node = convd_graph_add(g, "filter", "box", CONVD_IMAGE);
    OK(!convd_learner_open(g, node, "epochs=0", NULL, 1, f));
    EQ(1, convd_faults_count(f));
    OK(!convd_learner_open(g, node, "epoch=3", NULL, 1, f));
    EQ(2, convd_faults_count(f));
    convd_graph_free(g);
    convd_faults_free(f);
}

T_MAIN("core/face")
