/* json_write.c: writing JSON; see json.h. */
#include "json.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FIRST_ROOM 2048 /* an answer grows from here */

/* ---- numbers ---- */

/* digits d (k of them, no trailing zero) times 10^(point - k): 0.d × 10^point, as plain decimals. */
static size_t plain(bool minus, const char *d, int k, int point, char *out)
{
    char *p = out;
    if (minus) *p++ = '-';
    if (point <= 0) {
        *p++ = '0';
        *p++ = '.';
        for (int i = point; i < 0; i++) *p++ = '0';
        memcpy(p, d, (size_t)k);
        p += k;
    } else {
        for (int i = 0; i < point; i++) *p++ = i < k ? d[i] : '0';
        if (k > point) {
            *p++ = '.';
            memcpy(p, d + point, (size_t)(k - point));
            p += k - point;
        }
    }
    *p = '\0';
    return (size_t)(p - out);
}

/* Whatever the locale, a number has a point. */
static size_t with_point(char *out)
{
    for (char *p = out; *p; p++)
        if (*p == ',') *p = '.';
    return strlen(out);
}

size_t api_number_text(double x, char *out)
{
    if (x == rint(x) && fabs(x) < 1e15)
        return (size_t)snprintf(out, API_NUMBER_ROOM, "%.0f", x == 0 ? 0.0 : x);
    for (int k = 15; k <= 17; k++) {
        snprintf(out, API_NUMBER_ROOM, "%.*g", k, x);
        if (strtod(out, NULL) == x) break;
    }
    return with_point(out);
}

static const double powers[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                1e8,  1e9,  1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
                                1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};

/* d × 10^e in double, |e| <= 22: one rounding. */
static double scaled(double d, int e)
{
    return e >= 0 ? d * powers[e] : d / powers[-e];
}

size_t api_float_text(float x, char *out)
{
    double a = fabs((double)x);
    if ((double)x == rint((double)x) && a < 1e7)
        return (size_t)snprintf(out, API_NUMBER_ROOM, "%d", (int)x);
    if (a >= 1e-5 && a < 1e12) {
        int point = 0; /* 10^(point-1) <= a < 10^point */
        if (a >= 1)
            while (a >= powers[point]) point++;
        else
            while (a < scaled(1, point - 1)) point--;
        for (int k = 6; k <= 9; k++) { /* up to 6 digits every decimal survives a float */
            double d = rint(scaled(a, k - point)), back = scaled(d, point - k);
            /* Well inside the float's interval, so that a reader who rounds to double first agrees. */
            if ((float)(back * (1 - 1e-15)) != (float)a || (float)(back * (1 + 1e-15)) != (float)a)
                continue;
            char text[16];
            int n = snprintf(text, sizeof text, "%.0f", d),
                p = point + n - k; /* 9.9999996 rounds up to 10.0000 */
            while (n > 1 && text[n - 1] == '0') n--;
            return plain(x < 0, text, n, p, out);
        }
    }
    for (int k = 6; k <= 9; k++) {
        snprintf(out, API_NUMBER_ROOM, "%.*g", k, (double)x);
        if (strtof(out, NULL) == x) break;
    }
    return with_point(out);
}

/* ---- structure ---- */

struct api_json api_json_to(struct convd_bytes *out)
{
    return (struct api_json){.out = out};
}

static void put(struct api_json *j, const void *data, size_t n)
{
    struct convd_bytes *out = j->out;
    if (!j->failed && out->room - out->n < n &&
        !convd_bytes_reserve(out, n > FIRST_ROOM ? n : FIRST_ROOM))
        j->failed = true;
    if (!j->failed) j->failed = !convd_bytes_put(out, data, n);
}

static void before_value(struct api_json *j)
{
    uint64_t bit = (uint64_t)1 << j->depth;
    if (!j->after_key && (j->filled & bit)) put(j, ",", 1);
    j->filled |= bit;
    j->after_key = false;
}

static void open_list(struct api_json *j, bool is_object)
{
    before_value(j);
    put(j, is_object ? "{" : "[", 1);
    j->depth = (j->depth + 1) & 63;
    uint64_t bit = (uint64_t)1 << j->depth;
    j->filled &= ~bit;
    j->objects = is_object ? j->objects | bit : j->objects & ~bit;
}

void api_json_object(struct api_json *j)
{
    open_list(j, true);
}

void api_json_array(struct api_json *j)
{
    open_list(j, false);
}

void api_json_end(struct api_json *j)
{
    put(j, j->objects >> j->depth & 1 ? "}" : "]", 1);
    j->depth = (j->depth - 1) & 63;
}

void api_json_key(struct api_json *j, const char *name)
{
    api_json_string(j, name);
    put(j, ":", 1);
    j->after_key = true;
}

void api_json_text(struct api_json *j, const char *s, size_t n)
{
    before_value(j);
    put(j, "\"", 1);
    size_t from = 0;
    for (size_t i = 0; i < n;) {
        uint8_t c = (uint8_t)s[i];
        size_t len = c < 0x80 ? 1 : api_utf8_length((const uint8_t *)s + i, (const uint8_t *)s + n);
        if (len && c >= ' ' && c != '"' && c != '\\' && c != 127) {
            i += len;
            continue;
        }
        put(j, s + from, i - from);
        char text[8];
        if (!len)
            put(j, "\xEF\xBF\xBD", 3);
        else if (c == '"' || c == '\\')
            put(j, (char[]){'\\', (char)c}, 2);
        else if (c == '\n')
            put(j, "\\n", 2);
        else if (c == '\t')
            put(j, "\\t", 2);
        else
            put(j, text, (size_t)snprintf(text, sizeof text, "\\u%04x", c));
        from = ++i;
    }
    put(j, s + from, n - from);
    put(j, "\"", 1);
}

void api_json_string(struct api_json *j, const char *s)
{
    if (s)
        api_json_text(j, s, strlen(s));
    else
        api_json_null(j);
}

void api_json_raw(struct api_json *j, const char *s, size_t n)
{
    before_value(j);
    put(j, s, n);
}

void api_json_number(struct api_json *j, double x)
{
    char text[API_NUMBER_ROOM];
    if (isfinite(x))
        api_json_raw(j, text, api_number_text(x, text));
    else
        api_json_null(j);
}

void api_json_float(struct api_json *j, float x)
{
    char text[API_NUMBER_ROOM];
    if (isfinite(x))
        api_json_raw(j, text, api_float_text(x, text));
    else
        api_json_null(j);
}

void api_json_integer(struct api_json *j, intmax_t x)
{
    char text[API_NUMBER_ROOM];
    api_json_raw(j, text, (size_t)snprintf(text, sizeof text, "%jd", x));
}

void api_json_boolean(struct api_json *j, bool b)
{
    api_json_raw(j, b ? "true" : "false", b ? 4 : 5);
}

void api_json_null(struct api_json *j)
{
    api_json_raw(j, "null", 4);
}

void api_json_value(struct api_json *j, const struct convd_value *v)
{
    switch (v->kind) {
    case CONVD_NULL:
        api_json_null(j);
        return;
    case CONVD_BOOL:
        api_json_boolean(j, v->boolean);
        return;
    case CONVD_NUMBER:
        api_json_number(j, v->number);
        return;
    case CONVD_STRING:
        api_json_string(j, v->string);
        return;
    case CONVD_ARRAY:
        api_json_array(j);
        for (uint32_t i = 0; i < v->n; i++) api_json_value(j, &v->items[i]);
        api_json_end(j);
        return;
    case CONVD_OBJECT:
        api_json_object(j);
        for (uint32_t i = 0; i < v->n; i++) {
            api_json_key(j, v->members[i].name);
            api_json_value(j, &v->members[i].value);
        }
        api_json_end(j);
        return;
    }
}
