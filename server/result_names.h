/* result_names.h: what the results of a batch are called: as the pictures, with the extension of what they are now; where two
 * would clash, behind the old one. */
#ifndef RESULT_NAMES_H
#define RESULT_NAMES_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Names by their hashes: how often each came. */
struct name_counts {
    struct {
        uint64_t hash;
        size_t n;
    } * slots;
    size_t room, used;
};
struct result_names {
    struct name_counts stems, given;
};
/* All names first: those that differ in their extension alone keep it. False without memory, as below NULL. */
bool result_names_expect(struct result_names *r, const char *name);
/* The name of one result; the caller frees. */
char *result_names_give(struct result_names *r, const char *old, const char *extension);
void result_names_release(struct result_names *r);
#endif
