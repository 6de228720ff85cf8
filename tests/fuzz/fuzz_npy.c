/* fuzz_npy: any bytes as an npy file; what is read is written and read again. Build: README.md. */
#include <stdlib.h>
#include <string.h>
#include "../../core/tensor_file.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct convd_faults *f = convd_faults_new();
    struct convd_stored t, again;
    if (f && convd_npy_open(data, n, &t, NULL, f)) {
        struct convd_tensor x = {.name = "", .rank = t.rank, .data = malloc(4 * t.count)};
        struct convd_bytes out = {0};
        memcpy(x.dim, t.dim, sizeof x.dim);
        convd_stored_read(&t, x.data);
        if (!convd_npy_write(&x, &out) || !convd_npy_open(out.data, out.n, &again, NULL, f) ||
            memcmp(again.data, x.data, 4 * t.count) != 0)
            abort();
        convd_bytes_release(&out);
        free(x.data);
    }
    convd_faults_free(f);
    return 0;
}
