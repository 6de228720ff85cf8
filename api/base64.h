/* base64.h: RFC 4648 section 4, strictly (no spaces, padding where it is due, no stray bits), and data URLs. */
#ifndef API_BASE64_H
#define API_BASE64_H
#include "../core/image/image.h"

/* Most bytes that n characters decode to. */
static inline size_t api_base64_room(size_t n)
{
    return n / 4 * 3 + 3;
}
/* Decodes n characters to out (api_base64_room(n) bytes). False: not base64; *at is where. */
bool api_base64_decode(const char *s, size_t n, uint8_t *out, size_t *n_out, size_t *at);
/* The characters behind "data:TYPE;base64,", or s itself when it is no data URL; NULL for a data URL of another kind. */
const char *api_base64_payload(const char *s);
/* Characters for n bytes. */
static inline size_t api_base64_size(size_t n)
{
    return (n + 2) / 3 * 4;
}
bool api_base64_put(struct convd_bytes *out, const void *data, size_t n);
#endif
