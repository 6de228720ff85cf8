/* accept.c: content negotiation (RFC 9110 12.5.1): of the formats that can be made, the one with the highest quality,
 * the most specific range deciding it; equals go to the earlier one. */
#include "output.h"
#include <string.h>
#include <strings.h>

static const char *skip(const char *s)
{
    while (*s == ' ' || *s == '\t') s++;
    return s;
}

/* "0.8" -> 800; 1000 for what is no weight. */
static int weight(const char *s, size_t n)
{
    int q = 0, unit = 100;
    if (n == 0 || n > 5 || (*s != '0' && *s != '1') || (n > 1 && s[1] != '.')) return 1000;
    q = (*s - '0') * 1000;
    for (size_t i = 2; i < n; i++, unit /= 10) {
        if (s[i] < '0' || s[i] > '9') return 1000;
        q += (s[i] - '0') * unit;
    }
    return q > 1000 ? 1000 : q;
}

/* One element: how well `range` (of length n) fits, 0 not at all, 1 by star, 2 by type, 3 by name. */
static int fits(const char *range, size_t n, const struct api_format *x)
{
    const char *slash = memchr(range, '/', n), *media = x->media;
    if (!slash) return 0;
    if (n == 3 && memcmp(range, "*/*", 3) == 0) return 1;
    size_t type = (size_t)(slash - range) + 1;
    if (n == type + 1 && slash[1] == '*') return strncasecmp(range, media, type) == 0 ? 2 : 0;
    if (strlen(media) == n && strncasecmp(range, media, n) == 0) return 3;
    for (const char *more = x->codec ? x->codec->media_more : NULL; more && *more;
         more += strspn(more, " ")) {
        size_t len = strcspn(more, " ");
        if (len == n && strncasecmp(range, more, n) == 0) return 3;
        more += len;
    }
    return 0;
}

/* Quality of a format, -1 when no element says anything of it; *any: an element could be read. */
static int quality(const char *accept, const struct api_format *x, bool *any)
{
    int best = 0, q = -1;
    for (const char *s = skip(accept); *s; s = skip(s)) {
        size_t n = strcspn(s, ",; \t"), whole = strcspn(s, ",");
        int w = 1000;
        for (const char *p = memchr(s, ';', whole); p && p < s + whole;) {
            const char *name = skip(p + 1);
            size_t len = strcspn(name, ",;");
            while (len && (name[len - 1] == ' ' || name[len - 1] == '\t')) len--;
            if (len >= 2 && (name[0] == 'q' || name[0] == 'Q') && name[1] == '=')
                w = weight(name + 2, len - 2);
            p = name + strcspn(name, ",;");
            if (*p != ';') break;
        }
        *any |= memchr(s, '/', n) != NULL;
        int fit = fits(s, n, x);
        if (fit > best) {
            best = fit;
            q = w;
        }
        s += whole;
        s += *s == ',';
    }
    return q;
}

const struct api_format *api_accept_choose(const char *accept, const struct api_format *list,
                                           size_t n)
{
    const struct api_format *best = NULL;
    int best_q = 0;
    bool any = false;
    if (!accept || !*accept) return &list[0];
    for (size_t i = 0; i < n; i++) {
        int q = quality(accept, &list[i], &any);
        if (q > best_q) {
            best = &list[i];
            best_q = q;
        }
    }
    return any ? best : &list[0]; /* a header without one readable type is as good as none */
}
