/* json.h: the strict front door for JSON, and the writer that every JSON answer goes through.
 *
 * Reading: RFC 8259 and nothing else. A scan of our own checks grammar, UTF-8, depth and counts before cJSON sees the
 * text, then cJSON builds its tree, and the tree becomes a struct convd_value. Line and column are in the words. */
#ifndef API_JSON_H
#define API_JSON_H
#include "../core/err.h"
#include "../core/image/image.h"
#include "../core/value.h"

enum {
    API_JSON_DEPTH = 32,              /* arrays and objects inside each other                                      */
    API_JSON_NUMBERS = 262144,        /* numbers in one text                                                       */
    API_JSON_VALUES = 1048576,        /* values of any kind in one text: what the tree may cost                    */
    API_JSON_DIGITS = 63,             /* characters of one number: cJSON reads no more                             */
    API_PIPELINE_TEXT = 1024 * 1024,  /* bytes of a pipeline's text                                                */
};

/* Makes cJSON take its memory from the arena of the call that parses. Called once before the first parse, by
 * api_library_new; more calls do nothing. */
void api_json_setup(void);

/* Parses n bytes of text (no NUL needed) of at most `most` bytes into *out, all of it in mem. Faults: API_BAD_JSON (a
 * duplicate member has its pointer), API_BODY_TOO_LARGE, CONVD_NO_MEMORY. Strings longer than 63 bytes are copied once. */
bool api_json_parse(const char *text, size_t n, size_t most, struct convd_arena *mem, struct convd_faults *f,
                    struct convd_value *out);
/* The grammar alone: true when the text may be given to cJSON. */
bool api_json_scan(const char *text, size_t n, struct convd_faults *f);

/* Bytes of the character (not ASCII) at p; 0 when it is none: overlong, a surrogate, above U+10FFFF, cut at end. */
size_t api_utf8_length(const uint8_t *p, const uint8_t *end);
/* Where text stops being UTF-8; n when it does not. */
size_t api_utf8_broken(const char *text, size_t n);

/* ---- writing ---- */

/* Commas and colons come by themselves. `failed` stays set once memory ran out; look at it at the end. */
struct api_json {
    struct convd_bytes *out;
    uint64_t filled;    /* bit d: the array or object of depth d has something  */
    uint64_t objects;   /* bit d: it is an object                               */
    unsigned depth;
    bool after_key;
    bool failed;
};
struct api_json api_json_to(struct convd_bytes *out);
void api_json_object(struct api_json *j);
void api_json_array(struct api_json *j);
void api_json_end(struct api_json *j); /* of the innermost array or object */
void api_json_key(struct api_json *j, const char *name);
void api_json_string(struct api_json *j, const char *s);              /* NULL: null; broken UTF-8 becomes U+FFFD */
void api_json_text(struct api_json *j, const char *s, size_t n);
void api_json_number(struct api_json *j, double x);                   /* shortest that reads back; not finite: null */
void api_json_float(struct api_json *j, float x);                     /* the same for a float                       */
void api_json_integer(struct api_json *j, intmax_t x);
void api_json_boolean(struct api_json *j, bool b);
void api_json_null(struct api_json *j);
void api_json_value(struct api_json *j, const struct convd_value *v);
/* For a value whose text is written by hand between these two (a data URL): the comma is put, nothing else. */
void api_json_raw(struct api_json *j, const char *s, size_t n);

/* Shortest decimal texts that read back as the same number; out has API_NUMBER_ROOM bytes. Return the length. */
enum { API_NUMBER_ROOM = 32 };
size_t api_number_text(double x, char *out);
size_t api_float_text(float x, char *out);
#endif
