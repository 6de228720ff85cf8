/* fuzz_json: the strict front door for JSON: what it lets through prints as JSON that reads back as the same values. */
#include "lib_fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct convd_faults *f = convd_faults_new();
    struct convd_arena mem;
    struct convd_value v, again;
    convd_arena_init(&mem, NULL, 64u << 20);
    if (api_json_parse((const char *)data, n, API_PIPELINE_TEXT, &mem, f, &v)) {
        struct convd_bytes out = {0};
        struct api_json j = api_json_to(&out);
        api_json_value(&j, &v);
        if (j.failed || !api_json_parse((const char *)out.data, out.n, SIZE_MAX, &mem, f, &again) ||
            !convd_value_equal(&v, &again))
            abort();
        convd_bytes_release(&out);
    } else if (!convd_faults_first(f)) {
        abort();
    }
    convd_arena_release(&mem);
    convd_faults_free(f);
    return 0;
}
