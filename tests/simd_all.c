/* Every variant this processor runs against ref.c: sizes around vectors and tiles, extreme numbers, nothing
 * written outside. Variants with FMA must agree bit for bit, base within what rounding each product costs. */
#include "../core/simd/simd.h"
#include "t.h"

enum kind { RANDOM, PIXELS, TINY, LARGE, WITH_NAN, WITH_INF, KINDS };
static const char *const kind_words[] = {"random", "pixels",   "tiny",
                                         "large",  "with nan", "with inf"};

static float draw(struct t_rng *r, enum kind kind)
{
    const double u = t_uniform(r, -1, 1);
    switch (kind) {
    case PIXELS:
        return (float)t_between(r, 0, 255);
    case TINY:
        return (float)(u * 1e-38); /* many denormal, products underflow */
    case LARGE:
        return (float)(u * 1e37); /* sums may overflow */
    case WITH_NAN:
        return t_between(r, 0, 40) ? (float)u : NAN;
    case WITH_INF:
        return t_between(r, 0, 40) ? (float)u : u > 0 ? INFINITY : -INFINITY;
    default:
        return (float)u;
    }
}

static bool is_base(const struct convd_simd *s)
{
    return strcmp(s->name, "base") == 0;
}

static bool same(float a, float b)
{
    return (isnan(a) && isnan(b)) || memcmp(&a, &b, sizeof a) == 0;
}

/* n floats on memory of exactly that size, so that a sanitizer sees every step outside. */
static float *row_of(struct t_rng *r, enum kind kind, size_t n)
{
    float *x = malloc(n * sizeof *x + 1);
    for (size_t i = 0; i < n; i++) x[i] = draw(r, kind);
    return x;
}

/* An output row between two guards. */
enum { GUARD = 40 };
static float *guarded(size_t n)
{
    float *y = malloc((n + 2 * GUARD) * sizeof *y);
    for (size_t i = 0; i < n + 2 * GUARD; i++) y[i] = -77;
    return y + GUARD;
}

static void check_guards(float *y, size_t from, size_t to, size_t n, const char *what)
{
    for (ptrdiff_t i = -GUARD; i < (ptrdiff_t)n + GUARD; i++)
        if ((i < (ptrdiff_t)from || i >= (ptrdiff_t)to) && y[i] != -77)
            T_FAIL("%s wrote at %td, outside [%zu,%zu)", what, i, from, to);
    free(y - GUARD);
}

struct taps_case {
    size_t n, from, to, taps, outs;
    enum kind kind;
};

static void check_taps(const struct convd_simd *s, const struct taps_case *c, struct t_rng *r)
{
    const float *t[32];
    float *rows[32], *y[4], *want[4], bias[4],
        *k = row_of(r, c->kind == TINY ? TINY : RANDOM, c->taps * c->outs);
    char what[200];
    snprintf(what, sizeof what, "taps %s: n %zu [%zu,%zu) taps %zu outs %zu %s", s->name, c->n,
             c->from, c->to, c->taps, c->outs, kind_words[c->kind]);
    for (size_t i = 0; i < c->taps; i++) {
        rows[i] = row_of(r, c->kind, c->to); /* [0,from) may be read by nobody either */
        for (size_t j = 0; j < c->from; j++) rows[i][j] = NAN;
        t[i] = rows[i];
    }
    for (size_t o = 0; o < c->outs; o++) {
        bias[o] = draw(r, RANDOM);
        y[o] = guarded(c->n);
        want[o] = guarded(c->n);
    }
    s->taps(t, k, c->taps, bias, y, c->outs, c->from, c->to);
    convd_simd_at(0)->taps(t, k, c->taps, bias, want, c->outs, c->from, c->to);
    for (size_t o = 0; o < c->outs; o++) {
        for (size_t j = c->from; j < c->to; j++) {
            double size = fabs((double)bias[o]);
            for (size_t i = 0; i < c->taps; i++)
                size += fabs((double)k[i * c->outs + o] * (double)t[i][j]);
            const bool near =
                is_base(s) &&
                (fabs((double)y[o][j] - (double)want[o][j]) <= 2e-6 * size + 1e-44 || size > 1e38);
            if (!same(y[o][j], want[o][j]) && !near)
                T_FAIL("%s: output %zu at %zu is %.9g, expected %.9g", what, o, j, (double)y[o][j],
                       (double)want[o][j]);
        }
        check_guards(y[o], c->from, c->to, c->n, what);
        check_guards(want[o], c->from, c->to, c->n, "ref");
    }
    for (size_t i = 0; i < c->taps; i++) free(rows[i]);
    free(k);
}

TEST(taps_agree_with_ref)
{
    static const size_t taps[] = {0, 1, 2, 6, 9, 27};
    struct t_rng r = t_rng(1);
    const struct convd_simd *s;
    for (size_t v = 1; (s = convd_simd_at(v)); v++)
        for (size_t n = 1; n < 180; n += n < 70 ? 1 : 7)
            for (size_t outs = 1; outs <= CONVD_TAPS_OUTS; outs++)
                for (size_t q = 0; q < sizeof taps / sizeof *taps; q++) {
                    const size_t from =
                        t_between(&r, 0, 1) ? 0 : (size_t)t_between(&r, 0, (ptrdiff_t)n - 1);
                    check_taps(s,
                               &(struct taps_case){n, from, n, taps[q], outs,
                                                   (enum kind)t_between(&r, 0, KINDS - 1)},
                               &r);
                }
}

static void check_dots(const struct convd_simd *s, size_t n, size_t taps, size_t outs,
                       enum kind kind, struct t_rng *r)
{
    float *t[40], *d[4], *y = guarded(taps * outs), *want = guarded(taps * outs);
    char what[200];
    snprintf(what, sizeof what, "dots %s: n %zu taps %zu outs %zu %s", s->name, n, taps, outs,
             kind_words[kind]);
    for (size_t i = 0; i < taps; i++) t[i] = row_of(r, kind, n);
    for (size_t o = 0; o < outs; o++) d[o] = row_of(r, kind == TINY ? TINY : RANDOM, n);
    s->dots((const float *const *)t, taps, (const float *const *)d, outs, n, y);
    convd_simd_at(0)->dots((const float *const *)t, taps, (const float *const *)d, outs, n, want);
    for (size_t i = 0; i < taps * outs; i++) {
        double size = 0;
        for (size_t j = 0; j < n; j++)
            size += fabs((double)t[i / outs][j] * (double)d[i % outs][j]);
        const bool near =
            is_base(s) &&
            (fabs((double)y[i] - (double)want[i]) <= 2e-6 * size + 1e-44 || size > 1e38);
        /* lanes that are masked out add +0, so that a sum of -0 may come out as 0 */
        if (!same(y[i], want[i]) && !(y[i] == want[i]) && !near)
            T_FAIL("%s: sum %zu is %.9g, expected %.9g", what, i, (double)y[i], (double)want[i]);
    }
    check_guards(y, 0, taps * outs, taps * outs, what);
    check_guards(want, 0, taps * outs, taps * outs, "ref");
    for (size_t i = 0; i < taps; i++) free(t[i]);
    for (size_t o = 0; o < outs; o++) free(d[o]);
}

TEST(dots_agree_with_ref)
{
    static const size_t taps[] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 13, 28};
    struct t_rng r = t_rng(3);
    const struct convd_simd *s;
    for (size_t v = 1; (s = convd_simd_at(v)); v++)
        for (size_t n = 1; n < 180; n += n < 70 ? 1 : 7)
            for (size_t outs = 1; outs <= CONVD_TAPS_OUTS; outs++)
                for (size_t q = 0; q < sizeof taps / sizeof *taps; q++)
                    check_dots(s, n, taps[q], outs, (enum kind)t_between(&r, 0, KINDS - 1), &r);
}

static void check_multiply(const struct convd_simd *s, size_t rows, size_t n, size_t depth,
                           enum kind kind, struct t_rng *r)
{
    const size_t a_row = depth + 3, b_row = n + 5;
    float *a = row_of(r, kind, rows * a_row), *b = row_of(r, RANDOM, depth * b_row + 1),
          *start = row_of(r, RANDOM, rows * n), *y = guarded(rows * n), *want = guarded(rows * n);
    char what[200];
    snprintf(what, sizeof what, "multiply %s: %zu rows n %zu depth %zu %s", s->name, rows, n, depth,
             kind_words[kind]);
    memcpy(y, start, rows * n * sizeof *y);
    memcpy(want, start, rows * n * sizeof *y);
    s->multiply(&(struct convd_matrices){a, b, y, a_row, b_row, n, rows, n, depth});
    convd_simd_at(0)->multiply(
        &(struct convd_matrices){a, b, want, a_row, b_row, n, rows, n, depth});
    for (size_t i = 0; i < rows * n; i++) {
        double size = fabs((double)start[i]);
        for (size_t t = 0; t < depth; t++)
            size += fabs((double)a[i / n * a_row + t] * (double)b[t * b_row + i % n]);
        const bool near =
            is_base(s) &&
            (fabs((double)y[i] - (double)want[i]) <= 2e-6 * size + 1e-44 || size > 1e38);
        if (!same(y[i], want[i]) && !near)
            T_FAIL("%s: number %zu is %.9g, expected %.9g", what, i, (double)y[i], (double)want[i]);
    }
    check_guards(y, 0, rows * n, rows * n, what);
    check_guards(want, 0, rows * n, rows * n, "ref");
    free(a);
    free(b);
    free(start);
}

TEST(multiply_agrees_with_ref)
{
    struct t_rng r = t_rng(31);
    const struct convd_simd *s;
    for (size_t v = 1; (s = convd_simd_at(v)); v++)
        for (size_t rows = 1; rows < 20; rows++)
            for (size_t n = 16; n <= 112; n += 16)
                check_multiply(s, rows, n, (size_t)t_between(&r, 0, 70),
                               (enum kind)t_between(&r, 0, KINDS - 1), &r);
}

TEST(turn_agrees_with_ref)
{
    struct t_rng r = t_rng(32);
    const struct convd_simd *s;
    for (size_t v = 1; (s = convd_simd_at(v)); v++)
        for (size_t rows = 1; rows < 40; rows++)
            for (size_t n = 1; n < 70; n += 3) {
                float *x = row_of(&r, RANDOM, rows * (n + 1)), *y = guarded(n * rows),
                      *want = guarded(n * rows);
                char what[80];
                snprintf(what, sizeof what, "turn %s: %zu x %zu", s->name, rows, n);
                s->turn(x, n + 1, rows, n, y, rows);
                convd_simd_at(0)->turn(x, n + 1, rows, n, want, rows);
                for (size_t i = 0; i < n * rows; i++)
                    if (!same(y[i], want[i])) T_FAIL("%s: number %zu differs", what, i);
                check_guards(y, 0, n * rows, n * rows, what);
                check_guards(want, 0, n * rows, n * rows, "ref");
                free(x);
            }
}

TEST(taps_do_not_depend_on_the_cut)
{
    struct t_rng r = t_rng(2);
    const struct convd_simd *s;
    for (size_t v = 1; (s = convd_simd_at(v)); v++)
        for (int round = 0; round < 300; round++) {
            const size_t n = (size_t)t_between(&r, 1, 300), outs = (size_t)t_between(&r, 1, 4);
            float *t[9], *k = row_of(&r, RANDOM, 9 * outs), bias[4] = {1, 2, 3, 4}, whole[4][300],
                         parts[4][300];
            for (size_t i = 0; i < 9; i++) t[i] = row_of(&r, PIXELS, n);
            float *y[4] = {whole[0], whole[1], whole[2], whole[3]},
                  *z[4] = {parts[0], parts[1], parts[2], parts[3]};
            s->taps((const float *const *)t, k, 9, bias, y, outs, 0, n);
            for (size_t from = 0, to; from < n; from = to) {
                to = from + (size_t)t_between(&r, 1, 40);
                if (to > n) to = n;
                s->taps((const float *const *)t, k, 9, bias, z, outs, from, to);
            }
            for (size_t o = 0; o < outs; o++)
                if (memcmp(whole[o], parts[o], n * sizeof(float)) != 0)
                    T_FAIL("%s: n %zu outs %zu", s->name, n, outs);
            for (size_t i = 0; i < 9; i++) free(t[i]);
            free(k);
        }
}

TEST(outputs_of_one_call_do_not_depend_on_their_number)
{
    struct t_rng r = t_rng(3);
    const struct convd_simd *s;
    for (size_t v = 1; (s = convd_simd_at(v)); v++)
        for (size_t n = 1; n < 120; n++) {
            float *t[7], k[7 * 4], alone[7], bias[4] = {0, 1, -1, 0.5f}, four[4][120], one[120];
            for (size_t i = 0; i < 7; i++) t[i] = row_of(&r, RANDOM, n);
            for (size_t i = 0; i < 28; i++) k[i] = draw(&r, RANDOM);
            s->taps((const float *const *)t, k, 7, bias,
                    (float *[]){four[0], four[1], four[2], four[3]}, 4, 0, n);
            for (size_t o = 0; o < 4; o++) {
                for (size_t i = 0; i < 7; i++) alone[i] = k[i * 4 + o];
                s->taps((const float *const *)t, alone, 7, bias + o, (float *[]){one}, 1, 0, n);
                if (memcmp(one, four[o], n * sizeof *one) != 0)
                    T_FAIL("%s: n %zu output %zu", s->name, n, o);
            }
            for (size_t i = 0; i < 7; i++) free(t[i]);
        }
}

TEST(rows_agree_with_ref)
{
    struct t_rng r = t_rng(4);
    const struct convd_simd *s, *ref = convd_simd_at(0);
    for (size_t v = 1; (s = convd_simd_at(v)); v++)
        for (size_t n = 0; n < 150; n++)
            for (enum kind kind = 0; kind < KINDS; kind++)
                for (int f = 0; f < 9; f++) {
                    static const char *const words[] = {"copy", "max",  "min",       "add", "abs",
                                                        "luma", "relu", "relu_back", "fill"};
                    float *a = row_of(&r, kind, n), *b = row_of(&r, kind, n),
                          *c = row_of(&r, kind, n);
                    float *y = guarded(n), *want = guarded(n);
                    char what[100];
                    snprintf(what, sizeof what, "%s %s: n %zu %s", words[f], s->name, n,
                             kind_words[kind]);
                    memcpy(y, c, n * sizeof *y);
                    memcpy(want, c, n * sizeof *y);
                    switch (f) {
                    case 0:
                        EQ(ref->copy(want, a, n), s->copy(y, a, n));
                        EQ(ref->finite(a, n), s->finite(a, n));
                        break;
                    case 1:
                        s->max(y, a, n);
                        ref->max(want, a, n);
                        break;
                    case 2:
                        s->min(y, a, n);
                        ref->min(want, a, n);
                        break;
                    case 3:
                        s->add(y, a, b, n);
                        ref->add(want, a, b, n);
                        break;
                    case 4:
                        s->abs(y, a, n);
                        ref->abs(want, a, n);
                        break;
                    case 5:
                        s->luma(a, b, c, y, n);
                        ref->luma(a, b, c, want, n);
                        break;
                    case 6:
                        s->relu(y, a, n);
                        ref->relu(want, a, n);
                        break;
                    case 7: /* in place */
                        s->relu_back(y, a, y, n);
                        ref->relu_back(want, a, want, n);
                        break;
                    default:
                        s->fill(y, n ? b[0] : 0, n);
                        ref->fill(want, n ? b[0] : 0, n);
                        break;
                    }
                    for (size_t i = 0; i < n; i++) {
                        const double size =
                            fabs((double)a[i]) + fabs((double)b[i]) + fabs((double)c[i]);
                        const bool near =
                            f == 5 && is_base(s) &&
                            fabs((double)y[i] - (double)want[i]) <= 3e-7 * size + 1e-44;
                        if (!same(y[i], want[i]) && !near)
                            T_FAIL("%s: at %zu %.9g, expected %.9g", what, i, (double)y[i],
                                   (double)want[i]);
                    }
                    check_guards(y, 0, n, n, what);
                    check_guards(want, 0, n, n, "ref");
                    free(a);
                    free(b);
                    free(c);
                }
}

static void expect_rows(const struct convd_simd *s, const char *what, float *want, float *got,
                        size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (!same(want[i], got[i]))
            T_FAIL("%s: %s of %zu: number %zu is %g, expected %g", s->name, what, n, i,
                   (double)got[i], (double)want[i]);
    check_guards(want, 0, n, n, what);
    check_guards(got, 0, n, n, what);
}

/* Few different numbers, so that some windows are claimed, some twice, some by nobody. */
static void check_claim(const struct convd_simd *s, struct t_rng *r, size_t n, size_t taps)
{
    float *x[5], *y = row_of(r, RANDOM, n), *g[2][5], *left[2] = {guarded(n), guarded(n)};
    for (size_t t = 0; t < taps; t++) {
        x[t] = row_of(r, RANDOM, n);
        for (size_t i = 0; i < n; i++)
            x[t][i] = t_between(r, 0, 9) ? (float)t_between(r, 0, 3) : NAN;
        g[0][t] = guarded(n);
        g[1][t] = guarded(n);
    }
    for (size_t i = 0; i < n; i++) y[i] = t_between(r, 0, 9) ? (float)t_between(r, 0, 3) : NAN;
    for (size_t i = 0; i < n; i++) left[0][i] = left[1][i] = draw(r, WITH_NAN);
    convd_simd_at(0)->claim((const float *const *)x, taps, y, left[0], g[0], n);
    s->claim((const float *const *)x, taps, y, left[1], g[1], n);
    for (size_t t = 0; t < taps; t++) {
        expect_rows(s, "claim", g[0][t], g[1][t], n);
        free(x[t]);
    }
    expect_rows(s, "what claim leaves", left[0], left[1], n);
    free(y);
}

static void check_halves(const struct convd_simd *s, struct t_rng *r, size_t n)
{
    float *x = row_of(r, WITH_NAN, n), *h[2][2], *y[2] = {guarded(n), guarded(n)};
    for (int k = 0; k < 2; k++)
        for (int odd = 0; odd < 2; odd++) h[k][odd] = guarded((n + !odd) / 2);
    for (size_t i = 0; i < n; i++) y[0][i] = y[1][i] = draw(r, RANDOM);
    convd_simd_at(0)->halves(x, n, h[0][0], h[0][1]);
    s->halves(x, n, h[1][0], h[1][1]);
    convd_simd_at(0)->add_halves(y[0], h[0][0], h[0][1], n);
    s->add_halves(y[1], h[1][0], h[1][1], n);
    expect_rows(s, "even half", h[0][0], h[1][0], (n + 1) / 2);
    expect_rows(s, "odd half", h[0][1], h[1][1], n / 2);
    expect_rows(s, "sum with halves", y[0], y[1], n);
    free(x);
}

TEST(claims_agree_with_ref)
{
    struct t_rng r = t_rng(9);
    const struct convd_simd *s;
    for (size_t v = 1; (s = convd_simd_at(v)); v++)
        for (size_t n = 1; n <= 100; n++) {
            for (size_t taps = 1; taps <= 5; taps++) check_claim(s, &r, n, taps);
            check_halves(s, &r, n);
        }
}

static void check_stack(const struct convd_simd *s, struct t_rng *r, size_t n)
{
    enum kind kind = (enum kind)t_between(r, 0, KINDS - 1);
    const size_t square = (size_t)t_between(r, 0, 1), kh = square ? 3 : (size_t)t_between(r, 2, 5),
                 kw = square ? 3 : (size_t)t_between(r, 1, 5),
                 channels = (size_t)t_between(r, 1, 3), outs = (size_t)t_between(r, 1, 2),
                 rows = (size_t)t_between(r, 1, 9), span = rows + kh - 1;
    const float *x[40];
    float *lines[40], *y[2][18],
        *k = row_of(r, kind == TINY ? TINY : RANDOM, channels * kh * kw * outs), bias[2];
    for (size_t i = 0; i < channels * span; i++) x[i] = lines[i] = row_of(r, kind, n + kw - 1);
    for (size_t i = 0; i < 2; i++) bias[i] = draw(r, RANDOM);
    for (size_t i = 0; i < outs * rows; i++) y[0][i] = guarded(n), y[1][i] = guarded(n);
    float before[40], behind[40];
    const bool in_place = square && t_between(r, 0, 1);
    for (size_t i = 0; in_place && i < channels * span;
         i++) { /* what would be padded: a row of exactly n */
        before[i] = lines[i][0];
        behind[i] = lines[i][n + 1];
        float *row = malloc(n * sizeof *row);
        memcpy(row, lines[i] + 1, n * sizeof *row);
        lines[i] = (free(lines[i]), row);
        x[i] = row;
    }
    for (int v = 0; v < 2; v++) {
        const struct convd_stack q = {.x = x,
                                      .span = span,
                                      .channels = channels,
                                      .kh = kh,
                                      .kw = kw,
                                      .k = k,
                                      .bias = bias,
                                      .y = y[v],
                                      .outs = outs,
                                      .rows = rows,
                                      .n = n,
                                      .before = in_place ? before : NULL,
                                      .behind = in_place ? behind : NULL};
        (v ? s : convd_simd_at(0))->stack(&q);
    }
    for (size_t i = 0; i < outs * rows; i++) {
        for (size_t j = 0; j < n; j++) {
            double size = 1;
            for (size_t t = 0; t < channels * kh * kw; t++) {
                const size_t at = t / (kh * kw) * span + i % rows + t % (kh * kw) / kw,
                             b = j + t % kw;
                const float v = !in_place ? x[at][b]
                                : b == 0  ? before[at]
                                : b > n   ? behind[at]
                                          : x[at][b - 1];
                size += fabs((double)k[t * outs + i / rows] * (double)v);
            }
            const bool near =
                is_base(s) &&
                (fabs((double)y[0][i][j] - (double)y[1][i][j]) <= 2e-6 * size || size > 1e38);
            if (!same(y[0][i][j], y[1][i][j]) && !near)
                T_FAIL("stack %s: %zux%zu channels %zu outs %zu rows %zu n %zu %s: %zu of row %zu "
                       "is %.9g, expected %.9g",
                       s->name, kh, kw, channels, outs, rows, n, kind_words[kind], j, i,
                       (double)y[1][i][j], (double)y[0][i][j]);
        }
        check_guards(y[0][i], 0, n, n, "ref");
        check_guards(y[1][i], 0, n, n, "stack");
    }
    for (size_t i = 0; i < channels * span; i++) free(lines[i]);
    free(k);
}

TEST(stacks_agree_with_ref)
{
    struct t_rng r = t_rng(13);
    const struct convd_simd *s;
    for (size_t v = 1; (s = convd_simd_at(v)); v++)
        for (size_t n = 16; n < 150; n++)
            for (int round = 0; round < 8; round++) check_stack(s, &r, n);
}

/* Transforms of tiles: f 0 into, 1 out of, 2 back. Sums of absolute products for base's tolerance: 60 bounds the factors. */
static void check_tiles(const struct convd_simd *s, struct t_rng *r, size_t n, enum kind kind,
                        int f)
{
    const struct convd_simd *ref = convd_simd_at(0);
    const size_t step = n + 16 * (size_t)t_between(r, 0, 1),
                 plane = n + (size_t)t_between(r, 0, 40), lines = f == 0 ? 6 : 4;
    const size_t in = f == 1 ? 36 * plane : 4 * lines * step,
                 columns = 4 * n - (size_t)t_between(r, 0, 15);
    const size_t out = f == 1 ? 4 * columns : 36 * plane;
    float *x = row_of(r, kind, in), *w = row_of(r, RANDOM, 24 * step),
          *y[2] = {guarded(out), guarded(out)};
    double most = 1;
    for (size_t i = 0; i < in; i++) most = fmax(most, fabs((double)x[i]));
    for (int k = 0; k < 2; k++) {
        const struct convd_simd *one = k ? s : ref;
        for (size_t i = 0; i < out; i++) y[k][i] = 0;
        if (f == 0) one->wino_in(x, step, n, y[k], plane, w);
        if (f == 1)
            one->wino_out(x, plane, 0.5f,
                          (float *[]){y[k], y[k] + columns, y[k] + 2 * columns, y[k] + 3 * columns},
                          columns);
        if (f == 2) one->wino_back(x, step, n, y[k], plane);
    }
    for (size_t i = 0; i < out; i++) {
        const bool near =
            is_base(s) &&
            (fabs((double)y[0][i] - (double)y[1][i]) <= 1e-6 * 60 * most || most > 1e35);
        if (!same(y[0][i], y[1][i]) && !near)
            T_FAIL("%s: transform %d of %zu tiles, %s: number %zu is %.9g, expected %.9g", s->name,
                   f, n, kind_words[kind], i, (double)y[1][i], (double)y[0][i]);
    }
    check_guards(y[0], 0, out, out, "ref");
    check_guards(y[1], 0, out, out, "transform");
    free(x);
    free(w);
}

TEST(transforms_of_tiles_agree_with_ref)
{
    struct t_rng r = t_rng(11);
    const struct convd_simd *s;
    for (size_t v = 1; (s = convd_simd_at(v)); v++)
        for (size_t n = 16; n <= 96; n += 16)
            for (enum kind kind = 0; kind < KINDS; kind++)
                for (int f = 0; f < 3; f++)
                    for (int round = 0; round < 4; round++) check_tiles(s, &r, n, kind, f);
}

TEST(quarters_agree_with_ref)
{
    struct t_rng r = t_rng(12);
    const struct convd_simd *s;
    for (size_t v = 0; (s = convd_simd_at(v)); v++)
        for (size_t n = 16; n <= 96; n += 16)
            for (size_t i = 0; i < 4 * n; i++) {
                float *x = row_of(&r, RANDOM, 4 * n), *y = guarded(4 * n + 9);
                const float odd[] = {NAN, INFINITY, -INFINITY, 0x1p64f, -0x1p90f, 0x1.fffffep63f};
                const size_t k = i % 6;
                x[i] = odd[k];
                EQ(k == 5, s->quarters(x, n, y, n + 3));
                for (size_t j = 0; j < 4 * n; j++)
                    if (!same(x[j], y[j % 4 * (n + 3) + j / 4]))
                        T_FAIL("%s: %zu of %zu", s->name, j, n);
                for (size_t q = 0; q < 3; q++)
                    for (size_t j = 0; j < 3; j++) EQ(-77, y[q * (n + 3) + n + j]);
                check_guards(y, 0, 4 * n + 9, 4 * n + 9, "quarters");
                free(x);
            }
}

/* What lies beside a row does not count, be it NaN. */
TEST(quartered_rows_agree_with_ref)
{
    enum { ROWS = 3, MARGIN = 16 };
    struct t_rng r = t_rng(33);
    const struct convd_simd *s;
    for (size_t v = 0; (s = convd_simd_at(v)); v++)
        for (int turn = 0; turn < 600; turn++) {
            const size_t n = 16 * (size_t)t_between(&r, 1, 4), step = n + 3,
                         hi = (size_t)t_between(&r, 1, (ptrdiff_t)(4 * n)),
                         lo = (size_t)t_between(&r, 0, (ptrdiff_t)(hi < 20 ? hi : 20) - 1),
                         row = 4 * n + (size_t)t_between(&r, 0, 9), all = ROWS * row + 2 * MARGIN;
            float *x = row_of(&r, RANDOM, all), *y = guarded(4 * ROWS * step), bad = 0x1p70f;
            const size_t at = (size_t)t_between(&r, 0, ROWS - 1) * row +
                              (size_t)t_between(&r, 0, (ptrdiff_t)(4 * n) - 1);
            const bool seen = at % row >= lo && at % row < hi;
            for (size_t i = 0; i < ROWS * row; i++)
                if (i % row < lo || i % row >= hi) x[MARGIN + i] = NAN;
            x[MARGIN + at] = bad;
            EQ(!seen, s->quartered(&(struct convd_quartered){.x = x + MARGIN,
                                                             .x_row = row,
                                                             .lo = lo,
                                                             .hi = hi,
                                                             .rows = ROWS,
                                                             .n = n,
                                                             .y = y,
                                                             .step = step,
                                                             .ahead = turn % 2}));
            for (size_t i = 0; i < ROWS * 4 * n; i++) {
                const size_t p = i % (4 * n), k = i / (4 * n);
                const float want = p >= lo && p < hi ? x[MARGIN + k * row + p] : 0;
                if (!same(want, y[(4 * k + p % 4) * step + p / 4]))
                    T_FAIL("%s: number %zu of row %zu, n %zu lo %zu hi %zu", s->name, p, k, n, lo,
                           hi);
            }
            check_guards(y, 0, 4 * ROWS * step, 4 * ROWS * step, "quartered");
            free(x);
        }
}

TEST(one_nonfinite_number_is_found_wherever_it_stands)
{
    const struct convd_simd *s;
    for (size_t v = 0; (s = convd_simd_at(v)); v++)
        for (size_t n = 1; n < 70; n++)
            for (size_t i = 0; i < n; i++) {
                float x[70] = {0}, y[70];
                OK(s->finite(x, n));
                x[i] = i % 3 == 0 ? NAN : i % 3 == 1 ? INFINITY : -INFINITY;
                if (s->finite(x, n) || s->copy(y, x, n)) T_FAIL("%s: n %zu, at %zu", s->name, n, i);
                x[i] = 3.4028235e38f;
                OK(s->finite(x, n));
            }
}

TEST(bytes_agree_with_ref)
{
    struct t_rng r = t_rng(5);
    const struct convd_simd *s, *ref = convd_simd_at(0);
    for (size_t v = 1; (s = convd_simd_at(v)); v++)
        for (size_t n = 0; n < 200; n += n < 140 ? 1 : 7)
            for (size_t stored = 1; stored <= 6; stored++) {
                uint8_t *x = malloc(n * stored + 1);
                float *y[6], *want[6], *g = guarded(n), *gw = guarded(n);
                char what[100];
                snprintf(what, sizeof what, "bytes %s: n %zu stored %zu", s->name, n, stored);
                for (size_t i = 0; i < n * stored; i++) x[i] = (uint8_t)t_random(&r);
                const size_t planes = (size_t)t_between(&r, 1, (ptrdiff_t)stored);
                for (size_t c = 0; c < planes; c++) {
                    y[c] = guarded(n);
                    want[c] = guarded(n);
                }
                s->u8_planes(x, n, stored, y, planes);
                ref->u8_planes(x, n, stored, want, planes);
                for (size_t c = 0; c < planes; c++) {
                    if (memcmp(y[c], want[c], n * sizeof(float)) != 0)
                        T_FAIL("%s: plane %zu", what, c);
                    check_guards(y[c], 0, n, n, what);
                    check_guards(want[c], 0, n, n, "ref");
                }
                if (stored >= 3) {
                    s->u8_luma(x, n, stored, g);
                    ref->u8_luma(x, n, stored, gw);
                    for (size_t i = 0; i < n; i++) NEAR(gw[i], g[i], is_base(s) ? 5e-5 : 0);
                }
                check_guards(g, 0, stored >= 3 ? n : 0, n, what);
                check_guards(gw, 0, stored >= 3 ? n : 0, n, "ref");
                free(x);
            }
}

TEST(floats_become_bytes_half_to_even)
{
    static const float from[] = {
        0,     0.5f,  1.5f,  2.5f,   254.5f, 255,      255.5f,    255.49f,     256,        -0.0f,
        -0.4f, -0.6f, 1e30f, -1e30f, NAN,    INFINITY, -INFINITY, 0.49999997f, 127.50001f, 1e-40f};
    static const uint8_t to[] = {0, 0, 2,   2, 254, 255, 255, 255, 255, 0,
                                 0, 0, 255, 0, 0,   255, 0,   0,   128, 0};
    static const bool out[] = {0, 0, 0, 0, 0, 0, 1, 1, 1, 0, 1, 1, 1, 1, 1, 1, 1, 0, 0, 0};
    const struct convd_simd *s;
    for (size_t v = 0; (s = convd_simd_at(v)); v++)
        for (size_t pad = 0; pad < 130; pad++)
            for (size_t i = 0; i < sizeof to; i++) {
                float x[131] = {0};
                uint8_t y[132];
                memset(y, 0xaa, sizeof y);
                x[pad] = from[i];
                EQ(out[i], s->planes_u8(&(const float *){x}, pad + 1, 1, y));
                if (y[pad] != to[i] || y[pad + 1] != 0xaa || (pad && y[pad - 1] != 0))
                    T_FAIL("%s: %g at %zu became %u", s->name, (double)from[i], pad, y[pad]);
            }
}

TEST(packing_agrees_with_ref)
{
    struct t_rng r = t_rng(6);
    const struct convd_simd *s, *ref = convd_simd_at(0);
    for (size_t v = 1; (s = convd_simd_at(v)); v++)
        for (size_t n = 0; n < 200; n += n < 140 ? 1 : 7)
            for (size_t c = 1; c <= 6; c++) {
                float *x[6];
                uint8_t y[6 * 200 + 8], want[6 * 200 + 8];
                memset(y, 0xaa, sizeof y);
                memset(want, 0xaa, sizeof want);
                for (size_t k = 0; k < c; k++) {
                    x[k] = row_of(&r, (enum kind)t_between(&r, 0, KINDS - 1), n);
                    for (size_t i = 0; i < n; i++)
                        if (t_between(&r, 0, 1)) x[k][i] = (float)t_between(&r, -20, 540) / 2;
                }
                EQ(ref->planes_u8((const float *const *)x, n, c, want),
                   s->planes_u8((const float *const *)x, n, c, y));
                if (memcmp(y, want, sizeof y) != 0)
                    T_FAIL("planes_u8 %s: n %zu c %zu", s->name, n, c);
                for (size_t k = 0; k < c; k++) free(x[k]);
            }
}

/* ---- integers: every variant gives the bits of ref, and writes n numbers ---- */

enum { MOST = 300, ROWS = 49 };
struct ints {
    uint8_t bytes[ROWS][4 * MOST];
    int16_t words[ROWS][2 * MOST];
    const uint8_t *b[ROWS];
    const int16_t *w[ROWS];
};

static void draw_ints(struct ints *x, struct t_rng *r, int limit)
{
    const bool flat = t_between(r, 0, 3) == 0; /* all rows: what counts the numbers of a window meets its most */
    for (size_t i = 0; i < ROWS; i++) {
        const int kind = (int)t_between(r, 0, 3);
        for (size_t j = 0; j < 4 * MOST; j++)
            x->bytes[i][j] = (uint8_t)(flat ? (t_random(r) & 255 ? 90 : 200) : kind ? t_random(r) : t_random(r) & 1 ? 255 : 0);
        for (size_t j = 0; j < 2 * MOST; j++)
            x->words[i][j] = (int16_t)(kind ? t_between(r, -limit, limit) : t_random(r) & 1 ? limit : -limit);
        x->b[i] = x->bytes[i];
        x->w[i] = x->words[i];
    }
}

/* One loop into `out`, and what it returned. f is its number in the list below. */
static uint64_t int_loop(const struct convd_simd *s, int f, const struct ints *x, size_t n, struct t_rng draw, void *out)
{
    int16_t k[64];
    const size_t taps = (size_t)t_between(&draw, 1, 9);
    const bool yes = t_between(&draw, 0, 1);
    uint8_t *to[4] = {out, (uint8_t *)out + n, (uint8_t *)out + 2 * n, (uint8_t *)out + 3 * n};
    for (size_t i = 0; i < 64; i++) k[i] = (int16_t)t_between(&draw, -300, 300);
    switch (f) {
    case 0: s->split_u8(x->b[0], n, 3 + yes, to, 3); return 0;
    case 1: s->join_u8(x->b, n, 3 + yes, out); return 0;
    case 2: s->widen_u8(x->b[0], n, (int)taps % 8, out); return 0;
    case 3: return s->narrow_i16(x->w[0], n, (int)taps % 8, yes, true, out);
    case 4: s->narrow_i16(x->w[0], n, (int)taps % 8, yes, false, out); return 0;
    case 5: s->gray_i16(x->b[0], n, 3 + yes, (const int16_t[]){9798, 19235, 3735}, 8 + (int)taps % 8, out); return 0;
    case 6: s->taps_i16(x->w, k, taps, k[60], out, n); return 0;
    case 7:
        for (size_t i = 0; i < taps / 2; i++) k[taps - 1 - i] = k[i];
        s->smooth_i16(x->w, k, taps, out, n);
        return 0;
    case 8: s->affine_i16(out, x->w[0], n, (const int16_t[]){yes ? 1 : -1, k[1], -200, 900}); return 0;
    case 38: s->scale_i16(out, x->w[0], n, (int16_t)(k[2] * 109), k[1]); return 0;
    case 9: s->abs_i16(out, x->w[0], n); return 0;
    case 10: s->add_i16(out, x->w[0], x->w[1], n); return 0;
    case 11: s->sub_i16(out, x->w[0], x->w[1], n); return 0;
    case 12: s->max_i16(out, x->w[0], x->w[1], n); return 0;
    case 13: s->min_i16(out, x->w[0], x->w[1], n); return 0;
    case 14: s->best_u8(x->b, taps, yes, out, n); return 0;
    case 16: s->pick_u8(x->b, taps, yes, out, n); return 0;
    case 17: s->median_u8(x->b, yes ? 3 : 1, 3, to, 1 + taps % 4, n); return 0;
    case 18: s->median_u8(x->b, yes ? 3 : 1, 5, (uint8_t *[9]){to[0], to[1], to[2], to[3], to[3] + n, to[3] + 2 * n,
                          to[3] + 3 * n, to[3] + 4 * n, to[3] + 5 * n}, taps, n); return 0;
    case 20: s->mean4_u8(out, x->b[0], x->b[1], n); return 0;
    case 21: s->zip_u8(x->b[0], x->b[1], n, out); return 0;
    case 22: s->zip_i16(x->w[0], x->w[1], n, out); return 0;
    case 23: {
        int16_t *row = (int16_t *)out + 2 * n, *sums = row + n; /* begin as the buffer was filled */
        for (size_t i = 0; i < n; i++) row[i] = sums[i] = 0;
        const struct convd_boxes box = {.x = x->b[0], .step = yes ? 3 : 1, .taps = taps, .row = row, .sums = sums, .shift = 1,
                                      .frac = (int)taps % 5, .k = 20000, .bytes = out, .words = (int16_t *)out + n};
        s->box_u8(&box, n);
        return 0;
    }
    case 24:
        for (size_t i = 0; i < taps / 2; i++) k[taps - 1 - i] = k[i];
        s->smooth_u8(x->b, k, taps, (int)taps % 7, out, n);
        return 0;
    case 33: case 34: case 35: case 36: {
        const int16_t *t[10];
        void *rows[8];
        struct convd_fused q = {.t = t, .step = yes ? 3 : 1, .terms = (size_t)t_between(&draw, 1, 2), .largest = taps % 2,
                               .outs = 1 + taps % 8, .frac = (int)taps % 5, .bytes = f > 33, .even = f > 34, .count = f > 35,
                               .y = rows};
        const bool gradient = t_between(&draw, 0, 1), sobel = gradient && t_between(&draw, 0, 1);
        for (size_t i = 0; i < 10; i++) t[i] = x->w[i] + 8;
        for (size_t o = 0; o < 8; o++) rows[o] = (char *)out + o * n * (f > 33 ? 1 : 2);
        for (size_t i = 0; i < 2; i++) {
            struct convd_fused_term *term = &q.term[i];
            term->odd_row = gradient ? i == 0 : t_between(&draw, 0, 1);
            term->odd_column = gradient ? i == 1 : t_between(&draw, 0, 1);
            term->absolute = gradient || t_between(&draw, 0, 1);
            for (int16_t a = 0; a < 2 && sobel; a++) term->row[a] = term->column[a] = (int16_t)(yes ? 1 + a : -1 - a);
            for (size_t a = 0; a < 2 && !sobel; a++) {
                term->row[a] = (int16_t)(a && term->odd_row ? 0 : t_between(&draw, -2, 2));
                term->column[a] = (int16_t)(a && term->odd_column ? 0 : t_between(&draw, -1, 1));
            }
        }
        return s->fused_i16(&q, n);
    }
    case 15: case 31: case 32: {
        const size_t wide = f == 15 ? 3 : (size_t)t_between(&draw, 1, 5), size = f == 32 ? 2 : 1;
        void *rows[CONVD_BEST_OUTS];
        const struct convd_best q = {.rows = f == 32 ? (const void *const *)x->w : (const void *const *)x->b, .words = f == 32,
                                   .step = yes ? 3 : 1, .kh = f == 15 ? 3 : taps, .kw = wide,
                                   .largest = t_between(&draw, 0, 1), .y = rows, .outs = (size_t)t_between(&draw, 1, 8)};
        for (size_t o = 0; o < q.outs; o++) rows[o] = (char *)out + o * n * size;
        s->best_window(&q, n);
        return 0;
    }
    case 29: case 30: {
        const size_t many = 1 + taps * 2;
        for (size_t i = 0; i < many / 2; i++) k[many - 1 - i] = k[i];
        struct convd_smooth q = {.t = x->w, .k = k, .taps = many, .outs = (size_t)t_between(&draw, 1, 4), .frac = (int)taps % 6,
                                 .bytes = f > 29, .y = {out}};
        for (size_t o = 1; o < 4; o++) q.y[o] = (char *)q.y[o - 1] + n * (f > 29 ? 1 : 2);
        s->smooth_down(&q, n);
        return 0;
    }
    case 19: case 37: {
        static char room[17 * 16 * (CONVD_MEDIAN_STRIP + 128)]; /* convd_medians_room(129) */
        const size_t step = yes ? 3 : 1, kh = 1 + 2 * (size_t)t_between(&draw, 0, f == 19 ? 4 : 7),
                     kw = 1 + 2 * (size_t)t_between(&draw, 0, f == 19 ? 4 : 16);
        const struct convd_medians q = {.rows = x->b, .step = step, .kh = kh, .kw = kw, .outs = 1 + taps % 5,
                                        .y = (uint8_t *[8]){to[0], to[1], to[2], to[3], to[3] + n, to[3] + 2 * n,
                                                            to[3] + 3 * n, to[3] + 4 * n}, .room = room};
        s->median_window(&q, n / step * step);
        return 0;
    }
    case 25: s->zip4_u8(x->b, n, out); return 0;
    default: {
        const bool fours = t_between(&draw, 0, 1);
        struct convd_groups q = {.x = (const void *const *)(fours ? (const void *)x->b : x->w),
                                      .fours = fours,
                                      .groups = 1 + taps % 3,
                                      .outs = (size_t)1 << t_between(&draw, 0, 2),
                                      .at = (const ptrdiff_t[]){0, 3, 7},
                                      .steps = 1 + taps % 2,
                                      .k = k,
                                      .bias = k[61],
                                      .scale = 0.001f,
                                      .bytes = f > 26,
                                      .count = f > 27,
                                      .y = {out}};
        const size_t row = n * (f > 26 ? 1 : 2);
        for (size_t o = 1; o < CONVD_GROUPS_OUTS; o++) q.y[o] = (char *)q.y[o - 1] + row;
        return s->taps_group(&q, n);
    }
    }
}

TEST(integers_are_the_same_bits_everywhere)
{
    struct t_rng r = t_rng(7);
    static struct ints x;
    static char y[16 * MOST + 64], want[sizeof y];
    const struct convd_simd *s, *ref = convd_simd_at(0);
    for (size_t v = 1; (s = convd_simd_at(v)); v++)
        for (int f = 0; f < 39; f++)
            for (size_t n = 0; n < MOST - 16; n += n < 140 ? 1 : 13) {
                const struct t_rng draw = r;
                draw_ints(&x, &r, f == 3 || f == 4 || (f > 25 && f < 29) ? 32767 : 1600);
                memset(y, 0x5a, sizeof y);
                memset(want, 0x5a, sizeof want);
                EQ(int_loop(ref, f, &x, n, draw, want), int_loop(s, f, &x, n, draw, y));
                if (memcmp(y, want, sizeof y) != 0) T_FAIL("%s: loop %d, n %zu", s->name, f, n);
            }
}

TEST(extremes_and_sums_of_floats_agree_with_ref)
{
    struct t_rng r = t_rng(8);
    const struct convd_simd *s, *ref = convd_simd_at(0);
    for (size_t v = 1; (s = convd_simd_at(v)); v++)
        for (size_t n = 1; n < 300; n += n < 170 ? 1 : 7)
            for (enum kind kind = 0; kind < KINDS; kind++) {
                float *t[5], *y = guarded(n), *want = guarded(n);
                const size_t taps = (size_t)t_between(&r, 1, 5);
                const bool yes = t_between(&r, 0, 1);
                double part[CONVD_SUM_PARTS] = {1}, expected[CONVD_SUM_PARTS] = {1};
                for (size_t i = 0; i < 5; i++) t[i] = row_of(&r, kind, 2 * n);
                s->best_rows((const float *const *)t, taps, yes, y, n);
                ref->best_rows((const float *const *)t, taps, yes, want, n);
                for (size_t i = 0; i < n; i++) OK(same(y[i], want[i]) || y[i] == want[i]);
                s->best_twos((const float *const *)t, taps, yes, y, n);
                ref->best_twos((const float *const *)t, taps, yes, want, n);
                for (size_t i = 0; i < n; i++) OK(same(y[i], want[i]) || y[i] == want[i]);
                const float a = s->best_of(t[0], n, yes), b = ref->best_of(t[0], n, yes);
                OK(same(a, b) || a == b);
                s->sum_f64(t[1], n, part);
                ref->sum_f64(t[1], n, expected);
                for (size_t i = 0; i < CONVD_SUM_PARTS; i++) OK(part[i] == expected[i] || part[i] != part[i]);
                check_guards(y, 0, n, n, "extremes");
                check_guards(want, 0, n, n, "ref");
                for (size_t i = 0; i < 5; i++) free(t[i]);
            }
}

/* Windows of n columns over a map of exactly its size, some of which stick out above and below. */
struct square_case {
    struct convd_squares q;
    float *x;
    size_t inputs, outputs;
    char what[200];
};

static struct square_case draw_squares(struct t_rng *r, const char *isa, size_t n, enum kind kind)
{
    struct square_case c = {.q = {.h = (ptrdiff_t)t_between(r, 1, 9),
                                  .stride = (ptrdiff_t)t_between(r, 1, 3),
                                  .taps = (size_t)t_between(r, 1, CONVD_SQUARES_MOST),
                                  .n = n,
                                  .three = t_between(r, 0, 1),
                                  .edge = t_between(r, 0, 1),
                                  .largest = t_between(r, 0, 1)}};
    const size_t before = c.q.three && !c.q.edge;
    c.q.first = -(ptrdiff_t)t_between(r, 0, (int)c.q.taps - 1);
    c.q.rows = (c.q.h - 1 - c.q.first) / c.q.stride + 1;
    c.q.row = (ptrdiff_t)(2 * n + before);
    c.q.y_row = (ptrdiff_t)n;
    c.inputs = (size_t)c.q.h * (2 * n + before);
    c.outputs = (size_t)c.q.rows * n;
    c.x = row_of(r, kind, c.inputs);
    c.q.x = c.x + before;
    snprintf(
        c.what, sizeof c.what,
        "%s: %zu columns, %zu rows of %td from %td on, %td apart, three %d edge %d largest %d, %s",
        isa, n, c.q.taps, c.q.h, c.q.first, c.q.stride, c.q.three, c.q.edge, c.q.largest,
        kind_words[kind]);
    return c;
}

TEST(squares_agree_with_ref)
{
    struct t_rng r = t_rng(14);
    const struct convd_simd *s;
    for (size_t v = 1; (s = convd_simd_at(v)); v++)
        for (size_t n = 1; n < 80; n++)
            for (int round = 0; round < 24; round++) {
                struct square_case c =
                    draw_squares(&r, s->name, n, (enum kind)t_between(&r, 0, KINDS - 1));
                float *y = guarded(c.outputs), *want = guarded(c.outputs);
                c.q.y = y;
                s->best_squares(&c.q);
                c.q.y = want;
                convd_simd_at(0)->best_squares(&c.q);
                for (size_t i = 0; i < c.outputs; i++)
                    if (!same(y[i], want[i]))
                        T_FAIL("%s: number %zu is %.9g, expected %.9g", c.what, i, (double)y[i],
                               (double)want[i]);
                check_guards(y, 0, c.outputs, c.outputs, "squares");
                check_guards(want, 0, c.outputs, c.outputs, "ref");
                free(c.x);
            }
}

/* Few different numbers, so that many windows have several largest ones; back to some of the rows. */
static void check_squares_back(const struct convd_simd *s, struct t_rng *r, size_t n)
{
    const struct convd_simd *ref = convd_simd_at(0);
    struct square_case c = draw_squares(r, s->name, n, t_between(r, 0, 3) ? RANDOM : WITH_NAN);
    for (size_t i = 0; i < c.inputs; i++)
        if (c.x[i] == c.x[i]) c.x[i] = (float)(int)(c.x[i] * 3);
    float *y = row_of(r, RANDOM, c.outputs), *dy = row_of(r, RANDOM, c.outputs);
    float *dx[2] = {guarded(c.inputs), guarded(c.inputs)};
    uint8_t *code[2] = {malloc(c.outputs), malloc(c.outputs)};
    c.q.y = y;
    ref->best_squares(&c.q);
    ref->squares_won(&c.q, code[0], c.q.y_row);
    s->squares_won(&c.q, code[1], c.q.y_row);
    if (memcmp(code[0], code[1], c.outputs) != 0) T_FAIL("%s: other winners", c.what);
    struct convd_squares_back back = {.of = c.q,
                                      .code = code[0],
                                      .code_row = c.q.y_row,
                                      .dy = dy,
                                      .dy_row = c.q.y_row,
                                      .dx_row = c.q.row,
                                      .from = t_between(r, 0, (int)c.q.h),
                                      .fresh = t_between(r, 0, 1)};
    back.to = t_between(r, (int)back.from, (int)c.q.h);
    for (size_t i = 0; i < c.inputs; i++) dx[0][i] = dx[1][i] = draw(r, RANDOM);
    back.dx = dx[0] + (c.q.x - c.x);
    ref->squares_back(&back);
    back.dx = dx[1] + (c.q.x - c.x);
    s->squares_back(&back);
    for (size_t i = 0; i < c.inputs; i++)
        if (!same(dx[0][i], dx[1][i]))
            T_FAIL("%s, back to [%td,%td) fresh %d: number %zu is %.9g, expected %.9g", c.what,
                   back.from, back.to, back.fresh, i, (double)dx[1][i], (double)dx[0][i]);
    for (int k = 0; k < 2; k++) {
        check_guards(dx[k], 0, c.inputs, c.inputs, "squares_back");
        free(code[k]);
    }
    free(c.x), free(y), free(dy);
}

TEST(squares_go_back_as_in_ref)
{
    struct t_rng r = t_rng(15);
    const struct convd_simd *s;
    for (size_t v = 1; (s = convd_simd_at(v)); v++)
        for (size_t n = CONVD_SQUARES_LEAST; n < 70; n++)
            for (int round = 0; round < 24; round++) check_squares_back(s, &r, n);
}

/* Rows of every filter and of runs of Paeth, of every pixel size; memory of exactly the sizes. */
TEST(rows_of_png_agree_with_ref)
{
    static const size_t sizes[] = {1, 2, 3, 4, 6, 8};
    struct t_rng r = t_rng(9);
    const struct convd_simd *s, *ref = convd_simd_at(0);
    for (size_t v = 1; (s = convd_simd_at(v)); v++)
        for (size_t q = 0; q < sizeof sizes / sizeof *sizes; q++)
            for (size_t pixels = 1; pixels < 70; pixels++) {
                const size_t n = pixels * sizes[q], rows = (size_t)t_between(&r, 1, 9);
                uint8_t *x = malloc(rows * (n + 1)), *above = malloc(n), *y = malloc(rows * n), *want = malloc(rows * n);
                const unsigned mask = t_between(&r, 0, 1) ? 255 : 3;
                for (size_t i = 0; i < rows * (n + 1); i++) x[i] = (uint8_t)(t_random(&r) & mask);
                for (size_t i = 0; i < n; i++) above[i] = (uint8_t)t_random(&r);
                for (size_t i = 0; i < rows; i++)
                    x[i * (n + 1)] = (uint8_t)(t_between(&r, 0, 1) ? 4 : t_between(&r, 0, 3));
                for (int filter = 0; filter < 5; filter++) {
                    ref->png_row(filter, x, above, n, sizes[q], want);
                    s->png_row(filter, x, above, n, sizes[q], y);
                    if (memcmp(y, want, n) != 0)
                        T_FAIL("%s: filter %d of %zu pixels of %zu bytes", s->name, filter, pixels, sizes[q]);
                }
                OK(ref->png_rows(x, rows, n, sizes[q], above, want));
                OK(s->png_rows(x, rows, n, sizes[q], above, y));
                if (memcmp(y, want, rows * n) != 0)
                    T_FAIL("%s: %zu rows of %zu pixels of %zu bytes", s->name, rows, pixels, sizes[q]);
                x[(rows - 1) * (n + 1)] = 5;
                OK(!s->png_rows(x, rows, n, sizes[q], above, y) && !ref->png_rows(x, rows, n, sizes[q], above, want));
                free(x), free(above), free(y), free(want);
            }
}

TEST(a_variant_is_chosen_by_name_and_never_missing)
{
    const struct convd_simd *s, *best = convd_simd_choose(NULL);
    OK(best);
    for (size_t v = 0; (s = convd_simd_at(v)); v++) {
        STR(s->name, convd_simd_choose(s->name)->name);
#define SIMD(TYPE, NAME, ARGUMENTS) OK(s->NAME);
#include "../core/simd/simd.def"
#undef SIMD
    }
    STR(best->name, convd_simd_choose("no such set")->name);
    OK(strcmp(best->name, "ref") != 0);
    print_message("best: %s\n", best->name);
}

T_MAIN("simd_all")
