/* optimizer.c: torch.optim's SGD, Adam and AdamW (1.13), the rules for one number each. Kept in float, as torch keeps them
 * for float weights; what is the same for all numbers is made in double.
 * Sources: Sutskever et al. 2013 (momentum as torch has it), Kingma and Ba 2015, Loshchilov and Hutter 2019. */
#include "rules.h"
#include <math.h>

size_t convd_optimizer_states(const struct convd_learn_settings *s)
{
    return s->optimizer != CONVD_SGD ? 2 : s->momentum > 0 ? 1 : 0;
}

/* v = momentum v + g (the first time: g);  w -= lr v, with nesterov: lr (g + momentum v) */
static void sgd(const struct convd_update *u, size_t n, float *w, const float *g, float *v)
{
    const struct convd_learn_settings *s = u->settings;
    const float lr = (float)u->lr, decay = (float)s->weight_decay, momentum = (float)s->momentum;
    for (size_t i = 0; i < n; i++) {
        float d = g[i] + decay * w[i];
        if (v) {
            v[i] = u->step == 1 ? d : momentum * v[i] + d;
            d = s->nesterov ? d + momentum * v[i] : v[i];
        }
        w[i] -= lr * d;
    }
}

/* m = b1 m + (1 - b1) g, v = b2 v + (1 - b2) g², w -= lr / (1 - b1^t) * m / (sqrt(v) / sqrt(1 - b2^t) + eps). adam adds the
 * decay to g, adamw takes it from w beforehand. */
static void adam(const struct convd_update *u, size_t n, float *w, const float *g, float *m,
                 float *v)
{
    const struct convd_learn_settings *s = u->settings;
    const double b1 = s->betas.v[0], b2 = s->betas.v[1], t = (double)u->step;
    const float step = (float)(u->lr / (1 - pow(b1, t))), root = (float)sqrt(1 - pow(b2, t)),
                eps = (float)s->eps, keep1 = (float)b1, new1 = (float)(1 - b1), keep2 = (float)b2,
                new2 = (float)(1 - b2);
    const bool apart = s->optimizer == CONVD_ADAMW;
    const float decay = apart ? 0 : (float)s->weight_decay,
                shrink = apart ? (float)(1 - u->lr * s->weight_decay) : 1;
    for (size_t i = 0; i < n; i++) {
        const float x = w[i] * shrink, d = g[i] + decay * x;
        m[i] = keep1 * m[i] + new1 * d;
        v[i] = keep2 * v[i] + new2 * d * d;
        w[i] = x - step * m[i] / (sqrtf(v[i]) / root + eps);
    }
}

void convd_optimizer_update(const struct convd_update *u, size_t n, float *w, const float *g,
                            float *first, float *second)
{
    if (u->settings->optimizer == CONVD_SGD)
        sgd(u, n, w, g, first);
    else
        adam(u, n, w, g, first, second);
}
