/* utf8.c: what is UTF-8 and what is not; see json.h. */
#include "json.h"

size_t api_utf8_length(const uint8_t *p, const uint8_t *end)
{
    ptrdiff_t room = end - p;
    if (p[0] >= 0xC2 && p[0] <= 0xDF) return room >= 2 && (p[1] & 0xC0) == 0x80 ? 2 : 0;
    if (p[0] >= 0xE0 && p[0] <= 0xEF) {
        uint8_t lo = p[0] == 0xE0 ? 0xA0 : 0x80, hi = p[0] == 0xED ? 0x9F : 0xBF;
        return room >= 3 && p[1] >= lo && p[1] <= hi && (p[2] & 0xC0) == 0x80 ? 3 : 0;
    }
    if (p[0] >= 0xF0 && p[0] <= 0xF4) {
        uint8_t lo = p[0] == 0xF0 ? 0x90 : 0x80, hi = p[0] == 0xF4 ? 0x8F : 0xBF;
        return room >= 4 && p[1] >= lo && p[1] <= hi && (p[2] & 0xC0) == 0x80 &&
                       (p[3] & 0xC0) == 0x80
                   ? 4
                   : 0;
    }
    return 0;
}

size_t api_utf8_broken(const char *text, size_t n)
{
    const uint8_t *p = (const uint8_t *)text, *end = p + n;
    while (p < end) {
        size_t len = *p < 0x80 ? 1 : api_utf8_length(p, end);
        if (!len) break;
        p += len;
    }
    return (size_t)(p - (const uint8_t *)text);
}
