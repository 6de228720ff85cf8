/* fuzz_spec: specs: read, printed, read again; planned and run on a small picture. */
#include "lib_fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    fuzz_round_trip((const char *)data, n, API_PIPELINE);
    fuzz_run((const char *)data, n, API_PIPELINE);
    fuzz_ask((const char *)data, n, API_PIPELINE);
    return 0;
}
