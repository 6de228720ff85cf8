/* value.c: looking at values; see value.h. */
#include "value.h"
#include <stdio.h>
#include <string.h>

const char *convd_kind_word(enum convd_kind kind)
{
    static const char *const words[] = {"null", "true or false", "a number", "a string", "an array", "an object"};
    return words[kind];
}

const struct convd_value *convd_value_get(const struct convd_value *v, const char *name)
{
    if (!v || v->kind != CONVD_OBJECT)
        return NULL;
    for (uint32_t i = 0; i < v->n; i++)
        if (strcmp(v->members[i].name, name) == 0)
            return &v->members[i].value;
    return NULL;
}

bool convd_value_equal(const struct convd_value *a, const struct convd_value *b)
{
    if (a->kind != b->kind)
        return false;
    switch (a->kind) {
    case CONVD_NULL: return true;
    case CONVD_BOOL: return a->boolean == b->boolean;
    case CONVD_NUMBER: return a->number == b->number;
    case CONVD_STRING: return strcmp(a->string, b->string) == 0;
    case CONVD_ARRAY: break;
    case CONVD_OBJECT: break;
    }
    if (a->n != b->n)
        return false;
    for (uint32_t i = 0; i < a->n; i++) {
        if (a->kind == CONVD_ARRAY && !convd_value_equal(&a->items[i], &b->items[i]))
            return false;
        if (a->kind == CONVD_OBJECT) {
            const struct convd_value *other = convd_value_get(b, a->members[i].name);
            if (!other || !convd_value_equal(&a->members[i].value, other))
                return false;
        }
    }
    return true;
}

const char *convd_value_show(struct convd_arena *mem, const struct convd_value *v)
{
    enum { SHOWN = 40 };
    const char *s = NULL;
    switch (v->kind) {
    case CONVD_NULL: s = "null"; break;
    case CONVD_BOOL: s = v->boolean ? "true" : "false"; break;
    case CONVD_NUMBER: s = convd_arena_printf(mem, "%.10g", v->number); break;
    case CONVD_STRING: {
        size_t n = strlen(v->string);
        size_t cut = n > SHOWN ? SHOWN : n;
        while (cut > 0 && cut < n && ((unsigned char)v->string[cut] & 0xC0) == 0x80)
            cut--; /* never half a UTF-8 character */
        s = convd_arena_printf(mem, "\"%.*s%s\"", (int)cut, v->string, n > cut ? "…" : "");
        break;
    }
    case CONVD_ARRAY: s = convd_arena_printf(mem, "an array of %u", (unsigned)v->n); break;
    case CONVD_OBJECT: s = "an object"; break;
    }
    return s ? s : "";
}
