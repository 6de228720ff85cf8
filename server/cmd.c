/* cmd.c: reading a command line by the rows of cmds.def and settings.def. */
#include "cmd.h"

#include <stdlib.h>
#include <string.h>

#include "settings_number.h"

const struct cmd *const cmds[] = {
#define CMD(NAME) &cmd_##NAME,
#include "cmds.def"
#undef CMD
    NULL,
};

const char *cmd_value(const struct cmd_line *line, const char *flag)
{
    for (size_t i = line->n_given; i-- > 0;)
        if (strcmp(line->given[i].option->flag, flag) == 0) return line->given[i].value;
    return NULL;
}

bool cmd_whole(const struct cmd_line *line, const char *flag, size_t most, size_t *x)
{
    const char *text = cmd_value(line, flag);
    double given = 0;
    if (!text) return true;
    if (!settings_number(text, &given) || given < 1 || given > (double)most ||
        given != (double)(size_t)given)
        return cmd_say(NULL, "%s: \"%.80s\" is not a whole number from 1 to %zu", flag, text, most),
               false;
    *x = (size_t)given;
    return true;
}

static const char *cmd_name(const void *unused, size_t i)
{
    (void)unused;
    return cmds[i]->name;
}

/* The flags a subcommand takes, one after another: its options, then its settings, then --help. NULL past the end. */
static const char *flag_at(const void *arg, size_t i)
{
    const struct cmd *cmd = arg;
    for (const struct cmd_option *o = cmd->options; o && o->flag; o++)
        if (i-- == 0) return o->flag;
    for (const struct settings_row *row = settings_rows; row->name; row++)
        if ((row->use & cmd->settings) && i-- == 0) return row->flag;
    return i == 0 ? "--help" : NULL;
}

static const struct cmd_option *find_option(const struct cmd *cmd, const char *word, size_t n)
{
    for (const struct cmd_option *o = cmd->options; o && o->flag; o++) {
        if (strlen(o->flag) == n && memcmp(o->flag, word, n) == 0) return o;
        if (o->letter && strcmp(o->letter, word) == 0) return o;
    }
    return NULL;
}

/* argv[*i] begins with '-'. 1: taken, -1: wrong (said). */
static int take_flag(struct cmd_line *line, int argc, char **argv, int *i)
{
    const struct cmd *cmd = line->cmd;
    int taken = settings_flag(&line->settings, cmd->settings, argc, argv, i, stderr);
    if (taken != 0) return taken;
    const char *word = argv[*i];
    size_t n = strcspn(word, "=");
    const struct cmd_option *o = find_option(cmd, word, n);
    if (!o) {
        char flag[64];
        snprintf(flag, sizeof flag, "%.*s", (int)n, word);
        size_t count = 0;
        while (flag_at(cmd, count)) count++;
        cmd_say(convd_nearest(flag, flag_at, cmd, count), "%s: unknown option %s", cmd->name, flag);
        return -1;
    }
    const char *value = word[n] == '=' ? word + n + 1 : NULL;
    ++*i;
    if (!o->unit && value) return cmd_say(NULL, "%s takes no value", o->flag), -1;
    if (!o->unit) value = "";
    if (!value && *i < argc) value = argv[(*i)++];
    if (!value) return cmd_say(NULL, "%s wants a value: %s %s", o->flag, o->flag, o->unit), -1;
    line->given[line->n_given++] = (struct cmd_given){o, value};
    return 1;
}

static bool is_help(const char *word)
{
    return strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0;
}

/* Fills line from the words behind the subcommand's name; false after a line on stderr. *help: it was asked for. */
static bool read_line(struct cmd_line *line, int argc, char **argv, bool *help)
{
    bool flags = true;
    for (int i = 0; i < argc;) {
        if (flags && is_help(argv[i])) return *help = true;
        if (flags && strcmp(argv[i], "--") == 0) {
            flags = false;
            i++;
        } else if (flags && argv[i][0] == '-' && argv[i][1]) {
            if (take_flag(line, argc, argv, &i) < 0) return false;
        } else {
            line->words[line->n_words++] = argv[i++];
        }
    }
    const struct cmd *cmd = line->cmd;
    settings_settle(&line->settings);
    if (line->n_words >= cmd->min_words && line->n_words <= cmd->max_words) return true;
    if (line->n_words < cmd->min_words)
        cmd_say(NULL, "%s: something is missing: convd %s %s", cmd->name, cmd->name, cmd->usage);
    else
        cmd_say(NULL, "%s: what is \"%s\" for? convd %s %s", cmd->name, line->words[cmd->max_words],
                cmd->name, cmd->usage);
    return false;
}

static int run_command(const struct cmd *cmd, int argc, char **argv, char **environment)
{
    struct cmd_line line = {.cmd = cmd};
    bool help = false;
    int code = CMD_USAGE;
    size_t room = (size_t)argc + 1;
    line.words = calloc(room, sizeof *line.words);
    line.given = calloc(room, sizeof *line.given);
    if (!line.words || !line.given) {
        cmd_say(NULL, "no memory");
        code = CMD_FAILED;
    } else if (settings_init(&line.settings, environment, stderr) &&
               read_line(&line, argc, argv, &help)) {
        code = CMD_OK;
        if (help)
            cmd_help(cmd, stdout);
        else
            code = cmd->run(&line);
    }
    settings_release(&line.settings);
    free(line.words);
    free(line.given);
    if (fflush(stdout) == 0) return code;
    cmd_say(NULL, "cannot write to standard output");
    return code ? code : CMD_FAILED;
}

static const struct cmd *find_command(const char *word)
{
    for (size_t i = 0; cmds[i]; i++)
        if (strcmp(cmds[i]->name, word) == 0) return cmds[i];
    size_t n = 0;
    while (cmds[n]) n++;
    const char *near = convd_nearest(word, cmd_name, NULL, n);
    if (near)
        cmd_say(near, "unknown subcommand %.80s", word);
    else
        cmd_say(NULL, "unknown subcommand %.80s; convd --help lists them", word);
    return NULL;
}

int cmd_main(int argc, char **argv, char **environment)
{
    if (argc < 2) {
        cmd_help(NULL, stderr);
        return CMD_USAGE;
    }
    const char *word = argv[1];
    if (strcmp(word, "help") == 0 && argc == 3 && strcmp(argv[2], "man") == 0) {
        cmd_man(stdout);
        return CMD_OK;
    }
    if (strcmp(word, "help") == 0 && argc >= 3 && strcmp(argv[2], "docs") == 0)
        return cmd_docs(argc > 3 ? argv[3] : NULL, stdout) ? CMD_OK : CMD_USAGE;
    if (is_help(word) || (strcmp(word, "help") == 0 && argc < 3)) {
        cmd_help(NULL, stdout);
        return CMD_OK;
    }
    if (strcmp(word, "complete") == 0) {
        cmd_complete((size_t)argc - 2, argv + 2, stdout);
        return CMD_OK;
    }
    if (strcmp(word, "--version") == 0) word = "version";
    bool help = strcmp(word, "help") == 0;
    const struct cmd *cmd = find_command(help ? argv[2] : word);
    if (!cmd) return CMD_USAGE;
    if (!help) return run_command(cmd, argc - 2, argv + 2, environment);
    cmd_help(cmd, stdout);
    return CMD_OK;
}
