/* filter_kernel.c: a kernel made ready: scaled, turned, without its zeros, and as two passes where that is less work. */
#include "filter.h"

static bool take(struct convd_arena *mem, size_t n, struct convd_filter_pass *p)
{
    p->k = convd_arena_array(mem, n, sizeof *p->k);
    p->at = convd_arena_array(mem, n, sizeof *p->at);
    return p->k && p->at;
}

/* h x w numbers as a pass, or those of them that are not 0. */
static void fill(const double *k, ptrdiff_t h, ptrdiff_t w, bool all, struct convd_filter_pass *p)
{
    p->n = 0;
    for (ptrdiff_t i = 0; i < h * w; i++) {
        const float v = (float)k[i];
        if (!all && v == 0) continue;
        p->k[p->n] = v;
        p->at[p->n++] = (struct convd_filter_place){(int32_t)(i / w), (int32_t)(i % w)};
    }
}

static void reverse(double *v, ptrdiff_t n)
{
    for (ptrdiff_t i = 0; i < n / 2; i++) {
        const double t = v[i];
        v[i] = v[n - 1 - i];
        v[n - 1 - i] = t;
    }
}

/* Two passes move each number once more than one does. */
static bool pays(const struct convd_filter_state *s)
{
    return s->some.n >= 2 * (s->row_some.n + s->col_some.n);
}

static bool separate(const struct convd_filter *p, struct convd_filter_state *state)
{
    const struct convd_kernel *k = &p->kernel;
    if (!convd_kernel_separate(k, state->column, state->line)) return false;
    if (p->flip) {
        reverse(state->column, k->h);
        reverse(state->line, k->w);
    }
    for (ptrdiff_t i = 0; i < k->h; i++) state->column[i] *= p->scale;
    fill(state->line, 1, k->w, true, &state->row);
    fill(state->line, 1, k->w, false, &state->row_some);
    fill(state->column, k->h, 1, true, &state->col);
    fill(state->column, k->h, 1, false, &state->col_some);
    return pays(state);
}

void convd_filter_pack(const struct convd_site *s, void *state_)
{
    const struct convd_filter *p = s->params;
    const struct convd_kernel *k = &p->kernel;
    const ptrdiff_t n = k->h * k->w;
    struct convd_filter_state *state = state_;
    for (ptrdiff_t i = 0; i < n; i++) state->numbers[i] = (double)k->v[i] * p->scale;
    if (p->flip) reverse(state->numbers, n);
    state->delta = (float)p->delta + 0.0f; /* -0 would tell whether zero taps were added to it */
    fill(state->numbers, k->h, k->w, true, &state->all);
    fill(state->numbers, k->h, k->w, false, &state->some);
    state->separable = separate(p, state);
}

const void *convd_filter_prepare(const struct convd_site *s, struct convd_arena *mem,
                                 struct convd_faults *f)
{
    const struct convd_kernel *k = &((const struct convd_filter *)s->params)->kernel;
    const size_t h = (size_t)k->h, w = (size_t)k->w;
    struct convd_filter_state *state = convd_arena_zero(mem, sizeof *state);
    bool fine = state != NULL;
    if (fine) {
        state->numbers = convd_arena_array(mem, h * w, sizeof(double));
        state->column = convd_arena_array(mem, h + w, sizeof(double));
        fine = state->numbers && state->column && take(mem, h * w, &state->all) &&
               take(mem, h * w, &state->some) && take(mem, w, &state->row) &&
               take(mem, w, &state->row_some) && take(mem, h, &state->col) &&
               take(mem, h, &state->col_some);
    }
    if (!fine) {
        convd_fault(f, CONVD_NO_MEMORY, "kernel", "no memory for a %tdx%td kernel", k->h, k->w);
        return NULL;
    }
    state->line = state->column + h;
    convd_filter_pack(s, state);
    return state;
}
