/* tensors.c: npy and safetensors parts, nested arrays and base64 of the JSON form, made tensors; see tensors.h. */
#include "tensors.h"
#include "base64.h"
#include "../core/learn/learn.h"
#include "../core/tensor_file.h"
#include <string.h>

static bool no_memory(struct api_work *w, const char *name)
{
    convd_fault(w->faults, CONVD_NO_MEMORY, NULL, "no memory for the tensor %s", name);
    return false;
}

/* Bytes of all tensors together stay within the request's memory. */
static float *room(struct api_work *w, const char *name, size_t count)
{
    size_t bytes, most = w->limits.plan.memory ? w->limits.plan.memory : (size_t)1 << 30;
    if (!convd_mul(count ? count : 1, sizeof(float), &bytes) || bytes > most ||
        w->taken > most - bytes) {
        convd_fault_limit(w->faults, CONVD_TOO_MUCH_MEMORY, NULL, (double)most,
                          (double)count * 4 + (double)w->taken, "the tensor %.64s has %zu numbers",
                          name, count);
        return NULL;
    }
    float *data = convd_arena_take(&w->mem, bytes);
    if (!data) no_memory(w, name);
    return data;
}

/* Makes it known to the graph; the upstream of a gradient only to who asked for it. */
static bool bind(struct api_work *w, const char *name, int rank, const ptrdiff_t *dim, float *data)
{
    if (w->tensor_into) {
        *w->tensor_into = (struct convd_tensor){.name = name, .rank = rank, .data = data};
        memcpy(w->tensor_into->dim, dim, (size_t)rank * sizeof *dim);
        return true;
    }
    for (size_t i = 0; i < w->graph->n_tensors; i++)
        if (strcmp(w->graph->tensors[i].name, name) == 0) {
            convd_fault_expected(w->faults, CONVD_BAD_REQUEST, NULL, "each name once",
                                 "two tensors are called @%.64s", name);
            return false;
        }
    struct convd_tensor t = {.name = name, .rank = rank, .data = data};
    memcpy(t.dim, dim, (size_t)rank * sizeof *dim);
    return convd_graph_tensor(w->graph, &t);
}

static bool bind_stored(struct api_work *w, const char *name, const struct convd_stored *s)
{
    float *data = room(w, name, s->count);
    if (!data) return false;
    convd_stored_read(s, data);
    return bind(w, name, s->rank, s->dim, data);
}

/* A tensor of a safetensors file: its own name, and the file's. */
struct api_brought {
    const char *file, *name;
    size_t tensor; /* of the graph */
    struct api_brought *next;
};

static void remember(struct api_work *w, const char *file, const char *name)
{
    struct api_brought *b = convd_arena_zero(&w->mem, sizeof *b);
    if (w->tensor_into || !b) return;
    *b = (struct api_brought){file, name, w->graph->n_tensors - 1, w->brought};
    w->brought = b;
}

/* A file: npy is the tensor NAME; safetensors with one tensor too, with several they are NAME.theirs. */
static void bind_file(struct api_work *w, const char *name, const void *data, size_t n)
{
    struct convd_stored one, *list = &one;
    size_t count = 1;
    if (convd_npy_is(data, n)) {
        if (!convd_npy_open(data, n, &one, &w->mem, w->faults)) return;
    } else if (convd_safetensors_is(data, n)) {
        if (!convd_safetensors_open(data, n, &list, &count, &w->mem, w->faults)) return;
    } else {
        convd_fault_expected(w->faults, CONVD_UNSUPPORTED, NULL, "an npy or safetensors file",
                             "the tensor %.64s is neither", name);
        return;
    }
    for (size_t i = 0; i < count; i++) {
        const char *own =
            count == 1 ? name : convd_arena_printf(&w->mem, "%s.%s", name, list[i].name);
        if (!own ? !no_memory(w, name) : !bind_stored(w, own, &list[i])) return;
        if (list[i].name[0]) remember(w, name, list[i].name);
    }
}

/* ---- nested arrays ---- */

/* Dimensions as the first items have them; false when they go deeper than four. */
static bool measure(const struct convd_value *v, int *rank, ptrdiff_t *dim)
{
    for (*rank = 0; v->kind == CONVD_ARRAY; v = &v->items[0]) {
        if (*rank == 4) return false;
        dim[(*rank)++] = (ptrdiff_t)v->n;
        if (v->n == 0) return true;
    }
    return true;
}

static bool fill(struct api_work *w, const struct convd_value *v, int rank, const ptrdiff_t *dim,
                 float **out)
{
    if (rank == 0 && v->kind == CONVD_NUMBER) {
        *(*out)++ = (float)v->number;
        return true;
    }
    if (rank == 0 || v->kind != CONVD_ARRAY || (ptrdiff_t)v->n != dim[0]) {
        const char *expected =
            rank ? convd_arena_printf(w->faults->mem, "an array of %td", dim[0]) : "a number";
        convd_fault_expected(
            w->faults, rank && v->kind == CONVD_ARRAY ? CONVD_BAD_SHAPE : CONVD_WRONG_TYPE, NULL,
            expected ? expected : "", "%s", convd_value_show(w->faults->mem, v));
        return false;
    }
    for (uint32_t i = 0; i < v->n; i++) {
        if (rank == 1 && v->items[i].kind == CONVD_NUMBER) {
            *(*out)++ = (float)v->items[i].number;
            continue;
        }
        size_t mark = convd_enter_item(w->faults, i);
        bool fine = fill(w, &v->items[i], rank - 1, dim + 1, out);
        convd_leave(w->faults, mark);
        if (!fine) return false;
    }
    return true;
}

static void bind_numbers(struct api_work *w, const char *name, const struct convd_value *v)
{
    int rank;
    ptrdiff_t dim[4] = {0};
    size_t count = 1;
    if (!measure(v, &rank, dim)) {
        convd_fault_expected(w->faults, CONVD_BAD_SHAPE, NULL,
                             "arrays inside each other, at most 4 deep", "more than 4 dimensions");
        return;
    }
    for (int i = 0; i < rank; i++)
        if (!convd_mul(count, (size_t)dim[i], &count))
            return; /* more than the text can hold: unreachable, and safe */
    if (count == 0) {
        convd_fault_expected(w->faults, CONVD_BAD_SHAPE, NULL, "at least one number",
                             "an empty array");
        return;
    }
    if (count >
        2 * (size_t)1048576) { /* more numbers than a text may have: the arrays are ragged */
        convd_fault_expected(w->faults, CONVD_BAD_SHAPE, NULL, "arrays of equal lengths",
                             "ragged arrays");
        return;
    }
    float *data = room(w, name, count), *end = data;
    if (data && fill(w, v, rank, dim, &end)) bind(w, name, rank, dim, data);
}

static void bind_base64(struct api_work *w, const char *name, const char *text)
{
    const char *s = api_base64_payload(text);
    size_t n = s ? strlen(s) : 0, at = 0, size = 0;
    uint8_t *bytes = s ? convd_arena_take(&w->mem, api_base64_room(n)) : NULL;
    if (s && !bytes)
        no_memory(w, name);
    else if (!s || !api_base64_decode(s, n, bytes, &size, &at))
        convd_fault_expected(w->faults, CONVD_BAD_IMAGE, NULL,
                             "nested arrays of numbers, or base64 of an npy file",
                             "not base64 at character %zu", at + 1);
    else
        bind_file(w, name, bytes, size);
}

/* ---- where they come from ---- */

static void bind_values(struct api_work *w, const struct convd_value *v)
{
    size_t mark = convd_enter(w->faults, "tensors");
    if (v->kind != CONVD_OBJECT)
        convd_fault_expected(w->faults, CONVD_WRONG_TYPE, NULL, "an object of tensors by name",
                             "tensors is %s", convd_value_show(w->faults->mem, v));
    for (uint32_t i = 0; v->kind == CONVD_OBJECT && i < v->n; i++) {
        const struct convd_member *m = &v->members[i];
        size_t inner = convd_enter(w->faults, m->name);
        if (m->value.kind == CONVD_STRING)
            bind_base64(w, m->name, m->value.string);
        else if (m->value.kind == CONVD_ARRAY || m->value.kind == CONVD_NUMBER)
            bind_numbers(w, m->name, &m->value);
        else
            convd_fault_expected(w->faults, CONVD_WRONG_TYPE, NULL,
                                 "nested arrays of numbers, or base64 of an npy file", "%s is %s",
                                 m->name, convd_value_show(w->faults->mem, &m->value));
        convd_leave(w->faults, inner);
    }
    convd_leave(w->faults, mark);
}

/* An uploaded safetensors as the image: `image`, or the only one, is the picture; the others are @names. */
static void bind_beside_image(struct api_work *w)
{
    struct convd_stored *list;
    size_t n;
    if (!w->image || convd_npy_is(w->image, w->image_n) ||
        !convd_safetensors_is(w->image, w->image_n))
        return;
    struct convd_faults quiet; /* reading the picture's header says what is wrong */
    convd_faults_init(&quiet, &w->mem);
    if (!convd_safetensors_open(w->image, w->image_n, &list, &n, &w->mem, &quiet)) return;
    for (size_t i = 0; n > 1 && i < n; i++)
        if (strcmp(list[i].name, "image") != 0 && !bind_stored(w, list[i].name, &list[i])) return;
}

void api_tensors_bind(struct api_work *w)
{
    bind_beside_image(w);
    for (size_t i = 0; i < w->n_tensors; i++)
        bind_file(w, w->tensors[i].name, w->tensors[i].data, w->tensors[i].n);
    for (size_t i = 0; i < w->n_given; i++)
        bind(w, w->given[i].name, w->given[i].rank, w->given[i].dim, w->given[i].data);
    if (w->tensor_values) bind_values(w, w->tensor_values);
}

void api_tensors_weights(struct api_work *w)
{
    int node;
    size_t row;
    for (const struct api_brought *b = w->brought, *next; b; b = next) { /* file by file */
        bool weights = false;
        for (next = b; next && next->file == b->file; next = next->next)
            weights |= convd_graph_weight(w->graph, next->name, &node, &row);
        for (; weights && b != next; b = b->next) {
            struct convd_tensor t = w->graph->tensors[b->tensor];
            t.name = b->name;
            convd_graph_weights(w->graph, &t, 1, w->faults);
        }
    }
}

bool api_tensors_upstream(struct api_work *w, struct convd_tensor *t, bool *came)
{
    const struct convd_value *v = w->upstream_value;
    static const char name[] = "upstream";
    *came = w->upstream || (v && v->kind != CONVD_NULL);
    if (!*came) return false;
    size_t before = convd_faults_count(w->faults), mark = convd_enter(w->faults, name);
    *t = (struct convd_tensor){.name = name};
    w->tensor_into = t;
    if (w->upstream)
        bind_file(w, name, w->upstream, w->upstream_n);
    else if (v->kind == CONVD_STRING)
        bind_base64(w, name, v->string);
    else if (v->kind == CONVD_ARRAY || v->kind == CONVD_NUMBER)
        bind_numbers(w, name, v);
    else
        convd_fault_expected(w->faults, CONVD_WRONG_TYPE, NULL,
                             "nested arrays of numbers, or base64 of an npy file", "upstream is %s",
                             convd_value_show(w->faults->mem, v));
    w->tensor_into = NULL;
    convd_leave(w->faults, mark);
    return convd_faults_count(w->faults) == before;
}
