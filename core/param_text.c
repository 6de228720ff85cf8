/* param_text.c: parameters as text: reading chain arguments by their row's type, writing them back, and the words that
 * say what a row takes. */
#include "param.h"
#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LONGEST_TEXT 2000 /* a longer list or matrix is not for a URL */

/* ---- arguments ---- */

static bool split_fault(struct convd_faults *f, const char *expected, const char *detail, const char *text)
{
    convd_fault_expected(f, CONVD_BAD_REQUEST, NULL, expected, detail,
                         convd_value_show(f->mem, &(struct convd_value){.kind = CONVD_STRING, .string = text}));
    return false;
}

bool convd_args_split(struct convd_faults *f, struct convd_arena *mem, const char *text, struct convd_arg **args, size_t *n)
{
    size_t room = 1;
    *n = 0;
    *args = NULL;
    if (*text == '\0')
        return true;
    for (const char *s = text; *s; s++)
        room += *s == ',';
    char *copy = convd_arena_text(mem, text, strlen(text));
    *args = convd_arena_array(mem, room, sizeof **args);
    if (!copy || !*args) {
        convd_fault(f, CONVD_NO_MEMORY, NULL, "no memory for %zu arguments", room);
        return false;
    }
    bool named = false;
    for (char *s = copy, *end; s; s = end) {
        end = strchr(s, ',');
        if (end)
            *end++ = '\0';
        char *equals = strchr(s, '=');
        struct convd_arg *a = &(*args)[(*n)++];
        a->text = s;
        if (equals) {
            *equals = '\0';
            a->name = s;
            a->text = equals + 1;
        }
        if (*a->text == '\0' || (a->name && *a->name == '\0'))
            return split_fault(f, "values between the commas: NAME:1,2 or NAME:key=1", "an empty argument in %s", text);
        if (named && !a->name)
            return split_fault(f, "positional arguments first, then key=value", "%s stands behind a named argument", a->text);
        named |= a->name != NULL;
    }
    return true;
}

/* ---- reading ---- */

/* A decimal number, whole text, whatever the locale: sign, digits, point, exponent. No hex, no inf, no nan. */
static bool read_number(const char *s, size_t n, double *out)
{
    char digits[400];
    size_t len = 0, i = 0;
    long exponent = 0;
    bool any = false, point = false;
    if (n >= sizeof digits - 32)
        return false;
    if (i < n && (s[i] == '-' || s[i] == '+'))
        digits[len++] = s[i++];
    for (; i < n && (isdigit((unsigned char)s[i]) || (s[i] == '.' && !point)); i++) {
        if (s[i] == '.') {
            point = true;
            continue;
        }
        digits[len++] = s[i];
        any = true;
        exponent -= point;
    }
    if (!any)
        return false;
    if (i < n && (s[i] == 'e' || s[i] == 'E')) {
        char *end;
        char tail[16];
        size_t rest = n - i - 1;
        if (rest == 0 || rest >= sizeof tail || isspace((unsigned char)s[i + 1]))
            return false;
        memcpy(tail, s + i + 1, rest);
        tail[rest] = '\0';
        exponent += strtol(tail, &end, 10);
        if (*end)
            return false;
        i = n;
    }
    if (i != n)
        return false;
    snprintf(digits + len, sizeof digits - len, "e%ld", exponent); /* no point: no locale */
    *out = strtod(digits, NULL);
    return true;
}

/* "3" or "3x5": a number, or an array of them; false when it is neither. */
static bool read_list(const char *s, size_t n, struct convd_arena *mem, struct convd_value *v)
{
    size_t count = 1;
    for (size_t i = 0; i < n; i++)
        count += s[i] == 'x';
    if (count == 1) {
        double x;
        if (!read_number(s, n, &x))
            return false;
        *v = convd_number(x);
        return true;
    }
    struct convd_value *items = convd_arena_array(mem, count, sizeof *items);
    if (!items)
        return false;
    for (size_t i = 0; i < count; i++) {
        size_t len = 0;
        double x;
        while (len < n && s[len] != 'x')
            len++;
        if (!read_number(s, len, &x))
            return false;
        items[i] = convd_number(x);
        s += len + 1;
        n -= i + 1 < count ? len + 1 : len;
    }
    *v = (struct convd_value){.kind = CONVD_ARRAY, .n = (uint32_t)count, .items = items};
    return true;
}

/* "1x0;0x1;" or "sobel_x;sobel_y;": rows that end in ';' (the last may leave it out). Each is a list or a word. */
static bool read_rows(const char *s, struct convd_arena *mem, struct convd_value *v)
{
    size_t count = 0;
    for (const char *p = s; *p; p++)
        count += *p == ';' || p[1] == '\0';
    if (*s && s[strlen(s) - 1] == ';' && strlen(s) > 1 && s[strlen(s) - 2] == ';')
        return false;
    struct convd_value *rows = convd_arena_array(mem, count, sizeof *rows);
    if (!rows)
        return false;
    size_t used = 0;
    for (; *s; s += strcspn(s, ";"), s += *s == ';') {
        size_t n = strcspn(s, ";");
        struct convd_value *row = &rows[used++];
        if (n == 0)
            return false;
        if (!read_list(s, n, mem, row)) {
            const char *word = convd_arena_text(mem, s, n);
            if (!word)
                return false;
            *row = convd_string(word);
        } else if (row->kind == CONVD_NUMBER) { /* a row of one number is still a row */
            struct convd_value *one = convd_arena_array(mem, 1, sizeof *one);
            if (!one)
                return false;
            *one = *row;
            *row = (struct convd_value){.kind = CONVD_ARRAY, .n = 1, .items = one};
        }
    }
    *v = (struct convd_value){.kind = CONVD_ARRAY, .n = (uint32_t)used, .items = rows};
    return true;
}

struct convd_value convd_param_read(const struct convd_param *row, const char *text, struct convd_arena *mem)
{
    const char *copy = convd_arena_text(mem, text, strlen(text));
    struct convd_value v = convd_string(copy ? copy : "");
    switch (row->type) {
    case CONVD_P_BOOL:
        if (strcmp(text, "true") == 0 || strcmp(text, "false") == 0)
            return convd_boolean(*text == 't');
        return v;
    case CONVD_P_KERNEL:
    case CONVD_P_WEIGHT:
        if (strchr(text, ';'))
            read_rows(text, mem, &v);
        else
            read_list(text, strlen(text), mem, &v);
        return v;
    case CONVD_P_WORD:
    case CONVD_P_STEPS:
        return v;
    case CONVD_P_INT:
    case CONVD_P_NUMBER:
    case CONVD_P_PAIR:
    case CONVD_P_NUMPAIR:
    case CONVD_P_PADDING:
    case CONVD_P_INTS:
    case CONVD_P_NUMBERS:
    case CONVD_P_ACROSS:
        read_list(text, strlen(text), mem, &v);
        return v;
    }
    return v;
}

/* ---- writing ---- */

static struct convd_value pair_value(double a, double b, struct convd_arena *mem)
{
    struct convd_value *items;
    if (a == b || !(items = convd_arena_array(mem, 2, sizeof *items)))
        return convd_number(a);
    items[0] = convd_number(a);
    items[1] = convd_number(b);
    return (struct convd_value){.kind = CONVD_ARRAY, .n = 2, .items = items};
}

static struct convd_value padding_value(const struct convd_padding *p, struct convd_arena *mem)
{
    if (p->kind == CONVD_PAD_SAME)
        return convd_string("same");
    if (p->kind == CONVD_PAD_VALID)
        return convd_string("valid");
    if (p->top == p->bottom && p->left == p->right)
        return pair_value((double)p->top, (double)p->left, mem);
    struct convd_value *items = convd_arena_array(mem, 4, sizeof *items);
    if (!items)
        return (struct convd_value){.kind = CONVD_NULL};
    items[0] = convd_number((double)p->top);
    items[1] = convd_number((double)p->left);
    items[2] = convd_number((double)p->bottom);
    items[3] = convd_number((double)p->right);
    return (struct convd_value){.kind = CONVD_ARRAY, .n = 4, .items = items};
}

static struct convd_value numbers_value(const struct convd_numbers *x, struct convd_arena *mem)
{
    if (x->n == 1)
        return convd_number(x->v[0]);
    struct convd_value *items = x->n ? convd_arena_array(mem, x->n, sizeof *items) : NULL;
    if (!items)
        return (struct convd_value){.kind = CONVD_NULL};
    for (size_t i = 0; i < x->n; i++)
        items[i] = convd_number(x->v[i]);
    return (struct convd_value){.kind = CONVD_ARRAY, .n = (uint32_t)x->n, .items = items};
}

static struct convd_value ints_value(const struct convd_ints *x, struct convd_arena *mem)
{
    struct convd_value *items = x->n ? convd_arena_array(mem, x->n, sizeof *items) : NULL;
    if (!items)
        return (struct convd_value){.kind = CONVD_NULL};
    for (size_t i = 0; i < x->n; i++)
        items[i] = convd_number((double)x->v[i]);
    return (struct convd_value){.kind = CONVD_ARRAY, .n = (uint32_t)x->n, .items = items};
}

static struct convd_value source_value(const struct convd_value *source)
{
    return source ? *source : (struct convd_value){.kind = CONVD_NULL};
}

struct convd_value convd_param_value(const struct convd_param *row, const void *from, struct convd_arena *mem)
{
    const void *field = (const char *)from + row->offset;
    const struct convd_value none = {.kind = CONVD_NULL};
    switch (row->type) {
    case CONVD_P_INT: {
        bool left_out = row->def && !*row->def && *(const ptrdiff_t *)field == 0;
        return left_out ? none : convd_number((double)*(const ptrdiff_t *)field);
    }
    case CONVD_P_NUMBER: return isnan(*(const double *)field) ? none : convd_number(*(const double *)field);
    case CONVD_P_BOOL: return convd_boolean(*(const bool *)field);
    case CONVD_P_WORD: return convd_string(row->words[*(const int *)field]);
    case CONVD_P_PAIR: {
        const struct convd_pair *p = field;
        bool left_out = row->def && !*row->def && p->h == 0 && p->w == 0;
        return left_out ? none : pair_value((double)p->h, (double)p->w, mem);
    }
    case CONVD_P_NUMPAIR: {
        const struct convd_numpair *p = field;
        bool left_out = row->def && !*row->def && p->h == 0 && p->w == 0;
        return left_out ? none : pair_value(p->h, p->w, mem);
    }
    case CONVD_P_PADDING: return padding_value(field, mem);
    case CONVD_P_INTS: return ints_value(field, mem);
    case CONVD_P_NUMBERS: return numbers_value(field, mem);
    case CONVD_P_ACROSS: {
        const struct convd_across *a = field;
        return a->word >= 0 ? convd_string(row->words[a->word]) : numbers_value(&a->numbers, mem);
    }
    case CONVD_P_KERNEL: return source_value(((const struct convd_kernel *)field)->source);
    case CONVD_P_WEIGHT: return source_value(((const struct convd_weight *)field)->source);
    case CONVD_P_STEPS: return source_value(((const struct convd_steps *)field)->list);
    }
    return none;
}

/* The shortest decimal that reads back as x. */
static const char *number_text(double x, struct convd_arena *mem)
{
    char text[40];
    for (int digits = 6; digits <= 17; digits++) {
        snprintf(text, sizeof text, "%.*g", digits, x);
        if (strtod(text, NULL) == x)
            break;
    }
    for (char *s = text; *s; s++)
        if (*s == ',')
            *s = '.'; /* some locales */
    return convd_arena_text(mem, text, strlen(text));
}

static const char *list_text(const struct convd_value *v, struct convd_arena *mem)
{
    const char *out = "";
    for (uint32_t i = 0; i < v->n && out; i++) {
        if (v->items[i].kind != CONVD_NUMBER || strlen(out) > LONGEST_TEXT)
            return NULL;
        const char *x = number_text(v->items[i].number, mem);
        out = x ? convd_arena_printf(mem, "%s%s%s", out, i ? "x" : "", x) : NULL;
    }
    return out;
}

static const char *rows_text(const struct convd_value *v, struct convd_arena *mem)
{
    const char *out = "";
    for (uint32_t i = 0; i < v->n && out; i++) {
        const struct convd_value *row = &v->items[i];
        const char *x = row->kind == CONVD_ARRAY && row->n ? list_text(row, mem)
                      : row->kind == CONVD_STRING           ? row->string
                                                             : NULL;
        if (!x || strlen(out) > LONGEST_TEXT)
            return NULL;
        out = convd_arena_printf(mem, "%s%s;", out, x);
    }
    return out;
}

const char *convd_param_text(const struct convd_param *row, const struct convd_value *v, struct convd_arena *mem)
{
    bool rows = row->type == CONVD_P_KERNEL || row->type == CONVD_P_WEIGHT;
    switch (v->kind) {
    case CONVD_NUMBER: return rows ? NULL : number_text(v->number, mem);
    case CONVD_BOOL: return v->boolean ? "true" : "false";
    case CONVD_STRING: return *v->string && !strpbrk(v->string, ",;/=") ? v->string : NULL;
    case CONVD_ARRAY:
        if (v->n == 0)
            return NULL;
        if (rows)
            return rows_text(v, mem);
        /* A list of one would read back as a number: the same to every row but INTS and NUMBERS, which take both. */
        return list_text(v, mem);
    case CONVD_OBJECT:
    case CONVD_NULL: return NULL;
    }
    return NULL;
}

/* ---- what a row takes ---- */

static const char *number_words(const struct convd_param *row, const char *noun, const char *article, struct convd_arena *mem)
{
    const char *odd = row->flags & CONVD_ODD ? "odd " : "", *tail = row->flags & CONVD_NONZERO ? ", not 0" : "";
    if (row->lo == 0 && row->hi == 0)
        return convd_arena_printf(mem, "%s %s%s%s", article, odd, noun, tail);
    if (isinf(row->hi))
        return convd_arena_printf(mem, "%s %s%s of at least %.10g%s", article, odd, noun, row->lo, tail);
    if (isinf(row->lo))
        return convd_arena_printf(mem, "%s %s%s of at most %.10g%s", article, odd, noun, row->hi, tail);
    return convd_arena_printf(mem, "%s %s%s from %.10g to %.10g%s", article, odd, noun, row->lo, row->hi, tail);
}

static const char *words_words(const struct convd_param *row, struct convd_arena *mem)
{
    const char *out = "one of";
    for (const char *const *w = row->words; *w && out; w++)
        out = convd_arena_printf(mem, "%s%s \"%s\"", out, w == row->words ? "" : ",", *w);
    return out;
}

static const char *padding_tail(const struct convd_param *row)
{
    switch (row->flags & (CONVD_NO_SAME | CONVD_NO_VALID)) {
    case 0: return ", [h,w], [top,left,bottom,right], \"same\" or \"valid\"";
    case CONVD_NO_SAME: return ", [h,w], [top,left,bottom,right] or \"valid\"";
    case CONVD_NO_VALID: return ", [h,w], [top,left,bottom,right] or \"same\"";
    default: return ", [h,w] or [top,left,bottom,right]";
    }
}

static const char *weight_words(const struct convd_param *row)
{
    if (row->flags & CONVD_INIT_ZEROS)
        return "an array, \"@tensor\", or {\"init\":\"zeros\"}";
    return row->flags & CONVD_NO_KERNELS ? "an array, \"@tensor\", or {\"init\":…}"
                                         : "an array, a list of kernels, \"@tensor\", or {\"init\":…}";
}

static const char *with(struct convd_arena *mem, const char *head, const char *tail)
{
    return head ? convd_arena_printf(mem, "%s%s", head, tail) : NULL;
}

const char *convd_param_expects(const struct convd_param *row, struct convd_arena *mem)
{
    switch (row->type) {
    case CONVD_P_INT: return number_words(row, "integer", "an", mem);
    case CONVD_P_NUMBER: return number_words(row, "number", "a", mem);
    case CONVD_P_BOOL: return "true or false";
    case CONVD_P_WORD: return words_words(row, mem);
    case CONVD_P_PAIR: return with(mem, number_words(row, "integer", "an", mem), ", or [h,w]");
    case CONVD_P_NUMPAIR: return with(mem, number_words(row, "number", "a", mem), ", or [h,w]");
    case CONVD_P_PADDING:
        return with(mem, number_words(row, "integer", "an", mem), padding_tail(row));
    case CONVD_P_INTS:
        return with(mem, number_words(row, "integer", "an", mem),
                    row->most ? convd_arena_printf(mem, ", or a list of at most %zu", row->most) : ", or a list of them");
    case CONVD_P_NUMBERS: return with(mem, number_words(row, "number", "a", mem), ", or a list of them");
    case CONVD_P_ACROSS: return with(mem, words_words(row, mem), ", or one number a channel");
    case CONVD_P_KERNEL: return "a kernel's name, {\"name\":…}, a matrix, or \"@tensor\"";
    case CONVD_P_WEIGHT: return weight_words(row);
    case CONVD_P_STEPS: return "a list of steps";
    }
    return NULL;
}
