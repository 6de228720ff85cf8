/* cmd_bench.c: convd bench: how long a pipeline runs, step by step, without reading and writing pictures. */
#include <stdlib.h>
#include <string.h>

#include "../api/json.h"
#include "cmd_work.h"

enum { DEFAULT_ROUNDS = 20, MOST_ROUNDS = 100000, NOISE_WIDTH = 1920, NOISE_HEIGHT = 1080 };

/* What one line says. */
struct line {
    const char *step, *op;
    double min, median, gflops, gbytes;
};

/* Steps that run in one loop share its time, by what is expected of each, and have its rates. */
struct loop {
    double ns, ms, macs, bytes; /* as it was timed, as expected */
};

struct bench {
    struct cmd_work work;
    struct convd_pool *pool;
    size_t threads, rounds;
    bool json;
    struct api_work w;
    struct convd_step_info *steps; /* n_nodes */
    struct loop *loops;            /* n_nodes: each at the node that runs it */
    double *ms; /* n_nodes + 1 rows of `rounds` numbers; the last row is the whole run's */
};

/* A picture of noise as a PPM. The caller frees. */
static void *noise(size_t *n)
{
    char head[32];
    const size_t pixels = (size_t)3 * NOISE_WIDTH * NOISE_HEIGHT;
    const int head_n = snprintf(head, sizeof head, "P6\n%d %d\n255\n", NOISE_WIDTH, NOISE_HEIGHT);
    unsigned char *data = malloc((size_t)head_n + pixels);
    if (!data) return cmd_say(NULL, "no memory"), NULL;
    memcpy(data, head, (size_t)head_n);
    uint64_t state = 1;
    for (size_t i = 0; i < pixels; i++) {
        state = state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
        data[(size_t)head_n + i] = (unsigned char)(state >> 56);
    }
    *n = (size_t)head_n + pixels;
    return data;
}

/* ---- times ---- */

static void loops_begin(struct bench *b)
{
    for (size_t v = 0; v < b->w.graph->n_nodes; v++) {
        struct convd_step_info *x = &b->steps[v];
        if (!convd_plan_info(b->w.plan, (int)v, x)) *x = (struct convd_step_info){.run_by = (int)v};
        struct loop *l = &b->loops[x->run_by];
        l->ms += x->ms, l->macs += x->macs, l->bytes += x->bytes;
    }
}

/* Threads work on steps side by side, so a step's time is its part of the round: the lines add up to the total. */
static void note_round(void *self, size_t round)
{
    struct bench *b = self;
    const size_t n = b->w.graph->n_nodes;
    double sum = 0;
    for (size_t v = 0; v < n; v++) b->loops[v].ns = 0;
    for (size_t v = 0; v < n; v++) {
        b->loops[b->steps[v].run_by].ns += (double)b->w.step_ns[v];
        sum += (double)b->w.step_ns[v];
    }
    for (size_t v = 0; v < n; v++) {
        const struct loop *l = &b->loops[b->steps[v].run_by];
        const double share = l->ms > 0 ? b->steps[v].ms / l->ms : 1;
        b->ms[v * b->rounds + round] = sum > 0 ? share * l->ns / sum * b->w.timing.run_ms : 0;
    }
    b->ms[n * b->rounds + round] = b->w.timing.run_ms;
}

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* The rates are those of the shortest round; a multiply-add is two operations. */
static struct line line_of(const struct bench *b, size_t row, double macs, double bytes)
{
    double *ms = b->ms + row * b->rounds;
    const size_t n = b->rounds;
    qsort(ms, n, sizeof *ms, ascending);
    return (struct line){.min = ms[0],
                         .median = n % 2 ? ms[n / 2] : (ms[n / 2 - 1] + ms[n / 2]) / 2,
                         .gflops = ms[0] > 0 ? 2e-6 * macs / ms[0] : 0,
                         .gbytes = ms[0] > 0 ? 1e-6 * bytes / ms[0] : 0};
}

/* ---- what is printed ---- */

static void put_number(struct api_json *j, const char *name, double x)
{
    char text[API_NUMBER_ROOM];
    snprintf(text, sizeof text, "%.4f", x);
    api_json_key(j, name);
    api_json_number(j, strtod(text, NULL));
}

static void put_line(const struct bench *b, const struct line *l, struct api_json *j)
{
    if (!b->json) {
        printf("%s\t%zu\t%.4f\t%.4f\t%.2f\t%.2f\n", l->step, b->threads, l->min, l->median,
               l->gflops, l->gbytes);
        return;
    }
    api_json_object(j);
    api_json_key(j, "step");
    api_json_string(j, l->step);
    if (l->op) {
        api_json_key(j, "op");
        api_json_string(j, l->op);
    }
    api_json_key(j, "threads");
    api_json_integer(j, (intmax_t)b->threads);
    put_number(j, "min_ms", l->min);
    put_number(j, "median_ms", l->median);
    put_number(j, "gflops", l->gflops);
    put_number(j, "gbytes_s", l->gbytes);
    api_json_end(j);
}

/* Every step that ran, and the picture's own line where it had to be unpacked; returns the total. */
static struct line put_steps(const struct bench *b, struct api_json *j)
{
    const struct convd_graph *g = b->w.graph;
    double macs = 0, bytes = 0;
    for (size_t v = 0; v < g->n_nodes; v++) {
        const struct convd_node *node = &g->nodes[v];
        const struct convd_step_info *x = &b->steps[v];
        const struct loop *loop = &b->loops[x->run_by];
        const bool step = node->kind == CONVD_NODE_STEP;
        if (step ? !x->needed : v != CONVD_IMAGE) continue;
        const double share = loop->ms > 0 ? x->ms / loop->ms : 1;
        struct line l =
            step ? line_of(b, v, share * loop->macs, share * loop->bytes) : line_of(b, v, 0, 0);
        if (!step && l.median <= 0) continue;
        l.step = step ? node->id : "image";
        l.op = step ? node->op->name : NULL;
        macs += x->macs;
        bytes += x->bytes;
        put_line(b, &l, j);
    }
    struct line total = line_of(b, g->n_nodes, macs, bytes);
    total.step = "total";
    return total;
}

static bool put_text(const struct bench *b)
{
    const struct line total = put_steps(b, NULL);
    put_line(b, &total, NULL);
    return true;
}

static bool put_json(const struct bench *b)
{
    struct convd_bytes out = {0};
    struct api_json j = api_json_to(&out);
    api_json_object(&j);
    api_json_key(&j, "rounds");
    api_json_integer(&j, (intmax_t)b->rounds);
    api_json_key(&j, "steps");
    api_json_array(&j);
    const struct line total = put_steps(b, &j);
    api_json_end(&j);
    api_json_key(&j, "total");
    put_line(b, &total, &j);
    api_json_end(&j);
    const bool fine =
        !j.failed && convd_bytes_put(&out, "\n", 1) && cmd_write("-", out.data, out.n);
    if (j.failed) cmd_say(NULL, "no memory");
    convd_bytes_release(&out);
    return fine;
}

/* ---- the command ---- */

static bool measure(struct bench *b, const void *image, size_t n)
{
    b->w = cmd_work_on(&b->work, image, n);
    b->w.threads = b->threads;
    bool fine = api_work_prepare(&b->w);
    const size_t nodes = fine ? b->w.graph->n_nodes : 0;
    if (fine && (!(b->ms = calloc((nodes + 1) * b->rounds, sizeof *b->ms)) ||
                 !(b->steps = calloc(nodes, sizeof *b->steps)) ||
                 !(b->loops = calloc(nodes, sizeof *b->loops))))
        return cmd_say(NULL, "no memory"), false;
    if (fine) loops_begin(b);
    fine = fine && api_work_rounds(&b->w, b->pool, b->rounds, note_round, b);
    if (!fine) cmd_say_faults(b->w.faults, NULL);
    return fine;
}

static int bench(struct bench *b, const struct cmd_line *line)
{
    const char *path = cmd_value(line, "--input");
    size_t n = 0;
    void *image = path ? cmd_read(path, &n, b->work.most) : noise(&n);
    bool fine = image != NULL;
    /* The calling thread takes part. */
    if (fine && b->threads > 1 && !(b->pool = convd_pool_new(b->threads - 1)))
        fine = (cmd_say(NULL, "cannot start %zu threads", b->threads), false);
    fine = fine && measure(b, image, n);
    fine = fine && (b->json ? put_json(b) : put_text(b));
    if (image) api_work_release(&b->w);
    if (b->pool) convd_pool_free(b->pool);
    free(b->ms);
    free(b->steps);
    free(b->loops);
    free(image);
    return fine ? CMD_OK : CMD_FAILED;
}

static int run(struct cmd_line *line)
{
    struct bench b = {.threads = convd_usable_threads(),
                      .rounds = DEFAULT_ROUNDS,
                      .json = cmd_value(line, "--json") != NULL};
    if (!cmd_whole(line, "--threads", 1024, &b.threads) ||
        !cmd_whole(line, "--rounds", MOST_ROUNDS, &b.rounds))
        return CMD_USAGE;
    int code = cmd_work_open(&b.work, line);
    if (code == CMD_OK) code = bench(&b, line);
    cmd_work_close(&b.work);
    return code;
}

static const struct cmd_option options[] = {
    {.flag = "--input",
     .letter = "-i",
     .unit = "FILE",
     .help = "the picture (- is standard input; without it 1920x1080 pixels of noise)"},
    CMD_WORK_OPTIONS,
    {.flag = "--threads", .unit = "N", .help = "threads to use (as many as the process may)"},
    {.flag = "--rounds", .unit = "R", .help = "runs that are timed (20), after one that is not"},
    {.flag = "--json", .help = "print JSON"},
    {.flag = NULL},
};

const struct cmd cmd_bench = {
    .name = "bench",
    .usage = "PIPELINE [--input FILE] [--threads N] [--rounds R] [--json]",
    .summary = "measure how long a pipeline runs, step by step",
    .help =
        "The picture is decoded once and nothing is encoded: what is timed is the run alone. Each "
        "line has, with tabs "
        "between,\n"
        "step, threads, min_ms, median_ms, gflops, gbytes_s; the last line is the total. The rates "
        "belong to the\n"
        "shortest round: two operations a multiply-add, and the bytes of the maps and weights that "
        "a step reads and\n"
        "writes as 32-bit floats. Steps that run in one loop have its rates, and shares of its "
        "time as expected of\n"
        "them. The line \"image\" is the picture made ready for the first step. A pipeline that "
        "ends in 8 bits may run\n"
        "on integers; one whose output is npy runs on floats.\n"
        "\n"
        "  convd bench edges --input photo.png\n"
        "  convd bench grayscale/gaussian:9,2/max_pool:2 --input photo.jpg --threads 1 --rounds "
        "50\n"
        "  convd bench '{\"steps\":[\"edges\"],\"output\":{\"format\":\"npy\"}}' --input "
        "photo.png\n"
        "  convd bench features --json | jq .total\n",
    .options = options,
    .settings = SETTINGS_LIMIT | SETTINGS_DATA,
    .min_words = 1,
    .max_words = 1,
    .words = CMD_PIPELINE,
    .run = run,
};
