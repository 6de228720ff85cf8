/* test_catalogue.c: what the rows of operations and kernels say of themselves holds. */
#include "../../core/kernels.h"
#include "../../core/op.h"
#include "../t.h"
#include "lib_work.h"

static void runs(const char *chain, const void *x, size_t n)
{
    struct api_work w = test_work(NULL, x, n, chain);
    test_run(&w);
    OK(w.body.n > 0);
    api_work_release(&w);
}

TEST(the_example_of_every_operation_runs)
{
    size_t n;
    uint8_t *x = test_picture(64, 48, 3, &n);
    const struct convd_op *op;
    for (size_t i = 0; (op = convd_op_at(i)); i++) {
        if (!op->example) T_FAIL("%s shows no example", op->name);
        bool shows = false; /* that operation, under its name or one of its kernels */
        struct api_work w = test_work(NULL, x, n, op->example);
        if (!api_work_prepare(&w))
            T_FAIL("%s: %s: %s", op->name, op->example, test_faults(w.faults));
        for (const struct convd_written *at = w.graph->written; at; at = at->next)
            shows |= at->op == op;
        if (!shows) T_FAIL("%s: its example %s is of something else", op->name, op->example);
        api_work_release(&w);
        runs(op->example, x, n);
    }
    free(x);
}

TEST(every_kernel_and_pipeline_runs_by_its_name)
{
    size_t n;
    uint8_t *x = test_picture(64, 48, 3, &n);
    for (size_t i = 0; convd_kernel_at(i); i++) runs(convd_kernel_at(i)->name, x, n);
    for (size_t i = 0; api_library_at(test_library(), i); i++)
        runs(api_library_at(test_library(), i)->name, x, n);
    free(x);
}

/* A rule names a parameter; whoever checks something says so. */
TEST(rules_are_about_parameters)
{
    const struct convd_op *op;
    for (size_t i = 0; (op = convd_op_at(i)); i++) {
        if (op->check && !op->rules) T_FAIL("%s checks its parameters and tells no rule", op->name);
        for (const struct convd_rule *r = op->rules; r && r->member; r++)
            if (!convd_param_find(op->params, r->member) || !r->words || r->code == CONVD_BAD_SHAPE)
                T_FAIL("%s: the rule about %s", op->name, r->member);
    }
}

/* The names by which a row may be called lead to it. */
TEST(aliases_lead_home)
{
    const struct convd_op *op;
    char name[64];
    for (size_t i = 0; (op = convd_op_at(i)); i++) {
        OK(convd_op_find(op->name) == op);
        for (const char *s = op->aliases ? op->aliases : ""; *s; s += strspn(s, " ")) {
            size_t len = strcspn(s, " ");
            snprintf(name, sizeof name, "%.*s", (int)len, s);
            if (convd_op_find(name) != op)
                T_FAIL("%s is called %s, which is something else", op->name, name);
            s += len;
        }
        for (const struct convd_param *row = op->params; row && row->name; row++)
            for (const char *s = row->aliases ? row->aliases : ""; *s; s += strspn(s, " ")) {
                size_t len = strcspn(s, " ");
                snprintf(name, sizeof name, "%.*s", (int)len, s);
                if (convd_param_find(op->params, name) != row)
                    T_FAIL("%s: %s is called %s, which is something else", op->name, row->name,
                           name);
                s += len;
            }
    }
}

T_MAIN("api/catalogue")
