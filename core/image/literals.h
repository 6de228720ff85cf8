/* literals.h: zlib streams of literals alone. For png_write.c. */
#ifndef CONVD_LITERALS_H
#define CONVD_LITERALS_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Most bytes that n become. */
size_t convd_literals_bound(size_t n);
/* Packs n bytes; y has convd_literals_bound(n). Returns how many were made. */
size_t convd_literals_pack(const uint8_t *x, size_t n, uint8_t *y);
/* The share of the packed size that looking for repeats would save, about: 0 for noise, near 1 for flat pictures. From one
 * to four windows of 16 KiB. */
double convd_literals_loss(const uint8_t *x, size_t n);
#endif
