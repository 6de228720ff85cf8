/* reply_raw.h: a whole answer as text, for the places where the library cannot be asked to send one: in the
 * middle of a body, and from the timer. */
#ifndef REPLY_RAW_H
#define REPLY_RAW_H
#include <stdbool.h>
#include <stddef.h>

/* Writes status line, headers and problem+json of a code to text; returns its length (0: no room). detail is
 * words of ours: nothing in it needs escaping. */
size_t reply_raw(char *text, size_t room, int code, const char *id, const char *detail, bool retry_after);
#endif
