/* names.c: what a name means in a graph, which ids steps have, and a step added by name with its arguments as text. */
#include "kernels.h"
#include "scope.h"
#include <ctype.h>
#include <string.h>

static const char *show(struct convd_graph *g, const char *s)
{
    return convd_value_show(g->faults->mem,
                            &(struct convd_value){.kind = CONVD_STRING, .string = s});
}

/* ---- names ---- */

const struct convd_value *convd_pipeline_find(const struct convd_graph *g, const char *name)
{
    return g->names ? g->names->find(g->names->self, name) : NULL;
}

bool convd_graph_knows(const struct convd_graph *g, const char *name)
{
    return convd_pipeline_find(g, name) || convd_op_find(name) || convd_kernel_find(name);
}

/* Pipelines, then ops, then kernels, as one list for suggestions. */
static const char *any_name(const void *graph, size_t i)
{
    const struct convd_graph *g = graph;
    for (size_t j = 0; g->names; j++) {
        const char *name = g->names->name(g->names->self, j);
        if (!name) break;
        if (i-- == 0) return name;
    }
    return i < convd_op_count() ? convd_op_name(NULL, i)
                                : convd_kernel_name(NULL, i - convd_op_count());
}

void convd_unknown_name(struct convd_graph *g, int code, const char *member, const char *name,
                        const char *noun)
{
    struct convd_fault *x = convd_fault(g->faults, code, member, "no %s %s", noun, show(g, name));
    x->suggestion = code == CONVD_UNKNOWN_OP
                        ? convd_nearest(name, convd_op_name, NULL, convd_op_count())
                        : convd_nearest(name, any_name, g, SIZE_MAX);
}

/* ---- one entry ---- */

bool convd_id_fits(const char *id)
{
    size_t n = strlen(id);
    if (n < 1 || n > 64 || !(isalpha((unsigned char)*id) || *id == '_') || strcmp(id, "image") == 0)
        return false;
    for (; *id; id++)
        if (!isalnum((unsigned char)*id) && *id != '_' && *id != '-') return false;
    return true;
}

/* Gives the step its id: the written one, or a made one: s0, s1, … by position; NAME, NAME2, … for pipelines. */
static bool give_id(struct convd_graph *g, struct convd_new_step *s, const char *pipeline)
{
    const char *full = NULL;
    if (s->id) {
        full = convd_full_id(g, s->id);
    } else if (!pipeline) {
        s->id = convd_arena_printf(&g->mem, "s%zu", g->scope->index);
        full = s->id ? convd_full_id(g, s->id) : NULL;
    } else {
        s->id = pipeline;
        full = convd_full_id(g, s->id);
        for (int i = 2; full && convd_id_taken(g, full); i++) {
            s->id = convd_arena_printf(&g->mem, "%s%d", pipeline, i);
            full = s->id ? convd_full_id(g, s->id) : NULL;
        }
    }
    if (!full) return convd_out_of_memory(g);
    if (!convd_id_taken(g, full)) return true;
    convd_fault_expected(g->faults, CONVD_BAD_GRAPH, s->named ? "id" : NULL,
                         "an id that no other step has", "the id %s is taken", show(g, s->id));
    s->id = convd_arena_printf(&g->mem, "%s~%zu", s->id,
                               g->n_nodes); /* goes on under a name nobody can write */
    return s->id != NULL || convd_out_of_memory(g);
}

/* A step whose input was not said takes what stands before it; ops that merge must be told. */
static bool default_input(struct convd_graph *g, struct convd_new_step *s)
{
    bool merges = s->op && s->op->max_inputs > 1;
    int *one = convd_arena_array(&g->mem, 1, sizeof *one);
    if (!one) return convd_out_of_memory(g);
    *one = g->scope->previous;
    s->inputs = one;
    s->n_inputs = merges && s->op->min_inputs > 1 ? 0 : 1;
    s->chained = true;
    return true;
}

static bool count_written(struct convd_graph *g)
{
    if (g->full) return false;
    if (g->faults->closed || ++g->n_written <= g->limits.steps) return true;
    g->full = true;
    convd_fault_limit(g->faults, CONVD_TOO_MANY_STEPS, NULL, (double)g->limits.steps,
                      (double)g->n_written, "more than %zu steps", g->limits.steps);
    return false;
}

int convd_add_entry(struct convd_graph *g, struct convd_new_step *s, const char *pipeline,
                    const struct convd_value *spec)
{
    if (!count_written(g) || (!s->inputs && !default_input(g, s)) || !give_id(g, s, pipeline))
        return -1;
    int node = pipeline ? convd_add_pipeline(g, pipeline, spec, s) : convd_add_op(g, s);
    g->scope->index++;
    g->scope->previous = node;
    return node;
}

/* ---- by name, with arguments as text: segments, bare strings, calls ---- */

/* The kernel of a segment such as gaussian:5,1.2,padding_mode=zeros: its own arguments become a kernel value, the rest
 * are filter's. */
static bool kernel_args(struct convd_graph *g, const struct convd_kernel_row *k,
                        struct convd_arg *args, size_t n, struct convd_arg **out, size_t *n_out)
{
    size_t own = 0, n_rows = 0, taken = 0;
    while (k->params && k->params[n_rows].name) n_rows++;
    struct convd_member *members = convd_arena_array(&g->mem, n_rows + 1, sizeof *members);
    struct convd_value *value = convd_arena_array(&g->mem, 1, sizeof *value);
    const struct convd_param *filter = convd_op_find("filter")->params;
    *out = convd_arena_array(&g->mem, n + 1, sizeof **out);
    if (!members || !value || !*out) return convd_out_of_memory(g);
    members[own++] = (struct convd_member){"name", convd_string(k->name)};
    for (size_t i = 0; i < n; i++) {
        const struct convd_param *row =
            args[i].name ? (n_rows ? convd_param_find(k->params, args[i].name) : NULL)
            : i < n_rows ? &k->params[i]
                         : NULL;
        if (row) {
            for (size_t j = 1; j < own; j++)
                if (strcmp(members[j].name, row->name) == 0) {
                    convd_fault_expected(g->faults, CONVD_BAD_REQUEST, "kernel",
                                         "each parameter once", "%s is given twice", row->name);
                    return false;
                }
            members[own++] =
                (struct convd_member){row->name, convd_param_read(row, args[i].text, &g->mem)};
            continue;
        }
        struct convd_arg *a = &(*out)[1 + taken];
        *a = args[i];
        if (!a->name) /* positional behind the kernel's own: filter's, which begin behind `kernel` */
            for (size_t j = 0; j <= i - n_rows + 1 && filter[j].name; j++)
                a->name = j == i - n_rows + 1 ? filter[j].name : NULL;
        if (!a->name) {
            convd_fault_expected(g->faults, CONVD_BAD_REQUEST, NULL, "fewer arguments",
                                 "%s has no argument number %zu", k->name, i + 1);
            return false;
        }
        taken++;
    }
    *value =
        own == 1
            ? convd_string(k->name)
            : (struct convd_value){.kind = CONVD_OBJECT, .n = (uint32_t)own, .members = members};
    (*out)[0] = (struct convd_arg){.name = "kernel", .value = value};
    *n_out = taken + 1;
    return true;
}

int convd_add_named(struct convd_graph *g, struct convd_new_step *s, const char *name,
                    const char *text)
{
    const struct convd_value *spec = text ? NULL : convd_pipeline_find(g, name);
    const struct convd_op *op = spec ? NULL : convd_op_find(name);
    const struct convd_kernel_row *kernel = spec || op ? NULL : convd_kernel_find(name);
    if (spec) return convd_add_entry(g, s, name, spec);
    struct convd_arg *args = NULL;
    size_t n = 0;
    if (!op && !kernel) {
        if (convd_pipeline_find(g, name))
            convd_fault_expected(g->faults, CONVD_BAD_REQUEST, NULL, "its name alone",
                                 "the pipeline %s takes no arguments", name);
        else
            convd_unknown_name(g, CONVD_UNKNOWN_NAME, NULL, name, "pipeline, operation or kernel");
        s->bad = true;
    } else if (text && !convd_args_split(g->faults, &g->mem, text, &args, &n)) {
        s->bad = true;
    } else if (kernel && !kernel_args(g, kernel, args, n, &args, &n)) {
        s->bad = true;
    }
    s->op = s->bad ? NULL : kernel ? convd_op_find("filter") : op;
    s->args = args;
    s->n_args = n;
    return convd_add_entry(g, s, NULL, NULL);
}
