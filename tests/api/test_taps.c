/* Any feature map of any step is one request away: as picture, grid, npy, safetensors, statistics; several at once; inside
 * blocks and pipelines. */
#include "../../core/tensor_file.h"
#include "../t.h"
#include "lib_work.h"

enum { W = 20, H = 14 };

static const char nested[] =
    "{\"steps\":[{\"id\":\"blk\",\"op\":\"residual\",\"steps\":[{\"id\":\"act\",\"op\":\"relu\"}]},"
    "\"edges\","
    "{\"id\":\"more\",\"op\":\"dense\",\"layers\":2,\"steps\":[\"abs\",{\"id\":\"c\",\"op\":"
    "\"conv\",\"weight\":{\"init\":"
    "\"he_normal\",\"out_channels\":1,\"kernel_size\":3},\"padding\":1}]},\"edges\"";

/* A piece of work stays where it is: its memory points into it. */
static void run(struct api_work *w, const void *image, size_t n, const char *pipeline,
                const char *from, const char *format)
{
    const struct api_pair query[] = {{"from", from}, {"format", format}};
    *w = test_work(NULL, image, n, pipeline);
    w->query = query;
    w->n_query = 2;
    test_run(w);
    w->query = NULL;
    w->n_query = 0;
}

/* Every step, one by one and all in one request: the same numbers. */
TEST(all_steps_at_once_are_what_each_is_alone)
{
    size_t n;
    uint8_t *image = test_picture(W, H, 3, &n);
    char pipeline[700];
    snprintf(pipeline, sizeof pipeline, "%s]}", nested);
    static const char *const ids[] = {"blk.act",  "blk.add", "blk",         "edges.gray",
                                      "edges.s1", "edges.x", "edges.y",     "edges",
                                      "more.s0",  "more.c",  "more.concat", "more.1.s0",
                                      "more.1.c", "more",    "edges2.gray", "edges2.edges"};
    enum { N = sizeof ids / sizeof *ids };
    char all[400] = "";
    for (size_t i = 0; i < N; i++)
        snprintf(all + strlen(all), sizeof all - strlen(all), "%s%s", i ? "," : "", ids[i]);
    struct api_work together, alone;
    run(&together, image, n, pipeline, all, "safetensors");
    struct convd_faults *f = convd_faults_new();
    struct convd_arena mem = {0};
    struct convd_stored *list, one;
    size_t count;
    OK(convd_safetensors_open(together.body.data, together.body.n, &list, &count, &mem, f));
    EQ(N, count);
    for (size_t i = 0; i < N; i++) {
        run(&alone, image, n, pipeline, ids[i], "npy");
        OK(convd_npy_open(alone.body.data, alone.body.n, &one, &mem, f));
        size_t k = 0;
        while (k < count && strcmp(list[k].name, ids[i]) != 0) k++;
        if (k == count) T_FAIL("%s is missing", ids[i]);
        EQ(one.count, list[k].count);
        float *a = convd_arena_array(&mem, one.count, sizeof *a),
              *b = convd_arena_array(&mem, one.count, sizeof *b);
        convd_stored_read(&one, a);
        convd_stored_read(&list[k], b);
        if (memcmp(a, b, one.count * sizeof *a) != 0) T_FAIL("%s is not the same alone", ids[i]);
        api_work_release(&alone);
    }
    convd_arena_release(&mem);
    convd_faults_free(f);
    api_work_release(&together);
    free(image);
}

TEST(a_star_is_every_written_step)
{
    size_t n;
    uint8_t *image = test_picture(W, H, 3, &n);
    char pipeline[700];
    snprintf(pipeline, sizeof pipeline, "%s],\"output\":{\"from\":\"*\",\"format\":\"json\"}}",
             nested);
    struct api_work w = test_work(NULL, image, n, pipeline);
    test_run(&w);
    const struct convd_value *v = test_json(test_body(&w), w.body.n), *list = test_at(v, "outputs");
    /* a block is its result, a pipeline's name its steps */
    static const char *const ids[] = {"blk.add",     "edges.gray",  "edges.s1",    "edges.x",
                                      "edges.s3",    "edges.y",     "edges.edges", "more.concat2",
                                      "edges2.gray", "edges2.s1",   "edges2.x",    "edges2.s3",
                                      "edges2.y",    "edges2.edges"};
    EQ(sizeof ids / sizeof *ids, list->n);
    for (uint32_t i = 0; i < list->n; i++) {
        STR(ids[i], test_at(&list->items[i], "id")->string);
        EQ(H, test_at(&list->items[i], "shape/2")->number);
        EQ(256, test_at(&list->items[i], "stats/histogram/counts")->n);
        EQ(test_at(&list->items[i], "shape/1")->number, test_at(&list->items[i], "channels")->n);
        OK(strncmp(test_at(&list->items[i], "image")->string, "data:image/png;base64,", 22) == 0);
    }
    api_work_release(&w);
    free(image);
}

TEST(one_map_as_a_picture_a_grid_and_numbers)
{
    static const struct {
        const char *from, *view, *format;
        ptrdiff_t width, height;
    } cases[] = {
        {"features.conv", "auto", "png", 8 * W + 7, 8 * H + 7},
        {"features.conv", "channel:63", "png", W, H},
        {"features.conv", "grid", "webp", 8 * W + 7, 8 * H + 7},
        {"features.relu", "channel:0", "jpeg", W, H},
    };
    size_t n;
    uint8_t *image = test_picture(W, H, 3, &n);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const struct api_pair query[] = {
            {"from", cases[i].from}, {"view", cases[i].view}, {"format", cases[i].format}};
        struct api_work w = test_work(NULL, image, n, "features");
        struct convd_faults *f = convd_faults_new();
        const struct convd_decode_options o = {.channels = CONVD_GRAY};
        struct convd_image_info info;
        w.query = query;
        w.n_query = 3;
        test_run(&w);
        OK(convd_image_info(w.body.data, w.body.n, &o, &info, f));
        EQ(cases[i].width, info.input.width);
        EQ(cases[i].height, info.input.height);
        convd_faults_free(f);
        api_work_release(&w);
    }
    free(image);
}
T_MAIN("api/taps")
