/* One pipeline, many spellings: chain, spec, the chain and the spec printed from it: the same graph, the same bytes. */
#include "../../api/json.h"
#include "../../api/spec.h"
#include "../t.h"
#include "lib_work.h"

static uint8_t *picture;
static size_t picture_n;

/* The bytes (npy) that a pipeline makes of the picture. */
static struct convd_bytes bytes_of(const char *pipeline, const char *format)
{
    const struct api_pair query[] = {{"format", format}};
    struct api_work w = test_work(NULL, picture, picture_n, pipeline);
    w.query = query;
    w.n_query = 1;
    test_run(&w);
    struct convd_bytes body = w.body;
    w.body = (struct convd_bytes){0};
    api_work_release(&w);
    return body;
}

static char *printed(const char *pipeline, const char *format)
{
    struct api_work w = test_work(NULL, NULL, 0, pipeline);
    if (!api_explain(&w, NULL, format))
        T_FAIL("%s as %s: %s", pipeline, format, test_faults(w.faults));
    char *text = strdup(test_body(&w));
    text[strcspn(text, "\n")] = 0;
    api_work_release(&w);
    return text;
}

static void same(const char *a, const char *b)
{
    struct convd_bytes x = bytes_of(a, "npy"), y = bytes_of(b, "npy");
    if (x.n != y.n || memcmp(x.data, y.data, x.n) != 0) T_FAIL("%s and %s differ", a, b);
    convd_bytes_release(&x);
    convd_bytes_release(&y);
}

/* chain, its spec, the chain that the spec prints (NULL: as written). */
static const struct {
    const char *chain, *spec, *prints;
} pairs[] = {
    {"grayscale", "[\"grayscale\"]", NULL},
    {"grayscale/sobel_x/abs/max_pool:2",
     "{\"steps\":[{\"op\":\"grayscale\"},{\"op\":\"filter\",\"kernel\":\"sobel_x\"},{\"op\":"
     "\"abs\"},{\"op\":\"max_pool\",\"kernel_size\":2}]}",
     NULL},
    {"filter:sobel_y", "[{\"op\":\"filter\",\"kernel\":\"sobel_y\"}]", "sobel_y"},
    {"filter:laplacian", "[{\"op\":\"filter\",\"kernel\":\"laplacian\"}]", "filter:laplacian"},
    {"laplacian", "[{\"op\":\"pipeline\",\"name\":\"laplacian\"}]", NULL},
    {"edges", "\"edges\"", NULL},
    {"edges/avgpool", "[\"edges\",\"avgpool\"]", NULL},
    {"gaussian:7,1.5",
     "[{\"op\":\"filter\",\"kernel\":{\"name\":\"gaussian\",\"size\":7,\"sigma\":1.5}}]", NULL},
    {"gaussian:5,1.2,padding_mode=zeros",
     "[{\"op\":\"filter\",\"kernel\":{\"name\":\"gaussian\",\"size\":5,\"sigma\":1.2},\"padding_"
     "mode\":\"zeros\"}]",
     NULL},
    {"gaussian:sigma=2", "[{\"op\":\"filter\",\"kernel\":{\"name\":\"gaussian\",\"sigma\":2}}]",
     NULL},
    {"filter:0x-1x0;-1x5x-1;0x-1x0;",
     "[{\"op\":\"filter\",\"kernel\":[[0,-1,0],[-1,5,-1],[0,-1,0]]}]", NULL},
    {"filter:0x-1x0;-1x5x-1;0x-1x0",
     "[{\"op\":\"filter\",\"kernel\":[[0,-1,0],[-1,5,-1],[0,-1,0]]}]",
     "filter:0x-1x0;-1x5x-1;0x-1x0;"},
    {"filter:emboss,scale=0.5,delta=128",
     "[{\"op\":\"filter\",\"kernel\":\"emboss\",\"scale\":0.5,\"delta\":128}]", NULL},
    {"max_pool:3x5,stride=2", "[{\"op\":\"max_pool\",\"kernel_size\":[3,5],\"stride\":2}]",
     "max_pool:3x5,2"},
    {"maxpool2d:2", "[{\"op\":\"max_pool\",\"kernel_size\":2}]", "max_pool:2"},
    {"avg_pool:3,1,1", "[{\"op\":\"avg_pool\",\"kernel_size\":3,\"stride\":1,\"padding\":1}]",
     NULL},
    {"avg_pool:ksize=3,count_include_pad=false,padding=1,stride=1",
     "[{\"op\":\"avg_pool\",\"kernel_size\":3,\"stride\":1,\"padding\":1,\"count_include_pad\":"
     "false}]",
     NULL},
    {"conv:sobel_x;sobel_y;,padding=same,padding_mode=reflect",
     "[{\"op\":\"conv\",\"weight\":[\"sobel_x\",\"sobel_y\"],\"padding\":\"same\",\"padding_mode\":"
     "\"reflect\"}]",
     NULL},
    {"dilate:3/erode:3/median:5",
     "[{\"op\":\"dilate\",\"kernel_size\":3},{\"op\":\"erode\",\"kernel_size\":3},{\"op\":"
     "\"median\",\"kernel_size\":5}]",
     NULL},
    {"grayscale/clamp:10/scale:0.5,3/threshold:40",
     "[\"grayscale\",{\"op\":\"clamp\",\"min\":10},{\"op\":\"scale\",\"mul\":0.5,\"add\":3},{"
     "\"op\":\"threshold\",\"value\":40}]",
     NULL},
    {"edges-xy/global_sum_pool", "[\"edges-xy\",\"global_sum_pool\"]", NULL},
    {"se:1", "[{\"op\":\"se\",\"reduction\":1}]", NULL},
    {"se/leaky_relu:0.2",
     "[{\"op\":\"pipeline\",\"name\":\"se\"},{\"op\":\"leaky_relu\",\"negative_slope\":0.2}]",
     NULL},
    {"select:0x2", "[{\"op\":\"select\",\"channels\":[0,2]}]", NULL},
};

TEST(chain_and_spec_and_what_is_printed_are_one_pipeline)
{
    picture = test_picture(40, 30, 3, &picture_n);
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
        const char *chain = pairs[i].chain, *spec = pairs[i].spec;
        same(chain, spec);
        char *spec1 = printed(chain, "spec"), *spec2 = printed(spec, "spec"),
             *chain1 = printed(spec, "chain"), *chain2 = printed(chain, "chain");
        STR(spec1, spec2);
        STR(chain1, chain2);
        if (pairs[i].prints || !strstr(chain, "ksize"))
            STR(pairs[i].prints ? pairs[i].prints : chain, chain1);
        same(chain, spec1);
        same(chain, chain1);
        char *again = printed(spec1, "spec");
        STR(spec1, again);
        char *there_and_back = printed(chain1, "spec");
        STR(spec1, there_and_back);
        free(spec1);
        free(spec2);
        free(chain1);
        free(chain2);
        free(again);
        free(there_and_back);
    }
    free(picture);
}

/* Graphs no chain can say; printed specs say them again. */
static const char *const graphs[] = {
    "{\"steps\":[{\"id\":\"gray\",\"op\":\"grayscale\"},{\"op\":\"filter\",\"kernel\":\"sobel_x\"},"
    "{\"id\":\"x\",\"op\":\"abs\"},"
    "{\"op\":\"filter\",\"kernel\":\"sobel_y\",\"input\":\"gray\"},{\"id\":\"y\",\"op\":\"abs\"},{"
    "\"op\":\"add\",\"inputs\":[\"x\",\"y\"]}]}",
    "{\"steps\":[\"grayscale\",{\"op\":\"abs\",\"input\":\"s0\"},{\"op\":\"hypot\",\"inputs\":["
    "\"s0\",\"s1\"]}]}",
    "{\"steps\":[\"edges\",{\"op\":\"add\",\"inputs\":[\"edges\",\"edges.x\"]}]}",
    "{\"steps\":[{\"id\":\"r\",\"op\":\"residual\",\"steps\":[{\"id\":\"a\",\"op\":\"filter\","
    "\"kernel\":\"outline\",\"scale\":0.5},"
    "{\"op\":\"add\",\"inputs\":[\"a\",\"image\"]}]},{\"op\":\"sub\",\"inputs\":[\"r\",\"r.a\"]}]}",
    "{\"steps\":[{\"op\":\"dense\",\"layers\":2,\"steps\":[{\"op\":\"conv\",\"weight\":{\"init\":"
    "\"he_normal\",\"out_channels\":2,\"kernel_size\":3},\"padding\":1},\"relu\"]}]}",
    "{\"steps\":[\"grayscale\",{\"op\":\"residual\",\"steps\":[{\"op\":\"residual\",\"steps\":["
    "\"abs\",{\"id\":\"m\",\"op\":\"mean\",\"inputs\":[\"s0\",\"image\"]}]},"
    "{\"op\":\"maximum\",\"inputs\":[\"s0.m\",\"image\"]}]}]}",
    "{\"steps\":[{\"op\":\"csp\",\"steps\":[{\"id\":\"soft\",\"op\":\"filter\",\"kernel\":{"
    "\"name\":\"box\",\"size\":5}},{\"op\":\"minimum\",\"inputs\":[\"soft\",\"image\"]}]}]}",
    "{\"steps\":[{\"op\":\"conv\",\"weight\":[[[[1,0],[0,1]],[[0.5,0],[0,0]],[[0,0],[0,-1]]]],"
    "\"bias\":[3]}]}",
    "{\"input\":{\"channels\":\"gray\",\"background\":\"#102030\"},\"steps\":[\"abs\",{\"op\":"
    "\"max_pool\",\"kernel_size\":2,\"input\":\"image\"},{\"op\":\"adaptive_avg_pool\",\"output_size\":[1,2]}],"
    "\"output\":{\"from\":[\"s0\",\"s2\"],\"view\":\"grid\",\"normalize\":\"minmax\",\"labels\":["
    "\"a\",\"b\"],\"quality\":80,\"compression\":3,\"depth\":16}}",
};

TEST(every_graph_prints_as_a_spec_that_says_it_again)
{
    picture = test_picture(21, 17, 3, &picture_n);
    for (size_t i = 0; i < sizeof graphs / sizeof *graphs; i++) {
        char *once = printed(graphs[i], "spec"), *twice = printed(once, "spec");
        STR(once, twice);
        struct convd_bytes x = bytes_of(graphs[i], "safetensors"),
                           y = bytes_of(once, "safetensors");
        EQ(x.n, y.n);
        EQ(0, memcmp(x.data, y.data, x.n));
        convd_bytes_release(&x);
        convd_bytes_release(&y);
        free(once);
        free(twice);
    }
    free(picture);
}

TEST(what_no_chain_can_say_is_said_with_its_place)
{
    static const struct {
        const char *spec, *pointer;
    } cases[] = {
        {"[\"grayscale\",\"abs\",{\"op\":\"add\",\"inputs\":[\"s0\",\"s1\"]}]", "/steps/2/inputs"},
        {"[\"grayscale\",{\"op\":\"abs\",\"input\":\"image\"}]", "/steps/1/input"},
        {"[{\"op\":\"residual\",\"steps\":[\"abs\"]}]", "/steps/0/steps"},
        {"[{\"op\":\"conv\",\"weight\":{\"init\":\"zeros\",\"out_channels\":1,\"kernel_size\":1}}]",
         "/steps/0/weight"},
        {"[\"abs\",{\"op\":\"conv\",\"weight\":[[[[1]],[[1]],[[1]]]]}]", "/steps/1/weight"},
        {"{\"input\":{\"channels\":\"gray\"},\"steps\":[\"abs\"]}", "/input/channels"},
        {"{\"steps\":[\"abs\"],\"output\":{\"normalize\":\"minmax\"}}", "/output/normalize"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct api_work w = test_work(NULL, NULL, 0, cases[i].spec);
        OK(!api_explain(&w, NULL, "chain"));
        if (!w.faults->first) T_FAIL("%s: no fault", cases[i].spec);
        STR("not-expressible", api_code_word(w.faults->first->code));
        STR(cases[i].pointer, w.faults->first->pointer);
        OK(w.faults->first->expected);
        EQ(0, w.body.n);
        api_work_release(&w);
    }
    /* What holds anyway does not stand in the way. */
    char *chain = printed("{\"input\":{\"channels\":\"rgb\",\"background\":\"#ffffff\"},\"steps\":["
                          "\"grayscale\",{\"id\":\"e\",\"op\":\"abs\",\"input\":\"s0\"}]}",
                          "chain");
    STR("grayscale/abs", chain);
    free(chain);
}

/* Decoding of paths. */
TEST(paths_are_percent_decoded_strictly)
{
    static const struct {
        const char *path, *same;
    } good[] = {{"/grayscale/abs", "grayscale/abs"},
                {"grayscale%2Fabs", "grayscale/abs"},
                {"%67rayscale", "grayscale"},
                {"max_pool%3A2%2cstride%3d1", "max_pool:2,1"}};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        struct api_work w = test_work(NULL, NULL, 0, good[i].path);
        w.form = API_CHAIN;
        if (!api_explain(&w, NULL, "chain")) T_FAIL("%s: %s", good[i].path, test_faults(w.faults));
        w.body.n--;
        STR(good[i].same, test_body(&w));
        api_work_release(&w);
    }
    static const struct {
        const char *path;
        int status;
        const char *pointer, *segment;
    } bad[] = {
        {"grayscale%zz", 400, "", NULL},
        {"grayscale%", 400, "", NULL},
        {"grayscale%4", 400, "", NULL},
        {"%ff%fe", 400, "", NULL},
        {"abs%00", 400, "", NULL},
        {"abs%0a", 400, "", NULL},
        {"", 422, "/steps", NULL},
        {"/", 422, "/steps", NULL},
        {"grayscale/", 400, "/steps/1", ""},
        {"grayscale//abs", 400, "/steps/1", ""},
        {"sobell", 404, "/steps/0", "sobell"},
        {"grayscale/sobell/abs", 404, "/steps/1", "sobell"},
        {"..%2f..%2fetc/passwd", 404, "/steps/0", ".."},
        {"%25s%25n", 404, "/steps/0", "%s%n"},
        {"max_pool:0", 422, "/steps/0/kernel_size", "max_pool:0"},
        {"max_pool", 422, "/steps/0/kernel_size", "max_pool"},
        {"abs/max_pool:2,kernel_size=3", 400, "/steps/1/kernel_size", "max_pool:2,kernel_size=3"},
        {"max_pool:kernel_size=2,2", 400, "/steps/0", "max_pool:kernel_size=2,2"},
        {"max_pool:colour=2", 422, "/steps/0/colour", "max_pool:colour=2"},
        {"filter:sobel", 422, "/steps/0/kernel", "filter:sobel"},
        {"filter:@k", 422, "/steps/0/kernel", "filter:@k"},
        {"edges:3", 400, "/steps/0", "edges:3"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct api_work w = test_work(NULL, NULL, 0, bad[i].path);
        w.form = API_CHAIN;
        if (api_explain(&w, NULL, "spec")) T_FAIL("%s is accepted", bad[i].path);
        const struct convd_fault *x = w.faults->first;
        if (api_faults_status(w.faults) != bad[i].status || strcmp(x->pointer, bad[i].pointer) != 0)
            T_FAIL("%s: %d %s, not %d %s", bad[i].path, api_faults_status(w.faults),
                   test_faults(w.faults), bad[i].status, bad[i].pointer);
        if (bad[i].segment) STR(bad[i].segment, x->segment);
        api_work_release(&w);
    }
}

TEST(an_unknown_name_is_404_in_a_path_and_422_elsewhere)
{
    struct api_work w = test_work(NULL, NULL, 0, "sobel_z");
    OK(!api_explain(&w, NULL, "spec"));
    EQ(422, api_faults_status(w.faults));
    STR("unknown-name", api_code_word(w.faults->first->code));
    STR("sobel_x", w.faults->first->suggestion);
    api_work_release(&w);
    w = test_work(NULL, NULL, 0, "sobel_z");
    w.form = API_CHAIN;
    OK(!api_explain(&w, NULL, "spec"));
    EQ(404, api_faults_status(w.faults));
    STR("unknown-name", api_code_word(w.faults->first->code));
    STR("sobel_x", w.faults->first->suggestion);
    api_work_release(&w);
}

/* A name at the front or the end brings its input and output along. */
TEST(names_bring_their_options)
{
    picture = test_picture(16, 16, 3, &picture_n);
    struct api_work w = test_work(NULL, picture, picture_n, "orientation");
    test_run(&w);
    STR("application/json", w.media);
    OK(strstr(test_body(&w), "\"labels\":[\"x\",\"y\"],\"answer\":"));
    api_work_release(&w);
    w = test_work(NULL, picture, picture_n, "[\"orientation\",\"abs\"]");
    test_run(&w);
    OK(!strstr(test_body(&w), "labels"));
    api_work_release(&w);
    free(picture);
}

TEST(every_built_in_runs_by_name_and_prints_itself)
{
    static const char *const names[] = {
        "edges",       "edges-x",  "edges-y",  "edges-xy", "magnitude", "diagonal",
        "laplacian",   "sharpen",  "blur",     "gaussian", "emboss",    "outline",
        "maximum",     "minimum",  "median",   "maxpool",  "avgpool",   "sumpool",
        "orientation", "features", "residual", "dense",    "csp",       "se"};
    size_t n = 0;
    picture = test_picture(33, 22, 3, &picture_n);
    for (; api_library_at(test_library(), n); n++) {
        const struct api_pipeline *p = api_library_at(test_library(), n);
        STR(names[n], p->name);
        OK(p->summary && strlen(p->summary) > 10);
        char *text = malloc(p->json_n + 1);
        OK(text);
        memcpy(text, p->json, p->json_n);
        text[p->json_n] = 0;
        same(p->name, text);
        char *spec = printed(text, "spec");
        same(p->name, spec);
        free(spec);
        free(text);
    }
    EQ(24, n);
    free(picture);
}
T_MAIN("api/pipelines")
