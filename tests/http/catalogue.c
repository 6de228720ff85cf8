/* catalogue.c: what the daemon tells of itself, and the forms in which it may be asked. */
#include "../t.h"
#include "lib_server.h"
#include <string.h>

static struct server s;
static void *picture;
static size_t picture_n;

#define IMG                                                                                        \
    {                                                                                              \
        "img", "x.ppm", "image/x-portable-pixmap", picture, picture_n                              \
    }

TEST(a_byte_order_mark_is_no_json)
{
    static const char *const texts[] = {"\357\273\277[\"abs\"]", "\357\273\277{\"steps\":[\"abs\"]}",
                                        "\357\273\277abs"};
    for (size_t i = 0; i < 3; i++) {
        struct answer a = fetch(
            &s,
            &(struct fetch){.path = "/v1/run",
                            .parts = {IMG, {"pipeline", NULL, NULL, texts[i], strlen(texts[i])}}});
        EQ(400, a.status);
        OK(answer_has(&a, "\"code\":\"bad-json\"") && answer_has(&a, "byte order mark"));
        answer_release(&a);
    }
}

/* The JSON form is read by the same reader as everywhere: places point into the request. */
TEST(faults_of_the_json_form_point_into_it)
{
    static const struct {
        const char *path, *text;
        int status;
        const char *code, *pointer;
    } tries[] = {
        {"/v1/run", "{\"pipeline\":[\"abs\"]}", 422, "missing", "/image"},
        {"/v1/run", "{\"image\":\"AAAA\"}", 422, "missing", "/pipeline"},
        {"/v1/run", "{\"pipeline\":[\"abs\"],\"image\":\"?\"}", 400, "bad-image", "/image"},
        {"/v1/run",
         "{\"pipeline\":{\"steps\":[{\"op\":\"max_pool\",\"kernel_size\":0}]},\"image\":\"AAAA\"}",
         422, "out-of-range", "/pipeline/steps/0/kernel_size"},
        {"/v1/run",
         "{\"pipeline\":{\"steps\":[\"abs\"],\"output\":{\"from\":\"x\"}},\"image\":\"AAAA\"}", 422,
         "unknown-name", "/pipeline/output/from"},
        {"/edges", "{\"pipeline\":\"abs\",\"image\":\"AAAA\"}", 400, "bad-request", "/pipeline"},
        {"/v1/run?pipeline=abs", "{\"pipeline\":\"abs\",\"image\":\"AAAA\"}", 400, "bad-request",
         "/pipeline"},
        {"/v1/explain", "{\"pipeline\":\"abs\"}", 422, "missing", "/image"},
    };
    for (size_t i = 0; i < sizeof tries / sizeof *tries; i++) {
        char code[64], pointer[96];
        struct answer a = fetch(&s, &(struct fetch){.path = tries[i].path,
                                                    .body = tries[i].text,
                                                    .body_n = strlen(tries[i].text),
                                                    .headers = {"Content-Type: application/json"}});
        snprintf(code, sizeof code, "\"code\":\"%s\"", tries[i].code);
        snprintf(pointer, sizeof pointer, "\"pointer\":\"%s\"", tries[i].pointer);
        if (a.status != tries[i].status || !answer_has(&a, code) || !answer_has(&a, pointer))
            T_FAIL("%s %s: %d %s", tries[i].path, tries[i].text, a.status, a.body);
        OK(!answer_has(
            &a,
            "\"errors\":[{\"type\":\"urn:convd:problem:missing\"")); /* one thing wrong is said once */
        answer_release(&a);
    }
}

TEST(the_other_form_of_a_pipeline_needs_no_size)
{
    static const struct {
        const char *path, *text;
    } tries[] = {{"/v1/explain?format=chain&pipeline=edges/max_pool:2", "edges/max_pool:2\n"},
                 {"/v1/explain?format=spec&pipeline=abs", "{\"steps\":[{\"op\":\"abs\"}]}\n"}};
    for (size_t i = 0; i < 2; i++) {
        struct answer a = fetch(&s, &(struct fetch){.method = "POST", .path = tries[i].path});
        EQ(200, a.status);
        STR(tries[i].text, a.body);
        answer_release(&a);
    }
    struct answer a =
        fetch(&s, &(struct fetch){.method = "POST", .path = "/v1/explain?pipeline=abs"});
    EQ(422, a.status);
    OK(answer_has(&a, "width=640"));
    answer_release(&a);
}

TEST(labels_are_as_many_as_numbers)
{
    static const char text[] = "{\"steps\":[\"edges-xy\",\"global_sum_pool\"],\"output\":{"
                               "\"labels\":[\"a\",\"b\",\"c\"]}}";
    struct answer a =
        fetch(&s, &(struct fetch){.path = "/v1/run",
                                  .parts = {IMG, {"pipeline", NULL, NULL, text, sizeof text - 1}}});
    EQ(422, a.status);
    OK(answer_has(&a, "\"code\":\"bad-shape\"") &&
       answer_has(&a, "\"pointer\":\"/output/labels\"") && answer_has(&a, "3 labels for the 2"));
    answer_release(&a);
}

TEST(kernels_are_numbers_and_pictures)
{
    static const struct {
        const char *path;
        int status;
        const char *media, *text;
    } tries[] = {
        {"/v1/kernels/sobel_x", 200, "application/json",
         "\"matrix\":[[-1,0,1],[-2,0,2],[-1,0,1]],\"sum\":0,\"anchor\":[1,1],\"separable\":true"},
        {"/v1/kernels/sobel_x", 200, "application/json", "\"image\":\"data:image/png;base64,iVBOR"},
        {"/v1/kernels/laplacian", 200, "application/json", "\"separable\":false"},
        {"/v1/kernels/box?size=5", 200, "application/json", "\"size\":[5,5],"},
        {"/v1/kernels/box?ksize=1", 200, "application/json", "\"matrix\":[[1]],"},
        {"/v1/kernels/gabor?format=png&theta=45", 200, "image/png", "PNG"},
        {"/v1/kernels/box?size=4", 422, "application/problem+json", "an odd integer from 1 to 129"},
        {"/v1/kernels/box?size=x", 422, "application/problem+json", "wrong-type"},
        {"/v1/kernels/sobel_x?size=3", 422, "application/problem+json", "unknown-member"},
        {"/v1/kernels/box?format=gif", 406, "application/problem+json", "json or png"},
        {"/v1/kernels/bxo", 404, "application/problem+json", "\"suggestion\":\"box\""},
    };
    for (size_t i = 0; i < sizeof tries / sizeof *tries; i++) {
        struct answer a = get(&s, tries[i].path);
        if (a.status != tries[i].status || !answer_has(&a, tries[i].text))
            T_FAIL("%s: %d %.400s", tries[i].path, a.status, a.body);
        STR(tries[i].media, answer_header(&a, "Content-Type"));
        if (a.status == 422) OK(!answer_has(&a, "\"pointer\"")); /* a query has no places */
        answer_release(&a);
    }
}

TEST(the_schema_and_the_description_know_their_names)
{
    struct answer a = get(&s, "/v1/schema");
    EQ(200, a.status);
    OK(answer_has(&a, "{\"$schema\":\"https://json-schema.org/draft/2020-12/schema\""));
    OK(answer_has(&a, "\"op_max_pool\":") && answer_has(&a, "\"ksize\":") &&
       answer_has(&a, "\"x-rules\":"));
    answer_release(&a);
    struct server small = SERVER("--max-steps", "7", "--max-kernel", "9");
    a = get(&small, "/v1/schema");
    OK(answer_has(&a, "\"maxItems\":7,"));
    OK(answer_has(&a, "\"maxItems\":9,") && !answer_has(&a, "\"maxItems\":129"));
    answer_release(&a);
    EQ(0, server_stop(&small));
    a = get(&s, "/openapi.json");
    EQ(200, a.status);
    OK(answer_has(&a, "{\"openapi\":\"3.1.0\""));
    answer_release(&a);
}

int main(void)
{
    picture = ppm(24, 16, &picture_n);
    s = SERVER(NULL);
    int rc = _cmocka_run_group_tests("http/catalogue", t_tests, t_count, NULL, NULL) ? 1 : 0;
    if (server_stop(&s) != 0) rc = 1;
    free(picture);
    return rc;
}
