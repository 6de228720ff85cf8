/* literals.h: pieces of a deflate stream, of literals alone. For png_write.c. */
#ifndef CONVD_LITERALS_H
#define CONVD_LITERALS_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Most bytes that n become. */
size_t convd_literals_bound(size_t n);
/* Packs n bytes with one code, to whole bytes, so that pieces make a stream when they are put one after another; the last
 * one ends it. y has convd_literals_bound(n). Returns how many were made. */
size_t convd_literals_pack(const uint8_t *x, size_t n, bool last, uint8_t *y);
/* What n bytes take at least with a code of their own, about: their entropy, and a bit for each. */
double convd_literals_bits(const uint8_t *x, size_t n);
/* Adds what n bytes, at most 65535, take, and how much less it would be if repeats were looked for, about. */
struct convd_repeats {
    double bits, saved;
};
void convd_literals_look(const uint8_t *x, size_t n, struct convd_repeats *r);
#endif
