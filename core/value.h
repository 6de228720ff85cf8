/* value.h: what a spec or an argument text says, before anybody knows what it means: core's own small tree, so that
 * JSON stays outside. Values are immutable and live in the arena of whoever made them. */
#ifndef CONVD_VALUE_H
#define CONVD_VALUE_H
#include "arena.h"

enum convd_kind { CONVD_NULL, CONVD_BOOL, CONVD_NUMBER, CONVD_STRING, CONVD_ARRAY, CONVD_OBJECT };

struct convd_member;
struct convd_value {
    enum convd_kind kind;
    uint32_t n; /* items or members */
    union {
        bool boolean;
        double number;
        const char *string;
        const struct convd_value *items;
        const struct convd_member *members;
    };
};
struct convd_member {
    const char *name;
    struct convd_value value;
};

const char *convd_kind_word(enum convd_kind kind); /* "a number", "an array", … */
/* The member of that name, or NULL (also when v is no object). */
const struct convd_value *convd_value_get(const struct convd_value *v, const char *name);
bool convd_value_equal(const struct convd_value *a, const struct convd_value *b);
/* Shows a value in a fault's words: short, cut, never with control characters. */
const char *convd_value_show(struct convd_arena *mem, const struct convd_value *v);

static inline struct convd_value convd_number(double x) { return (struct convd_value){.kind = CONVD_NUMBER, .number = x}; }
static inline struct convd_value convd_string(const char *s) { return (struct convd_value){.kind = CONVD_STRING, .string = s}; }
static inline struct convd_value convd_boolean(bool b) { return (struct convd_value){.kind = CONVD_BOOL, .boolean = b}; }
#endif
