/* simd.h: the inner loops. Each is written once (NAME.tmpl.c) on GCC vectors of VL bytes, compiled for every instruction
 * set, and chosen once for a plan. ref.c is their plain definition; tests/simd_all.c holds every variant against it. */
#ifndef CONVD_SIMD_H
#define CONVD_SIMD_H
#include <stddef.h>
#include <stdint.h>

struct convd_simd {
    const char *name; /* "ref", "base", "avx2", "avx512", "neon" */
    /* --- in and out of f32: n pixels of one row --- */
    void (*u8_planes)(const uint8_t *x, size_t n, size_t c, float *const *y); /* interleaved -> c planes              */
    void (*u8_gray)(const uint8_t *x, size_t n, size_t c, float *y);          /* c >= 3: Rec. 601 luma                */
    uint64_t (*planes_u8)(const float *const *x, size_t n, size_t c, uint8_t *y); /* saturate; returns how many        */
    /* --- windows over padded rows: y[j] = bias + sum over taps; t[k] is the row tap k reads, already shifted --- */
    void (*taps)(const float *const *t, const float *k, size_t taps, float bias, float *y, size_t n);
    /* the same for several output rows that share their input: y[o][j] = bias[o] + sum k[o*taps + i] * t[i][j] */
    void (*taps_many)(const float *const *t, const float *k, size_t taps, const float *bias, float *const *y, size_t outs,
                      size_t n);
    /* NaN-propagating y = max/min(y, x) */
    void (*max)(float *y, const float *x, size_t n);
    void (*min)(float *y, const float *x, size_t n);
    void (*add)(float *y, const float *a, const float *b, size_t n);
    void (*abs)(float *y, const float *x, size_t n);
};
/* The best variant this processor runs, or the one named by forced ("base", "avx2", …) when that can run; NULL forced:
 * best. Never NULL. */
const struct convd_simd *convd_simd_choose(const char *forced);
/* Every variant this processor can run, ref first; NULL past the end. */
const struct convd_simd *convd_simd_at(size_t i);
#endif
