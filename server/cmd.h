/* cmd.h: the command line. One subcommand is one row: usage, options, help and completion are made from it, and main.c
 * reads every command line the same way. cmds.def lists the rows, cmd_NAME.c holds each. */
#ifndef CMD_H
#define CMD_H
#include <stdio.h>

#include "settings.h"

enum { CMD_OK = 0, CMD_FAILED = 1, CMD_USAGE = 2 }; /* exit codes */

struct cmd_option {
    const char *flag;   /* "--format"                                               */
    const char *letter; /* "-o", or NULL                                            */
    const char *unit;   /* what stands behind it: "FILE"; NULL: nothing does        */
    const char *help;
    const char *words; /* what completion offers for it, blank-separated, or NULL  */
};

enum cmd_words { CMD_NO_WORDS, CMD_PIPELINE, CMD_PIPELINE_FILES, CMD_OP, CMD_KERNEL, CMD_SAVED, CMD_JOBS };

struct cmd_line;
struct cmd {
    const char *name;
    const char *usage;                /* "PIPELINE [INPUT...] [-o OUT]"           */
    const char *summary;              /* one line                                 */
    const char *help;                 /* paragraphs and examples                  */
    const struct cmd_option *options; /* ends with flag NULL; NULL: none          */
    unsigned settings;                /* uses of the settings it takes as flags   */
    size_t min_words, max_words;      /* beside options                           */
    enum cmd_words words;             /* what they are, for completion            */
    int (*run)(struct cmd_line *line);
};
#define CMD(NAME) extern const struct cmd cmd_##NAME;
#include "cmds.def"
#undef CMD
extern const struct cmd *const cmds[]; /* NULL-terminated */

struct cmd_given {
    const struct cmd_option *option;
    const char *value; /* "" where the option takes none */
};
/* A command line that was read and found right. */
struct cmd_line {
    const struct cmd *cmd;
    struct settings settings; /* settled: environment, then flags */
    size_t n_words, n_given;
    const char **words;
    struct cmd_given *given;
};
/* The value given last, or NULL. */
const char *cmd_value(const struct cmd_line *line, const char *flag);
/* The value as a whole number from 1 to most; *x stays as it is where none was given. False after a line on stderr. */
bool cmd_whole(const struct cmd_line *line, const char *flag, size_t most, size_t *x);

/* Reads and runs; returns the exit code. */
int cmd_main(int argc, char **argv, char **environment);
void cmd_help(const struct cmd *cmd, FILE *out); /* NULL: of the program */
void cmd_man(FILE *out);                         /* the man page, roff */
bool cmd_docs(const char *name, FILE *out);      /* a page of docs/, Markdown; NULL: their names. False: no such page */
/* Prints what may stand for the last of the words, one candidate a line with a tab before its summary. */
void cmd_complete(size_t n, char *const *words, FILE *out);

/* Says "convd: …" on stderr, with the nearest name where there is one ("" and NULL: none). */
void cmd_say(const char *near, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* One line a fault: "convd: [file: ]POINTER: what was found; what would work". */
void cmd_say_faults(const struct convd_faults *f, const char *file);

/* Whole files; "-" is stdin. NULL after a line on stderr. The caller frees. */
void *cmd_read(const char *path, size_t *n, size_t most);
/* Writes a file ("-" is stdout); a half-written one is removed. False after a line on stderr. */
bool cmd_write(const char *path, const void *data, size_t n);
/* The text of PIPELINE: itself, or the file behind "@" ("@-": stdin). Memory is the caller's to free. */
char *cmd_pipeline(const char *word, size_t *n);
#endif
