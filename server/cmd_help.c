/* cmd_help.c: --help, the man page and completion, made from the rows. */
#include <stdlib.h>
#include <string.h>

#include "../core/kernels.h"
#include "cmd.h"

static const char about[] = "convd, the convolution daemon: convolutions and pooling on images, "
                            "over HTTP, from the command line, from C.";
static const char pipelines[] = "PIPELINE is a chain such as grayscale/sobel_x/abs/max_pool:2, a "
                                "name that convd pipelines lists, or\n"
                                "@FILE with a JSON spec. - is standard input or output.\n";

static void print_option(const struct cmd_option *o, FILE *out)
{
    char left[64];
    snprintf(left, sizeof left, "%s%s%s%s%s", o->letter ? o->letter : "", o->letter ? ", " : "",
             o->flag, o->unit ? " " : "", o->unit ? o->unit : "");
    fprintf(out, "  %-29s %s\n", left, o->help);
}

void cmd_help(const struct cmd *cmd, FILE *out)
{
    if (cmd) {
        fprintf(out, "convd %s%s%s\n  %s\n\n", cmd->name, *cmd->usage ? " " : "", cmd->usage,
                cmd->summary);
        if (cmd->help) fprintf(out, "%s\n", cmd->help);
        fputs("Options:\n", out);
        for (const struct cmd_option *o = cmd->options; o && o->flag; o++) print_option(o, out);
        settings_help(cmd->settings, out);
        fprintf(out, "  %-29s %s\n", "-h, --help", "this text");
        return;
    }
    fprintf(out, "%s\n\n", about);
    for (size_t i = 0; cmds[i]; i++)
        fprintf(out, "  convd %-12s %s\n", cmds[i]->name, cmds[i]->summary);
    fprintf(
        out,
        "\n%s\nconvd SUBCOMMAND --help says more. Exit codes: 0, 1 (failed), 2 (usage).\n\n"
        "  convd serve                                           then open http://127.0.0.1:8080/\n"
        "  convd run edges photo.png -o edges.png\n"
        "  convd explain grayscale/sobel_x/abs/max_pool:2 --size 640x480x3\n",
        pipelines);
}

/* ---- the man page ---- */

/* Text for roff: backslashes and hyphens escaped, lines that begin with a dot or a quote guarded. */
static void roff(const char *text, FILE *out)
{
    for (const char *p = text; *p; p++) {
        if ((p == text || p[-1] == '\n') && (*p == '.' || *p == '\'')) fputs("\\&", out);
        if (*p == '\\')
            fputs("\\e", out);
        else if (*p == '-')
            fputs("\\-", out);
        else
            fputc(*p, out);
    }
}

static void item(const char *head, const char *unit, FILE *out)
{
    fputs(".TP\n\\fB", out);
    roff(head, out);
    fputs("\\fR", out);
    if (unit) fputs(" \\fI", out), roff(unit, out), fputs("\\fR", out);
    fputc('\n', out);
}

static void man_settings(FILE *out)
{
    for (const struct settings_row *row = settings_rows; row->name; row++) {
        item(row->flag, row->unit, out);
        roff(row->help, out);
        fputs(" (\\fB", out);
        roff(row->env, out);
        fputs("\\fR", out);
        if (*row->def) fputs(", default ", out), roff(row->def, out);
        fputs(")\n", out);
    }
}

static void man_command(const struct cmd *cmd, FILE *out)
{
    fputs(".SS \"convd ", out);
    roff(cmd->name, out);
    if (*cmd->usage) fputc(' ', out), roff(cmd->usage, out);
    fputs("\"\n", out);
    roff(cmd->summary, out);
    fputs(".\n", out);
    if (cmd->help) fputs(".PP\n.nf\n", out), roff(cmd->help, out), fputs(".fi\n", out);
    for (const struct cmd_option *o = cmd->options; o && o->flag; o++) {
        char head[64];
        snprintf(head, sizeof head, "%s%s%s", o->letter ? o->letter : "", o->letter ? ", " : "",
                 o->flag);
        item(head, o->unit, out);
        roff(o->help, out);
        fputc('\n', out);
    }
}

void cmd_man(FILE *out)
{
    fprintf(out, ".\\\" Made by convd help man.\n.TH CONVD 1 \"\" \"convd %s\" \"User commands\"\n",
            CONVD_VERSION);
    fputs(".SH NAME\nconvd \\- the convolution daemon\n.SH SYNOPSIS\n", out);
    for (size_t i = 0; cmds[i]; i++) {
        fputs(i ? ".br\n\\fBconvd " : "\\fBconvd ", out);
        roff(cmds[i]->name, out);
        fputs(*cmds[i]->usage ? "\\fR " : "\\fR", out);
        roff(cmds[i]->usage, out);
        fputc('\n', out);
    }
    fputs(".SH DESCRIPTION\n", out);
    roff(about, out);
    fputs("\n.PP\n", out);
    roff(pipelines, out);
    fputs(".SH SUBCOMMANDS\n", out);
    for (size_t i = 0; cmds[i]; i++) man_command(cmds[i], out);
    fputs(".SH SETTINGS\nTaken by \\fBconvd serve\\fR; those about images, steps and memory by "
          "\\fBrun\\fR and "
          "\\fBexplain\\fR too, --url and --key by \\fBjobs\\fR alone. Flags win over the environment.\n",
          out);
    man_settings(out);
    fputs(".SH ENVIRONMENT\n", out);
    item("CONVD_ISA", NULL, out);
    fputs("Forces an instruction set: base, avx2, avx512 or neon.\n", out);
    fputs(".SH EXIT STATUS\n0: done. 1: failed; what and where is said on standard error. 2: the "
          "command line is wrong.\n",
          out);
    fputs(".SH SEE ALSO\n\\fBcurl\\fR(1). A running server answers /v1/ops, /v1/kernels and "
          "/v1/pipelines.\n",
          out);
}

/* ---- completion ---- */

static void offer(const char *prefix, const char *word, const char *summary, FILE *out)
{
    if (strncmp(word, prefix, strlen(prefix)) != 0) return;
    fprintf(out, "%s\t%s\n", word, summary ? summary : "");
}

static void offer_words(const char *prefix, const char *words, FILE *out)
{
    char word[64];
    for (const char *p = words; *p; p += *p == ' ') {
        size_t n = strcspn(p, " ");
        snprintf(word, sizeof word, "%.*s", (int)n, p);
        offer(prefix, word, NULL, out);
        p += n;
    }
}

static void offer_pipelines(const char *prefix, FILE *out)
{
    struct convd_faults *f = convd_faults_new();
    struct api_library *lib = f ? api_library_new(f) : NULL;
    const struct api_pipeline *p;
    for (size_t i = 0; lib && (p = api_library_at(lib, i)); i++)
        offer(prefix, p->name, p->summary, out);
    if (lib) api_library_free(lib);
    convd_faults_free(f);
}

static void offer_ops(const char *prefix, FILE *out)
{
    const struct convd_op *op;
    for (size_t i = 0; (op = convd_op_at(i)); i++) offer(prefix, op->name, op->summary, out);
}

static void offer_kernels(const char *prefix, FILE *out)
{
    const struct convd_kernel_row *row;
    for (size_t i = 0; (row = convd_kernel_at(i)); i++) offer(prefix, row->name, row->summary, out);
}

/* Prints the lines of text with the first n bytes of word in front of each. */
static void print_behind(const char *word, size_t n, char *text, FILE *out)
{
    for (char *line = text, *end; (end = strchr(line, '\n')); line = end + 1)
        fprintf(out, "%.*s%.*s\n", (int)n, word, (int)(end - line), line);
}

/* The last segment of a chain that is being typed: what stands before it goes in front of every candidate again. */
static void offer_chain(const char *word, FILE *out)
{
    const char *slash = strrchr(word, '/');
    const char *last = slash ? slash + 1 : word;
    if (word[0] == '@' || word[0] == '-' || strchr(last, ':')) return;
    char *text = NULL;
    size_t n = 0;
    FILE *memory = open_memstream(&text, &n);
    if (!memory) return;
    offer_pipelines(last, memory);
    offer_ops(last, memory);
    offer_kernels(last, memory);
    if (fclose(memory) == 0) print_behind(word, (size_t)(last - word), text, out);
    free(text);
}

static void offer_flags(const struct cmd *cmd, const char *last, FILE *out)
{
    for (const struct cmd_option *o = cmd->options; o && o->flag; o++)
        offer(last, o->flag, o->help, out);
    for (const struct settings_row *row = settings_rows; row->name; row++)
        if (row->use & cmd->settings) offer(last, row->flag, row->help, out);
    offer(last, "--help", "how to use it", out);
}

/* The words that may stand behind flag; true when flag wants a value. */
static bool offer_value(const struct cmd *cmd, const char *flag, const char *last, FILE *out)
{
    for (const struct cmd_option *o = cmd->options; o && o->flag; o++) {
        if (!o->unit ||
            (strcmp(o->flag, flag) != 0 && !(o->letter && strcmp(o->letter, flag) == 0)))
            continue;
        if (o->words) offer_words(last, o->words, out);
        return true;
    }
    for (const struct settings_row *row = settings_rows; row->name; row++) {
        if (!(row->use & cmd->settings) || strcmp(row->flag, flag) != 0) continue;
        if (row->type == SETTINGS_WORD)
            offer(last, "text", NULL, out), offer(last, "json", NULL, out);
        return true;
    }
    return false;
}

/* "--format=p": the values behind the flag. */
static void offer_joined(const struct cmd *cmd, const char *word, size_t flag_n, FILE *out)
{
    char flag[64], *text = NULL;
    size_t n = 0;
    snprintf(flag, sizeof flag, "%.*s", (int)flag_n, word);
    FILE *memory = open_memstream(&text, &n);
    if (!memory) return;
    offer_value(cmd, flag, word + flag_n + 1, memory);
    if (fclose(memory) == 0) print_behind(word, flag_n + 1, text, out);
    free(text);
}

void cmd_complete(size_t n, char *const *words, FILE *out)
{
    const char *last = n ? words[n - 1] : "";
    if (n < 2) {
        for (size_t i = 0; cmds[i]; i++) offer(last, cmds[i]->name, cmds[i]->summary, out);
        return;
    }
    const struct cmd *cmd = NULL;
    for (size_t i = 0; cmds[i]; i++)
        if (strcmp(cmds[i]->name, words[0]) == 0) cmd = cmds[i];
    if (!cmd) return;
    if (n > 2 && words[n - 2][0] == '-' && offer_value(cmd, words[n - 2], last, out)) return;
    if (last[0] == '-') {
        size_t flag_n = strcspn(last, "=");
        if (last[flag_n])
            offer_joined(cmd, last, flag_n, out);
        else
            offer_flags(cmd, last, out);
        return;
    }
    switch (cmd->words) {
    case CMD_PIPELINE:
    case CMD_PIPELINE_FILES:
        if (n == 2) offer_chain(last, out);
        break;
    case CMD_OP:
        offer_ops(last, out);
        break;
    case CMD_KERNEL:
        offer_kernels(last, out);
        break;
    case CMD_SAVED:
        offer_pipelines(last, out);
        break;
    case CMD_JOBS:
        if (n == 2) offer_words(last, "list show wait cancel", out);
        break;
    case CMD_NO_WORDS:
        break;
    }
}
