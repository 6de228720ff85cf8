/* engine.c: the engine beside others, through core/convd.h alone (codecs.c: and image/image.h). Speaks a line protocol that
 * other libraries' benches speak too, so that a harness can take samples of all in turn:
 *
 *   bench-engine list     workload<TAB>convd<TAB>most threads, a line for each workload it can run
 *   bench-engine serve    reads workload<TAB>peer<TAB>threads, answers ms<TAB>note, or !why
 *
 * Workloads are rows of $BENCH_DIR/workloads.tsv: name<TAB>kind<TAB>key=value …<TAB>words. A sample is SAMPLE_MS (15) of
 * calls that do not count, then the mean over calls that fill as much again; a call over 200 ms is a sample by itself.
 * Input, output and workspace are there before the clock starts. Pictures in and out are in codecs.c. */
#include "../../core/convd.h"
#include "codecs.h"
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { ROWS = 512, MOST_THREADS = 64, MOST_WEIGHTS = 16 };

struct row {
    char name[80], kind[32], parameters[256];
};
static struct row rows[ROWS];
static size_t n_rows;

/* A workload made ready to run. */
struct ready {
    char name[80], peer[80];
    size_t threads;
    struct codec_work *codec; /* or all that follows */
    struct convd_faults *faults;
    struct convd_graph *graph;
    struct convd_plan *plan;
    struct convd_grad *grad;       /* what goes back, or */
    struct convd_learner *learner; /* what learns, in place of plan */
    float *gradients[8], *upstream;
    struct convd_pool *pool;
    struct convd_input in;
    struct convd_output out;
    void *input, *output, *workspace;
    float *weights[MOST_WEIGHTS];
    size_t n_weights;
    char why[200];
};

/* ---- the table ---- */

static void read_rows(void)
{
    const char *dir = getenv("BENCH_DIR");
    char path[1024], line[1024];
    snprintf(path, sizeof path, "%s/workloads.tsv", dir ? dir : ".");
    FILE *f = fopen(path, "re");
    while (f && n_rows < ROWS && fgets(line, sizeof line, f)) {
        struct row *r = &rows[n_rows];
        if (line[0] != '#' &&
            sscanf(line, "%79[^\t]\t%31[^\t]\t%255[^\t\n]", r->name, r->kind, r->parameters) == 3)
            n_rows++;
    }
    if (f) fclose(f);
}

/* The text of a parameter of the row ("" where it has none), and its number. */
static const char *word(const struct row *r, const char *key)
{
    static char text[64];
    size_t n = strlen(key);
    for (const char *p = r->parameters; *p; p += strcspn(p, " "), p += strspn(p, " "))
        if (strncmp(p, key, n) == 0 && p[n] == '=') {
            snprintf(text, sizeof text, "%.*s", (int)strcspn(p + n + 1, " "), p + n + 1);
            return text;
        }
    return "";
}

static ptrdiff_t number(const struct row *r, const char *key)
{
    return strtol(word(r, key), NULL, 10);
}

/* ---- graphs ---- */

/* A step with arguments written as by printf. */
__attribute__((format(printf, 4, 5))) static int step(struct ready *w, const char *op, int x,
                                                      const char *arguments, ...)
{
    char text[8192];
    va_list list;
    va_start(list, arguments);
    vsnprintf(text, sizeof text, arguments, list);
    va_end(list);
    return convd_graph_add(w->graph, op, text, x);
}

static float uniform(void)
{
    static unsigned long long state = 88172645463325252ull;
    state ^= state << 13, state ^= state >> 7, state ^= state << 17;
    return (float)(state >> 40) / 16777216.0f - 0.5f;
}

static float *floats(size_t n)
{
    float *x = aligned_alloc(64, (n * sizeof *x + 63) / 64 * 64);
    for (size_t i = 0; x && i < n; i++) x[i] = uniform();
    return x;
}

/* "@wI": a weight of small random numbers. */
static void tensor(struct ready *w, int rank, ptrdiff_t o, ptrdiff_t i, ptrdiff_t k)
{
    static const char *const names[MOST_WEIGHTS] = {"w0", "w1", "w2", "w3", "w4", "w5", "w6",
                                                    "w7", "w8", "w9", "w10", "w11", "w12", "w13",
                                                    "w14", "w15"};
    struct convd_tensor t = {
        .name = names[w->n_weights], .rank = rank, .dim = {o, i, k, k}, .data = NULL};
    size_t n = (size_t)o;
    for (int d = 1; d < rank; d++) n *= (size_t)t.dim[d];
    t.data = w->weights[w->n_weights++] = floats(n);
    convd_graph_tensor(w->graph, &t);
}

static int edges(struct ready *w, const struct row *r)
{
    (void)r;
    int gray = step(w, "grayscale", CONVD_IMAGE, "%s", "");
    int x = step(w, "abs", step(w, "sobel_x", gray, "%s", ""), "%s", "");
    int y = step(w, "abs", step(w, "sobel_y", gray, "%s", ""), "%s", "");
    return convd_graph_add(w->graph, "add", "", x, y);
}

/* The same small integers for everybody: (7i mod 11) - 3, over their sum. */
static int filter(struct ready *w, const struct row *r)
{
    char text[8192];
    const int k = (int)number(r, "k");
    int sum = 0;
    size_t n = 0;
    for (int i = 0; i < k * k && n + 16 < sizeof text; i++) {
        const int v = i * 7 % 11 - 3;
        sum += v;
        n += (size_t)snprintf(text + n, sizeof text - n, "%d%s", v,
                              i + 1 == k * k       ? ""
                              : i % k == k - 1 ? ";"
                                               : "x");
    }
    return step(w, "filter", CONVD_IMAGE, "%s%s,scale=%.17g", text, k == 1 ? ";" : "",
                1.0 / (double)sum);
}

static int gauss(struct ready *w, const struct row *r)
{
    return step(w, "gaussian", CONVD_IMAGE, "%td,5", number(r, "k"));
}
static int box(struct ready *w, const struct row *r)
{
    return step(w, "box", CONVD_IMAGE, "%td", number(r, "k"));
}
static int dilate(struct ready *w, const struct row *r)
{
    return step(w, "dilate", CONVD_IMAGE, "%td", number(r, "k"));
}
static int median(struct ready *w, const struct row *r)
{
    return step(w, "median", CONVD_IMAGE, "%td", number(r, "k"));
}
static int pool(struct ready *w, const struct row *r)
{
    const char *op = strcmp(word(r, "op"), "max") == 0 ? "max_pool" : "avg_pool";
    return step(w, op, CONVD_IMAGE, "%td,%td,padding=%td", number(r, "k"), number(r, "s"),
                strcmp(r->kind, "pool8") == 0 ? 0 : number(r, "k") / 2);
}
static int global(struct ready *w, const struct row *r)
{
    const char *op = strcmp(word(r, "op"), "max") == 0 ? "global_max_pool" : "global_avg_pool";
    return step(w, op, CONVD_IMAGE, "%s", "");
}

static int conv_on(struct ready *w, const struct row *r, int x, ptrdiff_t ci, ptrdiff_t co)
{
    const ptrdiff_t k = number(r, "k") ? number(r, "k") : 3, g = number(r, "g") ? number(r, "g") : 1,
                    s = number(r, "s") ? number(r, "s") : 1,
                    p = *word(r, "p") ? number(r, "p") : k / 2;
    const size_t first = w->n_weights;
    tensor(w, 4, co, ci / g, k);
    tensor(w, 1, co, 0, 0);
    return step(w, "conv", x, "weight=@w%zu,bias=@w%zu,stride=%td,padding=%td,groups=%td", first,
                first + 1, s, p, g);
}
static int conv(struct ready *w, const struct row *r)
{
    return conv_on(w, r, CONVD_IMAGE, number(r, "ci"), number(r, "co"));
}
static int chain(struct ready *w, const struct row *r)
{
    return step(w, "max_pool", step(w, "relu", conv(w, r), "%s", ""), "%s", "2");
}
static int residual_on(struct ready *w, const struct row *r, int x, ptrdiff_t c)
{
    int y = step(w, "relu", conv_on(w, r, x, c, c), "%s", "");
    y = convd_graph_add(w->graph, "add", "", x, conv_on(w, r, y, c, c));
    return step(w, "relu", y, "%s", "");
}
static int residual(struct ready *w, const struct row *r)
{
    return residual_on(w, r, CONVD_IMAGE, number(r, "c"));
}
static int squeeze(struct ready *w, const struct row *r)
{
    return step(w, "se", CONVD_IMAGE, "%td", number(r, "r"));
}

/* conv, relu, residual blocks, mean, linear to two classes, learned. */
static int net(struct ready *w, const struct row *r)
{
    const ptrdiff_t c = number(r, "co");
    int y = step(w, "relu", conv_on(w, r, CONVD_IMAGE, number(r, "ci"), c), "%s", "");
    for (ptrdiff_t i = 0; i < number(r, "blocks"); i++) y = residual_on(w, r, y, c);
    y = step(w, "global_avg_pool", y, "%s", "");
    const size_t first = w->n_weights;
    tensor(w, 2, 2, c, 0);
    tensor(w, 1, 2, 0, 0);
    y = step(w, "linear", y, "weight=@w%zu,bias=@w%zu", first, first + 1);
    for (int v = 0; v <= y; v++) convd_graph_learn(w->graph, v, true);
    return y;
}

/* What is handed in: an RGB picture, bytes of c planes, or c planes of floats. */
enum source { PICTURE, PLANES8, PLANES };
static const struct kind {
    const char *name;
    enum source source;
    int (*make)(struct ready *w, const struct row *r);
} kinds[] = {
    {"edges", PICTURE, edges}, {"filter", PICTURE, filter}, {"gauss", PICTURE, gauss},
    {"box", PICTURE, box},     {"dilate", PICTURE, dilate}, {"median", PICTURE, median},
    {"pool8", PLANES8, pool},  {"pool", PLANES, pool},      {"gpool", PLANES, global},
    {"conv", PLANES, conv},    {"chain", PLANES, chain},    {"residual", PLANES, residual},
    {"se", PLANES, squeeze},   {"convbwd", PLANES, conv},   {"poolbwd", PLANES, pool},
    {"train", PLANES, net},
};

static const struct kind *kind_of(const struct row *r)
{
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (strcmp(kinds[i].name, r->kind) == 0) return &kinds[i];
    return NULL;
}

/* ---- one workload ---- */

static void release(struct ready *w)
{
    if (w->codec) codec_work_free(w->codec);
    convd_plan_free(w->plan);
    convd_grad_free(w->grad);
    convd_learner_free(w->learner);
    for (size_t i = 0; i < sizeof w->gradients / sizeof *w->gradients; i++) free(w->gradients[i]);
    free(w->upstream);
    convd_graph_free(w->graph);
    convd_faults_free(w->faults);
    convd_pool_free(w->pool);
    for (size_t i = 0; i < w->n_weights; i++) free(w->weights[i]);
    free(w->input);
    free(w->output);
    free(w->workspace);
    *w = (struct ready){0};
}

/* Planes of bytes go in as samples of one channel: they lie in memory the same way, and no window reaches over. */
static void describe(struct ready *w, const struct row *r, enum source source)
{
    const ptrdiff_t h = number(r, "h"), wide = *word(r, "w") ? number(r, "w") : h,
                    c = *word(r, "ci") ? number(r, "ci") : number(r, "c");
    w->in = (struct convd_input){
        .pixels = source == PLANES ? CONVD_F32_NCHW : CONVD_U8_HWC,
        .n = source == PLANES8 ? c : 1,
        .height = h,
        .width = wide,
        .stored = source == PICTURE ? 3 : source == PLANES8 ? 1 : c,
    };
    w->in.channels = w->in.stored;
    w->out.pixels = w->in.pixels;
}

static void picture_path(char *path, size_t room, ptrdiff_t width, ptrdiff_t height)
{
    const char *dir = getenv("BENCH_DIR");
    snprintf(path, room, "%s/build/img/%tdx%td", dir ? dir : ".", width, height);
}

/* The picture of that size where the harness has one, else noise. */
static void *input_of(const struct convd_input *in, enum source source)
{
    const size_t n = (size_t)in->n * (size_t)in->stored * (size_t)in->height * (size_t)in->width;
    if (in->pixels == CONVD_F32_NCHW) return floats(n);
    unsigned char *x = aligned_alloc(64, (n + 63) / 64 * 64);
    char path[1024];
    for (size_t i = 0; x && i < n; i++) x[i] = (unsigned char)((uniform() + 0.5f) * 255.9f);
    picture_path(path, sizeof path - 4, in->width, in->height);
    strcat(path, ".rgb");
    FILE *f = source == PICTURE ? fopen(path, "re") : NULL;
    if (f && x && fread(x, 1, n, f) != n) fprintf(stderr, "%s is short\n", path);
    if (f) fclose(f);
    return x;
}

static bool no_plan(struct ready *w)
{
    const struct convd_fault *x = convd_faults_first(w->faults);
    snprintf(w->why, sizeof w->why, "%s: %s", x ? x->pointer : "", x ? x->detail : "no plan");
    return false;
}

static bool pool_of(struct ready *w)
{
    w->pool =
        w->threads > 1 ? convd_pool_new(w->threads - 1) : NULL; /* the caller is one of them */
    return w->threads < 2 || w->pool;
}

/* Gradients of all weights, and of the image where it is a map and no picture. One run forward leaves the maps. */
static bool make_grad(struct ready *w, const struct row *r, const struct convd_limits *limits)
{
    const struct convd_wrt *x;
    w->grad = convd_grad_new(w->graph, &w->in, w->out.node, false, limits, w->threads, w->faults);
    if (!w->grad) return no_plan(w);
    for (size_t i = 0; i < 8 && (x = convd_grad_wrt(w->grad, i)); i++)
        if (x->kind != CONVD_WRT_IMAGE || number(r, "ci") != 3) w->gradients[i] = floats(x->count);
    const struct convd_shape y = convd_grad_shape(w->grad);
    w->upstream = floats((size_t)(y.c * y.h * y.w));
    w->input = input_of(&w->in, PLANES);
    w->workspace = aligned_alloc(64, (convd_grad_workspace(w->grad) + 127) / 64 * 64);
    if (!pool_of(w) || !w->upstream || !w->input || !w->workspace) return false;
    return convd_grad_run(
        w->grad, &(struct convd_grad_run){.input = w->input, .workspace = w->workspace}, w->faults);
}

/* One epoch is one step: as many examples as a batch has. */
static bool make_learner(struct ready *w, const struct row *r, const struct convd_limits *limits)
{
    const ptrdiff_t n = number(r, "n");
    char settings[128];
    snprintf(settings, sizeof settings,
             "loss=cross_entropy,optimizer=sgd,lr=0.01,shuffle=false,epochs=100000,batch_size=%td",
             n);
    w->learner = convd_learner_open(w->graph, w->out.node, settings, limits, w->threads, w->faults);
    if (!w->learner) return no_plan(w);
    for (ptrdiff_t i = 0; i < n; i++) {
        float *x = input_of(&w->in, PLANES);
        const struct convd_example e = {
            .name = "made up", .input = w->in, .pixels = x, .class = i % 2};
        const bool fine = x && convd_learner_add(w->learner, &e, NULL, NULL, w->faults);
        free(x);
        if (!fine) return no_plan(w);
    }
    return convd_learner_ready(w->learner, w->faults) ? pool_of(w) : no_plan(w);
}

static bool make_codec(struct ready *w, const struct row *r)
{
    char path[1024];
    const ptrdiff_t width = number(r, "w"), height = number(r, "h");
    picture_path(path, sizeof path, width, height);
    snprintf(w->why, sizeof w->why, "no such picture");
    w->codec = codec_work_new(r->kind, path, width, height, codec_level(w->peer), w->threads);
    return w->codec != NULL;
}

static bool make(struct ready *w, const struct row *r, const char *peer, size_t threads)
{
    const struct kind *kind = kind_of(r);
    snprintf(w->name, sizeof w->name, "%s", r->name);
    snprintf(w->peer, sizeof w->peer, "%s", peer);
    snprintf(w->why, sizeof w->why, "no memory");
    w->threads = threads;
    if (!kind) return make_codec(w, r);
    w->faults = convd_faults_new();
    w->graph = w->faults ? convd_graph_new(NULL, w->faults) : NULL;
    if (!w->graph) return false;
    describe(w, r, kind->source);
    w->out.node = kind->make(w, r);
    const struct convd_limits limits = {.memory = (size_t)16 << 30, .macs = 1e15};
    if (strcmp(r->kind, "train") == 0) return make_learner(w, r, &limits);
    if (strstr(r->kind, "bwd")) return make_grad(w, r, &limits);
    w->plan = convd_plan_new(w->graph, &w->in, &w->out, 1, &limits, threads, w->faults);
    if (!w->plan) return no_plan(w);
    const struct convd_shape y = convd_plan_shape(w->plan, w->out.node);
    const size_t bytes = (size_t)y.n * (size_t)y.c * (size_t)y.h * (size_t)y.w *
                         (w->out.pixels == CONVD_F32_NCHW ? sizeof(float) : 1);
    const size_t work = convd_plan_workspace(w->plan);
    w->input = input_of(&w->in, kind->source);
    w->output = aligned_alloc(64, (bytes + 127) / 64 * 64);
    w->workspace = aligned_alloc(64, (work + 127) / 64 * 64);
    return pool_of(w) && w->input && w->output && w->workspace;
}

static double now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static void run(struct ready *w)
{
    if (w->codec) {
        codec_work_run(w->codec);
        return;
    }
    if (w->learner) {
        convd_learner_epoch(w->learner, &(struct convd_learn_run){.pool = w->pool}, w->faults);
        return;
    }
    if (w->grad) {
        convd_grad_run(w->grad,
                       &(struct convd_grad_run){.input = w->input,
                                                .upstream = w->upstream,
                                                .gradients = w->gradients,
                                                .workspace = w->workspace,
                                                .pool = w->pool,
                                                .kept = true},
                       w->faults);
        return;
    }
    convd_plan_run(w->plan,
                   &(struct convd_run){.input = w->input,
                                       .outputs = (void *[]){w->output},
                                       .workspace = w->workspace,
                                       .pool = w->pool},
                   w->faults);
}

static double sample(struct ready *w)
{
    const char *text = getenv("SAMPLE_MS");
    const double want = text ? strtod(text, NULL) : 15, begin = now_ms();
    double one, start;
    do {
        start = now_ms();
        run(w);
        one = now_ms() - start;
        if (one > 200) return one;
    } while (now_ms() - begin < want);
    double calls = want / (one > 1e-4 ? one : 1e-4);
    const long n = calls < 1 ? 1 : calls > 100000 ? 100000 : (long)calls;
    start = now_ms();
    for (long i = 0; i < n; i++) run(w);
    return (now_ms() - start) / (double)n;
}

static bool runs(const struct row *r)
{
    return kind_of(r) || codec_kind(r->kind);
}

static void answer(struct ready *w, const char *name, const char *peer, size_t threads)
{
    const struct row *r = NULL;
    for (size_t i = 0; i < n_rows; i++)
        if (strcmp(rows[i].name, name) == 0 && runs(&rows[i])) r = &rows[i];
    if (!r || threads < 1 || threads > MOST_THREADS) {
        puts("!no such workload, or not that many threads");
        return;
    }
    if (strcmp(w->name, name) != 0 || strcmp(w->peer, peer) != 0 || w->threads != threads) {
        release(w);
        if (!make(w, r, peer, threads)) {
            printf("!%s\n", w->why);
            release(w);
            return;
        }
    }
    const double ms = sample(w);
    if (w->codec)
        printf("%.6f\tbytes=%zu\n", ms, codec_work_bytes(w->codec));
    else
        printf("%.6f\t\n", ms);
}

static void list(void)
{
    for (size_t i = 0; i < n_rows; i++) {
        if (runs(&rows[i])) printf("%s\tconvd\t%d\n", rows[i].name, MOST_THREADS);
        if (strncmp(rows[i].kind, "pngenc", 6) == 0)
            for (int level = 1; level < 7; level += 5)
                printf("%s\tconvd-L%d\t%d\n", rows[i].name, level, MOST_THREADS);
    }
}

int main(int argc, char **argv)
{
    struct ready w = {0};
    char line[256], name[80], peer[80];
    size_t threads;
    read_rows();
    if (argc > 1 && strcmp(argv[1], "list") == 0) {
        list();
        return 0;
    }
    while (fgets(line, sizeof line, stdin)) {
        if (sscanf(line, "%79[^\t]\t%79[^\t]\t%zu", name, peer, &threads) == 3)
            answer(&w, name, peer, threads);
        else
            puts("!workload<TAB>peer<TAB>threads wanted");
        fflush(stdout);
    }
    release(&w);
    return 0;
}
