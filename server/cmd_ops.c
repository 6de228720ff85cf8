/* cmd_ops.c: convd ops. */
#include "cmd_list.h"

static int list(void)
{
    for (int g = 0; g <= CONVD_BLOCKS; g++) {
        const struct convd_op *op;
        bool any = false;
        for (size_t i = 0; (op = convd_op_at(i)); i++) {
            if ((int)op->group != g) continue;
            if (!any) printf("%s%s\n", g ? "\n" : "", convd_group_word((enum convd_group)g));
            any = true;
            cmd_list_line(op->name, op->summary);
        }
    }
    printf("\nconvd ops NAME tells its parameters.\n");
    return CMD_OK;
}

static void describe(const struct convd_op *op)
{
    printf("%s: %s (%s)\n", op->name, op->summary, convd_group_word(op->group));
    if (op->max_inputs > 1) printf("takes %zu to %zu inputs\n", op->min_inputs, op->max_inputs);
    if (op->aliases) printf("also called: %s\n", op->aliases);
    if (op->source) printf("defined by: %s\n", op->source);
    cmd_list_params(op->params);
    if (op->example) cmd_list_example(op->example);
}

static int run(struct cmd_line *line)
{
    const char *name = line->n_words ? line->words[0] : NULL;
    const struct convd_op *op = name ? convd_op_find(name) : NULL;
    if (name && !op)
        return cmd_list_unknown("operation", name, convd_op_name, NULL, convd_op_count());
    if (cmd_value(line, "--json")) {
        struct convd_bytes json = {0};
        bool written = api_ops_write(op ? op->name : NULL, &json);
        return cmd_list_json(written, &json);
    }
    if (!op) return list();
    describe(op);
    return CMD_OK;
}

const struct cmd cmd_ops = {
    .name = "ops",
    .usage = "[NAME] [--json]",
    .summary = "the operations, or one of them with its parameters",
    .help = "  convd ops\n"
            "  convd ops max_pool\n"
            "  convd ops --json | jq .\n",
    .options = cmd_list_options,
    .max_words = 1,
    .words = CMD_OP,
    .run = run,
};
