/* cmd_stats.h: what --stats prints. */
#ifndef CMD_STATS_H
#define CMD_STATS_H
#include "cmd_work.h"

/* Prints times of the work that was done, and the statistics of its outputs, on standard error. */
void cmd_stats_print(const struct cmd_work *c, const char *input, const struct api_work *done, struct convd_pool *pool);
#endif
