/* filter_back.c: the gradients of filter. dL/dx spreads dL/dy over the windows that made it, one channel at a time with all
 * taps; dL/dkernel (of an "@tensor") is the sum over all channels of products of dL/dy with what each tap saw, times scale.
 * A part has rows of dx, and rows of dy for the kernel. */
#include "correlate.h"
#include "filter.h"
#include <string.h>

enum { KERNEL }; /* its place among the params rows */

static struct convd_corr corr(const struct convd_site *s)
{
    const struct convd_filter *p = s->params;
    struct convd_corr r = {.mode = (enum convd_mode)p->padding_mode,
                           .value = (float)p->padding_value,
                           .groups = s->x[0].c,
                           .in = 1,
                           .out = 1,
                           .shared = true,
                           .x = s->x[0],
                           .y = s->y,
                           .simd = s->simd};
    convd_filter_window(s, &r.window);
    return r;
}

bool convd_filter_weight_shape(const struct convd_site *s, size_t row, struct convd_tensor *t)
{
    const struct convd_kernel *k = &((const struct convd_filter *)s->params)->kernel;
    if (row != KERNEL) return false;
    *t = (struct convd_tensor){.name = "", .rank = 2, .dim = {k->h, k->w}};
    return true;
}

/* Sums for the kernel, or the kernel packed; what either pass wants stands behind. */
static size_t kernel_bytes(const struct convd_corr *r)
{
    return (convd_corr_count(r) * sizeof(double) + 63) / 64 * 64;
}

size_t convd_filter_back_scratch(const struct convd_site *s)
{
    const struct convd_corr r = corr(s);
    const size_t spread = convd_spread_bytes(&r), products = convd_products_bytes(&r);
    size_t bytes;
    return convd_add(kernel_bytes(&r), spread > products ? spread : products, &bytes) ? bytes
                                                                                      : SIZE_MAX;
}

static void kernel(const struct convd_back *call, const struct convd_corr *r, float *out)
{
    const struct convd_filter *p = call->site->params;
    const size_t count = convd_corr_count(r);
    double *k = (double *)(void *)call->scratch;
    memset(k, 0, count * sizeof *k);
    convd_products(r, call->x, call->dy, convd_share(call->dy->h, call->part, call->parts), k, NULL,
                   (char *)call->scratch + kernel_bytes(r));
    for (size_t i = 0; i < count; i++) out[p->flip ? count - 1 - i : i] += (float)(p->scale * k[i]);
}

void convd_filter_backward(const struct convd_back *call)
{
    const struct convd_filter_state *state = call->site->state;
    const struct convd_corr r = corr(call->site);
    if (call->dweight[KERNEL]) kernel(call, &r, call->dweight[KERNEL]);
    if (!call->dx->data) return;
    const struct convd_view x =
        rows_of(call->dx, convd_share(call->dx->h, call->part, call->parts));
    convd_spread_pack(&r, state->all.k, call->scratch);
    convd_spread(&r, call->scratch, call->dy, &x, (char *)call->scratch + kernel_bytes(&r));
}
