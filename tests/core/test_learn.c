/* Learning from C: repeats, going on, chance, batches that end small, and words about what cannot be learned from. */
#include "../../core/learn/augment.h"
#include "../../core/learn/learn.h"
#include "../../core/learn/rules.h"
#include "../../core/threads.h"
#include "../t.h"

enum { SIDE = 8, PIXELS = SIDE * SIDE };

/* A learner over pictures made on the spot: stripes along x (class 0) or y (class 1), with noise. */
struct set {
    const atomic_bool *cancel;
    struct convd_faults *f;
    struct convd_arena mem;
    struct convd_graph *graph;
    struct convd_learner *l;
    struct convd_pool *pool;
    int node;
};

static const char *const plain[] = {
    "scale:0.01,-1",   "conv:weight=@w,padding=1", "relu", "max_pool:2",
    "global_avg_pool", "linear:weight=@v",         NULL};
static const char *const chancy[] = {
    "scale:0.01,-1", "conv:weight=@w,padding=1", "batch_norm",       "relu", "dropout:0.3",
    "max_pool:2",    "global_avg_pool",          "linear:weight=@v", NULL};

static struct convd_learn_settings settings(struct set *s, const char *text)
{
    struct convd_learn_settings x;
    struct convd_arg *args;
    size_t n;
    OK(convd_args_split(s->f, &s->mem, text, &args, &n));
    if (!convd_learn_read(args, n, &x, &s->mem, s->f))
        T_FAIL("%s", convd_faults_first(s->f)->detail);
    return x;
}

/* Weights come as tensors and are learned because every step says so. */
static void begin(struct set *s, const char *const *steps, const char *text, size_t threads)
{
    static float w[4 * 9], v[8];
    for (int i = 0; i < 36; i++) w[i] = (float)sin(i * 1.7) / 2;
    for (int i = 0; i < 8; i++) v[i] = (float)cos(i * 2.3);
    const struct convd_tensor tw = {"w", 4, {4, 1, 3, 3}, w}, tv = {"v", 2, {2, 4}, v};
    *s = (struct set){.f = convd_faults_new()};
    convd_arena_init(&s->mem, NULL, 0);
    s->graph = convd_graph_new(NULL, s->f);
    convd_graph_tensor(s->graph, &tw);
    convd_graph_tensor(s->graph, &tv);
    for (; *steps; steps++) {
        char name[32];
        const char *args = strchr(*steps, ':');
        snprintf(name, sizeof name, "%.*s", args ? (int)(args - *steps) : 31, *steps);
        s->node = convd_graph_add(s->graph, name, args ? args + 1 : "", s->node);
        if (s->node < 0) T_FAIL("%s", convd_faults_first(s->f)->detail);
        s->graph->nodes[s->node].learn = strcmp(name, "dropout") == 0 ? -1 : 1;
    }
    const struct convd_learn_settings x = settings(s, text);
    s->pool = threads > 1 ? convd_pool_new(threads - 1) : NULL;
    s->l = convd_learner_new(s->graph, s->node, &x, NULL, threads, s->f);
}

static void end(struct set *s)
{
    convd_learner_free(s->l);
    convd_graph_free(s->graph);
    if (s->pool) convd_pool_free(s->pool);
    convd_arena_release(&s->mem);
    convd_faults_free(s->f);
}

static void picture(ptrdiff_t i, uint8_t *p)
{
    struct t_rng r = {(uint64_t)i * 77 + 5};
    for (int y = 0; y < SIDE; y++)
        for (int x = 0; x < SIDE; x++)
            p[y * SIDE + x] =
                (uint8_t)(((i % 2 ? y : x) + i / 2) / 2 % 2 * 120 + 50 + t_between(&r, 0, 60));
}

static bool add(struct set *s, ptrdiff_t i, ptrdiff_t class, ptrdiff_t w, ptrdiff_t h)
{
    uint8_t p[PIXELS];
    char name[32];
    snprintf(name, sizeof name, "%td.png", i);
    picture(i, p);
    const struct convd_example e = {
        .name = name,
        .input =
            {.pixels = CONVD_U8_HWC, .n = 1, .height = h, .width = w, .stored = 1, .channels = 1},
        .pixels = p,
        .class = class,
    };
    return convd_learner_add(s->l, &e, s->pool, s->cancel, s->f);
}

static void fill(struct set *s, ptrdiff_t n)
{
    for (ptrdiff_t i = 0; i < n; i++)
        if (!add(s, i, i % 2, SIDE, SIDE)) T_FAIL("%s", convd_faults_first(s->f)->detail);
    if (!convd_learner_ready(s->l, s->f)) T_FAIL("%s", convd_faults_first(s->f)->detail);
}

static void learn(struct set *s)
{
    if (!convd_learner_run(s->l, &(struct convd_learn_run){.pool = s->pool}, s->f))
        T_FAIL("%s", convd_faults_first(s->f)->detail);
}

static void same_weights(const struct set *a, const struct set *b)
{
    const struct convd_learned *x, *y;
    size_t i = 0;
    for (; (x = convd_learner_weight(a->l, i)) && (y = convd_learner_weight(b->l, i)); i++) {
        STR(x->name, y->name);
        EQ(x->count, y->count);
        if (memcmp(x->now.data, y->now.data, x->count * sizeof(float)) != 0)
            T_FAIL("%s differs", x->name);
    }
    OK(i > 1);
}

static const char *const long_text =
    "epochs=6,batch_size=5,lr=0.02,validation=0.2,seed=3,schedule=constant";

TEST(the_same_run_gives_the_same_bits_on_any_number_of_busy_threads)
{
    for (size_t threads = 1; threads <= 3; threads++) {
        struct set a, b;
        begin(&a, chancy, long_text, threads);
        begin(&b, chancy, long_text, threads);
        if (b.pool) { /* the work is cut for `threads`, whoever does it */
            convd_pool_free(b.pool);
            b.pool = NULL;
        }
        fill(&a, 23);
        fill(&b, 23);
        learn(&a);
        learn(&b);
        same_weights(&a, &b);
        end(&a);
        end(&b);
    }
}

TEST(a_run_that_stops_and_goes_on_is_the_run_that_did_not_stop)
{
    static const char *const optimizers[] = {"adam", "adamw", "sgd,momentum=0.9", "sgd"};
    for (size_t k = 0; k < 4; k++)
        for (size_t stop = 1; stop < 6; stop += 3) {
            char text[200];
            snprintf(text, sizeof text, "%s,optimizer=%s", long_text, optimizers[k]);
            struct set whole, first, second;
            struct convd_bytes saved = {.memory = NULL};
            begin(&whole, chancy, text, 2);
            begin(&first, chancy, text, 2);
            begin(&second, chancy, text, 2);
            fill(&whole, 23);
            fill(&first, 23);
            fill(&second, 23);
            learn(&whole);
            const struct convd_learn_run run = {.pool = first.pool};
            for (size_t e = 0; e < stop; e++) OK(convd_learner_epoch(first.l, &run, first.f));
            OK(convd_learner_save(first.l, &saved));
            OK(convd_learner_load(second.l, saved.data, saved.n, second.f));
            learn(&second);
            same_weights(&whole, &second);
            size_t n[2];
            const struct convd_curve *c[2] = {convd_learner_curve(whole.l, &n[0]),
                                              convd_learner_curve(second.l, &n[1])};
            EQ(6, n[1]);
            for (size_t e = 0; e < 6; e++) {
                OK(c[0][e].loss == c[1][e].loss);
                OK(c[0][e].val_loss == c[1][e].val_loss);
            }
            end(&whole);
            end(&first);
            end(&second);
            convd_bytes_release(&saved);
        }
}

TEST(a_saved_run_goes_on_only_where_it_belongs)
{
    struct set a, b;
    struct convd_bytes saved = {.memory = NULL};
    begin(&a, plain, long_text, 1);
    fill(&a, 12);
    OK(convd_learner_epoch(a.l, &(struct convd_learn_run){.pool = NULL}, a.f));
    OK(convd_learner_save(a.l, &saved));
    begin(&b, plain, "epochs=6,batch_size=5,lr=0.03,validation=0.2,seed=3", 1);
    fill(&b, 12);
    OK(!convd_learner_load(b.l, saved.data, saved.n, b.f));
    OK(strstr(convd_faults_first(b.f)->detail, "other settings"));
    saved.data[saved.n / 2] ^= 4;
    OK(!convd_learner_load(a.l, saved.data, saved.n, a.f));
    OK(strstr(convd_faults_first(a.f)->detail, "damaged"));
    for (size_t n = 0; n < saved.n; n += 7) OK(!convd_learner_load(a.l, saved.data, n, a.f));
    end(&a);
    end(&b);
    convd_bytes_release(&saved);
}

TEST(stripes_are_told_apart)
{
    struct set s;
    uint64_t counts[4];
    double loss, accuracy;
    begin(&s, plain, "epochs=60,batch_size=8,lr=0.03", 1);
    fill(&s, 32);
    learn(&s);
    OK(convd_learner_measure(s.l, NULL, NULL, &loss, &accuracy, counts));
    NEAR(1, accuracy, 0.001);
    EQ(16, counts[0]);
    EQ(0, counts[1]);
    EQ(0, counts[2]);
    EQ(16, counts[3]);
    end(&s);
}

/* The last measuring stops between examples, an example before its fixed steps are done. */
TEST(measuring_and_adding_stop_when_they_are_told_to)
{
    struct set s;
    uint64_t counts[4];
    double loss, accuracy;
    atomic_bool cancel = true;
    begin(&s, plain, "epochs=1,batch_size=8,lr=0.03", 2);
    s.cancel = &cancel;
    OK(!add(&s, 0, 0, SIDE, SIDE));
    EQ(CONVD_CANCELLED, convd_faults_first(s.f)->code);
    s.cancel = NULL;
    fill(&s, 32);
    learn(&s);
    OK(!convd_learner_measure(s.l, s.pool, &cancel, &loss, &accuracy, counts));
    cancel = false;
    OK(convd_learner_measure(s.l, s.pool, &cancel, &loss, &accuracy, counts));
    EQ(32, counts[0] + counts[1] + counts[2] + counts[3]);
    end(&s);
}

TEST(early_stop_ends_a_run_that_gets_no_better)
{
    struct set s;
    size_t n;
    begin(&s, plain, "epochs=500,batch_size=8,lr=0,early_stop=4", 1);
    fill(&s, 12);
    learn(&s);
    convd_learner_curve(s.l, &n);
    OK(n >= 5 && n < 500);
    end(&s);
}

TEST(a_step_that_is_frozen_stays)
{
    struct set s;
    const struct convd_learned *w;
    begin(&s, plain, "epochs=2", 1);
    s.graph->nodes[2].learn = 0;
    fill(&s, 12);
    learn(&s);
    for (size_t i = 0; (w = convd_learner_weight(s.l, i)); i++) STR("s5.weight", w->name);
    end(&s);
}

/* ---- words ---- */

static const char *refused(struct set *s)
{
    EQ(1, convd_faults_count(s->f));
    return convd_faults_first(s->f)->detail;
}

TEST(bad_examples_are_refused_with_words)
{
    struct set s;
    begin(&s, plain, "epochs=2", 1);
    OK(!convd_learner_ready(s.l, s.f));
    OK(strstr(refused(&s), "no examples"));
    end(&s);
    begin(&s, plain, "epochs=2", 1);
    OK(add(&s, 0, 0, SIDE, SIDE));
    OK(!convd_learner_ready(s.l, s.f));
    OK(strstr(refused(&s), "one class"));
    end(&s);
    begin(&s, plain, "epochs=2", 1);
    OK(add(&s, 0, 0, SIDE, SIDE));
    OK(!add(&s, 1, 1, SIDE, SIDE - 1));
    OK(strstr(refused(&s), "1.png is 8x7"));
    OK(strstr(convd_faults_first(s.f)->expected, "resize"));
    end(&s);
    begin(&s, plain, "epochs=2", 1);
    for (ptrdiff_t i = 0; i < 3; i++) OK(add(&s, i, i, SIDE, SIDE));
    OK(!convd_learner_ready(s.l, s.f));
    OK(strstr(refused(&s), "3 classes"));
    end(&s);
    begin(&s, plain, "epochs=2,loss=mse", 1);
    OK(!add(&s, 0, 0, SIDE, SIDE));
    OK(strstr(refused(&s), "loss is mse"));
    end(&s);
}

TEST(a_loss_that_grows_without_bound_stops_with_words)
{
    struct set s;
    begin(&s, plain, "epochs=50,optimizer=sgd,lr=1e6", 1);
    fill(&s, 12);
    OK(!convd_learner_run(s.l, &(struct convd_learn_run){.pool = NULL}, s.f));
    OK(strstr(refused(&s), "no number"));
    OK(strstr(convd_faults_first(s.f)->expected, "smaller lr"));
    STR("/lr", convd_faults_first(s.f)->pointer);
    end(&s);
}

TEST(a_run_that_is_cancelled_says_so)
{
    struct set s;
    atomic_bool stop = true;
    begin(&s, plain, "epochs=2", 1);
    fill(&s, 12);
    OK(!convd_learner_run(s.l, &(struct convd_learn_run){.cancel = &stop}, s.f));
    EQ(CONVD_CANCELLED, convd_faults_first(s.f)->code);
    end(&s);
}

TEST(settings_are_checked_all_at_once)
{
    static const char *const pointers[] = {"/lr",      "/batch_size",   "/optimizer",
                                           "/betas/1", "/augment/flip", "/momentun"};
    struct convd_arena mem;
    struct convd_faults *f = convd_faults_new();
    struct convd_learn_settings x;
    struct convd_arg *args;
    size_t n, seen = 0;
    convd_arena_init(&mem, NULL, 0);
    OK(convd_args_split(f, &mem, "lr=-1,batch_size=0,optimizer=sdg,betas=0.9x1,momentun=0.9", &args,
                        &n));
    struct convd_arg all[8];
    memcpy(all, args, n * sizeof *args);
    all[n++] = (struct convd_arg){.name = "augment", .text = "flip=z"};
    OK(!convd_learn_read(all, n, &x, &mem, f));
    for (const struct convd_fault *k = convd_faults_first(f); k; k = k->next)
        for (size_t i = 0; i < sizeof pointers / sizeof *pointers; i++)
            seen += strcmp(k->pointer, pointers[i]) == 0;
    EQ(6, seen);
    EQ(6, convd_faults_count(f));
    convd_faults_free(f);
    convd_arena_release(&mem);
}

TEST(momentum_belongs_to_sgd_and_nesterov_to_momentum)
{
    static const char *const texts[] = {"momentum=0.9", "optimizer=sgd,nesterov=true"};
    for (size_t i = 0; i < 2; i++) {
        struct convd_arena mem;
        struct convd_faults *f = convd_faults_new();
        struct convd_learn_settings x;
        struct convd_arg *args;
        size_t n;
        convd_arena_init(&mem, NULL, 0);
        OK(convd_args_split(f, &mem, texts[i], &args, &n));
        OK(!convd_learn_read(args, n, &x, &mem, f));
        EQ(1, convd_faults_count(f));
        convd_faults_free(f);
        convd_arena_release(&mem);
    }
}

/* ---- pieces ---- */

TEST(rates_go_as_torchs_schedules)
{
    struct convd_learn_settings s = {
        .lr = 0.1, .epochs = 10, .step_size = 3, .gamma = 0.5, .schedule = CONVD_STEP_RATE};
    NEAR(0.1, convd_schedule_rate(&s, 2), 1e-12);
    NEAR(0.05, convd_schedule_rate(&s, 3), 1e-12);
    NEAR(0.0125, convd_schedule_rate(&s, 9), 1e-12);
    s.schedule = CONVD_COSINE_RATE;
    NEAR(0.1, convd_schedule_rate(&s, 0), 1e-12);
    NEAR(0.05, convd_schedule_rate(&s, 5), 1e-12);
    NEAR(0.1 * (1 + cos(0.9 * 3.14159265358979)) / 2, convd_schedule_rate(&s, 9), 1e-9);
}

TEST(a_pictures_ends_stand_for_all_beyond)
{
    const float y[] = {-20, 300, 10, 250}, target[] = {0, 255, 0, 255};
    float dy[4];
    NEAR((100.0 + 25) / 4, convd_loss(CONVD_MSE, y, 4, -1, target, true, 1, dy), 1e-6);
    NEAR(0, dy[0], 0);
    NEAR(0, dy[1], 0);
    NEAR(5, dy[2], 1e-6);
    NEAR((400.0 + 2025 + 100 + 25) / 4, convd_loss(CONVD_MSE, y, 4, -1, target, false, 1, dy),
         1e-6);
}

TEST(augmented_maps_are_mirrored_then_moved)
{
    const float x[] = {1, 2, 3, 4, 5, 6};
    float y[6];
    convd_augment_map(&(struct convd_augmented){.mirror_x = true}, (struct convd_shape){1, 1, 2, 3},
                      x, y);
    const float mirrored[] = {3, 2, 1, 6, 5, 4};
    EQ(0, memcmp(y, mirrored, sizeof y));
    convd_augment_map(&(struct convd_augmented){.mirror_y = true, .right = 1},
                      (struct convd_shape){1, 1, 2, 3}, x, y);
    const float moved[] = {4, 4, 5, 1, 1, 2};
    EQ(0, memcmp(y, moved, sizeof y));
    struct convd_augment a = {.flip = CONVD_MIRROR_XY, .shift = 2};
    int mirrored_x = 0, down = 0;
    for (uint32_t i = 0; i < 1000; i++) {
        const struct convd_augmented d = convd_augment_draw(&a, 9, 1, i);
        OK(d.down >= -2 && d.down <= 2 && d.right >= -2 && d.right <= 2);
        mirrored_x += d.mirror_x;
        down += d.down == -2;
    }
    NEAR(500, mirrored_x, 80);
    NEAR(200, down, 60);
}

T_MAIN("core/learn")
