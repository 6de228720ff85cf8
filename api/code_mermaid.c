/* code_mermaid.c: the graph as a Mermaid flowchart: a box a step with its parameters and shape, blocks and pipelines as
 * subgraphs, results drawn round. */
#include "code.h"
#include "output.h"
#include "tree.h"
#include <string.h>

struct chart {
    struct api_work *w;
    bool failed;
    int groups;
};

static void put(struct chart *m, const char *s)
{
    m->failed |= !s || !convd_bytes_put(&m->w->body, s, strlen(s));
}

#define PUTF(m, ...) put(m, convd_arena_printf(&(m)->w->mem, __VA_ARGS__))

/* Text inside "…": Mermaid's own signs as entities. */
static void put_label(struct chart *m, const char *s)
{
    for (; *s; s++) {
        const char *entity = *s == '"'   ? "#quot;"
                             : *s == '#' ? "#35;"
                             : *s == '<' ? "#lt;"
                             : *s == '>' ? "#gt;"
                             : *s == '&' ? "#amp;"
                             : *s == '`' ? "#96;"
                                         : NULL;
        if (entity)
            put(m, entity);
        else
            m->failed |= !convd_bytes_put(&m->w->body, s, 1);
    }
}

static void indent(struct chart *m, int depth)
{
    for (int i = 0; i <= depth; i++) put(m, "    ");
}

static bool is_output(const struct api_work *w, int node)
{
    for (size_t i = 0; i < w->output->n; i++)
        if (w->output->targets[i].node == node) return true;
    return false;
}

static void enter(void *self, const struct convd_written *group, int depth)
{
    struct chart *m = self;
    indent(m, depth);
    PUTF(m, "subgraph g%d [\"", m->groups++);
    put_label(m, api_group_word(group));
    if (group->named && strcmp(group->id, api_group_word(group)) != 0) {
        put(m, " ");
        put_label(m, group->id);
    }
    put(m, "\"]\n");
}

static void leave(void *self, const struct convd_written *group, int depth)
{
    struct chart *m = self;
    (void)group;
    indent(m, depth);
    put(m, "end\n");
}

static void put_shape(struct chart *m, struct convd_shape s)
{
    PUTF(m, "<br>%td × %td × %td", s.c, s.h, s.w);
}

static void step(void *self, int node, int depth)
{
    struct chart *m = self;
    const struct convd_node *n = &m->w->graph->nodes[node];
    struct convd_step_info info;
    if (!convd_plan_info(m->w->plan, node, &info) || !info.needed) return;
    bool last = is_output(m->w, node);
    indent(m, depth);
    PUTF(m, last ? "n%d([\"<b>" : "n%d[\"<b>", node);
    put_label(m, n->op->name);
    put(m, "</b> ");
    put_label(m, n->id);
    const char *params =
        api_params_text(n->op->params, n->given, convd_plan_params(m->w->plan, node), &m->w->mem);
    if (*params) {
        put(m, "<br>");
        put_label(m, params);
    }
    put_shape(m, info.shape);
    put(m, last ? "\"])\n" : "\"]\n");
}

static void sources(struct chart *m)
{
    const struct convd_graph *g = m->w->graph;
    for (size_t v = 0; v < g->n_nodes; v++) {
        struct convd_step_info info;
        if (g->nodes[v].kind == CONVD_NODE_STEP || !convd_plan_info(m->w->plan, (int)v, &info) ||
            !info.needed)
            continue;
        PUTF(m, "    n%zu[/\"<b>", v);
        put_label(m, g->nodes[v].id);
        put(m, "</b>");
        put_shape(m, info.shape);
        put(m, "\"/]\n");
    }
}

static void edges(struct chart *m)
{
    const struct convd_graph *g = m->w->graph;
    for (size_t v = 1; v < g->n_nodes; v++) {
        struct convd_step_info info;
        if (!convd_plan_info(m->w->plan, (int)v, &info) || !info.needed) continue;
        for (size_t i = 0; i < g->nodes[v].n_inputs; i++)
            PUTF(m, "    n%d --> n%zu\n", g->nodes[v].inputs[i], v);
    }
}

bool api_mermaid_write(struct api_work *w)
{
    struct chart m = {.w = w};
    put(&m, "flowchart TD\n");
    sources(&m);
    api_visit(w->graph,
              &(struct api_visitor){.enter = enter, .leave = leave, .step = step, .self = &m});
    edges(&m);
    return !m.failed;
}
