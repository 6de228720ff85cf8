/* image.c: the list of codecs, and what is the same for every format: telling it by the bytes, limits before memory, what
 * will be stored, one way in and one way out. */
#include <math.h>
#include <stdio.h>
#include <string.h>
#include "known.h"
#include "row_sink.h"

#define MAX_PIXELS 64000000u
#define MAX_SIDE   32768

static const struct convd_codec *const codecs[] = {
#define CODEC(NAME) &convd_codec_##NAME,
#include "codecs.def"
#undef CODEC
};
#define CODECS (sizeof codecs / sizeof codecs[0])

const struct convd_codec *convd_codec_at(size_t i)
{
    return i < CODECS ? codecs[i] : NULL;
}
/* Whether word is one of the blank-separated words of list (NULL: none). */
static bool is_word_of(const char *list, const char *word)
{
    size_t n = strlen(word);
    for (const char *p = list; p && *p;) {
        size_t k = strcspn(p, " ");
        if (k == n && memcmp(p, word, n) == 0)
            return true;
        p += k + strspn(p + k, " ");
    }
    return false;
}
const struct convd_codec *convd_codec_named(const char *name)
{
    for (size_t i = 0; i < CODECS; i++)
        if (strcmp(codecs[i]->name, name) == 0 || is_word_of(codecs[i]->extensions, name))
            return codecs[i];
    return NULL;
}
const struct convd_codec *convd_codec_of_media(const char *media)
{
    for (size_t i = 0; i < CODECS; i++)
        if (strcmp(codecs[i]->media, media) == 0 || is_word_of(codecs[i]->media_more, media))
            return codecs[i];
    return NULL;
}

/* ---- the header --------------------------------------------------------------------------------------------- */

static void unsupported(const uint8_t *data, size_t n, struct convd_faults *f)
{
    char list[256] = "";
    size_t len = 0;
    for (size_t i = 0; i < CODECS && len < sizeof list; i++)
        len += (size_t)snprintf(list + len, sizeof list - len, "%s%s",
                                i == 0            ? "one of "
                                : i + 1 == CODECS ? " or "
                                                  : ", ",
                                codecs[i]->title);
    const char *what = convd_bytes_known(data, n);
    if (what)
        convd_fault_expected(f, CONVD_UNSUPPORTED, NULL, list, "the bytes are %s, which is not read here", what);
    else
        convd_fault_expected(f, CONVD_UNSUPPORTED, NULL, list, "the bytes are no format that is read here");
}
static bool within_limits(const struct convd_decode_options *o, const struct convd_image_info *info,
                          struct convd_faults *f)
{
    ptrdiff_t w = info->input.width, h = info->input.height, side = o->max_side ? o->max_side : MAX_SIDE;
    double most = (double)(o->max_pixels ? o->max_pixels : MAX_PIXELS);
    double pixels = (double)w * (double)h * (double)info->input.n;
    ptrdiff_t longer = w > h ? w : h;
    if (w < 1 || h < 1) {
        convd_fault(f, CONVD_BAD_IMAGE, NULL, "the %s header says %td x %td pixels", info->codec->title, w, h);
        return false;
    }
    if (longer > side)
        convd_fault_limit(f, CONVD_IMAGE_TOO_LARGE, NULL, (double)side, (double)longer,
                          "the picture is %td x %td pixels; a side may have %td", w, h, side);
    else if (pixels > most)
        convd_fault_limit(f, CONVD_IMAGE_TOO_LARGE, NULL, most, pixels,
                          "the picture has %.0f pixels (%td x %td); %.0f are allowed", pixels, w, h, most);
    else
        return true;
    return false;
}
/* What decoding will write: stored from the file, channels as asked. */
static void settle_stored(const struct convd_decode_options *o, struct convd_image_info *info)
{
    struct convd_input *in = &info->input;
    const uint8_t *b = o->background;
    bool gray = info->file_channels < 3, gray_back = b[0] == b[1] && b[1] == b[2];
    bool keep = o->keep_alpha && info->alpha;
    in->channels = o->channels == CONVD_GRAY ? 1 : o->channels == CONVD_RGBA ? 4 : 3;
    if (in->pixels == CONVD_F32_NCHW)
        in->stored = in->channels;
    else if (info->alpha && o->channels == CONVD_RGBA)
        in->stored = 4;
    else if (gray && (!info->alpha || keep || gray_back))
        in->stored = 1;
    else
        in->stored = 3;
    info->alpha_bytes = keep ? (size_t)in->height * (size_t)in->width : 0;
}
bool convd_image_info(const void *data, size_t n, const struct convd_decode_options *o, struct convd_image_info *info,
                      struct convd_faults *f)
{
    *info = (struct convd_image_info){.orientation = 1};
    if (!n) {
        convd_fault_expected(f, CONVD_BAD_IMAGE, NULL, "an image", "there are no bytes");
        return false;
    }
    for (size_t i = 0; i < CODECS && !info->codec; i++)
        if (codecs[i]->sniff(data, n))
            info->codec = codecs[i];
    if (!info->codec) {
        unsupported(data, n, f);
        return false;
    }
    struct convd_input *in = &info->input;
    in->n = 1;
    if (!info->codec->info(data, n, info, f) || !within_limits(o, info, f) ||
        (info->codec->details && !info->codec->details(data, n, info, f)))
        return false;
    if (o->raw_orientation)
        info->orientation = 1;
    if (info->orientation >= 5) {
        ptrdiff_t w = in->width;
        in->width = in->height;
        in->height = w;
    }
    if (info->file_channels)
        settle_stored(o, info);
    size_t sample = in->pixels == CONVD_U8_HWC ? 1 : in->pixels == CONVD_U16_HWC ? 2 : 4;
    info->bytes = sample; /* within the limits; only a tensor's channels are any number */
    if (!convd_mul(info->bytes, (size_t)in->n, &info->bytes) ||
        !convd_mul(info->bytes, (size_t)in->stored, &info->bytes) ||
        !convd_mul(info->bytes, (size_t)in->height * (size_t)in->width, &info->bytes)) {
        convd_fault(f, CONVD_BAD_IMAGE, NULL, "the %s header describes more than memory can hold", info->codec->title);
        return false;
    }
    info->work_bytes += convd_sink_bytes(info);
    return true;
}

/* ---- in ----------------------------------------------------------------------------------------------------- */

bool convd_image_decode(const struct convd_image_info *info, const void *data, size_t n,
                        const struct convd_decode_options *o, const struct convd_memory *mem, void *pixels, uint8_t *alpha,
                        struct convd_faults *f)
{
    size_t scratch_bytes = convd_sink_bytes(info);
    void *scratch = scratch_bytes ? convd_take(mem, scratch_bytes) : NULL;
    if (scratch_bytes && !scratch) {
        convd_fault(f, CONVD_NO_MEMORY, NULL, "no memory to decode the picture");
        return false;
    }
    struct convd_row_sink sink;
    convd_sink_init(&sink, info, o, scratch, pixels, alpha);
    bool good = info->codec->decode(data, n, info, &sink, mem, f);
    if (good && info->file_channels && sink.done != sink.height) {
        convd_fault(f, CONVD_BAD_IMAGE, NULL, "the %s file ends after %td of %td rows", info->codec->title, sink.done,
                    sink.height);
        good = false;
    }
    convd_give(mem, scratch, scratch_bytes);
    return good;
}

/* ---- out ---------------------------------------------------------------------------------------------------- */

bool convd_image_encode(const struct convd_codec *codec, const struct convd_picture *p,
                        const struct convd_encode_options *o, struct convd_bytes *out, struct convd_faults *f)
{
    if (!codec->encode) {
        convd_fault(f, CONVD_OUT_OF_RANGE, NULL, "%s is read, not written", codec->title);
        return false;
    }
    bool alpha = p->channels == 2 || p->channels == 4;
    bool depth = codec->writes_float ? p->depth == 32 : p->depth == 8 || (p->depth == 16 && codec->writes_16);
    if (p->width < 1 || p->height < 1 || p->channels < 1 || p->channels > 4 || !depth || (alpha && !codec->writes_alpha)) {
        convd_fault(f, CONVD_BAD_SHAPE, NULL, "%s cannot hold %td x %td x %td numbers of %d bits", codec->title, p->height,
                    p->width, p->channels, p->depth);
        return false;
    }
    struct convd_encode_options opts = {.quality = o && o->quality ? o->quality : 90,
                                        .compression = o ? o->compression : -1,
                                        .pool = o ? o->pool : NULL};
    return codec->encode(p, &opts, out, f);
}
size_t convd_image_encode_bound(const struct convd_codec *codec, ptrdiff_t w, ptrdiff_t h, ptrdiff_t channels, int depth)
{
    return codec->bound ? codec->bound(w, h, channels, depth) : 0;
}
