/* openapi.c: OpenAPI 3.1 of the server: paths from its routes, parameters from options.def and the kernels' rows, problems
 * from problem.def, pipelines from the schema. What the answers look like is in answers.json, which a test holds against
 * the answers themselves. */
#include "embed.h"
#include "options.h"
#include "schema.h"
#include "../core/kernels.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

EMBED(answers, "api/answers.json");

#define IN_SCHEMAS "#/components/schemas/"

static const struct word {
    const char *word, *name, *schema, *help;
} bodies[] =
    {
#define BODY(WORD, NAME, SCHEMA, HELP) {WORD, NAME, SCHEMA, HELP},
#define QUERY(...)
#define ANSWER(...)
#define TAG(...)
#include "openapi.def"
#undef BODY
#undef QUERY
},
  queries[] =
      {
#define BODY(...)
#define QUERY(WORD, NAME, SCHEMA, HELP) {WORD, NAME, SCHEMA, HELP},
#include "openapi.def"
#undef QUERY
#undef ANSWER
},
  gives[] =
      {
#define QUERY(...)
#define ANSWER(WORD, MEDIA, COMPONENT, HELP) {WORD, MEDIA, COMPONENT, HELP},
#include "openapi.def"
#undef ANSWER
#undef TAG
},
  tags[] = {
#define ANSWER(...)
#define TAG(WORD, HELP) {WORD, NULL, NULL, HELP},
#include "openapi.def"
#undef BODY
#undef QUERY
#undef ANSWER
#undef TAG
};
#define COUNT(LIST) (sizeof(LIST) / sizeof *(LIST))

static void raw(struct api_schema *s, const char *name, const char *json)
{
    api_json_key(&s->j, name);
    api_json_raw(&s->j, json, strlen(json));
}

/* ---- parameters ---- */

static void begin_parameter(struct api_schema *s, const char *name, const char *in,
                            const char *help)
{
    schema_object(s, NULL);
    schema_string(s, "name", name);
    schema_string(s, "in", in);
    if (strcmp(in, "path") == 0) {
        api_json_key(&s->j, "required");
        api_json_boolean(&s->j, true);
    }
    schema_string(s, "description", help);
}

static void string_parameter(struct api_schema *s, const char *name, const char *help)
{
    begin_parameter(s, name, "path", help);
    schema_object(s, "schema");
    schema_string(s, "type", "string");
    schema_end(s);
    schema_end(s);
}

static void format_parameter(struct api_schema *s, const char *name, const char *in,
                             const char *help)
{
    begin_parameter(s, name, in, help);
    schema_object(s, "schema");
    api_schema_option(s, API_OPTION_FORMAT);
    schema_end(s);
    schema_end(s);
}

/* {name}, {id}, {chain}, {ext} of a pattern. */
static void path_parameters(struct api_schema *s, const struct api_route *r)
{
    if (strstr(r->pattern, "{name}"))
        string_parameter(s, "name", "its name, or another name that it has");
    if (strstr(r->pattern, "{id}")) string_parameter(s, "id", "what POST /v1/images gave");
    if (strstr(r->pattern, "{chain}"))
        string_parameter(
            s, "chain",
            "steps joined by / (each a segment of the path): NAME or NAME:ARG,ARG, as in "
            "grayscale/sobel_x/abs/max_pool:2");
    if (strstr(r->pattern, "{ext}")) format_parameter(s, "ext", "path", "the format of the answer");
}

/* Whether the route says this parameter in other words than the options do. */
static bool said_otherwise(const struct api_route *r, const char *name)
{
    for (size_t i = 0; i < COUNT(queries); i++)
        if (convd_word_in(r->query, queries[i].word) && strcmp(queries[i].name, name) == 0)
            return true;
    return strcmp(name, "format") == 0 &&
           (convd_word_in(r->query, "explain") || strstr(r->pattern, "{ext}"));
}

/* As the query has it: lists with commas, a colour without #. */
static void option_schema(struct api_schema *s, size_t i)
{
    const struct api_option_row *row = api_option_row(i);
    if (row->kind == API_KIND_IDS || row->kind == API_KIND_COLOUR) {
        schema_string(s, "type", "string");
        if (row->kind == API_KIND_COLOUR) schema_string(s, "pattern", "^#?[0-9a-fA-F]{6}$");
    } else {
        api_schema_option(s, i);
    }
}

static void option_parameters(struct api_schema *s, const struct api_route *r)
{
    const struct api_option_row *row;
    for (size_t i = 0; (row = api_option_row(i)); i++) {
        if (!row->query || said_otherwise(r, row->member)) continue;
        begin_parameter(s, row->member, "query", row->summary);
        schema_object(s, "schema");
        option_schema(s, i);
        schema_end(s);
        schema_end(s);
    }
}

/* The parameters of all kernels, each name once. */
static void kernel_parameters(struct api_schema *s)
{
    const struct convd_kernel_row *row;
    const char *seen = "";
    for (size_t i = 0; (row = convd_kernel_at(i)); i++)
        for (const struct convd_param *p = row->params; p && p->name && seen; p++) {
            if (convd_word_in(seen, p->name)) continue;
            seen = convd_arena_printf(s->mem, "%s %s", seen, p->name);
            begin_parameter(s, p->name, "query", p->summary);
            schema_object(s, "schema");
            schema_string(s, "type", p->type == CONVD_P_INT ? "integer" : "number");
            schema_end(s);
            schema_end(s);
        }
}

static void explain_parameter(struct api_schema *s)
{
    const char *name;
    begin_parameter(s, "format", "query", "the form of the explanation");
    schema_object(s, "schema");
    schema_array(s, "enum");
    for (size_t i = 0; (name = api_explain_format(i)); i++) api_json_string(&s->j, name);
    schema_end(s);
    schema_end(s);
    schema_end(s);
}

static void parameters(struct api_schema *s, const struct api_route *r)
{
    if (!*r->query && !strchr(r->pattern, '{')) return;
    schema_array(s, "parameters");
    path_parameters(s, r);
    for (size_t i = 0; i < COUNT(queries); i++) {
        if (!convd_word_in(r->query, queries[i].word)) continue;
        begin_parameter(s, queries[i].name, "query", queries[i].help);
        raw(s, "schema", queries[i].schema);
        schema_end(s);
    }
    if (convd_word_in(r->query, "explain")) explain_parameter(s);
    if (convd_word_in(r->query, "kernel")) kernel_parameters(s);
    if (convd_word_in(r->query, "options")) option_parameters(s, r);
    schema_end(s);
}

/* ---- bodies ---- */

static void multipart(struct api_schema *s, const struct api_route *r)
{
    schema_object(s, "multipart/form-data");
    schema_object(s, "schema");
    schema_string(s, "type", "object");
    schema_object(s, "properties");
    for (size_t i = 0; i < COUNT(bodies); i++) {
        if (!convd_word_in(r->takes, bodies[i].word)) continue;
        schema_object(s, bodies[i].name);
        schema_string(s, "description", bodies[i].help);
        schema_array(s, "allOf");
        api_json_raw(&s->j, bodies[i].schema, strlen(bodies[i].schema));
        schema_end(s);
        schema_end(s);
    }
    schema_end(s);
    if (convd_word_in(r->takes, "tensors")) {
        schema_object(s, "additionalProperties");
        schema_string(s, "description",
                      "a tensor that the pipeline calls @name: an npy or safetensors file");
        schema_string(s, "type", "string");
        schema_string(s, "contentMediaType", "application/octet-stream");
        schema_end(s);
    }
    schema_end(s);
    schema_end(s);
}

static void request_body(struct api_schema *s, const struct api_route *r)
{
    if (!*r->takes) return;
    schema_object(s, "requestBody");
    api_json_key(&s->j, "required");
    api_json_boolean(&s->j, r->needs_body);
    schema_object(s, "content");
    multipart(s, r);
    schema_object(s, "application/octet-stream");
    schema_object(s, "schema");
    schema_string(s, "description", "the picture's bytes, under any other media type");
    schema_string(s, "type", "string");
    schema_string(s, "contentMediaType", "application/octet-stream");
    schema_end(s);
    schema_end(s);
    if (convd_word_in(r->takes, "tensors")) {
        schema_object(s, "application/json");
        api_json_key(&s->j, "schema");
        api_schema_ref(s, "Request");
        schema_end(s);
    }
    schema_end(s);
    schema_end(s);
}

/* ---- answers ---- */

/* "bad-request: …; bad-json: …": the causes of a status. */
static const char *causes(struct api_schema *s, int status)
{
    const char *text = NULL, *word;
    const char *seen = "";
    for (int code = 1; code < API_CODES_END; code++) {
        if (api_code_status(code) != status || !(word = api_code_word(code)) ||
            convd_word_in(seen, word))
            continue;
        seen = convd_arena_printf(s->mem, "%s %s", seen, word);
        text = text ? convd_arena_printf(s->mem, "%s; %s: %s", text, word, api_code_summary(code))
                    : convd_arena_printf(s->mem, "%s: %s", word, api_code_summary(code));
        if (!text || !seen) return NULL;
    }
    return text;
}

static void header(struct api_schema *s, const char *name, const char *help)
{
    schema_object(s, name);
    schema_string(s, "description", help);
    raw(s, "schema", "{\"type\":\"string\"}");
    schema_end(s);
}

static void problem(struct api_schema *s, int status)
{
    schema_object(s, NULL);
    schema_string(s, "description", causes(s, status));
    if (status == 401 || status == 503) {
        schema_object(s, "headers");
        if (status == 401)
            header(s, "WWW-Authenticate", "Bearer");
        else
            header(s, "Retry-After", "seconds");
        schema_end(s);
    }
    schema_object(s, "content");
    schema_object(s, "application/problem+json");
    api_json_key(&s->j, "schema");
    api_schema_ref(s, "Problem");
    schema_end(s);
    schema_end(s);
    schema_end(s);
}

static const char *help_of(const struct api_route *r)
{
    for (size_t i = 0; i < COUNT(gives); i++)
        if (strcmp(gives[i].word, r->gives) == 0) return gives[i].help;
    return "done";
}

/* The media types of an answer: one, or those of every format but JSON. */
static void medias(struct api_schema *s, const struct word *w)
{
    struct api_format x;
    bool all = strcmp(w->name, "formats") == 0;
    if (!all) {
        schema_object(s, w->name);
        if (*w->schema) {
            api_json_key(&s->j, "schema");
            api_schema_ref(s, w->schema);
        }
        schema_end(s);
    }
    for (size_t i = 0; all && api_format_at(i, &x); i++) {
        if (x.kind == API_JSON) continue;
        schema_object(s, x.media);
        schema_end(s);
    }
}

static void success(struct api_schema *s, const struct api_route *r, int status)
{
    const char *given = status == 202 ? "Job" : r->gives; /* what goes on is told by its job */
    bool tagged = strstr(r->statuses, "304") || convd_word_in(r->gives, "Result Gradient Probe");
    schema_object(s, NULL);
    schema_string(s, "description", help_of(r));
    if (tagged || status == 201) {
        schema_object(s, "headers");
        if (tagged) header(s, "ETag", "of all that decides the bytes");
        if (status == 201) header(s, "Location", "where it is");
        schema_end(s);
    }
    if (*given && status != 204) {
        schema_object(s, "content");
        for (size_t i = 0; i < COUNT(gives); i++)
            if (strcmp(gives[i].word, given) == 0) medias(s, &gives[i]);
        schema_end(s);
    }
    schema_end(s);
}

/* The statuses of a route; returns how many. */
static size_t statuses_of(const struct api_route *r, int list[32])
{
    size_t n = 0;
    char *end;
    for (const char *at = r->statuses; n < 32; at = end) {
        long status = strtol(at, &end, 10);
        if (end == at) break;
        list[n++] = (int)status;
    }
    return n;
}

static void answers_of(struct api_schema *s, const struct api_route *r)
{
    int list[32];
    size_t n = statuses_of(r, list);
    schema_object(s, "responses");
    for (size_t i = 0; i < n; i++) {
        char name[16];
        snprintf(name, sizeof name, "%d", list[i]);
        api_json_key(&s->j, name);
        if (list[i] < 300) {
            success(s, r, list[i]);
        } else if (list[i] == 304) {
            schema_object(s, NULL);
            schema_string(s, "description", "what If-None-Match names is what would come");
            schema_end(s);
        } else {
            schema_object(s, NULL);
            schema_string(s, "$ref",
                          convd_arena_printf(s->mem, "#/components/responses/%d", list[i]));
            schema_end(s);
        }
    }
    schema_end(s);
}

/* ---- routes ---- */

static void operation(struct api_schema *s, const struct api_route *r)
{
    char method[16];
    size_t n = strlen(r->method);
    for (size_t i = 0; i <= n && i < sizeof method; i++)
        method[i] = (char)(r->method[i] | (r->method[i] ? 0x20 : 0));
    schema_object(s, method);
    schema_string(s, "operationId", r->id);
    schema_string(s, "summary", r->summary);
    schema_array(s, "tags");
    api_json_string(&s->j, r->tag);
    schema_end(s);
    raw(s, "security", r->open ? "[]" : "[{},{\"key\":[]}]");
    parameters(s, r);
    request_body(s, r);
    answers_of(s, r);
    schema_end(s);
}

static void paths(struct api_schema *s, const struct api_route *routes, size_t n)
{
    schema_object(s, "paths");
    for (size_t i = 0; i < n; i++) {
        bool first = true;
        for (size_t k = 0; k < i; k++) first &= strcmp(routes[k].pattern, routes[i].pattern) != 0;
        if (!first) continue;
        schema_object(s, routes[i].pattern);
        for (size_t k = i; k < n; k++)
            if (strcmp(routes[k].pattern, routes[i].pattern) == 0) operation(s, &routes[k]);
        schema_end(s);
    }
    schema_end(s);
}

/* Every status that any route answers with a problem. */
static void problems(struct api_schema *s, const struct api_route *routes, size_t n)
{
    int list[32];
    schema_object(s, "responses");
    for (int status = 400; status < 600; status++) {
        bool used = false;
        for (size_t i = 0; i < n && !used; i++)
            for (size_t k = statuses_of(&routes[i], list); k > 0; k--)
                used |= list[k - 1] == status;
        if (!used) continue;
        char name[16];
        snprintf(name, sizeof name, "%d", status);
        api_json_key(&s->j, name);
        problem(s, status);
    }
    schema_end(s);
}

static void codes(struct api_schema *s)
{
    const char *seen = "";
    schema_object(s, "Code");
    schema_string(s, "description", "stable causes of problems");
    schema_array(s, "enum");
    for (int code = 1; code < API_CODES_END && seen; code++) {
        const char *word = api_code_word(code);
        if (convd_word_in(seen, word)) continue;
        api_json_string(&s->j, word);
        seen = convd_arena_printf(s->mem, "%s %s", seen, word);
    }
    schema_end(s);
    schema_end(s);
}

/* The members of answers.json, without its braces. */
static void shapes(struct api_schema *s)
{
    size_t from = 0, to = answers_size;
    while (from < to && answers[from] != '{') from++;
    while (to > from && answers[to - 1] != '}') to--;
    api_json_raw(&s->j, (const char *)answers + from + 1, to - from - 2);
}

static void head(struct api_schema *s)
{
    schema_string(s, "openapi", "3.1.0");
    schema_object(s, "info");
    schema_string(s, "title", "convd");
    schema_string(s, "description",
                  "Convolutions and pooling on images. Every GET also answers HEAD, every address "
                  "OPTIONS. A problem is "
                  "application/problem+json with a stable code and, where it applies, a JSON "
                  "Pointer to the culprit.");
    schema_string(s, "version", CONVD_VERSION);
    raw(s, "license", "{\"name\":\"MIT\",\"identifier\":\"MIT\"}");
    schema_end(s);
    raw(s, "servers", "[{\"url\":\"/\",\"description\":\"this server\"}]");
    schema_array(s, "tags");
    for (size_t i = 0; i < COUNT(tags); i++) {
        schema_object(s, NULL);
        schema_string(s, "name", tags[i].word);
        schema_string(s, "description", tags[i].help);
        schema_end(s);
    }
    schema_end(s);
}

bool api_openapi_write(const struct api_library *lib, const struct api_limits *l,
                       const struct api_route *routes, size_t n, struct convd_bytes *out)
{
    struct convd_arena mem;
    convd_arena_init(&mem, NULL, 0);
    struct api_schema s = api_schema_to(out, IN_SCHEMAS, &mem, lib, l);
    api_json_object(&s.j);
    head(&s);
    paths(&s, routes, n);
    schema_object(&s, "components");
    schema_object(&s, "securitySchemes");
    raw(&s, "key",
        "{\"type\":\"http\",\"scheme\":\"bearer\",\"description\":\"one of --api-keys; without "
        "them none is asked for\"}");
    schema_end(&s);
    problems(&s, routes, n);
    schema_object(&s, "schemas");
    shapes(&s);
    codes(&s);
    api_schema_parts(&s);
    schema_end(&s);
    schema_end(&s);
    schema_end(&s);
    convd_arena_release(&mem);
    return !s.j.failed;
}
