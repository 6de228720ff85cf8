/* save.c: a pipeline that is to be saved: checked as a request's would be, and made what is kept of it; see api.h. */
#include "json.h"
#include "spec.h"
#include "work.h"
#include "../core/kernels.h"
#include "../core/learn/learn.h"
#include "../core/tensor_file.h"
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

static bool well_formed(const char *name)
{
    size_t n = strlen(name);
    if (n < 1 || n > 64 || name[0] < 'a' || name[0] > 'z') return false;
    return strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_-") == n;
}

bool api_library_may(const struct api_library *lib, const char *name, struct convd_faults *f)
{
    if (!well_formed(name)) {
        convd_fault_expected(f, CONVD_BAD_REQUEST, NULL,
                             "a small letter, then up to 63 of a-z, 0-9, _ and -",
                             "\"%.64s\" is no name for a pipeline", name);
        return false;
    }
    const struct api_pipeline *p = api_library_find(lib, name);
    const char *what = p && p->built_in          ? "a built-in pipeline"
                       : convd_op_find(name)     ? "an operation"
                       : convd_kernel_find(name) ? "a kernel"
                                                 : NULL;
    if (!what) return true;
    convd_fault_expected(f, API_CONFLICT, NULL, "another name", "%s is called %s already", what,
                         name);
    return false;
}

/* ---- what came ---- */

/* All that reading needs. */
struct saving {
    struct api_save *save;
    const struct api_library *lib;
    struct api_work w;
    struct convd_arena mem;
    struct convd_tensor *weights; /* of the file */
    size_t n_weights;
};

/* Weights by their own names; "@NAME" finds them too. */
static bool read_weights(struct saving *s, struct convd_faults *f)
{
    struct convd_stored *list;
    const struct api_save *save = s->save;
    size_t n = 0;
    if (!save->weights) return true;
    if (!convd_safetensors_is(save->weights, save->weights_n)) {
        convd_fault_expected(f, CONVD_UNSUPPORTED, NULL, "a safetensors file",
                             "the weights are none");
        return false;
    }
    if (!convd_safetensors_open(save->weights, save->weights_n, &list, &n, &s->mem, f))
        return false;
    s->weights = convd_arena_array(&s->mem, n + 1, sizeof *s->weights);
    for (size_t i = 0; i < n && s->weights; i++) {
        struct convd_tensor *t = &s->weights[i];
        *t = (struct convd_tensor){.name = list[i].name, .rank = list[i].rank};
        memcpy(t->dim, list[i].dim, sizeof t->dim);
        t->data = convd_arena_take(&s->mem, (list[i].count + 1) * sizeof(float));
        if (!t->data) break;
        convd_stored_read(&list[i], t->data);
        s->n_weights++;
    }
    if (s->n_weights == n) return true;
    convd_fault(f, CONVD_NO_MEMORY, NULL, "no memory for the weights");
    return false;
}

/* ---- what is kept ---- */

/* The spec as JSON: what came, when it was JSON with steps; else what the chain stands for. */
static bool make_spec(struct saving *s, struct convd_value *v)
{
    struct api_save *save = s->save;
    size_t skip = 0;
    while (skip < save->n && strchr(" \t\r\n", save->text[skip]) && save->text[skip]) skip++;
    bool json = skip < save->n && (save->text[skip] == '{' || save->text[skip] == '[');
    bool made = json ? convd_bytes_put(&save->spec, save->text, save->n)
                     : api_spec_write(s->w.graph, NULL, &save->spec);
    return made && api_json_parse((const char *)save->spec.data, save->spec.n, API_PIPELINE_TEXT,
                                  &s->mem, s->w.faults, v);
}

/* The tensors it needs: those its text speaks of, and the weights of its steps. */
static bool collect(struct saving *s, const struct convd_value *spec, struct convd_tensor **list,
                    size_t *n)
{
    struct convd_graph *g = s->w.graph;
    *n = 0;
    *list = convd_arena_array(&s->mem, g->n_tensors + s->n_weights + 1, sizeof **list);
    for (size_t i = 0; *list && i < g->n_tensors; i++) {
        const char *word = convd_arena_printf(&s->mem, "@%s", g->tensors[i].name);
        if (word && api_library_mentions(spec, word)) (*list)[(*n)++] = g->tensors[i];
    }
    size_t first = *n;
    for (size_t i = 0; *list && i < s->n_weights; i++) {
        bool named = false;
        for (size_t k = 0; k < first; k++)
            named |= strcmp((*list)[k].name, s->weights[i].name) == 0;
        if (!named) (*list)[(*n)++] = s->weights[i];
    }
    return *list && (*n == first || convd_graph_weights(g, *list + first, *n - first, s->w.faults));
}

static bool make_weights(struct saving *s, const struct convd_tensor *list, size_t n)
{
    const struct convd_tensor **at = convd_arena_array(&s->mem, n + 1, sizeof *at);
    for (size_t i = 0; at && i < n; i++) at[i] = &list[i];
    return at && (n == 0 || convd_safetensors_write(at, n, &s->save->kept));
}

/* A pipeline that its own text leads back to has no end. */
static bool ends(struct saving *s, const struct api_library *next)
{
    struct api_work w = {.library = next,
                         .limits = s->save->limits,
                         .form = API_PIPELINE,
                         .pipeline = s->save->name,
                         .pipeline_n = strlen(s->save->name)};
    bool fine = api_work_check(&w);
    if (!fine)
        convd_fault_expected(s->w.faults, CONVD_BAD_GRAPH, NULL, "steps that end",
                             "%s would stand inside itself, or grow beyond the limits: %s",
                             s->save->name,
                             w.faults && w.faults->first ? w.faults->first->detail : "");
    api_work_release(&w);
    return fine;
}

static void copy_faults(const struct convd_faults *from, struct convd_faults *to)
{
    for (const struct convd_fault *x = from->first; x; x = x->next) {
        size_t mark = to->len;
        convd_place_set(to, convd_arena_printf(to->mem, "%s", x->pointer));
        struct convd_fault *y = convd_fault(to, x->code, NULL, "%s", x->detail);
#define COPY(FIELD) y->FIELD = x->FIELD ? convd_arena_printf(to->mem, "%s", x->FIELD) : NULL
        COPY(expected);
        COPY(suggestion);
        COPY(segment);
#undef COPY
        y->limit = x->limit;
        y->actual = x->actual;
        convd_leave(to, mark);
    }
}

static struct api_library *save_all(struct saving *s, struct convd_faults *f)
{
    struct api_save *save = s->save;
    struct convd_value spec;
    struct convd_tensor *list;
    struct api_library *next = NULL;
    size_t n;
    if (!read_weights(s, f)) return NULL;
    s->w = (struct api_work){.library = s->lib,
                             .limits = save->limits,
                             .form = API_PIPELINE,
                             .pipeline = save->text,
                             .pipeline_n = save->n,
                             .tensors = save->tensors,
                             .n_tensors = save->n_tensors,
                             .given = s->weights,
                             .n_given = s->n_weights};
    bool read = api_work_check(&s->w);
    struct convd_faults *own = s->w.faults;
    if (read && make_spec(s, &spec) && collect(s, &spec, &list, &n) && make_weights(s, list, n)) {
        uint64_t hash = XXH3_64bits(save->spec.data, save->spec.n);
        if (save->kept.n) hash ^= XXH3_64bits_withSeed(save->kept.data, save->kept.n, hash | 1);
        next = api_library_with(s->lib, save->name, (const char *)save->spec.data, save->spec.n,
                                list, n, hash | 1, own);
        if (next && !ends(s, next)) {
            api_library_free(next);
            next = NULL;
        }
    }
    if (!next && own && own->n) copy_faults(own, f);
    if (!next && convd_faults_count(f) == 0)
        convd_fault(f, CONVD_NO_MEMORY, NULL, "no memory for the pipeline");
    return next;
}

/* Whether the library's pipeline of that name can be read. */
static bool reads(const struct api_library *lib, const char *name, const struct api_limits *limits)
{
    struct api_work w = {.library = lib,
                         .limits = *limits,
                         .form = API_PIPELINE,
                         .pipeline = name,
                         .pipeline_n = strlen(name)};
    bool fine = api_work_check(&w);
    api_work_release(&w);
    return fine;
}

const char *api_library_users(const struct api_library *lib, const char *name,
                              const struct api_limits *limits, struct convd_arena *mem)
{
    const char *list = NULL;
    const struct api_pipeline *p;
    struct api_library *without = api_library_without(lib, name);
    for (size_t i = 0; without && (p = api_library_at(without, i)); i++)
        if (!p->built_in && api_library_mentions(p->spec, name) && reads(lib, p->name, limits) &&
            !reads(without, p->name, limits))
            list = list ? convd_arena_printf(mem, "%s, %s", list, p->name) : p->name;
    api_library_free(without);
    return list;
}

struct api_library *api_library_save(const struct api_library *lib, struct api_save *save,
                                     struct convd_faults *f)
{
    struct saving s = {.save = save, .lib = lib};
    convd_arena_init(&s.mem, NULL, 0);
    save->spec = save->kept = (struct convd_bytes){0};
    struct api_library *next = api_library_may(lib, save->name, f) ? save_all(&s, f) : NULL;
    api_work_release(&s.w);
    convd_arena_release(&s.mem);
    return next;
}
