/* slow.c: clients that take their time, and clients that go away. Deadlines are set short by flags; only
 * order and rough bounds are asserted. */
#include "../t.h"
#include "lib_server.h"
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#define HOST "Host: x\r\n"

static struct server s; /* headers 1 s, bodies 1 s without 1 KiB/s, requests 2 s */
static void *picture;
static size_t picture_n;

static void say(int fd, const char *text)
{
    raw_send(fd, text, strlen(text));
}

/* Sends a byte each 100 ms until the other side has enough of it. Returns the seconds that took; the answer
 * stays to be read. */
static double drip(int fd, const char *piece, double most)
{
    double began = now();
    char peek;
    while (now() - began < most) {
        say(fd, piece);
        usleep(100000);
        if (recv(fd, &peek, 1, MSG_PEEK | MSG_DONTWAIT) >= 0) break;
    }
    return now() - began;
}

TEST(slow_headers_end_with_408)
{
    static const char *const starts[] = {"G", "GET /heal", "GET /healthz HTTP/1.1\r\nHost: x\r\nX-",
                                         "POST /grayscale HTTP/1.1\r\n" HOST "A: b\r\n"};
    int fd[4];
    double began = now();
    for (size_t i = 0; i < 4; i++) {
        fd[i] = raw_connect(&s);
        say(fd[i], starts[i]);
    }
    for (size_t i = 0; i < 4; i++) { /* all of them drip until the last has ended */
        for (size_t k = i + 1; k < 4; k++) say(fd[k], "a");
        drip(fd[i], "a", 6);
        double took = now() - began;
        struct answer a = raw_read(fd[i], 3);
        if (a.status != 408 || took < 0.7 || took > 6)
            T_FAIL("%s: %d after %.2f s", starts[i], a.status, took);
        OK(answer_has(&a, "\"code\":\"too-slow\""));
        OK(raw_closed(fd[i], 3));
        answer_release(&a);
        close(fd[i]);
    }
}

TEST(slow_bodies_end_with_408)
{
    int fd = raw_connect(&s);
    say(fd, "POST /grayscale HTTP/1.1\r\n" HOST "Content-Length: 100000\r\n\r\n");
    double took = drip(fd, "a", 6);
    struct answer a = raw_read(fd, 3);
    if (a.status != 408 || took < 0.7 || took > 5) T_FAIL("%d after %.2f s", a.status, took);
    OK(raw_closed(fd, 3));
    answer_release(&a);
    close(fd);
    fd = raw_connect(&s); /* one that stalls altogether */
    say(fd, "POST /grayscale HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n5\r\nab");
    a = raw_read(fd, 6);
    EQ(408, a.status);
    answer_release(&a);
    close(fd);
}

TEST(a_body_that_is_slow_but_fast_enough_arrives)
{
    size_t n;
    char *large = ppm(60, 60, &n), head[128]; /* 10.8 kB at 4 kB/s: longer than both deadlines */
    int fd = raw_connect(&s),
        head_n = snprintf(head, sizeof head,
                          "POST /grayscale HTTP/1.1\r\n" HOST "Content-Length: %zu\r\n\r\n", n);
    raw_send(fd, head, (size_t)head_n);
    for (size_t at = 0; at < n; at += 400) {
        raw_send(fd, large + at, n - at < 400 ? n - at : 400);
        usleep(100000);
    }
    struct answer a = raw_read(fd, 5);
    EQ(200, a.status);
    answer_release(&a);
    close(fd);
    free(large);
}

TEST(connections_that_say_nothing_are_closed_without_a_word)
{
    int fd = raw_connect(&s);
    struct answer a = raw_read(fd, 5);
    EQ(0, a.status);
    EQ(0, strlen(a.head));
    answer_release(&a);
    close(fd);
}

TEST(a_rest_between_requests_is_longer_than_a_header_may_take)
{
    int fd = raw_connect(&s);
    say(fd, "GET /healthz HTTP/1.1\r\n" HOST "\r\n");
    struct answer a = raw_read(fd, 5);
    EQ(200, a.status);
    answer_release(&a);
    usleep(2500000);
    say(fd, "GET /healthz HTTP/1.1\r\n" HOST "\r\n");
    a = raw_read(fd, 5);
    EQ(200, a.status);
    answer_release(&a);
    say(fd, "GET /heal"); /* begun: now the header's deadline counts */
    double took = drip(fd, "a", 6);
    a = raw_read(fd, 3);
    if (a.status != 408 || took > 5) T_FAIL("%d after %.2f s", a.status, took);
    answer_release(&a);
    close(fd);
}

/* A request that takes many seconds on any machine: 8e11 multiply-adds that no trick separates. */
#define LONG_WORK                                                                                  \
    "/resize:2000x2000/gabor:129,20,30/gabor:129,20,50/gabor:129,20,70/"                           \
    "gabor:129,20,110?format=json"

static int start_work(const struct server *to, const char *path)
{
    char head[512];
    int fd = raw_connect(to),
        n = snprintf(head, sizeof head, "POST %s HTTP/1.1\r\n" HOST "Content-Length: %zu\r\n\r\n",
                     path, picture_n);
    raw_send(fd, head, (size_t)n);
    raw_send(fd, picture, picture_n);
    return fd;
}

TEST(work_that_takes_too_long_is_504)
{
    int fd = start_work(&s, LONG_WORK);
    struct answer a = raw_read(fd, 30);
    if (a.status != 504) T_FAIL("%d after %.2f s", a.status, a.seconds);
    OK(answer_has(&a, "\"code\":\"deadline\""));
    OK(a.seconds > 1.5);
    OK(becomes(&s, "convd_workers_busy", 0, 20));
    answer_release(&a);
    close(fd);
}

TEST(waiting_for_a_worker_counts_too)
{
    struct server one = SERVER("--workers", "1", "--timeout", "2s");
    int first = start_work(&one, LONG_WORK);
    OK(becomes(&one, "convd_workers_busy", 1, 5));
    usleep(300000);
    int second = start_work(&one, "/grayscale");
    struct answer a = raw_read(second, 10), b = raw_read(first, 30);
    EQ(504, b.status);
    OK(a.status == 504 || a.status == 200); /* the first one's end may just let it through */
    answer_release(&a);
    answer_release(&b);
    close(first);
    close(second);
    EQ(0, server_stop(&one));
}

TEST(a_client_that_left_stops_its_work)
{
    struct server patient = SERVER("--workers", "1", "--timeout", "60s");
    int fd = start_work(&patient, LONG_WORK);
    OK(becomes(&patient, "convd_workers_busy", 1, 5));
    close(fd);
    OK(becomes(&patient, "convd_workers_busy", 0, 20));
    char *log = server_log(&patient);
    for (int i = 0; i < 100 && !strstr(log, " 499 "); i++) {
        usleep(50000);
        free(log);
        log = server_log(&patient);
    }
    OK(strstr(log, " POST /{chain} 499 0B ") != NULL);
    free(log);
    EQ(0, server_stop(&patient));
}

TEST(an_answer_nobody_reads_is_given_up)
{
    int fd = raw_connect(&s), small = 2048;
    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
    char head[256];
    int n = snprintf(head, sizeof head,
                     "POST /resize:2000x2000?format=npy HTTP/1.1\r\n" HOST
                     "Content-Length: %zu\r\n\r\n",
                     picture_n);
    raw_send(fd, head, (size_t)n);
    raw_send(fd, picture, picture_n);
    char *log = NULL;
    for (int i = 0; i < 200; i++) { /* 48 MB that go nowhere */
        usleep(50000);
        free(log);
        log = server_log(&s);
        if (strstr(log, " POST /{chain} 499 ")) break;
    }
    OK(strstr(log, " POST /{chain} 499 ") != NULL);
    free(log);
    close(fd);
}

TEST(slow_clients_do_not_keep_others_waiting)
{
    int slow[200];
    for (int i = 0; i < 200; i++) {
        slow[i] = raw_connect(&s);
        say(slow[i],
            i % 2 ? "GET /he" : "POST /grayscale HTTP/1.1\r\n" HOST "Content-Length: 9\r\n\r\na");
    }
    for (int i = 0; i < 20; i++) {
        struct answer a =
            fetch(&s, &(struct fetch){.path = "/grayscale", .body = picture, .body_n = picture_n});
        EQ(200, a.status);
        answer_release(&a);
    }
    for (int i = 0; i < 200; i++) {
        if (!raw_closed(slow[i], 8)) T_FAIL("connection %d is still open", i);
        close(slow[i]);
    }
}

int main(void)
{
    s = SERVER("--header-timeout", "1s", "--body-timeout", "1s", "--timeout", "2s");
    picture = ppm(16, 16, &picture_n);
    int rc = _cmocka_run_group_tests("http/slow", t_tests, t_count, NULL, NULL) ? 1 : 0;
    free(picture);
    if (server_stop(&s) != 0) rc = 1;
    return rc;
}
