/* chain.c: the URL form of a pipeline, read and printed; see spec.h. */
#include "spec.h"
#include "../core/kernels.h"
#include <stdio.h>
#include <string.h>

/* ---- reading ---- */

static int hex(char c)
{
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
}

static bool refuse(struct convd_faults *f, const char *expected, const char *what, size_t at)
{
    convd_fault_expected(f, CONVD_BAD_REQUEST, NULL, expected, "%s at character %zu of the chain",
                         what, at + 1);
    return false;
}

/* Decodes %XX; what comes out is UTF-8 without control characters. */
static bool decode(const char *s, size_t n, char *out, size_t *n_out, struct convd_faults *f)
{
    size_t len = 0;
    for (size_t i = 0; i < n; i++) {
        int c = (unsigned char)s[i];
        if (c == '%') {
            bool whole = n - i > 2;
            int a = whole ? hex(s[i + 1]) : -1, b = whole ? hex(s[i + 2]) : -1;
            if (a < 0 || b < 0)
                return refuse(f, "%XX with two hexadecimal digits; % itself is %25",
                              "a broken percent code", i);
            c = a * 16 + b;
            i += 2;
        }
        if (c < ' ' || c == 127)
            return refuse(f, "text without control characters", c ? "a control character" : "a NUL",
                          i);
        out[len++] = (char)c;
    }
    out[len] = '\0';
    *n_out = len;
    size_t bad = api_utf8_broken(out, len);
    return bad == len || refuse(f, "UTF-8", "bytes that are not UTF-8", bad);
}

/* In a path, a segment that names nothing is an address that does not exist. */
static void not_found(struct convd_fault *from)
{
    for (struct convd_fault *x = from; x; x = (struct convd_fault *)x->next) {
        const char *last = strrchr(x->pointer, '/');
        bool step = last && last[1 + strspn(last + 1, "0123456789")] == '\0';
        if (x->code == CONVD_UNKNOWN_NAME && step && x->segment) x->code = API_UNKNOWN_PATH_NAME;
    }
}

void api_chain_read(const char *text, size_t n, bool path, struct convd_graph *g,
                    struct convd_faults *f, struct convd_arena *mem)
{
    if (n > API_PIPELINE_TEXT) {
        convd_fault_limit(f, API_BODY_TOO_LARGE, NULL, API_PIPELINE_TEXT, (double)n,
                          "the chain has %zu bytes", n);
        return;
    }
    /* A part or a file may end in a line end; a path may begin with its slash. */
    while (!path && n > 0 && (text[n - 1] == '\n' || text[n - 1] == '\r')) n--;
    if (path && n > 0 && *text == '/') {
        text++;
        n--;
    }
    char *all = convd_arena_take(mem, n + 1);
    if (!all) {
        convd_fault(f, CONVD_NO_MEMORY, NULL, "no memory for a chain of %zu bytes", n);
        return;
    }
    if (!decode(text, n, all, &n, f)) return;
    if (n == 0) {
        convd_fault_expected(f, CONVD_MISSING, "steps", "NAME or NAME:ARG,ARG, joined by /",
                             "an empty chain");
        return;
    }
    struct convd_fault *before = f->last;
    for (char *s = all, *end; s && !g->full; s = end) {
        end = strchr(s, '/');
        if (end) *end++ = '\0';
        convd_graph_segment(g, s);
    }
    if (path) not_found(before ? (struct convd_fault *)before->next : f->first);
}

/* ---- printing ---- */

struct printer {
    const struct convd_graph *g;
    struct convd_arena *mem;
    struct convd_faults *f;
    const char *said; /* the segment so far */
};

static bool cannot(struct printer *p, const char *member, const char *expected, const char *detail)
{
    convd_fault_expected(p->f, CONVD_NOT_EXPRESSIBLE, member, expected, "%s", detail);
    return false;
}

static bool add_text(struct printer *p, const char *a, const char *b)
{
    p->said = p->said && b ? convd_arena_printf(p->mem, "%s%s%s", p->said, a, b) : NULL;
    return p->said != NULL;
}

/* One argument: positional while nothing was left out before it. */
static bool add_arg(struct printer *p, const char *name, const char *text, bool positional,
                    bool first)
{
    return add_text(p, first ? ":" : ",",
                    positional ? text : convd_arena_printf(p->mem, "%s=%s", name, text));
}

/* {"name":"gaussian","size":5}: the kernel's own arguments. */
static bool add_kernel(struct printer *p, const struct convd_kernel *k, bool *first)
{
    bool positional = true;
    p->said = k->row->name;
    for (const struct convd_param *row = k->row->params; row && row->name; row++) {
        const struct convd_value *v = convd_value_get(k->source, row->name);
        if (!v) {
            positional = false;
            continue;
        }
        const char *text = convd_param_text(row, v, p->mem);
        if (!text)
            return cannot(p, "kernel", "its JSON form",
                          "an argument of the kernel has no chain form");
        if (!add_arg(p, row->name, text, positional, *first)) return false;
        *first = false;
    }
    return true;
}

/* A segment of a kernel's name would be read as an op; or, when no argument follows, as a pipeline. */
static bool name_is_taken(const struct convd_graph *g, const char *name, bool with_arguments)
{
    return convd_op_find(name) ||
           (!with_arguments && g->names && g->names->find(g->names->self, name));
}

/* A step whose op has the name of a pipeline needs an argument to be told from it. */
static bool tell_from_pipeline(struct printer *p, const struct convd_written *w)
{
    if (!p->g->names || !p->g->names->find(p->g->names->self, w->op->name)) return true;
    const struct convd_param *row = w->op->params;
    if (!row || !row->name || !row->def || !*row->def || *row->def == '=')
        return cannot(p, NULL, "its JSON form",
                      "a pipeline has the same name, and nothing tells them apart");
    return add_text(p, ":", row->def);
}

static bool write_op(struct printer *p, const struct convd_written *w)
{
    const struct convd_param *rows = w->op->params;
    bool first = true, positional = true;
    unsigned bit = 0, skip = 64;
    p->said = w->op->name;
    if (strcmp(w->op->name, "filter") == 0 && (w->given & 1)) {
        const struct convd_kernel *k = (const void *)((const char *)w->params + rows[0].offset);
        bool arguments =
            w->given != 1 || (k->source && k->source->kind == CONVD_OBJECT && k->source->n > 1);
        if (k->row && k->source && (k->source->kind == CONVD_OBJECT || w->given == 1) &&
            !name_is_taken(p->g, k->row->name, arguments)) {
            if (!add_kernel(p, k, &first)) return false;
            skip = 0;
            positional = false;
        }
    }
    for (const struct convd_param *row = rows; row && row->name; row++, bit++) {
        if (bit == skip) continue;
        if (!(w->given >> bit & 1)) {
            positional = false;
            continue;
        }
        struct convd_value v = convd_param_value(row, w->params, p->mem);
        const char *text = row->type == CONVD_P_STEPS ? NULL : convd_param_text(row, &v, p->mem);
        if (!text) return cannot(p, row->name, "its JSON form", "a value that no chain can say");
        if (!add_arg(p, row->name, text, positional, first)) return false;
        first = false;
    }
    return !first || skip == 0 || tell_from_pipeline(p, w);
}

static bool write_segment(struct printer *p, const struct convd_written *w, int before)
{
    bool follows = w->chained || (w->n_inputs == 1 && w->inputs[0] == before &&
                                  !(w->op && w->op->max_inputs > 1));
    if (!follows)
        return cannot(p, w->n_inputs > 1 ? "inputs" : "input", "its JSON form",
                      "a step that does not take what stands before it");
    if (w->learn >= 0)
        return cannot(p, "learn", "its JSON form", "a chain says nothing of learning");
    p->said = w->pipeline;
    return !w->op || write_op(p, w);
}

/* Everything a segment of a path may hold stays; the rest is percent-encoded. */
static bool put_encoded(struct convd_bytes *out, const char *s)
{
    bool fine = true;
    for (; *s && fine; s++) {
        unsigned char c = (unsigned char)*s;
        char code[4];
        if (c > ' ' && c < 127 && !strchr("%/?#\"<>[]\\^`{|}", c))
            fine = convd_bytes_put(out, s, 1);
        else
            fine = convd_bytes_put(out, code, (size_t)snprintf(code, sizeof code, "%%%02X", c));
    }
    return fine;
}

/* What stands beside the steps is the query's business. */
static void refuse_options(struct printer *p, const struct api_options *o)
{
    for (size_t i = 0; o && i < API_OPTIONS; i++) {
        if (api_option_idle(o, i)) continue;
        size_t mark = convd_enter(p->f, api_option_row(i)->section);
        const char *help =
            api_option_row(i)->query
                ? convd_arena_printf(p->f->mem, "the query parameter %s beside the chain",
                                     api_option_row(i)->member)
                : "its JSON form";
        cannot(p, api_option_row(i)->member, help ? help : "", "a chain holds steps only");
        convd_leave(p->f, mark);
    }
}

bool api_chain_write(const struct convd_graph *g, const struct api_options *o,
                     struct convd_bytes *out, struct convd_faults *f)
{
    struct convd_arena mem;
    convd_arena_init(&mem, out->memory, 0);
    struct printer p = {.g = g, .mem = &mem, .f = f};
    size_t index = 0, before = f->n, start = out->n;
    int node = CONVD_IMAGE;
    bool fine = true;
    refuse_options(&p, o);
    for (const struct convd_written *w = g->written; w && fine; w = w->next, index++) {
        size_t mark = convd_enter(f, "steps");
        convd_enter_item(f, index);
        size_t had = f->n;
        if (write_segment(&p, w, node))
            fine = (w == g->written || convd_bytes_put(out, "/", 1)) && p.said &&
                   put_encoded(out, p.said);
        else
            fine = f->n > had;
        node = w->node;
        convd_leave(f, mark);
    }
    convd_arena_release(&mem);
    if (!fine) convd_fault(f, CONVD_NO_MEMORY, NULL, "no memory for the chain");
    if (f->n == before) return true;
    out->n = start;
    return false;
}
