/* settings.c: from flags and environment to struct settings, by rows. Numbers and durations are in settings_number.c. */
#include "settings.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "../core/simd/simd.h"
#include "../core/threads.h"
#include "machine.h"
#include "settings_number.h"

const struct settings_row settings_rows[] = {
#define SETTING(TYPE, NAME, DEF, LO, HI, UNIT, FLAG, ENV, USE, HELP)                               \
    {.name = #NAME,                                                                                \
     .type = SETTINGS_##TYPE,                                                                      \
     .offset = offsetof(struct settings, NAME),                                                    \
     .def = DEF,                                                                                   \
     .lo = LO,                                                                                     \
     .hi = HI,                                                                                     \
     .unit = UNIT,                                                                                 \
     .flag = FLAG,                                                                                 \
     .env = ENV,                                                                                   \
     .use = SETTINGS_##USE,                                                                        \
     .help = HELP},
#include "settings.def"
#undef SETTING
    {.name = NULL},
};

static void *field(struct settings *s, const struct settings_row *row)
{
    return (char *)s + row->offset;
}

/* The index of word in "text|json", or -1. */
static int word_index(const char *words, const char *word)
{
    size_t n = strlen(word);
    for (int i = 0;; i++) {
        size_t len = strcspn(words, "|");
        if (len == n && memcmp(words, word, n) == 0) return i;
        if (!words[len]) return -1;
        words += len + 1;
    }
}

static bool split(struct convd_arena *mem, const char *text, struct settings_list *list)
{
    size_t n = 1;
    for (const char *p = text; *p; p++) n += *p == ',';
    const char **v = convd_arena_array(mem, n, sizeof *v);
    *list = (struct settings_list){.v = v};
    while (v && *text) {
        size_t len = strcspn(text, ",");
        if (len > 0 && !(v[list->n++] = convd_arena_text(mem, text, len))) return false;
        text += len + (text[len] == ',');
    }
    return v != NULL;
}

static bool set_number(void *to, const struct settings_row *row, const char *text,
                       const char *where, FILE *err)
{
    double x;
    bool automatic = strcmp(row->def, "auto") == 0 && strcmp(text, "auto") == 0;
    if (automatic) {
        x = 0;
    } else if (row->type == SETTINGS_DURATION ? !settings_duration(text, &x)
                                              : !settings_number(text, &x)) {
        fprintf(err, "convd: %s: \"%.80s\" is not %s\n", where, text,
                row->type == SETTINGS_DURATION ? "a duration such as 30s, 500ms or 2m"
                                               : "a number such as 4096, 32Mi or 64M");
        return false;
    } else if (x < row->lo || x > row->hi) {
        const char *unit = row->type == SETTINGS_DURATION ? "ms" : row->unit;
        fprintf(err, "convd: %s: %.80s is out of range: from %.15g to %.15g %s\n", where, text,
                row->lo, row->hi, unit);
        return false;
    }
    switch (row->type) {
    case SETTINGS_SIZE:
        if ((double)(size_t)x < x) {
            fprintf(err, "convd: %s: %.80s is not a whole number\n", where, text);
            return false;
        }
        *(size_t *)to = (size_t)x;
        return true;
    case SETTINGS_DURATION:
        *(int64_t *)to = (int64_t)x;
        return true;
    default:
        *(double *)to = x;
        return true;
    }
}

/* Reads text into the row's field; where ("--max-body" or "CONVD_MAX_BODY") begins the words of what is wrong. */
static bool set(struct settings *s, const struct settings_row *row, const char *text,
                const char *where, FILE *err)
{
    void *to = field(s, row);
    switch (row->type) {
    case SETTINGS_TEXT:
        return (*(const char **)to = convd_arena_text(&s->mem, text, strlen(text))) != NULL;
    case SETTINGS_LIST:
        return split(&s->mem, text, to);
    case SETTINGS_WORD:
        if ((*(int *)to = word_index(row->unit, text)) >= 0) return true;
        fprintf(err, "convd: %s: \"%.80s\" is not one of %s\n", where, text, row->unit);
        return false;
    default:
        return set_number(to, row, text, where, err);
    }
}

static const char *env_name(const void *unused, size_t i)
{
    (void)unused;
    return settings_rows[i].env;
}

static bool read_environment(struct settings *s, char *const *environment, FILE *err)
{
    bool ok = true;
    for (; *environment; environment++) {
        const char *eq = strchr(*environment, '=');
        if (strncmp(*environment, "CONVD_", 6) != 0 || !eq) continue;
        char name[128];
        snprintf(name, sizeof name, "%.*s", (int)(eq - *environment), *environment);
        const struct settings_row *row = settings_rows;
        while (row->name && strcmp(row->env, name) != 0) row++;
        if (row->name) {
            ok &= set(s, row, eq + 1, name, err);
        } else if (strcmp(name, "CONVD_ISA") == 0) { /* read where plans are made */
            const char *used = convd_simd_choose(eq + 1)->name;
            if (eq[1] && strcmp(used, eq + 1) != 0)
                fprintf(err, "convd: CONVD_ISA: \"%.80s\" does not run here; %s is used\n", eq + 1,
                        used);
        } else {
            const char *near = convd_nearest(name, env_name, NULL,
                                             sizeof settings_rows / sizeof *settings_rows - 1);
            fprintf(err, "convd: %s in the environment is no setting and is ignored%s%s\n", name,
                    near ? "; the nearest is " : "", near ? near : "");
        }
    }
    return ok;
}

bool settings_init(struct settings *s, char *const *environment, FILE *err)
{
    *s = (struct settings){0};
    convd_arena_init(&s->mem, NULL, 0);
    bool ok = true;
    for (const struct settings_row *row = settings_rows; row->name; row++)
        ok &= set(s, row, row->def, row->flag, err);
    return ok && (!environment || read_environment(s, environment, err));
}

void settings_release(struct settings *s)
{
    convd_arena_release(&s->mem);
}

int settings_flag(struct settings *s, unsigned uses, int argc, char *const *argv, int *i, FILE *err)
{
    const char *word = argv[*i];
    size_t n = strcspn(word, "=");
    for (const struct settings_row *row = settings_rows; row->name; row++) {
        if (!(row->use & uses) || strlen(row->flag) != n || memcmp(row->flag, word, n) != 0)
            continue;
        const char *value = word[n] == '=' ? word + n + 1 : NULL;
        if (!value && *i + 1 >= argc) {
            fprintf(err, "convd: %s wants a value: %s %s\n", row->flag, row->flag, row->unit);
            return -1;
        }
        if (!value) value = argv[++*i];
        ++*i;
        return set(s, row, value, row->flag, err) ? 1 : -1;
    }
    return 0;
}

/* The keys of the file, one a line; blank lines and lines that begin with # do not count. */
bool settings_keys(struct settings *s, FILE *err)
{
    if (!*s->api_keys) return true;
    FILE *f = fopen(s->api_keys, "r");
    if (!f) {
        fprintf(err, "convd: --api-keys: cannot open %s: %s\n", s->api_keys, strerror(errno));
        return false;
    }
    enum { MOST = 1024, LONGEST = 512 };
    const char **keys = convd_arena_array(&s->mem, MOST, sizeof *keys);
    char line[LONGEST];
    bool ok = keys != NULL;
    for (size_t number = 1; ok && fgets(line, sizeof line, f); number++) {
        size_t n = strcspn(line, "\n");
        bool whole = line[n] == '\n' || feof(f);
        while (n > 0 && strchr(" \t\r", line[n - 1])) n--;
        if (whole && (n == 0 || line[0] == '#')) continue;
        if (!whole || s->keys.n == MOST) {
            fprintf(err, "convd: --api-keys: %s, line %zu: %s\n", s->api_keys, number,
                    whole ? "more than 1024 keys" : "a key is longer than 510 bytes");
            ok = false;
        } else {
            ok = (keys[s->keys.n++] = convd_arena_text(&s->mem, line, n)) != NULL;
        }
    }
    fclose(f);
    s->keys.v = keys;
    if (ok && s->keys.n == 0) {
        fprintf(err, "convd: --api-keys: %s holds no key; one a line is wanted\n", s->api_keys);
        ok = false;
    }
    return ok;
}

void settings_settle(struct settings *s)
{
    if (s->workers == 0) s->workers = convd_usable_threads();
    if (s->queue_depth == 0) s->queue_depth = 16 * s->workers;
    if (s->memory_budget == 0) s->memory_budget = machine_memory() / 2;
    if (s->max_memory > s->memory_budget) s->max_memory = s->memory_budget;
}

struct api_limits settings_limits(const struct settings *s)
{
    return (struct api_limits){
        .plan = {.memory = s->max_memory,
                 .macs = s->max_macs,
                 .steps = s->max_steps,
                 .kernel = (ptrdiff_t)s->max_kernel},
        .max_pixels = s->max_pixels,
        .max_side = (ptrdiff_t)s->max_side,
    };
}

bool settings_json(const struct settings *s, unsigned uses, struct convd_bytes *out)
{
    const char *comma = "";
    for (const struct settings_row *row = settings_rows; row->name; row++) {
        if (!(row->use & uses)) continue;
        const void *from = (const char *)s + row->offset;
        char text[160];
        int n = 0;
        switch (row->type) {
        case SETTINGS_SIZE:
            n = snprintf(text, sizeof text, "%s\"%s\":%zu", comma, row->name,
                         *(const size_t *)from);
            break;
        case SETTINGS_NUMBER:
            n = snprintf(text, sizeof text, "%s\"%s\":%.15g", comma, row->name,
                         *(const double *)from);
            break;
        case SETTINGS_DURATION:
            n = snprintf(text, sizeof text, "%s\"%s_ms\":%lld", comma, row->name,
                         (long long)*(const int64_t *)from);
            break;
        default:
            continue; /* texts and lists may be secrets or paths: they are not shown */
        }
        if (!convd_bytes_put(out, text, (size_t)n)) return false;
        comma = ",";
    }
    return true;
}

void settings_help(unsigned uses, FILE *out)
{
    for (const struct settings_row *row = settings_rows; row->name; row++) {
        if (!(row->use & uses)) continue;
        char left[64];
        snprintf(left, sizeof left, "%s %s", row->flag, row->unit);
        fprintf(out, "  %-29s %s%s%s%s\n", left, row->help, *row->def ? " (" : "", row->def,
                *row->def ? ")" : "");
    }
}
