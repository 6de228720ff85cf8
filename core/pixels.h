/* pixels.h: the way in and out of f32: rows of a caller's u8, u16 or f32 picture to planes, and planes to pictures. */
#ifndef CONVD_PIXELS_H
#define CONVD_PIXELS_H
#include "op.h"

/* Bytes of one picture of that description (n of them), false on overflow. */
bool convd_pixels_bytes(enum convd_pixels pixels, ptrdiff_t n, ptrdiff_t c, ptrdiff_t h, ptrdiff_t w, size_t *bytes);
/* Writes rows [y->y0,y->y1) of sample n as the pipeline sees them (in->channels planes) to y. 1 -> 3 replicates, 3 or 4 ->
 * 1 is Rec. 601 luma in float, 1 or 3 -> 4 adds 255, 4 -> 3 drops the fourth. u16 is v/257 in float. */
void convd_pixels_unpack(const struct convd_input *in, const void *data, ptrdiff_t n, const struct convd_view *y,
                         const struct convd_simd *simd);
/* Writes rows [x->y0,x->y1) of sample n of an N x H x W x C picture at data: round half to even, saturate (u8: 0..255;
 * u16: v*257 to 0..65535), NaN is 0. f32: planes as they are. Returns how many values were saturated (below 0 or above
 * 255 before rounding, NaN, ±inf). */
uint64_t convd_pixels_pack(const struct convd_view *x, enum convd_pixels pixels, ptrdiff_t n, void *data,
                           const struct convd_simd *simd);
#endif
