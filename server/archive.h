/* archive.h: zip and tar(.gz), streamed, by libarchive; archive.c is the only file that knows it. What comes is somebody
 * else's: every entry's name is checked, and bombs are noticed by what comes out of them. */
#ifndef ARCHIVE_H
#define ARCHIVE_H
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum archive_kind { ARCHIVE_NONE, ARCHIVE_ZIP, ARCHIVE_TAR, ARCHIVE_TAR_GZ };
/* By its first bytes. */
enum archive_kind archive_kind_of(const void *data, size_t n);
extern const char *const archive_media[], *const archive_extensions[];

struct archive_limits {
    size_t entries;  /* files                                         */
    size_t unpacked; /* bytes of all together                         */
    size_t ratio;    /* unpacked bytes for each packed one, above 1 MiB */
    size_t entry;    /* bytes of one file                             */
    const atomic_bool *stop; /* looked at between blocks; NULL: never */
};
struct archive_in;
struct archive_entry_info {
    const char *name;    /* until the next call                                           */
    uint64_t size;       /* as the archive says; UINT64_MAX: it does not                  */
    const char *refused; /* not NULL: why this entry is not to be looked at, in words     */
};
/* data outlives it. NULL without memory, or when it is no archive. */
struct archive_in *archive_open(const void *data, size_t n, const struct archive_limits *limits);
/* The same; NULL after a fault in words. */
struct convd_faults;
struct archive_in *archive_begin(const void *data, size_t n, const struct archive_limits *limits,
                                 struct convd_faults *f);
void archive_close(struct archive_in *a);
/* The next file (directories are passed over). False at the end, or when the archive is broken or a bomb: then archive_fault
 * has the words, and whether a limit was met. */
bool archive_next(struct archive_in *a, struct archive_entry_info *e);
const char *archive_fault(const struct archive_in *a, bool *limit);
/* The entry's bytes, the caller's to free. NULL: too large, broken (archive_fault) or without memory. */
void *archive_read(struct archive_in *a, size_t *n);

struct archive_out;
/* Bytes go to put, which returns false when it cannot take them. */
struct archive_out *archive_create(enum archive_kind kind,
                                   bool (*put)(void *arg, const void *data, size_t n), void *arg);
bool archive_add(struct archive_out *a, const char *name, const void *data, size_t n);
/* Writes the end (finish) and lets go of it. False when something could not be written. */
bool archive_end(struct archive_out *a, bool finish);
#endif
