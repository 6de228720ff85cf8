/* schema_params.c: what one parameter takes, by the type, range and flags of its row; and the kernels, arrays and initial
 * weights that parameters are made of. See schema.h. */
#include "schema.h"
#include "../core/kernels.h"
#include "../core/weight.h"
#include <math.h>
#include <string.h>

#define FLOAT_END   0x1.ffffffp127 /* from here on a number is infinite in single precision */
#define FLOAT_LEAST 0x1p-150       /* up to here it is 0                                    */
#define INTEGER_END 0x1p53         /* from here on doubles skip integers                    */

/* ---- numbers ---- */

/* The members that hold a number to the row's range. */
static void range(struct api_schema *s, const struct convd_param *row, bool integer)
{
    bool any = row->lo == 0 && row->hi == 0;
    double lo = any ? -(double)INFINITY : row->lo, hi = any ? (double)INFINITY : row->hi;
    if (integer && lo < -INTEGER_END) lo = -INTEGER_END;
    if (integer && hi > INTEGER_END) hi = INTEGER_END;
    if (isfinite(lo)) schema_number(s, "minimum", lo);
    if (isfinite(hi)) schema_number(s, "maximum", hi);
    if (row->flags & CONVD_ODD) {
        schema_object(s, "not");
        schema_string(s, "type", "integer");
        schema_integer(s, "multipleOf", 2);
        schema_end(s);
    }
    if (row->flags & CONVD_NONZERO) {
        schema_array(s, "anyOf");
        schema_object(s, NULL);
        schema_number(s, "exclusiveMinimum", FLOAT_LEAST);
        schema_end(s);
        schema_object(s, NULL);
        schema_number(s, "exclusiveMaximum", -FLOAT_LEAST);
        schema_end(s);
        schema_end(s);
    }
}

static void number(struct api_schema *s, const char *name, const struct convd_param *row,
                   bool integer)
{
    schema_object(s, name);
    schema_string(s, "type", integer ? "integer" : "number");
    range(s, row, integer);
    schema_end(s);
}

static void list(struct api_schema *s, const char *name, const struct convd_param *row,
                 bool integer, size_t least, size_t most)
{
    schema_object(s, name);
    schema_string(s, "type", "array");
    number(s, "items", row, integer);
    schema_integer(s, "minItems", (intmax_t)least);
    if (most) schema_integer(s, "maxItems", (intmax_t)most);
    schema_end(s);
}

/* A number, or from least to most of them in a list. */
static void numbers(struct api_schema *s, const struct convd_param *row, bool integer, size_t least,
                    size_t most)
{
    schema_array(s, "anyOf");
    number(s, NULL, row, integer);
    list(s, NULL, row, integer, least, most);
    schema_end(s);
}

static void padding(struct api_schema *s, const struct convd_param *row)
{
    const unsigned none = CONVD_NO_SAME | CONVD_NO_VALID;
    schema_array(s, "anyOf");
    number(s, NULL, row, true);
    list(s, NULL, row, true, 2, 2);
    list(s, NULL, row, true, 4, 4);
    if ((row->flags & none) != none) {
        schema_object(s, NULL);
        schema_array(s, "enum");
        if (!(row->flags & CONVD_NO_SAME)) api_json_string(&s->j, "same");
        if (!(row->flags & CONVD_NO_VALID)) api_json_string(&s->j, "valid");
        schema_end(s);
        schema_end(s);
    }
    schema_end(s);
}

static void words(struct api_schema *s, const char *const *list_of)
{
    schema_array(s, "enum");
    for (; *list_of; list_of++) api_json_string(&s->j, *list_of);
    schema_end(s);
}

static void across(struct api_schema *s, const struct convd_param *row)
{
    schema_array(s, "anyOf");
    schema_object(s, NULL);
    words(s, row->words);
    schema_end(s);
    number(s, NULL, row, false);
    list(s, NULL, row, false, 1, 0);
    schema_end(s);
}

/* {"required":[name]}, an item of an open list. */
static void require(struct api_schema *s, const char *name)
{
    schema_object(s, NULL);
    schema_object(s, "properties");
    api_json_key(&s->j, name);
    api_json_boolean(&s->j, true);
    schema_end(s);
    schema_array(s, "required");
    api_json_string(&s->j, name);
    schema_end(s);
    schema_end(s);
}

void api_schema_apart(struct api_schema *s, const char *name, const char *other)
{
    schema_object(s, "dependentSchemas");
    schema_object(s, name);
    schema_object(s, "properties");
    api_json_key(&s->j, other);
    api_json_boolean(&s->j, false);
    schema_end(s);
    schema_end(s);
    schema_end(s);
}

/* ---- weights and kernels ---- */

static void weight(struct api_schema *s, const struct convd_param *row)
{
    schema_array(s, "anyOf");
    api_schema_ref(s, "numbers");
    if (!(row->flags & CONVD_NO_KERNELS)) api_schema_ref(s, "kernels");
    api_schema_ref(s, "tensor");
    schema_object(s, NULL);
    schema_string(s, "$ref", convd_arena_printf(s->mem, "%sinit", s->prefix));
    if (row->flags & CONVD_INIT_OUT) {
        schema_array(s, "anyOf");
        for (int i = 0; i < 2; i++) require(s, i ? "out_features" : "out_channels");
        schema_end(s);
    }
    if (row->flags & CONVD_INIT_SIZE) {
        schema_array(s, "allOf");
        require(s, "kernel_size");
        schema_end(s);
    }
    if (row->flags & CONVD_INIT_ZEROS) {
        schema_object(s, "properties");
        schema_object(s, "init");
        schema_string(s, "const", convd_init_words[CONVD_ZEROS]);
        schema_end(s);
        schema_end(s);
    }
    schema_end(s);
    schema_end(s);
}

void api_schema_param(struct api_schema *s, const struct convd_param *row)
{
    switch (row->type) {
    case CONVD_P_INT:
    case CONVD_P_NUMBER:
        schema_string(s, "type", row->type == CONVD_P_INT ? "integer" : "number");
        range(s, row, row->type == CONVD_P_INT);
        return;
    case CONVD_P_BOOL:
        schema_string(s, "type", "boolean");
        return;
    case CONVD_P_WORD:
        words(s, row->words);
        return;
    case CONVD_P_PAIR:
    case CONVD_P_NUMPAIR:
        numbers(s, row, row->type == CONVD_P_PAIR, 2, 2);
        return;
    case CONVD_P_PADDING:
        padding(s, row);
        return;
    case CONVD_P_INTS:
    case CONVD_P_NUMBERS:
        numbers(s, row, row->type == CONVD_P_INTS, 1, row->most);
        return;
    case CONVD_P_ACROSS:
        across(s, row);
        return;
    case CONVD_P_KERNEL:
    case CONVD_P_STEPS:
        schema_string(s, "$ref",
                      convd_arena_printf(s->mem, "%s%s", s->prefix,
                                         row->type == CONVD_P_KERNEL ? "kernel" : "steps"));
        return;
    case CONVD_P_WEIGHT:
        weight(s, row);
        return;
    }
}

static void write_default(struct api_schema *s, const struct convd_param *row)
{
    if (!row->def || !*row->def) return;
    if (*row->def == '=') {
        schema_string(s, "x-like", row->def + 1);
        return;
    }
    struct convd_value v = convd_param_read(row, row->def, s->mem);
    api_json_key(&s->j, "default");
    api_json_value(&s->j, &v);
}

/* Each blank-separated alias that really means row (an earlier row's name or alias wins). */
static const char *alias_of(const struct convd_param *rows, const struct convd_param *row,
                            const char **at, struct convd_arena *mem)
{
    while (*at && **at) {
        size_t n = strcspn(*at, " ");
        const char *name = convd_arena_text(mem, *at, n);
        *at += n;
        *at += strspn(*at, " ");
        if (name && convd_param_find(rows, name) == row) return name;
    }
    return NULL;
}

void api_schema_params(struct api_schema *s, const char *def, const struct convd_param *rows)
{
    for (const struct convd_param *row = rows; row && row->name; row++) {
        const char *at = row->aliases, *name;
        schema_object(s, row->name);
        if (row->summary) schema_string(s, "description", row->summary);
        api_schema_param(s, row);
        write_default(s, row);
        schema_end(s);
        while ((name = alias_of(rows, row, &at, s->mem))) {
            schema_object(s, name);
            schema_string(s, "description",
                          convd_arena_printf(s->mem, "another name of %s", row->name));
            schema_string(
                s, "$ref",
                convd_arena_printf(s->mem, "%s%s/properties/%s", s->prefix, def, row->name));
            schema_end(s);
        }
    }
}

/* An item that asks for row under one of its names; in an open list. */
static void either_name(struct api_schema *s, const struct convd_param *rows,
                        const struct convd_param *row)
{
    const char *at = row->aliases, *name = alias_of(rows, row, &at, s->mem);
    if (!name) {
        require(s, row->name);
        return;
    }
    schema_object(s, NULL);
    schema_array(s, "anyOf");
    require(s, row->name);
    for (; name; name = alias_of(rows, row, &at, s->mem)) require(s, name);
    schema_end(s);
    schema_end(s);
}

void api_schema_required(struct api_schema *s, const struct convd_param *rows)
{
    bool either = false;
    for (const struct convd_param *row = rows; row && row->name; row++) {
        either |= (row->flags & CONVD_EITHER) != 0;
        if (!row->def) either_name(s, rows, row);
    }
    if (!either) return;
    schema_object(s, NULL);
    schema_array(s, "oneOf");
    for (const struct convd_param *row = rows; row->name; row++) {
        if (row->flags & CONVD_EITHER) either_name(s, rows, row);
    }
    schema_end(s);
    schema_end(s);
}

/* ---- the parts ---- */

/* Names of kernels that may be given: none is larger than the limit; what an earlier one is called already is left out. */
static void kernel_names(struct api_schema *s, const struct convd_kernel_row *row)
{
    const char *at = row->aliases;
    api_json_string(&s->j, row->name);
    while (at && *at) {
        size_t n = strcspn(at, " ");
        const char *name = convd_arena_text(s->mem, at, n);
        if (name && convd_kernel_find(name) == row) api_json_string(&s->j, name);
        at += n;
        at += strspn(at, " ");
    }
}

static bool fits(const struct api_schema *s, const struct convd_kernel_row *row)
{
    return row->h <= s->max_kernel && row->w <= s->max_kernel;
}

static void all_kernel_names(struct api_schema *s)
{
    const struct convd_kernel_row *row;
    schema_array(s, "enum");
    for (size_t i = 0; (row = convd_kernel_at(i)); i++)
        if (fits(s, row)) kernel_names(s, row);
    schema_end(s);
}

/* The parameters of a kernel; the side of its square is within the limit. */
static void kernel_part(struct api_schema *s, const struct convd_kernel_row *row)
{
    const char *def = convd_arena_printf(s->mem, "kernel_%s", row->name);
    struct convd_param rows[16];
    size_t n = 0;
    for (; row->params[n].name && n < 15; n++) rows[n] = row->params[n];
    rows[n] = (struct convd_param)CONVD_PARAM_END;
    if (rows[0].hi > (double)s->max_kernel) rows[0].hi = (double)s->max_kernel;
    schema_object(s, def);
    schema_string(s, "description", row->summary);
    schema_object(s, "properties");
    schema_object(s, "name");
    schema_array(s, "enum");
    kernel_names(s, row);
    schema_end(s);
    schema_end(s);
    api_schema_params(s, def, rows);
    schema_end(s);
    api_json_key(&s->j, "additionalProperties");
    api_json_boolean(&s->j, false);
    schema_end(s);
}

static void kernel_case(struct api_schema *s, const struct convd_kernel_row *row)
{
    schema_object(s, NULL);
    schema_object(s, "if");
    schema_object(s, "properties");
    schema_object(s, "name");
    schema_array(s, "enum");
    kernel_names(s, row);
    schema_end(s);
    schema_end(s);
    schema_end(s);
    schema_end(s);
    api_json_key(&s->j, "then");
    api_schema_ref(s, convd_arena_printf(s->mem, "kernel_%s", row->name));
    schema_end(s);
}

/* {"name":…}: a parametric kernel takes its parameters, any other its name alone. */
static void named_kernel(struct api_schema *s)
{
    const struct convd_kernel_row *row;
    schema_object(s, "named_kernel");
    schema_string(s, "description", "a kernel by name, with its parameters");
    schema_string(s, "type", "object");
    schema_object(s, "properties");
    schema_object(s, "name");
    all_kernel_names(s);
    schema_end(s);
    schema_end(s);
    schema_array(s, "required");
    api_json_string(&s->j, "name");
    schema_end(s);
    schema_array(s, "allOf");
    for (size_t i = 0; (row = convd_kernel_at(i)); i++)
        if (row->params) kernel_case(s, row);
    schema_object(s, NULL);
    schema_object(s, "if");
    schema_object(s, "properties");
    schema_object(s, "name");
    schema_array(s, "enum");
    for (size_t i = 0; (row = convd_kernel_at(i)); i++)
        if (!row->params && fits(s, row)) kernel_names(s, row);
    schema_end(s);
    schema_end(s);
    schema_end(s);
    schema_end(s);
    schema_object(s, "then");
    schema_integer(s, "maxProperties", 1);
    schema_end(s);
    schema_end(s);
    schema_end(s);
    schema_end(s);
    for (size_t i = 0; (row = convd_kernel_at(i)); i++)
        if (row->params) kernel_part(s, row);
}

static void matrix(struct api_schema *s)
{
    schema_object(s, "matrix");
    schema_string(s, "description", "rows of equal length");
    for (int d = 0; d < 2; d++) {
        schema_string(s, "type", "array");
        schema_integer(s, "minItems", 1);
        schema_integer(s, "maxItems", s->max_kernel);
        if (d == 0) schema_object(s, "items");
    }
    api_json_key(&s->j, "items");
    api_schema_ref(s, "float");
    schema_end(s);
    schema_end(s);
}

/* kernel: any form; kernel_or_name: what may stand in a list of kernels. */
static void kernels(struct api_schema *s)
{
    schema_object(s, "kernel_name");
    schema_string(s, "description", "a kernel by its name");
    all_kernel_names(s);
    schema_end(s);
    named_kernel(s);
    matrix(s);
    for (int i = 0; i < 2; i++) {
        schema_object(s, i ? "kernel" : "plain_kernel");
        schema_string(s, "description",
                      i ? "a name, {\"name\":…}, a matrix, or an uploaded tensor"
                        : "a name, {\"name\":…} or a matrix");
        schema_array(s, "anyOf");
        api_schema_ref(s, "kernel_name");
        api_schema_ref(s, "named_kernel");
        api_schema_ref(s, "matrix");
        if (i) api_schema_ref(s, "tensor");
        schema_end(s);
        schema_end(s);
    }
    schema_object(s, "kernels");
    schema_string(s, "description",
                  "a list of kernels of one size, at least one of them by name (matrices alone are "
                  "an array)");
    schema_string(s, "type", "array");
    schema_object(s, "contains");
    schema_array(s, "type");
    api_json_string(&s->j, "string");
    api_json_string(&s->j, "object");
    schema_end(s);
    schema_end(s);
    api_json_key(&s->j, "items");
    api_schema_ref(s, "plain_kernel");
    schema_end(s);
}

static void arrays(struct api_schema *s)
{
    schema_object(s, "float");
    schema_string(s, "description", "a number that is finite in single precision");
    schema_string(s, "type", "number");
    schema_number(s, "exclusiveMinimum", -FLOAT_END);
    schema_number(s, "exclusiveMaximum", FLOAT_END);
    schema_end(s);
    for (int d = 1; d <= 4; d++) {
        schema_object(s, convd_arena_printf(s->mem, "array%d", d));
        schema_string(s, "type", "array");
        schema_integer(s, "minItems", 1);
        api_json_key(&s->j, "items");
        api_schema_ref(s, d == 1 ? "float" : convd_arena_printf(s->mem, "array%d", d - 1));
        schema_end(s);
    }
    schema_object(s, "numbers");
    schema_string(s, "description",
                  "a number or an array of them, up to four deep, inner lists of equal lengths");
    schema_array(s, "anyOf");
    api_schema_ref(s, "float");
    for (int d = 1; d <= 4; d++) api_schema_ref(s, convd_arena_printf(s->mem, "array%d", d));
    schema_end(s);
    schema_end(s);
    schema_object(s, "tensor");
    schema_string(s, "description", "@name of an uploaded tensor");
    schema_string(s, "type", "string");
    schema_string(s, "pattern", "^@");
    schema_end(s);
}

static void init(struct api_schema *s)
{
    struct convd_param rows[CONVD_INIT_ROWS];
    convd_init_params(s->max_kernel, rows);
    schema_object(s, "init");
    schema_string(s, "description", "initial weights: the seed alone decides the numbers");
    schema_string(s, "type", "object");
    schema_object(s, "properties");
    api_schema_params(s, "init", rows);
    schema_end(s);
    api_json_key(&s->j, "additionalProperties");
    api_json_boolean(&s->j, false);
    schema_array(s, "allOf");
    api_schema_required(s, rows);
    schema_end(s);
    api_schema_apart(s, "out_channels", "out_features");
    schema_end(s);
}

void api_schema_values(struct api_schema *s)
{
    arrays(s);
    kernels(s);
    init(s);
}
