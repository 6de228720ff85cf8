/* settings_number.c: numbers with a unit behind them. */
#include "settings_number.h"

#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

struct unit {
    const char *word;
    double times;
};
static const struct unit sizes[] = {
    {"", 1},     {"k", 1e3},     {"K", 1e3},        {"M", 1e6},           {"G", 1e9},
    {"T", 1e12}, {"Ki", 1024.0}, {"Mi", 1048576.0}, {"Gi", 1073741824.0}, {"Ti", 1099511627776.0},
    {NULL, 0.0}};
static const struct unit durations[] = {{"", 1e3},   {"ms", 1},     {"s", 1e3},
                                        {"m", 60e3}, {"h", 3600e3}, {NULL, 0}};

/* strtod also takes signs, blanks, hexadecimal, "inf" and "nan": only digits and a point may begin a number here. */
static bool read(const char *text, const struct unit *unit, double *out)
{
    char *end;
    if (!isdigit((unsigned char)text[0]) || text[1] == 'x' || text[1] == 'X') return false;
    double x = strtod(text, &end);
    while (unit->word && strcmp(unit->word, end) != 0) unit++;
    *out = x * unit->times;
    return unit->word && isfinite(*out);
}

bool settings_number(const char *text, double *out)
{
    return read(text, sizes, out);
}

bool settings_duration(const char *text, double *out)
{
    return read(text, durations, out);
}
