/* checkpoint.c: what the epochs so far made, as bytes: a header, weights, the optimizer's state, the curve, a checksum.
 * Chance follows from seed, epoch and example, so that nothing of it needs keeping. Numbers are as this machine has them. */
#include "learner.h"
#include <string.h>

static const char magic[8] = "convdln1";

struct header {
    char magic[8];
    uint64_t run; /* hash of what decides the numbers */
    uint64_t count, learned, states, epoch, step, since;
    double best;
};

static uint64_t hash(uint64_t h, const void *data, size_t n)
{
    const uint8_t *p = data;
    for (size_t i = 0; i < n; i++) h = (h ^ p[i]) * UINT64_C(0x100000001b3);
    return h;
}

#define MIX(h, x) (h) = hash(h, &(x), sizeof(x))

/* Examples, weights and settings; the number of epochs only where the rate follows from it. */
static uint64_t run_of(const struct convd_learner *l)
{
    const struct convd_learn_settings *s = &l->settings;
    uint64_t h = l->data.hash;
    MIX(h, l->data.n);
    for (size_t i = 0; i < l->weights.n; i++) {
        h = hash(h, l->weights.list[i].name, strlen(l->weights.list[i].name));
        MIX(h, l->weights.list[i].count);
    }
    h = hash(h, l->weights.before, l->weights.count * sizeof(float));
    MIX(h, s->loss), MIX(h, s->optimizer), MIX(h, s->lr), MIX(h, s->momentum), MIX(h, s->nesterov);
    MIX(h, s->weight_decay), MIX(h, l->betas), MIX(h, s->eps), MIX(h, s->schedule),
        MIX(h, s->batch_size);
    MIX(h, s->shuffle), MIX(h, s->validation), MIX(h, s->seed);
    MIX(h, s->augment.flip), MIX(h, s->augment.shift), MIX(h, s->augment.noise);
    if (s->schedule == CONVD_STEP_RATE) MIX(h, s->step_size), MIX(h, s->gamma);
    if (s->schedule == CONVD_COSINE_RATE) MIX(h, s->epochs);
    return h;
}

bool convd_learner_save(const struct convd_learner *l, struct convd_bytes *out)
{
    struct header h = {.run = run_of(l),
                       .count = l->weights.count,
                       .learned = l->weights.learned,
                       .states = convd_optimizer_states(&l->settings),
                       .epoch = (uint64_t)l->epoch,
                       .step = l->step,
                       .since = (uint64_t)l->since,
                       .best = l->best};
    const size_t begin = out->n;
    memcpy(h.magic, magic, sizeof magic);
    bool fine = convd_bytes_put(out, &h, sizeof h) &&
                convd_bytes_put(out, l->weights.values, l->weights.count * sizeof(float));
    for (size_t i = 0; i < h.states; i++)
        fine = fine && convd_bytes_put(out, l->states[i], l->weights.learned * sizeof(float));
    fine = fine && convd_bytes_put(out, l->curve, (size_t)l->epoch * sizeof *l->curve);
    const uint64_t sum =
        fine ? hash(UINT64_C(0xcbf29ce484222325), out->data + begin, out->n - begin) : 0;
    return fine && convd_bytes_put(out, &sum, sizeof sum);
}

static bool refuse(struct convd_faults *f, const char *what)
{
    convd_fault_expected(f, CONVD_BAD_REQUEST, NULL,
                         "what a run with the same pipeline, settings and examples has saved", "%s",
                         what);
    return false;
}

bool convd_learner_load(struct convd_learner *l, const void *data, size_t n, struct convd_faults *f)
{
    const uint8_t *p = data;
    struct header h;
    uint64_t sum;
    if (!l->ready || n < sizeof h + sizeof sum || memcmp(p, magic, sizeof magic) != 0)
        return refuse(f, "these bytes are no saved run");
    memcpy(&h, p, sizeof h);
    memcpy(&sum, p + n - sizeof sum, sizeof sum);
    if (sum != hash(UINT64_C(0xcbf29ce484222325), p, n - sizeof sum))
        return refuse(f, "the saved run is damaged");
    const size_t states = convd_optimizer_states(&l->settings),
                 values = l->weights.count * sizeof(float),
                 learned = l->weights.learned * sizeof(float);
    if (h.run != run_of(l) || h.count != l->weights.count || h.learned != l->weights.learned ||
        h.states != states)
        return refuse(f, "the saved run is of another pipeline, other settings or other examples");
    if (h.epoch > (uint64_t)l->settings.epochs ||
        n != sizeof h + values + states * learned + h.epoch * sizeof *l->curve + sizeof sum)
        return refuse(f, "the saved run has more epochs than are wanted");
    p += sizeof h;
    memcpy(l->weights.values, p, values);
    p += values;
    for (size_t i = 0; i < states; i++, p += learned) memcpy(l->states[i], p, learned);
    memcpy(l->curve, p, h.epoch * sizeof *l->curve);
    l->epoch = (ptrdiff_t)h.epoch;
    l->step = h.step;
    l->since = (ptrdiff_t)h.since;
    l->best = h.best;
    convd_net_pack(l->net, NULL);
    return true;
}
