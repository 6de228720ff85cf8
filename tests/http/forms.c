/* forms.c: the ways a picture and a pipeline may come in, and what goes out. */
#include "../t.h"
#include "lib_server.h"

static struct server s;
static void *picture;
static size_t picture_n;

#define IMG                                                                                        \
    {                                                                                              \
        "img", "holiday photo.v2.ppm", "image/x-portable-pixmap", picture, picture_n               \
    }
#define TEXT(NAME, VALUE)                                                                          \
    {                                                                                              \
        NAME, NULL, NULL, VALUE, strlen(VALUE)                                                     \
    }

/* The pixels of an answer in PPM or PGM form: what stands behind the third line. */
static bool same_picture(const struct answer *a, const struct answer *b)
{
    return a->status == 200 && b->status == 200 && a->body_n == b->body_n &&
           memcmp(a->body, b->body, a->body_n) == 0;
}

static char *base64(const void *data, size_t n)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const unsigned char *d = data;
    char *out = malloc(n / 3 * 4 + 8), *at = out;
    for (size_t i = 0; i < n; i += 3) {
        unsigned v = (unsigned)d[i] << 16 | (i + 1 < n ? (unsigned)d[i + 1] << 8 : 0) |
                     (i + 2 < n ? d[i + 2] : 0);
        *at++ = digits[v >> 18];
        *at++ = digits[v >> 12 & 63];
        *at++ = i + 1 < n ? digits[v >> 6 & 63] : '=';
        *at++ = i + 2 < n ? digits[v & 63] : '=';
    }
    *at = 0;
    return out;
}

TEST(every_way_in_gives_the_same_picture)
{
    char *text = base64(picture, picture_n), *json = malloc(strlen(text) + 200);
    sprintf(json,
            "{\"pipeline\":\"grayscale/sobel_x/abs\",\"image\":\"data:image/"
            "x-portable-pixmap;base64,%s\"}",
            text);
    struct fetch ways[] = {
        {.path = "/grayscale/sobel_x/abs?format=ppm", .parts = {IMG}},
        {.path = "/grayscale/sobel_x/abs?format=ppm",
         .body = picture,
         .body_n = picture_n,
         .headers = {"Content-Type: image/png"}},
        {.path = "/grayscale%2fsobel_x/abs?format=ppm",
         .body = picture,
         .body_n = picture_n,
         .headers = {"Content-Type: text/html"}},
        {.path = "/v1/run?format=ppm", .parts = {TEXT("pipeline", "grayscale/sobel_x/abs"), IMG}},
        {.path = "/v1/run?format=ppm",
         .parts = {IMG, TEXT("pipeline", "[\"grayscale\",\"sobel_x\",\"abs\"]")}},
        {.path = "/v1/run?format=ppm",
         .parts = {{"photo", "x.ppm", NULL, picture, picture_n},
                   TEXT("pipeline", "\"grayscale/sobel_x/abs\"")}},
        {.path = "/v1/run?format=ppm",
         .parts = {{"data", NULL, NULL, picture, picture_n},
                   TEXT("pipeline", "{\"steps\":[\"grayscale\",\"sobel_x\",\"abs\"]}")}},
        {.path = "/v1/run?format=ppm&pipeline=grayscale/sobel_x/abs",
         .body = picture,
         .body_n = picture_n,
         .headers = {"Content-Type: application/octet-stream"}},
        {.path = "/v1/run?format=ppm",
         .body = json,
         .body_n = strlen(json),
         .headers = {"Content-Type: application/json; charset=utf-8"}},
    };
    struct answer first = fetch(&s, &ways[0]);
    EQ(200, first.status);
    OK(memcmp(first.body, "P5\n23 17\n255\n", 13) == 0);
    for (size_t i = 1; i < sizeof ways / sizeof *ways; i++) {
        struct answer a = fetch(&s, &ways[i]);
        if (!same_picture(&first, &a)) T_FAIL("way %zu: %d %s", i, a.status, a.body);
        answer_release(&a);
    }
    answer_release(&first);
    free(json);
    free(text);
}

TEST(an_answer_carries_its_headers)
{
    struct answer a = fetch(
        &s,
        &(struct fetch){.path = "/edges/scale:5", .parts = {IMG}, .headers = {"X-Request-Id: me"}});
    EQ(200, a.status);
    STR("image/png", answer_header(&a, "Content-Type"));
    STR("inline; filename=\"holiday_photo.v2.png\"", answer_header(&a, "Content-Disposition"));
    STR("Accept", answer_header(&a, "Vary"));
    STR("me", answer_header(&a, "X-Request-Id"));
    STR("nosniff", answer_header(&a, "X-Content-Type-Options"));
    double d, q, r, e;
    EQ(4, sscanf(answer_header(&a, "Server-Timing"),
                 "decode;dur=%lf, queue;dur=%lf, run;dur=%lf, encode;dur=%lf", &d, &q, &r, &e));
    double saturated = atof(answer_header(&a, "Convd-Saturated"));
    if (!(saturated > 0 && saturated <= 1))
        T_FAIL("saturated: %s", answer_header(&a, "Convd-Saturated"));
    OK(answer_header(&a, "ETag")[0] == '"');
    OK(memcmp(a.body, "\x89PNG", 4) == 0);
    answer_release(&a);
    a = fetch(&s, &(struct fetch){.path = "/gaussian:5,1.2", .body = picture, .body_n = picture_n});
    STR("inline; filename=\"gaussian.png\"", answer_header(&a, "Content-Disposition"));
    answer_release(&a);
}

TEST(file_names_are_a_hint_and_no_more)
{
    static const struct {
        const char *sent, *named;
    } names[] = {
        {"../../etc/passwd", "passwd.png"},
        {"C:\\pictures\\x.png", "x.png"},
        {"a\"b.png", "a_22b.png"},
        {".htaccess", "_htaccess.png"},
        {"ümlaut.jpg", "__mlaut.png"},
        {"a;b\tc.gif", "a_b_c.png"},
        {"...", "_..png"},
        {"noext", "noext.png"},
    };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char want[128];
        struct answer a =
            fetch(&s, &(struct fetch){.path = "/grayscale",
                                      .parts = {{"img", names[i].sent, NULL, picture, picture_n}}});
        if (a.status != 200) { /* a tab may not stand in a part's header */
            EQ(400, a.status);
            answer_release(&a);
            continue;
        }
        snprintf(want, sizeof want, "inline; filename=\"%s\"", names[i].named);
        STR(want, answer_header(&a, "Content-Disposition"));
        answer_release(&a);
    }
}

TEST(if_none_match_of_a_run_is_412)
{
    struct answer a = fetch(&s, &(struct fetch){.path = "/edges", .parts = {IMG}}), b;
    char line[128];
    snprintf(line, sizeof line, "If-None-Match: %s", answer_header(&a, "ETag"));
    b = fetch(&s, &(struct fetch){.path = "/edges", .parts = {IMG}, .headers = {line}});
    EQ(412, b.status);
    OK(answer_has(&b, "\"code\":\"precondition-failed\""));
    STR(answer_header(&a, "ETag"), answer_header(&b, "ETag"));
    answer_release(&b);
    b = fetch(&s, &(struct fetch){.path = "/edges-x", .parts = {IMG}, .headers = {line}});
    EQ(200, b.status);
    answer_release(&b);
    answer_release(&a);
}

TEST(formats_are_negotiated)
{
    static const struct {
        const char *path, *accept, *media;
        int status;
    } asks[] = {
        {"/edges", "Accept: image/jpeg", "image/jpeg", 200},
        {"/edges?format=jpeg", "Accept: image/png", "image/jpeg", 200},
        {"/edges", "Accept: text/html, image/webp;q=0.9, */*;q=0.1", "image/webp", 200},
        {"/edges", "Accept: application/json", "application/json", 200},
        {"/orientation", "Accept: */*", "application/json", 200},
        {"/edges", "Accept: text/html", "application/problem+json", 406},
    };
    for (size_t i = 0; i < sizeof asks / sizeof *asks; i++) {
        struct answer a = fetch(
            &s, &(struct fetch){.path = asks[i].path, .parts = {IMG}, .headers = {asks[i].accept}});
        if (a.status != asks[i].status)
            T_FAIL("%s %s: %d %s", asks[i].path, asks[i].accept, a.status,
                   a.status == 200 ? "" : a.body);
        STR(asks[i].media, answer_header(&a, "Content-Type"));
        answer_release(&a);
    }
}

TEST(what_is_wrong_is_said)
{
    const struct {
        struct fetch f;
        int status;
        const char *code, *text;
    } wrong[] = {
        {{.path = "/edgez", .parts = {IMG}}, 404, "unknown-name", "\"suggestion\":\"edges\""},
        {{.path = "/max_pool:0", .parts = {IMG}}, 422, "out-of-range", "kernel_size"},
        {{.path = "/v1/run", .parts = {IMG, TEXT("pipeline", "edgez")}},
         422,
         "unknown-name",
         "\"suggestion\":\"edges\""},
        {{.path = "/v1/run",
          .parts =
              {IMG,
               TEXT("pipeline",
                    "{\"steps\":[{\"op\":\"max_pool\",\"kernel_size\":0},{\"op\":\"nope\"}]}")}},
         422,
         "out-of-range",
         "\"errors\":["},
        {{.path = "/v1/run", .parts = {IMG, TEXT("pipeline", "{\"steps\":[")}},
         400,
         "bad-json",
         "JSON"},
        {{.path = "/v1/run", .parts = {IMG}}, 422, "missing", "pipeline"},
        {{.path = "/v1/run?pipeline=edges", .parts = {IMG, TEXT("pipeline", "edges")}},
         400,
         "bad-request",
         "two pipelines"},
        {{.path = "/edges", .parts = {IMG, TEXT("pipeline", "edges")}},
         400,
         "bad-request",
         "two pipelines"},
        {{.path = "/edges", .parts = {IMG, {"image", "y", NULL, picture, picture_n}}},
         400,
         "bad-request",
         "two images"},
        {{.path = "/edges",
          .parts = {{"a", "1", NULL, picture, picture_n}, {"b", "2", NULL, picture, picture_n}}},
         400,
         "bad-request",
         "no picture"},
        {{.path = "/edges", .parts = {IMG, TEXT("note", "hello")}}, 400, "bad-request", "note"},
        {{.path = "/edges", .parts = {IMG, {"t", "1", NULL, "x", 1}, {"t", "2", NULL, "x", 1}}},
         400,
         "bad-request",
         "two parts are called t"},
        {{.path = "/edges", .body = "no picture", .body_n = 10},
         415,
         "unsupported-media-type",
         "PNG"},
        {{.path = "/edges", .body = "", .body_n = 0}, 400, "bad-request", "no body"},
        {{.path = "/edges",
          .body = "x",
          .body_n = 1,
          .headers = {"Content-Type: multipart/form-data"}},
         400,
         "bad-multipart",
         "boundary"},
        {{.path = "/edges",
          .body = "--b--",
          .body_n = 5,
          .headers = {"Content-Type: multipart/form-data; boundary=b"}},
         400,
         "bad-multipart",
         "no parts"},
        {{.path = "/v1/run",
          .body = "[1]",
          .body_n = 3,
          .headers = {"Content-Type: application/json"}},
         422,
         "wrong-type",
         "array"},
        {{.path = "/v1/run",
          .body = "{\"a\":1,\"pipeline\":\"abs\"}",
          .body_n = 24,
          .headers = {"Content-Type: application/json"}},
         422,
         "unknown-member",
         "\"pointer\":\"/a\""},
        {{.path = "/v1/run",
          .body = "{\"image\":7,\"pipeline\":\"abs\"}",
          .body_n = 28,
          .headers = {"Content-Type: application/json"}},
         422,
         "wrong-type",
         "\"pointer\":\"/image\""},
        {{.path = "/v1/run",
          .body = "{\"image\":\"***\",\"pipeline\":\"abs\"}",
          .body_n = 32,
          .headers = {"Content-Type: application/json"}},
         400,
         "bad-image",
         "base64"},
        {{.path = "/edges?nonsense=1", .parts = {IMG}}, 400, "bad-request", "nonsense"},
        {{.path = "/v1/explain?pipeline=edges"}, 405, "method-not-allowed", "GET"},
        {{.method = "POST", .path = "/v1/explain?pipeline=edges"}, 422, "missing", "width"},
        {{.path = "/v1/explain",
          .body = "{\"pipeline\":\"abs\"}",
          .body_n = 18,
          .headers = {"Content-Type: application/json"}},
         422,
         "missing",
         "?width=640"},
        {{.path = "/v1/run",
          .body = "{\"steps\":[\"abs\"]}",
          .body_n = 17,
          .headers = {"Content-Type: application/json"}},
         422,
         "unknown-member",
         "a spec is the member pipeline"},
        {{.method = "POST", .path = "/v1/explain?pipeline=edges&width=x&height=3"},
         400,
         "bad-request",
         "width"},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        char code[64];
        struct answer a = fetch(&s, &wrong[i].f);
        snprintf(code, sizeof code, "\"code\":\"%s\"", wrong[i].code);
        if (a.status != wrong[i].status || !answer_has(&a, code) || !answer_has(&a, wrong[i].text))
            T_FAIL("%s (%zu): %d %s", wrong[i].f.path, i, a.status, a.body);
        STR("application/problem+json", answer_header(&a, "Content-Type"));
        answer_release(&a);
    }
}

TEST(a_tensor_part_is_known_by_its_name)
{
    /* a 1x1 kernel that doubles, as npy */
    static const char head[] = "{'descr': '<f4', 'fortran_order': False, 'shape': (1, 1), }        "
                               "                           \n";
    char npy[256] = "\x93NUMPY\x01";
    size_t head_n = sizeof head - 1;
    float two = 2;
    npy[8] = (char)head_n;
    memcpy(npy + 10, head, head_n);
    memcpy(npy + 10 + head_n, &two, 4);
    size_t npy_n = 10 + head_n + 4;
    struct answer a = fetch(
        &s, &(struct fetch){
                .path = "/v1/run?format=ppm",
                .parts = {IMG,
                          TEXT("pipeline", "{\"steps\":[{\"op\":\"filter\",\"kernel\":\"@k\"}]}"),
                          {"k", "k.npy", NULL, npy, npy_n}}});
    struct answer b = fetch(&s, &(struct fetch){.path = "/filter:2;?format=ppm", .parts = {IMG}});
    if (!same_picture(&a, &b))
        T_FAIL("%d %s / %d %s", a.status, a.status == 200 ? "" : a.body, b.status,
               b.status == 200 ? "" : b.body);
    answer_release(&a);
    answer_release(&b);
    /* the only file is the tensor when the pipeline speaks of it: then there is no picture */
    a = fetch(&s,
              &(struct fetch){
                  .path = "/v1/run",
                  .parts = {TEXT("pipeline", "{\"steps\":[{\"op\":\"filter\",\"kernel\":\"@k\"}]}"),
                            {"k", "k.npy", NULL, npy, npy_n}}});
    EQ(400, a.status);
    OK(answer_has(&a, "no picture"));
    answer_release(&a);
}

TEST(explain_takes_a_size_or_a_picture)
{
    struct answer a = fetch(
        &s, &(struct fetch){.method = "POST",
                            .path = "/v1/explain?pipeline=edges&width=64&height=48&channels=3"});
    EQ(200, a.status);
    STR("application/json", answer_header(&a, "Content-Type"));
    OK(answer_has(&a, "[1,1,48,64]"));
    answer_release(&a);
    a = fetch(&s,
              &(struct fetch){.path = "/v1/explain", .parts = {IMG, TEXT("pipeline", "maxpool")}});
    EQ(200, a.status);
    OK(answer_has(&a, "[1,3,8,11]"));
    answer_release(&a);
    a = fetch(&s, &(struct fetch){
                      .method = "POST",
                      .path = "/v1/explain?format=chain&width=9&height=9",
                      .parts = {TEXT("pipeline",
                                     "[\"grayscale\",{\"op\":\"max_pool\",\"kernel_size\":2}]")}});
    EQ(200, a.status);
    OK(answer_has(&a, "grayscale/max_pool:2"));
    answer_release(&a);
}

int main(void)
{
    s = SERVER(NULL);
    picture = ppm(23, 17, &picture_n);
    int rc = _cmocka_run_group_tests("http/forms", t_tests, t_count, NULL, NULL) ? 1 : 0;
    free(picture);
    if (server_stop(&s) != 0) rc = 1;
    return rc;
}
