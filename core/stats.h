/* stats.h: the numbers that describe a map (DESIGN.md 7, reference.md "Answers"). */
#ifndef CONVD_STATS_H
#define CONVD_STATS_H
#include "convd.h"

struct convd_stats {
    size_t count, nonfinite, zeros;
    double min, max, mean, std, sum, l1, l2, entropy; /* over finite values; std of the population; entropy in bits */
    uint64_t histogram[256];                          /* of finite values between min and max, equal bins           */
};
/* Over n numbers. Two passes, sums in double. Without finite values min, max, mean, std are NAN. */
void convd_stats_of(const float *x, size_t n, struct convd_stats *s);
#endif
