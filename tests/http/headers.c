/* headers.c: what is believed of request lines and headers, against RFC 9110 and 9112. */
#include "../t.h"
#include "server/headers.h"

static struct convd_arena mem;
static struct headers h;
static struct target t;

#define H(NAME, VALUE)                                                                             \
    {                                                                                              \
        NAME, sizeof NAME - 1, VALUE, sizeof VALUE - 1                                             \
    }
#define READ(VERSION, ...)                                                                         \
    headers_read(&h, (const struct header[]){__VA_ARGS__},                                         \
                 sizeof((const struct header[]){__VA_ARGS__}) / sizeof(struct header), VERSION,    \
                 &mem)
#define FINE(...) EQ(0, READ("HTTP/1.1", H("Host", "x"), __VA_ARGS__).code)
/* Refused, and the connection with it. */
#define CLOSES(...)                                                                                \
    do {                                                                                           \
        struct refusal r_ = READ("HTTP/1.1", H("Host", "x"), __VA_ARGS__);                         \
        OK(r_.code != 0 && r_.close && r_.detail);                                                 \
    } while (0)

TEST(plain_requests_are_read)
{
    FINE(H("content-length", "12"), H("CONTENT-TYPE", "image/png"), H("Accept", "image/png"),
         H("X-Request-Id", "a.b_C-1"));
    EQ(12, h.length);
    OK(h.has_length && !h.chunked);
    STR("image/png", h.content_type);
    STR("a.b_C-1", h.id);
    FINE(H("Transfer-Encoding", "Chunked"));
    OK(h.chunked);
    FINE(H("Expect", "100-continue"));
    OK(h.expect_continue);
}

TEST(lists_may_come_in_pieces_other_headers_not)
{
    FINE(H("Accept", "image/png"), H("Accept", "image/jpeg"));
    STR("image/png, image/jpeg", h.accept);
    EQ(CONVD_BAD_REQUEST,
       READ("HTTP/1.1", H("Host", "x"), H("Content-Type", "a/b"), H("Content-Type", "c/d")).code);
    EQ(CONVD_BAD_REQUEST,
       READ("HTTP/1.1", H("Host", "x"), H("Authorization", "a"), H("Authorization", "b")).code);
}

TEST(framing_that_two_readers_could_take_differently_closes)
{
    CLOSES(H("Content-Length", "3"), H("Transfer-Encoding", "chunked"));
    CLOSES(H("Content-Length", "3"), H("Content-Length", "3"));
    CLOSES(H("Content-Length", "3"), H("Content-Length", "4"));
    CLOSES(H("Content-Length", "3, 3"));
    CLOSES(H("Content-Length", "-1"));
    CLOSES(H("Content-Length", "+1"));
    CLOSES(H("Content-Length", "0x10"));
    CLOSES(H("Content-Length", ""));
    CLOSES(H("Content-Length", "99999999999999999999"));
    CLOSES(H("Transfer-Encoding", "gzip, chunked"));
    CLOSES(H("Transfer-Encoding", "xchunked"));
    CLOSES(H("Transfer-Encoding", "chunked"), H("Transfer-Encoding", "chunked"));
    CLOSES(H("Content-Length ", "3"));
    CLOSES(H("Content Length", "3"));
    CLOSES(H("", "3"));
    CLOSES(H("X-A", "a\x01"));
    CLOSES(H("Host", "y"));
    EQ(API_NOT_IMPLEMENTED, READ("HTTP/1.1", H("Host", "x"), H("Transfer-Encoding", "gzip")).code);
}

TEST(a_host_is_needed_from_1_1_on)
{
    OK(READ("HTTP/1.1", H("Accept", "*")).close);
    EQ(0, READ("HTTP/1.0", H("Accept", "*")).code);
    OK(READ("HTTP/1.0", H("Transfer-Encoding", "chunked")).close);
    OK(READ("HTTP/1.9", H("Host", "x")).close);
}

TEST(request_ids_are_short_plain_tokens_or_ours)
{
    FINE(H("X-Request-Id", "<script>"));
    STR("", h.id);
    FINE(H("X-Request-Id", "a b"));
    STR("", h.id);
    FINE(H("X-Request-Id", "1234567890123456789012345678901234567890123456789012345678901234"));
    EQ(64, strlen(h.id));
    FINE(H("X-Request-Id", "12345678901234567890123456789012345678901234567890123456789012345"));
    STR("", h.id);
}

TEST(targets_are_taken_apart)
{
    EQ(0, target_read(&t, "/gray%73cale/max_pool:2?format=png&a=b+c%21&view", "POST", &mem).code);
    STR("/grayscale/max_pool:2", t.path);
    STR("gray%73cale/max_pool:2", t.chain);
    EQ(3, t.n_query);
    STR("png", target_query(&t, "format"));
    STR("b c!", target_query(&t, "a"));
    STR("", target_query(&t, "view"));
    OK(target_query(&t, "none") == NULL);
    EQ(0, target_read(&t, "/a%2Fb", "GET", &mem).code);
    STR("/a/b", t.path);
    EQ(0, target_read(&t, "*", "OPTIONS", &mem).code);
    EQ(0, target_read(&t, "/?", "GET", &mem).code);
    EQ(0, target_read(&t, "/?&&", "GET", &mem).code);
}

TEST(an_origin_before_the_path_is_left_out)
{
    static const char *const same[][2] = {{"http://x/y", "/y"},
                                          {"HTTPS://x.example:8080/y/z", "/y/z"},
                                          {"http://x", "/"},
                                          {"http://[::1]:80/y?a=http://b/", "/y"}};
    for (size_t i = 0; i < sizeof same / sizeof *same; i++) {
        EQ(0, target_read(&t, same[i][0], "GET", &mem).code);
        STR(same[i][1], t.path);
    }
    STR("http://b/", target_query(&t, "a"));
}

TEST(bad_targets_are_refused)
{
    static const char *const wrong[] = {"",
                                        "*",
                                        "a",
                                        "ftp://x/y",
                                        "http:/x",
                                        "/%",
                                        "/%4",
                                        "/%zz",
                                        "/%00",
                                        "/a%00b",
                                        "/a b",
                                        "/a#b",
                                        "/\x80",
                                        "/\x01",
                                        "/%ff",
                                        "/%c0%80",
                                        "/%ed%a0%80",
                                        "/%f5%80%80%80",
                                        "/%e2%82",
                                        "/x?a=%00",
                                        "/x?a=%",
                                        "/x?=1",
                                        "/x?a=%ff"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        if (target_read(&t, wrong[i], "GET", &mem).code != CONVD_BAD_REQUEST)
            T_FAIL("accepted: %s", wrong[i]);
    char *longest = malloc(TARGET_MOST + 2);
    memset(longest, 'a', TARGET_MOST + 1);
    longest[0] = '/';
    longest[TARGET_MOST + 1] = 0;
    EQ(API_URI_TOO_LONG, target_read(&t, longest, "GET", &mem).code);
    longest[TARGET_MOST] = 0;
    EQ(0, target_read(&t, longest, "GET", &mem).code);
    free(longest);
    char many[512] = "/?";
    for (int i = 0; i < QUERY_MOST; i++) strcat(many, "a=1&");
    EQ(CONVD_BAD_REQUEST, target_read(&t, many, "GET", &mem).code);
}

TEST(etags_are_compared_weakly_in_lists)
{
    OK(etag_matches("\"a\"", "\"a\""));
    OK(etag_matches("W/\"a\"", "\"a\""));
    OK(etag_matches("\"b\", W/\"c\" ,\"a\"", "\"a\""));
    OK(etag_matches("*", "\"a\""));
    OK(etag_matches("x, \"a\"", "\"a\""));
    OK(!etag_matches(NULL, "\"a\""));
    OK(!etag_matches("", "\"a\""));
    OK(!etag_matches("\"ab\"", "\"a\""));
    OK(!etag_matches("\"b,\"a", "\"a\""));
    OK(!etag_matches("a", "\"a\""));
    OK(!etag_matches("\"a", "\"a\""));
}

int main(void)
{
    convd_arena_init(&mem, NULL, 0);
    int rc = _cmocka_run_group_tests("http/headers", t_tests, t_count, NULL, NULL) ? 1 : 0;
    convd_arena_release(&mem);
    return rc;
}
