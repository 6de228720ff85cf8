/* cmd_pipelines.c: convd pipelines. */
#include "cmd_list.h"
#include "cmd_work.h"

static const char *name_at(const void *lib, size_t i)
{
    const struct api_pipeline *p = api_library_at(lib, i);
    return p ? p->name : NULL;
}

static int show(const struct api_library *lib, const char *name, bool json)
{
    const struct api_pipeline *p = name ? api_library_find(lib, name) : NULL;
    size_t n = 0;
    while (name_at(lib, n)) n++;
    if (name && !p) return cmd_list_unknown("pipeline", name, name_at, lib, n);
    if (json) {
        struct convd_bytes out = {0};
        bool written = api_pipelines_write(lib, p ? p->name : NULL, &out);
        return cmd_list_json(written, &out);
    }
    if (p) {
        printf("%s: %s\n\n%.*s\n", p->name, p->summary, (int)p->json_n, p->json);
        cmd_list_example(p->name);
        return CMD_OK;
    }
    for (size_t i = 0; (p = api_library_at(lib, i)); i++) cmd_list_line(p->name, p->summary);
    printf("\nconvd pipelines NAME shows its spec; convd explain NAME --size 640x480x3 what it "
           "does to a picture.\n");
    return CMD_OK;
}

static int run(struct cmd_line *line)
{
    struct api_library *lib = cmd_library(&line->settings);
    int code = CMD_FAILED;
    if (lib)
        code = show(lib, line->n_words ? line->words[0] : NULL, cmd_value(line, "--json") != NULL);
    api_library_free(lib);
    return code;
}

const struct cmd cmd_pipelines = {
    .name = "pipelines",
    .usage = "[NAME] [--json]",
    .summary = "the built-in and saved pipelines, or one of them with its spec",
    .help = "  convd pipelines\n"
            "  convd pipelines edges\n",
    .options = cmd_list_options,
    .settings = SETTINGS_DATA,
    .max_words = 1,
    .words = CMD_SAVED,
    .run = run,
};
