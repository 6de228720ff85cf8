/* accuracy.c: what the defaults reach, untouched: `make test-learn`. Learned on sets/orient/train, measured on its test. */
#include "../../api/learn.h"
#include "../../core/threads.h"
#include "../../server/examples.h"
#include "../t.h"
#include <time.h>

#define BEGIN                                                                                      \
    "[{\"op\":\"scale\",\"mul\":0.00392156862745098,\"add\":-0.5},"                                \
    "{\"op\":\"conv\",\"weight\":{\"init\":\"he_normal\",\"out_channels\":16,\"kernel_size\":3},"  \
    "\"padding\":\"same\"},\"relu\",{\"op\":\"max_pool\",\"kernel_size\":2},"
#define CONV(N)                                                                                    \
    "{\"op\":\"conv\",\"weight\":{\"init\":\"he_normal\",\"out_channels\":" #N                     \
    ",\"kernel_size\":3},\"padding\":\"same\"}"
#define END                                                                                        \
    "{\"op\":\"max_pool\",\"kernel_size\":2},\"global_avg_pool\","                                 \
    "{\"op\":\"linear\",\"weight\":{\"init\":\"he_normal\",\"out_features\":2},\"bias\":{"         \
    "\"init\":\"zeros\"}}]"

struct work {
    struct convd_faults *f;
    struct api_library *library;
    struct convd_pool *pool;
};

static void begin(struct work *w)
{
    w->f = convd_faults_new();
    w->library = api_library_new(w->f);
    w->pool = convd_pool_new(convd_usable_threads() - 1);
}

static void end(struct work *w)
{
    if (w->pool) convd_pool_free(w->pool);
    api_library_free(w->library);
    convd_faults_free(w->f);
}

static void check(bool fine, const struct api_learn *x)
{
    if (!fine) T_FAIL("%s", convd_faults_first(x->work.faults)->detail);
}

/* Reads all examples of a set; weights: where learning begins, or NULL. */
static void open_set(const struct work *w, struct api_learn *x, struct examples *e, const char *set,
                     const char *spec, const struct convd_bytes *weights,
                     const struct convd_arg *args, size_t n)
{
    static struct api_part part;
    const char *root = getenv("TESTDATA");
    char path[1024];
    snprintf(path, sizeof path, "%s/learn/sets/%s", root ? root : "tests/data", set);
    OK(examples_list(e, path));
    *x = (struct api_learn){.work = {.library = w->library,
                                     .threads = convd_usable_threads(),
                                     .form = API_PIPELINE,
                                     .pipeline = spec,
                                     .pipeline_n = strlen(spec)},
                            .args = args,
                            .n_args = n};
    if (weights) {
        part = (struct api_part){.name = "w", .data = weights->data, .n = weights->n};
        x->work.tensors = &part;
        x->work.n_tensors = 1;
    }
    check(api_learn_begin(x), x);
    check(api_learn_files(x, (const char *const *)e->names, e->n), x);
    for (size_t i = 0; i < x->n_examples; i++) {
        const struct api_learn_example *k = &x->examples[i];
        char file[2048];
        size_t picture_n, target_n = 0;
        void *target = NULL;
        snprintf(file, sizeof file, "learn/sets/%s/%s", set, e->names[k->picture]);
        void *picture = t_file(file, &picture_n);
        if (k->target != SIZE_MAX) {
            snprintf(file, sizeof file, "learn/sets/%s/%s", set, e->names[k->target]);
            target = t_file(file, &target_n);
        }
        check(api_learn_add(x, i, picture, picture_n, target, target_n, w->pool), x);
        free(picture);
        free(target);
    }
    check(api_learn_ready(x), x);
}

static void learn(const struct work *w, struct api_learn *x)
{
    const struct convd_learn_run run = {.pool = w->pool};
    while (!api_learn_done(x)) check(api_learn_epoch(x, &run), x);
}

static double accuracy_of(const struct work *w, const char *spec, const char *seed)
{
    struct api_learn x;
    struct examples e;
    struct convd_bytes weights = {.memory = NULL};
    const struct convd_arg arg = {.name = "seed", .text = seed};
    double loss, accuracy;
    struct timespec from, to;
    clock_gettime(CLOCK_MONOTONIC, &from);
    open_set(w, &x, &e, "orient/train", spec, NULL, &arg, 1);
    learn(w, &x);
    OK(api_learn_weights(&x, &weights));
    clock_gettime(CLOCK_MONOTONIC, &to);
    api_learn_release(&x);
    examples_release(&e);
    open_set(w, &x, &e, "orient/test", spec, &weights, NULL, 0);
    EQ(100, x.n_examples);
    OK(convd_learner_measure(x.learner, w->pool, NULL, &loss, &accuracy, NULL));
    api_learn_release(&x);
    examples_release(&e);
    convd_bytes_release(&weights);
    print_message("seed %s: accuracy %.3f, loss %.4f, learned in %.1f s\n", seed, accuracy, loss,
                  (double)(to.tv_sec - from.tv_sec) + (double)(to.tv_nsec - from.tv_nsec) / 1e9);
    return accuracy;
}

TEST(orientation_is_learned_to_98_percent_with_three_seeds)
{
    struct work w;
    begin(&w);
    for (int seed = 1; seed <= 3; seed++)
        for (int init = 0; init <= seed;
             init += seed) { /* the init's seed as it is, and the same as the run's */
            char spec[600], text[8], own[32] = "";
            if (init) snprintf(own, sizeof own, ",\"seed\":%d", init);
            snprintf(
                spec, sizeof spec,
                "[{\"op\":\"scale\",\"mul\":0.00392156862745098,\"add\":-0.5},"
                "{\"op\":\"conv\",\"weight\":{\"init\":\"he_normal\",\"out_channels\":64,\"kernel_"
                "size\":3%s},"
                "\"padding\":\"same\"},\"relu\",{\"op\":\"max_pool\",\"kernel_size\":2},\"global_"
                "avg_pool\","
                "{\"op\":\"linear\",\"weight\":{\"init\":\"he_normal\",\"out_features\":2%s}}]",
                own, own);
            snprintf(text, sizeof text, "%d", seed);
            OK(accuracy_of(&w, spec, text) >= 0.98);
        }
    end(&w);
}

TEST(every_block_is_learned_through)
{
    static const char *const specs[] = {
        BEGIN "{\"op\":\"residual\",\"steps\":[" CONV(
            16) ",{\"op\":\"batch_norm\",\"learn\":true},\"relu\"," CONV(16) "]},\"relu\"," END,
        BEGIN "{\"op\":\"dense\",\"steps\":[" CONV(8) ",\"relu\"]}," END,
        BEGIN "{\"op\":\"csp\",\"steps\":[" CONV(8) ",\"relu\"]}," END,
        BEGIN CONV(16) ",\"relu\",{\"op\":\"se\",\"reduction\":4}," END,
    };
    struct work w;
    begin(&w);
    for (size_t i = 0; i < sizeof specs / sizeof *specs; i++)
        OK(accuracy_of(&w, specs[i], "1") >= 0.97);
    end(&w);
}

TEST(a_sharpening_filter_is_found_to_a_hundredth)
{
    static const double truth[9] = {0, -1, 0, -1, 5, -1, 0, -1, 0};
    static const char *const specs[] = {
        "{\"input\":{\"channels\":\"gray\"},\"steps\":[{\"op\":\"conv\",\"padding\":\"same\","
        "\"padding_mode\":\"reflect\","
        "\"weight\":{\"init\":\"he_normal\",\"out_channels\":1,\"kernel_size\":3}}]}",
        "[{\"op\":\"conv\",\"padding\":\"same\",\"padding_mode\":\"reflect\","
        "\"weight\":{\"init\":\"he_normal\",\"out_channels\":1,\"kernel_size\":3}}]"};
    struct work w;
    begin(&w);
    for (size_t k = 0; k < 2; k++)
        for (int seed = 1; seed <= 3; seed++) {
            char text[8];
            struct api_learn x;
            struct examples e;
            double worst = 0;
            snprintf(text, sizeof text, "%d", seed);
            const struct convd_arg arg = {.name = "seed", .text = text};
            open_set(&w, &x, &e, "pairs", specs[k], NULL, &arg, 1);
            learn(&w, &x);
            const struct convd_learned *weight = convd_learner_weight(x.learner, 0);
            EQ(k ? 27 : 9, weight->count);
            for (size_t i = 0; i < 9;
                 i++) { /* gray seen three times: the sum over channels is what counts */
                double sum = 0;
                for (size_t c = 0; c < weight->count / 9; c++)
                    sum += (double)weight->now.data[c * 9 + i];
                worst = fmax(worst, fabs(sum - truth[i]));
            }
            print_message("seed %d, %zu weights: largest error %.6f\n", seed, weight->count, worst);
            OK(worst < 0.01);
            api_learn_release(&x);
            examples_release(&e);
        }
    end(&w);
}

T_MAIN("learn/accuracy")
