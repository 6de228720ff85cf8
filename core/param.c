/* param.c: rows to structs: binding arguments, defaults, type and range checks. Text in and out is in param_text.c. */
#include "param.h"
#include "kernels.h"
#include "weight.h"
#include <math.h>
#include <string.h>

const char *const convd_padding_modes[] = {"zeros",    "reflect",  "symmetric", "replicate",
                                           "circular", "constant", NULL};

bool convd_word_in(const char *list, const char *word)
{
    size_t n = strlen(word);
    for (const char *s = list; s && *s;) {
        size_t len = strcspn(s, " ");
        if (len == n && memcmp(s, word, n) == 0)
            return true;
        s += len;
        s += strspn(s, " ");
    }
    return false;
}

const struct convd_param *convd_param_find(const struct convd_param *rows, const char *name)
{
    for (const struct convd_param *p = rows; p && p->name; p++)
        if (strcmp(p->name, name) == 0)
            return p;
    for (const struct convd_param *p = rows; p && p->name; p++)
        if (convd_word_in(p->aliases, name))
            return p;
    return NULL;
}

/* ---- one value into one field ---- */

/* What `set` needs to know on its way down. */
struct setter {
    const struct convd_bind *b;
    const struct convd_param *row;
};

static bool wrong_type(const struct setter *s, const struct convd_value *v, const char *member)
{
    struct convd_faults *f = s->b->faults;
    const char *expects = convd_param_expects(s->row, f->mem);
    convd_fault_expected(f, CONVD_WRONG_TYPE, member, expects ? expects : "", "%s is %s",
                         s->row->name, convd_value_show(f->mem, v));
    return false;
}

static bool out_of_range(const struct setter *s, const struct convd_value *v, const char *member)
{
    struct convd_faults *f = s->b->faults;
    const char *expects = convd_param_expects(s->row, f->mem);
    convd_fault_expected(f, CONVD_OUT_OF_RANGE, member, expects ? expects : "", "%s is %s",
                         s->row->name, convd_value_show(f->mem, v));
    return false;
}

static bool in_range(const struct convd_param *row, double x)
{
    return (row->lo == 0 && row->hi == 0) || (x >= row->lo && x <= row->hi);
}

static bool set_number(const struct setter *s, const struct convd_value *v, double *out)
{
    if (v->kind != CONVD_NUMBER)
        return wrong_type(s, v, NULL);
    if (!isfinite(v->number) || !in_range(s->row, v->number))
        return out_of_range(s, v, NULL);
    if ((s->row->flags & CONVD_NONZERO) && (float)v->number == 0)
        return out_of_range(s, v, NULL);
    *out = v->number;
    return true;
}

static bool set_int(const struct setter *s, const struct convd_value *v, ptrdiff_t *out)
{
    const double most = 9007199254740992.0; /* 2^53: beyond it doubles skip integers */
    if (v->kind != CONVD_NUMBER)
        return wrong_type(s, v, NULL);
    if (floor(v->number) != v->number)
        return wrong_type(s, v, NULL);
    if (fabs(v->number) > most || !in_range(s->row, v->number))
        return out_of_range(s, v, NULL);
    if ((s->row->flags & CONVD_ODD) && fmod(v->number, 2) == 0)
        return out_of_range(s, v, NULL);
    *out = (ptrdiff_t)v->number;
    return true;
}

/* Items of an array of exactly n integers, each at its own place. */
static bool set_int_items(const struct setter *s, const struct convd_value *v, ptrdiff_t *out)
{
    bool fine = true;
    for (uint32_t i = 0; i < v->n; i++) {
        size_t mark = convd_enter_item(s->b->faults, i);
        fine &= set_int(s, &v->items[i], &out[i]);
        convd_leave(s->b->faults, mark);
    }
    return fine;
}

static bool set_number_items(const struct setter *s, const struct convd_value *v, double *out)
{
    bool fine = true;
    for (uint32_t i = 0; i < v->n; i++) {
        size_t mark = convd_enter_item(s->b->faults, i);
        fine &= set_number(s, &v->items[i], &out[i]);
        convd_leave(s->b->faults, mark);
    }
    return fine;
}

static bool set_pair(const struct setter *s, const struct convd_value *v, struct convd_pair *out)
{
    ptrdiff_t x[2];
    if (v->kind == CONVD_ARRAY) {
        if (v->n != 2)
            return wrong_type(s, v, NULL);
        if (!set_int_items(s, v, x))
            return false;
    } else {
        if (!set_int(s, v, &x[0]))
            return false;
        x[1] = x[0];
    }
    *out = (struct convd_pair){x[0], x[1]};
    return true;
}

static bool set_numpair(const struct setter *s, const struct convd_value *v,
                        struct convd_numpair *out)
{
    double x[2];
    if (v->kind == CONVD_ARRAY) {
        if (v->n != 2)
            return wrong_type(s, v, NULL);
        if (!set_number_items(s, v, x))
            return false;
    } else {
        if (!set_number(s, v, &x[0]))
            return false;
        x[1] = x[0];
    }
    *out = (struct convd_numpair){x[0], x[1]};
    return true;
}

static bool set_padding(const struct setter *s, const struct convd_value *v,
                        struct convd_padding *out)
{
    ptrdiff_t x[4];
    bool same = v->kind == CONVD_STRING && strcmp(v->string, "same") == 0,
         valid = v->kind == CONVD_STRING && strcmp(v->string, "valid") == 0;
    *out = (struct convd_padding){.kind = CONVD_PAD_EXPLICIT};
    if (same || valid) {
        out->kind = same ? CONVD_PAD_SAME : CONVD_PAD_VALID;
        return !(s->row->flags & (same ? CONVD_NO_SAME : CONVD_NO_VALID)) ||
               out_of_range(s, v, NULL);
    }
    if (v->kind == CONVD_ARRAY && (v->n == 2 || v->n == 4)) {
        if (!set_int_items(s, v, x))
            return false;
        *out =
            v->n == 2
                ? (struct convd_padding){.top = x[0], .left = x[1], .bottom = x[0], .right = x[1]}
                : (struct convd_padding){.top = x[0], .left = x[1], .bottom = x[2], .right = x[3]};
        return true;
    }
    if (v->kind != CONVD_NUMBER)
        return wrong_type(s, v, NULL);
    if (!set_int(s, v, &x[0]))
        return false;
    *out = (struct convd_padding){.top = x[0], .left = x[0], .bottom = x[0], .right = x[0]};
    return true;
}

static bool no_memory(const struct setter *s)
{
    convd_fault(s->b->faults, CONVD_NO_MEMORY, NULL, "no memory for %s", s->row->name);
    return false;
}

static bool set_ints(const struct setter *s, const struct convd_value *v, struct convd_ints *out)
{
    if (v->kind == CONVD_ARRAY && (v->n == 0 || (s->row->most && v->n > s->row->most)))
        return wrong_type(s, v, NULL);
    size_t n = v->kind == CONVD_ARRAY ? v->n : 1;
    ptrdiff_t *x = convd_arena_array(s->b->mem, n, sizeof *x);
    if (!x)
        return no_memory(s);
    *out = (struct convd_ints){n, x};
    return v->kind == CONVD_ARRAY ? set_int_items(s, v, x) : set_int(s, v, x);
}

static bool set_numbers(const struct setter *s, const struct convd_value *v,
                        struct convd_numbers *out)
{
    if (v->kind == CONVD_ARRAY && v->n == 0)
        return wrong_type(s, v, NULL);
    size_t n = v->kind == CONVD_ARRAY ? v->n : 1;
    double *x = convd_arena_array(s->b->mem, n, sizeof *x);
    if (!x)
        return no_memory(s);
    *out = (struct convd_numbers){n, x};
    return v->kind == CONVD_ARRAY ? set_number_items(s, v, x) : set_number(s, v, x);
}

static const char *word_at(const void *words, size_t i)
{
    return ((const char *const *)words)[i];
}

static bool set_word(const struct setter *s, const struct convd_value *v, int *out)
{
    if (v->kind != CONVD_STRING)
        return wrong_type(s, v, NULL);
    int n = 0;
    for (; s->row->words[n]; n++)
        if (strcmp(s->row->words[n], v->string) == 0) {
            *out = n;
            return true;
        }
    struct convd_faults *f = s->b->faults;
    const char *expects = convd_param_expects(s->row, f->mem);
    struct convd_fault *x =
        convd_fault_expected(f, CONVD_OUT_OF_RANGE, NULL, expects ? expects : "", "%s is %s",
                             s->row->name, convd_value_show(f->mem, v));
    x->suggestion = convd_nearest(v->string, word_at, s->row->words, (size_t)n);
    return false;
}

static bool set_across(const struct setter *s, const struct convd_value *v,
                       struct convd_across *out)
{
    if (v->kind == CONVD_STRING)
        return set_word(s, v, &out->word);
    out->word = -1;
    return set_numbers(s, v, &out->numbers);
}

static bool set_bool(const struct setter *s, const struct convd_value *v, bool *out)
{
    if (v->kind != CONVD_BOOL)
        return wrong_type(s, v, NULL);
    *out = v->boolean;
    return true;
}

static bool set_steps(const struct setter *s, const struct convd_value *v, struct convd_steps *out)
{
    if (v->kind != CONVD_ARRAY)
        return wrong_type(s, v, NULL);
    *out = (struct convd_steps){v};
    return true;
}

/* Checks v against the row and writes it to its field; faults at the current place. */
static bool set(const struct convd_bind *b, const struct convd_param *row,
                const struct convd_value *v)
{
    const struct setter s = {b, row};
    void *field = (char *)b->into + row->offset;
    switch (row->type) {
    case CONVD_P_INT: return set_int(&s, v, field);
    case CONVD_P_NUMBER: return set_number(&s, v, field);
    case CONVD_P_BOOL: return set_bool(&s, v, field);
    case CONVD_P_WORD: return set_word(&s, v, field);
    case CONVD_P_PAIR: return set_pair(&s, v, field);
    case CONVD_P_NUMPAIR: return set_numpair(&s, v, field);
    case CONVD_P_PADDING: return set_padding(&s, v, field);
    case CONVD_P_INTS: return set_ints(&s, v, field);
    case CONVD_P_NUMBERS: return set_numbers(&s, v, field);
    case CONVD_P_ACROSS: return set_across(&s, v, field);
    case CONVD_P_KERNEL: return convd_kernel_read(v, b->faults, b->mem, b->max_kernel, field);
    case CONVD_P_WEIGHT:
        return convd_weight_read(v, b->faults, b->mem, b->max_kernel, field) &&
               convd_weight_allowed(field, row->flags, b->faults);
    case CONVD_P_STEPS: return set_steps(&s, v, field);
    }
    return false;
}

/* ---- defaults ---- */

static size_t field_size(enum convd_param_type type)
{
    static const size_t sizes[] = {
        [CONVD_P_INT] = sizeof(ptrdiff_t),
        [CONVD_P_NUMBER] = sizeof(double),
        [CONVD_P_BOOL] = sizeof(bool),
        [CONVD_P_WORD] = sizeof(int),
        [CONVD_P_PAIR] = sizeof(struct convd_pair),
        [CONVD_P_NUMPAIR] = sizeof(struct convd_numpair),
        [CONVD_P_PADDING] = sizeof(struct convd_padding),
        [CONVD_P_INTS] = sizeof(struct convd_ints),
        [CONVD_P_NUMBERS] = sizeof(struct convd_numbers),
        [CONVD_P_ACROSS] = sizeof(struct convd_across),
        [CONVD_P_KERNEL] = sizeof(struct convd_kernel),
        [CONVD_P_WEIGHT] = sizeof(struct convd_weight),
        [CONVD_P_STEPS] = sizeof(struct convd_steps),
    };
    return sizes[type];
}

static bool set_default(const struct convd_bind *b, const struct convd_param *row)
{
    char *field = (char *)b->into + row->offset;
    if (row->def[0] == '=') {
        const struct convd_param *like = convd_param_find(b->rows, row->def + 1);
        memcpy(field, (char *)b->into + like->offset, field_size(row->type));
        return true;
    }
    if (row->def[0] != '\0') {
        const struct convd_value v = convd_param_read(row, row->def, b->mem);
        return set(b, row, &v);
    }
    if (row->type == CONVD_P_NUMBER)
        *(double *)(void *)field = NAN; /* every other type's "left out" is all zeros */
    return true;
}

/* ---- binding ---- */

static const char *row_name(const void *rows, size_t i)
{
    return ((const struct convd_param *)rows)[i].name;
}

static size_t row_count(const struct convd_param *rows)
{
    size_t n = 0;
    while (rows && rows[n].name)
        n++;
    return n;
}

static void unknown_member(const struct convd_bind *b, const char *name, size_t n_rows)
{
    struct convd_fault *x =
        convd_fault(b->faults, CONVD_UNKNOWN_MEMBER, name, "%s has no parameter %s", b->what,
                    convd_value_show(b->faults->mem,
                                     &(struct convd_value){.kind = CONVD_STRING, .string = name}));
    x->suggestion = n_rows ? convd_nearest(name, row_name, b->rows, n_rows) : NULL;
    if (!n_rows) {
        x->expected = "no parameters";
        return;
    }
    char *list = convd_arena_text(b->faults->mem, "one of", 6);
    for (size_t i = 0; i < n_rows && list; i++)
        list = convd_arena_printf(b->faults->mem, "%s%s %s", list, i ? "," : "", b->rows[i].name);
    x->expected = list;
}

/* The row an argument is for, or NULL after a fault. */
static const struct convd_param *row_of(const struct convd_bind *b, const struct convd_arg *a,
                                        size_t index, size_t n_rows)
{
    if (a->name) {
        const struct convd_param *row = convd_param_find(b->rows, a->name);
        if (!row)
            unknown_member(b, a->name, n_rows);
        return row;
    }
    if (index < n_rows)
        return &b->rows[index];
    convd_fault_expected(b->faults, CONVD_BAD_REQUEST, NULL,
                         n_rows ? "fewer arguments" : "no arguments",
                         "%s takes %zu argument%s, this is number %zu", b->what, n_rows,
                         n_rows == 1 ? "" : "s", index + 1);
    return NULL;
}

static bool bind_one(struct convd_bind *b, const struct convd_param *row, const struct convd_arg *a)
{
    uint64_t bit = UINT64_C(1) << (row - b->rows);
    const char *member =
        a->value ? a->name : row->name; /* a chain points into the spec it stands for */
    size_t mark = convd_enter(b->faults, member);
    bool fine = false;
    if (b->given & bit) {
        convd_fault_expected(b->faults, CONVD_BAD_REQUEST, NULL, "each parameter once",
                             "%s is given twice", row->name);
    } else if (a->value) {
        fine = set(b, row, a->value);
    } else {
        const struct convd_value v = convd_param_read(row, a->text, b->mem);
        fine = set(b, row, &v);
    }
    b->given |= bit;
    convd_leave(b->faults, mark);
    return fine;
}

/* Of the rows with CONVD_EITHER exactly one is given. */
static bool one_of(const struct convd_bind *b, size_t n_rows)
{
    const struct convd_param *first = NULL, *given = NULL, *second = NULL;
    const char *list = "one of";
    for (size_t i = 0; i < n_rows; i++) {
        const struct convd_param *row = &b->rows[i];
        if (!(row->flags & CONVD_EITHER))
            continue;
        list = list ? convd_arena_printf(b->faults->mem, "%s%s %s", list, first ? " and" : "",
                                         row->name)
                    : NULL;
        first = first ? first : row;
        if (b->given & (UINT64_C(1) << i))
            *(given ? &second : &given) = row;
    }
    if (!first || (given && !second))
        return true;
    if (second)
        convd_fault_expected(b->faults, CONVD_OUT_OF_RANGE, second->name, list ? list : "",
                             "both %s and %s are given", given->name, second->name);
    else
        convd_fault_expected(b->faults, CONVD_MISSING, first->name, list ? list : "", "%s needs %s",
                             b->what, list ? list : first->name);
    return false;
}

bool convd_params_bind(struct convd_bind *b, const struct convd_arg *args, size_t n)
{
    size_t n_rows = row_count(b->rows);
    bool fine = true;
    b->given = 0;
    for (size_t i = 0; i < n; i++) {
        const struct convd_param *row = row_of(b, &args[i], i, n_rows);
        fine &= row && bind_one(b, row, &args[i]);
        if (!row && !args[i].name)
            break; /* one fault for all that is too much */
    }
    for (size_t i = 0; i < n_rows; i++) {
        const struct convd_param *row = &b->rows[i];
        if (b->given & (UINT64_C(1) << i))
            continue;
        if (row->def) {
            fine &= set_default(b, row);
            continue;
        }
        const char *expects = convd_param_expects(row, b->faults->mem);
        convd_fault_expected(b->faults, CONVD_MISSING, row->name, expects ? expects : "",
                             "%s needs %s", b->what, row->name);
        fine = false;
    }
    return one_of(b, n_rows) && fine;
}
