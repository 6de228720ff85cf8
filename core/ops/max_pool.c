/* max_pool: the largest number of each window.
 * x [c,h,w] -> y [c,oh,ow], oh = floor((h + top + bottom - dilation * (kh - 1) - 1) / stride) + 1, or the ceiling.
 * The border never wins; a window that holds only border is -inf; NaN wins. Equals torch max_pool2d.
 * Source: Ranzato, Huang, Boureau, LeCun 2007, "Unsupervised learning of invariant feature hierarchies". */
#include "window.h"
#include "window_int.h"

WINDOW_EXTREME(true)

const struct convd_op convd_op_max_pool = {
    .name = "max_pool",
    WINDOW_EXTREME_ROW,
    .summary = "largest number of each window",
    .aliases = "max_pool2d maxpool2d maxpool MaxPool MaxPool2d MaxPooling2D",
    .example = "grayscale/max_pool:2",
    .source = "torch.nn.functional.max_pool2d",
};
