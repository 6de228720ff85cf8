/* safetensors.c: named tensors in, f32 out. Source: the format's description in huggingface/safetensors.
 *
 * 8 bytes of header length, a JSON object, the numbers. The reader below knows just the JSON that such a header may
 * have: an object of objects with dtype, shape and data_offsets, and __metadata__ of strings. It is strict where files
 * could lie: tensors must fill the data without gaps, overlaps or a rest, and have the bytes that shape and dtype say. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "tensor_file.h"

#define HEADER_MOST ((size_t)100 << 20)
#define RANK_MOST   4

static size_t header_length(const uint8_t *d)
{
    uint64_t v = 0;
    for (int i = 0; i < 8; i++) v |= (uint64_t)d[i] << 8 * i;
    return v > SIZE_MAX ? SIZE_MAX : (size_t)v;
}
bool convd_safetensors_is(const void *data, size_t n)
{
    const uint8_t *d = data;
    return n >= 10 && d[8] == '{' && (d[9] == '"' || d[9] == '}' || d[9] == ' ' || d[9] == '\n');
}

/* ---- the header's JSON -------------------------------------------------------------------------------------- */

struct text {
    const char *p, *end;
    struct convd_arena *mem;
    struct convd_faults *f;
};
static bool bad(struct text *t, const char *words)
{
    convd_fault(t->f, CONVD_BAD_IMAGE, NULL, "safetensors: %s", words);
    return false;
}
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
static bool hex4(const char *p, const char *end, uint32_t *v)
{
    *v = 0;
    if (end - p < 4)
        return false;
    for (int i = 0; i < 4; i++) {
        char c = p[i];
        uint32_t digit = c >= '0' && c <= '9'   ? (uint32_t)(c - '0')
                         : c >= 'a' && c <= 'f' ? (uint32_t)(c - 'a' + 10)
                         : c >= 'A' && c <= 'F' ? (uint32_t)(c - 'A' + 10)
                                                : 16;
        if (digit == 16)
            return false;
        *v = *v << 4 | digit;
    }
    return true;
}
static char *utf8(char *y, uint32_t v)
{
    if (v < 0x80) {
        *y++ = (char)v;
    } else if (v < 0x800) {
        *y++ = (char)(0xc0 | v >> 6);
        *y++ = (char)(0x80 | (v & 63));
    } else if (v < 0x10000) {
        *y++ = (char)(0xe0 | v >> 12);
        *y++ = (char)(0x80 | (v >> 6 & 63));
        *y++ = (char)(0x80 | (v & 63));
    } else {
        *y++ = (char)(0xf0 | v >> 18);
        *y++ = (char)(0x80 | (v >> 12 & 63));
        *y++ = (char)(0x80 | (v >> 6 & 63));
        *y++ = (char)(0x80 | (v & 63));
    }
    return y;
}
/* \uXXXX, with a second half where the first asks for one; p stands behind the u. */
static bool unicode(const char **p, const char *end, char **y)
{
    uint32_t v, low;
    if (!hex4(*p, end, &v))
        return false;
    *p += 4;
    if (v >= 0xd800 && v < 0xdc00) {
        if (end - *p < 6 || (*p)[0] != '\\' || (*p)[1] != 'u' || !hex4(*p + 2, end, &low) || low < 0xdc00 || low > 0xdfff)
            return false;
        *p += 6;
        v = 0x10000 + ((v - 0xd800) << 10) + (low - 0xdc00);
    } else if (v == 0 || (v >= 0xdc00 && v < 0xe000)) {
        return false;
    }
    *y = utf8(*y, v);
    return true;
}
/* Where the string that starts at p (behind its quote) ends; NULL when it does not. */
static const char *string_end(const char *p, const char *end)
{
    for (; p < end && *p != '"'; p++) {
        if ((unsigned char)*p < 32)
            return NULL;
        if (*p == '\\' && ++p == end)
            return NULL;
    }
    return p < end ? p : NULL;
}
/* A string without its quotes and escapes, in the arena. */
static const char *take_string(struct text *t)
{
    if (!take(t, '"'))
        return NULL;
    const char *end = string_end(t->p, t->end);
    char *s = end ? convd_arena_take(t->mem, (size_t)(end - t->p) + 1) : NULL, *y = s;
    if (!s)
        return NULL;
    for (const char *p = t->p; p < end;) {
        if (*p != '\\') {
            *y++ = *p++;
            continue;
        }
        static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
        char c = p[1];
        const char *at = strchr(from, c);
        p += 2;
        if (at && c)
            *y++ = to[at - from];
        else if (c != 'u' || !unicode(&p, end, &y))
            return NULL;
    }
    *y = 0;
    t->p = end + 1;
    return s;
}
static bool take_size(struct text *t, size_t *v)
{
    skip_blank(t);
    const char *start = t->p;
    for (*v = 0; t->p < t->end && *t->p >= '0' && *t->p <= '9'; t->p++)
        if (!convd_mul(*v, 10, v) || !convd_add(*v, (size_t)(*t->p - '0'), v) || *v > PTRDIFF_MAX)
            return false;
    return t->p > start && !(*start == '0' && t->p - start > 1);
}
/* [1, 2, 3]: at most most sizes. */
static bool take_sizes(struct text *t, size_t *v, int most, int *n)
{
    *n = 0;
    if (!take(t, '['))
        return false;
    if (take(t, ']'))
        return true;
    do {
        size_t one;
        if (!take_size(t, &one))
            return false;
        if (*n < most)
            v[*n] = one;
        ++*n;
    } while (take(t, ','));
    return take(t, ']');
}

/* ---- one tensor --------------------------------------------------------------------------------------------- */

static const struct {
    const char *name;
    char kind;
    int size;
} dtypes[] = {{"F64", 'f', 8}, {"F32", 'f', 4}, {"F16", 'f', 2}, {"BF16", 'b', 2}, {"I64", 'i', 8},
              {"I32", 'i', 4}, {"I16", 'i', 2}, {"I8", 'i', 1},  {"U64", 'u', 8},  {"U32", 'u', 4},
              {"U16", 'u', 2}, {"U8", 'u', 1},  {"BOOL", 'u', 1}};

/* What a tensor's object says, before it is compared with the file. */
struct entry {
    struct convd_stored stored;
    size_t begin, end;
};
static bool take_dtype(struct text *t, struct convd_stored *x)
{
    const char *s = take_string(t);
    for (size_t i = 0; s && i < sizeof dtypes / sizeof dtypes[0]; i++) {
        if (strcmp(dtypes[i].name, s) != 0)
            continue;
        x->kind = dtypes[i].kind;
        x->size = dtypes[i].size;
        return true;
    }
    convd_fault_expected(t->f, CONVD_BAD_IMAGE, NULL, "F64 F32 F16 BF16 I64 I32 I16 I8 U64 U32 U16 U8 BOOL",
                         "safetensors: numbers of type \"%.16s\"", s ? s : "");
    return false;
}
static bool take_shape(struct text *t, struct convd_stored *x)
{
    size_t v[RANK_MOST];
    if (!take_sizes(t, v, RANK_MOST, &x->rank))
        return bad(t, "a shape is not a list of sizes");
    if (x->rank > RANK_MOST) {
        convd_fault_expected(t->f, CONVD_BAD_SHAPE, NULL, "0 to 4 dimensions", "safetensors: tensor \"%.64s\" has %d", x->name,
                             x->rank);
        return false;
    }
    x->count = 1;
    for (int i = 0; i < x->rank; i++) {
        if (v[i] == 0) {
            convd_fault_expected(t->f, CONVD_BAD_SHAPE, NULL, "sizes of 1 or more", "safetensors: tensor \"%.64s\" is empty",
                                 x->name);
            return false;
        }
        if (!convd_mul(x->count, v[i], &x->count))
            return bad(t, "a shape describes more than memory can hold");
        x->dim[i] = (ptrdiff_t)v[i];
    }
    return true;
}
static bool take_entry(struct text *t, struct entry *e)
{
    static const char *const names[] = {"dtype", "shape", "data_offsets"};
    unsigned seen = 0;
    if (!take(t, '{'))
        return bad(t, "a tensor is not described by an object");
    do {
        const char *name = take_string(t);
        unsigned i = 0;
        while (name && i < 3 && strcmp(name, names[i]) != 0) i++;
        if (!name || i == 3 || seen & 1u << i || !take(t, ':'))
            return bad(t, "a tensor has dtype, shape and data_offsets, each once");
        seen |= 1u << i;
        size_t v[2];
        int n;
        if ((i == 0 && !take_dtype(t, &e->stored)) || (i == 1 && !take_shape(t, &e->stored)))
            return false;
        if (i == 2) {
            if (!take_sizes(t, v, 2, &n) || n != 2)
                return bad(t, "data_offsets are not two sizes");
            e->begin = v[0];
            e->end = v[1];
        }
    } while (take(t, ','));
    if (!take(t, '}') || seen != 7)
        return bad(t, "a tensor has dtype, shape and data_offsets, each once");
    return true;
}
/* {"format": "pt", …}: strings only; nothing of it is used. */
static bool skip_metadata(struct text *t)
{
    bool good = take(t, '{');
    if (good && take(t, '}'))
        return true;
    do {
        good = good && take_string(t) && take(t, ':') && take_string(t);
    } while (good && take(t, ','));
    return (good && take(t, '}')) || bad(t, "__metadata__ is not an object of strings");
}

/* ---- the file ----------------------------------------------------------------------------------------------- */

/* Entries in growing arena memory: doubled and copied, the old half stays behind in the arena. */
struct list {
    struct entry *at;
    size_t n, room;
};
static struct entry *grow(struct text *t, struct list *list)
{
    if (list->n == list->room) {
        size_t room = list->room ? 2 * list->room : 16;
        struct entry *at = convd_arena_array(t->mem, room, sizeof *at);
        if (!at) {
            convd_fault(t->f, CONVD_NO_MEMORY, NULL, "no memory for the header of a safetensors file");
            return NULL;
        }
        if (list->n)
            memcpy(at, list->at, list->n * sizeof *at);
        list->at = at;
        list->room = room;
    }
    return &list->at[list->n++];
}
static bool read_header(struct text *t, struct list *list)
{
    bool metadata = false;
    if (!take(t, '{'))
        return bad(t, "the header is not an object");
    if (!take(t, '}')) {
        do {
            const char *name = take_string(t);
            if (!name || !take(t, ':'))
                return bad(t, "the header is not an object of named tensors");
            if (strcmp(name, "__metadata__") == 0) {
                if (metadata)
                    return bad(t, "__metadata__ is there twice");
                metadata = true;
                if (!skip_metadata(t))
                    return false;
                continue;
            }
            struct entry *e = grow(t, list);
            if (!e)
                return false;
            *e = (struct entry){.stored.name = name};
            if (!take_entry(t, e))
                return false;
        } while (take(t, ','));
        if (!take(t, '}'))
            return bad(t, "the header does not end");
    }
    skip_blank(t);
    return t->p == t->end || bad(t, "there is text behind the header");
}
static int by_begin(const void *a, const void *b)
{
    const struct entry *x = *(const struct entry *const *)a, *y = *(const struct entry *const *)b;
    return x->begin != y->begin ? (x->begin < y->begin ? -1 : 1) : x->end < y->end ? -1 : x->end > y->end;
}
static int by_name(const void *a, const void *b)
{
    return strcmp((*(const struct entry *const *)a)->stored.name, (*(const struct entry *const *)b)->stored.name);
}
static bool check(struct text *t, const struct list *list, size_t bytes)
{
    const struct entry **sorted = convd_arena_array(t->mem, list->n + 1, sizeof *sorted);
    if (!sorted) {
        convd_fault(t->f, CONVD_NO_MEMORY, NULL, "no memory for the header of a safetensors file");
        return false;
    }
    for (size_t i = 0; i < list->n; i++) sorted[i] = &list->at[i];
    qsort(sorted, list->n, sizeof *sorted, by_name);
    for (size_t i = 1; i < list->n; i++)
        if (by_name(&sorted[i - 1], &sorted[i]) == 0)
            return bad(t, "two tensors have the same name");
    qsort(sorted, list->n, sizeof *sorted, by_begin);
    size_t at = 0;
    for (size_t i = 0; i < list->n; at = sorted[i++]->end) {
        const struct entry *e = sorted[i];
        size_t want;
        if (e->end < e->begin || e->end > bytes)
            return bad(t, "data_offsets lie outside of the file");
        if (e->begin != at)
            return bad(t, "tensors overlap, or there is a gap between them");
        if (!convd_mul(e->stored.count, (size_t)e->stored.size, &want) || want != e->end - e->begin)
            return bad(t, "data_offsets and shape do not agree");
    }
    return at == bytes || bad(t, "there are bytes behind the last tensor");
}
bool convd_safetensors_open(const void *data, size_t n, struct convd_stored **out, size_t *count, struct convd_arena *mem,
                            struct convd_faults *f)
{
    const uint8_t *d = data;
    struct text t = {.mem = mem, .f = f};
    size_t length = n >= 8 ? header_length(d) : 0;
    if (n < 8 || length > n - 8 || length > HEADER_MOST)
        return bad(&t, "the header is longer than the file or than 100 MB");
    t.p = (const char *)d + 8;
    t.end = t.p + length;
    struct list list = {0};
    if (length == 0 || *t.p != '{')
        return bad(&t, "the header is not an object");
    if (!read_header(&t, &list) || !check(&t, &list, n - 8 - length))
        return false;
    *out = convd_arena_array(mem, list.n + 1, sizeof **out);
    if (!*out) {
        convd_fault(f, CONVD_NO_MEMORY, NULL, "no memory for the header of a safetensors file");
        return false;
    }
    for (size_t i = 0; i < list.n; i++) {
        (*out)[i] = list.at[i].stored;
        (*out)[i].data = d + 8 + length + list.at[i].begin;
    }
    *count = list.n;
    return true;
}

/* ---- writing ------------------------------------------------------------------------------------------------ */

static bool put_text(struct convd_bytes *out, const char *s)
{
    return convd_bytes_put(out, s, strlen(s));
}
static bool put_name(struct convd_bytes *out, const char *s)
{
    bool good = put_text(out, "\"");
    for (; good && *s; s++) {
        char escaped[8];
        if (*s == '"' || *s == '\\')
            snprintf(escaped, sizeof escaped, "\\%c", *s);
        else if ((unsigned char)*s < 32)
            snprintf(escaped, sizeof escaped, "\\u%04x", (unsigned)*s);
        else
            snprintf(escaped, sizeof escaped, "%c", *s);
        good = put_text(out, escaped);
    }
    return good && put_text(out, "\"");
}
static bool put_entry(struct convd_bytes *out, const struct convd_tensor *t, size_t begin, size_t end)
{
    char text[96];
    bool good = put_name(out, t->name) && put_text(out, ":{\"dtype\":\"F32\",\"shape\":[");
    for (int i = 0; good && i < t->rank; i++) {
        snprintf(text, sizeof text, "%s%td", i ? "," : "", t->dim[i]);
        good = put_text(out, text);
    }
    snprintf(text, sizeof text, "],\"data_offsets\":[%zu,%zu]}", begin, end);
    return good && put_text(out, text);
}
static bool tensor_bytes(const struct convd_tensor *t, size_t *bytes)
{
    *bytes = sizeof(float);
    for (int i = 0; i < t->rank; i++)
        if (!convd_mul(*bytes, (size_t)t->dim[i], bytes))
            return false;
    return true;
}
static int by_tensor_name(const void *a, const void *b)
{
    return strcmp((*(const struct convd_tensor *const *)a)->name, (*(const struct convd_tensor *const *)b)->name);
}
static bool write_sorted(const struct convd_tensor *const *list, size_t n, struct convd_bytes *out)
{
    size_t start = out->n, at = 0, bytes;
    bool good = convd_bytes_put(out, "\0\0\0\0\0\0\0\0{", 9);
    for (size_t i = 0; good && i < n; i++, at += bytes)
        good = tensor_bytes(list[i], &bytes) && (i == 0 || put_text(out, ",")) && put_entry(out, list[i], at, at + bytes);
    good = good && put_text(out, "}");
    while (good && (out->n - start) % 8) good = put_text(out, " ");
    uint64_t length = out->n - start - 8;
    for (int i = 0; good && i < 8; i++) out->data[start + (size_t)i] = (uint8_t)(length >> 8 * i);
    good = good && convd_bytes_reserve(out, at);
    for (size_t i = 0; good && i < n; i++) good = tensor_bytes(list[i], &bytes) && convd_bytes_put(out, list[i]->data, bytes);
    if (!good)
        out->n = start;
    return good;
}
bool convd_safetensors_write(const struct convd_tensor *const *list, size_t n, struct convd_bytes *out)
{
    size_t bytes;
    if (!convd_mul(n + 1, sizeof *list, &bytes))
        return false;
    const struct convd_tensor **sorted = convd_take(out->memory, bytes);
    if (!sorted)
        return false;
    if (n)
        memcpy(sorted, list, n * sizeof *list);
    qsort(sorted, n, sizeof *sorted, by_tensor_name);
    bool good = write_sorted(sorted, n, out);
    convd_give(out->memory, sorted, bytes);
    return good;
}
