/* cmd_work.h: what run and explain share: the pipeline, the library and the tensors of a piece of work. */
#ifndef CMD_WORK_H
#define CMD_WORK_H
#include "cmd.h"

enum { CMD_TENSORS = 64 };

/* The pipelines that have a name: built in, and saved under --data (where there is such a directory). NULL after a line on
 * stderr. */
struct api_library *cmd_library(const struct settings *s);

/* What all pictures of one command have in common. */
struct cmd_work {
    struct api_library *library;
    char *pipeline; /* its text */
    size_t pipeline_n;
    struct api_limits limits;
    struct api_part tensors[CMD_TENSORS]; /* --tensor name=file; data is ours to free */
    size_t n_tensors;
    size_t most; /* bytes that a file may have */
};
/* Reads PIPELINE and the --tensor options of the line. CMD_OK, or the exit code after a line on stderr; close it in any
 * case. */
int cmd_work_open(struct cmd_work *c, const struct cmd_line *line);
void cmd_work_close(struct cmd_work *c);
/* A piece of work on the picture (NULL: none), ready for api_work_prepare. */
struct api_work cmd_work_on(const struct cmd_work *c, const void *image, size_t n);

/* The rows of options that both take. */
#define CMD_WORK_OPTIONS                                                                           \
    {.flag = "--tensor",                                                                           \
     .unit = "NAME=FILE",                                                                          \
     .help = "a .npy or .safetensors file that the pipeline calls @NAME; may be repeated"}
#endif
