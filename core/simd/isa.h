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
#define UNROLL_ALL _Pragma("unroll")
#else
#define UNROLL _Pragma("GCC unroll 8")
#define UNROLL_ALL _Pragma("GCC unroll 32") /* where what is counted is known while compiling */
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

/* Every second lane of two vectors, two vectors lane by lane, and the last lane of one before the others of the
 * next, and the others of one before the first of the next. */
#if VL == 64
#define EVENS 0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30
#define ODDS  1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23, 25, 27, 29, 31
#define LOW   0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23
#define HIGH  8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31
#define BEFORE 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30
#define NEXT   1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16
#elif VL == 32
#define EVENS 0, 2, 4, 6, 8, 10, 12, 14
#define ODDS  1, 3, 5, 7, 9, 11, 13, 15
#define LOW   0, 8, 1, 9, 2, 10, 3, 11
#define HIGH  4, 12, 5, 13, 6, 14, 7, 15
#define BEFORE 7, 8, 9, 10, 11, 12, 13, 14
#define NEXT   1, 2, 3, 4, 5, 6, 7, 8
#else
#define EVENS 0, 2, 4, 6
#define ODDS  1, 3, 5, 7
#define LOW   0, 4, 1, 5
#define HIGH  2, 6, 3, 7
#define BEFORE 3, 4, 5, 6
#define NEXT   1, 2, 3, 4
#endif

/* What is added up to V stays in the order in which it is written: a compiler that adds later holds more than fits. */
#ifdef __x86_64__
#define IN_TURN(V) __asm__("" : "+v"(V))
#else
#define IN_TURN(V) __asm__("" : "+w"(V))
#endif

/* Integers: the whole vector as bytes or 16 bits. */
typedef uint8_t bvec __attribute__((vector_size(VL)));
typedef int16_t hvec __attribute__((vector_size(VL)));
typedef uint16_t uhvec __attribute__((vector_size(VL)));
typedef double dvec __attribute__((vector_size(VL)));
typedef int16_t words8 __attribute__((vector_size(16)));

#define LOAD(TYPE, P)                                                                              \
    ({                                                                                             \
        TYPE v_;                                                                                   \
        __builtin_memcpy(&v_, (P), sizeof v_);                                                     \
        v_;                                                                                        \
    })
#define STORE(P, V)                                                                                \
    do {                                                                                           \
        const __typeof__(V) s_ = (V);                                                              \
        __builtin_memcpy((P), &s_, sizeof s_);                                                     \
    } while (0)

/* The few instructions that vector arithmetic in C has no words for. On each set the same numbers.
 *   int_madd    a[2i] * b[2i] + a[2i+1] * b[2i+1] in 32 bits
 *   int_madd_to the same, added to sum
 *   int_dots_to sum + four bytes of a, unsigned, times four of b, signed, in 32 bits
 *   int_high    a * b / 2^15, rounded half up
 *   int_adds    a + b, saturated
 *   int_abs16   |a|, the least number stays
 *   int_beyond16 count less 1 where x > top
 *   int_least8  count and 1 more where x >= top, unsigned
 *   int_pick    bytes at `at` of a and, behind it, b; only where one instruction does it
 *   int_pack16  two vectors of 32 bits to one of 16, in order, saturated
 *   int_pack8   two vectors of 16 bits to bytes, in order, saturated
 *   int_pack32  four vectors of 32 bits to bytes, in order, saturated
 *   int_max8 int_min8 int_max16 int_min16   the larger, the smaller of unsigned bytes, of 16 bits
 *   float_max float_min   the larger, the smaller where neither is NaN; float_nan: whether any lane is
 *   int_double  half a vector of floats as doubles
 *   int_round   floats to integers, half to even
 *   int_widen   bytes to 16 bits; int_widen4: to 32; int_widen2: 16 bits without sign to 32
 *   int_low8 int_high8 int_low16 int_high16   what stands in the lower, the upper half of each 16 bytes, in turns
 *   int_first16 the first of 16 lanes that is all ones; one of them is, the others are 0
 *   int_twos    the sum of each two bytes << shift, at most 6
 *   int_spread  bytes in such an order that int_low16 and int_high16 of what int_low8 and int_high8 made of them come in order */
#if defined __x86_64__
#include <immintrin.h>
/* Names of this width: MM(add_epi16) is _mm256_add_epi16; HALF is half a vector of bytes, QUARTER a quarter. */
#if defined __AVX512BW__ && VL == 64
#define MM(NAME) _mm512_##NAME
typedef __m512i mvec;
typedef __m512 mfloats;
#define IN_ORDER(V)   _mm512_permutexvar_epi64(_mm512_setr_epi64(0, 2, 4, 6, 1, 3, 5, 7), (V))
#define FOURS_IN_ORDER(V)                                                                          \
    _mm512_permutexvar_epi32(_mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15), (V))
#define HALF(P)       _mm256_loadu_si256((const void *)(P))
#define HALF_FLOAT(P) _mm256_loadu_ps(P)
#define QUARTER(P)    _mm_loadu_si128((const void *)(P))
#elif defined __AVX2__ && VL == 32
#define MM(NAME) _mm256_##NAME
typedef __m256i mvec;
typedef __m256 mfloats;
#define IN_ORDER(V)   _mm256_permute4x64_epi64((V), 0xd8)
#define FOURS_IN_ORDER(V) _mm256_permutevar8x32_epi32((V), _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7))
#define HALF(P)       _mm_loadu_si128((const void *)(P))
#define HALF_FLOAT(P) _mm_loadu_ps(P)
#define QUARTER(P)    _mm_loadl_epi64((const void *)(P))
#else
#define MM(NAME) _mm_##NAME
typedef __m128i mvec;
typedef __m128 mfloats;
#define IN_ORDER(V) (V)
#define FOURS_IN_ORDER(V) (V)
#endif
INLINE ivec int_madd(hvec a, hvec b) { return (ivec)MM(madd_epi16)((mvec)a, (mvec)b); }
#if defined __AVX512VNNI__ && VL == 64
INLINE ivec int_madd_to(ivec sum, hvec a, hvec b) { return (ivec)_mm512_dpwssd_epi32((mvec)sum, (mvec)a, (mvec)b); }
INLINE ivec int_dots_to(ivec sum, bvec a, bvec b) { return (ivec)_mm512_dpbusd_epi32((mvec)sum, (mvec)a, (mvec)b); }
#define DOTS
#else
INLINE ivec int_madd_to(ivec sum, hvec a, hvec b) { return sum + int_madd(a, b); }
#endif
INLINE bvec int_low8(bvec a, bvec b) { return (bvec)MM(unpacklo_epi8)((mvec)a, (mvec)b); }
INLINE bvec int_high8(bvec a, bvec b) { return (bvec)MM(unpackhi_epi8)((mvec)a, (mvec)b); }
INLINE bvec int_low16(bvec a, bvec b) { return (bvec)MM(unpacklo_epi16)((mvec)a, (mvec)b); }
INLINE bvec int_high16(bvec a, bvec b) { return (bvec)MM(unpackhi_epi16)((mvec)a, (mvec)b); }
#if VL == 64
INLINE bvec int_spread(bvec a)
{
    return (bvec)_mm512_permutexvar_epi32(_mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15),
                                          (mvec)a);
}
#elif VL == 32
INLINE bvec int_spread(bvec a)
{
    return (bvec)_mm256_permutevar8x32_epi32((mvec)a, _mm256_setr_epi32(0, 2, 4, 6, 1, 3, 5, 7));
}
#else
INLINE bvec int_spread(bvec a) { return a; }
#endif
INLINE hvec int_adds(hvec a, hvec b) { return (hvec)MM(adds_epi16)((mvec)a, (mvec)b); }
INLINE hvec int_pack16(ivec a, ivec b) { return (hvec)IN_ORDER(MM(packs_epi32)((mvec)a, (mvec)b)); }
INLINE bvec int_pack8(hvec a, hvec b) { return (bvec)IN_ORDER(MM(packus_epi16)((mvec)a, (mvec)b)); }
INLINE size_t int_first16(words8 low, words8 high)
{
    return (size_t)__builtin_ctz((unsigned)_mm_movemask_epi8(_mm_packs_epi16((__m128i)low, (__m128i)high)));
}
INLINE bvec int_pack32(const ivec *v)
{
    const mvec a = MM(packs_epi32)((mvec)v[0], (mvec)v[1]), b = MM(packs_epi32)((mvec)v[2], (mvec)v[3]);
    return (bvec)FOURS_IN_ORDER(MM(packus_epi16)(a, b));
}
INLINE bvec int_max8(bvec a, bvec b) { return (bvec)MM(max_epu8)((mvec)a, (mvec)b); }
INLINE bvec int_min8(bvec a, bvec b) { return (bvec)MM(min_epu8)((mvec)a, (mvec)b); }
INLINE hvec int_max16(hvec a, hvec b) { return (hvec)MM(max_epi16)((mvec)a, (mvec)b); }
INLINE hvec int_min16(hvec a, hvec b) { return (hvec)MM(min_epi16)((mvec)a, (mvec)b); }
INLINE ivec int_round(vec x) { return (ivec)MM(cvtps_epi32)((mfloats)x); }
INLINE vec float_max(vec a, vec b) { return (vec)MM(max_ps)((mfloats)a, (mfloats)b); }
INLINE vec float_min(vec a, vec b) { return (vec)MM(min_ps)((mfloats)a, (mfloats)b); }
#if VL == 64
INLINE bool float_nan(vec x) { return _mm512_cmp_ps_mask((mfloats)x, (mfloats)x, _CMP_UNORD_Q) != 0; }
#elif VL == 32
INLINE bool float_nan(vec x) { return _mm256_movemask_ps(_mm256_cmp_ps((mfloats)x, (mfloats)x, _CMP_UNORD_Q)) != 0; }
#else
INLINE bool float_nan(vec x) { return _mm_movemask_ps(_mm_cmpunord_ps((mfloats)x, (mfloats)x)) != 0; }
#endif
#if VL > 16
INLINE hvec int_abs16(hvec a) { return (hvec)MM(abs_epi16)((mvec)a); }
INLINE hvec int_twos(bvec a, int shift) { return (hvec)MM(maddubs_epi16)((mvec)a, MM(set1_epi8)((char)(1 << shift))); }
INLINE hvec int_high(hvec a, hvec b) { return (hvec)MM(mulhrs_epi16)((mvec)a, (mvec)b); }
INLINE dvec int_double(const float *x) { return (dvec)MM(cvtps_pd)(HALF_FLOAT(x)); }
INLINE hvec int_widen(const uint8_t *x) { return (hvec)MM(cvtepu8_epi16)(HALF(x)); }
INLINE ivec int_widen4(const uint8_t *x) { return (ivec)MM(cvtepu8_epi32)(QUARTER(x)); }
INLINE ivec int_widen2(const int16_t *x) { return (ivec)MM(cvtepu16_epi32)(HALF(x)); }
#else
INLINE hvec int_abs16(hvec a) { return int_max16(a, (hvec)((hvec){0} - (uhvec)a)); }
INLINE hvec int_twos(bvec a, int shift) { return (hvec)(((uhvec)a & 0xff) + ((uhvec)a >> 8)) << shift; }
INLINE hvec int_high(hvec a, hvec b)
{
    const uhvec low = (uhvec)a * (uhvec)b; /* unsigned: the low halves wrap */
    const uhvec top = (uhvec)_mm_mulhi_epi16((__m128i)a, (__m128i)b);
    return (hvec)(top * 2 + (low >> 15) + (low >> 14 & 1));
}
INLINE dvec int_double(const float *x) { return (dvec){(double)x[0], (double)x[1]}; }
INLINE hvec int_widen(const uint8_t *x)
{
    return (hvec)_mm_unpacklo_epi8(_mm_loadl_epi64((const void *)x), _mm_setzero_si128());
}
INLINE ivec int_widen2(const int16_t *x)
{
    return (ivec)_mm_unpacklo_epi16(_mm_loadl_epi64((const void *)x), _mm_setzero_si128());
}
INLINE ivec int_widen4(const uint8_t *x)
{
    int32_t four;
    __builtin_memcpy(&four, x, sizeof four);
    const __m128i zero = _mm_setzero_si128();
    return (ivec)_mm_unpacklo_epi16(_mm_unpacklo_epi8(_mm_cvtsi32_si128(four), zero), zero);
}
#endif
#elif defined __ARM_NEON && VL == 16
#include <arm_neon.h>
INLINE ivec int_madd(hvec a, hvec b)
{
    const int32x4_t lo = vmull_s16(vget_low_s16((int16x8_t)a), vget_low_s16((int16x8_t)b)),
                    hi = vmull_s16(vget_high_s16((int16x8_t)a), vget_high_s16((int16x8_t)b));
    return (ivec)vpaddq_s32(lo, hi);
}
INLINE ivec int_madd_to(ivec sum, hvec a, hvec b) { return sum + int_madd(a, b); }
INLINE hvec int_high(hvec a, hvec b) { return (hvec)vqrdmulhq_s16((int16x8_t)a, (int16x8_t)b); }
INLINE hvec int_adds(hvec a, hvec b) { return (hvec)vqaddq_s16((int16x8_t)a, (int16x8_t)b); }
INLINE hvec int_pack16(ivec a, ivec b)
{
    return (hvec)vcombine_s16(vqmovn_s32((int32x4_t)a), vqmovn_s32((int32x4_t)b));
}
INLINE bvec int_pack8(hvec a, hvec b)
{
    return (bvec)vcombine_u8(vqmovun_s16((int16x8_t)a), vqmovun_s16((int16x8_t)b));
}
INLINE size_t int_first16(words8 low, words8 high)
{
    const uint8x16_t all = vcombine_u8(vmovn_u16((uint16x8_t)low), vmovn_u16((uint16x8_t)high));
    const uint8x8_t fours = vshrn_n_u16(vreinterpretq_u16_u8(all), 4); /* four bits of each lane */
    return (size_t)__builtin_ctzll(vget_lane_u64(vreinterpret_u64_u8(fours), 0)) / 4;
}
INLINE bvec int_low8(bvec a, bvec b) { return (bvec)vzip1q_u8((uint8x16_t)a, (uint8x16_t)b); }
INLINE bvec int_high8(bvec a, bvec b) { return (bvec)vzip2q_u8((uint8x16_t)a, (uint8x16_t)b); }
INLINE bvec int_low16(bvec a, bvec b) { return (bvec)vzip1q_u16((uint16x8_t)a, (uint16x8_t)b); }
INLINE bvec int_high16(bvec a, bvec b) { return (bvec)vzip2q_u16((uint16x8_t)a, (uint16x8_t)b); }
INLINE bvec int_spread(bvec a) { return a; }
INLINE hvec int_twos(bvec a, int shift) { return (hvec)vpaddlq_u8((uint8x16_t)a) << shift; }
INLINE bvec int_pack32(const ivec *v) { return int_pack8(int_pack16(v[0], v[1]), int_pack16(v[2], v[3])); }
INLINE ivec int_round(vec x) { return (ivec)vcvtnq_s32_f32((float32x4_t)x); }
INLINE vec float_max(vec a, vec b) { return (vec)vmaxq_f32((float32x4_t)a, (float32x4_t)b); }
INLINE vec float_min(vec a, vec b) { return (vec)vminq_f32((float32x4_t)a, (float32x4_t)b); }
INLINE bool float_nan(vec x) { return vminvq_u32(vceqq_f32((float32x4_t)x, (float32x4_t)x)) == 0; }
INLINE dvec int_double(const float *x) { return (dvec){(double)x[0], (double)x[1]}; }
INLINE bvec int_max8(bvec a, bvec b) { return (bvec)vmaxq_u8((uint8x16_t)a, (uint8x16_t)b); }
INLINE bvec int_min8(bvec a, bvec b) { return (bvec)vminq_u8((uint8x16_t)a, (uint8x16_t)b); }
INLINE hvec int_max16(hvec a, hvec b) { return (hvec)vmaxq_s16((int16x8_t)a, (int16x8_t)b); }
INLINE hvec int_min16(hvec a, hvec b) { return (hvec)vminq_s16((int16x8_t)a, (int16x8_t)b); }
INLINE hvec int_abs16(hvec a) { return (hvec)vabsq_s16((int16x8_t)a); }
INLINE hvec int_widen(const uint8_t *x) { return (hvec)vmovl_u8(vld1_u8(x)); }
INLINE ivec int_widen2(const int16_t *x) { return (ivec)vmovl_u16(vld1_u16((const uint16_t *)(const void *)x)); }
INLINE ivec int_widen4(const uint8_t *x)
{
    uint32_t four;
    __builtin_memcpy(&four, x, sizeof four);
    return (ivec)vmovl_u16(vget_low_u16(vmovl_u8(vreinterpret_u8_u32(vdup_n_u32(four)))));
}
#endif
#if defined __AVX512VBMI__ && VL == 64
INLINE bvec int_pick(bvec a, bvec at, bvec b) { return (bvec)_mm512_permutex2var_epi8((mvec)a, (mvec)at, (mvec)b); }
#define int_pick int_pick
#endif
INLINE bvec int_least8(bvec count, bvec x, bvec top)
{
#if defined __AVX512BW__ && VL == 64
    return (bvec)_mm512_mask_sub_epi8((mvec)count, _mm512_cmpge_epu8_mask((mvec)x, (mvec)top), (mvec)count,
                                      _mm512_set1_epi8(-1));
#else
    return count - (bvec)(int_max8(x, top) == x);
#endif
}
INLINE hvec int_beyond16(hvec count, hvec x, hvec top)
{
#if defined __AVX512BW__ && VL == 64
    return (hvec)_mm512_mask_add_epi16((mvec)count, _mm512_cmpgt_epi16_mask((mvec)x, (mvec)top), (mvec)count,
                                       _mm512_set1_epi16(-1));
#else
    return count + (x > top);
#endif
}
#ifndef DOTS
INLINE ivec int_dots_to(ivec sum, bvec a, bvec b)
{
    const uhvec x = (uhvec)a, k = (uhvec)b;
    return int_madd_to(int_madd_to(sum, (hvec)(x & 0xff), (hvec)(k << 8) >> 8), (hvec)(x >> 8), (hvec)k >> 8);
}
#endif

#endif
