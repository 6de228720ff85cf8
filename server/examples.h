/* examples.h: the files below a directory, for learning. */
#ifndef EXAMPLES_H
#define EXAMPLES_H
#include <stdbool.h>
#include <stddef.h>

struct examples {
    char **names; /* relative, with '/', in byte order */
    size_t n, room;
};
/* All files below root, hidden ones left out. False after a line on stderr; release in any case. */
bool examples_list(struct examples *e, const char *root);
void examples_release(struct examples *e);
#endif
