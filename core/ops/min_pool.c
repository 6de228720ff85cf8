/* min_pool: the smallest number of each window: -max_pool(-x). The border never wins; NaN wins. */
#include "window.h"
#include "window_int.h"

WINDOW_EXTREME(false)

const struct convd_op convd_op_min_pool = {
    .name = "min_pool",
    WINDOW_EXTREME_ROW,
    .summary = "smallest number of each window",
    .aliases = "min_pool2d minpool2d minpool MinPool MinPool2d",
    .example = "grayscale/min_pool:2",
    .source = "-torch.nn.functional.max_pool2d(-x)",
};
