/* images.c: pictures that are kept: by content, under a budget, run by addresses that caches may keep. */
#include "../../server/images.h"
#include "../store/lib_dir.h"
#include "../t.h"
#include "lib_server.h"
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

static struct server s;
static void *picture;
static size_t picture_n;

#define IMG                                                                                        \
    {                                                                                              \
        "img", "x.ppm", "image/x-portable-pixmap", picture, picture_n                              \
    }

/* The id of an answer of POST /v1/images. */
static const char *id_of(const struct answer *a)
{
    static char id[IMAGE_ID + 1];
    const char *at = strstr(a->body, "\"id\":\"");
    OK(at != NULL);
    memcpy(id, at + 6, IMAGE_ID);
    EQ('"', at[6 + IMAGE_ID]);
    EQ(IMAGE_ID, strspn(id, "0123456789abcdef"));
    return id;
}

/* Keeps the picture and returns PATH with %s replaced by its id. */
static const char *kept(const char *path)
{
    static char full[256];
    struct answer a = fetch(&s, &(struct fetch){.path = "/v1/images", .parts = {IMG}});
    OK(a.status == 201 || a.status == 200);
    const char *at = strstr(path, "%s");
    snprintf(full, sizeof full, "%.*s%s%s", (int)(at - path), path, id_of(&a), at + 2);
    answer_release(&a);
    return full;
}

/* ---- the table alone ---- */

#define TTL 3600000

/* Held, or NULL. */
static struct image *put(struct images *t, const void *data, size_t n, bool *fresh)
{
    const struct convd_image_info info = {.codec = convd_codec_named("png"),
                                          .input = {.width = 3, .height = 2, .channels = 3}};
    struct image *image;
    enum store_status status = images_put(t, data, n, &info, &image, fresh);
    OK((image != NULL) == (status == STORE_OK));
    return image;
}

static struct image *find(struct images *t, const char *id)
{
    struct image *image;
    enum store_status status = images_get(t, id, &image);
    EQ(image ? STORE_OK : STORE_NONE, status);
    return image;
}

TEST(an_id_is_the_sha256_of_the_bytes)
{
    struct images *t = images_new(1 << 20, TTL);
    bool fresh;
    struct image *a = put(t, "abc", 3, &fresh); /* FIPS 180-2, B.1 */
    STR("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad", a->id);
    OK(fresh);
    EQ(0, memcmp(a->data, "abc", 3));
    STR("image/png", a->media);
    struct image *b = put(t, "abc", 3, &fresh);
    OK(!fresh && b == a);
    EQ(1, images_counts(t).images);
    images_drop(t, a);
    images_drop(t, b);
    a = find(t, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    OK(a == b);
    images_drop(t, a);
    EQ(1, images_counts(t).hits);
    OK(!find(t, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015a"));
    OK(!find(t, "BA7816BF8F01CFEA414140DE5DAE2223B00361A396177A9CB410FF61F20015AD"));
    OK(!find(t, ""));
    images_free(t);
}

TEST(who_was_not_asked_for_longest_goes_first)
{
    enum { N = 5, SIZE = 10000 };
    struct images *t = images_new((SIZE + 1000) * N, TTL);
    char ids[N + 2][IMAGE_ID + 1];
    static uint8_t bytes[SIZE];
    for (int i = 0; i < N + 2; i++) {
        bool fresh;
        bytes[0] = (uint8_t)i;
        struct image *a = put(t, bytes, SIZE, &fresh);
        OK(a && fresh);
        memcpy(ids[i], a->id, sizeof ids[i]);
        images_drop(t, a);
        if (i == N - 1)
            images_drop(t, find(t, ids[0])); /* the oldest is asked for, and stays */
    }
    static const bool stays[N + 2] = {true, false, false, true, true, true, true};
    for (int i = 0; i < N + 2; i++) {
        struct image *a = find(t, ids[i]);
        if ((a != NULL) != stays[i]) T_FAIL("picture %d is %s", i, a ? "there" : "gone");
        images_drop(t, a);
    }
    OK(images_counts(t).bytes <= images_counts(t).budget);
    images_free(t);
}

TEST(what_is_held_stays_readable_and_counts)
{
    enum { SIZE = 10000 };
    struct images *t = images_new(SIZE + SIZE / 2, TTL);
    static uint8_t bytes[SIZE];
    bool fresh;
    struct image *a = put(t, bytes, SIZE, &fresh);
    bytes[0] = 1;
    OK(!put(t, bytes, SIZE, &fresh)); /* the only one that could go is held */
    EQ(STORE_OK, images_forget(t, a->id));
    EQ(STORE_NONE, images_forget(t, a->id));
    EQ(0, images_counts(t).images);
    OK(images_counts(t).bytes >= SIZE); /* forgotten, and still read */
    EQ(0, a->data[0]);
    images_drop(t, a);
    EQ(0, images_counts(t).bytes);
    a = put(t, bytes, SIZE, &fresh);
    OK(a && fresh);
    images_drop(t, a);
    static uint8_t large[2 * SIZE];
    OK(!put(t, large, sizeof large, &fresh));
    OK((a = find(t, a->id)) != NULL); /* what can never fit drives nobody out */
    images_drop(t, a);
    images_free(t);
}

struct crowd {
    struct images *t;
    uint64_t seed;
    size_t wrong;
};

/* Keeps, finds and forgets a few pictures at random; each is as long and full of what its first byte says. */
static void *busy(void *arg)
{
    struct crowd *c = arg;
    struct t_rng r = {c->seed};
    uint8_t bytes[3000];
    char ids[16][IMAGE_ID + 1] = {{0}};
    for (int i = 0; i < 3000; i++) {
        const size_t k = (size_t)t_between(&r, 0, 15), n = 1000 + 100 * k;
        bool fresh;
        struct image *a = NULL;
        if (t_between(&r, 0, 2)) {
            memset(bytes, (int)k, n);
            a = put(c->t, bytes, n, &fresh);
            if (a) memcpy(ids[k], a->id, sizeof ids[k]);
        } else if (ids[k][0] && t_between(&r, 0, 3)) {
            a = find(c->t, ids[k]);
        } else if (ids[k][0]) {
            images_forget(c->t, ids[k]);
        }
        for (size_t b = 0; a && b < a->n; b++) c->wrong += a->data[b] != k;
        c->wrong += a && a->n != n;
        images_drop(c->t, a);
    }
    return NULL;
}

TEST(a_crowd_finds_what_it_kept)
{
    enum { THREADS = 4 };
    struct images *t = images_new(12000, TTL);
    struct crowd crowd[THREADS];
    pthread_t thread[THREADS];
    for (uint64_t i = 0; i < THREADS; i++) {
        crowd[i] = (struct crowd){.t = t, .seed = i + 1};
        EQ(0, pthread_create(&thread[i], NULL, busy, &crowd[i]));
    }
    for (int i = 0; i < THREADS; i++) {
        pthread_join(thread[i], NULL);
        EQ(0, crowd[i].wrong);
    }
    OK(images_counts(t).bytes <= images_counts(t).budget);
    images_free(t);
}

/* ---- over HTTP ---- */

TEST(a_picture_is_kept_once)
{
    struct server own = SERVER(NULL);
    struct answer a = fetch(&own, &(struct fetch){.path = "/v1/images", .parts = {IMG}}), b, c;
    char location[128];
    EQ(201, a.status);
    STR("application/json", answer_header(&a, "Content-Type"));
    snprintf(location, sizeof location, "/v1/images/%s", id_of(&a));
    STR(location, answer_header(&a, "Location"));
    OK(answer_has(&a, "\"width\":40,\"height\":30,\"channels\":3,\"format\":\"ppm\",\"bytes\":"));
    b = fetch(&own, &(struct fetch){.path = "/v1/images", .body = picture, .body_n = picture_n});
    EQ(200, b.status);
    STR(a.body, b.body);
    STR(location, answer_header(&b, "Location"));
    c = get(&own, location);
    EQ(200, c.status);
    EQ(picture_n, c.body_n);
    EQ(0, memcmp(picture, c.body, picture_n));
    STR("nosniff", answer_header(&c, "X-Content-Type-Options"));
    STR("public, max-age=31536000, immutable", answer_header(&c, "Cache-Control"));
    OK(strncmp(answer_header(&c, "Content-Type"), "image/x-portable-", 17) == 0);
    OK(strstr(answer_header(&c, "Content-Security-Policy"), "default-src 'none'") != NULL);
    answer_release(&a);
    answer_release(&b);
    answer_release(&c);
    EQ(0, server_stop(&own));
}

TEST(what_is_no_picture_is_not_kept)
{
    static const struct {
        struct fetch f;
        int status;
        const char *code;
    } tries[] = {
        {{.path = "/v1/images", .body = "hello", .body_n = 5}, 415, "unsupported-media-type"},
        {{.path = "/v1/images",
          .body = "{\"image\":\"AAAA\"}",
          .body_n = 16,
          .headers = {"Content-Type: application/json"}},
         415,
         "unsupported-media-type"},
        {{.path = "/v1/images", .body = "P6\n1 1\n255\n", .body_n = 11}, 400, "bad-image"},
        {{.path = "/v1/images", .body = "P6\n90000 9\n255\n", .body_n = 15},
         413,
         "image-too-large"},
        {{.method = "POST", .path = "/v1/images"}, 400, "bad-request"},
        {{.path = "/v1/images", .parts = {{"pipeline", NULL, NULL, "edges", 5}}},
         400,
         "bad-request"},
    };
    for (size_t i = 0; i < sizeof tries / sizeof *tries; i++) {
        char code[64];
        struct answer a = fetch(&s, &tries[i].f);
        snprintf(code, sizeof code, "\"code\":\"%s\"", tries[i].code);
        if (a.status != tries[i].status || !answer_has(&a, code))
            T_FAIL("%zu: %d %s", i, a.status, a.body);
        answer_release(&a);
    }
}

TEST(a_chain_by_get_gives_the_bytes_of_post)
{
    static const struct {
        const char *get, *post, *media;
    } pairs[] = {
        {"/v1/images/%s/edges.png", "/edges?format=png", "image/png"},
        {"/v1/images/%s/grayscale/sobel_x/abs/max_pool:2.jpg?quality=70",
         "/grayscale/sobel_x/abs/max_pool:2?format=jpeg&quality=70", "image/jpeg"},
        {"/v1/images/%s/gaussian:5,1.2.webp", "/gaussian:5,1.2?format=webp", "image/webp"},
        {"/v1/images/%s/edges-xy.npy", "/edges-xy?format=npy", "application/x-npy"},
        {"/v1/images/%s/orientation.ppm?from=image", "/orientation?from=image&format=ppm",
         "image/x-portable-pixmap"},
        {"/v1/images/%s/filter:0x-1x0%%3B-1x5x-1%%3B0x-1x0.png",
         "/filter:0x-1x0;-1x5x-1;0x-1x0?format=png", "image/png"},
    };
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
        char path[256];
        snprintf(path, sizeof path, pairs[i].get, "%s"); /* %% */
        struct answer a = get(&s, kept(path)),
                      b = fetch(&s, &(struct fetch){.path = pairs[i].post, .parts = {IMG}});
        if (a.status != 200 || b.status != 200)
            T_FAIL("%s: %d %s, POST %d", path, a.status, a.body, b.status);
        STR(pairs[i].media, answer_header(&a, "Content-Type"));
        EQ(b.body_n, a.body_n);
        EQ(0, memcmp(a.body, b.body, a.body_n));
        STR(answer_header(&b, "ETag"), answer_header(&a, "ETag"));
        STR("public, max-age=31536000, immutable", answer_header(&a, "Cache-Control"));
        OK(!answer_header(&a, "Vary"));
        answer_release(&a);
        answer_release(&b);
    }
}

TEST(what_a_client_has_is_not_run_again)
{
    static const char *const paths[] = {"/v1/images/%s/edges.png", "/v1/images/%s"};
    for (size_t i = 0; i < 2; i++) {
        char line[160];
        const char *path = kept(paths[i]);
        struct answer a = get(&s, path), b;
        double pixels = gauge(&s, "convd_pixels_total"),
               hits = gauge(&s, "convd_cache_hits_total{kind=\"etag\"}");
        snprintf(line, sizeof line, "If-None-Match: %s", answer_header(&a, "ETag"));
        for (int head = 0; head < 2; head++) {
            b = fetch(&s, &(struct fetch){
                              .method = head ? "HEAD" : "GET", .path = path, .headers = {line}});
            EQ(304, b.status);
            EQ(0, b.body_n);
            STR(answer_header(&a, "ETag"), answer_header(&b, "ETag"));
            STR(answer_header(&a, "Cache-Control"), answer_header(&b, "Cache-Control"));
            answer_release(&b);
        }
        NEAR(pixels, gauge(&s, "convd_pixels_total"), 0);
        NEAR(hits + 2, gauge(&s, "convd_cache_hits_total{kind=\"etag\"}"), 0);
        b = fetch(&s, &(struct fetch){.path = path, .headers = {"If-None-Match: \"other\""}});
        EQ(200, b.status);
        answer_release(&b);
        b = fetch(&s, &(struct fetch){.method = "HEAD", .path = path});
        EQ(200, b.status);
        EQ(0, b.body_n);
        STR(answer_header(&a, "Content-Length"), answer_header(&b, "Content-Length"));
        STR(answer_header(&a, "ETag"), answer_header(&b, "ETag"));
        answer_release(&b);
        answer_release(&a);
    }
}

TEST(wrong_addresses_are_explained)
{
    static const struct {
        const char *path;
        int status;
        const char *code, *text;
    } tries[] = {
        {"/v1/images/%s/edges.exe", 406, "not-acceptable", "png, jpeg"},
        {"/v1/images/%s/edges", 404, "not-found", "CHAIN.EXT"},
        {"/v1/images/%s/edges.", 406, "not-acceptable", "png"},
        {"/v1/images/%s/.png", 404, "not-found", "CHAIN.EXT"},
        {"/v1/images/%s/egdes.png", 404, "unknown-name", "\"suggestion\":\"edges\""},
        {"/v1/images/%s/max_pool:0.png", 422, "out-of-range",
         "\"pointer\":\"/steps/0/kernel_size\""},
        {"/v1/images/%s/edges.png?format=jpeg", 400, "bad-request", "twice"},
        {"/v1/images/%s/edges.png?pipeline=abs", 400, "bad-request", "two pipelines"},
        {"/v1/images/%s/edges.png?nonsense=1", 400, "bad-request", "nonsense"},
        {"/v1/images/%s%%2Fedges.png", 404, "not-found", ""},
        {"/v1/images/%s/", 404, "not-found", ""},
        {"/v1/images/0%s", 404, "not-found", "64 hexadecimal digits"},
        {"/v1/images/0%s/edges.png", 404, "not-found", "64 hexadecimal digits"},
        {"/v1/images/../%s/edges.png", 404, "not-found", ""},
    };
    for (size_t i = 0; i < sizeof tries / sizeof *tries; i++) {
        char code[64], path[256];
        snprintf(path, sizeof path, tries[i].path, "%s");
        const char *full = kept(path);
        struct answer a = get(&s, full);
        snprintf(code, sizeof code, "\"code\":\"%s\"", tries[i].code);
        if (a.status != tries[i].status || !answer_has(&a, code) || !answer_has(&a, tries[i].text))
            T_FAIL("%s: %d %s", full, a.status, a.body);
        STR("no-store", answer_header(&a, "Cache-Control"));
        answer_release(&a);
    }
    char other[128];
    snprintf(other, sizeof other, "/v1/images/%064d/edges.png", 0);
    struct answer a = get(&s, other);
    EQ(404, a.status);
    OK(answer_has(&a, "is kept"));
    answer_release(&a);
}

TEST(pages_from_elsewhere_change_nothing)
{
    struct server listed = SERVER("--cors-origin", "https://a.example");
    char own[64];
    snprintf(own, sizeof own, "Origin: http://127.0.0.1:%d", listed.port);
    const struct {
        const char *origin;
        int put, forget;
    } tries[] = {{"Origin: https://evil.example", 403, 403}, {"Origin: null", 403, 403},
                 {"Origin: https://127.0.0.1", 403, 403},    {own, 201, 204},
                 {"Origin: https://a.example", 201, 204},    {"X-Nothing: 1", 201, 204}};
    struct answer a = fetch(&listed, &(struct fetch){.path = "/v1/images", .parts = {IMG}});
    char path[128];
    snprintf(path, sizeof path, "/v1/images/%s", id_of(&a));
    answer_release(&a);
    a = fetch(&listed, &(struct fetch){.method = "DELETE", .path = path});
    EQ(204, a.status);
    answer_release(&a);
    for (size_t i = 0; i < sizeof tries / sizeof *tries; i++) {
        a = fetch(&listed, &(struct fetch){
                               .path = "/v1/images", .parts = {IMG}, .headers = {tries[i].origin}});
        if (a.status != tries[i].put) T_FAIL("%s: %d %s", tries[i].origin, a.status, a.body);
        if (a.status == 403) OK(answer_has(&a, "\"code\":\"forbidden-origin\""));
        answer_release(&a);
        a = fetch(&listed,
                  &(struct fetch){.method = "DELETE", .path = path, .headers = {tries[i].origin}});
        if (a.status != tries[i].forget)
            T_FAIL("DELETE, %s: %d %s", tries[i].origin, a.status, a.body);
        answer_release(&a);
    }
    a = fetch(&listed, &(struct fetch){.path = "/edges",
                                       .parts = {IMG},
                                       .headers = {"Origin: https://evil.example"}});
    EQ(200, a.status); /* running changes nothing */
    answer_release(&a);
    EQ(0, server_stop(&listed));
}

/* Eight pictures of 45 kB; the address of the first. */
static void keep_eight(const struct server *to, char first[128])
{
    for (int i = 0; i < 8; i++) {
        size_t n;
        uint8_t *x = ppm(150, 100, &n); /* 45,015 bytes */
        x[n - 1] = (uint8_t)i;
        struct answer a =
            fetch(to, &(struct fetch){.path = "/v1/images", .body = x, .body_n = n});
        EQ(201, a.status);
        if (i == 0) snprintf(first, 128, "/v1/images/%s", id_of(&a));
        OK(gauge(to, "convd_memory_bytes{kind=\"images\"}") <= 200000);
        answer_release(&a);
        free(x);
    }
    OK(gauge(to, "convd_memory_bytes{kind=\"images\"}") > 130000);
}

static struct answer keep_large(const struct server *to)
{
    size_t n;
    void *x = ppm(400, 300, &n); /* 360,015 bytes */
    struct answer a = fetch(to, &(struct fetch){.path = "/v1/images", .body = x, .body_n = n});
    free(x);
    return a;
}

static int status_of(const struct server *from, const char *path)
{
    struct answer a = get(from, path);
    int status = a.status;
    answer_release(&a);
    return status;
}

TEST(without_a_store_memory_is_all_there_is)
{
    struct server small = SERVER("--image-memory", "200k", "--data", "/proc/nothing");
    char first[128] = "";
    keep_eight(&small, first);
    EQ(404, status_of(&small, first));
    struct answer a = keep_large(&small);
    EQ(507, a.status);
    OK(answer_has(&a, "\"code\":\"storage-full\"") && answer_has(&a, "\"limit\":200000"));
    answer_release(&a);
    EQ(0, server_stop(&small));
}

/* ---- with a store behind it ---- */

static char data[DIR_NAME];

TEST(what_memory_has_no_room_for_is_read_from_disk)
{
    dir_new(data);
    struct server small = SERVER("--image-memory", "200k", "--data", data);
    char first[128] = "", run[160];
    keep_eight(&small, first);
    EQ(200, status_of(&small, first));
    double hits = gauge(&small, "convd_cache_hits_total{kind=\"image\"}");
    EQ(200, status_of(&small, first)); /* now from memory */
    NEAR(hits + 1, gauge(&small, "convd_cache_hits_total{kind=\"image\"}"), 0);
    struct answer a = keep_large(&small), b;
    EQ(201, a.status);
    snprintf(run, sizeof run, "/v1/images/%s/edges.png", id_of(&a));
    EQ(200, status_of(&small, run));
    OK(gauge(&small, "convd_memory_bytes{kind=\"images\"}") <= 200000);
    b = keep_large(&small);
    EQ(200, b.status); /* it is there */
    answer_release(&a);
    answer_release(&b);
    a = fetch(&small, &(struct fetch){.method = "DELETE", .path = first});
    EQ(204, a.status);
    EQ(404, status_of(&small, first));
    answer_release(&a);
    EQ(0, server_stop(&small));
    dir_remove(data);
}

TEST(kept_pictures_outlive_the_process_as_long_as_they_are_asked_for)
{
    dir_new(data);
    struct server own = SERVER("--data", data);
    struct answer a = fetch(&own, &(struct fetch){.path = "/v1/images", .parts = {IMG}});
    char path[128], run[160];
    snprintf(path, sizeof path, "/v1/images/%s", id_of(&a));
    snprintf(run, sizeof run, "%s/edges.png", path);
    answer_release(&a);
    kill(own.pid, SIGKILL);
    server_wait(&own, 10);
    own = SERVER("--data", data);
    a = get(&own, path);
    EQ(200, a.status);
    EQ(picture_n, a.body_n);
    EQ(0, memcmp(picture, a.body, picture_n));
    STR("public, max-age=31536000, immutable", answer_header(&a, "Cache-Control"));
    answer_release(&a);
    EQ(200, status_of(&own, run));
    EQ(0, server_stop(&own));
    own = SERVER("--data", data, "--image-ttl", "0");
    for (double end = now() + 20; status_of(&own, path) != 404; usleep(20000))
        if (now() > end) T_FAIL("an old picture stays");
    EQ(0, server_stop(&own));
    dir_remove(data);
}

TEST(a_damaged_picture_is_not_served_and_may_be_sent_again)
{
    dir_new(data);
    struct server own = SERVER("--data", data);
    struct answer a = keep_large(&own);
    char path[128];
    EQ(201, a.status);
    snprintf(path, sizeof path, "/v1/images/%s", id_of(&a));
    answer_release(&a);
    EQ(0, server_stop(&own));
    dir_flip(dir_file(data), 100000);
    own = SERVER("--data", data);
    a = get(&own, path);
    EQ(404, a.status);
    OK(answer_has(&a, "damaged on disk"));
    answer_release(&a);
    a = keep_large(&own);
    EQ(201, a.status);
    answer_release(&a);
    EQ(200, status_of(&own, path));
    EQ(0, server_stop(&own));
    own = SERVER("--data", data);
    EQ(200, status_of(&own, path));
    EQ(0, server_stop(&own));
    dir_remove(data);
}

TEST(other_methods_name_those_that_are_taken)
{
    static const struct {
        const char *path, *method, *allow;
    } tries[] = {{"/v1/images", "GET", "POST, OPTIONS"},
                 {"/v1/images/%s", "POST", "GET, HEAD, DELETE, OPTIONS"},
                 {"/v1/images/%s/edges.png", "DELETE", "GET, HEAD, OPTIONS"}};
    for (size_t i = 0; i < 3; i++) {
        char path[128];
        snprintf(path, sizeof path, tries[i].path, "0");
        struct answer a = fetch(&s, &(struct fetch){.method = tries[i].method, .path = path});
        EQ(405, a.status);
        STR(tries[i].allow, answer_header(&a, "Allow"));
        answer_release(&a);
    }
}

int main(void)
{
    picture = ppm(40, 30, &picture_n);
    s = SERVER(NULL);
    int rc = _cmocka_run_group_tests("http/images", t_tests, t_count, NULL, NULL) ? 1 : 0;
    if (server_stop(&s) != 0) rc = 1;
    free(picture);
    return rc;
}
