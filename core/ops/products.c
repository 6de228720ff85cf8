/* products.c: sums over a map of products of two numbers: the gradient of kernels; see correlate.h.
 *
 * What tap (c, a, b) reads under rows of y is laid out as one long row, in step with y, whose rows lie so already: then a
 * kernel number is the dot product of two long rows. Taps that differ in a only read the same rows, moved by whole ones, and
 * share one layout, a unit. Dot products are taken of about LENGTH numbers at a time: so many that adding up the parts of a
 * sum costs little, so few that four channels of y stay in the first level cache. Their sums add up in double. */
#include "correlate.h"

enum {
    LENGTH = 1024,
    BUDGET = 384 * 1024 / sizeof(float), /* floats of all units laid out at once */
    UNITS = 16,                          /* so many at least, before more rows   */
};

struct products {
    const struct convd_corr *r;
    const struct convd_view *x, *y;
    double *k, *bias;
    ptrdiff_t rows;    /* of y in one dot product                               */
    ptrdiff_t columns; /* of y: all, or some where one row is longer than LENGTH */
    ptrdiff_t laid;    /* rows of y that a layout is for: some times rows       */
    ptrdiff_t planes;  /* sets of rows in a unit                                */
    ptrdiff_t extra;   /* rows of a plane beyond those laid                     */
    bool apart;        /* a plane for each a                                    */
    ptrdiff_t unit;    /* floats of a unit                                      */
    ptrdiff_t at_once; /* units laid out at the same time                       */
    bool flat;         /* rows of x are used where they lie                     */
    float *layout, *ones, *sums;
    const float **t, **moved;
};

/* About LENGTH numbers; where a little more makes whole vectors of them, these. */
static ptrdiff_t rows_of_dot(ptrdiff_t w, ptrdiff_t h)
{
    const ptrdiff_t rows = LENGTH / w;
    for (ptrdiff_t more = rows; more * w <= LENGTH * 5 / 4; more++)
        if (more * w % CONVD_DOTS_PARTS == 0) return least(more, h);
    return least(rows, h);
}

/* Planes for the rows laid: those of one row phase, or, where taps are too far apart to share rows, one for each a. */
static void lay_planes(struct products *q)
{
    const struct convd_window *w = &q->r->window;
    q->planes = least(w->kh, w->sh / convd_common(w->sh, w->dh));
    q->extra = (w->kh - 1) * w->dh / w->sh;
    q->apart = q->extra > 2 * q->laid;
    if (q->apart) {
        q->planes = w->kh;
        q->extra = 0;
    }
    q->unit = q->planes * (q->laid + q->extra) * q->columns;
}

/* dense: rows of y follow each other without gaps. */
static void measure(struct products *q, const struct convd_corr *r, bool dense)
{
    const ptrdiff_t units = r->in * r->window.kw;
    *q = (struct products){.r = r, .rows = 1, .columns = least(r->y.w, LENGTH)};
    if (dense && r->y.w < LENGTH) q->rows = rows_of_dot(r->y.w, r->y.h);
    q->laid = q->rows;
    lay_planes(q);
    const ptrdiff_t room =
        (ptrdiff_t)BUDGET / (q->planes * q->columns * least(units, UNITS)) - q->extra;
    q->laid = most(least(room, r->y.h) / q->rows, 1) * q->rows;
    lay_planes(q);
    const ptrdiff_t fit = most((ptrdiff_t)BUDGET / q->unit, 1), turns = (units + fit - 1) / fit;
    q->at_once = (units + turns - 1) / turns;
}

static size_t place(struct products *q, char *base)
{
    const size_t taps = (size_t)(q->at_once * q->r->window.kh + 1);
    const size_t counts[5] = {(size_t)(q->at_once * q->unit), (size_t)(q->rows * q->columns),
                              taps * CONVD_TAPS_OUTS, taps, taps};
    const size_t sizes[5] = {sizeof(float), sizeof(float), sizeof(float), sizeof(float *),
                             sizeof(float *)};
    size_t at[5], bytes = 0;
    for (int i = 0; i < 5; i++) {
        at[i] = bytes;
        if (!convd_room(&bytes, counts[i], sizes[i])) return SIZE_MAX;
    }
    if (base) {
        q->layout = (float *)(void *)(base + at[0]);
        q->ones = (float *)(void *)(base + at[1]);
        q->sums = (float *)(void *)(base + at[2]);
        q->t = (const float **)(void *)(base + at[3]);
        q->moved = (const float **)(void *)(base + at[4]);
    }
    return bytes;
}

/* Room for either way that rows of y may lie. */
size_t convd_products_bytes(const struct convd_corr *r)
{
    struct products q, gaps;
    measure(&q, r, true);
    measure(&gaps, r, false);
    const size_t a = place(&q, NULL), b = place(&gaps, NULL);
    return a > b ? a : b;
}

/* A block of y: rows [i, i+rows), columns [j, j+columns). */
struct block {
    ptrdiff_t i, j, rows, columns;
};

/* Plane p of channel c under tap column b. */
static void lay_plane(const struct products *q, const struct block *at, ptrdiff_t c, ptrdiff_t b,
                      ptrdiff_t p, float *out)
{
    const struct convd_corr *r = q->r;
    const struct convd_window *w = &r->window;
    const ptrdiff_t phase = q->apart ? p * w->dh : p * w->dh % w->sh;
    if (w->sh == 1 && w->sw == 1 && at->columns == r->x.w) {
        convd_border_shift(q->x, c, at->i + phase - w->top, at->rows + q->extra,
                           b * w->dw - w->left, r->mode, r->value, out);
        return;
    }
    for (ptrdiff_t m = 0; m < at->rows + q->extra; m++, out += at->columns) {
        const ptrdiff_t v =
            convd_border_index(r->mode, (at->i + m) * w->sh + phase - w->top, r->x.h);
        convd_border_line(v < 0 ? NULL : convd_row(q->x, c, v), r->x.w,
                          at->j * w->sw + b * w->dw - w->left, w->sw, at->columns, r->mode,
                          r->value, out);
    }
}

/* Lays out units [u0,u1) of group g and says what each of their taps reads. Returns the number of taps. */
static size_t lay_out(const struct products *q, const struct block *at, ptrdiff_t g, ptrdiff_t u0,
                      ptrdiff_t u1)
{
    const struct convd_window *w = &q->r->window;
    const ptrdiff_t plane = (at->rows + q->extra) * at->columns;
    size_t n = 0;
    for (ptrdiff_t u = u0; u < u1; u++) {
        const ptrdiff_t c = g * q->r->in + u / w->kw;
        float *unit = q->layout + (u - u0) * q->unit;
        if (q->flat) {
            q->t[n++] = convd_row(q->x, c, at->i) + at->j;
            continue;
        }
        for (ptrdiff_t p = 0; p < q->planes; p++)
            lay_plane(q, at, c, u % w->kw, p, unit + p * plane);
        for (ptrdiff_t a = 0; a < w->kh; a++)
            q->t[n++] =
                unit + a % q->planes * plane + (q->apart ? 0 : a * w->dh / w->sh * at->columns);
    }
    return n;
}

/* Adds the sums of m outputs from o on: tap n of the list is row n mod kh of unit u0 + n / kh; the last may be the ones. */
static void add_up(const struct products *q, ptrdiff_t u0, ptrdiff_t u1, ptrdiff_t o, ptrdiff_t m,
                   bool ones)
{
    const struct convd_window *w = &q->r->window;
    const float *sum = q->sums;
    const ptrdiff_t first = q->r->shared ? o % q->r->out : o, size = q->r->in * w->kh * w->kw;
    for (ptrdiff_t u = u0; u < u1; u++) {
        double *k = q->k + first * size + u / w->kw * w->kh * w->kw + u % w->kw;
        for (ptrdiff_t a = 0; a < w->kh; a++, k += w->kw, sum += m)
            for (ptrdiff_t n = 0; n < m; n++) k[n * size] += (double)sum[n];
    }
    for (ptrdiff_t n = 0; ones && n < m; n++) q->bias[o + n] += (double)sum[n];
}

/* Outputs [o,o+m) with the taps that are laid out, all rows of the block. */
static void multiply(const struct products *q, const struct block *at, size_t taps, ptrdiff_t u0,
                     ptrdiff_t u1, ptrdiff_t o, ptrdiff_t m, bool ones)
{
    const ptrdiff_t step = q->flat ? q->x->row : at->columns;
    for (ptrdiff_t i = 0; i < at->rows; i += q->rows) {
        const float *d[CONVD_TAPS_OUTS];
        const ptrdiff_t rows = least(q->rows, at->rows - i);
        for (ptrdiff_t n = 0; n < m; n++) d[n] = convd_row(q->y, o + n, at->i + i) + at->j;
        for (size_t n = 0; n < taps; n++) q->moved[n] = q->t[n] + i * step;
        if (ones) q->moved[taps] = q->ones;
        q->r->simd->dots(q->moved, taps + ones, d, (size_t)m, (size_t)(rows * at->columns),
                         q->sums);
        add_up(q, u0, u1, o, m, ones);
    }
}

/* A block for one group: its units, some at a time, and the sums of y with the last of them. */
static void add_group(const struct products *q, const struct block *at, ptrdiff_t g)
{
    const ptrdiff_t units = q->k ? q->r->in * q->r->window.kw : 0, end = (g + 1) * q->r->out;
    ptrdiff_t u = 0;
    do {
        const ptrdiff_t next = least(u + q->at_once, units);
        const size_t taps = lay_out(q, at, g, u, next);
        for (ptrdiff_t o = g * q->r->out; o < end; o += CONVD_TAPS_OUTS)
            multiply(q, at, taps, u, next, o, least(CONVD_TAPS_OUTS, end - o),
                     q->bias && next == units);
        u = next;
    } while (u < units);
}

/* 1x1 without stride or border, rows without gaps: x lies in step with y. */
static bool is_flat(const struct products *q)
{
    const struct convd_window *w = &q->r->window;
    return w->kh == 1 && w->kw == 1 && w->sh == 1 && w->sw == 1 && w->top == 0 && w->left == 0 &&
           q->r->x.w == q->r->y.w && q->r->x.h == q->r->y.h &&
           (q->rows == 1 || q->x->row == q->x->w);
}

/* Groups [g0,g1). */
static void add_groups(const struct convd_corr *r, const struct convd_view *x,
                       const struct convd_view *y, struct convd_rows rows, ptrdiff_t g0,
                       ptrdiff_t g1, double *k, double *bias, void *scratch)
{
    struct products q;
    measure(&q, r, y->row == y->w);
    place(&q, scratch);
    q.x = x;
    q.y = y;
    q.k = k;
    q.bias = bias;
    q.flat = is_flat(&q);
    for (ptrdiff_t j = 0; j < q.rows * q.columns; j++) q.ones[j] = 1;
    for (ptrdiff_t i = rows.y0; i < rows.y1; i += q.laid)
        for (ptrdiff_t j = 0; j < r->y.w; j += q.columns) {
            const struct block at = {i, j, least(q.laid, rows.y1 - i),
                                     least(q.columns, r->y.w - j)};
            for (ptrdiff_t g = g0; g < g1; g++) add_group(&q, &at, g);
        }
}

void convd_products_group(const struct convd_corr *r, const struct convd_view *x,
                          const struct convd_view *y, struct convd_rows rows, ptrdiff_t group,
                          double *k, void *scratch)
{
    add_groups(r, x, y, rows, group, group + 1, k, NULL, scratch);
}

void convd_products(const struct convd_corr *r, const struct convd_view *x,
                    const struct convd_view *y, struct convd_rows rows, double *k, double *bias,
                    void *scratch)
{
    if (k || bias) add_groups(r, x, y, rows, 0, r->groups, k, bias, scratch);
}
