/* Plans: buffers, limits, samples, what is told of them. Random graphs are in tests/graphs. */
#include "../../core/plan.h"
#include "../t.h"

/* The edges of a picture by hand, in double. */
static double gray_at(const uint8_t *x, ptrdiff_t h, ptrdiff_t w, ptrdiff_t i, ptrdiff_t j)
{
    i = i < 0 ? -i : i >= h ? 2 * h - 2 - i : i;
    j = j < 0 ? -j : j >= w ? 2 * w - 2 - j : j;
    const uint8_t *p = x + 3 * (i * w + j);
    return 0.299 * p[0] + 0.587 * p[1] + 0.114 * p[2];
}

TEST(edges_of_a_large_picture_stream_through_small_buffers)
{
    enum { H = 1500, W = 1001 };
    struct convd_faults *f = convd_faults_new();
    struct convd_graph *g = convd_graph_new(NULL, f);
    int gray = convd_graph_add(g, "grayscale", "", CONVD_IMAGE);
    int x = convd_graph_add(g, "abs", "", convd_graph_add(g, "filter", "sobel_x", gray));
    int y = convd_graph_add(g, "abs", "", convd_graph_add(g, "filter", "sobel_y", gray));
    int sum = convd_graph_add(g, "add", "", x, y);
    struct convd_input in = {
        .pixels = CONVD_U8_HWC, .n = 1, .height = H, .width = W, .stored = 3, .channels = 3};
    struct convd_output out = {.node = sum, .pixels = CONVD_U8_HWC};
    struct convd_pool *pool = convd_pool_new(2);
    struct convd_plan *p = convd_plan_new(g, &in, &out, 1, NULL, 2, f);
    OK(p != NULL);
    OK(convd_plan_bands(p) > 4);
    OK(convd_plan_workspace(p) < (size_t)4 << 20); /* one f32 plane alone would be 6 MB */
    uint8_t *image = malloc(H * W * 3), *got = malloc(H * W);
    struct t_rng r = t_rng(3);
    for (size_t i = 0; i < H * W * 3; i++)
        image[i] = (uint8_t)(i * 7 / 50 + t_random(&r) % 30);
    uint64_t saturated = 0;
    void *outputs[] = {got};
    OK(convd_plan_run(
        p,
        &(struct convd_run){
            .input = image, .outputs = outputs, .pool = pool, .saturated = &saturated},
        f));
    size_t over = 0;
    for (ptrdiff_t i = 0; i < H; i++)
        for (ptrdiff_t j = 0; j < W; j++) {
            double a[3][3];
            for (int k = 0; k < 9; k++)
                a[k / 3][k % 3] = gray_at(image, H, W, i + k / 3 - 1, j + k % 3 - 1);
            double gx = a[0][2] + 2 * a[1][2] + a[2][2] - a[0][0] - 2 * a[1][0] - a[2][0];
            double gy = a[2][0] + 2 * a[2][1] + a[2][2] - a[0][0] - 2 * a[0][1] - a[0][2];
            double e = fabs(gx) + fabs(gy);
            over += e > 255.0005;
            NEAR(rint(e > 255 ? 255 : e), got[i * W + j], 1); /* on integers: one level */
        }
    OK(over > 1000);
    NEAR(over, saturated, (double)over / 50);
    free(image);
    free(got);
    convd_plan_free(p);
    convd_pool_free(pool);
    convd_graph_free(g);
    convd_faults_free(f);
}

TEST(tall_windows_end_a_stage_instead_of_computing_rows_again_and_again)
{
    struct convd_faults *f = convd_faults_new();
    struct convd_graph *g = convd_graph_new(NULL, f);
    int a = convd_graph_add(g, "grayscale", "", CONVD_IMAGE);
    for (int i = 0; i < 40; i++)
        a = convd_graph_add(g, "filter", "box", a);
    struct convd_input in = {
        .pixels = CONVD_U8_HWC, .n = 1, .height = 4000, .width = 3000, .stored = 3, .channels = 3};
    struct convd_output out = {.node = a, .pixels = CONVD_U8_HWC};
    struct convd_plan *p = convd_plan_new(g, &in, &out, 1, NULL, 2, f);
    OK(p != NULL);
    OK(convd_plan_workspace(p) < (size_t)130 << 20); /* at most two planes and the bands */
    convd_plan_free(p);
    convd_graph_free(g);
    convd_faults_free(f);
}

static void limit_fault(const char *op, const char *args, struct convd_limits limits, int code,
                        ptrdiff_t side)
{
    struct convd_faults *f = convd_faults_new();
    struct convd_graph *g = convd_graph_new(NULL, f);
    int a = convd_graph_add(g, op, args, CONVD_IMAGE);
    struct convd_input in = {
        .pixels = CONVD_U8_HWC, .n = 1, .height = side, .width = side, .stored = 3, .channels = 3};
    struct convd_output out = {.node = a, .pixels = CONVD_F32_NCHW};
    OK(convd_plan_new(g, &in, &out, 1, &limits, 1, f) == NULL);
    EQ(1, convd_faults_count(f));
    const struct convd_fault *x = convd_faults_first(f);
    STR(convd_code_word(code), convd_code_word(x->code));
    EQ(0, strncmp("/steps/0", x->pointer, 8));
    if (x->limit == x->limit)
        OK(x->actual > x->limit);
    convd_graph_free(g);
    convd_faults_free(f);
}

TEST(plans_over_a_limit_are_refused_with_both_numbers)
{
    limit_fault("abs", "", (struct convd_limits){.memory = 1 << 20}, CONVD_TOO_MUCH_MEMORY, 1000);
    limit_fault("filter", "box", (struct convd_limits){.macs = 1e6}, CONVD_TOO_MUCH_WORK, 1000);
    limit_fault("pad", "30000", (struct convd_limits){0}, CONVD_TOO_MUCH_MEMORY, 10000);
    limit_fault("max_pool", "50", (struct convd_limits){0}, CONVD_BAD_SHAPE, 10);
}

TEST(every_map_is_one_output_away_and_dead_steps_do_not_run)
{
    struct convd_faults *f = convd_faults_new();
    struct convd_graph *g = convd_graph_new(NULL, f);
    int a = convd_graph_add(g, "scale", "2", CONVD_IMAGE);
    int b = convd_graph_add(g, "neg", "", a);
    int dead = convd_graph_add(g, "abs", "", b);
    struct convd_input in = {
        .pixels = CONVD_F32_NCHW, .n = 1, .height = 2, .width = 2, .stored = 1, .channels = 1};
    struct convd_output out[] = {{b, CONVD_F32_NCHW},
                                 {a, CONVD_F32_NCHW},
                                 {a, CONVD_U8_HWC},
                                 {CONVD_IMAGE, CONVD_F32_NCHW},
                                 {b, CONVD_F32_NCHW}};
    struct convd_plan *p = convd_plan_new(g, &in, out, 5, NULL, 1, f);
    OK(p != NULL);
    float x[4] = {1, 2, 3, 200}, y[4], z[4], w[4], again[4];
    uint8_t u[4];
    uint64_t saturated[5], ns[8] = {0};
    void *outputs[] = {y, z, u, w, again};
    OK(convd_plan_run(
        p,
        &(struct convd_run){.input = x, .outputs = outputs, .saturated = saturated, .step_ns = ns},
        f));
    NEAR(-400, y[3], 0);
    NEAR(400, z[3], 0);
    EQ(255, u[3]);
    EQ(2, u[0]);
    NEAR(3, w[2], 0);
    NEAR(-6, again[2], 0);
    EQ(1, saturated[2]);
    EQ(0, ns[dead]);
    struct convd_step_info info;
    OK(convd_plan_info(p, dead, &info) && !info.needed);
    EQ(2, info.shape.h);
    convd_plan_free(p);
    convd_graph_free(g);
    convd_faults_free(f);
}

TEST(samples_share_a_tensor_and_keep_apart)
{
    struct convd_faults *f = convd_faults_new();
    struct convd_graph *g = convd_graph_new(NULL, f);
    float t[2] = {10, 20};
    convd_graph_tensor(g,
                       &(struct convd_tensor){.name = "t", .rank = 3, .dim = {2, 1, 1}, .data = t});
    struct convd_value step = {
        .kind = CONVD_ARRAY,
        .n = 2,
        .items = (struct convd_value[]){
            {.kind = CONVD_OBJECT,
             .n = 2,
             .members = (struct convd_member[]){{"op", convd_string("neg")},
                                                {"input", convd_string("@t")}}},
            {.kind = CONVD_OBJECT,
             .n = 2,
             .members = (struct convd_member[]){
                 {"op", convd_string("add")},
                 {"inputs",
                  {.kind = CONVD_ARRAY,
                   .n = 2,
                   .items = (struct convd_value[]){convd_string("image"), convd_string("s0")}}}}}}};
    int sum = convd_graph_steps(g, &step);
    OK(sum > 0);
    struct convd_input in = {
        .pixels = CONVD_F32_NCHW, .n = 3, .height = 2, .width = 1, .stored = 2, .channels = 2};
    struct convd_output out = {sum, CONVD_F32_NCHW};
    struct convd_plan *p = convd_plan_new(g, &in, &out, 1, NULL, 2, f);
    OK(p != NULL);
    float x[12], y[12];
    for (int i = 0; i < 12; i++)
        x[i] = (float)i;
    void *outputs[] = {y};
    struct convd_pool *pool = convd_pool_new(2);
    OK(convd_plan_run(p, &(struct convd_run){.input = x, .outputs = outputs, .pool = pool}, f));
    for (int i = 0; i < 12; i++)
        NEAR(i - (i / 2 % 2 ? 20 : 10), y[i], 0);
    convd_pool_free(pool);
    convd_plan_free(p);
    convd_graph_free(g);
    convd_faults_free(f);
}

TEST(a_cancelled_run_says_so)
{
    struct convd_faults *f = convd_faults_new();
    struct convd_graph *g = convd_graph_new(NULL, f);
    int a = convd_graph_add(g, "neg", "", CONVD_IMAGE);
    struct convd_input in = {
        .pixels = CONVD_F32_NCHW, .n = 1, .height = 2, .width = 1, .stored = 1, .channels = 1};
    struct convd_output out = {a, CONVD_F32_NCHW};
    struct convd_plan *p = convd_plan_new(g, &in, &out, 1, NULL, 1, f);
    float x[2] = {0}, y[2];
    void *outputs[] = {y};
    atomic_bool cancel = true;
    OK(!convd_plan_run(p, &(struct convd_run){.input = x, .outputs = outputs, .cancel = &cancel},
                       f));
    EQ(CONVD_CANCELLED, convd_faults_first(f)->code);
    convd_plan_free(p);
    convd_graph_free(g);
    convd_faults_free(f);
}

TEST(receptive_fields_and_jumps_add_up)
{
    struct convd_faults *f = convd_faults_new();
    struct convd_graph *g = convd_graph_new(NULL, f);
    int a = convd_graph_add(g, "filter", "sobel_x", CONVD_IMAGE);
    int b = convd_graph_add(g, "max_pool", "2", a);
    int c = convd_graph_add(g, "filter", "gaussian", b);
    struct convd_input in = {
        .pixels = CONVD_U8_HWC, .n = 1, .height = 100, .width = 100, .stored = 3, .channels = 3};
    struct convd_output out = {c, CONVD_U8_HWC};
    struct convd_plan *p = convd_plan_new(g, &in, &out, 1, NULL, 1, f);
    struct convd_step_info info;
    OK(convd_plan_info(p, c, &info));
    EQ(2, info.jump_h);
    EQ(3 + 1 + 4 * 2, info.rf_w);
    convd_plan_free(p);
    convd_graph_free(g);
    convd_faults_free(f);
}

/* The last of n steps on x, or on its way also the one before it, which then is a map of its own. */
static void run_chain(const char *const (*steps)[2], size_t n, const float *x, bool both,
                      size_t bands, float *y, char *how)
{
    enum { C = 3, H = 41, W = 50 };
    static float other[C * H * W];
    struct convd_faults *f = convd_faults_new();
    struct convd_graph *g = convd_graph_new(NULL, f);
    int at = CONVD_IMAGE, before = CONVD_IMAGE;
    for (size_t i = 0; i < n; i++) at = convd_graph_add(g, steps[i][0], steps[i][1], before = at);
    const struct convd_input in = {
        .pixels = CONVD_F32_NCHW, .n = 1, .height = H, .width = W, .stored = C, .channels = C};
    const struct convd_output out[] = {{at, CONVD_F32_NCHW}, {before, CONVD_F32_NCHW}};
    struct convd_plan *p = convd_plan_new(g, &in, out, both ? 2 : 1, NULL, 1, f);
    struct convd_step_info info;
    OK(p && convd_plan_info(p, before, &info) && convd_plan_force_bands(p, bands));
    snprintf(how, 100, "%s", info.algorithm);
    OK(convd_plan_run(p, &(struct convd_run){.input = x, .outputs = (void *[]){y, other}}, f));
    convd_plan_free(p);
    convd_graph_free(g);
    convd_faults_free(f);
}

TEST(rising_steps_run_over_what_a_pool_picked)
{
    static const struct {
        const char *steps[4][2];
        bool behind;
    } chains[] = {
        {{{"filter", "sobel_x"}, {"clamp", "-3,2"}, {"relu", ""}, {"max_pool", "3,2,padding=1"}},
         true},
        {{{"filter", "sobel_x"}, {"scale", "-2"}, {"relu6", ""}, {"min_pool", "2"}}, true},
        {{{"filter", "sobel_x"},
          {"relu", ""},
          {"round", ""},
          {"max_pool", "3,1,padding=1,ceil_mode=true"}},
         true},
        {{{"filter", "sobel_x"}, {"relu", ""}, {"scale", "-2"}, {"max_pool", "2"}}, false},
        {{{"filter", "sobel_x"},
          {"abs", ""},
          {"relu", ""},
          {"max_pool", "2,1,padding=40,dilation=41"}},
         false},
        {{{"filter", "sobel_x"}, {"abs", ""}, {"relu", ""}, {"avg_pool", "2"}}, false},
    };
    enum { N = 3 * 41 * 50, MOST = 3 * 120 * 130 };
    static float x[N], y[2][MOST];
    struct t_rng r = t_rng(4);
    for (size_t i = 0; i < N; i++) x[i] = t_between(&r, 0, 400) ? (float)t_uniform(&r, -2, 2) : NAN;
    for (size_t k = 0; k < sizeof chains / sizeof *chains; k++)
        for (size_t bands = 1; bands < 6; bands += 2) {
            char how[2][100];
            memset(y, 0, sizeof y);
            run_chain(chains[k].steps, 4, x, false, bands, y[0], how[0]);
            run_chain(chains[k].steps, 4, x, true, bands, y[1], how[1]);
            EQ(chains[k].behind, strstr(how[0], "behind") != NULL);
            EQ(0, strstr(how[1], "behind") != NULL);
            for (size_t i = 0; i < MOST; i++)
                if (y[0][i] != y[1][i] && !(isnan(y[0][i]) && isnan(y[1][i])))
                    T_FAIL("chain %zu, %zu bands: number %zu is %g, expected %g", k, bands, i,
                           (double)y[0][i], (double)y[1][i]);
        }
}

/* What a pool picks from is read by another step, too: there it must be what the rising step made. */
TEST(a_rising_step_with_two_readers_runs_where_it_stands)
{
    enum { H = 20, W = 30, N = H * W };
    static float x[N], y[2][N], r[N];
    struct t_rng rng = t_rng(5);
    for (int i = 0; i < N; i++) x[i] = (float)t_uniform(&rng, -2, 2);
    for (size_t both = 0; both < 2; both++) { /* wanted itself, it surely runs there */
        struct convd_faults *f = convd_faults_new();
        struct convd_graph *g = convd_graph_new(NULL, f);
        const int sobel = convd_graph_add(g, "filter", "sobel_x", CONVD_IMAGE),
                  relu = convd_graph_add(g, "relu", "", sobel),
                  pool = convd_graph_add(g, "max_pool", "3,1,padding=1", relu),
                  sum = convd_graph_add(g, "add", "", pool, relu);
        const struct convd_input in = {
            .pixels = CONVD_F32_NCHW, .n = 1, .height = H, .width = W, .stored = 1, .channels = 1};
        const struct convd_output out[] = {{sum, CONVD_F32_NCHW}, {relu, CONVD_F32_NCHW}};
        struct convd_plan *p = convd_plan_new(g, &in, out, 1 + both, NULL, 1, f);
        OK(p && convd_plan_run(
                    p, &(struct convd_run){.input = x, .outputs = (void *[]){y[both], r}}, f));
        convd_plan_free(p);
        convd_graph_free(g);
        convd_faults_free(f);
    }
    for (int i = 0; i < N; i++) {
        OK(r[i] >= 0);
        NEAR((double)y[1][i], (double)y[0][i], 0);
    }
}

T_MAIN("core/plan")
