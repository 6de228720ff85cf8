/* dL/d picture, tensors and weights: which are there, what they are, in which forms, and what is refused. */
#include "../../api/json.h"
#include "../../core/op.h"
#include "../../core/tensor_file.h"
#include "../t.h"
#include "lib_work.h"

/* A picture of 3 x 2 gray numbers. */
static const uint8_t six[] = "P5\n3 2\n255\n\x0a\x14\x1e\x28\x32\x3c";
#define GRAY "\"input\":{\"channels\":\"gray\"}"

struct asked {
    struct api_work w;
    struct api_pair query[4];
};

static void ask(struct asked *a, const void *image, size_t n, const char *pipeline,
                const char *format)
{
    *a = (struct asked){.w = test_work(NULL, image, n, pipeline)};
    a->w.ask = API_GRADIENT;
    a->query[0] = (struct api_pair){"format", format};
    a->w.query = a->query;
    a->w.n_query = format ? 1 : 0;
}

/* ---- safetensors ---- */

struct answer {
    struct convd_arena mem;
    struct convd_stored *list;
    size_t n;
};

static void read_answer(struct answer *r, const struct api_work *w)
{
    struct convd_faults *f = convd_faults_new();
    *r = (struct answer){0};
    STR("application/x-safetensors", w->media);
    if (!convd_safetensors_open(w->body.data, w->body.n, &r->list, &r->n, &r->mem, f))
        T_FAIL("%s", test_faults(f));
    convd_faults_free(f);
}

/* The numbers of that name; the test fails when it is not there or of another shape ("3x3"). */
static const float *gradient(struct answer *r, const char *name, const char *shape)
{
    for (size_t i = 0; i < r->n; i++) {
        const struct convd_stored *t = &r->list[i];
        char text[80] = "";
        if (strcmp(t->name, name) != 0) continue;
        for (int d = 0; d < t->rank; d++)
            snprintf(text + strlen(text), 20, "%s%td", d ? "x" : "", t->dim[d]);
        STR(shape, text);
        float *x = convd_arena_take(&r->mem, t->count * sizeof *x);
        OK(x);
        convd_stored_read(t, x);
        return x;
    }
    T_FAIL("no gradient of %s", name);
    return NULL;
}

static void check(const float *got, const double *want, size_t n)
{
    for (size_t i = 0; i < n; i++) NEAR(want[i], got[i], 1e-5 * (1 + fabs(want[i])));
}

TEST(a_picture_alone_has_its_own_gradient)
{
    struct asked a;
    struct answer r;
    ask(&a, six, sizeof six - 1, "{" GRAY ",\"steps\":[{\"op\":\"scale\",\"mul\":2},\"square\"]}",
        NULL);
    test_run(&a.w);
    read_answer(&r, &a.w);
    EQ(1, r.n);
    check(gradient(&r, "image", "1x1x2x3"), (double[]){80, 160, 240, 320, 400, 480}, 6); /* 8 x */
    convd_arena_release(&r.mem);
    api_work_release(&a.w);
}

TEST(tensors_and_learned_weights_have_theirs)
{
    static const float kernel[4] = {1, 2, 3, 4}, unused[2] = {5, 6}, mask[6] = {1, 0, 1, 0, 1, 0};
    struct convd_bytes files[3] = {{0}, {0}, {0}};
    OK(convd_npy_write(
        &(struct convd_tensor){.rank = 2, .dim = {2, 2}, .data = (float *)(uintptr_t)kernel},
        &files[0]));
    OK(convd_npy_write(
        &(struct convd_tensor){.rank = 1, .dim = {2}, .data = (float *)(uintptr_t)unused},
        &files[1]));
    OK(convd_npy_write(
        &(struct convd_tensor){.rank = 2, .dim = {2, 3}, .data = (float *)(uintptr_t)mask},
        &files[2]));
    const struct api_part parts[] = {{"k", files[0].data, files[0].n},
                                     {"other", files[1].data, files[1].n},
                                     {"mask", files[2].data, files[2].n}};
    struct asked a;
    struct answer r;
    ask(&a, six, sizeof six - 1,
        "{" GRAY ",\"steps\":[{\"op\":\"multiply\",\"inputs\":[\"image\",\"@mask\"]},"
        "{\"id\":\"c\",\"op\":\"conv\",\"weight\":\"@k\"},"
        "{\"id\":\"l\",\"op\":\"conv\",\"weight\":{\"init\":\"identity\",\"out_channels\":2,"
        "\"kernel_size\":1},"
        "\"bias\":{\"init\":\"zeros\"}},"
        "{\"id\":\"f\",\"op\":\"linear\",\"learn\":true,\"weight\":[[1,2,3,4]]},"
        "{\"id\":\"g\",\"op\":\"scale\",\"mul\":10}]}",
        NULL);
    a.w.tensors = parts;
    a.w.n_tensors = 3;
    test_run(&a.w);
    read_answer(&r, &a.w);
    /* m = 10 0 30 / 0 50 0; c = 1*10+2*0+3*0+4*50, 0+60+150+0 = 210, 210; l both; y = 10 (1,2,3,4).(c,c) */
    check(gradient(&r, "f.weight", "1x4"), (double[]){2100, 2100, 2100, 2100}, 4);
    check(gradient(&r, "l.bias", "2"), (double[]){30, 70}, 2);
    check(gradient(&r, "l.weight", "2x1x1x1"), (double[]){6300, 14700}, 2);
    /* dL/dc = 10 (1+3, 2+4) = 40, 60 */
    check(gradient(&r, "k", "2x2"),
          (double[]){10 * 40 + 0 * 60, 0 * 40 + 30 * 60, 0 * 40 + 50 * 60, 50 * 40 + 0 * 60}, 4);
    const double dm[6] = {40, 2 * 40 + 60, 2 * 60, 3 * 40, 4 * 40 + 3 * 60, 4 * 60},
                 image[6] = {10, 20, 30, 40, 50, 60};
    double dimage[6], dmask[6];
    for (int i = 0; i < 6; i++) {
        dimage[i] = dm[i] * (double)mask[i];
        dmask[i] = dm[i] * image[i];
    }
    check(gradient(&r, "image", "1x1x2x3"), dimage, 6);
    check(gradient(&r, "mask", "2x3"), dmask, 6);
    check(gradient(&r, "other", "2"), (double[]){0, 0}, 2);
    EQ(7, r.n);
    for (size_t i = 1; i < r.n; i++) OK(strcmp(r.list[i - 1].name, r.list[i].name) < 0);
    convd_arena_release(&r.mem);
    api_work_release(&a.w);
    for (int i = 0; i < 3; i++) convd_bytes_release(&files[i]);
}

TEST(the_same_question_has_the_same_answer)
{
    size_t n;
    uint8_t *image = test_picture(40, 30, 3, &n), *first = NULL;
    size_t first_n = 0;
    char etag[40] = "";
    for (int round = 0; round < 3; round++) {
        struct asked a;
        ask(&a, image, n, "features/global_avg_pool", NULL);
        a.w.threads = round == 2 ? 2 : 1;
        test_run(&a.w);
        if (!first) {
            first = malloc(first_n = a.w.body.n);
            memcpy(first, a.w.body.data, first_n);
            snprintf(etag, sizeof etag, "%s", a.w.etag);
        }
        if (round < 2) OK(first_n == a.w.body.n && memcmp(first, a.w.body.data, first_n) == 0);
        STR(etag, a.w.etag);
        api_work_release(&a.w);
    }
    struct api_work run = test_work(NULL, image, n, "features/global_avg_pool");
    OK(api_work_prepare(&run));
    OK(strcmp(run.etag, etag) != 0); /* another question */
    api_work_release(&run);
    free(first);
    free(image);
}

/* ---- upstream ---- */

TEST(an_upstream_is_what_it_begins_with)
{
    struct asked a;
    struct answer r;
    ask(&a, six, sizeof six - 1, "{" GRAY ",\"steps\":[{\"op\":\"scale\",\"mul\":3}]}", NULL);
    const float up[6] = {1, 0, 0, 0, 0, -2};
    struct convd_bytes file = {0};
    OK(convd_npy_write(
        &(struct convd_tensor){.rank = 2, .dim = {2, 3}, .data = (float *)(uintptr_t)up}, &file));
    a.w.upstream = file.data;
    a.w.upstream_n = file.n;
    test_run(&a.w);
    read_answer(&r, &a.w);
    check(gradient(&r, "image", "1x1x2x3"), (double[]){3, 0, 0, 0, 0, -6}, 6);
    EQ(1, r.n);
    convd_arena_release(&r.mem);
    api_work_release(&a.w);
    convd_bytes_release(&file);
}

TEST(an_upstream_of_another_shape_is_refused)
{
    static const struct {
        const char *json, *pointer;
        int code;
    } cases[] = {
        {"[[1,2],[3,4]]", "/upstream", CONVD_BAD_SHAPE},
        {"1", "/upstream", CONVD_BAD_SHAPE},
        {"[[1,2,3],[4,5]]", "/upstream/1", CONVD_BAD_SHAPE},
        {"true", "/upstream", CONVD_WRONG_TYPE},
        {"\"not base64!\"", "/upstream", CONVD_BAD_IMAGE},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct asked a;
        ask(&a, six, sizeof six - 1, "{" GRAY ",\"steps\":[\"abs\"]}", NULL);
        a.w.upstream_value = test_json(cases[i].json, strlen(cases[i].json));
        if (api_work_prepare(&a.w)) T_FAIL("%s is accepted", cases[i].json);
        EQ(cases[i].code, a.w.faults->first->code);
        STR(cases[i].pointer, a.w.faults->first->pointer);
        api_work_release(&a.w);
    }
}

/* ---- forms ---- */

TEST(a_picture_of_it_has_zero_in_the_middle)
{
    struct asked a;
    struct convd_image_info info;
    struct convd_faults *f = convd_faults_new();
    const struct convd_decode_options o = {.channels = CONVD_RGB};
    ask(&a, six, sizeof six - 1,
        "{" GRAY ",\"output\":{\"normalize\":\"minmax\",\"view\":\"channel:0\"},"
        "\"steps\":[{\"op\":\"multiply\",\"inputs\":[\"image\",\"@m\"]}]}",
        "png");
    const char *m = "{\"m\":[[-1,0,1],[1,0,-1]]}";
    a.w.tensor_values = test_json(m, strlen(m));
    test_run(&a.w);
    STR("image/png", a.w.media);
    OK(convd_image_info(a.w.body.data, a.w.body.n, &o, &info, f));
    EQ(3, info.input.width);
    EQ(2, info.input.height);
    uint8_t px[18];
    EQ(sizeof px, info.bytes);
    OK(convd_image_decode(&info, a.w.body.data, a.w.body.n, &o, NULL, px, NULL, f));
    for (int k = 0; k < 3; k++) {
        EQ(px[3 + k], px[12 + k]); /* both zeros */
        EQ(px[0 + k], px[15 + k]); /* both -1    */
        EQ(px[6 + k], px[9 + k]);  /* both 1     */
    }
    OK(memcmp(px, px + 3, 3) != 0 && memcmp(px, px + 6, 3) != 0 && memcmp(px + 3, px + 6, 3) != 0);
    api_work_release(&a.w);
    convd_faults_free(f);
}

TEST(every_form_it_may_have)
{
    static const struct {
        const char *format, *accept, *media;
    } forms[] = {
        {"jpeg", NULL, "image/jpeg"},
        {"webp", NULL, "image/webp"},
        {"npy", NULL, "application/x-npy"},
        {NULL, "image/png", "image/png"},
        {NULL, "application/json", "application/json"},
        {"json", "image/png", "application/json"},
        {NULL, "*/*", "application/x-safetensors"},
    };
    size_t n;
    uint8_t *image = test_picture(20, 10, 3, &n);
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
        struct asked a;
        ask(&a, image, n, "edges-xy", forms[i].format);
        a.w.accept = forms[i].accept;
        test_run(&a.w);
        STR(forms[i].media, a.w.media);
        api_work_release(&a.w);
    }
    struct asked a;
    ask(&a, image, n, "orientation",
        NULL); /* its spec asks for JSON of its output, not of a gradient */
    test_run(&a.w);
    STR("application/x-safetensors", a.w.media);
    api_work_release(&a.w);
    ask(&a, image, n, "features", "json");
    test_run(&a.w);
    const struct convd_value *v = test_json((const char *)a.w.body.data, a.w.body.n);
    STR("image", test_at(v, "outputs/0/id")->string);
    EQ(CONVD_STRING,
       test_at(v, "outputs/0/image")->kind); /* drawn beside the weights' statistics */
    STR("features.conv.weight", test_at(v, "outputs/1/id")->string);
    EQ(64, test_at(v, "outputs/1/shape/0")->number);
    OK(test_at(v, "outputs/1/stats/std")->number > 0);
    api_work_release(&a.w);
    free(image);
}

TEST(drawn_in_colour_it_is_one_map_or_a_tile_a_channel)
{
    static const struct {
        const char *view;
        ptrdiff_t width, height;
    } cases[] = {{NULL, 20, 10}, {"grid", 41, 21}, {"channel:2", 20, 10}};
    size_t n;
    uint8_t *image = test_picture(20, 10, 3, &n);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct asked a;
        struct convd_image_info info;
        struct convd_faults *f = convd_faults_new();
        const struct convd_decode_options o = {.channels = CONVD_RGB};
        struct counting *c = counting_new();
        ask(&a, image, n, "edges", "png");
        a.query[1] = (struct api_pair){"view", cases[i].view};
        a.w.n_query = cases[i].view ? 2 : 1;
        a.w.memory = &c->memory;
        test_run(&a.w);
        if (c->most > a.w.bytes) T_FAIL("took %zu, said %zu", c->most, a.w.bytes);
        OK(convd_image_info(a.w.body.data, a.w.body.n, &o, &info, f));
        EQ(cases[i].width, info.input.width);
        EQ(cases[i].height, info.input.height);
        convd_faults_free(f);
        api_work_release(&a.w);
        counting_free(c);
    }
    free(image);
}

/* ---- refusals ---- */

/* Rows without a way back say why, and are refused at their place. */
TEST(a_step_without_a_way_back_is_said_with_its_place)
{
    size_t none = 0;
    for (size_t i = 0; i < convd_op_count(); i++) {
        const struct convd_op *op = convd_op_at(i);
        char pipeline[200];
        struct asked a;
        if (op->expand || op->backward) continue;
        none++;
        OK(op->no_gradient && op->example);
        snprintf(pipeline, sizeof pipeline, "abs/%s", op->example);
        ask(&a, six, sizeof six - 1, pipeline, NULL);
        OK(!api_work_prepare(&a.w));
        EQ(CONVD_NOT_DIFFERENTIABLE, a.w.faults->first->code);
        EQ(422, api_faults_status(a.w.faults));
        OK(strncmp("/steps/", a.w.faults->first->pointer, 7) == 0);
        api_work_release(&a.w);
    }
    print_message("%zu operations have no gradient\n", none);
}

/* As in torch: a staircase is flat wherever it has a slope. */
TEST(a_staircase_gives_nothing_back)
{
    struct asked a;
    struct answer r;
    ask(&a, six, sizeof six - 1, "{" GRAY ",\"steps\":[\"abs\",\"round\",\"square\"]}", NULL);
    test_run(&a.w);
    read_answer(&r, &a.w);
    check(gradient(&r, "image", "1x1x2x3"), (double[]){0, 0, 0, 0, 0, 0}, 6);
    convd_arena_release(&r.mem);
    api_work_release(&a.w);
}

TEST(it_begins_at_one_output)
{
    struct asked a;
    struct answer r;
    ask(&a, six, sizeof six - 1,
        "{\"steps\":[{\"id\":\"a\",\"op\":\"abs\"},{\"id\":\"b\",\"op\":\"neg\"}],\"output\":{"
        "\"from\":[\"a\",\"b\"]}}",
        NULL);
    OK(!api_work_prepare(&a.w));
    STR("/output/from", a.w.faults->first->pointer);
    api_work_release(&a.w);
    ask(&a, six, sizeof six - 1,
        "{" GRAY
        ",\"steps\":[{\"id\":\"a\",\"op\":\"scale\",\"mul\":7},{\"id\":\"b\",\"op\":\"round\"}],"
        "\"output\":{\"from\":\"a\"}}",
        NULL);
    test_run(&a.w);
    read_answer(&r, &a.w);
    check(gradient(&r, "image", "1x1x2x3"), (double[]){7, 7, 7, 7, 7, 7}, 6);
    convd_arena_release(&r.mem);
    api_work_release(&a.w);
}

TEST(memory_is_counted_and_refused_beforehand)
{
    size_t n;
    uint8_t *image = test_picture(200, 150, 3, &n);
    struct counting *c = counting_new();
    struct asked a;
    ask(&a, image, n, "features", NULL);
    a.w.memory = &c->memory;
    OK(api_work_prepare(&a.w));
    OK(api_work_run(&a.w, NULL, NULL));
    if (c->most > a.w.bytes) T_FAIL("took %zu, said %zu", c->most, a.w.bytes);
    size_t bytes = a.w.bytes;
    api_work_release(&a.w);
    ask(&a, image, n, "features", NULL);
    a.w.memory = &c->memory;
    a.w.limits.plan.memory = bytes / 2;
    OK(!api_work_prepare(&a.w));
    EQ(CONVD_TOO_MUCH_MEMORY, a.w.faults->first->code);
    api_work_release(&a.w);
    counting_free(c);
    free(image);
}

TEST(without_memory_there_is_a_fault_and_nothing_stays)
{
    bool done = false;
    size_t at = 1;
    for (; !done && at < 4000; at++) {
        struct counting *c = counting_new();
        struct asked a;
        c->fail_at = at;
        ask(&a, six, sizeof six - 1,
            "{" GRAY ",\"steps\":[{\"op\":\"filter\",\"kernel\":\"box\"},\"abs\"]}", NULL);
        a.w.memory = &c->memory;
        done = api_work_prepare(&a.w) && api_work_run(&a.w, NULL, NULL);
        if (!done && a.w.faults) OK(convd_faults_count(a.w.faults) > 0);
        api_work_release(&a.w);
        counting_free(c);
    }
    OK(done && at > 10);
}
T_MAIN("api/gradient")
