/* resample.h: an axis of a resize: each output number is a weighted sum of a run of input numbers. Every mode comes down
 * to that: nearest has runs of 1, bilinear of 2, bicubic of 4 (fewer where the edge holds), area as long as a cell. */
#ifndef CONVD_OPS_RESAMPLE_H
#define CONVD_OPS_RESAMPLE_H
#include "row.h"

enum convd_resample { RESAMPLE_NEAREST, RESAMPLE_BILINEAR, RESAMPLE_BICUBIC, RESAMPLE_AREA };

struct convd_resample_axis {
    enum convd_resample mode;
    bool align_corners;
    ptrdiff_t in, out;
    double factor; /* as given; 0: out / in */
};
/* Most numbers in a run. */
ptrdiff_t convd_resample_most(const struct convd_resample_axis *a);
/* The run of output o: its first number in *start, its weights in w (convd_resample_most of them, or NULL when only the
 * run is wanted); returns how many there are, at least 1. */
ptrdiff_t convd_resample_run(const struct convd_resample_axis *a, ptrdiff_t o, ptrdiff_t *start,
                             double *w);
#endif
