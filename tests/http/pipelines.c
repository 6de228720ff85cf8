/* pipelines.c: saved pipelines: PUT, GET, DELETE, weights, and their use as one step. */
#include "../t.h"
#include "lib_server.h"
#include <signal.h>
#include <unistd.h>

static struct server s;
static char data[64];

static struct answer put(const char *path, const char *body)
{
    return fetch(
        &s, &(struct fetch){.method = "PUT", .path = path, .body = body, .body_n = strlen(body)});
}

static void expect(struct answer a, int status, const char *text)
{
    if (a.status != status || (text && !answer_has(&a, text)))
        T_FAIL("expected %d with %s, got %d: %.400s", status, text ? text : "anything", a.status,
               a.body);
    answer_release(&a);
}

static struct answer delete (const char *path)
{
    return fetch(&s, &(struct fetch){.method = "DELETE", .path = path});
}

static struct answer post(const char *path)
{
    size_t n;
    void *picture = ppm(16, 12, &n);
    struct answer a = fetch(&s, &(struct fetch){.path = path, .body = picture, .body_n = n});
    free(picture);
    return a;
}

/* Both answer the same bytes. */
static void same(const char *a_path, const char *b_path)
{
    struct answer a = post(a_path), b = post(b_path);
    EQ(200, a.status);
    EQ(200, b.status);
    EQ(b.body_n, a.body_n);
    OK(memcmp(a.body, b.body, a.body_n) == 0);
    answer_release(&a);
    answer_release(&b);
}

/* A safetensors file of one tensor of n times the number x. */
static void *safetensors(const char *name, const char *shape, size_t count, float x, size_t *n)
{
    char head[256];
    int m = snprintf(head, sizeof head,
                     "{\"%s\":{\"dtype\":\"F32\",\"shape\":%s,\"data_offsets\":[0,%zu]}}", name,
                     shape, count * 4);
    uint8_t *out = calloc(1, 8 + (size_t)m + count * 4);
    out[0] = (uint8_t)m;
    memcpy(out + 8, head, (size_t)m);
    for (size_t i = 0; i < count; i++) memcpy(out + 8 + m + 4 * i, &x, 4);
    *n = 8 + (size_t)m + count * 4;
    return out;
}

TEST(a_pipeline_is_new_once_and_then_replaced)
{
    struct answer a = put("/v1/pipelines/first", "{\"steps\":[{\"op\":\"abs\"}]}");
    EQ(201, a.status);
    STR("/v1/pipelines/first", answer_header(&a, "Location"));
    answer_release(&a);
    expect(put("/v1/pipelines/first", "grayscale/sobel_x/abs"), 200, "\"name\":\"first\"");
    expect(get(&s, "/v1/pipelines/first"), 200, "\"op\":\"grayscale\"");
    expect(get(&s, "/v1/pipelines"), 200, "\"name\":\"first\"");
    expect(get(&s, "/v1/pipelines/first"), 200, "\"built_in\":false");
}

TEST(its_address_takes_get_put_and_delete)
{
    struct answer a = fetch(&s, &(struct fetch){.method = "PATCH", .path = "/v1/pipelines/edges"});
    EQ(405, a.status);
    STR("GET, HEAD, PUT, DELETE, OPTIONS", answer_header(&a, "Allow"));
    answer_release(&a);
}

TEST(its_name_is_one_step_in_chains_and_specs_and_other_pipelines)
{
    expect(put("/v1/pipelines/mine", "grayscale/sobel_x/abs"), 201, NULL);
    same("/mine", "/grayscale/sobel_x/abs");
    same("/mine/max_pool:2", "/grayscale/sobel_x/abs/max_pool:2");
    expect(put("/v1/pipelines/outer", "mine/max_pool:2"), 201, NULL);
    same("/outer/invert", "/grayscale/sobel_x/abs/max_pool:2/invert");
    same("/v1/run?pipeline=mine", "/mine");
}

TEST(what_a_name_stands_for_changes_the_etag)
{
    expect(put("/v1/pipelines/tag", "invert"), 201, NULL);
    struct answer a = post("/tag");
    expect(put("/v1/pipelines/tag", "grayscale"), 200, NULL);
    struct answer b = post("/tag");
    OK(strcmp(answer_header(&a, "ETag"), answer_header(&b, "ETag")) != 0);
    answer_release(&a);
    answer_release(&b);
}

TEST(every_fault_is_told_with_its_place_and_nothing_is_saved)
{
    struct answer a =
        put("/v1/pipelines/bad", "{\"steps\":[{\"op\":\"nope\"},{\"op\":\"max_pool\"}]}");
    EQ(422, a.status);
    OK(answer_has(&a, "\"pointer\":\"/steps/0/op\""));
    OK(answer_has(&a, "\"pointer\":\"/steps/1/kernel_size\""));
    answer_release(&a);
    expect(get(&s, "/v1/pipelines/bad"), 404, NULL);
    expect(put("/v1/pipelines/bad", ""), 400, NULL);
    expect(put("/v1/pipelines/bad", "{"), 400, "bad-json");
    expect(put("/v1/pipelines/bad", "bad/abs"), 422, "unknown-name");
    expect(put("/v1/pipelines/loop", "abs"), 201, NULL);
    expect(put("/v1/pipelines/loop2", "loop"), 201, NULL);
    expect(put("/v1/pipelines/loop", "loop2"), 422, "bad-graph");
    same("/loop", "/abs");
}

TEST(names_that_mean_something_else_are_taken)
{
    static const char *const taken[] = {"edges", "abs",     "sobel_x", "conv",
                                        "v1",    "healthz", "metrics", "residual"};
    for (size_t i = 0; i < sizeof taken / sizeof *taken; i++) {
        char path[64];
        snprintf(path, sizeof path, "/v1/pipelines/%s", taken[i]);
        expect(put(path, "abs"), 409, "\"code\":\"conflict\"");
    }
    static const char *const wrong[] = {"Upper", "1st", "a.b", "_a", "a%20b"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        char path[64];
        snprintf(path, sizeof path, "/v1/pipelines/%s", wrong[i]);
        expect(put(path, "abs"), 400, NULL);
    }
    expect(delete ("/v1/pipelines/edges"), 409, NULL);
    expect(delete ("/v1/pipelines/nothing"), 404, NULL);
}

TEST(tensors_travel_with_the_name_and_meet_no_request_s)
{
    size_t n, m;
    void *k = safetensors("k", "[1,1]", 1, 2, &n), *other = safetensors("k", "[1,1]", 1, 3, &m);
    expect(fetch(&s, &(struct fetch){.method = "PUT",
                                     .path = "/v1/pipelines/twice",
                                     .parts = {{.name = "pipeline", .data = "filter:@k", .n = 9},
                                               {.name = "k", .filename = "k", .data = k, .n = n}}}),
           201, "\"weights\":[{\"name\":\"k\",\"shape\":[1,1]}]");
    same("/twice?format=npy", "/scale:2?format=npy");
    struct answer a = get(&s, "/v1/pipelines/twice/weights");
    EQ(200, a.status);
    OK(a.body_n > 12 && answer_header(&a, "ETag"));
    answer_release(&a);
    /* the request's own @k is another one */
    size_t p_n;
    void *picture = ppm(16, 12, &p_n);
    a = fetch(&s,
              &(struct fetch){.path = "/twice/filter:@k?format=npy",
                              .parts = {{.name = "img", .filename = "a", .data = picture, .n = p_n},
                                        {.name = "k", .filename = "k", .data = other, .n = m}}});
    struct answer b = post("/scale:6?format=npy");
    EQ(200, a.status);
    EQ(b.body_n, a.body_n);
    OK(memcmp(a.body, b.body, a.body_n) == 0);
    answer_release(&a);
    answer_release(&b);
    free(picture);
    free(k);
    free(other);
}

TEST(weights_by_step_take_the_place_of_what_an_init_made)
{
    size_t n, m;
    const char *spec = "[{\"id\":\"c\",\"op\":\"conv\",\"weight\":{\"init\":\"he_normal\",\"out_"
                       "channels\":1,\"kernel_size\":1}}]";
    void *w = safetensors("c.weight", "[1,3,1,1]", 3, 1, &n),
         *odd = safetensors("d.weight", "[1,3,1,1]", 3, 1, &m);
    expect(put("/v1/pipelines/learned", spec), 201, NULL);
    expect(get(&s, "/v1/pipelines/learned/weights"), 404, NULL);
    struct answer before = post("/learned?format=npy");
    struct fetch f = {
        .method = "PUT", .path = "/v1/pipelines/learned/weights", .body = w, .body_n = n};
    expect(fetch(&s, &f), 200, "c.weight");
    same("/learned?format=npy", "/reduce:sum?format=npy");
    struct answer after = post("/abs/learned?format=npy");
    OK(before.body_n == after.body_n && memcmp(before.body, after.body, after.body_n) != 0);
    answer_release(&before);
    answer_release(&after);
    f.body = odd;
    f.body_n = m;
    expect(fetch(&s, &f), 422, "d.weight");
    f.body = "no safetensors";
    f.body_n = 14;
    expect(fetch(&s, &f), 415, NULL);
    f.path = "/v1/pipelines/edges/weights";
    expect(fetch(&s, &f), 409, NULL);
    f.path = "/v1/pipelines/nothing/weights";
    expect(fetch(&s, &f), 404, NULL);
    free(w);
    free(odd);
}

TEST(one_that_others_name_stays)
{
    expect(put("/v1/pipelines/base", "abs"), 201, NULL);
    expect(put("/v1/pipelines/user-a", "base/invert"), 201, NULL);
    expect(put("/v1/pipelines/user-b",
               "[{\"op\":\"residual\",\"steps\":[{\"op\":\"pipeline\",\"name\":\"base\"}]}]"),
           201, NULL);
    expect(put("/v1/pipelines/bystander", "[{\"id\":\"base\",\"op\":\"abs\"}]"), 201, NULL);
    expect(delete ("/v1/pipelines/base"), 409, "base is a step of user-a, user-b");
    expect(delete ("/v1/pipelines/user-a"), 204, NULL);
    expect(delete ("/v1/pipelines/base"), 409, "base is a step of user-b");
    expect(post("/user-b"), 200, NULL);
    expect(put("/v1/pipelines/user-b", "invert"), 200, NULL);
    expect(delete ("/v1/pipelines/base"), 204, NULL);
    expect(get(&s, "/v1/pipelines/bystander"), 200, NULL);
}

TEST(a_page_of_another_origin_changes_nothing)
{
    struct fetch f = {.method = "PUT",
                      .path = "/v1/pipelines/foreign",
                      .body = "abs",
                      .body_n = 3,
                      .headers = {"Origin: http://evil.example"}};
    expect(fetch(&s, &f), 403, "forbidden-origin");
    expect(get(&s, "/v1/pipelines/foreign"), 404, NULL);
}

TEST(they_outlive_the_process_even_a_killed_one)
{
    expect(put("/v1/pipelines/z-inner", "invert"), 201, NULL);
    expect(put("/v1/pipelines/a-outer", "z-inner/abs"), 201, NULL);
    kill(s.pid, SIGKILL);
    server_wait(&s, 10);
    s = SERVER("--data", data);
    same("/a-outer", "/invert/abs");
    same("/twice?format=npy", "/scale:2?format=npy");
    same("/learned?format=npy", "/reduce:sum?format=npy");
    expect(delete ("/v1/pipelines/a-outer"), 204, NULL);
    expect(post("/a-outer"), 404, NULL);
    expect(get(&s, "/v1/pipelines/a-outer"), 404, NULL);
}

int main(void)
{
    snprintf(data, sizeof data, "/tmp/convd-pipelines-XXXXXX");
    if (!mkdtemp(data)) return 1;
    s = SERVER("--data", data);
    int failed = _cmocka_run_group_tests("http/pipelines", t_tests, t_count, NULL, NULL);
    int code = server_stop(&s);
    char command[128];
    snprintf(command, sizeof command, "rm -rf %s", data);
    return failed || code != 0 || system(command) != 0;
}
