/* normalize: y = (x - mean) / std, with one number for all channels or one a channel.
 * NaN propagates. std 0 is a fault. Equals torchvision.transforms.Normalize. */
#include "row.h"

struct params {
    struct convd_numbers mean, std;
};
// clang-format off
static const struct convd_param params[] = {
    {AT(mean), .type = CONVD_P_NUMBERS, .lo = -3e38, .hi = 3e38, .summary = "what becomes 0"},
    {AT(std), .type = CONVD_P_NUMBERS, .lo = -3e38, .hi = 3e38,
     .summary = "what becomes 1; not 0", .aliases = "stddev", .flags = CONVD_NONZERO},
    CONVD_PARAM_END,
};
// clang-format on

static bool check_count(const struct convd_numbers *v, const char *name, ptrdiff_t c,
                        struct convd_faults *f)
{
    if (v->n == 1 || (ptrdiff_t)v->n == c) return true;
    convd_fault_expected(f, CONVD_BAD_SHAPE, name, "one number, or one a channel",
                         "%s has %zu numbers for %td channel%s", name, v->n, c, c == 1 ? "" : "s");
    return false;
}

static bool shape(struct convd_site *s, struct convd_faults *f)
{
    const struct params *p = s->params;
    bool fine = check_count(&p->mean, "mean", s->x[0].c, f);
    fine &= check_count(&p->std, "std", s->x[0].c, f);
    s->y = (struct convd_shape){s->y.n, s->x[0].c, s->x[0].h, s->x[0].w};
    return fine;
}

static void forward(const struct convd_call *call)
{
    const struct params *p = call->site->params;
    const struct convd_view *in = call->x, *out = call->y;
    for (ptrdiff_t c = 0; c < out->c; c++) {
        const float mean = (float)p->mean.v[p->mean.n == 1 ? 0 : c],
                    std = (float)p->std.v[p->std.n == 1 ? 0 : c];
        for (ptrdiff_t i = out->y0; i < out->y1; i++) {
            const float *x = convd_row(in, c, i);
            float *y = convd_row(out, c, i);
            INDEPENDENT
            for (ptrdiff_t j = 0; j < out->w; j++) y[j] = (x[j] - mean) / std;
        }
    }
}

static void backward(const struct convd_back *call)
{
    const struct params *p = call->site->params;
    const struct convd_view *dx = call->dx;
    const struct convd_rows own = part_rows(call, dx);
    for (ptrdiff_t r = own.y0; r < own.y1; r++) {
        const ptrdiff_t c = r / dx->h, i = r % dx->h;
        const float std = (float)p->std.v[p->std.n == 1 ? 0 : c], *dy = convd_row(call->dy, c, i);
        float *to = convd_row(dx, c, i);
        INDEPENDENT
        for (ptrdiff_t j = 0; j < dx->w; j++) to[j] += dy[j] / std;
    }
}

const struct convd_op convd_op_normalize = {
    .name = "normalize",
    .group = CONVD_NORMALISING,
    .summary = "(x - mean) / std",
    .aliases = "Normalize",
    .example = "normalize:123.675x116.28x103.53,58.395x57.12x57.375",
    .source = "torchvision.transforms.Normalize",
    .params = params,
    .params_size = sizeof(struct params),
    .algorithm = "pointwise",
    .in_place = true,
    .shape = shape,
    .forward = forward,
    .backward = backward,
    .torch = "({x} - torch.tensor({mean}).reshape(-1, 1, 1)) / "
              "torch.tensor({std}).reshape(-1, 1, 1)",
    .opencv = "({x} - np.float32({mean})) / np.float32({std})",
};
