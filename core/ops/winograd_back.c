/* winograd_back.c: the gradient of 3x3 kernels by Winograd: with y = A^T (U * V) A, dL/dU = sum over tiles of
 * (A dL/dy A^T) * V, and dL/dk = G^T dL/dU G; see winograd.c.
 *
 * Tiles begin with the rows that are asked for. For each of the 36 numbers the sums over the tiles of a block are a product
 * of matrices, [c][tile] times [tile][o]; they go on from block to block and from sample to sample, in float, and G is for
 * the end. A block that sees numbers without bounds is done directly. */
#include "winograd.h"
#include <string.h>

enum {
    BUDGET = 8 * 1048576, /* bytes of V and M                                          */
    SIDE_BY_SIDE = 32,    /* kernels that are transformed together                     */
    TILES = 112,          /* of a block: V and M are read once, the sums for every one */
    LEAST_TILES = 16,     /* of a map: below, sums cost more than they save            */
    PANEL =
        64, /* outputs whose tiles are turned at a time: a block of them is in the first level cache */
};

static ptrdiff_t tiles_of(const struct convd_corr *r)
{
    const ptrdiff_t room =
        BUDGET / (NUMBERS * (r->in + r->out) * (ptrdiff_t)sizeof(float)) / VECTOR * VECTOR;
    return least(room, TILES);
}

bool convd_wino_products_pay(const struct convd_corr *r)
{
    const ptrdiff_t across = up(r->y.w, SIDE) / SIDE, all = across * (up(r->y.h, SIDE) / SIDE);
    return convd_wino_pays(r) && across <= tiles_of(r) && all >= LEAST_TILES;
}

/* Sums are [group][number][c][o], rows of whole vectors. */
static ptrdiff_t sums_row(const struct convd_corr *r)
{
    return up(r->out, VECTOR);
}

size_t convd_wino_sums_count(const struct convd_corr *r)
{
    return (size_t)(r->groups * NUMBERS * r->in * sums_row(r));
}

struct products {
    struct wino wino;
    float *panel; /* [tile][o] */
    char *behind;
};

static size_t open(struct products *q, const struct convd_corr *r, char *scratch)
{
    const size_t direct = convd_products_bytes(r);
    size_t bytes;
    if (!convd_wino_measure(&q->wino, r, tiles_of(r), r->out)) return SIZE_MAX;
    const size_t panel = bytes = q->wino.bytes;
    if (!convd_room(&bytes, (size_t)(q->wino.rows * q->wino.columns), PANEL * sizeof(float)))
        return SIZE_MAX;
    if (scratch) {
        q->panel = part(scratch, panel);
        q->behind = scratch + bytes;
    }
    return convd_add(bytes, direct, &bytes) ? bytes : SIZE_MAX;
}

size_t convd_wino_products_bytes(const struct convd_corr *r)
{
    struct products q;
    return open(&q, r, NULL);
}

/* dL/dM of a block's tiles for channel o of y, the n-th of its group; the sum of dL/dy is added to bias. */
static void transform_back(const struct wino *q, const struct block *b, const struct convd_view *y,
                           ptrdiff_t o, ptrdiff_t n, double *bias, char *scratch, bool *direct)
{
    const struct convd_corr *r = q->r;
    const struct convd_simd *simd = r->simd;
    const ptrdiff_t first = q->origin + SIDE * b->i, row = SIDE * q->step;
    float *line = part(scratch, q->line), *quarters = part(scratch, q->quarters);
    double sums[CONVD_SUM_PARTS] = {0};
    const struct convd_quartered all = {.y = quarters,
                                        .rows = (size_t)least(SIDE * b->rows, q->end - first),
                                        .hi = (size_t)r->y.w,
                                        .ahead = n + 1 < r->out ? y->plane : 0};
    const struct convd_rows inside = convd_wino_cut(q, y, o, &all, first, 0);
    if (bias && inside.y0 < inside.y1)
        simd->sum_f64(convd_row(y, o, first + inside.y0),
                      (size_t)((inside.y1 - inside.y0) * r->y.w), sums);
    memset(line + r->y.w, 0, (size_t)(row - r->y.w) * sizeof *line);
    for (ptrdiff_t i = 0; i < SIDE * b->rows; i++, quarters += row) {
        if (i >= inside.y0 && i < inside.y1) continue;
        if (first + i >= q->end) {
            memset(quarters, 0, (size_t)row * sizeof *quarters);
            continue;
        }
        memcpy(line, convd_row(y, o, first + i), (size_t)r->y.w * sizeof *line);
        if (bias) simd->sum_f64(line, (size_t)r->y.w, sums);
        if (!simd->quarters(line, (size_t)q->step, quarters, (size_t)q->step))
            direct[i / SIDE] = true;
    }
    for (int i = 0; bias && i < CONVD_SUM_PARTS; i++) *bias += sums[i];
    for (ptrdiff_t i = 0; i < b->rows; i++)
        simd->wino_back(part(scratch, q->quarters) + i * SIDE * row, (size_t)q->step,
                        (size_t)up(b->columns, VECTOR),
                        part(scratch, q->m) + n * q->length + i * b->columns, (size_t)m_plane(q));
}

/* Adds the products of the block's tiles to the sums of a group. */
static void multiply(const struct products *p, const struct block *b, char *scratch, float *sums)
{
    const struct wino *q = &p->wino;
    const struct convd_corr *r = q->r;
    const ptrdiff_t tiles = b->rows * b->columns;
    for (ptrdiff_t i = 0; i < NUMBERS; i++, sums += r->in * sums_row(r))
        for (ptrdiff_t first = 0; first < r->out; first += PANEL) {
            const ptrdiff_t outs = least(PANEL, r->out - first), whole = up(outs, VECTOR);
            r->simd->turn(part(scratch, q->m) + i * m_plane(q) + first * q->length,
                          (size_t)q->length, (size_t)outs, (size_t)tiles, p->panel, PANEL);
            for (ptrdiff_t t = 0; outs < whole && t < tiles; t++)
                memset(p->panel + t * PANEL + outs, 0, (size_t)(whole - outs) * sizeof *p->panel);
            r->simd->multiply(&(struct convd_matrices){.a = part(scratch, q->v) + i * v_plane(q),
                                                       .a_row = (size_t)q->length,
                                                       .b = p->panel,
                                                       .b_row = PANEL,
                                                       .y = sums + first,
                                                       .y_row = (size_t)sums_row(r),
                                                       .rows = (size_t)r->in,
                                                       .n = (size_t)whole,
                                                       .depth = (size_t)tiles});
        }
}

/* Transforms a block of rows of tiles of one group; false: it must be done directly. */
static bool transform_block(const struct wino *q, const struct block *b, const struct convd_view *x,
                            const struct convd_view *y, ptrdiff_t g, double *bias, char *scratch)
{
    bool *direct = (bool *)part(scratch, q->direct), any = false;
    memset(direct, 0, (size_t)b->rows * sizeof *direct);
    for (ptrdiff_t c = 0; c < q->r->in; c++)
        convd_wino_in(q, b, x, g * q->r->in + c, c, scratch, direct);
    for (ptrdiff_t o = 0; o < q->r->out; o++)
        transform_back(q, b, y, g * q->r->out + o, o, bias ? bias + g * q->r->out + o : NULL,
                       scratch, direct);
    for (ptrdiff_t i = 0; i < b->rows; i++) any |= direct[i];
    return !any;
}

bool convd_wino_products(const struct convd_corr *r, const struct convd_view *x,
                         const struct convd_view *y, struct convd_rows rows, float *sums, double *k,
                         double *bias, void *scratch)
{
    struct products p;
    bool used = false;
    if (rows.y0 >= rows.y1) return false;
    open(&p, r, scratch);
    p.wino.origin = rows.y0;
    p.wino.end = rows.y1;
    const ptrdiff_t down = up(rows.y1 - rows.y0, SIDE) / SIDE,
                    blocks = (down + p.wino.rows - 1) / p.wino.rows,
                    step = (down + blocks - 1) / blocks; /* all of about the same size */
    for (ptrdiff_t g = 0; g < r->groups; g++, sums += NUMBERS * r->in * sums_row(r))
        for (ptrdiff_t i = 0; i < down; i += step) {
            const struct block b = {i, 0, least(step, down - i), p.wino.across};
            if (transform_block(&p.wino, &b, x, y, g, bias, scratch)) {
                multiply(&p, &b, scratch, sums);
                continue;
            }
            const ptrdiff_t first = rows.y0 + SIDE * i;
            if (!used) memset(k, 0, convd_corr_count(r) * sizeof *k);
            used = true;
            convd_products_group(r, x, y,
                                 (struct convd_rows){first, least(first + SIDE * b.rows, rows.y1)},
                                 g, k, p.behind);
        }
    return used;
}

/* ---- kernels --------------------------------------------------------------------------------- */

/* G^T of six rows of n numbers: of points p and -p the even and the odd part. */
static void three(double g[6][3], double (*u)[SIDE_BY_SIDE], ptrdiff_t step, ptrdiff_t n,
                  double (*h)[SIDE_BY_SIDE], ptrdiff_t to)
{
    const double *u0 = u[0], *u1 = u[step], *u2 = u[2 * step], *u3 = u[3 * step], *u4 = u[4 * step],
                 *u5 = u[5 * step];
    for (ptrdiff_t e = 0; e < n; e++) {
        const double a = u1[e] + u2[e], b = u3[e] + u4[e];
        h[0][e] = g[0][0] * u0[e] + g[1][0] * a + g[3][0] * b;
        h[to][e] = g[1][1] * (u1[e] - u2[e]) + g[3][1] * (u3[e] - u4[e]);
        h[2 * to][e] = g[1][2] * a + g[3][2] * b + u5[e];
    }
}

/* G^T dL/dU G of n kernels side by side. */
static void transform(double g[6][3], double u[NUMBERS][SIDE_BY_SIDE], ptrdiff_t n,
                      double k[9][SIDE_BY_SIDE])
{
    double h[3 * 6][SIDE_BY_SIDE];
    for (int j = 0; j < 6; j++) three(g, u + j, 6, n, h + j, 6);
    for (int a = 0; a < 3; a++) three(g, h + 6 * a, 1, n, k + 3 * a, 1);
}

void convd_wino_give(const struct convd_corr *r, const float *sums, size_t stride, size_t workers,
                     struct convd_rows outs, double *k)
{
    const ptrdiff_t row = sums_row(r), plane = r->in * row;
    double g[6][3], u[NUMBERS][SIDE_BY_SIDE], own[9][SIDE_BY_SIDE];
    convd_wino_factors(g);
    for (ptrdiff_t o = outs.y0, n; o < outs.y1; o += n) {
        const ptrdiff_t at = o % r->out;
        n = least(least(SIDE_BY_SIDE, r->out - at), outs.y1 - o);
        for (ptrdiff_t c = 0; c < r->in; c++) {
            const float *from = sums + o / r->out * NUMBERS * plane + c * row + at;
            memset(u, 0, sizeof u);
            for (size_t worker = 0; worker < workers; worker++)
                for (ptrdiff_t i = 0; i < NUMBERS; i++) {
                    const float *v = from + worker * (stride / sizeof *v) + (size_t)(i * plane);
                    for (ptrdiff_t e = 0; e < n; e++) u[i][e] += (double)v[e];
                }
            transform(g, u, n, own);
            for (ptrdiff_t e = 0; e < n; e++)
                for (int i = 0; i < 9; i++) k[((o + e) * r->in + c) * 9 + i] += own[i][e];
        }
    }
}
