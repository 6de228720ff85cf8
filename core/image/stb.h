/* stb.h: stb_image, held short. For bmp.c gif.c hdr.c psd.c tga.c, which have looked at the header themselves before: the
 * size is within limits and the bytes for it are there. */
#ifndef CONVD_STB_H
#define CONVD_STB_H
#include "row_sink.h"

/* Samples a pixel that the library will make of these bytes, 0 when it refuses them or sees another size than ours. */
int convd_stb_channels(const uint8_t *data, size_t n, const struct convd_image_info *info);
/* Decodes with at most budget bytes of mem's and hands the rows to the sink; the library may make more samples than the
 * sink wants (an opaque alpha): they are left out. A read past the end of the file is a fault, at once. */
bool convd_stb_decode(const uint8_t *data, size_t n, size_t budget, struct convd_row_sink *sink,
                      const struct convd_memory *mem, struct convd_faults *f);
#endif
