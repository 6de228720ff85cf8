/* settings.h: what the program may be told, by flag or environment. settings.def is the list. */
#ifndef SETTINGS_H
#define SETTINGS_H
#include <stdio.h>

#include "../api/api.h"

enum settings_type {
    SETTINGS_TEXT,     /* const char *; "" when not given                        */
    SETTINGS_SIZE,     /* size_t: bytes or a count; takes k M G Ki Mi Gi         */
    SETTINGS_NUMBER,   /* double; the same suffixes                              */
    SETTINGS_DURATION, /* int64_t, milliseconds; takes ms s m h, without one: s  */
    SETTINGS_WORD,     /* int: index into the words of unit ("text|json")        */
    SETTINGS_LIST,     /* struct settings_list: separated by commas              */
};
enum settings_use { SETTINGS_SERVE = 1, SETTINGS_LIMIT = 2, SETTINGS_LIMIT_SERVE = 4, SETTINGS_DATA = 8, SETTINGS_CLIENT = 16 };
enum { LOG_TEXT, LOG_JSON }; /* log_format */

struct settings_list {
    size_t n;
    const char *const *v;
};

#define SETTINGS_FIELD_TEXT     const char *
#define SETTINGS_FIELD_SIZE     size_t
#define SETTINGS_FIELD_NUMBER   double
#define SETTINGS_FIELD_DURATION int64_t
#define SETTINGS_FIELD_WORD     int
#define SETTINGS_FIELD_LIST     struct settings_list

/* Everything in force; "auto" values are settled. Strings live as long as the struct. */
struct settings {
#define SETTING(TYPE, NAME, ...) SETTINGS_FIELD_##TYPE NAME;
#include "settings.def"
#undef SETTING
    struct settings_list keys; /* the lines of the api_keys file; n == 0: no key is asked for */
    struct convd_arena mem;
};

struct settings_row {
    const char *name; /* the field: "max_body" */
    enum settings_type type;
    size_t offset;
    const char *def;
    double lo, hi; /* of SIZE, NUMBER, DURATION (ms) */
    const char *unit, *flag, *env;
    enum settings_use use;
    const char *help;
};
extern const struct settings_row settings_rows[]; /* ends with name NULL */

/* Defaults, then the environment (unknown CONVD_* names are warned of on err; NULL: no environment). False after a line
 * on err. */
bool settings_init(struct settings *s, char *const *environment, FILE *err);
void settings_release(struct settings *s);
/* Tries argv[*i] (and the word behind it) as a flag of one of the uses; moves *i past what it took. 1: taken, 0: not a
 * flag of ours, -1: wrong, said on err. */
int settings_flag(struct settings *s, unsigned uses, int argc, char *const *argv, int *i,
                  FILE *err);
/* Settles what depends on the machine or on other settings. */
void settings_settle(struct settings *s);
/* Reads the api_keys file into keys, if there is one. False after a line on err. */
bool settings_keys(struct settings *s, FILE *err);

/* The part that api wants. */
struct api_limits settings_limits(const struct settings *s);
/* Appends the rows of the given uses as JSON members without braces: "max_body":33554432,"timeout_ms":30000. */
bool settings_json(const struct settings *s, unsigned uses, struct convd_bytes *out);
/* Prints the rows of the given uses for --help: flag, unit, help, default. */
void settings_help(unsigned uses, FILE *out);
#endif
