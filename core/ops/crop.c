/* crop: a rectangle out of the picture, which must lie inside. Equals x[:, top:top+height, left:left+width]. */
#include "row.h"
#include <string.h>

struct params {
    ptrdiff_t top, left, height, width;
};
// clang-format off
static const struct convd_param params[] = {
    {AT(top), .type = CONVD_P_INT, .def = "0", .lo = 0, .hi = 1e6,
     .summary = "first row", .aliases = "y"},
    {AT(left), .type = CONVD_P_INT, .def = "0", .lo = 0, .hi = 1e6,
     .summary = "first column", .aliases = "x"},
    {AT(height), .type = CONVD_P_INT, .lo = 1, .hi = 1e6, .summary = "rows", .aliases = "h"},
    {AT(width), .type = CONVD_P_INT, .lo = 1, .hi = 1e6, .summary = "columns", .aliases = "w"},
    CONVD_PARAM_END,
};
// clang-format on

static const struct convd_rule rules[] = {
    {"height", CONVD_OUT_OF_RANGE, "top + height inside the picture"},
    {"width", CONVD_OUT_OF_RANGE, "left + width inside the picture"},
    {.member = NULL},
};

static bool check_side(struct convd_faults *f, const char *start_name, ptrdiff_t start,
                       const char *length_name, ptrdiff_t length, ptrdiff_t n)
{
    if (start + length <= n) return true;
    struct convd_fault *x = convd_fault(f, CONVD_OUT_OF_RANGE, length_name,
                                        "%s %td and %s %td reach to %td, the picture to %td",
                                        start_name, start, length_name, length, start + length, n);
    x->expected = convd_arena_printf(f->mem, "%s + %s of at most %td", start_name, length_name, n);
    return false;
}

static bool shape(struct convd_site *s, struct convd_faults *f)
{
    const struct params *p = s->params;
    bool fine = check_side(f, "top", p->top, "height", p->height, s->x[0].h);
    fine &= check_side(f, "left", p->left, "width", p->width, s->x[0].w);
    s->y = (struct convd_shape){s->y.n, s->x[0].c, p->height, p->width};
    return fine;
}

static void window(const struct convd_site *s, struct convd_window *w)
{
    const struct params *p = s->params;
    *w = (struct convd_window){1, 1, 1, 1, 1, 1, -p->top, -p->left, false};
}

static bool rows(const struct convd_site *s, size_t i, struct convd_rows y, struct convd_rows *x)
{
    const struct params *p = s->params;
    (void)i;
    *x = (struct convd_rows){y.y0 + p->top, y.y1 + p->top};
    return true;
}

static void forward(const struct convd_call *call)
{
    const struct params *p = call->site->params;
    const struct convd_view *y = call->y;
    for (ptrdiff_t c = 0; c < y->c; c++)
        for (ptrdiff_t i = y->y0; i < y->y1; i++)
            memcpy(convd_row(y, c, i), convd_row(call->x, c, i + p->top) + p->left,
                   (size_t)y->w * sizeof(float));
}

static void backward(const struct convd_back *call)
{
    const struct params *p = call->site->params;
    const struct convd_view *dy = call->dy;
    const struct convd_rows own = part_rows(call, dy);
    for (ptrdiff_t r = own.y0; r < own.y1; r++) {
        const float *from = convd_row(dy, r / dy->h, r % dy->h);
        float *to = convd_row(call->dx, r / dy->h, r % dy->h + p->top) + p->left;
        call->site->simd->add(to, to, from, (size_t)dy->w);
    }
}

static void look(const struct convd_site *s, struct convd_place at, struct convd_look *l)
{
    const struct params *p = s->params;
    *l = (struct convd_look){
        .c = at.c, .channels = 1, .y = at.i + p->top, .x = at.j + p->left, .kh = 1, .kw = 1};
}

const struct convd_op convd_op_crop = {
    .name = "crop",
    .group = CONVD_GEOMETRY,
    .summary = "a rectangle out of the picture",
    .aliases = "Crop",
    .example = "crop:1,2,3,4",
    .source = "torchvision.transforms.functional.crop",
    .params = params,
    .params_size = sizeof(struct params),
    .rules = rules,
    .algorithm = "copy",
    .shape = shape,
    .window = window,
    .rows = rows,
    .forward = forward,
    .backward = backward,
    .look = look,
    .torch = "{x}[:, :, {top}:{top} + {height}, {left}:{left} + {width}]",
    .opencv = "{x}[{top}:{top} + {height}, {left}:{left} + {width}]",
};
