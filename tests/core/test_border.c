/* Padding modes against their definitions, padded copies and sliding lines against plain indexing. */
#include "../../core/border.h"
#include "../../core/simd/simd.h"
#include "../t.h"

#define MODES 6

/* What numpy.pad writes around arange(n), five to each side: constant, reflect, symmetric, edge, wrap. */
static const struct {
    enum convd_mode mode;
    ptrdiff_t n;
    ptrdiff_t index[20];
} padded[] = {
    {CONVD_MODE_ZEROS, 3, {-1, -1, -1, -1, -1, 0, 1, 2, -1, -1, -1, -1, -1}},
    {CONVD_MODE_CONSTANT, 2, {-1, -1, -1, -1, -1, 0, 1, -1, -1, -1, -1, -1}},
    {CONVD_MODE_REFLECT, 3, {1, 0, 1, 2, 1, 0, 1, 2, 1, 0, 1, 2, 1}},
    {CONVD_MODE_REFLECT, 4, {1, 2, 3, 2, 1, 0, 1, 2, 3, 2, 1, 0, 1, 2}},
    {CONVD_MODE_REFLECT, 2, {1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0}},
    {CONVD_MODE_REFLECT, 1, {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}},
    {CONVD_MODE_SYMMETRIC, 3, {1, 2, 2, 1, 0, 0, 1, 2, 2, 1, 0, 0, 1}},
    {CONVD_MODE_SYMMETRIC, 2, {0, 0, 1, 1, 0, 0, 1, 1, 0, 0, 1, 1}},
    {CONVD_MODE_SYMMETRIC, 1, {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}},
    {CONVD_MODE_REPLICATE, 3, {0, 0, 0, 0, 0, 0, 1, 2, 2, 2, 2, 2, 2}},
    {CONVD_MODE_CIRCULAR, 3, {1, 2, 0, 1, 2, 0, 1, 2, 0, 1, 2, 0, 1}},
    {CONVD_MODE_CIRCULAR, 2, {1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0}},
};

TEST(indexes_are_numpy_pads)
{
    for (size_t k = 0; k < sizeof padded / sizeof *padded; k++)
        for (ptrdiff_t i = -5; i < padded[k].n + 5; i++)
            EQ(padded[k].index[i + 5], convd_border_index(padded[k].mode, i, padded[k].n));
}

/* Walks from 0 to i one step at a time, turning at the ends: the definition, with no arithmetic to share. */
static ptrdiff_t walk(enum convd_mode mode, ptrdiff_t i, ptrdiff_t n)
{
    if (mode == CONVD_MODE_ZEROS || mode == CONVD_MODE_CONSTANT) return i >= 0 && i < n ? i : -1;
    ptrdiff_t at = 0, way = 1, steps = i;
    if (i < 0) { /* mirror the walk: index -i seen from the other direction */
        way = -1;
        steps = -i;
    }
    for (; steps > 0; steps--) {
        ptrdiff_t next = at + way;
        if (next < 0 || next >= n) {
            switch (mode) {
            case CONVD_MODE_REFLECT:
                way = -way;
                next = n == 1 ? at : at + way;
                break;
            case CONVD_MODE_SYMMETRIC:
                way = -way;
                next = at;
                break;
            case CONVD_MODE_CIRCULAR:
                next = next < 0 ? n - 1 : 0;
                break;
            default:
                next = at;
                break;
            }
        }
        at = next;
    }
    return at;
}

TEST(indexes_far_outside_follow_the_walk)
{
    for (enum convd_mode mode = 0; mode < MODES; mode++)
        for (ptrdiff_t n = 1; n <= 9; n++)
            for (ptrdiff_t i = -60; i <= 60; i++) {
                const ptrdiff_t want = walk(mode, i, n), got = convd_border_index(mode, i, n);
                if (want != got)
                    T_FAIL("mode %d n %td i %td: expected %td, got %td", mode, n, i, want, got);
            }
}

TEST(rows_are_the_smallest_interval)
{
    for (enum convd_mode mode = 0; mode < MODES; mode++)
        for (ptrdiff_t n = 1; n <= 7; n++)
            for (ptrdiff_t lo = -20; lo <= 20; lo++)
                for (ptrdiff_t hi = lo + 1; hi <= 22; hi++) {
                    const struct convd_rows r = convd_border_rows(mode, lo, hi, n);
                    ptrdiff_t first = n, last = -1;
                    for (ptrdiff_t i = lo; i < hi; i++) {
                        const ptrdiff_t k = convd_border_index(mode, i, n);
                        if (k >= 0 && k < first) first = k;
                        if (k > last) last = k;
                    }
                    OK(r.y0 >= 0 && r.y1 <= n && r.y0 < r.y1);
                    if (last < 0)
                        EQ(1, r.y1 - r.y0);
                    else if (r.y0 != first || r.y1 != last + 1)
                        T_FAIL("mode %d n %td [%td,%td): [%td,%td), expected [%td,%td)", mode, n,
                               lo, hi, r.y0, r.y1, first, last + 1);
                }
}

/* Rows [y0,y1) of a c x h x w map whose numbers say where they stand. */
static struct convd_view map_of(ptrdiff_t c, ptrdiff_t h, ptrdiff_t w, ptrdiff_t y0, ptrdiff_t y1)
{
    struct convd_view v = {.c = c, .h = h, .w = w, .y0 = y0, .y1 = y1, .row = w + 3};
    v.plane = v.row * (y1 - y0);
    v.data = malloc((size_t)(v.plane * c) * sizeof *v.data);
    for (ptrdiff_t k = 0; k < c; k++)
        for (ptrdiff_t i = y0; i < y1; i++)
            for (ptrdiff_t j = 0; j < w; j++)
                convd_row(&v, k, i)[j] = (float)(1000000 * k + 1000 * i + j);
    return v;
}

static float want_at(const struct convd_view *x, enum convd_mode mode, float value, ptrdiff_t c,
                     ptrdiff_t i, ptrdiff_t j)
{
    const ptrdiff_t a = walk(mode, i, x->h), b = walk(mode, j, x->w);
    if (a < 0 || b < 0) return mode == CONVD_MODE_ZEROS ? 0 : value;
    return (float)(1000000 * c + 1000 * a + b);
}

TEST(copies_hold_the_border)
{
    struct t_rng r = t_rng(7);
    for (int round = 0; round < 3000; round++) {
        const enum convd_mode mode = (enum convd_mode)t_between(&r, 0, MODES - 1);
        const ptrdiff_t h = t_between(&r, 1, 9), w = t_between(&r, 1, 9),
                        left = t_between(&r, 0, 12), right = t_between(&r, 0, 12);
        const ptrdiff_t lo = t_between(&r, -12, 12), hi = lo + t_between(&r, 1, 8),
                        stride = left + w + right + 2;
        const struct convd_rows rows = convd_border_rows(mode, lo, hi, h);
        struct convd_view x = map_of(2, h, w, rows.y0, rows.y1);
        float *out = malloc((size_t)((hi - lo) * stride) * sizeof *out);
        for (ptrdiff_t i = 0; i < (hi - lo) * stride; i++) out[i] = -7;
        convd_border_copy(&x, 1, lo, hi, left, right, mode, 5.5f, out, stride);
        for (ptrdiff_t i = lo; i < hi; i++)
            for (ptrdiff_t j = -left; j < w + right + 2; j++) {
                const float got = out[(i - lo) * stride + left + j];
                const float want = j < w + right ? want_at(&x, mode, 5.5f, 1, i, j) : -7;
                if (got != want)
                    T_FAIL("mode %d %tdx%td at (%td,%td): %g, expected %g", mode, h, w, i, j,
                           (double)got, (double)want);
            }
        free(out);
        free(x.data);
    }
}

TEST(axes_are_pytorchs)
{
    static const struct {
        enum convd_pad_kind kind;
        ptrdiff_t n, before, after, k, stride, dilation;
        bool up;
        ptrdiff_t want_before, want_after, want_size;
    } cases[] = {
        {CONVD_PAD_EXPLICIT, 5, 0, 0, 3, 1, 1, false, 0, 0, 3},
        {CONVD_PAD_EXPLICIT, 5, 1, 1, 3, 2, 1, false, 1, 1, 3},
        {CONVD_PAD_EXPLICIT, 6, 0, 0, 3, 2, 1, false, 0, 0, 2},
        {CONVD_PAD_EXPLICIT, 6, 0, 0, 3, 2, 1, true, 0, 0, 3},
        {CONVD_PAD_EXPLICIT, 5, 0, 0, 2, 3, 1, true, 0, 0, 2},
        {CONVD_PAD_EXPLICIT, 4, 1, 1, 2, 3, 1, true, 1, 1, 2},
        {CONVD_PAD_EXPLICIT, 3, 0, 0, 5, 1, 1, false, 0, 0, -1},
        {CONVD_PAD_EXPLICIT, 3, 1, 2, 3, 1, 2, false, 1, 2, 2},
        {CONVD_PAD_VALID, 7, 9, 9, 3, 2, 1, false, 0, 0, 3},
        {CONVD_PAD_SAME, 5, 9, 9, 3, 1, 1, false, 1, 1, 5},
        {CONVD_PAD_SAME, 5, 0, 0, 2, 1, 1, false, 0, 1, 5},
        {CONVD_PAD_SAME, 5, 0, 0, 4, 1, 2, false, 3, 3, 5},
        {CONVD_PAD_SAME, 6, 0, 0, 3, 2, 1, false, 0, 1, 3},
        {CONVD_PAD_SAME, 5, 0, 0, 3, 2, 1, false, 1, 1, 3},
        {CONVD_PAD_SAME, 7, 0, 0, 1, 3, 1, false, 0, 0, 3},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const struct convd_axis a =
            convd_axis_resolve(cases[i].kind, cases[i].n, cases[i].before, cases[i].after,
                               cases[i].k, cases[i].stride, cases[i].dilation, cases[i].up);
        if (a.before != cases[i].want_before || a.after != cases[i].want_after ||
            a.size != cases[i].want_size)
            T_FAIL("case %zu: %td %td %td", i, a.before, a.after, a.size);
    }
}

static void check_lines(struct t_rng *r)
{
    const struct convd_window w = {.kh = t_between(r, 1, 6),
                                   .kw = t_between(r, 1, 6),
                                   .sh = t_between(r, 1, 4),
                                   .sw = t_between(r, 1, 4),
                                   .dh = t_between(r, 1, 5),
                                   .dw = t_between(r, 1, 5),
                                   .top = t_between(r, 0, 9),
                                   .left = t_between(r, 0, 9)};
    const ptrdiff_t h = t_between(r, 1, 12), out_h = t_between(r, 1, 10);
    const struct convd_lines_shape s = {.window = w,
                                        .mode = (enum convd_mode)t_between(r, 0, MODES - 1),
                                        .value = 2.5f,
                                        .channels = t_between(r, 1, 3),
                                        .w = t_between(r, 1, 40),
                                        .out_w = t_between(r, 1, 30),
                                        .watch = w.sw == 1,
                                        .simd = convd_simd_at((size_t)t_between(r, 0, 1))};
    const ptrdiff_t y0 = t_between(r, 0, out_h - 1), y1 = t_between(r, y0 + 1, out_h);
    const struct convd_rows rows = convd_border_rows(
        s.mode, y0 * w.sh - w.top, (y1 - 1) * w.sh - w.top + (w.kh - 1) * w.dh + 1, h);
    struct convd_view x = map_of(s.channels + 1, h, s.w, rows.y0, rows.y1);
    const size_t bytes = convd_lines_bytes(&s);
    char *scratch = aligned_alloc(64, bytes);
    struct convd_lines l;
    EQ(0, bytes % 64);
    convd_lines_init(&l, &s, &x, 1, scratch);
    ptrdiff_t seen = 0;
    for (ptrdiff_t turn = 0; turn < l.turns; turn++)
        for (ptrdiff_t y = y0 + turn; y < y1; y += l.turns, seen++) {
            convd_lines_move(&l, y);
            if (s.watch) OK(convd_lines_finite(&l));
            for (ptrdiff_t c = 0; c < s.channels; c++)
                for (ptrdiff_t a = 0; a < w.kh; a++)
                    for (ptrdiff_t b = 0; b < w.kw; b++) {
                        const float *p = convd_lines_tap(&l, c, a, b);
                        for (ptrdiff_t j = 0; j < s.out_w; j++) {
                            const float want =
                                want_at(&x, s.mode, s.value, c + 1, y * w.sh + a * w.dh - w.top,
                                        j * w.sw + b * w.dw - w.left);
                            if (p[j] != want)
                                T_FAIL("row %td column %td tap (%td,%td): %g, expected %g; k "
                                       "%tdx%td s %tdx%td d %tdx%td",
                                       y, j, a, b, (double)p[j], (double)want, w.kh, w.kw, w.sh,
                                       w.sw, w.dh, w.dw);
                        }
                    }
        }
    EQ(y1 - y0, seen);
    free(scratch);
    free(x.data);
}

TEST(lines_show_every_tap_its_numbers)
{
    struct t_rng r = t_rng(8);
    for (int round = 0; round < 4000; round++) check_lines(&r);
}

TEST(lines_tell_windows_that_are_not_finite)
{
    struct convd_view x = map_of(1, 6, 5, 0, 6);
    convd_row(&x, 0, 3)[4] = NAN;
    for (ptrdiff_t left = 0; left < 2; left++) { /* 0: rows are used where they lie */
        const struct convd_lines_shape s = {
            .window =
                {.kh = 2, .kw = left ? 3 : 1, .sh = 1, .sw = 1, .dh = 1, .dw = 1, .left = left},
            .mode = CONVD_MODE_REPLICATE,
            .channels = 1,
            .w = 5,
            .out_w = 5,
            .watch = true,
            .simd = convd_simd_choose(NULL)};
        char *scratch = aligned_alloc(64, convd_lines_bytes(&s));
        struct convd_lines l;
        convd_lines_init(&l, &s, &x, 0, scratch);
        EQ(left == 0, l.direct);
        for (ptrdiff_t y = 0; y < 6; y++) {
            convd_lines_move(&l, y);
            EQ(!(y == 2 || y == 3), convd_lines_finite(&l));
        }
        free(scratch);
    }
    free(x.data);
}

TEST(lines_of_columns_hold_the_border_and_folding_gives_it_back)
{
    struct t_rng r = t_rng(9);
    for (int round = 0; round < 2000; round++) {
        const ptrdiff_t w = t_between(&r, 1, 9), n = t_between(&r, 0, 30),
                        step = t_between(&r, 1, 3), from = t_between(&r, -12, 12);
        const enum convd_mode mode = (enum convd_mode)t_between(&r, 0, 5);
        float x[9], y[30], t[30], back[9] = {0};
        double want[9] = {0};
        for (ptrdiff_t i = 0; i < w; i++) x[i] = (float)(i + 1);
        convd_border_line(x, w, from, step, n, mode, 50, y);
        for (ptrdiff_t m = 0; m < n; m++) {
            const ptrdiff_t k = convd_border_index(mode, from + m * step, w);
            NEAR(k >= 0 ? x[k] : mode == CONVD_MODE_ZEROS ? 0 : 50, y[m], 0);
            t[m] = (float)t_between(&r, -9, 9);
            if (k >= 0) want[k] += (double)t[m];
        }
        convd_border_fold(t, from, step, n, mode, convd_simd_choose(NULL), back, w);
        for (ptrdiff_t i = 0; i < w; i++) NEAR(want[i], back[i], 0);
    }
}

TEST(lines_need_no_more_memory_for_more_rows)
{
    struct convd_lines_shape s = {
        .window = {.kh = 3, .kw = 3, .sh = 1, .sw = 1, .dh = 1000, .dw = 1, .left = 1},
        .channels = 2,
        .w = 100,
        .out_w = 100};
    OK(convd_lines_bytes(&s) < 3 * 2 * (112 * 4 + 8) + 128);
    s.channels = PTRDIFF_MAX / 4;
    OK(convd_lines_bytes(&s) == SIZE_MAX);
}

T_MAIN("core/border")
