/* settings_number.h: numbers as people write them: 32Mi, 64M, 1e12; durations: 30s, 500ms, 2m. */
#ifndef SETTINGS_NUMBER_H
#define SETTINGS_NUMBER_H
#include <stdbool.h>

/* A finite number, not negative, with k M G T (1000) or Ki Mi Gi Ti (1024) behind it. */
bool settings_number(const char *text, double *out);
/* Milliseconds; ms, s, m or h behind the number, s when nothing is. */
bool settings_duration(const char *text, double *out);
#endif
