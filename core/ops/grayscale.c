/* grayscale: Rec. 601 luma, y = 0.299 R + 0.587 G + 0.114 B.
 * One channel stays as it is, three become one, of four the fourth is not looked at; any other number is a fault. NaN
 * propagates. Equals cv::cvtColor COLOR_RGB2GRAY on float. Source: ITU-R BT.601-7, 2.5.1. */
#include "integer.h"
#include <string.h>

static bool shape(struct convd_site *s, struct convd_faults *f)
{
    ptrdiff_t c = s->x[0].c;
    if (c != 1 && c != 3 && c != 4) {
        convd_fault_expected(f, CONVD_BAD_SHAPE, NULL,
                             "1, 3 or 4 channels; reduce:mean takes any number",
                             "%td channels have no gray", c);
        return false;
    }
    s->y = (struct convd_shape){s->y.n, 1, s->x[0].h, s->x[0].w};
    return true;
}

static void cost(const struct convd_site *s, struct convd_cost *c)
{
    c->macs = s->x[0].c == 1 ? 0 : 3 * (double)s->y.h * (double)s->y.w;
}

static void forward(const struct convd_call *call)
{
    const struct convd_view *x = call->x, *out = call->y;
    for (ptrdiff_t i = out->y0; i < out->y1; i++) {
        float *y = convd_row(out, 0, i);
        const float *r = convd_row(x, 0, i);
        if (x->c == 1) {
            if (y != r) memcpy(y, r, (size_t)out->w * sizeof(float));
            continue;
        }
        call->site->simd->luma(r, convd_row(x, 1, i), convd_row(x, 2, i), y, (size_t)out->w);
    }
}

static void backward(const struct convd_back *call)
{
    static const float luma[] = {0.299F, 0.587F, 0.114F};
    const struct convd_view *dx = call->dx;
    const struct convd_rows own = part_rows(call, dx);
    for (ptrdiff_t r = own.y0; r < own.y1; r++) {
        const ptrdiff_t c = r / dx->h, i = r % dx->h;
        const float share = dx->c == 1 ? 1 : c < 3 ? luma[c] : 0, *dy = convd_row(call->dy, 0, i);
        float *to = convd_row(dx, c, i);
        for (ptrdiff_t j = 0; j < dx->w && c < 3; j++) to[j] += share * dy[j];
    }
}

static void look(const struct convd_site *s, struct convd_place at, struct convd_look *l)
{
    const bool copy = s->x[0].c == 1;
    *l = (struct convd_look){.kind = copy ? CONVD_LOOK_INPUTS : CONVD_LOOK_SUM,
                             .channels = copy ? 1 : 3,
                             .y = at.i,
                             .x = at.j,
                             .kh = 1,
                             .kw = 1};
}

static double weigh(const struct convd_site *s, struct convd_place at, ptrdiff_t q, ptrdiff_t a,
                    ptrdiff_t b)
{
    (void)s, (void)at, (void)a, (void)b;
    return q == 0 ? 0.299 : q == 1 ? 0.587 : 0.114;
}

static const char *torch(const struct convd_site *s, struct convd_arena *mem)
{
    (void)mem;
    return s->x[0].c == 1
               ? "{x}"
               : "0.299 * {x}[:, 0:1] + 0.587 * {x}[:, 1:2] + 0.114 * {x}[:, 2:3]";
}

static const char *opencv(const struct convd_site *s, struct convd_arena *mem)
{
    (void)mem;
    return s->x[0].c == 1   ? "{x}"
           : s->x[0].c == 3 ? "$hwc(cv2.cvtColor({x}, cv2.COLOR_RGB2GRAY))"
                            : "$hwc(cv2.cvtColor({x}, cv2.COLOR_RGBA2GRAY))";
}

/* The weights in 15 bits, which sum up to 2^15 as they should. */
static const int16_t weights[] = {9798, 19235, 3735};

static bool fixed(const struct convd_site *s, const struct convd_fixed *x, struct convd_fixed_ask *a,
                  struct convd_fixed *y)
{
    if (x->type != CONVD_FIXED_U8 || x->planes != 1 || s->x[0].c < 3 || x->error > 0) return false;
    y->step = 1;
    y->algorithm = "integer i16";
    y->error = 0.5 / ldexp(1, a->bits) + 2e-5; /* 2e-5: what float makes of three products and their sum */
    for (ptrdiff_t i = 0; i < 3; i++)
        y->error += 255 * fmax(0, weights[i] / 32768.0 - weigh(s, (struct convd_place){0}, i, 0, 0));
    return convd_int_fit(y, a->bits);
}

static void forward_fixed(const struct convd_fixed_call *c)
{
    const struct convd_fixed_view *x = c->x, *y = c->y;
    for (ptrdiff_t i = y->y0; i < y->y1; i++)
        c->site->simd->gray_i16(convd_fixed_row(x, 0, i), (size_t)y->w, (size_t)x->format->step, weights,
                                15 - y->format->frac, convd_fixed_row(y, 0, i));
}

const struct convd_op convd_op_grayscale = {
    .name = "grayscale",
    .group = CONVD_CHANNELS,
    .summary = "Rec. 601 luma of red, green and blue",
    .aliases = "gray grey greyscale rgb2gray",
    .example = "grayscale",
    .source = "ITU-R BT.601; cv::cvtColor COLOR_RGB2GRAY",
    .algorithm = "pointwise",
    .in_place = true,
    .shape = shape,
    .cost = cost,
    .forward = forward,
    .fixed = fixed,
    .forward_fixed = forward_fixed,
    .backward = backward,
    .look = look,
    .weigh = weigh,
    .torch_of = torch,
    .opencv_of = opencv,
};
