/* cmd_docs.c: the reference pages under docs/, written from the rows: `make docs` asks for each page by its name. */
#include "../core/kernels.h"
#include "cmd.h"
#include "routes.h"

#include <math.h>
#include <string.h>

static const char made[] = "<!-- Made by `make docs` from the rows of the source. -->\n\n";

/* ---- words ---- */

/* Text in a cell of a table, or in a line. */
static void text(const char *s, FILE *out)
{
    for (; s && *s; s++) {
        if (strchr("|*<\\`_", *s)) fputc('\\', out);
        fputc(*s, out);
    }
}

/* The same with a capital in front and a full stop behind. */
static void sentence(const char *s, FILE *out)
{
    if (*s >= 'a' && *s <= 'z') fputc(*s++ - 'a' + 'A', out);
    text(s, out);
    fputc('.', out);
}

/* Blank-separated words, each as code. */
static void codes(const char *list, FILE *out)
{
    const char *comma = "";
    for (const char *s = list ? list : ""; *s; s += strspn(s, " ")) {
        size_t n = strcspn(s, " ");
        fprintf(out, "%s`%.*s`", comma, (int)n, s);
        comma = ", ";
        s += n;
    }
}

static void cell(const char *s, FILE *out)
{
    fputs(" ", out);
    text(s, out);
    fputs(" |", out);
}

static void code_cell(const char *s, FILE *out)
{
    fprintf(out, *s ? " `%s` |" : " |", s);
}

static void head(const char *cells, FILE *out)
{
    fprintf(out, "| %s |\n|", cells);
    for (const char *s = cells; *s; s++)
        if (*s == '|' || s == cells) fputs("---|", out);
    fputc('\n', out);
}

/* ---- parameters ---- */

static void default_cell(const struct convd_param *row, FILE *out)
{
    if (!row->def)
        fputs(" must be given |", out);
    else if (!*row->def)
        fputs(" may be left out |", out);
    else if (*row->def == '=')
        fprintf(out, " as `%s` |", row->def + 1);
    else
        fprintf(out, " `%s` |", row->def);
}

static void params(const struct convd_param *row, FILE *out)
{
    struct convd_arena mem;
    if (!row || !row->name) return;
    convd_arena_init(&mem, NULL, 0);
    fputc('\n', out);
    head("parameter | what it is | takes | default | also called", out);
    for (; row->name; row++) {
        fprintf(out, "| `%s` |", row->name);
        cell(row->summary, out);
        cell(convd_param_expects(row, &mem), out);
        default_cell(row, out);
        fputc(' ', out);
        codes(row->aliases, out);
        fputs(" |\n", out);
    }
    convd_arena_release(&mem);
}

/* ---- operations ---- */

static void rules(const struct convd_rule *r, FILE *out)
{
    if (r) fputs("\nHeld against other values:\n\n", out);
    for (; r && r->member; r++) {
        fprintf(out, "- `%s`: ", r->member);
        text(r->words, out);
        fputc('\n', out);
    }
}

static void gradient(const struct convd_op *op, FILE *out)
{
    if (op->expand)
        fputs("A block: it stands for other steps, which `convd explain` shows.", out);
    else if (op->backward)
        fputs("Differentiable.", out);
    else {
        fputs("Not differentiable: ", out);
        text(op->no_gradient ? op->no_gradient : "no gradient goes through", out);
        fputc('.', out);
    }
}

static void op_section(const struct convd_op *op, FILE *out)
{
    fprintf(out, "\n### %s\n\n", op->name);
    sentence(op->summary, out);
    fputc(' ', out);
    if (op->max_inputs > 1)
        fprintf(out, "Takes %zu to %zu inputs. ", op->min_inputs, op->max_inputs);
    gradient(op, out);
    fputc('\n', out);
    if (op->aliases) fputs("\nAlso called ", out), codes(op->aliases, out), fputs(".\n", out);
    params(op->params, out);
    rules(op->rules, out);
    if (op->example)
        fprintf(out, "\n```sh\nconvd run '%s' photo.png -o out.png\n```\n", op->example);
    if (op->source) fputs("\nDefined by: ", out), text(op->source, out), fputs(".\n", out);
}

static void ops_page(FILE *out)
{
    const struct convd_op *op;
    fputs("# Operations\n\nIn a chain as `NAME:ARG,ARG`, arguments in the order of the table or as "
          "`name=value`; in a spec as "
          "`{\"op\":\"NAME\", …}`. Lists in a chain use `x` (`kernel_size=3x5`), rows of a matrix "
          "end in `;`. "
          "`GET /v1/ops` says the same as JSON, `GET /v1/schema` as JSON Schema.\n",
          out);
    for (int g = 0; g <= CONVD_BLOCKS; g++) {
        fprintf(out, "\n## %s\n", convd_group_word((enum convd_group)g));
        for (size_t i = 0; (op = convd_op_at(i)); i++)
            if ((int)op->group == g) op_section(op, out);
    }
}

/* ---- kernels ---- */

static void numbers(const struct convd_kernel *k, FILE *out)
{
    fputs("\n```\n", out);
    for (ptrdiff_t i = 0; i < k->h; i++) {
        for (ptrdiff_t j = 0; j < k->w; j++)
            fprintf(out, "%s%8.5g", j ? " " : "", (double)k->v[i * k->w + j]);
        fputc('\n', out);
    }
    fputs("```\n", out);
}

static void line(const char *what, const double *v, ptrdiff_t n, FILE *out)
{
    fputs(what, out);
    for (ptrdiff_t i = 0; i < n; i++)
        fprintf(out, "%s%.5g", i ? " " : "", v[i] == 0 ? 0 : v[i]); /* no -0 */
    fputc('`', out);
}

static void facts(const struct convd_kernel *k, FILE *out)
{
    double sum = 0, column[CONVD_KERNEL_SIDE], row[CONVD_KERNEL_SIDE];
    for (ptrdiff_t i = 0; i < k->h * k->w; i++) sum += (double)k->v[i];
    fprintf(out, "\nSum %.5g", fabs(sum) < 1e-6 ? 0 : sum);
    if (!convd_kernel_separate(k, column, row)) {
        fputs(", not separable", out);
    } else if (k->w <= 9) {
        line(", separable: column `", column, k->h, out);
        line(", row `", row, k->w, out);
    } else {
        fputs(", separable", out);
    }
    if (k->anchor_y != k->h / 2 || k->anchor_x != k->w / 2)
        fprintf(out, ", anchor %td,%td", k->anchor_y, k->anchor_x);
    fputs(".\n", out);
}

static void kernel_section(const struct convd_kernel_row *row, FILE *out)
{
    struct convd_arena mem;
    struct convd_faults *f = convd_faults_new();
    struct convd_kernel k;
    convd_arena_init(&mem, NULL, 0);
    fprintf(out, "\n### %s\n\n", row->name);
    sentence(row->summary, out);
    fputc('\n', out);
    if (row->aliases)
        fputs("\nWhere a kernel is expected also called ", out), codes(row->aliases, out),
            fputs(".\n", out);
    params(row->params, out);
    if (f && convd_kernel_build(row, NULL, 0, f, &mem, &k)) {
        if (k.w <= 9)
            numbers(&k, out);
        else
            fprintf(out, "\n%td × %td numbers: `convd kernels %s --json`.\n", k.h, k.w, row->name);
        facts(&k, out);
    }
    if (row->source) fputs("\nSource: ", out), text(row->source, out), fputs(".\n", out);
    convd_faults_free(f);
    convd_arena_release(&mem);
}

static void kernels_page(FILE *out)
{
    const struct convd_kernel_row *row;
    fputs(
        "# Kernels\n\nApplied as correlation, as `filter` does. Alone in a chain (`sobel_x`, "
        "`gaussian:5,1.2`) or as a `kernel` or "
        "`weight` in a spec (`\"sobel_x\"`, `{\"name\":\"gaussian\",\"size\":5}`). Numbers are "
        "shown with the defaults. "
        "`GET /v1/kernels/NAME?size=7` gives those of other arguments, `?format=png` a picture.\n",
        out);
    for (size_t i = 0; (row = convd_kernel_at(i)); i++) kernel_section(row, out);
}

/* ---- pipelines ---- */

static void pipelines_page(FILE *out)
{
    struct convd_faults *f = convd_faults_new();
    struct api_library *lib = f ? api_library_new(f) : NULL;
    const struct api_pipeline *p;
    fputs("# Pipelines\n\nSpecs that have a name and nothing special besides: `POST /NAME`, a "
          "segment of a chain, or a step of "
          "another spec.\n",
          out);
    for (size_t i = 0; lib && (p = api_library_at(lib, i)); i++) {
        fprintf(out, "\n### %s\n\n", p->name);
        sentence(p->summary, out);
        fputs("\n\n```json\n", out);
        fwrite(p->json, 1, p->json_n, out);
        fputs(p->json_n && p->json[p->json_n - 1] == '\n' ? "```\n" : "\n```\n", out);
    }
    if (lib) api_library_free(lib);
    convd_faults_free(f);
}

/* ---- problems ---- */

static void errors_page(FILE *out)
{
    fputs("# Problems\n\nErrors are `application/problem+json` (RFC 9457): `type`, `title`, "
          "`status`, `detail` (what was found), "
          "`code`, `instance` (the request's id), and where it applies `pointer` (a JSON Pointer "
          "into what was sent), `expected` (what "
          "would work), `suggestion`, `limit` with `actual`, and `errors` with the faults after "
          "the first. The status is the first "
          "fault's.\n\n",
          out);
    head("status | code | title | meaning", out);
    for (int status = 400; status < 600; status++)
        for (int code = 1; code < API_CODES_END; code++) {
            if (api_code_status(code) != status) continue;
            fprintf(out, "| %d | `%s` |", status, api_code_word(code));
            cell(api_code_title(code), out);
            cell(api_code_summary(code), out);
            fputc('\n', out);
        }
}

/* ---- settings ---- */

static void settings_page(FILE *out)
{
    fputs("# Settings\n\nOf `convd serve`; those about images, steps and memory also of `run` and "
          "`explain`, `--url` and `--key` of `jobs`. Each is a flag and a "
          "variable of the environment; flags win. Numbers take k M G (1000) and Ki Mi Gi (1024), "
          "durations ms s m h. "
          "`GET /v1/limits` shows the limits in force.\n\n",
          out);
    head("flag | environment | takes | default | what it is", out);
    for (const struct settings_row *row = settings_rows; row->name; row++) {
        fprintf(out, "| `%s` | `%s` |", row->flag, row->env);
        cell(row->unit, out);
        code_cell(row->def, out);
        cell(row->help, out);
        fputc('\n', out);
    }
}

/* ---- routes ---- */

static const struct word {
    const char *word, *name, *help;
} bodies[] =
    {
#define BODY(WORD, NAME, SCHEMA, HELP) {WORD, NAME, HELP},
#define QUERY(...)
#define ANSWER(...)
#define TAG(...)
#include "../api/openapi.def"
#undef BODY
#undef QUERY
},
  queries[] = {
#define BODY(...)
#define QUERY(WORD, NAME, SCHEMA, HELP) {WORD, NAME, HELP},
#include "../api/openapi.def"
#undef BODY
#undef QUERY
#undef ANSWER
#undef TAG
};
#define COUNT(LIST) (sizeof(LIST) / sizeof *(LIST))

static void words_of(const char *kind, const struct word *list, size_t n, const char *words,
                     FILE *out)
{
    for (size_t i = 0; i < n; i++) {
        if (!convd_word_in(words, list[i].word)) continue;
        fprintf(out, "- %s `%s`: ", kind, list[i].name);
        text(list[i].help, out);
        fputc('\n', out);
    }
}

static void route_section(const struct api_route *r, FILE *out)
{
    fprintf(out, "\n### %s %s\n\n", r->method, r->pattern);
    sentence(r->summary, out);
    fprintf(out, "%s Answers %s.\n", r->open ? " No key is asked for." : "", r->statuses);
    if (*r->takes || *r->query) fputc('\n', out);
    words_of("part", bodies, COUNT(bodies), r->takes, out);
    if (convd_word_in(r->takes, "tensors"))
        fputs("- further file parts: tensors that the pipeline calls `@NAME`\n", out);
    words_of("query", queries, COUNT(queries), r->query, out);
    if (convd_word_in(r->query, "options")) fputs("- query: the options below\n", out);
    if (convd_word_in(r->query, "kernel"))
        fputs("- query: the parameters of the kernel ([kernels](kernels.md))\n", out);
    if (convd_word_in(r->query, "explain")) {
        const char *name;
        fputs("- query `format`:", out);
        for (size_t i = 0; (name = api_explain_format(i)); i++)
            fprintf(out, "%s `%s`", i ? "," : "", name);
        fputc('\n', out);
    }
}

static void http_page(FILE *out)
{
    struct convd_arena mem;
    size_t n = 0;
    convd_arena_init(&mem, NULL, 0);
    const struct api_route *list = routes_described(&n, &mem);
    fputs("# HTTP\n\nEvery GET also answers HEAD, every address OPTIONS. Problems: "
          "[errors.md](errors.md). `GET /openapi.json` says the "
          "same for programs.\n\n## Options\n\nMembers of a spec's `input` and `output`, and of a "
          "query in their place.\n\n",
          out);
    head("option | of | takes | what it is", out);
    for (size_t i = 0; api_option_described(i, NULL, NULL); i++) {
        struct api_described o;
        api_option_described(i, &o, &mem);
        fprintf(out, "| `%s` | %s%s |", o.member, *o.section ? o.section : "query only",
                o.query ? "" : " (not in a query)");
        cell(o.expects, out);
        cell(o.summary, out);
        fputc('\n', out);
    }
    fputs("\n## Routes\n", out);
    for (size_t i = 0; list && i < n; i++) route_section(&list[i], out);
    convd_arena_release(&mem);
}

/* ---- which ---- */

static const struct {
    const char *name;
    void (*write)(FILE *out);
} pages[] = {
    {"ops", ops_page},       {"kernels", kernels_page},   {"pipelines", pipelines_page},
    {"errors", errors_page}, {"settings", settings_page}, {"http", http_page},
};

bool cmd_docs(const char *name, FILE *out)
{
    for (size_t i = 0; i < COUNT(pages); i++) {
        if (!name) {
            fprintf(out, "%s\n", pages[i].name);
        } else if (strcmp(name, pages[i].name) == 0) {
            fputs(made, out);
            pages[i].write(out);
            return true;
        }
    }
    return !name;
}
