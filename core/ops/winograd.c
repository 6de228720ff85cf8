/* winograd.c: 3x3 windows without stride by Winograd's F(4x4): 36 products for 16 outputs in place of 144; see correlate.h
 * and simd/winograd.h.
 *
 * A block of tiles, some rows of them, is transformed for all input channels; then each of the 36 numbers is a 1x1
 * convolution over the block (`taps`), and its sums are transformed back. Tiles stand where the map begins, whatever rows are
 * asked for, and what lies behind the last window is 0: so every number comes out the same however the rows are cut.
 * Rows of tiles that see a number beyond 2^64 or none at all are done directly, for a NaN belongs to its windows only. */
#include "winograd.h"
#include "../simd/winograd.h"
#include <string.h>

enum {
    SIDE_BY_SIDE = 32,    /* kernels that are transformed together                  */
    TILES = 112,          /* of a block: whole vectors of every set, V in L2        */
    OUTS = 16,            /* channels whose M is made at a time: then it is in L2   */
    BUDGET = 4 * 1048576, /* bytes of V                                             */
};

/* Cycles of 16 tiles with 16 lanes, counted: transforms are about 200 instructions a channel. */
bool convd_wino_pays(const struct convd_corr *r)
{
    const struct convd_window *w = &r->window;
    if (w->kh != 3 || w->kw != 3 || w->sh != 1 || w->sw != 1 || w->dh != 1 || w->dw != 1 ||
        r->shared || r->in < 16 || r->out < 16 ||
        r->in > 1024) /* errors grow with the root of the channels: 5e-6 there */
        return false;
    const double tiles =
        (double)(up(r->y.h, SIDE) * up(r->y.w, SIDE)) / ((double)r->y.h * (double)r->y.w);
    const double in = (double)r->in, out = (double)r->out;
    return tiles * (NUMBERS * in * out + 250 * (in + out)) < 0.9 * 144 * in * out;
}

size_t convd_wino_count(const struct convd_corr *r)
{
    return (size_t)(r->groups * r->in * r->out) * NUMBERS;
}

void convd_wino_factors(double g[6][3])
{
    const double a = WINO_A, b = WINO_B, points[5] = {0, a, -a, b, -b};
    const double n[5] = {a * a * b * b, 2 * a * a * (a * a - b * b), 2 * a * a * (a * a - b * b),
                         2 * b * b * (b * b - a * a), 2 * b * b * (b * b - a * a)};
    for (int i = 0; i < 5; i++) {
        g[i][0] = 1 / n[i];
        g[i][1] = points[i] / n[i];
        g[i][2] = points[i] * points[i] / n[i];
    }
    g[5][0] = g[5][1] = 0;
    g[5][2] = 1;
}

/* U of n kernels side by side. */
static void transform(const double g[6][3], double k[9][SIDE_BY_SIDE], ptrdiff_t n, float *u,
                      ptrdiff_t plane)
{
    double h[6][3][SIDE_BY_SIDE];
    for (int i = 0; i < 6; i++)
        for (int j = 0; j < 3; j++)
            for (ptrdiff_t e = 0; e < n; e++)
                h[i][j][e] = g[i][0] * k[j][e] + g[i][1] * k[3 + j][e] + g[i][2] * k[6 + j][e];
    for (int i = 0; i < 6; i++)
        for (int j = 0; j < 6; j++, u += plane)
            for (ptrdiff_t e = 0; e < n; e++)
                u[e] = (float)(h[i][0][e] * g[j][0] + h[i][1][e] * g[j][1] + h[i][2][e] * g[j][2]);
}

void convd_corr_turn(const struct convd_corr *r, struct convd_corr *t)
{
    *t = *r;
    t->mode = CONVD_MODE_ZEROS;
    t->in = r->out;
    t->out = r->in;
    t->x = r->y;
    t->y = r->x;
    t->window.top = r->window.kh - 1 - r->window.top;
    t->window.left = r->window.kw - 1 - r->window.left;
}

/* From one tap of output o of a group to the next, as gather has them. */
static ptrdiff_t tap_step(const struct convd_corr *r, ptrdiff_t o)
{
    return least(CONVD_TAPS_OUTS, r->out - o / CONVD_TAPS_OUTS * CONVD_TAPS_OUTS);
}

/* Number i of kernel [o,c] of r as gather has it. */
static float weight(const struct convd_corr *r, const float *gather, ptrdiff_t o, ptrdiff_t c,
                    ptrdiff_t i)
{
    return gather[convd_gather_index(r, o, c, i / 3, i % 3)];
}

void convd_wino_pack(const struct convd_corr *r, const float *gather, bool turned, float *u,
                     size_t part, size_t parts)
{
    const ptrdiff_t plane = r->in * r->out, outs = turned ? r->in : r->out,
                    in = turned ? r->out : r->in,
                    blocks = (outs + CONVD_TAPS_OUTS - 1) / CONVD_TAPS_OUTS;
    const struct convd_rows own = convd_share(r->groups * blocks, part, parts);
    double factors[6][3], k[9][SIDE_BY_SIDE];
    convd_wino_factors(factors);
    for (ptrdiff_t b = own.y0; b < own.y1; b++) { /* blocks of taps: [input][output] */
        const ptrdiff_t g = b / blocks, first = b % blocks * CONVD_TAPS_OUTS,
                        m = least(CONVD_TAPS_OUTS, outs - first);
        float *to = u + g * NUMBERS * plane + first * in;
        for (ptrdiff_t at = 0, n; at < in * m; at += n) {
            n = least(SIDE_BY_SIDE, in * m - at);
            for (ptrdiff_t e = 0; e < n; e++) {
                const ptrdiff_t o = first + (at + e) % m, c = (at + e) / m;
                const float *from =
                    gather + (turned ? convd_gather_index(r, g * r->out + c, o, 0, 0)
                                     : convd_gather_index(r, g * r->out + o, c, 0, 0));
                const ptrdiff_t step = turned ? tap_step(r, c) : tap_step(r, o);
                for (ptrdiff_t i = 0; i < 9; i++) k[turned ? 8 - i : i][e] = (double)from[i * step];
            }
            transform(factors, k, n, to + at, plane);
        }
    }
}

/* ---- blocks ---------------------------------------------------------------------------------- */

bool convd_wino_measure(struct wino *q, const struct convd_corr *r, ptrdiff_t tiles, ptrdiff_t outs)
{
    *q = (struct wino){.r = r, .end = r->y.h, .across = up(r->y.w, SIDE) / SIDE, .outs = outs};
    q->columns = least(q->across, tiles);
    q->rows = least(most(tiles / q->columns, 1), up(r->y.h, SIDE) / SIDE);
    q->step = up(q->columns + 1, VECTOR);
    q->length = up(q->rows * q->columns, VECTOR) + VECTOR;
    const size_t counts[] = {(size_t)(SIDE * q->step),
                             (size_t)((SIDE * q->rows + 2) * SIDE * q->step),
                             (size_t)(6 * SIDE * q->step + VECTOR),
                             (size_t)(NUMBERS * v_plane(q)),
                             (size_t)(NUMBERS * m_plane(q)),
                             (size_t)r->in * sizeof(float *) / sizeof(float),
                             (size_t)(SIDE * up(r->y.w, VECTOR)),
                             (size_t)q->rows};
    size_t *const at[] = {&q->line, &q->quarters, &q->w, &q->v, &q->m, &q->t, &q->y, &q->direct};
    for (size_t i = 0; i < sizeof at / sizeof *at; i++) {
        *at[i] = q->bytes;
        if (!convd_room(&q->bytes, counts[i], sizeof(float))) return false;
    }
    return true;
}

static bool measure(struct wino *q, const struct convd_corr *r)
{
    const ptrdiff_t room = BUDGET / (NUMBERS * r->in * (ptrdiff_t)sizeof(float)) / VECTOR * VECTOR;
    return convd_wino_measure(q, r, most(least(room, TILES), VECTOR), least(r->out, OUTS));
}

/* Room for blocks, then for turned kernels, then for what is done directly. */
static bool behind(const struct convd_corr *r, const struct wino *q, size_t *kernels, size_t *bytes)
{
    const size_t direct = convd_gather_bytes(r, true);
    *kernels = *bytes = q->bytes;
    return convd_room(bytes, convd_corr_count(r), sizeof(float)) &&
           convd_add(*bytes, direct, bytes);
}

size_t convd_wino_bytes(const struct convd_corr *r)
{
    struct wino q;
    size_t kernels, bytes;
    return measure(&q, r) && behind(r, &q, &kernels, &bytes) ? bytes : SIZE_MAX;
}

struct convd_rows convd_wino_rows(struct convd_rows y, ptrdiff_t h)
{
    return (struct convd_rows){y.y0 / SIDE * SIDE, least(up(y.y1, SIDE), h)};
}

struct convd_rows convd_wino_cut(const struct wino *q, const struct convd_view *x, ptrdiff_t c,
                                 const struct convd_quartered *rows, ptrdiff_t v, ptrdiff_t column)
{
    struct convd_quartered cut = *rows;
    const ptrdiff_t lo = most(-column, 0), hi = least((ptrdiff_t)rows->hi, x->w - column);
    const struct convd_rows none = {0, 0}, own = {most(x->y0 + (lo > 0) - v, 0),
                                                  least(least(x->y1, x->h) - (hi % VECTOR > 0) - v,
                                                        (ptrdiff_t)rows->rows)};
    if (x->row != x->w || x->w < VECTOR || hi <= lo || own.y0 >= own.y1) return none;
    cut.x = convd_row(x, c, v + own.y0) + column;
    cut.x_row = (size_t)x->row;
    cut.lo = (size_t)lo;
    cut.hi = (size_t)hi;
    cut.rows = (size_t)(own.y1 - own.y0);
    cut.n = cut.step = (size_t)q->step;
    cut.y += own.y0 * SIDE * q->step;
    return q->r->simd->quartered(&cut) ? own : none;
}

/* Whether what is outside is 0. */
static bool zeros_outside(const struct convd_corr *r)
{
    return r->mode == CONVD_MODE_ZEROS ||
           (r->mode == CONVD_MODE_CONSTANT && r->value == 0 && !signbit(r->value));
}

/* Rows of a channel are too few for the processor to see the next ones coming: those of the next channel. */
static void expect_row(const struct convd_view *x, ptrdiff_t c, ptrdiff_t i, ptrdiff_t width)
{
    for (ptrdiff_t j = 0; j < least(width, x->w); j += VECTOR)
        __builtin_prefetch(convd_row(x, c, i) + j);
}

void convd_wino_in(const struct wino *q, const struct block *b, const struct convd_view *x,
                   ptrdiff_t c, ptrdiff_t n, void *scratch, bool *direct)
{
    const struct convd_corr *r = q->r;
    const struct convd_simd *simd = r->simd;
    const ptrdiff_t first = q->origin + SIDE * b->i,
                    lines = least(SIDE * b->rows, q->end - first) + 2,
                    width = least(SIDE * b->columns, r->y.w - SIDE * b->j) + 2,
                    row = SIDE * q->step;
    float *line = part(scratch, q->line), *quarters = part(scratch, q->quarters);
    const struct convd_quartered all = {.y = quarters,
                                        .rows = zeros_outside(r) ? (size_t)lines : 0,
                                        .hi = (size_t)width,
                                        .ahead = n + 1 < r->in ? x->plane : 0};
    const struct convd_rows inside =
        convd_wino_cut(q, x, c, &all, first - r->window.top, SIDE * b->j - r->window.left);
    memset(line + width, 0, (size_t)(row - width) * sizeof *line);
    for (ptrdiff_t i = 0; i < SIDE * b->rows + 2; i++, quarters += row) {
        if (i >= inside.y0 && i < inside.y1) continue;
        const ptrdiff_t v = convd_border_index(r->mode, first + i - r->window.top, r->x.h);
        if (i >= lines) {
            memset(quarters, 0, (size_t)row * sizeof *quarters); /* behind the last window */
            continue;
        }
        if (v >= 0 && n + 1 < r->in) expect_row(x, c + 1, v, width);
        convd_border_line(v < 0 ? NULL : convd_row(x, c, v), r->x.w, SIDE * b->j - r->window.left,
                          1, width, r->mode, r->value, line);
        if (simd->quarters(line, (size_t)q->step, quarters, (size_t)q->step)) continue;
        for (ptrdiff_t k = most(i - 5, 0) / SIDE; k <= i / SIDE && k < b->rows; k++)
            direct[k] |= k * SIDE + 6 > i;
    }
    for (ptrdiff_t i = 0; i < b->rows; i++)
        simd->wino_in(part(scratch, q->quarters) + i * SIDE * row, (size_t)q->step,
                      (size_t)up(b->columns, VECTOR),
                      part(scratch, q->v) + n * q->length + i * b->columns, (size_t)v_plane(q),
                      part(scratch, q->w));
}

/* M of outputs [first,end), for the whole block. */
static void multiply(const struct wino *q, const struct block *b, const float *u, ptrdiff_t first,
                     ptrdiff_t end, void *scratch)
{
    static const float none[CONVD_TAPS_OUTS];
    const struct convd_corr *r = q->r;
    const float **t = (const float **)(void *)part(scratch, q->t);
    for (ptrdiff_t i = 0; i < NUMBERS; i++, u += r->in * r->out) {
        const float *v = part(scratch, q->v) + i * v_plane(q);
        float *m = part(scratch, q->m) + i * m_plane(q);
        for (ptrdiff_t c = 0; c < r->in; c++) t[c] = v + c * q->length;
        for (ptrdiff_t o = first, n; o < end; o += n) {
            float *y[CONVD_TAPS_OUTS];
            n = least(CONVD_TAPS_OUTS, end - o);
            for (ptrdiff_t k = 0; k < n; k++) y[k] = m + (o - first + k) * q->length;
            r->simd->taps(t, u + o * r->in, (size_t)r->in, none, y, (size_t)n, 0,
                          (size_t)(b->rows * b->columns));
        }
    }
}

/* Outputs of channel o of y, the n-th of those in M; rows of tiles in `direct` are left alone. */
static void transform_out(const struct wino *q, const struct block *b, float bias,
                          const struct convd_view *y, ptrdiff_t o, ptrdiff_t n, bool add,
                          void *scratch, const bool *direct)
{
    const struct convd_corr *r = q->r;
    const size_t width = (size_t)least(SIDE * b->columns, r->y.w - SIDE * b->j);
    for (ptrdiff_t i = 0; i < b->rows; i++) {
        const ptrdiff_t first = SIDE * (b->i + i);
        float *own[SIDE], *to[SIDE];
        for (ptrdiff_t k = 0; k < SIDE; k++) {
            const bool mine = first + k >= y->y0 && first + k < y->y1;
            own[k] = mine ? convd_row(y, o, first + k) + SIDE * b->j : NULL;
            to[k] = mine && !add ? own[k] : part(scratch, q->y) + k * up(r->y.w, VECTOR);
        }
        if (direct[i]) continue;
        r->simd->wino_out(part(scratch, q->m) + n * q->length + i * b->columns, (size_t)m_plane(q),
                          bias, to, width);
        for (ptrdiff_t k = 0; add && k < SIDE; k++)
            if (own[k]) r->simd->add(own[k], own[k], to[k], width);
    }
}

/* Rows of tiles that are done directly: turned kernels are packed for it, since this is rare. */
static void do_directly(const struct wino *q, const struct block *b,
                        const struct convd_wino_bank *k, ptrdiff_t g, const struct convd_view *x,
                        const struct convd_view *y, bool add, char *kernels, const bool *direct)
{
    const struct convd_corr *r = q->r;
    const struct convd_rows columns = {SIDE * b->j, least(SIDE * (b->j + b->columns), r->y.w)};
    const float *bank = k->k;
    size_t bytes = 0;
    convd_room(&bytes, convd_corr_count(r), sizeof(float));
    for (ptrdiff_t i = 0; i < b->rows; i++) {
        const ptrdiff_t first = SIDE * (b->i + i);
        const struct convd_rows rows = {most(first, y->y0), least(first + SIDE, y->y1)};
        if (!direct[i]) continue;
        if (k->turned && bank == k->k) {
            float *to = (float *)(void *)kernels;
            for (ptrdiff_t o = 0; o < r->groups * r->out; o++)
                for (ptrdiff_t c = 0; c < r->in; c++)
                    for (ptrdiff_t n = 0; n < 9; n++)
                        to[convd_gather_index(r, o, c, n / 3, n % 3)] =
                            weight(k->of, k->k, o / r->out * r->in + c, o % r->out, 8 - n);
            bank = to;
        }
        const struct convd_view part = rows_of(y, rows);
        convd_gather_part(r, bank, k->bias, x, &part, add, g, columns, kernels + bytes);
    }
}

static void run_block(const struct wino *q, const struct block *b, const struct convd_wino_bank *k,
                      ptrdiff_t g, const struct convd_view *x, const struct convd_view *y, bool add,
                      void *scratch)
{
    const struct convd_corr *r = q->r;
    bool *direct = (bool *)part(scratch, q->direct), any = false;
    size_t kernels, bytes;
    memset(direct, 0, (size_t)b->rows * sizeof *direct);
    for (ptrdiff_t c = 0; c < r->in; c++) convd_wino_in(q, b, x, g * r->in + c, c, scratch, direct);
    for (ptrdiff_t first = 0; first < r->out; first += OUTS) {
        const ptrdiff_t end = least(first + OUTS, r->out);
        multiply(q, b, k->u + g * NUMBERS * r->in * r->out, first, end, scratch);
        for (ptrdiff_t n = first, o = g * r->out + first; n < end; n++, o++)
            transform_out(q, b, k->bias ? k->bias[o] : 0, y, o, n - first, add, scratch, direct);
    }
    for (ptrdiff_t i = 0; i < b->rows; i++) any |= direct[i];
    behind(r, q, &kernels, &bytes);
    if (any) do_directly(q, b, k, g, x, y, add, (char *)scratch + kernels, direct);
}

void convd_wino(const struct convd_wino_bank *k, const struct convd_view *x,
                const struct convd_view *y, bool add, void *scratch)
{
    struct convd_corr r = *k->of;
    struct wino q;
    if (k->turned) convd_corr_turn(k->of, &r);
    measure(&q, &r);
    const ptrdiff_t end = up(y->y1, SIDE) / SIDE;
    for (ptrdiff_t g = 0; g < r.groups; g++)
        for (ptrdiff_t i = y->y0 / SIDE; i < end; i += q.rows)
            for (ptrdiff_t j = 0; j < q.across; j += q.columns) {
                const struct block b = {i, j, least(q.rows, end - i),
                                        least(q.columns, q.across - j)};
                run_block(&q, &b, k, g, x, y, add, scratch);
            }
}
