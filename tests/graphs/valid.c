/* Random graphs run as they were planned: into just the memory that the plan names, to the same numbers however the work is
 * cut, on however many threads, with one map wanted or all. GRAPHS=20000 draws that many. */
#include "../../core/pixels.h"
#include "../api/lib_work.h"
#include "lib_graph.h"

enum { GUARD = 64, OUTPUTS = 3 };

/* A graph, what is wanted of it, and how many bytes that is. */
struct trial {
    struct graph g;
    struct convd_faults *f;
    struct convd_graph *graph;
    struct convd_output out[OUTPUTS];
    size_t n_out, bytes[OUTPUTS];
    int round, last;
};

/* What a run left behind. */
struct outcome {
    unsigned char *y[OUTPUTS];
    uint64_t saturated[OUTPUTS];
    size_t touched; /* of the workspace, up to the last byte that is another one now */
};

static void draw(struct trial *t, struct t_rng *r, int round)
{
    static const struct graph_wish wish = {.steps = 0};
    *t = (struct trial){.f = convd_faults_new(), .round = round};
    graph_draw(&t->g, &wish, r);
    t->graph = graph_build(&t->g, t->f, &t->last);
    t->n_out = t_between(r, 0, 2) ? 1 : (size_t)t_between(r, 2, OUTPUTS);
    for (size_t o = 0; o < t->n_out; o++) {
        const ptrdiff_t form = t_between(r, 0, 9);
        t->out[o].node = o ? (int)t_between(r, 0, (ptrdiff_t)t->graph->n_nodes - 1) : t->last;
        t->out[o].pixels = form < 6 ? CONVD_F32_NCHW : form < 9 ? CONVD_U8_HWC : CONVD_U16_HWC;
    }
}

static void release(struct trial *t)
{
    convd_graph_free(t->graph);
    convd_faults_free(t->f);
    graph_release(&t->g);
}

static void forget(const struct trial *t, struct outcome *x)
{
    for (size_t o = 0; o < t->n_out; o++) free(x->y[o]);
}

static struct convd_plan *plan_of(struct trial *t, size_t threads, size_t bands)
{
    struct convd_plan *p = convd_plan_new(t->graph, &t->g.in, t->out, t->n_out, NULL, threads, t->f);
    if (!p) T_FAIL("round %d: planned once and not again: %s in %s", t->round, test_faults(t->f), graph_text(&t->g));
    OK(convd_plan_force_bands(p, bands));
    return p;
}

/* Runs p in memory that is filled with a pattern, which must be gone from every output and be left around each block. */
static struct outcome run_plan(struct trial *t, const struct convd_plan *p, struct convd_pool *pool, int pattern)
{
    const size_t work = convd_plan_workspace(p);
    struct outcome x = {.y = {NULL}};
    void *outputs[OUTPUTS];
    char *space = aligned_alloc(64, (work + 2 * GUARD + 63) / 64 * 64);
    memset(space, pattern, work + 2 * GUARD);
    for (size_t o = 0; o < t->n_out; o++) {
        x.y[o] = malloc(t->bytes[o] + 2 * GUARD);
        memset(x.y[o], pattern, t->bytes[o] + 2 * GUARD);
        outputs[o] = x.y[o] + GUARD;
    }
    OK(convd_plan_run(p,
                      &(struct convd_run){.input = t->g.image,
                                          .outputs = outputs,
                                          .workspace = space + GUARD,
                                          .pool = pool,
                                          .saturated = x.saturated},
                      t->f));
    for (size_t i = 0; i < GUARD; i++) {
        bool touched = space[i] != (char)pattern || space[GUARD + work + i] != (char)pattern;
        for (size_t o = 0; o < t->n_out; o++)
            touched |= x.y[o][i] != pattern || x.y[o][GUARD + t->bytes[o] + i] != pattern;
        if (touched) T_FAIL("round %d: written outside, %s", t->round, graph_text(&t->g));
    }
    for (size_t o = 0; o < t->n_out; o++) memmove(x.y[o], x.y[o] + GUARD, t->bytes[o]);
    x.touched = work;
    while (x.touched > 0 && space[GUARD + x.touched - 1] == (char)pattern) x.touched--;
    free(space);
    return x;
}

static bool same_floats(const unsigned char *a, const unsigned char *b, size_t bytes)
{
    for (size_t i = 0; i < bytes; i += sizeof(float)) {
        float u, v;
        memcpy(&u, a + i, sizeof u);
        memcpy(&v, b + i, sizeof v);
        if (!(u == v || (u != u && v != v))) return false;
    }
    return true;
}

static void expect_same(const struct trial *t, const struct outcome *want, const struct outcome *got, const char *what,
                        size_t k)
{
    for (size_t o = 0; o < t->n_out; o++) {
        const bool same = t->out[o].pixels == CONVD_F32_NCHW ? same_floats(want->y[o], got->y[o], t->bytes[o])
                                                             : memcmp(want->y[o], got->y[o], t->bytes[o]) == 0;
        if (!same || want->saturated[o] != got->saturated[o]) {
            struct graph g = t->g;
            T_FAIL("round %d, %s %zu: output %zu (node %d, pixels %d) differs in %s", t->round, what, k, o,
                   t->out[o].node, t->out[o].pixels, graph_text(&g));
        }
    }
}

/* What explain says of every step follows from shapes. */
static void check_info(const struct trial *t, const struct convd_plan *p)
{
    for (int v = 0; v < (int)t->graph->n_nodes; v++) {
        const struct convd_node *n = &t->graph->nodes[v];
        struct convd_step_info info;
        OK(convd_plan_info(p, v, &info));
        if (n->kind != CONVD_NODE_STEP) continue;
        const struct convd_shape s = convd_plan_shape(p, v);
        double bytes = 4.0 * (double)(s.n * s.c * s.h * s.w);
        for (size_t i = 0; i < n->n_inputs; i++) {
            const struct convd_shape x = convd_plan_shape(p, n->inputs[i]);
            bytes += 4.0 * (double)(x.n * x.c * x.h * x.w);
        }
        NEAR(bytes + 4.0 * (double)info.weights, info.bytes, 0);
        OK(info.macs >= 0 && info.ms >= 0 && info.rf_h >= 1 && info.rf_w >= 1);
        OK(info.rf_h <= t->g.in.height && info.rf_w <= t->g.in.width);
    }
}

/* Workspaces of all graphs, and how much of them was needed: the last buffer of each holds what one call at most asks for. */
struct spaces {
    double said, needed;
};

static void check_cuts(struct trial *t, struct t_rng *r, struct convd_pool *pool, struct spaces *all)
{
    static const size_t bands[] = {0, 2, 5, 1000};
    struct convd_plan *p = plan_of(t, 1, 1);
    for (size_t o = 0; o < t->n_out; o++) {
        const struct convd_shape s = convd_plan_shape(p, t->out[o].node);
        OK(convd_pixels_bytes(t->out[o].pixels, s.n, s.c, s.h, s.w, &t->bytes[o]));
    }
    check_info(t, p);
    struct outcome want = run_plan(t, p, NULL, 0xff); /* NaN, if it is read */
    struct outcome again = run_plan(t, p, NULL, 0x11);
    expect_same(t, &want, &again, "another time", 2); /* so every byte of both was written */
    const size_t said = convd_plan_workspace(p), needed = want.touched > again.touched ? want.touched : again.touched;
    if (said - needed > 8192) T_FAIL("round %d: %zu of %zu bytes needed, %s", t->round, needed, said, graph_text(&t->g));
    all->said += (double)said;
    all->needed += (double)needed;
    forget(t, &again);
    convd_plan_free(p);
    const size_t skip = (size_t)t_between(r, 0, 7);
    for (size_t threads = 1; threads <= 3; threads += 2)
        for (size_t k = 0; k < 4; k++) {
            if (k + 2 * (threads - 1) == skip) continue;
            p = plan_of(t, threads, bands[k]);
            again = run_plan(t, p, threads > 1 ? pool : NULL, 0x5a);
            expect_same(t, &want, &again, threads > 1 ? "with three threads, bands" : "bands", bands[k]);
            forget(t, &again);
            convd_plan_free(p);
        }
    forget(t, &want);
}

/* ---- with every map wanted ---- */

static float *map_alone(struct trial *t, int node, size_t *n)
{
    const struct convd_output out = {.node = node, .pixels = CONVD_F32_NCHW};
    struct convd_plan *p = convd_plan_new(t->graph, &t->g.in, &out, 1, NULL, 1, t->f);
    OK(p);
    const struct convd_shape s = convd_plan_shape(p, node);
    *n = (size_t)(s.n * s.c * s.h * s.w);
    float *y = malloc(*n * sizeof *y);
    OK(convd_plan_run(p, &(struct convd_run){.input = t->g.image, .outputs = (void *[]){y}}, t->f));
    convd_plan_free(p);
    return y;
}

static void check_taps(struct trial *t)
{
    const size_t n = t->graph->n_nodes;
    struct convd_output *out = calloc(n, sizeof *out);
    float **y = calloc(n, sizeof *y);
    for (size_t v = 0; v < n; v++) out[v] = (struct convd_output){.node = (int)v, .pixels = CONVD_F32_NCHW};
    struct convd_plan *p = convd_plan_new(t->graph, &t->g.in, out, n, NULL, 1, t->f);
    OK(p);
    for (size_t v = 0; v < n; v++) {
        const struct convd_shape s = convd_plan_shape(p, (int)v);
        y[v] = malloc((size_t)(s.n * s.c * s.h * s.w) * sizeof(float));
    }
    OK(convd_plan_run(p, &(struct convd_run){.input = t->g.image, .outputs = (void **)y}, t->f));
    for (size_t v = 0; v < n; v++) {
        size_t numbers;
        float *alone = map_alone(t, (int)v, &numbers);
        if (!same_floats((unsigned char *)alone, (unsigned char *)y[v], numbers * sizeof *alone))
            T_FAIL("round %d: the map of node %zu differs when all are wanted, %s", t->round, v, graph_text(&t->g));
        free(alone);
        free(y[v]);
    }
    convd_plan_free(p);
    free(y);
    free(out);
}

TEST(random_graphs_run_as_planned_however_they_are_cut)
{
    struct t_rng r = t_rng(20);
    struct convd_pool *pool = convd_pool_new(3);
    const int rounds = graph_rounds(1200);
    struct spaces all = {0, 0};
    size_t *seen = calloc(convd_op_count(), sizeof *seen), steps = 0;
    for (int round = 0; round < rounds; round++) {
        struct trial t;
        draw(&t, &r, round);
        for (size_t v = 0; v < t.graph->n_nodes; v++)
            for (size_t i = 0; t.graph->nodes[v].op && i < convd_op_count(); i++)
                if (convd_op_at(i) == t.graph->nodes[v].op) seen[i]++, steps++;
        for (const struct convd_written *w = t.graph->written; w; w = w->next)
            for (size_t i = 0; w->op && w->op->expand && i < convd_op_count(); i++)
                seen[i] += convd_op_at(i) == w->op;
        check_cuts(&t, &r, pool, &all);
        if (round % 4 == 0) check_taps(&t);
        release(&t);
    }
    size_t least = 0;
    for (size_t i = 1; i < convd_op_count(); i++) least = seen[i] < seen[least] ? i : least;
    print_message("%d graphs, %zu steps; the rarest is %s, %zu times; %.2f %% of all workspaces needed\n", rounds, steps,
                  convd_op_at(least)->name, seen[least], 100 * all.needed / all.said);
    OK(all.needed > 0.97 * all.said);
    OK(rounds < 1000 || seen[least] > 0);
    free(seen);
    convd_pool_free(pool);
}

T_MAIN("graphs/valid")
