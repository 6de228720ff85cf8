/* isa.h: what a NAME.tmpl.c needs. The build compiles it once per instruction set with -DISA=avx2 -DVL=32 and
 * the like: FN(taps) is then convd_taps_avx2, and vec a vector of VL bytes. */
#ifndef CONVD_ISA_H
#define CONVD_ISA_H
#include "simd.h"

#define PASTE_(A, B)    A##_##B
#define PASTE(A, B)     PASTE_(A, B)
#define TEXT_(A)        #A
#define TEXT(A)         TEXT_(A)
#define FN(NAME)        PASTE(convd_##NAME, ISA)
#define LANES           (VL / 4)
#define INLINE          static inline __attribute__((always_inline))

#ifdef __clang__
#define UNROLL _Pragma("unroll")
#else
#define UNROLL _Pragma("GCC unroll 8")
#endif

#define SIMD(TYPE, NAME, ARGUMENTS) TYPE FN(NAME) ARGUMENTS;
#include "simd.def"
#undef SIMD

/* Floats by number of lanes, and the whole vector with its integers (what comparing gives). */
typedef float lanes1;
typedef float lanes4 __attribute__((vector_size(16)));
typedef float lanes8 __attribute__((vector_size(32)));
typedef float lanes16 __attribute__((vector_size(64)));
typedef float vec __attribute__((vector_size(VL)));
typedef int32_t ivec __attribute__((vector_size(VL)));

INLINE vec vec_load(const float *p)
{
    vec v;
    __builtin_memcpy(&v, p, sizeof v);
    return v;
}

INLINE void vec_store(float *p, vec v)
{
    __builtin_memcpy(p, &v, sizeof v);
}
#endif
