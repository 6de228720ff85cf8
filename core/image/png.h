/* png.h: the parts of the PNG codec: chunks and sizes (png.c), pixels in (png_read.c), pixels out (png_write.c). For these
 * three alone. */
#ifndef CONVD_PNG_H
#define CONVD_PNG_H
#include "image.h"

enum { PNG_GRAY = 0, PNG_RGB = 2, PNG_PALETTE = 3, PNG_GRAY_ALPHA = 4, PNG_RGBA = 6 };

/* What the chunks of a file say. Pointers go into the file. */
struct convd_png {
    uint32_t width, height;
    int depth, colour, interlace;
    const uint8_t *palette;          /* PLTE: three bytes an entry, of a picture of colour PNG_PALETTE  */
    size_t entries;
    const uint8_t *clear;            /* tRNS, NULL: none                                                */
    size_t clear_bytes;
    int orientation;
    const uint8_t *idat;             /* the first IDAT chunk; the others follow it                      */
    size_t idats, idat_bytes;
};
/* Samples of a pixel once palettes and tRNS are expanded, 1 to 4; they have 8 bits, or 16 where depth is 16. */
int convd_png_samples(const struct convd_png *p);
uint32_t convd_png_get32(const uint8_t *p);

/* What decoding takes beside the picture; where that is no number, more than any memory has. */
size_t convd_png_work(const struct convd_png *p);
/* Whether as many bytes as IDAT has can be p's rows. */
bool convd_png_can_hold(const struct convd_png *p);
/* The pixels, to the sink. Faults: BAD_IMAGE, NO_MEMORY. */
bool convd_png_read(const struct convd_png *p, struct convd_row_sink *sink, const struct convd_memory *mem,
                    struct convd_faults *f);

bool convd_png_encode(const struct convd_picture *p, const struct convd_encode_options *o, struct convd_bytes *out,
                      struct convd_faults *f);
size_t convd_png_bound(ptrdiff_t w, ptrdiff_t h, ptrdiff_t channels, int depth);
#endif
