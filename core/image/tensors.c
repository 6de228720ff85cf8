/* tensors.c: tensor files as pictures: what they hold is taken as it is, f32 planes, any number of channels. The files
 * themselves are read by npy.c and safetensors.c. */
#include <string.h>
#include "../tensor_file.h"
#include "row_sink.h"

/* (H,W), (C,H,W) and (N,C,H,W) are pictures. */
static bool as_picture(const struct convd_stored *t, const char *title, struct convd_image_info *i, struct convd_faults *f)
{
    if (t->rank < 2 || t->rank > 4) {
        convd_fault_expected(f, CONVD_BAD_SHAPE, NULL, "(H,W), (C,H,W) or (N,C,H,W)",
                             "%s: a tensor of %d dimension%s is no picture", title, t->rank, t->rank == 1 ? "" : "s");
        return false;
    }
    struct convd_input *in = &i->input;
    const ptrdiff_t *end = t->dim + t->rank;
    in->pixels = CONVD_F32_NCHW;
    in->n = t->rank == 4 ? t->dim[0] : 1;
    in->stored = in->channels = t->rank >= 3 ? end[-3] : 1;
    in->height = end[-2];
    in->width = end[-1];
    i->depth = 8 * t->size;
    return true;
}
static bool npy_sniff(const uint8_t *data, size_t n)
{
    return convd_npy_is(data, n);
}
static bool npy_info(const uint8_t *data, size_t n, struct convd_image_info *i, struct convd_faults *f)
{
    struct convd_stored t;
    return convd_npy_open(data, n, &t, NULL, f) && as_picture(&t, "npy", i, f);
}
static bool npy_decode(const uint8_t *data, size_t n, const struct convd_image_info *i, struct convd_row_sink *sink,
                       const struct convd_memory *mem, struct convd_faults *f)
{
    (void)i;
    (void)mem;
    struct convd_stored t;
    if (!convd_npy_open(data, n, &t, NULL, f))
        return false;
    convd_stored_read(&t, convd_sink_whole(sink));
    return true;
}

/* The tensor "image", or the only one. */
static bool find(const uint8_t *data, size_t n, struct convd_stored *t, struct convd_arena *mem, struct convd_faults *f)
{
    struct convd_stored *list;
    size_t count;
    if (!convd_safetensors_open(data, n, &list, &count, mem, f))
        return false;
    for (size_t k = 0; k < count; k++) {
        if (count > 1 && strcmp(list[k].name, "image") != 0)
            continue;
        *t = list[k];
        return true;
    }
    convd_fault_expected(f, CONVD_BAD_IMAGE, NULL, "a tensor named \"image\", or a single tensor",
                         "safetensors: %zu tensors, none of them named \"image\"", count);
    return false;
}
/* The header's names and sizes need memory: at most HEADER_WORK and, for real files, far less. */
#define HEADER_WORK ((size_t)64 << 20)

static size_t header_work(size_t n)
{
    size_t guess = 16 * n + (64u << 10);
    return guess < HEADER_WORK ? guess : HEADER_WORK;
}
static bool safetensors_info(const uint8_t *data, size_t n, struct convd_image_info *i, struct convd_faults *f)
{
    struct convd_stored t;
    struct convd_arena mem;
    convd_arena_init(&mem, NULL, HEADER_WORK);
    bool good = find(data, n, &t, &mem, f) && as_picture(&t, "safetensors", i, f);
    if (good)
        i->work_bytes = header_work(n);
    convd_arena_release(&mem);
    return good;
}
static bool safetensors_decode(const uint8_t *data, size_t n, const struct convd_image_info *i,
                               struct convd_row_sink *sink, const struct convd_memory *memory, struct convd_faults *f)
{
    (void)i;
    struct convd_stored t;
    struct convd_arena mem;
    convd_arena_init(&mem, memory, HEADER_WORK);
    bool good = find(data, n, &t, &mem, f);
    if (good)
        convd_stored_read(&t, convd_sink_whole(sink));
    convd_arena_release(&mem);
    return good;
}
static bool safetensors_sniff(const uint8_t *data, size_t n)
{
    return convd_safetensors_is(data, n);
}

const struct convd_codec convd_codec_npy = {.name = "npy",
                                            .title = "npy",
                                            .media = "application/x-npy",
                                            .media_more = "application/x-numpy application/npy",
                                            .extensions = "npy",
                                            .sniff = npy_sniff,
                                            .info = npy_info,
                                            .decode = npy_decode};
const struct convd_codec convd_codec_safetensors = {.name = "safetensors",
                                                    .title = "safetensors",
                                                    .media = "application/x-safetensors",
                                                    .media_more = "application/safetensors application/vnd.safetensors",
                                                    .extensions = "safetensors",
                                                    .sniff = safetensors_sniff,
                                                    .info = safetensors_info,
                                                    .decode = safetensors_decode};
