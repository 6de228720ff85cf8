/* code.c: see code.h. */
#include "code_inner.h"
#include "json.h"
#include "output.h"
#include <ctype.h>
#include <string.h>

/* ---- text ---- */

void api_code_bytes(struct api_program *c, struct convd_bytes *out, const char *s, size_t n)
{
    c->failed |= !convd_bytes_put(out, s, n);
}

void api_code_put(struct api_program *c, struct convd_bytes *out, const char *s)
{
    if (s)
        api_code_bytes(c, out, s, strlen(s));
    else
        c->failed = true;
}

const char *api_code_quoted(struct api_program *c, const char *name)
{
    static const char hex[] = "0123456789abcdef";
    char *text = convd_arena_take(c->mem, 4 * strlen(name) + 3), *to = text;
    const bool whole = api_utf8_broken(name, strlen(name)) == strlen(name);
    if (!text) return NULL;
    *to++ = '"';
    for (const unsigned char *s = (const unsigned char *)name; *s; s++) {
        if (*s >= 128 ? whole : isalnum(*s) || strchr("_-.", *s)) {
            *to++ = (char)*s;
            continue;
        }
        *to++ = '\\';
        *to++ = 'x';
        *to++ = hex[*s >> 4];
        *to++ = hex[*s & 15];
    }
    *to++ = '"';
    *to = 0;
    return text;
}

/* ---- names ---- */

/* What a step's variable may not be called: Python's words and the names that programs use. */
static const char reserved[] =
    "False None True and as assert async await break class continue def del elif else except "
    "finally for from global if "
    "import in is lambda nonlocal not or pass raise return try while with match case print len "
    "range open tuple max min "
    "sum abs int float zip torch F np cv2 functools sys json struct image tensors run main";

/* Names of weights are a step's and a parameter's: s0_weight. */
static bool like_weight(const char *name)
{
    static const char *const ends[] = {"_weight", "_bias", "_kernel", "_mean", "_var"};
    size_t n = strlen(name);
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++)
        if (n > strlen(ends[i]) && strcmp(name + n - strlen(ends[i]), ends[i]) == 0) return true;
    return false;
}

static bool is_helper(const struct convd_helper *h, const char *name)
{
    for (; h && h->name; h++)
        if (strcmp(h->name, name) == 0) return true;
    return false;
}

static bool taken(const struct api_program *c, const char *name, size_t before)
{
    for (size_t v = 0; v < before; v++)
        if (c->name[v] && strcmp(c->name[v], name) == 0) return true;
    for (size_t i = 0; i < convd_op_count(); i++)
        if (is_helper(convd_op_at(i)->helpers, name)) return true;
    return is_helper(c->language->helpers, name) || like_weight(name) ||
           convd_word_in(reserved, name);
}

/* "edges.x" -> edges_x: letters, digits and _; never a word of Python's or another step's. */
static bool name_nodes(struct api_program *c)
{
    const struct convd_graph *g = c->w->graph;
    c->name = convd_arena_array(c->mem, g->n_nodes, sizeof *c->name);
    if (!c->name) return false;
    c->name[CONVD_IMAGE] = "image";
    for (size_t v = 1; v < g->n_nodes; v++) {
        const struct convd_node *n = &g->nodes[v];
        if (n->kind == CONVD_NODE_TENSOR) {
            c->name[v] = convd_arena_printf(c->mem, "$maps(tensors[%s])",
                                            api_code_quoted(c, n->tensor->name));
            continue;
        }
        char *name = convd_arena_text(c->mem, n->id, strlen(n->id));
        for (char *s = name; s && *s; s++)
            if (!isalnum((unsigned char)*s)) *s = '_';
        if (name && taken(c, name, v)) name = convd_arena_printf(c->mem, "%s_%zu", name, v);
        if (!name) return false;
        c->name[v] = name;
    }
    return true;
}

/* ---- helpers ---- */

static void use(struct api_program *c, const struct convd_op *op, const char *name, size_t n);

/* Writes text, $name without its sign; what it names is printed first. */
void api_code_text(struct api_program *c, struct convd_bytes *out, const struct convd_op *op,
                   const char *s)
{
    for (const char *from = s;; s++) {
        if (*s && *s != '$') continue;
        api_code_bytes(c, out, from, (size_t)(s - from));
        if (!*s) return;
        from = s + 1;
        size_t n = strspn(from, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_0123456789");
        use(c, op, from, n);
    }
}

static const struct convd_helper *find_helper(const struct convd_helper *h, const char *name,
                                              size_t n)
{
    for (; h && h->name; h++)
        if (strlen(h->name) == n && memcmp(h->name, name, n) == 0) return h;
    return NULL;
}

static bool remember(struct api_program *c, const struct convd_helper *h)
{
    for (size_t i = 0; i < c->n_used; i++)
        if (c->used[i] == h) return false;
    if (c->n_used == c->room_used) {
        size_t room = c->room_used ? 2 * c->room_used : 32;
        const struct convd_helper **more = convd_arena_array(c->mem, room, sizeof *more);
        if (!more) {
            c->failed = true;
            return false;
        }
        if (c->n_used) memcpy(more, c->used, c->n_used * sizeof *more);
        c->used = more;
        c->room_used = room;
    }
    c->used[c->n_used++] = h;
    return true;
}

static void use(struct api_program *c, const struct convd_op *op, const char *name, size_t n)
{
    const struct convd_helper *h = op ? find_helper(op->helpers, name, n) : NULL;
    if (!h) h = find_helper(c->language->helpers, name, n);
    if (!h || !remember(c, h)) return;
    struct convd_bytes text = {.memory = c->helpers.memory}; /* what it uses comes before it */
    api_code_text(c, &text, op, h->text);
    api_code_bytes(c, &c->helpers, (const char *)text.data, text.n);
    api_code_put(c, &c->helpers, "\n\n\n");
    convd_bytes_release(&text);
}

/* ---- the program ---- */

static void no_words(struct api_program *c, const struct convd_node *n)
{
    struct convd_faults *f = c->w->faults;
    convd_at_node(f, n);
    convd_fault_expected(f, CONVD_NOT_EXPRESSIBLE, NULL,
                         "another format: pytorch says every operation",
                         "%s cannot be said as %s does it", n->op->name, c->language->library);
    convd_at_nothing(f);
}

static bool write_steps(struct api_program *c)
{
    const struct convd_graph *g = c->w->graph;
    bool fine = true;
    for (size_t v = 1; v < g->n_nodes; v++) {
        struct convd_step_info info;
        if (g->nodes[v].kind != CONVD_NODE_STEP || !convd_plan_info(c->w->plan, (int)v, &info) ||
            !info.needed)
            continue;
        const struct api_program_step p = {(int)v, &g->nodes[v],
                                           convd_plan_site(c->w->plan, (int)v)};
        const char *words = c->language->words(p.n->op, p.site, c->mem);
        if (!words) {
            no_words(c, p.n);
            fine = false;
            continue;
        }
        PUTF(c, &c->body, "    %s = ", c->name[v]);
        api_code_expand(c, &p, words);
        PUTF(c, &c->body, "  # %s: %td x %td x %td\n", p.n->op->name, p.site->y.c, p.site->y.h,
             p.site->y.w);
    }
    api_code_put(c, &c->body, "    return {");
    for (size_t i = 0; i < c->w->output->n; i++) {
        const struct api_target *t = &c->w->output->targets[i];
        PUTF(c, &c->body, "%s\"%s\": ", i ? ", " : "", t->id);
        api_code_text(c, &c->body, NULL, c->name[t->node]);
    }
    api_code_put(c, &c->body, "}\n");
    return fine;
}

static void write_head(struct api_program *c)
{
    const struct convd_input *in = &c->w->info.input;
    struct convd_bytes *out = &c->w->body;
    const bool tensors = c->w->graph->n_tensors > 0;
    PUTF(c, out,
         "#!/usr/bin/env python3\n\"\"\"A pipeline as %s says it, printed by convd " CONVD_VERSION
         " for an input of %td x %td with %td channel%s.\n\n"
         "usage: python3 THIS INPUT [OUTPUT.npy]%s\n\n"
         "INPUT is a picture or an npy.%s Several outputs are written as npz.\"\"\"\n",
         c->language->library, in->width, in->height, in->channels, in->channels == 1 ? "" : "s",
         tensors ? " NAME=FILE..." : "",
         tensors ? " NAME=FILE is an npy or safetensors that the pipeline calls @NAME." : "");
    if (memmem(c->body.data, c->body.n, "functools.", 10))
        api_code_put(c, out, "import functools\n");
    if (tensors) api_code_put(c, out, "import json\nimport struct\n");
    api_code_put(c, out, "import sys\n\n");
    api_code_put(c, out, c->language->imports);
    const struct api_options *o = &c->w->output->o;
    const ptrdiff_t channels = c->w->info.input.channels;
    PUTF(
        c, out,
        "\nCHANNELS = \"%s\"\nBACKGROUND = (%d, %d, %d)\nUPRIGHT = %s  # turned as EXIF says\n\n\n",
        channels == 1   ? "gray"
        : channels == 4 ? "rgba"
                        : "rgb",
        o->background[0], o->background[1], o->background[2],
        o->raw_orientation ? "False" : "True");
}

bool api_code_write(struct api_work *w, const struct api_language *language)
{
    struct convd_bytes none = {.memory = &w->counted}, tail = none;
    struct api_program c = {.w = w,
                            .mem = &w->mem,
                            .language = language,
                            .helpers = none,
                            .weights = none,
                            .body = none};
    bool fine = name_nodes(&c) && write_steps(&c);
    if (fine) {
        api_code_text(&c, &tail, NULL,
                      w->graph->n_tensors ? api_python_main_tensors : api_python_main);
        write_head(&c);
        api_code_bytes(&c, &w->body, (const char *)c.helpers.data, c.helpers.n);
        api_code_bytes(&c, &w->body, (const char *)c.weights.data, c.weights.n);
        if (c.weights.n) api_code_put(&c, &w->body, "\n\n");
        api_code_put(&c, &w->body, "def run(image, tensors):\n");
        api_code_bytes(&c, &w->body, (const char *)c.body.data, c.body.n);
        api_code_bytes(&c, &w->body, (const char *)tail.data, tail.n);
    }
    convd_bytes_release(&tail);
    convd_bytes_release(&c.helpers);
    convd_bytes_release(&c.weights);
    convd_bytes_release(&c.body);
    return fine && !c.failed;
}
