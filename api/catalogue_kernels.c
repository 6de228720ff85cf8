/* catalogue_kernels.c: named kernels as JSON and as pictures: numbers, sum, whether they are an outer product and of what. */
#include "base64.h"
#include "catalogue.h"
#include "../core/draw.h"
#include "../core/kernels.h"
#include <math.h>
#include <string.h>

#define PICTURE_SIDE 96 /* pixels of a kernel's picture, about */

static void numbers(struct api_json *j, const char *name, const double *v, ptrdiff_t n)
{
    api_json_key(j, name);
    api_json_array(j);
    for (ptrdiff_t i = 0; i < n; i++)
        api_json_number(j, (double)(float)v[i] == v[i] ? v[i] : round(v[i] * 1e9) / 1e9);
    api_json_end(j);
}

static void write_matrix(struct api_json *j, const struct convd_kernel *k)
{
    double sum = 0, column[CONVD_KERNEL_SIDE], row[CONVD_KERNEL_SIDE];
    api_json_key(j, "size");
    api_json_array(j);
    api_json_integer(j, k->h);
    api_json_integer(j, k->w);
    api_json_end(j);
    api_json_key(j, "matrix");
    api_json_array(j);
    for (ptrdiff_t y = 0; y < k->h; y++) {
        api_json_array(j);
        for (ptrdiff_t x = 0; x < k->w; x++) {
            api_json_float(j, k->v[y * k->w + x]);
            sum += (double)k->v[y * k->w + x];
        }
        api_json_end(j);
    }
    api_json_end(j);
    api_json_key(j, "sum");
    api_json_float(j, (float)sum);
    api_json_key(j, "anchor");
    api_json_array(j);
    api_json_integer(j, k->anchor_y);
    api_json_integer(j, k->anchor_x);
    api_json_end(j);
    bool separable = k->h <= CONVD_KERNEL_SIDE && k->w <= CONVD_KERNEL_SIDE &&
                     convd_kernel_separate(k, column, row);
    api_json_key(j, "separable");
    api_json_boolean(j, separable);
    if (separable) {
        numbers(j, "column", column, k->h);
        numbers(j, "row", row, k->w);
    }
}

/* ---- as a picture ---- */

/* Each number becomes a square of pixels. */
static float *magnify(const struct convd_kernel *k, ptrdiff_t by, struct convd_arena *mem)
{
    const ptrdiff_t w = k->w * by, h = k->h * by;
    float *x = convd_arena_array(mem, (size_t)(w * h), sizeof *x);
    for (ptrdiff_t i = 0; x && i < w * h; i++) x[i] = k->v[i / w / by * k->w + i % w / by];
    return x;
}

/* A PNG in diverging colours around 0. */
static bool draw(const struct convd_kernel *k, struct convd_arena *mem, struct convd_faults *f,
                 struct convd_bytes *out)
{
    const ptrdiff_t side = k->h > k->w ? k->h : k->w,
                    by = side < PICTURE_SIDE ? PICTURE_SIDE / side : 1;
    const struct convd_shape s = {1, 1, k->h * by, k->w * by};
    const struct convd_view_options view = {.normalize = CONVD_NORM_SIGNED, .depth = 8};
    struct convd_view_size size;
    const float *x = magnify(k, by, mem);
    if (!x || !convd_view_size(s, &view, &size)) return false;
    void *pixels =
        convd_arena_array(mem, (size_t)(size.width * size.height), (size_t)size.channels);
    if (!pixels) return false;
    convd_draw(x, s, &view, pixels);
    const struct convd_picture picture = {.data = pixels,
                                          .width = size.width,
                                          .height = size.height,
                                          .channels = size.channels,
                                          .depth = 8};
    return convd_image_encode(convd_codec_named("png"), &picture, NULL, out, f);
}

static void write_picture(struct api_json *j, const struct convd_kernel *k, struct convd_arena *mem,
                          struct convd_faults *f)
{
    struct convd_bytes png = {0};
    bool fine = draw(k, mem, f, &png);
    api_json_key(j, "image");
    api_json_raw(j, "\"data:image/png;base64,", 23);
    j->failed |=
        !fine || !api_base64_put(j->out, png.data, png.n) || !convd_bytes_put(j->out, "\"", 1);
    convd_bytes_release(&png);
}

/* ---- one, all ---- */

static void write_kernel(struct api_json *j, const struct convd_kernel_row *row,
                         const struct convd_kernel *k, struct convd_arena *mem,
                         struct convd_faults *f)
{
    api_json_object(j);
    api_member(j, "name", row->name);
    api_member(j, "summary", row->summary);
    api_words(j, "aliases", row->aliases);
    api_params(j, row->params, mem);
    write_matrix(j, k);
    write_picture(j, k, mem, f);
    api_member(j, "source", row->source);
    api_json_end(j);
}

/* The row with its defaults. */
static void write_row(struct api_json *j, const struct convd_kernel_row *row)
{
    struct convd_arena mem;
    struct convd_faults f;
    struct convd_kernel k;
    convd_arena_init(&mem, NULL, 0);
    convd_faults_init(&f, &mem);
    if (convd_kernel_build(row, NULL, 0, &f, &mem, &k))
        write_kernel(j, row, &k, &mem, &f);
    else
        j->failed = true;
    convd_arena_release(&mem);
}

bool api_kernels_write(const char *name, struct convd_bytes *out)
{
    const struct convd_kernel_row *one = name ? convd_kernel_find(name) : NULL;
    struct api_json j = api_json_to(out);
    if (name && !one) return false;
    if (one) {
        write_row(&j, one);
        return !j.failed;
    }
    api_json_object(&j);
    api_json_key(&j, "kernels");
    api_json_array(&j);
    for (size_t i = 0; convd_kernel_at(i); i++) write_row(&j, convd_kernel_at(i));
    api_json_end(&j);
    api_json_end(&j);
    return !j.failed;
}

/* ---- one with arguments ---- */

/* The query's pairs as a kernel's arguments; `format` is taken out. False after a fault. */
static bool split_query(const struct api_pair *query, size_t n, struct convd_arg *args,
                        size_t *n_args, bool *png, struct convd_faults *f)
{
    bool fine = true;
    *n_args = 0;
    *png = false;
    for (size_t i = 0; i < n; i++) {
        if (strcmp(query[i].name, "format") != 0) {
            args[(*n_args)++] = (struct convd_arg){.name = query[i].name, .text = query[i].value};
            continue;
        }
        *png = strcmp(query[i].value, "png") == 0;
        if (*png || strcmp(query[i].value, "json") == 0) continue;
        convd_fault_expected(f, API_NOT_ACCEPTABLE, NULL, "json or png",
                             "a kernel cannot be made as \"%.40s\"", query[i].value);
        fine = false;
    }
    return fine;
}

bool api_kernel_write(const char *name, const struct api_pair *query, size_t n,
                      struct convd_arena *mem, struct convd_faults *f, struct convd_bytes *out,
                      const char **media)
{
    const struct convd_kernel_row *row = convd_kernel_find(name);
    struct convd_arg *args = convd_arena_array(mem, n + 1, sizeof *args);
    struct api_json j = api_json_to(out);
    struct convd_kernel k;
    size_t n_args;
    bool png;
    if (!row || !args) return false;
    bool fine = split_query(query, n, args, &n_args, &png, f);
    if (!convd_kernel_build(row, args, n_args, f, mem, &k) || !fine) {
        for (const struct convd_fault *x = f->first; x; x = x->next)
            ((struct convd_fault *)(uintptr_t)x)->pointer = ""; /* a query has no places */
        return false;
    }
    *media = png ? "image/png" : "application/json";
    if (png) return draw(&k, mem, f, out);
    write_kernel(&j, row, &k, mem, f);
    return !j.failed;
}
