/* fuzz_safetensors: any bytes as a safetensors file; what is read is written and read again. Build: README.md. */
#include <stdlib.h>
#include <string.h>
#include "../../core/tensor_file.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void write_again(const struct convd_stored *list, size_t n, struct convd_arena *mem, struct convd_faults *f)
{
    const struct convd_tensor **all = convd_arena_array(mem, n + 1, sizeof *all);
    struct convd_bytes out = {0};
    for (size_t i = 0; all && i < n; i++) {
        struct convd_tensor *x = convd_arena_zero(mem, sizeof *x);
        float *numbers = convd_arena_take(mem, 4 * list[i].count);
        if (!x || !numbers)
            return;
        *x = (struct convd_tensor){.name = list[i].name, .rank = list[i].rank, .data = numbers};
        memcpy(x->dim, list[i].dim, sizeof x->dim);
        convd_stored_read(&list[i], numbers);
        all[i] = x;
    }
    struct convd_stored *again;
    size_t count;
    if (all && (!convd_safetensors_write(all, n, &out) || !convd_safetensors_open(out.data, out.n, &again, &count, mem, f) ||
                count != n))
        abort();
    convd_bytes_release(&out);
}
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct convd_faults *f = convd_faults_new();
    struct convd_arena mem;
    struct convd_stored *list;
    size_t count;
    convd_arena_init(&mem, NULL, 0);
    if (f && convd_safetensors_open(data, n, &list, &count, &mem, f))
        write_again(list, count, &mem, f);
    convd_arena_release(&mem);
    convd_faults_free(f);
    return 0;
}
