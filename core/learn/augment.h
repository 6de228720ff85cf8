/* augment.h: examples changed at random, anew in every epoch, the same way wherever they are asked for again. */
#ifndef CONVD_LEARN_AUGMENT_H
#define CONVD_LEARN_AUGMENT_H
#include "learn.h"

struct convd_augmented {
    bool mirror_x, mirror_y;
    ptrdiff_t down, right;
    uint64_t seed;
    uint32_t epoch, sample;
};
struct convd_augmented convd_augment_draw(const struct convd_augment *a, uint64_t seed, uint32_t epoch, uint32_t sample);
/* y is x mirrored, then moved; what comes in from outside repeats the border. */
void convd_augment_map(const struct convd_augmented *a, struct convd_shape s, const float *x, float *y);
void convd_augment_noise(const struct convd_augment *settings, const struct convd_augmented *a, uint32_t map, size_t n,
                         float *y);

/* What randomness is for: the last word of Philox's counter, so that no two uses see the same numbers. */
enum convd_chance_use { CONVD_CHANCE_ORDER = 1, CONVD_CHANCE_HOLD, CONVD_CHANCE_AUGMENT, CONVD_CHANCE_NOISE,
                        CONVD_CHANCE_DROP };
/* Block i of a use. */
void convd_chance_block(uint64_t seed, enum convd_chance_use use, uint32_t i, uint32_t j, uint32_t k, uint32_t out[4]);
#endif
