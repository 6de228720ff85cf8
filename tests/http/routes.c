/* routes.c: what is where, and what every answer carries. */
#include "../t.h"
#include "lib_server.h"
#include <unistd.h>

static struct server s;

static const char *const readable[] = {"/",
                                       "/app.js",
                                       "/learn.js",
                                       "/style.css",
                                       "/healthz",
                                       "/readyz",
                                       "/version",
                                       "/metrics",
                                       "/v1/limits",
                                       "/v1/ops",
                                       "/v1/ops/max_pool",
                                       "/v1/kernels",
                                       "/v1/kernels/sobel_x",
                                       "/v1/pipelines"};
#define READABLE (sizeof readable / sizeof *readable)

TEST(every_route_answers_get_head_and_options)
{
    for (size_t i = 0; i < READABLE; i++) {
        struct answer a = get(&s, readable[i]),
                      b = fetch(&s, &(struct fetch){.method = "HEAD", .path = readable[i]}),
                      c = fetch(&s, &(struct fetch){.method = "OPTIONS", .path = readable[i]});
        if (a.status != 200 || b.status != 200 || c.status != 204)
            T_FAIL("%s: %d, HEAD %d, OPTIONS %d", readable[i], a.status, b.status, c.status);
        OK(a.body_n > 0);
        EQ(0, b.body_n);
        STR(answer_header(&a, "Content-Type"), answer_header(&b, "Content-Type"));
        if (strcmp(readable[i], "/metrics") != 0 && strcmp(readable[i], "/version") != 0)
            STR(answer_header(&a, "Content-Length"), answer_header(&b, "Content-Length"));
        STR("nosniff", answer_header(&a, "X-Content-Type-Options"));
        STR("GET, HEAD, OPTIONS", answer_header(&c, "Allow"));
        EQ(16, strlen(answer_header(&a, "X-Request-Id")));
        answer_release(&a);
        answer_release(&b);
        answer_release(&c);
    }
}

TEST(other_methods_are_405_with_allow)
{
    static const char *const methods[] = {"POST", "PUT", "DELETE", "PATCH", "BREW"};
    for (size_t i = 0; i < READABLE; i++) {
        struct answer a = fetch(&s, &(struct fetch){.method = methods[i % 5], .path = readable[i]});
        if (a.status != 405) T_FAIL("%s %s: %d", methods[i % 5], readable[i], a.status);
        STR("GET, HEAD, OPTIONS", answer_header(&a, "Allow"));
        OK(answer_has(&a, "\"code\":\"method-not-allowed\""));
        answer_release(&a);
    }
    struct answer a = get(&s, "/v1/run");
    EQ(405, a.status);
    STR("POST, OPTIONS", answer_header(&a, "Allow"));
    answer_release(&a);
}

TEST(get_of_a_chain_says_how_to_send_a_picture)
{
    static const char *const chains[] = {"/edges", "/grayscale/sobel_x/abs", "/max_pool:2"};
    for (size_t i = 0; i < 3; i++) {
        struct answer a = get(&s, chains[i]);
        EQ(405, a.status);
        STR("POST, OPTIONS", answer_header(&a, "Allow"));
        OK(answer_has(&a, "curl -F img=@photo.png http://127.0.0.1:"));
        OK(answer_has(&a, chains[i]));
        answer_release(&a);
    }
}

TEST(unknown_addresses_are_404_with_the_nearest_route)
{
    struct answer a = get(&s, "/metric");
    EQ(404, a.status);
    STR("application/problem+json", answer_header(&a, "Content-Type"));
    OK(answer_has(&a, "\"suggestion\":\"/metrics\""));
    OK(answer_has(&a, "\"code\":\"not-found\""));
    answer_release(&a);
    a = fetch(&s, &(struct fetch){.path = "/v1/rum", .body = "x", .body_n = 1});
    EQ(404, a.status);
    OK(answer_has(&a, "\"suggestion\":\"/v1/run\""));
    answer_release(&a);
    a = get(&s, "/v1/ops/max_pol");
    EQ(404, a.status);
    OK(answer_has(&a, "\"suggestion\":\"max_pool\""));
    answer_release(&a);
    a = get(&s, "/v1/kernels/sobel_z");
    EQ(404, a.status);
    answer_release(&a);
    a = get(&s, "/v1/pipelines/edge");
    EQ(404, a.status);
    OK(answer_has(&a, "\"suggestion\":\"edges\""));
    answer_release(&a);
}

TEST(options_of_anything_says_what_is_allowed)
{
    struct answer a = fetch(&s, &(struct fetch){.method = "OPTIONS", .path = "/edges"});
    EQ(204, a.status);
    STR("POST, OPTIONS", answer_header(&a, "Allow"));
    answer_release(&a);
    a = raw_text(&s, "OPTIONS * HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    EQ(204, a.status);
    STR("GET, HEAD, POST, DELETE, OPTIONS", answer_header(&a, "Allow"));
    answer_release(&a);
}

TEST(an_etag_that_is_known_is_not_sent_again)
{
    static const char *const tagged[] = {"/", "/app.js", "/v1/ops", "/v1/pipelines/edges",
                                         "/v1/limits"};
    for (size_t i = 0; i < 5; i++) {
        struct answer a = get(&s, tagged[i]);
        char line[128];
        snprintf(line, sizeof line, "If-None-Match: \"x\", W/%s", answer_header(&a, "ETag"));
        struct answer b = fetch(&s, &(struct fetch){.path = tagged[i], .headers = {line}});
        EQ(304, b.status);
        EQ(0, b.body_n);
        STR(answer_header(&a, "ETag"), answer_header(&b, "ETag"));
        answer_release(&b);
        b = fetch(&s, &(struct fetch){
                          .method = "HEAD", .path = tagged[i], .headers = {"If-None-Match: *"}});
        EQ(304, b.status);
        answer_release(&b);
        b = fetch(&s, &(struct fetch){.path = tagged[i], .headers = {"If-None-Match: \"other\""}});
        EQ(200, b.status);
        answer_release(&b);
        answer_release(&a);
    }
}

TEST(request_ids_are_echoed_when_they_are_plain)
{
    struct answer a =
        fetch(&s, &(struct fetch){.path = "/nothing-here", .headers = {"X-Request-Id: Abc-1._z"}});
    STR("Abc-1._z", answer_header(&a, "X-Request-Id"));
    OK(answer_has(&a, "\"instance\":\"Abc-1._z\""));
    answer_release(&a);
    a = fetch(&s, &(struct fetch){.path = "/healthz", .headers = {"X-Request-Id: <b>"}});
    EQ(16, strlen(answer_header(&a, "X-Request-Id")));
    answer_release(&a);
}

TEST(the_page_lets_nothing_in_from_elsewhere)
{
    struct answer a = get(&s, "/");
    const char *policy = answer_header(&a, "Content-Security-Policy");
    OK(policy && strstr(policy, "default-src 'none'") && !strstr(policy, "unsafe") &&
       !strstr(policy, "http"));
    static const char *const hooks[] = {"data-testid=\"file\"", "data-testid=\"result\"",
                                        "data-testid=\"chain\"", "data-testid=\"curl\"",
                                        "data-testid=\"error\""};
    for (size_t i = 0; i < 5; i++) OK(answer_has(&a, hooks[i]));
    OK(!answer_has(&a, "http://") || !answer_has(&a, "src=\"http"));
    OK(!answer_has(&a, "style=\""));
    answer_release(&a);
    a = get(&s, "/app.js");
    STR("text/javascript; charset=utf-8", answer_header(&a, "Content-Type"));
    answer_release(&a);
}

TEST(metrics_are_prometheus_text_with_closed_labels)
{
    struct answer a = get(&s, "/nobody%22%0Awrote=this"), m;
    size_t n;
    void *picture = ppm(8, 8, &n);
    answer_release(&a);
    a = fetch(&s, &(struct fetch){.path = "/grayscale", .body = picture, .body_n = n});
    EQ(200, a.status);
    answer_release(&a);
    free(picture);
    m = get(&s, "/metrics");
    STR("text/plain; version=0.0.4; charset=utf-8", answer_header(&m, "Content-Type"));
    OK(!answer_has(&m, "nobody"));
    static const char *const names[] = {
        "convd_http_requests_total{route=\"/healthz\",method=\"GET\",code=\"200\"}",
        "convd_http_request_duration_seconds_bucket{route=\"/healthz\",le=\"+Inf\"}",
        "convd_stage_duration_seconds_count{stage=\"decode\"}",
        "convd_op_duration_seconds_count{op=\"grayscale\"}",
        "convd_rejected_total{reason=\"queue-full\"}",
        "convd_queue_depth 0",
        "convd_workers ",
        "convd_workers_busy ",
        "convd_memory_bytes{kind=\"budget\"}",
        "convd_pixels_total",
        "convd_build_info{version=\"",
    };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (!answer_has(&m, names[i])) T_FAIL("missing: %s", names[i]);
    for (char *line = m.body, *end; (end = strchr(line, '\n')) != NULL;
         line = end + 1) { /* NAME[{LABELS}] NUMBER */
        *end = 0;
        if (line[0] == '#') {
            OK(strncmp(line, "# HELP convd_", 13) == 0 || strncmp(line, "# TYPE convd_", 13) == 0);
            continue;
        }
        char *value = strrchr(line, ' '), *stop;
        OK(value != NULL && strncmp(line, "convd_", 6) == 0);
        strtod(value + 1, &stop);
        OK(*stop == 0 && stop > value + 1);
    }
    answer_release(&m);
}

TEST(limits_are_those_in_force)
{
    struct server small = SERVER("--max-body", "2k", "--timeout", "7s", "--queue-depth", "3");
    struct answer a = get(&small, "/v1/limits");
    OK(answer_has(&a, "\"max_body\":2000,"));
    OK(answer_has(&a, "\"timeout_ms\":7000"));
    OK(answer_has(&a, "\"queue_depth\":3"));
    answer_release(&a);
    EQ(0, server_stop(&small));
}

TEST(keys_are_asked_for_where_they_should_be)
{
    char path[] = "/tmp/convd-keys-XXXXXX";
    int fd = mkstemp(path);
    OK(fd >= 0 && write(fd, "first-key\nsecond-key\n", 21) == 21);
    close(fd);
    struct server keyed = SERVER("--api-keys", path);
    static const char *const open[] = {"/",        "/app.js", "/style.css", "/learn.js",
                                       "/healthz", "/readyz", "/version"};
    static const char *const locked[] = {"/metrics", "/v1/ops", "/v1/pipelines/edges",
                                         "/v1/limits"};
    for (size_t i = 0; i < sizeof open / sizeof *open; i++) {
        struct answer a = get(&keyed, open[i]);
        EQ(200, a.status);
        answer_release(&a);
    }
    for (size_t i = 0; i < 4; i++) {
        static const struct {
            const char *line;
            int status;
        } tries[] = {
            {"X: y", 401},
            {"Authorization: Bearer wrong", 401},
            {"Authorization: Bearer first-key", 200},
            {"Authorization: bearer second-key", 200},
            {"Authorization: Basic first-key", 401},
            {"Authorization: Bearer first-ke", 401},
            {"Authorization: Bearer first-keyx", 401},
            {"Authorization: Bearer", 401},
        };
        for (size_t k = 0; k < sizeof tries / sizeof *tries; k++) {
            struct answer a =
                fetch(&keyed, &(struct fetch){.path = locked[i], .headers = {tries[k].line}});
            if (a.status != tries[k].status)
                T_FAIL("%s with %s: %d", locked[i], tries[k].line, a.status);
            if (a.status == 401)
                OK(strstr(answer_header(&a, "WWW-Authenticate"), "Bearer") != NULL);
            answer_release(&a);
        }
    }
    struct answer a = fetch(&keyed, &(struct fetch){.path = "/edges", .body = "x", .body_n = 1});
    EQ(401, a.status);
    OK(answer_has(&a, "\"code\":\"unauthorized\""));
    answer_release(&a);
    a = fetch(&keyed, &(struct fetch){.method = "OPTIONS", .path = "/edges"});
    EQ(204, a.status);
    answer_release(&a);
    EQ(0, server_stop(&keyed));
    unlink(path);
}

TEST(pages_of_listed_origins_may_read)
{
    struct server listed = SERVER("--cors-origin", "https://a.example,https://b.example"),
                  any = SERVER("--cors-origin", "*");
    struct answer a = fetch(
        &listed, &(struct fetch){.path = "/v1/ops", .headers = {"Origin: https://b.example"}});
    STR("https://b.example", answer_header(&a, "Access-Control-Allow-Origin"));
    STR("Origin", answer_header(&a, "Vary"));
    STR("ETag, Location, Retry-After, Server-Timing, X-Request-Id, Convd-Saturated",
        answer_header(&a, "Access-Control-Expose-Headers"));
    answer_release(&a);
    a = fetch(&listed,
              &(struct fetch){.path = "/v1/ops", .headers = {"Origin: https://c.example"}});
    OK(!answer_header(&a, "Access-Control-Allow-Origin"));
    STR("Origin", answer_header(&a, "Vary"));
    answer_release(&a);
    a = fetch(&listed, &(struct fetch){.method = "OPTIONS",
                                       .path = "/edges",
                                       .headers = {"Origin: https://a.example",
                                                   "Access-Control-Request-Method: POST"}});
    EQ(204, a.status);
    STR("https://a.example", answer_header(&a, "Access-Control-Allow-Origin"));
    STR("POST, OPTIONS", answer_header(&a, "Access-Control-Allow-Methods"));
    OK(strstr(answer_header(&a, "Access-Control-Allow-Headers"), "Authorization") != NULL);
    answer_release(&a);
    a = fetch(&any, &(struct fetch){.path = "/nothing", .headers = {"Origin: https://c.example"}});
    STR("*", answer_header(&a, "Access-Control-Allow-Origin"));
    answer_release(&a);
    a = fetch(&s, &(struct fetch){.path = "/v1/ops", .headers = {"Origin: https://a.example"}});
    OK(!answer_header(&a, "Access-Control-Allow-Origin"));
    answer_release(&a);
    EQ(0, server_stop(&listed));
    EQ(0, server_stop(&any));
}

TEST(a_log_line_a_request_in_both_forms)
{
    struct server json = SERVER("--log-format", "json");
    struct answer a =
        fetch(&json, &(struct fetch){.path = "/healthz", .headers = {"X-Request-Id: the-id"}});
    answer_release(&a);
    usleep(100000);
    char *log = server_log(&json);
    OK(strstr(log, "\"request_id\":\"the-id\",\"method\":\"GET\",\"route\":\"/"
                   "healthz\",\"status\":200,\"bytes\":16,\"ms\":") != NULL);
    free(log);
    EQ(0, server_stop(&json));
    a = fetch(
        &s, &(struct fetch){.path = "/edges?secret=1",
                            .headers = {"X-Request-Id: other-id", "Authorization: Bearer hidden"}});
    answer_release(&a);
    usleep(100000);
    log = server_log(&s);
    OK(strstr(log, "info other-id GET none 405 ") != NULL);
    OK(!strstr(log, "secret") && !strstr(log, "hidden"));
    free(log);
}

int main(void)
{
    s = SERVER(NULL);
    int rc = _cmocka_run_group_tests("http/routes", t_tests, t_count, NULL, NULL) ? 1 : 0;
    if (server_stop(&s) != 0) rc = 1;
    return rc;
}
