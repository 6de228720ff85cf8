/* code_values.c: what stands in a template's braces: inputs, shapes, parameters, weights, as Python. */
#include "code_inner.h"
#include "json.h"
#include "../core/weight.h"
#include <ctype.h>
#include <math.h>
#include <string.h>

enum { LINE = 96 }; /* columns that lists of numbers fill */

static void put_number(struct api_program *c, struct convd_bytes *out, double x)
{
    char text[API_NUMBER_ROOM];
    api_code_bytes(c, out, text, api_number_text(x, text));
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

static const char *dims_text(struct api_program *c, const ptrdiff_t *dim, int rank)
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
static void put_numbers(struct api_program *c, struct convd_bytes *out, const float *x, size_t n)
{
    size_t column = 0;
    for (size_t i = 0; i < n; i++) {
        char text[API_NUMBER_ROOM];
        size_t length = isnan(x[i]) ? 0 : api_float_text(x[i], text);
        if (column + length + 2 > LINE) {
            api_code_put(c, out, "\n    ");
            column = 4;
        }
        api_code_bytes(c, out, text, length);
        if (i + 1 < n) api_code_put(c, out, ", ");
        column += length + 2;
    }
}

/* NAME = array([…], (8, 3, 3, 3)) among the program's weights; returns NAME. */
static const char *define(struct api_program *c, const char *name, const float *const *parts,
                          size_t n_parts, size_t n_each, const char *dims)
{
    PUTF(c, &c->weights, "%s = ", name);
    api_code_text(c, &c->weights, NULL, c->language->array);
    api_code_put(c, &c->weights, "([");
    for (size_t i = 0; i < n_parts; i++) {
        if (i) api_code_put(c, &c->weights, ",\n    ");
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
static const char *tensor_text(struct api_program *c, const char *array, size_t numbers,
                               const ptrdiff_t *dim, int rank)
{
    const char *dims = dims_text(c, dim, rank);
    if (numbers == 1 && count_of(dim, rank) > 1)
        return convd_arena_printf(c->mem, "$ones(%s) * %s", dims, array);
    return convd_arena_printf(c->mem, "%s.reshape(%s)", array, dims);
}

static const char *weight_text(struct api_program *c, const struct convd_site *s, const char *name,
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
        api_code_text(c, &c->weights, NULL, "$init");
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
        return tensor_text(c,
                           convd_arena_printf(c->mem, "tensors[%s]", api_code_quoted(c, w->tensor)),
                           numbers, dim, rank);
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

static const char *kernel_text(struct api_program *c, const char *name,
                               const struct convd_kernel *k)
{
    const ptrdiff_t dim[2] = {k->h, k->w};
    if (k->tensor)
        return convd_arena_printf(c->mem, "tensors[%s].reshape(%s)", api_code_quoted(c, k->tensor),
                                  dims_text(c, dim, 2));
    return define(c, name, (const float *const[]){k->v}, 1, (size_t)k->h * (size_t)k->w,
                  dims_text(c, dim, 2));
}

/* ---- parameters ---- */

static void put_list(struct api_program *c, const struct convd_numbers *x)
{
    api_code_put(c, &c->body, "[");
    for (size_t i = 0; i < x->n; i++) {
        if (i) api_code_put(c, &c->body, ", ");
        put_number(c, &c->body, x->v[i]);
    }
    api_code_put(c, &c->body, "]");
}

static void put_ints(struct api_program *c, const struct convd_ints *x)
{
    for (size_t i = 0; i < x->n; i++) PUTF(c, &c->body, "%s%td", i ? ", " : "[", x->v[i]);
    api_code_put(c, &c->body, "]");
}

static void put_param(struct api_program *c, const struct convd_param *row, const void *params)
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
            api_code_put(c, &c->body, "None");
        else
            put_number(c, &c->body, *(const double *)at);
        break;
    case CONVD_P_BOOL:
        api_code_put(c, &c->body, *(const bool *)at ? "True" : "False");
        break;
    case CONVD_P_WORD:
        PUTF(c, &c->body, "\"%s\"", row->words[*(const int *)at]);
        break;
    case CONVD_P_PAIR:
        PUTF(c, &c->body, "(%td, %td)", pair->h, pair->w);
        break;
    case CONVD_P_NUMPAIR:
        api_code_put(c, &c->body, "(");
        put_number(c, &c->body, numpair->h);
        api_code_put(c, &c->body, ", ");
        put_number(c, &c->body, numpair->w);
        api_code_put(c, &c->body, ")");
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

static void put_input(struct api_program *c, const struct api_program_step *p, size_t i)
{
    api_code_text(c, &c->body, NULL, c->name[p->n->inputs[i]]);
}

static bool put_shape(struct api_program *c, const struct api_program_step *p, const char *s,
                      size_t n)
{
    if (n != 3 || s[1] != '.' || (s[0] != 'x' && s[0] != 'y')) return false;
    const struct convd_shape *v = s[0] == 'x' ? &p->site->x[0] : &p->site->y;
    PUTF(c, &c->body, "%td", s[2] == 'c' ? v->c : s[2] == 'h' ? v->h : v->w);
    return true;
}

static bool put_inputs(struct api_program *c, const struct api_program_step *p, const char *s,
                       size_t n)
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
        if (i && join) api_code_bytes(c, &c->body, s + 5, n - 5);
        if (i && all) api_code_put(c, &c->body, ", ");
        put_input(c, p, i);
    }
    return true;
}

static void put_value(struct api_program *c, const struct api_program_step *p, const char *s,
                      size_t n)
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
        api_code_text(c, &c->body, NULL, text);
    else
        c->failed = true;
}

void api_code_expand(struct api_program *c, const struct api_program_step *p, const char *s)
{
    while (*s) {
        size_t n = strcspn(s, "{");
        char *text = convd_arena_text(c->mem, s, n);
        if (text)
            api_code_text(c, &c->body, p->n->op, text);
        else
            c->failed = true;
        s += n;
        if (!*s) return;
        const char *end = strchr(s, '}');
        put_value(c, p, s + 1, (size_t)(end - s) - 1);
        s = end + 1;
    }
}
