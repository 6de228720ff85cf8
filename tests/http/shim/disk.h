/* disk.h: a disk that fails when it is told to. disk.c is preloaded into the daemon and counts every call that changes
 * what is on the disk; the test shares this struct with it, through the file that DISK_CONTROL names. */
#ifndef DISK_H
#define DISK_H
#include <stdatomic.h>

enum disk_call { DISK_WRITE, DISK_SYNC, DISK_RENAME, DISK_UNLINK, DISK_TRUNCATE, DISK_CREATE, DISK_CALLS };
enum disk_action {
    DISK_KILL,  /* the process ends before the call              */
    DISK_TEAR,  /* and, where it writes, after the first half    */
    DISK_FULL,  /* ENOSPC, where it writes after the first half  */
    DISK_BROKEN /* EIO                                           */
};
enum { DISK_MOST = 4096 };
struct disk_control {
    atomic_uint calls;    /* so far                                 */
    atomic_uint from, to; /* those that are struck, from 1; 0: none */
    atomic_uint struck;   /* so far                                 */
    atomic_int action;
    unsigned char kinds[DISK_MOST]; /* of the calls, in their order */
    /* What a power cut could undo, though the process has gone on: */
    atomic_uint unsynced;  /* renames of files whose bytes were not synced */
    atomic_uint unsettled; /* renames that are not followed by a sync of the directory */
    atomic_uint syncs;     /* that succeeded                               */
};
#endif
