/* code_inner.h: what code.c (the program) and code_values.c (templates, parameters, weights) share. */
#ifndef API_CODE_INNER_H
#define API_CODE_INNER_H
#include "code.h"

/* A program in the making. */
struct api_program {
    struct api_work *w;
    struct convd_arena *mem;
    const struct api_language *language;
    const char **name; /* of each node's value        */
    const struct convd_helper **used;
    size_t n_used, room_used;
    struct convd_bytes helpers, weights, body;
    bool failed;
};
/* Where the value inside braces comes from. */
struct api_program_step {
    int node;
    const struct convd_node *n;
    const struct convd_site *site;
};

void api_code_bytes(struct api_program *c, struct convd_bytes *out, const char *s, size_t n);
void api_code_put(struct api_program *c, struct convd_bytes *out, const char *s); /* NULL: no memory */
#define PUTF(c, out, ...) api_code_put(c, out, convd_arena_printf((c)->mem, __VA_ARGS__))
/* Writes text, $name without its sign; the helper it names (op's own, or the language's) is printed first. */
void api_code_text(struct api_program *c, struct convd_bytes *out, const struct convd_op *op, const char *s);
/* The step's template into the body, weights among the weights. */
void api_code_expand(struct api_program *c, const struct api_program_step *p, const char *s);
/* A name as Python writes it between quotes. */
const char *api_code_quoted(struct api_program *c, const char *name);
#endif
