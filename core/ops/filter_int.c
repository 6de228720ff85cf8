/* filter_int.c: five ways to a window of integers. All but the last two give the float op's answer, rounded once.
 *
 *   integer i16   whole numbers as taps, sums that fit into 16 bits: y = sum, its fraction moved by the scale
 *   integer u8    bytes times taps of 8 bits, sums in 32, one product with the scale
 *   integer i32   the same with taps of at most 16 bits. Taps that are no whole multiples of one number are rounded to 2^-e
 *                 of the largest
 *   running sum   equal taps: rows are added up across, and their sums slide down
 *   separable i16 symmetric columns and rows: products rounded to 16 bits, two passes
 *
 * Errors are counted from the taps themselves, so that the planner knows them before it chooses. */
#include "filter_int.h"
#include "filter.h"
#include "filter_way.h"
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

static double group_unit(const struct source *f, const struct convd_fixed *x)
{
    const double unit = unit_of(f, 4095), reach = ldexp(fmax(fabs(x->lo), fabs(x->hi)) + 1, x->frac);
    double lo, hi, size;
    range_of(f, x, &lo, &hi, &size);
    if (unit > 0 && size / unit * reach < 1e9) return unit;
    return ldexp(1, -exponent_of(f, x));
}

/* Bytes, and taps that are as many units as 8 bits hold. */
static bool whole_bytes(const struct source *f, const struct convd_fixed *x, double unit)
{
    bool fits = x->type == CONVD_FIXED_U8;
    for (ptrdiff_t i = 0; i < taps_of(f->kernel); i++) fits &= fabs(nearbyint(tap(f, i) / unit)) <= 127;
    return fits;
}

static bool groups(const struct source *f, const struct convd_fixed *x,
                  const struct convd_fixed_ask *a, struct convd_fixed *y)
{
    const double unit = group_unit(f, x), reach = fmax(fabs(x->lo), fabs(x->hi));
    double off = 0;
    for (ptrdiff_t i = 0; i < taps_of(f->kernel); i++)
        off += fabs(tap(f, i) - nearbyint(tap(f, i) / unit) * unit);
    const double one = fabs(unit * f->scale) / ldexp(1, x->frac); /* of the sum */
    if (!(one > 1e-30) || fabs(f->delta) / one > 1e9) return false;
    y->error += off * fabs(f->scale) * reach + 0.5 * one * (f->delta != 0) + 2e-7 * (fabs(y->lo) + fabs(y->hi));
    y->algorithm = whole_bytes(f, x, unit) ? "integer u8" : "integer i32";
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
            *error = 0;
            for (ptrdiff_t i = 0; i < n; i++) { /* each product of two numbers that share a tap is rounded */
                p->k[i] = (int16_t)nearbyint(k[i] * ldexp(1, 15 + a));
                *error += fabs(p->k[i] / ldexp(1, 15 + a) - k[i]) * reach;
                if (p->k[i] != 0 && i < (n + 1) / 2) *error += 0.5 / ldexp(1, p->frac);
            }
            return true;
        }
    return false;
}

static bool make_smooth(const struct source *f, const struct convd_fixed *x, int bits,
                        struct made *m, double *error)
{
    double col[MOST_SIDE], row[MOST_SIDE], size = 0, wide = 0, reach = fmax(fabs(x->lo), fabs(x->hi));
    const ptrdiff_t kh = f->kernel->h, kw = f->kernel->w;
    double first, second;
    if (kh > MOST_SIDE || kw > MOST_SIDE || kh < 2 || kw < 2 || f->delta != 0 ||
        !convd_kernel_separate(f->kernel, col, row))
        return false;
    for (ptrdiff_t i = 0; i < kh; i++) size += fabs(col[i]);
    for (ptrdiff_t i = 0; i < kh; i++) col[i] /= size;
    for (ptrdiff_t j = 0; j < kw; j++) wide += fabs(row[j] *= size * f->scale);
    if (!make_pass(row, kw, reach, x->frac, true, LARGEST / 2, 14, &m->across, &first)) return false;
    reach *= wide;
    if (!make_pass(col, kh, reach + first, m->across.frac, false, LARGEST, bits, &m->down, &second)) return false;
    *error = first + second;
    return true;
}

/* Two passes move each number once more than one does. *inexact: they would be many fewer products, but not exact enough. */
static bool smooth(const struct source *f, const struct convd_fixed *x,
                   struct convd_fixed_ask *a, struct convd_fixed *y, bool *inexact)
{
    struct made made;
    double error;
    const ptrdiff_t taps = taps_of(f->kernel), sides = f->kernel->h + f->kernel->w;
    if (taps < 2 * sides || !make_smooth(f, x, a->bytes ? 14 : a->bits, &made, &error)) return false;
    const bool fine = y->error + error <= (a->bytes ? CONVD_FIXED_ERROR_MOST : 0.5); /* later steps add theirs */
    *inexact = !fine && taps > 8 * sides;
    if (!fine) return false;
    y->error += error;
    y->algorithm = "separable i16";
    if (a->bytes && y->lo > -0.5 && y->hi < 255.5) {
        y->type = CONVD_FIXED_U8;
        y->frac = 0;
        return true;
    }
    return convd_int_fit(y, made.down.frac);
}

/* ---- hooks ---- */

static bool choose(const struct source *f, const struct convd_fixed *x,
                   struct convd_fixed_ask *a, struct convd_fixed *y, enum way *way)
{
    const struct convd_fixed plain = *y;
    bool inexact = false;
    if (sum16(f, x, y)) {
        *way = SUM16;
        return true;
    }
    *y = plain;
    if (box(f, x, a, y)) {
        *way = BOX;
        a->rows = GROUP;
        a->lost = f->kernel->h - 1;
        return true;
    }
    *y = plain;
    if (smooth(f, x, a, y, &inexact)) {
        *way = SMOOTH;
        a->lost = f->kernel->h - 1;
        a->rows = f->kernel->h > 8 ? GROUP : 8;
        return true;
    }
    if (inexact) return false; /* two passes of floats are faster than all products of integers */
    *y = plain;
    *way = GROUPS;
    a->rows = f->kernel->h > 1 ? 4 : 0;
    return groups(f, x, a, y);
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
    convd_filter_room(&room, NULL, way, &x, k->h, k->w, s->y.w);
    a->state = room.bytes;
    return true;
}

/* k[0 1 2] as even or odd factors; false where it is neither. */
static bool even_or_odd(const int *k, int16_t *factors, bool *odd)
{
    *odd = k[0] == -k[2] && k[1] == 0;
    factors[0] = (int16_t)k[2];
    factors[1] = (int16_t)k[1];
    return *odd || k[0] == k[2];
}

bool convd_filter_fused(const struct convd_site *s, const struct convd_fixed *x, const struct convd_fixed *y,
                       const struct convd_fixed_fused *const *in, struct convd_fixed_fused *out)
{
    const struct source source = source_of(s), *f = &source;
    const double unit = unit_of(f, LARGEST);
    int k[9], row[3], column[3], first = 0;
    (void)in;
    if (!y->algorithm || strcmp(y->algorithm, "integer i16") != 0 || f->kernel->h != 3 || f->kernel->w != 3 ||
        f->top != 1 || f->left != 1 || f->delta != 0)
        return false;
    for (ptrdiff_t i = 0; i < 9; i++) k[i] = (int)nearbyint(tap(f, i) / unit);
    while (k[first] == 0) first++;
    for (int j = 0; j < 3; j++) row[j] = k[first / 3 * 3 + j];
    for (int i = 0; i < 3; i++) column[i] = k[3 * i + first % 3] / row[first % 3];
    for (int i = 0; i < 9; i++)
        if (k[i] != column[i / 3] * row[i % 3]) return false;
    struct convd_fused_term *t = &out->term[0];
    *out = (struct convd_fixed_fused){.terms = 1, .mode = f->mode, .first = true};
    convd_int_value(x, f->mode == CONVD_MODE_CONSTANT ? f->value : 0, &out->value);
    return even_or_odd(row, t->row, &t->odd_row) && even_or_odd(column, t->column, &t->odd_column);
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

/* For `outs` rows: [step][group][out][row of the group]; output o sees its first row in row o of the groups. */
static void *pack(const struct source *f, double unit, const struct made *m, ptrdiff_t outs, struct convd_arena *mem)
{
    const size_t n = m->steps * m->groups[outs > 1] * (size_t)outs, size = 4 / (size_t)m->together;
    char *k = convd_arena_array(mem, n, 4), *to = k;
    for (size_t s = 0; k && s < m->steps; s++)
        for (size_t i = 0; i < m->groups[outs > 1]; i++)
            for (ptrdiff_t o = 0; o < outs; o++)
                for (ptrdiff_t r = 0; r < m->together; r++, to += size) {
                    const ptrdiff_t row = m->together * (ptrdiff_t)i + r - o;
                    const bool used = row >= 0 && row < m->kh;
                    const int16_t v = used ? (int16_t)nearbyint(tap(f, row * m->kw + m->column[s]) / unit) : 0;
                    if (size == 1)
                        *(int8_t *)to = (int8_t)v;
                    else
                        memcpy(to, &v, sizeof v);
                }
    return k;
}

static bool make_groups(const struct source *f, const struct convd_fixed *x, const struct convd_fixed *y, struct made *m,
                        struct convd_arena *mem)
{
    const double unit = group_unit(f, x), one = unit * f->scale / ldexp(1, x->frac);
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
    m->together = whole_bytes(f, x, unit) ? 4 : 2;
    m->outs = m->together == 4 && m->kh % 4 == 1 ? 4 : 2; /* without a group more than for two */
    for (int all = 0; all < 2; all++) {
        const ptrdiff_t outs = all ? m->outs : 1;
        m->groups[all] = (size_t)((m->kh + outs - 1 + m->together - 1) / m->together);
        m->packed[all] = pack(f, unit, m, outs, mem);
    }
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
    m->way = GROUPS;
    return make_groups(f, &x, y, m, mem) ? m : NULL;
}
