/* fuzz_literals: any bytes packed without matches come back through libdeflate. Build: README.md. */
#include <libdeflate.h>
#include <stdlib.h>
#include <string.h>
#include "../../core/image/literals.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    uint8_t *y = malloc(convd_literals_bound(n)), *z = malloc(n + !n);
    struct libdeflate_decompressor *d = libdeflate_alloc_decompressor();
    if (y && z && d) {
        size_t got = 0, made = convd_literals_pack(data, n, y);
        double loss = convd_literals_loss(data, n);
        if (made > convd_literals_bound(n) || libdeflate_zlib_decompress(d, y, made, z, n, &got) || got != n ||
            (n && memcmp(data, z, n) != 0) || !(loss >= 0 && loss <= 1))
            abort();
    }
    libdeflate_free_decompressor(d);
    free(y);
    free(z);
    return 0;
}
