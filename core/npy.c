/* npy.c: NumPy's array files: versions 1 to 3 in, version 1 of f32 out. Source: NEP 1 and numpy.lib.format.
 *
 * The header is a Python dictionary in words. What is read here is exactly what NumPy writes: three keys in any order,
 * 'descr' a plain number type, True or False, a tuple of integers. Anything else is a fault; nothing is evaluated. Both
 * byte orders and both storage orders are read. */
#include <stdio.h>
#include <string.h>
#include "tensor_file.h"

#define RANK_MOST 4

bool convd_npy_is(const void *data, size_t n)
{
    return n >= 6 && memcmp(data, "\x93NUMPY", 6) == 0;
}

/* ---- the dictionary ----------------------------------------------------------------------------------------- */

struct text {
    const char *p, *end;
};
static void skip_blank(struct text *t)
{
    while (t->p < t->end && (*t->p == ' ' || *t->p == '\n' || *t->p == '\t' || *t->p == '\r')) t->p++;
}
static bool take(struct text *t, char c)
{
    skip_blank(t);
    if (t->p == t->end || *t->p != c)
        return false;
    t->p++;
    return true;
}
static bool take_word(struct text *t, const char *word)
{
    size_t k = strlen(word);
    skip_blank(t);
    if ((size_t)(t->end - t->p) < k || memcmp(t->p, word, k) != 0)
        return false;
    t->p += k;
    return true;
}
/* 'text' or "text" without escapes. */
static bool take_string(struct text *t, const char **s, size_t *n)
{
    skip_blank(t);
    if (t->p == t->end || (*t->p != '\'' && *t->p != '"'))
        return false;
    char quote = *t->p++;
    for (*s = t->p; t->p < t->end && *t->p != quote; t->p++)
        if (*t->p == '\\' || *t->p == '\n')
            return false;
    if (t->p == t->end)
        return false;
    *n = (size_t)(t->p++ - *s);
    return true;
}
static bool take_size(struct text *t, ptrdiff_t *v)
{
    skip_blank(t);
    const char *start = t->p;
    size_t sum = 0;
    for (; t->p < t->end && *t->p >= '0' && *t->p <= '9'; t->p++)
        if (!convd_mul(sum, 10, &sum) || !convd_add(sum, (size_t)(*t->p - '0'), &sum) || sum > PTRDIFF_MAX)
            return false;
    *v = (ptrdiff_t)sum;
    return t->p > start && !(*start == '0' && t->p - start > 1);
}

static bool bad(struct convd_faults *f, const char *words)
{
    convd_fault(f, CONVD_BAD_IMAGE, NULL, "npy: %s", words);
    return false;
}
/* '<f4' and its like. */
static bool take_descr(struct text *t, struct convd_stored *x, struct convd_faults *f)
{
    const char *s;
    size_t n;
    static const char expected[] = "u1 to u8, i1 to i8, f2, f4 or f8";
    if (!take_string(t, &s, &n)) {
        convd_fault_expected(f, CONVD_BAD_IMAGE, NULL, expected, "npy: 'descr' is not a plain number type");
        return false;
    }
    bool order = n == 3 && strchr("<>|=", s[0]), boolean = order && s[1] == 'b' && s[2] == '1';
    int size = order ? s[2] - '0' : 0;
    bool integer = order && (s[1] == 'i' || s[1] == 'u') && (size == 1 || size == 2 || size == 4 || size == 8);
    bool real = order && s[1] == 'f' && (size == 2 || size == 4 || size == 8);
    if ((!integer && !real && !boolean) || (s[0] == '|' && size > 1)) {
        convd_fault_expected(f, CONVD_BAD_IMAGE, NULL, expected, "npy: numbers of type '%.*s'", n < 16 ? (int)n : 16, s);
        return false;
    }
    x->kind = boolean ? 'u' : s[1];
    x->size = size;
    x->big_endian = s[0] == '>' && size > 1;
    return true;
}
static bool take_shape(struct text *t, struct convd_stored *x, struct convd_faults *f)
{
    static const char words[] = "'shape' is not a tuple of sizes";
    if (!take(t, '('))
        return bad(f, words);
    x->rank = 0;
    while (!take(t, ')')) {
        ptrdiff_t v;
        if (!take_size(t, &v))
            return bad(f, words);
        if (x->rank == RANK_MOST) {
            convd_fault_expected(f, CONVD_BAD_SHAPE, NULL, "0 to 4 dimensions", "npy: the array has more than 4 dimensions");
            return false;
        }
        x->dim[x->rank++] = v;
        if (take(t, ','))
            continue;
        /* (3) is a number in Python, not a tuple. */
        if (x->rank < 2 || !take(t, ')'))
            return bad(f, words);
        break;
    }
    return true;
}
static bool take_member(struct text *t, struct convd_stored *x, unsigned *seen, struct convd_faults *f)
{
    static const char *const names[] = {"descr", "fortran_order", "shape"};
    const char *s;
    size_t n;
    if (!take_string(t, &s, &n) || !take(t, ':'))
        return bad(f, "the header is not a dictionary of descr, fortran_order and shape");
    for (unsigned i = 0; i < 3; i++) {
        if (strlen(names[i]) != n || memcmp(names[i], s, n) != 0 || *seen & 1u << i)
            continue;
        *seen |= 1u << i;
        if (i == 0)
            return take_descr(t, x, f);
        if (i == 2)
            return take_shape(t, x, f);
        x->fortran = take_word(t, "True");
        return x->fortran || take_word(t, "False") || bad(f, "'fortran_order' is neither True nor False");
    }
    return bad(f, "the header has a key twice, or one other than descr, fortran_order and shape");
}
static bool read_dictionary(struct text *t, struct convd_stored *x, struct convd_faults *f)
{
    unsigned seen = 0;
    if (!take(t, '{'))
        return bad(f, "the header is not a dictionary");
    while (!take(t, '}')) {
        if (!take_member(t, x, &seen, f))
            return false;
        if (take(t, ','))
            continue;
        if (!take(t, '}'))
            return bad(f, "the header's dictionary does not end");
        break;
    }
    skip_blank(t);
    if (t->p != t->end)
        return bad(f, "there is text behind the header's dictionary");
    return seen == 7 || bad(f, "the header lacks descr, fortran_order or shape");
}

/* ---- reading ------------------------------------------------------------------------------------------------ */

bool convd_npy_open(const void *data, size_t n, struct convd_stored *x, struct convd_arena *mem, struct convd_faults *f)
{
    (void)mem;
    const uint8_t *d = data;
    *x = (struct convd_stored){.name = ""};
    if (!convd_npy_is(data, n) || n < 12)
        return bad(f, "the file ends inside its header");
    int version = d[6];
    if (version < 1 || version > 3 || d[7] != 0) {
        convd_fault_expected(f, CONVD_BAD_IMAGE, NULL, "version 1.0, 2.0 or 3.0", "npy: version %d.%d", version, d[7]);
        return false;
    }
    size_t at = version == 1 ? 10 : 12, length = (size_t)d[8] | (size_t)d[9] << 8;
    if (version > 1)
        length |= (size_t)d[10] << 16 | (size_t)d[11] << 24;
    if (length > n - at)
        return bad(f, "the header is longer than the file");
    struct text t = {.p = (const char *)d + at, .end = (const char *)d + at + length};
    if (!read_dictionary(&t, x, f))
        return false;
    size_t count = 1, bytes, left = n - at - length;
    bool fits = true;
    for (int i = 0; i < x->rank; i++) {
        if (x->dim[i] == 0) {
            convd_fault_expected(f, CONVD_BAD_SHAPE, NULL, "sizes of 1 or more", "npy: the array is empty");
            return false;
        }
        fits = fits && convd_mul(count, (size_t)x->dim[i], &count);
    }
    if (!fits || !convd_mul(count, (size_t)x->size, &bytes) || bytes > left) {
        convd_fault(f, CONVD_BAD_IMAGE, NULL, "npy: the shape takes more than the %zu bytes that follow the header", left);
        return false;
    }
    x->count = count;
    x->data = d + at + length;
    return true;
}

/* ---- writing ------------------------------------------------------------------------------------------------ */

bool convd_npy_write(const struct convd_tensor *t, struct convd_bytes *out)
{
    char head[256];
    size_t count = 1, len = 10;
    memcpy(head, "\x93NUMPY\1\0", 8);
    len += (size_t)snprintf(head + len, sizeof head - len, "{'descr': '<f4', 'fortran_order': False, 'shape': (");
    for (int i = 0; i < t->rank; i++) {
        len += (size_t)snprintf(head + len, sizeof head - len, "%s%td%s", i ? ", " : "", t->dim[i], t->rank == 1 ? "," : "");
        if (!convd_mul(count, (size_t)t->dim[i], &count))
            return false;
    }
    len += (size_t)snprintf(head + len, sizeof head - len, "), }");
    while ((len + 1) % 64) head[len++] = ' ';
    head[len++] = '\n';
    head[8] = (char)((len - 10) & 0xff);
    head[9] = (char)((len - 10) >> 8);
    size_t bytes, start = out->n;
    _Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "f32 is written as memory holds it");
    if (!convd_mul(count, sizeof(float), &bytes) || !convd_bytes_reserve(out, len + bytes))
        return false;
    if (convd_bytes_put(out, head, len) && convd_bytes_put(out, t->data, bytes))
        return true;
    out->n = start;
    return false;
}
