/* merge.c: the shape of a merge, and its way back; see merge.h. */
#include "merge.h"
#include <string.h>

/* The common size of one axis, or 0 after nothing fits. */
static ptrdiff_t common(ptrdiff_t a, ptrdiff_t b)
{
    return a == b || b == 1 ? a : a == 1 ? b : 0;
}

bool convd_merge_shape(struct convd_site *s, struct convd_faults *f)
{
    struct convd_shape y = s->x[0];
    for (size_t k = 1; k < s->n; k++) {
        const struct convd_shape *x = &s->x[k];
        struct convd_shape z = {y.n, common(y.c, x->c), common(y.h, x->h), common(y.w, x->w)};
        if (!z.c || !z.h || !z.w) {
            convd_fault_expected(
                f, CONVD_BAD_SHAPE, NULL,
                "the same channels, height and width, or 1 where one input is spread (Cx1x1, "
                "1xHxW)",
                "%tdx%tdx%td and input %zu, which is %tdx%tdx%td, do not merge (CxHxW)", y.c, y.h,
                y.w, k, x->c, x->h, x->w);
            return false;
        }
        y = z;
    }
    y.n = s->y.n;
    s->y = y;
    return true;
}

/* ---- back ---- */

/* Where an input was spread along an axis one number of it stands for all of y's. */
static struct convd_rows spread(ptrdiff_t n, ptrdiff_t of, ptrdiff_t at)
{
    return n == of ? (struct convd_rows){at, at + 1} : (struct convd_rows){0, of};
}

/* What goes back from the block at m->c, m->i to its own place. */
static void block(struct merge_back *m, void (*back)(struct merge_back *m))
{
    memcpy(m->g, convd_row(m->call->dy, m->c, m->i) + m->j0, (size_t)m->n * sizeof *m->g);
    back(m);
}

/* Sums blocks over the rows of y that one row of dx stands for; the sum ends up in m->g, and what it adds up to in *all. */
static void collect(struct merge_back *m, struct convd_rows c, struct convd_rows i,
                    void (*back)(struct merge_back *m), double *all)
{
    double sum[MERGE_BLOCK] = {0};
    for (m->c = c.y0; m->c < c.y1; m->c++)
        for (m->i = i.y0; m->i < i.y1; m->i++) {
            block(m, back);
            for (ptrdiff_t j = 0; j < m->n; j++) sum[j] += (double)m->g[j];
        }
    for (ptrdiff_t j = 0; j < m->n; j++) {
        *all += sum[j];
        m->g[j] = (float)sum[j];
    }
}

static void back_row(struct merge_back *m, ptrdiff_t r, void (*back)(struct merge_back *m))
{
    const struct convd_view *dx = &m->call->dx[m->k], *y = m->call->y;
    const struct convd_rows c = spread(dx->c, y->c, r / dx->h), i = spread(dx->h, y->h, r % dx->h);
    const bool one = dx->w < y->w; /* one number stands for the row */
    float *to = convd_row(dx, r / dx->h, r % dx->h), g[MERGE_BLOCK];
    double all = 0;
    m->g = g;
    for (m->j0 = 0; m->j0 < y->w; m->j0 += MERGE_BLOCK) {
        m->c = c.y0;
        m->i = i.y0;
        m->n = least(MERGE_BLOCK, y->w - m->j0);
        if (one || c.y1 - c.y0 > 1 || i.y1 - i.y0 > 1)
            collect(m, c, i, back, &all);
        else
            block(m, back);
        for (ptrdiff_t j = 0; j < m->n && !one; j++) to[m->j0 + j] += m->g[j];
    }
    if (one) *to += (float)all;
}

void convd_merge_back(const struct convd_back *call, void (*back)(struct merge_back *m))
{
    for (size_t k = 0; k < call->site->n; k++) {
        const struct convd_rows own = part_rows(call, &call->dx[k]);
        struct merge_back m = {.call = call, .k = k, .inputs = call->site->n};
        for (ptrdiff_t r = own.y0; r < own.y1; r++) back_row(&m, r, back);
    }
}

/* What goes to a where it meets b: all to the better one, half to each of two equal ones, all to both where one is NaN: as
 * torch.maximum and torch.minimum. */
static inline float given(float g, float a, float b, bool largest)
{
    const bool worse = largest ? a < b : a > b;
    return worse ? 0 : a == b ? g / 2 : g;
}

void convd_merge_back_best(struct merge_back *m, bool largest)
{
    float spare[MERGE_BLOCK], best[MERGE_BLOCK];
    const float *x = merge_input(m, 0, spare);
    memcpy(best, x, (size_t)m->n * sizeof *best);
    for (size_t q = 1; q < m->inputs; q++) {
        x = merge_input(m, q, spare);
        for (ptrdiff_t j = 0; j < m->n && q == m->k; j++)
            m->g[j] = given(m->g[j], x[j], best[j], largest);
        for (ptrdiff_t j = 0; j < m->n && q > m->k; j++)
            m->g[j] = given(m->g[j], best[j], x[j], largest);
        for (ptrdiff_t j = 0; j < m->n; j++)
            best[j] = largest ? larger(best[j], x[j]) : smaller(best[j], x[j]);
    }
}
