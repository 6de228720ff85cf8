/* pad: a border around the picture.
 * x [c,h,w] -> y [c,top+h+bottom,left+w+right]. Any width, wider than the picture too, in every mode. Equals
 * torch.nn.functional.pad and cv::copyMakeBorder (reflect is BORDER_REFLECT_101, symmetric BORDER_REFLECT, circular
 * BORDER_WRAP). The default mode is constant with 0, as torch's. */
#include "row.h"

struct params {
    struct convd_padding padding;
    int padding_mode;
    double padding_value;
};
// clang-format off
static const struct convd_param params[] = {
    {AT(padding), .type = CONVD_P_PADDING, .lo = 0, .hi = 65536,
     .summary = "width of the border on each side, pixels",
     .aliases = "pad pads", .flags = CONVD_NO_SAME | CONVD_NO_VALID},
    PADDING_MODE(params, "constant"),
    PADDING_VALUE(params),
    CONVD_PARAM_END,
};
// clang-format on

static bool shape(struct convd_site *s, struct convd_faults *f)
{
    const struct params *p = s->params;
    const struct convd_padding *q = &p->padding;
    s->y = (struct convd_shape){s->y.n, s->x[0].c, 0, 0};
    if (__builtin_add_overflow(s->x[0].h, q->top + q->bottom, &s->y.h) ||
        __builtin_add_overflow(s->x[0].w, q->left + q->right, &s->y.w)) {
        convd_fault(f, CONVD_BAD_SHAPE, "padding", "the padded picture is too large");
        return false;
    }
    return true;
}

static void window(const struct convd_site *s, struct convd_window *w)
{
    const struct params *p = s->params;
    *w = (struct convd_window){1, 1, 1, 1, 1, 1, p->padding.top, p->padding.left, false};
}

static bool rows(const struct convd_site *s, size_t i, struct convd_rows y, struct convd_rows *x)
{
    const struct params *p = s->params;
    (void)i;
    *x = convd_border_rows((enum convd_mode)p->padding_mode, y.y0 - p->padding.top,
                           y.y1 - p->padding.top, s->x[0].h);
    return true;
}

static void forward(const struct convd_call *call)
{
    const struct params *p = call->site->params;
    const struct convd_view *y = call->y;
    for (ptrdiff_t c = 0; c < y->c; c++)
        convd_border_copy(call->x, c, y->y0 - p->padding.top, y->y1 - p->padding.top,
                          p->padding.left, p->padding.right, (enum convd_mode)p->padding_mode,
                          (float)p->padding_value, convd_row(y, c, y->y0), y->row);
}

/* Each row of y goes back to the row it was copied from, if that is this part's. */
static void backward(const struct convd_back *call)
{
    const struct params *p = call->site->params;
    const enum convd_mode mode = (enum convd_mode)p->padding_mode;
    const struct convd_view *dx = call->dx, *dy = call->dy;
    const struct convd_rows own = part_rows(call, dx);
    for (ptrdiff_t c = own.y0 / dx->h; c < dx->c && c * dx->h < own.y1; c++)
        for (ptrdiff_t i = 0; i < dy->h; i++) {
            const ptrdiff_t k = convd_border_index(mode, i - p->padding.top, dx->h);
            if (k < 0 || c * dx->h + k < own.y0 || c * dx->h + k >= own.y1) continue;
            convd_border_fold(convd_row(dy, c, i), -p->padding.left, 1, dy->w, mode,
                              call->site->simd, convd_row(dx, c, k), dx->w);
        }
}

static void look(const struct convd_site *s, struct convd_place at, struct convd_look *l)
{
    const struct params *p = s->params;
    *l = (struct convd_look){.c = at.c,
                             .channels = 1,
                             .y = at.i - p->padding.top,
                             .x = at.j - p->padding.left,
                             .kh = 1,
                             .kw = 1,
                             .mode = p->padding_mode,
                             .value = (float)p->padding_value};
}

const struct convd_op convd_op_pad = {
    .name = "pad",
    .group = CONVD_GEOMETRY,
    .summary = "a border around the picture",
    .aliases = "Pad copyMakeBorder ZeroPad2d",
    .example = "pad:8,padding_mode=reflect",
    .source = "torch.nn.functional.pad; cv::copyMakeBorder",
    .params = params,
    .params_size = sizeof(struct params),
    .algorithm = "copy",
    .shape = shape,
    .window = window,
    .rows = rows,
    .forward = forward,
    .backward = backward,
    .look = look,
    .torch = "$pad({x}, *{padding}, {padding_mode}, {padding_value})",
    .opencv = "$pad({x}, *{padding}, {padding_mode}, {padding_value})",
};
