/* augment.c: mirrored, moved, noisy; see augment.h. */
#include "augment.h"
#include "../weight.h"
#include <math.h>

void convd_chance_block(uint64_t seed, enum convd_chance_use use, uint32_t i, uint32_t j,
                        uint32_t k, uint32_t out[4])
{
    convd_philox_block((const uint32_t[4]){i, j, k, (uint32_t)use},
                       (const uint32_t[2]){(uint32_t)seed, (uint32_t)(seed >> 32)}, out);
}

/* A whole number in [-most, most]. */
static ptrdiff_t within(uint32_t word, ptrdiff_t most)
{
    return (ptrdiff_t)((uint64_t)word * (2 * (uint64_t)most + 1) >> 32) - most;
}

struct convd_augmented convd_augment_draw(const struct convd_augment *a, uint64_t seed,
                                          uint32_t epoch, uint32_t sample)
{
    uint32_t w[4];
    convd_chance_block(seed, CONVD_CHANCE_AUGMENT, sample, epoch, 0, w);
    const bool x = a->flip == CONVD_MIRROR_X || a->flip == CONVD_MIRROR_XY,
               y = a->flip == CONVD_MIRROR_Y || a->flip == CONVD_MIRROR_XY;
    return (struct convd_augmented){.mirror_x = x && w[0] & 1,
                                    .mirror_y = y && w[0] & 2,
                                    .down = within(w[1], a->shift),
                                    .right = within(w[2], a->shift),
                                    .seed = seed,
                                    .epoch = epoch,
                                    .sample = sample};
}

static ptrdiff_t clamp(ptrdiff_t i, ptrdiff_t n)
{
    return i < 0 ? 0 : i >= n ? n - 1 : i;
}

void convd_augment_map(const struct convd_augmented *a, struct convd_shape s, const float *x,
                       float *y)
{
    for (ptrdiff_t c = 0; c < s.c; c++)
        for (ptrdiff_t i = 0; i < s.h; i++) {
            ptrdiff_t from = clamp(i - a->down, s.h);
            const float *row = x + (c * s.h + (a->mirror_y ? s.h - 1 - from : from)) * s.w;
            for (ptrdiff_t j = 0; j < s.w; j++) {
                ptrdiff_t at = clamp(j - a->right, s.w);
                *y++ = row[a->mirror_x ? s.w - 1 - at : at];
            }
        }
}

void convd_augment_noise(const struct convd_augment *settings, const struct convd_augmented *a,
                         uint32_t map, size_t n, float *y)
{
    const double unit = 0x1p-32, two_pi = 6.283185307179586476925286766559;
    for (size_t i = 0; settings->noise > 0 && i < n; i++) {
        uint32_t w[4];

        convd_chance_block(a->seed + ((uint64_t)map << 40), CONVD_CHANCE_NOISE, (uint32_t)i,
                           a->epoch, a->sample, w);
        y[i] += (float)(settings->noise * sqrt(-2 * log(((double)w[0] + 1) * unit)) *
                        cos(two_pi * (double)w[1] * unit));
    }
}
