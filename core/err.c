/* err.c: the list of faults and the place being looked at; see err.h. */
#include "err.h"
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define KEEP_MOST 64 /* a hostile spec of 100,000 faults hears of the first 64 */

const char *convd_code_word(int code)
{
    static const char *const words[] = {
        [CONVD_OK] = "ok",
#define FAULT(NAME, WORD, SUMMARY) [CONVD_##NAME] = WORD,
#include "faults.def"
#undef FAULT
    };
    return code >= 0 && code < CONVD_CODES ? words[code] : NULL;
}

void convd_faults_init(struct convd_faults *f, struct convd_arena *mem)
{
    memset(f, 0, sizeof *f);
    f->mem = mem;
    f->most = KEEP_MOST;
}

struct convd_faults *convd_faults_new(void)
{
    struct convd_faults *f = malloc(sizeof *f);
    if (!f)
        return NULL;
    convd_faults_init(f, NULL);
    convd_arena_init(&f->own, NULL, 0);
    f->mem = &f->own;
    return f;
}

void convd_faults_free(struct convd_faults *f)
{
    if (!f)
        return;
    convd_arena_release(&f->own);
    free(f);
}

size_t convd_faults_count(const struct convd_faults *f)
{
    return f->n;
}

const struct convd_fault *convd_faults_first(const struct convd_faults *f)
{
    return f->first;
}

enum { HIDDEN_SHIFT = 16 }; /* a mark is both: places are shorter than that */

size_t convd_mark(const struct convd_faults *f)
{
    return f->len | f->hidden << HIDDEN_SHIFT;
}

/* Appends one reference token to the place, escaped as RFC 6901 says. */
size_t convd_enter(struct convd_faults *f, const char *member)
{
    const size_t mark = convd_mark(f), start = f->len, most = sizeof f->place - 3;
    bool fits = !f->closed && f->hidden == 0 && start < most;
    if (fits) f->place[f->len++] = '/';
    for (const char *s = member; fits && *s; s++) {
        const bool escaped = *s == '~' || *s == '/';
        fits = f->len < most;
        if (escaped) f->place[f->len++] = '~';
        f->place[f->len++] = !escaped ? *s : *s == '~' ? '0' : '1';
    }
    if (!fits) {
        f->len = start;
        f->hidden++;
    }
    f->place[f->len] = '\0';
    return mark;
}

size_t convd_enter_item(struct convd_faults *f, size_t index)
{
    char digits[24];
    snprintf(digits, sizeof digits, "%zu", index);
    return convd_enter(f, digits);
}

void convd_leave(struct convd_faults *f, size_t mark)
{
    f->len = mark & (((size_t)1 << HIDDEN_SHIFT) - 1);
    f->hidden = mark >> HIDDEN_SHIFT;
    f->place[f->len] = '\0';
}

void convd_place_set(struct convd_faults *f, const char *pointer)
{
    size_t n = strlen(pointer);
    if (n > sizeof f->place - 1)
        n = sizeof f->place - 1;
    memcpy(f->place, pointer, n);
    f->closed = false;
    f->spell = NULL;
    convd_leave(f, n);
}

/* Control characters never reach a log or a body through a fault's words. */
static char *clean(char *s)
{
    for (char *c = s; c && *c; c++)
        if ((unsigned char)*c < ' ' || *c == 127)
            *c = '?';
    return s;
}

static char *words(struct convd_arena *mem, const char *format, va_list args)
{
    va_list again;
    va_copy(again, args);
    int n = vsnprintf(NULL, 0, format, again);
    va_end(again);
    char *p = n < 0 ? NULL : convd_arena_take(mem, (size_t)n + 1);
    if (p)
        vsnprintf(p, (size_t)n + 1, format, args);
    return clean(p);
}

static struct convd_fault *add(struct convd_faults *f, int code, const char *member, const char *format, va_list args)
{
    f->n++;
    struct convd_fault *x = f->n <= f->most ? convd_arena_zero(f->mem, sizeof *x) : NULL;
    if (!x) {
        f->spare = (struct convd_fault){.code = code, .pointer = "", .detail = "", .limit = NAN, .actual = NAN};
        return &f->spare;
    }
    if (f->spell && member && *member) member = f->spell(f->speller, member);
    size_t mark = member && *member ? convd_enter(f, member) : convd_mark(f);
    const char *pointer = convd_arena_text(f->mem, f->place, f->len);
    convd_leave(f, mark);
    const char *detail = words(f->mem, format, args);
    *x = (struct convd_fault){.code = code, .pointer = pointer ? pointer : "", .detail = detail ? detail : "",
                              .segment = f->segment, .limit = NAN, .actual = NAN};
    if (f->last)
        f->last->next = x;
    else
        f->first = x;
    f->last = x;
    return x;
}

struct convd_fault *convd_fault(struct convd_faults *f, int code, const char *member, const char *detail, ...)
{
    va_list args;
    va_start(args, detail);
    struct convd_fault *x = add(f, code, member, detail, args);
    va_end(args);
    return x;
}

struct convd_fault *convd_fault_expected(struct convd_faults *f, int code, const char *member, const char *expected,
                                         const char *detail, ...)
{
    va_list args;
    va_start(args, detail);
    struct convd_fault *x = add(f, code, member, detail, args);
    va_end(args);
    if (x != &f->spare)
        x->expected = convd_arena_text(f->mem, expected, strlen(expected));
    return x;
}

struct convd_fault *convd_fault_limit(struct convd_faults *f, int code, const char *member, double limit, double actual,
                                      const char *detail, ...)
{
    va_list args;
    va_start(args, detail);
    struct convd_fault *x = add(f, code, member, detail, args);
    va_end(args);
    x->limit = limit;
    x->actual = actual;
    return x;
}

/* Damerau-Levenshtein distance (adjacent transpositions count 1) of words of at most 63 characters; more is far. */
static size_t distance(const char *a, const char *b)
{
    enum { MOST = 64 };
    size_t n = strlen(a), m = strlen(b);
    if (n >= MOST || m >= MOST)
        return n > m ? n : m; /* as far as words can be */
    size_t d[3][MOST];
    for (size_t j = 0; j <= m; j++)
        d[0][j] = j;
    for (size_t i = 1; i <= n; i++) {
        size_t *row = d[i % 3], *up = d[(i - 1) % 3], *up2 = d[(i + 1) % 3];
        row[0] = i;
        for (size_t j = 1; j <= m; j++) {
            size_t best = up[j - 1] + (a[i - 1] != b[j - 1]);
            if (up[j] + 1 < best)
                best = up[j] + 1;
            if (row[j - 1] + 1 < best)
                best = row[j - 1] + 1;
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] && up2[j - 2] + 1 < best)
                best = up2[j - 2] + 1;
            row[j] = best;
        }
    }
    return d[n % 3][m];
}

const char *convd_nearest(const char *word, const char *(*get)(const void *arg, size_t i), const void *arg, size_t n)
{
    const char *best = NULL;
    size_t best_d = SIZE_MAX;
    for (size_t i = 0; i < n; i++) {
        const char *name = get(arg, i);
        if (!name)
            break;
        size_t longer = strlen(word) > strlen(name) ? strlen(word) : strlen(name);
        size_t d = distance(word, name);
        if (d * 3 <= longer + 1 && d < best_d) {
            best = name;
            best_d = d;
        }
    }
    return best;
}
