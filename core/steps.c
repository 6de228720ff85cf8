/* steps.c: what is written becomes steps: lists as specs have them, chain segments, calls, and the names of pipelines. */
#include "kernels.h"
#include "scope.h"
#include <stdio.h>
#include <string.h>

#define MOST_INPUTS 64

static const char *show(struct convd_graph *g, const char *s)
{
    return convd_value_show(g->faults->mem,
                            &(struct convd_value){.kind = CONVD_STRING, .string = s});
}

/* ---- by name: chain segments and calls ---- */

int convd_graph_segment(struct convd_graph *g, const char *segment)
{
    size_t n = strcspn(segment, ":");
    const char *copy = convd_arena_text(&g->mem, segment, strlen(segment));
    char *name = convd_arena_text(&g->mem, segment, n);
    if (!copy || !name) {
        convd_out_of_memory(g);
        return -1;
    }
    size_t mark = convd_enter(g->faults, "steps");
    convd_enter_item(g->faults, g->scope->index);
    g->faults->segment = copy;
    struct convd_new_step s = {.learn = -1};
    int node = -1;
    if (n == 0) {
        convd_fault_expected(g->faults, CONVD_BAD_REQUEST, NULL,
                             "NAME or NAME:ARG,ARG between the slashes", "an empty chain segment");
        g->scope->index++;
        g->scope->previous = -1;
    } else if (segment[n] == ':' && segment[n + 1] == '\0') {
        convd_fault_expected(g->faults, CONVD_BAD_REQUEST, NULL,
                             "arguments behind the colon, or no colon", "no arguments in %s",
                             show(g, segment));
        s.bad = true;
        node = convd_add_entry(g, &s, NULL, NULL);
    } else {
        node = convd_add_named(g, &s, name, segment[n] == ':' ? copy + n + 1 : NULL);
    }
    g->faults->segment = NULL;
    convd_leave(g->faults, mark);
    return node >= 0 && !g->nodes[node].bad ? node : -1;
}

int convd_graph_add_step(struct convd_graph *g, const char *id, const char *name, const char *text,
                         const int *inputs, size_t n_inputs)
{
    size_t mark = convd_enter(g->faults, "steps");
    convd_enter_item(g->faults, g->scope->index);
    struct convd_new_step s = {.id = id, .named = id != NULL, .learn = -1};
    int *copy = convd_arena_array(&g->mem, n_inputs ? n_inputs : 1, sizeof *copy);
    bool fine = copy != NULL;
    for (size_t i = 0; fine && i < n_inputs; i++) {
        copy[i] = inputs[i];
        if (inputs[i] < 0 || (size_t)inputs[i] >= g->n_nodes) {
            if (convd_faults_count(g->faults) == 0) /* -1 is the answer to an earlier fault */
                convd_fault_expected(g->faults, CONVD_BAD_GRAPH, "inputs",
                                     "a node this graph returned", "input %zu is node %d", i,
                                     inputs[i]);
            copy[i] = -1;
        }
    }
    if (id && !convd_id_fits(id)) {
        convd_fault_expected(
            g->faults, CONVD_OUT_OF_RANGE, "id",
            "a letter or _, then at most 63 letters, digits, _ or -; not \"image\"", "the id is %s",
            show(g, id));
        fine = false;
    }
    s.inputs = copy;
    s.n_inputs = n_inputs;
    int node = fine ? convd_add_named(g, &s, name, text && *text ? text : NULL) : -1;
    convd_leave(g->faults, mark);
    return node >= 0 && !g->nodes[node].bad ? node : -1;
}

/* ---- by value: the `steps` of a spec ---- */

static bool wants_string(struct convd_graph *g, const char *member, const struct convd_value *v,
                         const char *expected)
{
    if (v->kind == CONVD_STRING)
        return true;
    convd_fault_expected(g->faults, CONVD_WRONG_TYPE, member, expected, "%s is %s", member,
                         convd_value_show(g->faults->mem, v));
    return false;
}

static int read_input(struct convd_graph *g, const char *member, const struct convd_value *v)
{
    size_t mark = convd_enter(g->faults, member);
    int node = -1;
    if (v->kind == CONVD_STRING)
        node = convd_scope_find(g, v->string);
    else
        convd_fault_expected(g->faults, CONVD_WRONG_TYPE, NULL,
                             "the id of an earlier step, \"image\" or \"@tensor\"",
                             "the input is %s", convd_value_show(g->faults->mem, v));
    convd_leave(g->faults, mark);
    return node;
}

/* Reads `input` or `inputs` into s; false without memory. What cannot be found becomes -1, said. */
static bool read_inputs(struct convd_graph *g, const struct convd_value *v,
                        struct convd_new_step *s)
{
    const struct convd_value *one = convd_value_get(v, "input"),
                             *many = convd_value_get(v, "inputs");
    if (one && many) {
        convd_fault_expected(g->faults, CONVD_BAD_GRAPH, "inputs", "either input or inputs",
                             "both input and inputs are there");
        s->bad = true;
    }
    if (!one && !many)
        return true;
    bool list = !one && many->kind == CONVD_ARRAY && many->n >= 1 && many->n <= MOST_INPUTS;
    if (!one && !list) {
        bool array = many->kind == CONVD_ARRAY;
        convd_fault_expected(g->faults, array ? CONVD_OUT_OF_RANGE : CONVD_WRONG_TYPE, "inputs",
                             "an array of 1 to 64 ids", "inputs is %s",
                             convd_value_show(g->faults->mem, many));
        s->bad = true;
    }
    size_t n = list ? many->n : 1;
    int *nodes = convd_arena_array(&g->mem, n, sizeof *nodes);
    if (!nodes)
        return convd_out_of_memory(g);
    s->inputs = nodes;
    s->n_inputs = n;
    s->single = one;
    for (size_t i = 0; i < n && (one || list); i++) {
        const struct convd_value *name = one ? one : &many->items[i];
        s->tensors |= (uint64_t)(name->kind == CONVD_STRING && name->string[0] == '@') << i;
    }
    if (one) {
        nodes[0] = read_input(g, "input", one);
    } else if (list) {
        size_t mark = convd_enter(g->faults, "inputs");
        char digits[24];
        for (uint32_t i = 0; i < many->n; i++) {
            snprintf(digits, sizeof digits, "%u", (unsigned)i);
            nodes[i] = read_input(g, digits, &many->items[i]);
        }
        convd_leave(g->faults, mark);
    } else {
        nodes[0] = -1;
    }
    return true;
}

static bool can_learn(const struct convd_op *op)
{
    for (const struct convd_param *row = op->params; row && row->name; row++)
        if (row->flags & CONVD_LEARNABLE)
            return true;
    return false;
}

bool convd_graph_learn(struct convd_graph *g, int node, bool learn)
{
    const struct convd_op *op = node >= 0 && (size_t)node < g->n_nodes ? g->nodes[node].op : NULL;
    if (!op || !can_learn(op)) return false;
    g->nodes[node].learn = learn;
    return true;
}

static void read_id_and_learn(struct convd_graph *g, const struct convd_value *v,
                              struct convd_new_step *s)
{
    const struct convd_value *id = convd_value_get(v, "id"), *learn = convd_value_get(v, "learn");
    const char *rule = "a letter or _, then at most 63 letters, digits, _ or -; not \"image\"";
    if (id && wants_string(g, "id", id, rule)) {
        s->id = id->string;
        s->named = true;
        if (!convd_id_fits(id->string)) {
            convd_fault_expected(g->faults, CONVD_OUT_OF_RANGE, "id", rule, "the id is %s",
                                 show(g, id->string));
            s->bad = true;
            s->id = NULL;
        }
    }
    if (!learn)
        return;
    if (learn->kind != CONVD_BOOL)
        convd_fault_expected(g->faults, CONVD_WRONG_TYPE, "learn", "true or false", "learn is %s",
                             convd_value_show(g->faults->mem, learn));
    else if (s->op && !can_learn(s->op))
        convd_fault(g->faults, CONVD_UNKNOWN_MEMBER, "learn", "%s has no weights to learn",
                    s->op->name);
    else
        s->learn = learn->boolean;
}

/* {"op":"pipeline","name":"edges"} */
static int add_pipeline_object(struct convd_graph *g, const struct convd_value *v,
                               struct convd_new_step *s)
{
    const struct convd_value *name = convd_value_get(v, "name");
    const struct convd_value *spec = NULL;
    for (uint32_t i = 0; i < v->n; i++)
        if (!convd_word_in("op name id input inputs", v->members[i].name)) {
            struct convd_fault *x =
                convd_fault(g->faults, CONVD_UNKNOWN_MEMBER, v->members[i].name,
                            "a pipeline's step has no member %s", show(g, v->members[i].name));
            x->expected = "op, name, id and input";
            s->bad = true;
        }
    if (!name)
        convd_fault_expected(g->faults, CONVD_MISSING, "name", "the name of a pipeline",
                             "a pipeline's step needs a name");
    else if (wants_string(g, "name", name, "the name of a pipeline") &&
             !(spec = convd_pipeline_find(g, name->string)))
        convd_unknown_name(g, CONVD_UNKNOWN_NAME, "name", name->string, "pipeline");
    if (spec && s->n_inputs > 1)
        convd_fault_expected(g->faults, CONVD_BAD_GRAPH, "inputs", "one input",
                             "a pipeline takes one input");
    if (spec && s->n_inputs <= 1 && !s->bad) return convd_add_entry(g, s, name->string, spec);
    s->bad = true;
    return convd_add_entry(g, s, NULL, NULL);
}

static int add_object(struct convd_graph *g, const struct convd_value *v)
{
    struct convd_new_step s = {.learn = -1};
    const struct convd_value *op = convd_value_get(v, "op");
    if (!op)
        convd_fault_expected(g->faults, CONVD_MISSING, "op", "\"op\": the name of an operation",
                             "a step without op");
    else if (wants_string(g, "op", op, "the name of an operation") &&
             strcmp(op->string, "pipeline") != 0) {
        s.op = convd_op_find(op->string);
        if (!s.op) {
            convd_unknown_name(g, CONVD_UNKNOWN_OP, "op", op->string, "operation");
            struct convd_fault *x = g->faults->last;
            if (convd_pipeline_find(g, op->string))
                x->suggestion = convd_arena_printf(
                    g->faults->mem, "{\"op\":\"pipeline\",\"name\":\"%s\"}", op->string);
            else if (convd_kernel_find(op->string))
                x->suggestion = convd_arena_printf(
                    g->faults->mem, "{\"op\":\"filter\",\"kernel\":\"%s\"}", op->string);
        }
    }
    if (!read_inputs(g, v, &s))
        return -1;
    read_id_and_learn(g, v, &s);
    if (op && op->kind == CONVD_STRING && strcmp(op->string, "pipeline") == 0)
        return add_pipeline_object(g, v, &s);
    struct convd_arg *args = convd_arena_array(&g->mem, v->n ? v->n : 1, sizeof *args);
    if (!args) {
        convd_out_of_memory(g);
        return -1;
    }
    for (uint32_t i = 0; i < v->n; i++)
        if (!convd_word_in("op id input inputs learn", v->members[i].name))
            args[s.n_args++] =
                (struct convd_arg){.name = v->members[i].name, .value = &v->members[i].value};
    s.args = args;
    s.bad |= !s.op;
    return convd_add_entry(g, &s, NULL, NULL);
}

static int add_value(struct convd_graph *g, const struct convd_value *v)
{
    struct convd_new_step s = {.learn = -1};
    if (v->kind == CONVD_OBJECT)
        return add_object(g, v);
    if (v->kind == CONVD_STRING) return convd_add_named(g, &s, v->string, NULL);
    convd_fault_expected(g->faults, CONVD_WRONG_TYPE, NULL, "a step: {\"op\":…}, or a name",
                         "a step is %s", convd_value_show(g->faults->mem, v));
    s.bad = true;
    return convd_add_entry(g, &s, NULL, NULL);
}

int convd_add_list(struct convd_graph *g, const struct convd_value *steps)
{
    if (steps->kind != CONVD_ARRAY || steps->n == 0) {
        convd_fault_expected(g->faults,
                             steps->kind == CONVD_ARRAY ? CONVD_MISSING : CONVD_WRONG_TYPE, NULL,
                             "an array of at least one step", "steps is %s",
                             convd_value_show(g->faults->mem, steps));
        return -1;
    }
    if (steps->n > g->limits.steps) {
        convd_fault_limit(g->faults, CONVD_TOO_MANY_STEPS, NULL, (double)g->limits.steps, steps->n,
                          "%u steps", (unsigned)steps->n);
        g->full = true;
        return -1;
    }
    int node = -1;
    g->scope->list = steps;
    for (uint32_t i = 0; i < steps->n && !g->full; i++) {
        size_t mark = convd_enter_item(g->faults, i);
        node = add_value(g, &steps->items[i]);
        convd_leave(g->faults, mark);
    }
    return g->full ? -1 : node;
}

int convd_graph_steps(struct convd_graph *g, const struct convd_value *steps)
{
    int node = convd_add_list(g, steps);
    g->scope->list = NULL;
    return node;
}

/* ---- pipelines by name ---- */

/* What reaches a pipeline that wants gray and does not stand first: a grayscale step in front of it. */
static int make_gray(struct convd_graph *g, int x)
{
    int *input = convd_arena_array(&g->mem, 1, sizeof *input);
    struct convd_written *own = convd_arena_zero(&g->mem, sizeof *own);
    if (!input || !own) {
        convd_out_of_memory(g);
        return -1;
    }
    *input = x;
    const struct convd_new_step gray = {.id = "grayscale",
                                        .op = convd_op_find("grayscale"),
                                        .learn = -1,
                                        .inputs = input,
                                        .n_inputs = 1,
                                        .chained = true,
                                        .written = own};
    return convd_add_op(g, &gray);
}

int convd_add_pipeline(struct convd_graph *g, const char *name, const struct convd_value *spec,
                       struct convd_new_step *s)
{
    const struct convd_value *steps =
        spec->kind == CONVD_OBJECT ? convd_value_get(spec, "steps") : spec;
    const struct convd_value *input = convd_value_get(spec, "input"),
                             *output = convd_value_get(spec, "output");
    const struct convd_value *channels = convd_value_get(input, "channels");
    struct convd_scope *outer = g->scope;
    struct convd_written *w = convd_record(g, s, name);
    const char *full = convd_full_id(g, s->id);
    const char *prefix = full ? convd_arena_printf(&g->mem, "%s.", full) : NULL;
    if (!w || !prefix || !steps)
        return -1;
    if (outer->depth >= CONVD_DEEPEST) {
        convd_fault_limit(g->faults, CONVD_BAD_GRAPH, NULL, CONVD_DEEPEST, outer->depth + 1,
                          "pipelines inside pipelines, too deep at %s", name);
        return -1;
    }
    int x = s->inputs[0];
    bool first = g->n_steps == 0 && x == CONVD_IMAGE && !outer->in_block;
    struct convd_scope inner = {.parent = outer,
                                .prefix = prefix,
                                .inside = w,
                                .record = outer->record,
                                .in_block = outer->in_block,
                                .shift = outer->shift,
                                .depth = outer->depth + 1};
    g->scope = &inner;
    if (first && input && !g->first_input)
        g->first_input = input;
    else if (!first && x >= 0 && channels && channels->kind == CONVD_STRING &&
             strcmp(channels->string, "gray") == 0)
        x = make_gray(g, x);
    inner.image = inner.previous = x;
    const bool closed = g->faults->closed;
    g->faults->closed = true; /* its steps were not written here */
    int node = convd_add_list(g, steps);
    g->faults->closed = closed;
    g->scope = outer;
    w->node = node;
    if (output) {
        g->last_output = output;
        g->output_prefix = prefix;
    }
    if (node >= 0 && !convd_alias_add(g, full, node))
        return -1;
    return node;
}
