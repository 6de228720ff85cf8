/* winograd_back.c: the gradient of 3x3 kernels by Winograd: with y = A^T (U * V) A, dL/dU = sum over tiles of
 * (A dL/dy A^T) * V, and dL/dk = G^T dL/dU G; see winograd.c.
 *
 * Tiles begin with the rows that are asked for. The sums over the tiles of a block are dot products of rows, which want
 * rows of some hundred numbers: blocks are large and their transforms pass through the third level cache. Sums of blocks add
 * up in double. A block that sees numbers without bounds is done directly. */
#include "winograd.h"
#include <string.h>

enum {
    BUDGET = 8 * 1048576, /* bytes of V and M                                            */
    SIDE_BY_SIDE = 32,    /* kernels that are transformed together                       */
    TILES = 224,          /* of a block at most: V and M stay in the third level cache   */
    LEAST_TILES = 96,     /* of a row of taps: below, adding up its parts costs too much */
};

static ptrdiff_t tiles_of(const struct convd_corr *r)
{
    const ptrdiff_t room =
        BUDGET / (NUMBERS * (r->in + r->out) * (ptrdiff_t)sizeof(float)) / VECTOR * VECTOR;
    return least(room, TILES);
}

bool convd_wino_products_pay(const struct convd_corr *r)
{
    const ptrdiff_t across = up(r->y.w, SIDE) / SIDE, all = across * (up(r->y.h, SIDE) / SIDE),
                    tiles = tiles_of(r);
    return convd_wino_pays(r) && across <= tiles && least(tiles, all) >= LEAST_TILES;
}

struct products {
    struct wino wino;
    double *sums; /* [number][c][o] of a group */
    float *taps;  /* what dots gives: [c][o]   */
    const float **t;
    char *behind;
};

static size_t open(struct products *q, const struct convd_corr *r, char *scratch)
{
    const size_t plane = (size_t)(r->in * r->out), direct = convd_products_bytes(r);
    size_t bytes, at[3];
    if (!convd_wino_measure(&q->wino, r, tiles_of(r), r->out)) return SIZE_MAX;
    at[0] = bytes = q->wino.bytes;
    if (!convd_room(&bytes, plane, NUMBERS * sizeof(double))) return SIZE_MAX;
    at[1] = bytes;
    if (!convd_room(&bytes, plane, sizeof(float))) return SIZE_MAX;
    at[2] = bytes;
    if (!convd_room(&bytes, (size_t)r->in, sizeof(float *))) return SIZE_MAX;
    if (scratch) {
        q->sums = (double *)(void *)(scratch + at[0]);
        q->taps = part(scratch, at[1]);
        q->t = (const float **)(void *)(scratch + at[2]);
        q->behind = scratch + bytes;
    }
    return convd_add(bytes, direct, &bytes) ? bytes : SIZE_MAX;
}

size_t convd_wino_products_bytes(const struct convd_corr *r)
{
    struct products q;
    return open(&q, r, NULL);
}

/* dL/dM of a block's tiles for channel o of y, the n-th of its group. */
static void transform_back(const struct wino *q, const struct block *b, const struct convd_view *y,
                           ptrdiff_t o, ptrdiff_t n, char *scratch, bool *direct)
{
    const struct convd_corr *r = q->r;
    const struct convd_simd *simd = r->simd;
    const ptrdiff_t first = q->origin + SIDE * b->i, row = SIDE * q->step;
    float *line = part(scratch, q->line), *quarters = part(scratch, q->quarters);
    memset(line + r->y.w, 0, (size_t)(row - r->y.w) * sizeof *line);
    for (ptrdiff_t i = 0; i < SIDE * b->rows; i++, quarters += row) {
        if (first + i >= q->end) {
            memset(quarters, 0, (size_t)row * sizeof *quarters);
            continue;
        }
        memcpy(line, convd_row(y, o, first + i), (size_t)r->y.w * sizeof *line);
        if (!simd->quarters(line, (size_t)q->step, quarters, (size_t)q->step))
            direct[i / SIDE] = true;
    }
    for (ptrdiff_t i = 0; i < b->rows; i++)
        simd->wino_back(part(scratch, q->quarters) + i * SIDE * row, (size_t)q->step,
                        (size_t)up(b->columns, VECTOR),
                        part(scratch, q->m) + n * q->length + i * b->columns, (size_t)m_plane(q));
}

/* Adds the products of the block's tiles to the sums. */
static void multiply(const struct products *p, const struct block *b, char *scratch)
{
    const struct wino *q = &p->wino;
    const struct convd_corr *r = q->r;
    double *sum = p->sums;
    for (ptrdiff_t i = 0; i < NUMBERS; i++) {
        const float *v = part(scratch, q->v) + i * v_plane(q),
                    *m = part(scratch, q->m) + i * m_plane(q);
        for (ptrdiff_t c = 0; c < r->in; c++) p->t[c] = v + c * q->length;
        for (ptrdiff_t o = 0, n; o < r->out; o += n, sum += r->in * n) {
            const float *d[CONVD_TAPS_OUTS];
            n = least(CONVD_TAPS_OUTS, r->out - o);
            for (ptrdiff_t k = 0; k < n; k++) d[k] = m + (o + k) * q->length;
            r->simd->dots(p->t, (size_t)r->in, d, (size_t)n, (size_t)(b->rows * b->columns),
                          p->taps);
            for (ptrdiff_t k = 0; k < r->in * n; k++) sum[k] += (double)p->taps[k];
        }
    }
}

/* G^T dL/dU G of n kernels side by side. */
static void transform(double g[6][3], const double *u, ptrdiff_t plane, ptrdiff_t n,
                      double k[9][SIDE_BY_SIDE])
{
    double h[3][6][SIDE_BY_SIDE] = {{{0}}};
    memset(k, 0, 9 * sizeof *k);
    for (int i = 0; i < 6; i++)
        for (int j = 0; j < 6; j++, u += plane)
            for (int a = 0; a < 3; a++)
                for (ptrdiff_t e = 0; e < n; e++) h[a][j][e] += g[i][a] * u[e];
    for (int a = 0; a < 3; a++)
        for (int j = 0; j < 6; j++)
            for (int b = 0; b < 3; b++)
                for (ptrdiff_t e = 0; e < n; e++) k[3 * a + b][e] += h[a][j][e] * g[j][b];
}

/* Adds the sums to the kernels of a group. */
static void transform_kernels(const struct products *p, double *k)
{
    const struct convd_corr *r = p->wino.r;
    double g[6][3], own[9][SIDE_BY_SIDE];
    convd_wino_factors(g);
    for (ptrdiff_t first = 0, m; first < r->out; first += m) {
        m = least(CONVD_TAPS_OUTS, r->out - first);
        for (ptrdiff_t at = 0, n; at < r->in * m; at += n) {
            n = least(SIDE_BY_SIDE, r->in * m - at);
            transform(g, p->sums + first * r->in + at, r->in * r->out, n, own);
            for (ptrdiff_t e = 0; e < n; e++) {
                double *to = k + ((first + (at + e) % m) * r->in + (at + e) / m) * 9;
                for (int i = 0; i < 9; i++) to[i] += own[i][e];
            }
        }
    }
}

/* A block of rows of tiles for one group; false: it must be done directly. */
static bool add_block(const struct products *p, const struct block *b, const struct convd_view *x,
                      const struct convd_view *y, ptrdiff_t g, char *scratch)
{
    const struct wino *q = &p->wino;
    bool *direct = (bool *)part(scratch, q->direct), any = false;
    memset(direct, 0, (size_t)b->rows * sizeof *direct);
    for (ptrdiff_t c = 0; c < q->r->in; c++)
        convd_wino_in(q, b, x, g * q->r->in + c, c, scratch, direct);
    for (ptrdiff_t o = 0; o < q->r->out; o++)
        transform_back(q, b, y, g * q->r->out + o, o, scratch, direct);
    for (ptrdiff_t i = 0; i < b->rows; i++) any |= direct[i];
    if (!any) multiply(p, b, scratch);
    return !any;
}

void convd_wino_products(const struct convd_corr *r, const struct convd_view *x,
                         const struct convd_view *y, struct convd_rows rows, double *k,
                         void *scratch)
{
    struct products p;
    const size_t size = (size_t)(NUMBERS * r->in * r->out) * sizeof(double);
    if (rows.y0 >= rows.y1) return;
    open(&p, r, scratch);
    p.wino.origin = rows.y0;
    p.wino.end = rows.y1;
    const ptrdiff_t down = up(rows.y1 - rows.y0, SIDE) / SIDE,
                    blocks = (down + p.wino.rows - 1) / p.wino.rows,
                    step = (down + blocks - 1) / blocks; /* all of about the same size */
    for (ptrdiff_t g = 0; g < r->groups; g++) {
        memset(p.sums, 0, size);
        for (ptrdiff_t i = 0; i < down; i += step) {
            const struct block b = {i, 0, least(step, down - i), p.wino.across};
            if (add_block(&p, &b, x, y, g, scratch)) continue;
            const ptrdiff_t first = rows.y0 + SIDE * i;
            convd_products_group(r, x, y,
                                 (struct convd_rows){first, least(first + SIDE * b.rows, rows.y1)},
                                 g, k, p.behind);
        }
        transform_kernels(&p, k + g * r->out * r->in * 9);
    }
}
