/* taps.tmpl.c: the loop of every convolution.
 *
 * A tile of outs x vecs accumulators stays in registers while the taps run. How many vectors fit: 32
 * registers with AVX-512, 16 elsewhere, less the vectors loaded and the factor. What a tile does not cover is
 * done by narrower ones, the last of them laid over outputs that are done already: they come out the same
 * again, and nothing outside [from,to) is touched. */
#include "isa.h"

#define MOST_VECS         8
#define PASTE_TILE_(A, B) A##B
#define PASTE_TILE(A, B)  PASTE_TILE_(A, B)

#define TILE 1
#include "taps_tile.h"
#define TILE 4
#include "taps_tile.h"
#if VL >= 32
#define TILE 8
#include "taps_tile.h"
#endif
#if VL >= 64
#define TILE 16
#include "taps_tile.h"
#endif
#if VL == 64
#define WIDE tile16
static const size_t fit[CONVD_TAPS_OUTS + 1] = {0, 8, 8, 6, 5};
#elif VL == 32
#define WIDE tile8
static const size_t fit[CONVD_TAPS_OUTS + 1] = {0, 8, 4, 3, 3};
#else
#define WIDE tile4
static const size_t fit[CONVD_TAPS_OUTS + 1] = {0, 8, 4, 3, 2};
#endif

/* [from,to) is narrower than a vector: the widest tile that fits into it, the last one laid back. */
#define NARROW(TILE_FN, N)                                                                                       \
    if (to - from >= (N)) {                                                                                      \
        for (; to - j >= (N); j += (N)) TILE_FN(t, k, taps, bias, y, outs, 1, j);                                \
        if (j < to) TILE_FN(t, k, taps, bias, y, outs, 1, to - (N));                                             \
        return;                                                                                                  \
    }

/* 1 to 5 vectors at `at`, at most as many as fit. */
INLINE void few(const float *const *t, const float *k, size_t taps, const float *bias, float *const *y,
                const size_t outs, size_t vecs, size_t at)
{
    if (vecs == 1) WIDE(t, k, taps, bias, y, outs, 1, at);
    if (vecs == 2) WIDE(t, k, taps, bias, y, outs, 2, at);
    if (fit[outs] >= 3 && vecs == 3) WIDE(t, k, taps, bias, y, outs, 3, at);
    if (fit[outs] >= 4 && vecs == 4) WIDE(t, k, taps, bias, y, outs, 4, at);
    if (fit[outs] == 5 && vecs == 5) WIDE(t, k, taps, bias, y, outs, 5, at);
}

INLINE void run(const float *const *t, const float *k, size_t taps, const float *bias, float *const *y,
                const size_t outs, size_t from, size_t to)
{
    size_t j = from;
    if (to - from >= LANES) {
        for (; to - j >= fit[outs] * LANES; j += fit[outs] * LANES)
            WIDE(t, k, taps, bias, y, outs, fit[outs], j);
        if (fit[outs] > 5 && to - j > 4 * LANES) {
            few(t, k, taps, bias, y, outs, 4, j);
            j += 4 * LANES;
        }
        const size_t whole = (to - j) / LANES, over = (to - j) % LANES;
        if (over > 0 && to - from > whole * LANES + LANES) { /* one tile for all that is left */
            few(t, k, taps, bias, y, outs, whole + 1, to - (whole + 1) * LANES);
            return;
        }
        few(t, k, taps, bias, y, outs, whole, j);
        if (over > 0) few(t, k, taps, bias, y, outs, 1, to - LANES);
        return;
    }
#if VL >= 64
    NARROW(tile8, 8)
#endif
#if VL >= 32
    NARROW(tile4, 4)
#endif
    NARROW(tile1, 1)
}

void FN(taps)(const float *const *t, const float *k, size_t taps, const float *bias, float *const *y, size_t outs,
              size_t from, size_t to)
{
    switch (outs) {
    case 1: run(t, k, taps, bias, y, 1, from, to); break;
    case 2: run(t, k, taps, bias, y, 2, from, to); break;
    case 3: run(t, k, taps, bias, y, 3, from, to); break;
    default: run(t, k, taps, bias, y, 4, from, to); break;
    }
}
