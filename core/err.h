/* err.h: faults from the inside: adding them, and the place where we are. */
#ifndef CONVD_ERR_H
#define CONVD_ERR_H
#include "arena.h"

struct convd_faults {
    struct convd_arena *mem;      /* strings and faults live here                               */
    struct convd_arena own;       /* used as mem by convd_faults_new                            */
    struct convd_fault *first, *last;
    size_t n, most;               /* most: later ones are counted, not kept (default 64)        */
    struct convd_fault spare;     /* what a full list hands out: written, never shown           */
    const char *segment;          /* copied into every fault: the chain segment being looked at */
    bool closed;                  /* what is below this place was not written by who will read it */
    const char *(*spell)(const void *speller, const char *member); /* how a member of this place was written; NULL: so */
    const void *speller;
    size_t hidden;                /* how far below it we are: entered, and not said             */
    size_t len;                   /* of place                                                   */
    char place[512];              /* JSON Pointer of what is being looked at                    */
};

void convd_faults_init(struct convd_faults *f, struct convd_arena *mem);

/* Goes down into a member or an item; returns the mark that leave wants. The name is escaped as RFC 6901 says. What is
 * closed, or too long to say, is left out: the pointer is that of what it stands in, and there in any case. */
size_t convd_mark(const struct convd_faults *f); /* that mark, without going anywhere */
size_t convd_enter(struct convd_faults *f, const char *member);
size_t convd_enter_item(struct convd_faults *f, size_t index);
void convd_leave(struct convd_faults *f, size_t mark);
/* Sets the whole place (a pointer that is already escaped), which is open then: pair with convd_leave(f, 0). */
void convd_place_set(struct convd_faults *f, const char *pointer);

/* Adds a fault at place/member (member NULL or "": at the place itself). The detail is what was found, in words. Always
 * returns the fault so that expected, suggestion, limit and actual can be filled in; never NULL (without memory it is
 * a spare that is not in the list, but n counts). */
struct convd_fault *convd_fault(struct convd_faults *f, int code, const char *member, const char *detail, ...)
    __attribute__((format(printf, 4, 5)));
/* The same with the words of what would work. */
struct convd_fault *convd_fault_expected(struct convd_faults *f, int code, const char *member, const char *expected,
                                         const char *detail, ...) __attribute__((format(printf, 5, 6)));
/* For limits: detail and both numbers. */
struct convd_fault *convd_fault_limit(struct convd_faults *f, int code, const char *member, double limit, double actual,
                                      const char *detail, ...) __attribute__((format(printf, 6, 7)));

/* The nearest of the names (n of them, by get(arg, i)) to word, or NULL when none is near: Damerau-Levenshtein
 * distance at most a third of the longer. */
const char *convd_nearest(const char *word, const char *(*get)(const void *arg, size_t i), const void *arg, size_t n);
#endif
