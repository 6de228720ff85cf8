/* What a client is told: codes, statuses, places, words, suggestions; all faults of a spec at once. */
#include "../../api/json.h"
#include "../../core/op.h"
#include "../t.h"
#include "lib_work.h"

static struct convd_bytes problem;
static uint8_t *picture;
static size_t picture_n;

/* The problem that a pipeline makes, as JSON. */
static const struct convd_value *problem_of(struct api_work *w, const char *pipeline)
{
    if (!picture) picture = test_picture(24, 16, 3, &picture_n);
    *w = test_work(NULL, picture, picture_n, pipeline);
    if (api_work_prepare(w)) T_FAIL("%s is accepted", pipeline);
    problem.n = 0;
    OK(api_problem_write(w->faults, "req-1", &problem));
    return test_json((const char *)problem.data, problem.n);
}

static const char *text_at(const struct convd_value *v, const char *member)
{
    const struct convd_value *x = convd_value_get(v, member);
    return x ? x->string : NULL;
}

/* Every class of fault that a spec can have: code, place, what is expected, what is suggested (NULL: not looked at). */
static const struct {
    const char *pipeline, *code, *pointer, *expected, *suggestion;
} cases[] = {
    {"{\"steps\":[{\"op\":\"grayscal\"}]}", "unknown-op", "/steps/0/op", NULL, "grayscale"},
    {"{\"steps\":[{\"op\":\"sobel_x\"}]}", "unknown-op", "/steps/0/op", NULL,
     "{\"op\":\"filter\",\"kernel\":\"sobel_x\"}"},
    {"{\"steps\":[{\"op\":\"edges\"}]}", "unknown-op", "/steps/0/op", NULL,
     "{\"op\":\"pipeline\",\"name\":\"edges\"}"},
    {"{\"steps\":[{\"op\":\"filter\",\"kernel\":\"sobel_w\"}]}", "unknown-kernel",
     "/steps/0/kernel", NULL, "sobel_x"},
    {"{\"steps\":[{\"op\":\"filter\",\"kernel\":{\"name\":\"gaussian\",\"sise\":3}}]}",
     "unknown-member", "/steps/0/kernel/sise", NULL, "size"},
    {"{\"steps\":[{\"op\":\"filter\",\"kernel\":{\"name\":\"gaussian\",\"size\":4}}]}",
     "out-of-range", "/steps/0/kernel/size", NULL, NULL},
    {"{\"steps\":[\"edgse\"]}", "unknown-name", "/steps/0", NULL, "edges"},
    {"{\"steps\":[{\"op\":\"pipeline\",\"name\":\"edge\"}]}", "unknown-name", "/steps/0/name", NULL,
     "edges"},
    {"{\"steps\":[{\"id\":\"first\",\"op\":\"abs\"},{\"op\":\"abs\",\"input\":\"frist\"}]}",
     "unknown-name", "/steps/1/input", "the id of an earlier step, \"image\" or \"@tensor\"",
     "first"},
    {"{\"steps\":[{\"op\":\"filter\",\"kernel\":\"@k\"}]}", "unknown-name", "/steps/0/kernel",
     "a tensor uploaded under that name", NULL},
    {"{\"steps\":[{\"op\":\"max_pool\",\"kernel_size\":2,\"strid\":2}]}", "unknown-member",
     "/steps/0/strid", NULL, "stride"},
    {"{\"steps\":[\"abs\"],\"ouput\":{}}", "unknown-member", "/ouput",
     "one of input, steps, output", "output"},
    {"{\"input\":{\"chanels\":\"rgb\"},\"steps\":[\"abs\"]}", "unknown-member", "/input/chanels",
     "one of channels, background, alpha, orient", "channels"},
    {"{\"steps\":[\"abs\"],\"output\":{\"normalise\":\"minmax\"}}", "unknown-member",
     "/output/normalise", NULL, "normalize"},
    {"{\"steps\":[{\"op\":\"max_pool\",\"kernel_size\":\"two\"}]}", "wrong-type",
     "/steps/0/kernel_size", "an integer from 1 to 4096, or [h,w]", NULL},
    {"{\"steps\":\"abs\"}", "wrong-type", "/steps", "an array of at least one step", NULL},
    {"{\"steps\":[1]}", "wrong-type", "/steps/0", NULL, NULL},
    {"{\"steps\":[\"abs\"],\"output\":{\"labels\":[\"a\",1]}}", "wrong-type", "/output/labels/1",
     "a list of strings, one for each number", NULL},
    {"{\"steps\":[\"abs\"],\"output\":{\"quality\":\"best\"}}", "wrong-type", "/output/quality",
     "an integer from 1 to 100", NULL},
    {"{\"input\":[],\"steps\":[\"abs\"]}", "wrong-type", "/input", "an object", NULL},
    {"7", "unknown-name", "/steps/0", NULL, NULL},
    {"{\"steps\":[{\"op\":\"max_pool\",\"kernel_size\":0}]}", "out-of-range",
     "/steps/0/kernel_size", "an integer from 1 to 4096, or [h,w]", NULL},
    {"{\"steps\":[{\"op\":\"max_pool\",\"kernel_size\":2,\"padding\":2}]}", "out-of-range",
     "/steps/0/padding", NULL, NULL},
    {"{\"input\":{\"channels\":\"cmyk\"},\"steps\":[\"abs\"]}", "out-of-range", "/input/channels",
     "\"rgb\", \"gray\" or \"rgba\"", NULL},
    {"{\"input\":{\"background\":\"#ggg\"},\"steps\":[\"abs\"]}", "out-of-range",
     "/input/background", "a colour as \"#rrggbb\"", NULL},
    {"{\"steps\":[\"abs\"],\"output\":{\"view\":\"channel:-1\"}}", "out-of-range", "/output/view",
     "\"auto\", \"grid\" or \"channel:N\"", NULL},
    {"{\"steps\":[\"abs\"],\"output\":{\"depth\":12}}", "out-of-range", "/output/depth", "8 or 16",
     NULL},
    {"{\"steps\":[\"abs\"],\"output\":{\"from\":[]}}", "out-of-range", "/output/from", NULL, NULL},
    {"{\"steps\":[\"abs\"],\"output\":{\"from\":\"s7\"}}", "unknown-name", "/output/from",
     "the id of a step, or \"*\" for all", "s0"},
    {"{\"steps\":[{\"op\":\"conv\",\"weight\":[[[[1]]]]}]}", "bad-shape", "/steps/0/weight", NULL,
     NULL},
    {"{\"steps\":[{\"id\":\"a\",\"op\":\"abs\",\"input\":\"b\"},{\"id\":\"b\",\"op\":\"abs\"}]}",
     "bad-graph", "/steps/0/input", NULL, NULL},
    {"{\"steps\":[{\"id\":\"a\",\"op\":\"abs\"},{\"id\":\"a\",\"op\":\"abs\"}]}", "bad-graph",
     "/steps/1/id", NULL, NULL},
    {"{\"steps\":[{\"op\":\"add\"}]}", "missing", "/steps/0/inputs", "2 to 64 inputs", NULL},
    {"{\"steps\":[{\"op\":\"max_pool\"}]}", "missing", "/steps/0/kernel_size", NULL, NULL},
    {"{\"steps\":[{\"kernel\":\"sobel_x\"}]}", "missing", "/steps/0/op", NULL, NULL},
    {"{}", "missing", "/steps", "\"steps\": an array of at least one step", NULL},
    {"{\"steps\":[]}", "missing", "/steps", "an array of at least one step", NULL},
    {"{\"steps\":[{\"op\":\"abs\",\"op\":\"neg\"}]}", "bad-json", "/steps/0/op",
     "each name once in an object", NULL},
    {"{\"steps\":[01]}", "bad-json", NULL, "a number without leading zeros", NULL},
    {"", "bad-json", NULL, "a JSON value", NULL},
};

TEST(every_class_of_fault_has_its_place_and_words)
{
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct api_work w;
        const struct convd_value *p = problem_of(&w, cases[i].pipeline);
        if (strcmp(text_at(p, "code"), cases[i].code) != 0)
            T_FAIL("%s: %s", cases[i].pipeline, test_faults(w.faults));
        const char *pointer = text_at(p, "pointer");
        if (!pointer != !cases[i].pointer || (pointer && strcmp(pointer, cases[i].pointer) != 0))
            T_FAIL("%s: at %s", cases[i].pipeline, pointer ? pointer : "(nowhere)");
        if (cases[i].expected) STR(cases[i].expected, text_at(p, "expected"));
        if (cases[i].suggestion) STR(cases[i].suggestion, text_at(p, "suggestion"));
        OK(strlen(text_at(p, "detail")) > 3);
        OK(text_at(p, "expected") || text_at(p, "suggestion") || convd_value_get(p, "limit") ||
           strcmp(cases[i].code, "bad-shape") == 0 || strncmp(cases[i].code, "unknown", 7) == 0);
        STR("req-1", text_at(p, "instance"));
        char type[64];
        snprintf(type, sizeof type, "urn:convd:problem:%s", cases[i].code);
        STR(type, text_at(p, "type"));
        OK(text_at(p, "title"));
        NEAR(api_faults_status(w.faults), convd_value_get(p, "status")->number, 0);
        api_work_release(&w);
    }
}

TEST(limits_come_with_both_numbers)
{
    struct api_work w;
    const struct convd_value *p =
        problem_of(&w, "[{\"op\":\"pad\",\"padding\":20000},{\"op\":\"pad\",\"padding\":20000}]");
    STR("too-much-memory", text_at(p, "code"));
    OK(convd_value_get(p, "actual")->number > convd_value_get(p, "limit")->number);
    api_work_release(&w);
}

TEST(all_faults_of_a_spec_come_at_once)
{
    struct api_work w;
    const struct convd_value *p = problem_of(
        &w, "{\"input\":{\"channels\":\"cmyk\"},\"steps\":[{\"op\":\"grayscal\"},"
            "{\"op\":\"max_pool\",\"kernel_size\":0,\"stride\":-1,\"colour\":1},"
            "{\"op\":\"filter\",\"kernel\":\"sobel\"},{\"op\":\"abs\",\"input\":\"nobody\"},"
            "{\"id\":\"9\",\"op\":\"relu\"},\"edgse\"],\"output\":{\"view\":3,\"x\":1,\"from\":"
            "\"q\"}}");
    static const char *const pointers[] = {
        "/input/channels",      "/output/view",    "/output/x",       "/steps/0/op",
        "/steps/1/kernel_size", "/steps/1/stride", "/steps/1/colour", "/steps/2/kernel",
        "/steps/3/input",       "/steps/4/id",     "/steps/5",        "/output/from"};
    const struct convd_value *errors = convd_value_get(p, "errors");
    size_t n = sizeof pointers / sizeof *pointers;
    if (!errors || errors->n != n - 1) T_FAIL("%s", test_faults(w.faults));
    for (size_t i = 0; i < n; i++) {
        bool found = strcmp(text_at(p, "pointer"), pointers[i]) == 0;
        for (uint32_t k = 0; k < errors->n; k++)
            found |= strcmp(text_at(&errors->items[k], "pointer"), pointers[i]) == 0;
        if (!found) T_FAIL("nothing at %s: %s", pointers[i], test_faults(w.faults));
    }
    for (uint32_t k = 0; k < errors->n; k++) { /* each in the same form */
        OK(text_at(&errors->items[k], "type"));
        OK(text_at(&errors->items[k], "code"));
        OK(text_at(&errors->items[k], "detail"));
        OK(convd_value_get(&errors->items[k], "status"));
    }
    api_work_release(&w);
}

TEST(codes_have_the_statuses_of_the_contract)
{
    static const struct {
        int code, status;
        const char *word;
    } rows[] = {{CONVD_BAD_REQUEST, 400, "bad-request"},
                {API_BAD_JSON, 400, "bad-json"},
                {API_BAD_MULTIPART, 400, "bad-multipart"},
                {CONVD_BAD_IMAGE, 400, "bad-image"},
                {API_UNAUTHORIZED, 401, "unauthorized"},
                {API_FORBIDDEN_ORIGIN, 403, "forbidden-origin"},
                {API_NOT_FOUND, 404, "not-found"},
                {API_UNKNOWN_PATH_NAME, 404, "unknown-name"},
                {API_METHOD_NOT_ALLOWED, 405, "method-not-allowed"},
                {API_NOT_ACCEPTABLE, 406, "not-acceptable"},
                {API_TOO_SLOW, 408, "too-slow"},
                {API_CONFLICT, 409, "conflict"},
                {API_NOT_FINISHED, 409, "not-finished"},
                {API_PRECONDITION_FAILED, 412, "precondition-failed"},
                {API_BODY_TOO_LARGE, 413, "body-too-large"},
                {CONVD_IMAGE_TOO_LARGE, 413, "image-too-large"},
                {API_URI_TOO_LONG, 414, "uri-too-long"},
                {CONVD_UNSUPPORTED, 415, "unsupported-media-type"},
                {CONVD_UNKNOWN_OP, 422, "unknown-op"},
                {CONVD_UNKNOWN_KERNEL, 422, "unknown-kernel"},
                {CONVD_UNKNOWN_NAME, 422, "unknown-name"},
                {CONVD_UNKNOWN_MEMBER, 422, "unknown-member"},
                {CONVD_WRONG_TYPE, 422, "wrong-type"},
                {CONVD_OUT_OF_RANGE, 422, "out-of-range"},
                {CONVD_BAD_SHAPE, 422, "bad-shape"},
                {CONVD_BAD_GRAPH, 422, "bad-graph"},
                {CONVD_MISSING, 422, "missing"},
                {CONVD_TOO_MANY_STEPS, 422, "too-many-steps"},
                {CONVD_TOO_MUCH_MEMORY, 422, "too-much-memory"},
                {CONVD_TOO_MUCH_WORK, 422, "too-much-work"},
                {CONVD_NOT_EXPRESSIBLE, 422, "not-expressible"},
                {CONVD_NOT_DIFFERENTIABLE, 422, "not-differentiable"},
                {API_HEADER_TOO_LARGE, 431, "header-too-large"},
                {API_NOT_IMPLEMENTED, 501, "not-implemented"},
                {API_QUEUE_FULL, 503, "queue-full"},
                {API_DRAINING, 503, "draining"},
                {API_STORE_UNAVAILABLE, 503, "store-unavailable"},
                {API_DEADLINE, 504, "deadline"},
                {API_STORAGE_FULL, 507, "storage-full"}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        EQ(rows[i].status, api_code_status(rows[i].code));
        STR(rows[i].word, api_code_word(rows[i].code));
    }
    for (int code = 1; code < CONVD_CODES; code++) OK(api_code_status(code) != 500);
}

/* ---- the catalogue ---- */

TEST(the_catalogue_is_json_made_from_the_rows)
{
    struct convd_bytes b = {0};
    OK(api_ops_write(NULL, &b));
    const struct convd_value *ops = test_at(test_json((const char *)b.data, b.n), "ops");
    EQ(convd_op_count(), ops->n);
    for (uint32_t i = 0; i < ops->n; i++) {
        test_at(&ops->items[i], "name");
        test_at(&ops->items[i], "group");
        test_at(&ops->items[i], "summary");
        test_at(&ops->items[i], "params");
    }
    b.n = 0;
    OK(api_ops_write("maxpool2d", &b)); /* an alias leads to the op */
    const struct convd_value *op = test_json((const char *)b.data, b.n);
    STR("max_pool", test_at(op, "name")->string);
    STR("kernel_size", test_at(op, "params/0/name")->string);
    OK(test_at(op, "params/0/required")->boolean);
    NEAR(1, test_at(op, "params/0/range/0")->number, 0);
    STR("kernel_size", test_at(op, "params/1/like")->string);
    b.n = 0;
    OK(api_kernels_write("sobel_x", &b));
    const struct convd_value *k = test_json((const char *)b.data, b.n);
    NEAR(-2, test_at(k, "matrix/1/0")->number, 0);
    NEAR(0, test_at(k, "sum")->number, 0);
    OK(test_at(k, "separable")->boolean);
    for (uint32_t y = 0; y < 3; y++)
        for (uint32_t x = 0; x < 3; x++)
            NEAR(test_at(k, "matrix")->items[y].items[x].number,
                 test_at(k, "column")->items[y].number * test_at(k, "row")->items[x].number, 1e-6);
    b.n = 0;
    OK(api_kernels_write(NULL, &b));
    OK(test_at(test_json((const char *)b.data, b.n), "kernels")->n >= 30);
    b.n = 0;
    OK(api_pipelines_write(test_library(), NULL, &b));
    EQ(24, test_at(test_json((const char *)b.data, b.n), "pipelines")->n);
    b.n = 0;
    OK(api_pipelines_write(test_library(), "edges", &b));
    STR("grayscale", test_at(test_json((const char *)b.data, b.n), "spec/steps/0/op")->string);
    b.n = 0;
    OK(convd_bytes_put(&b, "{", 1) && api_limits_write(&(struct api_limits){.max_side = 77}, &b) &&
       convd_bytes_put(&b, "}", 1));
    const struct convd_value *l = test_json((const char *)b.data, b.n);
    NEAR(77, test_at(l, "max_side")->number, 0);
    NEAR(1073741824, test_at(l, "max_memory")->number, 0);
    OK(!api_ops_write("nope", &b));
    OK(!api_kernels_write("nope", &b));
    OK(!api_pipelines_write(test_library(), "nope", &b));
    convd_bytes_release(&b);
}

/* ---- explain ---- */

TEST(explain_has_the_members_of_the_contract)
{
    struct api_work w = test_work(NULL, NULL, 0, "grayscale/sobel_x/max_pool:2");
    const struct api_size size = {640, 480, 3};
    if (!api_explain(&w, &size, NULL)) T_FAIL("%s", test_faults(w.faults));
    const struct convd_value *v = test_json(test_body(&w), w.body.n);
    NEAR(640, test_at(v, "input/width")->number, 0);
    EQ(3, test_at(v, "steps")->n);
    const struct convd_value *s = test_at(v, "steps/1");
    static const char *const members[] = {"id",      "op",        "params",     "output_shape",
                                          "weights", "macs",      "bytes",      "receptive_field",
                                          "jump",    "algorithm", "fused_into", "ms"};
    EQ(12, s->n);
    for (size_t i = 0; i < 12; i++) STR(members[i], s->members[i].name);
    STR("filter", test_at(s, "op")->string);
    STR("reflect", test_at(s, "params/padding_mode")->string);
    NEAR(640 * 480 * 9, test_at(s, "macs")->number, 0);
    NEAR(3, test_at(s, "receptive_field/0")->number, 0);
    NEAR(240, test_at(v, "steps/2/output_shape/2")->number, 0);
    NEAR(2, test_at(v, "steps/2/jump/1")->number, 0);
    NEAR(4, test_at(v, "steps/2/receptive_field/1")->number, 0);
    static const char *const totals[] = {"weights", "macs", "bytes", "ms"};
    EQ(4, test_at(v, "total")->n);
    for (size_t i = 0; i < 4; i++) test_at(test_at(v, "total"), totals[i]);
    api_work_release(&w);

    w = test_work(
        NULL, NULL, 0,
        "{\"steps\":[{\"id\":\"r\",\"op\":\"residual\",\"steps\":[\"abs\"]}]}"); /* the expansion shows */
    OK(api_explain(&w, &size, "text"));
    OK(strstr(test_body(&w), "r.s0"));
    OK(strstr(test_body(&w), "total"));
    api_work_release(&w);

    static const struct {
        const char *format, *pipeline, *code;
    } bad[] = {{"svg", "abs", "out-of-range"},
               {"jsn", "abs", "out-of-range"},
               {"json", "abs", "missing"},
               {"json", "max_pool:0", "out-of-range"}};
    for (size_t i = 0; i < 4; i++) {
        w = test_work(NULL, NULL, 0, bad[i].pipeline);
        OK(!api_explain(&w, i < 2 ? &size : NULL, bad[i].format));
        STR(bad[i].code, api_code_word(w.faults->first->code));
        OK(w.faults->first->expected);
        api_work_release(&w);
    }
    const struct api_size wrong[] = {{0, 4, 3}, {4, -1, 3}, {4, 4, 0}, {40000, 4, 3}};
    for (size_t i = 0; i < 4; i++) {
        w = test_work(NULL, NULL, 0, "abs");
        OK(!api_explain(&w, &wrong[i], NULL));
        api_work_release(&w);
    }
}
T_MAIN("api/problem")
