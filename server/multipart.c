/* multipart.c: see multipart.h. The grammar is RFC 2046 5.1.1 with the header fields of RFC 7578; lines end
 * in CRLF. */
#include "multipart.h"
#include <string.h>
#include <strings.h>

static bool is_token(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
           (c != 0 && strchr("!#$%&'*+-.^_`|~", c) != NULL);
}

static struct slice trim(struct slice s)
{
    while (s.n && (s.data[0] == ' ' || s.data[0] == '\t')) s.data++, s.n--;
    while (s.n && (s.data[s.n - 1] == ' ' || s.data[s.n - 1] == '\t')) s.n--;
    return s;
}

static bool same(struct slice s, const char *word)
{
    return s.n == strlen(word) && strncasecmp(s.data, word, s.n) == 0;
}

bool media_is(const char *content_type, const char *media)
{
    return content_type &&
           same(trim((struct slice){content_type, strcspn(content_type, ";")}), media);
}

/* Takes ";name=value" off the front of *s. 1: taken, 0: nothing is left, -1: not a parameter. */
static int parameter(struct slice *s, struct slice *name, struct slice *value)
{
    *s = trim(*s);
    while (s->n && s->data[0] == ';') *s = trim((struct slice){s->data + 1, s->n - 1});
    if (!s->n) return 0;
    size_t i = 0;
    while (i < s->n && is_token(s->data[i])) i++;
    if (i == 0 || i == s->n || s->data[i] != '=') return -1;
    *name = (struct slice){s->data, i++};
    size_t start = i;
    if (i < s->n && s->data[i] == '"') {
        start = ++i;
        while (i < s->n && s->data[i] != '"') i += s->data[i] == '\\' ? 2 : 1;
        if (i >= s->n) return -1;
        *value = (struct slice){s->data + start, i - start};
        i++;
    } else {
        while (i < s->n && s->data[i] != ';' && s->data[i] != ' ' && s->data[i] != '\t') i++;
        *value = (struct slice){s->data + start, i - start};
    }
    *s = trim((struct slice){s->data + i, s->n - i});
    return s->n && s->data[0] != ';' ? -1 : 1;
}

static bool boundary_fits(struct slice b)
{
    if (b.n == 0 || b.n > MULTIPART_BOUNDARY || b.data[b.n - 1] == ' ') return false;
    for (size_t i = 0; i < b.n; i++) {
        char c = b.data[i];
        bool alphanumeric =
            (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
        if (!alphanumeric && (c == 0 || !strchr("'()+_,-./:=? ", c))) return false;
    }
    return true;
}

bool multipart_boundary(const char *content_type, struct slice *boundary, const char **fault)
{
    size_t at = strcspn(content_type, ";");
    struct slice rest = {content_type + at, strlen(content_type + at)}, name, value;
    *boundary = (struct slice){NULL, 0};
    for (int got; (got = parameter(&rest, &name, &value)) != 0;) {
        if (got < 0) {
            *fault = "the Content-Type's parameters cannot be read";
            return false;
        }
        if (!same(name, "boundary")) continue;
        if (boundary->data) {
            *fault = "the Content-Type has two boundaries";
            return false;
        }
        *boundary = value;
    }
    if (!boundary->data)
        *fault = "the Content-Type has no boundary";
    else if (!boundary_fits(*boundary))
        *fault = "the boundary is not 1 to 70 of the characters that RFC 2046 allows";
    else
        return true;
    return false;
}

/* Marks the fault; returns false so that callers can return what it returns. */
static bool wrong(struct multipart *m, size_t at, const char *fault, const char *expected)
{
    m->fault = fault;
    m->expected = expected;
    m->at = at;
    return false;
}

static const char *disposition(struct multipart_part *p, struct slice value)
{
    size_t i = 0;
    while (i < value.n && value.data[i] != ';') i++;
    if (!same(trim((struct slice){value.data, i}), "form-data"))
        return "a part's Content-Disposition is not form-data";
    struct slice rest = {value.data + i, value.n - i}, name, text;
    for (int got; (got = parameter(&rest, &name, &text)) != 0;) {
        if (got < 0) return "a part's Content-Disposition cannot be read";
        struct slice *into = same(name, "name")       ? &p->name
                             : same(name, "filename") ? &p->filename
                                                      : NULL;
        if (!into) continue;
        if (into->data) return "a part's Content-Disposition has a parameter twice";
        *into = text;
    }
    return NULL;
}

static const char *field(struct multipart_part *p, struct slice name, struct slice value)
{
    if (same(name, "Content-Disposition"))
        return p->name.data ? "a part has two Content-Dispositions" : disposition(p, value);
    if (same(name, "Content-Type")) p->type = value;
    if (same(name, "Content-Transfer-Encoding") && !same(value, "binary") && !same(value, "8bit") &&
        !same(value, "7bit"))
        return "a part is encoded for mail";
    return NULL;
}

/* One line of a part's header. */
static bool line(struct multipart *m, struct multipart_part *p, struct slice s, size_t at)
{
    size_t i = 0;
    while (i < s.n && is_token(s.data[i])) i++;
    if (i == 0 || i == s.n || s.data[i] != ':')
        return wrong(m, at, "a part's header has a line that is no field", "Name: value");
    for (size_t k = i; k < s.n; k++)
        if ((unsigned char)s.data[k] < 0x20 && s.data[k] != '\t')
            return wrong(m, at + k, "a part's header has a control character", "text");
    const char *fault =
        field(p, (struct slice){s.data, i}, trim((struct slice){s.data + i + 1, s.n - i - 1}));
    return !fault || wrong(m, at, fault,
                           "Content-Disposition: form-data; name=\"img\", the bytes as they are");
}

/* The header of the part that starts at *at; moves *at to its first byte of data. */
static bool header(struct multipart *m, struct multipart_part *p, const char *body, size_t n,
                   size_t *at)
{
    size_t start = *at;
    for (;;) {
        const char *end = memmem(body + *at, n - *at, "\r\n", 2);
        size_t line_n = end ? (size_t)(end - (body + *at)) : n - *at;
        if (*at + line_n - start > MULTIPART_HEADER)
            return wrong(m, start, "a part's header is too long", "at most 8192 bytes");
        if (!end)
            return wrong(m, n, "the body ends inside a part's header",
                         "an empty line, data and a closing boundary");
        size_t here = *at;
        *at += line_n + 2;
        if (line_n == 0) break;
        if (!line(m, p, (struct slice){body + here, line_n}, here)) return false;
    }
    if (!p->name.data || !p->name.n)
        return wrong(m, start, "a part has no name",
                     "Content-Disposition: form-data; name=\"img\"");
    if (p->name.n > MULTIPART_NAME)
        return wrong(m, start, "a part's name is too long", "at most 64 bytes");
    return true;
}

/* What stands behind a boundary: "--" closes (1), a line's end goes on (0), all else is wrong (-1). Moves *at
 * past it. */
static int behind_boundary(const char *body, size_t n, size_t *at)
{
    bool closing = n - *at >= 2 && memcmp(body + *at, "--", 2) == 0;
    if (closing) return 1;
    while (*at < n && (body[*at] == ' ' || body[*at] == '\t')) ++*at;
    if (n - *at < 2 || memcmp(body + *at, "\r\n", 2) != 0) return -1;
    *at += 2;
    return 0;
}

bool multipart_parse(struct multipart *m, const void *data, size_t n, struct slice boundary)
{
    const char *body = data ? data : "";
    char mark[4 + MULTIPART_BOUNDARY] = "\r\n--";
    size_t mark_n = 4 + boundary.n, at;
    m->n = 0;
    m->fault = m->expected = NULL;
    if (!boundary_fits(boundary)) return wrong(m, 0, "no boundary", "1 to 70 characters");
    memcpy(mark + 4, boundary.data, boundary.n);

    if (n >= mark_n - 2 && memcmp(body, mark + 2, mark_n - 2) == 0) { /* without a preamble */
        at = mark_n - 2;
    } else {
        const char *first = memmem(body, n, mark, mark_n);
        if (!first)
            return wrong(m, 0, "the boundary of the Content-Type is not in the body",
                         "--BOUNDARY before each part");
        at = (size_t)(first - body) + mark_n;
    }
    for (int behind; (behind = behind_boundary(body, n, &at)) != 1;) {
        if (behind < 0)
            return wrong(m, at, "a boundary's line does not end",
                         "a line's end (CRLF), or -- at the last one");
        if (m->n == MULTIPART_PARTS) return wrong(m, at, "too many parts", "at most 128");
        struct multipart_part *p = &m->part[m->n];
        memset(p, 0, sizeof *p);
        if (!header(m, p, body, n, &at)) return false;
        /* the mark may begin with the CRLF that ended the header: then the part is empty */
        const char *end = memmem(body + at - 2, n - at + 2, mark, mark_n);
        if (!end)
            return wrong(m, n, "the body ends inside a part", "a closing boundary: --BOUNDARY--");
        p->data = (const uint8_t *)body + at;
        p->n = end >= body + at ? (size_t)(end - (body + at)) : 0;
        at = (size_t)(end - body) + mark_n;
        m->n++;
    }
    return true;
}
