/* webp.c: WebP by libwebp: lossy, lossless, alpha; of an animation the first frame on its canvas. Source: WebP container
 * specification (RFC 9649).
 *
 * A picture without alpha and turns is decoded into the caller's memory; others into scratch that is counted in
 * work_bytes. libwebp has no hook for its own allocations: work_bytes holds what it takes for files as encoders write
 * them (lossless keeps the picture as 4 bytes a pixel once more). */
#include <webp/decode.h>
#include <webp/encode.h>
#include <string.h>
#include "exif.h"
#include "row_sink.h"

#define SIDE_MOST 16383

static uint32_t le(const uint8_t *p, int bytes)
{
    uint32_t v = 0;
    for (int i = 0; i < bytes; i++) v |= (uint32_t)p[i] << 8 * i;
    return v;
}
static bool sniff(const uint8_t *data, size_t n)
{
    return n >= 12 && memcmp(data, "RIFF", 4) == 0 && memcmp(data + 8, "WEBP", 4) == 0;
}

struct webp {
    ptrdiff_t width, height;         /* canvas                                         */
    ptrdiff_t left, top, w, h;       /* of the frame on it                             */
    const uint8_t *frame;            /* what libwebp decodes: the file or a frame's chunks */
    size_t frame_bytes;
    bool alpha, lossless, animated;
    int orientation;
};
static bool bad(struct convd_faults *f, const char *words)
{
    convd_fault(f, CONVD_BAD_IMAGE, NULL, "WebP: %s", words);
    return false;
}
/* The first frame of an animation: body of ANMF. */
static void first_frame(const uint8_t *body, size_t n, struct webp *p)
{
    if (p->frame || n < 16 + 8)
        return;
    p->left = 2 * (ptrdiff_t)le(body, 3);
    p->top = 2 * (ptrdiff_t)le(body + 3, 3);
    p->w = (ptrdiff_t)le(body + 6, 3) + 1;
    p->h = (ptrdiff_t)le(body + 9, 3) + 1;
    p->frame = body + 16;
    p->frame_bytes = n - 16;
}
static bool walk(const uint8_t *data, size_t n, struct webp *p, struct convd_faults *f)
{
    *p = (struct webp){.orientation = 1};
    size_t size = n >= 20 ? le(data + 4, 4) : 0;
    if (size < 12 || size > n - 8)
        return bad(f, "the file is shorter than its header says");
    size_t end = 8 + size;
    if (memcmp(data + 12, "VP8X", 4) == 0 && n >= 30) {
        p->animated = data[20] & 2;
        p->width = (ptrdiff_t)le(data + 24, 3) + 1;
        p->height = (ptrdiff_t)le(data + 27, 3) + 1;
    }
    for (size_t at = 12; end - at >= 8;) {
        size_t length = le(data + at + 4, 4), padded = length + (length & 1);
        if (length > end - at - 8)
            return bad(f, "a chunk is longer than the file");
        const uint8_t *type = data + at, *body = type + 8;
        if (memcmp(type, "EXIF", 4) == 0)
            p->orientation = convd_exif_orientation(body, length);
        else if (memcmp(type, "VP8L", 4) == 0)
            p->lossless = true;
        else if (memcmp(type, "ANMF", 4) == 0 && p->animated)
            first_frame(body, length, p);
        if (padded > end - at - 8)
            break;
        at += 8 + padded;
    }
    if (!p->animated) {
        p->frame = data;
        p->frame_bytes = end;
    } else if (!p->frame) {
        return bad(f, "an animation without a frame");
    }
    return true;
}
/* What libwebp says of the frame. */
static bool features(struct webp *p, struct convd_faults *f)
{
    WebPBitstreamFeatures b;
    if (WebPGetFeatures(p->frame, p->frame_bytes, &b) != VP8_STATUS_OK || b.has_animation)
        return bad(f, "the header is broken or cut off");
    p->alpha = b.has_alpha;
    p->lossless |= b.format == 2;
    if (!p->animated) {
        p->width = p->w = b.width;
        p->height = p->h = b.height;
        return true;
    }
    if (b.width != p->w || b.height != p->h || p->left + p->w > p->width || p->top + p->h > p->height)
        return bad(f, "a frame does not fit its canvas");
    p->alpha |= p->w != p->width || p->h != p->height;
    return true;
}
static bool open(const uint8_t *data, size_t n, struct webp *p, struct convd_faults *f)
{
    return walk(data, n, p, f) && features(p, f);
}
static bool info(const uint8_t *data, size_t n, struct convd_image_info *i, struct convd_faults *f)
{
    struct webp p;
    bool canvas = n >= 30 && memcmp(data + 12, "VP8X", 4) == 0;
    i->input.pixels = CONVD_U8_HWC;
    i->depth = 8;
    if (canvas) { /* known without looking further */
        i->input.width = (ptrdiff_t)le(data + 24, 3) + 1;
        i->input.height = (ptrdiff_t)le(data + 27, 3) + 1;
        return true;
    }
    if (!open(data, n, &p, f))
        return false;
    i->input.width = p.width;
    i->input.height = p.height;
    return true;
}
static bool details(const uint8_t *data, size_t n, struct convd_image_info *i, struct convd_faults *f)
{
    struct webp p;
    if (!open(data, n, &p, f))
        return false;
    if (p.width != i->input.width || p.height != i->input.height)
        return bad(f, "canvas and picture differ in size");
    i->file_channels = p.alpha ? 4 : 3;
    i->alpha = p.alpha;
    i->orientation = p.orientation;
    size_t pixels = (size_t)p.width * (size_t)p.height;
    i->work_bytes = (1u << 20) + 64 * (size_t)p.width + (p.lossless ? 4 : p.alpha ? 5 : 0) * pixels;
    if (p.alpha || (p.orientation > 1)) /* scratch, as delivered */
        i->work_bytes += (p.alpha ? 4 : 3) * pixels;
    /* A lossy macroblock of 256 pixels takes a bit at least; lossless may be a single colour. */
    if (!p.lossless && p.frame_bytes < (size_t)p.w * (size_t)p.h / 256 / 64)
        return bad(f, "too few bytes for its size");
    return true;
}

static bool decode_to(const struct webp *p, uint8_t *y, size_t pitch, size_t room, struct convd_faults *f)
{
    WebPDecoderConfig config;
    if (!WebPInitDecoderConfig(&config))
        return bad(f, "the library is of another version");
    config.output.colorspace = p->alpha ? MODE_RGBA : MODE_RGB;
    config.output.u.RGBA.rgba = y;
    config.output.u.RGBA.stride = (int)pitch;
    config.output.u.RGBA.size = room;
    config.output.is_external_memory = 1;
    VP8StatusCode status = WebPDecode(p->frame, p->frame_bytes, &config);
    WebPFreeDecBuffer(&config.output);
    switch (status) {
    case VP8_STATUS_OK: return true;
    case VP8_STATUS_OUT_OF_MEMORY: convd_fault(f, CONVD_NO_MEMORY, NULL, "no memory to decode a WebP"); return false;
    case VP8_STATUS_NOT_ENOUGH_DATA:
    case VP8_STATUS_SUSPENDED: return bad(f, "the file is cut off");
    default: return bad(f, "the picture's data is broken");
    }
}
static bool decode(const uint8_t *data, size_t n, const struct convd_image_info *i, struct convd_row_sink *sink,
                   const struct convd_memory *mem, struct convd_faults *f)
{
    (void)i;
    struct webp p;
    if (!open(data, n, &p, f))
        return false;
    size_t pitch = (size_t)sink->width * (p.alpha ? 4 : 3), bytes = pitch * (size_t)sink->height;
    uint8_t *whole = convd_sink_whole(sink);
    if (whole) {
        bool good = decode_to(&p, whole, pitch, bytes, f);
        if (good)
            convd_sink_whole_put(sink);
        return good;
    }
    whole = convd_take(mem, bytes);
    if (!whole) {
        convd_fault(f, CONVD_NO_MEMORY, NULL, "no memory to decode a WebP");
        return false;
    }
    if (p.w != p.width || p.h != p.height) /* a frame smaller than its canvas: the rest is transparent */
        memset(whole, 0, bytes);
    size_t at = (size_t)p.top * pitch + (size_t)p.left * (p.alpha ? 4 : 3);
    bool good = decode_to(&p, whole + at, pitch, bytes - at, f);
    for (ptrdiff_t y = 0; good && y < sink->height; y++) {
        memcpy(convd_sink_row(sink), whole + (size_t)y * pitch, pitch);
        convd_sink_put(sink);
    }
    convd_give(mem, whole, bytes);
    return good;
}

/* ---- out ---------------------------------------------------------------------------------------------------- */

static int append(const uint8_t *data, size_t n, const WebPPicture *w)
{
    return convd_bytes_put(w->custom_ptr, data, n);
}
static bool import(WebPPicture *w, const struct convd_picture *p, const struct convd_memory *mem)
{
    const uint8_t *x = p->data;
    if (p->channels >= 3) {
        int pitch = (int)(p->width * p->channels);
        return p->channels == 4 ? WebPPictureImportRGBA(w, x, pitch) : WebPPictureImportRGB(w, x, pitch);
    }
    size_t pixels = (size_t)p->width * (size_t)p->height, c = (size_t)p->channels, to = c == 2 ? 4 : 3;
    uint8_t *y = convd_take(mem, pixels * to);
    if (!y)
        return false;
    for (size_t k = 0; k < pixels; k++) {
        y[k * to] = y[k * to + 1] = y[k * to + 2] = x[k * c];
        if (to == 4)
            y[k * to + 3] = x[k * c + 1];
    }
    int pitch = (int)((size_t)p->width * to);
    bool good = to == 4 ? WebPPictureImportRGBA(w, y, pitch) : WebPPictureImportRGB(w, y, pitch);
    convd_give(mem, y, pixels * to);
    return good;
}
static size_t bound(ptrdiff_t w, ptrdiff_t h, ptrdiff_t channels, int depth)
{
    (void)depth; /* measured on noise at quality 100: 28 bytes a pixel, 41 where alpha is packed without loss */
    return (size_t)w * (size_t)h * (channels == 2 || channels == 4 ? 46 : 32) + (4u << 20);
}
static bool encode(const struct convd_picture *p, const struct convd_encode_options *o, struct convd_bytes *out,
                   struct convd_faults *f)
{
    if (p->width > SIDE_MOST || p->height > SIDE_MOST) {
        convd_fault(f, CONVD_OUT_OF_RANGE, NULL, "%td x %td pixels; a side of a WebP has at most %d", p->width, p->height,
                    SIDE_MOST);
        return false;
    }
    WebPConfig config;
    WebPPicture w;
    if (!WebPConfigInit(&config) || !WebPPictureInit(&w)) {
        convd_fault(f, CONVD_NO_MEMORY, NULL, "libwebp is of another version than this program was built with");
        return false;
    }
    size_t start = out->n;
    config.quality = (float)o->quality;
    w.width = (int)p->width;
    w.height = (int)p->height;
    w.writer = append;
    w.custom_ptr = out;
    bool good = import(&w, p, out->memory) && WebPEncode(&config, &w);
    if (!good) {
        out->n = start;
        convd_fault(f, CONVD_NO_MEMORY, NULL, "no memory to write a WebP (libwebp error %d)", (int)w.error_code);
    }
    WebPPictureFree(&w);
    return good;
}

const struct convd_codec convd_codec_webp = {.name = "webp",
                                             .title = "WebP",
                                             .media = "image/webp",
                                             .extensions = "webp",
                                             .sniff = sniff,
                                             .info = info,
                                             .details = details,
                                             .decode = decode,
                                             .encode = encode,
                                             .bound = bound,
                                             .writes_alpha = true,
                                             .lossy = true};
