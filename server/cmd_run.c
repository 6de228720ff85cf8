/* cmd_run.c: convd run: a pipeline on files. Many pictures go through the pool side by side; one that fails, fails
 * alone. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cmd_stats.h"
#include "cmd_work.h"
#include "examples.h"
#include "progress.h"

/* One command: what it works on and where its results go. */
struct batch {
    struct cmd_work work;
    struct progress progress;
    struct convd_pool *pool;
    size_t threads, n;
    char **inputs;
    const char **names; /* of the inputs, as their results are called: below their directory */
    char **stems;       /* of result files in a directory, all different */
    const char *out;    /* file, "-", or the directory                   */
    bool directory;     /* results go to one                             */
    const char *format; /* NULL: the pipeline's own choice               */
    bool stats;
    atomic_size_t failed;
};

/* ---- names of results ---- */

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

/* "a.png" -> "a"; "a-2" when an earlier input has taken "a". */
static char *stem_of(const struct batch *b, size_t index)
{
    const char *name = b->names[index], *base = base_name(name), *dot = strrchr(base, '.');
    int n = dot && dot > base ? (int)(dot - name) : (int)strlen(name);
    for (size_t copy = 1;; copy++) {
        char *stem = NULL;
        int rc = copy == 1 ? asprintf(&stem, "%.*s", n, name)
                           : asprintf(&stem, "%.*s-%zu", n, name, copy);
        if (rc < 0) return NULL;
        size_t i = 0;
        while (i < index && strcmp(b->stems[i], stem) != 0) i++;
        if (i == index) return stem;
        free(stem);
    }
}

/* The format that the name of the result asks for, or NULL. */
static const char *format_of(const char *path)
{
    static const char *const others[] = {"json", "npy", "safetensors"};
    const char *dot = strrchr(base_name(path), '.');
    if (!dot) return NULL;
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        if (strcasecmp(dot + 1, others[i]) == 0) return others[i];
    char word[16];
    size_t n = 0;
    for (const char *p = dot + 1; *p && n < sizeof word - 1; p++) word[n++] = (char)(*p | 0x20);
    word[n] = 0;
    const struct convd_codec *codec = convd_codec_named(word);
    return codec && codec->encode ? codec->name : NULL;
}

static bool is_directory(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

/* ---- one picture ---- */

static bool is_binary(const char *media)
{
    return strncmp(media, "application/json", 16) != 0 && strncmp(media, "text/", 5) != 0;
}

/* Makes the folders of a result's name that are below the directory. */
static bool make_folders(const struct batch *b, char *path)
{
    for (char *s = path + strlen(b->out) + 1; (s = strchr(s, '/')); *s++ = '/') {
        *s = 0;
        if (mkdir(path, 0777) != 0 && !is_directory(path))
            return cmd_say(NULL, "cannot make the directory %s: %s", path, strerror(errno)), false;
    }
    return true;
}

static bool deliver(struct batch *b, size_t i, const struct api_work *w)
{
    char path[4096];
    snprintf(path, sizeof path, "%s", b->out);
    if (b->directory) {
        int n = snprintf(path, sizeof path, "%s/%s.%s", b->out, b->stems[i], w->extension);
        if (n >= (int)sizeof path)
            return cmd_say(NULL, "%s: the name of its result is too long", b->inputs[i]), false;
        if (!make_folders(b, path)) return false;
    }
    if (strcmp(path, "-") == 0 && is_binary(w->media) && isatty(STDOUT_FILENO)) {
        cmd_say(NULL,
                "the result is %s, which a terminal cannot show: add -o FILE.%s, or > FILE.%s",
                w->media, w->extension, w->extension);
        return false;
    }
    if (!cmd_write(path, w->body.data, w->body.n)) return false;
    progress_step(&b->progress, b->inputs[i], path);
    return true;
}

static bool work_on(struct batch *b, size_t i, const void *image, size_t n)
{
    const struct api_pair query = {"format", b->format};
    struct api_work w = cmd_work_on(&b->work, image, n);
    w.threads = b->threads;
    if (b->format) w.query = &query, w.n_query = 1;
    bool ran = api_work_prepare(&w) && api_work_run(&w, b->pool, NULL);
    if (!ran) cmd_say_faults(w.faults, b->n > 1 ? b->inputs[i] : NULL);
    bool ok = ran && deliver(b, i, &w);
    if (ok && b->stats) cmd_stats_print(&b->work, b->inputs[i], &w, b->pool);
    api_work_release(&w);
    return ok;
}

static void one(void *arg, size_t i, size_t slot)
{
    (void)slot;
    struct batch *b = arg;
    size_t n = 0;
    void *image = cmd_read(b->inputs[i], &n, b->work.most);
    if (!image || !work_on(b, i, image, n)) {
        atomic_fetch_add(&b->failed, 1);
        progress_step(&b->progress, b->inputs[i], NULL);
    }
    free(image);
}

/* ---- the command ---- */

static bool add_input(struct batch *b, size_t *room, char *input, size_t name)
{
    if (input && b->n == *room) {
        *room = *room ? 2 * *room : 64;
        char **inputs = realloc(b->inputs, *room * sizeof *inputs);
        if (inputs) b->inputs = inputs;
        const char **names = realloc(b->names, *room * sizeof *names);
        if (names) b->names = names;
        if (!inputs || !names) {
            free(input);
            input = NULL;
        }
    }
    if (!input) return cmd_say(NULL, "no memory"), false;
    b->inputs[b->n] = input;
    b->names[b->n++] = strcmp(input, "-") == 0 ? "stdin" : input + name;
    return true;
}

/* A directory stands for the files below it. */
static bool list_inputs(struct batch *b, const char *const *words, size_t n)
{
    size_t room = 0;
    bool fine = true;
    for (size_t i = 0; i < n && fine; i++) {
        struct examples e;
        if (!is_directory(words[i])) {
            fine = add_input(b, &room, strdup(words[i]), (size_t)(base_name(words[i]) - words[i]));
            continue;
        }
        b->directory = true;
        fine = examples_list(&e, words[i]);
        for (size_t k = 0; k < e.n && fine; k++) {
            char *path = NULL;
            int length = asprintf(&path, "%s/%s", words[i], e.names[k]);
            fine = add_input(b, &room, length < 0 ? NULL : path, strlen(words[i]) + 1);
        }
        examples_release(&e);
    }
    if (fine && b->n == 0) cmd_say(NULL, "run: there are no files in %s", words[0]);
    return fine && b->n > 0;
}

/* Settles where results go. */
static bool read_output(struct batch *b, const struct cmd_line *line)
{
    const char *out = cmd_value(line, "--output");
    b->out = out ? out : "-";
    size_t n = strlen(b->out);
    b->directory |= b->n > 1;
    b->format = cmd_value(line, "--format");
    if (b->directory && !out)
        return cmd_say(NULL, "run: %zu %s to a directory: add -o DIR", b->n,
                       b->n == 1 ? "picture goes" : "pictures go"),
               false;
    b->directory |= is_directory(b->out) || (n > 0 && b->out[n - 1] == '/');
    if (!b->directory) {
        if (!b->format) b->format = format_of(b->out);
        return true;
    }
    if (mkdir(b->out, 0777) != 0 && !is_directory(b->out))
        return cmd_say(NULL, "cannot make the directory %s: %s", b->out, strerror(errno)), false;
    b->stems = calloc(b->n, sizeof *b->stems);
    for (size_t i = 0; b->stems && i < b->n; i++)
        if (!(b->stems[i] = stem_of(b, i))) return cmd_say(NULL, "no memory"), false;
    return b->stems || (cmd_say(NULL, "no memory"), false);
}

static int run(struct cmd_line *line)
{
    static const char *const standard[] = {"-"};
    struct batch b = {.threads = convd_usable_threads(),
                      .stats = cmd_value(line, "--stats") != NULL};
    const bool given = line->n_words > 1;
    if (line->n_words == 1 && isatty(STDIN_FILENO)) {
        cmd_say(NULL, "run: no picture: name a file, or pipe one in");
        return CMD_USAGE;
    }
    if (!cmd_whole(line, "--threads", 1024, &b.threads)) return CMD_USAGE;
    int code = cmd_work_open(&b.work, line);
    if (code != CMD_OK) goto out;
    code = CMD_FAILED;
    if (!list_inputs(&b, given ? line->words + 1 : standard, given ? line->n_words - 1 : 1))
        goto out;
    code = CMD_USAGE;
    if (!read_output(&b, line)) goto out;
    code = CMD_FAILED;
    /* The calling thread takes part. */
    if (b.threads > 1 && !(b.pool = convd_pool_new(b.threads - 1))) {
        cmd_say(NULL, "cannot start %zu threads", b.threads);
        goto out;
    }
    progress_init(&b.progress, b.n);
    convd_pool_for(b.pool, b.n, b.threads, one, &b);
    progress_end(&b.progress);
    if (b.n > 1 && b.failed) cmd_say(NULL, "%zu of %zu pictures failed", (size_t)b.failed, b.n);
    code = b.failed ? CMD_FAILED : CMD_OK;
out:
    if (b.pool) convd_pool_free(b.pool);
    for (size_t i = 0; i < b.n; i++) {
        if (b.stems) free(b.stems[i]);
        free(b.inputs[i]);
    }
    free(b.stems);
    free(b.inputs);
    free(b.names);
    cmd_work_close(&b.work);
    return code;
}

static const struct cmd_option options[] = {
    {.flag = "--output",
     .letter = "-o",
     .unit = "OUT",
     .help = "file or directory for the result; its ending chooses the format"},
    CMD_WORK_OPTIONS,
    {.flag = "--format",
     .unit = "FORMAT",
     .help = "png jpeg webp bmp ppm hdr npy safetensors json",
     .words = "png jpeg webp bmp ppm hdr npy safetensors json"},
    {.flag = "--threads", .unit = "N", .help = "threads to use (as many as the process may)"},
    {.flag = "--stats", .help = "also print times and the result's statistics, on standard error"},
    {.flag = NULL},
};

const struct cmd cmd_run = {
    .name = "run",
    .usage = "PIPELINE [INPUT...] [-o OUT|DIR] [options]",
    .summary = "run a pipeline on pictures",
    .help = "PIPELINE is a chain, a built-in or saved name, a JSON spec, or @FILE with one. "
            "Without INPUT "
            "the picture comes\n"
            "from standard input; without -o the result goes to standard output. Several pictures "
            "need -o DIR. A directory stands for all files below it, "
            "whose results keep their places in DIR.\n"
            "\n"
            "  convd run edges photo.png -o edges.png\n"
            "  convd run grayscale/sobel_x/abs/max_pool:2 <photo.jpg >out.png\n"
            "  convd run orientation stripes.png --format json\n"
            "  convd run @spec.json --tensor bank=weights.npy photo.png -o maps.npy\n"
            "  convd run blur photos/*.jpg -o blurred/\n"
            "  convd run edges photos/ -o edges/\n",
    .options = options,
    .settings = SETTINGS_LIMIT | SETTINGS_DATA,
    .min_words = 1,
    .max_words = SIZE_MAX,
    .words = CMD_PIPELINE_FILES,
    .run = run,
};
