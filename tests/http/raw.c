/* raw.c: requests that libcurl refuses to send. Each is a line of the table in server/README.md: what
 * libmicrohttpd 0.9.75 takes and RFC 9112 forbids. */
#include "../t.h"
#include "lib_server.h"
#include <sys/socket.h>
#include <unistd.h>

static struct server s;

#define HOST       "Host: x\r\n"
#define BODY_OF(N) "Content-Length: " #N "\r\n\r\n"

/* Refused with this status and problem+json, and the connection ends. */
#define REFUSED(STATUS, TEXT_) refused(STATUS, TEXT_, sizeof(TEXT_) - 1, __LINE__)
static void refused(int status, const char *text, size_t n, int line)
{
    int fd = raw_connect(&s);
    raw_send(fd, text, n);
    struct answer a = raw_read(fd, 10);
    if (a.status != status)
        T_FAIL("line %d: expected %d, got %d %s", line, status, a.status, a.body);
    STR("application/problem+json", answer_header(&a, "Content-Type"));
    STR("close", answer_header(&a, "Connection"));
    OK(answer_header(&a, "Date") != NULL && answer_header(&a, "X-Request-Id") != NULL);
    if (!raw_closed(fd, 10)) T_FAIL("line %d: the connection stays open", line);
    answer_release(&a);
    close(fd);
}

TEST(smuggling_is_refused)
{
    REFUSED(400, "POST /grayscale HTTP/1.1\r\n" HOST
                 "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /healthz "
                 "HTTP/1.1\r\n\r\n");
    REFUSED(400, "POST /grayscale HTTP/1.1\r\n" HOST
                 "Content-Length: 3\r\nContent-Length: 4\r\n\r\nabcd");
    REFUSED(400, "POST /grayscale HTTP/1.1\r\n" HOST
                 "Content-Length: 3\r\nContent-Length: 3\r\n\r\nabc");
    REFUSED(400, "POST /grayscale HTTP/1.1\r\n" HOST
                 "Content-Length : 5\r\n\r\nGET /healthz HTTP/1.1\r\n" HOST "\r\n");
    REFUSED(501, "POST /grayscale HTTP/1.1\r\n" HOST "Transfer-Encoding: xchunked\r\n\r\nabc");
    REFUSED(501, "POST /grayscale HTTP/1.1\r\n" HOST "Transfer-Encoding: gzip, chunked\r\n\r\nabc");
    REFUSED(400, "POST /grayscale HTTP/1.0\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n");
}

TEST(hosts_come_once)
{
    REFUSED(400, "GET /healthz HTTP/1.1\r\n\r\n");
    REFUSED(400, "GET /healthz HTTP/1.1\r\n" HOST HOST "\r\n");
    struct answer a = raw_text(&s, "GET /healthz HTTP/1.0\r\n\r\n");
    EQ(200, a.status);
    answer_release(&a);
}

TEST(headers_are_lines_of_text)
{
    REFUSED(400, "GET /healthz HTTP/1.1\r\n" HOST "X-A: a\0b\r\n\r\n");
    REFUSED(400, "GET /healthz HTTP/1.1\r\n" HOST "X-A: a\r\n b\r\n\r\n");
    REFUSED(400, "GET /healthz HTTP/1.1\r\n" HOST "X-A: a\r\n b\r\nX-B: c\r\n\r\n");
    REFUSED(400, "GET /healthz HTTP/1.1\r\n" HOST "X A: a\r\n\r\n");
    REFUSED(400, "GET /healthz HTTP/1.1\r\n" HOST "X-A: a\x01\r\n\r\n");
    REFUSED(400, "GET /healthz HTTP/1.1\r\n" HOST "Content-Type: a\rb\r\n\r\n");
    struct answer a = raw_text(&s, "GET /healthz HTTP/1.1\n"
                                   "Host: x\nX-A:\t a  \nX-Empty:\nConnection: close\n\n");
    EQ(200, a.status); /* bare line feeds may be taken */
    answer_release(&a);
    char many[8192] = "GET /healthz HTTP/1.1\r\n" HOST;
    for (int i = 0; i < 120; i++) strcat(many, "X-A: b\r\n");
    strcat(many, "\r\n");
    a = raw_text(&s, many);
    EQ(431, a.status);
    answer_release(&a);
}

TEST(targets_are_paths)
{
    REFUSED(400, "GET /healthz%00x HTTP/1.1\r\n" HOST "Connection: close\r\n\r\n");
    REFUSED(400, "GET /healthz%zz HTTP/1.1\r\n" HOST "Connection: close\r\n\r\n");
    struct answer a =
        raw_text(&s, "GET http://x/healthz HTTP/1.1\r\n" HOST "Connection: close\r\n\r\n");
    EQ(200, a.status); /* as through a proxy */
    answer_release(&a);
    REFUSED(400, "CONNECT x:80 HTTP/1.1\r\n" HOST "Connection: close\r\n\r\n");
    REFUSED(400, "GET /a b HTTP/1.1\r\n" HOST "Connection: close\r\n\r\n");
    REFUSED(400, "GET * HTTP/1.1\r\n" HOST "Connection: close\r\n\r\n");
    REFUSED(405, "TRACE / HTTP/1.1\r\n" HOST "Connection: close\r\n\r\n");
    char line[9000] = "GET /";
    memset(line + 5, 'a', 8500);
    strcpy(line + 8505, " HTTP/1.1\r\n" HOST "Connection: close\r\n\r\n");
    a = raw_text(&s, line);
    EQ(414, a.status);
    OK(answer_has(&a, "\"code\":\"uri-too-long\""));
    answer_release(&a);
}

TEST(what_is_no_http_gets_no_second_answer)
{
#define WHOLE(TEXT_)                                                                               \
    {                                                                                              \
        TEXT_, sizeof(TEXT_) - 1                                                                   \
    }
    static const struct {
        const char *text;
        size_t n;
    } texts[] = {WHOLE("HELLO\r\n\r\n"), WHOLE("GET / HTTP/9.9\r\n" HOST "\r\n"),
                 WHOLE("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n")};
    for (size_t i = 0; i < 3; i++) {
        struct answer a = raw(&s, texts[i].text, texts[i].n);
        OK(a.status == 0 || a.status == 400 || a.status == 505);
        answer_release(&a);
    }
}

TEST(a_connection_goes_on_after_what_was_read_whole)
{
    int fd = raw_connect(&s);
    static const struct {
        const char *text;
        int status;
    } turns[] = {
        {"GET /healthz HTTP/1.1\r\n" HOST "\r\n", 200},
        {"GET /nothing HTTP/1.1\r\n" HOST "\r\n", 404},
        {"POST /v1/ops HTTP/1.1\r\n" HOST BODY_OF(5) "hello", 405},
    };
    for (size_t i = 0; i < sizeof turns / sizeof *turns; i++) {
        raw_send(fd, turns[i].text, strlen(turns[i].text));
        struct answer a = raw_read(fd, 10);
        EQ(turns[i].status, a.status);
        OK(!answer_header(&a, "Connection"));
        answer_release(&a);
    }
    static const char idle_body[] =
        "GET /healthz HTTP/1.1\r\n" HOST BODY_OF(5) "hello"; /* it means nothing */
    raw_send(fd, idle_body, sizeof idle_body - 1);
    struct answer a = raw_read(fd, 10);
    EQ(200, a.status);
    answer_release(&a);
    close(fd);
}

TEST(a_refused_body_of_unknown_length_ends_the_connection)
{
    REFUSED(405, "POST /v1/ops HTTP/1.1\r\n" HOST
                 "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n");
}

TEST(many_requests_in_one_go_are_answered_in_order)
{
    char text[8192] = "";
    for (int i = 0; i < 50; i++)
        strcat(text, i % 2 ? "GET /healthz HTTP/1.1\r\n" HOST "\r\n"
                           : "GET /nothing HTTP/1.1\r\n" HOST "\r\n");
    int fd = raw_connect(&s);
    raw_send(fd, text, strlen(text));
    shutdown(fd, SHUT_WR);
    char *all = calloc(1, 1 << 20);
    size_t n = 0;
    for (ssize_t got; (got = recv(fd, all + n, (1 << 20) - 1 - n, 0)) > 0;) n += (size_t)got;
    int ok = 0;
    for (const char *at = all; (at = strstr(at, "HTTP/1.1 ")) != NULL; at++) {
        EQ(ok % 2 ? 200 : 404, atoi(at + 9));
        ok++;
    }
    EQ(50, ok);
    free(all);
    close(fd);
}

TEST(bodies_over_the_limit_are_refused_before_they_are_read)
{
    /* a client that asks first, one that does not, one that never says how much */
    REFUSED(413,
            "POST /grayscale HTTP/1.1\r\n" HOST "Expect: 100-continue\r\n" BODY_OF(1000000000));
    REFUSED(413, "POST /grayscale HTTP/1.1\r\n" HOST BODY_OF(1000000000) "abc");
    REFUSED(413, "POST /grayscale HTTP/1.1\r\n" HOST BODY_OF(1000000000000000000) "abc");
    int fd = raw_connect(&s);
    char *block = calloc(1, 65536);
    static const char start[] =
        "POST /grayscale HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n";
    raw_send(fd, start, sizeof start - 1);
    size_t sent = 0;
    while (sent < (size_t)200 << 20 && raw_send(fd, "10000\r\n", 7) && raw_send(fd, block, 65536) &&
           raw_send(fd, "\r\n", 2))
        sent += 65536;
    OK(sent >= 32 << 20);
    struct answer a = raw_read(fd, 10);
    EQ(413, a.status);
    OK(answer_has(&a, "\"code\":\"body-too-large\""));
    OK(answer_has(&a, "\"limit\":33554432"));
    answer_release(&a);
    OK(raw_closed(fd, 10));
    close(fd);
    free(block);
}

TEST(a_client_that_waits_is_told_to_go_on)
{
    size_t n;
    char *picture = ppm(8, 8, &n), head[256];
    int fd = raw_connect(&s),
        head_n = snprintf(head, sizeof head,
                          "POST /grayscale HTTP/1.1\r\n" HOST
                          "Expect: 100-continue\r\nContent-Length: %zu\r\n\r\n",
                          n);
    raw_send(fd, head, (size_t)head_n);
    char text[128] = "";
    OK(recv(fd, text, sizeof text - 1, 0) > 0);
    OK(strncmp(text, "HTTP/1.1 100 ", 13) == 0);
    raw_send(fd, picture, n);
    struct answer a = raw_read(fd, 10);
    EQ(200, a.status);
    answer_release(&a);
    close(fd);
    REFUSED(405, "POST /v1/ops HTTP/1.1\r\n" HOST
                 "Expect: 100-continue\r\n" BODY_OF(10)); /* at once, without the body */
    free(picture);
}

TEST(small_chunks_make_a_body)
{
    size_t n;
    unsigned char *picture = ppm(40, 30, &n);
    int fd = raw_connect(&s);
    static const char start[] =
        "POST /grayscale HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n";
    raw_send(fd, start, sizeof start - 1);
    char *text = malloc(n * 6 + 8), *at = text;
    for (size_t i = 0; i < n; i++) {
        memcpy(at, "1\r\n", 3);
        at[3] = (char)picture[i];
        memcpy(at + 4, "\r\n", 2);
        at += 6;
    }
    memcpy(at, "0\r\n\r\n", 5);
    raw_send(fd, text, n * 6 + 5);
    struct answer a = raw_read(fd, 10);
    EQ(200, a.status);
    answer_release(&a);
    close(fd);
    free(text);
    free(picture);
    REFUSED(400, "POST /grayscale HTTP/1.1\r\n" HOST
                 "Connection: close\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n");
}

int main(void)
{
    s = SERVER(NULL);
    int rc = _cmocka_run_group_tests("http/raw", t_tests, t_count, NULL, NULL) ? 1 : 0;
    if (server_stop(&s) != 0) rc = 1;
    return rc;
}
