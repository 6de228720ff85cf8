/* Back-propagation over graphs: branches, tensors with several uses, samples and parts, what is wanted, learned weights,
 * refusals; and weights that change in place. */
#include "../../core/plan.h"
#include "../../core/plan_inner.h"
#include "../t.h"

/* A graph of chain segments on one image, its gradient, and everything a run wants. */
struct world {
    struct convd_faults *faults;
    struct convd_graph *graph;
    struct convd_input in;
    struct convd_grad *grad;
    float *image;
    float *got[16];
};

static struct world open_world(ptrdiff_t n, ptrdiff_t c, ptrdiff_t h, ptrdiff_t w, uint64_t seed)
{
    struct world x = {
        .faults = convd_faults_new(),
        .in = {
            .pixels = CONVD_F32_NCHW, .n = n, .height = h, .width = w, .stored = c, .channels = c}};
    struct t_rng r = {seed};
    x.graph = convd_graph_new(NULL, x.faults);
    x.image = malloc((size_t)(n * c * h * w) * sizeof *x.image);
    for (ptrdiff_t i = 0; i < n * c * h * w; i++) x.image[i] = (float)t_uniform(&r, -1, 1);
    return x;
}

static void close_world(struct world *x)
{
    for (size_t i = 0; i < 16; i++) free(x->got[i]);
    convd_grad_free(x->grad);
    convd_graph_free(x->graph);
    convd_faults_free(x->faults);
    free(x->image);
}

static int add(struct world *x, const char *id, const char *name, const char *text, int input)
{
    const int node = convd_graph_add_step(x->graph, id, name, text, &input, 1);
    if (node < 0) T_FAIL("%s", convd_faults_first(x->faults)->detail);
    return node;
}

static int merge(struct world *x, const char *name, int a, int b)
{
    const int node = convd_graph_add(x->graph, name, "", a, b);
    if (node < 0) T_FAIL("%s", convd_faults_first(x->faults)->detail);
    return node;
}

/* Gradients of the sum of node's map, times what upstream says. */
static void run(struct world *x, int node, bool weights, size_t threads, const float *upstream)
{
    const struct convd_wrt *w;
    convd_grad_free(x->grad);
    x->grad = convd_grad_new(x->graph, &x->in, node, weights, NULL, threads, x->faults);
    if (!x->grad) T_FAIL("%s", convd_faults_first(x->faults)->detail);
    for (size_t i = 0; (w = convd_grad_wrt(x->grad, i)); i++) {
        free(x->got[i]);
        x->got[i] = malloc((w->count + 1) * sizeof(float));
        for (size_t k = 0; k <= w->count; k++) x->got[i][k] = -77;
    }
    struct convd_pool *pool = threads > 1 ? convd_pool_new(threads) : NULL;
    const size_t bytes = convd_grad_workspace(x->grad);
    unsigned char *workspace = aligned_alloc(64, bytes + 64);
    memset(workspace, 0xff, bytes + 64);
    OK(convd_grad_run(x->grad,
                      &(struct convd_grad_run){.input = x->image,
                                               .upstream = upstream,
                                               .gradients = x->got,
                                               .workspace = workspace,
                                               .pool = pool},
                      x->faults));
    for (size_t i = 0; i < 64; i++) EQ(0xff, workspace[bytes + i]);
    for (size_t i = 0; (w = convd_grad_wrt(x->grad, i)); i++) NEAR(-77, x->got[i][w->count], 0);
    free(workspace);
    convd_pool_free(pool);
}

static float *gradient(const struct world *x, const char *name)
{
    const struct convd_wrt *w;
    for (size_t i = 0; (w = convd_grad_wrt(x->grad, i)); i++)
        if (strcmp(w->name, name) == 0) return x->got[i];
    T_FAIL("no gradient is named %s", name);
    return NULL;
}

static void bind(struct world *x, const struct convd_tensor *t)
{
    OK(convd_graph_tensor(x->graph, t));
}

TEST(branches_add_up)
{
    struct world x = open_world(1, 1, 2, 3, 1);
    const int twice = add(&x, "twice", "scale", "2", CONVD_IMAGE),
              square = add(&x, "square", "square", "", twice);
    run(&x, merge(&x, "add", square, twice), false, 1, NULL); /* 4x² + 2x */
    EQ(6, convd_grad_wrt(x.grad, 0)->count);
    for (int i = 0; i < 6; i++) NEAR(8 * x.image[i] + 2, gradient(&x, "image")[i], 1e-5);
    run(&x, merge(&x, "multiply", twice, twice), false, 1, NULL); /* one node twice */
    for (int i = 0; i < 6; i++) NEAR(8 * x.image[i], gradient(&x, "image")[i], 1e-5);
    close_world(&x);
}

TEST(upstream_weighs_the_output)
{
    struct world x = open_world(1, 1, 2, 2, 2);
    const float upstream[4] = {1, -2, 0, 0.5f};
    run(&x, add(&x, NULL, "square", "", CONVD_IMAGE), false, 1, upstream);
    for (int i = 0; i < 4; i++) NEAR(2 * x.image[i] * upstream[i], gradient(&x, "image")[i], 1e-6);
    close_world(&x);
}

TEST(a_tensor_used_by_several_steps_gets_the_sum)
{
    struct world x = open_world(3, 1, 4, 5, 3);
    float k[9] = {1, 2, 1, 0, 0, 0, -1, -2, -1}, unused[2] = {0, 0}, bias[1] = {5};
    bind(&x, &(struct convd_tensor){.name = "k", .rank = 2, .dim = {3, 3}, .data = k});
    bind(&x, &(struct convd_tensor){.name = "b", .rank = 1, .dim = {1}, .data = bias});
    bind(&x, &(struct convd_tensor){.name = "unused", .rank = 1, .dim = {2}, .data = unused});
    const int filter = add(&x, NULL, "filter", "@k,padding_mode=zeros", CONVD_IMAGE),
              conv = add(&x, NULL, "conv", "weight=@k,bias=@b,padding=1", CONVD_IMAGE);
    run(&x, conv, false, 1, NULL);
    float alone[9];
    memcpy(alone, gradient(&x, "k"), sizeof alone);
    for (size_t threads = 1; threads <= 3; threads++) {
        run(&x, merge(&x, "add", filter, conv), false, threads, NULL);
        for (int i = 0; i < 9; i++) NEAR(2 * alone[i], gradient(&x, "k")[i], 1e-5);
        NEAR(3 * 4 * 5, gradient(&x, "b")[0], 0);
        NEAR(0, gradient(&x, "unused")[0], 0);
    }
    close_world(&x);
}

TEST(a_tensor_can_be_a_map_and_a_weight)
{
    struct world x = open_world(1, 1, 3, 3, 4);
    float k[9] = {1, 2, 3, 4, 5, 6, 7, 8, 9}, y[9];
    bind(&x, &(struct convd_tensor){.name = "k", .rank = 2, .dim = {3, 3}, .data = k});
    const struct convd_value inputs[] = {convd_string("c"), convd_string("@k")};
    const struct convd_member conv[] = {{"id", convd_string("c")},
                                        {"op", convd_string("conv")},
                                        {"weight", convd_string("@k")},
                                        {"padding", convd_number(1)}};
    const struct convd_member multiply[] = {{"op", convd_string("multiply")},
                                            {"inputs", {CONVD_ARRAY, 2, {.items = inputs}}}};
    const struct convd_value steps[] = {{CONVD_OBJECT, 4, {.members = conv}},
                                        {CONVD_OBJECT, 2, {.members = multiply}}};
    const int node =
        convd_graph_steps(x.graph, &(struct convd_value){CONVD_ARRAY, 2, {.items = steps}});
    if (node < 0) T_FAIL("%s", convd_faults_first(x.faults)->detail);
    run(&x, node, false, 2, NULL);
    OK(convd_grad_run(x.grad, &(struct convd_grad_run){.input = x.image, .output = y}, x.faults));
    double want = 0, got = 0; /* the sum is of degree 2 in k: k times its gradient is twice it */
    for (int i = 0; i < 9; i++) {
        want += 2 * (double)y[i];
        got += (double)k[i] * (double)gradient(&x, "k")[i];
    }
    NEAR(want, got, 1e-4);
    close_world(&x);
}

/* conv, batch_norm, relu, pool, linear: samples together and one by one, parts and threads. */
static int small_net(struct world *x)
{
    const int conv =
        add(x, "c", "conv", "weight=@w,bias=@b,padding=1,padding_mode=reflect", CONVD_IMAGE);
    const int norm = add(x, "n", "batch_norm", "weight=@g", conv);
    const int pool = add(x, "p", "max_pool", "2", add(x, "r", "relu", "", norm));
    return add(x, "l", "linear", "weight=@l", pool);
}

TEST(samples_and_threads_change_nothing_but_rounding)
{
    float w[5 * 2 * 9], b[5], g[5], l[3 * 5 * 4 * 3], upstream[4 * 3];
    struct t_rng r = t_rng(70);
    float *const all[] = {w, b, g, l, upstream};
    const size_t counts[] = {90, 5, 5, 180, 12};
    for (int i = 0; i < 5; i++)
        for (size_t k = 0; k < counts[i]; k++) all[i][k] = (float)t_uniform(&r, -1, 1);
    const struct convd_tensor tensors[] = {{.name = "w", .rank = 4, .dim = {5, 2, 3, 3}, .data = w},
                                           {.name = "b", .rank = 1, .dim = {5}, .data = b},
                                           {.name = "g", .rank = 1, .dim = {5}, .data = g},
                                           {.name = "l", .rank = 2, .dim = {3, 60}, .data = l}};
    struct world x = open_world(4, 2, 8, 6, 5);
    for (int i = 0; i < 4; i++) bind(&x, &tensors[i]);
    const int last = small_net(&x);
    float *first[5];
    run(&x, last, false, 1, upstream);
    for (int i = 0; i < 5; i++) {
        first[i] = x.got[i];
        x.got[i] = NULL;
    }
    /* one sample at a time */
    double *sum = calloc(2 * 180, sizeof *sum);
    for (ptrdiff_t n = 0; n < 4; n++) {
        struct world one = open_world(1, 2, 8, 6, 0);
        memcpy(one.image, x.image + n * 96, 96 * sizeof(float));
        for (int i = 0; i < 4; i++) bind(&one, &tensors[i]);
        run(&one, small_net(&one), false, 1, upstream + n * 3);
        for (int i = 0; i < 96; i++) NEAR(first[0][n * 96 + i], gradient(&one, "image")[i], 1e-5);
        for (int i = 0; i < 90; i++) sum[i] += (double)gradient(&one, "w")[i];
        for (int i = 0; i < 180; i++) sum[180 + i] += (double)gradient(&one, "l")[i];
        close_world(&one);
    }
    for (int i = 0; i < 90; i++) NEAR(sum[i], first[1][i], 1e-4);
    for (int i = 0; i < 180; i++) NEAR(sum[180 + i], first[4][i], 1e-4);
    free(sum);
    for (size_t threads = 1; threads <= 7; threads++) {
        float *kept[5];
        run(&x, last, false, threads, upstream);
        for (int i = 0; i < 5; i++) {
            const size_t n = convd_grad_wrt(x.grad, (size_t)i)->count;
            for (size_t k = 0; k < n; k++) NEAR(first[i][k], x.got[i][k], 1e-4);
            kept[i] = x.got[i];
            x.got[i] = NULL;
        }
        run(&x, last, false, threads, upstream); /* the same threads, the same bits */
        for (int i = 0; i < 5; i++) {
            OK(memcmp(kept[i], x.got[i],
                      convd_grad_wrt(x.grad, (size_t)i)->count * sizeof(float)) == 0);
            free(kept[i]);
        }
    }
    for (int i = 0; i < 5; i++) free(first[i]);
    close_world(&x);
}

TEST(a_map_that_all_samples_share_gets_the_sum_of_them)
{
    float k[2 * 30 * 40];
    for (int i = 0; i < 2400; i++) k[i] = (float)i;
    for (size_t threads = 1; threads <= 4; threads++) {
        struct world x = open_world(4, 2, 30, 40, 12);
        bind(&x, &(struct convd_tensor){.name = "k", .rank = 3, .dim = {2, 30, 40}, .data = k});
        const struct convd_value inputs[] = {convd_string("image"), convd_string("@k")};
        const struct convd_member multiply[] = {{"op", convd_string("multiply")},
                                                {"inputs", {CONVD_ARRAY, 2, {.items = inputs}}}};
        const struct convd_value step = {CONVD_OBJECT, 2, {.members = multiply}};
        const int node =
            convd_graph_steps(x.graph, &(struct convd_value){CONVD_ARRAY, 1, {.items = &step}});
        if (node < 0) T_FAIL("%s", convd_faults_first(x.faults)->detail);
        run(&x, node, false, threads, NULL);
        for (int i = 0; i < 2400; i++) {
            double want = 0;
            for (int n = 0; n < 4; n++) want += (double)x.image[n * 2400 + i];
            NEAR(want, gradient(&x, "k")[i], 1e-5);
            for (int n = 0; n < 4; n++) NEAR(k[i], gradient(&x, "image")[n * 2400 + i], 0);
        }
        close_world(&x);
    }
}

TEST(only_what_is_wanted_is_written)
{
    struct world x = open_world(2, 1, 5, 5, 6);
    float k[9] = {0, 1, 0, 1, -4, 1, 0, 1, 0};
    bind(&x, &(struct convd_tensor){.name = "k", .rank = 2, .dim = {3, 3}, .data = k});
    const int node = add(&x, NULL, "square", "", add(&x, NULL, "filter", "@k", CONVD_IMAGE));
    run(&x, node, false, 2, NULL);
    float alone[9] = {0}, y[50], again[50];
    OK(convd_grad_run(x.grad,
                      &(struct convd_grad_run){
                          .input = x.image, .output = y, .gradients = (float *[]){NULL, alone}},
                      x.faults));
    OK(memcmp(alone, gradient(&x, "k"), sizeof alone) == 0);
    OK(convd_grad_run(x.grad, &(struct convd_grad_run){.input = x.image, .output = again},
                      x.faults));
    OK(memcmp(y, again, sizeof y) == 0);
    close_world(&x);
}

TEST(learned_weights_are_named_by_their_steps)
{
    struct world x = open_world(1, 3, 6, 6, 7);
    const struct convd_member init[] = {{"init", {CONVD_STRING, 0, {.string = "he_normal"}}},
                                        {"out_channels", {CONVD_NUMBER, 0, {.number = 4}}},
                                        {"kernel_size", {CONVD_NUMBER, 0, {.number = 3}}}};
    const struct convd_member zeros[] = {{"init", {CONVD_STRING, 0, {.string = "zeros"}}}};
    const struct convd_value names[] = {convd_string("sobel_x"), convd_string("sobel_y")};
    const struct convd_member first[] = {{"id", convd_string("a")},
                                         {"op", convd_string("conv")},
                                         {"weight", {CONVD_OBJECT, 3, {.members = init}}},
                                         {"bias", {CONVD_OBJECT, 1, {.members = zeros}}}};
    const struct convd_member second[] = {{"id", convd_string("b")},
                                          {"op", convd_string("conv")},
                                          {"weight", {CONVD_ARRAY, 2, {.items = names}}},
                                          {"learn", convd_boolean(true)}};
    const struct convd_member third[] = {{"id", convd_string("c")},
                                         {"op", convd_string("conv")},
                                         {"weight", {CONVD_OBJECT, 3, {.members = init}}},
                                         {"padding", convd_number(1)},
                                         {"learn", convd_boolean(false)}};
    const struct convd_value steps[] = {{CONVD_OBJECT, 4, {.members = first}},
                                        {CONVD_OBJECT, 5, {.members = third}},
                                        {CONVD_OBJECT, 4, {.members = second}}};
    const int node =
        convd_graph_steps(x.graph, &(struct convd_value){CONVD_ARRAY, 3, {.items = steps}});
    if (node < 0) T_FAIL("%s", convd_faults_first(x.faults)->detail);
    run(&x, node, true, 1, NULL);
    static const struct convd_wrt want[] = {
        {.kind = CONVD_WRT_IMAGE, .name = "image", .rank = 4, .dim = {1, 3, 6, 6}, .count = 108},
        {.kind = CONVD_WRT_WEIGHT,
         .name = "a.weight",
         .rank = 4,
         .dim = {4, 3, 3, 3},
         .count = 108},
        {.kind = CONVD_WRT_WEIGHT, .name = "a.bias", .rank = 1, .dim = {4}, .count = 4},
        {.kind = CONVD_WRT_WEIGHT, .name = "b.weight", .rank = 3, .dim = {2, 3, 3}, .count = 18}};
    for (size_t i = 0; i < 4; i++) {
        const struct convd_wrt *w = convd_grad_wrt(x.grad, i);
        if (!w) T_FAIL("%s is missing", want[i].name);
        STR(want[i].name, w->name);
        EQ(want[i].kind, w->kind);
        EQ(want[i].rank, w->rank);
        EQ(want[i].count, w->count);
        for (int d = 0; d < want[i].rank; d++) EQ(want[i].dim[d], w->dim[d]);
    }
    OK(!convd_grad_wrt(x.grad, 4));
    run(&x, node, false, 1, NULL);
    OK(!convd_grad_wrt(x.grad, 1));
    close_world(&x);
}

TEST(steps_without_a_gradient_are_named_where_one_is_needed)
{
    struct world x = open_world(1, 1, 4, 4, 8);
    const int before = add(&x, "t", "square", "", CONVD_IMAGE),
              after = add(&x, "u", "abs", "", before);
    struct convd_op mute = *convd_op_find("square");
    mute.backward = NULL;
    mute.no_gradient = "nobody knows it";
    x.graph->nodes[before].op = &mute;
    OK(!convd_grad_new(x.graph, &x.in, after, false, NULL, 1, x.faults));
    EQ(1, convd_faults_count(x.faults));
    const struct convd_fault *f = convd_faults_first(x.faults);
    EQ(CONVD_NOT_DIFFERENTIABLE, f->code);
    STR("no gradient goes through square: nobody knows it", f->detail);
    close_world(&x);
}

TEST(gradients_over_the_limit_are_refused)
{
    struct world x = open_world(1, 1, 64, 64, 9);
    int node = CONVD_IMAGE;
    for (int i = 0; i < 8; i++) node = add(&x, NULL, "square", "", node);
    const struct convd_limits limits = {.memory = 200000};
    OK(!convd_grad_new(x.graph, &x.in, node, false, &limits, 1, x.faults));
    EQ(CONVD_TOO_MUCH_MEMORY, convd_faults_first(x.faults)->code);
    close_world(&x);
}

TEST(a_cancelled_run_says_so)
{
    struct world x = open_world(1, 1, 4, 4, 10);
    atomic_bool stop;
    atomic_init(&stop, true);
    run(&x, add(&x, NULL, "square", "", CONVD_IMAGE), false, 1, NULL);
    OK(!convd_grad_run(
        x.grad, &(struct convd_grad_run){.input = x.image, .gradients = x.got, .cancel = &stop},
        x.faults));
    EQ(CONVD_CANCELLED, convd_faults_first(x.faults)->code);
    close_world(&x);
}

/* ---- pack ------------------------------------------------------------------------------------ */

/* Arrays whose numbers may change: bound as tensors, the same memory for two plans. */
static const struct {
    const char *op, *text;
    struct convd_tensor tensors[4];
} packed[] = {
    {"conv",
     "weight=@a,bias=@b,padding=1",
     {{.name = "a", .rank = 4, .dim = {3, 2, 3, 3}}, {.name = "b", .rank = 1, .dim = {3}}}},
    {"conv", "weight=@a,layout=HWIO,flip=true", {{.name = "a", .rank = 4, .dim = {2, 1, 2, 6}}}},
    {"conv", "weight=@a,across=sum", {{.name = "a", .rank = 3, .dim = {5, 3, 3}}}},
    {"conv_transpose",
     "weight=@a,bias=@b,stride=2,flip=true",
     {{.name = "a", .rank = 4, .dim = {2, 3, 3, 3}}, {.name = "b", .rank = 1, .dim = {3}}}},
    {"filter", "@a", {{.name = "a", .rank = 2, .dim = {5, 5}}}},
    {"linear",
     "weight=@a,bias=@b",
     {{.name = "a", .rank = 2, .dim = {3, 84}}, {.name = "b", .rank = 0}}},
    {"batch_norm",
     "weight=@a,bias=@b,mean=@c,var=@d",
     {{.name = "a", .rank = 1, .dim = {2}},
      {.name = "b", .rank = 0},
      {.name = "c", .rank = 1, .dim = {2}},
      {.name = "d", .rank = 1, .dim = {2}}}},
    {"instance_norm",
     "weight=@a,bias=@b",
     {{.name = "a", .rank = 1, .dim = {2}}, {.name = "b", .rank = 1, .dim = {2}}}},
};

static void fill(struct convd_tensor *t, struct t_rng *r, bool separable)
{
    ptrdiff_t n = 1;
    for (int d = 0; d < t->rank; d++) n *= t->dim[d];
    for (ptrdiff_t i = 0; i < n; i++)
        t->data[i] = separable ? (float)((i / 5 + 1) * (i % 5 + 1)) : (float)t_uniform(r, 0.1, 1);
}

static float *output_of(const struct convd_plan *p, const float *x, int node, size_t *n)
{
    const struct convd_shape y = convd_plan_shape(p, node);
    *n = (size_t)(y.c * y.h * y.w);
    float *out = malloc(*n * sizeof *out);
    struct convd_faults *f = convd_faults_new();
    OK(convd_plan_run(p, &(struct convd_run){.input = x, .outputs = (void *[]){out}}, f));
    convd_faults_free(f);
    return out;
}

TEST(packing_anew_is_planning_anew)
{
    struct t_rng r = t_rng(71);
    for (size_t i = 0; i < sizeof packed / sizeof *packed; i++) {
        struct world x = open_world(1, 2, 6, 7, 11);
        struct convd_tensor t[4];
        float numbers[4][300];
        for (int k = 0; k < 4 && packed[i].tensors[k].name; k++) {
            t[k] = packed[i].tensors[k];
            t[k].data = numbers[k];
            fill(&t[k], &r, false);
            bind(&x, &t[k]);
        }
        const int node = add(&x, NULL, packed[i].op, packed[i].text, CONVD_IMAGE);
        const struct convd_output out = {.node = node, .pixels = CONVD_F32_NCHW};
        struct convd_plan *old = convd_plan_new(x.graph, &x.in, &out, 1, NULL, 1, x.faults);
        if (!old) T_FAIL("%s: %s", packed[i].op, convd_faults_first(x.faults)->detail);
        for (int turn = 0; turn < 3; turn++) { /* a filter: neither, separable, neither */
            size_t n;
            for (int k = 0; k < 4 && packed[i].tensors[k].name; k++)
                fill(&t[k], &r, turn == 1 && strcmp(packed[i].op, "filter") == 0);
            const struct convd_site *site = &old->nodes[node].site;
            const struct convd_op *op = x.graph->nodes[node].op;
            float *stale = output_of(old, x.image, node, &n);
            if (op->pack) op->pack(site, (void *)(uintptr_t)site->state);
            struct convd_plan *fresh = convd_plan_new(x.graph, &x.in, &out, 1, NULL, 1, x.faults);
            float *a = output_of(old, x.image, node, &n), *b = output_of(fresh, x.image, node, &n);
            if (memcmp(a, b, n * sizeof *a) != 0)
                T_FAIL("%s %s: packed anew it differs", packed[i].op, packed[i].text);
            if (memcmp(a, stale, n * sizeof *a) == 0)
                T_FAIL("%s %s: the numbers had no say", packed[i].op, packed[i].text);
            free(stale);
            free(a);
            free(b);
            convd_plan_free(fresh);
        }
        convd_plan_free(old);
        close_world(&x);
    }
}

T_MAIN("core/grad")
