/* problem.c: faults as application/problem+json (RFC 9457). One table, problem.def, gives each cause its status, word and
 * title. The first fault decides the status of the answer: faults come in the order in which a request is read (query,
 * JSON, pipeline, picture, plan), and a client that mends the first one hears of the next. */
#include "json.h"
#include "api.h"
#include <math.h>
#include <stddef.h>
#include <string.h>

struct row {
    int status;
    const char *word, *title, *summary;
};

static const struct row rows[] = {
#define PROBLEM(CODE, STATUS, WORD, TITLE, SUMMARY) [CONVD_##CODE] = {STATUS, WORD, TITLE, SUMMARY},
#define OWN_PROBLEM(NAME, STATUS, WORD, TITLE, SUMMARY)                                            \
    [API_##NAME] = {STATUS, WORD, TITLE, SUMMARY},
#include "problem.def"
#undef PROBLEM
#undef OWN_PROBLEM
};

/* Every cause core knows has a row: a name without one does not compile, a missing one makes the counts differ. */
enum {
    CORE_CAUSES = 0
#define FAULT(NAME, WORD, SUMMARY) +1
#include "../core/faults.def"
#undef FAULT
    ,
    CORE_ROWS = 0
#define PROBLEM(CODE, STATUS, WORD, TITLE, SUMMARY) +1
#define OWN_PROBLEM(NAME, STATUS, WORD, TITLE, SUMMARY)
#include "problem.def"
#undef PROBLEM
#undef OWN_PROBLEM
};
_Static_assert(CORE_CAUSES == CORE_ROWS,
               "problem.def gives every cause of core/faults.def a status");

static const struct row *row_of(int code)
{
    bool known = code > 0 && (size_t)code < sizeof rows / sizeof *rows && rows[code].status;
    return &rows[known ? code : CONVD_BAD_REQUEST];
}

int api_code_status(int code)
{
    return row_of(code)->status;
}

const char *api_code_word(int code)
{
    return row_of(code)->word;
}

const char *api_code_title(int code)
{
    return row_of(code)->title;
}

const char *api_code_summary(int code)
{
    return row_of(code)->summary;
}

int api_faults_status(const struct convd_faults *f)
{
    return f->first ? api_code_status(f->first->code)
                    : 503; /* counted but not kept: memory ran out */
}

static void optional(struct api_json *j, const char *name, const char *text)
{
    if (!text || !*text) return;
    api_json_key(j, name);
    api_json_string(j, text);
}

static void write_fault(struct api_json *j, const struct convd_fault *x)
{
    const struct row *row = row_of(x->code);
    api_json_key(j, "type");
    api_json_raw(j, "\"urn:convd:problem:", 19);
    if (!j->failed && !(convd_bytes_put(j->out, row->word, strlen(row->word)) &&
                        convd_bytes_put(j->out, "\"", 1)))
        j->failed = true;
    api_json_key(j, "title");
    api_json_string(j, row->title);
    api_json_key(j, "status");
    api_json_integer(j, row->status);
    api_json_key(j, "detail");
    api_json_string(j, x->detail && *x->detail ? x->detail : row->summary);
    api_json_key(j, "code");
    api_json_string(j, row->word);
    optional(j, "pointer", x->pointer);
    optional(j, "expected", x->expected);
    optional(j, "suggestion", x->suggestion);
    optional(j, "segment", x->segment);
    if (!isnan(x->limit)) {
        api_json_key(j, "limit");
        api_json_number(j, x->limit);
        api_json_key(j, "actual");
        api_json_number(j, x->actual);
    }
}

bool api_problem_write(const struct convd_faults *f, const char *instance, struct convd_bytes *out)
{
    static const struct convd_fault none = {
        .code = CONVD_NO_MEMORY, .pointer = "", .limit = NAN, .actual = NAN};
    const struct convd_fault *x = f->first ? f->first : &none;
    struct api_json j = api_json_to(out);
    api_json_object(&j);
    write_fault(&j, x);
    optional(&j, "instance", instance);
    if (x->next) {
        api_json_key(&j, "errors");
        api_json_array(&j);
        while ((x = x->next)) {
            api_json_object(&j);
            write_fault(&j, x);
            api_json_end(&j);
        }
        api_json_end(&j);
    }
    if (f->n > f->most) {
        api_json_key(&j, "more");
        api_json_integer(&j, (intmax_t)(f->n - f->most));
    }
    api_json_end(&j);
    return !j.failed;
}
