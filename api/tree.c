/* tree.c: see tree.h. */
#include "tree.h"

enum { DEEPEST = 64 }; /* blocks inside blocks: core allows fewer */

static bool is_group(const struct convd_written *w)
{
    return w && (!w->op ? w->pipeline != NULL : w->op->expand != NULL);
}

/* The groups around a step, outermost first; returns how many. */
static int groups_of(const struct convd_node *n, const struct convd_written **list)
{
    int depth = 0;
    for (const struct convd_written *w = n->written; w; w = w->parent) depth += is_group(w);
    int at = depth = depth > DEEPEST ? DEEPEST : depth;
    for (const struct convd_written *w = n->written; w && at > 0; w = w->parent)
        if (is_group(w)) list[--at] = w;
    return depth;
}

void api_visit(const struct convd_graph *g, const struct api_visitor *visitor)
{
    const struct convd_written *open[DEEPEST], *now[DEEPEST];
    int n_open = 0;
    for (size_t v = 1; v <= g->n_nodes; v++) {
        bool end = v == g->n_nodes;
        if (!end && (g->nodes[v].kind != CONVD_NODE_STEP || !g->nodes[v].op)) continue;
        int n = end ? 0 : groups_of(&g->nodes[v], now), same = 0;
        while (same < n && same < n_open && open[same] == now[same]) same++;
        for (; n_open > same; n_open--)
            if (visitor->leave) visitor->leave(visitor->self, open[n_open - 1], n_open - 1);
        for (; n_open < n; n_open++) {
            open[n_open] = now[n_open];
            if (visitor->enter) visitor->enter(visitor->self, open[n_open], n_open);
        }
        if (!end) visitor->step(visitor->self, (int)v, n);
    }
}

const char *api_group_word(const struct convd_written *group)
{
    return group->op ? group->op->name : group->pipeline;
}

const char *api_params_text(const struct convd_param *rows, uint64_t given, const void *params,
                            struct convd_arena *mem)
{
    const char *all = "";
    unsigned bit = 0;
    for (const struct convd_param *row = rows; row && row->name && all; row++, bit++) {
        if (!(given >> bit & 1)) continue;
        struct convd_value v = convd_param_value(row, params, mem);
        const char *text = convd_param_text(row, &v, mem), *name = NULL;
        const struct convd_value *init =
            v.kind == CONVD_OBJECT ? convd_value_get(&v, "init") : NULL;
        if (v.kind == CONVD_OBJECT && !init) init = convd_value_get(&v, "name");
        name = text ? text : init && init->kind == CONVD_STRING ? init->string : "…";
        all = convd_arena_printf(mem, "%s%s%s=%.40s", all, *all ? "," : "", row->name, name);
    }
    return all ? all : "";
}
