/* library.c: pipelines that have a name. The built-in ones are files like any user's spec, embedded in the program,
 * parsed and planned once at the start; saved ones come and go while requests run: a library never changes, who adds one
 * makes the next, and who still uses the last one holds it. */
#include "embed.h"
#include "json.h"
#include "spec.h"
#include "work.h"
#include "../core/learn/learn.h"
#include <stdio.h>
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

/* One pipeline, shared by every library that has it. */
struct entry {
    struct api_pipeline face;
    atomic_size_t holders;
    struct convd_arena mem;
    struct convd_value value,
        linked; /* the spec; the same with its tensors called by names of their own */
    const struct convd_tensor *bound; /* those */
    size_t n_bound;
};

/* Built-in pipelines in the order of their list, then saved ones by name. */
struct api_library {
    atomic_size_t holders;
    struct convd_names names;
    size_t n;
    struct entry *list[];
};

/* ---- entries ---- */

static struct entry *entry_new(void)
{
    struct entry *e = calloc(1, sizeof *e);
    if (!e) return NULL;
    atomic_init(&e->holders, 1);
    convd_arena_init(&e->mem, NULL, 0);
    e->face.spec = &e->value;
    return e;
}

static void entry_drop(struct entry *e)
{
    if (!e || atomic_fetch_sub(&e->holders, 1) != 1) return;
    convd_arena_release(&e->mem);
    free(e);
}

/* The spec as graphs read it. */
static const struct convd_value *linked(const struct entry *e)
{
    return e->n_bound ? &e->linked : &e->value;
}

/* ---- libraries ---- */

static struct entry *entry_of(const struct api_library *lib, const char *name)
{
    size_t from = COUNT, to = lib->n;
    for (size_t i = 0; i < COUNT && i < lib->n; i++)
        if (lib->list[i] && lib->list[i]->face.name && strcmp(lib->list[i]->face.name, name) == 0)
            return lib->list[i];
    while (from < to) {
        size_t middle = from + (to - from) / 2;
        int order = strcmp(lib->list[middle]->face.name, name);
        if (order == 0) return lib->list[middle];
        if (order < 0)
            from = middle + 1;
        else
            to = middle;
    }
    return NULL;
}

static const struct convd_value *find(void *self, const char *name)
{
    const struct entry *e = entry_of(self, name);
    return e ? linked(e) : NULL;
}

static const char *name_at(const void *self, size_t i)
{
    const struct api_pipeline *p = api_library_at(self, i);
    return p ? p->name : NULL;
}

static struct api_library *library_new(size_t n)
{
    struct api_library *lib = calloc(1, sizeof *lib + (n + 1) * sizeof lib->list[0]);
    if (!lib) return NULL;
    atomic_init(&lib->holders, 1);
    lib->names = (struct convd_names){.find = find, .name = name_at, .self = lib};
    lib->n = n;
    return lib;
}

struct api_library *api_library_hold(const struct api_library *lib)
{
    struct api_library *mine = (struct api_library *)(uintptr_t)lib;
    atomic_fetch_add(&mine->holders, 1);
    return mine;
}

void api_library_free(struct api_library *lib)
{
    if (!lib || atomic_fetch_sub(&lib->holders, 1) != 1) return;
    for (size_t i = 0; i < lib->n; i++) entry_drop(lib->list[i]);
    free(lib);
}

const struct convd_names *api_library_names(const struct api_library *lib)
{
    return &lib->names;
}

const struct api_pipeline *api_library_at(const struct api_library *lib, size_t i)
{
    return i < lib->n && lib->list[i] && lib->list[i]->face.name ? &lib->list[i]->face : NULL;
}

const struct api_pipeline *api_library_find(const struct api_library *lib, const char *name)
{
    const struct entry *e = entry_of(lib, name);
    return e ? &e->face : NULL;
}

/* ---- the built-in ones ---- */

/* The bytes have a NUL behind them (embed.h). */
static bool parse(struct api_library *lib, size_t i, struct convd_faults *f)
{
    const struct built_in *b = &built_ins[i];
    struct entry *e = lib->list[i] = entry_new();
    if (!e) return false;
    e->face.name = b->name;
    e->face.summary = b->summary;
    e->face.json = (const char *)b->json;
    e->face.json_n = *b->size;
    e->face.built_in = true;
    return api_json_parse(e->face.json, e->face.json_n, API_PIPELINE_TEXT, &e->mem, f, &e->value);
}

/* Runs its text through everything a request's goes through, short of a picture. */
static bool try(struct api_library *lib, struct entry *e, struct convd_faults *f)
{
    struct convd_graph *g = convd_graph_new(NULL, f);
    if (!g) return false;
    struct api_options o = api_options_default();
    const struct convd_input in = {
        .pixels = CONVD_U8_HWC, .n = 1, .height = 24, .width = 32, .stored = 3, .channels = 3};
    struct convd_plan *plan = NULL;
    convd_graph_setup(g, &lib->names, NULL);
    api_spec_read(&e->value, g, &o, f, &e->mem);
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
    struct api_library *lib = library_new(COUNT);
    if (!lib) return NULL;
    api_json_setup();
    bool fine = true;
    for (size_t pass = 0; pass < 2;
         pass++) /* all are there before one that names another is tried */
        for (size_t i = 0; i < COUNT && fine; i++) {
            size_t mark = convd_enter(f, built_ins[i].name);
            fine = pass == 0 ? parse(lib, i, f) : try(lib, lib->list[i], f);
            convd_leave(f, mark);
        }
    if (fine) return lib;
    api_library_free(lib);
    return NULL;
}

/* ---- saved ones ---- */

/* A library without the name, and with e in its place unless e is NULL (taken over in any case). */
static struct api_library *replaced(const struct api_library *lib, const char *name,
                                    struct entry *e)
{
    struct api_library *next = library_new(lib->n + (e != NULL));
    size_t n = 0;
    bool placed = !e;
    if (!next) {
        entry_drop(e);
        return NULL;
    }
    for (size_t i = 0; i < lib->n; i++) {
        int order = i < COUNT ? -1 : strcmp(lib->list[i]->face.name, name);
        if (!placed && order >= 0) {
            next->list[n++] = e;
            placed = true;
        }
        if (order == 0) continue;
        atomic_fetch_add(&lib->list[i]->holders, 1);
        next->list[n++] = lib->list[i];
    }
    if (!placed) next->list[n++] = e;
    next->n = n;
    return next;
}

struct api_library *api_library_without(const struct api_library *lib, const char *name)
{
    return replaced(lib, name, NULL);
}

bool api_library_mentions(const struct convd_value *v, const char *word)
{
    if (v->kind == CONVD_STRING) return strcmp(v->string, word) == 0;
    for (uint32_t i = 0; i < v->n && v->kind == CONVD_ARRAY; i++)
        if (api_library_mentions(&v->items[i], word)) return true;
    for (uint32_t i = 0; i < v->n && v->kind == CONVD_OBJECT; i++)
        if (api_library_mentions(&v->members[i].value, word)) return true;
    return false;
}

static bool has(const struct convd_tensor *list, size_t n, const char *name)
{
    for (size_t i = 0; i < n; i++)
        if (strcmp(list[i].name, name) == 0) return true;
    return false;
}

/* A copy in which "@X" of our own tensors is "@NAME:X": a name that no request can give. */
static bool link(struct entry *e, const struct convd_value *v, struct convd_value *out)
{
    *out = *v;
    if (v->kind == CONVD_STRING && v->string[0] == '@' &&
        has(e->face.tensors, e->face.n_tensors, v->string + 1))
        return (out->string = convd_arena_printf(&e->mem, "@%s:%s", e->face.name, v->string + 1)) !=
               NULL;
    bool fine = true;
    if (v->kind == CONVD_ARRAY) {
        struct convd_value *items = convd_arena_array(&e->mem, v->n + 1, sizeof *items);
        for (uint32_t i = 0; i < v->n && items && fine; i++)
            fine = link(e, &v->items[i], &items[i]);
        out->items = items;
        return items && fine;
    }
    if (v->kind != CONVD_OBJECT) return true;
    struct convd_member *members = convd_arena_array(&e->mem, v->n + 1, sizeof *members);
    for (uint32_t i = 0; i < v->n && members && fine; i++) {
        members[i].name = v->members[i].name;
        fine = link(e, &v->members[i].value, &members[i].value);
    }
    out->members = members;
    return members && fine;
}

static bool copy_tensors(struct entry *e, const struct convd_tensor *list, size_t n)
{
    struct convd_tensor *own = convd_arena_array(&e->mem, n + 1, sizeof *own),
                        *bound = convd_arena_array(&e->mem, n + 1, sizeof *bound);
    if (!own || !bound) return false;
    for (size_t i = 0; i < n; i++) {
        size_t count = 1;
        for (int d = 0; d < list[i].rank; d++) count *= (size_t)list[i].dim[d];
        own[i] = list[i];
        own[i].name = convd_arena_text(&e->mem, list[i].name, strlen(list[i].name));
        own[i].data = convd_arena_take(&e->mem, (count + 1) * sizeof(float));
        if (!own[i].name || !own[i].data) return false;
        memcpy(own[i].data, list[i].data, count * sizeof(float));
        const char *word = convd_arena_printf(&e->mem, "@%s", own[i].name);
        if (!word) return false;
        if (!api_library_mentions(&e->value, word)) continue;
        bound[e->n_bound] = own[i];
        bound[e->n_bound].name = convd_arena_printf(&e->mem, "%s:%s", e->face.name, own[i].name);
        if (!bound[e->n_bound++].name) return false;
    }
    e->face.tensors = own;
    e->face.n_tensors = n;
    e->bound = bound;
    return e->n_bound == 0 || link(e, &e->value, &e->linked);
}

struct api_library *api_library_with(const struct api_library *lib, const char *name,
                                     const char *json, size_t json_n,
                                     const struct convd_tensor *tensors, size_t n, uint64_t hash,
                                     struct convd_faults *f)
{
    struct entry *e = entry_new();
    bool fine = e && (e->face.name = convd_arena_text(&e->mem, name, strlen(name))) != NULL &&
                (e->face.json = convd_arena_text(&e->mem, json, json_n)) != NULL;
    if (fine) {
        e->face.json_n = json_n;
        e->face.summary = "saved";
        e->face.hash = hash;
        fine = api_json_parse(e->face.json, json_n, API_PIPELINE_TEXT, &e->mem, f, &e->value) &&
               copy_tensors(e, tensors, n);
    }
    struct api_library *next = fine ? replaced(lib, name, e) : NULL;
    if (!fine) entry_drop(e);
    if (!next && convd_faults_count(f) == 0)
        convd_fault(f, CONVD_NO_MEMORY, NULL, "no memory for the pipeline %s", name);
    return next;
}

/* ---- names as one graph sees them ---- */

/* A pipeline's tensors become known to the graph with its name. */
static const struct convd_value *find_and_bind(void *self, const char *name)
{
    struct api_names *n = self;
    const struct entry *e = entry_of(n->library, name);
    if (!e) return NULL;
    for (size_t i = 0; i < e->n_bound; i++)
        if (!has(n->graph->tensors, n->graph->n_tensors, e->bound[i].name) &&
            !convd_graph_tensor(n->graph, &e->bound[i]))
            break; /* said: no memory */
    return linked(e);
}

static const char *name_for_graph(const void *self, size_t i)
{
    return name_at(((const struct api_names *)self)->library, i);
}

const struct convd_names *api_names_for(struct api_names *n, const struct api_library *lib,
                                        struct convd_graph *graph)
{
    *n = (struct api_names){.face = {.find = find_and_bind, .name = name_for_graph, .self = n},
                            .library = lib,
                            .graph = graph};
    return &n->face;
}

/* The learned weights of a list's pipelines go to the steps they stand for; prefix: of the list's ids. */
static void give_weights(const struct api_names *n, const struct convd_written *list,
                         const char *prefix, uint64_t *hash, struct convd_faults *f)
{
    struct convd_graph *g = n->graph;
    for (const struct convd_written *w = list; w && !g->full; w = w->next) {
        const char *inner = convd_arena_printf(&g->mem, "%s%s.", prefix, w->id);
        if (!inner) return;
        give_weights(n, w->first_child, inner, hash, f); /* the outer one's word is the last */
        const struct entry *e = w->pipeline ? entry_of(n->library, w->pipeline) : NULL;
        if (!e || e->face.built_in) continue;
        *hash = (*hash ^ e->face.hash) * UINT64_C(0x9e3779b97f4a7c15);
        struct convd_tensor *own = convd_arena_array(&g->mem, e->face.n_tensors + 1, sizeof *own);
        size_t count = 0;
        for (size_t i = 0; own && i < e->face.n_tensors; i++) {
            char word[128];
            snprintf(word, sizeof word, "%s:%s", e->face.name, e->face.tensors[i].name);
            if (has(e->bound, e->n_bound, word)) continue;
            own[count] = e->face.tensors[i];
            own[count].name = convd_arena_printf(&g->mem, "%s%s", inner, own[count].name);
            if (own[count].name) count++;
        }
        if (own && count && w->node >= 0) convd_graph_weights(g, own, count, f);
    }
}

uint64_t api_names_weights(const struct api_names *n, struct convd_faults *f)
{
    uint64_t hash = 0;
    if (convd_faults_count(f) == 0) give_weights(n, n->graph->written, "", &hash, f);
    return hash;
}
