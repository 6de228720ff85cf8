/* store_files.h: the files of a store: whole or not there. One directory, flat; a name is 32 random digits, so what is
 * being written, what is kept and what was forgotten never meet. */
#ifndef STORE_FILES_H
#define STORE_FILES_H
#include <stdatomic.h>
#include <sys/types.h>

#include "store.h"

struct files {
    int root;             /* the data directory     */
    int dir;              /* files/ in it           */
    int lock;             /* held while we write    */
    atomic_bool reserved; /* the reserve file is there */
};
#define FILES_RESERVE                                                                              \
    (1 << 20) /* bytes kept so that a full disk still takes the words of a deletion */

/* Makes the directories and takes the lock, unless read_only. False with words in why. */
bool files_open(struct files *f, const char *path, bool read_only, char why[256]);
void files_close(struct files *f);

/* A file that is being written. */
struct file_draft {
    int fd;
    off_t at;
    char name[STORE_ID];
};
enum store_status files_begin(struct files *f, struct file_draft *d);
enum store_status files_append(struct file_draft *d, const void *data, size_t n);
/* Durable under its name: fsync, rename, fsync of the directory. */
enum store_status files_keep(struct files *f, struct file_draft *d);
void files_drop(struct files *f, struct file_draft *d);

/* Maps a kept file of exactly that size. NONE: there is none; DAMAGED: another size. */
enum store_status files_map(struct files *f, const char *name, size_t size, struct store_blob *out);
void files_remove(struct files *f, const char *name);
/* Removes every file that used() does not want. */
void files_sweep(struct files *f, bool (*used)(void *arg, const char *name), void *arg);

/* Whether so many bytes more would fit, with the reserve left alone. */
bool files_room(struct files *f, size_t bytes);
void files_reserve_drop(struct files *f);
void files_reserve_make(struct files *f); /* where there is room */

/* FULL for ENOSPC and its kind, else AWAY. */
enum store_status files_status(int error);
#endif
