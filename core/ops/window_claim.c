/* window_claim.c: winners of small windows, tap by tap: each output gives its dy to the first number that equals y and has
 * nothing left for the others. Outputs go side by side, and no loop asks where it is: a row of x is cut into phases (every
 * stride-th number), with NaN, which equals nothing, outside the picture; what each tap wins stands in a row of its own, with
 * zeros around it, and those rows are added up phase by phase and put together again.
 *
 * Where y is NaN nobody claims it: that is looked up number by number. */
#include "window.h"
#include <string.h>

enum { PIECE = 16 }; /* rows of scratch are multiples of this, and begin at one */

static ptrdiff_t whole(ptrdiff_t n)
{
    return (n + PIECE - 1) / PIECE * PIECE;
}

static ptrdiff_t floor_div(ptrdiff_t a, ptrdiff_t b)
{
    return a / b - (a % b < 0);
}

/* Tap u of output o reads number o + shift of phase (u * dilation - before) mod stride. */
static ptrdiff_t shift_of(const struct convd_window_axis *a, ptrdiff_t u)
{
    return floor_div(u * a->dilation - a->before, a->stride);
}

static ptrdiff_t phase_of(const struct convd_window_axis *a, ptrdiff_t u)
{
    return u * a->dilation - a->before - shift_of(a, u) * a->stride;
}

/* Sizes in floats: outputs, numbers of a phase, and what lies before and in a row of x's and of what taps win. */
struct sizes {
    ptrdiff_t outs, phase, before_x, row_x, before_g, row_g, phases;
};

static struct sizes sizes_of(const struct convd_window_axis *a)
{
    const ptrdiff_t first = shift_of(a, 0), last = shift_of(a, a->k - 1);
    struct sizes s = {.outs = whole(a->out), .phase = (a->n + a->stride - 1) / a->stride};
    s.before_x = whole(most(-first, 0));
    s.row_x = s.before_x + whole(most(s.phase, s.outs + most(last, 0)));
    s.before_g = whole(most(last, 0));
    s.row_g = s.before_g + whole(most(s.outs, s.phase - least(first, 0)));
    s.phases = a->stride == 2 ? 2 : least(a->stride, a->k);
    return s;
}

size_t convd_claim_scratch(const struct convd_window_axis *a)
{
    const struct sizes s = sizes_of(a);
    return (size_t)(2 * s.outs + s.phases * (s.row_x + whole(s.phase)) + a->k * s.row_g) *
           sizeof(float);
}

/* The slot of a phase. */
static int slot_of(struct convd_claim *m, ptrdiff_t phase)
{
    for (int k = 0; k < m->slots; k++)
        if (m->phase[k] == phase) return k;
    m->phase[m->slots] = phase;
    return m->slots++;
}

void convd_claim_init(struct convd_claim *m, const struct convd_window_axis *a,
                      const struct convd_simd *simd, float *scratch)
{
    const struct sizes s = sizes_of(a);
    *m = (struct convd_claim){.axis = a, .simd = simd, .outs = s.outs, .numbers = s.phase};
    if (a->stride == 2) m->slots = 2, m->phase[1] = 1; /* both, whether a tap reads them or not */
    m->y = scratch;
    m->left = m->y + s.outs;
    float *x = m->left + s.outs, *sum = x + s.phases * s.row_x,
          *g = sum + s.phases * whole(s.phase);
    for (ptrdiff_t j = 0; j < s.outs; j++) m->y[j] = NAN, m->left[j] = 0;
    for (ptrdiff_t j = 0; j < s.phases * s.row_x; j++) x[j] = NAN;
    memset(sum, 0, (size_t)(s.phases * whole(s.phase) + a->k * s.row_g) * sizeof *sum);
    for (ptrdiff_t u = 0; u < a->k; u++) {
        const int slot = slot_of(m, phase_of(a, u));
        m->taps_x[u] = x + slot * s.row_x + s.before_x + shift_of(a, u);
        m->taps_g[u] = g + u * s.row_g + s.before_g;
        m->one[u] = 1;
    }
    for (int k = 0, n = 0; k < m->slots; k++) {
        m->x[k] = x + k * s.row_x + s.before_x;
        m->sum[k] = sum + k * whole(s.phase);
        m->first[k] = n;
        for (ptrdiff_t u = 0; u < a->k; u++)
            if (slot_of(m, phase_of(a, u)) == k) m->terms[n++] = m->taps_g[u] - shift_of(a, u);
        m->first[k + 1] = n;
    }
}

static void cut(const struct convd_claim *m, const float *x)
{
    const ptrdiff_t n = m->axis->n, stride = m->axis->stride;
    if (stride == 1)
        memcpy(m->x[0], x, (size_t)n * sizeof *x);
    else if (stride == 2)
        m->simd->halves(x, (size_t)n, m->x[0], m->x[1]);
    else
        for (int k = 0; k < m->slots; k++)
            for (ptrdiff_t j = m->phase[k], q = 0; j < n; j += stride, q++) m->x[k][q] = x[j];
}

/* What goes to the numbers of a phase. */
static const float *add_up(const struct convd_claim *m, int k)
{
    static const float nothing = 0;
    const int terms = m->first[k + 1] - m->first[k];
    float *const to[] = {m->sum[k]};
    if (terms == 1) return m->terms[m->first[k]];
    if (terms > 1)
        m->simd->taps(m->terms + m->first[k], m->one, (size_t)terms, &nothing, to, 1, 0,
                      (size_t)m->numbers);
    return m->sum[k];
}

static void put_together(const struct convd_claim *m, float *dx)
{
    const ptrdiff_t n = m->axis->n, stride = m->axis->stride;
    if (stride == 1)
        m->simd->add(dx, dx, add_up(m, 0), (size_t)n);
    else if (stride == 2)
        m->simd->add_halves(dx, add_up(m, 0), add_up(m, 1), (size_t)n);
    else
        for (int k = 0; k < m->slots; k++) {
            const float *g = add_up(m, k);
            for (ptrdiff_t j = m->phase[k], q = 0; j < n; j += stride, q++) dx[j] += g[q];
        }
}

void convd_claim_begin(const struct convd_claim *m, const float *y, const float *dy)
{
    memcpy(m->y, y, (size_t)m->axis->out * sizeof *y);
    memcpy(m->left, dy, (size_t)m->axis->out * sizeof *dy);
}

void convd_claim_row(const struct convd_claim *m, const float *x, float *dx)
{
    cut(m, x);
    m->simd->claim(m->taps_x, (size_t)m->axis->k, m->y, m->left, m->taps_g, (size_t)m->outs);
    if (dx) put_together(m, dx);
}
