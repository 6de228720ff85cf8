/* filter_int.c: four ways to a window of integers. All but the last two give the float op's answer, rounded once.
 *
 *   integer i16   whole numbers as taps, sums that fit into 16 bits: y = sum, its fraction moved by the scale
 *   integer i32   taps of at most 16 bits, sums in 32, one product with the scale. Taps that are no whole multiples of one
 *                 number are rounded to 2^-e of the largest
 *   running sum   equal taps: column sums slide down, a row of them is added up
 *   separable i16 symmetric columns and rows: products rounded to 16 bits, two passes
 *
 * Errors are counted from the taps themselves, so that the planner knows them before it chooses. */
#include "filter_int.h"
#include "filter.h"
#include <string.h>

/* What the numbers are made of. */
struct source {
    const struct convd_kernel *kernel;
    bool flip;
    ptrdiff_t top, left;
    enum convd_mode mode;
    double value, scale, delta;
};

static struct source source_of(const struct convd_site *s)
{
    const struct convd_filter *p = s->params;
    struct convd_window w;
    convd_filter_window(s, &w);
    return (struct source){.kernel = &p->kernel,
                           .flip = p->flip,
                           .top = w.top,
                           .left = w.left,
                           .mode = (enum convd_mode)p->padding_mode,
                           .value = p->padding_value,
                           .scale = p->scale,
                           .delta = p->delta};
}

enum way { SUM16, PAIRS, BOX, SMOOTH };
enum { STRIP = 256, MOST_SIDE = 129 }; /* columns at a time: what a window reads of them stays in the first cache */
#define LARGEST 32767.0

/* One pass of SMOOTH. */
struct pass {
    int shift;       /* fractional bits of what goes in, more than it has */
    int frac;        /* of what comes out                                 */
    int16_t k[MOST_SIDE];
};
struct made {
    enum way way;
    ptrdiff_t kh, kw, top, left;
    enum convd_mode mode;
    int value;       /* outside */
    ptrdiff_t taps;  /* SUM16   */
    const int16_t *k;
    const int16_t *at; /* [taps][2]: row, column */
    int32_t bias;
    float scale;     /* PAIRS */
    size_t steps, pairs[2];
    const ptrdiff_t *column;
    const int16_t *packed[2]; /* for one output row, for two */
    int box_shift;
    int16_t box_k;
    int box_frac;
    struct pass down, across;
};

static ptrdiff_t taps_of(const struct convd_kernel *k)
{
    return k->h * k->w;
}

static double tap(const struct source *f, ptrdiff_t i)
{
    return (double)f->kernel->v[f->flip ? taps_of(f->kernel) - 1 - i : i];
}

/* ---- whole numbers ---- */

/* The number that every tap is a whole multiple of, multiples of at most `most`; 0: none. */
static double unit_of(const struct source *f, double most_times)
{
    double least_tap = INFINITY, largest = 0;
    const ptrdiff_t n = taps_of(f->kernel);
    bool whole = true;
    for (ptrdiff_t i = 0; i < n; i++) {
        const double v = fabs(tap(f, i));
        whole &= v == floor(v);
        largest = v > largest ? v : largest;
        if (v > 0 && v < least_tap) least_tap = v;
    }
    if (!(least_tap < INFINITY)) return 0;
    bool multiple = true;
    for (ptrdiff_t i = 0; i < n && multiple; i++) {
        const double times = tap(f, i) / least_tap;
        multiple = fabs(times - nearbyint(times)) <= 1e-6 * fabs(times);
    }
    const double unit = multiple ? least_tap : whole ? 1 : 0;
    return unit > 0 && largest <= unit * most_times ? unit : 0;
}

/* What sum of taps * x can be, taps in units. */
static void range_of(const struct source *f, const struct convd_fixed *x, double *lo,
                     double *hi, double *size)
{
    *lo = *hi = *size = 0;
    for (ptrdiff_t i = 0; i < taps_of(f->kernel); i++) {
        const double v = tap(f, i);
        *lo += v * (v > 0 ? x->lo : x->hi);
        *hi += v * (v > 0 ? x->hi : x->lo);
        *size += fabs(v);
    }
}

/* ---- formats ---- */

static bool sum16(const struct source *f, const struct convd_fixed *x, struct convd_fixed *y)
{
    const double unit = unit_of(f, LARGEST), m = unit * f->scale;
    int exponent, bias;
    if (x->type != CONVD_FIXED_I16 || unit <= 0 || m <= 0 || frexp(m, &exponent) != 0.5) return false;
    y->algorithm = "integer i16";
    return convd_int_fit(y, x->frac - (exponent - 1)) && convd_int_value(y, f->delta, &bias);
}

/* Fractional bits of a result that is rounded: none where it leaves as bytes at once. */
static bool rounded(const struct convd_fixed_ask *a, struct convd_fixed *y)
{
    const int bits = convd_int_bits(y, a->bytes ? 0 : a->bits);
    if (bits < 0) return false;
    if (!a->bytes) y->error += 0.5 / ldexp(1, bits);
    if (a->bytes) {
        y->type = CONVD_FIXED_U8;
        y->frac = 0;
        return true;
    }
    return convd_int_fit(y, bits);
}

/* 2^e times the taps fit into 16 bits, and sums into 32. */
static int exponent_of(const struct source *f, const struct convd_fixed *x)
{
    double largest = 0, size = 0;
    for (ptrdiff_t i = 0; i < taps_of(f->kernel); i++) {
        const double v = fabs(tap(f, i));
        largest = v > largest ? v : largest;
        size += v;
    }
    const double reach = ldexp(fmax(fabs(x->lo), fabs(x->hi)) + 1, x->frac);
    int e = (int)floor(log2(LARGEST / largest));
    while (ldexp(size, e) * reach > 1e9) e--;
    return e;
}

static double pairs_unit(const struct source *f, const struct convd_fixed *x)
{
    const double unit = unit_of(f, 4095), reach = ldexp(fmax(fabs(x->lo), fabs(x->hi)) + 1, x->frac);
    double lo, hi, size;
    range_of(f, x, &lo, &hi, &size);
    if (unit > 0 && size / unit * reach < 1e9) return unit;
    return ldexp(1, -exponent_of(f, x));
}

static bool pairs(const struct source *f, const struct convd_fixed *x,
                  const struct convd_fixed_ask *a, struct convd_fixed *y)
{
    const double unit = pairs_unit(f, x), reach = fmax(fabs(x->lo), fabs(x->hi));
    double off = 0;
    for (ptrdiff_t i = 0; i < taps_of(f->kernel); i++)
        off += fabs(tap(f, i) - nearbyint(tap(f, i) / unit) * unit);
    const double one = fabs(unit * f->scale) / ldexp(1, x->frac); /* of the sum */
    if (!(one > 1e-30) || fabs(f->delta) / one > 1e9) return false;
    y->error += off * fabs(f->scale) * reach + 0.5 * one * (f->delta != 0) + 2e-7 * (fabs(y->lo) + fabs(y->hi));
    y->algorithm = "integer i32";
    return rounded(a, y);
}

/* ---- equal taps ---- */

/* y = total * 2^shift * k / 2^15 with frac bits: the largest k that fits, so that it is off least. */
static bool box_factors(double total, double m, struct made *out)
{
    for (out->box_frac = 7; out->box_frac >= 4; out->box_frac--)
        for (out->box_shift = 0; ldexp(total, out->box_shift) <= LARGEST; out->box_shift++) {
            const double k = m * ldexp(1, 15 + out->box_frac - out->box_shift);
            if (k > LARGEST || k < 4096 || ldexp(total * m, out->box_frac) > LARGEST - 1) continue;
            out->box_k = (int16_t)nearbyint(k);
            return true;
        }
    return false;
}

static bool box(const struct source *f, const struct convd_fixed *x,
                const struct convd_fixed_ask *a, struct convd_fixed *y)
{
    const double first = tap(f, 0), m = first * f->scale;
    const ptrdiff_t n = taps_of(f->kernel);
    struct made made;
    for (ptrdiff_t i = 1; i < n; i++)
        if (tap(f, i) != first) return false;
    if (x->type != CONVD_FIXED_U8 || n < 6 || !(m > 0) || f->delta != 0 ||
        !box_factors(255.0 * (double)n, m, &made))
        return false;
    const double exact = m * ldexp(1, 15 + made.box_frac - made.box_shift);
    y->error += 0.5 / ldexp(1, made.box_frac) + fabs(made.box_k / exact - 1) * y->hi;
    y->algorithm = "running sum";
    if (a->bytes && y->hi < 255.5) {
        y->type = CONVD_FIXED_U8;
        y->frac = 0;
        return true;
    }
    return made.box_frac <= a->bits && convd_int_fit(y, made.box_frac);
}

/* ---- two passes ---- */

/* k numbers on x (at most `reach` in size, `frac` bits) to at most `most` bits; may_shift: x can be given more bits. */
static bool make_pass(const double *k, ptrdiff_t n, double reach, int frac, bool may_shift,
                      double limit, int most_bits, struct pass *p, double *error)
{
    double largest = 0, size = 0;
    for (ptrdiff_t i = 0; i < n; i++) {
        if (fabs(k[i] - k[n - 1 - i]) > 1e-6 * fabs(k[i])) return false;
        largest = fmax(largest, fabs(k[i]));
        size += fabs(k[i]);
    }
    if (!(largest > 1e-6)) return false;
    for (p->frac = most_bits; p->frac >= 0; p->frac--)
        for (int a = 12; a >= -15; a--) {
            p->shift = p->frac - a - frac;
            if (largest * ldexp(1, 15 + a) > LARGEST || p->shift < 0 || (p->shift > 0 && !may_shift) ||
                2 * reach * ldexp(1, p->frac - a) > LARGEST || ldexp(size * reach + 1, p->frac) > limit)
                continue;
            *error = 0.5 * (double)((n + 1) / 2) / ldexp(1, p->frac);
            for (ptrdiff_t i = 0; i < n; i++) {
                p->k[i] = (int16_t)nearbyint(k[i] * ldexp(1, 15 + a));
                *error += fabs(p->k[i] / ldexp(1, 15 + a) - k[i]) * reach;
            }
            return true;
        }
    return false;
}

static bool make_smooth(const struct source *f, const struct convd_fixed *x, int bits,
                        struct made *m, double *error)
{
    double col[MOST_SIDE], row[MOST_SIDE], size = 0, down = 0, reach = fmax(fabs(x->lo), fabs(x->hi));
    const ptrdiff_t kh = f->kernel->h, kw = f->kernel->w;
    double first, second;
    if (kh > MOST_SIDE || kw > MOST_SIDE || kh < 2 || kw < 2 || f->delta != 0 ||
        !convd_kernel_separate(f->kernel, col, row))
        return false;
    for (ptrdiff_t j = 0; j < kw; j++) size += fabs(row[j]);
    for (ptrdiff_t j = 0; j < kw; j++) row[j] /= size;
    for (ptrdiff_t i = 0; i < kh; i++) down += fabs(col[i] *= size * f->scale);
    if (!make_pass(col, kh, reach, x->frac, true, LARGEST / 2, 14, &m->down, &first)) return false;
    reach *= down;
    if (!make_pass(row, kw, reach + first, m->down.frac, false, LARGEST, bits, &m->across, &second))
        return false;
    *error = first + second;
    return true;
}

/* Two passes move each number once more than one does. */
static bool smooth(const struct source *f, const struct convd_fixed *x,
                   struct convd_fixed_ask *a, struct convd_fixed *y)
{
    struct made made;
    double error;
    if (taps_of(f->kernel) < 2 * (f->kernel->h + f->kernel->w) ||
        !make_smooth(f, x, a->bytes ? 14 : a->bits, &made, &error))
        return false;
    y->error += error;
    y->algorithm = "separable i16";
    if (a->bytes && y->lo > -0.5 && y->hi < 255.5) {
        y->type = CONVD_FIXED_U8;
        y->frac = 0;
        return true;
    }
    return convd_int_fit(y, made.across.frac);
}

static size_t round_up(size_t bytes)
{
    return (bytes + 63) / 64 * 64;
}

/* ---- what a call works in: laid out the same way in `fixed` and in the call ---- */

enum { GROUP = 8 }; /* rows that SMOOTH takes together */

struct room {
    char *outside;         /* a row of constants                             */
    int16_t *sums;         /* BOX: column sums of each plane; then spare rows */
    int16_t *block;        /* PAIRS, SMOOTH: a strip of input rows           */
    int16_t *rows, *spare; /* rows between the passes; one on its way out    */
    const int16_t **t;
    char *zeros;
    size_t bytes;
};

static void lay_out(struct room *r, char *base, const struct convd_fixed *x, ptrdiff_t kh, ptrdiff_t kw, ptrdiff_t w)
{
    const size_t wide = (size_t)((w + kw) * x->step), n = round_up(wide * sizeof(int16_t)),
                 strip = round_up((STRIP + (size_t)(kw * x->step)) * 2 * sizeof(int16_t));
    size_t at = 0;
#define TAKE(FIELD, BYTES)                                                                         \
    r->FIELD = base ? (void *)(base + at) : NULL;                                                  \
    at += round_up(BYTES)
    TAKE(outside, n);
    TAKE(sums, n * (size_t)x->planes);
    TAKE(zeros, n);
    TAKE(block, strip * (size_t)(kh + GROUP + 1));
    TAKE(rows, n * GROUP);
    TAKE(spare, n);
    TAKE(t, (size_t)(kh * kw + kh + GROUP) * sizeof *r->t);
#undef TAKE
    r->bytes = at;
}

/* ---- hooks ---- */

static bool choose(const struct source *f, const struct convd_fixed *x,
                   struct convd_fixed_ask *a, struct convd_fixed *y, enum way *way)
{
    const struct convd_fixed plain = *y;
    if (sum16(f, x, y)) {
        *way = SUM16;
        return true;
    }
    *y = plain;
    if (box(f, x, a, y)) {
        *way = BOX;
        return true;
    }
    *y = plain;
    if (smooth(f, x, a, y) && y->error < 0.5) {
        *way = SMOOTH;
        a->rows = f->kernel->h > 8 ? GROUP : 0;
        return true;
    }
    *y = plain;
    *way = PAIRS;
    return pairs(f, x, a, y);
}

bool convd_filter_fixed(const struct convd_site *s, const struct convd_fixed *x_,
                        struct convd_fixed_ask *a, struct convd_fixed *y)
{
    struct convd_fixed x = *x_;
    const struct source source = source_of(s), *f = &source;
    const struct convd_kernel *k = f->kernel;
    double lo, hi, size;
    enum way way;
    struct room room;
    if (!convd_int_border(&x, f->mode, f->value) || !(fabs(f->delta) < 1e5) || !(fabs(f->scale) < 1e6))
        return false;
    range_of(f, &x, &lo, &hi, &size);
    if (!(size > 0)) return false;
    y->lo = fmin(lo * f->scale, hi * f->scale) + f->delta;
    y->hi = fmax(lo * f->scale, hi * f->scale) + f->delta;
    y->error = x.error * size * fabs(f->scale);
    if (!choose(f, &x, a, y, &way)) return false;
    a->margin = way == SUM16 ? most(f->left, k->w - 1 - f->left) : 0;
    lay_out(&room, NULL, &x, k->h, k->w, s->y.w);
    a->state = room.bytes;
    return true;
}

/* The taps of SUM16, those that are not 0. */
static bool make_sum16(const struct source *f, const struct convd_fixed *y, struct made *m,
                       struct convd_arena *mem)
{
    const ptrdiff_t n = taps_of(f->kernel);
    const double unit = unit_of(f, LARGEST);
    int16_t *k = convd_arena_array(mem, (size_t)n, sizeof *k), *at = convd_arena_array(mem, 2 * (size_t)n, sizeof *at);
    if (!k || !at) return false;
    int bias;
    convd_int_value(y, f->delta, &bias);
    m->bias = bias;
    for (ptrdiff_t i = 0; i < n; i++) {
        if (tap(f, i) == 0) continue;
        k[m->taps] = (int16_t)nearbyint(tap(f, i) / unit);
        at[2 * m->taps] = (int16_t)(i / f->kernel->w);
        at[2 * m->taps++ + 1] = (int16_t)(i % f->kernel->w);
    }
    m->k = k;
    m->at = at;
    return true;
}

/* For `outs` rows: [step][pair][out][2]; output o sees its first row in row o of the pairs. */
static int16_t *pack(const struct source *f, double unit, const struct made *m, ptrdiff_t outs,
                     struct convd_arena *mem)
{
    const size_t n = m->steps * m->pairs[outs - 1] * (size_t)outs * 2;
    int16_t *k = convd_arena_array(mem, n, sizeof *k), *to = k;
    for (size_t s = 0; k && s < m->steps; s++)
        for (size_t i = 0; i < m->pairs[outs - 1]; i++)
            for (ptrdiff_t o = 0; o < outs; o++)
                for (ptrdiff_t half = 0; half < 2; half++) {
                    const ptrdiff_t row = 2 * (ptrdiff_t)i + half - o;
                    *to++ = row < 0 || row >= m->kh
                                ? 0
                                : (int16_t)nearbyint(tap(f, row * m->kw + m->column[s]) / unit);
                }
    return k;
}

static bool make_pairs(const struct source *f, const struct convd_fixed *x,
                       const struct convd_fixed *y, struct made *m, struct convd_arena *mem)
{
    const double unit = pairs_unit(f, x), one = unit * f->scale / ldexp(1, x->frac);
    ptrdiff_t *column = convd_arena_array(mem, (size_t)m->kw, sizeof *column);
    if (!column) return false;
    for (ptrdiff_t j = 0; j < m->kw; j++) {
        bool used = false;
        for (ptrdiff_t i = 0; i < m->kh; i++) used |= tap(f, i * m->kw + j) != 0;
        if (used) column[m->steps++] = j;
    }
    m->column = column;
    m->scale = (float)(one * ldexp(1, y->frac));
    m->bias = (int32_t)nearbyint(f->delta / one);
    m->pairs[0] = (size_t)(m->kh + 1) / 2;
    m->pairs[1] = (size_t)(m->kh + 2) / 2;
    m->packed[0] = pack(f, unit, m, 1, mem);
    m->packed[1] = pack(f, unit, m, 2, mem);
    return m->packed[0] && m->packed[1];
}

const void *convd_filter_make_fixed(const struct convd_site *s, const struct convd_fixed *x_,
                                    const struct convd_fixed *y, struct convd_arena *mem)
{
    struct made *m = convd_arena_zero(mem, sizeof *m);
    const struct source source = source_of(s), *f = &source;
    struct convd_fixed x = *x_;
    double error;
    if (!m) return NULL;
    *m = (struct made){.kh = f->kernel->h, .kw = f->kernel->w, .top = f->top, .left = f->left, .mode = f->mode};
    convd_int_border(&x, f->mode, f->value);
    convd_int_value(&x, f->mode == CONVD_MODE_CONSTANT ? f->value : 0, &m->value);
    if (strcmp(y->algorithm, "integer i16") == 0) {
        m->way = SUM16;
        return make_sum16(f, y, m, mem) ? m : NULL;
    }
    if (strcmp(y->algorithm, "running sum") == 0) {
        m->way = BOX;
        box_factors(255.0 * (double)taps_of(f->kernel), tap(f, 0) * f->scale, m);
        return m;
    }
    if (strcmp(y->algorithm, "separable i16") == 0) {
        m->way = SMOOTH;
        make_smooth(f, &x, y->type == CONVD_FIXED_U8 ? 14 : y->frac, m, &error);
        return m;
    }
    m->way = PAIRS;
    return make_pairs(f, &x, y, m, mem) ? m : NULL;
}

/* ---- rows ---- */

/* What every way has at hand. */
struct walk {
    const struct convd_fixed_call *c;
    const struct made *m;
    const struct convd_simd *simd;
    struct convd_int_lines lines;
    struct room room;
    ptrdiff_t step;
    size_t size; /* of an input number */
};

/* Row i of the window's grid, from column 0 on. */
static const void *line(const struct walk *w, ptrdiff_t p, ptrdiff_t i)
{
    return convd_int_line(&w->lines, p, i - w->m->top);
}

/* The part of columns [from,to) of a row that lies inside the picture, less from; borders are the rest. All in numbers. */
static struct convd_rows inside(const struct walk *w, ptrdiff_t from, ptrdiff_t to)
{
    const ptrdiff_t n = w->c->y->n, lo = from < 0 ? least(-from, to - from) : 0,
                    hi = to > n ? most(n - from, lo) : to - from;
    return (struct convd_rows){lo, hi};
}

static int number_at(const struct walk *w, const void *row, ptrdiff_t j)
{
    return w->size == 1 ? ((const uint8_t *)row)[j] : ((const int16_t *)row)[j];
}

/* What stands in number j (any integer) of a row whose own numbers are x: one of them, or the constant. */
static int beside(const struct walk *w, const void *row, ptrdiff_t j)
{
    const ptrdiff_t step = w->step, column = j >= 0 ? j / step : -((-j + step - 1) / step),
                    k = convd_border_index(w->m->mode, column, w->c->y->w);
    return k < 0 ? w->m->value : number_at(w, row, k * step + j - column * step);
}

static void sum16_rows(const struct walk *w, ptrdiff_t p)
{
    const struct convd_fixed_view *y = w->c->y;
    const struct made *m = w->m;
    for (ptrdiff_t i = y->y0; i < y->y1; i++) {
        for (ptrdiff_t k = 0; k < m->taps; k++)
            w->room.t[k] = (const int16_t *)line(w, p, i + m->at[2 * k]) + (m->at[2 * k + 1] - m->left) * w->step;
        w->simd->taps_i16(w->room.t, m->k, (size_t)m->taps, (int16_t)m->bias, convd_fixed_row(y, p, i), (size_t)y->n);
    }
}

/* Columns [from,to) of two rows as pairs. */
static void zip(const struct walk *w, const void *a, const void *b, ptrdiff_t from, ptrdiff_t to, int16_t *y)
{
    const struct convd_rows in = inside(w, from, to);
    const ptrdiff_t j = from + in.y0;
    const size_t n = (size_t)(in.y1 - in.y0);
    if (w->size == 1)
        w->simd->zip_u8((const uint8_t *)a + j, (const uint8_t *)b + j, n, y + 2 * in.y0);
    else
        w->simd->zip_i16((const int16_t *)a + j, (const int16_t *)b + j, n, y + 2 * in.y0);
    for (ptrdiff_t q = 0; q < to - from; q++) {
        if (q == in.y0 && in.y0 < in.y1) q = in.y1;
        if (q == to - from) break;
        y[2 * q] = (int16_t)beside(w, a, from + q);
        y[2 * q + 1] = (int16_t)beside(w, b, from + q);
    }
}

/* Columns [j, j + n) of outs output rows from row i on. */
static void pairs_strip(const struct walk *w, ptrdiff_t p, ptrdiff_t i, size_t outs, ptrdiff_t j, ptrdiff_t n)
{
    const struct made *m = w->m;
    const struct convd_fixed_view *y = w->c->y;
    const size_t pairs = m->pairs[outs - 1];
    const ptrdiff_t stride = 2 * (STRIP + m->kw * w->step), last = m->kh + (ptrdiff_t)outs - 2,
                    from = j - m->left * w->step, to = from + n + (m->kw - 1) * w->step;
    ptrdiff_t at[MOST_SIDE];
    for (size_t q = 0; q < pairs; q++) {
        int16_t *block = w->room.block + (ptrdiff_t)q * stride;
        const ptrdiff_t row = 2 * (ptrdiff_t)q;
        zip(w, line(w, p, i + row), line(w, p, i + least(row + 1, last)), from, to, block);
        w->room.t[q] = block;
    }
    for (size_t s = 0; s < m->steps; s++) at[s] = m->column[s] * w->step;
    struct convd_pairs call = {.x = w->room.t,
                               .pairs = pairs,
                               .outs = outs,
                               .at = at,
                               .steps = m->steps,
                               .k = m->packed[outs - 1],
                               .bias = m->bias,
                               .scale = m->scale,
                               .bytes = y->format->type == CONVD_FIXED_U8,
                               .count = w->c->saturated != NULL};
    for (size_t o = 0; o < outs; o++)
        call.y[o] = (char *)convd_fixed_row(y, p, i + (ptrdiff_t)o) +
                    j * (ptrdiff_t)convd_fixed_size(y->format->type);
    const uint64_t saturated = w->simd->taps_pairs(&call, (size_t)n);
    if (w->c->saturated) *w->c->saturated += saturated;
}

static void pairs_rows(const struct walk *w, ptrdiff_t p)
{
    const struct convd_fixed_view *y = w->c->y;
    for (ptrdiff_t i = y->y0; i < y->y1; i += 2)
        for (ptrdiff_t j = 0; j < y->n; j += STRIP)
            pairs_strip(w, p, i, i + 1 < y->y1 ? 2 : 1, j, least(STRIP, y->n - j));
}

/* The columns beside a row of column sums: other sums, or what a column of constants sums up to. */
static void box_borders(const struct walk *w, int16_t *sums)
{
    const struct made *m = w->m;
    const ptrdiff_t left = m->left * w->step, right = (m->kw - 1 - m->left) * w->step, n = w->c->y->n, step = w->step;
    for (ptrdiff_t j = -left; j < n + right; j++) {
        if (j == 0) j = n;
        if (j == n + right) break;
        const ptrdiff_t column = j >= 0 ? j / step : -((-j + step - 1) / step),
                        k = convd_border_index(m->mode, column, w->c->y->w);
        sums[j] = (int16_t)(k < 0 ? m->value * (int)m->kh : sums[k * step + j - column * step]);
    }
}

static void box_rows(const struct walk *w, ptrdiff_t p)
{
    const struct convd_fixed_view *y = w->c->y;
    const struct made *m = w->m;
    const bool bytes = y->format->type == CONVD_FIXED_U8;
    const size_t n = (size_t)y->n, one = round_up((size_t)((y->w + m->kw) * w->step) * sizeof(int16_t)) / sizeof(int16_t);
    int16_t *sums = w->room.sums + (size_t)p * one + m->left * w->step;
    const uint8_t *zeros = (const uint8_t *)w->room.zeros;
    memset(w->room.zeros, 0, n);
    if (w->c->fresh) {
        memset(sums, 0, n * sizeof *sums);
        for (ptrdiff_t a = 0; a < m->kh - 1; a++) w->simd->slide_u8(line(w, p, y->y0 + a), zeros, n, sums);
    }
    for (ptrdiff_t i = y->y0; i < y->y1; i++) {
        w->simd->slide_u8(line(w, p, i + m->kh - 1), i > y->y0 ? line(w, p, i - 1) : zeros, n, sums);
        box_borders(w, sums);
        int16_t *to = bytes ? w->room.spare : convd_fixed_row(y, p, i);
        w->simd->box_i16(sums - m->left * w->step, (size_t)w->step, (size_t)m->kw, m->box_shift, m->box_k, to, n);
        if (bytes) w->simd->narrow_i16(to, n, m->box_frac, false, false, convd_fixed_row(y, p, i));
    }
    w->simd->slide_u8(zeros, line(w, p, y->y1 - 1), n, sums); /* the next call may not hold that row */
}

/* Columns [from,to) of a row, with more fractional bits. */
static void raise(const struct walk *w, const void *x, ptrdiff_t from, ptrdiff_t to, int shift, int16_t *y)
{
    const struct convd_rows in = inside(w, from, to);
    if (w->size == 1 && in.y0 < in.y1)
        w->simd->widen_u8((const uint8_t *)x + from + in.y0, (size_t)(in.y1 - in.y0), shift, y + in.y0);
    for (ptrdiff_t q = 0; q < to - from; q++) {
        if (w->size == 1 && q == in.y0 && in.y0 < in.y1) q = in.y1;
        if (q == to - from) break;
        const int v = q >= in.y0 && q < in.y1 ? number_at(w, x, from + q) : beside(w, x, from + q);
        y[q] = (int16_t)(v * (1 << shift));
    }
}

/* The pass down, for columns [j, j + n) of the windows' grid and rows i … i + rows - 1. */
static void smooth_down(const struct walk *w, ptrdiff_t p, ptrdiff_t i, ptrdiff_t rows, ptrdiff_t j, ptrdiff_t n,
                        ptrdiff_t row)
{
    const struct made *m = w->m;
    const ptrdiff_t stride = 2 * (STRIP + m->kw * w->step), from = j - m->left * w->step;
    for (ptrdiff_t a = 0; a < rows + m->kh - 1; a++) {
        int16_t *to = w->room.block + a * stride;
        raise(w, line(w, p, i + a), from, from + n, m->down.shift, to);
        w->room.t[a] = to;
    }
    for (ptrdiff_t a = 0; a < rows; a++)
        w->simd->smooth_i16(w->room.t + a, m->down.k, (size_t)m->kh, w->room.rows + a * row + j, (size_t)n);
}

static void smooth_rows(const struct walk *w, ptrdiff_t p)
{
    const struct convd_fixed_view *y = w->c->y;
    const struct made *m = w->m;
    const bool bytes = y->format->type == CONVD_FIXED_U8;
    const ptrdiff_t wide = y->n + (m->kw - 1) * w->step,
                    row = (ptrdiff_t)(round_up((size_t)((y->w + m->kw) * w->step) * sizeof(int16_t)) / sizeof(int16_t));
    for (ptrdiff_t i = y->y0; i < y->y1; i += GROUP) {
        const ptrdiff_t rows = least(GROUP, y->y1 - i);
        for (ptrdiff_t j = 0; j < wide; j += STRIP) smooth_down(w, p, i, rows, j, least(STRIP, wide - j), row);
        for (ptrdiff_t a = 0; a < rows; a++) {
            int16_t *to = bytes ? w->room.spare : convd_fixed_row(y, p, i + a);
            for (ptrdiff_t b = 0; b < m->kw; b++) w->room.t[b] = w->room.rows + a * row + b * w->step;
            w->simd->smooth_i16(w->room.t, m->across.k, (size_t)m->kw, to, (size_t)y->n);
            if (bytes) w->simd->narrow_i16(to, (size_t)y->n, m->across.frac, false, false, convd_fixed_row(y, p, i + a));
        }
    }
}

void convd_filter_forward_fixed(const struct convd_fixed_call *c)
{
    static void (*const ways[])(const struct walk *, ptrdiff_t) = {
        [SUM16] = sum16_rows, [PAIRS] = pairs_rows, [BOX] = box_rows, [SMOOTH] = smooth_rows};
    const struct made *m = c->made;
    struct walk w = {.c = c,
                     .m = m,
                     .simd = c->site->simd,
                     .step = c->x->format->step,
                     .size = convd_fixed_size(c->x->format->type)};
    lay_out(&w.room, c->state, c->x->format, m->kh, m->kw, c->y->w);
    const bool beside_rows = m->way == SUM16; /* the others write borders into what they make of rows */
    w.lines = (struct convd_int_lines){.x = c->x,
                                       .mode = m->mode,
                                       .value = m->value,
                                       .left = beside_rows ? m->left : 0,
                                       .right = beside_rows ? m->kw - 1 - m->left : 0,
                                       .outside = w.room.outside};
    convd_int_lines_begin(&w.lines, c->y->y0 - m->top, c->y->y1 - m->top + m->kh - 1);
    for (ptrdiff_t p = 0; p < c->y->format->planes; p++) ways[m->way](&w, p);
}
