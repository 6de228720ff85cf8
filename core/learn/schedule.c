/* schedule.c: torch.optim.lr_scheduler's StepLR and CosineAnnealingLR (T_max: epochs, eta_min 0), asked once an epoch. */
#include "rules.h"
#include <math.h>

double convd_schedule_rate(const struct convd_learn_settings *s, ptrdiff_t epoch)
{
    const double pi = 3.14159265358979323846;
    switch ((enum convd_schedule)s->schedule) {
    case CONVD_STEP_RATE:
        return s->lr * pow(s->gamma, (double)(epoch / s->step_size));
    case CONVD_COSINE_RATE:
        return s->lr * (1 + cos(pi * (double)epoch / (double)s->epochs)) / 2;
    case CONVD_CONSTANT_RATE:
        break;
    }
    return s->lr;
}
