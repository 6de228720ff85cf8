/* progress.h: how far a batch is: a bar where a person looks, plain lines elsewhere. Safe for several threads. */
#ifndef PROGRESS_H
#define PROGRESS_H
#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>

struct progress {
    pthread_mutex_t lock;
    size_t done, total;
    bool bar;   /* standard error is a terminal          */
    bool quiet; /* neither bar nor lines: a single piece */
};
void progress_init(struct progress *p, size_t total);
/* One piece is done: IN -> OUT; OUT is NULL for one that failed (cmd_say has said why, over the bar). */
void progress_step(struct progress *p, const char *in, const char *out);
/* So many of so many; left: words behind the bar, "" for none. Where there is no bar: a line for each tenth. */
void progress_at(struct progress *p, size_t done, size_t total, const char *left);
void progress_end(struct progress *p);
#endif
