/* ask.c: POST /v1/probe, /v1/gradient and the forms of /v1/explain, over HTTP. */
#include "../t.h"
#include "lib_server.h"

static struct server s;
static void *picture;
static size_t picture_n;

#define IMG                                                                                        \
    {                                                                                              \
        "img", "photo.ppm", "image/x-portable-pixmap", picture, picture_n                          \
    }
#define TEXT(NAME, VALUE)                                                                          \
    {                                                                                              \
        NAME, NULL, NULL, VALUE, strlen(VALUE)                                                     \
    }
#define FILE_PART(NAME, DATA)                                                                      \
    {                                                                                              \
        NAME, NAME ".npy", "application/octet-stream", DATA, sizeof DATA - 1                       \
    }
/* npy of one float 2 and of two. */
static const char two[] =
    "\x93NUMPY\1\0\x3e\0{'descr':'<f4','fortran_order':False,'shape':(1,1),}         \n\0\0\0\x40";

static void expect(const struct answer *a, int status, const char *part)
{
    if (a->status != status || (part && !answer_has(a, part)))
        T_FAIL("expected %d and %s, got %d: %.600s", status, part ? part : "anything", a->status,
               a->body);
}

/* ---- probe ---- */

TEST(a_number_is_asked_for_in_parts_in_the_query_and_in_json)
{
    struct answer a =
        fetch(&s, &(struct fetch){.path = "/v1/probe",
                                  .parts = {IMG, TEXT("pipeline", "grayscale/sobel_x"),
                                            TEXT("step", "s1"), TEXT("channel", "0"),
                                            TEXT("x", "3"), TEXT("y", "4")}});
    expect(&a, 200, "{\"step\":\"s1\",\"channel\":0,\"x\":3,\"y\":4,\"window\":[[[");
    STR("application/json", answer_header(&a, "Content-Type"));
    OK(answer_header(&a, "ETag"));
    struct answer b =
        fetch(&s, &(struct fetch){.path = "/v1/probe?step=s1&x=3&y=4",
                                  .parts = {IMG, TEXT("pipeline", "grayscale/sobel_x")}});
    STR(a.body, b.body);
    STR(answer_header(&a, "ETag"), answer_header(&b, "ETag"));
    answer_release(&b);
    b = fetch(&s, &(struct fetch){.path = "/v1/probe?pipeline=grayscale/sobel_x&x=3&y=4&channel=0",
                                  .body = picture,
                                  .body_n = picture_n,
                                  .headers = {"Content-Type: image/x-portable-pixmap"}});
    STR(a.body, b.body);
    answer_release(&b);
    answer_release(&a);
    static const char json[] = "{\"pipeline\":\"invert\",\"image\":\"UDUKMyAxCjI1NQoBAgM=\","
                               "\"step\":\"s0\",\"x\":2,\"y\":0}";
    b = fetch(&s, &(struct fetch){.path = "/v1/probe",
                                  .body = json,
                                  .body_n = sizeof json - 1,
                                  .headers = {"Content-Type: application/json"}});
    expect(&b, 200,
           "\"inputs\":[3],\"value\":252,\"source\":{\"x\":2,\"y\":0,\"width\":1,\"height\":1}}");
    answer_release(&b);
}

TEST(what_a_probe_cannot_find_is_422_with_its_place)
{
    static const struct {
        const char *step, *x, *part;
    } cases[] = {
        {"s7", "1", "\"pointer\":\"/step\""},
        {"s0", "23",
         "\"pointer\":\"/x\",\"expected\":\"a whole number from 0 to "
         "22\",\"limit\":22,\"actual\":23"},
        {"s0", "-1", "\"code\":\"out-of-range\""},
        {"s0", "one", "\"code\":\"wrong-type\""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct answer a =
            fetch(&s, &(struct fetch){.path = "/v1/probe",
                                      .parts = {IMG, TEXT("pipeline", "grayscale"),
                                                TEXT("step", cases[i].step), TEXT("x", cases[i].x),
                                                TEXT("y", "0")}});
        expect(&a, 422, cases[i].part);
        STR("application/problem+json", answer_header(&a, "Content-Type"));
        answer_release(&a);
    }
    struct answer a = fetch(&s, &(struct fetch){.path = "/v1/probe?x=1",
                                                .parts = {IMG, TEXT("pipeline", "grayscale"),
                                                          TEXT("x", "2"), TEXT("y", "0")}});
    expect(&a, 400, "x came twice");
    answer_release(&a);
    a = fetch(&s, &(struct fetch){.path = "/v1/run",
                                  .parts = {IMG, TEXT("pipeline", "grayscale"), TEXT("x", "2")}});
    expect(&a, 400, "a part called x means nothing here");
    answer_release(&a);
    a = fetch(&s, &(struct fetch){.path = "/v1/probe?x=1&y=1&format=png",
                                  .parts = {IMG, TEXT("pipeline", "grayscale")}});
    expect(&a, 406, "\"code\":\"not-acceptable\"");
    answer_release(&a);
    a = fetch(&s, &(struct fetch){.path = "/v1/probe?x=1&y=1",
                                  .headers = {"Accept: image/png"},
                                  .parts = {IMG, TEXT("pipeline", "grayscale")}});
    expect(&a, 406, "cannot be made as image/png");
    answer_release(&a);
}

TEST(a_file_called_x_is_a_tensor)
{
    struct answer a = fetch(
        &s,
        &(struct fetch){.path = "/v1/probe?x=1&y=2",
                        .parts = {IMG, FILE_PART("x", two),
                                  TEXT("pipeline", "{\"steps\":[\"grayscale\",{\"op\":\"multiply\","
                                                   "\"inputs\":[\"s0\",\"@x\"]}]}")}});
    expect(&a, 200, "\"inputs\":[");
    OK(answer_has(&a, ",2],\"value\":"));
    answer_release(&a);
}

/* ---- gradient ---- */

TEST(a_gradient_comes_as_safetensors_or_drawn)
{
    struct answer a = fetch(
        &s, &(struct fetch){.path = "/v1/gradient", .parts = {IMG, TEXT("pipeline", "features")}});
    expect(&a, 200, NULL);
    STR("application/x-safetensors", answer_header(&a, "Content-Type"));
    OK(a.body_n > 8 && strstr(a.body + 8, "\"features.conv.weight\"") &&
       strstr(a.body + 8, "\"image\""));
    char *etag = strdup(answer_header(&a, "ETag"));
    answer_release(&a);
    char header[100];
    snprintf(header, sizeof header, "If-None-Match: %s", etag);
    a = fetch(&s, &(struct fetch){.path = "/v1/gradient",
                                  .headers = {header},
                                  .parts = {IMG, TEXT("pipeline", "features")}});
    expect(&a, 412, "precondition-failed");
    answer_release(&a);
    free(etag);
    a = fetch(&s, &(struct fetch){.path = "/v1/gradient?format=png",
                                  .parts = {IMG, TEXT("pipeline", "edges")}});
    expect(&a, 200, NULL);
    STR("image/png", answer_header(&a, "Content-Type"));
    OK(a.body_n > 24 && memcmp(a.body + 16, "\0\0\0\x17\0\0\0\x11", 8) == 0); /* 23 x 17 */
    answer_release(&a);
}

TEST(an_upstream_part_is_no_tensor_and_no_picture)
{
    struct answer a =
        fetch(&s, &(struct fetch){.path = "/v1/gradient?format=json",
                                  .parts = {IMG, FILE_PART("upstream", two),
                                            TEXT("pipeline", "global_sum_pool/reduce:sum")}});
    expect(&a, 200, "\"min\":2,\"max\":2");
    OK(!answer_has(&a, "upstream"));
    answer_release(&a);
    a = fetch(&s, &(struct fetch){
                      .path = "/v1/gradient",
                      .parts = {IMG, FILE_PART("upstream", two), TEXT("pipeline", "grayscale")}});
    expect(&a, 422, "\"code\":\"bad-shape\",\"pointer\":\"/upstream\"");
    answer_release(&a);
    a = fetch(&s, &(struct fetch){.path = "/v1/gradient",
                                  .parts = {{"photo", "photo.ppm", "image/x-portable-pixmap",
                                             picture, picture_n},
                                            FILE_PART("upstream", two),
                                            TEXT("pipeline", "global_sum_pool/reduce:sum")}});
    expect(&a, 200, NULL); /* the only other file is the picture */
    answer_release(&a);
    static const char json[] = "{\"pipeline\":\"scale:3\",\"image\":\"UDUKMyAxCjI1NQoBAgM=\","
                               "\"upstream\":[[[1,2,3]],[[0,0,0]],[[0,0,0]]]}";
    a = fetch(&s, &(struct fetch){.path = "/v1/gradient?format=json&values=all",
                                  .body = json,
                                  .body_n = sizeof json - 1,
                                  .headers = {"Content-Type: application/json"}});
    expect(&a, 200, "\"values\":[3,6,9,0,0,0,0,0,0]");
    answer_release(&a);
}

TEST(both_are_routes_like_the_others)
{
    static const char *const paths[] = {"/v1/probe", "/v1/gradient"};
    for (size_t i = 0; i < 2; i++) {
        struct answer a = get(&s, paths[i]);
        EQ(405, a.status);
        OK(strstr(answer_header(&a, "Allow"), "POST"));
        answer_release(&a);
        a = fetch(&s, &(struct fetch){.path = paths[i], .parts = {TEXT("pipeline", "edges")}});
        expect(&a, 400, "no picture came");
        answer_release(&a);
        a = fetch(&s,
                  &(struct fetch){.path = paths[i], .parts = {IMG, TEXT("pipeline", "[\"abz\"]")}});
        expect(&a, 422, "\"suggestion\":\"abs\"");
        answer_release(&a);
    }
}

/* ---- explain ---- */

TEST(explain_has_seven_forms)
{
    static const struct {
        const char *format, *media, *part;
    } forms[] = {
        {"json", "application/json", "\"receptive_field\":[4,4]"},
        {"text", "text/plain; charset=utf-8", "total"},
        {"chain", "text/plain; charset=utf-8", "grayscale/sobel_x/abs/max_pool:2"},
        {"spec", "application/json", "\"kernel\":\"sobel_x\""},
        {"mermaid", "text/plain; charset=utf-8", "flowchart TD"},
        {"pytorch", "text/x-python; charset=utf-8", "F.max_pool2d("},
        {"opencv", "text/x-python; charset=utf-8", "cv2.filter2D("},
    };
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
        char path[200];
        snprintf(
            path, sizeof path,
            "/v1/explain?pipeline=grayscale/sobel_x/abs/max_pool:2&width=64&height=48&format=%s",
            forms[i].format);
        struct answer a = fetch(&s, &(struct fetch){.method = "POST", .path = path});
        expect(&a, 200, forms[i].part);
        STR(forms[i].media, answer_header(&a, "Content-Type"));
        answer_release(&a);
    }
    struct answer a = fetch(
        &s, &(struct fetch){.method = "POST",
                            .path = "/v1/explain?pipeline=lrn:3&width=9&height=9&format=opencv"});
    expect(&a, 422, "\"code\":\"not-expressible\",\"pointer\":\"/steps/0\"");
    answer_release(&a);
}

int main(void)
{
    s = SERVER(NULL);
    picture = ppm(23, 17, &picture_n);
    int rc = _cmocka_run_group_tests("http/ask", t_tests, t_count, NULL, NULL) ? 1 : 0;
    free(picture);
    if (server_stop(&s) != 0) rc = 1;
    return rc;
}
