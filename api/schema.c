/* schema.c: the JSON Schema of pipelines: lists, steps, operations by group, input and output. See schema.h. */
#include "schema.h"
#include "options.h"
#include "../core/kernels.h"
#include "../core/op.h"
#include <string.h>

#define INPUTS_MOST 64 /* of one step */

static const struct rule {
    const char *def, *at;
    int code;
    const char *words;
} rules[] = {
#define RULE(DEF, AT, CODE, WORDS) {DEF, AT, CODE, WORDS},
#include "rules.def"
#undef RULE
};

void api_schema_ref(struct api_schema *s, const char *name)
{
    schema_object(s, NULL);
    schema_string(s, "$ref", convd_arena_printf(s->mem, "%s%s", s->prefix, name));
    schema_end(s);
}

void api_schema_rule(struct api_schema *s, const char *at, int code, const char *words)
{
    schema_object(s, NULL);
    schema_string(s, "at", at);
    if (code) schema_string(s, "code", api_code_word(code));
    schema_string(s, "rule", words);
    schema_end(s);
}

static void own_rules(struct api_schema *s, const char *def)
{
    schema_array(s, "x-rules");
    for (size_t i = 0; i < sizeof rules / sizeof *rules; i++)
        if (strcmp(rules[i].def, def) == 0)
            api_schema_rule(s, rules[i].at, rules[i].code, rules[i].words);
    schema_end(s);
}

static void closed(struct api_schema *s)
{
    api_json_key(&s->j, "additionalProperties");
    api_json_boolean(&s->j, false);
}

/* ---- what every step has ---- */

static size_t least_inputs(const struct convd_op *op)
{
    return op && op->max_inputs ? op->min_inputs : 1;
}

static size_t most_inputs(const struct convd_op *op)
{
    size_t most = op && op->max_inputs ? op->max_inputs : 1;
    return most < INPUTS_MOST ? most : INPUTS_MOST;
}

static bool learns(const struct convd_op *op)
{
    for (const struct convd_param *row = op->params; row && row->name; row++)
        if (row->flags & CONVD_LEARNABLE) return true;
    return false;
}

/* id, op, input, inputs, learn: members of `properties`. A step that merges takes inputs, any other may say input too. */
static void common(struct api_schema *s, const struct convd_op *op)
{
    api_json_key(&s->j, "op");
    api_json_object(&s->j);
    schema_end(s); /* which op it is was asked on the way here */
    api_json_key(&s->j, "id");
    api_schema_ref(s, "id");
    if (least_inputs(op) == 1) {
        api_json_key(&s->j, "input");
        api_schema_ref(s, "reference");
    }
    schema_object(s, "inputs");
    schema_string(s, "type", "array");
    api_json_key(&s->j, "items");
    api_schema_ref(s, "reference");
    schema_integer(s, "minItems", (intmax_t)least_inputs(op));
    schema_integer(s, "maxItems", (intmax_t)most_inputs(op));
    schema_end(s);
    if (op && learns(op)) {
        schema_object(s, "learn");
        schema_string(s, "description", "whether learning changes this step's weights");
        schema_string(s, "type", "boolean");
        schema_end(s);
    }
}

/* Either input or inputs; where several are wanted, inputs. */
static void one_input(struct api_schema *s, const struct convd_op *op)
{
    if (least_inputs(op) == 1) {
        api_schema_apart(s, "input", "inputs");
        return;
    }
    schema_array(s, "required");
    api_json_string(&s->j, "inputs");
    schema_end(s);
}

/* Something for api_schema_required to say. */
static bool requires(const struct convd_op *op)
{
    for (const struct convd_param *row = op->params; row && row->name; row++)
        if (!row->def || (row->flags & CONVD_EITHER)) return true;
    return false;
}

/* ---- one operation ---- */

static bool given_twice(const struct convd_param *rows)
{
    for (; rows && rows->name; rows++)
        if (rows->aliases) return true;
    return false;
}

/* Rules that follow from the types of the rows, then the op's own. */
static void op_rules(struct api_schema *s, const struct convd_op *op)
{
    const struct convd_rule *r = op->rules;
    schema_array(s, "x-rules");
    if (given_twice(op->params))
        api_schema_rule(s, "/*", CONVD_BAD_REQUEST,
                        "a parameter is given once, under one of its names");
    for (const struct convd_param *row = op->params; row && row->name; row++) {
        bool kernel = row->type == CONVD_P_KERNEL, weight = row->type == CONVD_P_WEIGHT;
        if (!kernel && !weight) continue;
        const char *at = convd_arena_printf(s->mem, "/%s", row->name);
        api_schema_rule(s, at, CONVD_UNKNOWN_NAME, "a tensor of that name is uploaded");
        if (row->flags & CONVD_NO_KERNELS) continue;
        api_schema_rule(s, convd_arena_printf(s->mem, kernel ? "%s/*" : "%s/*/*", at),
                        CONVD_BAD_REQUEST,
                        "a kernel's parameter is given once, under one of its names");
    }
    for (; r && r->member; r++)
        api_schema_rule(s, convd_arena_printf(s->mem, "/%s", r->member), r->code, r->words);
    schema_end(s);
}

static void op_part(struct api_schema *s, const struct convd_op *op)
{
    const char *def = convd_arena_printf(s->mem, "op_%s", op->name);
    schema_object(s, def);
    schema_string(s, "title", op->name);
    schema_string(s, "description", op->summary);
    schema_object(s, "properties");
    common(s, op);
    api_schema_params(s, def, op->params);
    schema_end(s);
    closed(s);
    one_input(s, op);
    if (requires(op)) {
        schema_array(s, "allOf");
        api_schema_required(s, op->params);
        schema_end(s);
    }
    op_rules(s, op);
    schema_end(s);
}

/* The names that mean op. */
static void op_names(struct api_schema *s, const struct convd_op *op)
{
    api_json_string(&s->j, op->name);
    for (const char *at = op->aliases ? op->aliases : ""; *at; at += strspn(at, " ")) {
        size_t n = strcspn(at, " ");
        const char *name = convd_arena_text(s->mem, at, n);
        if (name && convd_op_find(name) == op) api_json_string(&s->j, name);
        at += n;
    }
}

static void group_names(struct api_schema *s, int group)
{
    const struct convd_op *op;
    for (size_t i = 0; (op = convd_op_at(i)); i++)
        if ((int)op->group == group || group < 0) op_names(s, op);
}

/* {"if":{"properties":{"op":{"enum":[names]}}},"then":{"$ref":…}}: names of one op, else of a group. */
static void when_op(struct api_schema *s, const struct convd_op *op, int group, const char *then)
{
    schema_object(s, NULL);
    schema_object(s, "if");
    schema_object(s, "properties");
    schema_object(s, "op");
    schema_array(s, "enum");
    if (op)
        op_names(s, op);
    else
        group_names(s, group);
    schema_end(s);
    schema_end(s);
    schema_end(s);
    schema_end(s);
    api_json_key(&s->j, "then");
    api_schema_ref(s, then);
    schema_end(s);
}

static const char *group_def(struct api_schema *s, int group)
{
    return convd_arena_printf(s->mem, "ops_%s", convd_group_word((enum convd_group)group));
}

static void groups(struct api_schema *s)
{
    const struct convd_op *op;
    for (int g = 0; g <= CONVD_BLOCKS; g++) {
        schema_object(s, group_def(s, g));
        schema_array(s, "allOf");
        for (size_t i = 0; (op = convd_op_at(i)); i++)
            if ((int)op->group == g)
                when_op(s, op, g, convd_arena_printf(s->mem, "op_%s", op->name));
        schema_end(s);
        schema_end(s);
    }
    for (size_t i = 0; (op = convd_op_at(i)); i++) op_part(s, op);
}

/* ---- steps ---- */

static void pipeline_names(struct api_schema *s)
{
    const struct api_pipeline *p;
    for (size_t i = 0; s->library && (p = api_library_at(s->library, i)); i++)
        api_json_string(&s->j, p->name);
}

/* {"op":"pipeline","name":…} */
static void pipeline_step(struct api_schema *s)
{
    schema_object(s, "op_pipeline");
    schema_string(s, "description", "a pipeline by its name");
    schema_object(s, "properties");
    common(s, NULL);
    schema_object(s, "name");
    schema_array(s, "enum");
    pipeline_names(s);
    schema_end(s);
    schema_end(s);
    schema_end(s);
    closed(s);
    schema_array(s, "required");
    api_json_string(&s->j, "name");
    schema_end(s);
    one_input(s, NULL);
    schema_end(s);
}

static bool needs_nothing(const struct convd_op *op)
{
    return least_inputs(op) < 2 && !requires(op);
}

static void offer_op(struct api_schema *s, const struct convd_op *op, const char *name)
{
    if (convd_op_find(name) == op && !(s->library && api_library_find(s->library, name)))
        api_json_string(&s->j, name);
}

/* A bare string: looked up as pipeline, op, kernel; the op is one that needs no parameter. */
static void bare_step(struct api_schema *s)
{
    const struct convd_op *op;
    const struct convd_kernel_row *k;
    schema_object(s, "bare_step");
    schema_string(s, "description",
                  "a pipeline, an operation or a kernel (filter), by its name alone");
    schema_array(s, "enum");
    pipeline_names(s);
    for (size_t i = 0; (op = convd_op_at(i)); i++) {
        if (!needs_nothing(op)) continue;
        offer_op(s, op, op->name);
        for (const char *at = op->aliases ? op->aliases : ""; *at; at += strspn(at, " ")) {
            size_t n = strcspn(at, " ");
            const char *name = convd_arena_text(s->mem, at, n);
            if (name) offer_op(s, op, name);
            at += n;
        }
    }
    for (size_t i = 0; (k = convd_kernel_at(i)); i++) {
        const char *all =
            convd_arena_printf(s->mem, "%s %s", k->name, k->aliases ? k->aliases : "");
        for (const char *at = all ? all : ""; *at; at += strspn(at, " ")) {
            size_t n = strcspn(at, " ");
            const char *name = convd_arena_text(s->mem, at, n);
            bool other =
                name && (convd_op_find(name) || (s->library && api_library_find(s->library, name)));
            if (name && !other && convd_kernel_find(name) == k && k->h <= s->max_kernel)
                api_json_string(&s->j, name);
            at += n;
        }
    }
    schema_end(s);
    schema_end(s);
}

static void object_step(struct api_schema *s)
{
    schema_object(s, "object_step");
    schema_string(s, "type", "object");
    schema_object(s, "properties");
    schema_object(s, "op");
    schema_array(s, "enum");
    group_names(s, -1);
    api_json_string(&s->j, "pipeline");
    schema_end(s);
    schema_end(s);
    schema_end(s);
    schema_array(s, "required");
    api_json_string(&s->j, "op");
    schema_end(s);
    schema_array(s, "allOf");
    for (int g = 0; g <= CONVD_BLOCKS; g++) when_op(s, NULL, g, group_def(s, g));
    schema_object(s, NULL);
    schema_object(s, "if");
    schema_object(s, "properties");
    schema_object(s, "op");
    schema_string(s, "const", "pipeline");
    schema_end(s);
    schema_end(s);
    schema_end(s);
    api_json_key(&s->j, "then");
    api_schema_ref(s, "op_pipeline");
    schema_end(s);
    schema_end(s);
    schema_end(s);
}

static void steps(struct api_schema *s)
{
    schema_object(s, "id");
    schema_string(s, "description", "a name for the step; not image");
    schema_string(s, "type", "string");
    schema_string(s, "pattern", "^[A-Za-z_][A-Za-z0-9_-]{0,63}$");
    schema_object(s, "not");
    schema_string(s, "const", "image");
    schema_end(s);
    schema_end(s);
    schema_object(s, "reference");
    schema_string(s, "description",
                  "image, @name of an uploaded tensor, or the id of an earlier step");
    schema_string(s, "type", "string");
    schema_end(s);
    schema_object(s, "steps");
    schema_string(
        s, "description",
        "steps, run in order; each takes what stands before it unless it says input or inputs");
    schema_string(s, "type", "array");
    schema_integer(s, "minItems", 1);
    schema_integer(s, "maxItems", (intmax_t)s->max_steps);
    api_json_key(&s->j, "items");
    api_schema_ref(s, "step");
    schema_end(s);
    schema_object(s, "step");
    schema_array(s, "type");
    api_json_string(&s->j, "string");
    api_json_string(&s->j, "object");
    schema_end(s);
    schema_object(s, "if");
    schema_string(s, "type", "string");
    schema_end(s);
    api_json_key(&s->j, "then");
    api_schema_ref(s, "bare_step");
    api_json_key(&s->j, "else");
    api_schema_ref(s, "object_step");
    own_rules(s, "step");
    schema_end(s);
    bare_step(s);
    object_step(s);
    pipeline_step(s);
}

/* ---- input and output ---- */

static void format_names(struct api_schema *s)
{
    struct api_format x;
    schema_array(s, "enum");
    for (size_t i = 0; api_format_at(i, &x); i++) {
        api_json_string(&s->j, x.name);
        for (const char *at = x.codec && x.codec->extensions ? x.codec->extensions : ""; *at;
             at += strspn(at, " ")) {
            size_t n = strcspn(at, " ");
            if (strlen(x.name) != n || memcmp(at, x.name, n) != 0) api_json_text(&s->j, at, n);
            at += n;
        }
    }
    schema_end(s);
}

void api_schema_option(struct api_schema *s, size_t i)
{
    const struct api_option_row *row = api_option_row(i);
    switch (row->kind) {
    case API_KIND_WORD:
        schema_array(s, "enum");
        for (size_t k = 0; row->words[k]; k++) api_json_string(&s->j, row->words[k]);
        schema_end(s);
        return;
    case API_KIND_INT:
        schema_string(s, "type", "integer");
        schema_integer(s, "minimum", row->lo);
        schema_integer(s, "maximum", row->hi);
        if (row->step > 1) schema_integer(s, "multipleOf", row->step);
        return;
    case API_KIND_COLOUR:
        schema_string(s, "type", "string");
        schema_string(s, "pattern", "^#[0-9a-fA-F]{6}$");
        return;
    case API_KIND_IDS:
        schema_array(s, "anyOf");
        schema_object(s, NULL);
        schema_string(s, "type", "string");
        schema_end(s);
        schema_object(s, NULL);
        schema_string(s, "type", "array");
        schema_integer(s, "minItems", 1);
        schema_object(s, "items");
        schema_string(s, "type", "string");
        schema_end(s);
        schema_end(s);
        schema_end(s);
        return;
    case API_KIND_FORMAT:
        format_names(s);
        return;
    case API_KIND_VIEW:
        schema_string(s, "type", "string");
        schema_string(s, "pattern", "^(auto|grid|channel:[0-9]{1,9})$");
        return;
    case API_KIND_TEXTS:
        schema_string(s, "type", "array");
        schema_object(s, "items");
        schema_string(s, "type", "string");
        schema_end(s);
        return;
    }
}

static void section(struct api_schema *s, const char *name)
{
    const struct api_option_row *row;
    schema_object(s, name);
    schema_string(s, "type", "object");
    schema_object(s, "properties");
    for (size_t i = 0; (row = api_option_row(i)); i++) {
        if (strcmp(row->section, name) != 0) continue;
        schema_object(s, row->member);
        schema_string(s, "description", row->summary);
        api_schema_option(s, i);
        schema_end(s);
    }
    schema_end(s);
    closed(s);
    own_rules(s, name);
    schema_end(s);
}

static void spec(struct api_schema *s)
{
    static const char *const members[] = {"input", "steps", "output"};
    schema_object(s, "spec");
    schema_string(s, "type", "object");
    schema_object(s, "properties");
    for (size_t i = 0; i < 3; i++) {
        api_json_key(&s->j, members[i]);
        api_schema_ref(s, members[i]);
    }
    schema_end(s);
    schema_array(s, "required");
    api_json_string(&s->j, "steps");
    schema_end(s);
    closed(s);
    schema_end(s);
    schema_object(s, "chain");
    schema_string(s, "description", "a pipeline as text: NAME:ARG,ARG/NAME…, or a name");
    schema_string(s, "type", "string");
    schema_integer(s, "minLength", 1);
    own_rules(s, "chain");
    schema_end(s);
    section(s, "input");
    section(s, "output");
}

/* The members of the whole. */
static void whole(struct api_schema *s)
{
    static const struct {
        const char *type, *def;
    } forms[] = {{"object", "spec"}, {"array", "steps"}, {"string", "chain"}};
    schema_string(s, "title", "convd pipeline");
    schema_string(s, "description",
                  "A pipeline: an object with steps, the steps alone, or a chain. What takes more "
                  "than one value to "
                  "tell is listed as x-rules: the place, the code of the fault, the rule.");
    schema_array(s, "type");
    for (size_t i = 0; i < 3; i++) api_json_string(&s->j, forms[i].type);
    schema_end(s);
    schema_array(s, "allOf");
    for (size_t i = 0; i < 3; i++) {
        schema_object(s, NULL);
        schema_object(s, "if");
        schema_string(s, "type", forms[i].type);
        schema_end(s);
        api_json_key(&s->j, "then");
        api_schema_ref(s, forms[i].def);
        schema_end(s);
    }
    schema_end(s);
    own_rules(s, "pipeline");
}

void api_schema_parts(struct api_schema *s)
{
    schema_object(s, "pipeline");
    whole(s);
    schema_end(s);
    spec(s);
    steps(s);
    groups(s);
    api_schema_values(s);
}

struct api_schema api_schema_to(struct convd_bytes *out, const char *prefix,
                                struct convd_arena *mem, const struct api_library *lib,
                                const struct api_limits *l)
{
    return (struct api_schema){.j = api_json_to(out),
                               .prefix = prefix,
                               .mem = mem,
                               .max_kernel = l && l->plan.kernel ? l->plan.kernel : 129,
                               .max_steps = l && l->plan.steps ? l->plan.steps : 256,
                               .library = lib};
}

bool api_schema_write(const struct api_library *lib, const struct api_limits *l,
                      struct convd_bytes *out)
{
    struct convd_arena mem;
    convd_arena_init(&mem, NULL, 0);
    struct api_schema s = api_schema_to(out, "#/$defs/", &mem, lib, l);
    api_json_object(&s.j);
    schema_string(&s, "$schema", "https://json-schema.org/draft/2020-12/schema");
    schema_string(&s, "$id", "urn:convd:schema:pipeline");
    schema_string(&s, "$ref", "#/$defs/pipeline");
    schema_object(&s, "$defs");
    api_schema_parts(&s);
    schema_end(&s);
    schema_end(&s);
    convd_arena_release(&mem);
    return !s.j.failed;
}
