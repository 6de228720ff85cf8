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

/* dL/d image of the pools that are there, added up. */
static void back_through(const char *first, const char *second, const float *x, const float *up,
                         float *dx)
{
    const struct convd_input in = {
        .pixels = CONVD_F32_NCHW, .n = 1, .height = 6, .width = 40, .stored = 1, .channels = 1};
    struct convd_faults *f = convd_faults_new();
    struct convd_graph *g = convd_graph_new(NULL, f);
    int node = convd_graph_add(g, "max_pool", first, CONVD_IMAGE);
    if (second)
        node = convd_graph_add(g, "add", "", node,
                               convd_graph_add(g, "max_pool", second, CONVD_IMAGE));
    struct convd_grad *d = convd_grad_new(g, &in, node, false, NULL, 1, f);
    OK(d &&
       convd_grad_run(
           d, &(struct convd_grad_run){.input = x, .upstream = up, .gradients = (float *[]){dx}},
           f));
    convd_grad_free(d);
    convd_graph_free(g);
    convd_faults_free(f);
}

TEST(pools_of_one_map_add_their_gradients)
{
    static const char *const pools[] = {"3,2,padding=1", "2", "5x3,2,padding=2x1"};
    enum { N = 6 * 40 };
    static float x[N], up[N], one[N], other[N], both[N];
    fill(x, N, 3), fill(up, N, 4);
    for (size_t a = 0; a < 3; a++)
        for (size_t b = 0; b < 3; b++) {
            back_through(pools[a], NULL, x, up, one);
            back_through(pools[b], NULL, x, up, other);
            back_through(pools[a], pools[b], x, up, both);
            for (size_t i = 0; i < N; i++) NEAR((double)(one[i] + other[i]), (double)both[i], 0);
        }
}

/* ---- a step of learning ---- */

enum { C = 3, H = 6, W = 40, MAP = C * H * W, WEIGHTS = C * C * 9 };

/* A random graph over maps of one size: two convolutions, steps that may write over their input, readers of one map that are
 * several, and at the end perhaps two pools, of one map or of two. Returns its last node. */
static int draw_graph(struct convd_graph *g, struct t_rng *r, int convs[2])
{
    static const char *const one[][2] = {
        {"relu", ""},       {"square", ""},       {"scale", "0.5,0.1"},          {"sigmoid", ""},
        {"tanh", ""},       {"abs", ""},          {"max_pool", "3,1,padding=1"}, {"silu", ""},
        {"leaky_relu", ""}, {"clamp", "-0.7,0.6"}};
    static const char *const two[] = {"add", "multiply", "maximum", "sub"};
    int at[16], n = 0;
    at[n++] = convs[0] = convd_graph_add(g, "conv", "weight=@w0,padding=same", CONVD_IMAGE);
    for (int steps = (int)t_between(r, 3, 9); steps > 0; steps--, n++) {
        const int last = at[n - 1], any = at[t_between(r, 0, n - 1)];
        const size_t k = (size_t)t_between(r, 0, 13);
        at[n] = k < 10 ? convd_graph_add(g, one[k][0], one[k][1], t_between(r, 0, 3) ? last : any)
                       : convd_graph_add(g, two[k - 10], "", last, any);
    }
    at[n] = convs[1] = convd_graph_add(g, "conv", "weight=@w1,padding=same", at[n - 1]);
    n++;
    at[n] = convd_graph_add(g, "add", "", at[n - 1], at[t_between(r, 0, n - 1)]);
    if (t_between(r, 0, 1)) return at[n];
    return convd_graph_add(g, "add", "", convd_graph_add(g, "max_pool", "3,2,padding=1", at[n]),
                           convd_graph_add(g, "min_pool", "2", at[n - t_between(r, 0, 1)]));
}

static float *uniform(struct t_rng *r, float *x, size_t n)
{
    for (size_t i = 0; i < n; i++) x[i] = (float)t_uniform(r, -0.6, 0.6);
    return x;
}

/* One step of SGD takes lr times the gradient of the mean square, which another part of the library computes, off the
 * weights: maps that learning writes over were not needed any more. */
TEST(a_step_of_learning_is_the_gradient)
{
    static float x[MAP], y[MAP], target[MAP], up[MAP], g0[WEIGHTS], g1[WEIGHTS], w[2][WEIGHTS];
    const double lr = 0.125;
    for (uint64_t seed = 1; seed <= 150; seed++) {
        struct t_rng r = {seed * 7919};
        struct convd_faults *f = convd_faults_new();
        struct convd_graph *g = convd_graph_new(NULL, f);
        const struct convd_tensor t[2] = {{"w0", 4, {C, C, 3, 3}, uniform(&r, w[0], WEIGHTS)},
                                          {"w1", 4, {C, C, 3, 3}, uniform(&r, w[1], WEIGHTS)}};
        int convs[2];
        OK(convd_graph_tensor(g, &t[0]) && convd_graph_tensor(g, &t[1]));
        const int node = draw_graph(g, &r, convs);
        OK(node > 0 && convd_graph_learn(g, convs[0], true) &&
           convd_graph_learn(g, convs[1], true));
        const struct convd_input in = {
            .pixels = CONVD_F32_NCHW, .n = 1, .height = H, .width = W, .stored = C, .channels = C};
        struct convd_grad *d = convd_grad_new(g, &in, node, false, NULL, 1, f);
        OK(d);
        const struct convd_shape s = convd_grad_shape(d);
        const size_t n = (size_t)(s.c * s.h * s.w);
        uniform(&r, x, MAP), uniform(&r, target, n);
        OK(convd_grad_run(
            d, &(struct convd_grad_run){.input = x, .output = y, .gradients = (float *[8]){NULL}},
            f));
        for (size_t i = 0; i < n; i++) up[i] = 2 * (y[i] - target[i]) / (float)n;
        float *gradients[8] = {NULL};
        const struct convd_wrt *wrt;
        for (size_t i = 0; (wrt = convd_grad_wrt(d, i)); i++)
            if (wrt->kind == CONVD_WRT_TENSOR)
                gradients[i] = strcmp(wrt->name, "w0") == 0 ? g0 : g1;
        OK(convd_grad_run(
            d, &(struct convd_grad_run){.input = x, .upstream = up, .gradients = gradients}, f));
        struct convd_learner *l = convd_learner_open(
            g, node, "loss=mse,optimizer=sgd,lr=0.125,epochs=1,batch_size=1", NULL, 1, f);
        OK(l && convd_learner_add(l,
                                  &(struct convd_example){.name = "x",
                                                          .input = in,
                                                          .pixels = x,
                                                          .class = -1,
                                                          .shape = s,
                                                          .target = target},
                                  NULL, NULL, f));
        OK(convd_learner_ready(l, f) && convd_learner_run(l, &(struct convd_learn_run){0}, f));
        const struct convd_learned *learned;
        size_t seen = 0;
        for (size_t i = 0; (learned = convd_learner_weight(l, i)); i++) {
            const float *gradient = learned->node == convs[0] ? g0 : g1;
            double most = 1e-3;
            for (size_t k = 0; k < WEIGHTS; k++) most = fmax(most, fabs((double)gradient[k]));
            for (size_t k = 0; k < WEIGHTS; k++, seen++) {
                const double got = ((double)learned->before[k] - (double)learned->now.data[k]) / lr;
                if (!(fabs(got - (double)gradient[k]) <= 2e-5 * most + 1e-6))
                    T_FAIL("graph %d: %s, number %zu: %g, the gradient is %g", (int)seed,
                           learned->name, k, got, (double)gradient[k]);
            }
        }
        EQ(2 * WEIGHTS, seen);
        convd_learner_free(l);
        convd_grad_free(d);
        convd_graph_free(g);
        convd_faults_free(f);
    }
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
