/* curve.h: how learning goes, for a person: a bar and the loss so far at a terminal, a line an epoch elsewhere. */
#ifndef CURVE_H
#define CURVE_H
#include "../core/learn/learn.h"

struct curve {
    bool live;       /* standard error is a terminal    */
    bool rows;       /* standard output gets a row an epoch */
    double start, drawn;
    size_t first;    /* examples done before this start */
    float *losses;   /* of all epochs, for the curve    */
    size_t n, room;
};
void curve_init(struct curve *c);
void curve_release(struct curve *c);
/* For struct convd_learn_run: self is the curve. */
void curve_news(void *self, const struct convd_learn_news *n);
/* Ends the bar, draws the whole curve where it was live. */
void curve_end(struct curve *c);
/* Says over the bar that examples are being read. */
void curve_reading(struct curve *c, size_t done, size_t total);
#endif
