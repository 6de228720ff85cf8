/* explain.c: what a pipeline would do, without doing it: as json, as a table, in the other of its two forms, as a picture
 * of the graph, or as a program of another library. */
#include "code.h"
#include "json.h"
#include "output.h"
#include "spec.h"
#include "tree.h"
#include "work.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

/* ---- json ---- */

static void number(struct api_json *j, const char *name, double x)
{
    api_json_key(j, name);
    api_json_number(j, x);
}

static void pair(struct api_json *j, const char *name, ptrdiff_t a, ptrdiff_t b)
{
    api_json_key(j, name);
    api_json_array(j);
    api_json_integer(j, a);
    api_json_integer(j, b);
    api_json_end(j);
}

static void write_params(struct api_json *j, const struct convd_node *n, const void *params,
                         struct convd_arena *mem)
{
    api_json_key(j, "params");
    api_json_object(j);
    for (const struct convd_param *row = n->op->params; row && row->name; row++) {
        struct convd_value v = convd_param_value(row, params, mem);
        if (v.kind == CONVD_NULL) continue; /* left out */
        api_json_key(j, row->name);
        api_json_value(j, &v);
    }
    api_json_end(j);
}

static double ms(double x)
{
    return rint(x * 1e4) / 1e4;
}

static void write_step(struct api_json *j, const struct api_work *w, int node,
                       struct convd_arena *mem)
{
    const struct convd_node *n = &w->graph->nodes[node];
    struct convd_step_info info;
    bool used = convd_plan_info(w->plan, node, &info);
    api_json_object(j);
    api_json_key(j, "id");
    api_json_string(j, n->id);
    api_json_key(j, "op");
    api_json_string(j, n->op->name);
    write_params(j, n, used ? convd_plan_params(w->plan, node) : n->params, mem);
    if (used) {
        const ptrdiff_t shape[] = {info.shape.n, info.shape.c, info.shape.h, info.shape.w};
        api_json_key(j, "output_shape");
        api_json_array(j);
        for (size_t i = 0; i < 4; i++) api_json_integer(j, shape[i]);
        api_json_end(j);
        number(j, "weights", (double)info.weights);
        number(j, "macs", info.macs);
        number(j, "bytes", info.bytes);
        pair(j, "receptive_field", info.rf_h, info.rf_w);
        pair(j, "jump", info.jump_h, info.jump_w);
        api_json_key(j, "algorithm");
        api_json_string(j, info.algorithm);
        api_json_key(j, "fused_into");
        api_json_string(j, info.fused_into >= 0 ? w->graph->nodes[info.fused_into].id : NULL);
        number(j, "ms", ms(info.ms));
    } else {
        api_json_key(j, "output_shape"); /* nothing that is wanted depends on it: it does not run */
        api_json_null(j);
    }
    api_json_end(j);
}

static bool is_step(const struct api_work *w, size_t node)
{
    return w->graph->nodes[node].kind == CONVD_NODE_STEP && w->graph->nodes[node].op;
}

static struct convd_step_info total_of(const struct api_work *w)
{
    struct convd_step_info total = {0}, info;
    for (size_t i = 0; i < w->graph->n_nodes; i++)
        if (is_step(w, i) && convd_plan_info(w->plan, (int)i, &info)) {
            total.weights += info.weights;
            total.macs += info.macs;
            total.bytes += info.bytes;
            total.ms += info.ms;
        }
    return total;
}

static bool write_json(struct api_work *w)
{
    struct api_json j = api_json_to(&w->body);
    api_json_object(&j);
    api_json_key(&j, "input");
    api_json_object(&j);
    number(&j, "width", (double)w->info.input.width);
    number(&j, "height", (double)w->info.input.height);
    number(&j, "channels", (double)w->info.input.channels);
    if (w->info.codec) {
        api_json_key(&j, "format");
        api_json_string(&j, w->info.codec->name);
    }
    api_json_end(&j);
    api_json_key(&j, "steps");
    api_json_array(&j);
    for (size_t i = 0; i < w->graph->n_nodes; i++)
        if (is_step(w, i)) write_step(&j, w, (int)i, &w->mem);
    api_json_end(&j);
    const struct convd_step_info total = total_of(w);
    api_json_key(&j, "total");
    api_json_object(&j);
    number(&j, "weights", (double)total.weights);
    number(&j, "macs", total.macs);
    number(&j, "bytes", total.bytes);
    number(&j, "ms", ms(total.ms));
    api_json_end(&j);
    api_json_end(&j);
    return !j.failed;
}

/* ---- text ---- */

enum { COLUMNS = 9 };
static const char *const titles[COLUMNS] = {"id",    "op",    "parameters", "output", "MACs",
                                            "bytes", "field", "algorithm",  "ms"};

/* 1234567 -> "1.23M". */
static const char *amount(double x, struct convd_arena *mem)
{
    static const char units[] = " kMGTP";
    size_t i = 0;
    for (; x >= 999.5 && units[i + 1]; i++) x /= 1000;
    return i ? convd_arena_printf(mem, "%.3g%c", x, units[i]) : convd_arena_printf(mem, "%.0f", x);
}

/* Steps stand under the block or pipeline they belong to. */
static const char *indented(const char *text, int depth, struct convd_arena *mem)
{
    return depth ? convd_arena_printf(mem, "%*s%s", 2 * depth, "", text) : text;
}

static void fill_row(const struct api_work *w, int node, int depth, const char **cell,
                     struct convd_arena *mem)
{
    const struct convd_node *n = &w->graph->nodes[node];
    struct convd_step_info x;
    bool used = convd_plan_info(w->plan, node, &x);
    cell[0] = indented(n->id, depth, mem);
    cell[1] = n->op->name;
    cell[2] = api_params_text(n->op->params, n->given,
                              used ? convd_plan_params(w->plan, node) : n->params, mem);
    cell[3] = used ? convd_arena_printf(mem, "%td×%td×%td", x.shape.c, x.shape.h, x.shape.w)
                   : "not needed";
    cell[4] = used ? amount(x.macs, mem) : "";
    cell[5] = used ? amount(x.bytes, mem) : "";
    cell[6] = used ? convd_arena_printf(mem, "%td×%td", x.rf_h, x.rf_w) : "";
    cell[7] = !used               ? ""
              : x.fused_into >= 0 ? convd_arena_printf(mem, "%s, in %s", x.algorithm,
                                                       w->graph->nodes[x.fused_into].id)
                                  : x.algorithm;
    cell[8] = used ? convd_arena_printf(mem, "%.3f", x.ms) : "";
}

/* Characters on the screen. */
static size_t width(const char *s)
{
    size_t n = 0;
    for (; *s; s++) n += ((unsigned char)*s & 0xC0) != 0x80;
    return n;
}

static bool put_row(struct convd_bytes *out, const char *const *cell, const size_t *widths)
{
    bool fine = true;
    for (size_t c = 0; c < COLUMNS && fine; c++) {
        const char *text = cell[c] ? cell[c] : "";
        size_t n = strlen(text), pad = widths[c] - width(text);
        bool right = c == 4 || c == 5 || c == 8;
        for (size_t i = 0; right && i < pad; i++) fine &= convd_bytes_put(out, " ", 1);
        fine &= convd_bytes_put(out, text, n);
        for (size_t i = 0; !right && i < pad; i++) fine &= convd_bytes_put(out, " ", 1);
        fine &= c + 1 == COLUMNS ? convd_bytes_put(out, "\n", 1) : convd_bytes_put(out, "  ", 2);
    }
    return fine;
}

struct table {
    struct api_work *w;
    const char *(*cells)[COLUMNS];
    size_t rows;
};

static void enter_group(void *self, const struct convd_written *group, int depth)
{
    struct table *t = self;
    const char **cell = t->cells[t->rows++];
    const struct convd_shape y = convd_plan_shape(t->w->plan, group->node);
    struct convd_arena *mem = &t->w->mem;
    cell[0] = indented(group->id, depth, mem);
    cell[1] = api_group_word(group);
    cell[2] = group->op ? api_params_text(group->op->params, group->given, group->params, mem) : "";
    cell[3] = group->node >= 0 ? convd_arena_printf(mem, "%td×%td×%td", y.c, y.h, y.w) : "";
    for (size_t c = 4; c < COLUMNS; c++) cell[c] = "";
    cell[7] = "expands to";
}

static void add_step(void *self, int node, int depth)
{
    struct table *t = self;
    fill_row(t->w, node, depth, t->cells[t->rows++], &t->w->mem);
}

static bool write_text(struct api_work *w)
{
    size_t widths[COLUMNS], most = w->graph->n_nodes + w->graph->n_written + 1;
    struct table table = {.w = w, .cells = convd_arena_array(&w->mem, most, sizeof *table.cells)};
    const char *(*cells)[COLUMNS] = table.cells;
    if (!cells) return false;
    for (size_t c = 0; c < COLUMNS; c++) widths[c] = width(titles[c]);
    api_visit(w->graph,
              &(struct api_visitor){.enter = enter_group, .step = add_step, .self = &table});
    size_t rows = table.rows;
    const struct convd_step_info sum = total_of(w);
    const char *total[COLUMNS] = {"total",
                                  "",
                                  "",
                                  "",
                                  amount(sum.macs, &w->mem),
                                  amount(sum.bytes, &w->mem),
                                  "",
                                  "",
                                  convd_arena_printf(&w->mem, "%.3f", sum.ms)};
    memcpy(cells[rows++], total, sizeof total);
    for (size_t r = 0; r < rows; r++)
        for (size_t c = 0; c < COLUMNS; c++)
            if (cells[r][c] && width(cells[r][c]) > widths[c]) widths[c] = width(cells[r][c]);
    const struct convd_input *in = &w->info.input;
    const char *head = convd_arena_printf(&w->mem, "input %td×%td, %td channel%s\n\n", in->width,
                                          in->height, in->channels, in->channels == 1 ? "" : "s");
    bool fine =
        head && convd_bytes_put(&w->body, head, strlen(head)) && put_row(&w->body, titles, widths);
    for (size_t r = 0; r < rows && fine; r++) fine = put_row(&w->body, cells[r], widths);
    return fine;
}

/* ---- every form ---- */

static bool write_chain(struct api_work *w)
{
    return api_chain_write(w->graph, &w->output->said, &w->body, w->faults) &&
           convd_bytes_put(&w->body, "\n", 1);
}

static bool write_spec(struct api_work *w)
{
    return api_spec_write(w->graph, &w->output->said, &w->body) &&
           convd_bytes_put(&w->body, "\n", 1);
}

static bool write_pytorch(struct api_work *w)
{
    return api_code_write(w, &api_pytorch);
}

static bool write_opencv(struct api_work *w)
{
    return api_code_write(w, &api_opencv);
}

static const struct form {
    const char *name;
    bool (*write)(struct api_work *w);
    bool sized; /* asks for a size or a picture */
    const char *media, *extension;
} forms[] = {
    {"json", write_json, true, "application/json", "json"},
    {"text", write_text, true, "text/plain; charset=utf-8", "txt"},
    {"chain", write_chain, false, "text/plain; charset=utf-8", "txt"},
    {"spec", write_spec, false, "application/json", "json"},
    {"mermaid", api_mermaid_write, true, "text/plain; charset=utf-8", "mmd"},
    {"pytorch", write_pytorch, true, "text/x-python; charset=utf-8", "py"},
    {"opencv", write_opencv, true, "text/x-python; charset=utf-8", "py"},
};
enum { FORMS = sizeof forms / sizeof *forms };

const char *api_explain_format(size_t i)
{
    return i < FORMS ? forms[i].name : NULL;
}

bool api_explain_sized(const char *format)
{
    for (size_t i = 0; i < FORMS; i++)
        if (strcmp(format, forms[i].name) == 0) return forms[i].sized;
    return true;
}

static const char *form_at(const void *unused, size_t i)
{
    (void)unused;
    return forms[i].name;
}

static bool no_such_form(struct api_work *w, const char *format)
{
    convd_fault_expected(w->faults, CONVD_OUT_OF_RANGE, NULL,
                         "json, text, chain, spec, mermaid, pytorch or opencv",
                         "explain cannot be written as \"%.40s\"", format)
        ->suggestion = convd_nearest(format, form_at, NULL, FORMS);
    return false;
}

bool api_explain(struct api_work *w, const struct api_size *size, const char *format)
{
    const struct form *form = NULL;
    for (size_t i = 0; i < FORMS; i++)
        if (strcmp(format ? format : "json", forms[i].name) == 0) form = &forms[i];
    w->sizable = true;
    bool fine = form && !form->sized ? api_work_read(w) : api_work_plan(w, size);
    if (!w->faults) return false;
    if (!form) return no_such_form(w, format);
    if (!fine) return false;
    fine = form->write(w);
    w->media = form->media;
    w->extension = form->extension;
    if (!fine && convd_faults_count(w->faults) == 0)
        convd_fault(w->faults, CONVD_NO_MEMORY, NULL, "no memory for the explanation");
    return fine;
}
