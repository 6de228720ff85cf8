/* lib_param.c: values of parameters, drawn from their rows; see lib_graph.h. */
#include "../../core/kernels.h"
#include "../../core/weight.h"
#include "lib_graph.h"

static struct convd_value list(const struct graph_site *s, size_t n, struct convd_value **items)
{
    *items = convd_arena_array(&s->g->mem, n ? n : 1, sizeof **items);
    OK(*items);
    return (struct convd_value){.kind = CONVD_ARRAY, .n = (uint32_t)n, .items = *items};
}

static ptrdiff_t one_of(const struct graph_site *s, ptrdiff_t n)
{
    return t_between(s->rng, 0, n - 1);
}

/* ---- numbers ---- */

static double whole(const struct graph_site *s, const struct convd_param *row)
{
    const double least = fmax(row->lo, -4);
    double most = fmin(row->hi, least + (one_of(s, 8) ? 4 : 20));
    double x = (double)t_between(s->rng, (ptrdiff_t)least, (ptrdiff_t)most);
    if (row->flags & CONVD_ODD && fmod(x, 2) == 0) x += x + 1 <= row->hi ? 1 : -1;
    return x;
}

static double real(const struct graph_site *s, const struct convd_param *row)
{
    static const double usual[] = {0, 1, -1, 0.5, 2, 255, 1e-5, -3.75};
    const bool any = row->lo == 0 && row->hi == 0;
    const double lo = any ? -4 : fmax(row->lo, -4), hi = any ? 4 : fmin(row->hi, lo + 5);
    double x = one_of(s, 3) ? t_uniform(s->rng, lo, hi) : usual[one_of(s, 8)];
    if (!any) x = fmin(fmax(x, row->lo), row->hi);
    return row->flags & CONVD_NONZERO && (float)x == 0 ? 1.25 : x;
}

static struct convd_value number(const struct graph_site *s, const struct convd_param *row)
{
    const bool integer = row->type != CONVD_P_NUMBER && row->type != CONVD_P_NUMPAIR &&
                         row->type != CONVD_P_NUMBERS && row->type != CONVD_P_ACROSS;
    return convd_number(integer ? whole(s, row) : real(s, row));
}

/* n numbers, or now and then one for all. */
static struct convd_value numbers(const struct graph_site *s, const struct convd_param *row, size_t n)
{
    struct convd_value *items;
    if (one_of(s, 2) || n > 64) return number(s, row);
    const struct convd_value v = list(s, n, &items);
    for (size_t i = 0; i < n; i++) items[i] = number(s, row);
    return v;
}

static struct convd_value padding(const struct graph_site *s, const struct convd_param *row)
{
    const ptrdiff_t form = one_of(s, 8);
    if (form == 0 && !(row->flags & CONVD_NO_SAME)) return convd_string("same");
    if (form == 1 && !(row->flags & CONVD_NO_VALID)) return convd_string("valid");
    return numbers(s, row, form < 5 ? 2 : 4);
}

/* ---- kernels and weights ---- */

static double small(const struct graph_site *s)
{
    return one_of(s, 3) ? (double)one_of(s, 9) - 4 : (double)(float)t_uniform(s->rng, -1, 1);
}

struct convd_value graph_array(const struct graph_site *s, const struct convd_tensor *shape, bool tensor)
{
    size_t n = 1;
    for (int i = 0; i < shape->rank; i++) n *= (size_t)shape->dim[i];
    if (tensor) {
        struct graph *g = s->g;
        struct convd_tensor *t = &g->tensors[g->n_tensors];
        *t = *shape;
        t->name = convd_arena_printf(&g->mem, "t%zu", g->n_tensors++);
        t->data = convd_arena_array(&g->mem, n, sizeof *t->data);
        OK(t->name && t->data);
        for (size_t i = 0; i < n; i++) t->data[i] = (float)small(s);
        return convd_string(convd_arena_printf(&g->mem, "@%s", t->name));
    }
    if (shape->rank == 0) return convd_number(small(s));
    struct convd_tensor rest = {.rank = shape->rank - 1};
    memcpy(rest.dim, shape->dim + 1, sizeof rest.dim - sizeof *rest.dim);
    struct convd_value *items;
    const struct convd_value v = list(s, (size_t)shape->dim[0], &items);
    for (uint32_t i = 0; i < v.n; i++) items[i] = graph_array(s, &rest, false);
    return v;
}

static struct convd_value matrix(const struct graph_site *s, ptrdiff_t h, ptrdiff_t w)
{
    return graph_array(s, &(struct convd_tensor){.rank = 2, .dim = {h, w}}, false);
}

/* An object of what rows say: those that must be there, and some that may. */
static struct convd_value object(const struct graph_site *s, const struct convd_param *rows, const char *first,
                                 struct convd_value value)
{
    struct convd_member *m = convd_arena_array(&s->g->mem, 16, sizeof *m);
    uint32_t n = 1;
    OK(m);
    m[0] = (struct convd_member){first, value};
    for (; rows && rows->name; rows++)
        if (strcmp(rows->name, first) != 0 && (!rows->def || one_of(s, 3) == 0))
            m[n++] = (struct convd_member){rows->name, graph_param(s, rows)};
    return (struct convd_value){.kind = CONVD_OBJECT, .n = n, .members = m};
}

static struct convd_value kernel(const struct graph_site *s)
{
    const struct convd_kernel_row *row = convd_kernel_at((size_t)one_of(s, (ptrdiff_t)convd_kernel_count()));
    const ptrdiff_t h = t_between(s->rng, 1, 5), w = t_between(s->rng, 1, 5);
    switch (one_of(s, 5)) {
    case 0:
        return matrix(s, h, w);
    case 1:
        return graph_array(s, &(struct convd_tensor){.rank = 2, .dim = {h, w}}, true);
    case 2:
        return object(s, row->params, "name", convd_string(row->name));
    default:
        return convd_string(row->name);
    }
}

/* {"init":…} with what the row wants to know. */
static struct convd_value init(const struct graph_site *s, const struct convd_param *row)
{
    struct convd_param rows[CONVD_INIT_ROWS], asked[CONVD_INIT_ROWS + 1] = {CONVD_PARAM_END};
    convd_init_params(9, rows);
    struct convd_value how = graph_param(s, &rows[0]);
    size_t n = 0;
    for (const struct convd_param *p = rows + 1; p->name; p++) {
        const bool out = strncmp(p->name, "out_", 4) == 0, size = strcmp(p->name, "kernel_size") == 0;
        if (out && !(row->flags & CONVD_INIT_OUT)) continue;
        if (out && (strcmp(p->name, "out_channels") == 0) != !!(row->flags & CONVD_INIT_SIZE)) continue;
        if (size && !(row->flags & CONVD_INIT_SIZE)) continue;
        asked[n] = *p;
        if (out || size) asked[n].def = NULL;
        n++;
    }
    if (row->flags & CONVD_INIT_ZEROS) how = convd_string("zeros");
    return object(s, asked, "init", how);
}

static struct convd_value weight(const struct graph_site *s, const struct convd_param *row)
{
    static const char *const same_size[] = {"sobel_x", "sobel_y", "laplacian", "kirsch_ne", "emboss"};
    if (row->flags & CONVD_NO_KERNELS || one_of(s, 3)) return init(s, row);
    struct convd_value *items;
    const struct convd_value v = list(s, (size_t)t_between(s->rng, 1, 3), &items);
    for (uint32_t i = 0; i < v.n; i++) items[i] = convd_string(same_size[one_of(s, 5)]);
    for (uint32_t i = 1; i < v.n; i++)
        if (one_of(s, 3) == 0) items[i] = matrix(s, 3, 3);
    return v;
}

/* ---- all of them ---- */

static struct convd_value word(const struct graph_site *s, const char *const *words)
{
    ptrdiff_t n = 0;
    while (words[n]) n++;
    return convd_string(words[one_of(s, n)]);
}

struct convd_value graph_param(const struct graph_site *s, const struct convd_param *row)
{
    switch (row->type) {
    case CONVD_P_INT:
    case CONVD_P_NUMBER:
        return number(s, row);
    case CONVD_P_BOOL:
        return convd_boolean(one_of(s, 2));
    case CONVD_P_WORD:
        return word(s, row->words);
    case CONVD_P_PAIR:
    case CONVD_P_NUMPAIR:
        return numbers(s, row, 2);
    case CONVD_P_PADDING:
        return padding(s, row);
    case CONVD_P_INTS:
        return numbers(s, row, (size_t)t_between(s->rng, 1, row->most ? (ptrdiff_t)row->most : 4));
    case CONVD_P_NUMBERS:
        return numbers(s, row, (size_t)s->x.c);
    case CONVD_P_ACROSS:
        return one_of(s, 3) ? word(s, row->words) : numbers(s, row, (size_t)s->x.c);
    case CONVD_P_KERNEL:
        return kernel(s);
    case CONVD_P_WEIGHT:
        return weight(s, row);
    case CONVD_P_STEPS:
        break;
    }
    T_FAIL("%s: steps are no value of a row", row->name);
    return (struct convd_value){.kind = CONVD_NULL};
}
