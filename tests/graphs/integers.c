/* Stages on integers: no byte further than one level from what floats give, however the work is cut, on every instruction
 * set the processor has. */
#include "lib_graph.h"

/* A graph on a picture of bytes, and one or two results that leave as bytes. */
struct trial {
    struct graph g;
    struct convd_faults *f;
    struct convd_graph *graph;
    struct convd_output out[2];
    size_t n_out, bytes[2];
};

/* Steps that have integer forms; some decline what they get, and their graph runs in floats. */
static bool has_integers(const struct convd_op *op)
{
    return op->fixed != NULL;
}

static void draw(struct trial *t, struct t_rng *r)
{
    static const struct graph_wish wish = {
        .may = has_integers, .often = "filter", .bytes = true, .steps = 6, .height = 90, .width = 60};
    *t = (struct trial){.f = convd_faults_new()};
    graph_draw(&t->g, &wish, r);
    int last;
    t->graph = graph_build(&t->g, t->f, &last);
    t->n_out = t_between(r, 0, 3) == 0 ? 2 : 1;
    t->out[0] = (struct convd_output){last, CONVD_U8_HWC};
    t->out[1] = (struct convd_output){(int)t_between(r, 1, (ptrdiff_t)t->graph->n_nodes - 1), CONVD_U8_HWC};
}

static void release_trial(struct trial *t)
{
    convd_graph_free(t->graph);
    convd_faults_free(t->f);
    graph_release(&t->g);
}

/* Runs p; every output is its own block with guards. */
static void run_plan(struct trial *t, const struct convd_plan *p, struct convd_pool *pool, uint8_t **y,
                     uint64_t *saturated)
{
    enum { GUARD = 64 };
    const size_t work = convd_plan_workspace(p);
    char *workspace = aligned_alloc(64, (work + 2 * GUARD + 63) / 64 * 64);
    void *outputs[2];
    memset(workspace, 0x5a, work + 2 * GUARD);
    for (size_t o = 0; o < t->n_out; o++) {
        y[o] = malloc(t->bytes[o] + 2 * GUARD);
        memset(y[o], 0x5a, t->bytes[o] + 2 * GUARD);
        outputs[o] = y[o] + GUARD;
    }
    OK(convd_plan_run(p,
                      &(struct convd_run){.input = t->g.image,
                                          .outputs = outputs,
                                          .workspace = workspace + GUARD,
                                          .pool = pool,
                                          .saturated = saturated},
                      t->f));
    for (size_t i = 0; i < GUARD; i++) {
        EQ(0x5a, workspace[i]);
        EQ(0x5a, workspace[GUARD + work + i]);
        for (size_t o = 0; o < t->n_out; o++) {
            EQ(0x5a, y[o][i]);
            EQ(0x5a, y[o][GUARD + t->bytes[o] + i]);
        }
    }
    for (size_t o = 0; o < t->n_out; o++) memmove(y[o], y[o] + GUARD, t->bytes[o]);
    free(workspace);
}

static struct convd_plan *plan_of(struct trial *t, size_t threads)
{
    struct convd_plan *p = convd_plan_new(t->graph, &t->g.in, t->out, t->n_out, NULL, threads, t->f);
    OK(p);
    for (size_t o = 0; o < t->n_out; o++) {
        const struct convd_shape s = convd_plan_shape(p, t->out[o].node);
        t->bytes[o] = (size_t)(s.n * s.c * s.h * s.w);
    }
    return p;
}

static bool on_integers(const struct convd_plan *p, int node)
{
    struct convd_step_info info;
    static const char *const words[] = {"integer i16",   "integer i32",  "integer u8",
                                        "bit by bit u8", "histogram u8", "running sum",
                                        "separable i16", "fused i16"};
    OK(convd_plan_info(p, node, &info));
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (strcmp(info.algorithm, words[i]) == 0) return true;
    return false;
}

static void release(uint8_t **y, size_t n)
{
    for (size_t o = 0; o < n; o++) free(y[o]);
}

/* Returns whether integers were used, and how many bytes differed from floats. */
static bool compare(struct trial *t, struct convd_plan *p, struct convd_pool *pool, int round, size_t *moved)
{
    uint8_t *want[2], *got[2], *again[2];
    uint64_t saturated[2], floats[2];
    const bool integers = on_integers(p, t->out[0].node);
    run_plan(t, p, NULL, got, saturated);
    if (integers) {
        static const size_t bands[] = {1, 2, 5, 1000};
        for (size_t threads = 1; threads <= 3; threads += 2)
            for (size_t k = 0; k < 4; k++) {
                struct convd_plan *q = plan_of(t, threads);
                uint64_t other[2];
                OK(q && convd_plan_force_bands(q, bands[k]));
                run_plan(t, q, threads > 1 ? pool : NULL, again, other);
                for (size_t o = 0; o < t->n_out; o++) {
                    if (memcmp(got[o], again[o], t->bytes[o]) != 0)
                        T_FAIL("round %d %s: %zu threads, %zu bands differ", round, graph_text(&t->g), threads,
                               bands[k]);
                    EQ(saturated[o], other[o]);
                }
                release(again, t->n_out);
                convd_plan_free(q);
            }
    }
    OK(convd_plan_force_float(p));
    run_plan(t, p, NULL, want, floats);
    for (size_t o = 0; o < t->n_out; o++)
        for (size_t i = 0; i < t->bytes[o]; i++) {
            const int off = got[o][i] - want[o][i];
            *moved += off != 0;
            if (off < -1 || off > 1)
                T_FAIL("round %d %s: %tdx%tdx%td output %zu byte %zu is %u, in floats %u", round, graph_text(&t->g),
                       t->g.in.height, t->g.in.width, t->g.in.stored, o, i, got[o][i], want[o][i]);
        }
    release(got, t->n_out);
    release(want, t->n_out);
    return integers;
}

TEST(no_byte_is_further_than_a_level_from_floats)
{
    struct t_rng r = t_rng(61);
    struct convd_pool *pool = convd_pool_new(3);
    const int rounds = graph_rounds(1200);
    size_t moved = 0, all = 0;
    int used = 0;
    for (int round = 0; round < rounds; round++) {
        struct trial t;
        draw(&t, &r);
        struct convd_plan *p = plan_of(&t, 1);
        used += compare(&t, p, pool, round, &moved);
        for (size_t o = 0; o < t.n_out; o++) all += t.bytes[o];
        convd_plan_free(p);
        release_trial(&t);
    }
    print_message("%d of %d graphs on integers; %.2f %% of all bytes differ by one level\n", used, rounds,
                  100 * (double)moved / (double)all);
    OK(used * 4 > rounds);
    convd_pool_free(pool);
}

TEST(every_instruction_set_gives_the_same_bytes)
{
    struct t_rng r = t_rng(62);
    static const char *const sets[] = {"ref", "base", "avx2", "avx512", "vnni", "neon"};
    for (int round = 0; round < 150; round++) {
        struct trial t;
        uint8_t *want[2] = {NULL}, *got[2];
        draw(&t, &r);
        for (size_t k = 0; k < sizeof sets / sizeof *sets; k++) {
            setenv("CONVD_ISA", sets[k], 1);
            struct convd_plan *p = plan_of(&t, 1);
            unsetenv("CONVD_ISA");
            if (!on_integers(p, t.out[0].node)) {
                convd_plan_free(p);
                break;
            }
            run_plan(&t, p, NULL, got, NULL);
            for (size_t o = 0; o < t.n_out && k > 0; o++)
                if (memcmp(want[o], got[o], t.bytes[o]) != 0)
                    T_FAIL("round %d %s: %s differs from ref", round, graph_text(&t.g), sets[k]);
            if (k == 0)
                memcpy(want, got, sizeof want);
            else
                release(got, t.n_out);
            convd_plan_free(p);
        }
        if (want[0]) release(want, t.n_out);
        release_trial(&t);
    }
}

/* Windows wider and higher than the picture, too. */
TEST(large_medians_are_those_of_floats)
{
    static const char *const sizes[] = {"9", "5x17", "15", "17", "31", "1x129", "129x1", "63x21", "129"},
                            *const modes[] = {"reflect", "symmetric", "replicate", "circular", "zeros", "constant,7"};
    struct t_rng r = t_rng(63);
    struct convd_pool *pool = convd_pool_new(3);
    static uint8_t image[70 * 150 * 4];
    for (size_t k = 0; k < sizeof sizes / sizeof *sizes; k++)
        for (size_t m = 0; m < sizeof modes / sizeof *modes; m++) {
            const ptrdiff_t stored = (ptrdiff_t[]){1, 3, 4}[t_between(&r, 0, 2)];
            struct trial t = {.f = convd_faults_new(), .n_out = 1};
            size_t moved = 0;
            for (size_t i = 0; i < sizeof image; i++) image[i] = (uint8_t)(m % 2 ? t_random(&r) : 100 + t_random(&r) % 9);
            t.g.image = image;
            t.g.in = (struct convd_input){.pixels = CONVD_U8_HWC, .n = 1, .height = t_between(&r, 1, 70),
                                          .width = t_between(&r, 1, 150), .stored = stored, .channels = stored};
            char text[64];
            snprintf(text, sizeof text, "%s,%s", sizes[k], modes[m]);
            t.graph = convd_graph_new(NULL, t.f);
            t.out[0] = (struct convd_output){convd_graph_add(t.graph, "median", text, CONVD_IMAGE), CONVD_U8_HWC};
            struct convd_plan *p = plan_of(&t, 1);
            OK(compare(&t, p, pool, (int)(k * 10 + m), &moved));
            if (moved) T_FAIL("median %s: %zu bytes differ", text, moved);
            convd_plan_free(p);
            convd_graph_free(t.graph);
            convd_faults_free(t.f);
        }
    convd_pool_free(pool);
}

/* What a step's algorithm is called for a chain on an RGB picture that leaves as bytes, or as floats. */
static void expect(const char *op, const char *text, enum convd_pixels pixels, const char *algorithm)
{
    struct convd_faults *f = convd_faults_new();
    struct convd_graph *g = convd_graph_new(NULL, f);
    struct convd_input in = {.pixels = CONVD_U8_HWC, .n = 1, .height = 40, .width = 50, .stored = 3, .channels = 3};
    struct convd_output out = {convd_graph_add(g, op, text, CONVD_IMAGE), pixels};
    struct convd_plan *p = convd_plan_new(g, &in, &out, 1, NULL, 1, f);
    struct convd_step_info info;
    OK(p && convd_plan_info(p, out.node, &info));
    STR(algorithm, info.algorithm);
    convd_plan_free(p);
    convd_graph_free(g);
    convd_faults_free(f);
}

TEST(what_was_chosen_is_told)
{
    expect("box", "5", CONVD_U8_HWC, "running sum");
    expect("gaussian", "31,5", CONVD_U8_HWC, "separable i16");
    expect("filter", "-3x4x0;7x3x-1;6x2x-2", CONVD_U8_HWC, "integer u8");
    expect("filter", "-3x4x0;7x300x-1;6x2x-2,scale=0.003", CONVD_U8_HWC, "integer i32");
    expect("grayscale", "", CONVD_U8_HWC, "integer i16");
    expect("scale", "1.2,-10", CONVD_U8_HWC, "integer i16");
    expect("scale", "900", CONVD_U8_HWC, "pointwise");
    expect("median", "5", CONVD_U8_HWC, "integer u8");
    expect("median", "9", CONVD_U8_HWC, "bit by bit u8");
    expect("median", "31", CONVD_U8_HWC, "histogram u8");
    expect("grayscale", "", CONVD_F32_NCHW, "pointwise");
    expect("gaussian", "31,5", CONVD_F32_NCHW, "separable");
}

/* A band's first step reaches far down a long chain, and its rings are large then. */
TEST(a_long_chain_of_windows_stays_on_integers)
{
    struct convd_faults *f = convd_faults_new();
    struct convd_graph *g = convd_graph_new(NULL, f);
    struct convd_input in = {.pixels = CONVD_U8_HWC, .n = 1, .height = 480, .width = 640, .stored = 3, .channels = 3};
    struct convd_output out = {.node = CONVD_IMAGE, .pixels = CONVD_U8_HWC};
    for (int i = 0; i < 64; i++) out.node = convd_graph_add(g, "dilate", "3", out.node);
    for (size_t threads = 1; threads <= 8; threads *= 2) {
        struct convd_plan *p = convd_plan_new(g, &in, &out, 1, NULL, threads, f);
        struct convd_step_info info;
        OK(p && convd_plan_info(p, out.node, &info));
        STR("integer u8", info.algorithm);
        if (convd_plan_workspace(p) > (size_t)200 << 20)
            T_FAIL("%zu bytes for %zu threads", convd_plan_workspace(p), threads);
        convd_plan_free(p);
    }
    convd_graph_free(g);
    convd_faults_free(f);
}

T_MAIN("graphs/integers")
