/* catalogue.h: what the parts of the catalogue share. */
#ifndef API_CATALOGUE_H
#define API_CATALOGUE_H
#include "json.h"
#include "api.h"
#include "../core/param.h"

/* "name":"text", or nothing where text is NULL. */
void api_member(struct api_json *j, const char *name, const char *text);
/* "a b c" as ["a","b","c"]. */
void api_words(struct api_json *j, const char *name, const char *list);
/* "params":[…] */
void api_params(struct api_json *j, const struct convd_param *rows, struct convd_arena *mem);
#endif
