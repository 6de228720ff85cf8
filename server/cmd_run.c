/* cmd_run.c: convd run: a pipeline on files. Many pictures go through the pool side by side; one that fails, fails
 * alone. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cmd_stats.h"
#include "cmd_work.h"
#include "progress.h"
#include "settings_number.h"

/* One command: what it works on and where its results go. */
struct batch {
    struct cmd_work work;
    struct progress progress;
    struct convd_pool *pool;
    size_t threads, n;
    const char *const *inputs;
    char **stems;    /* of result files in a directory, all different */
    const char *out; /* file, "-", or the directory                   */
    bool directory;
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

/* "photos/a.png" -> "a"; "a-2" when an earlier input has taken "a". */
static char *stem_of(const struct batch *b, size_t index)
{
    const char *base = strcmp(b->inputs[index], "-") == 0 ? "stdin" : base_name(b->inputs[index]);
    const char *dot = strrchr(base, '.');
    int n = dot && dot > base ? (int)(dot - base) : (int)strlen(base);
    for (size_t copy = 1;; copy++) {
        char *stem = NULL;
        int rc = copy == 1 ? asprintf(&stem, "%.*s", n, base)
                           : asprintf(&stem, "%.*s-%zu", n, base, copy);
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

static bool deliver(struct batch *b, size_t i, const struct api_work *w)
{
    char path[4096];
    snprintf(path, sizeof path, "%s", b->out);
    if (b->directory) {
        int n = snprintf(path, sizeof path, "%s/%s.%s", b->out, b->stems[i], w->extension);
        if (n >= (int)sizeof path)
            return cmd_say(NULL, "%s: the name of its result is too long", b->inputs[i]), false;
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

static bool read_threads(const struct cmd_line *line, size_t *threads)
{
    const char *text = cmd_value(line, "--threads");
    double x = (double)convd_usable_threads();
    if (text && (!settings_number(text, &x) || x < 1 || x > 1024 || x != (double)(size_t)x))
        return cmd_say(NULL, "--threads: \"%.80s\" is not a whole number from 1 to 1024", text),
               false;
    *threads = (size_t)x;
    return true;
}

/* Settles where results go. */
static bool read_output(struct batch *b, const struct cmd_line *line)
{
    const char *out = cmd_value(line, "--output");
    b->out = out ? out : "-";
    size_t n = strlen(b->out);
    b->directory = b->n > 1 || is_directory(b->out) || (n > 0 && b->out[n - 1] == '/');
    b->format = cmd_value(line, "--format");
    if (b->n > 1 && !out)
        return cmd_say(NULL, "run: %zu pictures go to a directory: add -o DIR", b->n), false;
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
    struct batch b = {.inputs = line->words + 1,
                      .n = line->n_words - 1,
                      .stats = cmd_value(line, "--stats") != NULL};
    if (b.n == 0) b.inputs = standard, b.n = 1;
    if (line->n_words == 1 && isatty(STDIN_FILENO)) {
        cmd_say(NULL, "run: no picture: name a file, or pipe one in");
        return CMD_USAGE;
    }
    if (!read_threads(line, &b.threads)) return CMD_USAGE;
    int code = cmd_work_open(&b.work, line);
    if (code != CMD_OK) goto out;
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
    for (size_t i = 0; b.stems && i < b.n; i++) free(b.stems[i]);
    free(b.stems);
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
    .help = "PIPELINE is a chain, a built-in or saved name, a JSON spec, or @FILE with one. Without INPUT "
            "the picture comes\n"
            "from standard input; without -o the result goes to standard output. Several pictures "
            "need -o DIR.\n"
            "\n"
            "  convd run edges photo.png -o edges.png\n"
            "  convd run grayscale/sobel_x/abs/max_pool:2 <photo.jpg >out.png\n"
            "  convd run orientation stripes.png --format json\n"
            "  convd run @spec.json --tensor bank=weights.npy photo.png -o maps.npy\n"
            "  convd run blur photos/*.jpg -o blurred/\n",
    .options = options,
    .settings = SETTINGS_LIMIT | SETTINGS_DATA,
    .min_words = 1,
    .max_words = SIZE_MAX,
    .words = CMD_PIPELINE_FILES,
    .run = run,
};
