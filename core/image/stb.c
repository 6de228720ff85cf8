/* stb.c: the one place where stb_image is compiled (BMP, GIF, HDR, PSD, TGA). It trusts its input more than we do:
 *
 * - its memory comes from here: zeroed, within a budget, and given back as a whole after each call, whatever was left
 * - its input comes through callbacks, so that the first read past the end is seen; it ends the call by longjmp. By itself
 *   the library takes zeros from there on: pictures of nothing, and for HDR (version 2.27) a loop without end
 * - only stbi_load is called, never stbi_load_gif_from_memory
 *
 * The state below is per thread since the library's allocator has no context; it is set by each call and means nothing
 * between calls. */
#include <setjmp.h>
#include <stddef.h>
#include <string.h>
#include "stb.h"

struct block {
    struct block *next, *before;
    size_t bytes; /* of the whole block */
};
enum { HEAD = 64 };
static _Thread_local struct {
    const struct convd_memory *memory;
    size_t left;
    struct block *blocks;
    bool refused;
} heap;

static void *stb_take(size_t n)
{
    if (n > heap.left || n > SIZE_MAX - HEAD) {
        heap.refused = true;
        return NULL;
    }
    struct block *b = convd_take(heap.memory, n + HEAD);
    if (!b) {
        heap.refused = true;
        return NULL;
    }
    memset(b, 0, n + HEAD);
    b->bytes = n + HEAD;
    b->next = heap.blocks;
    if (b->next)
        b->next->before = b;
    heap.blocks = b;
    heap.left -= n;
    return (char *)b + HEAD;
}
static void stb_give(void *p)
{
    if (!p)
        return;
    struct block *b = (struct block *)(void *)((char *)p - HEAD);
    if (b->next)
        b->next->before = b->before;
    if (b->before)
        b->before->next = b->next;
    else
        heap.blocks = b->next;
    heap.left += b->bytes - HEAD;
    convd_give(heap.memory, b, b->bytes);
}
static void *stb_resize(void *p, size_t old, size_t n)
{
    void *q = stb_take(n);
    if (q && p) {
        memcpy(q, p, old < n ? old : n);
        stb_give(p);
    }
    return q;
}
static void heap_open(const struct convd_memory *mem, size_t budget)
{
    heap.memory = mem;
    heap.left = budget;
    heap.blocks = NULL;
    heap.refused = false;
}
static void heap_close(void)
{
    while (heap.blocks) stb_give((char *)heap.blocks + HEAD);
    heap.memory = NULL;
    heap.left = 0;
}

#define STBI_MALLOC(N)                stb_take(N)
#define STBI_FREE(P)                  stb_give(P)
#define STBI_REALLOC_SIZED(P, OLD, N) stb_resize(P, OLD, N)
#define STBI_ASSERT(X)                ((void)0)
#define STB_IMAGE_STATIC
#define STBI_NO_STDIO
#define STBI_ONLY_BMP
#define STBI_ONLY_GIF
#define STBI_ONLY_HDR
#define STBI_ONLY_PSD
#define STBI_ONLY_TGA
#define STBI_NO_PIC
#define STBI_MAX_DIMENSIONS 65535
#define STB_IMAGE_IMPLEMENTATION
/* Reported at the end of the file, so that it cannot be popped: functions of formats that are left out. */
#pragma GCC diagnostic ignored "-Wunused-function"
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wunused-parameter"
#pragma GCC diagnostic ignored "-Wunused-but-set-variable"
#pragma GCC diagnostic ignored "-Wconversion"
#pragma GCC diagnostic ignored "-Wsign-conversion"
#pragma GCC diagnostic ignored "-Wsign-compare"
#pragma GCC diagnostic ignored "-Wshadow"
#ifdef __clang__ /* its arithmetic relies on shifts and casts that wrap; its memory is still watched by ASan */
#pragma clang attribute push(__attribute__((no_sanitize("undefined"))), apply_to = function)
#endif
#include <stb/stb_image.h>
#ifdef __clang__
#pragma clang attribute pop
#endif
#pragma GCC diagnostic pop

/* ---- input -------------------------------------------------------------------------------------------------- */

struct reader {
    const uint8_t *data;
    size_t n, at;
    jmp_buf past;
};
enum { LOOK_AHEAD = 128 }; /* the library fills its buffer of that size; other sizes it wants whole */

static int read_some(void *self, char *to, int size)
{
    struct reader *r = self;
    size_t want = (size_t)size, left = r->n - r->at;
    if (size <= 0)
        return 0;
    if (left == 0 || (want > left && want != LOOK_AHEAD))
        longjmp(r->past, 1);
    if (want > left)
        want = left;
    memcpy(to, r->data + r->at, want);
    r->at += want;
    return (int)want;
}
static void skip_some(void *self, int n)
{
    struct reader *r = self;
    if (n < 0 || (size_t)n > r->n - r->at)
        longjmp(r->past, 1);
    r->at += (size_t)n;
}
static int is_end(void *self)
{
    const struct reader *r = self;
    return r->at == r->n;
}
static const stbi_io_callbacks input = {.read = read_some, .skip = skip_some, .eof = is_end};

/* ---- calls -------------------------------------------------------------------------------------------------- */

int convd_stb_channels(const uint8_t *data, size_t n, const struct convd_image_info *info)
{
    struct reader r = {.data = data, .n = n};
    volatile int channels = 0;
    heap_open(NULL, 256u << 10);
    if (!setjmp(r.past)) {
        int w = 0, h = 0, c = 0;
        bool known = stbi_info_from_callbacks(&input, &r, &w, &h, &c);
        if (known && w == info->input.width && (h == info->input.height || -h == info->input.height)) /* BMP: top down */
            channels = c;
    }
    heap_close();
    return channels;
}
static void *load(struct reader *r, size_t sample, int *w, int *h, int *channels)
{
    if (sample == 4)
        return stbi_loadf_from_callbacks(&input, r, w, h, channels, 0);
    if (sample == 2)
        return stbi_load_16_from_callbacks(&input, r, w, h, channels, 0);
    return stbi_load_from_callbacks(&input, r, w, h, channels, 0);
}
static void deliver(const uint8_t *x, int channels, struct convd_row_sink *sink)
{
    size_t from = (size_t)channels * sink->sample, to = (size_t)sink->channels * sink->sample;
    while (sink->done < sink->height) {
        uint8_t *y = convd_sink_row(sink);
        if (from == to)
            memcpy(y, x, (size_t)sink->width * to);
        else
            for (ptrdiff_t j = 0; j < sink->width; j++) memcpy(y + (size_t)j * to, x + (size_t)j * from, to);
        x += (size_t)sink->width * from;
        convd_sink_put(sink);
    }
}
bool convd_stb_decode(const uint8_t *data, size_t n, size_t budget, struct convd_row_sink *sink,
                      const struct convd_memory *mem, struct convd_faults *f)
{
    const char *title = sink->info->codec->title;
    struct reader r = {.data = data, .n = n};
    volatile bool good = false;
    heap_open(mem, budget);
    if (setjmp(r.past)) {
        convd_fault(f, CONVD_BAD_IMAGE, NULL, "%s: the file is cut off", title);
    } else {
        int w = 0, h = 0, channels = 0;
        const void *x = load(&r, sink->sample, &w, &h, &channels);
        if (!x && heap.refused)
            convd_fault(f, CONVD_BAD_IMAGE, NULL, "%s: decoding takes more memory than its size explains", title);
        else if (!x)
            convd_fault(f, CONVD_BAD_IMAGE, NULL, "%s: %s", title, stbi_failure_reason());
        else if (w != sink->width || h != sink->height || channels < sink->channels)
            convd_fault(f, CONVD_BAD_IMAGE, NULL, "%s: the picture is not what its header says", title);
        else {
            deliver(x, channels, sink);
            good = true;
        }
    }
    heap_close();
    return good;
}
