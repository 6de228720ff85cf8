/* verdict.c: what convd's parser says of pipelines. Writes the schema on the first line and the operations on the second, then
 * for each line of input, {"pipeline":…, "image":…, "tensors":…}, a line of output: the faults as
 * [{"code","pointer","expected"}], pointers below the pipeline; [] when it would run. tests/schema/agree.py holds that
 * against a validator. */
#include "../../api/api.h"
#include "../../api/json.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void put(struct convd_bytes *b)
{
    fwrite(b->data, 1, b->n, stdout);
    putchar('\n');
    convd_bytes_release(b);
}

static void write_faults(const struct convd_faults *f, struct convd_bytes *out)
{
    static const char under[] = "/pipeline";
    struct api_json j = api_json_to(out);
    api_json_array(&j);
    for (const struct convd_fault *x = convd_faults_first(f); x; x = x->next) {
        bool below = strncmp(x->pointer, under, sizeof under - 1) == 0;
        api_json_object(&j);
        api_json_key(&j, "code");
        api_json_string(&j, api_code_word(x->code));
        api_json_key(&j, "pointer");
        api_json_string(&j, below ? x->pointer + sizeof under - 1 : x->pointer);
        api_json_key(&j, "expected");
        api_json_string(&j, x->expected);
        api_json_key(&j, "detail");
        api_json_string(&j, x->detail);
        api_json_end(&j);
    }
    api_json_end(&j);
}

int main(void)
{
    struct convd_faults *f = convd_faults_new();
    struct api_library *lib = f ? api_library_new(f) : NULL;
    struct convd_bytes text = {0};
    char *line = NULL;
    size_t room = 0;
    ssize_t n;
    if (!lib || !api_schema_write(lib, NULL, &text)) return 1;
    put(&text);
    if (!api_ops_write(NULL, &text)) return 1;
    put(&text);
    fflush(stdout); /* whoever reads them writes the pipelines */
    while ((n = getline(&line, &room, stdin)) > 0) {
        struct api_work w = {.library = lib, .threads = 1, .request = line, .request_n = (size_t)n};
        struct convd_bytes out = {0};
        if (api_work_prepare(&w))
            out.n = convd_bytes_put(&out, "[]", 2) ? 2 : 0;
        else
            write_faults(w.faults, &out);
        put(&out);
        api_work_release(&w);
    }
    free(line);
    api_library_free(lib);
    convd_faults_free(f);
    return ferror(stdout) ? 1 : 0;
}
