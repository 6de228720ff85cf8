/* headers.c: see headers.h. */
#include "headers.h"
#include <string.h>
#include <strings.h>

static struct refusal refuse(int code, const char *detail, const char *expected)
{
    return (struct refusal){.code = code, .detail = detail, .expected = expected};
}

/* A refusal after which nobody knows where the next request begins. */
static struct refusal refuse_framing(const char *detail, const char *expected)
{
    return (struct refusal){
        .code = CONVD_BAD_REQUEST, .detail = detail, .expected = expected, .close = true};
}

static bool is_token(const char *s, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        char c = s[i];
        bool alphanumeric =
            (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
        if (!alphanumeric && (c == 0 || !strchr("!#$%&'*+-.^_`|~", c))) return false;
    }
    return n > 0;
}

static bool is_text(const char *s, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (((unsigned char)s[i] < 0x20 && s[i] != '\t') || s[i] == 0x7f) return false;
    return true;
}

static bool named(const struct header *h, const char *name)
{
    return h->name_n == strlen(name) && strncasecmp(h->name, name, h->name_n) == 0;
}

/* The one value of a field that must not come twice; lists are joined instead. */
static bool keep(const char **into, const struct header *h, bool list, struct convd_arena *mem)
{
    if (*into && !list) return false;
    *into = *into ? convd_arena_printf(mem, "%s, %s", *into, h->value) : h->value;
    return true;
}

static bool read_length(const struct header *field, struct headers *h)
{
    size_t n = field->value_n;
    while (n && (field->value[n - 1] == ' ' || field->value[n - 1] == '\t')) n--;
    if (n == 0) return false;
    for (size_t i = 0; i < n; i++)
        if (field->value[i] < '0' || field->value[i] > '9' ||
            __builtin_mul_overflow(h->length, 10, &h->length) ||
            __builtin_add_overflow(h->length, (uint64_t)(field->value[i] - '0'), &h->length))
            return false;
    return true;
}

static struct refusal read_coding(const struct header *field, struct headers *h,
                                  const char *version)
{
    if (h->chunked) return refuse_framing("two Transfer-Encodings", "one: chunked");
    if (strcmp(version, "HTTP/1.1") != 0)
        return refuse_framing("Transfer-Encoding in HTTP/1.0", "Content-Length");
    size_t n = field->value_n;
    while (n && (field->value[n - 1] == ' ' || field->value[n - 1] == '\t')) n--;
    h->chunked = n == 7 && strncasecmp(field->value, "chunked", 7) == 0;
    if (!h->chunked)
        return (struct refusal){API_NOT_IMPLEMENTED, "a Transfer-Encoding that is not known here",
                                "chunked", true};
    return (struct refusal){0};
}

static void read_id(const struct header *field, struct headers *h)
{
    if (field->value_n == 0 || field->value_n > 64) return;
    for (size_t i = 0; i < field->value_n; i++) {
        char c = field->value[i];
        if (!(c >= '0' && c <= '9') && !(c >= 'A' && c <= 'Z') && !(c >= 'a' && c <= 'z') &&
            c != '.' && c != '_' && c != '-')
            return;
    }
    memcpy(h->id, field->value, field->value_n);
    h->id[field->value_n] = 0;
}

static const struct known {
    const char *name;
    size_t offset;
    bool list;
} known[] = {
    {"Accept", offsetof(struct headers, accept), true},
    {"Authorization", offsetof(struct headers, authorization), false},
    {"Content-Type", offsetof(struct headers, content_type), false},
    {"If-None-Match", offsetof(struct headers, if_none_match), true},
    {"Last-Event-ID", offsetof(struct headers, last_event_id), false},
    {"Origin", offsetof(struct headers, origin), false},
    {"Access-Control-Request-Headers", offsetof(struct headers, preflight_headers), true},
};

static struct refusal read_field(const struct header *field, struct headers *h, size_t *hosts,
                                 size_t *lengths, const char *version, struct convd_arena *mem)
{
    if (!is_token(field->name, field->name_n))
        return refuse_framing("a header name that is no name (a space before the colon, perhaps)",
                              "Name: value");
    if (!is_text(field->value, field->value_n))
        return refuse_framing("a header value with a control character", "text");
    if (named(field, "Host") && ++*hosts) h->host = field->value;
    if (named(field, "Content-Length")) {
        if (++*lengths > 1) return refuse_framing("two Content-Lengths", "one");
        if (!read_length(field, h))
            return refuse_framing("a Content-Length that is not a number", "digits");
        h->has_length = true;
    }
    if (named(field, "Transfer-Encoding")) return read_coding(field, h, version);
    if (named(field, "X-Request-Id")) read_id(field, h);
    if (named(field, "Expect")) h->expect_continue = strcasecmp(field->value, "100-continue") == 0;
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        if (!named(field, known[i].name)) continue;
        const char **into = (const char **)(void *)((char *)h + known[i].offset);
        if (!keep(into, field, known[i].list, mem))
            return refuse(CONVD_BAD_REQUEST, "a header that may come once came twice", "one");
    }
    return (struct refusal){0};
}

struct refusal headers_read(struct headers *h, const struct header *list, size_t n,
                            const char *version, struct convd_arena *mem)
{
    size_t hosts = 0, lengths = 0;
    struct refusal first = {0};
    memset(h, 0, sizeof *h);
    if (strcmp(version, "HTTP/1.1") != 0 && strcmp(version, "HTTP/1.0") != 0)
        first = refuse_framing("a version of HTTP that is not spoken here", "HTTP/1.1");
    for (size_t i = 0; i < n; i++) {
        struct refusal r = read_field(&list[i], h, &hosts, &lengths, version, mem);
        if (r.code && (!first.code || (r.close && !first.close))) first = r;
    }
    if (first.code) return first;
    if (h->chunked && h->has_length)
        return refuse_framing("both Content-Length and Transfer-Encoding", "one of them");
    if (hosts > 1) return refuse_framing("two Hosts", "one");
    if (hosts == 0 && strcmp(version, "HTTP/1.1") == 0)
        return refuse_framing("no Host", "Host: NAME");
    return first;
}

/* ---- targets ---- */

static int hex(char c)
{
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
}

/* Well-formed UTF-8: no overlong forms, no surrogates, nothing past U+10FFFF. */
static bool is_utf8(const char *text)
{
    const unsigned char *s = (const unsigned char *)text;
    while (*s) {
        size_t more = *s < 0x80                 ? 0
                      : *s >= 0xc2 && *s < 0xe0 ? 1
                      : *s >= 0xe0 && *s < 0xf0 ? 2
                      : *s >= 0xf0 && *s < 0xf5 ? 3
                                                : 9;
        if (more == 9) return false;
        unsigned first = *s++;
        for (size_t i = 0; i < more; i++, s++) {
            unsigned low = i == 0 && first == 0xe0 ? 0xa0 : i == 0 && first == 0xf0 ? 0x90 : 0x80;
            unsigned high = i == 0 && first == 0xed ? 0x9f : i == 0 && first == 0xf4 ? 0x8f : 0xbf;
            if (*s < low || *s > high) return false;
        }
    }
    return true;
}

/* Decodes %XX (and + in queries). NULL when it cannot be text: bad escapes, NUL, broken UTF-8. */
static char *decode(struct convd_arena *mem, const char *s, size_t n, bool query)
{
    char *out = convd_arena_take(mem, n + 1);
    size_t k = 0;
    if (!out) return NULL;
    for (size_t i = 0; i < n; i++) {
        int c = (unsigned char)s[i];
        if (c == '%') {
            if (n - i < 3 || hex(s[i + 1]) < 0 || hex(s[i + 2]) < 0) return NULL;
            c = hex(s[i + 1]) * 16 + hex(s[i + 2]);
            i += 2;
            if (c == 0) return NULL;
        } else if (c == '+' && query) {
            c = ' ';
        }
        out[k++] = (char)c;
    }
    out[k] = 0;
    return is_utf8(out) ? out : NULL;
}

static struct refusal read_query(struct target *t, const char *s, struct convd_arena *mem)
{
    const struct refusal bad = refuse(CONVD_BAD_REQUEST, "a query that cannot be read",
                                      "name=value&name=value, percent-encoded");
    size_t most = 1;
    for (const char *c = s; *c; c++) most += *c == '&';
    if (most > QUERY_MOST)
        return refuse(CONVD_BAD_REQUEST, "too many query parameters", "at most 64");
    t->query = convd_arena_array(mem, most, sizeof *t->query);
    if (!t->query) return refuse(API_QUEUE_FULL, "no memory is left for this request", NULL);
    for (;;) {
        size_t n = strcspn(s, "&"), name_n = strcspn(s, "=&");
        if (n) {
            bool has_value = name_n < n;
            char *name = decode(mem, s, name_n, true);
            char *value = has_value ? decode(mem, s + name_n + 1, n - name_n - 1, true)
                                    : decode(mem, "", 0, true);
            if (!name || !value || !*name) return bad;
            t->query[t->n_query++] = (struct api_pair){name, value};
        }
        if (!s[n]) break;
        s += n + 1;
    }
    return (struct refusal){0};
}

/* "http://host/path" as proxies send it, from its path on (RFC 9112 3.2.2 wants it taken). */
static const char *without_origin(const char *raw)
{
    size_t scheme = strncasecmp(raw, "http://", 7) == 0    ? 7
                    : strncasecmp(raw, "https://", 8) == 0 ? 8
                                                           : 0;
    if (!scheme) return raw;
    raw += scheme + strcspn(raw + scheme, "/?#");
    return *raw ? raw : "/";
}

struct refusal target_read(struct target *t, const char *raw, const char *method,
                           struct convd_arena *mem)
{
    memset(t, 0, sizeof *t);
    size_t n = strlen(raw);
    if (n > TARGET_MOST)
        return refuse(API_URI_TOO_LONG, "the request target is longer than 8192 bytes",
                      "at most 8192 bytes");
    if (strcmp(raw, "*") == 0 && strcmp(method, "OPTIONS") == 0) {
        t->path = "*";
        t->chain = "";
        return (struct refusal){0};
    }
    raw = without_origin(raw);
    n = strlen(raw);
    if (raw[0] != '/')
        return refuse(CONVD_BAD_REQUEST, "a request target that is no path", "/PATH?QUERY");
    for (size_t i = 0; i < n; i++)
        if ((unsigned char)raw[i] <= 0x20 || (unsigned char)raw[i] >= 0x7f || raw[i] == '#')
            return refuse(CONVD_BAD_REQUEST,
                          "a request target with characters that must be percent-encoded",
                          "ASCII, percent-encoded");
    size_t path_n = strcspn(raw, "?");
    t->path = decode(mem, raw, path_n, false);
    t->chain = convd_arena_text(mem, raw + 1, path_n - 1);
    if (!t->path || !t->chain)
        return refuse(CONVD_BAD_REQUEST, "a path that is not percent-encoded UTF-8 without NUL",
                      "/PATH?QUERY");
    return raw[path_n] ? read_query(t, raw + path_n + 1, mem) : (struct refusal){0};
}

const char *target_query(const struct target *t, const char *name)
{
    for (size_t i = t->n_query; i-- > 0;)
        if (strcmp(t->query[i].name, name) == 0) return t->query[i].value;
    return NULL;
}

bool etag_matches(const char *s, const char *etag)
{
    size_t n = strlen(etag);
    if (!s) return false;
    while (*s) {
        s += strspn(s, " \t,");
        if (*s == '*') return true;
        if (strncmp(s, "W/", 2) == 0) s += 2;
        if (*s != '"') {
            s += strcspn(s, ",");
            continue;
        }
        size_t tag_n = 1 + strcspn(s + 1, "\"");
        if (s[tag_n] == '"') tag_n++;
        if (tag_n == n && memcmp(s, etag, n) == 0) return true;
        s += tag_n;
    }
    return false;
}
