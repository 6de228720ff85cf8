/* Stages on integers: no byte further than one level from what floats give, however the work is cut, on every instruction
 * set the processor has. */
#include "../../core/plan.h"
#include "../t.h"

/* Steps that have integer forms; some decline what they get, and their graph runs in floats. */
static const char *const ones[][2] = {
    {"grayscale", ""},
    {"filter", "sobel_x"},
    {"filter", "sobel_y,padding_mode=circular"},
    {"filter", "scharr_x,padding_mode=zeros"},
    {"filter", "laplacian,padding_mode=constant,padding_value=255"},
    {"filter", "kirsch_n,padding_mode=symmetric"},
    {"filter", "sharpen,padding_mode=replicate"},
    {"filter", "sharpen,padding_mode=constant,padding_value=30"},
    {"filter", "emboss,delta=128"},
    {"filter", "roberts_x,flip=true"},
    {"filter", "-3x4x0;7x3x-1;6x2x-2,scale=0.0625"},
    {"filter", "-3x4x0x1;7x3x-1x2;6x2x-2x3;5x-4x3x2;1x2x3x4,scale=0.025,padding_mode=symmetric"},
    {"filter", "0.3x0.1x-0.2;0.25x0.6x0.1,anchor=1"},
    {"filter", "1x2x1;2x4x2;1x2x1,scale=0.125,delta=-40"},
    {"box", "3"},
    {"box", "5"},
    {"filter", "1x1x1x1x1;1x1x1x1x1;1x1x1x1x1,scale=0.07,padding_mode=zeros"},
    {"filter", "1x1x1;1x1x1;1x1x1,scale=0.2,padding_mode=constant,padding_value=200"},
    {"box", "11"},
    {"gaussian", "5"},
    {"gaussian", "9,2"},
    {"gaussian", "31,5"},
    {"filter", "motion,padding_mode=symmetric"},
    {"abs", ""},
    {"relu", ""},
    {"neg", ""},
    {"invert", ""},
    {"clamp", "-10,200"},
    {"clamp", "min=3"},
    {"relu6", ""},
    {"scale", "0.5"},
    {"scale", "2,10"},
    {"scale", "-0.3,100"},
    {"threshold", "100"},
    {"dilate", "3"},
    {"dilate", "2x5,padding_mode=reflect"},
    {"erode", "5,padding_mode=constant"},
    {"erode", "4x1,padding_mode=circular"},
    {"median", "3"},
    {"median", "5"},
    {"median", "3x7,padding_mode=zeros"},
    {"max_pool", "2"},
    {"max_pool", "3,2,1"},
    {"max_pool", "3,1,1"},
    {"max_pool", "2,stride=3,ceil_mode=true"},
    {"min_pool", "2"},
    {"min_pool", "3x1,1"},
    {"avg_pool", "2"},
    {"avg_pool", "3,2,1"},
    {"avg_pool", "3x2,1"},
    {"sum_pool", "2"},
};
static const char *const twos[] = {"add", "sub", "maximum", "minimum"};

struct trial {
    struct convd_faults *f;
    struct convd_graph *g;
    struct convd_input in;
    struct convd_output out[2];
    size_t n_out, bytes[2];
    uint8_t *image;
    char text[600];
};

static void draw_graph(struct trial *t, struct t_rng *r)
{
    int steps = (int)t_between(r, 1, 6), nodes[16] = {CONVD_IMAGE}, n = 1;
    t->text[0] = 0;
    for (int i = 0; i < steps; i++) {
        int a = nodes[t_between(r, n > 2 ? n - 2 : 0, n - 1)], b = nodes[t_between(r, 0, n - 1)];
        size_t used = strlen(t->text);
        if (t_between(r, 0, 4) == 0) {
            const char *op = twos[t_between(r, 0, 3)];
            nodes[n++] = convd_graph_add(t->g, op, "", a, b);
            snprintf(t->text + used, sizeof t->text - used, " %d=%s(%d,%d)", n - 1, op, a, b);
        } else {
            ptrdiff_t k = t_between(r, 0, (ptrdiff_t)(sizeof ones / sizeof *ones) - 1);
            if (i == 0 && t_between(r, 0, 2)) k = 0;
            nodes[n++] = convd_graph_add(t->g, ones[k][0], ones[k][1], a);
            snprintf(t->text + used, sizeof t->text - used, " %d=%s:%s(%d)", n - 1, ones[k][0], ones[k][1], a);
        }
    }
    t->n_out = t_between(r, 0, 3) == 0 && n > 2 ? 2 : 1;
    t->out[0] = (struct convd_output){nodes[n - 1], CONVD_U8_HWC};
    t->out[1] = (struct convd_output){nodes[t_between(r, 1, n - 1)], CONVD_U8_HWC};
}

static void draw_image(struct trial *t, struct t_rng *r)
{
    const ptrdiff_t channels[] = {1, 3, 3, 4}, c = channels[t_between(r, 0, 3)];
    t->in = (struct convd_input){.pixels = CONVD_U8_HWC,
                                 .n = t_between(r, 1, 2),
                                 .height = t_between(r, 0, 9) ? t_between(r, 1, 90) : 1,
                                 .width = t_between(r, 0, 3) ? t_between(r, 1, 60) : t_between(r, 60, 400),
                                 .stored = c,
                                 .channels = c == 4 && t_between(r, 0, 1) ? 3 : c};
    const size_t bytes = (size_t)(t->in.n * t->in.height * t->in.width * c);
    const int kind = (int)t_between(r, 0, 2); /* noise, two levels, a slope */
    t->image = malloc(bytes);
    for (size_t i = 0; i < bytes; i++)
        t->image[i] = kind == 0   ? (uint8_t)t_random(r)
                      : kind == 1 ? (t_random(r) & 1 ? 255 : 0)
                                  : (uint8_t)(i * 3 / 7);
}

/* Runs p; every output is its own block with guards. */
static void run_plan(const struct trial *t, const struct convd_plan *p, struct convd_pool *pool, uint8_t **y,
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
                      &(struct convd_run){.input = t->image,
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

static struct convd_plan *plan_of(const struct trial *t, size_t threads)
{
    return convd_plan_new(t->g, &t->in, t->out, t->n_out, NULL, threads, t->f);
}

static bool on_integers(const struct convd_plan *p, int node)
{
    struct convd_step_info info;
    static const char *const words[] = {"integer i16", "integer i32", "integer u8", "running sum", "separable i16"};
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
static bool compare(const struct trial *t, struct convd_plan *p, struct convd_pool *pool, int round, size_t *moved)
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
                        T_FAIL("round %d%s: %zu threads, %zu bands differ", round, t->text, threads, bands[k]);
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
                T_FAIL("round %d%s: %tdx%tdx%td output %zu byte %zu is %u, in floats %u", round, t->text, t->in.height,
                       t->in.width, t->in.stored, o, i, got[o][i], want[o][i]);
        }
    release(got, t->n_out);
    release(want, t->n_out);
    return integers;
}

static void random_graphs(unsigned seed, int rounds, int *used)
{
    struct t_rng r = t_rng(seed);
    struct convd_pool *pool = convd_pool_new(3);
    size_t moved = 0, all = 0;
    for (int round = 0; round < rounds; round++) {
        struct trial t = {.f = convd_faults_new()};
        t.g = convd_graph_new(NULL, t.f);
        draw_graph(&t, &r);
        draw_image(&t, &r);
        struct convd_plan *p = t.out[0].node > 0 && t.out[1].node > 0 ? plan_of(&t, 1) : NULL;
        if (p) {
            for (size_t o = 0; o < t.n_out; o++) {
                const struct convd_shape s = convd_plan_shape(p, t.out[o].node);
                t.bytes[o] = (size_t)(s.n * s.c * s.h * s.w);
                all += t.bytes[o];
            }
            *used += compare(&t, p, pool, round, &moved);
        }
        free(t.image);
        convd_plan_free(p);
        convd_graph_free(t.g);
        convd_faults_free(t.f);
    }
    print_message("%d graphs on integers; %.2f %% of all bytes differ by one level\n", *used,
                  100 * (double)moved / (double)(all ? all : 1));
    convd_pool_free(pool);
}

TEST(no_byte_is_further_than_a_level_from_floats)
{
    int used = 0;
    random_graphs(61, 1500, &used);
    OK(used > 400);
}

TEST(every_instruction_set_gives_the_same_bytes)
{
    struct t_rng r = t_rng(62);
    static const char *const sets[] = {"ref", "base", "avx2", "avx512", "vnni", "neon"};
    for (int round = 0; round < 150; round++) {
        struct trial t = {.f = convd_faults_new()};
        uint8_t *want[2] = {NULL}, *got[2];
        t.g = convd_graph_new(NULL, t.f);
        draw_graph(&t, &r);
        draw_image(&t, &r);
        for (size_t k = 0; k < sizeof sets / sizeof *sets; k++) {
            setenv("CONVD_ISA", sets[k], 1);
            struct convd_plan *p = t.out[0].node > 0 && t.out[1].node > 0 ? plan_of(&t, 1) : NULL;
            unsetenv("CONVD_ISA");
            if (!p || !on_integers(p, t.out[0].node)) {
                convd_plan_free(p);
                break;
            }
            for (size_t o = 0; o < t.n_out; o++) {
                const struct convd_shape s = convd_plan_shape(p, t.out[o].node);
                t.bytes[o] = (size_t)(s.n * s.c * s.h * s.w);
            }
            run_plan(&t, p, NULL, got, NULL);
            for (size_t o = 0; o < t.n_out && k > 0; o++)
                if (memcmp(want[o], got[o], t.bytes[o]) != 0)
                    T_FAIL("round %d%s: %s differs from ref", round, t.text, sets[k]);
            if (k == 0)
                memcpy(want, got, sizeof want);
            else
                release(got, t.n_out);
            convd_plan_free(p);
        }
        if (want[0]) release(want, t.n_out);
        free(t.image);
        convd_graph_free(t.g);
        convd_faults_free(t.f);
    }
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
    expect("filter", "-3x4x0;7x3x-1;6x2x-2", CONVD_U8_HWC, "integer i32");
    expect("grayscale", "", CONVD_U8_HWC, "integer i16");
    expect("grayscale", "", CONVD_F32_NCHW, "pointwise");
    expect("gaussian", "31,5", CONVD_F32_NCHW, "separable");
}

T_MAIN("test_lane")
