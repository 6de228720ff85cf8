/* A backward that says back_writes writes a fresh dx whole, and writes there what it would have added to zeros. */
#include "lib_back.h"

enum { C = 3, H = 5, W = 7, N = C * H * W };

static struct convd_view whole(float *data, struct convd_shape s)
{
    return (struct convd_view){.data = data,
                               .c = s.c,
                               .h = s.h,
                               .w = s.w,
                               .y1 = s.h,
                               .row = s.w,
                               .plane = s.h * s.w};
}

/* Opens an op, with a 2 for what it cannot do without. */
static void open(struct op_site *s, const struct convd_op *op)
{
    struct convd_member list[8];
    uint32_t n = 0;
    for (const struct convd_param *row = op->params; row && row->name; row++)
        if (!row->def) list[n++] = (struct convd_member){row->name, convd_number(2)};
    const struct convd_value args = {.kind = CONVD_OBJECT, .n = n, .members = list};
    if (!site_open(s, op->name, args, NULL, (struct convd_shape){1, C, H, W},
                   convd_simd_choose(NULL)))
        T_FAIL("%s: %s", op->name, convd_faults_first(&s->faults)->detail);
}

static void go_back(const struct op_site *s, float *x, float *y, float *dy, float *dx, bool fresh)
{
    const struct convd_view vx = whole(x, s->x), vy = whole(y, s->site.y),
                            vdy = whole(dy, s->site.y), vdx = whole(dx, s->x);
    const size_t bytes = s->op->back_scratch ? s->op->back_scratch(&s->site) : 0;
    float *scratch = aligned_alloc(64, (bytes + 64) / 64 * 64);
    for (size_t part = 0; part < 3; part++)
        back_run(s, (struct convd_back){.site = &s->site,
                                        .x = &vx,
                                        .y = &vy,
                                        .dy = &vdy,
                                        .dx = &vdx,
                                        .fresh = fresh,
                                        .part = part,
                                        .parts = 3,
                                        .scratch = scratch});
    free(scratch);
}

TEST(a_fresh_gradient_is_what_would_have_been_added)
{
    struct t_rng r = t_rng(1);
    size_t seen = 0;
    for (size_t k = 0; k < convd_op_count(); k++) {
        const struct convd_op *op = convd_op_find(convd_op_name(NULL, k));
        struct op_site s;
        float x[N], dy[N], added[N], written[N];
        if (!op->back_writes || op->weight_shape) continue;
        seen++;
        open(&s, op);
        for (size_t i = 0; i < N; i++) {
            x[i] = (float)t_uniform(&r, -4, 4);
            dy[i] = (float)t_uniform(&r, -1, 1);
            added[i] = 0;
            written[i] = NAN;
        }
        float *y = site_run(&s, x, 0, true);
        go_back(&s, x, y, dy, added, false);
        go_back(&s, x, y, dy, written, true);
        for (size_t i = 0; i < N; i++)
            if (written[i] != added[i] && !(isnan(written[i]) && isnan(added[i])))
                T_FAIL("%s, number %zu: %g written, %g added", op->name, i, (double)written[i],
                       (double)added[i]);
        free(y);
        site_close(&s);
    }
    OK(seen > 20);
}

static bool alike(const float *a, const float *b)
{
    for (size_t i = 0; i < N; i++)
        if (a[i] != b[i] && !(isnan(a[i]) && isnan(b[i]))) return false;
    return true;
}

/* Where an op says that dx may be dy's memory, or that it does not look at x or y, that is so. */
TEST(a_gradient_may_be_where_its_upstream_was)
{
    struct t_rng r = t_rng(2);
    size_t seen = 0;
    for (size_t k = 0; k < convd_op_count(); k++) {
        const struct convd_op *op = convd_op_find(convd_op_name(NULL, k));
        struct op_site s;
        float x[N], dy[N], nothing[N], want[N], got[N];
        if (!op->back_writes || op->weight_shape) continue;
        if (!op->back_in_place && !op->back_skips_x && !op->back_skips_y) continue;
        seen++;
        open(&s, op);
        for (size_t i = 0; i < N; i++) {
            x[i] = (float)t_uniform(&r, -4, 4);
            got[i] = dy[i] = (float)t_uniform(&r, -1, 1);
            nothing[i] = NAN;
        }
        float *y = site_run(&s, x, 0, true);
        go_back(&s, x, y, dy, want, true);
        if (op->back_in_place) {
            EQ(s.x.h * s.x.w * s.x.c, s.site.y.h * s.site.y.w * s.site.y.c);
            go_back(&s, x, y, got, got, true);
            if (!alike(want, got)) T_FAIL("%s: another gradient in place", op->name);
        }
        go_back(&s, op->back_skips_x ? nothing : x, op->back_skips_y ? nothing : y, dy, got, true);
        if (!alike(want, got)) T_FAIL("%s: looks at what it should not", op->name);
        free(y);
        site_close(&s);
    }
    OK(seen > 20);
}

T_MAIN("core/back_fresh")
