/* lib_back.c: see lib_back.h. */
#include "lib_back.h"

enum { ROWS = 16 };

double *back_numbers(struct t_rng *r, size_t n)
{
    double *v = malloc(n * sizeof *v + 1);
    for (size_t i = 0; i < n; i++) v[i] = (double)(float)t_uniform(r, -1, 1);
    return v;
}

float *back_floats(const double *v, size_t n)
{
    float *f = malloc(n * sizeof *f + 1);
    for (size_t i = 0; i < n; i++) f[i] = (float)v[i];
    return f;
}

static struct convd_view whole(float *data, struct convd_shape s)
{
    return (struct convd_view){.data = data,
                               .c = s.c,
                               .h = s.h,
                               .w = s.w,
                               .y0 = 0,
                               .y1 = s.h,
                               .row = s.w,
                               .plane = s.h * s.w};
}

static unsigned char *bytes_of(size_t n, int value)
{
    const size_t room = (n + 127) / 64 * 64;
    unsigned char *p = aligned_alloc(64, room);
    memset(p, value, room);
    return p;
}

void back_run(const struct op_site *s, struct convd_back b)
{
    const struct convd_op *op = s->op;
    const size_t turned = op->turned_bytes ? op->turned_bytes(&s->site) : 0,
                 sums = op->sums_bytes ? op->sums_bytes(&s->site) : 0;
    unsigned char *packed = bytes_of(turned, 0xff), *own = bytes_of(sums, 0);
    for (size_t part = 0; op->turn && part < 3; part++) op->turn(&s->site, packed, part, 3);
    b.turned = b.dx->data ? packed : NULL;
    b.sums = sums ? own : NULL;
    op->backward(&b);
    for (size_t part = 0; sums && part < 2; part++)
        op->give_back(&(struct convd_given){.site = &s->site,
                                            .sums = (const char *)own,
                                            .workers = 1,
                                            .dweight = b.dweight,
                                            .part = part,
                                            .parts = 2,
                                            .scratch = b.scratch});
    for (size_t i = turned; i < (turned + 127) / 64 * 64; i++)
        if (packed[i] != 0xff) T_FAIL("%s: wrote behind what it turned", op->name);
    free(packed);
    free(own);
}

/* One part, with weight gradients of its own that are added to `sums`. */
static void run_part(const struct back_case *c, const struct convd_view *x,
                     const struct convd_view *dy, const struct convd_view *dx, double **sums,
                     size_t part, size_t parts)
{
    const struct op_site *s = c->site;
    const size_t bytes = s->op->back_scratch ? s->op->back_scratch(&s->site) : 0,
                 room = (bytes + 127) / 64 * 64;
    unsigned char *scratch = bytes_of(bytes, 0xff);
    float *dweight[ROWS] = {0}, *y = malloc(site_count(s) * sizeof *y);
    for (size_t i = 0; i < site_count(s); i++) y[i] = NAN; /* nothing here looks at it */
    const struct convd_view vy = whole(y, s->site.y);
    for (size_t i = 1; i < c->n; i++) dweight[c->in[i].row] = calloc(c->in[i].count, sizeof(float));
    back_run(s, (struct convd_back){.site = &s->site,
                                    .x = x,
                                    .y = &vy,
                                    .dy = dy,
                                    .dx = dx,
                                    .dweight = dweight,
                                    .part = part,
                                    .parts = parts,
                                    .scratch = (float *)(void *)scratch});
    for (size_t i = bytes; i < room; i++)
        if (scratch[i] != 0xff) T_FAIL("%s: wrote behind its scratch", c->what);
    for (size_t i = 1; i < c->n; i++) {
        for (size_t k = 0; k < c->in[i].count; k++) sums[i][k] += (double)dweight[c->in[i].row][k];
        free(dweight[c->in[i].row]);
    }
    free(scratch);
    free(y);
}

/* All gradients with the work in so many parts: sums[0] is dx. What was there before (1) is taken off. */
static void run_parts(const struct back_case *c, float *x, float *dy, double **sums, size_t parts)
{
    float *dx = malloc(c->in[0].count * sizeof *dx);
    for (size_t i = 0; i < c->in[0].count; i++) dx[i] = 1;
    const struct convd_view vx = whole(x, c->site->x), vdy = whole(dy, c->site->site.y),
                            vdx = whole(dx, c->site->x);
    for (size_t part = 0; part < parts; part++) run_part(c, &vx, &vdy, &vdx, sums, part, parts);
    for (size_t i = 0; i < c->in[0].count; i++) sums[0][i] = (double)dx[i] - 1;
    free(dx);
}

static double loss(const struct back_case *c, const float *dy, double *y)
{
    double sum = 0;
    c->define(c, y);
    for (size_t i = 0; i < site_count(c->site); i++) sum += (double)dy[i] * y[i];
    return sum;
}

static void check_number(const struct back_case *c, size_t i, size_t k, const float *dy, double *y,
                         double got, double largest)
{
    double *v = &c->in[i].value[k];
    const double kept = *v;
    *v = kept + c->step;
    const double above = loss(c, dy, y);
    *v = kept - c->step;
    const double below = loss(c, dy, y), want = (above - below) / (2 * c->step);
    *v = kept;
    if (!(fabs(got - want) <= 1e-5 * fmax(largest, 0.1)))
        T_FAIL("%s: number %zu of variable %zu is %.9g, expected %.9g (largest %.3g)", c->what, k,
               i, got, want, largest);
}

static double largest_of(const double *v, size_t n)
{
    double most = 0;
    for (size_t i = 0; i < n; i++) most = fmax(most, fabs(v[i]));
    return most;
}

void back_check(const struct back_case *c, struct t_rng *r, size_t some)
{
    double *sums[BACK_INPUTS], *first[BACK_INPUTS], *y = malloc(site_count(c->site) * sizeof *y);
    double *random = back_numbers(r, site_count(c->site));
    float *dy = back_floats(random, site_count(c->site)),
          *x = back_floats(c->in[0].value, c->in[0].count);
    const size_t parts = (size_t)t_between(r, 2, 4);
    for (size_t i = 0; i < c->n; i++) {
        sums[i] = calloc(c->in[i].count + 1, sizeof *sums[i]);
        first[i] = calloc(c->in[i].count + 1, sizeof *first[i]);
    }
    run_parts(c, x, dy, first, 1);
    run_parts(c, x, dy, sums, parts);
    if (memcmp(first[0], sums[0], c->in[0].count * sizeof *sums[0]) != 0)
        T_FAIL("%s: dx depends on the parts", c->what);
    for (size_t i = 0; i < c->n; i++) {
        const double most = largest_of(sums[i], c->in[i].count);
        for (size_t m = 0; m < some && m < 4 * c->in[i].count; m++) {
            const size_t k = (size_t)t_between(r, 0, (ptrdiff_t)c->in[i].count - 1);
            check_number(c, i, k, dy, y, sums[i][k], most);
            check_number(c, i, k, dy, y, first[i][k], most);
        }
        free(sums[i]);
        free(first[i]);
    }
    free(y);
    free(dy);
    free(x);
    free(random);
}
