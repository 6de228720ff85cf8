/* cmd_explain.c: convd explain. */
#include <stdlib.h>
#include <string.h>

#include "cmd_work.h"

/* Reads "640x480x3"; channels may be left out (3). */
static bool read_size(const char *text, struct api_size *size)
{
    char more;
    *size = (struct api_size){.channels = 3};
    int n = sscanf(text, "%tdx%tdx%td%c", &size->width, &size->height, &size->channels, &more);
    if ((n == 2 || n == 3) && size->width > 0 && size->height > 0 && size->channels > 0)
        return true;
    cmd_say(NULL,
            "--size: \"%.80s\" is not WIDTHxHEIGHT or WIDTHxHEIGHTxCHANNELS, such as 640x480x3",
            text);
    return false;
}

static int explain(const struct cmd_work *c, const struct api_size *size, const char *picture,
                   const char *format)
{
    size_t n = 0;
    void *image = picture ? cmd_read(picture, &n, c->most) : NULL;
    if (picture && !image) return CMD_FAILED;
    struct api_work w = cmd_work_on(c, image, n);
    w.threads = convd_usable_threads();
    bool ok = api_explain(&w, size, format);
    if (!ok) cmd_say_faults(w.faults, NULL);
    ok = ok && cmd_write("-", w.body.data, w.body.n);
    if (ok && w.body.n > 0 && w.body.data[w.body.n - 1] != '\n') putchar('\n');
    api_work_release(&w);
    free(image);
    return ok ? CMD_OK : CMD_FAILED;
}

static int run(struct cmd_line *line)
{
    const char *text = cmd_value(line, "--size"), *format = cmd_value(line, "--format");
    const char *picture = line->n_words > 1 ? line->words[1] : NULL;
    struct api_size size = {.width = 640, .height = 480, .channels = 3};
    if (!format) format = "text";
    if (text && !read_size(text, &size)) return CMD_USAGE;
    /* Other forms of a pipeline have no use for a size; what it costs has. */
    if (!text && !picture && (strcmp(format, "text") == 0 || strcmp(format, "json") == 0)) {
        cmd_say(NULL, "explain: of what size is the picture? Add --size 640x480x3, or name a file");
        return CMD_USAGE;
    }
    struct cmd_work work;
    int code = cmd_work_open(&work, line);
    if (code == CMD_OK) code = explain(&work, picture && !text ? NULL : &size, picture, format);
    cmd_work_close(&work);
    return code;
}

static const struct cmd_option options[] = {
    {.flag = "--size",
     .unit = "WxHxC",
     .help = "width, height and channels of a picture that need not exist"},
    {.flag = "--format",
     .unit = "FORM",
     .help = "text (default), json, chain, spec, mermaid, pytorch or opencv",
     .words = "text json chain spec mermaid pytorch opencv"},
    CMD_WORK_OPTIONS,
    {.flag = NULL},
};

const struct cmd cmd_explain = {
    .name = "explain",
    .usage = "PIPELINE [INPUT] [--size WxHxC] [--format FORM]",
    .summary = "say what a pipeline does, step by step, without running it",
    .help =
        "Each step with its parameters, shape, cost and receptive field; the pipeline in its "
        "other form; its graph as a Mermaid flowchart; or a program that computes the same with "
        "PyTorch or OpenCV. Programs and charts are made for the size given, 640x480x3 otherwise.\n"
        "\n"
        "  convd explain edges --size 640x480x3\n"
        "  convd explain grayscale/sobel_x/abs/max_pool:2 --format spec\n"
        "  convd explain @spec.json --format chain\n"
        "  convd explain edges photo.png --format pytorch >edges.py\n"
        "  convd explain features photo.png --format json\n",
    .options = options,
    .settings = SETTINGS_LIMIT | SETTINGS_DATA,
    .min_words = 1,
    .max_words = 2,
    .words = CMD_PIPELINE_FILES,
    .run = run,
};
