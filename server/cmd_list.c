/* cmd_list.c: readable tables of rows. */
#include "cmd_list.h"

#include <string.h>

const struct cmd_option cmd_list_options[] = {
    {.flag = "--json", .help = "as JSON, as the server answers it"},
    {.flag = NULL},
};

void cmd_list_line(const char *name, const char *summary)
{
    printf("  %-22s %s\n", name, summary ? summary : "");
}

static void print_default(const struct convd_param *row)
{
    if (!row->def)
        printf("required");
    else if (!*row->def)
        printf("may be left out");
    else if (row->def[0] == '=')
        printf("default: that of %s", row->def + 1);
    else
        printf("default: %s", row->def);
}

void cmd_list_params(const struct convd_param *rows)
{
    if (!rows || !rows->name) return;
    struct convd_arena mem;
    convd_arena_init(&mem, NULL, 0);
    printf("\nParameters, in the order that a chain takes them:\n");
    for (; rows->name; rows++) {
        const char *expects = convd_param_expects(rows, &mem);
        printf("  %-20s %s\n", rows->name, rows->summary ? rows->summary : "");
        printf("  %-20s %s; ", "", expects ? expects : "");
        print_default(rows);
        if (rows->aliases) printf("; also called %s", rows->aliases);
        printf("\n");
    }
    convd_arena_release(&mem);
}

void cmd_list_example(const char *pipeline)
{
    bool spec = *pipeline == '[' || *pipeline == '{';
    printf("\nTry:\n  convd run '%s' photo.png -o out.png\n", pipeline);
    printf(spec ? "  curl -F img=@photo.png -F 'pipeline=%s' localhost:8080/v1/run -o out.png\n"
                : "  curl -F img=@photo.png 'localhost:8080/%s' -o out.png\n",
           pipeline);
}

int cmd_list_json(bool written, struct convd_bytes *json)
{
    bool ok = written && cmd_write("-", json->data, json->n);
    if (ok && json->n > 0 && json->data[json->n - 1] != '\n') putchar('\n');
    convd_bytes_release(json);
    return ok ? CMD_OK : CMD_FAILED;
}

int cmd_list_unknown(const char *kind, const char *name,
                     const char *(*get)(const void *arg, size_t i), const void *arg, size_t n)
{
    const char *near = convd_nearest(name, get, arg, n);
    cmd_say(near, "no %s is called %.80s", kind, name);
    return CMD_FAILED;
}
