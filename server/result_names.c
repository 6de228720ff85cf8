/* result_names.c: see result_names.h. */
#include "result_names.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

/* The count of a name, which is added when it is new. NULL without memory. */
static size_t *count_of(struct name_counts *t, const char *name, size_t n)
{
    if (t->used * 2 >= t->room) {
        struct name_counts more = {.room = t->room ? 2 * t->room : 256};
        more.slots = calloc(more.room, sizeof *more.slots);
        if (!more.slots) return NULL;
        for (size_t i = 0; i < t->room; i++) {
            if (!t->slots[i].n) continue;
            size_t at = t->slots[i].hash & (more.room - 1);
            while (more.slots[at].n) at = (at + 1) & (more.room - 1);
            more.slots[at] = t->slots[i];
        }
        more.used = t->used;
        free(t->slots);
        *t = more;
    }
    uint64_t hash = XXH3_64bits(name, n);
    size_t at = hash & (t->room - 1);
    while (t->slots[at].n && t->slots[at].hash != hash) at = (at + 1) & (t->room - 1);
    if (!t->slots[at].n) {
        t->slots[at].hash = hash;
        t->used++;
    }
    return &t->slots[at].n;
}

/* Length of a name without its extension. */
static size_t stem_of(const char *name)
{
    const char *slash = strrchr(name, '/'), *base = slash ? slash + 1 : name,
               *dot = strrchr(base, '.');
    return dot && dot > base ? (size_t)(dot - name) : strlen(name);
}

bool result_names_expect(struct result_names *r, const char *name)
{
    size_t *n = count_of(&r->stems, name, stem_of(name));
    if (n) ++*n;
    return n;
}

char *result_names_give(struct result_names *r, const char *old, const char *extension)
{
    size_t stem = stem_of(old), *same = count_of(&r->stems, old, stem);
    char *name = NULL;
    bool keep = !same || *same > 1;
    for (unsigned copy = 0;; copy++) {
        int n = copy > 0 ? asprintf(&name, "%s-%u.%s", old, copy + 1, extension)
                : keep   ? asprintf(&name, "%s.%s", old, extension)
                         : asprintf(&name, "%.*s.%s", (int)stem, old, extension);
        size_t *used = n < 0 ? NULL : count_of(&r->given, name, (size_t)n);
        if (!used) {
            if (n >= 0) free(name);
            return NULL;
        }
        if ((*used)++ == 0) return name;
        free(name);
        if (!keep) { /* once more, with the old extension */
            keep = true;
            copy = (unsigned)-1;
        }
    }
}

void result_names_release(struct result_names *r)
{
    free(r->stems.slots);
    free(r->given.slots);
    *r = (struct result_names){0};
}
