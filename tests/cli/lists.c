/* convd ops, kernels, pipelines: readable and as JSON. */
#include "../t.h"

#include "../../api/json.h"
#include "../../core/kernels.h"
#include "../../core/op.h"
#include "lib_child.h"

/* Every name of a kind, in the list and alone. */
static void check(const char *command, const char *(*name_at)(size_t i))
{
    struct child all = CONVD(command);
    EQ(0, all.code);
    for (size_t i = 0; name_at(i); i++) {
        char line[64];
        snprintf(line, sizeof line, "\n  %s ", name_at(i));
        if (!strstr(all.out, line) && strncmp(all.out, line + 1, strlen(line) - 1) != 0)
            T_FAIL("%s lists no %s", command, name_at(i));
    }
    child_release(&all);
}

static const char *op_at(size_t i)
{
    const struct convd_op *op = convd_op_at(i);
    return op ? op->name : NULL;
}

static const char *kernel_at(size_t i)
{
    const struct convd_kernel_row *row = convd_kernel_at(i);
    return row ? row->name : NULL;
}

static const char *pipeline_at(size_t i)
{
    static const char *const names[] = {
        "edges",   "edges-x", "edges-y",  "edges-xy", "magnitude",   "diagonal", "laplacian",
        "sharpen", "blur",    "gaussian", "emboss",   "outline",     "maximum",  "minimum",
        "median",  "maxpool", "avgpool",  "sumpool",  "orientation", "features", "residual",
        "dense",   "csp",     "se",       NULL};
    return names[i];
}

TEST(every_op_is_listed)
{
    check("ops", op_at);
}

TEST(every_kernel_is_listed)
{
    check("kernels", kernel_at);
}

TEST(every_built_in_pipeline_is_listed)
{
    check("pipelines", pipeline_at);
}

TEST(an_op_tells_its_parameters)
{
    for (size_t i = 0; op_at(i); i++) {
        struct child c = CONVD("ops", op_at(i));
        EQ(0, c.code);
        const struct convd_op *op = convd_op_at(i);
        OK(strstr(c.out, op->summary));
        for (const struct convd_param *p = op->params; p && p->name; p++)
            if (!strstr(c.out, p->name) || !strstr(c.out, p->summary))
                T_FAIL("%s: no %s", op->name, p->name);
        child_release(&c);
    }
}

TEST(a_kernel_shows_its_numbers)
{
    struct child c = CONVD("kernels", "sobel_x");
    EQ(0, c.code);
    static const char rows[] = "        -1          0          1\n"
                               "         -2          0          2\n"
                               "         -1          0          1\n";
    OK(strstr(c.out, rows));
    child_release(&c);
}

TEST(a_pipeline_shows_its_spec)
{
    struct child c = CONVD("pipelines", "edges");
    EQ(0, c.code);
    OK(strstr(c.out, "\"steps\""));
    OK(strstr(c.out, "sobel_y"));
    child_release(&c);
}

TEST(an_alias_is_the_op_it_stands_for)
{
    struct child a = CONVD("ops", "conv2d"), b = CONVD("ops", "conv");
    EQ(0, a.code);
    STR(b.out, a.out);
    child_release(&a);
    child_release(&b);
}

TEST(unknown_names_fail_with_the_nearest)
{
    struct child c = CONVD("ops", "max_pol");
    EQ(1, c.code);
    STR("convd: no operation is called max_pol; did you mean max_pool?\n", c.err);
    child_release(&c);
    c = CONVD("kernels", "sobelx");
    EQ(1, c.code);
    STR("convd: no kernel is called sobelx; did you mean sobel_x?\n", c.err);
    child_release(&c);
    c = CONVD("pipelines", "edgse");
    EQ(1, c.code);
    STR("convd: no pipeline is called edgse; did you mean edges?\n", c.err);
    child_release(&c);
}

TEST(json_is_json)
{
    static const char *const words[][3] = {
        {"ops", "--json", NULL},       {"ops", "max_pool", "--json"},
        {"kernels", "--json", NULL},   {"kernels", "gaussian", "--json"},
        {"pipelines", "--json", NULL}, {"pipelines", "edges", "--json"}};
    api_json_setup();
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        struct child c =
            child_run((const char *const[]){"convd", words[i][0], words[i][1], words[i][2], NULL},
                      NULL, 0, NULL);
        EQ(0, c.code);
        struct convd_arena mem;
        convd_arena_init(&mem, NULL, 0);
        struct convd_faults *f = convd_faults_new();
        struct convd_value v;
        if (!api_json_parse(c.out, c.out_n, c.out_n, &mem, f, &v))
            T_FAIL("%s: %s", words[i][0], convd_faults_first(f)->detail);
        convd_faults_free(f);
        convd_arena_release(&mem);
        child_release(&c);
    }
}

T_MAIN("cli/lists")
