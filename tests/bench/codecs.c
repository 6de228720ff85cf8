/* codecs.c: pictures in and out, memory to memory, as a request does them; see codecs.h. */
#include "codecs.h"
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "../../core/convd.h"
#include "../../core/image/image.h"

static const struct kind {
    const char *name, *codec, *input;
    ptrdiff_t channels; /* to encode; 0: decode */
} kinds[] = {
    {"pngdec", "png", ".png", 0},    {"pngenc", "png", ".rgb", 3},   {"pngencgray", "png", ".edges", 1},
    {"jpgdec", "jpeg", ".jpg", 0},   {"jpgenc", "jpeg", ".rgb", 3},  {"webpdec", "webp", ".webp", 0},
    {"webpenc", "webp", ".rgb", 3},
};

struct codec_work {
    const struct kind *kind;
    uint8_t *in, *pixels;
    size_t in_bytes;
    struct convd_decode_options decode;
    struct convd_encode_options encode;
    struct convd_picture picture;
    struct convd_bytes out;
    struct convd_faults *faults;
    struct convd_pool *pool;
};

static const struct kind *kind_of(const char *name)
{
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (strcmp(kinds[i].name, name) == 0) return &kinds[i];
    return NULL;
}
bool codec_kind(const char *kind)
{
    return kind_of(kind) != NULL;
}
int codec_level(const char *peer)
{
    const char *level = strstr(peer, "-L");
    return level ? (int)strtol(level + 2, NULL, 10) : -1;
}

static uint8_t *slurp(const char *path, const char *ending, size_t *bytes)
{
    char name[1200];
    snprintf(name, sizeof name, "%s%s", path, ending);
    FILE *f = fopen(name, "re");
    if (!f) return NULL;
    fseek(f, 0, SEEK_END);
    const long n = ftell(f);
    rewind(f);
    uint8_t *x = n > 0 ? malloc((size_t)n) : NULL;
    *bytes = x ? fread(x, 1, (size_t)n, f) : 0;
    fclose(f);
    return x;
}

/* Once, which finds what is wrong, and memory of its size. */
static bool try(struct codec_work *w)
{
    struct convd_image_info info;
    if (w->kind->channels) {
        const size_t bytes = (size_t)w->picture.width * (size_t)w->picture.height * (size_t)w->kind->channels;
        w->picture.data = w->in;
        return w->in_bytes == bytes &&
               convd_image_encode(convd_codec_named(w->kind->codec), &w->picture, &w->encode, &w->out, w->faults);
    }
    if (!convd_image_info(w->in, w->in_bytes, &w->decode, &info, w->faults)) return false;
    w->pixels = malloc(info.bytes);
    codec_work_run(w);
    return w->pixels && !convd_faults_count(w->faults);
}

struct codec_work *codec_work_new(const char *kind, const char *path, ptrdiff_t width, ptrdiff_t height, int level,
                                  size_t threads)
{
    struct codec_work *w = calloc(1, sizeof *w);
    if (!w) return NULL;
    w->kind = kind_of(kind);
    w->faults = convd_faults_new();
    w->pool = threads > 1 ? convd_pool_new(threads - 1) : NULL; /* the caller is one of them */
    w->decode = (struct convd_decode_options){.channels = CONVD_RGB, .background = {255, 255, 255}};
    w->encode = (struct convd_encode_options){
        .compression = level, .quality = strcmp(kind, "webpenc") == 0 ? 80 : 90, .pool = w->pool};
    w->picture = (struct convd_picture){.width = width, .height = height, .channels = w->kind->channels, .depth = 8};
    w->in = slurp(path, w->kind->input, &w->in_bytes);
    if (!w->faults || !w->in || (threads > 1 && !w->pool) || !try(w)) {
        codec_work_free(w);
        return NULL;
    }
    return w;
}

void codec_work_run(struct codec_work *w)
{
    struct convd_image_info info;
    if (w->kind->channels) {
        w->out.n = 0;
        convd_image_encode(convd_codec_named(w->kind->codec), &w->picture, &w->encode, &w->out, w->faults);
    } else if (convd_image_info(w->in, w->in_bytes, &w->decode, &info, w->faults)) {
        convd_image_decode(&info, w->in, w->in_bytes, &w->decode, NULL, w->pixels, NULL, w->faults);
    }
}

size_t codec_work_bytes(const struct codec_work *w)
{
    return w->kind->channels ? w->out.n : w->in_bytes;
}

void codec_work_free(struct codec_work *w)
{
    convd_bytes_release(&w->out);
    convd_pool_free(w->pool);
    convd_faults_free(w->faults);
    free(w->in);
    free(w->pixels);
    free(w);
}
