/* lane_run.c: a band of a stage that runs on integers; lane.c says where its rows lie. */
#include "ops/fused.h"
#include "plan_inner.h"
#include <string.h>
#include <time.h>

/* A band on its way down. */
struct descent {
    const struct convd_plan *p;
    const struct convd_stage *s;
    const struct convd_run *run;
    char *slot;
    ptrdiff_t n;        /* sample                                     */
    ptrdiff_t *low, *done; /* of each node: rows [low,done) were computed */
    _Atomic uint64_t *saturated;
};

static int output_of(const struct convd_plan *p, int v)
{
    for (size_t o = 0; o < p->n_outputs; o++)
        if (p->outputs[o].node == v)
            return (int)o;
    return -1;
}

/* Memory of the caller's: rows of w * c bytes. */
static void *lent_memory(const struct descent *d, size_t k)
{
    const struct convd_shape y = convd_stage_shape(d->p, d->s, k);
    const ptrdiff_t n = y.n == 1 ? 0 : d->n;
    char *base = k == 0 ? (char *)(uintptr_t)d->run->input /* read only: ops never write inputs */
                        : d->run->outputs[output_of(d->p, d->s->nodes[k])];
    return base + n * y.h * y.w * y.c;
}

static struct convd_fixed_view view(const struct descent *d, size_t k, struct convd_rows r)
{
    const struct convd_lane *l = &d->s->lane[k], *root = &d->s->lane[l->root];
    const struct convd_shape y = convd_stage_shape(d->p, d->s, k);
    struct convd_fixed_view v = {.format = &l->format,
                                 .h = y.h,
                                 .w = y.w,
                                 .n = y.w * l->format.step,
                                 .y0 = r.y0,
                                 .y1 = r.y1};
    if (l->lent) {
        v.data = lent_memory(d, k);
        v.mask = -1;
        v.row = y.w * y.c;
    } else {
        v.data = d->slot + root->offset;
        v.mask = root->held - 1;
        v.row = (ptrdiff_t)root->row;
        v.plane = (ptrdiff_t)root->plane;
    }
    return v;
}

/* Rows of the picture into its ring. */
static void load_image(const struct descent *d, const struct convd_fixed_view *y)
{
    const struct convd_input *in = &d->p->input;
    const ptrdiff_t n = in->n == 1 ? 0 : d->n, bytes = in->width * in->stored;
    const uint8_t *x = (const uint8_t *)d->run->input + (n * in->height + y->y0) * bytes;
    for (ptrdiff_t i = y->y0; i < y->y1; i++, x += bytes) {
        uint8_t *to[4] = {NULL};
        for (ptrdiff_t c = 0; c < y->format->planes; c++)
            to[c] = convd_fixed_row(y, c, i);
        if (y->format->planes == 1 && in->stored == y->format->step)
            memcpy(to[0], x, (size_t)bytes);
        else
            d->p->simd->split_u8(x, (size_t)in->width, (size_t)in->stored, to, (size_t)y->format->planes);
    }
}

/* Rows of a result to the bytes that were asked for. */
static void give(const struct descent *d, size_t k, struct convd_rows own)
{
    const struct convd_simd *simd = d->p->simd;
    const struct convd_fixed_view x_ = view(d, k, own), *x = &x_;
    const struct convd_shape s = convd_stage_shape(d->p, d->s, k);
    const ptrdiff_t planes = x->format->planes, c = s.c, n = s.n == 1 ? 0 : d->n;
    uint8_t *spare = (uint8_t *)d->slot + d->s->scratch_offset;
    for (size_t o = 0; o < d->p->n_outputs; o++) {
        if (d->p->outputs[o].node != d->s->nodes[k])
            continue;
        uint64_t cut_off = 0;
        for (ptrdiff_t i = own.y0; i < own.y1; i++) {
            uint8_t *y = (uint8_t *)d->run->outputs[o] + (n * s.h + i) * s.w * c;
            const uint8_t *from[4] = {NULL};
            for (ptrdiff_t q = 0; q < planes; q++) {
                const void *row = convd_fixed_row(x, q, i);
                uint8_t *to = planes == 1 ? y : spare + q * x->n;
                from[q & 3] = x->format->type == CONVD_FIXED_U8 ? row : to;
                if (x->format->type == CONVD_FIXED_I16)
                    cut_off += simd->narrow_i16(row, (size_t)x->n, x->format->frac, x->format->error == 0,
                                                d->saturated != NULL, to);
                else if (planes == 1)
                    memcpy(y, row, (size_t)x->n);
            }
            if (planes > 1)
                simd->join_u8(from, (size_t)x->n, (size_t)planes, y);
        }
        if (d->saturated)
            atomic_fetch_add_explicit(&d->saturated[o], cut_off, memory_order_relaxed);
    }
}

/* Computes what is still missing of the rows that are needed. */
static void run_node(const struct descent *d, size_t k, struct convd_rows need)
{
    const struct convd_lane *l = &d->s->lane[k];
    const struct convd_node *node = convd_stage_node(d->p, d->s, k);
    const bool fresh = need.y0 < d->low[k] || need.y0 > d->done[k] ||
                       need.y0 < d->done[k] - d->s->lane[l->root].held;
    if (fresh)
        d->low[k] = d->done[k] = need.y0;
    if (need.y1 <= d->done[k] || l->absorbed)
        return;
    const struct convd_fixed_view y = view(d, k, (struct convd_rows){d->done[k], need.y1});
    d->done[k] = need.y1;
    if (k == 0) {
        load_image(d, &y);
        return;
    }
    struct convd_fixed_view x[64]; /* MOST_INPUTS of the contract */
    for (size_t i = 0; i < node->n_inputs; i++) {
        const size_t u = convd_stage_at(d->p, node->inputs[i]);
        x[i] = view(d, u, (struct convd_rows){0, convd_stage_shape(d->p, d->s, u).h});
    }
    uint64_t cut_off = 0;
    struct convd_fixed_call call = {.site = &d->p->nodes[d->s->nodes[k]].site,
                                    .x = x,
                                    .y = &y,
                                    .made = l->made,
                                    .state = d->slot + l->state,
                                    .saturated = d->saturated ? &cut_off : NULL,
                                    .fresh = fresh};
    if (l->fused) {
        x[0] = view(d, l->fused->of, (struct convd_rows){0, convd_stage_shape(d->p, d->s, l->fused->of).h});
        convd_fused_rows(&call, l->fused);
    } else {
        node->op->forward_fixed(&call);
    }
    for (size_t o = 0; o < d->p->n_outputs && cut_off; o++)
        if (d->p->outputs[o].node == d->s->nodes[k])
            atomic_fetch_add_explicit(&d->saturated[o], cut_off, memory_order_relaxed);
}

static uint64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * UINT64_C(1000000000) + (uint64_t)t.tv_nsec;
}

void convd_lane_run(const struct convd_plan *p, const struct convd_stage *s, const struct convd_run *run, char *slot,
                    size_t b, ptrdiff_t n, _Atomic uint64_t *saturated)
{
    ptrdiff_t *rows = (ptrdiff_t *)(void *)(slot + s->done_offset);
    const struct descent d = {p, s, run, slot, n, rows, rows + s->n, saturated};
    for (size_t k = 0; k < s->n; k++)
        d.low[k] = d.done[k] = -1;
    for (size_t t = b * s->steps; t < (b + 1) * s->steps; t++) {
        if (run->cancel && atomic_load_explicit(run->cancel, memory_order_relaxed))
            return;
        for (size_t k = 0; k < s->n; k++) {
            const int v = s->nodes[k];
            const struct convd_rows need = s->need[t * s->n + k];
            struct convd_rows own = {0, 0};
            if (n >= p->nodes[v].site.y.n && v != CONVD_IMAGE)
                continue;
            if (convd_is_sink(p, v))
                own = convd_band_rows(p->nodes[v].site.y.h, t, s->bands * s->steps, s->grain);
            const uint64_t start = run->step_ns ? now_ns() : 0;
            if (need.y0 < need.y1 && (k > 0 || !s->lane[0].lent))
                run_node(&d, k, need);
            if (own.y0 < own.y1 && !s->lane[k].lent)
                give(&d, k, own);
            if (run->step_ns)
                atomic_fetch_add_explicit((_Atomic uint64_t *)&run->step_ns[v], now_ns() - start,
                                          memory_order_relaxed);
        }
    }
}
