/* row_sink.h: where codecs put their rows. A codec delivers rows as its file has them (1 gray, 2 gray+alpha, 3 RGB, 4 RGBA;
 * u8, u16 in host order, or f32), top to bottom as stored; the sink composites or sets aside alpha and puts the pixels
 * upright where the caller wants them. The common case (no alpha, orientation 1) has no copy: the row handed out is the
 * caller's own memory. For codecs only. */
#ifndef CONVD_ROW_SINK_H
#define CONVD_ROW_SINK_H
#include "image.h"

struct convd_row_sink {
    /* what codecs look at */
    ptrdiff_t width, height;  /* as stored in the file                                            */
    int channels;             /* samples of a pixel that are delivered: info->file_channels       */
    size_t sample;            /* bytes of one: 1, 2, 4                                            */
    /* the sink's own */
    enum convd_pixels pixels;
    const struct convd_image_info *info;
    bool direct, composite;
    uint8_t background[3];
    uint8_t *out, *alpha;
    uint8_t *row;             /* one row as delivered; NULL when direct                           */
    uint8_t *band;            /* rows that wait to be turned by 90 degrees                        */
    uint8_t *band_alpha;
    ptrdiff_t waiting, done;
};

/* Scratch that the sink of that picture takes. */
size_t convd_sink_bytes(const struct convd_image_info *info);
/* scratch: convd_sink_bytes of it. */
void convd_sink_init(struct convd_row_sink *s, const struct convd_image_info *info, const struct convd_decode_options *o,
                     void *scratch, void *pixels, uint8_t *alpha);
/* Memory for the row that comes next, width * channels samples; then convd_sink_put says that it is filled. */
void *convd_sink_row(struct convd_row_sink *s);
void convd_sink_put(struct convd_row_sink *s);
/* The caller's whole picture, rows contiguous, when rows need no change; NULL otherwise. A codec that fills it says so
 * by convd_sink_whole_put. */
void *convd_sink_whole(struct convd_row_sink *s);
void convd_sink_whole_put(struct convd_row_sink *s);
#endif
