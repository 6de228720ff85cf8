/* curve.c: a bar of block characters, the losses as a line of blocks; or rows. */
#include "curve.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { BAR = 20, SPARK = 24, WIDTH = 60, HEIGHT = 8 };

static const char *const lower[] = {" ", "▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"};
static const char *const left[] = {" ", "▏", "▎", "▍", "▌", "▋", "▊", "▉", "█"};

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

void curve_init(struct curve *c)
{
    const bool terminal = isatty(STDERR_FILENO);
    *c = (struct curve){
        .live = terminal, .rows = !terminal || !isatty(STDOUT_FILENO), .start = now()};
}

void curve_release(struct curve *c)
{
    free(c->losses);
    c->losses = NULL;
}

static void bar(double share)
{
    const int eighths = (int)(share * BAR * 8);
    fputs("▕", stderr);
    for (int i = 0; i < BAR; i++) {
        const int part = eighths - 8 * i;
        fputs(left[part < 0 ? 0 : part > 8 ? 8 : part], stderr);
    }
    fputs("▏", stderr);
}

/* Losses look even on a logarithmic scale. */
static double height(double loss)
{
    return log(loss > 1e-30 ? loss : 1e-30);
}

struct scale {
    double lo, hi;
};
static struct scale scale_of(const float *v, size_t n)
{
    struct scale s = {INFINITY, -INFINITY};
    for (size_t i = 0; i < n; i++) {
        s.lo = fmin(s.lo, height((double)v[i]));
        s.hi = fmax(s.hi, height((double)v[i]));
    }
    return s;
}

/* The i-th of `columns` groups of losses: their mean, from 0 to 1 of the scale. */
static double level(const struct curve *c, struct scale s, size_t i, size_t columns)
{
    const size_t from = i * c->n / columns, to = (i + 1) * c->n / columns;
    double sum = 0;
    for (size_t k = from; k < to; k++) sum += height((double)c->losses[k]);
    return s.hi > s.lo ? (sum / (double)(to - from) - s.lo) / (s.hi - s.lo) : 0.5;
}

static void spark(const struct curve *c)
{
    const size_t columns = c->n < SPARK ? c->n : SPARK;
    const struct scale s = scale_of(c->losses, c->n);
    for (size_t i = 0; i < columns; i++)
        fputs(lower[1 + (int)(level(c, s, i, columns) * 7)], stderr);
}

static void draw(struct curve *c, const struct convd_learn_news *n)
{
    const double share = (double)n->done / (double)n->total, spent = now() - c->start;
    const double pace = n->done > c->first ? spent / (double)(n->done - c->first) : 0;
    const ptrdiff_t epoch = n->epoch < n->epochs && !n->curve ? n->epoch + 1 : n->epoch;
    fprintf(stderr, "\r\033[Kepoch %td/%td ", epoch, n->epochs);
    bar(share);
    fprintf(stderr, " loss %-9.4g ", c->n ? (double)c->losses[c->n - 1] : n->loss);
    spark(c);
    fprintf(stderr, " %.0f s left", pace * (double)(n->total - n->done));
    fflush(stderr);
}

static void keep(struct curve *c, double loss)
{
    if (c->n == c->room) {
        const size_t room = c->room ? 2 * c->room : 128;
        float *more = realloc(c->losses, room * sizeof *more);
        if (!more) return;
        c->losses = more;
        c->room = room;
    }
    c->losses[c->n++] = (float)loss;
}

static void row(const struct convd_learn_news *n)
{
    const struct convd_curve *r = n->curve;
    printf("epoch %td/%td\tloss %.6g", n->epoch, n->epochs, r->loss);
    if (!isnan(r->accuracy)) printf("\taccuracy %.4f", r->accuracy);
    if (!isnan(r->val_loss)) printf("\tval_loss %.6g", r->val_loss);
    if (!isnan(r->val_accuracy)) printf("\tval_accuracy %.4f", r->val_accuracy);
    printf("\t%.3f s\n", r->seconds);
    fflush(stdout);
}

void curve_news(void *self, const struct convd_learn_news *n)
{
    struct curve *c = self;
    const double t = now();
    if (n->curve) {
        keep(c, n->curve->loss);
        const ptrdiff_t every = (n->epochs + 99) / 100; /* a hundred rows say enough */
        if (c->rows && (n->epoch % every == 0 || n->epoch == 1 || n->epoch == n->epochs)) row(n);
    }
    if (!c->live || t - c->drawn < 0.05) return;
    c->drawn = t;
    draw(c, n);
}

void curve_reading(struct curve *c, size_t done, size_t total)
{
    const double t = now();
    if (!c->live || (done < total && t - c->drawn < 0.05)) return;
    c->drawn = t;
    fputs("\r\033[Kreading ", stderr);
    bar(total ? (double)done / (double)total : 1);
    fprintf(stderr, " %zu/%zu", done, total);
    if (done == total) {
        fputs("\r\033[K", stderr);
        c->start = now();
        c->drawn = 0;
    }
    fflush(stderr);
}

/* Losses from first to last epoch, highest on top. */
static void plot(const struct curve *c)
{
    const size_t columns = c->n < WIDTH ? c->n : WIDTH;
    const struct scale s = scale_of(c->losses, c->n);
    for (int i = HEIGHT - 1; i >= 0; i--) {
        if (i == HEIGHT - 1 || i == 0)
            fprintf(stderr, "%10.4g ", exp(i ? s.hi : s.lo));
        else
            fprintf(stderr, "%10s ", i == HEIGHT / 2 ? "loss" : "");
        for (size_t k = 0; k < columns; k++) {
            const int part = (int)((level(c, s, k, columns) * (HEIGHT * 8 - 1)) + 1) - 8 * i;
            fputs(lower[part < 0 ? 0 : part > 8 ? 8 : part], stderr);
        }
        fputc('\n', stderr);
    }
    fprintf(stderr, "%10s 1%*zu epochs\n", "", (int)columns > 1 ? (int)columns - 1 : 1, c->n);
}

void curve_end(struct curve *c)
{
    if (!c->live) return;
    fputs("\r\033[K", stderr);
    if (c->n > 1) plot(c);
}
