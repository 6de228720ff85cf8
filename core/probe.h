/* probe.h: one number of a map: what it was made from, and which part of the picture it depends on. The ops' rows say
 * it (op.h: look, weigh); what is here walks taps, borders and the graph. */
#ifndef CONVD_PROBE_H
#define CONVD_PROBE_H
#include "plan.h"

/* Channels [c0,c1), rows [y0,y1), columns [x0,x1) of a map. Nothing where c1 <= c0. */
struct convd_box { ptrdiff_t c0, c1, y0, y1, x0, x1; };

/* What number `at` of a step is made from. False: of the number at the same place of every input. The step must be one
 * that the plan computes. */
bool convd_probe_look(const struct convd_plan *p, int node, struct convd_place at, struct convd_look *l);
/* The weight of tap (a,b) of the look's channel q, where the look is a sum. */
double convd_probe_weight(const struct convd_plan *p, int node, struct convd_place at, ptrdiff_t q, ptrdiff_t a, ptrdiff_t b);
/* Numbers of the look: channels * kh * kw. */
size_t convd_look_taps(const struct convd_look *l);
/* That place in an input of shape x: at 0 where the input is spread. */
struct convd_place convd_probe_same(struct convd_shape x, struct convd_place at);
/* The numbers under the taps, in the order channel, row, column, from one sample of the look's whole input; outside says
 * for each of the kh * kw taps whether the border made it. */
void convd_look_read(const struct convd_look *l, const float *map, struct convd_shape x, float *window, bool *outside);
/* Which of the kh * kw taps made the value: the first that is it, in row-major order; -1: none. Taps outside never win
 * where the outside is infinite, as in pools. */
ptrdiff_t convd_look_winner(const struct convd_look *l, const float *window, const bool *outside, float value);

/* The part of the image that number `at` of a node depends on, found by going back through the graph with boxes: the
 * smallest box that holds every number the windows reach. Nothing: it depends on tensors alone. False without memory
 * in mem. */
bool convd_probe_source(const struct convd_plan *p, int node, struct convd_place at, struct convd_arena *mem,
                        struct convd_box *source);
/* One step of that: the box of input i that a box of node's map depends on. */
struct convd_box convd_box_back(const struct convd_plan *p, int node, size_t i, const struct convd_box *y);
#endif
