/* base64.c: bytes as text and back; see base64.h. */
#include "base64.h"
#include <string.h>
#include <strings.h>

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

static int sextet(unsigned char c)
{
    return c >= 'A' && c <= 'Z'   ? c - 'A'
           : c >= 'a' && c <= 'z' ? c - 'a' + 26
           : c >= '0' && c <= '9' ? c - '0' + 52
           : c == '+'             ? 62
           : c == '/'             ? 63
                                  : -1;
}

bool api_base64_decode(const char *s, size_t n, uint8_t *out, size_t *n_out, size_t *at)
{
    int8_t value[256];
    for (int c = 0; c < 256; c++) value[c] = (int8_t)sextet((unsigned char)c);
    uint8_t *p = out;
    size_t pad = n >= 1 && s[n - 1] == '=' ? n >= 2 && s[n - 2] == '=' ? 2 : 1 : 0,
           whole = n / 4 - (pad ? 1 : 0);
    *n_out = 0;
    *at = n;
    if (n % 4) return false;
    size_t i = 0;
    for (size_t k = 0; k < whole; k++, i += 4) {
        int a = value[(uint8_t)s[i]], b = value[(uint8_t)s[i + 1]], c = value[(uint8_t)s[i + 2]],
            d = value[(uint8_t)s[i + 3]];
        if ((a | b | c | d) < 0) {
            *at = i;
            return false;
        }
        unsigned x = (unsigned)a << 18 | (unsigned)b << 12 | (unsigned)c << 6 | (unsigned)d;
        *p++ = (uint8_t)(x >> 16);
        *p++ = (uint8_t)(x >> 8);
        *p++ = (uint8_t)x;
    }
    if (pad) {
        int a = value[(uint8_t)s[i]], b = value[(uint8_t)s[i + 1]],
            c = pad == 1 ? value[(uint8_t)s[i + 2]] : 0;
        *at = i;
        if ((a | b | c) < 0 ||
            (pad == 2 ? b & 15 : c & 3)) /* stray bits: another text would decode to the same */
            return false;
        *p++ = (uint8_t)(a << 2 | b >> 4);
        if (pad == 1) *p++ = (uint8_t)(b << 4 | c >> 2);
    }
    *n_out = (size_t)(p - out);
    return true;
}

const char *api_base64_payload(const char *s)
{
    if (strncasecmp(s, "data:", 5) != 0) return s;
    const char *comma = strchr(s, ',');
    return comma && comma - s >= 7 + 5 && strncasecmp(comma - 7, ";base64", 7) == 0 ? comma + 1
                                                                                    : NULL;
}

bool api_base64_put(struct convd_bytes *out, const void *data, size_t n)
{
    const uint8_t *x = data;
    if (!convd_bytes_reserve(out, api_base64_size(n))) return false;
    uint8_t *p = out->data + out->n;
    for (; n >= 3; n -= 3, x += 3) {
        unsigned v = (unsigned)x[0] << 16 | (unsigned)x[1] << 8 | x[2];
        *p++ = (uint8_t)alphabet[v >> 18];
        *p++ = (uint8_t)alphabet[v >> 12 & 63];
        *p++ = (uint8_t)alphabet[v >> 6 & 63];
        *p++ = (uint8_t)alphabet[v & 63];
    }
    if (n) {
        unsigned v = (unsigned)x[0] << 16 | (n == 2 ? (unsigned)x[1] << 8 : 0);
        *p++ = (uint8_t)alphabet[v >> 18];
        *p++ = (uint8_t)alphabet[v >> 12 & 63];
        *p++ = n == 2 ? (uint8_t)alphabet[v >> 6 & 63] : '=';
        *p++ = '=';
    }
    out->n = (size_t)(p - out->data);
    return true;
}
