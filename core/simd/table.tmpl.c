/* table.tmpl.c: the pointers of one instruction set. */
#include "isa.h"

const struct convd_simd FN(simd);
const struct convd_simd FN(simd) = {
    .name = TEXT(ISA),
#define SIMD(TYPE, NAME, ARGUMENTS) .NAME = FN(NAME),
#include "simd.def"
#undef SIMD
};
