/* fuzz_chain: chains as paths have them: decoded, read, printed, read again; planned and run on a small picture. */
#include "lib_fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    fuzz_round_trip((const char *)data, n, API_CHAIN);
    fuzz_run((const char *)data, n, API_CHAIN);
    fuzz_ask((const char *)data, n, API_CHAIN);
    return 0;
}
