/* invert: y = 255 - x, the negative of a picture. NaN stays NaN. Equals cv::bitwise_not on 8 bits. */
#include "integer.h"
#include "pointwise.h"

static inline float f(float x)
{
    return 255 - x;
}
static inline float back(struct at v)
{
    return -v.dy;
}
POINTWISE(f, back)

static bool fixed(const struct convd_site *s, const struct convd_fixed *x, struct convd_fixed_ask *a,
                  struct convd_fixed *y)
{
    (void)s, (void)a;
    return convd_int_affine(x, -1, 255, -INFINITY, INFINITY, y);
}
static void forward_fixed(const struct convd_fixed_call *c)
{
    convd_int_affine_rows(c, -1, 255, -INFINITY, INFINITY);
}

const struct convd_op convd_op_invert = {
    .name = "invert",
    POINTWISE_ROW,
    .back_skips_x = true,
    .back_skips_y = true,
    .fixed = fixed,
    .forward_fixed = forward_fixed,
    .summary = "255 - x: the negative of a picture",
    .aliases = "bitwise_not negative_image",
    .example = "grayscale/invert",
    .source = "cv::bitwise_not",
    .torch = "255 - {x}",
    .opencv = "255 - {x}",
};
