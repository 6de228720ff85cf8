/* ref.c: what each inner loop means, in plain C. Slow and obvious: products and sums that FMA instruction
 * sets fuse are written with fmaf, so that they can be compared bit by bit. */
#include "simd.h"
#include <math.h>

static void taps(const float *const *t, const float *k, size_t n, const float *bias,
                 float *const *y, size_t outs, size_t from, size_t to)
{
    for (size_t o = 0; o < outs; o++)
        for (size_t j = from; j < to; j++) {
            float sum = bias[o];
            for (size_t i = 0; i < n; i++) sum = fmaf(k[i * outs + o], t[i][j], sum);
            y[o][j] = sum;
        }
}

/* What tap b of column j reads of row i. */
static float stack_number(const struct convd_stack *q, size_t i, size_t j, size_t b)
{
    if (!q->before) return q->x[i][j + b];
    return j + b == 0 ? q->before[i] : j + b == q->n + 1 ? q->behind[i] : q->x[i][j + b - 1];
}

static void stack(const struct convd_stack *q)
{
    for (size_t o = 0; o < q->outs; o++)
        for (size_t r = 0; r < q->rows; r++)
            for (size_t j = 0; j < q->n; j++) {
                float sum = q->bias[o];
                for (size_t c = 0; c < q->channels; c++)
                    for (size_t i = 0; i < q->kh * q->kw; i++)
                        sum = fmaf(q->k[(c * q->kh * q->kw + i) * q->outs + o],
                                   stack_number(q, c * q->span + r + i / q->kw, j, i % q->kw), sum);
                q->y[o * q->rows + r][j] = sum;
            }
}

/* Number j belongs to part j mod 16; what is left over at the end, to the last parts. */
static size_t part_of(size_t j, size_t n)
{
    return j < n / CONVD_DOTS_PARTS * CONVD_DOTS_PARTS ? j % CONVD_DOTS_PARTS
                                                       : CONVD_DOTS_PARTS - (n - j);
}

static float dot(const float *a, const float *b, size_t n)
{
    float part[CONVD_DOTS_PARTS] = {0};
    for (size_t j = 0; j < n; j++) {
        float *sum = &part[part_of(j, n)];
        *sum = fmaf(a[j], b[j], *sum);
    }
    for (size_t half = CONVD_DOTS_PARTS / 2; half > 0; half /= 2)
        for (size_t i = 0; i < half; i++) part[i] += part[i + half];
    return part[0];
}

static void dots(const float *const *t, size_t taps, const float *const *d, size_t outs, size_t n,
                 float *y)
{
    for (size_t i = 0; i < taps; i++)
        for (size_t o = 0; o < outs; o++) y[i * outs + o] = dot(t[i], d[o], n);
}

static void multiply(const struct convd_matrices *q)
{
    for (size_t r = 0; r < q->rows; r++)
        for (size_t j = 0; j < q->n; j++) {
            float *y = q->y + r * q->y_row + j;
            for (size_t t = 0; t < q->depth; t++)
                *y = fmaf(q->a[r * q->a_row + t], q->b[t * q->b_row + j], *y);
        }
}

static void turn(const float *x, size_t x_row, size_t rows, size_t n, float *y, size_t y_row)
{
    for (size_t i = 0; i < rows; i++)
        for (size_t j = 0; j < n; j++) y[j * y_row + i] = x[i * x_row + j];
}

static bool all_finite(const float *x, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (!isfinite(x[i])) return false;
    return true;
}

static bool copy(float *y, const float *x, size_t n)
{
    for (size_t i = 0; i < n; i++) y[i] = x[i];
    return all_finite(x, n);
}

static void max(float *y, const float *x, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (x[i] > y[i] || isnan(x[i])) y[i] = x[i];
}

static void min(float *y, const float *x, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (x[i] < y[i] || isnan(x[i])) y[i] = x[i];
}

static void add(float *y, const float *a, const float *b, size_t n)
{
    for (size_t i = 0; i < n; i++) y[i] = a[i] + b[i];
}

static void magnitude(float *y, const float *x, size_t n)
{
    for (size_t i = 0; i < n; i++) y[i] = fabsf(x[i]);
}

static void relu(float *y, const float *x, size_t n)
{
    for (size_t i = 0; i < n; i++) y[i] = x[i] < 0 ? 0 : x[i];
}

static void relu_back(float *dx, const float *y, const float *dy, size_t n)
{
    for (size_t i = 0; i < n; i++) dx[i] = y[i] <= 0 ? 0 : dy[i];
}

static void fill(float *y, float x, size_t n)
{
    for (size_t i = 0; i < n; i++) y[i] = x;
}

static void claim(const float *const *x, size_t taps, const float *y, float *left, float *const *g,
                  size_t n)
{
    for (size_t i = 0; i < n; i++)
        for (size_t t = 0; t < taps; t++) {
            const bool mine = x[t][i] == y[i];
            g[t][i] = mine ? left[i] : 0;
            if (mine) left[i] = 0;
        }
}

static void halves(const float *x, size_t n, float *even, float *odd)
{
    for (size_t i = 0; i < n; i++) (i % 2 ? odd : even)[i / 2] = x[i];
}

static void add_halves(float *y, const float *even, const float *odd, size_t n)
{
    for (size_t i = 0; i < n; i++) y[i] += (i % 2 ? odd : even)[i / 2];
}

static float gray(float r, float g, float b)
{
    return fmaf(0.114f, b, fmaf(0.587f, g, fmaf(0.299f, r, 0.0f)));
}

static void luma(const float *r, const float *g, const float *b, float *y, size_t n)
{
    for (size_t i = 0; i < n; i++) y[i] = gray(r[i], g[i], b[i]);
}

static void u8_planes(const uint8_t *x, size_t n, size_t stored, float *const *y, size_t planes)
{
    for (size_t c = 0; c < planes; c++)
        for (size_t i = 0; i < n; i++) y[c][i] = (float)x[i * stored + c];
}

static void u8_luma(const uint8_t *x, size_t n, size_t stored, float *y)
{
    for (size_t i = 0; i < n; i++, x += stored) y[i] = gray((float)x[0], (float)x[1], (float)x[2]);
}

static uint64_t planes_u8(const float *const *x, size_t n, size_t c, uint8_t *y)
{
    uint64_t saturated = 0;
    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k < c; k++) {
            const float v = x[k][i];
            saturated += !(v >= 0 && v <= 255);
            y[i * c + k] = v >= 255 ? 255 : v > 0 ? (uint8_t)nearbyintf(v) : 0;
        }
    return saturated;
}

#define SIMD(TYPE, NAME, ARGUMENTS) TYPE convd_##NAME##_ref ARGUMENTS;
#include "simd.def" /* the integers are in ref_ints.c */
#undef SIMD

const struct convd_simd convd_simd_ref;
const struct convd_simd convd_simd_ref = {
    .name = "ref",
    .taps = taps,
    .dots = dots,
    .stack = stack,
    .multiply = multiply,
    .turn = turn,
    .quarters = convd_quarters_ref,
    .quartered = convd_quartered_ref,
    .wino_in = convd_wino_in_ref,
    .wino_out = convd_wino_out_ref,
    .wino_back = convd_wino_back_ref,
    .copy = copy,
    .finite = all_finite,
    .max = max,
    .min = min,
    .add = add,
    .abs = magnitude,
    .relu = relu,
    .relu_back = relu_back,
    .fill = fill,
    .claim = claim,
    .halves = halves,
    .add_halves = add_halves,
    .luma = luma,
    .u8_planes = u8_planes,
    .u8_luma = u8_luma,
    .planes_u8 = planes_u8,
    .split_u8 = convd_split_u8_ref,
    .join_u8 = convd_join_u8_ref,
    .widen_u8 = convd_widen_u8_ref,
    .narrow_i16 = convd_narrow_i16_ref,
    .gray_i16 = convd_gray_i16_ref,
    .taps_i16 = convd_taps_i16_ref,
    .taps_group = convd_taps_group_ref,
    .fused_i16 = convd_fused_i16_ref,
    .smooth_i16 = convd_smooth_i16_ref,
    .smooth_u8 = convd_smooth_u8_ref,
    .smooth_down = convd_smooth_down_ref,
    .affine_i16 = convd_affine_i16_ref,
    .scale_i16 = convd_scale_i16_ref,
    .abs_i16 = convd_abs_i16_ref,
    .add_i16 = convd_add_i16_ref,
    .sub_i16 = convd_sub_i16_ref,
    .max_i16 = convd_max_i16_ref,
    .min_i16 = convd_min_i16_ref,
    .best_u8 = convd_best_u8_ref,
    .best_window = convd_best_window_ref,
    .pick_u8 = convd_pick_u8_ref,
    .median_u8 = convd_median_u8_ref,
    .median_window = convd_median_window_ref,
    .png_row = convd_png_row_ref,
    .png_rows = convd_png_rows_ref,
    .best_rows = convd_best_rows_ref,
    .best_twos = convd_best_twos_ref,
    .best_squares = convd_best_squares_ref,
    .squares_won = convd_squares_won_ref,
    .squares_back = convd_squares_back_ref,
    .best_of = convd_best_of_ref,
    .sum_f64 = convd_sum_f64_ref,
    .mean4_u8 = convd_mean4_u8_ref,
    .zip_u8 = convd_zip_u8_ref,
    .zip4_u8 = convd_zip4_u8_ref,
    .zip_i16 = convd_zip_i16_ref,
    .box_u8 = convd_box_u8_ref,
};
