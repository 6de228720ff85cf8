/* fuzz_literals: any bytes packed without matches come back through libdeflate. Build: README.md. */
#include <libdeflate.h>
#include <stdlib.h>
#include <string.h>
#include "../../core/image/literals.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    uint8_t *y = malloc(2 * convd_literals_bound(n)), *z = malloc(n + !n);
    struct libdeflate_decompressor *d = libdeflate_alloc_decompressor();
    if (y && z && d) {
        size_t cut = n ? data[0] % (n + 1) : 0, got = 0, made = convd_literals_pack(data, cut, false, y);
        struct convd_repeats r = {0};
        if (made > convd_literals_bound(cut))
            abort();
        made += convd_literals_pack(data + cut, n - cut, true, y + made);
        convd_literals_look(data, n < 65535 ? n : 65535, &r);
        if (libdeflate_deflate_decompress(d, y, made, z, n, &got) || got != n || (n && memcmp(data, z, n) != 0) ||
            !(r.saved >= 0 && r.saved <= r.bits))
            abort();
    }
    libdeflate_free_decompressor(d);
    free(y);
    free(z);
    return 0;
}
