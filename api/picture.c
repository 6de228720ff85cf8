/* picture.c: one map as an encoded picture: drawn where the plan did not write it as one, alpha put back or composited,
 * floats for HDR. */
#include "output.h"
#include <math.h>
#include <string.h>

/* ---- samples of 8, 16 and 32 bits; depth is a constant wherever these are inlined ---- */

static inline double load(const void *data, size_t i, int depth)
{
    return depth == 8    ? ((const uint8_t *)data)[i]
           : depth == 16 ? ((const uint16_t *)data)[i]
                         : (double)((const float *)data)[i];
}

static inline void store(void *data, size_t i, int depth, double x)
{
    if (depth == 8)
        ((uint8_t *)data)[i] = (uint8_t)rint(x);
    else if (depth == 16)
        ((uint16_t *)data)[i] = (uint16_t)rint(x);
    else
        ((float *)data)[i] = (float)x;
}

/* What 1.0 of alpha and a background of 255 are worth. */
static inline double full(int depth)
{
    return depth == 16 ? 65535 : 255;
}

/* Lays c colours over the background; alpha is a plane of bytes, or NULL: the channel behind the colours, which goes. */
static inline void composite(void *data, size_t pixels, size_t c, const uint8_t *alpha,
                             const uint8_t back[3], int depth)
{
    size_t step = alpha ? c : c + 1;
    for (size_t i = 0; i < pixels; i++) {
        double a = alpha ? alpha[i] / 255.0 : load(data, i * step + c, depth) / full(depth);
        a = a < 0 ? 0 : a > 1 ? 1 : a;
        for (size_t k = 0; k < c; k++) {
            double under = back[k] * (full(depth) / 255);
            if (c == 1) /* gray over a colour: over its luma */
                under = (0.299 * back[0] + 0.587 * back[1] + 0.114 * back[2]) * (full(depth) / 255);
            store(data, i * c + k, depth, load(data, i * step + k, depth) * a + under * (1 - a));
        }
    }
}

static void composite_any(void *data, size_t pixels, size_t c, const uint8_t *alpha,
                          const uint8_t back[3], int depth)
{
    if (depth == 8)
        composite(data, pixels, c, alpha, back, 8);
    else if (depth == 16)
        composite(data, pixels, c, alpha, back, 16);
    else
        composite(data, pixels, c, alpha, back, 32);
}

/* Colours and alpha, interleaved. */
static void merge(const void *data, size_t pixels, size_t c, const uint8_t *alpha, int depth,
                  void *out)
{
    for (size_t i = 0; i < pixels; i++) {
        if (depth == 8) {
            memcpy((uint8_t *)out + i * (c + 1), (const uint8_t *)data + i * c, c);
            ((uint8_t *)out)[i * (c + 1) + c] = alpha[i];
        } else {
            memcpy((uint16_t *)out + i * (c + 1), (const uint16_t *)data + i * c, c * 2);
            ((uint16_t *)out)[i * (c + 1) + c] = (uint16_t)(alpha[i] * 257);
        }
    }
}

/* ---- from a float map ---- */

/* HDR takes the values as they are, where the view is the map's own channels. */
static bool as_it_is(const struct api_output *out, const struct api_target *t)
{
    return t->shape.n == 1 && out->view.normalize == CONVD_NORM_NONE &&
           (t->view.direct || out->view.kind == CONVD_VIEW_CHANNEL);
}

static void interleave(const float *map, const struct api_target *t, ptrdiff_t channel, float *out)
{
    size_t plane = (size_t)t->shape.h * (size_t)t->shape.w, c = (size_t)t->view.channels;
    for (size_t k = 0; k < c; k++) {
        const float *x = map + (k + (size_t)channel) * plane;
        for (size_t i = 0; i < plane; i++) out[i * c + k] = x[i];
    }
}

/* Buffers of one picture; all go back together. */
struct sheet {
    const struct convd_memory *memory;
    void *drawn, *final;
    size_t drawn_bytes, final_bytes;
};

static bool draw(const struct api_output *out, const struct api_target *t, const void *map,
                 struct sheet *s, uint64_t *saturated)
{
    size_t samples = (size_t)t->view.width * (size_t)t->view.height * (size_t)t->view.channels;
    struct convd_view_options view = out->view;
    view.depth = t->depth == 16 ? 16 : 8;
    bool raw = t->depth == 32 && as_it_is(out, t);
    if (!raw) {
        s->drawn_bytes = samples * (size_t)view.depth / 8;
        s->drawn = convd_take(s->memory, s->drawn_bytes);
        if (!s->drawn) return false;
        *saturated += convd_draw(map, t->shape, &view, s->drawn);
    }
    if (t->depth != 32) return true;
    s->final_bytes = samples * sizeof(float);
    s->final = convd_take(s->memory, s->final_bytes);
    if (!s->final) return false;
    if (raw)
        interleave(map, t, out->view.kind == CONVD_VIEW_CHANNEL ? out->view.channel : 0, s->final);
    else
        for (size_t i = 0; i < samples; i++)
            ((float *)s->final)[i] = ((const uint8_t *)s->drawn)[i];
    return true;
}

bool api_picture_write(struct api_work *w, const struct api_target *t, const void *map,
                       const uint8_t *alpha, struct convd_bytes *out, uint64_t *saturated)
{
    const struct api_output *o = w->output;
    struct sheet s = {.memory = &w->counted};
    size_t pixels = (size_t)t->view.width * (size_t)t->view.height;
    struct convd_picture p = {.width = t->view.width,
                              .height = t->view.height,
                              .channels = t->view.channels,
                              .depth = t->depth};
    const uint8_t *back = o->o.background;
    bool fine = t->pixels != CONVD_F32_NCHW || draw(o, t, map, &s, saturated);
    void *data = s.final   ? s.final
                 : s.drawn ? s.drawn
                           : (void *)(uintptr_t)map; /* the map is ours and not needed again */
    if (fine && alpha && o->codec->writes_alpha) {
        s.final_bytes = pixels * (size_t)(p.channels + 1) * (size_t)p.depth / 8;
        s.final = convd_take(s.memory, s.final_bytes);
        fine = s.final != NULL;
        if (fine) merge(data, pixels, (size_t)p.channels, alpha, p.depth, s.final);
        data = s.final;
        p.channels++;
    } else if (fine && alpha) {
        composite_any(data, pixels, (size_t)p.channels, alpha, back, p.depth);
    } else if (fine && p.channels == 4 && !o->codec->writes_alpha) {
        composite_any(data, pixels, 3, NULL, back, p.depth);
        p.channels = 3;
    }
    const struct convd_encode_options e = {
        .quality = o->o.quality, .compression = o->o.compression, .pool = w->pool};
    p.data = data;
    if (fine)
        fine = convd_image_encode(o->codec, &p, &e, out, w->faults);
    else
        convd_fault(w->faults, CONVD_NO_MEMORY, NULL, "no memory to draw the picture");
    convd_give(s.memory, s.drawn, s.drawn_bytes);
    convd_give(s.memory, s.final, s.final_bytes);
    return fine;
}
