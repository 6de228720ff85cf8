/* json.c: reading JSON; see json.h. Scan, cJSON, values. */
#include "json.h"
#include "api.h"
#include <cjson/cJSON.h>
#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

/* ---- the scan: RFC 8259, our limits, and where it broke ---- */

struct scan {
    const uint8_t *text, *p, *end;
    struct convd_faults *f;
    size_t numbers, values;
};

/* Line and column (in characters) of the place reached. */
static void locate(const struct scan *s, size_t *line, size_t *column)
{
    *line = *column = 1;
    for (const uint8_t *p = s->text; p < s->p; p++) {
        if (*p == '\n') {
            ++*line;
            *column = 1;
        } else if ((*p & 0xC0) != 0x80) {
            ++*column;
        }
    }
}

static bool broken(struct scan *s, const char *what, const char *expected)
{
    size_t line, column;
    locate(s, &line, &column);
    convd_fault_expected(s->f, API_BAD_JSON, NULL, expected, "line %zu, column %zu: %s", line,
                         column, what);
    return false;
}

static bool over(struct scan *s, const char *what, double limit, double actual)
{
    size_t line, column;
    locate(s, &line, &column);
    struct convd_fault *x = convd_fault_limit(s->f, API_BAD_JSON, NULL, limit, actual,
                                              "line %zu, column %zu: %s", line, column, what);
    x->expected = "less; large weights travel as npy or safetensors parts";
    return false;
}

static void spaces(struct scan *s)
{
    while (s->p < s->end && (*s->p == ' ' || *s->p == '\n' || *s->p == '\t' || *s->p == '\r'))
        s->p++;
}

static bool digits(struct scan *s)
{
    const uint8_t *from = s->p;
    while (s->p < s->end && *s->p >= '0' && *s->p <= '9') s->p++;
    return s->p > from;
}

static bool number(struct scan *s)
{
    const uint8_t *from = s->p;
    if (++s->numbers > API_JSON_NUMBERS)
        return over(s, "too many numbers", API_JSON_NUMBERS, (double)s->numbers);
    if (*s->p == '-') s->p++;
    if (s->p < s->end && *s->p == '0') {
        s->p++;
        if (s->p < s->end && *s->p >= '0' && *s->p <= '9')
            return broken(s, "a number begins with 0", "a number without leading zeros");
    } else if (!digits(s)) {
        return broken(s, "no digit where a number should be",
                      "a number such as -1.5e3; NaN and Infinity are not JSON");
    }
    if (s->p < s->end && *s->p == '.') {
        s->p++;
        if (!digits(s))
            return broken(s, "no digit after the decimal point",
                          "digits on both sides of the point: 1.0");
    }
    if (s->p < s->end && (*s->p == 'e' || *s->p == 'E')) {
        s->p++;
        if (s->p < s->end && (*s->p == '+' || *s->p == '-')) s->p++;
        if (!digits(s))
            return broken(s, "no digit in the exponent", "an exponent such as e3 or e-3");
    }
    if (s->p - from > API_JSON_DIGITS)
        return over(s, "a number of too many characters", API_JSON_DIGITS, (double)(s->p - from));
    return true;
}

static int hex4(const uint8_t *p)
{
    int x = 0;
    for (int i = 0; i < 4; i++) {
        int c = p[i];
        int d = c >= '0' && c <= '9'                 ? c - '0'
                : (c | 32) >= 'a' && (c | 32) <= 'f' ? (c | 32) - 'a' + 10
                                                     : -1;
        if (d < 0) return -1;
        x = x * 16 + d;
    }
    return x;
}

/* After a backslash. */
static bool escape(struct scan *s)
{
    if (s->p < s->end && *s->p != 'u') {
        if (!*s->p || !strchr("\"\\/bfnrt", *s->p))
            return broken(s, "an unknown escape",
                          "one of \\\" \\\\ \\/ \\b \\f \\n \\r \\t \\uXXXX");
        s->p++;
        return true;
    }
    int x = s->end - s->p >= 5 ? hex4(s->p + 1) : -1;
    if (x < 0) return broken(s, "\\u without four hexadecimal digits", "\\u00e9");
    if (x == 0) return broken(s, "\\u0000 in a string", "no NUL characters");
    if (x >= 0xDC00 && x <= 0xDFFF)
        return broken(s, "half of a surrogate pair", "both halves: \\ud83d\\ude00");
    if (x >= 0xD800 && x <= 0xDBFF) {
        int low = s->end - s->p >= 11 && s->p[5] == '\\' && s->p[6] == 'u' ? hex4(s->p + 7) : -1;
        if (low < 0xDC00 || low > 0xDFFF)
            return broken(s, "half of a surrogate pair", "both halves: \\ud83d\\ude00");
        s->p += 6;
    }
    s->p += 5;
    return true;
}

static bool string(struct scan *s)
{
    for (s->p++; s->p < s->end;) {
        uint8_t c = *s->p;
        if (c >= ' ' && c < 0x80 && c != '"' && c != '\\') {
            s->p++;
        } else if (c == '"') {
            s->p++;
            return true;
        } else if (c == '\\') {
            s->p++;
            if (!escape(s)) return false;
        } else if (c < ' ') {
            return broken(s, c ? "a control character in a string" : "a NUL byte in a string",
                          "an escape such as \\n");
        } else {
            size_t n = api_utf8_length(s->p, s->end);
            if (!n) return broken(s, "bytes that are not UTF-8", "text in UTF-8");
            s->p += n;
        }
    }
    return broken(s, "the text ends inside a string", "a closing \"");
}

static bool value(struct scan *s, unsigned depth);

static bool word(struct scan *s, const char *w)
{
    size_t n = strlen(w);
    if ((size_t)(s->end - s->p) < n || memcmp(s->p, w, n) != 0)
        return broken(s, "neither a value nor a known word",
                      "a JSON value: {…} […] \"…\" 1 true false null");
    s->p += n;
    return true;
}

static bool array(struct scan *s, unsigned depth)
{
    s->p++;
    spaces(s);
    if (s->p < s->end && *s->p == ']') {
        s->p++;
        return true;
    }
    for (;;) {
        if (!value(s, depth)) return false;
        spaces(s);
        if (s->p < s->end && *s->p == ',') {
            s->p++;
        } else if (s->p < s->end && *s->p == ']') {
            s->p++;
            return true;
        } else {
            return broken(
                s, s->p < s->end ? "something between items" : "the text ends inside an array",
                "\",\" or \"]\"");
        }
    }
}

static bool object(struct scan *s, unsigned depth)
{
    s->p++;
    spaces(s);
    if (s->p < s->end && *s->p == '}') {
        s->p++;
        return true;
    }
    for (;;) {
        spaces(s);
        if (s->p >= s->end || *s->p != '"')
            return broken(s, "no name where a member should be", "a name in double quotes");
        if (!string(s)) return false;
        spaces(s);
        if (s->p >= s->end || *s->p != ':')
            return broken(s, "no value behind a member's name", "\":\" and a value");
        s->p++;
        if (!value(s, depth)) return false;
        spaces(s);
        if (s->p < s->end && *s->p == ',') {
            s->p++;
        } else if (s->p < s->end && *s->p == '}') {
            s->p++;
            return true;
        } else {
            return broken(
                s, s->p < s->end ? "something between members" : "the text ends inside an object",
                "\",\" or \"}\"");
        }
    }
}

static bool value(struct scan *s, unsigned depth)
{
    spaces(s);
    if (s->p >= s->end) return broken(s, "the text ends where a value should be", "a JSON value");
    if (++s->values > API_JSON_VALUES)
        return over(s, "too many values", API_JSON_VALUES, (double)s->values);
    switch (*s->p) {
    case '{':
    case '[':
        if (depth == API_JSON_DEPTH) return over(s, "nested too deep", API_JSON_DEPTH, depth + 1);
        return *s->p == '{' ? object(s, depth + 1) : array(s, depth + 1);
    case '"':
        return string(s);
    case 't':
        return word(s, "true");
    case 'f':
        return word(s, "false");
    case 'n':
        return word(s, "null");
    case '-':
    case '0':
    case '1':
    case '2':
    case '3':
    case '4':
    case '5':
    case '6':
    case '7':
    case '8':
    case '9':
        return number(s);
    default:
        return word(s, "true");
    }
}

bool api_json_scan(const char *text, size_t n, struct convd_faults *f)
{
    const uint8_t *bytes = (const uint8_t *)text;
    struct scan s = {.text = bytes, .p = bytes, .end = bytes + n, .f = f};
    if (n >= 3 && memcmp(text, "\xEF\xBB\xBF", 3) == 0)
        return broken(&s, "a byte order mark", "UTF-8 without a byte order mark");
    if (!value(&s, 0)) return false;
    spaces(&s);
    return s.p == s.end ||
           broken(&s, "something behind the end of the text", "one JSON value and nothing else");
}

/* ---- cJSON with an arena ---- */

/* What fits into a node lives as long as the parse; longer pieces can only be strings, which values keep pointing to. */
struct parse_memory {
    struct convd_arena *nodes, *texts;
};
static _Thread_local struct parse_memory parsing;

static void *take(size_t bytes)
{
    if (!parsing.nodes) return NULL;
    return convd_arena_take(bytes <= sizeof(cJSON) ? parsing.nodes : parsing.texts, bytes);
}

static void give(void *p)
{
    (void)p; /* the arena goes as a whole */
}

static void set_hooks(void)
{
    cJSON_InitHooks(&(cJSON_Hooks){.malloc_fn = take, .free_fn = give});
}

void api_json_setup(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, set_hooks);
}

/* ---- cJSON's tree to values ---- */

struct convert {
    struct convd_arena *mem, *nodes;
    struct convd_faults *f;
    bool no_memory, fault;
};

/* Merge sort of names, so that a million members cost n log n comparisons whatever the names are. */
static void sort_names(const char **a, const char **spare, size_t n)
{
    for (size_t width = 1; width < n; width *= 2) {
        for (size_t lo = 0; lo < n; lo += 2 * width) {
            size_t mid = lo + width < n ? lo + width : n,
                   hi = lo + 2 * width < n ? lo + 2 * width : n;
            size_t i = lo, j = mid;
            for (size_t k = lo; k < hi; k++)
                spare[k] = j >= hi || (i < mid && strcmp(a[i], a[j]) <= 0) ? a[i++] : a[j++];
        }
        memcpy(a, spare, n * sizeof *a);
    }
}

static void duplicate(struct convert *c, const char *name)
{
    c->fault = true;
    convd_fault_expected(c->f, API_BAD_JSON, name, "each name once in an object",
                         "the member \"%.64s\" is there twice", name);
}

static void check_names(struct convert *c, const struct convd_value *v)
{
    if (v->n <= 8) {
        for (uint32_t i = 0; i < v->n; i++)
            for (uint32_t k = 0; k < i; k++)
                if (strcmp(v->members[i].name, v->members[k].name) == 0) {
                    duplicate(c, v->members[i].name);
                    break;
                }
        return;
    }
    const char **names = convd_arena_take(c->nodes, 2 * v->n * sizeof *names);
    if (!names) {
        c->no_memory = true;
        return;
    }
    for (uint32_t i = 0; i < v->n; i++) names[i] = v->members[i].name;
    sort_names(names, names + v->n, v->n);
    for (uint32_t i = 1; i < v->n; i++)
        if (strcmp(names[i - 1], names[i]) == 0 && (i < 2 || strcmp(names[i - 2], names[i]) != 0))
            duplicate(c, names[i]);
}

/* Strings short enough to stand among the nodes go with them, so they are copied out. */
static const char *keep(struct convert *c, const char *s)
{
    if (strnlen(s, sizeof(cJSON)) == sizeof(cJSON)) return s;
    const char *copy = convd_arena_text(c->mem, s, strlen(s));
    c->no_memory |= !copy;
    return copy ? copy : "";
}

static struct convd_value convert(struct convert *c, const cJSON *x);

static struct convd_value convert_list(struct convert *c, const cJSON *x)
{
    struct convd_value v = {.kind = cJSON_IsObject(x) ? CONVD_OBJECT : CONVD_ARRAY};
    size_t n = 0,
           size = v.kind == CONVD_OBJECT ? sizeof(struct convd_member) : sizeof(struct convd_value);
    const cJSON *item;
    cJSON_ArrayForEach(item, x) n++;
    void *list = convd_arena_array(c->mem, n ? n : 1, size);
    if (!list) {
        c->no_memory = true;
        return v;
    }
    struct convd_member *members = list;
    struct convd_value *items = list;
    v.n = (uint32_t)n;
    size_t i = 0;
    cJSON_ArrayForEach(item, x)
    {
        size_t mark =
            v.kind == CONVD_OBJECT ? convd_enter(c->f, item->string) : convd_enter_item(c->f, i);
        if (v.kind == CONVD_OBJECT)
            members[i] =
                (struct convd_member){.name = keep(c, item->string), .value = convert(c, item)};
        else
            items[i] = convert(c, item);
        i++;
        convd_leave(c->f, mark);
    }
    if (v.kind == CONVD_OBJECT) {
        v.members = members;
        check_names(c, &v);
    } else {
        v.items = items;
    }
    return v;
}

static struct convd_value convert(struct convert *c, const cJSON *x)
{
    switch (x->type & 0xFF) {
    case cJSON_False:
    case cJSON_True:
        return convd_boolean((x->type & 0xFF) == cJSON_True);
    case cJSON_Number:
        if (!isfinite(x->valuedouble)) {
            c->fault = true;
            convd_fault_expected(c->f, API_BAD_JSON, NULL, "a finite number, at most about 1.8e308",
                                 "a number too large for a double");
        }
        return convd_number(x->valuedouble);
    case cJSON_String:
        return convd_string(keep(c, x->valuestring));
    case cJSON_Array:
    case cJSON_Object:
        return convert_list(c, x);
    default:
        return (struct convd_value){.kind = CONVD_NULL};
    }
}

bool api_json_parse(const char *text, size_t n, size_t most, struct convd_arena *mem,
                    struct convd_faults *f, struct convd_value *out)
{
    *out = (struct convd_value){.kind = CONVD_NULL};
    if (n > most) {
        convd_fault_limit(f, API_BODY_TOO_LARGE, NULL, (double)most, (double)n,
                          "the JSON text has %zu bytes", n)
            ->expected = "less; large weights travel as npy or safetensors parts";
        return false;
    }
    if (!api_json_scan(text, n, f)) return false;
    api_json_setup();
    struct convd_arena nodes;
    convd_arena_init(&nodes, mem->memory, mem->limit);
    parsing = (struct parse_memory){.nodes = &nodes, .texts = mem};
    const char *end = NULL;
    cJSON *tree = cJSON_ParseWithLengthOpts(text, n, &end, 0);
    parsing = (struct parse_memory){0};
    struct convert c = {.mem = mem, .nodes = &nodes, .f = f, .no_memory = !tree};
    if (tree) *out = convert(&c, tree);
    convd_arena_release(&nodes);
    if (c.no_memory)
        convd_fault(f, CONVD_NO_MEMORY, NULL, "no memory for a JSON text of %zu bytes", n);
    return !c.no_memory && !c.fault;
}
