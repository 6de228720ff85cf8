/* cmd_learn.c: convd learn: weights of a pipeline from examples, in a directory or an archive. */
#include <errno.h>
#include <math.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../api/learn.h"
#include "cmd_work.h"
#include "curve.h"
#include "examples.h"
#include "saved.h"

static const struct cmd_option options[];

/* ---- stopping ---- */

static atomic_bool stop; /* Ctrl-C: a signal handler has nowhere else to put it */

static void on_signal(int number)
{
    (void)number;
    atomic_store(&stop, true);
}

/* ---- one command ---- */

struct learning {
    struct cmd_work work;
    struct examples files;
    struct api_learn learn;
    struct curve curve;
    struct convd_pool *pool;
    struct convd_bytes saved; /* after the last epoch */
    const char *root, *checkpoint;
    const char *name;    /* --save, or NULL           */
    struct store *store; /* held while it learns      */
    size_t threads;
};

/* The options that are settings of learning. */
static size_t read_settings(const struct cmd_line *line, struct convd_arg *args)
{
    static const char *const names[] = {
#define SETTING(NAME, FLAG, ...) #NAME,
#include "../core/learn/settings.def"
#undef SETTING
        "augment"};
    size_t n = 0;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        const char *text = cmd_value(line, options[i].flag);
        if (text) args[n++] = (struct convd_arg){.name = names[i], .text = text};
    }
    return n;
}

/* Says what is wrong with them as a command line names them. */
static bool check_settings(const struct convd_arg *args, size_t n)
{
    struct convd_faults *f = convd_faults_new();
    struct convd_learn_settings s;
    bool fine = f && convd_learn_read(args, n, &s, f->mem, f);
    if (!f) cmd_say(NULL, "no memory");
    for (const struct convd_fault *x = f ? convd_faults_first(f) : NULL; x; x = x->next) {
        char flag[64];
        snprintf(flag, sizeof flag, "--%s", x->pointer[0] ? x->pointer + 1 : "");
        for (char *p = flag; *p; p++) *p = *p == '_' ? '-' : *p == '/' ? ' ' : *p;
        cmd_say(x->suggestion, "%s: %s%s%s", flag, x->detail, x->expected ? "; it takes " : "",
                x->expected ? x->expected : "");
    }
    convd_faults_free(f);
    return fine;
}

/* ---- examples ---- */

/* Whoever unpacks an archive here knows it: nothing is too much but the disk. */
static bool unpack(struct learning *l)
{
    const struct archive_limits limits = {
        .entries = SIZE_MAX, .unpacked = SIZE_MAX, .ratio = SIZE_MAX, .entry = l->work.most};
    const char *dir = getenv("TMPDIR");
    size_t n;
    void *data = cmd_read(l->root, &n, SIZE_MAX / 2);
    struct convd_faults *f = convd_faults_new();
    if (!dir || !*dir) dir = "/tmp";
    const bool fine = data && f && examples_unpack(&l->files, data, n, &limits, 0, dir, &stop, f);
    if (l->files.full) cmd_say(NULL, "cannot unpack %s to %s: %s", l->root, dir, strerror(errno));
    if (f) cmd_say_faults(f, l->root);
    convd_faults_free(f);
    free(data);
    return fine;
}

static bool list(struct learning *l)
{
    struct stat st;
    if (strcmp(l->root, "-") != 0 && stat(l->root, &st) != 0)
        return cmd_say(NULL, "cannot read %s: %s", l->root, strerror(errno)), false;
    return strcmp(l->root, "-") != 0 && S_ISDIR(st.st_mode) ? examples_list(&l->files, l->root)
                                                            : unpack(l);
}

static bool add_examples(struct learning *l)
{
    struct api_learn *x = &l->learn;
    if (!api_learn_files(x, (const char *const *)l->files.names, l->files.n)) return false;
    x->cancel = &stop;
    for (size_t i = 0; i < x->n_examples; i++) {
        const struct api_learn_example *e = &x->examples[i];
        size_t n = 0, target_n = 0;
        const void *picture = examples_get(&l->files, e->picture, &n, l->work.most);
        const void *target = e->target == SIZE_MAX
                                 ? NULL
                                 : examples_get(&l->files, e->target, &target_n, l->work.most);
        const bool fine = picture && (target || e->target == SIZE_MAX) &&
                          api_learn_add(x, i, picture, n, target, target_n, l->pool);
        examples_give(&l->files, picture);
        examples_give(&l->files, target);
        if (!fine) return false;
        if (atomic_load(&stop)) return cmd_say(NULL, "stopped while reading"), false;
        curve_reading(&l->curve, i + 1, x->n_examples);
    }
    x->cancel = NULL; /* who stops while learning gets the result so far */
    return api_learn_ready(x);
}

/* Goes on from the checkpoint, where there is one. */
static bool resume(struct learning *l)
{
    size_t n = 0, epochs = 0;
    if (!l->checkpoint || access(l->checkpoint, F_OK) != 0) return true;
    void *data = cmd_read(l->checkpoint, &n, SIZE_MAX / 2);
    const bool fine = data && api_learn_load(&l->learn, data, n);
    free(data);
    if (!fine) return false;
    convd_learner_curve(l->learn.learner, &epochs);
    l->curve.first = epochs * l->learn.n_examples;
    fprintf(stderr, "going on after epoch %zu of %s\n", epochs, l->checkpoint);
    return true;
}

/* The checkpoint is whole at any moment: written beside, then renamed. */
static bool write_checkpoint(const struct learning *l)
{
    char *beside = NULL;
    if (!l->checkpoint) return true;
    if (asprintf(&beside, "%s.new", l->checkpoint) < 0) return false;
    bool fine = cmd_write(beside, l->saved.data, l->saved.n);
    if (fine && rename(beside, l->checkpoint) != 0) {
        cmd_say(NULL, "cannot write %s: %s", l->checkpoint, strerror(errno));
        fine = false;
    }
    free(beside);
    return fine;
}

/* False after a line on stderr; when stopped, the weights are those of the last whole epoch. */
static bool learn(struct learning *l)
{
    const struct convd_learn_run run = {
        .pool = l->pool, .cancel = &stop, .news = curve_news, .self = &l->curve};
    while (!api_learn_done(&l->learn)) {
        if (!api_learn_epoch(&l->learn, &run)) {
            curve_end(&l->curve);
            if (!atomic_load(&stop)) return false;
            size_t epochs;
            if (l->saved.n == 0)
                return cmd_say(NULL, "stopped in the first epoch: nothing was learned"), false;
            api_learn_load(&l->learn, l->saved.data, l->saved.n);
            convd_learner_curve(l->learn.learner, &epochs);
            cmd_say(NULL, "stopped after epoch %zu", epochs);
            return true;
        }
        l->saved.n = 0;
        if (!api_learn_save(&l->learn, &l->saved)) return cmd_say(NULL, "no memory"), false;
        if (!write_checkpoint(l)) return false;
    }
    curve_end(&l->curve);
    return true;
}

/* ---- what came of it ---- */

static void say_confusion(const struct api_learn *x, const uint64_t *counts)
{
    int width = 8;
    for (size_t c = 0; c < x->n_classes; c++)
        if ((int)strlen(x->classes[c]) > width && strlen(x->classes[c]) < 24)
            width = (int)strlen(x->classes[c]);
    fprintf(stderr, "%*s", width + 2, "");
    for (size_t c = 0; c < x->n_classes; c++) fprintf(stderr, " %*.24s", width, x->classes[c]);
    fputs("   <- answered\n", stderr);
    for (size_t i = 0; i < x->n_classes; i++) {
        fprintf(stderr, "  %*.24s", width, x->classes[i]);
        for (size_t k = 0; k < x->n_classes; k++)
            fprintf(stderr, " %*llu", width, (unsigned long long)counts[i * x->n_classes + k]);
        fputc('\n', stderr);
    }
}

static bool say_result(struct learning *l)
{
    struct api_learn *x = &l->learn;
    const size_t n = x->n_classes;
    uint64_t *counts = n ? calloc(n * n, sizeof *counts) : NULL;
    double loss = NAN, accuracy = NAN;
    const bool held = x->set.validation > 0;
    if (n && !counts) return cmd_say(NULL, "no memory"), false;
    convd_learner_measure(x->learner, l->pool, NULL, &loss, &accuracy, counts);
    fprintf(stderr, "of the %s: loss %.6g", held ? "examples held back" : "examples learned from",
            loss);
    if (n) fprintf(stderr, ", accuracy %.4f", accuracy);
    fputc('\n', stderr);
    if (n && n <= 10) say_confusion(x, counts);
    free(counts);
    return true;
}

static bool check_name(const struct learning *l)
{
    struct convd_faults *f = convd_faults_new();
    const bool may = f && saved_may(l->work.library, l->name, f);
    if (f) cmd_say_faults(f, "--save");
    convd_faults_free(f);
    return may;
}

/* Opens what the pipeline will be saved in before anything is learned. */
static bool open_store(struct learning *l, const struct cmd_line *line)
{
    char dir[4096], why[256] = "neither --data nor XDG_STATE_HOME nor HOME says where";
    snprintf(dir, sizeof dir, "%s", line->settings.data);
    if (dir[0] || store_default_dir(dir, sizeof dir)) l->store = store_sqlite_open(dir, 0, why);
    if (l->store) return true;
    cmd_say(NULL, "--save: %s; a daemon that runs takes POST /v1/jobs", why);
    return false;
}

static bool save(struct learning *l)
{
    struct convd_bytes spec = {.memory = NULL}, weights = {.memory = NULL};
    struct convd_faults *f = convd_faults_new();
    struct saved saved;
    bool replaced = false;
    enum store_status status = STORE_STATE;
    if (f && api_learn_spec(&l->learn, &spec) && api_learn_weights(&l->learn, &weights)) {
        struct api_save put = {.name = l->name,
                               .text = (const char *)spec.data,
                               .n = spec.n,
                               .tensors = l->work.tensors,
                               .n_tensors = l->work.n_tensors,
                               .weights = weights.data,
                               .weights_n = weights.n,
                               .limits = l->work.limits};
        saved_init(&saved, api_library_hold(l->work.library));
        status = saved_put(&saved, l->store, &put, &replaced, f);
        saved_release(&saved);
    }
    if (f) cmd_say_faults(f, "--save");
    if (status == STORE_OK)
        fprintf(stderr, "saved: convd run %s PICTURE\n", l->name);
    else if (status >= STORE_FULL)
        cmd_say(NULL, "--save: the store did not take it%s",
                status == STORE_FULL ? ": the disk is full" : "");
    convd_faults_free(f);
    convd_bytes_release(&spec);
    convd_bytes_release(&weights);
    return status == STORE_OK;
}

static bool write_results(struct learning *l, const struct cmd_line *line)
{
    const char *weights = cmd_value(line, "--output"), *result = cmd_value(line, "--result");
    struct convd_bytes out = {.memory = NULL};
    bool fine = !l->name || save(l);
    if (weights) {
        fine &= api_learn_weights(&l->learn, &out) ? cmd_write(weights, out.data, out.n)
                                                   : (cmd_say(NULL, "no memory"), false);
        if (fine && strcmp(weights, "-") != 0)
            fprintf(stderr, "to use it: convd run %.200s --tensor w=%s PICTURE\n", line->words[0],
                    weights);
    }
    out.n = 0;
    if (result)
        fine &= api_learn_result(&l->learn, l->name, l->pool, &out)
                    ? cmd_write(result, out.data, out.n)
                    : (cmd_say(NULL, "no memory"), false);
    if (!weights && !l->name)
        cmd_say(NULL, "the weights are not kept: add --save NAME, or -o weights.safetensors");
    convd_bytes_release(&out);
    return fine;
}

/* ---- the command ---- */

static bool work(struct learning *l, const struct cmd_line *line, const struct convd_arg *args,
                 size_t n_args)
{
    l->learn =
        (struct api_learn){.work = cmd_work_on(&l->work, NULL, 0), .args = args, .n_args = n_args};
    l->learn.work.threads = l->threads;
    const bool learned = api_learn_begin(&l->learn) && add_examples(l) && resume(l) && learn(l);
    bool fine = learned && !atomic_load(&stop);
    if (!learned && l->learn.work.faults && convd_faults_count(l->learn.work.faults)) {
        if (l->curve.live) fputs("\r\033[K", stderr);
        cmd_say_faults(l->learn.work.faults, NULL);
    }
    if (learned) fine &= say_result(l) && write_results(l, line);
    return fine;
}

static int run(struct cmd_line *line)
{
    struct learning l = {.root = line->words[1],
                         .threads = convd_usable_threads(),
                         .checkpoint = cmd_value(line, "--checkpoint"),
                         .name = cmd_value(line, "--save")};
    struct convd_arg args[32];
    const size_t n_args = read_settings(line, args);
    if (!check_settings(args, n_args) ||
        !cmd_whole(line, "--threads", CONVD_SLOTS_MOST, &l.threads))
        return CMD_USAGE;
    if (l.name && !open_store(&l, line)) return CMD_FAILED;
    int code = cmd_work_open(&l.work, line);
    if (code == CMD_OK) {
        code = CMD_FAILED;
        if (l.threads > 1)
            l.pool = convd_pool_new(l.threads - 1); /* the calling thread takes part */
        signal(SIGINT, on_signal);
        signal(SIGTERM, on_signal);
        curve_init(&l.curve);
        if (l.threads > 1 && !l.pool)
            cmd_say(NULL, "cannot start %zu threads", l.threads);
        else if ((!l.name || check_name(&l)) && list(&l) && work(&l, line, args, n_args))
            code = CMD_OK;
    }
    if (l.store) l.store->calls->close(l.store);
    api_learn_release(&l.learn);
    curve_release(&l.curve);
    examples_release(&l.files);
    convd_bytes_release(&l.saved);
    if (l.pool) convd_pool_free(l.pool);
    cmd_work_close(&l.work);
    return code;
}

/* The settings come first: read_settings counts on it. What stands behind a flag is what holds without it. */
static const struct cmd_option options[] = {
#define SETTING(NAME, FLAG, TYPE, DEFAULT, LO, HI, WORDS, SUMMARY)                                 \
    {.flag = FLAG, .unit = sizeof DEFAULT > 1 ? DEFAULT : "N", .help = SUMMARY},
#include "../core/learn/settings.def"
#undef SETTING
    {.flag = "--augment",
     .unit = "flip=none,shift=0,noise=0",
     .help = "change examples at random: flip x, y or xy; shift by pixels; add noise"},
    {.flag = "--save",
     .unit = "NAME",
     .help = "save the pipeline with its weights under --data: convd run NAME, POST /NAME"},
    {.flag = "--output",
     .letter = "-o",
     .unit = "FILE",
     .help = "safetensors file for the weights"},
    {.flag = "--result",
     .unit = "FILE",
     .help = "JSON file: curve, confusion, kernels before and after as pictures"},
    {.flag = "--checkpoint",
     .unit = "FILE",
     .help = "kept after every epoch; if it is there, learning goes on from it"},
    {.flag = "--threads",
     .unit = "N",
     .help =
         "threads to use (as many as the process may); they decide the last bits of the weights"},
    CMD_WORK_OPTIONS,
    {.flag = NULL},
};

const struct cmd cmd_learn = {
    .name = "learn",
    .usage = "PIPELINE EXAMPLES [--save NAME] [-o weights.safetensors] [settings]",
    .summary = "learn a pipeline's weights from examples",
    .help = "EXAMPLES is a directory or an archive (zip, tar, tar.gz). With one folder for each "
            "class the pipeline learns to tell "
            "them apart: it ends in one "
            "number a class.\nWith folders input/ and target/ that hold files of equal names it "
            "learns what turns the one into "
            "the other.\n"
            "\n"
            "Learned is every weight that comes from an init or whose step has \"learn\": true; "
            "\"learn\": false freezes a step. "
            "Nothing is\nscaled behind your back: a network begins with a scale step that brings "
            "pixels (0..255) to around 0.\n"
            "\n"
            "net.json, which tells upright from lying stripes:\n"
            "  [{\"op\":\"scale\",\"mul\":0.00392157,\"add\":-0.5},\n"
            "   "
            "{\"op\":\"conv\",\"weight\":{\"init\":\"he_normal\",\"out_channels\":64,\"kernel_"
            "size\":3},\"padding\":\"same\"},\n"
            "   \"relu\", {\"op\":\"max_pool\",\"kernel_size\":2}, \"global_avg_pool\",\n"
            "   {\"op\":\"linear\",\"weight\":{\"init\":\"he_normal\",\"out_features\":2}}]\n"
            "\n"
            "  convd learn @net.json stripes.zip --save stripes\n"
            "  convd run stripes picture.png\n"
            "  convd learn @net.json stripes/ -o w.safetensors --validation 0.2\n"
            "  convd run @net.json --tensor w=w.safetensors picture.png\n"
            "  convd learn @net.json more/ --tensor w=w.safetensors -o w2.safetensors --lr 0.001\n"
            "\n"
            "The learned weights are tensors called STEP.weight, STEP.bias, …; given with --tensor "
            "they take the place of what "
            "the steps say.\nCtrl-C stops and writes the weights of the last whole epoch. The same "
            "seed, examples, machine type "
            "and threads give the same bytes.\n",
    .options = options,
    .settings = SETTINGS_LIMIT | SETTINGS_DATA,
    .min_words = 2,
    .max_words = 2,
    .words = CMD_PIPELINE_FILES,
    .run = run,
};
