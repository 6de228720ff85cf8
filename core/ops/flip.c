/* flip: x mirrors left to right, y top to bottom, xy both. Equals torch.flip over (3), (2), (2, 3) and cv::flip. */
#include "row.h"
#include <string.h>

enum { X, Y, XY };
static const char *const axis_words[] = {"x", "y", "xy", NULL};

struct params {
    int axis;
};
// clang-format off
static const struct convd_param params[] = {
    {AT(axis), .type = CONVD_P_WORD, .words = axis_words,
     .summary = "the direction that is mirrored"},
    CONVD_PARAM_END,
};
// clang-format on

static bool rows(const struct convd_site *s, size_t i, struct convd_rows y, struct convd_rows *x)
{
    const struct params *p = s->params;
    (void)i;
    *x = p->axis == X ? y : (struct convd_rows){s->x[0].h - y.y1, s->x[0].h - y.y0};
    return true;
}

static void forward(const struct convd_call *call)
{
    const struct params *p = call->site->params;
    const struct convd_view *y = call->y;
    for (ptrdiff_t c = 0; c < y->c; c++)
        for (ptrdiff_t i = y->y0; i < y->y1; i++) {
            const float *from = convd_row(call->x, c, p->axis == X ? i : y->h - 1 - i);
            float *to = convd_row(y, c, i);
            if (p->axis == Y)
                memcpy(to, from, (size_t)y->w * sizeof *to);
            else
                for (ptrdiff_t j = 0; j < y->w; j++) to[j] = from[y->w - 1 - j];
        }
}

static void backward(const struct convd_back *call)
{
    const struct params *p = call->site->params;
    const struct convd_view *dx = call->dx;
    const struct convd_rows own = part_rows(call, dx);
    for (ptrdiff_t r = own.y0; r < own.y1; r++) {
        const ptrdiff_t c = r / dx->h, i = r % dx->h;
        const float *from = convd_row(call->dy, c, p->axis == X ? i : dx->h - 1 - i);
        float *to = convd_row(dx, c, i);
        for (ptrdiff_t j = 0; j < dx->w; j++) to[j] += from[p->axis == Y ? j : dx->w - 1 - j];
    }
}

static void look(const struct convd_site *s, struct convd_place at, struct convd_look *l)
{
    const struct params *p = s->params;
    *l = (struct convd_look){.c = at.c,
                             .channels = 1,
                             .y = p->axis == X ? at.i : s->y.h - 1 - at.i,
                             .x = p->axis == Y ? at.j : s->y.w - 1 - at.j,
                             .kh = 1,
                             .kw = 1};
}

static const char *torch(const struct convd_site *s, struct convd_arena *mem)
{
    static const char *const words[] = {
        [X] = "{x}.flip(3)", [Y] = "{x}.flip(2)", [XY] = "{x}.flip(2, 3)"};
    (void)mem;
    return words[((const struct params *)s->params)->axis];
}

static const char *opencv(const struct convd_site *s, struct convd_arena *mem)
{
    static const char *const words[] = {[X] = "$hwc(cv2.flip({x}, 1))",
                                        [Y] = "$hwc(cv2.flip({x}, 0))",
                                        [XY] = "$hwc(cv2.flip({x}, -1))"};
    (void)mem;
    return words[((const struct params *)s->params)->axis];
}

const struct convd_op convd_op_flip = {
    .name = "flip",
    .group = CONVD_GEOMETRY,
    .summary = "mirrored left to right, top to bottom, or both",
    .aliases = "Flip mirror",
    .example = "flip:x",
    .source = "torch.flip; cv::flip",
    .params = params,
    .params_size = sizeof(struct params),
    .algorithm = "copy",
    .rows = rows,
    .forward = forward,
    .backward = backward,
    .look = look,
    .torch_of = torch,
    .opencv_of = opencv,
};
