/* code.h: a planned pipeline as a program in another library's words. Each op's row holds its own (core/op.h: torch, opencv,
 * helpers); what is here walks the graph, writes parameters and weights as Python, and gathers the helpers that are used.
 *
 * A template is an expression. In it stand
 *
 *     {x} {x0} {x1} …      the input, one of several            {xs}          all of them: a, b, c
 *     {join: + }           all inputs, this between them        {n}           how many
 *     {PARAM}              a parameter: 2, (2, 2), "reflect", None; paddings as (top, left, bottom, right)
 *     {WEIGHT:8,3,3,3}     a weight or kernel with those dimensions; an init makes so many numbers
 *     {x.c} {x.h} {x.w} {y.c} {y.h} {y.w}                       shapes
 *     $name                a helper: the op's own, or one of the language's; it is printed before it is used
 */
#ifndef API_CODE_H
#define API_CODE_H
#include "work.h"

struct api_language {
    const char *name;                     /* as ?format= says it                                       */
    const char *library;                  /* "PyTorch"                                                 */
    const char *imports;                  /* lines behind those of Python's own                        */
    const struct convd_helper *helpers;   /* ends with a name that is NULL                             */
    /* The template of a step; NULL: there is none. */
    const char *(*words)(const struct convd_op *op, const struct convd_site *s, struct convd_arena *mem);
    const char *array;                    /* $helper that makes an array of a list of numbers and dimensions */
};
/* The last lines of a program, without and with tensors to read; templates without values. */
extern const char api_python_main[], api_python_main_tensors[];
extern const struct api_language api_pytorch, api_opencv;

/* Appends the program to w->body. False after a fault (NOT_EXPRESSIBLE at each step that has no words). */
bool api_code_write(struct api_work *w, const struct api_language *language);
/* The graph as a Mermaid flowchart. */
bool api_mermaid_write(struct api_work *w);
#endif
