/* examples.h: the files to learn from: below a directory, or in an archive, whose files are unpacked behind each other into
 * one file that has no name: they take disk, not memory, and go with the process. */
#ifndef EXAMPLES_H
#define EXAMPLES_H
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

#include "archive.h"

struct convd_faults;
struct examples_place {
    size_t at, n;
};
struct examples {
    char **names; /* relative, with '/' */
    size_t n, room;
    const char *root;              /* of a directory; NULL: an archive's */
    struct examples_place *places; /* in the spool                       */
    void *spool;                   /* mapped                             */
    size_t spooled;
    bool full; /* the disk took no more */
};
/* All files below root in byte order, hidden ones left out. False after a line on stderr; release in any case. */
bool examples_list(struct examples *e, const char *root);
/* All files of an archive; dir: where the spool is made. False after faults, when stopped, when the disk is full, or when
 * more than `most` bytes came out (0: however many the limits allow). */
bool examples_unpack(struct examples *e, const void *archive, size_t n,
                     const struct archive_limits *limits, size_t most, const char *dir,
                     const atomic_bool *stop, struct convd_faults *f);
/* The bytes of a file; of a directory's they are read, at most `most`. NULL after a line on stderr. Give them back. */
const void *examples_get(const struct examples *e, size_t i, size_t *n, size_t most);
void examples_give(const struct examples *e, const void *data);
void examples_release(struct examples *e);
#endif
