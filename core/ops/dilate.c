/* dilate: the largest number of each window; the size is kept.
 * With the default border (replicate) the outside never wins, as in cv::dilate with a rectangle. NaN wins. */
#include "rank.h"
#include "rank_int.h"

RANK_EXTREME(true, "dilate")

const struct convd_op convd_op_dilate = {
    .name = "dilate",
    RANK_EXTREME_ROW,
    .summary = "largest number around each pixel",
    .aliases = "dilation max_filter maximum_filter",
    .example = "grayscale/dilate:3",
    .source = "cv::dilate",
};
