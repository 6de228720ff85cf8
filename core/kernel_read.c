/* kernel_read.c: kernels from what a spec says, checked, with the words of what is wrong; and kernels that are an outer
 * product, taken apart. */
#include "kernels.h"
#include <math.h>
#include <string.h>

static bool no_memory(struct convd_faults *f)
{
    convd_fault(f, CONVD_NO_MEMORY, NULL, "no memory for a kernel");
    return false;
}

bool convd_kernel_build(const struct convd_kernel_row *row, const struct convd_arg *args,
                        size_t n_args, struct convd_faults *f, struct convd_arena *mem,
                        struct convd_kernel *out)
{
    static const struct convd_param none[] = {CONVD_PARAM_END};
    void *params = convd_arena_zero(mem, row->params_size + 1);
    if (!params) return no_memory(f);
    struct convd_bind bind = {.faults = f,
                              .mem = mem,
                              .rows = row->params ? row->params : none,
                              .into = params,
                              .what = row->name,
                              .max_kernel = CONVD_KERNEL_SIDE};
    if (!convd_params_bind(&bind, args, n_args)) return false;
    *out = (struct convd_kernel){.h = row->h, .w = row->w, .v = row->numbers, .row = row};
    if (row->make) {
        const ptrdiff_t n = row->side(params);
        float *v = convd_arena_array(mem, (size_t)(n * n), sizeof *v);
        if (!v) return no_memory(f);
        row->make(params, v);
        out->h = out->w = n;
        out->v = v;
    }
    out->anchor_y = row->anchor_y < 0 ? out->h / 2 : row->anchor_y;
    out->anchor_x = row->anchor_x < 0 ? out->w / 2 : row->anchor_x;
    return true;
}

/* ---- reading --------------------------------------------------------------------------------- */

static const char forms[] = "a kernel's name, {\"name\":…}, a matrix of numbers, or \"@tensor\"";

static bool fits(const struct convd_kernel *k, ptrdiff_t max_side, struct convd_faults *f)
{
    const ptrdiff_t longest = k->h > k->w ? k->h : k->w;
    if (longest <= max_side) return true;
    struct convd_fault *x = convd_fault_limit(f, CONVD_OUT_OF_RANGE, NULL, (double)max_side,
                                              (double)longest, "the kernel is %tdx%td", k->h, k->w);
    x->expected = convd_arena_printf(f->mem, "sides of at most %td", max_side);
    return false;
}

static const struct convd_kernel_row *find(const char *name, const char *member,
                                           struct convd_faults *f)
{
    const struct convd_kernel_row *row = convd_kernel_find(name);
    if (row) return row;
    struct convd_fault *x = convd_fault_expected(
        f, CONVD_UNKNOWN_KERNEL, member, forms, "there is no kernel %s",
        convd_value_show(f->mem, &(struct convd_value){.kind = CONVD_STRING, .string = name}));
    x->suggestion = convd_nearest(name, convd_kernel_name, NULL, convd_kernel_count());
    return NULL;
}

/* Keeps v, with the name made canonical. An object with nothing but a name is the name. */
static bool keep_source(struct convd_kernel *k, const struct convd_value *v,
                        struct convd_arena *mem, struct convd_faults *f)
{
    struct convd_value *copy = convd_arena_zero(mem, sizeof *copy);
    if (!copy) return no_memory(f);
    *copy = *v;
    if (k->row && (v->kind == CONVD_STRING || v->n == 1)) {
        *copy = convd_string(k->row->name);
    } else if (k->row) {
        struct convd_member *members = convd_arena_array(mem, v->n, sizeof *members);
        if (!members) return no_memory(f);
        for (uint32_t i = 0; i < v->n; i++) {
            members[i] = v->members[i];
            if (strcmp(members[i].name, "name") == 0) {
                members[i].value = convd_string(k->row->name);
                continue;
            }
            const struct convd_param *p = convd_param_find(k->row->params, members[i].name);
            if (p) members[i].name = p->name;
        }
        copy->members = members;
    }
    k->source = copy;
    return true;
}

static bool read_string(const struct convd_value *v, struct convd_faults *f,
                        struct convd_arena *mem, struct convd_kernel *out)
{
    if (v->string[0] == '@') {
        const char *name = convd_arena_text(mem, v->string + 1, strlen(v->string + 1));
        if (!name) return no_memory(f);
        *out = (struct convd_kernel){.tensor = name};
        return true;
    }
    const struct convd_kernel_row *row = find(v->string, NULL, f);
    return row && convd_kernel_build(row, NULL, 0, f, mem, out);
}

static bool read_object(const struct convd_value *v, struct convd_faults *f,
                        struct convd_arena *mem, struct convd_kernel *out)
{
    const struct convd_value *name = convd_value_get(v, "name");
    if (!name) {
        convd_fault_expected(f, CONVD_MISSING, "name", "the name of a kernel",
                             "the kernel has no name");
        return false;
    }
    if (name->kind != CONVD_STRING) {
        convd_fault_expected(f, CONVD_WRONG_TYPE, "name", "the name of a kernel", "name is %s",
                             convd_value_show(f->mem, name));
        return false;
    }
    const struct convd_kernel_row *row = find(name->string, "name", f);
    struct convd_arg *args = convd_arena_array(mem, v->n, sizeof *args);
    if (!args) return no_memory(f);
    size_t n = 0;
    for (uint32_t i = 0; i < v->n; i++)
        if (strcmp(v->members[i].name, "name") != 0)
            args[n++] =
                (struct convd_arg){.name = v->members[i].name, .value = &v->members[i].value};
    return row && convd_kernel_build(row, args, n, f, mem, out);
}

/* One row's numbers to out (NULL: only looked at). */
static bool read_row(const struct convd_value *row, uint32_t w, struct convd_faults *f, float *out)
{
    bool fine = true;
    if (row->kind != CONVD_ARRAY || row->n == 0) {
        convd_fault_expected(f, CONVD_WRONG_TYPE, NULL, "a row of numbers", "the row is %s",
                             convd_value_show(f->mem, row));
        return false;
    }
    if (row->n != w) {
        convd_fault_expected(f, CONVD_BAD_SHAPE, NULL, "rows of equal length",
                             "the row has %u numbers, the first row has %u", row->n, w);
        return false;
    }
    for (uint32_t j = 0; j < w; j++) {
        const struct convd_value *x = &row->items[j];
        if (x->kind == CONVD_NUMBER && isfinite((float)x->number)) {
            out[j] = (float)x->number;
            continue;
        }
        const size_t mark = convd_enter_item(f, j);
        convd_fault_expected(f, x->kind == CONVD_NUMBER ? CONVD_OUT_OF_RANGE : CONVD_WRONG_TYPE,
                             NULL, "a finite number in single precision", "it is %s",
                             convd_value_show(f->mem, x));
        convd_leave(f, mark);
        fine = false;
    }
    return fine;
}

static bool read_matrix(const struct convd_value *v, struct convd_faults *f,
                        struct convd_arena *mem, ptrdiff_t max_side, struct convd_kernel *out)
{
    if (v->n == 0 || v->items[0].kind != CONVD_ARRAY) {
        convd_fault_expected(f, CONVD_WRONG_TYPE, NULL,
                             "a matrix: a list of rows, each a list of numbers", "the kernel is %s",
                             v->n ? "a list without rows" : "an empty list");
        return false;
    }
    *out = (struct convd_kernel){.h = (ptrdiff_t)v->n, .w = (ptrdiff_t)v->items[0].n};
    if (!fits(out, max_side, f)) return false;
    float *numbers = convd_arena_array(mem, (size_t)v->n * v->items[0].n + 1, sizeof *numbers);
    if (!numbers) return no_memory(f);
    bool fine = true;
    for (uint32_t i = 0; i < v->n; i++) {
        const size_t mark = convd_enter_item(f, i);
        fine &= read_row(&v->items[i], v->items[0].n, f, numbers + (size_t)i * v->items[0].n);
        convd_leave(f, mark);
    }
    out->v = numbers;
    out->anchor_y = out->h / 2;
    out->anchor_x = out->w / 2;
    return fine;
}

bool convd_kernel_read(const struct convd_value *v, struct convd_faults *f, struct convd_arena *mem,
                       ptrdiff_t max_side, struct convd_kernel *out)
{
    bool fine = false;
    *out = (struct convd_kernel){0};
    switch (v->kind) {
    case CONVD_STRING:
        fine = read_string(v, f, mem, out);
        break;
    case CONVD_OBJECT:
        fine = read_object(v, f, mem, out);
        break;
    case CONVD_ARRAY:
        fine = read_matrix(v, f, mem, max_side, out);
        break;
    case CONVD_NULL:
    case CONVD_BOOL:
    case CONVD_NUMBER:
        convd_fault_expected(f, CONVD_WRONG_TYPE, NULL, forms, "the kernel is %s",
                             convd_value_show(f->mem, v));
        break;
    }
    if (!fine) return false;
    out->max_side = max_side;
    return (out->tensor || fits(out, max_side, f)) && keep_source(out, v, mem, f);
}

/* The cross through number `at`, and whether its outer product is k to within `most` of any number. */
static bool split_at(const struct convd_kernel *k, ptrdiff_t at, double most, double *column,
                     double *row)
{
    const double pivot = (double)k->v[at];
    for (ptrdiff_t i = 0; i < k->h; i++) column[i] = (double)k->v[i * k->w + at % k->w];
    for (ptrdiff_t j = 0; j < k->w; j++) row[j] = (double)k->v[at / k->w * k->w + j] / pivot;
    for (ptrdiff_t i = 0; i < k->h; i++)
        for (ptrdiff_t j = 0; j < k->w; j++)
            if (!(fabs((double)k->v[i * k->w + j] - column[i] * row[j]) <= most)) return false;
    return true;
}

/* Through the smallest number first: integer kernels then split into integers, and sums over 8-bit pixels
 * stay exact. Where that loses digits, through the largest, which loses the fewest. */
bool convd_kernel_separate(const struct convd_kernel *k, double *column, double *row)
{
    ptrdiff_t large = 0, small = 0;
    for (ptrdiff_t i = 1; i < k->h * k->w; i++) {
        const float v = fabsf(k->v[i]);
        if (v > fabsf(k->v[large])) large = i;
        if (v > 0 && (k->v[small] == 0 || v < fabsf(k->v[small]))) small = i;
    }
    const double largest = fabs((double)k->v[large]);
    if (!(largest > 0) || isinf(largest)) return false;
    return split_at(k, small, 0, column, row) || split_at(k, large, 3e-7 * largest, column, row);
}
