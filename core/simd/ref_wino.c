/* ref_wino.c: what the transforms of Winograd's convolution mean, in plain C; see winograd.h. Products and sums that are
 * fused are written with fmaf. */
#include "simd.h"
#include "winograd.h"
#include <math.h>

#define SIMD(TYPE, NAME, ARGUMENTS) TYPE convd_##NAME##_ref ARGUMENTS;
#include "simd.def"
#undef SIMD

bool convd_quarters_ref(const float *x, size_t n, float *y, size_t step)
{
    bool fine = true;
    for (size_t i = 0; i < 4 * n; i++) {
        y[i % 4 * step + i / 4] = x[i];
        fine &= fabsf(x[i]) < 0x1p64f;
    }
    return fine;
}

bool convd_quartered_ref(const struct convd_quartered *q)
{
    bool fine = true;
    for (size_t r = 0; r < q->rows; r++)
        for (size_t p = 0; p < 4 * q->n; p++) {
            const float x = p >= q->lo && p < q->hi ? q->x[r * q->x_row + p] : 0;
            q->y[(4 * r + p % 4) * q->step + p / 4] = x;
            fine &= fabsf(x) < 0x1p64f;
        }
    return fine;
}

/* d and v: six numbers, `dn` and `vn` apart. */
static void six(const float *d, size_t dn, float *v, size_t vn)
{
    const float d1 = d[dn], d2 = d[2 * dn], d3 = d[3 * dn], d4 = d[4 * dn];
    const float ea = fmaf(-WINO_B2, d2, d4), oa = fmaf(-WINO_B2, d1, d3);
    const float eb = fmaf(-WINO_A2, d2, d4), ob = fmaf(-WINO_A2, d1, d3);
    v[0] = fmaf(WINO_PRODUCT, d[0], fmaf(-WINO_SUM, d2, d4));
    v[vn] = fmaf(WINO_A, oa, ea);
    v[2 * vn] = fmaf(-WINO_A, oa, ea);
    v[3 * vn] = fmaf(WINO_B, ob, eb);
    v[4 * vn] = fmaf(-WINO_B, ob, eb);
    v[5 * vn] = fmaf(WINO_PRODUCT, d1, fmaf(-WINO_SUM, d3, d[5 * dn]));
}

void convd_wino_in_ref(const float *x, size_t step, size_t n, float *v, size_t plane, float *w)
{
    for (size_t p = 0; p < 4; p++)
        for (size_t t = 0; t < step; t++)
            six(x + p * step + t, 4 * step, w + p * step + t, 4 * step);
    for (size_t i = 0; i < 6; i++, w += 4 * step)
        for (size_t t = 0; t < n; t++) {
            float d[6];
            for (size_t j = 0; j < 6; j++) d[j] = w[j % 4 * step + j / 4 + t];
            six(d, 1, v + 6 * i * plane + t, plane);
        }
}

static void four(const float *m, size_t mn, float *y, size_t yn)
{
    const float a = m[mn], b = m[2 * mn], c = m[3 * mn], d = m[4 * mn];
    y[0] = m[0] + (a + b) + (c + d);
    y[yn] = WINO_A * fmaf(2, c - d, a - b) + 0.0f;
    y[2 * yn] = WINO_A2 * fmaf(4, c + d, a + b) + 0.0f;
    y[3 * yn] = fmaf(WINO_A3, fmaf(8, c - d, a - b), m[5 * mn]);
}

void convd_wino_out_ref(const float *m, size_t plane, float bias, float *const *y, size_t n)
{
    for (size_t t = 0; 4 * t < n; t++) {
        float s[4][6], r[4];
        for (size_t j = 0; j < 6; j++) four(m + j * plane + t, 6 * plane, &s[0][j], 6);
        for (size_t i = 0; i < 4; i++) {
            four(s[i], 1, r, 1);
            for (size_t q = 0; q < 4 && 4 * t + q < n; q++) y[i][4 * t + q] = r[q] + bias;
        }
    }
}

static void four_back(const float *y, size_t yn, float *m, size_t mn)
{
    const float y1 = y[yn], y2 = y[2 * yn], y3 = y[3 * yn];
    const float ea = fmaf(WINO_A2, y2, y[0]), oa = fmaf(WINO_A2, y3, y1);
    const float eb = fmaf(WINO_B2, y2, y[0]), ob = fmaf(WINO_B2, y3, y1);
    m[0] = y[0];
    m[mn] = fmaf(WINO_A, oa, ea);
    m[2 * mn] = fmaf(-WINO_A, oa, ea);
    m[3 * mn] = fmaf(WINO_B, ob, eb);
    m[4 * mn] = fmaf(-WINO_B, ob, eb);
    m[5 * mn] = y3;
}

void convd_wino_back_ref(const float *y, size_t step, size_t n, float *m, size_t plane)
{
    for (size_t t = 0; t < n; t++) {
        float s[6][4];
        for (size_t p = 0; p < 4; p++) four_back(y + p * step + t, 4 * step, &s[0][p], 4);
        for (size_t i = 0; i < 6; i++) four_back(s[i], 1, m + 6 * i * plane + t, plane);
    }
}
