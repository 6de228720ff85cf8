/* invert: y = 255 - x, the negative of a picture. NaN stays NaN. Equals cv::bitwise_not on 8 bits. */
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

const struct convd_op convd_op_invert = {
    .name = "invert",
    POINTWISE_ROW,
    .summary = "255 - x: the negative of a picture",
    .aliases = "bitwise_not negative_image",
    .example = "grayscale/invert",
    .source = "cv::bitwise_not",
    .torch = "255 - {x}",
    .opencv = "255 - {x}",
};
