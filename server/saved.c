/* saved.c: see saved.h. */
#include "saved.h"
#include "../core/err.h"
#include "routes.h"
#include <stdlib.h>
#include <string.h>

void saved_init(struct saved *s, struct api_library *built_in)
{
    s->library = built_in;
    pthread_mutex_init(&s->lock, NULL);
    pthread_mutex_init(&s->changing, NULL);
}

void saved_release(struct saved *s)
{
    api_library_free(s->library);
    pthread_mutex_destroy(&s->lock);
    pthread_mutex_destroy(&s->changing);
}

struct api_library *saved_hold(struct saved *s)
{
    pthread_mutex_lock(&s->lock);
    struct api_library *lib = s->library ? api_library_hold(s->library) : NULL;
    pthread_mutex_unlock(&s->lock);
    return lib;
}

static void exchange(struct saved *s, struct api_library *next)
{
    pthread_mutex_lock(&s->lock);
    struct api_library *last = s->library;
    s->library = next;
    pthread_mutex_unlock(&s->lock);
    api_library_free(last);
}

/* Names that a path of ours begins with would never be reached. */
static bool is_route(const char *name)
{
    size_t n = strlen(name);
    for (const struct route *r = routes; r->method; r++)
        if (strncmp(r->pattern + 1, name, n) == 0 &&
            (r->pattern[n + 1] == 0 || r->pattern[n + 1] == '/'))
            return true;
    return false;
}

bool saved_may(const struct api_library *library, const char *name, struct convd_faults *f)
{
    if (!api_library_may(library, name, f)) return false;
    if (!is_route(name)) return true;
    convd_fault_expected(f, API_CONFLICT, NULL, "another name",
                         "/%s is an address of the server itself", name);
    return false;
}

static void release(struct api_save *save)
{
    convd_bytes_release(&save->spec);
    convd_bytes_release(&save->kept);
}

/* One that names another may come before it in the order of names: what cannot be read yet is tried again. */
static bool load_one(struct saved *s, struct store *store, const struct api_limits *limits,
                     const char *name, void (*say)(void *arg, const char *name, const char *words),
                     void *arg)
{
    struct store_pipeline p;
    struct api_library *next = NULL;
    const char *words = "it is damaged on disk";
    struct convd_faults *f = convd_faults_new();
    if (f && store->calls->pipeline_get(store, name, &p) == STORE_OK) {
        struct api_save save = {.name = name,
                                .text = p.spec.data,
                                .n = p.spec.n,
                                .weights = p.weights.data,
                                .weights_n = p.weights.n,
                                .limits = *limits};
        next = api_library_save(s->library, &save, f);
        if (next) exchange(s, next);
        if (convd_faults_first(f)) words = convd_faults_first(f)->detail;
        release(&save);
        store_blob_release(&p.spec);
        store_blob_release(&p.weights);
    }
    if (!next && say) say(arg, name, words);
    convd_faults_free(f);
    return next != NULL;
}

void saved_load(struct saved *s, struct store *store, const struct api_limits *limits,
                void (*say)(void *arg, const char *name, const char *words), void *arg)
{
    char *names;
    bool more = true;
    pthread_mutex_lock(&s->changing);
    if (store->calls->pipeline_names(store, &names) == STORE_OK) {
        while (more) { /* as long as a round finds another one, those that name it may follow */
            more = false;
            for (const char *name = names; *name; name += strlen(name) + 1)
                if (!api_library_find(s->library, name))
                    more |= load_one(s, store, limits, name, NULL, NULL);
        }
        for (const char *name = names; *name; name += strlen(name) + 1)
            if (!api_library_find(s->library, name)) load_one(s, store, limits, name, say, arg);
    }
    free(names);
    pthread_mutex_unlock(&s->changing);
}

static double weights_of(const struct api_library *library)
{
    const struct api_pipeline *p;
    double bytes = 0;
    for (size_t i = 0; (p = api_library_at(library, i)); i++)
        for (size_t k = 0; k < p->n_tensors; k++) {
            double n = sizeof(float);
            for (int d = 0; d < p->tensors[k].rank; d++) n *= (double)p->tensors[k].dim[d];
            bytes += n;
        }
    return bytes;
}

/* The weights of saved pipelines stay in memory. */
static bool has_room(const struct saved *s, const struct api_library *next, struct convd_faults *f)
{
    const double bytes = weights_of(next);
    if (!s->most || bytes <= (double)s->most || bytes <= weights_of(s->library)) return true;
    convd_fault_limit(f, API_STORAGE_FULL, NULL, (double)s->most, bytes,
                      "the weights of all saved pipelines would take %.0f bytes", bytes)
        ->expected = "DELETE of saved pipelines, fewer weights, or a larger --pipeline-memory";
    return false;
}

enum store_status saved_put(struct saved *s, struct store *store, struct api_save *save,
                            bool *replaced, struct convd_faults *f)
{
    enum store_status status = STORE_STATE;
    pthread_mutex_lock(&s->changing);
    struct api_library *next = api_library_save(s->library, save, f);
    if (next && !has_room(s, next, f)) {
        api_library_free(next);
    } else if (next) {
        struct store_part spec = {.name = "spec", .data = save->spec.data, .n = save->spec.n},
                          weights = {.name = "weights", .data = save->kept.data, .n = save->kept.n};
        status = store->calls->pipeline_put(store, save->name, store_now(), &spec,
                                            weights.n ? &weights : NULL, replaced);
        if (status == STORE_OK)
            exchange(s, next);
        else
            api_library_free(next);
    }
    pthread_mutex_unlock(&s->changing);
    release(save);
    return status;
}

enum store_status saved_delete(struct saved *s, struct store *store, const char *name,
                               const struct api_limits *limits, struct convd_faults *f)
{
    enum store_status status = STORE_STATE;
    pthread_mutex_lock(&s->changing);
    struct api_library *next = api_library_without(s->library, name);
    const char *users = api_library_users(s->library, name, limits, f->mem);
    if (users)
        convd_fault_expected(f, API_CONFLICT, NULL, "DELETE of those first, or PUT without it",
                             "%s is a step of %s", name, users);
    else
        status = next ? store->calls->pipeline_delete(store, name) : STORE_AWAY;
    bool damaged = status == STORE_NONE && api_library_find(s->library, name);
    if (next && (status == STORE_OK || damaged))
        exchange(s, next);
    else
        api_library_free(next);
    pthread_mutex_unlock(&s->changing);
    return status;
}
