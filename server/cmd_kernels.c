/* cmd_kernels.c: convd kernels. */
#include "../core/kernels.h"
#include "cmd_list.h"

/* Prints the numbers of a kernel with its defaults; large ones by their size alone. */
static void print_numbers(const struct convd_kernel_row *row)
{
    struct convd_arena mem;
    convd_arena_init(&mem, NULL, 0);
    struct convd_faults *f = convd_faults_new();
    struct convd_kernel k;
    if (f && convd_kernel_build(row, NULL, 0, f, &mem, &k)) {
        printf("\n%td x %td%s:\n", k.h, k.w, row->params ? " without arguments" : "");
        for (ptrdiff_t i = 0; i < k.h && k.w <= 9; i++) {
            for (ptrdiff_t j = 0; j < k.w; j++) printf(" %10.6g", (double)k.v[i * k.w + j]);
            printf("\n");
        }
    }
    convd_faults_free(f);
    convd_arena_release(&mem);
}

static void describe(const struct convd_kernel_row *row)
{
    printf("%s: %s\n", row->name, row->summary);
    if (row->aliases) printf("also called: %s\n", row->aliases);
    if (row->source) printf("source: %s\n", row->source);
    cmd_list_params(row->params);
    print_numbers(row);
    cmd_list_example(row->name);
}

static int run(struct cmd_line *line)
{
    const char *name = line->n_words ? line->words[0] : NULL;
    const struct convd_kernel_row *row = name ? convd_kernel_find(name) : NULL;
    if (name && !row)
        return cmd_list_unknown("kernel", name, convd_kernel_name, NULL, convd_kernel_count());
    if (cmd_value(line, "--json")) {
        struct convd_bytes json = {0};
        bool written = api_kernels_write(row ? row->name : NULL, &json);
        return cmd_list_json(written, &json);
    }
    if (row) {
        describe(row);
        return CMD_OK;
    }
    for (size_t i = 0; (row = convd_kernel_at(i)); i++) cmd_list_line(row->name, row->summary);
    printf("\nconvd kernels NAME shows its numbers. Alone in a chain a kernel's name filters each "
           "channel.\n");
    return CMD_OK;
}

const struct cmd cmd_kernels = {
    .name = "kernels",
    .usage = "[NAME] [--json]",
    .summary = "the named kernels, or one of them with its numbers",
    .help = "  convd kernels\n"
            "  convd kernels gaussian\n",
    .options = cmd_list_options,
    .max_words = 1,
    .words = CMD_KERNEL,
    .run = run,
};
