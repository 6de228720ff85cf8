/* exif.h: the one thing of EXIF that is needed: which way up. For codecs only. */
#ifndef CONVD_EXIF_H
#define CONVD_EXIF_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Orientation 1 to 8 of an EXIF block (a TIFF header, with or without "Exif\0\0" before it); 1 where it says none or
 * cannot be followed. */
int convd_exif_orientation(const uint8_t *data, size_t n);
#endif
