/* image.h: pictures in and out. One codec a file behind one list (codecs.def); the format is told by the bytes; the header
 * says everything before memory is taken; decoding writes into memory of the caller's, so that one call per picture can
 * move into a process of its own. */
#ifndef CONVD_IMAGE_H
#define CONVD_IMAGE_H
#include "../err.h"

struct convd_codec;
struct convd_row_sink; /* row_sink.h: for codecs only */

enum convd_channels { CONVD_RGB, CONVD_GRAY, CONVD_RGBA }; /* input.channels */
struct convd_decode_options {
    enum convd_channels channels;
    uint8_t background[3];    /* alpha is composited over it, unless channels is RGBA or keep_alpha */
    bool keep_alpha;          /* alpha goes to its own plane                                        */
    bool raw_orientation;     /* leave EXIF orientation alone                                       */
    size_t max_pixels;        /* 0: 64e6                                                            */
    ptrdiff_t max_side;       /* 0: 32768                                                           */
};
struct convd_image_info {
    const struct convd_codec *codec;
    struct convd_input input; /* what decoding will write: pixels, n, upright height and width, stored (1, 3, 4; any for
                                 tensors), channels as options asked                                */
    int file_channels, depth; /* of the file: 1..4 (0: a tensor), bits                              */
    bool alpha;               /* the file has transparency                                          */
    int orientation;          /* EXIF 1..8                                                          */
    size_t bytes;             /* decoding writes to pixels                                          */
    size_t alpha_bytes;       /* to alpha, when options.keep_alpha and the file has transparency: height*width u8 */
    size_t work_bytes;        /* what decoding may take on top, codec library included (an upper bound) */
};
/* Reads the header only: nothing is decoded, nothing allocated beyond scratch of the codec library. Faults: UNSUPPORTED
 * (with the list of formats), BAD_IMAGE, IMAGE_TOO_LARGE (limit and actual), OUT_OF_RANGE. */
bool convd_image_info(const void *data, size_t n, const struct convd_decode_options *o, struct convd_image_info *info,
                      struct convd_faults *f);
/* Decodes what convd_image_info described. pixels: info->bytes; alpha: info->alpha_bytes or NULL. Whole or a fault: a
 * truncated file is BAD_IMAGE, and pixels never show memory that was there before. */
bool convd_image_decode(const struct convd_image_info *info, const void *data, size_t n,
                        const struct convd_decode_options *o, const struct convd_memory *mem, void *pixels, uint8_t *alpha,
                        struct convd_faults *f);

/* Growing bytes that somebody else may own. */
struct convd_bytes {
    const struct convd_memory *memory;
    uint8_t *data;
    size_t n, room;
};
bool convd_bytes_reserve(struct convd_bytes *b, size_t more); /* room for n + more; false without memory */
bool convd_bytes_put(struct convd_bytes *b, const void *data, size_t n);
/* Gives back room that bytes which will stay for a while do not need, where it is much. */
void convd_bytes_trim(struct convd_bytes *b);
void convd_bytes_release(struct convd_bytes *b);

/* A picture to encode: u8 or u16 interleaved (1 gray, 2 gray+alpha, 3 RGB, 4 RGBA) or f32 interleaved RGB/gray for HDR. */
struct convd_picture {
    const void *data;
    ptrdiff_t width, height, channels;
    int depth; /* 8, 16, 32 (float) */
};
struct convd_encode_options {
    int quality;     /* 1..100, JPEG and WebP; 0: 90 */
    int compression; /* 0..9, PNG; -1: the default   */
    struct convd_pool *pool; /* whose idle workers may help; NULL: the calling thread alone. The bytes are the same */
};
/* Appends the encoded picture. A codec that cannot write this depth or alpha says so beforehand by its row: the caller
 * converts (8 bits; composited). */
bool convd_image_encode(const struct convd_codec *codec, const struct convd_picture *p, const struct convd_encode_options *o,
                        struct convd_bytes *out, struct convd_faults *f);
/* Most bytes that encoding may take: output and work memory together. */
size_t convd_image_encode_bound(const struct convd_codec *codec, ptrdiff_t w, ptrdiff_t h, ptrdiff_t channels, int depth);

/* ---- the codec row; codecs.def lists them ---- */
struct convd_codec {
    const char *name;        /* "png": also the value of output.format                                        */
    const char *title;       /* "PNG"                                                                          */
    const char *media;       /* "image/png"                                                                    */
    const char *media_more;  /* other media types that mean it, blank-separated, or NULL                       */
    const char *extensions;  /* "png"; blank-separated, first is used in file names                            */
    bool (*sniff)(const uint8_t *data, size_t n);
    /* Fills width and height as stored in the file (before orientation) into info->input, input.pixels, and what else
     * is at hand. Does not check limits: image.c does. */
    bool (*info)(const uint8_t *data, size_t n, struct convd_image_info *info, struct convd_faults *f);
    /* Asked after the limits: fills the rest (file_channels, depth, alpha, orientation, work_bytes) and refuses files
     * that have not the bytes for what their header promises. NULL: info said all. */
    bool (*details)(const uint8_t *data, size_t n, struct convd_image_info *info, struct convd_faults *f);
    /* Rows to the sink (image.c orients, composites, converts), top to bottom as stored in the file. */
    bool (*decode)(const uint8_t *data, size_t n, const struct convd_image_info *info, struct convd_row_sink *sink,
                   const struct convd_memory *mem, struct convd_faults *f);
    bool (*encode)(const struct convd_picture *p, const struct convd_encode_options *o, struct convd_bytes *out,
                   struct convd_faults *f); /* NULL: read only */
    size_t (*bound)(ptrdiff_t w, ptrdiff_t h, ptrdiff_t channels, int depth);
    bool writes_alpha, writes_16;
    bool writes_float;       /* HDR: takes depth 32 */
    bool lossy;              /* quality counts      */
};
#define CODEC(NAME) extern const struct convd_codec convd_codec_##NAME;
#include "codecs.def"
#undef CODEC
const struct convd_codec *convd_codec_at(size_t i);               /* NULL past the end */
const struct convd_codec *convd_codec_named(const char *name);    /* "png", "jpg", "jpeg" */
const struct convd_codec *convd_codec_of_media(const char *media);/* "image/png" */
#endif
