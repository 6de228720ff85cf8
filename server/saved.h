/* saved.h: the library of pipelines as requests see it: what is built in, and what is saved in the store. It changes as a
 * whole: a request holds the one it began with. */
#ifndef SAVED_H
#define SAVED_H
#include <pthread.h>

#include "../api/api.h"
#include "store.h"

struct saved {
    pthread_mutex_t lock;     /* of the pointer                      */
    pthread_mutex_t changing; /* held from reading to writing it     */
    struct api_library *library;
    size_t most; /* bytes of all weights together; 0: any number */
};
/* Takes the library of built-in pipelines over. */
void saved_init(struct saved *s, struct api_library *built_in);
void saved_release(struct saved *s);
/* The library of this moment; api_library_free lets go of it. */
struct api_library *saved_hold(struct saved *s);

/* Whether a pipeline may be saved under that name; a fault says why not. */
bool saved_may(const struct api_library *library, const char *name, struct convd_faults *f);

/* Reads what the store has. One that cannot be read is left out; say is told of it. */
void saved_load(struct saved *s, struct store *store, const struct api_limits *limits,
                void (*say)(void *arg, const char *name, const char *words), void *arg);
/* Saves; *replaced: there was one. A store status, or STORE_STATE with faults in f: nothing was saved. */
enum store_status saved_put(struct saved *s, struct store *store, struct api_save *save,
                            bool *replaced, struct convd_faults *f);
/* STORE_STATE with faults in f: another saved pipeline names it. */
enum store_status saved_delete(struct saved *s, struct store *store, const char *name,
                               const struct api_limits *limits, struct convd_faults *f);
#endif
