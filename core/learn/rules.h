/* rules.h: loss, update and learning rate: the rules of torch.nn, torch.optim and torch.optim.lr_scheduler. */
#ifndef CONVD_LEARN_RULES_H
#define CONVD_LEARN_RULES_H
#include "learn.h"

/* ---- loss.c ---- */

/* What one sample adds to the loss of a batch of n: the loss is the mean over samples (cross_entropy) or over all numbers
 * (mse, l1). y: `count` numbers; class counts for cross_entropy, target for the others; bounded: a target of 0 or less stands
 * for whatever is less, of 255 or more for whatever is more. dy, where wanted, gets dL/dy. */
double convd_loss(enum convd_loss kind, const float *y, size_t count, ptrdiff_t class, const float *target, bool bounded,
                  ptrdiff_t n, float *dy);
/* The place of the largest number, the first of several; a NaN wins. */
ptrdiff_t convd_loss_guess(const float *y, size_t count);

/* ---- optimizer.c ---- */

/* Numbers that the update keeps for each weight: 0, 1 or 2. */
size_t convd_optimizer_states(const struct convd_learn_settings *s);
/* One update of n weights w from gradients g. step counts from 1; lr is this step's. state: states × n floats, 0 before
 * the first. Ranges of the weights may be updated one by one. */
struct convd_update {
    const struct convd_learn_settings *settings;
    uint64_t step;
    double lr;
};
void convd_optimizer_update(const struct convd_update *u, size_t n, float *w, const float *g, float *first,
                            float *second);

/* ---- schedule.c ---- */

/* The rate of epoch `epoch`, from 0. */
double convd_schedule_rate(const struct convd_learn_settings *s, ptrdiff_t epoch);
#endif
