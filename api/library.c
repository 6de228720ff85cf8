/* library.c: pipelines that have a name. The built-in ones are files like any user's spec, embedded in the program,
 * parsed and planned once at the start. */
#include "embed.h"
#include "json.h"
#include "spec.h"
#include <stdlib.h>
#include <string.h>

#define PIPELINE(SYMBOL, NAME, SUMMARY) EMBED(api_pipeline_##SYMBOL, "api/pipelines/" NAME ".json");
#include "pipelines/pipelines.def"
#undef PIPELINE

static const struct built_in {
    const char *name, *summary;
    const unsigned char *json;
    const size_t *size;
} built_ins[] = {
#define PIPELINE(SYMBOL, NAME, SUMMARY)                                                            \
    {NAME, SUMMARY, api_pipeline_##SYMBOL, &api_pipeline_##SYMBOL##_size},
#include "pipelines/pipelines.def"
#undef PIPELINE
};
enum { COUNT = sizeof built_ins / sizeof *built_ins };

struct api_library {
    struct convd_arena mem;
    struct convd_names names;
    struct api_pipeline list[COUNT];
    struct convd_value specs[COUNT];
};

static const struct convd_value *find(void *self, const char *name)
{
    const struct api_pipeline *p = api_library_find(self, name);
    return p ? p->spec : NULL;
}

static const char *name_at(const void *self, size_t i)
{
    const struct api_pipeline *p = api_library_at(self, i);
    return p ? p->name : NULL;
}

/* The bytes have a NUL behind them (embed.h). */
static bool parse(struct api_library *lib, size_t i, struct convd_faults *f)
{
    const struct built_in *b = &built_ins[i];
    struct api_pipeline *p = &lib->list[i];
    *p = (struct api_pipeline){.name = b->name,
                               .summary = b->summary,
                               .json = (const char *)b->json,
                               .json_n = *b->size,
                               .spec = &lib->specs[i],
                               .built_in = true};
    return api_json_parse(p->json, p->json_n, API_PIPELINE_TEXT, &lib->mem, f, &lib->specs[i]);
}

/* Runs its text through everything a request's goes through, short of a picture. */
static bool try(struct api_library *lib, const struct api_pipeline *p, struct convd_faults *f)
{
    struct convd_graph *g = convd_graph_new(NULL, f);
    if (!g) return false;
    struct api_options o = api_options_default();
    const struct convd_input in = {
        .pixels = CONVD_U8_HWC, .n = 1, .height = 24, .width = 32, .stored = 3, .channels = 3};
    struct convd_plan *plan = NULL;
    convd_graph_setup(g, &lib->names, NULL);
    api_spec_read(p->spec, g, &o, f, &lib->mem);
    if (convd_faults_count(f) == 0) {
        struct convd_output out = {.node = g->written ? g->written->node : CONVD_IMAGE,
                                   .pixels = CONVD_F32_NCHW};
        for (const struct convd_written *w = g->written; w; w = w->next) out.node = w->node;
        plan = convd_plan_new(g, &in, &out, 1, NULL, 1, f);
    }
    bool fine = plan != NULL;
    convd_plan_free(plan);
    convd_graph_free(g);
    return fine;
}

struct api_library *api_library_new(struct convd_faults *f)
{
    struct api_library *lib = calloc(1, sizeof *lib);
    if (!lib) return NULL;
    api_json_setup();
    convd_arena_init(&lib->mem, NULL, 0);
    lib->names = (struct convd_names){.find = find, .name = name_at, .self = lib};
    bool fine = true;
    for (size_t pass = 0; pass < 2;
         pass++) /* all are there before one that names another is tried */
        for (size_t i = 0; i < COUNT && fine; i++) {
            size_t mark = convd_enter(f, built_ins[i].name);
            fine = pass == 0 ? parse(lib, i, f) : try(lib, &lib->list[i], f);
            convd_leave(f, mark);
        }
    if (fine) return lib;
    api_library_free(lib);
    return NULL;
}

void api_library_free(struct api_library *lib)
{
    if (!lib) return;
    convd_arena_release(&lib->mem);
    free(lib);
}

const struct convd_names *api_library_names(const struct api_library *lib)
{
    return &lib->names;
}

const struct api_pipeline *api_library_at(const struct api_library *lib, size_t i)
{
    return i < COUNT && lib->list[i].name ? &lib->list[i] : NULL;
}

const struct api_pipeline *api_library_find(const struct api_library *lib, const char *name)
{
    for (size_t i = 0; i < COUNT; i++)
        if (lib->list[i].name && strcmp(lib->list[i].name, name) == 0) return &lib->list[i];
    return NULL;
}
