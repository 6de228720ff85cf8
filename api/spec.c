/* spec.c: the JSON form of a pipeline, read and printed; see spec.h. */
#include "spec.h"
#include <string.h>

/* ---- reading ---- */

static const char *const members[] = {"input", "steps", "output"};

static const char *member_at(const void *unused, size_t i)
{
    (void)unused;
    return i < 3 ? members[i] : NULL;
}

static void unknown_members(const struct convd_value *v, struct convd_faults *f)
{
    for (uint32_t i = 0; i < v->n; i++) {
        const char *name = v->members[i].name;
        if (convd_word_in("input steps output", name)) continue;
        convd_fault_expected(f, CONVD_UNKNOWN_MEMBER, name, "one of input, steps, output",
                             "a pipeline has no member \"%.64s\"", name)
            ->suggestion = convd_nearest(name, member_at, NULL, 3);
    }
}

void api_spec_read(const struct convd_value *v, struct convd_graph *g, struct api_options *o,
                   struct convd_faults *f, struct convd_arena *mem)
{
    const struct convd_value *steps = v;
    if (v->kind == CONVD_STRING) {
        api_chain_read(v->string, strlen(v->string), false, g, f, mem);
        return;
    }
    if (v->kind != CONVD_OBJECT && v->kind != CONVD_ARRAY) {
        convd_fault_expected(f, CONVD_WRONG_TYPE, NULL,
                             "an object with steps, an array of steps, or a chain as a string",
                             "the pipeline is %s", convd_value_show(f->mem, v));
        return;
    }
    if (v->kind == CONVD_OBJECT) {
        unknown_members(v, f);
        steps = convd_value_get(v, "steps");
        api_options_read(o, "input", convd_value_get(v, "input"), mem, f);
        api_options_read(o, "output", convd_value_get(v, "output"), mem, f);
    }
    if (!steps) {
        convd_fault_expected(f, CONVD_MISSING, "steps", "\"steps\": an array of at least one step",
                             "a pipeline without steps");
        return;
    }
    size_t mark = v->kind == CONVD_OBJECT ? convd_enter(f, "steps") : convd_mark(f);
    convd_graph_steps(g, steps);
    convd_leave(f, mark);
}

void api_pipeline_read(const char *text, size_t n, bool path, struct convd_graph *g,
                       struct api_options *o, struct convd_faults *f, struct convd_arena *mem)
{
    size_t skip = 0;
    while (skip < n && strchr(" \t\r\n", text[skip]) && text[skip]) skip++;
    /* A byte order mark goes to the front door, which has the words for it. */
    bool mark = n >= 3 && memcmp(text, "\xEF\xBB\xBF", 3) == 0;
    bool json = !path && (skip == n || mark || strchr("{[\"", text[skip]));
    if (!json) {
        api_chain_read(text, n, path, g, f, mem);
        return;
    }
    struct convd_value v;
    if (api_json_parse(text, n, API_PIPELINE_TEXT, mem, f, &v)) api_spec_read(&v, g, o, f, mem);
}

void api_options_named(struct api_options *o, const struct convd_graph *g, struct convd_arena *mem)
{
    struct convd_arena own;
    struct convd_faults none; /* the pipeline was checked when it got its name */
    convd_arena_init(&own, mem->memory, 0);
    convd_faults_init(&none, &own);
    *o = api_options_default();
    api_options_read(o, "input", g->first_input, mem, &none);
    api_options_read(o, "output", g->last_output, mem, &none);
    o->from_prefix = g->output_prefix ? g->output_prefix : "";
    convd_arena_release(&own);
}

/* ---- printing ---- */

struct printer {
    const struct convd_graph *g;
    struct api_json j;
    struct convd_arena *mem;
};

/* One list of entries, and what ids look like inside it. */
struct list {
    const struct convd_written *first;
    const char *prefix;
};

/* The way input i of entry w is written where it stands. */
static const char *reference(const struct printer *p, const struct list *l,
                             const struct convd_written *of, size_t i)
{
    const int node = of->inputs[i];
    const struct convd_node *n = &p->g->nodes[node];
    if (node == of->image && !(of->tensors >> i & 1)) return "image";
    if (n->kind == CONVD_NODE_TENSOR) return n->id;
    for (const struct convd_written *w = l->first; w; w = w->next)
        if (w->node == node) return w->id;
    size_t skip = strlen(l->prefix);
    return strncmp(n->id, l->prefix, skip) == 0 ? n->id + skip : n->id;
}

static void write_list(struct printer *p, const struct list *l);

static void write_inputs(struct printer *p, const struct list *l, const struct convd_written *w)
{
    if (w->chained) return;
    bool many = w->n_inputs > 1 || (w->op && w->op->max_inputs > 1);
    api_json_key(&p->j, many ? "inputs" : "input");
    if (many) api_json_array(&p->j);
    for (size_t i = 0; i < w->n_inputs; i++) api_json_string(&p->j, reference(p, l, w, i));
    if (many) api_json_end(&p->j);
}

static void write_params(struct printer *p, const struct list *l, const struct convd_written *w)
{
    unsigned bit = 0;
    for (const struct convd_param *row = w->op->params; row && row->name; row++, bit++) {
        if (!(w->given >> bit & 1)) continue;
        api_json_key(&p->j, row->name);
        if (row->type == CONVD_P_STEPS) {
            const char *prefix = convd_arena_printf(p->mem, "%s%s.", l->prefix, w->id);
            const struct list inner = {.first = w->first_child, .prefix = prefix ? prefix : ""};
            write_list(p, &inner);
            continue;
        }
        struct convd_value v = convd_param_value(row, w->params, p->mem);
        api_json_value(&p->j, &v);
    }
}

static void write_list(struct printer *p, const struct list *l)
{
    api_json_array(&p->j);
    for (const struct convd_written *w = l->first; w; w = w->next) {
        api_json_object(&p->j);
        if (w->named) {
            api_json_key(&p->j, "id");
            api_json_string(&p->j, w->id);
        }
        api_json_key(&p->j, "op");
        api_json_string(&p->j, w->op ? w->op->name : "pipeline");
        if (!w->op) {
            api_json_key(&p->j, "name");
            api_json_string(&p->j, w->pipeline);
        }
        write_inputs(p, l, w);
        if (w->op) write_params(p, l, w);
        if (w->learn >= 0) {
            api_json_key(&p->j, "learn");
            api_json_boolean(&p->j, w->learn == 1);
        }
        api_json_end(&p->j);
    }
    api_json_end(&p->j);
}

static void write_section(struct printer *p, const struct api_options *o, const char *section)
{
    bool open = false;
    for (size_t i = 0; i < API_OPTIONS; i++) {
        if (!(o->given >> i & 1) || strcmp(api_option_row(i)->section, section) != 0) continue;
        if (!open) {
            api_json_key(&p->j, section);
            api_json_object(&p->j);
            open = true;
        }
        struct convd_value v = api_option_value(o, i, p->mem);
        api_json_key(&p->j, api_option_row(i)->member);
        api_json_value(&p->j, &v);
    }
    if (open) api_json_end(&p->j);
}

bool api_spec_write(const struct convd_graph *g, const struct api_options *o,
                    struct convd_bytes *out)
{
    struct convd_arena mem;
    convd_arena_init(&mem, out->memory, 0);
    struct printer p = {.g = g, .j = api_json_to(out), .mem = &mem};
    const struct list top = {.first = g->written, .prefix = ""};
    api_json_object(&p.j);
    if (o) write_section(&p, o, "input");
    api_json_key(&p.j, "steps");
    write_list(&p, &top);
    if (o) write_section(&p, o, "output");
    api_json_end(&p.j);
    convd_arena_release(&mem);
    return !p.j.failed;
}
