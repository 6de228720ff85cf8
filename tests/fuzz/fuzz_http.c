/* fuzz_http: any lines as a request line and headers, through the checks that come before everything else. */
#include "../../server/headers.c"
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct convd_arena mem;
    struct header list[HEADERS_MOST];
    struct headers h;
    struct target t;
    size_t count = 0;
    char *text = malloc(n + 1);
    if (!text) abort();
    memcpy(text, data, n);
    text[n] = 0;
    convd_arena_init(&mem, NULL, 16u << 20);
    char *target = text, *line = strchr(text, '\n');
    if (line) *line++ = 0;
    while (line && *line && count < HEADERS_MOST) {
        char *next = strchr(line, '\n'), *colon;
        if (next) *next++ = 0;
        colon = strchr(line, ':');
        if (colon) {
            *colon = 0;
            list[count++] = (struct header){line, strlen(line), colon + 1, strlen(colon + 1)};
        }
        line = next;
    }
    struct refusal r = headers_read(&h, list, count, "HTTP/1.1", &mem);
    if (r.code ? !r.detail : h.chunked && h.has_length) abort();
    if (h.id[0] && strlen(h.id) > 64) abort();
    etag_matches(h.if_none_match, "\"0123456789abcdef\"");
    r = target_read(&t, target, "GET", &mem);
    if (r.code ? !r.detail : t.path[0] != '/' || !is_utf8(t.path) || strlen(target) > TARGET_MOST)
        abort();
    convd_arena_release(&mem);
    free(text);
    return 0;
}
