/* dots.tmpl.c: the loop of every weight gradient: rows of taps against rows of upstream gradients.
 *
 * A tile of taps x outs sums stays in registers while the row runs past, each of them in CONVD_DOTS_PARTS parts (one
 * register with AVX-512, two with AVX2). Taps that are left over are done by narrower tiles, or, where they are many, by one
 * laid over taps that are done already. So is the end of the row: lanes that were added before are masked
 * out, which may turn a sum of -0 into 0. */
#include "isa.h"

#define REGISTERS (CONVD_DOTS_PARTS / LANES) /* for one sum */
#define MOST_TAPS 8

/* Numbers from the end of `on` are all ones: &mask[rest] keeps the last `rest` lanes. */
static const int32_t mask[2 * CONVD_DOTS_PARTS] = {
    [CONVD_DOTS_PARTS] = -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1};

typedef vec sums[MOST_TAPS][CONVD_TAPS_OUTS][REGISTERS];

/* Adds the products of 16 columns; p and q say where row i of t and row o of d have them. */
INLINE void step(sums sum, const float *const *t, size_t taps, const float *const *d, size_t outs,
                 size_t at)
{
    UNROLL
    for (size_t r = 0; r < REGISTERS; r++) {
        vec y[CONVD_TAPS_OUTS];
        UNROLL
        for (size_t o = 0; o < outs; o++) y[o] = vec_load(d[o] + at + r * LANES);
        UNROLL
        for (size_t i = 0; i < taps; i++) {
            const vec x = vec_load(t[i] + at + r * LANES);
            UNROLL
            for (size_t o = 0; o < outs; o++) sum[i][o][r] += x * y[o];
        }
    }
}

INLINE vec vec_and(vec v, ivec m)
{
    return (vec)((ivec)v & m);
}

/* The same for the last `rest` of the 16 columns that end at n. */
INLINE void step_end(sums sum, const float *const *t, size_t taps, const float *const *d,
                     size_t outs, size_t n, size_t rest)
{
    const size_t at = n - CONVD_DOTS_PARTS;
    UNROLL
    for (size_t r = 0; r < REGISTERS; r++) {
        vec y[CONVD_TAPS_OUTS];
        ivec keep;
        __builtin_memcpy(&keep, mask + rest + r * LANES, sizeof keep);
        UNROLL
        for (size_t o = 0; o < outs; o++) y[o] = vec_and(vec_load(d[o] + at + r * LANES), keep);
        UNROLL
        for (size_t i = 0; i < taps; i++) {
            const vec x = vec_and(vec_load(t[i] + at + r * LANES), keep);
            UNROLL
            for (size_t o = 0; o < outs; o++) sum[i][o][r] += x * y[o];
        }
    }
}

/* Of two vectors: the first and the second halves of each run of 2g lanes. */
#define LIST(...) __VA_ARGS__
#if VL == 64
#define FIRST_8  LIST(0, 1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 20, 21, 22, 23)
#define SECOND_8 LIST(8, 9, 10, 11, 12, 13, 14, 15, 24, 25, 26, 27, 28, 29, 30, 31)
#define FIRST_4  LIST(0, 1, 2, 3, 8, 9, 10, 11, 16, 17, 18, 19, 24, 25, 26, 27)
#define SECOND_4 LIST(4, 5, 6, 7, 12, 13, 14, 15, 20, 21, 22, 23, 28, 29, 30, 31)
#define FIRST_2  LIST(0, 1, 4, 5, 8, 9, 12, 13, 16, 17, 20, 21, 24, 25, 28, 29)
#define SECOND_2 LIST(2, 3, 6, 7, 10, 11, 14, 15, 18, 19, 22, 23, 26, 27, 30, 31)
#elif VL == 32
#define FIRST_4  LIST(0, 1, 2, 3, 8, 9, 10, 11)
#define SECOND_4 LIST(4, 5, 6, 7, 12, 13, 14, 15)
#define FIRST_2  LIST(0, 1, 4, 5, 8, 9, 12, 13)
#define SECOND_2 LIST(2, 3, 6, 7, 10, 11, 14, 15)
#else
#define FIRST_2  LIST(0, 1, 4, 5)
#define SECOND_2 LIST(2, 3, 6, 7)
#endif
#define FOLD(V, N, FIRST, SECOND)                                                                  \
    UNROLL_ALL                                                                                     \
    for (size_t k_ = 0; k_ < (N); k_++)                                                            \
        (V)[k_] = __builtin_shufflevector((V)[2 * k_], (V)[2 * k_ + 1], FIRST) +                   \
                  __builtin_shufflevector((V)[2 * k_], (V)[2 * k_ + 1], SECOND);

/* The sums of LANES sums' parts, halves onto halves: one in each lane. */
INLINE vec fold(vec *v)
{
#if VL == 64
    FOLD(v, 8, FIRST_8, SECOND_8)
#endif
#if VL >= 32
    FOLD(v, 4, FIRST_4, SECOND_4)
#endif
    FOLD(v, 2, FIRST_2, SECOND_2)
    FOLD(v, 1, EVENS, ODDS)
    return v[0];
}

/* All of a tile's sums; y[i*outs + o]. */
INLINE void add_up(const sums sum, const size_t taps, const size_t outs, float *y)
{
    UNROLL_ALL
    for (size_t first = 0; first < taps * outs; first += LANES) {
        vec v[LANES];
        UNROLL_ALL
        for (size_t k = 0; k < LANES; k++) {
            if (first + k >= taps * outs) {
                v[k] = (vec){0};
                continue;
            }
            const vec *part = sum[(first + k) / outs][(first + k) % outs];
#if VL == 64
            v[k] = part[0];
#elif VL == 32
            v[k] = part[0] + part[1];
#else
            v[k] = (part[0] + part[2]) + (part[1] + part[3]);
#endif
        }
        const vec all = fold(v);
        const size_t left = taps * outs - first;
        __builtin_memcpy(y + first, &all, (left < LANES ? left : LANES) * sizeof(float));
    }
}

INLINE void tile(const float *const *t, const size_t taps, const float *const *d, const size_t outs,
                 size_t n, float *y)
{
    sums sum;
    UNROLL
    for (size_t i = 0; i < taps; i++) {
        UNROLL
        for (size_t o = 0; o < outs; o++) {
            UNROLL
            for (size_t r = 0; r < REGISTERS; r++) sum[i][o][r] = (vec){0};
        }
    }
    size_t j = 0;
    for (; j + CONVD_DOTS_PARTS <= n; j += CONVD_DOTS_PARTS) step(sum, t, taps, d, outs, j);
    if (j < n) step_end(sum, t, taps, d, outs, n, n - j);
    add_up(sum, taps, outs, y);
}

/* How many taps stay in registers beside the rows of d and one of t. */
#if VL == 64
static const size_t fit[CONVD_TAPS_OUTS + 1] = {0, 8, 8, 8, 6};
#elif VL == 32
static const size_t fit[CONVD_TAPS_OUTS + 1] = {0, 6, 3, 2, 1};
#else
static const size_t fit[CONVD_TAPS_OUTS + 1] = {0, 3, 1, 1, 1};
#endif

INLINE void run(const float *const *t, size_t taps, const float *const *d, const size_t outs,
                size_t n, float *y)
{
    size_t i = 0;
    for (; taps - i >= fit[outs]; i += fit[outs]) tile(t + i, fit[outs], d, outs, n, y + i * outs);
    if (i > 0 && taps - i > 4) {
        i = taps - fit[outs];
        tile(t + i, fit[outs], d, outs, n, y + i * outs);
        return;
    }
    for (; fit[outs] > 4 && taps - i >= 4; i += 4) tile(t + i, 4, d, outs, n, y + i * outs);
    for (; fit[outs] > 3 && taps - i >= 3; i += 3) tile(t + i, 3, d, outs, n, y + i * outs);
    for (; fit[outs] > 2 && taps - i >= 2; i += 2) tile(t + i, 2, d, outs, n, y + i * outs);
    if (i < taps) tile(t + i, 1, d, outs, n, y + i * outs);
}

/* Rows shorter than one set of parts, filled up with zeros in front. */
static void short_rows(const float *const *t, size_t taps, const float *const *d, size_t outs,
                       size_t n, float *y)
{
    float rows[1 + CONVD_TAPS_OUTS][CONVD_DOTS_PARTS] = {{0}};
    const float *from[1] = {rows[0]}, *with[CONVD_TAPS_OUTS] = {rows[1], rows[2], rows[3], rows[4]};
    for (size_t o = 0; o < outs; o++)
        __builtin_memcpy(rows[1 + o] + CONVD_DOTS_PARTS - n, d[o], n * sizeof(float));
    for (size_t i = 0; i < taps; i++) {
        __builtin_memcpy(rows[0] + CONVD_DOTS_PARTS - n, t[i], n * sizeof(float));
        tile(from, 1, with, CONVD_TAPS_OUTS, CONVD_DOTS_PARTS, rows[0]);
        for (size_t o = 0; o < outs; o++) y[i * outs + o] = rows[0][o];
        __builtin_memset(rows[0], 0, sizeof rows[0]);
    }
}

void FN(dots)(const float *const *t, size_t taps, const float *const *d, size_t outs, size_t n,
              float *y)
{
    if (n < CONVD_DOTS_PARTS) {
        short_rows(t, taps, d, outs, n, y);
        return;
    }
    switch (outs) {
    case 1:
        run(t, taps, d, 1, n, y);
        break;
    case 2:
        run(t, taps, d, 2, n, y);
        break;
    case 3:
        run(t, taps, d, 3, n, y);
        break;
    default:
        run(t, taps, d, 4, n, y);
        break;
    }
}
