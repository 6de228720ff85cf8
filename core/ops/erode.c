/* erode: the smallest number of each window; the size is kept.
 * With the default border (replicate) the outside never wins, as in cv::erode with a rectangle. NaN wins. */
#include "rank.h"
#include "rank_int.h"

RANK_EXTREME(false, "erode")

const struct convd_op convd_op_erode = {
    .name = "erode",
    RANK_EXTREME_ROW,
    .summary = "smallest number around each pixel",
    .aliases = "erosion min_filter minimum_filter",
    .example = "grayscale/erode:3",
    .source = "cv::erode",
};
