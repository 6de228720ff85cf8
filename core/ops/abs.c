/* abs: y = |x|. NaN stays NaN. Equals torch.abs. */
#include "pointwise.h"

static void forward(const struct convd_call *call)
{
    const struct convd_view *x = call->x, *y = call->y;
    for (ptrdiff_t c = 0; c < y->c; c++)
        for (ptrdiff_t i = y->y0; i < y->y1; i++)
            call->site->simd->abs(convd_row(y, c, i), convd_row(x, c, i), (size_t)y->w);
}
static inline float back(struct at v)
{
    return v.dy * ((float)(v.x > 0) - (float)(v.x < 0));
}
POINTWISE_BACK(back)

const struct convd_op convd_op_abs = {
    .name = "abs",
    POINTWISE_ROW,
    .summary = "the number without its sign",
    .aliases = "Abs absolute fabs",
    .example = "grayscale/sobel_x/abs",
    .source = "torch.abs",
    .torch = "{x}.abs()",
    .opencv = "np.abs({x})",
};
