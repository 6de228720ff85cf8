/* progress.c: a bar on a terminal, a line a piece elsewhere. */
#include "progress.h"

#include <stdio.h>
#include <unistd.h>

enum { WIDTH = 40 };

static void draw(const struct progress *p)
{
    size_t full = p->total ? WIDTH * p->done / p->total : WIDTH;
    char bar[WIDTH + 1];
    for (size_t i = 0; i < WIDTH; i++) bar[i] = i < full ? '#' : '.';
    bar[WIDTH] = 0;
    fprintf(stderr, "\r[%s] %zu/%zu", bar, p->done, p->total);
    fflush(stderr);
}

void progress_init(struct progress *p, size_t total)
{
    *p = (struct progress){.total = total, .quiet = total < 2};
    p->bar = !p->quiet && isatty(STDERR_FILENO);
    pthread_mutex_init(&p->lock, NULL);
    if (p->bar) draw(p);
}

void progress_step(struct progress *p, const char *in, const char *out)
{
    pthread_mutex_lock(&p->lock);
    p->done++;
    if (p->bar)
        draw(p);
    else if (!p->quiet && out)
        fprintf(stderr, "%s -> %s\n", in, out);
    pthread_mutex_unlock(&p->lock);
}

void progress_end(struct progress *p)
{
    if (p->bar) fputc('\n', stderr);
    pthread_mutex_destroy(&p->lock);
}
