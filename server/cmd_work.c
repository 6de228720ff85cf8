/* cmd_work.c: from a command line to pieces of work. */
#include "cmd_work.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "saved.h"

static int add_tensor(struct cmd_work *c, const char *text)
{
    const char *eq = strchr(text, '=');
    if (!eq || eq == text || !eq[1]) {
        cmd_say(NULL, "--tensor: \"%.80s\" is not NAME=FILE", text);
        return CMD_USAGE;
    }
    if (c->n_tensors == CMD_TENSORS) {
        cmd_say(NULL, "--tensor: more than %d of them", CMD_TENSORS);
        return CMD_USAGE;
    }
    const char *begin = text + (text[0] == '@');
    char *name = strndup(begin, (size_t)(eq - begin));
    size_t n = 0;
    void *data = name ? cmd_read(eq + 1, &n, c->most) : NULL;
    if (!data) {
        free(name);
        return CMD_FAILED;
    }
    c->tensors[c->n_tensors++] = (struct api_part){.name = name, .data = data, .n = n};
    return CMD_OK;
}

static void say_unread(void *unused, const char *name, const char *words)
{
    (void)unused;
    cmd_say(NULL, "the saved pipeline %s is left out: %s", name, words);
}

struct api_library *cmd_library(const struct settings *s)
{
    struct convd_faults *f = convd_faults_new();
    struct api_library *library = f ? api_library_new(f) : NULL;
    char dir[4096], path[4200], why[256];
    if (f && !library) cmd_say_faults(f, NULL);
    if (!f) cmd_say(NULL, "no memory");
    convd_faults_free(f);
    bool named = s->data[0] != 0;
    if (named) snprintf(dir, sizeof dir, "%s", s->data);
    if (!library || (!named && !store_default_dir(dir, sizeof dir))) return library;
    snprintf(path, sizeof path, "%s/convd.db", dir);
    if (!named && access(path, R_OK) != 0) return library; /* nothing was ever saved */
    struct store *store = store_sqlite_open(dir, STORE_READ_ONLY, why);
    if (!store) {
        cmd_say(NULL, "saved pipelines cannot be read: %s", why);
        if (!named) return library;
        api_library_free(library);
        return NULL;
    }
    struct saved saved;
    const struct api_limits limits = settings_limits(s);
    saved_init(&saved, library);
    saved_load(&saved, store, &limits, say_unread, NULL);
    library = saved_hold(&saved);
    saved_release(&saved);
    store->calls->close(store);
    return library;
}

int cmd_work_open(struct cmd_work *c, const struct cmd_line *line)
{
    *c = (struct cmd_work){.limits = settings_limits(&line->settings),
                           .most = line->settings.max_memory};
    int code = CMD_OK;
    for (size_t i = 0; i < line->n_given && code == CMD_OK; i++)
        if (strcmp(line->given[i].option->flag, "--tensor") == 0)
            code = add_tensor(c, line->given[i].value);
    if (code != CMD_OK) return code;
    c->pipeline = cmd_pipeline(line->words[0], &c->pipeline_n);
    if (!c->pipeline) return CMD_FAILED;
    c->library = cmd_library(&line->settings);
    return c->library ? CMD_OK : CMD_FAILED;
}

void cmd_work_close(struct cmd_work *c)
{
    for (size_t i = 0; i < c->n_tensors; i++) {
        free((void *)(uintptr_t)c->tensors[i].name);
        free((void *)(uintptr_t)c->tensors[i].data);
    }
    free(c->pipeline);
    if (c->library) api_library_free(c->library);
}

struct api_work cmd_work_on(const struct cmd_work *c, const void *image, size_t n)
{
    return (struct api_work){
        .library = c->library,
        .limits = c->limits,
        .threads = 1,
        .form = API_PIPELINE,
        .pipeline = c->pipeline,
        .pipeline_n = c->pipeline_n,
        .image = image,
        .image_n = n,
        .tensors = c->n_tensors ? c->tensors : NULL,
        .n_tensors = c->n_tensors,
    };
}
