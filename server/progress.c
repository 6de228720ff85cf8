/* progress.c: a bar on a terminal, a line a piece elsewhere. */
#include "progress.h"

#include <stdio.h>
#include <unistd.h>

enum { WIDTH = 40 };

static void draw(const struct progress *p, const char *left)
{
    size_t full = p->total ? WIDTH * p->done / p->total : WIDTH;
    char bar[WIDTH + 1];
    for (size_t i = 0; i < WIDTH; i++) bar[i] = i < full ? '#' : '.';
    bar[WIDTH] = 0;
    fprintf(stderr, "\r\033[K[%s] %zu/%zu  %s", bar, p->done, p->total, left);
    fflush(stderr);
}

void progress_init(struct progress *p, size_t total)
{
    *p = (struct progress){.total = total, .quiet = total < 2};
    p->bar = !p->quiet && isatty(STDERR_FILENO);
    pthread_mutex_init(&p->lock, NULL);
    if (p->bar) draw(p, "");
}

void progress_step(struct progress *p, const char *in, const char *out)
{
    pthread_mutex_lock(&p->lock);
    p->done++;
    if (p->bar)
        draw(p, "");
    else if (!p->quiet && out)
        fprintf(stderr, "%s -> %s\n", in, out);
    pthread_mutex_unlock(&p->lock);
}

void progress_at(struct progress *p, size_t done, size_t total, const char *left)
{
    pthread_mutex_lock(&p->lock);
    const size_t tenth = p->total ? 10 * p->done / p->total : 0;
    p->done = done;
    p->total = total;
    if (p->bar)
        draw(p, left);
    else if (!p->quiet && total && 10 * done / total != tenth)
        fprintf(stderr, "%zu/%zu\n", done, total);
    pthread_mutex_unlock(&p->lock);
}

void progress_end(struct progress *p)
{
    if (p->bar) fputc('\n', stderr);
    pthread_mutex_destroy(&p->lock);
}
