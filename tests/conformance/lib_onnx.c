/* lib_onnx.c: a node of ONNX in convd's words: writing steps, reading attributes and inputs. */
#include "lib_onnx.h"
#include <stdarg.h>

/* ---- writing steps ---- */

void put(struct translation *t, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int n = vsnprintf(t->steps + t->length, ROOM - t->length, format, args);
    va_end(args);
    if (n < 0 || (size_t)n >= ROOM - t->length) T_FAIL("steps are too long");
    t->length += (size_t)n;
}

void begin(struct translation *t, const char *op, const char *input)
{
    put(t, "%s{\"id\":\"n%zu\",\"op\":\"%s\"", t->n_steps ? "," : "", t->n_steps, op);
    if (input) put(t, ",\"input\":\"%s\"", input);
    t->n_steps++;
}

void end(struct translation *t)
{
    put(t, "}");
}

void plain(struct translation *t, const char *op, const char *input)
{
    begin(t, op, input);
    end(t);
}

void pair(struct translation *t, const char *op, const char *a, const char *b)
{
    begin(t, op, NULL);
    put(t, ",\"inputs\":[\"%s\",\"%s\"]}", a, b);
}

void put_list(struct translation *t, const char *name, const struct convd_value *v)
{
    put(t, ",\"%s\":[", name);
    for (uint32_t i = 0; i < v->n; i++) put(t, "%s%.9g", i ? "," : "", v->items[i].number);
    put(t, "]");
}

const char *last_step(const struct translation *t)
{
    return convd_arena_printf(&t->s->case_mem, "n%zu", t->n_steps - 1);
}

void result(struct translation *t, int rank)
{
    struct named *y = &t->results[t->n_results++];
    *y = (struct named){.rank = rank};
    snprintf(y->map, sizeof y->map, "%s", last_step(t));
}

/* ---- reading nodes ---- */

const struct convd_value *attribute(const struct translation *t, const char *name)
{
    const struct convd_value *v = convd_value_get(t->attributes, name);
    return v ? v : convd_value_get(t->defaults, name);
}

double real(const struct translation *t, const char *name, double otherwise)
{
    const struct convd_value *v = attribute(t, name);
    return v && v->kind == CONVD_NUMBER ? v->number : otherwise;
}

const char *word(const struct translation *t, const char *name, const char *otherwise)
{
    const struct convd_value *v = attribute(t, name);
    return v && v->kind == CONVD_STRING ? v->string : otherwise;
}

struct named *find(struct translation *t, const char *name)
{
    for (size_t i = 0; name && *name && i < t->n_values; i++)
        if (strcmp(t->values[i].name, name) == 0) return &t->values[i];
    return NULL;
}

struct named *input(struct translation *t, const struct convd_value *node, uint32_t k)
{
    const struct convd_value *names = need(node, "inputs");
    return k < names->n ? find(t, names->items[k].string) : NULL;
}

uint32_t inputs(const struct convd_value *node)
{
    return need(node, "inputs")->n;
}

const char *dim_of(double axis, int rank)
{
    static const char *const words[] = {NULL, "channel", "height", "width"};
    int at = (int)axis + (axis < 0 ? rank : 0) + 4 - rank;
    return at >= 0 && at < 4 ? words[at] : NULL;
}

bool numbers(struct translation *t, const struct convd_value *node, uint32_t k, const char *name,
             double *v, size_t room, size_t *n)
{
    const struct named *x = input(t, node, k);
    const struct convd_value *list = attribute(t, name);
    if (x && x->tensor.data)
        *n = tensor_count(&x->tensor);
    else if (list && list->kind == CONVD_ARRAY)
        *n = list->n;
    else
        return false;
    if (*n > room) return false;
    for (size_t i = 0; i < *n; i++) v[i] = x ? (double)x->tensor.data[i] : list->items[i].number;
    return true;
}

/* ---- arrays ---- */

struct convd_tensor as_map(const struct translation *t, const struct convd_tensor *x)
{
    struct convd_shape s = case_shape(x);
    if (t->rows_are_samples && x->rank == 2) s = (struct convd_shape){x->dim[0], x->dim[1], 1, 1};
    return (struct convd_tensor){.rank = 4, .dim = {s.n, s.c, s.h, s.w}, .data = x->data};
}

const char *bind_tensor(struct translation *t, struct convd_tensor x)
{
    char *name = convd_arena_printf(&t->s->case_mem, "@b%zu", t->n_bound);
    x.name = name + 1;
    if (t->n_bound == sizeof t->bound / sizeof *t->bound) T_FAIL("too many arrays");
    t->bound[t->n_bound++] = x;
    return name;
}
