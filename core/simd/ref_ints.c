/* ref_ints.c: what each loop over integers means, in plain C. Integer results are the same on every instruction set. */
#include "simd.h"
#include <math.h>

#define SIMD(TYPE, NAME, ARGUMENTS) TYPE convd_##NAME##_ref ARGUMENTS;
#include "simd.def"
#undef SIMD

void convd_split_u8_ref(const uint8_t *x, size_t n, size_t stored, uint8_t *const *y, size_t planes)
{
    for (size_t c = 0; c < planes; c++)
        for (size_t i = 0; i < n; i++) y[c][i] = x[i * stored + c];
}

void convd_join_u8_ref(const uint8_t *const *x, size_t n, size_t c, uint8_t *y)
{
    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k < c; k++) y[i * c + k] = x[k][i];
}

void convd_widen_u8_ref(const uint8_t *x, size_t n, int shift, int16_t *y)
{
    for (size_t i = 0; i < n; i++) y[i] = (int16_t)(x[i] << shift);
}

static int between(int x, int lo, int hi)
{
    return x < lo ? lo : x > hi ? hi : x;
}

uint64_t convd_narrow_i16_ref(const int16_t *x, size_t n, int frac, bool even, bool count,
                              uint8_t *y)
{
    uint64_t saturated = 0;
    for (size_t i = 0; i < n; i++) {
        const int half = frac ? 1 << (frac - 1) : 0, odd = even && frac ? (x[i] >> frac & 1) - 1 : 0;
        saturated += count && (x[i] < 0 || x[i] > 255 << frac);
        y[i] = (uint8_t)between((x[i] + half + odd) >> frac, 0, 255);
    }
    return saturated;
}

void convd_gray_i16_ref(const uint8_t *x, size_t n, size_t stored, const int16_t *k, int shift,
                        int16_t *y)
{
    for (size_t i = 0; i < n; i++, x += stored)
        y[i] = (int16_t)((k[0] * x[0] + k[1] * x[1] + k[2] * x[2] + (1 << (shift - 1))) >> shift);
}

void convd_taps_i16_ref(const int16_t *const *t, const int16_t *k, size_t taps, int16_t bias,
                        int16_t *y, size_t n)
{
    for (size_t j = 0; j < n; j++) {
        unsigned sum = (unsigned)bias;
        for (size_t i = 0; i < taps; i++) sum += (unsigned)(k[i] * t[i][j]);
        y[j] = (int16_t)sum;
    }
}

static float nearest(float x, float lo, float hi)
{
    return nearbyintf(x < lo ? lo : x > hi ? hi : x);
}

/* Two numbers of 16 bits, or four bytes, times their factors. */
static int32_t product(const struct convd_groups *q, size_t group, ptrdiff_t j, size_t k)
{
    const int16_t *x = (const int16_t *)q->x[group] + 2 * j, *by = (const int16_t *)q->k + 2 * k;
    const uint8_t *b = (const uint8_t *)q->x[group] + 4 * j;
    const int8_t *f = (const int8_t *)q->k + 4 * k;
    return q->fours ? b[0] * f[0] + b[1] * f[1] + b[2] * f[2] + b[3] * f[3] : x[0] * by[0] + x[1] * by[1];
}

uint64_t convd_taps_group_ref(const struct convd_groups *q, size_t n)
{
    uint64_t saturated = 0;
    for (size_t o = 0; o < q->outs; o++)
        for (size_t j = 0; j < n; j++) {
            int32_t sum = q->bias;
            for (size_t s = 0; s < q->steps; s++)
                for (size_t i = 0; i < q->groups; i++)
                    sum += product(q, i, (ptrdiff_t)j + q->at[s], (s * q->groups + i) * q->outs + o);
            const float v = (float)sum * q->scale;
            saturated += q->bytes && q->count && !(v >= 0 && v <= 255);
            if (q->bytes)
                ((uint8_t *)q->y[o])[j] = (uint8_t)nearest(v, 0, 255);
            else
                ((int16_t *)q->y[o])[j] = (int16_t)nearest(v, -32768, 32767);
        }
    return saturated;
}

static int high(int a, int b)
{
    return ((a * b >> 14) + 1) >> 1;
}

void convd_smooth_i16_ref(const int16_t *const *t, const int16_t *k, size_t taps, int16_t *y, size_t n)
{
    for (size_t j = 0; j < n; j++) {
        int sum = taps % 2 ? high(t[taps / 2][j], k[taps / 2]) : 0;
        for (size_t i = 0; i < taps / 2; i++) sum += high(t[i][j] + t[taps - 1 - i][j], k[i]);
        y[j] = (int16_t)sum;
    }
}

void convd_affine_i16_ref(int16_t *y, const int16_t *x, size_t n, const int16_t *k)
{
    for (size_t i = 0; i < n; i++) {
        const int v = (int16_t)(unsigned)(k[0] * x[i] + k[1]), low = v < k[2] ? k[2] : v;
        y[i] = (int16_t)(low > k[3] ? k[3] : low);
    }
}

void convd_scale_i16_ref(int16_t *y, const int16_t *x, size_t n, int16_t k, int16_t add)
{
    for (size_t i = 0; i < n; i++) y[i] = (int16_t)(unsigned)(((x[i] * k + 16384) >> 15) + add);
}

void convd_abs_i16_ref(int16_t *y, const int16_t *x, size_t n)
{
    for (size_t i = 0; i < n; i++) y[i] = (int16_t)(x[i] < 0 ? -x[i] : x[i]);
}

#define PAIRWISE(NAME, TYPE, EXPRESSION)                                                           \
    void convd_##NAME##_ref(TYPE *y, const TYPE *a, const TYPE *b, size_t n)                       \
    {                                                                                              \
        for (size_t i = 0; i < n; i++) y[i] = (TYPE)(EXPRESSION);                                  \
    }
PAIRWISE(add_i16, int16_t, a[i] + b[i])
PAIRWISE(sub_i16, int16_t, a[i] - b[i])
PAIRWISE(max_i16, int16_t, a[i] > b[i] ? a[i] : b[i])
PAIRWISE(min_i16, int16_t, a[i] < b[i] ? a[i] : b[i])

#define BEST(NAME, TYPE, FACTOR, OTHER)                                                            \
    void convd_##NAME##_ref(const TYPE *const *t, size_t taps, bool largest, TYPE *y, size_t n)    \
    {                                                                                              \
        for (size_t j = 0; j < n; j++) {                                                           \
            TYPE best = t[0][FACTOR * j];                                                          \
            for (size_t i = 0; i < taps; i++)                                                      \
                for (size_t k = 0; k <= OTHER; k++) {                                              \
                    const TYPE x = t[i][FACTOR * j + k];                                           \
                    if (largest ? x > best : x < best) best = x;                                   \
                }                                                                                  \
            y[j] = best;                                                                           \
        }                                                                                          \
    }
BEST(best_u8, uint8_t, 1, 0)
BEST(pick_u8, uint8_t, 2, 1)

static int even_or_odd(int a, int b, int c, bool odd, const int16_t *k)
{
    return odd ? (c - a) * k[0] : (a + c) * k[0] + b * k[1];
}

/* What a term answers at number j of output row o. */
static int answer(const struct convd_fused *b, const struct convd_fused_term *t, size_t o, ptrdiff_t j)
{
    const ptrdiff_t step = (ptrdiff_t)b->step;
    int row[3];
    for (size_t i = 0; i < 3; i++) {
        const int16_t *x = b->t[o + i] + j;
        row[i] = even_or_odd(x[-step], x[0], x[step], t->odd_row, t->row);
    }
    const int y = (int16_t)even_or_odd(row[0], row[1], row[2], t->odd_column, t->column);
    return t->absolute && y < 0 ? -y : y;
}

uint64_t convd_fused_i16_ref(const struct convd_fused *b, size_t n)
{
    uint64_t saturated = 0;
    for (size_t o = 0; o < b->outs; o++)
        for (size_t j = 0; j < n; j++) {
            int y = answer(b, &b->term[0], o, (ptrdiff_t)j);
            if (b->terms == 2) {
                const int other = answer(b, &b->term[1], o, (ptrdiff_t)j);
                y = b->largest ? (other > y ? other : y) : y + other;
            }
            const int16_t fits = (int16_t)y;
            if (b->bytes)
                saturated += convd_narrow_i16_ref(&fits, 1, b->frac, b->even, b->count, (uint8_t *)b->y[o] + j);
            else
                ((int16_t *)b->y[o])[j] = fits;
        }
    return saturated;
}

static int number(const struct convd_best *q, size_t row, size_t j)
{
    return q->words ? ((const int16_t *)q->rows[row])[j] : ((const uint8_t *)q->rows[row])[j];
}

void convd_best_window_ref(const struct convd_best *q, size_t n)
{
    for (size_t o = 0; o < q->outs; o++)
        for (size_t j = 0; j < n; j++) {
            int best = number(q, o, j);
            for (size_t i = 1; i < q->kh * q->kw; i++) {
                const int x = number(q, o + i / q->kw, j + i % q->kw * q->step);
                if (q->largest ? x > best : x < best) best = x;
            }
            if (q->words)
                ((int16_t *)q->y[o])[j] = (int16_t)best;
            else
                ((uint8_t *)q->y[o])[j] = (uint8_t)best;
        }
}

static uint8_t middle(const uint8_t *const *rows, size_t step, size_t kh, size_t kw, size_t j)
{
    size_t count[256] = {0}, below = 0;
    unsigned v = 0;
    for (size_t a = 0; a < kh; a++)
        for (size_t b = 0; b < kw; b++) count[rows[a][j + b * step]]++;
    for (; v < 255; v++) {
        below += count[v];
        if (below > kh * kw / 2) break;
    }
    return (uint8_t)v;
}

void convd_median_window_ref(const struct convd_medians *q, size_t n)
{
    for (size_t o = 0; o < q->outs; o++)
        for (size_t j = 0; j < n; j++) q->y[o][j] = middle(q->rows + o, q->step, q->kh, q->kw, j);
}

void convd_median_u8_ref(const uint8_t *const *rows, size_t step, size_t side, uint8_t *const *y, size_t outs, size_t n)
{
    const struct convd_medians q = {.rows = rows, .step = step, .kh = side, .kw = side, .y = y, .outs = outs};
    convd_median_window_ref(&q, n);
}

void convd_mean4_u8_ref(uint8_t *y, const uint8_t *a, const uint8_t *b, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const int sum = a[2 * i] + a[2 * i + 1] + b[2 * i] + b[2 * i + 1];
        y[i] = (uint8_t)((sum + 1 + (sum >> 2 & 1)) >> 2);
    }
}

void convd_zip_u8_ref(const uint8_t *a, const uint8_t *b, size_t n, int16_t *y)
{
    for (size_t i = 0; i < n; i++) {
        y[2 * i] = a[i];
        y[2 * i + 1] = b[i];
    }
}

void convd_zip4_u8_ref(const uint8_t *const *t, size_t n, uint8_t *y)
{
    for (size_t j = 0; j < n; j++)
        for (size_t i = 0; i < 4; i++) y[4 * j + i] = t[i][j];
}

void convd_zip_i16_ref(const int16_t *a, const int16_t *b, size_t n, int16_t *y)
{
    for (size_t i = 0; i < n; i++) {
        y[2 * i] = a[i];
        y[2 * i + 1] = b[i];
    }
}

static uint8_t to_byte(int x, int frac)
{
    return (uint8_t)between((x + (frac ? 1 << (frac - 1) : 0)) >> frac, 0, 255);
}

void convd_box_u8_ref(const struct convd_boxes *b, size_t n)
{
    for (size_t j = 0; j < n; j++) {
        int h = 0;
        for (size_t i = 0; i < b->taps; i++) h += b->x[j + i * b->step];
        b->sums[j] = (int16_t)(b->sums[j] + h - b->row[j]);
        b->row[j] = (int16_t)h;
        const int y = high(b->sums[j] * (1 << b->shift), b->k);
        if (b->words) b->words[j] = (int16_t)y;
        if (b->bytes) b->bytes[j] = to_byte(y, b->frac);
    }
}

/* PNG specification, third edition, 9.2 to 9.4. */
static uint8_t nearest_of(int a, int b, int c)
{
    const int p = a + b - c, from_a = p < a ? a - p : p - a, from_b = p < b ? b - p : p - b,
              from_c = p < c ? c - p : p - c;
    return (uint8_t)(from_a <= from_b && from_a <= from_c ? a : from_b <= from_c ? b : c);
}

static int told(int filter, int a, int b, int c)
{
    const int all[5] = {0, a, b, (a + b) / 2, nearest_of(a, b, c)};
    return all[filter];
}

void convd_png_row_ref(int filter, const uint8_t *x, const uint8_t *above, size_t n, size_t bpp, uint8_t *y)
{
    for (size_t j = 0; j < n; j++)
        y[j] = (uint8_t)(x[j] - (j < bpp ? told(filter, 0, above[j], 0)
                                         : told(filter, x[j - bpp], above[j], above[j - bpp])));
}

bool convd_png_rows_ref(const uint8_t *x, size_t rows, size_t n, size_t bpp, const uint8_t *above, uint8_t *y)
{
    for (size_t i = 0; i < rows; i++, above = y, y += n) {
        const uint8_t filter = *x++;
        if (filter > 4) return false;
        for (size_t j = 0; j < n; j++) {
            const int a = j < bpp ? 0 : y[j - bpp], c = j < bpp ? 0 : above[j - bpp];
            y[j] = (uint8_t)(*x++ + told(filter, a, above[j], c));
        }
    }
    return true;
}

void convd_smooth_u8_ref(const uint8_t *const *t, const int16_t *k, size_t taps, int shift, int16_t *y, size_t n)
{
    for (size_t j = 0; j < n; j++) {
        int sum = taps % 2 ? high(t[taps / 2][j] << shift, k[taps / 2]) : 0;
        for (size_t i = 0; i < taps / 2; i++) sum += high((t[i][j] + t[taps - 1 - i][j]) << shift, k[i]);
        y[j] = (int16_t)sum;
    }
}

void convd_smooth_down_ref(const struct convd_smooth *s, size_t n)
{
    for (size_t o = 0; o < s->outs; o++)
        for (size_t j = 0; j < n; j++) {
            const int16_t *const *t = s->t + o;
            int sum = s->taps % 2 ? high(t[s->taps / 2][j], s->k[s->taps / 2]) : 0;
            for (size_t i = 0; i < s->taps / 2; i++) sum += high(t[i][j] + t[s->taps - 1 - i][j], s->k[i]);
            if (s->bytes)
                ((uint8_t *)s->y[o])[j] = to_byte(sum, s->frac);
            else
                ((int16_t *)s->y[o])[j] = (int16_t)sum;
        }
}
