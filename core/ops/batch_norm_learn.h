/* batch_norm_learn.h: batch_norm while learning. */
#ifndef CONVD_OPS_BATCH_NORM_LEARN_H
#define CONVD_OPS_BATCH_NORM_LEARN_H
#include "../learn/learning.h"

extern const struct convd_learning convd_batch_norm_learning;
#endif
