/* cmd_list.h: what ops, kernels and pipelines share: readable tables of rows. */
#ifndef CMD_LIST_H
#define CMD_LIST_H
#include "../core/param.h"
#include "cmd.h"

extern const struct cmd_option cmd_list_options[]; /* --json */

/* Prints a parameter table: name, default, what it takes, summary, other names. rows NULL: none. */
void cmd_list_params(const struct convd_param *rows);
/* "  name          summary" */
void cmd_list_line(const char *name, const char *summary);
/* Two lines that show a pipeline at work. */
void cmd_list_example(const char *pipeline);
/* Prints what a writer of the catalogue made; false from it means that no such name exists. */
int cmd_list_json(bool written, struct convd_bytes *json);
/* Says that name is none of ours, with the nearest of n names. */
int cmd_list_unknown(const char *kind, const char *name, const char *(*get)(const void *arg, size_t i), const void *arg,
                     size_t n);
#endif
