/* result.c: the JSON that answers with numbers (reference.md, "Answers"), and the body in every other form. */
#include "base64.h"
#include "json.h"
#include "output.h"
#include "../core/stats.h"
#include "../core/tensor_file.h"
#include <math.h>
#include <stdint.h>
#include <string.h>

/* ---- statistics ---- */

static void number(struct api_json *j, const char *name, double x)
{
    api_json_key(j, name);
    api_json_number(j, x);
}

/* The members of an object that is open. */
static void write_stats(struct api_json *j, const float *x, size_t n)
{
    struct convd_stats s;
    convd_stats_of(x, n, &s);
    number(j, "min", s.min);
    number(j, "max", s.max);
    number(j, "mean", s.mean);
    number(j, "std", s.std);
    number(j, "sum", s.sum);
    number(j, "l1", s.l1);
    number(j, "l2", s.l2);
    number(j, "zeros", (double)s.zeros);
    number(j, "nonfinite", (double)s.nonfinite);
    number(j, "entropy", s.entropy);
    api_json_key(j, "histogram");
    api_json_object(j);
    number(j, "min", s.min);
    number(j, "max", s.max);
    api_json_key(j, "counts");
    api_json_array(j);
    for (size_t i = 0; i < 256; i++) api_json_integer(j, (intmax_t)s.histogram[i]);
    api_json_end(j);
    api_json_end(j);
}

/* One entry a channel; of several samples, sample by sample. */
static void write_channels(struct api_json *j, const struct api_target *t, const float *x)
{
    size_t plane = (size_t)t->shape.h * (size_t)t->shape.w,
           maps = (size_t)t->shape.n * (size_t)t->shape.c;
    api_json_key(j, "channels");
    api_json_array(j);
    for (size_t i = 0; i < maps; i++) {
        api_json_object(j);
        write_stats(j, x + i * plane, plane);
        api_json_end(j);
    }
    api_json_end(j);
}

/* Labels, and the one of the largest number. */
static void write_labels(struct api_json *j, const struct api_options *o,
                         const struct api_target *t, const float *x)
{
    if (!o->n_labels || o->n_labels != t->count) return;
    const char *answer = NULL;
    float best = 0;
    api_json_key(j, "labels");
    api_json_array(j);
    for (size_t i = 0; i < t->count; i++) {
        api_json_string(j, o->labels[i]);
        if (!isnan(x[i]) && (!answer || x[i] > best)) {
            answer = o->labels[i];
            best = x[i];
        }
    }
    api_json_end(j);
    api_json_key(j, "answer");
    api_json_string(j, answer);
}

static bool write_image(struct api_work *w, struct api_json *j, const struct api_target *t,
                        const void *map, const uint8_t *alpha, uint64_t *saturated)
{
    struct convd_bytes picture = {.memory = &w->counted};
    bool fine = api_picture_write(w, t, map, alpha, &picture, saturated);
    if (fine) {
        const char *media = w->output->codec->media;
        api_json_key(j, "image");
        api_json_raw(j, "\"data:", 6);
        fine = convd_bytes_put(j->out, media, strlen(media)) &&
               convd_bytes_put(j->out, ";base64,", 8) &&
               api_base64_put(j->out, picture.data, picture.n) && convd_bytes_put(j->out, "\"", 1);
        j->failed |= !fine;
    }
    convd_bytes_release(&picture);
    return fine;
}

static struct convd_tensor tensor_of(const struct api_target *t, void *map)
{
    struct convd_tensor x = {.name = t->id,
                             .rank = 4,
                             .dim = {t->shape.n, t->shape.c, t->shape.h, t->shape.w},
                             .data = map};
    if (t->dims) {
        x.rank = t->rank;
        memcpy(x.dim, t->dim, sizeof x.dim);
    }
    return x;
}

static bool write_output(struct api_work *w, struct api_json *j, const struct api_target *t,
                         const void *map, const uint8_t *alpha, uint64_t *saturated)
{
    const struct api_options *o = &w->output->o;
    const struct convd_tensor as =
        tensor_of(t, (void *)(uintptr_t)map); /* only its dimensions are read */
    const float *x = map;
    api_json_object(j);
    api_json_key(j, "id");
    api_json_string(j, t->id);
    api_json_key(j, "shape");
    api_json_array(j);
    for (int i = 0; i < as.rank; i++) api_json_integer(j, as.dim[i]);
    api_json_end(j);
    api_json_key(j, "stats");
    api_json_object(j);
    write_stats(j, x, t->count);
    api_json_end(j);
    write_channels(j, t, x);
    if (o->values == API_VALUES_ALL ||
        (o->values == API_VALUES_AUTO && t->count <= API_FEW_VALUES)) {
        api_json_key(j, "values");
        api_json_array(j);
        for (size_t i = 0; i < t->count; i++) api_json_float(j, x[i]);
        api_json_end(j);
    }
    write_labels(j, o, t, x);
    bool fine = !t->picture || write_image(w, j, t, map, alpha, saturated);
    api_json_end(j);
    return fine;
}

static double ms(double x)
{
    return rint(x * 1000) / 1000;
}

static bool write_json(struct api_work *w, const uint8_t *alpha, uint64_t *saturated)
{
    struct api_json j = api_json_to(&w->body);
    double start = api_now_ms();
    bool fine = convd_bytes_reserve(&w->body, w->output->text);
    api_json_object(&j);
    api_json_key(&j, "input");
    api_json_object(&j);
    number(&j, "width", (double)w->info.input.width);
    number(&j, "height", (double)w->info.input.height);
    number(&j, "channels", (double)w->info.input.channels);
    api_json_key(&j, "format");
    api_json_string(&j, w->info.codec ? w->info.codec->name : NULL);
    api_json_end(&j);
    api_json_key(&j, "outputs");
    api_json_array(&j);
    for (size_t i = 0; i < w->output->n && fine; i++)
        fine = write_output(w, &j, &w->output->targets[i], w->output->maps[i], alpha, saturated);
    api_json_end(&j);
    api_json_key(&j, "timing");
    api_json_object(&j);
    number(&j, "decode", ms(w->timing.decode_ms));
    number(&j, "run", ms(w->timing.run_ms));
    number(&j, "encode", ms(api_now_ms() - start));
    api_json_end(&j);
    api_json_end(&j);
    return fine && !j.failed;
}

/* ---- every form ---- */

/* A node asked for twice under one id is one tensor. */
static bool write_safetensors(struct api_work *w)
{
    const struct api_output *o = w->output;
    size_t n = 0;
    for (size_t i = 0; i < o->n; i++) {
        bool twice = false;
        for (size_t k = 0; k < i; k++) twice |= strcmp(o->targets[k].id, o->targets[i].id) == 0;
        o->tensors[i] = tensor_of(&o->targets[i], o->maps[i]);
        if (!twice) o->tensor_list[n++] = &o->tensors[i];
    }
    return convd_safetensors_write(o->tensor_list, n, &w->body);
}

bool api_output_write(struct api_work *w, const uint8_t *alpha)
{
    const struct api_output *o = w->output;
    const struct api_target *t = &o->targets[0];
    uint64_t over = 0;
    double of = 0;
    bool fine = false;
    switch (o->format.kind) {
    case API_PICTURE:
        over = t->pixels == CONVD_F32_NCHW ? 0 : o->saturated[0];
        fine = api_picture_write(w, t, o->maps[0], alpha, &w->body, &over);
        break;
    case API_JSON:
        fine = write_json(w, alpha, &over);
        break;
    case API_NPY: {
        const struct convd_tensor x = tensor_of(t, o->maps[0]);
        fine = convd_bytes_reserve(&w->body, o->text) && convd_npy_write(&x, &w->body);
        break;
    }
    case API_SAFETENSORS:
        fine = convd_bytes_reserve(&w->body, o->text) && write_safetensors(w);
        break;
    }
    for (size_t i = 0; i < o->n; i++)
        if (o->targets[i].picture && o->targets[i].depth != 32)
            of += (double)o->targets[i].count /
                  (o->view.kind == CONVD_VIEW_CHANNEL ? (double)o->targets[i].shape.c : 1);
    w->saturated = of > 0 ? (double)over / of : NAN;
    w->media = o->format.media;
    w->extension = o->format.extension;
    if (!fine && convd_faults_count(w->faults) == 0)
        convd_fault(w->faults, CONVD_NO_MEMORY, NULL, "no memory for the answer");
    return fine;
}
