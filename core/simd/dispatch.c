/* dispatch.c: which variants this processor can run. The only place that asks. */
#include "simd.h"
#include <string.h>

extern const struct convd_simd convd_simd_ref;

static bool always(void)
{
    return true;
}

#ifdef __x86_64__
extern const struct convd_simd convd_simd_base, convd_simd_avx2, convd_simd_avx512,
    convd_simd_vnni;

static bool has_avx2(void)
{
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
}

/* Every set that the build turns on for these files, not only the first. */
static bool has_avx512(void)
{
    return has_avx2() && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
           __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
}

static bool has_vnni(void)
{
    return has_avx512() && __builtin_cpu_supports("avx512vnni") && __builtin_cpu_supports("avx512vbmi");
}
#else
extern const struct convd_simd convd_simd_neon;
#endif

static const struct {
    const struct convd_simd *simd;
    bool (*runs)(void);
} variants[] = {
    {&convd_simd_ref, always}, /* the definition: never chosen unless it is asked for */
#ifdef __x86_64__
    {&convd_simd_base, always},
    {&convd_simd_avx2, has_avx2},
    {&convd_simd_avx512, has_avx512},
    {&convd_simd_vnni, has_vnni},
#else
    {&convd_simd_neon, always},
#endif
};

const struct convd_simd *convd_simd_at(size_t i)
{
    for (size_t k = 0; k < sizeof variants / sizeof *variants; k++)
        if (variants[k].runs() && i-- == 0) return variants[k].simd;
    return NULL;
}

const struct convd_simd *convd_simd_choose(const char *forced)
{
    const struct convd_simd *best = NULL, *one;
    for (size_t i = 0; (one = convd_simd_at(i)); i++) {
        best = one;
        if (forced && strcmp(forced, one->name) == 0) return one;
    }
    return best;
}
