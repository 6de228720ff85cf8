/* code.c: see code.h. */
#include "code.h"
#include "json.h"
#include "output.h"
#include "../core/weight.h"
#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

enum { LINE = 96 }; /* columns that lists of numbers fill */

struct code {
    struct api_work *w;
    struct convd_arena *mem;
    const struct api_language *language;
    const char **name; /* of each node's value        */
    const struct convd_helper **used;
    size_t n_used, room_used;
    struct convd_bytes helpers, weights, body;
    bool failed;
};

/* ---- text ---- */

static void put_n(struct code *c, struct convd_bytes *out, const char *s, size_t n)
{
    c->failed |= !convd_bytes_put(out, s, n);
}

static void put(struct code *c, struct convd_bytes *out, const char *s)
{
    if (s)
        put_n(c, out, s, strlen(s));
    else
        c->failed = true;
}

#define PUTF(c, out, ...) put(c, out, convd_arena_printf((c)->mem, __VA_ARGS__))

static void put_number(struct code *c, struct convd_bytes *out, double x)
{
    char text[API_NUMBER_ROOM];
    put_n(c, out, text, api_number_text(x, text));
}

/* ---- names ---- */

/* What a step's variable may not be called: Python's words and the names that programs use. */
static const char reserved[] =
    "False None True and as assert async await break class continue def del elif else except "
    "finally for from global if "
    "import in is lambda nonlocal not or pass raise return try while with match case print len "
    "range open tuple max min "
    "sum abs int float zip torch F np cv2 functools sys json struct image tensors run main";

static bool taken(const struct code *c, const char *name, size_t before)
{
    for (size_t v = 0; v < before; v++)
        if (c->name[v] && strcmp(c->name[v], name) == 0) return true;
    for (const struct convd_helper *h = c->language->helpers; h->name; h++)
        if (strcmp(h->name, name) == 0) return true;
    return convd_word_in(reserved, name);
}

/* "edges.x" -> edges_x: letters, digits and _; never a word of Python's or another step's. */
static bool name_nodes(struct code *c)
{
    const struct convd_graph *g = c->w->graph;
    c->name = convd_arena_array(c->mem, g->n_nodes, sizeof *c->name);
    if (!c->name) return false;
    c->name[CONVD_IMAGE] = "image";
    for (size_t v = 1; v < g->n_nodes; v++) {
        const struct convd_node *n = &g->nodes[v];
        if (n->kind == CONVD_NODE_TENSOR) {
            c->name[v] = convd_arena_printf(c->mem, "$maps(tensors[\"%s\"])", n->tensor->name);
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

static void use(struct code *c, const struct convd_op *op, const char *name, size_t n);

/* Writes text, $name without its sign; what it names is printed first. */
static void put_text(struct code *c, struct convd_bytes *out, const struct convd_op *op,
                     const char *s)
{
    for (const char *from = s;; s++) {
        if (*s && *s != '$') continue;
        put_n(c, out, from, (size_t)(s - from));
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

static bool remember(struct code *c, const struct convd_helper *h)
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

static void use(struct code *c, const struct convd_op *op, const char *name, size_t n)
{
    const struct convd_helper *h = op ? find_helper(op->helpers, name, n) : NULL;
    if (!h) h = find_helper(c->language->helpers, name, n);
    if (!h || !remember(c, h)) return;
    struct convd_bytes text = {.memory = c->helpers.memory}; /* what it uses comes before it */
    put_text(c, &text, op, h->text);
    put_n(c, &c->helpers, (const char *)text.data, text.n);
    put(c, &c->helpers, "\n\n\n");
    convd_bytes_release(&text);
}

/* ---- weights ---- */

/* "8,3,3,3" -> dims; returns how many. */
static int read_dims(const char *s, const char *end, ptrdiff_t dim[4])
{
    int rank = 0;
    for (; s < end && rank < 4; s++) {
        ptrdiff_t x = 0;
        for (; s < end && isdigit((unsigned char)*s); s++) x = 10 * x + (*s - '0');
        dim[rank++] = x;
    }
    return rank;
}

static const char *dims_text(struct code *c, const ptrdiff_t *dim, int rank)
{
    const char *text = "(";
    for (int d = 0; text && d < rank; d++)
        text = convd_arena_printf(c->mem, "%s%td%s", text, dim[d],
                                  d + 1 < rank ? ", "
                                  : rank == 1  ? ",)"
                                               : ")");
    return text;
}

/* Numbers in lines. */
static void put_numbers(struct code *c, struct convd_bytes *out, const float *x, size_t n)
{
    size_t column = 0;
    for (size_t i = 0; i < n; i++) {
        char text[API_NUMBER_ROOM];
        size_t length = isnan(x[i]) ? 0 : api_float_text(x[i], text);
        if (column + length + 2 > LINE) {
            put(c, out, "\n    ");
            column = 4;
        }
        put_n(c, out, text, length);
        if (i + 1 < n) put(c, out, ", ");
        column += length + 2;
    }
}

/* NAME = array([…], (8, 3, 3, 3)) among the program's weights; returns NAME. */
static const char *define(struct code *c, const char *name, const float *const *parts,
                          size_t n_parts, size_t n_each, const char *dims)
{
    PUTF(c, &c->weights, "%s = ", name);
    put_text(c, &c->weights, NULL, c->language->array);
    put(c, &c->weights, "([");
    for (size_t i = 0; i < n_parts; i++) {
        if (i) put(c, &c->weights, ",\n    ");
        put_numbers(c, &c->weights, parts[i], n_each);
    }
    PUTF(c, &c->weights, "], %s)\n", dims);
    return name;
}

static size_t count_of(const ptrdiff_t *dim, int rank)
{
    size_t n = 1;
    for (int d = 0; d < rank; d++) n *= (size_t)dim[d];
    return n;
}

/* One number stands for all where the dimensions ask for more. */
static const char *tensor_text(struct code *c, const char *array, size_t numbers,
                               const ptrdiff_t *dim, int rank)
{
    const char *dims = dims_text(c, dim, rank);
    if (numbers == 1 && count_of(dim, rank) > 1)
        return convd_arena_printf(c->mem, "$ones(%s) * %s", dims, array);
    return convd_arena_printf(c->mem, "%s.reshape(%s)", array, dims);
}

static const char *weight_text(struct code *c, const struct convd_site *s, const char *name,
                               const struct convd_weight *w, const ptrdiff_t *dim, int rank)
{
    const char *dims = dims_text(c, dim, rank);
    size_t numbers = count_of(w->array.dim, w->array.rank);
    switch (w->kind) {
    case CONVD_W_NONE:
        return "None";
    case CONVD_W_INIT: {
        const ptrdiff_t fan[4] = {rank > 0 ? dim[0] : 1, rank > 1 ? dim[1] : 1,
                                  rank > 2 ? dim[2] : 1, rank > 3 ? dim[3] : 1};
        char gain[API_NUMBER_ROOM];
        gain[api_number_text(w->gain, gain)] = 0;
        PUTF(c, &c->weights, "%s = ", name);
        put_text(c, &c->weights, NULL, "$init");
        PUTF(c, &c->weights, "(\"%s\", %s, seed=%llu, gain=%s).reshape(%s)\n",
             convd_init_words[w->init], dims_text(c, fan, 4),
             (unsigned long long)(w->has_seed ? w->seed : 1 + (uint64_t)s->position), gain, dims);
        return name;
    }
    case CONVD_W_KERNELS: {
        const float **parts = convd_arena_array(c->mem, w->n_kernels, sizeof *parts);
        for (size_t i = 0; parts && i < w->n_kernels; i++) parts[i] = w->kernels[i].v;
        if (!parts) return NULL;
        return define(c, name, parts, w->n_kernels,
                      (size_t)w->kernels[0].h * (size_t)w->kernels[0].w, dims);
    }
    case CONVD_W_TENSOR:
        return tensor_text(c, convd_arena_printf(c->mem, "tensors[\"%s\"]", w->tensor), numbers,
                           dim, rank);
    case CONVD_W_ARRAY:
        break;
    }
    if (numbers == 1 && count_of(dim, rank) > 1) { /* one for all */
        char text[API_NUMBER_ROOM];
        text[api_float_text(w->array.data[0], text)] = 0;
        return convd_arena_printf(c->mem, "$ones(%s) * %s", dims, text);
    }
    return define(c, name, (const float *const[]){w->array.data}, 1, numbers, dims);
}

static const char *kernel_text(struct code *c, const char *name, const struct convd_kernel *k)
{
    const ptrdiff_t dim[2] = {k->h, k->w};
    if (k->tensor)
        return convd_arena_printf(c->mem, "tensors[\"%s\"].reshape(%s)", k->tensor,
                                  dims_text(c, dim, 2));
    return define(c, name, (const float *const[]){k->v}, 1, (size_t)k->h * (size_t)k->w,
                  dims_text(c, dim, 2));
}

/* ---- parameters ---- */

static void put_list(struct code *c, const struct convd_numbers *x)
{
    put(c, &c->body, "[");
    for (size_t i = 0; i < x->n; i++) {
        if (i) put(c, &c->body, ", ");
        put_number(c, &c->body, x->v[i]);
    }
    put(c, &c->body, "]");
}

static void put_ints(struct code *c, const struct convd_ints *x)
{
    for (size_t i = 0; i < x->n; i++) PUTF(c, &c->body, "%s%td", i ? ", " : "[", x->v[i]);
    put(c, &c->body, "]");
}

static void put_param(struct code *c, const struct convd_param *row, const void *params)
{
    const void *at = (const char *)params + row->offset;
    const struct convd_pair *pair = at;
    const struct convd_numpair *numpair = at;
    const struct convd_padding *pad = at;
    const struct convd_across *across = at;
    switch (row->type) {
    case CONVD_P_INT:
        PUTF(c, &c->body, "%td", *(const ptrdiff_t *)at);
        break;
    case CONVD_P_NUMBER:
        if (isnan(*(const double *)at))
            put(c, &c->body, "None");
        else
            put_number(c, &c->body, *(const double *)at);
        break;
    case CONVD_P_BOOL:
        put(c, &c->body, *(const bool *)at ? "True" : "False");
        break;
    case CONVD_P_WORD:
        PUTF(c, &c->body, "\"%s\"", row->words[*(const int *)at]);
        break;
    case CONVD_P_PAIR:
        PUTF(c, &c->body, "(%td, %td)", pair->h, pair->w);
        break;
    case CONVD_P_NUMPAIR:
        put(c, &c->body, "(");
        put_number(c, &c->body, numpair->h);
        put(c, &c->body, ", ");
        put_number(c, &c->body, numpair->w);
        put(c, &c->body, ")");
        break;
    case CONVD_P_PADDING:
        PUTF(c, &c->body, "(%td, %td, %td, %td)", pad->top, pad->left, pad->bottom, pad->right);
        break;
    case CONVD_P_INTS:
        put_ints(c, at);
        break;
    case CONVD_P_NUMBERS:
        put_list(c, at);
        break;
    case CONVD_P_ACROSS:
        if (across->word >= 0)
            PUTF(c, &c->body, "\"%s\"", row->words[across->word]);
        else
            put_list(c, &across->numbers);
        break;
    case CONVD_P_KERNEL:
    case CONVD_P_WEIGHT:
    case CONVD_P_STEPS:
        c->failed = true; /* a weight stands with its dimensions, steps stand in no template */
        break;
    }
}

/* ---- templates ---- */

/* Where the value inside braces comes from. */
struct place {
    int node;
    const struct convd_node *n;
    const struct convd_site *site;
};

static void put_input(struct code *c, const struct place *p, size_t i)
{
    put_text(c, &c->body, NULL, c->name[p->n->inputs[i]]);
}

static bool put_shape(struct code *c, const struct place *p, const char *s, size_t n)
{
    if (n != 3 || s[1] != '.' || (s[0] != 'x' && s[0] != 'y')) return false;
    const struct convd_shape *v = s[0] == 'x' ? &p->site->x[0] : &p->site->y;
    PUTF(c, &c->body, "%td", s[2] == 'c' ? v->c : s[2] == 'h' ? v->h : v->w);
    return true;
}

static bool put_inputs(struct code *c, const struct place *p, const char *s, size_t n)
{
    const bool join = n > 5 && memcmp(s, "join:", 5) == 0, all = n == 2 && memcmp(s, "xs", 2) == 0;
    if (n == 1 && *s == 'n') {
        PUTF(c, &c->body, "%zu", p->n->n_inputs);
        return true;
    }
    if (*s == 'x' && (n == 1 || (n == 2 && isdigit((unsigned char)s[1])))) {
        put_input(c, p, n == 1 ? 0 : (size_t)(s[1] - '0'));
        return true;
    }
    if (!join && !all) return false;
    for (size_t i = 0; i < p->n->n_inputs; i++) {
        if (i && join) put_n(c, &c->body, s + 5, n - 5);
        if (i && all) put(c, &c->body, ", ");
        put_input(c, p, i);
    }
    return true;
}

static void put_value(struct code *c, const struct place *p, const char *s, size_t n)
{
    const char *colon = memchr(s, ':', n);
    if (put_shape(c, p, s, n) || put_inputs(c, p, s, n)) return;
    size_t name_n = colon ? (size_t)(colon - s) : n;
    const char *name = convd_arena_text(c->mem, s, name_n), *text = NULL;
    const struct convd_param *row = name ? convd_param_find(p->n->op->params, name) : NULL;
    if (!row) {
        c->failed = true; /* a template that names nothing: tests/api/test_code.c walks them all */
        return;
    }
    const void *at = (const char *)p->site->params + row->offset;
    const char *variable = convd_arena_printf(c->mem, "%s_%s", c->name[p->node], row->name);
    ptrdiff_t dim[4];
    if (!variable) {
        c->failed = true;
    } else if (row->type == CONVD_P_KERNEL) {
        text = kernel_text(c, variable, at);
    } else if (row->type == CONVD_P_WEIGHT) {
        int rank = colon ? read_dims(colon + 1, s + n, dim) : 0;
        text = weight_text(c, p->site, variable, at, dim, rank);
    } else {
        put_param(c, row, p->site->params);
        return;
    }
    if (text)
        put_text(c, &c->body, NULL, text);
    else
        c->failed = true;
}

static void expand(struct code *c, const struct place *p, const char *s)
{
    while (*s) {
        size_t n = strcspn(s, "{");
        char *text = convd_arena_text(c->mem, s, n);
        if (text)
            put_text(c, &c->body, p->n->op, text);
        else
            c->failed = true;
        s += n;
        if (!*s) return;
        const char *end = strchr(s, '}');
        put_value(c, p, s + 1, (size_t)(end - s) - 1);
        s = end + 1;
    }
}

/* ---- the program ---- */

static void no_words(struct code *c, const struct convd_node *n)
{
    struct convd_faults *f = c->w->faults;
    convd_place_set(f, n->place);
    f->segment = n->segment;
    convd_fault_expected(f, CONVD_NOT_EXPRESSIBLE, NULL,
                         "another format: pytorch says every operation",
                         "%s cannot be said as %s does it", n->op->name, c->language->library);
    convd_place_set(f, "");
    f->segment = NULL;
}

static bool write_steps(struct code *c)
{
    const struct convd_graph *g = c->w->graph;
    bool fine = true;
    for (size_t v = 1; v < g->n_nodes; v++) {
        struct convd_step_info info;
        if (g->nodes[v].kind != CONVD_NODE_STEP || !convd_plan_info(c->w->plan, (int)v, &info) ||
            !info.needed)
            continue;
        const struct place p = {(int)v, &g->nodes[v], convd_plan_site(c->w->plan, (int)v)};
        const char *words = c->language->words(p.n->op, p.site, c->mem);
        if (!words) {
            no_words(c, p.n);
            fine = false;
            continue;
        }
        PUTF(c, &c->body, "    %s = ", c->name[v]);
        expand(c, &p, words);
        PUTF(c, &c->body, "  # %s: %td x %td x %td\n", p.n->op->name, p.site->y.c, p.site->y.h,
             p.site->y.w);
    }
    put(c, &c->body, "    return {");
    for (size_t i = 0; i < c->w->output->n; i++) {
        const struct api_target *t = &c->w->output->targets[i];
        PUTF(c, &c->body, "%s\"%s\": ", i ? ", " : "", t->id);
        put_text(c, &c->body, NULL, c->name[t->node]);
    }
    put(c, &c->body, "}\n");
    return fine;
}

static void write_head(struct code *c)
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
    if (memmem(c->body.data, c->body.n, "functools.", 10)) put(c, out, "import functools\n");
    if (tensors) put(c, out, "import json\nimport struct\n");
    put(c, out, "import sys\n\n");
    put(c, out, c->language->imports);
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
    struct code c = {.w = w,
                     .mem = &w->mem,
                     .language = language,
                     .helpers = none,
                     .weights = none,
                     .body = none};
    bool fine = name_nodes(&c) && write_steps(&c);
    if (fine) {
        put_text(&c, &tail, NULL, w->graph->n_tensors ? api_python_main_tensors : api_python_main);
        write_head(&c);
        put_n(&c, &w->body, (const char *)c.helpers.data, c.helpers.n);
        put_n(&c, &w->body, (const char *)c.weights.data, c.weights.n);
        if (c.weights.n) put(&c, &w->body, "\n\n");
        put(&c, &w->body, "def run(image, tensors):\n");
        put_n(&c, &w->body, (const char *)c.body.data, c.body.n);
        put_n(&c, &w->body, (const char *)tail.data, tail.n);
    }
    convd_bytes_release(&tail);
    convd_bytes_release(&c.helpers);
    convd_bytes_release(&c.weights);
    convd_bytes_release(&c.body);
    return fine && !c.failed;
}
