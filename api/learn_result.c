/* learn_result.c: what learning hands back: weights, curve, confusion, kernels as pictures. */
#include "base64.h"
#include "json.h"
#include "learn.h"
#include "output.h"
#include "spec.h"
#include "../core/tensor_file.h"
#include <math.h>
#include <string.h>

/* ---- weights ---- */

bool api_learn_weights(const struct api_learn *x, struct convd_bytes *out)
{
    size_t n = 0;
    while (convd_learner_weight(x->learner, n)) n++;
    const size_t bytes = (n ? n : 1) * sizeof(struct convd_tensor *);
    const struct convd_tensor **list = convd_take(x->work.memory, bytes);
    if (!list) return false;
    for (size_t i = 0; i < n; i++) list[i] = &convd_learner_weight(x->learner, i)->now;
    const bool fine = convd_safetensors_write(list, n, out);
    convd_give(x->work.memory, list, bytes);
    return fine;
}

bool api_learn_spec(struct api_learn *x, struct convd_bytes *out)
{
    struct api_options o = x->work.output->said;
    if (x->n_classes && !(o.given & API_GIVEN(LABELS))) {
        o.given |= API_GIVEN(LABELS);
        o.labels = x->classes;
        o.n_labels = x->n_classes;
    }
    return api_spec_write(x->work.graph, &o, out);
}

/* ---- kernels as a picture: a tile each, gray, or in colour where they look at three channels; 0 is the middle ---- */

enum { TILES = 256, TILE = 24 }; /* at most so many; at least so wide */

struct bank {
    const float *v;
    ptrdiff_t o, c, h, w;
};

static bool find_bank(const struct api_learn *x, bool after, struct bank *b)
{
    const struct convd_learned *w;
    for (size_t i = 0; (w = convd_learner_weight(x->learner, i)); i++) {
        const ptrdiff_t *d = w->now.dim;
        if (w->running || w->now.rank < 3 || d[w->now.rank - 1] * d[w->now.rank - 2] < 2) continue;
        *b = (struct bank){.v = after ? w->now.data : w->before,
                           .o = d[0],
                           .c = w->now.rank == 4 ? d[1] : 1,
                           .h = d[w->now.rank - 2],
                           .w = d[w->now.rank - 1]};
        return true;
    }
    return false;
}

static float number(const struct bank *b, ptrdiff_t o, ptrdiff_t c, ptrdiff_t i, ptrdiff_t j)
{
    return b->v[((o * b->c + c) * b->h + i) * b->w + j];
}

/* Of three channels the one asked for, else their mean. */
static double shade(const struct bank *b, ptrdiff_t o, ptrdiff_t c, ptrdiff_t i, ptrdiff_t j)
{
    if (b->c == 3) return (double)number(b, o, c, i, j);
    double sum = 0;
    for (ptrdiff_t k = 0; k < b->c; k++) sum += (double)number(b, o, k, i, j);
    return sum / (double)b->c;
}

static void draw_tile(const struct bank *b, ptrdiff_t o, ptrdiff_t scale, ptrdiff_t channels,
                      uint8_t *out, ptrdiff_t row)
{
    double most = 0;
    for (ptrdiff_t c = 0; c < channels; c++)
        for (ptrdiff_t i = 0; i < b->h; i++)
            for (ptrdiff_t j = 0; j < b->w; j++) most = fmax(most, fabs(shade(b, o, c, i, j)));
    for (ptrdiff_t i = 0; i < b->h * scale; i++)
        for (ptrdiff_t j = 0; j < b->w * scale; j++)
            for (ptrdiff_t c = 0; c < channels; c++) {
                const double v = most > 0 ? shade(b, o, c, i / scale, j / scale) / most : 0;
                out[i * row + j * channels + c] = (uint8_t)rint(127.5 + 127.5 * v);
            }
}

bool api_learn_kernels(const struct api_learn *x, bool after, struct convd_bytes *out)
{
    struct bank b;
    if (!find_bank(x, after, &b)) return false;
    const ptrdiff_t n = b.o < TILES ? b.o : TILES, columns = (ptrdiff_t)ceil(sqrt((double)n)),
                    rows = (n + columns - 1) / columns, channels = b.c == 3 ? 3 : 1,
                    side = b.w > b.h ? b.w : b.h, scale = side < TILE ? TILE / side : 1;
    const ptrdiff_t width = columns * (b.w * scale + 1) - 1, height = rows * (b.h * scale + 1) - 1;
    const size_t bytes = (size_t)(width * height * channels);
    uint8_t *pixels = convd_take(x->work.memory, bytes);
    struct convd_faults *own = convd_faults_new();
    if (pixels) memset(pixels, 0, bytes);
    for (ptrdiff_t k = 0; pixels && k < n; k++)
        draw_tile(
            &b, k, scale, channels,
            pixels + ((k / columns * (b.h * scale + 1)) * width + k % columns * (b.w * scale + 1)) *
                         channels,
            width * channels);
    const struct convd_picture p = {
        .data = pixels, .width = width, .height = height, .channels = channels, .depth = 8};
    const bool fine =
        pixels && own &&
        convd_image_encode(convd_codec_named("png"), &p,
                           &(struct convd_encode_options){.compression = -1}, out, own);
    convd_faults_free(own);
    convd_give(x->work.memory, pixels, bytes);
    return fine;
}

/* ---- the answer ---- */

static void put_kernels(const struct api_learn *x, struct api_json *j, bool after)
{
    struct convd_bytes png = {.memory = x->work.memory}, url = {.memory = x->work.memory};
    static const char head[] = "\"data:image/png;base64,";
    api_json_key(j, after ? "after" : "before");
    if (api_learn_kernels(x, after, &png) && convd_bytes_put(&url, head, sizeof head - 1) &&
        api_base64_put(&url, png.data, png.n) && convd_bytes_put(&url, "\"", 1))
        api_json_raw(j, (const char *)url.data, url.n);
    else
        api_json_null(j);
    convd_bytes_release(&png);
    convd_bytes_release(&url);
}

void api_learn_curve_row(struct api_json *j, size_t epoch, const struct convd_curve *row)
{
    api_json_object(j);
    api_json_key(j, "epoch");
    api_json_integer(j, (intmax_t)epoch);
    const struct {
        const char *name;
        double x;
    } of[] = {{"loss", row->loss},
              {"accuracy", row->accuracy},
              {"val_loss", row->val_loss},
              {"val_accuracy", row->val_accuracy},
              {"seconds", row->seconds}};
    for (size_t i = 0; i < sizeof of / sizeof *of; i++) {
        api_json_key(j, of[i].name);
        api_json_number(j, of[i].x);
    }
    api_json_end(j);
}

static void put_classes(const struct api_learn *x, struct api_json *j)
{
    if (x->n_classes == 0) {
        api_json_null(j);
        return;
    }
    api_json_array(j);
    for (size_t c = 0; c < x->n_classes; c++) api_json_string(j, x->classes[c]);
    api_json_end(j);
}

/* False when cancelled. */
static bool put_confusion(struct api_learn *x, struct convd_pool *pool, struct api_json *j)
{
    const size_t n = x->n_classes;
    double loss, accuracy;
    uint64_t *counts = n ? convd_arena_array(&x->work.mem, n * n, sizeof *counts) : NULL;
    if (!counts) {
        api_json_null(j);
        return true;
    }
    if (!convd_learner_measure(x->learner, pool, x->cancel, &loss, &accuracy, counts)) return false;
    api_json_array(j);
    for (size_t i = 0; i < n; i++) {
        api_json_array(j);
        for (size_t k = 0; k < n; k++) api_json_integer(j, (intmax_t)counts[i * n + k]);
        api_json_end(j);
    }
    api_json_end(j);
    return true;
}

bool api_learn_result(struct api_learn *x, const char *pipeline, struct convd_pool *pool,
                      struct convd_bytes *out)
{
    struct api_json j = api_json_to(out);
    size_t epochs;
    const struct convd_curve *curve = convd_learner_curve(x->learner, &epochs);
    api_json_object(&j);
    api_json_key(&j, "pipeline");
    api_json_string(&j, pipeline);
    api_json_key(&j, "classes");
    put_classes(x, &j);
    api_json_key(&j, "curve");
    api_json_array(&j);
    for (size_t i = 0; i < epochs; i++) api_learn_curve_row(&j, i + 1, &curve[i]);
    api_json_end(&j);
    api_json_key(&j, "confusion");
    if (!put_confusion(x, pool, &j)) return false;
    api_json_key(&j, "kernels");
    api_json_object(&j);
    put_kernels(x, &j, false);
    put_kernels(x, &j, true);
    api_json_end(&j);
    api_json_end(&j);
    return !j.failed;
}
