/* The way back through ops without weights, where central differences cannot look: ties, NaN, kinks, borders that win. What is
 * expected is torch's answer, written down, or a search tap by tap. dL/dy is whole numbers, so that sums are exact. */
#include "../../core/border.h"
#include "../../core/plan.h"
#include "../../api/json.h"
#include "lib_run.h"

/* dL/dx of one step on x, from dy, in that many parts (malloc). y, unless NULL: the step's result (malloc). */
static float *back_of(const char *step, struct convd_shape s, const float *x, const float *dy,
                      size_t parts, float **y, struct convd_shape *shape)
{
    struct convd_arena mem;
    struct convd_faults *f = convd_faults_new();
    struct convd_graph *g = convd_graph_new(NULL, f);
    struct convd_value v;
    convd_arena_init(&mem, NULL, 0);
    api_json_setup();
    OK(api_json_parse(step, strlen(step), 1 << 20, &mem, f, &v));
    convd_enter(f, "steps");
    const int node =
        convd_graph_steps(g, &(struct convd_value){.kind = CONVD_ARRAY, .n = 1, .items = &v});
    convd_leave(f, 0);
    const struct convd_input in = {.pixels = CONVD_F32_NCHW,
                                   .n = s.n,
                                   .height = s.h,
                                   .width = s.w,
                                   .stored = s.c,
                                   .channels = s.c};
    struct convd_grad *d = node < 0 ? NULL : convd_grad_new(g, &in, node, false, NULL, parts, f);
    if (!d) T_FAIL("%s: %s", step, convd_faults_first(f)->detail);
    *shape = convd_grad_shape(d);
    const size_t n = (size_t)(s.n * s.c * s.h * s.w),
                 ny = (size_t)(shape->n * shape->c * shape->h * shape->w);
    float *dx = malloc(n * sizeof *dx), *out = malloc(ny * sizeof *out);
    OK(convd_grad_run(d,
                      &(struct convd_grad_run){
                          .input = x, .upstream = dy, .output = out, .gradients = (float *[]){dx}},
                      f));
    if (y)
        *y = out;
    else
        free(out);
    convd_grad_free(d);
    convd_graph_free(g);
    convd_faults_free(f);
    convd_arena_release(&mem);
    return dx;
}

static bool same(float a, float b)
{
    return a == b || (a != a && b != b);
}

static void expect(const char *step, struct convd_shape s, const float *x, const float *dy,
                   const float *want)
{
    const size_t n = (size_t)(s.n * s.c * s.h * s.w);
    for (size_t parts = 1; parts <= 3; parts++) {
        struct convd_shape y;
        float *dx = back_of(step, s, x, dy, parts, NULL, &y);
        for (size_t i = 0; i < n; i++)
            if (!same(dx[i], want[i]) && !(fabsf(dx[i] - want[i]) <= 1e-6F * fabsf(want[i])))
                T_FAIL("%s: dL/d number %zu (%g) is %.9g, expected %.9g", step, i, (double)x[i],
                       (double)dx[i], (double)want[i]);
        free(dx);
    }
}

/* ---- kinks: dL/dx for dL/dy = 2, as torch 1.13 answers ---- */

#define INF INFINITY
// clang-format off
static const struct {
    const char *step;
    float x[9], dx[9];
    int n; /* of them that count */
} kinks[] = {
    {"{\"op\":\"abs\"}", {0, -0.0F, NAN, INF, -INF}, {0, 0, 0, 2, -2}, 5},
    {"{\"op\":\"neg\"}", {0, NAN, INF, -INF}, {-2, -2, -2, -2}, 4},
    {"{\"op\":\"square\"}", {0, NAN, INF, -INF}, {0, NAN, INF, -INF}, 4},
    {"{\"op\":\"sqrt\"}", {0, -0.0F, NAN, INF, -INF, -1}, {INF, -INF, NAN, 0, NAN, NAN}, 6},
    {"{\"op\":\"exp\"}", {0, NAN, INF, -INF, 100}, {2, NAN, INF, 0, INF}, 5},
    {"{\"op\":\"log\"}", {0, -0.0F, NAN, INF, -INF, -1}, {INF, -INF, NAN, 0, -0.0F, -2}, 6},
    {"{\"op\":\"sign\"}", {0, NAN, INF, -3}, {0, 0, 0, 0}, 4},
    {"{\"op\":\"round\"}", {0.5F, NAN, INF, -3}, {0, 0, 0, 0}, 4},
    {"{\"op\":\"threshold\",\"value\":1}", {0, NAN, INF, 1}, {0, 0, 0, 0}, 4},
    {"{\"op\":\"relu\"}", {0, -0.0F, NAN, INF, -INF}, {0, 0, 2, 2, 0}, 5},
    {"{\"op\":\"relu6\"}", {0, NAN, INF, -INF, 6, 7, 5}, {0, 2, 0, 0, 0, 0, 2}, 7},
    {"{\"op\":\"leaky_relu\",\"negative_slope\":0.5}", {0, -0.0F, NAN, INF, -INF}, {1, 1, 1, 2, 1}, 5},
    {"{\"op\":\"elu\",\"alpha\":0.5}", {0, -0.0F, NAN, INF, -INF}, {1, 1, 2, 2, 0}, 5},
    {"{\"op\":\"gelu\"}", {0, NAN, INF, -INF, 1e4F, -1e4F}, {1, NAN, NAN, NAN, 2, 0}, 6},
    {"{\"op\":\"silu\"}", {0, NAN, INF, -INF, 100, -200}, {1, NAN, NAN, NAN, 2, 0}, 6},
    {"{\"op\":\"sigmoid\"}", {0, NAN, INF, -INF, 200, -200}, {0.5F, NAN, 0, 0, 0, 0}, 6},
    {"{\"op\":\"hard_sigmoid\"}", {0, NAN, INF, -INF, 3, -3}, {2 / 6.0F, 0, 0, 0, 0, 0}, 6},
    {"{\"op\":\"hard_swish\"}", {0, NAN, INF, -INF, 3, -3}, {1, 2, 2, 0, 3, -1}, 6},
    {"{\"op\":\"tanh\"}", {0, NAN, INF, -INF, 100}, {2, NAN, 0, 0, 0}, 5},
    {"{\"op\":\"softplus\"}", {0, NAN, INF, -INF, 20.5F, -200}, {1, NAN, 2, 0, 2, 0}, 6},
    {"{\"op\":\"clamp\",\"min\":-1,\"max\":2}", {0, NAN, INF, -INF, -1, 2, -2, 3}, {2, 0, 0, 0, 2, 2, 0, 0}, 8},
    {"{\"op\":\"clamp\",\"min\":2,\"max\":-1}", {0, NAN, INF, -1, 2, 3}, {0, 0, 0, 0, 0, 0}, 6},
    {"{\"op\":\"clamp\",\"min\":-1}", {0, NAN, INF, -INF, -1, -2}, {2, 0, 2, 0, 2, 0}, 6},
    {"{\"op\":\"pow\",\"exponent\":0}", {0, NAN, INF, -2}, {0, 0, 0, 0}, 4},
    {"{\"op\":\"pow\",\"exponent\":1}", {0, NAN, INF, -2}, {2, 2, 2, 2}, 4},
    {"{\"op\":\"pow\",\"exponent\":2}", {0, NAN, INF, -INF, -2}, {0, NAN, INF, -INF, -8}, 5},
    {"{\"op\":\"pow\",\"exponent\":0.5}", {0, -0.0F, NAN, INF, -2}, {INF, -INF, NAN, 0, NAN}, 5},
    {"{\"op\":\"pow\",\"exponent\":-1}", {0, -0.0F, NAN, INF, -2}, {-INF, -INF, NAN, 0, -0.5F}, 5},
    {"{\"op\":\"pow\",\"exponent\":-0.5}", {0, -0.0F, NAN, INF, -2}, {-INF, -INF, NAN, 0, NAN}, 5},
    {"{\"op\":\"softmax\",\"dim\":\"width\"}", {NAN, 1, 2}, {NAN, NAN, NAN}, 3},
    {"{\"op\":\"minmax\"}", {3, 3, 3}, {0, 0, 0}, 3},
    {"{\"op\":\"lrn\",\"size\":2,\"k\":0}", {0, 0}, {NAN, NAN}, 2},
    /* from here on one answer from several numbers */
    {"{\"op\":\"reduce\",\"fn\":\"max\",\"dim\":\"width\"}", {1, 3, 3, 0}, {0, 2, 0, 0}, 4},
    {"{\"op\":\"reduce\",\"fn\":\"min\",\"dim\":\"width\"}", {1, 0, -0.0F, 0}, {0, 2, 0, 0}, 4},
    {"{\"op\":\"reduce\",\"fn\":\"max\",\"dim\":\"width\"}", {1, NAN, 3, NAN}, {0, 2, 0, 0}, 4},
    {"{\"op\":\"reduce\",\"fn\":\"l2\",\"dim\":\"width\"}", {0, 0, 0}, {0, 0, 0}, 3},
    {"{\"op\":\"reduce\",\"fn\":\"l2\",\"dim\":\"width\"}", {3, NAN, 4}, {NAN, NAN, NAN}, 3},
    {"{\"op\":\"global_max_pool\"}", {2, 7, 1, 7}, {0, 2, 0, 0}, 4},
    {"{\"op\":\"lp_pool\",\"kernel_size\":[1,2]}", {0, 0, 3, 4}, {0, 0, 1.2F, 1.6F}, 4},
    {"{\"op\":\"lp_pool\",\"kernel_size\":[1,2],\"norm_type\":1}", {0, 0, 0, -4}, {0, 0, 0, -2}, 4},
    {"{\"op\":\"lp_pool\",\"kernel_size\":[1,2],\"norm_type\":3}", {0, 0, 0, -4}, {0, 0, 0, -2}, 4},
    {"{\"op\":\"lp_pool\",\"kernel_size\":[1,2]}", {NAN, 1}, {NAN, NAN}, 2},
};
// clang-format on

TEST(kinks_are_torchs)
{
    const float dy[9] = {2, 2, 2, 2, 2, 2, 2, 2, 2};
    for (size_t i = 0; i < sizeof kinks / sizeof *kinks; i++)
        expect(kinks[i].step, (struct convd_shape){1, 1, 1, kinks[i].n}, kinks[i].x, dy,
               kinks[i].dx);
}

/* What is not wanted is not multiplied by 0. */
TEST(an_infinite_gradient_stops_where_nothing_goes_back)
{
    const float x[] = {-1, 1}, dy[] = {INF, INF}, want[] = {0, INF};
    const struct convd_shape s = {1, 1, 1, 2};
    expect("{\"op\":\"relu\"}", s, x, dy, want);
    expect("{\"op\":\"clamp\",\"min\":0,\"max\":2}", s, x, dy, want);
    expect("{\"op\":\"max_pool\",\"kernel_size\":[1,2]}", s, x, dy, want);
}

/* ---- merging: both inputs are the channels of one map ---- */

// clang-format off
static const struct {
    const char *op;
    float a, b, da, db;
} merges[] = {
    {"maximum", 0, 0, 1, 1},     {"maximum", 1, 2, 0, 2},       {"maximum", NAN, 1, 2, 2},
    {"maximum", INF, 1, 2, 0},   {"minimum", 3, 3, 1, 1},       {"minimum", 1, 2, 2, 0},
    {"minimum", 1, NAN, 2, 2},   {"hypot", 0, 0, NAN, NAN},     {"hypot", 3, 4, 1.2F, 1.6F},
    {"hypot", INF, 1, NAN, 0},   {"divide", 0, 0, INF, NAN},    {"divide", 1, 2, 1, -0.5F},
    {"divide", INF, INF, 0, NAN}, {"divide", INF, 1, 2, -INF},  {"multiply", 1, NAN, NAN, 2},
    {"multiply", INF, 1, 2, INF}, {"mean", NAN, 1, 1, 1},
};
// clang-format on

TEST(merges_are_torchs)
{
    for (size_t i = 0; i < sizeof merges / sizeof *merges; i++) {
        char steps[256];
        struct convd_faults *f = convd_faults_new();
        struct convd_graph *g = convd_graph_new(NULL, f);
        const int a = convd_graph_add(g, "select", "0", CONVD_IMAGE),
                  b = convd_graph_add(g, "select", "1", CONVD_IMAGE),
                  y = convd_graph_add(g, merges[i].op, "", a, b);
        const struct convd_input in = {
            .pixels = CONVD_F32_NCHW, .n = 1, .height = 1, .width = 1, .stored = 2, .channels = 2};
        struct convd_grad *d = convd_grad_new(g, &in, y, false, NULL, 1, f);
        const float x[] = {merges[i].a, merges[i].b}, dy[] = {2};
        float dx[2];
        OK(d && convd_grad_run(d,
                               &(struct convd_grad_run){
                                   .input = x, .upstream = dy, .gradients = (float *[]){dx}},
                               f));
        snprintf(steps, sizeof steps, "%s of %g and %g: %g and %g", merges[i].op, (double)x[0],
                 (double)x[1], (double)dx[0], (double)dx[1]);
        if (!same(dx[0], merges[i].da) || !same(dx[1], merges[i].db)) T_FAIL("%s", steps);
        convd_grad_free(d);
        convd_graph_free(g);
        convd_faults_free(f);
    }
}

/* ---- winners ---- */

/* A window on one axis: where its tap t of output o stands. */
struct axis {
    ptrdiff_t n, k, stride, dilation, before;
};
static ptrdiff_t place(const struct axis *a, ptrdiff_t o, ptrdiff_t t)
{
    return o * a->stride - a->before + t * a->dilation;
}

struct window {
    struct axis y, x;
    bool padded; /* the border takes part */
    enum convd_mode mode;
    float value;
};

/* Where the first number of a window that is v stands; -1: it was the border's constant. */
static ptrdiff_t search(const struct window *w, const float *x, ptrdiff_t i, ptrdiff_t j, float v)
{
    for (ptrdiff_t t = 0; t < w->y.k; t++)
        for (ptrdiff_t u = 0; u < w->x.k; u++) {
            ptrdiff_t r = place(&w->y, i, t), c = place(&w->x, j, u);
            if (w->padded) {
                r = convd_border_index(w->mode, r, w->y.n);
                c = convd_border_index(w->mode, c, w->x.n);
            } else if (r < 0 || r >= w->y.n || c < 0 || c >= w->x.n) {
                continue;
            }
            const float tap = r < 0 || c < 0 ? w->value : x[r * w->x.n + c];
            if (same(tap, v) || tap != tap) return r < 0 || c < 0 ? -1 : r * w->x.n + c;
        }
    return -1;
}

static void check_winners(const char *step, struct convd_shape s, const struct window *w,
                          struct t_rng *r)
{
    const size_t n = (size_t)(s.n * s.c * s.h * s.w);
    const bool nan = t_between(r, 0, 2) == 0;
    float *x = malloc(n * sizeof *x), dy[4096], *want = calloc(n, sizeof *want);
    const ptrdiff_t kinds = t_between(r, 1, 40);
    for (size_t i = 0; i < n; i++)
        x[i] = nan && t_between(r, 0, 30) == 0 ? NAN : (float)t_between(r, -kinds, kinds);
    for (size_t i = 0; i < 4096; i++) dy[i] = (float)t_between(r, -9, 9);
    for (size_t parts = 1; parts <= 3; parts++) {
        struct convd_shape shape;
        float *y, *dx = back_of(step, s, x, dy, parts, &y, &shape);
        const ptrdiff_t plane = shape.h * shape.w;
        OK(shape.n * shape.c * plane <= 4096);
        memset(want, 0, n * sizeof *want);
        for (ptrdiff_t c = 0; c < shape.n * shape.c; c++)
            for (ptrdiff_t o = 0; o < plane; o++) {
                const ptrdiff_t at =
                    search(w, x + c * s.h * s.w, o / shape.w, o % shape.w, y[c * plane + o]);
                if (at >= 0) want[c * s.h * s.w + at] += dy[c * plane + o];
            }
        for (size_t i = 0; i < n; i++)
            if (dx[i] != want[i])
                T_FAIL("%s on %tdx%tdx%td, %zu parts: number %zu gets %g, expected %g", step, s.c,
                       s.h, s.w, parts, i, (double)dx[i], (double)want[i]);
        free(dx);
        free(y);
    }
    free(want);
    free(x);
}

static struct axis draw_axis(struct t_rng *r, ptrdiff_t n, ptrdiff_t most)
{
    struct axis a = {n, t_between(r, 1, most), t_between(r, 1, 4), t_between(r, 1, 3), 0};
    if (t_between(r, 0, 1)) a.dilation = 1;
    a.before = t_between(r, 0, (a.k - 1) * a.dilation);
    return a;
}

/* Two or three columns, two apart, over rows that are long: forward keeps who won. */
static void draw_squares(struct t_rng *r, struct axis *y, struct axis *x)
{
    y->dilation = 1;
    y->k = t_between(r, 1, 6);
    y->before = t_between(r, 0, y->k - 1);
    *x = (struct axis){x->n, t_between(r, 2, 3), 2, 1, 0};
    x->before = t_between(r, 0, x->k - 1);
}

TEST(pools_give_to_the_first_winner)
{
    struct t_rng r = t_rng(21);
    for (int n = 0; n < 500; n++) {
        const bool squares = n >= 400;
        const struct convd_shape s = {1, t_between(&r, 1, 3), t_between(&r, 1, 20),
                                      squares ? t_between(&r, 30, 90) : t_between(&r, 1, 40)};
        const ptrdiff_t most = t_between(&r, 0, 2) ? 4 : 12;
        struct window w = {draw_axis(&r, s.h, most), draw_axis(&r, s.w, most), false,
                           CONVD_MODE_ZEROS, 0};
        if (squares) draw_squares(&r, &w.y, &w.x);
        char step[300];
        if (w.y.n + 2 * w.y.before < (w.y.k - 1) * w.y.dilation + 1 ||
            w.x.n + 2 * w.x.before < (w.x.k - 1) * w.x.dilation + 1)
            continue;
        snprintf(step, sizeof step,
                 "{\"op\":\"%s_pool\",\"kernel_size\":[%td,%td],\"stride\":[%td,%td],\"dilation\":["
                 "%td,%td],"
                 "\"padding\":[%td,%td],\"ceil_mode\":%s}",
                 n % 2 ? "max" : "min", w.y.k, w.x.k, w.y.stride, w.x.stride, w.y.dilation,
                 w.x.dilation, w.y.before, w.x.before, t_between(&r, 0, 1) ? "true" : "false");
        check_winners(step, s, &w, &r);
    }
}

TEST(rank_ops_give_to_the_first_winner)
{
    static const char *const modes[] = {"zeros",     "reflect",  "symmetric",
                                        "replicate", "circular", "constant"};
    static const char *const ops[] = {"dilate", "erode", "median"};
    struct t_rng r = t_rng(22);
    for (int n = 0; n < 300; n++) {
        const struct convd_shape s = {1, t_between(&r, 1, 3), t_between(&r, 1, 40),
                                      t_between(&r, 1, 30)};
        const int mode = (int)t_between(&r, 0, 5);
        const ptrdiff_t most = t_between(&r, 0, 1) ? 4 : 15;
        struct window w = {{s.h, t_between(&r, 1, most), 1, 1, 0},
                           {s.w, t_between(&r, 1, most), 1, 1, 0},
                           true,
                           (enum convd_mode)mode,
                           0};
        char step[300];
        if (n % 3 == 2) w.y.k |= 1, w.x.k |= 1;
        w.y.before = w.y.k / 2;
        w.x.before = w.x.k / 2;
        if (mode == CONVD_MODE_CONSTANT) w.value = (float)t_between(&r, -3, 3);
        snprintf(step, sizeof step,
                 "{\"op\":\"%s\",\"kernel_size\":[%td,%td],\"padding_mode\":\"%s\",\"padding_"
                 "value\":%g}",
                 ops[n % 3], w.y.k, w.x.k, modes[mode], (double)w.value);
        check_winners(step, s, &w, &r);
    }
}

/* Rows 0-1 and 1-2, columns 0-1 and 2-3. */
TEST(adaptive_windows_give_to_the_first_winner)
{
    const float x[] = {5, 1, 5, 5, 2, 2, 5, 5, 2, 2, 5, 5}, dy[] = {1, 10, 100, 1000},
                want[] = {1, 0, 10, 0, 100, 0, 1000, 0, 0, 0, 0, 0};
    expect("{\"op\":\"adaptive_max_pool\",\"output_size\":2}", (struct convd_shape){1, 1, 3, 4}, x,
           dy, want);
}

T_MAIN("core/back_ops")
