/* schema.h: the JSON Schema of a pipeline, made from the rows of operations, kernels and options. It says all that one value
 * alone can tell; what takes a second value stands beside it as x-rules (rules.def, core/op.h). */
#ifndef API_SCHEMA_H
#define API_SCHEMA_H
#include "json.h"
#include "api.h"

/* A schema being written. */
struct api_schema {
    struct api_json j;
    const char *prefix;       /* of references: "#/$defs/" */
    struct convd_arena *mem;
    ptrdiff_t max_kernel;
    size_t max_steps;
    const struct api_library *library;
};
struct api_schema api_schema_to(struct convd_bytes *out, const char *prefix, struct convd_arena *mem,
                                const struct api_library *lib, const struct api_limits *l);
/* Writes the parts as members of an open object, the whole one (`pipeline`) first. */
void api_schema_parts(struct api_schema *s);
/* {"$ref":"PREFIX + name"} */
void api_schema_ref(struct api_schema *s, const char *name);
/* The members of an open object that say what a parameter or an option takes. */
void api_schema_param(struct api_schema *s, const struct convd_param *row);
void api_schema_option(struct api_schema *s, size_t i);

/* schema_params.c: the parts that parameters refer to: kernels, arrays, initial weights. */
void api_schema_values(struct api_schema *s);
void api_schema_params(struct api_schema *s, const char *def, const struct convd_param *rows);
void api_schema_required(struct api_schema *s, const struct convd_param *rows);
void api_schema_apart(struct api_schema *s, const char *name, const char *other); /* members: never both */
void api_schema_rule(struct api_schema *s, const char *at, int code, const char *words);

/* Short words for writing. */
static inline void schema_string(struct api_schema *s, const char *name, const char *text)
{
    api_json_key(&s->j, name);
    api_json_string(&s->j, text);
}
static inline void schema_integer(struct api_schema *s, const char *name, intmax_t x)
{
    api_json_key(&s->j, name);
    api_json_integer(&s->j, x);
}
static inline void schema_number(struct api_schema *s, const char *name, double x)
{
    api_json_key(&s->j, name);
    api_json_number(&s->j, x);
}
static inline void schema_object(struct api_schema *s, const char *name)
{
    if (name) api_json_key(&s->j, name);
    api_json_object(&s->j);
}
static inline void schema_array(struct api_schema *s, const char *name)
{
    api_json_key(&s->j, name);
    api_json_array(&s->j);
}
static inline void schema_end(struct api_schema *s)
{
    api_json_end(&s->j);
}
#endif
