/* catalogue.c: what there is, as JSON: operations, pipelines, limits. Everything is read from the rows. Kernels are in
 * catalogue_kernels.c. */
#include "catalogue.h"
#include "../core/op.h"
#include <math.h>
#include <string.h>

void api_member(struct api_json *j, const char *name, const char *text)
{
    if (!text) return;
    api_json_key(j, name);
    api_json_string(j, text);
}

/* "a b c" as ["a","b","c"]. */
void api_words(struct api_json *j, const char *name, const char *list)
{
    api_json_key(j, name);
    api_json_array(j);
    for (const char *s = list ? list : ""; *s; s += strspn(s, " ")) {
        size_t n = strcspn(s, " ");
        api_json_text(j, s, n);
        s += n;
    }
    api_json_end(j);
}

static const char *type_word(enum convd_param_type t)
{
    switch (t) {
    case CONVD_P_INT:
        return "integer";
    case CONVD_P_NUMBER:
        return "number";
    case CONVD_P_BOOL:
        return "boolean";
    case CONVD_P_WORD:
        return "word";
    case CONVD_P_PAIR:
        return "pair";
    case CONVD_P_NUMPAIR:
        return "number-pair";
    case CONVD_P_PADDING:
        return "padding";
    case CONVD_P_INTS:
        return "integers";
    case CONVD_P_NUMBERS:
        return "numbers";
    case CONVD_P_ACROSS:
        return "across";
    case CONVD_P_KERNEL:
        return "kernel";
    case CONVD_P_WEIGHT:
        return "weight";
    case CONVD_P_STEPS:
        return "steps";
    }
    return NULL;
}

static void write_default(struct api_json *j, const struct convd_param *row,
                          struct convd_arena *mem)
{
    api_json_key(j, "required");
    api_json_boolean(j, !row->def);
    if (!row->def || !*row->def) return;
    if (*row->def == '=') {
        api_member(j, "like", row->def + 1);
        return;
    }
    struct convd_value v = convd_param_read(row, row->def, mem);
    api_json_key(j, "default");
    api_json_value(j, &v);
}

static void write_param(struct api_json *j, const struct convd_param *row, struct convd_arena *mem)
{
    api_json_object(j);
    api_member(j, "name", row->name);
    api_member(j, "type", type_word(row->type));
    api_member(j, "summary", row->summary);
    write_default(j, row, mem);
    if (row->lo != 0 || row->hi != 0) { /* an open end is null */
        api_json_key(j, "range");
        api_json_array(j);
        api_json_number(j, row->lo);
        api_json_number(j, row->hi);
        api_json_end(j);
    }
    if (row->words) {
        api_json_key(j, "words");
        api_json_array(j);
        for (const char *const *w = row->words; *w; w++) api_json_string(j, *w);
        api_json_end(j);
    }
    api_member(j, "expects", convd_param_expects(row, mem));
    api_words(j, "aliases", row->aliases);
    if (row->flags & CONVD_LEARNABLE) {
        api_json_key(j, "learnable");
        api_json_boolean(j, true);
    }
    api_json_end(j);
}

void api_params(struct api_json *j, const struct convd_param *rows, struct convd_arena *mem)
{
    api_json_key(j, "params");
    api_json_array(j);
    for (; rows && rows->name; rows++) write_param(j, rows, mem);
    api_json_end(j);
}

/* What parameters are held against beside their own type and range. */
static void write_rules(struct api_json *j, const struct convd_rule *rules)
{
    if (!rules) return;
    api_json_key(j, "rules");
    api_json_array(j);
    for (; rules->member; rules++) {
        api_json_object(j);
        api_member(j, "member", rules->member);
        api_member(j, "code", api_code_word(rules->code));
        api_member(j, "rule", rules->words);
        api_json_end(j);
    }
    api_json_end(j);
}

static void write_op(struct api_json *j, const struct convd_op *op, struct convd_arena *mem)
{
    api_json_object(j);
    api_member(j, "name", op->name);
    api_member(j, "group", convd_group_word(op->group));
    api_member(j, "summary", op->summary);
    api_words(j, "aliases", op->aliases);
    api_json_key(j, "inputs");
    api_json_array(j);
    api_json_integer(j, op->max_inputs ? (intmax_t)op->min_inputs : 1);
    api_json_integer(j, op->max_inputs ? (intmax_t)op->max_inputs : 1);
    api_json_end(j);
    api_params(j, op->params, mem);
    write_rules(j, op->rules);
    api_json_key(j, "block");
    api_json_boolean(j, op->expand != NULL);
    if (!op->expand) {
        api_json_key(j, "differentiable");
        api_json_boolean(j, op->backward != NULL);
        api_member(j, "no_gradient", op->no_gradient);
    }
    api_member(j, "example", op->example);
    api_member(j, "source", op->source);
    api_json_end(j);
}

bool api_ops_write(const char *name, struct convd_bytes *out)
{
    const struct convd_op *one = name ? convd_op_find(name) : NULL;
    if (name && !one) return false;
    struct convd_arena mem;
    convd_arena_init(&mem, NULL, 0);
    struct api_json j = api_json_to(out);
    if (one) {
        write_op(&j, one, &mem);
    } else {
        api_json_object(&j);
        api_json_key(&j, "ops");
        api_json_array(&j);
        for (size_t i = 0; convd_op_at(i); i++) write_op(&j, convd_op_at(i), &mem);
        api_json_end(&j);
        api_json_end(&j);
    }
    convd_arena_release(&mem);
    return !j.failed;
}

/* ---- pipelines ---- */

static void write_tensor(struct api_json *j, const struct convd_tensor *t)
{
    api_json_object(j);
    api_member(j, "name", t->name);
    api_json_key(j, "shape");
    api_json_array(j);
    for (int i = 0; i < t->rank; i++) api_json_integer(j, t->dim[i]);
    api_json_end(j);
    api_json_end(j);
}

static void write_pipeline(struct api_json *j, const struct api_pipeline *p)
{
    api_json_object(j);
    api_member(j, "name", p->name);
    api_member(j, "summary", p->summary);
    api_json_key(j, "built_in");
    api_json_boolean(j, p->built_in);
    api_json_key(j, "spec");
    api_json_value(j, p->spec);
    if (p->n_tensors) {
        api_json_key(j, "weights");
        api_json_array(j);
        for (size_t i = 0; i < p->n_tensors; i++) write_tensor(j, &p->tensors[i]);
        api_json_end(j);
    }
    api_json_end(j);
}

bool api_pipelines_write(const struct api_library *lib, const char *name, struct convd_bytes *out)
{
    const struct api_pipeline *one = name ? api_library_find(lib, name) : NULL;
    if (name && !one) return false;
    struct api_json j = api_json_to(out);
    if (one) {
        write_pipeline(&j, one);
        return !j.failed;
    }
    api_json_object(&j);
    api_json_key(&j, "pipelines");
    api_json_array(&j);
    for (size_t i = 0; api_library_at(lib, i); i++) write_pipeline(&j, api_library_at(lib, i));
    api_json_end(&j);
    api_json_end(&j);
    return !j.failed;
}

/* ---- limits ---- */

bool api_limits_write(const struct api_limits *l, struct convd_bytes *out)
{
    const struct {
        const char *name;
        double value;
    } list[] = {
        {"max_pixels", l->max_pixels ? (double)l->max_pixels : 64e6},
        {"max_side", l->max_side ? (double)l->max_side : 32768},
        {"max_memory", l->plan.memory ? (double)l->plan.memory : 0x1p30},
        {"max_macs", l->plan.macs > 0 ? l->plan.macs : 1e12},
        {"max_steps", l->plan.steps ? (double)l->plan.steps : 256},
        {"max_expanded_steps", l->plan.expanded ? (double)l->plan.expanded : 4096},
        {"max_kernel", l->plan.kernel ? (double)l->plan.kernel : 129},
        {"max_pipeline_text", API_PIPELINE_TEXT},
        {"max_json_depth", API_JSON_DEPTH},
        {"max_json_numbers", API_JSON_NUMBERS},
    };
    struct api_json j = api_json_to(out);
    for (size_t i = 0; i < sizeof list / sizeof *list; i++) {
        api_json_key(&j, list[i].name);
        api_json_number(&j, list[i].value);
    }
    return !j.failed;
}
