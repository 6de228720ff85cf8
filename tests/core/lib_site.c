/* lib_site.c: see lib_site.h. */
#include "lib_site.h"
#include "lib_value.h"

/* What the graph does for "@name". */
static void resolve(struct op_site *s, void *params, const struct convd_tensor *tensor)
{
    for (const struct convd_param *row = s->op->params; row && row->name; row++) {
        void *field = (char *)params + row->offset;
        if (row->type == CONVD_P_WEIGHT && ((struct convd_weight *)field)->kind == CONVD_W_TENSOR) {
            ((struct convd_weight *)field)->array = *tensor;
        } else if (row->type == CONVD_P_KERNEL && ((struct convd_kernel *)field)->tensor) {
            struct convd_kernel *k = field;
            *k = (struct convd_kernel){.h = tensor->dim[0],
                                       .w = tensor->dim[1],
                                       .v = tensor->data,
                                       .tensor = k->tensor,
                                       .anchor_y = tensor->dim[0] / 2,
                                       .anchor_x = tensor->dim[1] / 2};
        }
    }
}

bool site_open(struct op_site *s, const char *op, struct convd_value args,
               const struct convd_tensor *tensor, struct convd_shape x,
               const struct convd_simd *simd)
{
    *s = (struct op_site){.op = convd_op_find(op)};
    convd_arena_init(&s->mem, NULL, 0);
    convd_faults_init(&s->faults, &s->mem);
    void *params = convd_arena_zero(&s->mem, s->op->params_size);
    struct convd_arg list[32];
    for (uint32_t i = 0; i < args.n; i++)
        list[i] = (struct convd_arg){.name = args.members[i].name, .value = &args.members[i].value};
    struct convd_bind b = {.faults = &s->faults,
                           .mem = &s->mem,
                           .rows = s->op->params,
                           .into = params,
                           .what = op,
                           .max_kernel = 129};
    s->x = x;
    s->site = (struct convd_site){.params = params, .x = &s->x, .n = 1, .y = x, .simd = simd};
    if (!convd_params_bind(&b, list, args.n)) return false;
    resolve(s, params, tensor);
    if (s->op->check && !s->op->check(params, &s->faults)) return false;
    if (s->op->shape && !s->op->shape(&s->site, &s->faults)) return false;
    struct convd_cost cost = {0};
    if (s->op->cost) s->op->cost(&s->site, &cost);
    if (s->op->prepare) {
        /* One chunk of just what cost promised: prepare must live with it. */
        struct convd_arena state;
        convd_arena_init(&state, NULL, 0);
        if (!convd_arena_take(&state, cost.state)) abort();
        convd_arena_reset(&state);
        const size_t taken = state.taken;
        s->site.state = s->op->prepare(&s->site, &state, &s->faults);
        EQ(taken, state.taken);
        convd_arena_release(&state);
        s->site.state = s->op->prepare(&s->site, &s->mem, &s->faults);
    }
    return s->faults.n == 0;
}

void site_close(struct op_site *s)
{
    convd_arena_release(&s->mem);
}

size_t site_count(const struct op_site *s)
{
    return (size_t)(s->site.y.c * s->site.y.h * s->site.y.w);
}

/* Rows [y0,y1) of a map of shape s, in memory of their own. */
static struct convd_view part(struct convd_shape s, ptrdiff_t y0, ptrdiff_t y1, bool dense)
{
    struct convd_view v = {
        .c = s.c, .h = s.h, .w = s.w, .y0 = y0, .y1 = y1, .row = s.w + (dense ? 0 : 7)};
    v.plane = v.row * (y1 - y0) + (dense ? 0 : 5);
    v.data = malloc((size_t)(v.plane * v.c) * sizeof *v.data + 1);
    for (ptrdiff_t i = 0; i < v.plane * v.c; i++) v.data[i] = NAN;
    return v;
}

static void run_rows(struct op_site *s, const float *x, ptrdiff_t y0, ptrdiff_t y1, bool dense,
                     float *out)
{
    struct convd_rows need = {y0, y1};
    if (s->op->rows && !s->op->rows(&s->site, 0, (struct convd_rows){y0, y1}, &need))
        need = (struct convd_rows){0, s->x.h};
    struct convd_view in = part(s->x, need.y0, need.y1, dense), y = part(s->site.y, y0, y1, dense);
    for (ptrdiff_t c = 0; c < in.c; c++)
        for (ptrdiff_t i = in.y0; i < in.y1; i++)
            memcpy(convd_row(&in, c, i), x + (c * in.h + i) * in.w, (size_t)in.w * sizeof *x);
    const size_t bytes = s->op->scratch ? s->op->scratch(&s->site, y1 - y0) : 0;
    float *scratch = aligned_alloc(64, (bytes + 127) / 64 * 64);
    memset(scratch, 0xff, (bytes + 127) / 64 * 64);
    s->op->forward(&(struct convd_call){.site = &s->site, .x = &in, .y = &y, .scratch = scratch});
    for (size_t i = bytes; i < (bytes + 127) / 64 * 64; i++)
        EQ(0xff, ((unsigned char *)scratch)[i]);
    for (ptrdiff_t c = 0; c < y.c; c++)
        for (ptrdiff_t i = y0; i < y1; i++) {
            memcpy(out + (c * y.h + i) * y.w, convd_row(&y, c, i), (size_t)y.w * sizeof *out);
            for (ptrdiff_t j = y.w; j < y.row; j++)
                OK(isnan(convd_row(&y, c, i)[j])); /* the gap is nobody's */
        }
    free(scratch);
    free(in.data);
    free(y.data);
}

float *site_run(struct op_site *s, const float *x, ptrdiff_t band, bool dense)
{
    static struct t_rng r = {5};
    float *out = malloc(site_count(s) * sizeof *out);
    const ptrdiff_t h = s->site.y.h;
    for (ptrdiff_t y0 = 0, y1; y0 < h; y0 = y1) {
        y1 = y0 + (band > 0 ? band : band == 0 ? h : t_between(&r, 1, 5));
        if (y1 > h) y1 = h;
        run_rows(s, x, y0, y1, dense, out);
    }
    return out;
}

struct convd_value array(const float *v, int rank, const ptrdiff_t *dim)
{
    static struct convd_arena mem;
    if (rank == 0) return num((double)*v);
    size_t step = 1;
    for (int d = 1; d < rank; d++) step *= (size_t)dim[d];
    struct convd_value *items = convd_arena_array(&mem, (size_t)dim[0], sizeof *items);
    if (!items) abort();
    for (ptrdiff_t i = 0; i < dim[0]; i++)
        items[i] = array(v + (size_t)i * step, rank - 1, dim + 1);
    return (struct convd_value){.kind = CONVD_ARRAY, .n = (uint32_t)dim[0], .items = items};
}
