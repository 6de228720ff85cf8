/* fuzz_multipart: any body as multipart/form-data. The first byte says how long the boundary is, which
 * follows it. Parts must lie inside the body, in its order, and never hold the boundary. The parser is one
 * file without dependencies. */
#include "../../server/multipart.c"
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void inside(struct slice s, const char *body, size_t n)
{
    if (s.data && (s.data < body || s.data + s.n > body + n)) abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    static struct multipart m;
    size_t boundary_n = n ? data[0] % 80 : 0;
    if (n < 1 + boundary_n) return 0;
    struct slice boundary = {(const char *)data + 1, boundary_n}, found;
    const char *body = (const char *)data + 1 + boundary_n, *last = body, *fault = NULL;
    size_t body_n = n - 1 - boundary_n;

    char *type = malloc(n + 1); /* the same bytes as a Content-Type */
    if (!type) abort();
    memcpy(type, data, n);
    type[n] = 0;
    if (multipart_boundary(type, &found, &fault) ? !boundary_fits(found) : !fault) abort();
    free(type);

    if (!multipart_parse(&m, body, body_n, boundary)) {
        if (!m.fault || !m.expected || m.at > body_n) abort();
        return 0;
    }
    for (size_t i = 0; i < m.n; i++) {
        struct slice part = {(const char *)m.part[i].data, m.part[i].n};
        inside(part, body, body_n);
        inside(m.part[i].name, body, body_n);
        inside(m.part[i].filename, body, body_n);
        inside(m.part[i].type, body, body_n);
        if (!m.part[i].name.n || m.part[i].name.n > MULTIPART_NAME || part.data < last) abort();
        last = part.data + part.n;
        char mark[80] = "\r\n--";
        memcpy(mark + 4, boundary.data, boundary.n);
        if (memmem(part.data, part.n, mark, 4 + boundary.n)) abort();
    }
    return 0;
}
