/* png.h: the two halves of the PNG codec. For png.c alone. */
#ifndef CONVD_PNG_H
#define CONVD_PNG_H
#include "image.h"

bool convd_png_encode(const struct convd_picture *p, const struct convd_encode_options *o, struct convd_bytes *out,
                      struct convd_faults *f);
size_t convd_png_bound(ptrdiff_t w, ptrdiff_t h, ptrdiff_t channels, int depth);
#endif
