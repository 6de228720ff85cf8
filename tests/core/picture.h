/* picture.h: for tests of codecs: a file to planes of f32 by the plainest code, and the lists of files with what is right. */
#ifndef TEST_PICTURE_H
#define TEST_PICTURE_H
#include "../t.h"
#include <libdeflate.h>
#include "../../core/err.h"
#include "../../core/image/image.h"
#include "../../core/tensor_file.h"

/* Memory that counts, and that is full of other people's bytes. */
struct counting {
    struct convd_memory base;
    size_t now, peak;
};
static inline void *counting_take(void *self, size_t n)
{
    struct counting *c = self;
    void *p = aligned_alloc(64, (n + 63) / 64 * 64 + 64);
    if (p) {
        memset(p, 0xA5, n);
        c->now += n;
        if (c->now > c->peak)
            c->peak = c->now;
    }
    return p;
}
static inline void counting_give(void *self, void *p, size_t n)
{
    ((struct counting *)self)->now -= p ? n : 0;
    free(p);
}
static inline void counting_init(struct counting *c)
{
    *c = (struct counting){.base = {.take = counting_take, .give = counting_give, .self = c}};
}

struct decoded {
    bool good;
    int code;               /* of the first fault */
    char words[256];
    struct convd_image_info info;
    uint8_t *pixels, *alpha; /* malloc'ed */
};
static inline struct decoded decode_with(const void *data, size_t n, const struct convd_decode_options *o, uint8_t marker)
{
    struct decoded d = {0};
    struct convd_faults *f = convd_faults_new();
    struct counting mem;
    counting_init(&mem);
    d.good = convd_image_info(data, n, o, &d.info, f);
    if (d.good) {
        /* Exact sizes, so that the sanitizer sees the first byte beyond. */
        d.pixels = malloc(d.info.bytes);
        memset(d.pixels, marker, d.info.bytes);
        d.alpha = d.info.alpha_bytes ? malloc(d.info.alpha_bytes) : NULL;
        if (d.alpha)
            memset(d.alpha, marker, d.info.alpha_bytes);
        d.good = convd_image_decode(&d.info, data, n, o, &mem.base, d.pixels, d.alpha, f);
        EQ(0, mem.now);
        OK(mem.peak <= d.info.work_bytes);
    }
    EQ(d.good, convd_faults_count(f) == 0);
    if (!d.good) {
        const struct convd_fault *first = convd_faults_first(f);
        d.code = first->code;
        snprintf(d.words, sizeof d.words, "%s", first->detail);
    }
    convd_faults_free(f);
    return d;
}
static const struct convd_decode_options rgb_over_white = {.channels = CONVD_RGB, .background = {255, 255, 255}};
static inline struct decoded decode_picture(const void *data, size_t n)
{
    return decode_with(data, n, &rgb_over_white, 0x5A);
}
static inline void decoded_free(struct decoded *d)
{
    free(d->pixels);
    free(d->alpha);
}
/* Value of channel c of what input.channels promises, for u8 and u16 (3 or 4 from 1 replicate; a fourth is 255). */
static inline double pixel_at(const struct decoded *d, ptrdiff_t n, ptrdiff_t c, ptrdiff_t y, ptrdiff_t x)
{
    const struct convd_input *in = &d->info.input;
    if (in->pixels == CONVD_F32_NCHW)
        return ((const float *)(const void *)d->pixels)[((n * in->stored + c) * in->height + y) * in->width + x];
    if (c >= in->stored && in->stored != 1)
        return 255;
    size_t k = (size_t)((y * in->width + x) * in->stored + (in->stored == 1 ? 0 : c));
    return in->pixels == CONVD_U8_HWC ? d->pixels[k] : ((const uint16_t *)(const void *)d->pixels)[k] / 257.0;
}

/* One line of an expected.tsv, cut into its columns. */
struct row {
    char *column[8];
    int n;
};
static inline bool next_row(char **at, struct row *r)
{
    while (**at == '#' || **at == '\n') *at = strchr(*at, '\n') + 1;
    if (!**at)
        return false;
    char *end = strchr(*at, '\n');
    *end = 0;
    r->n = 0;
    for (char *p = *at; p && r->n < 8; r->n++) {
        r->column[r->n] = p;
        p = strchr(p, '\t');
        if (p)
            *p++ = 0;
    }
    *at = end + 1;
    return true;
}
/* A file of tests/data; those that end in .z are unpacked. In memory of exactly its size. */
static inline void *exact_file(const char *name, size_t *n)
{
    void *data = t_file(name, n), *exact;
    size_t k = strlen(name);
    if (k > 2 && strcmp(name + k - 2, ".z") == 0) {
        enum { MOST = 1 << 20 };
        struct libdeflate_decompressor *d = libdeflate_alloc_decompressor();
        void *unpacked = malloc(MOST);
        size_t made;
        OK(libdeflate_zlib_decompress(d, data, *n, unpacked, MOST, &made) == LIBDEFLATE_SUCCESS);
        libdeflate_free_decompressor(d);
        free(data);
        data = unpacked;
        *n = made;
    }
    exact = malloc(*n + (*n == 0));
    memcpy(exact, data, *n);
    free(data);
    return exact;
}
#endif
