/* From a request to its answer: formats, views, numbers, faults, memory. */
#include "../../api/base64.h"
#include "../../api/json.h"
#include "../../api/output.h"
#include "../../core/tensor_file.h"
#include "../t.h"
#include "lib_work.h"

/* A run with a query written "a=b&c=d". */
struct asked {
    struct api_work w;
    struct api_pair query[16];
    char text[512];
};

static void ask(struct asked *a, const void *image, size_t n, const char *pipeline,
                const char *query, const char *accept)
{
    memset(a, 0, sizeof *a);
    a->w = test_work(NULL, image, n, pipeline);
    snprintf(a->text, sizeof a->text, "%s", query ? query : "");
    for (char *s = a->text; *s;) {
        char *name = s, *value = strchr(s, '=');
        OK(value);
        *value++ = 0;
        s = value + strcspn(value, "&");
        if (*s) *s++ = 0;
        a->query[a->w.n_query++] = (struct api_pair){name, value};
    }
    a->w.query = a->query;
    a->w.accept = accept;
}

static void run(struct asked *a, const void *image, size_t n, const char *pipeline,
                const char *query, const char *accept)
{
    ask(a, image, n, pipeline, query, accept);
    test_run(&a->w);
}

static void refuse(struct asked *a, const void *image, size_t n, const char *pipeline,
                   const char *query, const char *accept)
{
    ask(a, image, n, pipeline, query, accept);
    if (api_work_prepare(&a->w)) T_FAIL("%s ?%s is accepted", pipeline, query ? query : "");
    OK(a->w.faults->first);
}

/* The picture in a body, decoded to bytes (caller frees). */
static uint8_t *decoded(const void *data, size_t n, enum convd_channels channels,
                        struct convd_image_info *info)
{
    struct convd_faults *f = convd_faults_new();
    const struct convd_decode_options o = {.channels = channels, .background = {255, 255, 255}};
    OK(convd_image_info(data, n, &o, info, f));
    uint8_t *pixels = malloc(info->bytes);
    OK(pixels);
    OK(convd_image_decode(info, data, n, &o, NULL, pixels, NULL, f));
    convd_faults_free(f);
    return pixels;
}

/* ---- formats ---- */

TEST(accept_is_negotiated)
{
    static const struct {
        const char *accept, *query, *pipeline, *media; /* media NULL: 406 */
    } cases[] = {
        {NULL, "", "grayscale", "image/png"},
        {"", "", "grayscale", "image/png"},
        {"*/*", "", "grayscale", "image/png"},
        {"image/*", "", "grayscale", "image/png"},
        {"image/jpeg", "", "grayscale", "image/jpeg"},
        {"IMAGE/JPEG", "", "grayscale", "image/jpeg"},
        {"image/webp,*/*;q=0.8", "", "grayscale", "image/webp"},
        {"image/avif,image/webp,image/apng,image/svg+xml,image/*,*/*;q=0.8", "", "grayscale",
         "image/png"},
        {"text/html,application/xhtml+xml,image/webp,*/*;q=0.8", "", "grayscale", "image/webp"},
        {"image/png;q=0.5, image/jpeg;q=0.6", "", "grayscale", "image/jpeg"},
        {"image/png;q=0,*/*", "", "grayscale", "image/jpeg"},
        {"image/*;q=0.3, image/png;q=0.1, application/json;q=0.2", "", "grayscale", "image/jpeg"},
        {"application/json", "", "grayscale", "application/json"},
        {"application/json;q=0.9;foo=bar, image/png;q=0.8", "", "grayscale", "application/json"},
        {"text/html", "", "grayscale", NULL},
        {"text/html;q=0.9, image/avif", "", "grayscale", NULL},
        {"*/*;q=0", "", "grayscale", NULL},
        {"garbage;;;,,/", "", "grayscale", NULL},
        {"garbage", "", "grayscale", "image/png"},
        {"image/jpeg", "format=png", "grayscale", "image/png"},
        {"text/html", "format=jpg", "grayscale", "image/jpeg"},
        {"image/jpeg", "", "{\"steps\":[\"grayscale\"],\"output\":{\"format\":\"webp\"}}",
         "image/webp"},
        {"image/jpeg", "format=bmp", "{\"steps\":[\"grayscale\"],\"output\":{\"format\":\"webp\"}}",
         "image/bmp"},
        {NULL, "", "global_avg_pool", "application/json"},
        {"*/*", "", "global_avg_pool", "application/json"},
        {"image/*", "", "global_avg_pool", "image/png"},
        {"image/png", "", "global_avg_pool", "image/png"},
        {NULL, "from=*", "grayscale/abs", "application/json"},
        {"image/png", "from=*", "grayscale/abs", NULL},
        {NULL, "from=*&format=png", "grayscale/abs", "application/json"},
    };
    size_t n;
    uint8_t *x = test_picture(12, 10, 3, &n);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct asked a;
        ask(&a, x, n, cases[i].pipeline, cases[i].query, cases[i].accept);
        bool fine = api_work_prepare(&a.w) && api_work_run(&a.w, NULL, NULL);
        if (!fine && cases[i].media)
            T_FAIL("Accept: %s: %s", cases[i].accept, test_faults(a.w.faults));
        if (fine) STR(cases[i].media, a.w.media);
        if (!fine) {
            EQ(406, api_faults_status(a.w.faults));
            OK(strstr(a.w.faults->first->expected, "application/json"));
        }
        api_work_release(&a.w);
    }
    free(x);
}

TEST(every_format_that_can_be_written_is_written)
{
    size_t n;
    uint8_t *x = test_picture(31, 17, 3, &n);
    struct api_format f;
    for (size_t i = 0; api_format_at(i, &f); i++) {
        char query[64];
        struct asked a;
        snprintf(query, sizeof query, "format=%s", f.name);
        run(&a, x, n, "sobel_x", query, NULL);
        STR(f.media, a.w.media);
        OK(a.w.body.n > 0);
        if (f.kind == API_PICTURE) {
            struct convd_image_info info;
            free(decoded(a.w.body.data, a.w.body.n, CONVD_RGB, &info));
            STR(f.name, info.codec->name);
            EQ(31, info.input.width);
            EQ(17, info.input.height);
        }
        EQ(f.kind == API_PICTURE && !f.codec->writes_float, !isnan(a.w.saturated));
        api_work_release(&a.w);
    }
    OK(f.kind == API_JSON);
    struct asked a;
    refuse(&a, x, n, "abs", "format=exe", NULL);
    EQ(406, api_faults_status(a.w.faults));
    OK(strstr(a.w.faults->first->expected, "safetensors"));
    api_work_release(&a.w);
    refuse(&a, x, n, "{\"steps\":[\"abs\"],\"output\":{\"format\":\"pgn\"}}", NULL, NULL);
    EQ(422, api_faults_status(a.w.faults));
    STR("/output/format", a.w.faults->first->pointer);
    STR("png", a.w.faults->first->suggestion);
    api_work_release(&a.w);
    free(x);
}

/* ---- pictures ---- */

TEST(a_picture_goes_through_unchanged)
{
    static const char *const formats[] = {"png", "bmp", "ppm"};
    size_t n;
    uint8_t *x = test_picture(29, 23, 3, &n);
    struct convd_image_info was, is;
    uint8_t *before = decoded(x, n, CONVD_RGB, &was);
    for (size_t i = 0; i < 3; i++) {
        char query[32];
        struct asked a;
        snprintf(query, sizeof query, "format=%s", formats[i]);
        run(&a, x, n, "filter:identity", query, NULL);
        uint8_t *after = decoded(a.w.body.data, a.w.body.n, CONVD_RGB, &is);
        EQ(was.bytes, is.bytes);
        EQ(0, memcmp(before, after, was.bytes));
        NEAR(0, a.w.saturated, 0);
        free(after);
        api_work_release(&a.w);
    }
    free(before);
    free(x);
}

TEST(saturation_is_reported_as_a_share)
{
    struct asked a;
    size_t n;
    uint8_t *x = test_picture(10, 10, 3, &n);
    run(&a, x, n, "grayscale/scale:0,300", NULL, NULL);
    NEAR(1, a.w.saturated, 0);
    api_work_release(&a.w);
    run(&a, x, n, "scale:0,300", "view=grid", NULL);
    NEAR(1, a.w.saturated, 0);
    api_work_release(&a.w);
    run(&a, x, n, "scale:0,300", "view=channel:1", NULL);
    NEAR(1, a.w.saturated, 0);
    api_work_release(&a.w);
    run(&a, x, n, "scale:0,30", NULL, NULL);
    NEAR(0, a.w.saturated, 0);
    api_work_release(&a.w);
    free(x);
}

TEST(views_have_their_sizes)
{
    static const struct {
        const char *pipeline, *query;
        int width, height, channels;
    } cases[] = {
        {"abs", "", 12, 10, 3},
        {"grayscale", "", 12, 10, 1},
        {"edges-xy", "", 25, 10, 1},
        {"abs", "view=grid", 25, 21, 1},
        {"abs", "view=channel:2", 12, 10, 1},
        {"abs", "view=channel:2&normalize=viridis", 12, 10, 3},
        {"grayscale", "normalize=signed", 12, 10, 3},
        {"maxpool", "", 6, 5, 3},
        {"grayscale", "normalize=minmax", 12, 10, 1},
        {"edges-xy/select:0", "channels=gray", 12, 10, 1},
    };
    size_t n;
    uint8_t *x = test_picture(12, 10, 3, &n);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct asked a;
        struct convd_image_info info;
        run(&a, x, n, cases[i].pipeline, cases[i].query, NULL);
        free(decoded(a.w.body.data, a.w.body.n, CONVD_RGB, &info));
        if (info.input.width != cases[i].width || info.input.height != cases[i].height ||
            info.file_channels != cases[i].channels)
            T_FAIL("%s?%s: %tdx%tdx%d", cases[i].pipeline, cases[i].query, info.input.width,
                   info.input.height, info.file_channels);
        api_work_release(&a.w);
    }
    struct asked a;
    refuse(&a, x, n, "abs", "view=channel:3", NULL);
    STR("out-of-range", api_code_word(a.w.faults->first->code));
    STR("channel:0 to channel:2", a.w.faults->first->expected);
    api_work_release(&a.w);
    free(x);
}

TEST(depth_16_is_257_times_the_value_and_8_bits_where_a_format_has_no_16)
{
    size_t n;
    uint8_t *x = test_picture(9, 7, 3, &n);
    static const struct {
        const char *query;
        int depth;
    } cases[] = {{"format=png&depth=16", 16},
                 {"format=jpeg&depth=16", 8},
                 {"format=png", 8},
                 {"format=png&depth=16&view=grid", 16}};
    for (size_t i = 0; i < 4; i++) {
        struct asked a;
        struct convd_image_info info;
        run(&a, x, n, "grayscale/scale:0,100.25", cases[i].query, NULL);
        uint8_t *p = decoded(a.w.body.data, a.w.body.n, CONVD_GRAY, &info);
        EQ(cases[i].depth, info.depth);
        if (info.depth == 16)
            EQ(25764, ((const uint16_t *)(const void *)p)[5]); /* 100.25 * 257 = 25764.25 */
        free(p);
        api_work_release(&a.w);
    }
    free(x);
}

TEST(hdr_takes_the_values_as_they_are)
{
    struct asked a;
    size_t n;
    uint8_t *x = test_picture(16, 8, 3, &n);
    run(&a, x, n, "scale:0,1000", "format=hdr", NULL);
    struct convd_image_info info;
    uint8_t *p = decoded(a.w.body.data, a.w.body.n, CONVD_RGB, &info);
    EQ(CONVD_F32_NCHW, info.input.pixels);
    NEAR(1000, ((const float *)(const void *)p)[0], 1000 / 128.0);
    free(p);
    api_work_release(&a.w);
    free(x);
}

TEST(alpha_is_composited_kept_or_taken_along)
{
    size_t n;
    uint8_t *x = test_picture(16, 12, 4, &n);
    struct convd_image_info info;
    uint8_t *source = decoded(x, n, CONVD_RGBA, &info);
    struct asked a;

    run(&a, x, n, "filter:identity", "alpha=keep", NULL); /* aside and back: the same picture */
    uint8_t *p = decoded(a.w.body.data, a.w.body.n, CONVD_RGBA, &info);
    EQ(4, info.file_channels);
    EQ(0, memcmp(source, p, info.bytes));
    free(p);
    api_work_release(&a.w);

    run(&a, x, n, "filter:identity", "channels=rgba", NULL); /* convolved like a colour */
    p = decoded(a.w.body.data, a.w.body.n, CONVD_RGBA, &info);
    EQ(0, memcmp(source, p, info.bytes));
    free(p);
    api_work_release(&a.w);

    static const char *const flat[] = {"background=%s", "background=%s&alpha=keep&format=ppm",
                                       "background=%s&channels=rgba&format=bmp"};
    for (size_t i = 0; i < 3; i++) { /* over the background, by whichever way */
        char query[80];
        snprintf(query, sizeof query, flat[i], "#1080f0");
        run(&a, x, n, "filter:identity", query, NULL);
        p = decoded(a.w.body.data, a.w.body.n, CONVD_RGB, &info);
        const double back[3] = {0x10, 0x80, 0xf0};
        for (size_t k = 0; k < 16 * 12; k++)
            for (size_t c = 0; c < 3; c++) {
                double alpha = source[k * 4 + 3] / 255.0;
                NEAR(source[k * 4 + c] * alpha + back[c] * (1 - alpha), p[k * 3 + c], 1);
            }
        free(p);
        api_work_release(&a.w);
    }
    run(&a, x, n, "grayscale", "alpha=keep", NULL); /* gray with alpha */
    p = decoded(a.w.body.data, a.w.body.n, CONVD_RGBA, &info);
    for (size_t k = 0; k < 16 * 12; k++) EQ(source[k * 4 + 3], p[k * 4 + 3]);
    free(p);
    api_work_release(&a.w);

    refuse(&a, x, n, "maxpool", "alpha=keep", NULL);
    STR("bad-shape", api_code_word(a.w.faults->first->code));
    STR("/input/alpha", a.w.faults->first->pointer);
    api_work_release(&a.w);
    refuse(&a, x, n, "edges-xy", "alpha=keep", NULL);
    api_work_release(&a.w);
    run(&a, x, n, "maxpool", "alpha=keep&format=npy", NULL); /* numbers have no alpha */
    api_work_release(&a.w);
    free(source);
    free(x);
}

/* ---- numbers ---- */

TEST(json_has_the_shape_of_the_contract)
{
    struct asked a;
    size_t n;
    uint8_t *x = test_picture(8, 6, 3, &n);
    run(&a, x, n,
        "{\"steps\":[\"grayscale\",{\"id\":\"two\",\"op\":\"conv\",\"weight\":[\"identity\","
        "\"identity\"],\"padding\":1}]}",
        "format=json", NULL);
    const struct convd_value *v = test_json(test_body(&a.w), a.w.body.n);
    NEAR(8, test_at(v, "input/width")->number, 0);
    NEAR(6, test_at(v, "input/height")->number, 0);
    NEAR(3, test_at(v, "input/channels")->number, 0);
    STR("ppm", test_at(v, "input/format")->string);
    EQ(1, test_at(v, "outputs")->n);
    const struct convd_value *o = test_at(v, "outputs/0");
    STR("two", test_at(o, "id")->string);
    static const int shape[] = {1, 2, 6, 8};
    for (uint32_t i = 0; i < 4; i++) NEAR(shape[i], test_at(o, "shape")->items[i].number, 0);
    EQ(2, test_at(o, "channels")->n);
    EQ(96, test_at(o, "values")->n);
    static const char *const members[] = {"min",
                                          "max",
                                          "mean",
                                          "std",
                                          "sum",
                                          "l1",
                                          "l2",
                                          "zeros",
                                          "nonfinite",
                                          "entropy",
                                          "histogram/min",
                                          "histogram/max",
                                          "histogram/counts"};
    for (size_t i = 0; i < 13; i++) {
        char path[64];
        snprintf(path, sizeof path, "stats/%s", members[i]);
        test_at(o, path);
        snprintf(path, sizeof path, "channels/1/%s", members[i]);
        test_at(o, path);
    }
    double sum = 0, least = INFINITY;
    for (uint32_t i = 0; i < 96; i++) {
        double y = test_at(o, "values")->items[i].number;
        sum += y;
        least = y < least ? y : least;
    }
    NEAR(sum, test_at(o, "stats/sum")->number, 1e-3);
    NEAR(sum / 96, test_at(o, "stats/mean")->number, 1e-4);
    NEAR(least, test_at(o, "stats/min")->number, 1e-4);
    EQ(256, test_at(o, "stats/histogram/counts")->n);
    test_at(v, "timing/decode");
    test_at(v, "timing/run");
    OK(!convd_value_get(o, "image"));
    OK(!convd_value_get(o, "labels"));
    api_work_release(&a.w);
    free(x);
}

TEST(values_are_listed_up_to_4096_or_when_asked)
{
    static const struct {
        const char *query;
        int w, h;
        size_t count;
    } cases[] = {{"format=json", 64, 64, 4096},
                 {"format=json", 65, 64, 0},
                 {"format=json&values=all", 65, 64, 4160},
                 {"format=json&values=none", 4, 4, 0}};
    for (size_t i = 0; i < 4; i++) {
        struct asked a;
        size_t n;
        uint8_t *x = test_picture(cases[i].w, cases[i].h, 3, &n);
        run(&a, x, n, "grayscale", cases[i].query, NULL);
        const struct convd_value *v =
            convd_value_get(test_at(test_json(test_body(&a.w), a.w.body.n), "outputs/0"), "values");
        EQ(cases[i].count, v ? v->n : 0);
        api_work_release(&a.w);
        free(x);
    }
}

TEST(what_is_not_finite_is_null)
{
    struct asked a;
    size_t n;
    uint8_t *x = test_picture(3, 2, 1, &n);
    run(&a, x, n, "grayscale/scale:0,-1/sqrt", "format=json", NULL);
    const struct convd_value *o = test_at(test_json(test_body(&a.w), a.w.body.n), "outputs/0");
    EQ(CONVD_NULL, test_at(o, "values/0")->kind);
    NEAR(6, test_at(o, "stats/nonfinite")->number, 0);
    EQ(CONVD_NULL, test_at(o, "stats/mean")->kind);
    api_work_release(&a.w);
    run(&a, x, n, "grayscale/scale:0,-1/sqrt", "format=png", NULL);
    NEAR(1, a.w.saturated, 0);
    api_work_release(&a.w);
    free(x);
}

TEST(labels_answer_with_the_largest)
{
    size_t n = 0;
    char head[] = "P5\n32 32\n255\n"; /* stripes that change along x */
    uint8_t stripes[sizeof head - 1 + 1024];
    memcpy(stripes, head, sizeof head - 1);
    n = sizeof stripes;
    for (int turn = 0; turn < 2; turn++) {
        for (size_t i = 0; i < 1024; i++)
            stripes[sizeof head - 1 + i] = (turn ? i / 32 : i % 32) / 4 % 2 ? 255 : 0;
        struct asked a;
        run(&a, stripes, n, "orientation", NULL, NULL);
        const struct convd_value *o = test_at(test_json(test_body(&a.w), a.w.body.n), "outputs/0");
        STR(turn ? "y" : "x", test_at(o, "answer")->string);
        EQ(2, test_at(o, "labels")->n);
        OK(test_at(o, turn ? "values/0" : "values/1")->number <
           1e-3 * test_at(o, turn ? "values/1" : "values/0")->number);
        api_work_release(&a.w);
    }
}

TEST(labels_that_a_spec_gives_are_as_many_as_its_numbers)
{
    static const struct {
        const char *spec, *query, *value, *faults; /* NULL: fine */
    } tries[] = {
        {"{\"steps\":[\"edges-xy\",\"global_sum_pool\"],\"output\":{\"labels\":[\"a\",\"b\",\"c\"]}}", NULL, NULL,
         "bad-shape /output/labels: 3 labels for the 2 numbers of s1 [2 labels, one for each number] <>"},
        {"{\"steps\":[\"edges-xy\",\"global_sum_pool\"],\"output\":{\"labels\":[\"a\",\"b\"]}}", NULL, NULL, NULL},
        {"{\"steps\":[{\"id\":\"g\",\"op\":\"grayscale\"},\"global_max_pool\"],"
         "\"output\":{\"labels\":[\"a\"],\"from\":[\"g\",\"s1\"]}}",
         NULL, NULL, NULL}, /* they fit one of several */
        {"{\"steps\":[\"edges-xy\",\"global_sum_pool\"],\"output\":{\"labels\":[\"a\",\"b\"]}}", "from", "image", NULL},
        {"orientation", "from", "image", NULL}, /* nor those that a name brings along */
    };
    size_t n;
    uint8_t *x = test_picture(24, 16, 3, &n);
    for (size_t i = 0; i < sizeof tries / sizeof *tries; i++) {
        struct asked a;
        struct api_pair q = {tries[i].query, tries[i].value};
        a.w = test_work(NULL, x, n, tries[i].spec);
        a.w.query = &q;
        a.w.n_query = tries[i].query ? 1 : 0;
        bool fine = api_work_prepare(&a.w);
        if (fine != !tries[i].faults) T_FAIL("%s: %s", tries[i].spec, test_faults(a.w.faults));
        if (!fine) STR(tries[i].faults, test_faults(a.w.faults));
        api_work_release(&a.w);
    }
    free(x);
}

TEST(several_outputs_come_as_json_with_pictures)
{
    struct asked a;
    size_t n;
    uint8_t *x = test_picture(20, 14, 3, &n);
    run(&a, x, n, "edges-xy/global_sum_pool", "from=*", NULL);
    STR("application/json", a.w.media);
    const struct convd_value *v = test_json(test_body(&a.w), a.w.body.n);
    EQ(3, test_at(v, "outputs")->n);
    STR("edges-xy.bank", test_at(v, "outputs/0/id")->string);
    STR("edges-xy.abs", test_at(v, "outputs/1/id")->string);
    STR("s1", test_at(v, "outputs/2/id")->string);
    OK(!convd_value_get(test_at(v, "outputs/2"), "image"));
    const char *url = test_at(v, "outputs/1/image")->string, *payload = api_base64_payload(url);
    EQ(0, strncmp(url, "data:image/png;base64,", 22));
    uint8_t *png = malloc(api_base64_room(strlen(payload)));
    size_t png_n, at;
    OK(png);
    OK(api_base64_decode(payload, strlen(payload), png, &png_n, &at));
    struct convd_image_info info;
    free(decoded(png, png_n, CONVD_RGB, &info));
    EQ(41, info.input.width);
    free(png);
    OK(!isnan(a.w.saturated));
    api_work_release(&a.w);

    run(&a, x, n, "grayscale/sobel_x/abs", "from=s0,s2&format=jpeg", NULL);
    v = test_json(test_body(&a.w), a.w.body.n);
    EQ(2, test_at(v, "outputs")->n);
    EQ(0, strncmp(test_at(v, "outputs/1/image")->string, "data:image/jpeg;base64,", 23));
    api_work_release(&a.w);

    run(&a, x, n, "grayscale/abs", "from=image&format=npy", NULL); /* the picture itself */
    api_work_release(&a.w);
    run(&a, x, n, "{\"steps\":[\"abs\"],\"output\":{\"from\":[\"s0\"]}}", NULL,
        NULL); /* a list of one is one */
    STR("image/png", a.w.media);
    api_work_release(&a.w);
    refuse(&a, x, n, "grayscale/abs", "from=*&format=npy", NULL);
    STR("out-of-range", api_code_word(a.w.faults->first->code));
    api_work_release(&a.w);
    refuse(
        &a, x, n,
        "{\"steps\":[{\"id\":\"edge\",\"op\":\"abs\"}],\"output\":{\"from\":[\"edge\",\"edgy\"]}}",
        NULL, NULL);
    STR("/output/from/1", a.w.faults->first->pointer);
    STR("edge", a.w.faults->first->suggestion);
    api_work_release(&a.w);
    free(x);
}

static float *npy(const struct convd_bytes *b, struct convd_stored *t)
{
    struct convd_arena mem;
    struct convd_faults *f = convd_faults_new();
    convd_arena_init(&mem, NULL, 0);
    OK(convd_npy_open(b->data, b->n, t, &mem, f));
    float *x = malloc(t->count * sizeof *x);
    OK(x);
    convd_stored_read(t, x);
    convd_arena_release(&mem);
    convd_faults_free(f);
    return x;
}

TEST(npy_goes_in_and_comes_out_as_it_is)
{
    float data[2 * 3 * 4];
    for (size_t i = 0; i < 24; i++) data[i] = (float)i * 10.5f - 100;
    const struct convd_tensor t = {.name = "", .rank = 3, .dim = {2, 3, 4}, .data = data};
    struct convd_bytes in = {0};
    OK(convd_npy_write(&t, &in));
    struct asked a;
    run(&a, in.data, in.n, "scale:2", "format=npy", NULL);
    struct convd_stored s;
    float *y = npy(&a.w.body, &s);
    EQ(24, s.count);
    EQ(2, s.dim[s.rank - 3]);
    for (size_t i = 0; i < 24; i++) NEAR(2 * data[i], y[i], 0);
    free(y);
    api_work_release(&a.w);
    convd_bytes_release(&in);
}

TEST(tensors_are_known_by_name)
{
    float k[9] = {0, 0, 0, 0, 3, 0, 0, 0, 0}, image[12] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12};
    const struct convd_tensor kt = {.name = "k", .rank = 2, .dim = {3, 3}, .data = k},
                              it = {.name = "image", .rank = 2, .dim = {3, 4}, .data = image};
    struct convd_bytes kn = {0}, both = {0};
    OK(convd_npy_write(&kt, &kn));
    OK(convd_safetensors_write((const struct convd_tensor *[]){&it, &kt}, 2, &both));
    struct asked a;
    struct convd_stored s;
    size_t n;
    uint8_t *x = test_picture(6, 5, 1, &n);

    ask(&a, x, n, "grayscale/filter:@k", "format=npy", NULL); /* a part */
    const struct api_part part = {"k", kn.data, kn.n};
    a.w.tensors = &part;
    a.w.n_tensors = 1;
    test_run(&a.w);
    float *y = npy(&a.w.body, &s);
    NEAR(3.0 * x[n - 1], y[29], 1e-3);
    free(y);
    api_work_release(&a.w);

    run(&a, both.data, both.n, "filter:@k", "format=npy", NULL); /* beside the picture */
    y = npy(&a.w.body, &s);
    NEAR(36, y[11], 0);
    free(y);
    api_work_release(&a.w);

    refuse(&a, x, n, "grayscale/filter:@q", NULL, NULL);
    STR("unknown-name", api_code_word(a.w.faults->first->code));
    STR("/steps/1/kernel", a.w.faults->first->pointer);
    api_work_release(&a.w);

    ask(&a, x, n, "grayscale/filter:@k", NULL, NULL); /* twice the same name */
    const struct api_part twice[] = {part, part};
    a.w.tensors = twice;
    a.w.n_tensors = 2;
    OK(!api_work_prepare(&a.w));
    STR("bad-request", api_code_word(a.w.faults->first->code));
    api_work_release(&a.w);

    ask(&a, x, n, "grayscale", NULL, NULL); /* no tensor at all */
    const struct api_part odd = {"k", "hello", 5};
    a.w.tensors = &odd;
    a.w.n_tensors = 1;
    OK(!api_work_prepare(&a.w));
    api_work_release(&a.w);
    free(x);
    convd_bytes_release(&kn);
    convd_bytes_release(&both);
}

/* ---- the JSON form of a request ---- */

static bool request(struct api_work *w, const char *text)
{
    *w = test_work(NULL, NULL, 0, NULL);
    w->request = text;
    w->request_n = strlen(text);
    return api_work_prepare(w) && api_work_run(w, NULL, NULL);
}

TEST(a_whole_request_in_json)
{
    size_t n;
    uint8_t *x = test_picture(7, 5, 1, &n);
    struct convd_bytes b = {0};
    OK(api_base64_put(&b, x, n) && convd_bytes_put(&b, "", 1));
    static const char *const forms[] = {
        "{\"pipeline\":\"grayscale/scale:2\",\"image\":\"%s\"}",
        "{\"image\":\"data:image/"
        "x-portable-pixmap;base64,%s\",\"pipeline\":[\"grayscale\",{\"op\":\"scale\",\"mul\":2}]}",
        "{\"pipeline\":{\"steps\":[\"grayscale\",{\"op\":\"filter\",\"kernel\":\"@k\"}],\"output\":"
        "{\"format\":\"png\"}},\"image\":\"%s\",\"tensors\":{\"k\":[[0,0,0],[0,2,0],[0,0,0]]}}",
    };
    struct convd_bytes first = {0};
    for (size_t i = 0; i < 3; i++) {
        char text[2048];
        struct api_work w;
        snprintf(text, sizeof text, forms[i], (const char *)b.data);
        if (!request(&w, text)) T_FAIL("%s: %s", forms[i], test_faults(w.faults));
        if (i == 0) OK(convd_bytes_put(&first, w.body.data, w.body.n));
        EQ(first.n, w.body.n);
        EQ(0, memcmp(first.data, w.body.data, first.n));
        api_work_release(&w);
    }
    static const struct {
        const char *text, *code, *pointer;
    } bad[] = {
        {"{\"pipeline\":[\"abs\"]}", "missing", "/image"},
        {"{\"image\":\"AAAA\"}", "missing", "/pipeline"},
        {"{\"pipeline\":[\"abs\"],\"image\":\"A A=\"}", "bad-image", "/image"},
        {"{\"pipeline\":[\"abs\"],\"image\":7}", "wrong-type", "/image"},
        {"{\"pipeline\":[\"abs\"],\"image\":\"data:image/png,xx\"}", "bad-image", "/image"},
        {"{\"pipeline\":[\"abs\"],\"image\":\"AAAA\"}", "unsupported-media-type", "/image"},
        {"{\"pipeline\":[{\"op\":\"max_pool\",\"kernel_size\":0}],\"image\":\"AAAA\"}",
         "out-of-range", "/pipeline/0/kernel_size"},
        {"{\"pipeline\":{\"steps\":[{\"op\":\"max_pool\",\"kernel_size\":0}]},\"image\":\"AAAA\"}",
         "out-of-range", "/pipeline/steps/0/kernel_size"},
        {"{\"pipeline\":\"abs/max_pool:0\",\"image\":\"AAAA\"}", "out-of-range",
         "/pipeline/steps/1/kernel_size"},
        {"{\"pipeline\":{\"steps\":[\"abs\"],\"output\":{\"form\":1}},\"image\":\"AAAA\"}",
         "unknown-member", "/pipeline/output/form"},
        {"{\"pipeline\":{\"steps\":[\"abs\"],\"output\":{\"from\":\"x\"}},\"image\":\"AAAA\"}",
         "unknown-name", "/pipeline/output/from"},
        {"{\"pipeline\":[\"abs\"],\"imgae\":\"AAAA\"}", "unknown-member", "/imgae"},
        {"{\"pipeline\":[\"abs\"],\"tensors\":{\"k\":[[1,2],[3]]}}", "bad-shape", "/tensors/k/1"},
        {"{\"pipeline\":[\"abs\"],\"tensors\":{\"k\":[[1,2],[3,\"x\"]]}}", "wrong-type",
         "/tensors/k/1/1"},
        {"{\"pipeline\":[\"abs\"],\"tensors\":{\"k\":[]}}", "bad-shape", "/tensors/k"},
        {"{\"pipeline\":[\"abs\"],\"tensors\":{\"k\":[[[[[1]]]]]}}", "bad-shape", "/tensors/k"},
        {"{\"pipeline\":[\"abs\"],\"tensors\":{\"k\":\"AAAA\"}}", "unsupported-media-type",
         "/tensors/k"},
        {"{\"pipeline\":[\"abs\"],\"tensors\":[]}", "wrong-type", "/tensors"},
        {"[]", "wrong-type", ""},
        {"{\"pipeline\":[\"abs\"],}", "bad-json", ""},
        {"{\"pipeline\":true,\"image\":\"AAAA\"}", "wrong-type", "/pipeline"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct api_work w;
        if (request(&w, bad[i].text)) T_FAIL("%s is accepted", bad[i].text);
        const struct convd_fault *f = w.faults->first;
        if (strcmp(api_code_word(f->code), bad[i].code) != 0 ||
            strcmp(f->pointer, bad[i].pointer) != 0)
            T_FAIL("%s: %s", bad[i].text, test_faults(w.faults));
        api_work_release(&w);
    }
    convd_bytes_release(&first);
    convd_bytes_release(&b);
    free(x);
}

/* ---- query ---- */

TEST(a_wrong_query_is_explained)
{
    static const struct {
        const char *query;
        int status;
        const char *words, *suggestion;
    } cases[] = {
        {"fromat=png", 400, "fromat", "format"},
        {"format=png&format=jpeg", 400, "twice", NULL},
        {"quality=0", 422, "quality is 0", NULL},
        {"quality=101", 422, "101", NULL},
        {"quality=high", 422, "high", NULL},
        {"quality=-1", 422, "-1", NULL},
        {"compression=10", 422, "10", NULL},
        {"depth=12", 422, "12", NULL},
        {"view=channel:-1", 422, "channel:-1", NULL},
        {"view=gird", 422, "gird", "grid"},
        {"view=channel:", 422, "channel:", NULL},
        {"normalize=minmaxx", 422, "minmaxx", "minmax"},
        {"channels=cmyk", 422, "cmyk", NULL},
        {"background=red", 422, "red", NULL},
        {"background=%231234567", 422, "1234567", NULL},
        {"alpha=kep", 422, "kep", "keep"},
        {"orient=offf", 422, "off", "off"},
        {"values=some", 422, "some", NULL},
        {"from=nobody", 422, "nobody", NULL},
        {"format=", 406, "format", NULL},
        {"labels=a", 400, "labels", NULL},
    };
    size_t n;
    uint8_t *x = test_picture(4, 4, 3, &n);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct asked a;
        refuse(&a, x, n, "abs", cases[i].query, NULL);
        const struct convd_fault *f = a.w.faults->first;
        if (api_faults_status(a.w.faults) != cases[i].status ||
            !strstr(f->detail, cases[i].words) || !f->expected)
            T_FAIL("%s: %d %s", cases[i].query, api_faults_status(a.w.faults),
                   test_faults(a.w.faults));
        if (cases[i].suggestion) STR(cases[i].suggestion, f->suggestion);
        STR("", f->pointer);
        api_work_release(&a.w);
    }
    struct asked a;
    run(&a, x, n, "abs",
        "background=00ff00&orient=off&quality=50&compression=9&depth=8&alpha=composite&channels="
        "rgb&view=auto&normalize=none",
        NULL);
    api_work_release(&a.w);
    free(x);
}

/* ---- ETag ---- */

TEST(the_etag_is_of_all_that_decides_the_bytes)
{
    size_t n, m;
    uint8_t *x = test_picture(9, 9, 3, &n), *y = test_picture(9, 9, 3, &m);
    y[m - 1] ^= 1;
    static const struct {
        const char *pipeline, *query, *accept;
        bool other, same;
    } cases[] = {{"grayscale", "", NULL, false, true},
                 {"[\"grayscale\"]", "", NULL, false, true},
                 {"grayscale", "", "image/png", false, true},
                 {"grayscale", "", "image/jpeg", false, false},
                 {"grayscale/abs", "", NULL, false, false},
                 {"grayscale", "normalize=minmax", NULL, false, false},
                 {"grayscale", "quality=7", NULL, false, false},
                 {"grayscale", "depth=16", NULL, false, false},
                 {"grayscale", "", NULL, true, false},
                 {"grayscale", "format=json", NULL, false, false},
                 {"grayscale", "from=image", NULL, false, false}};
    struct asked a;
    run(&a, x, n, "grayscale", "", NULL);
    char etag[40];
    memcpy(etag, a.w.etag, sizeof etag);
    EQ(34, strlen(etag));
    OK(etag[0] == '"' && etag[33] == '"');
    api_work_release(&a.w);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        ask(&a, cases[i].other ? y : x, n, cases[i].pipeline, cases[i].query, cases[i].accept);
        OK(api_work_prepare(&a.w));
        if ((strcmp(etag, a.w.etag) == 0) != cases[i].same)
            T_FAIL("%s?%s: %s", cases[i].pipeline, cases[i].query, a.w.etag);
        api_work_release(&a.w);
    }
    free(x);
    free(y);
}

/* ---- memory ---- */

static const struct {
    const char *pipeline, *query;
    int channels;
} loads[] = {
    {"edges", "", 3},
    {"edges", "format=jpeg", 3},
    {"edges", "format=webp", 3},
    {"features", "", 3},
    {"features", "format=npy", 3},
    {"edges-xy", "format=json&values=all", 3},
    {"edges", "from=*", 3},
    {"dense", "from=*&format=webp", 3},
    {"filter:identity", "alpha=keep", 4},
    {"grayscale", "alpha=keep&depth=16", 4},
    {"filter:identity", "channels=rgba&format=jpeg", 4},
    {"sobel_x", "format=hdr", 3},
    {"sobel_x", "normalize=signed&depth=16", 1},
    {"grayscale/abs", "from=*&format=safetensors", 3},
    {"gaussian:9", "view=grid&format=ppm", 3},
    {"orientation", "", 3},
    {"median:5", "format=bmp", 3},
};

TEST(a_run_takes_no_more_than_its_plan_said)
{
    for (size_t i = 0; i < sizeof loads / sizeof *loads; i++) {
        struct counting *c = counting_new();
        size_t n;
        uint8_t *x = test_picture(301, 203, loads[i].channels, &n);
        struct asked a;
        ask(&a, x, n, loads[i].pipeline, loads[i].query, NULL);
        a.w.memory = &c->memory;
        if (!api_work_prepare(&a.w))
            T_FAIL("%s?%s: %s", loads[i].pipeline, loads[i].query, test_faults(a.w.faults));
        size_t said = a.w.bytes, prepared = c->most;
        OK(prepared < 4u << 20);
        OK(api_work_run(&a.w, NULL, NULL));
        if (c->most > said)
            T_FAIL("%s?%s: took %zu, said %zu", loads[i].pipeline, loads[i].query, c->most, said);
        if (said - a.w.info.work_bytes > 24 * c->most) /* the bound is one that can be reached */
            T_FAIL("%s?%s: took %zu, said %zu: far too much", loads[i].pipeline, loads[i].query,
                   c->most, said);
        api_work_release(&a.w);
        counting_free(c);
        free(x);
    }
}

TEST(a_warm_run_finds_every_block_it_needs)
{
    struct counting *c = counting_new();
    size_t n;
    uint8_t *x = test_picture(120, 90, 3, &n);
    for (size_t i = 0; i < sizeof loads / sizeof *loads; i++) {
        if (loads[i].channels != 3) continue;
        size_t fresh = 0, takes = 0;
        for (int round = 0; round < 2; round++) {
            struct asked a;
            ask(&a, x, n, loads[i].pipeline, loads[i].query, NULL);
            a.w.memory = &c->memory;
            fresh = c->fresh;
            takes = c->takes;
            test_run(&a.w);
            api_work_release(&a.w);
        }
        EQ(fresh, c->fresh);
        OK(c->takes > takes);
    }
    counting_free(c);
    free(x);
}

TEST(more_than_a_request_may_have_is_refused_before_it_is_taken)
{
    struct counting *c = counting_new();
    size_t n;
    uint8_t *x = test_picture(640, 480, 3, &n);
    struct api_work w = test_work(c, x, n, "edges");
    OK(api_work_prepare(&w));
    size_t said = w.bytes;
    api_work_release(&w);
    w = test_work(c, x, n, "edges");
    w.limits.plan.memory = said - 1;
    OK(!api_work_prepare(&w));
    STR("too-much-memory", api_code_word(w.faults->first->code));
    NEAR((double)said - 1, w.faults->first->limit, 0);
    NEAR((double)said, w.faults->first->actual, 65536);
    OK(c->most < said);
    api_work_release(&w);
    counting_free(c);
    free(x);
}

TEST(without_memory_there_is_a_fault_and_nothing_stays)
{
    static const char *const queries[] = {"", "format=json", "from=*", "format=safetensors"};
    size_t n, refused = 0;
    uint8_t *x = test_picture(40, 30, 3, &n);
    for (size_t i = 0; i < 4; i++)
        for (size_t at = 1;; at++) {
            struct counting *c = counting_new();
            struct asked a;
            ask(&a, x, n, "grayscale/residual-not/abs", queries[i], NULL);
            a.w.pipeline = i % 2
                               ? "{\"steps\":[{\"op\":\"residual\",\"steps\":[\"edges\"]},\"abs\"]}"
                               : "edges/dense";
            a.w.pipeline_n = strlen(a.w.pipeline);
            a.w.memory = &c->memory;
            c->fail_at = at;
            bool fine = api_work_prepare(&a.w) && api_work_run(&a.w, NULL, NULL);
            bool hit = c->takes >= at;
            if (!fine && !hit) T_FAIL("%s", test_faults(a.w.faults));
            if (!fine && a.w.faults) EQ(503, api_faults_status(a.w.faults));
            refused += !fine;
            api_work_release(&a.w);
            counting_free(c);
            if (fine && !hit) break;
        }
    OK(refused > 20);
    free(x);
}

TEST(a_run_that_is_cancelled_says_so)
{
    size_t n;
    uint8_t *x = test_picture(64, 64, 3, &n);
    struct api_work w = test_work(NULL, x, n, "edges");
    atomic_bool cancel = true;
    OK(api_work_prepare(&w));
    OK(!api_work_run(&w, NULL, &cancel));
    EQ(504, api_faults_status(w.faults));
    api_work_release(&w);
    free(x);
}

TEST(what_only_decoding_can_tell_is_a_400)
{
    size_t n;
    uint8_t *x = test_picture(64, 64, 3, &n);
    struct api_work w = test_work(NULL, x, n / 2, "edges");
    bool fine = api_work_prepare(&w) && api_work_run(&w, NULL, NULL);
    OK(!fine);
    EQ(400, api_faults_status(w.faults));
    OK(w.body.n == 0);
    api_work_release(&w);
    free(x);
}
T_MAIN("api/work")
